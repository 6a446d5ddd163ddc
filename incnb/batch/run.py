"""`incnb run`: notebooks executed from beginning to end, every cell tracked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incnb.batch import manifest
from incnb.batch.manifest import Asked, Refused
from incnb.batch.notebook_file import read
from incnb.batch.orders import Orders
from incnb.model import IncnbError
from incnb.store.place import StoreError


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
    kernel: bool = True
    refused: str = ""  # why a kernel was needed


def execute(
    source: Path, target: Path | None, orders: Orders, decided: Callable[[dict[str, Any]], None] = lambda one: None
) -> Outcome:
    """Execute the notebook `source` in its folder and write it to `target` (None: nowhere), unless it fails."""
    started = time.perf_counter()
    asked, refused = _asked(source, orders)
    if asked is not None:
        try:
            done = manifest.answer(asked)
        except (Refused, StoreError) as against:
            refused = str(against)
        else:
            for one in done.decisions:
                decided(one)
            if target is not None:
                with target.open("w", encoding="utf-8") as file:
                    file.write(done.text)
            return Outcome(source, done.decisions, time.perf_counter() - started, kernel=False)
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from incnb.batch.execution import Incremental

    class Client(Incremental, NotebookClient):
        pass

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
    if not error and asked is not None:
        from incnb.batch.keeping import keep

        with suppress(Refused, StoreError):
            keep(asked, client, nbformat.writes(notebook))
    took = time.perf_counter() - started
    return Outcome(source, tuple(client.decisions), took, client.plainly, error, client.union, refused=refused)


def _asked(source: Path, orders: Orders) -> tuple[Asked | None, str]:
    try:
        return manifest.ask(read(source), orders), ""
    except (Refused, IncnbError) as against:
        return None, str(against)
