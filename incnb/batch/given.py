"""Parameters given to a notebook as papermill gives them: a cell that sets them stands below the tagged one."""

from __future__ import annotations

from collections.abc import Sequence

from incnb.batch.notebook_file import INJECTED, PARAMETERS, FileCell, NotebookFile
from incnb.batch.parameters import ID, read, source


def with_parameters(file: NotebookFile, parameters: Sequence[Sequence[str]]) -> tuple[FileCell, ...]:
    """The cells of a notebook with these parameters, pairs of a name and a text."""
    if not parameters:
        return file.cells
    own = FileCell(-1, ID, "code", source(read(parameters)), frozenset({INJECTED}))
    there = next((i for i, cell in enumerate(file.cells) if INJECTED in cell.tags), None)
    if there is not None:
        return (*file.cells[:there], own, *file.cells[there + 1 :])
    tagged = next((i + 1 for i, cell in enumerate(file.cells) if PARAMETERS in cell.tags), 0)
    return (*file.cells[:tagged], own, *file.cells[tagged:])
