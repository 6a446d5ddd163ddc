"""What reuse was worth, from the records of runs. Only what was measured counts; the rest is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from incnb.engine.history import reasons_of
from incnb.model import ItemCounts, PastRun, Statistics, Status

_STATUSES = {status.value: status for status in Status}
REUSED = (Status.REUSED.value, Status.CUTOFF.value)


def statistics(runs: Iterable[dict[str, Any]]) -> Statistics:
    """Reuses, executions and their measured times."""
    counts = {"reused": 0, "executed": 0, "failed": 0}
    soft: list[float] = []
    saved: list[float] = []
    unmeasured = 0
    last: float | None = None
    items: list[ItemCounts] = []
    for run in runs:
        told = items_of(run)
        items += [told] if told is not None else []
        status = str(run.get("status", ""))
        kind = "reused" if status in REUSED else "failed" if status == Status.FAILED.value else "executed"
        counts[kind] += 1
        if isinstance(run.get("saved"), int | float):
            saved.append(float(run["saved"]))
            unmeasured -= kind == "reused"
        if kind != "reused":
            continue
        unmeasured += 1
        decide, restore = measured(run, "decide"), measured(run, "restore")
        last = None if decide is None or restore is None else (decide + restore) * 1000
        if last is not None:
            soft.append(last)
    return Statistics(
        counts["reused"],
        counts["executed"],
        counts["failed"],
        last,
        sum(soft) / len(soft) if soft else None,
        percentile(soft, 95),
        sum(saved) if saved else None,
        unmeasured,
        sum(one.reused for one in items) if items else None,
        sum(one.executed + one.failed for one in items) if items else None,
    )


def items_of(run: dict[str, Any]) -> ItemCounts | None:
    """What became of the items of a run's loops, if that was recorded."""
    told = run.get("items")
    if not isinstance(told, dict):
        return None
    counts = {name: told.get(name) for name in ("executed", "reused", "failed", "removed")}
    executed, reused, failed, removed = (count if type(count) is int else 0 for count in counts.values())
    return ItemCounts(executed, reused, failed, removed)


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest of the values that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def past_run(run: dict[str, Any]) -> PastRun:
    """One record as people read it."""
    status = str(run.get("status", ""))
    time, reasons = run.get("time"), run.get("reasons")
    return PastRun(
        float(time) if isinstance(time, int | float) else None,
        _STATUSES.get(status),
        reasons_of(reasons),
        measured(run, "restore" if status in REUSED else "execute"),
        items_of(run),
    )


def measured(run: dict[str, Any], what: str) -> float | None:
    """A time of a run in seconds, if it was recorded."""
    seconds = run.get("seconds")
    value = seconds.get(what) if isinstance(seconds, dict) else None
    return float(value) if isinstance(value, int | float) else None
