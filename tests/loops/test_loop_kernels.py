"""Loops in real kernels that are interrupted, killed and restarted: what was finished is not executed again.

The probes of a kernel are lines of a file, written at once, so that it is known after a kill which bodies ran. A body
may be executed again if it was finished less than `SEALED` seconds before a kill, since what an item left counts only
once it was written and checked together with its neighbours.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel import KernelStuck
from notebooks import Notebook, Session

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

SITE = Path(__file__).resolve().parent / "site-packages"
START = f"import sys\nsys.path.append({str(SITE)!r})\nimport loop_probe\nloop_probe.watch()\n%load_ext incnb"
SEALED = 1.5
MARK = "%%incremental\n"


@contextlib.contextmanager
def kernel(notebook: Notebook, *cells: str, start: str = START) -> Iterator[Session]:
    with notebook.kernel(start, LOOP_PROBES=str(notebook.folder / "probes")) as nb:
        nb.run("import sys")
        for cell in cells:
            nb.run(cell)
        yield nb


def probes(notebook: Notebook) -> list[tuple[float, str]]:
    path = notebook.folder / "probes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(float(when), item) for when, item in (line.split(" ", 1) for line in lines)]


def take(notebook: Notebook) -> list[str]:
    """The items whose bodies were begun since this was last asked."""
    items = [item for _, item in probes(notebook)]
    if items:
        os.truncate(notebook.folder / "probes", 0)
    return items


def wait_for(notebook: Notebook, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(probes(notebook)) < number:
        assert time.monotonic() < deadline, probes(notebook)
        time.sleep(0.005)


def loop(number: int, milliseconds: int) -> str:
    body = f"    sys.audit('loops.probe', repr(x))\n    time.sleep({milliseconds / 1000})\n    out.append([x])"
    return f"import time\nout = []\nfor x in range({number}):\n{body}\nresult = sum(v for [v] in out), len(out)"


@pytest.mark.parametrize("item", [0, 1, 17])
def test_an_interrupted_loop_goes_on_where_it_was(notebook: Notebook, item: int) -> None:
    cell = MARK + loop(30, 30)
    with kernel(notebook) as nb:
        request = nb.kernel.start(cell)
        wait_for(notebook, item + 1)
        nb.kernel.interrupt()
        run = nb.kernel.wait(request)
        assert run.error is not None and run.error[0] == "KeyboardInterrupt"
        assert "incnb/" not in run.error[2] and "__incnb" not in run.error[2], run.error[2]
        begun = take(notebook)
        left = nb.run("len(out), out[-1:], x, 'result' in globals()").result
        assert left is not None
        finished = int(left["text/plain"].strip("(").split(",")[0])
        assert finished in (len(begun) - 1, len(begun)), "the last one may be interrupted after its last effect"
        nb.run(cell)
        assert nb.run("result").result == {"text/plain": "(435, 30)"}
        again = take(notebook)
        assert again == [str(n) for n in range(len(begun) - 1, 30)], f"{begun} were begun, and {again} executed then"
    with kernel(notebook) as nb:
        nb.run(cell)
        assert nb.decision["status"] == "reused" and not take(notebook)
        assert nb.run("result").result == {"text/plain": "(435, 30)"}


def test_an_interrupted_loop_goes_on_in_another_kernel(notebook: Notebook) -> None:
    cell = MARK + loop(30, 30)
    with kernel(notebook) as nb:
        request = nb.kernel.start(cell)
        wait_for(notebook, 12)
        nb.kernel.interrupt()
        nb.kernel.wait(request)
        begun = take(notebook)
    with kernel(notebook) as nb:
        nb.run(cell)
        assert nb.run("result").result == {"text/plain": "(435, 30)"}
        assert take(notebook) == [str(n) for n in range(len(begun) - 1, 30)]


@pytest.mark.parametrize("seed", range(int(os.environ.get("INCNB_KILLS", "3"))))
def test_a_killed_loop_goes_on_where_it_was(notebook: Notebook, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed twice at moments of the seed's choice, on one store; then it runs to its end."""
    rng = random.Random(seed)
    number = 300
    cell = MARK + loop(number, 15)
    recorded: set[str] = set()  # what was surely written before a kill
    told = []
    for kill in (True, True, False):
        with kernel(notebook) as nb:
            request = nb.kernel.start(cell)
            if not kill:
                run = nb.kernel.wait(request)
                assert run.error is None, run
            else:
                wait_for(notebook, 1)
                time.sleep(rng.uniform(0.2, 0.9) if recorded else rng.uniform(SEALED + 0.3, 2.7))
                killed = time.time()
                nb.kernel.manager.signal_kernel(signal.SIGKILL)
                with pytest.raises(KernelStuck):
                    nb.kernel.wait(request)
            begun = probes(notebook)
            items = take(notebook)
            again = recorded & set(items)
            assert not again, f"executed again, though finished long before: {sorted(again, key=int)}"
            assert len(items) == len(set(items))
            if kill:
                recorded |= {item for when, item in begun[:-1] if when < killed - SEALED}
                told.append(f"{len(begun)} begun, {len(recorded)} surely kept")
            else:
                assert nb.run("result, out[7], x").result == {
                    "text/plain": f"(({sum(range(number))}, {number}), [7], {number - 1})"
                }
                told.append(f"{len(items)} at last")
    with capsys.disabled():
        print(f"\nseed {seed}: {'; '.join(told)}", end=" ")
    with kernel(notebook) as nb:
        nb.run(cell)
        assert nb.decision["status"] == "reused" and not take(notebook)


def test_a_failed_loop_shows_the_traceback_of_a_plain_one(notebook: Notebook) -> None:
    helper = "def f(x):\n    y = x - 3\n    return 12 // y"
    body = "out = []\nfor x in [1, 2, 3, 4]:\n    sys.audit('loops.probe', repr(x))\n    out.append(f(x))\n"
    shown = []
    for mark in ("'%%incremental'\n", MARK, MARK):
        with kernel(notebook, helper) as nb:
            run = nb.run(mark + body, allow_error=True)
            assert run.error is not None
            text = re.sub(r"/\S*ipykernel_\d+/\d+\.py|0x[0-9a-f]+|<ipython-input-[^>]*>", "", run.error[2])
            shown.append((text, run.error[:2], nb.run("out, x").result, run.stdout))
            items = take(notebook)
    assert shown[0] == shown[1]
    assert shown[0] == shown[2], "the second time, with items that are reused"
    assert items == ["3"]


BIG = MARK + "import numpy as np\nbig = [np.arange(60_000) + n for n in range(4)]"


def test_a_loop_over_pending_values(notebook: Notebook) -> None:
    """The collection comes from a reused cell and is not loaded until the loop asks for it."""
    body = "out, sums = [], []\nfor x in big[:3]:\n    sys.audit('loops.probe', str(x[0]))\n    out.append(x)\n    sums.append(int(x.sum()))"
    more = body.replace("big[:3]", "big")
    truth = str([sum(range(n, 60_000 + n)) for n in range(4)])
    with kernel(notebook, BIG) as nb:
        nb.run(MARK + body)
        assert take(notebook) == ["0", "1", "2"]
    with kernel(notebook, BIG) as nb:
        assert nb.decision["status"] == "reused"
        nb.run(MARK + body)
        assert not take(notebook), (nb.reasons, nb.decision["items"])
        nb.run(MARK + more)
        assert take(notebook) == ["3"]
        run = nb.run("sums, [a is b for a, b in zip(out, big)], len(out)")
        assert run.result == {"text/plain": f"({truth}, [True, True, True, True], 4)"}
    with kernel(notebook, BIG) as nb:
        nb.run(MARK + more)
        assert not take(notebook)
        run = nb.run("sums, [a is b for a, b in zip(out, big)], len(out)")
        assert run.result == {"text/plain": f"({truth}, [True, True, True, True], 4)"}


def test_prints_and_displays_of_items_come_in_order(notebook: Notebook) -> None:
    body = """
import sys, time
from IPython.display import display, HTML
for x in ITEMS:
    sys.audit('loops.probe', repr(x))
    if x % 2:
        print('odd', x)
    display(HTML(f'<b>{x}</b>'))
    print('err', x, file=sys.stderr)
'the end'
"""
    with kernel(notebook, start="None") as nb:
        truth = nb.run(body.replace("ITEMS", "[5, 1, 2, 3, 4]")).shown
    with kernel(notebook) as nb:
        nb.run(MARK + body.replace("ITEMS", "[1, 2, 3, 4]"))
        take(notebook)
    with kernel(notebook) as nb:
        assert nb.run(MARK + body.replace("ITEMS", "[5, 1, 2, 3, 4]")).shown == truth
        assert take(notebook) == ["5"]


def test_a_loop_in_a_cell_below_a_timer(notebook: Notebook) -> None:
    cell = "%%time\n" + MARK + loop(4, 1)
    with kernel(notebook) as nb:
        nb.run(cell)
        assert take(notebook) == ["0", "1", "2", "3"]
        nb.run(cell.replace("range(4)", "range(5)"))
        assert take(notebook) == ["4"]
        assert nb.run("result").result == {"text/plain": "(10, 5)"}


def test_every_cell_tracked(notebook: Notebook) -> None:
    with kernel(notebook, "%incremental on") as nb:
        nb.run("items = [1, 2, 3]")
        nb.run("out = []\nfor x in items:\n    sys.audit('loops.probe', repr(x))\n    out.append(x * 2)")
        assert take(notebook) == ["1", "2", "3"]
        nb.run("items = [0, 1, 2, 3]")
        nb.run("out = []\nfor x in items:\n    sys.audit('loops.probe', repr(x))\n    out.append(x * 2)")
        assert take(notebook) == ["0"]
        assert nb.run("out").result == {"text/plain": "[0, 2, 4, 6]"}
