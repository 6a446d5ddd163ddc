"""What a person may ask of a session between cells: the past of a cell, what reuse was worth, what would run now; and
what a person may say about a cell: marks and accepts.

Nothing here runs the user's code, and the log is read at the first question, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incnb.engine.accepted import Accepting
from incnb.engine.marks import Marks, mark
from incnb.engine.naming import Known, cells, find
from incnb.engine.refresh import Refreshed, refresh
from incnb.engine.statistics import past_run, percentile, statistics
from incnb.model import PastRun, Statistics

if TYPE_CHECKING:
    from incnb.engine.session import Session


class Enquiries:
    """Questions to one session."""

    def __init__(self, session: Session):
        self._session = session
        self._refreshes: list[float] = []

    def cell(self, wanted: str) -> Known:
        """The cell that a person names. Raises `NoSuchCell`."""
        session = self._session
        return find(wanted, cells(session.history.runs(session.notebook), session.id), session.id)

    def history(self, cell: Known, keep: int) -> list[PastRun]:
        """The latest `keep` runs of a cell, newest first."""
        return [past_run(run) for run in cell.runs[: -keep - 1 : -1]]

    def statistics(self) -> tuple[Statistics, Statistics]:
        """Of this session, and of all that the store's log has of every notebook."""
        runs = self._session.history.runs()
        return statistics(run for run in runs if run.get("session") == self._session.id), statistics(runs)

    def mark(self, cell: Known, *, hard: bool, reason: str) -> Marks:
        """Mark a cell; all of its pending marks. Raises `StoreError`."""
        session = self._session
        return mark(session.history, session.notebook, cell.id, cell.title, hard=hard, reason=reason)

    def accept(self, cell: Known, reason: str) -> Accepting:
        """Accept what differs for a cell. Raises `Refused` or `StoreError`."""
        return self._session.accepted.accept(cell, reason)

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
