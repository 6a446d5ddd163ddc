"""What the cells of a session come to: counts of cells and items, seconds saved, bytes kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incnb.explain.rows import Row
from incnb.explain.words import GLYPHS, amount, seconds, size
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

    def lines(self) -> list[str]:
        """Cells, items, seconds and bytes in words."""
        shown = ", ".join(f"{count} {GLYPHS[status]} {status.value}" for status, count in self.cells.items() if count)
        ran, items = sum(self.cells.values()), self.items
        if not ran:
            return ["no tracked cell has run in this session"]
        found = [f"{amount(ran, 'cell')}: {shown}"]
        if sum(items.values()):
            told = ", ".join(f"{count:,} {name}" for name, count in items.items() if count)
            found.append(f"{amount(sum(items.values()), 'item')}: {told}")
        unknown = f" ({amount(self.unmeasured, 'reuse')} not measured)" if self.unmeasured else ""
        worth = "unknown" if self.saved is None else f"{seconds(self.saved)}, measured{unknown}"
        return [*found, f"saved: {worth} · kept: {size(self.bytes)}"]


def totals(rows: Iterable[Row]) -> Totals:
    """The sums over the cells that have run, of the latest decision of each."""
    cells = dict.fromkeys(Status, 0)
    items = {"reused": 0, "executed": 0, "failed": 0}
    saved: list[float] = []
    unmeasured = kept = 0
    for row in rows:
        kept += row.bytes
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
    return Totals(cells, items, sum(saved) if saved else None, unmeasured, kept)
