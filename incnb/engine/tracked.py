"""What a session keeps of a cell: between its decision and its end, as the producer of names, and as a text."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import Resolved
from incnb.dependencies.bindings import notebook_name
from incnb.engine.accepted import Armed
from incnb.engine.decide import Answer, dependencies
from incnb.engine.history import Past
from incnb.engine.ledger import TraceName
from incnb.engine.marks import Marks
from incnb.engine.naming import cell_key
from incnb.engine.options import Options
from incnb.engine.record import Run
from incnb.engine.replay import Replay
from incnb.engine.verify import Verification
from incnb.model import Cell, Code, Dependency, ItemCounts, Kind, Reason


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
    past: Past | None = None  # the run of this cell before
    trace: TraceName | None = None  # what it left, or brought back

    @property
    def key(self) -> str:
        """What the cell is kept under within one session."""
        return cell_key(self.cell.id, self.cell.title)

    def relied(self) -> list[Dependency]:
        """What the cell relied on, in the order in which that was found; while its run is not let go of."""
        if self.replay is not None:
            return dependencies(self.replay.stored)
        return self.run.closure.dependencies if self.run is not None else []


@dataclass(slots=True)
class Producer:
    """The cell that last bound a name in this session."""

    title: str
    time: float
    executed: bool
    key: str = ""
    trace: TraceName | None = None


@dataclass(slots=True)
class Text:
    """The text of a cell that was decided last in this session, and what was said about it."""

    cell: Cell
    tree: ast.Module
    options: Options
    analysis: CellAnalysis
    number: int | None = None
    reasons: tuple[Reason, ...] = ()
    raw: str = ""


def cutoff(tracked: Tracked, answer: Answer, producers: dict[str, Producer]) -> list[Reason]:
    """The reasons of a reuse; whether something upstream ran again and came out the same is noted."""
    if answer.reasons[:1] and answer.reasons[0].code is Code.ACCEPTED:
        return answer.reasons
    created = float((answer.trace.data or {}).get("created", 0.0)) if answer.trace else 0.0
    for dependency in dependencies(answer.trace) if answer.trace else []:
        if dependency.kind not in (Kind.VALUE, Kind.CODE, Kind.CONFIG):
            continue
        producer = producers.get(notebook_name(dependency.locator) or "")
        if producer is not None and producer.executed and producer.time > created:
            tracked.cutoff = True
            detail = f"{producer.title} ran again and {dependency.locator} came out the same"
            return [Reason(Code.CUTOFF, dependency.kind.value, dependency.locator, detail, (producer.title,))]
    return answer.reasons


def never(tracked: Tracked) -> Reason:
    """Why there is nothing to reuse."""
    past = tracked.past
    if past is not None and tracked.analysis is not None and past.code != tracked.analysis.code:
        return Reason(Code.CODE, "code", tracked.cell.title, "the cell was edited")
    return Reason(Code.NEVER_RUN, "", tracked.cell.title, "" if past is None else "nothing was saved of it")
