"""The notebook as it is saved on disk: the order of its cells, and where their texts differ from what has run.

A front end saves when it likes, so the file says what the person last saved and nothing more. It is read as JSON, at
the moment of a question; whatever is wrong with it, there is no saved file. Cells are found by their ids, and where the
kernel is told none (nbclient, papermill) by their texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incnb.model import shorten

SHOWN = 8
_LOADS = re.compile(r"^\s*%(re)?load_ext\s+incnb", re.M)  # it ran before there was anybody to see it
LIMIT = 256 << 20  # bytes; there are outputs in it


@dataclass(frozen=True, slots=True)
class SavedCell:
    """One code cell of the file."""

    id: str
    text: str

    @property
    def title(self) -> str:
        lines = [line.strip().lstrip("# ") for line in self.text.splitlines()]
        return shorten(next((line for line in lines if line and not line.startswith("%%incremental")), "(empty)"), 40)


def saved_cells(path: str) -> list[SavedCell] | None:
    """The code cells of a saved notebook that are not empty, in order; None where there is no such file."""
    try:
        if not path.endswith(".ipynb") or Path(path).stat().st_size > LIMIT:
            return None
        cells = json.loads(Path(path).read_bytes())["cells"]
        found = [SavedCell(str(cell.get("id") or ""), _text(cell)) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return [cell for cell in found if cell.text.strip()]


class SavedFile:
    """The cells of one saved notebook, read again only when the file is another one."""

    def __init__(self) -> None:
        self._stamp: tuple[object, ...] = ()
        self._cells: list[SavedCell] | None = None

    def cells(self, path: str) -> list[SavedCell] | None:
        """As `saved_cells`."""
        try:
            info = Path(path).stat()
        except (OSError, ValueError):
            return None
        stamp = (path, info.st_ino, info.st_size, info.st_mtime_ns)
        if stamp != self._stamp:
            self._cells, self._stamp = saved_cells(path), stamp
        return self._cells


def _text(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(map(str, source))


def in_file(cells: list[SavedCell] | None, known: Iterable[tuple[str, str | None, str]]) -> dict[str, int]:
    """Where the file has those of `known` (key, cell id, text) that it has, by their keys."""
    by_id = {cell.id: at for at, cell in reversed(list(enumerate(cells or []))) if cell.id}
    by_text = {cell.text.strip(): at for at, cell in reversed(list(enumerate(cells or [])))}
    found = ((key, by_id.get(cell_id) if cell_id else by_text.get(text.strip())) for key, cell_id, text in known)
    return {key: at for key, at in found if at is not None}


def in_order(cells: list[SavedCell] | None, known: Iterable[tuple[str, str | None, str]]) -> list[str] | None:
    """The keys of `known` as the file has them, those that are not in it last; None where it has none of them."""
    known = list(known)
    places = in_file(cells, known)
    if not places:
        return None
    return sorted((key for key, _, _ in known), key=lambda key: places.get(key, len(cells or [])))


def differences(
    cells: list[SavedCell] | None, tracked: list[tuple[str, str | None, str]], others: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Where the saved file differs from what has run: a note for each tracked cell by its key, and lines for the rest.

    `others` are the texts of all cells that ran, by their ids, or by themselves where the kernel is told no ids.
    """
    if cells is None:
        return {}, []
    ids = {cell.id: cell for cell in cells if cell.id}
    texts = {cell.text.strip() for cell in cells}
    notes: dict[str, str] = {}
    edited = []
    for key, cell_id, text in tracked:
        if text.strip() in texts:
            continue
        if cell_id and cell_id in ids:
            notes[key] = "edited since it ran: this is about the text that ran"
            edited.append(ids[cell_id].title)
        else:
            notes[key] = "not in the saved file"
    ran = {text.strip() for text in others.values()}
    never = [c.title for c in cells if c.id not in others and c.text.strip() not in ran and not _LOADS.search(c.text)]
    lines = []
    if edited:
        lines.append(f"edited in the saved file since they ran: {_listed(edited)}")
    gone = sum(note == "not in the saved file" for note in notes.values())
    if gone:
        lines.append(f"{gone} of these cells {'is' if gone == 1 else 'are'} not in the saved file")
    if never:
        lines.append(f"in the saved file and never run in this session: {_listed(never)}")
    return notes, lines


def _listed(titles: list[str]) -> str:
    return "; ".join(titles[:SHOWN]) + (f"; and {len(titles) - SHOWN} more" if len(titles) > SHOWN else "")
