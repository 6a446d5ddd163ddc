"""What is learned: large outputs that are measured cheaper to compute than to restore are not saved.

Measured means measured here: of the last 20 runs of the cell, with the code that it has now and on this machine, at
least five brought back more than 1 MiB, and the median of what that took (restoring, and loading later what was left
pending) is more than the median of what executing took. Not saving can only make a later run execute: the policy never
turns hard into soft. It never overrides a person, either: a pinned cell is saved. While a cell is not saved its reuses
leave the window of 20 runs, and then it is tried again.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from incnb.engine.pins import is_pinned
from incnb.engine.statistics import REUSED, measured
from incnb.explain import cheaper_to_compute
from incnb.model import Status

if TYPE_CHECKING:
    from incnb.engine.history import History
    from incnb.engine.tracked import Tracked

LARGE = 1024 * 1024
WINDOW = 20
ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians in seconds."""

    compute: float
    restore: float


def measured_costs(runs: list[dict[str, Any]], code: str, host: str, executed: float) -> Costs | None:
    """What computing and restoring the large outputs of a cell costs; None while that is not known well enough.

    `runs` are those of the cell, oldest first; `executed` the seconds of the run that has just ended.
    """
    recent = [run for run in runs if run.get("code") == code and run.get("host") == host][-WINDOW:]
    compute, restore = [executed], []
    for run in recent:
        status = run.get("status")
        if status in REUSED:
            seconds = measured(run, "restore")
            large = type(run.get("bytes")) is int and run["bytes"] > LARGE
            if seconds is not None and large:
                restore.append(seconds + float(run.get("loaded", 0.0)))
        elif status == Status.EXECUTED.value:
            seconds = measured(run, "execute")
            if seconds is not None:
                compute.append(seconds)
    return Costs(median(compute), median(restore)) if len(restore) >= ENOUGH else None


def why_not_to_save(history: History, notebook: str, tracked: Tracked, size: int, seconds: float) -> str:
    """Why outputs of `size` bytes are better computed again than saved; nothing if they are not."""
    if size <= LARGE or tracked.options.pin or tracked.analysis is None:
        return ""
    if is_pinned(history, notebook, tracked.cell.id, tracked.cell.title):
        return ""
    costs = measured_costs(history.runs(notebook), tracked.analysis.code, socket.gethostname(), seconds)
    if costs is None or costs.compute >= costs.restore:
        return ""
    return cheaper_to_compute(costs.compute, costs.restore)
