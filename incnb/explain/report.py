"""`report`: what became of the cells of a session, one line each, and what reusing them was worth."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incnb.explain.answer import Answer, coloured, faint, paragraph, table
from incnb.explain.markup import text as escaped
from incnb.explain.rows import Row
from incnb.explain.tables import columns
from incnb.explain.totals import totals
from incnb.explain.words import items, seconds, sentence, size
from incnb.model import Code, ItemCounts, Status, shorten

_UNSAVED = (Code.EFFECT, Code.NOT_SAVED, Code.UNSAFE)
WIDE = 110  # characters of a reason in a terminal


@dataclass(frozen=True, repr=False)
class Report(Answer):
    """The session so far, by the latest decision of each cell. `order` says what the rows are ordered by."""

    rows: tuple[Row, ...]
    notebook: str = ""
    order: str = "first execution"

    @property
    def counts(self) -> dict[str, int]:
        """How many cells have each status, by the latest decision of each."""
        found = Counter(row.status for row in self.rows if row.status is not None)
        return {status.value: found[status] for status in Status}

    @property
    def items(self) -> ItemCounts | None:
        """What became of the items of all loops; None where none were told apart."""
        told = [r.decision.items for r in self.rows if r.decision is not None and r.decision.items is not None]
        if not told:
            return None
        return ItemCounts(
            *(sum(getattr(t, name) for t in told) for name in ("executed", "reused", "failed", "removed"))
        )

    @property
    def saved(self) -> float | None:
        """Seconds that were measured to be saved; None where nothing was measured."""
        return totals(self.rows).saved

    @property
    def unmeasured(self) -> int:
        """The reuses that are not in `saved`."""
        return totals(self.rows).unmeasured

    @property
    def bytes(self) -> int:
        """What is kept for these cells; what several of them share is counted for each."""
        return sum(row.bytes for row in self.rows)

    def summary(self) -> list[str]:
        """The counts, as lines."""
        return totals(self.rows).lines()

    def text(self) -> str:
        if not self.rows:
            return self.summary()[0]
        head = ("", "", "cell", "now", "recorded", "saved", "size", "why")
        told = [(became(r), number(r), r.title, *times(r), size(r.bytes), shorten(because(r), WIDE)) for r in self.rows]
        return "\n".join([*columns([head, *told]), *self.summary()])

    def markup(self) -> str:
        lines = [paragraph(line) for line in self.summary()]
        if not self.rows:
            return "".join(lines)
        rows = [
            (
                coloured(became(row), row.status),
                faint(number(row)),
                escaped(row.title),
                *map(escaped, times(row)),
                escaped(size(row.bytes)),
                escaped(because(row)),
            )
            for row in self.rows
        ]
        head = ("", "", "cell", "now", "recorded", "saved", "size", "why")
        return "".join([*lines, table(head, rows)])

    def to_dict(self) -> dict[str, Any]:
        told = self.items
        return {
            "notebook": self.notebook,
            "order": self.order,
            "cells": self.counts,
            "items": told.to_dict() if told is not None else None,
            "saved_seconds": self.saved,
            "unmeasured": self.unmeasured,
            "bytes": self.bytes,
            "rows": [row.to_dict() for row in self.rows],
        }

    def records(self) -> list[dict[str, Any]]:
        found = []
        for row in self.rows:
            told = row.decision.items if row.decision is not None else None
            found.append(
                {
                    "number": row.number,
                    "title": row.title,
                    "status": row.status.value if row.status is not None else None,
                    "now": row.now,
                    "recorded": row.recorded,
                    "saved": row.decision.saved_seconds if row.decision is not None else None,
                    "bytes": row.bytes,
                    "items_reused": told.reused if told is not None else None,
                    "items_executed": told.executed if told is not None else None,
                    "why": because(row),
                }
            )
        return found

    def to_html(self, path: str | Path | None = None) -> str | None:
        """The report as one page that needs nothing else: written to `path`, or its text where none is given."""
        from incnb.explain.page import page

        title = Path(self.notebook).name or "This session"
        text = page(self.rows, title=title, notebook=self.notebook, created=time.time())
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8")
        return None


def became(row: Row) -> str:
    """Glyph and word: neither a colour nor a sign tells alone."""
    return f"{row.glyph} {row.status.value}" if row.status is not None else row.glyph


def number(row: Row) -> str:
    return "" if row.number is None else f"[{row.number}]"


def times(row: Row) -> tuple[str, str, str]:
    """The time now, the recorded one, and what was saved, in words; a dash where there is none."""
    saved = row.decision.saved_seconds if row.decision is not None else None
    return _told(row.now), _told(row.recorded), _told(saved)


def because(row: Row) -> str:
    """The reason for what became of a cell, in one line."""
    decision = row.decision
    if decision is None:
        return row.line
    told = [r for r in decision.reasons if r.kind != "items"] or list(decision.reasons)
    ran = decision.status not in (Status.REUSED, Status.CUTOFF)
    unsaved = [r for r in told if r.code in _UNSAVED] if ran else []
    if decision.status is Status.BLOCKED and unsaved:
        told = unsaved  # it runs every time for this, whatever was new
    parts = [sentence(reason) for reason in dict.fromkeys([*told[:1], *unsaved[:1]])]
    if decision.items is not None and ran:
        parts.insert(0, items(decision.items))
    return " · ".join(parts)


def _told(value: float | None) -> str:
    return "-" if value is None else seconds(value)
