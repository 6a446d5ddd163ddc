"""Parameters of a notebook, given on the command line and injected as papermill does.

They stand in a cell of their own, tagged `injected-parameters`, right below the cell tagged `parameters`, which holds
the defaults; it takes the place of one that is there already. Its id is always the same, so that the cell keeps its
history from run to run, and whatever does not read a parameter that changed is reused.

The notebook is plain JSON here, of nbformat 4: the same for nbformat's own objects, which are dictionaries.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from incnb.batch.notebook_file import INJECTED, PARAMETERS
from incnb.model import IncnbError

Value = bool | int | float | str | None
ID = INJECTED
VERBATIM = "\0"  # stands before a value that would look like an option; no command line can hold it
_WORDS: dict[str, Value] = {"True": True, "False": False, "None": None}
_ASSIGNED = re.compile(r"^([^\W\d]\w*)\s*(?::[^=]*)?=(?!=)", re.MULTILINE)


class ParameterError(IncnbError):
    """A parameter that cannot be given, in one line."""


def typed(text: str) -> Value:
    """The value that a word stands for: `True`, `False`, `None`, a whole number, a number, else text."""
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def read(pairs: Iterable[Iterable[str]]) -> dict[str, Value]:
    """Names and typed values; the last of a name counts. Raises `ParameterError`."""
    found: dict[str, Value] = {}
    for name, value in pairs:
        text = value.removeprefix(VERBATIM)
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ParameterError(f"-p {name} {text}: {name!r} is no name of a variable")
        found[name] = typed(text)
    return found


def source(values: Mapping[str, Value]) -> str:
    """The text of the injected cell."""
    return "".join(["# Parameters\n", *(f"{name} = {_literal(value)}\n" for name, value in values.items())])


def inject(data: dict[str, Any], values: Mapping[str, Value], make: Callable[[Any], Any] = dict) -> list[str]:
    """Put the cell of these values into a notebook; what a person should know, in lines as papermill's.

    `make` turns the cell into what the cells of this notebook are.
    """
    if not values:
        return []
    cells: list[Any] = data["cells"]
    defaults, injected = _tagged(cells, PARAMETERS), _tagged(cells, INJECTED)
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": [INJECTED]},
        "outputs": [],
        "source": source(values),
    }
    if data.get("nbformat_minor", 0) >= 5:  # the first that has ids
        cell["id"] = ID
    told = []
    known = set(_ASSIGNED.findall(_text(cells[defaults]))) if defaults is not None else set[str]()
    told += [f"unknown parameter: {name}" for name in values if name not in known]
    if injected is not None:
        cells[injected] = make(cell)
    elif defaults is not None:
        cells.insert(defaults + 1, make(cell))
    else:
        told.insert(0, f"no cell is tagged {PARAMETERS!r}; the parameters stand first")
        cells.insert(0, make(cell))
    return told


def _tagged(cells: list[Any], tag: str) -> int | None:
    return next((at for at, cell in enumerate(cells) if tag in (cell["metadata"].get("tags") or ())), None)


def _text(cell: Any) -> str:
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def _literal(value: Value) -> str:
    """As papermill writes it."""
    if isinstance(value, str):
        return '"' + value.encode("unicode_escape").decode("ascii").replace('"', r"\"") + '"'
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    return str(value)
