"""A session, and one cell of it, as lines of text for a terminal or a log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from incnb.explain.rows import Row
from incnb.explain.totals import REUSED, size, totals
from incnb.explain.unseen import visible
from incnb.explain.words import GLYPHS, seconds, sentence
from incnb.model import Change


def session_lines(rows: Sequence[Row], notebook: str, moment: float | None) -> Iterator[str]:
    """What the session came to, and one line for each cell."""
    when = "" if moment is None else time.strftime(" · %Y-%m-%d %H:%M:%S", time.localtime(moment))
    yield visible(f"{notebook or '(a notebook without a name)'}{when}")
    yield summary(rows)
    yield ""
    numbers = [f"[{row.number}]" if row.number is not None else "" for row in rows]
    wide, titles = max(map(len, numbers), default=0), max((len(row.title) for row in rows), default=0)
    for number, row in zip(numbers, rows, strict=True):
        yield visible(f"{number:>{wide}} {row.title:<{titles}}  {row.line}")


def summary(rows: Sequence[Row]) -> str:
    """Cells and items by what became of them, seconds saved, bytes kept; in one line."""
    found = totals(rows)
    cells = ", ".join(f"{GLYPHS[s]} {number} {s.value}" for s, number in found.cells.items() if number)
    parts = [f"{len(rows)} cell{'' if len(rows) == 1 else 's'}{': ' if cells else ''}{cells}"]
    if sum(found.items.values()):
        told = ", ".join(f"{number} {name}" for name, number in found.items.items() if number)
        parts.append(f"{sum(found.items.values())} items: {told}")
    if any(found.cells[status] for status in REUSED):
        more = f" ({found.unmeasured} not measured)" if found.saved is not None and found.unmeasured else ""
        parts.append(f"saved {'unknown' if found.saved is None else seconds(found.saved)}{more}")
    return " · ".join([*parts, f"kept {size(found.bytes)}"])


def cell_lines(row: Row) -> Iterator[str]:
    """Everything that is known of one cell: reasons, what moved, what did not, what is kept."""
    for line in _cell_lines(row):
        yield visible(line)


def _cell_lines(row: Row) -> Iterator[str]:
    number = f"[{row.number}] " if row.number is not None else ""
    yield f"{number}{row.title}: {row.line}"
    reasons = row.decision.reasons if row.decision is not None else ()
    if len(reasons) > 1:  # one alone is in the line
        yield from (f"  ← {sentence(reason)}" for reason in reasons)
    moved = [change for change in row.changes if change.moved]
    still = sum(change.moved is False for change in row.changes)
    for change in moved:
        yield from _change(change)
    if still:
        yield f"  {still}{' other' if moved else ''} {'dependency' if still == 1 else 'dependencies'} unchanged"
    if row.outputs:
        kept = ", ".join(o.name if o.what == "output" else f"{o.what} {o.name}" for o in row.outputs)
        yield f"  kept {size(row.bytes)}: {kept}"


def _change(change: Change) -> Iterator[str]:
    place = f" ({change.place})" if change.place else ""
    then = f": {change.was} → {change.now}" if change.was != change.now else " changed"
    via = f", used by {change.via}" if change.via else ""
    yield f"  {change.kind} {change.locator}{place}{then}{via}"
    yield from (f"      {part}" for part in change.parts)
    yield from (f"      {line}" for line in change.diff.splitlines())
