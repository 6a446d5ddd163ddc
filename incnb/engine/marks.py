"""Marks: a person asks for a cell to execute next time (hard), or to be decided afresh (soft).

Marks are lines of the log, so they survive a restart of the kernel. A success clears the marks that it honoured, in the
same line that records their reasons; a failure keeps them. Ten pending soft marks make a hard one: who asks ten times
does not believe the answer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from incnb.dependencies.remembered import forget_remembered
from incnb.engine.history import History
from incnb.model import Cell, Code, Reason, shorten

SOFT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Marks:
    """The pending marks of one cell."""

    soft: tuple[dict[str, Any], ...] = ()
    hard: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.soft or self.hard)

    @property
    def ids(self) -> list[str]:
        return [str(mark["mark"]) for mark in (*self.soft, *self.hard)]

    @property
    def must_execute(self) -> bool:
        return bool(self.hard) or len(self.soft) >= SOFT_LIMIT

    def reason(self, title: str) -> Reason:
        """What was asked for, with every reason that was given, each once."""
        told = [str(mark.get("reason") or "") for mark in (*self.hard, *self.soft)]
        texts = "; ".join(dict.fromkeys(text for text in told if text))
        what = "hard" if self.hard else f"{len(self.soft)} times soft" if self.must_execute else "soft"
        return Reason(Code.MARKED, "", title, shorten(f"{what}, {texts}" if texts else what))


def pending_marks(history: History, notebook: str, cell: Cell) -> Marks:
    """The marks of a cell that wait for a success."""
    mine = [m for m in history.marks(notebook) if same_cell(m, cell.id, cell.title)]
    return Marks(
        tuple(m for m in mine if m.get("mode") != "hard"),
        tuple(m for m in mine if m.get("mode") == "hard"),
    )


def mark(history: History, notebook: str, cell_id: str | None, title: str, *, hard: bool, reason: str) -> Marks:
    """Mark a cell and give all of its pending marks. Raises `StoreError`."""
    history.add(
        {
            "type": "mark",
            "mark": uuid.uuid4().hex[:16],
            "mode": "hard" if hard else "soft",
            "notebook": notebook,
            "id": cell_id,
            "title": title,
            "code": "",
            "reason": shorten(reason),
        }
    )
    return pending_marks(history, notebook, Cell(0, title, cell_id))


def decide_afresh() -> None:
    """Before a decision of a cell that is marked soft: nothing that was answered before is taken for granted."""
    forget_remembered()


def same_cell(mark: dict[str, Any], cell_id: str | None, title: str) -> bool:
    """Whether what a person said (a mark, a pin) is about this cell."""
    if mark.get("id") and cell_id:
        return bool(mark["id"] == cell_id)
    return str(mark.get("title", "")) == title
