"""`incnb run`: notebooks executed from beginning to end, every cell tracked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incnb.batch.orders import Orders


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one notebook. `decisions` as of `INCNB_REPORT`; `plainly`: why nothing was tracked; `error`: the
    text of what ended the run early; `seconds` of the whole run."""

    path: Path
    decisions: tuple[dict[str, Any], ...]
    seconds: float
    plainly: str = ""
    error: str = ""
    union: dict[str, Any] | None = None


def execute(
    source: Path, target: Path | None, orders: Orders, decided: Callable[[dict[str, Any]], None] = lambda one: None
) -> Outcome:
    """Execute the notebook `source` in its folder and write it to `target` (None: nowhere), unless it fails."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from incnb.batch.execution import Incremental

    class Client(Incremental, NotebookClient):
        pass

    started = time.perf_counter()
    notebook = nbformat.read(source, as_version=4)
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    client = Client(notebook, kernel_name=kernel, resources={"metadata": {"path": str(source.parent)}})
    client.orders, client.decided = orders, decided
    error = ""
    try:
        client.execute()
    except CellExecutionError as failed:
        error = str(failed)
    if not error and target is not None:
        nbformat.write(notebook, target)
    took = time.perf_counter() - started
    return Outcome(source, tuple(client.decisions), took, client.plainly, error, client.union)
