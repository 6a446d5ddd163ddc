"""`incnb.map` with a real cluster of Dask: workers in other processes, one of which dies in the middle."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import calls_probe
import pytest
from calls_probe import ran
from notebooks import Shell

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: pip install 'incnb[dask]'")
pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")

Shells = Callable[[], Shell]


@pytest.fixture
def nb(shells: Shells) -> Iterator[Shell]:
    calls_probe.watch()
    ran()
    nb = shells()
    here = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    before = os.environ.get("PYTHONPATH")
    os.environ.update(here)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    client = distributed.Client(cluster)
    nb.ip.user_ns["client"] = client
    nb.plain("import sys, os, time, incnb")
    yield nb
    client.close()
    cluster.close()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def items(nb: Shell) -> tuple[int, int]:
    told = nb.decisions()[-1]["items"]
    return told["executed"], told["reused"]


def test_items_run_on_the_workers_and_edits_of_helpers_reach_them(nb: Shell) -> None:
    nb.plain("def helper(x): return x * 10\ndef f(x):\n    sys.audit('calls.probe', str(x))\n    return helper(x)")
    cell = "r = incnb.map(f, [1, 2, 1, 3], executor=client)"
    assert nb.cell(cell) == "executed", nb.reasons
    assert nb["r"] == [10, 20, 10, 30] and items(nb) == (3, 1) and not ran()
    assert nb.cell(cell) == "reused", nb.reasons
    nb.cell("r = incnb.map(f, [3, 2])")
    assert nb["r"] == [30, 20] and items(nb) == (0, 2)
    nb.plain("def helper(x): return x + 1")
    nb.cell(cell)
    assert nb["r"] == [2, 3, 2, 4] and items(nb) == (3, 1)
    assert nb.decisions()[-1]["items"]["why"][0]["locator"] == "helper"


def test_files_and_effects_there_are_seen_here(nb: Shell) -> None:
    for name in "ab":
        Path(name).write_text(name)
    nb.plain("def f(p):\n    return open(p).read()")
    cell = f"r = incnb.map(f, [{str(Path('a').resolve())!r}, {str(Path('b').resolve())!r}], executor=client)"
    nb.cell(cell)
    Path("b").write_text("new")
    assert nb.cell(cell) == "executed"
    assert nb["r"] == ["a", "new"] and items(nb) == (1, 1)
    nb.plain("import subprocess\ndef g(x):\n    done = subprocess.run(['true']) if x == 2 else 0\n    return x")
    assert nb.cell("r = incnb.map(g, [1, 2, 3], executor=client)") == "blocked"
    nb.cell("r = incnb.map(g, [1, 2, 3], executor=client); 1")
    assert nb["r"] == [1, 2, 3] and items(nb) == (1, 2)


def test_holes_and_errors(nb: Shell) -> None:
    nb.plain("def f(x): return 1 / x")
    nb.cell("r = incnb.map(f, [1, 0, 2], executor=client, on_error='hole')")
    assert nb["r"][0] == 1 and nb["r"][2] == 0.5 and isinstance(nb["r"][1].error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        nb.cell("r = incnb.map(f, [1, 0, 2], executor=client)")


def test_a_worker_that_is_killed_in_the_middle(nb: Shell) -> None:
    nb.plain("def f(x):\n    time.sleep(0.2)\n    return x * 2")
    client: Any = nb["client"]
    pids = list(client.run(os.getpid).values())

    def kill() -> None:
        time.sleep(0.7)
        os.kill(pids[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, name="ThreadPoolExecutor-of-the-test")
    thread.start()
    nb.cell("r = incnb.map(f, range(12), executor=client)")
    thread.join()
    assert nb["r"] == [2 * x for x in range(12)]
    nb.cell("r = incnb.map(f, range(12)); 1")
    assert nb["r"] == [2 * x for x in range(12)] and items(nb)[1] >= 10
