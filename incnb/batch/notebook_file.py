"""A notebook as it lies on disk, read as the JSON that it is: what can be told of it before anything heavy is imported.

Only the present format (nbformat 4) is read here; an older one is the business of nbformat, which converts it. Nothing
is validated beyond what is used: a file that cannot be understood raises one line that says what, where and what to do.
"""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from incnb.model import IncnbError

PARAMETERS, INJECTED = "parameters", "injected-parameters"  # the tags that papermill reads and writes
FORMAT = 4
_MARKS = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)


class NotANotebook(IncnbError):
    """A path that leads to no notebook; the message says why."""


class OldFormat(IncnbError):
    """A notebook of an older format, which nbformat converts."""


@dataclass(frozen=True, slots=True)
class FileCell:
    """One cell of a file; `place` counts all cells from 0."""

    place: int
    id: str | None
    type: str
    text: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class NotebookFile:
    """One notebook: `path` in full, `data` as the JSON has it."""

    path: Path
    data: dict[str, Any]
    cells: tuple[FileCell, ...]

    @property
    def code(self) -> tuple[FileCell, ...]:
        """The cells of code that are not empty, in order: those that nbclient executes."""
        return tuple(cell for cell in self.cells if cell.type == "code" and cell.text.strip())

    @property
    def kernel(self) -> str:
        """The name of its kernelspec; empty if it names none."""
        spec = self.data["metadata"].get("kernelspec")
        return str(spec.get("name", "")) if isinstance(spec, dict) else ""


def read(path: str | Path) -> NotebookFile:
    """Read a notebook. Raises `NotANotebook`, or `OldFormat` for what only nbformat can read."""
    try:
        # a link leads to where the notebook lies, as every tool of Jupyter has it
        full = Path(path).absolute()
        if not full.is_file() and full.exists() and not full.is_dir():  # to open a pipe is to wait for who writes to it
            raise NotANotebook(f"{path} is no regular file")
        raw = full.read_bytes()
    except FileNotFoundError:
        raise NotANotebook(f"there is no notebook {path}") from None
    except IsADirectoryError:
        raise NotANotebook(f"{path} is a folder; name the notebooks in it, as in {path}/*.ipynb") from None
    except (OSError, ValueError) as error:
        raise NotANotebook(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse(full, raw)


def parse(path: Path, raw: bytes) -> NotebookFile:
    """As `read`, of bytes that were read already."""
    if raw.startswith(_MARKS):
        raise NotANotebook(f"{path} begins with a byte order mark; save it as UTF-8 without one")
    try:
        data = loads(raw.decode())  # of bytes, other encodings would be guessed, which nbformat does not
    except (ValueError, RecursionError):
        raise NotANotebook(f"{path} is not a notebook: it is no JSON") from None
    return of(path, data)


def of(path: Path, data: Any) -> NotebookFile:
    """As `read`, of the JSON of a notebook."""
    if not isinstance(data, dict) or type(data.get("nbformat")) is not int:
        raise NotANotebook(f"{path} is not a notebook: it has no nbformat")
    if data["nbformat"] != FORMAT:
        raise OldFormat(f"{path} is of nbformat {data['nbformat']}")
    try:
        cells = tuple(_cell(place, cell) for place, cell in enumerate(data["cells"]))
        data["metadata"].get("kernelspec")
    except (KeyError, TypeError, AttributeError):
        raise NotANotebook(f"{path} is not a notebook that can be understood: its cells are damaged") from None
    return NotebookFile(path, data, cells)


def _cell(place: int, cell: dict[str, Any]) -> FileCell:
    source, metadata = cell["source"], cell["metadata"]
    text = source if isinstance(source, str) else "".join(source)
    tags = frozenset(tag for tag in metadata.get("tags", ()) if isinstance(tag, str))
    return FileCell(place, str(cell["id"]) if cell.get("id") else None, str(cell["cell_type"]), text, tags)
