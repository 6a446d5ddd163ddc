"""Marks, accepts and refreshes where they matter: in kernels that restart, with values that are not loaded."""

from __future__ import annotations

import json
import sys

import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel

BIG = "%%incremental --name big\nbig = bytearray(b'x') * 3_000_000"


def test_a_mark_and_an_accept_survive_a_restart(notebook: Notebook) -> None:
    helper, edited = "def f(x):\n    return x + 1", "def f(x):\n    y = x\n    return y + 1"
    cell = "%%incremental --name cell\nr = f(1)"
    with notebook.kernel() as nb:
        nb.run(helper)
        assert nb.status(cell) == "executed"
        nb.run(edited)
        shown = nb.run("%incremental accept cell --reason 'a name for x'")
        assert "accepted for f changed" in shown.stdout
        nb.run("%incremental mark [99] --hard", allow_error=True)
    with notebook.kernel() as nb:
        nb.run(edited)
        assert nb.status(cell) == "reused" and nb.reason == "accepted"
        number = nb.kernel.run("0").execution_count
        assert number is not None
        assert "executes next time (hard)" in nb.run(f"%incremental mark [{number - 1}] --hard").stdout
        nb.kernel.restart()
        nb.run("%load_ext incnb")
        nb.run(edited)
        assert nb.status(cell) == "executed" and nb.reason == "marked cell"
        assert nb.status(cell) == "reused" and nb.reason == "contained"
        assert nb.run("%incremental history cell --keep 2").stdout.splitlines()[2].endswith("cell was marked: hard")


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, any cell that executes loads everything")
def test_asking_loads_nothing_that_is_pending(notebook: Notebook) -> None:
    count = "%%incremental --name count\nn = len(big)"
    pending = (
        "%%incremental --off\nimport incnb.notebook.extension as e\n"
        "sorted(list(e._loaded.values())[0].session.pending.groups)"
    )
    with notebook.kernel() as nb:
        nb.run(BIG)
        nb.run(count)
    with notebook.kernel() as nb:
        assert nb.status(BIG) == "reused" and nb.status(count) == "reused"
        asked = "%incremental refresh\n%incremental stats\n%incremental history big\n%incremental mark big --soft"
        shown = nb.run(asked).stdout
        assert shown.count("✓ would reuse") == 2, shown
        assert nb.run(pending).result == {"text/plain": "['big']"}


def test_the_time_of_loading_a_pending_value_is_measured(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run(BIG)
    with notebook.kernel() as nb:
        assert nb.status(BIG) == "reused"
        assert nb.status("%%incremental --name count\nn = len(big)") == "executed"
    lines = [line for path in (notebook.folder / "store" / "log").iterdir() for line in path.read_text().splitlines()]
    ((index, seconds),) = sorted(map(json.loads, lines), key=lambda record: record["seq"])[-1]["loads"]
    assert index == 0 and 0 < seconds < 10


def test_a_failed_accept_or_mark_is_one_line_and_no_traceback(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run(BIG)
        run = nb.run("%incremental accept big", allow_error=True)
        assert run.error is None or run.error[0] == "UsageError"
        assert "accept wants a reason" in run.stderr and len(run.stderr.strip().splitlines()) == 1
