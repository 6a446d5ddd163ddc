"""Pins: a person wants what is saved of a cell to be kept, whatever the policy would do with it.

A pin is a line of the log and so survives a restart of the kernel, like a mark; unlike a mark no run clears it. The
latest word on a cell counts. It says the same as `--pin` in the cell, which no word outside of the cell takes back.
"""

from __future__ import annotations

from incnb.engine.history import History
from incnb.engine.marks import same_cell


def pin(history: History, notebook: str, cell_id: str | None, title: str, *, on: bool) -> None:
    """Pin a cell, or take the pin back. Raises `StoreError`."""
    history.add({"type": "pin", "pin": on, "notebook": notebook, "id": cell_id, "title": title, "code": ""})


def is_pinned(history: History, notebook: str, cell_id: str | None, title: str) -> bool:
    """Whether the latest word on a cell was to pin it."""
    words = [word for word in history.pins(notebook) if same_cell(word, cell_id, title)]
    return bool(words) and words[-1].get("pin") is True
