"""What a session keeps of a cell: between its decision and its end, as the producer of names, and as a text."""

from __future__ import annotations

import ast
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import Environment, Resolved
from incnb.dependencies.bindings import TYPE, notebook_name
from incnb.engine import decide, shown_lines
from incnb.engine.accepted import Armed
from incnb.engine.decide import Answer, dependencies
from incnb.engine.differences import cell_text, edited
from incnb.engine.history import History, Past
from incnb.engine.ledger import TraceName
from incnb.engine.marks import Marks
from incnb.engine.naming import cell_key
from incnb.engine.options import Options
from incnb.engine.record import Run
from incnb.engine.replay import Replay
from incnb.engine.tallies import to_count
from incnb.engine.verify import Verification
from incnb.explain.diffs import moved_lines
from incnb.explain.words import named, objection
from incnb.model import Cell, Code, Dependency, ItemCounts, Kind, Reason, Status, shorten
from incnb.store import Store

if TYPE_CHECKING:
    from incnb.engine.session import Session


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
    earlier: Text | None = None  # of the same cell, when it was decided before in this session
    raw: str = ""
    error: str = ""  # that ended it

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
    number: int | None = None

    @property
    def called(self) -> str:
        """As people call it: `load flights [3]`."""
        return self.title if self.number is None else f"{self.title} [{self.number}]"


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
        if dependency.kind not in (Kind.VALUE, Kind.CODE, Kind.CONFIG) or dependency.shown.startswith("module "):
            continue
        producer = producers.get(notebook_name(dependency.locator) or "")
        if producer is not None and producer.executed and producer.time > created:
            tracked.cutoff = True
            what = named(dependency.locator.removeprefix(TYPE)) + ("()" if dependency.shown.endswith("()") else "")
            detail = f"{producer.called} ran again and {what} came out the same"
            return [Reason(Code.CUTOFF, dependency.kind.value, dependency.locator, detail, (producer.title,))]
    return answer.reasons


def own_trace(history: History, notebook: str, past: Past | None, code: str) -> str | None:
    """The trace of this code that a cell's reasons compare with: its own latest, or the notebook's."""
    if past is not None and past.trace and past.trace_code == code:
        return past.trace
    return history.trace(notebook, code)


def look_up(session: Session, tracked: Tracked, environment: Environment) -> Answer:
    """The trace to reuse, or the reasons against: about the cell's own last run, whoever else ran the same text."""
    assert tracked.analysis is not None
    code, past = tracked.analysis.code, tracked.past
    own = own_trace(session.history, session.notebook, past, code)
    answer = decide.look_up(session.store, code, environment, tracked.options, session.producer, own)
    moved = shown_lines.against(answer.trace.data or {}, tracked.raw, tracked.cell.title) if answer.trace else None
    if moved is not None:
        return decide.Answer(None, [moved], answer.trace)
    if answer.trace is None and (not answer.reasons or (own is None and past is not None)):
        answer.reasons = [never(tracked, session.store), *(r for r in answer.reasons if r.kind == "store")]
    return answer


def never(tracked: Tracked, store: Store) -> Reason:
    """Why there is nothing to reuse."""
    past, title = tracked.past, tracked.cell.title
    if past is not None and tracked.analysis is not None and past.code != tracked.analysis.code:
        detail, told = "the cell was edited", None
        with suppress(Exception):  # then less is told
            told = edited(title, _recorded(tracked, past, store), tracked.raw)
            lines = moved_lines(told.diff) if told.diff else None
            detail += f" ({lines} line{'s' if lines != 1 else ''})" if lines else ""
        return Reason(Code.CODE, "code", title, detail, change=told)
    if past is None:
        return Reason(Code.NEVER_RUN, "", title, "")
    if past.status == Status.FAILED:
        return Reason(Code.NEVER_RUN, "", title, "it failed when it ran last")
    if past.trace is not None and tracked.analysis is not None and past.trace_code == tracked.analysis.code:
        return Reason(Code.NEVER_RUN, "", title, "what was saved of it is not there any more")
    why = next(filter(None, map(objection, past.reasons)), "")
    return Reason(Code.NEVER_RUN, "", title, shorten("nothing was saved of it" + (f" last time: {why}" if why else "")))


def _recorded(tracked: Tracked, past: Past, store: Store) -> str:
    """The text that the cell had when it was recorded, or else when it ran before in this session."""
    stored = TraceName(past.trace_code, past.trace).read(store) if past.trace else None
    text = str((stored.data or {}).get("source", "")) if stored is not None else ""
    return text or (tracked.earlier.raw if tracked.earlier is not None else "")


def meta(tracked: Tracked, code: str) -> dict[str, Any]:
    """What the trace of a cell says of the cell itself; its text is for people."""
    return {
        "code": code,
        "title": tracked.cell.title,
        "source": cell_text(tracked.raw),
        **to_count(tracked.items),
        **(shown_lines.noted(tracked.run.events, tracked.raw, tracked.run.closure) if tracked.run is not None else {}),
    }


_SOFTER_THAN_FAILURE = {Code.NEVER_RUN, *list(Code)[list(Code).index(Code.CONFIG) :]}


def name_latest_failure(history: History, tracked: Tracked, run: Run) -> None:
    """Harder than what differs from older runs: the very same inputs made it fail."""
    if tracked.reasons and tracked.reasons[0].code in _SOFTER_THAN_FAILURE and tracked.analysis is not None:
        past = history.failed(tracked.analysis.code)
        if past is not None and past.attempt and past.attempt == run.attempt and run.still(past.relied):
            failed = Reason(Code.LAST_FAILED, "", tracked.cell.title, "it failed on the same inputs")
            never = tracked.reasons[0].code is Code.NEVER_RUN
            tracked.reasons = [failed, *tracked.reasons[1 if never else 0 :]]


def named_error(error: BaseException | None) -> str:
    """An error in a few words; nothing of the user's is asked for its text."""
    if error is None:
        return ""
    args = BaseException.args.__get__(error)  # type: ignore[attr-defined]
    told = str(args[0]) if len(args) == 1 and type(args[0]) in (str, int, float) else ""
    return shorten(f"{type(error).__name__}: {told}" if told else type(error).__name__, 120)
