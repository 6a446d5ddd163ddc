"""What became of the items of a cell's loops, all loops together, for its decision."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from incnb.model import Code, ItemCounts, Reason

if TYPE_CHECKING:
    from incnb.engine.record import Run

MOST_REASONS = 20


def counts(run: Run, *, success: bool) -> ItemCounts | None:
    """The counts of the loops whose items were told apart; None where none were."""
    tallies = [loop.passed.tally for loop in run.loops if loop.passed is not None]
    if not tallies:
        return None
    why: Counter[Reason] = Counter()
    for tally in tallies:
        why += tally.why
    failed = sum(tally.failed for tally in tallies) + (not success and any(loop.open for loop in run.loops))
    executed = sum(tally.executed for tally in tallies)
    reused = sum(tally.reused for tally in tallies)
    gone = sum(tally.removed for tally in tallies)
    loops = tuple(dict.fromkeys(filter(None, (getattr(loop, "folder", "") for loop in run.loops))))
    return ItemCounts(executed, reused, failed, gone, tuple(why.most_common(MOST_REASONS)), loops)


def one_unit(run: Run) -> list[Reason]:
    """Why the items of a loop were not told apart, or some of them not saved."""
    reasons = [Reason(Code.NOT_SAVED, "items", f"the loop in line {spec.line}", spec.why or "") for spec in run.units]
    for loop in run.loops:
        place = loop.place
        live = getattr(loop, "live", None)
        if live is not None:
            reasons += live.reasons
        off = loop.off or (loop.passed.tally.off if loop.passed is not None else None)
        if off is not None:
            reasons.append(Reason(Code.NOT_SAVED, "items", place, off.detail or off.locator))
        elif loop.passed is not None and loop.passed.tally.unsaved:
            why, count = loop.passed.tally.unsaved.most_common(1)[0]
            some = f"{count} item{'s' if count > 1 else ''} could not be saved: {why}"
            reasons.append(Reason(Code.NOT_SAVED, "items", place, some))
    return reasons


def saved(run: Run) -> float:
    """Seconds that the reused items took when they ran."""
    return sum(loop.passed.tally.saved for loop in run.loops if loop.passed is not None)


def to_count(items: ItemCounts | None) -> dict[str, int]:
    """What the trace of a cell keeps of its items."""
    return {} if items is None else {"items": items.executed + items.reused}


def counted(trace: dict[str, Any]) -> ItemCounts | None:
    """The items of a cell that is reused as a whole."""
    return ItemCounts(reused=trace["items"]) if isinstance(trace.get("items"), int) else None
