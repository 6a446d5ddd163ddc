"""What differs between what a cell relied on when it was recorded and what it relies on now, one by one."""

from __future__ import annotations

from collections.abc import Iterable

from incnb.explain.diffs import unified
from incnb.model import Change, Dependency, redacted

_BUILTIN = "builtin"


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
    both = was is not None and now is not None
    diff = ""
    if was is not None and now is not None and was.source and now.source:
        diff = unified(redacted(was.source), redacted(now.source), either.locator)
    return Change(
        either.kind.value,
        either.locator,
        was.shown if was is not None else "",
        now.shown if now is not None else "",
        was.fp != now.fp if both and was is not None and now is not None else None,
        either.via,
        diff=diff,
    )
