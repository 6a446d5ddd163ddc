"""What a batch run orders its kernel: plain data, because it crosses from one process to another as a text.

The kernel side is `incnb.notebook.unattended`, which this room does not import: it is reached by the texts below, sent
as silent requests. These leave no trace in the notebook: no execution count, no history, no output, no name.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from json import dumps, loads
from typing import Any, Final

#: Sent when the last cell has run; a line of ours alone, so that nothing of the user's is loaded for it.
END: Final = "%incremental unattended-end"


@dataclass(frozen=True, slots=True)
class Orders:
    """One run of one notebook. Paths are in full; an empty one: none."""

    notebook: str = ""  # the path that the notebook is known by in the log
    options: str = ""  # options for all cells, as of `%incremental on`
    verify: float | None = None  # of the cells that could be reused, the part that executes and is compared
    report: str = ""  # the file to which each decision is appended, one line of JSON each
    union: str = ""  # the file that the union of everything that was relied on is written to at the end

    @property
    def begin(self) -> str:
        """The text that makes a kernel follow these orders from here on."""
        return f"__import__('incnb.notebook.unattended', fromlist=['begin']).begin(get_ipython(), {self.text!r})"

    @property
    def text(self) -> str:
        return dumps(asdict(self), ensure_ascii=True)

    @classmethod
    def read(cls, text: str) -> Orders:
        """What was ordered; what a later version may order beyond it is left out."""
        told: dict[str, Any] = loads(text)
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in told.items() if name in known})


def switched_off() -> bool:
    """Whether the environment says that every cell is to execute plainly."""
    return os.environ.get("INCNB", "").strip().lower() in ("off", "0", "no", "false")
