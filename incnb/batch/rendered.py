"""An executed notebook as the text that nbclient and nbformat would have written, put together without them.

What the cells showed lies ready as text, piece by piece; the notebook around it is the one of now. Whoever keeps such
pieces checks first that putting them together gives, to the byte, what nbformat wrote: see `batch.manifest`.
"""

from __future__ import annotations

import re
import time
from json import dumps
from typing import Any

#: Of the metadata of a cell that nbclient executed: when it did.
TIMES = ("iopub.execute_input", "iopub.status.busy", "iopub.status.idle", "shell.execute_reply")
_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")
_SPLIT = ("application/javascript", "image/svg+xml")


def text_of(data: dict[str, Any]) -> str:
    """A notebook as nbformat writes it, but for the line feed at its end."""
    return dumps(data, indent=1, sort_keys=True, separators=(",", ": "), ensure_ascii=False)


def piece(outputs: list[Any]) -> str:
    """The outputs of one cell as they stand in the text of a notebook."""
    return text_of({"": outputs})[7:-2].replace("\n", "\n  ") if outputs else "[]"


def rendered(
    data: dict[str, Any],
    pieces: dict[int, str],
    counts: dict[int, int],
    language: dict[str, Any],
    *,
    mark: str,
    timed: bool = True,
) -> str:
    """The text of a notebook whose cells, by their places, showed `pieces` and were counted `counts`.

    `mark`: a text that nothing in the notebook holds. `timed`: with the times of now, as nbclient notes them.
    """
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
    cells = []
    for place, cell in enumerate(data["cells"]):
        made = _cell(cell)
        if place in pieces:
            if timed:
                made["metadata"]["execution"] = dict.fromkeys(TIMES, stamp)
            made |= {"outputs": f"{mark} {place}", "execution_count": counts[place]}
        cells.append(made)
    metadata = {name: value for name, value in data["metadata"].items() if name not in _TRANSIENT}
    text = text_of({**data, "cells": cells, "metadata": {**metadata, "language_info": language}})
    parts = re.split(f'"{re.escape(mark)} (\\d+)"', text)
    parts[1::2] = [pieces[int(place)] for place in parts[1::2]]
    return "".join(parts) + "\n"


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    metadata = {name: value for name, value in cell["metadata"].items() if name != "trusted"}
    made = {**cell, "source": source.splitlines(True), "metadata": metadata}
    if "attachments" in cell:
        made["attachments"] = {name: _bundle(bundle) for name, bundle in cell["attachments"].items()}
    return made


def _bundle(bundle: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for mime, value in bundle.items():
        is_json = mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))
        if not is_json and isinstance(value, list) and all(isinstance(line, str) for line in value):
            value = "".join(value)
        if isinstance(value, str) and (mime.startswith("text/") or mime in _SPLIT):
            value = value.splitlines(True)
        made[mime] = value
    return made
