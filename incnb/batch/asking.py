"""`incnb report`, `incnb why`, `incnb stats`: what the store has recorded, in words, JSON or a page.

They read and never run anything of the user's.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from incnb.batch.terminal import NO_ANSWER, Mistake, show, tell, write

if TYPE_CHECKING:
    from incnb.batch.command import Verb
    from incnb.engine.recorded import Recorded
    from incnb.store import Store

_NUMBER = re.compile(r"\d+|\[\d+\]")
_NAMELESS = "a notebook without a name"

_STORE = """
The store is INCNB_STORE, or the user's cache folder. A notebook is the latest session that was recorded of it, in a
kernel that was told its path: by JupyterLab, Notebook, VS Code, `incnb run`, nbconvert with incnb's preprocessor,
papermill with incnb's engine. Plain nbconvert and papermill tell no path: their sessions have no name, and the latest
one of all is shown without NOTEBOOK.
"""
_REPORT = """
What became of each cell in the latest session of a notebook, and why: in one line a cell, as JSON, or as one HTML file
that needs nothing else and can be printed. Without NOTEBOOK: the session that ran last of all.

  incnb report                             the latest session
  incnb report analysis.ipynb              the latest session of this notebook
  incnb report analysis.ipynb --html why.html
  incnb report --json | jq '.rows[] | select(.status != "reused") | .line'
"""
_WHY = """
Every reason, what changed since the cell was recorded (old → new, and the difference of code), and what is kept. CELL
is a cell's --name, its number (7 or [7]), its id, or the start of its title; without it, every cell that was not
reused. Without NOTEBOOK: the session that ran last of all.

  incnb why
  incnb why analysis.ipynb
  incnb why analysis.ipynb 'train the model'
  incnb why analysis.ipynb 7
"""


def add(verb: Verb) -> None:
    """Register the verbs."""
    report = verb("report", _report, "what became of each cell of the latest session", _REPORT, _STORE)
    report.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="path of a notebook; the latest of all without")
    report.add_argument("--html", metavar="FILE", help="write one self-contained HTML file; - for standard output")
    report.add_argument("--json", action="store_true", help="print JSON instead of text")
    why = verb("why", _why, "every reason of a cell, and what changed", _WHY, _STORE)
    why.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="path of a notebook; the latest of all without")
    why.add_argument("cell", nargs="*", metavar="CELL", help="name, number, id or start of the title")
    verb(
        "stats",
        _stats,
        "what reuse was worth, measured",
        "What was reused and what that was worth, as measured.",
        _STORE,
    )


def _report(parsed: argparse.Namespace) -> int:
    from incnb.engine.recorded import rows
    from incnb.explain.report import Report

    if parsed.html == "":
        raise Mistake("--html needs the name of a file, or - for standard output")
    store, session = session_of(parsed.notebook)
    found = rows(store, session)
    if parsed.html is not None:
        from incnb.explain.page import page

        name = PurePath(session.notebook).name or "a notebook"
        html = page(found, title=f"incnb: {name}", notebook=session.notebook, created=session.time)
        if parsed.html == "-":
            show([html])
            return 0
        write(parsed.html, html)
    report = Report(tuple(found), session.notebook)
    if parsed.json:
        from json import dumps

        show([dumps({"v": 1, "session": session.id, "time": session.time, **report.to_dict()}, indent=1)])
    elif parsed.html is None:
        show([_about(session), "", repr(report)])
    return 0


def _why(parsed: argparse.Namespace) -> int:
    from incnb.batch.notebooks import is_there
    from incnb.engine.naming import NoSuchCell, find
    from incnb.engine.recorded import rows
    from incnb.explain import tables
    from incnb.explain.totals import REUSED
    from incnb.explain.why import Why

    notebook: str | None = parsed.notebook
    wanted = " ".join(parsed.cell)
    if notebook is not None and not wanted and _NUMBER.fullmatch(notebook) and not is_there(notebook):
        wanted, notebook = notebook, None
    store, session = session_of(notebook)
    found = rows(store, session)
    if not wanted:
        ran = [row for row in found if row.status not in REUSED]
        show([repr(Why(row)) for row in ran] or [f"all {len(found)} cells were reused"])
        return 0
    try:
        named = any(wanted in (cell.name, cell.id, cell.title) for cell in session.cells)
        known = find(f"[{wanted}]" if wanted.isdecimal() and not named else wanted, session.cells, session.id)
    except NoSuchCell as error:
        raise Mistake(tables.no_such_cell(error.wanted, error.cells, ambiguous=error.ambiguous)) from None
    there = [row for row in found if row.title == known.title and (row.id or None) == known.id]
    if not there:
        raise Mistake(f"{known.title} did not run in the latest session of {session.notebook or _NAMELESS}")
    for row in there:
        show([repr(Why(row))])
    return 0


def _stats(parsed: argparse.Namespace) -> int:
    from incnb.engine.statistics import statistics
    from incnb.explain.tables import statistics_table

    store, session = session_of(None)
    runs = runs_of(store)
    ours = statistics(run for run in runs if run.get("session") == session.id)
    show([f"this session is the latest: {_about(session)}", statistics_table(ours, statistics(runs))])
    return 0


def session_of(notebook: str | None) -> tuple[Store, Recorded]:
    """The latest session of a notebook, or of all. Raises `Mistake` and `StoreError`."""
    from incnb.batch.notebooks import is_there, matching
    from incnb.engine.recorded import latest
    from incnb.store import Store

    if notebook == "":
        raise Mistake("NOTEBOOK is empty; leave it out for the latest session of all")
    store = Store()
    runs = runs_of(store)
    if notebook is None:
        found = latest(runs)
        if found is None:
            raise Mistake(f"nothing is recorded in {store.root}", NO_ANSWER)
        return store, found
    logged = sorted({str(run.get("notebook", "")) for run in runs} - {""})
    names = matching(notebook, logged)
    found = latest(runs, names) if names else None
    if found is None:
        if not is_there(notebook):
            raise Mistake(f"there is no notebook {notebook}")
        raise Mistake(f"nothing is recorded of {notebook} in {store.root}{_others(logged)}{_nameless(runs)}", NO_ANSWER)
    return store, found


def _about(session: Recorded) -> str:
    from incnb.explain.unseen import visible

    when = "" if session.time is None else time.strftime(" · %Y-%m-%d %H:%M:%S", time.localtime(session.time))
    return visible(f"{session.notebook or f'({_NAMELESS})'}{when}")


def runs_of(store: Store) -> list[dict[str, Any]]:
    """The runs that the log has. Raises `Mistake` where none of it can be read."""
    from incnb.engine.recorded import sound
    from incnb.store.log import unreadable

    runs = [sound(run) for run in store.history() if run.get("type") == "run"]
    if hidden := unreadable(store.root / "log"):
        what = f"{hidden[0][0]} cannot be read: {hidden[0][1]}"
        if len(hidden) > 1:
            what += f"; and {len(hidden) - 1} more files of the log"
        if not runs:
            raise Mistake(f"the log cannot be read: {what}", NO_ANSWER)
        tell(f"incnb: {what}; what they hold is missing here")
    return runs


def _nameless(runs: Iterable[dict[str, Any]]) -> str:
    if all(run.get("notebook") for run in runs):
        return ""
    return (
        "; there are sessions without a name, as of plain nbconvert and papermill, which tell the kernel no path:"
        " the latest session of all is shown without NOTEBOOK"
    )


def _others(logged: Sequence[str]) -> str:
    if not logged:
        return ""
    more = f" and {len(logged) - 3} more" if len(logged) > 3 else ""
    return f"; it knows {', '.join(logged[:3])}{more}"
