"""What differs between what a cell relied on when it was recorded and what it relies on now, one by one.

What is told of a difference is made of two `Dependency`s: the recorded one, and one that was found now. At a decision
there is only what the recorded one resolves to, and `found_now` makes a `Dependency` of that. Nothing of the user's
runs for it, nothing pending is loaded, and whatever goes wrong means that less is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from incnb.dependencies import Resolved, bindings
from incnb.dependencies.anatomy import anatomy
from incnb.explain import parts
from incnb.explain.diffs import moved_lines, unified
from incnb.explain.words import named
from incnb.fingerprint import ABSENT
from incnb.model import Change, Dependency, Kind, redacted, shorten

_BUILTIN = "builtin"
_PLACE = "place"
_LINKS = 12  # of a chain
_SMALL = 40  # characters that say more than what of them differs


class Maker(Protocol):
    """The cell that bound a name last."""

    @property
    def title(self) -> str: ...
    @property
    def called(self) -> str: ...


Makers = Callable[[str], Sequence[Maker]]


def changes(before: Iterable[Dependency], after: Iterable[Dependency]) -> tuple[Change, ...]:
    """Both lists joined by `(kind, locator)`: what moved first, then the rest in the order in which it was found."""
    old = {(d.kind, d.locator): d for d in before}
    new = {(d.kind, d.locator): d for d in after}
    found = [change(old.get(key), new.get(key)) for key in [*new, *(key for key in old if key not in new)]]
    told = [c for c in found if c.moved or _BUILTIN not in (c.was, c.now)]
    return tuple(sorted(told, key=lambda c: not c.moved))


def change(was: Dependency | None, now: Dependency | None) -> Change:
    """One dependency, then and now; either may be missing, and then whether it moved cannot be told."""
    either = now or was
    assert either is not None
    moved: bool | None = None
    diff, told = "", tuple[str, ...]()
    if was is not None and now is not None:
        moved = was.fp != now.fp
        if moved and was.source and now.source:
            diff = unified(redacted(was.source), redacted(now.source), either.locator)
        if moved and was.made and now.made and either.kind is not Kind.CODE:
            told = parts.told(was.made, now.made)
    return Change(
        either.kind.value,
        either.locator,
        was.shown if was is not None else "",
        now.shown if now is not None else "",
        moved,
        either.via,
        str((either.made or {}).get(_PLACE, "")),
        diff,
        told,
    )


def found_now(was: Dependency, now: Resolved) -> Dependency:
    """What a recorded dependency resolves to, as a dependency: with its text, place and what it is made of."""
    value, made = now.value, None
    source, place = bindings.source_of(value)
    if place:
        made = {_PLACE: place}
    elif was.made and value is not None and value is not ABSENT:
        made = anatomy(value)
    shown = now.shown or bindings.show_as(was.locator, value) if value is not None or now.shown else ""
    return replace(was, fp=now.fp or "", shown=shown, source=source, made=made)


def explained(was: Dependency, now: Resolved, recorded: Sequence[Dependency], makers: Sequence[Maker]) -> Change | None:
    """All that can be told of one mismatch; None if nothing can, for whatever reason."""
    try:
        told = change(was, found_now(was, now))
        by_locator = {d.locator: d for d in recorded}
        chain = [_word(by_locator.get(locator), locator) for locator in links(was, recorded)]
        place = told.place or (makers[0].called if was.kind is Kind.CODE and makers else "")
        if not told.place:
            chain += [maker.called for maker in makers if maker.called != place]
        return replace(told, place=place, chain=tuple(chain))
    except Exception:  # the values are the user's; a reason without its details still names what changed
        return None


def links(was: Dependency, recorded: Sequence[Dependency]) -> list[str]:
    """The locators of what led to a dependency, nearest first."""
    by_locator = {d.locator: d for d in recorded}
    chain: list[str] = []
    at = was.via
    while at and at not in chain and len(chain) < _LINKS:
        chain.append(at)
        at = by_locator[at].via if at in by_locator else ""
    return chain


def _word(dependency: Dependency | None, locator: str) -> str:
    calls = dependency is not None and dependency.shown.endswith("()")
    return named(locator) + ("()" if calls else "")


def in_short(told: Change) -> str:
    """A change in some words: place and number of lines of code, what of it moved, or old → new where that is small."""
    if told.kind == Kind.CODE:
        lines = moved_lines(told.diff) if told.diff else None
        sort = "" if told.now.endswith("()") or not told.diff else "class"
        found = [sort, told.place, f"{lines} line{'s' if lines != 1 else ''}" if lines else ""]
        return f"changed ({', '.join(filter(None, found))})" if any(found) else "changed"
    both = f"changed: {told.was} → {told.now}" if told.was and told.now and told.was != told.now else ""
    if told.parts and not (both and _is_all(told.was) and _is_all(told.now) and told.parts[0][0] not in "[."):
        return shorten(f"changed: {'; '.join(told.parts)}")
    return both or "changed"


def _is_all(shown: str) -> bool:
    """Whether a short text of a collection shows all that is in it."""
    return shown[:1] in "[({" and len(shown) <= _SMALL


def edited(title: str, was: str, now: str) -> Change:
    """A cell whose own text is another one; texts as they were typed."""
    diff = unified(cell_text(was), cell_text(now), title) if was else ""
    return Change(Kind.CODE.value, title, moved=True, diff=diff)


def cell_text(raw: str) -> str:
    """The text of a cell as it may be written down: without our own first line, and without secrets."""
    lines = raw.splitlines()
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith("%%incremental")):
        del lines[0]
    return redacted("\n".join(lines)[:20_000])
