"""What a person may ask of a session between cells: why a cell was decided so, what became of all of them, the past of
a cell, what reuse was worth, what would run now; and what a person may say about a cell: marks and accepts.

Nothing here runs the user's code, and the log is read at the first question that needs it, not before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incnb.engine.accepted import Refused
from incnb.engine.forget import forget, usage
from incnb.engine.ledger import Seen
from incnb.engine.marks import mark
from incnb.engine.naming import Known, NoSuchCell, cell_key, cells, find
from incnb.engine.plan import planned
from incnb.engine.refresh import Refreshed, refresh
from incnb.engine.rows import row
from incnb.engine.saved_file import SavedCell, differences, in_file, in_order
from incnb.engine.statistics import items_of, measured, past_run, percentile, statistics
from incnb.explain import tables
from incnb.explain.kept import Forgotten, Usage
from incnb.explain.past import CellHistory, Stats
from incnb.explain.plan import Plan
from incnb.explain.report import Report
from incnb.explain.rows import Row
from incnb.explain.why import NothingYet, Why
from incnb.model import Cell, Decision, Seconds

if TYPE_CHECKING:
    from incnb.engine.session import Session

KEEP = 20
_CAUSES = 12


class Enquiries:
    """Questions to one session."""

    def __init__(self, session: Session):
        self._session = session
        self._refreshes: list[float] = []

    def cell(self, wanted: str) -> Known:
        """The cell that a person names. Raises `NoSuchCell`."""
        session = self._session
        return find(wanted, cells(session.history.runs(session.notebook), session.id), session.id)

    # -- what became of cells

    def why(self, wanted: str = "") -> Why | NothingYet:
        """The reasons of the latest decision of a cell, or of the latest decision of all. Raises `NoSuchCell`."""
        session = self._session
        if not wanted:
            decisions = session.decisions
            if not decisions:
                return NothingYet("incnb: nothing was decided in this session yet")
            last = decisions[-1].cell
            seen = session.ledger.cells.get(cell_key(last.id, last.title))
            return self._why(seen) if seen is not None else Why(Row("", last.title, decision=decisions[-1]))
        known = self.cell(wanted)
        seen = self._seen(known)
        return self._why(seen) if seen is not None else _from_the_log(known)

    def _why(self, seen: Seen) -> Why:
        rows, causes, todo = self._session.ledger.cells, dict[str, Row](), [seen]
        first = row(self._session, seen)
        while todo and len(causes) < _CAUSES:
            at = todo.pop(0)
            found = first if at is seen else causes[at.key]
            for key in found.blamed:
                if key in rows and key not in causes and key != seen.key:
                    causes[key] = row(self._session, rows[key])
                    todo.append(rows[key])
        return Why(first, tuple(causes.values()))

    def _seen(self, known: Known) -> Seen | None:
        found = self._session.ledger.cells
        return (found.get(cell_key(known.id, "")) if known.id else None) or found.get(cell_key(None, known.title))

    def report(self) -> Report:
        """What became of the cells of this session."""
        session = self._session
        seen = session.ledger.cells
        order, label = self._order(session.ledger.saved.cells(session.notebook))
        return Report(
            tuple(row(session, seen[key]) for key in order),
            session.notebook,
            label,
        )

    def _order(self, saved: list[SavedCell] | None) -> tuple[list[str], str]:
        """The keys of the cells of this session in order, and what the order is."""
        ledger = self._session.ledger
        order = in_order(saved, ledger.texts())
        return (order, "the saved file") if order is not None else (list(ledger.cells), "first execution")

    def history(self, cell: Known, keep: int = KEEP) -> CellHistory:
        """The latest `keep` runs of a cell, newest first."""
        return CellHistory(cell.title, tuple(past_run(run) for run in cell.runs[: -keep - 1 : -1]), len(cell.runs))

    def stats(self) -> Stats:
        """What was reused, of this session and of all that the store's log has of every notebook."""
        runs = self._session.history.runs()
        return Stats(statistics(run for run in runs if run.get("session") == self._session.id), statistics(runs))

    # -- what a person says

    def mark(self, cell: Known, *, hard: bool, reason: str) -> str:
        """Mark a cell; what that leads to, in words. Raises `StoreError`."""
        session = self._session
        marks = mark(session.history, session.notebook, cell.id, cell.title, hard=hard, reason=reason)
        return tables.marked(cell.title, hard=hard, soft_marks=len(marks.soft), executes=marks.must_execute)

    def accept(self, cell: Known, reason: str, *, wait: bool = True) -> str:
        """Accept what differs for a cell; what that covers, in words. Raises `Refused`, in words too, or `StoreError`.

        `wait`: where nothing differs, the next edit of its text is what is meant; else that is refused.
        """
        try:
            done = self._session.accepted.accept(cell, reason, wait=wait)
        except Refused as refused:
            raise Refused(tables.refused(cell.title, str(refused))) from None
        if not wait and not done.differences:
            raise Refused(tables.nothing_to_accept(cell.title))
        shown = [(d.kind, d.locator, d.shown) for d in done.differences]
        return tables.accepted(done.title, done.created, shown, waits=done.waits)

    def forget(self, cell: Known) -> Forgotten:
        """Take out what is saved of a cell."""
        return forget(self._session, cell)

    def store(self) -> Usage:
        """What is kept, by cell."""
        return usage(self._session)

    # -- what would become of them

    def plan(self) -> Plan:
        """What each cell would do if the notebook ran now."""
        session = self._session
        ledger, past = session.ledger, session.ledger.provenance
        saved = ledger.saved.cells(session.notebook)
        known = {key: (key, seen.decision.cell.id, seen.raw) for key, seen in ledger.cells.items()}
        known |= {key: (key, other.id, other.text) for key, other in past.others.items()}
        ran = [known[key] for key in past.sequence if key in known and key not in past.left_off]
        order = in_order(saved, ran)
        label = "the saved file" if order is not None else "first execution"
        if order is None:
            order = [key for key, _, _ in ran]
        else:
            there = in_file(saved, ran)
            order = [key for key in order if key in there or key in ledger.cells]
        notes, differs = differences(saved, ledger.texts(), ledger.others)
        found = planned(session, order)
        tracked = [key for key in order if key in ledger.cells]
        outlooks = [replace(o, note=notes.get(key, "")) for key, o in zip(tracked, found, strict=True)]
        others = sum(key in past.others and not past.others[key].trivial for key in order)
        return Plan(tuple(outlooks), session.notebook, label, tuple(differs), others)

    def refresh(self, cell: Known | None) -> tuple[Refreshed, float | None]:
        """The outlook of one cell or of all, and the p95 in ms of all refreshes of all cells in this session."""
        session = self._session
        texts = sorted(session.texts.values(), key=lambda text: text.cell.index)
        if cell is not None:
            text = session.text_of(cell.id, cell.title)
            return refresh(session, [text] if text is not None else []), None
        found = refresh(session, texts)
        self._refreshes.append(found.milliseconds)
        return found, percentile(self._refreshes, 95)

    def wait(self) -> int:
        """Wait for background work; the number of jobs waited for. There is no background work yet."""
        return 0


def _from_the_log(known: Known) -> Why:
    """What the log has of the last run of a cell that did not run in this session."""
    if not known.runs:
        raise NoSuchCell(known.title, [], ambiguous=False)
    record = known.runs[-1]
    run = past_run(record)
    note = "it has not run in this session; this is its latest run before"
    if run.status is None or run.reasons is None:
        return Why(Row("", known.title, id=known.id), note=f"{note}, of which no reason is recorded")
    saved = record.get("saved")
    took = Seconds(*(measured(record, name) or 0.0 for name in ("decide", "execute", "restore", "save")))
    decision = Decision(
        Cell(0, known.title, known.id),
        run.status,
        run.reasons,
        run.time or 0.0,
        seconds=took,
        saved_seconds=float(saved) if isinstance(saved, int | float) else None,
        items=items_of(record),
    )
    return Why(Row("", known.title, id=known.id, decision=decision), note=note)
