"""One source of words: a fixed sentence for every reason code, always with the concrete name."""

from __future__ import annotations

from incnb.model import Code, Decision, ItemCounts, Reason, Status

GLYPHS = {Status.REUSED: "✓", Status.CUTOFF: "✂", Status.EXECUTED: "▲", Status.FAILED: "✗", Status.BLOCKED: "■"}

SLOW = 1.0  # seconds, from which on it is told why the items of a loop were not told apart
_SENTENCES = {
    Code.OFF: "incnb is off for this cell ({locator})",
    Code.FORCED: "it was forced ({locator})",
    Code.MARKED: "it was marked: {detail}",
    Code.STORE_UNREADABLE: "the store cannot be read: {detail}",
    Code.NEWER_FORMAT: "what is saved was written by a newer incnb ({locator})",
    Code.NEVER_RUN: "nothing is saved for it yet",
    Code.LAST_FAILED: "it failed last time on the same inputs",
    Code.UNSAFE: "not saved: what {locator} reads cannot be bounded",
    Code.CONFIG: "{locator} {detail}",
    Code.CODE: "{locator} {detail}",
    Code.VALUE: "{locator} {detail}",
    Code.CUTOFF: "{detail}",
    Code.FILE: "{locator} {detail}",
    Code.ENV: "environment variable {locator} {detail}",
    Code.PACKAGE: "package {locator} {detail}",
    Code.MODULE: "module {locator} {detail}",
    Code.AMBIENT: "{locator} {detail}",
    Code.PYTHON: "Python {detail}",
    Code.SOURCE: "{locator} {detail}",
    Code.VERSION: "{locator} {detail}",
    Code.EXPIRED: "it expired: {detail}",
    Code.UNTRUSTED: "what is saved was signed by another key",
    Code.UNRESTORABLE: "what is saved cannot be restored: {detail}",
    Code.CONTAINED: "everything it relied on is as it was",
    Code.ACCEPTED: "accepted: {detail}",
    Code.EFFECT: "not reusable: {detail}",
    Code.NOT_SAVED: "not saved: {detail}",
}


def sentence(reason: Reason) -> str:
    """One reason in words, with its chain of causes."""
    locator = reason.locator
    if reason.code is Code.CODE and reason.kind == "code" and reason.detail == "changed":
        locator = f"{locator}()" if not locator.endswith(")") else locator
    if reason.kind == "items":
        return f"{reason.locator} is one unit: {reason.detail}"
    if reason.code is Code.FORCED and reason.detail:
        return f"{locator}: {reason.detail}"
    text = _SENTENCES[reason.code].format(locator=locator, detail=reason.detail or "changed")
    if reason.code in (Code.NOT_SAVED, Code.UNRESTORABLE) and reason.locator and reason.locator not in reason.detail:
        text = f"{text} ({reason.locator})"
    if reason.code is Code.CUTOFF:
        return text  # names its cause
    causes = [
        f"used by {cause}" if i == 0 and reason.kind == "code" else cause for i, cause in enumerate(reason.caused_by)
    ]
    return " ← ".join([text, *causes])


def describe(decision: Decision) -> str:
    """One line: glyph, what happened, how long, and why."""
    took = (
        decision.seconds.execute if decision.status not in (Status.REUSED, Status.CUTOFF) else decision.seconds.restore
    )
    what = {
        Status.REUSED: "reused",
        Status.CUTOFF: "reused",
        Status.EXECUTED: f"ran {seconds(took)}",
        Status.FAILED: f"failed after {seconds(took)}",
        Status.BLOCKED: f"ran {seconds(took)}",
    }[decision.status]
    told = [r for r in decision.reasons if r.kind != "items"]
    gates = [r for r in told[1:] if r.kind == "source"]  # one that is shut is enough
    told = [r for r in told if r not in gates[1:]]
    reasons = told[:1] if decision.status in (Status.REUSED, Status.CUTOFF) else told[:3]
    if took >= SLOW and decision.status not in (Status.REUSED, Status.CUTOFF):
        reasons += [r for r in decision.reasons if r.kind == "items"][:1]
    if decision.items is not None and decision.items.reused:
        what = f"{what.partition(' ')[0]} {items(decision.items)}"
    parts = [f"{GLYPHS[decision.status]} {what}", *("← " + sentence(r) for r in reasons)]
    if decision.saved_seconds is not None and decision.saved_seconds >= 0.05:
        parts.append(f"· saved {seconds(decision.saved_seconds)}")
    return " ".join(parts)


def items(counts: ItemCounts) -> str:
    """`3 of 1000 items (2 new, 1 changed: data/b.csv) · 997 reused`."""
    ran = counts.executed + counts.failed
    why = ", ".join(_of_items(reason, count) for reason, count in counts.why[:3])
    more = ", …" if len(counts.why) > 3 else ""
    failed = f", {counts.failed} failed" if counts.failed else ""
    because = f" ({why}{more}{failed})" if why or failed else ""
    return f"{ran} of {ran + counts.reused} items{because} · {counts.reused} reused"


def _of_items(reason: Reason, count: int) -> str:
    if reason.code is Code.NEVER_RUN:
        return f"{count} new"
    return f"{count}: {sentence(reason)}"


def seconds(value: float) -> str:
    """A duration as people say it."""
    if value < 0.01:
        return f"{value * 1000:.1f} ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {value % 60:.0f} s"
