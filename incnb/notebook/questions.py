"""The questions of `%incremental` as functions: `incnb.why()`, `incnb.report()` and their like.

They answer for the notebook in which they are called, so `%load_ext incnb` comes first. An answer depends on the
session and on nothing that a cell can be compared by: whoever asks is told to the watch (`ASKED`), and a tracked cell,
an item of a loop or a call of `incnb.map` that asks is never saved.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from incnb.engine.enquiries import KEEP, Enquiries
from incnb.engine.naming import Known, NoSuchCell
from incnb.engine.refresh import Refreshed
from incnb.explain import tables
from incnb.explain.kept import Forgotten, Usage
from incnb.explain.past import CellHistory, Stats
from incnb.explain.plan import Plan
from incnb.explain.report import Report
from incnb.explain.why import NothingYet, Why
from incnb.model import IncnbError
from incnb.outputs.audited import ASKED

_pid = os.getpid()


def why(cell: str | int | None = None) -> Why | NothingYet:
    """Why a cell was decided as it was, or the one that was decided last. A number stands for `[number]`."""
    enquiries = _asked("why")
    try:
        return enquiries.why("" if cell is None else _wanted(cell))
    except NoSuchCell as error:
        raise _unknown(error) from None


def report() -> Report:
    """What became of the cells of this session."""
    return _asked("report").report()


def plan() -> Plan:
    """What each cell would do if the notebook ran now, and why. Runs nothing and writes nothing."""
    return _asked("plan").plan()


def refresh(cell: str | int | None = None) -> Refreshed:
    """What would become of the cells, or of one, each decided by itself against what is there now. Runs nothing."""
    enquiries = _asked("refresh")
    return enquiries.refresh(None if cell is None else _cell(enquiries, cell))[0]


def history(cell: str | int, keep: int = KEEP) -> CellHistory:
    """The latest `keep` runs of a cell, newest first."""
    if keep < 1:
        raise IncnbError(f"keep wants a number of runs, not {keep}")
    enquiries = _asked("history")
    return enquiries.history(_cell(enquiries, cell), keep)


def stats() -> Stats:
    """What was reused and executed, and the time that saved, as far as it was measured."""
    return _asked("stats").stats()


def forget(cell: str | int) -> Forgotten:
    """Take out of the store what is saved of a cell: it executes next time."""
    enquiries = _asked("forget")
    return enquiries.forget(_cell(enquiries, cell))


def store() -> Usage:
    """What the store holds, by cell. `incnb.store` is the package of that name, which answers with this when called."""
    return _asked("store").store()


def mark(cell: str | int, *, hard: bool = False, reason: str = "") -> str:
    """Execute a cell next time (`hard`), or decide it afresh; what comes of it, in words."""
    enquiries = _asked("mark")
    return enquiries.mark(_cell(enquiries, cell), hard=hard, reason=reason)


def accept(cell: str | int, reason: str) -> str:
    """An edit did not change the result: reuse what is saved for everything as it is now. What is covered, in words."""
    enquiries = _asked("accept")
    if not reason.strip():
        raise IncnbError("accept wants a reason, which is kept and shown")
    return enquiries.accept(_cell(enquiries, cell), reason)


def _asked(question: str) -> Enquiries:
    """The session that is asked. Raises `IncnbError` where there is none."""
    sys.audit(ASKED, f"incnb.{question}()")
    extension = sys.modules.get("incnb.notebook.extension")
    loaded: dict[int, Any] = getattr(extension, "_loaded", {})
    if os.getpid() != _pid:
        raise IncnbError(f"incnb.{question}() answers in the process of the notebook only, not in one that it started")
    found = loaded.get(id(_shell())) or next(iter(reversed(loaded.values())), None)
    if found is None:
        raise IncnbError(f"incnb.{question}() asks about a notebook: run %load_ext incnb in it first")
    enquiries: Enquiries = found.enquiries
    return enquiries


def _shell() -> Any:
    shells = sys.modules.get("IPython.core.interactiveshell")
    cls = getattr(shells, "InteractiveShell", None)
    return cls.instance() if cls is not None and cls.initialized() else None


def _cell(enquiries: Enquiries, cell: str | int) -> Known:
    try:
        return enquiries.cell(_wanted(cell))
    except NoSuchCell as error:
        raise _unknown(error) from None


def _wanted(cell: str | int) -> str:
    return f"[{cell}]" if isinstance(cell, int) else cell


def _unknown(error: NoSuchCell) -> IncnbError:
    return IncnbError(tables.no_such_cell(error.wanted, error.cells, ambiguous=error.ambiguous))
