"""What a run leaves for others to read: `--report`, one JSON for tools, and `--html`, pages for people.

Both tell of failed and interrupted notebooks too. The pages are made from what the kernels have put into the log; what
is not there (a cell with `--off`, a log that cannot be read) is told by its decision alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incnb.batch import telling
from incnb.batch.run import Outcome
from incnb.batch.terminal import NO_ANSWER, Mistake
from incnb.batch.writing import why_not, write

if TYPE_CHECKING:
    from incnb.explain.rows import Row

VERSION = 1


def report(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The object that `--report` writes."""
    return {"v": VERSION, "notebooks": [_told(outcome) for outcome in outcomes]}


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "notebook": str(outcome.path),
        "status": telling.status(outcome),
        "seconds": outcome.seconds,
        "saved_seconds": telling.saved([outcome])[0],
        "error": outcome.error or None,
        "error_line": outcome.brief or None,
        "written": str(outcome.written) if outcome.written is not None else None,
        "untracked": outcome.plainly or None,
        "kernel": outcome.kernel,
        "kernel_because": outcome.refused or None,
        "mismatches": telling.mismatches(outcome),
        "cells": list(outcome.decisions),
    }


def is_folder(html: str) -> bool:
    """Whether `--html` names a folder, for one page a notebook."""
    return html.endswith(("/", os.sep)) or (html != "-" and Path(html).is_dir())


def places(html: str, notebooks: Sequence[Path]) -> list[Path]:
    """The files that `--html` means: one for all notebooks, or one for each."""
    if not is_folder(html):
        return [Path(html)]
    names: list[str] = []
    for notebook in notebooks:
        stem, number = notebook.stem, 2
        while stem in names:
            stem, number = f"{notebook.stem}-{number}", number + 1
        names.append(stem)
    return [Path(html) / f"{stem}.html" for stem in names]


def writable(file: str, *, folder: bool = False) -> None:
    """Raises `Mistake` where it is known that a file cannot be written."""
    if not file:
        raise Mistake("--report and --html need the name of a file")
    if file == "-":
        return
    path = Path(file).absolute()
    if folder and not path.is_dir():
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise Mistake(f"the folder {file} cannot be made: {error.strerror or error}", NO_ANSWER) from None
    if against := why_not(path / "page.html" if folder else path):
        raise Mistake(against, NO_ANSWER)


def pages(html: str, outcomes: Sequence[Outcome]) -> None:
    """Write one page for all notebooks into a file, or one for each into a folder. Raises `Mistake`."""
    from incnb.explain.page import page

    told = _rows(outcomes)
    if is_folder(html):
        for place, outcome, rows in zip(places(html, [one.path for one in outcomes]), outcomes, told, strict=True):
            text = page(rows, title=f"incnb: {outcome.path.name}", notebook=str(outcome.path), created=time.time())
            write(place, text)
        return
    if len(outcomes) == 1:
        name = outcomes[0].path.name
        write(html, page(told[0], title=f"incnb: {name}", notebook=str(outcomes[0].path), created=time.time()))
        return
    joined = [row for number, rows in enumerate(told) for row in _of_several(rows, outcomes[number].path, number)]
    folder = os.path.commonpath([outcome.path.parent for outcome in outcomes])
    title = f"incnb: {len(outcomes)} notebooks"
    write(html, page(joined, title=title, notebook=folder, created=time.time()))


def _of_several(rows: Sequence[Row], path: Path, number: int) -> list[Row]:
    """The same rows, told apart from those of other notebooks."""

    def key(of: str) -> str:
        return f"{number} {of}"

    return [
        replace(
            row,
            key=key(row.key),
            title=f"{path.name}: {row.title}",
            reads=tuple((key(of), names) for of, names in row.reads),
            blamed=tuple(map(key, row.blamed)),
        )
        for row in rows
    ]


def _rows(outcomes: Sequence[Outcome]) -> list[list[Row]]:
    from incnb.engine import recorded
    from incnb.model import IncnbError
    from incnb.store import Store

    try:
        store = Store()
        runs = [recorded.sound(run) for run in store.history() if run.get("type") == "run"]
    except IncnbError:
        return [_alone(outcome, {}) for outcome in outcomes]
    found = []
    for outcome in outcomes:
        of_notebook = tuple(run for run in runs if run.get("notebook") == str(outcome.path))
        logged: dict[tuple[str, str], Row] = {}
        for session in dict.fromkeys(str(one["session"]) for one in outcome.decisions):
            of_session = recorded.Recorded(session, str(outcome.path), None, of_notebook)
            logged |= {(session, row.key): row for row in recorded.rows(store, of_session)}
        found.append(_alone(outcome, logged))
    return found


def _alone(outcome: Outcome, logged: dict[tuple[str, str], Row]) -> list[Row]:
    """A row for each decision, with what the log knows of it."""
    from incnb.engine.naming import cell_key
    from incnb.explain.rows import Row

    rows: dict[tuple[str, str], Row] = {}
    for told in outcome.decisions:
        one = telling.decision(told)
        key = cell_key(one.cell.id, one.cell.title)
        known = logged.get((one.session, key))
        if known is None or known.decision is None or known.decision.cell.index != one.cell.index:
            known = Row(key, one.cell.title, id=one.cell.id, decision=one, bytes=one.bytes_saved)
        elif known.status is not one.status:  # done without a kernel: the log has the run before
            known = replace(known, decision=one, changes=(), blamed=())
        place = (one.session, key)
        rows[place if place not in rows else (one.session, f"{key} {one.cell.index}")] = known
    return list(rows.values())
