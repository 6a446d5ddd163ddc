"""What the cells of a session come to: counts of cells and items, seconds saved, bytes kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incnb.explain.rows import Row
from incnb.model import Status

REUSED = (Status.REUSED, Status.CUTOFF)


@dataclass(frozen=True, slots=True)
class Totals:
    """`cells` counts by status, `items` by what became of them; `saved` in seconds, None: nothing was measured.

    `unmeasured`: reuses that are not in `saved`.
    """

    cells: dict[Status, int]
    items: dict[str, int]
    saved: float | None
    unmeasured: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "cells": {status.value: count for status, count in self.cells.items()},
            "items": self.items,
            "saved_seconds": self.saved,
            "unmeasured": self.unmeasured,
            "bytes": self.bytes,
        }


def totals(rows: Iterable[Row]) -> Totals:
    """The sums over the cells that have run."""
    cells = dict.fromkeys(Status, 0)
    items = {"reused": 0, "executed": 0, "failed": 0}
    saved: list[float] = []
    unmeasured = size = 0
    for row in rows:
        size += row.bytes
        decision = row.decision
        if decision is None:
            continue
        cells[decision.status] += 1
        if decision.items is not None:
            items["reused"] += decision.items.reused
            items["executed"] += decision.items.executed
            items["failed"] += decision.items.failed
        if decision.saved_seconds is not None:
            saved.append(decision.saved_seconds)
        elif decision.status in REUSED:
            unmeasured += 1
    return Totals(cells, items, sum(saved) if saved else None, unmeasured, size)


def size(count: int) -> str:
    """A number of bytes as people say it."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
