"""What is learned: large outputs that are cheaper to compute than to restore are not saved, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incnb.engine.pins import pin
from incnb.engine.policy import Costs, measured_costs
from incnb.explain import cheaper_to_compute

Shells = Callable[[], Any]
MIB = 1024 * 1024


def run(status: str, seconds: float, **more: Any) -> dict[str, Any]:
    what = "restore" if status in ("reused", "cutoff") else "execute"
    return {"code": "c", "host": "h", "status": status, "seconds": {what: seconds}, "bytes": 2 * MIB, **more}


def test_five_measured_reuses_of_the_last_twenty_runs_are_enough() -> None:
    runs = [run("executed", 0.2), *[run("reused", 1.1)] * 4]
    assert measured_costs(runs, "c", "h", 0.2) is None
    runs.append(run("cutoff", 1.3))
    assert measured_costs(runs, "c", "h", 0.2) == Costs(0.2, 1.1)
    runs += [run("executed", 0.2)] * 15
    assert measured_costs(runs, "c", "h", 0.2) == Costs(0.2, 1.1)
    runs += [run("executed", 0.2)]
    assert measured_costs(runs, "c", "h", 0.2) is None, "four of twenty: it is tried again"


@pytest.mark.parametrize(
    "other", [{"code": "d"}, {"host": "elsewhere"}, {"bytes": MIB}, {"bytes": None}, {"seconds": None}]
)
def test_other_code_other_machines_small_outputs_and_unmeasured_runs_do_not_count(other: dict[str, Any]) -> None:
    assert measured_costs([{**run("reused", 1.1), **other}] * 20, "c", "h", 0.2) is None


def test_loading_later_what_was_left_pending_counts() -> None:
    assert measured_costs([run("reused", 0.1, loaded=1.0)] * 5, "c", "h", 0.2) == Costs(0.2, 1.1)


def test_the_words_name_both_times() -> None:
    assert cheaper_to_compute(0.2, 1.1) == "cheaper to compute (0.2 s) than to restore (1.1 s)"
    assert cheaper_to_compute(0.0123, 12.3) == "cheaper to compute (0.012 s) than to restore (12 s)"


CELL = "import numpy as np\nbig = np.arange(400_000) + k"


def slow_restores(folder: Path, restore: float, size: int | None = None) -> None:
    """Rewrite what the log says of reuses."""
    for path in (folder / "store" / "log").iterdir():
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            if record["status"] == "reused":
                record["seconds"]["restore"] = restore
                record["bytes"] = record["bytes"] if size is None else size
        path.write_text("".join(json.dumps(record) + "\n" for record in records))


def six_runs(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    assert [shell.cell(CELL) for _ in range(6)] == ["executed"] + ["reused"] * 5


def test_large_outputs_that_are_cheaper_to_compute_are_not_saved(shells: Shells, tmp_path: Path) -> None:
    six_runs(shells)
    slow_restores(tmp_path, 1.1)
    shell = shells()
    shell.plain("k = 2")
    assert shell.cell(CELL) == "executed"
    assert shell.reasons[0].startswith("value k") and shell.reasons[1].startswith("not-saved  cheaper to compute (")
    assert shell.reasons[1].endswith(" s) than to restore (1.1 s)")
    assert shell.cell(CELL) == "executed" and shell["big"][0] == 2
    shell.plain("k = 1")
    assert shell.cell(CELL) == "reused" and shell["big"][0] == 1, "what is saved is reused"


def test_a_cell_that_a_person_pinned_is_saved(shells: Shells, tmp_path: Path) -> None:
    six_runs(shells)
    slow_restores(tmp_path, 1.1)
    shell = shells()
    session = shell.plain("from incnb.notebook.extension import extension_of\nextension_of(get_ipython()).session")
    pin(session.history, session.notebook, None, "import numpy as np", on=True)
    shell.plain("k = 2")
    assert [shell.cell(CELL), shell.cell(CELL)] == ["executed", "reused"]


@pytest.mark.parametrize(("restore", "size"), [(0.0, None), (1.1, 1000)])
def test_what_is_quick_or_small_is_saved(shells: Shells, tmp_path: Path, restore: float, size: int | None) -> None:
    six_runs(shells)
    slow_restores(tmp_path, restore, size)
    shell = shells()
    shell.plain("k = 2")
    assert [shell.cell(CELL), shell.cell(CELL)] == ["executed", "reused"]


def test_an_old_log_without_measures_teaches_nothing(shells: Shells, tmp_path: Path) -> None:
    six_runs(shells)
    for path in (tmp_path / "store" / "log").iterdir():
        records = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [{k: r[k] for k in ("type", "seq", "code", "status", "title", "notebook", "trace")} for r in records]
        path.write_text("".join(json.dumps(record) + "\n" for record in kept))
    shell = shells()
    shell.plain("k = 2")
    assert [shell.cell(CELL), shell.cell(CELL)] == ["executed", "reused"]
