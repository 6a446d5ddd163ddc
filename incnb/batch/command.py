"""The command `incnb` (also `jupyter incnb`, `python -m incnb`): what the store has recorded, in words, JSON or a page.

It reads and never runs anything of the user's. A mistake of the person is one line on stderr: status 2 for something
that is not there (a notebook, a cell), status 1 where the store cannot answer (nothing recorded, unreadable).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import incnb
from incnb.model import IncnbError

if TYPE_CHECKING:
    from incnb.engine.recorded import Recorded
    from incnb.store import Store

NOT_THERE, NO_ANSWER, BROKEN_PIPE = 2, 1, 141

_STORE = """
The store is INCNB_STORE, or the user's cache folder. A notebook is the latest session that was recorded of it, in any
kernel: JupyterLab, VS Code, nbconvert, papermill.
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
is a cell's --name, its number [7], its id, or the start of its title; without it, every cell that was not reused.

  incnb why analysis.ipynb
  incnb why analysis.ipynb 'train the model'
  incnb why analysis.ipynb '[7]'
"""


class Mistake(IncnbError):
    """Something that a person asked for is not so; `status` is that of the command."""

    def __init__(self, message: str, status: int = NOT_THERE):
        super().__init__(message)
        self.status = status


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow a command line; the status to exit with."""
    for stream in (sys.stdout, sys.stderr):
        # a title that this terminal cannot show is no reason to fail
        getattr(stream, "reconfigure", lambda **how: None)(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.follow(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read has seen enough; Python must not find out again when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except IncnbError as error:
        print(f"incnb: {error}", file=sys.stderr)
        return error.status if isinstance(error, Mistake) else NO_ANSWER
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "incnb",
        description="What incnb did with the cells of your notebooks, and why. Reads the store; runs nothing.",
        epilog=_STORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"incnb {incnb.__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, follow: Callable[[argparse.Namespace], int], what: str, more: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name, help=what, description=more, epilog=_STORE, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(follow=follow)
        return added

    report = verb("report", _report, "what became of each cell of the latest session", _REPORT)
    report.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="path of a notebook; the latest of all without")
    report.add_argument("--html", metavar="FILE", help="write one self-contained HTML file; - for standard output")
    report.add_argument("--json", action="store_true", help="print JSON instead of text")
    why = verb("why", _why, "every reason of a cell, and what changed", _WHY)
    why.add_argument("notebook", metavar="NOTEBOOK", help="path of a notebook")
    why.add_argument("cell", nargs="*", metavar="CELL", help="name, [number], id or start of the title")
    verb("stats", _stats, "what reuse was worth, measured", "What was reused and what that was worth, as measured.")
    return parser


def _report(parsed: argparse.Namespace) -> int:
    from incnb.engine.recorded import rows
    from incnb.explain.report import Report

    store, session = _session(parsed.notebook)
    found = rows(store, session)
    if parsed.html is not None:
        from incnb.explain.page import page

        name = PurePath(session.notebook).name or "a notebook"
        html = page(found, title=f"incnb: {name}", notebook=session.notebook, created=session.time)
        if parsed.html == "-":
            _print([html])
            return 0
        _write(parsed.html, html)
    report = Report(tuple(found), session.notebook)
    if parsed.json:
        from json import dumps

        _print([dumps({"v": 1, "session": session.id, "time": session.time, **report.to_dict()}, indent=1)])
    elif parsed.html is None:
        _print([_about(session), "", repr(report)])
    return 0


def _why(parsed: argparse.Namespace) -> int:
    from incnb.engine.naming import NoSuchCell, find
    from incnb.engine.recorded import rows
    from incnb.explain import tables
    from incnb.explain.totals import REUSED
    from incnb.explain.why import Why

    store, session = _session(parsed.notebook)
    found = rows(store, session)
    if not parsed.cell:
        ran = [row for row in found if row.status not in REUSED]
        _print([repr(Why(row)) for row in ran] or [f"all {len(found)} cells were reused"])
        return 0
    try:
        known = find(" ".join(parsed.cell), session.cells, session.id)
    except NoSuchCell as error:
        raise Mistake(tables.no_such_cell(error.wanted, error.cells, ambiguous=error.ambiguous)) from None
    there = [row for row in found if row.title == known.title and (row.id or None) == known.id]
    if not there:
        raise Mistake(f"{known.title} did not run in the latest session of {session.notebook}")
    for row in there:
        _print([repr(Why(row))])
    return 0


def _stats(parsed: argparse.Namespace) -> int:
    from incnb.engine.statistics import statistics
    from incnb.explain.tables import statistics_table

    store, session = _session(None)
    runs = _runs(store)
    ours = statistics(run for run in runs if run.get("session") == session.id)
    _print([f"this session is the latest: {_about(session)}", statistics_table(ours, statistics(runs))])
    return 0


def _session(notebook: str | None) -> tuple[Store, Recorded]:
    """The latest session of a notebook, or of all. Raises `Mistake` and `StoreError`."""
    from incnb.batch.notebooks import is_there, matching
    from incnb.engine.recorded import latest
    from incnb.store import Store

    store = Store()
    runs = _runs(store)
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
        raise Mistake(f"nothing is recorded of {notebook} in {store.root}{_others(logged)}", NO_ANSWER)
    return store, found


def _about(session: Recorded) -> str:
    from incnb.explain.unseen import visible

    when = "" if session.time is None else time.strftime(" · %Y-%m-%d %H:%M:%S", time.localtime(session.time))
    return visible(f"{session.notebook or '(a notebook without a name)'}{when}")


def _runs(store: Store) -> list[dict[str, Any]]:
    return [run for run in store.history() if run.get("type") == "run"]


def _others(logged: Sequence[str]) -> str:
    if not logged:
        return ""
    more = f" and {len(logged) - 3} more" if len(logged) > 3 else ""
    return f"; it knows {', '.join(logged[:3])}{more}"


def _write(file: str, html: str) -> None:
    try:
        Path(file).write_text(html, "utf-8")
    except OSError as error:
        raise Mistake(f"{file} cannot be written: {error.strerror}", NO_ANSWER) from None
    print(f"wrote {file}", file=sys.stderr)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
