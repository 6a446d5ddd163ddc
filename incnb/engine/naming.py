"""How a person names a CELL: `--name`, execution number `[7]`, cell id, or the start of its title.

What can be named is what the log knows of a notebook. The records of one cell are found together by the cell id of the
front end; records without one (terminal, batch runs) belong to the cell of the same title.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass, field
from typing import Any

from incnb.engine.options import Options
from incnb.model import IncnbError, redacted, shorten

_NUMBER = re.compile(r"\[\s*(\d+)\s*\]")


class NoSuchCell(IncnbError):
    """No cell, or more than one, is called so; the message lists candidates."""

    def __init__(self, wanted: str, cells: list[Known], *, ambiguous: bool):
        super().__init__(wanted)
        self.wanted = wanted
        self.cells = [(cell.title, cell.number, cell.id) for cell in cells]
        self.ambiguous = ambiguous


@dataclass(slots=True)
class Known:
    """A cell as the log knows it, by its latest run; `number` is that of this session."""

    id: str | None
    title: str
    name: str = ""
    number: int | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)


def title_of(tree: ast.Module, options: Options, raw: str) -> str:
    """`--name`, else the first comment line, else the first line of code; 40 characters."""
    if options.name:
        return redacted(options.name)[:40]
    lines = [line.strip() for line in raw.splitlines()]
    lines = [line for line in lines if line and not line.startswith("%%")]
    comments = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    for candidate in (*[c for c in comments[:1] if c], *lines[:1]):
        return shorten(candidate, 40)
    return shorten(ast.unparse(tree.body[0]), 40) if tree.body else "(empty)"


def notebook_path(namespace: dict[str, Any]) -> str:
    """The path of the notebook, as far as the front end told the kernel."""
    for name in ("__vsc_ipynb_file__", "__session__"):
        if isinstance(namespace.get(name), str):
            return str(namespace[name])
    return os.environ.get("JPY_SESSION_NAME", "")


def cell_key(cell_id: str | None, title: str) -> str:
    """What a cell is kept under within one session."""
    return f"id {cell_id}" if cell_id else f"title {title}"


def cells(runs: list[dict[str, Any]], session: str) -> list[Known]:
    """The cells that these runs of one notebook belong to, latest run last."""
    by_id: dict[str, Known] = {}
    by_title: dict[str, Known] = {}
    found: dict[int, Known] = {}
    for run in runs:
        cell_id, title = run.get("id") or None, str(run.get("title", ""))
        known = by_id.get(cell_id) if cell_id else None
        if known is None:
            same = by_title.get(title)
            if same is not None and (cell_id is None or same.id is None):
                known = same
        if known is None:
            known = Known(cell_id, title)
        known.id = cell_id or known.id
        known.title, known.name = title, str(run.get("name") or "")
        number = run.get("n")
        known.number = number if type(number) is int and run.get("session") == session else None
        known.runs.append(run)
        by_title[title] = known
        if known.id:
            by_id[known.id] = known
        found.pop(id(known), None)
        found[id(known)] = known
    return list(found.values())


def find(wanted: str, known: list[Known], session: str) -> Known:
    """The one cell that is called so. Raises `NoSuchCell`."""
    wanted = wanted.strip()
    number = _NUMBER.fullmatch(wanted)
    if number is not None:
        found = _numbered(int(number[1]), known, session)
        if found is None:
            raise NoSuchCell(wanted, known[::-1], ambiguous=False)
        return found
    for matching in (
        [cell for cell in known if wanted and cell.name == wanted],
        [cell for cell in known if wanted and cell.id == wanted],
        [cell for cell in known if cell.title == wanted],
        [cell for cell in known if wanted and (cell.title.startswith(wanted) or cell.name.startswith(wanted))],
    ):
        if len(matching) > 1:
            raise NoSuchCell(wanted, matching[::-1], ambiguous=True)
        if matching:
            return matching[0]
    raise NoSuchCell(wanted, known[::-1], ambiguous=False)


def _numbered(number: int, known: list[Known], session: str) -> Known | None:
    """The cell that last ran under a number in this session; else in the latest session that had this number."""
    best: tuple[bool, int, Known] | None = None
    for cell in known:
        for run in cell.runs:
            if run.get("n") == number:
                rank = (run.get("session") == session, int(run.get("seq") or 0))
                if best is None or rank >= best[:2]:
                    best = (*rank, cell)
    return best[2] if best else None
