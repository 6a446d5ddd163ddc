"""What a session keeps of a cell: between its decision and its end, as the producer of names, and as a text."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import Resolved
from incnb.engine.accepted import Armed
from incnb.engine.marks import Marks
from incnb.engine.options import Options
from incnb.engine.record import Run
from incnb.engine.replay import Replay
from incnb.engine.verify import Verification
from incnb.model import Cell, ItemCounts, Reason


@dataclass(slots=True)
class Tracked:
    """A tracked cell between its decision and its end."""

    cell: Cell
    options: Options
    analysis: CellAnalysis | None
    reasons: list[Reason]
    started: float
    number: int | None = None
    decide: float = 0.0
    run: Run | None = None
    replay: Replay | None = None
    saved: float | None = None
    cutoff: bool = False
    nested: bool = False
    verification: Verification | None = None
    asked: dict[str, Resolved] = field(default_factory=dict)  # by `--config`
    value: Any = None
    ended: bool = False
    marks: Marks = field(default_factory=Marks)
    armed: Armed | None = None
    items: ItemCounts | None = None


@dataclass(slots=True)
class Producer:
    """The cell that last bound a name in this session."""

    title: str
    time: float
    executed: bool


@dataclass(slots=True)
class Text:
    """The text of a cell that was decided last in this session, and what was said about it."""

    cell: Cell
    tree: ast.Module
    options: Options
    analysis: CellAnalysis
    number: int | None = None
    reasons: tuple[Reason, ...] = ()
