"""`history` and `stats`: the past runs of a cell, and what was reused and what that was worth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from incnb.explain.answer import Answer, coloured, faint, paragraph, table
from incnb.explain.markup import text as escaped
from incnb.explain.tables import history_cells, history_head, history_table, statistics_rows, statistics_table
from incnb.model import PastRun, Statistics


@dataclass(frozen=True, repr=False)
class CellHistory(Answer):
    """The latest runs of a cell, newest first, out of `total` that are recorded."""

    title: str
    runs: tuple[PastRun, ...]
    total: int

    def text(self) -> str:
        return history_table(self.title, self.runs, self.total)

    def markup(self) -> str:
        rows = []
        for run in self.runs:
            when, status, *rest = history_cells(run)
            rows.append((faint(when), coloured(status, run.status), *map(escaped, rest)))
        return paragraph(history_head(self.title, self.runs, self.total)) + table(
            ("when", "", "took", "items", "why"), rows
        )

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "total": self.total, "runs": [run.to_dict() for run in self.runs]}

    def records(self) -> list[dict[str, Any]]:
        found = []
        for run in self.runs:
            *_, why = history_cells(run)
            found.append(
                {
                    "time": run.time,
                    "when": None if run.time is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.time)),
                    "status": run.status.value if run.status is not None else None,
                    "seconds": run.seconds,
                    "items_reused": run.items.reused if run.items is not None else None,
                    "items_executed": run.items.executed if run.items is not None else None,
                    "why": why,
                }
            )
        return found


@dataclass(frozen=True, repr=False)
class Stats(Answer):
    """What was reused and what it was worth, in this session and in all that is recorded."""

    session: Statistics
    everything: Statistics

    def text(self) -> str:
        return statistics_table(self.session, self.everything)

    def markup(self) -> str:
        head, *rows = statistics_rows(self.session, self.everything)
        return table(head, [tuple(map(escaped, row)) for row in rows])

    def to_dict(self) -> dict[str, Any]:
        return {"session": self.session.to_dict(), "everything": self.everything.to_dict()}

    def records(self) -> list[dict[str, Any]]:
        both = (("this session", self.session), ("all recorded", self.everything))
        return [{"of": name, **of.to_dict()} for name, of in both]
