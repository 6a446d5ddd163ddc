"""One source of words: a fixed sentence for every reason code, always with the concrete name and the chain of causes.

A sentence is made of a reason alone, so that a line of the log reads as the footer did. `Reason.change` only makes it
more exact where it is at hand. The same things are always said in the same way: a function has its brackets, what is
small is shown as old → new, and `←` leads from an effect to its cause.
"""

from __future__ import annotations

import re

from incnb.model import Code, Decision, ItemCounts, Reason, Status

GLYPHS = {Status.REUSED: "✓", Status.CUTOFF: "✂", Status.EXECUTED: "▲", Status.FAILED: "✗", Status.BLOCKED: "■"}

SLOW = 1.0  # seconds, from which on it is told why the items of a loop were not told apart
_REUSED = (Status.REUSED, Status.CUTOFF)
_MOVED = frozenset(
    {Code.CONFIG, Code.CODE, Code.VALUE, Code.FILE, Code.ENV, Code.PACKAGE, Code.MODULE, Code.AMBIENT, Code.PYTHON,
     Code.SOURCE, Code.VERSION}
)  # fmt: skip
_AGAINST = (Code.EFFECT, Code.UNSAFE, Code.NOT_SAVED)
_SENTENCES = {
    Code.OFF: "incnb is off for this cell ({locator})",
    Code.FORCED: "it was forced ({locator})",
    Code.MARKED: "{locator} was marked: {detail}",
    Code.STORE_UNREADABLE: "what is saved cannot be read: {detail}",
    Code.NEWER_FORMAT: "what is saved was written by a newer incnb ({locator})",
    Code.NEVER_RUN: "nothing is saved of {locator} yet",
    Code.LAST_FAILED: "{locator} failed last time on the same inputs",
    Code.UNSAFE: "not saved: {detail}",
    Code.EXPIRED: "it expired ({locator}): {detail}",
    Code.UNTRUSTED: "what is saved was signed by another key (trace {locator})",
    Code.UNRESTORABLE: "what is saved cannot be restored: {detail}",
    Code.CONTAINED: "everything it relied on is as it was ({detail})",
    Code.ACCEPTED: "accepted: {detail}",
    Code.EFFECT: "not reusable: {detail}",
    Code.NOT_SAVED: "not saved: {detail}",
}
#: How a thing of that kind is called, where its locator alone would not say.
_KINDS = {
    Code.ENV: "environment variable {}",
    Code.PACKAGE: "package {}",
    Code.MODULE: "module {}",
    Code.PYTHON: "Python",
}
_ABSENT = {
    Code.FILE: "{} is not there any more",
    Code.ENV: "{} is not set any more",
}
_VERBS = frozenset({"is", "was", "has", "cannot", "comes", "changed", "raised", "moved", "may", "does"})
_DOTTED = re.compile(r"(?:[^\W\d]\w*[.:])*[^\W\d]\w*")
_PLACED = re.compile(r"changed \((?P<sort>class(?:, )?)?(?P<rest>.*)\)")
_PATH = re.compile(r"(\[[^\]]+\]|\.\w+)+(:| changed| is )")
_UNBOUNDED = "what it reads cannot be bounded"


# -- names


def named(locator: str) -> str:
    """A locator as people write it: `utils.clean` for `utils:clean`."""
    head, colon, rest = locator.partition(":")
    return f"{head}.{rest}" if colon and rest and _DOTTED.fullmatch(head) else locator


def _called(reason: Reason) -> str:
    """What a reason is about, by its name; a function with its brackets."""
    name = named(reason.locator.removesuffix(" (file)") if reason.code is Code.MODULE else reason.locator)
    if not name:
        return "what it relies on"
    if reason.kind != "code":
        return _KINDS.get(reason.code, "{}").format(name)
    placed = _PLACED.fullmatch(reason.detail)
    if placed is not None and ".py:" in placed["rest"]:
        name = reason.locator.rpartition(":")[2]  # the place says where
    if placed is not None and placed["sort"]:
        return f"class {name}"
    return name if name.endswith(")") or not _DOTTED.fullmatch(name) else f"{name}()"


# -- one reason


def sentence(reason: Reason) -> str:
    """One reason in words, with its chain of causes."""
    if is_about_items(reason):
        return _about_items(reason)
    if reason.code is Code.CUTOFF:
        return reason.detail or f"what it reads of {reason.locator} came out the same"  # names its cause
    text = _difference(reason) if reason.code in _MOVED else _statement(reason)
    return " ← ".join([text, *_chain(reason)])


def is_about_items(reason: Reason) -> bool:
    """Whether a reason tells of the items of a loop only: the cell itself is saved for all that it says."""
    return reason.kind == "items"


def objection(reason: Reason) -> str:
    """What speaks against saving a run, without saying that it was not saved; empty for reasons of other sorts."""
    if reason.code not in _AGAINST or is_about_items(reason):
        return ""
    return sentence(reason).removeprefix("not saved: ").removeprefix("not reusable: ")


def _about_items(reason: Reason) -> str:
    if reason.detail[:1].isdigit():  # of them could not be saved
        return f"{reason.locator}: {reason.detail}"
    return f"{reason.locator} is one unit: {reason.detail}"


def _statement(reason: Reason) -> str:
    code, locator, detail = reason.code, reason.locator, reason.detail
    if code is Code.FORCED and detail:
        return f"{locator}: {detail}"
    if code is Code.NEVER_RUN and reason.kind == "item":
        return "it is new"
    if code is Code.NEVER_RUN and detail:
        return re.sub(r"\bit\b", lambda found: locator, detail, count=1)
    if code is Code.ACCEPTED and reason.caused_by:
        return f"accepted for {', '.join(map(named, reason.caused_by))}: {detail}"
    if code is Code.NOT_SAVED and _begins_with_verb(detail) and locator:
        detail = f"{named(locator)} {detail}"
    if code is Code.UNSAFE:
        detail = detail.replace(_UNBOUNDED, f"what {locator} reads cannot be bounded") or locator
    if code in (Code.EXPIRED, Code.MARKED, Code.STORE_UNREADABLE, Code.NOT_SAVED, Code.UNRESTORABLE):
        detail = detail or "for reasons unknown"
    text = _SENTENCES[code].format(locator=locator or "it", detail=detail or locator or "no more is known")
    named_too = code in (Code.NOT_SAVED, Code.UNRESTORABLE, Code.STORE_UNREADABLE, Code.UNSAFE)
    return f"{text} ({locator})" if named_too and locator and locator not in text else text


def _difference(reason: Reason) -> str:
    name, detail = _called(reason), reason.detail or "changed"
    if reason.code is Code.CODE and detail.startswith("the cell was edited"):
        return f"{detail}: {reason.locator}"
    if detail == "deleted":
        return _ABSENT.get(reason.code, "{} was deleted").format(name)
    if detail == "not-yet-run":
        return f"{name} is not defined: what defines it has not run yet"
    moved = detail.removeprefix("changed: ")
    if moved == detail:
        placed = _PLACED.fullmatch(detail)
        if placed is not None:
            return f"{name} changed ({placed['rest']})" if placed["rest"] else f"{name} changed"
        if detail.startswith("not "):
            detail = f"is {detail}"
        return f"{name} {detail}" if _begins_with_verb(detail) else f"{name}: {detail}"
    if reason.code is Code.PACKAGE:
        moved = moved.replace(f"{reason.locator} ", "")
    if reason.code is Code.FILE:
        return f"{name} changed ({moved})"
    return f"{name}{moved}" if _PATH.match(moved) and "; " not in moved else f"{name}: {moved}"


def _begins_with_verb(text: str) -> bool:
    return text.partition(" ")[0] in _VERBS


def _chain(reason: Reason) -> list[str]:
    """What led to it, nearest first and in words."""
    causes = reason.caused_by
    if reason.code is Code.ACCEPTED:
        return []
    if reason.change is not None:
        words = list(reason.change.chain)
    elif reason.kind == "code":
        shown = [cause for i, cause in enumerate(causes) if i + 1 < len(causes) or not _is_place(cause, reason.detail)]
        words = [f"{named(cause)}()" if _DOTTED.fullmatch(cause) else cause for cause in shown]
    else:
        words = [named(cause) for cause in causes]
    if reason.kind == "code" and words and (reason.change is not None or words[0].endswith(")")):
        words[0] = f"used by {words[0]}"
    return words


def _is_place(cause: str, detail: str) -> bool:
    return f"({cause} [" in detail or f"({cause}," in detail or f"({cause})" in detail


# -- one decision


def describe(decision: Decision) -> str:
    """One line: glyph, what happened, how long, and why."""
    reused = decision.status in _REUSED
    took = seconds(decision.seconds.execute)
    what = {
        Status.REUSED: "reused",
        Status.CUTOFF: "reused",
        Status.EXECUTED: f"ran {took}",
        Status.FAILED: f"failed after {took}" + (f" with {decision.error}" if decision.error else ""),
        Status.BLOCKED: f"ran {took}",
    }[decision.status]
    by_items = not reused and decision.items is not None and decision.items.reused > 0
    if by_items and decision.items is not None:
        what = f"{what.partition(' ')[0]} {items(decision.items)}"
    parts = [f"{GLYPHS[decision.status]} {what}"]
    reasons = _told(decision)
    if by_items and decision.items is not None and decision.items.why:
        reasons = [r for r in reasons if r.code in _AGAINST or r.code is Code.LAST_FAILED]  # the items say why
    if decision.status is Status.CUTOFF and reasons and reasons[0].code is Code.CUTOFF:
        parts[0] += f": {sentence(reasons.pop(0))}"
    parts += [f"← {sentence(reason)}" for reason in reasons]
    if decision.saved_seconds is not None and decision.saved_seconds >= 0.05:
        parts.append(f"· saved {seconds(decision.saved_seconds)}")
    return " ".join(parts)


def _told(decision: Decision) -> list[Reason]:
    """The reasons that one line has room for, and never none of those that there are."""
    told = [r for r in decision.reasons if not is_about_items(r)]
    gates = [r for r in told[1:] if r.kind == "source"]  # one that is shut is enough
    told = [r for r in told if r not in gates[1:]]
    if decision.status in _REUSED:
        return told[:1] or list(decision.reasons[:1])
    against = [r for r in told if r.code in _AGAINST]
    why = [r for r in told if r not in against and not (against and r.code is Code.NEVER_RUN)]
    told = [*why, *against][:3]  # that nothing was saved before is no news where nothing can be
    about_items = [r for r in decision.reasons if is_about_items(r)]
    slow = decision.seconds.execute >= SLOW or not told
    return [*told, *(about_items[:1] if slow else ())]


def items(counts: ItemCounts) -> str:
    """`3 of 1000 items (2 new, 1 changed: data/b.csv) · 997 reused`."""
    ran = counts.executed + counts.failed
    why = ", ".join(_of_items(reason, count) for reason, count in counts.why[:3])
    more = ", …" if len(counts.why) > 3 else ""
    failed = f"{', ' if why else ''}{counts.failed} failed" if counts.failed else ""
    because = f" ({why}{more}{failed})" if why or failed else ""
    gone = f" · {counts.removed} gone" if counts.removed else ""
    return f"{ran} of {ran + counts.reused} items{because} · {counts.reused} reused{gone}"


def _of_items(reason: Reason, count: int) -> str:
    if reason.code is Code.NEVER_RUN:
        return f"{count} new"
    if reason.code in _MOVED and reason.detail.startswith("changed"):
        moved = reason.detail.removeprefix("changed: ")
        small = reason.code is not Code.FILE and moved != reason.detail
        return f"{count} changed: {_difference(reason) if small else _called(reason)}"
    if reason.detail == "deleted":
        return f"{count} deleted: {reason.locator}"
    return f"{count}: {sentence(reason)}"


def seconds(value: float) -> str:
    """A duration as people say it."""
    if value < 0.01:
        return f"{value * 1000:.1f} ms" if value >= 0.00005 else "0 ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f}".removesuffix(".0") + " s"
    minutes, left = divmod(round(value), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int | None) -> str:
    """A number of bytes as people say it."""
    if count is None:
        return "unknown"
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def amount(number: int, one: str, many: str = "") -> str:
    """`1 cell`, `2,000 cells`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
