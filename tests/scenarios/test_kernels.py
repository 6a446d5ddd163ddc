"""Kernels, orders and notebooks that share one store: each reuses what is its own, and nothing else."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rooms import REUSED, Room, run

CELLS = {
    "a": "v = 3",
    "a2": "v = 4",
    "f": "def f(x):\n    return x + v",
    "f2": "def f(x):\n    return x * v",
    "l": "l = [v]",
    "push": "l.append(f(len(l)))\nr = list(l)",
    "r": "r = f(2)\nprint('r is', r)",
    "alias": "m = l",
    "keep": "old = f",
    "old": "r = old(1), f(1)",
    "del": "del v",
    "class": "class C:\n    n = 0\n    def add(self, x):\n        self.n += f(x)\n        return self.n\nc = C()",
    "call": "r = c.add(v)",
    "sum": "r = sum(l), m is l",
    "swap": "l, m = m, l\nr = l, m",
    "again": "for i in range(2):\n    l.append(i)\nr = len(l), i",
    "maybe": "try:\n    r = w\nexcept NameError as error:\n    r = str(error)",
    "w": "w = v",
    "e": "error = 5",
    "reade": "r = error",
}


def both(room: Room, cells: list[str]) -> tuple[list[str], int]:
    """Run the cells in this order, plainly and with every cell tracked; what differs, and how many were reused."""
    ended: dict[bool, list[Any]] = {}
    reused = 0
    for incnb in (False, True):
        shell = room.shell(incnb=incnb)
        before = len(shell.decisions())
        if incnb:
            run(shell, "%incremental on")
        ended[incnb] = []
        for cell in cells:
            told = run(shell, cell)
            names = {n: repr(shell.ip.user_ns[n]) for n in ("v", "l", "m", "w", "i", "error") if n in shell.ip.user_ns}
            ended[incnb].append((told, names))
        reused = sum(d["status"] in REUSED for d in shell.decisions()[before:])
    wrong = [
        f"cell {n} {cells[n]!r}: {now} instead of {truth}"
        for n, (truth, now) in enumerate(zip(ended[False], ended[True], strict=True))
        if truth != now
    ]
    return wrong, reused


@pytest.mark.parametrize("seed", range(int(os.environ.get("INCNB_SEEDS", "6"))))
def test_cells_in_any_order_any_number_of_times(room: Room, seed: int) -> None:
    """Out of order, again and again, deleted, moved: each walk restarts the kernel several times on one store."""
    rng = random.Random(seed)
    notebook = list(CELLS)
    total = 0
    for _ in range(4):
        order = list(notebook)
        for _ in range(rng.randrange(4)):
            order.pop(rng.randrange(len(order)))
        for _ in range(rng.randrange(4)):
            order.insert(rng.randrange(len(order)), order.pop(rng.randrange(len(order))))
        order += rng.choices(notebook, k=rng.randrange(8))
        wrong, reused = both(room, [CELLS[n] for n in order])
        assert not wrong, f"{order}\n" + "\n".join(wrong)
        total += reused
    assert total


def test_one_cell_run_many_times(room: Room) -> None:
    for cell in (
        "l.append(len(l))\nr = list(l)",
        "n = n + 1\nr = n",
        "n += 1\nr = n",
        "d['k'] = d.get('k', 0) + 1\nr = dict(d)",
    ):
        for _ in range(2):
            wrong, _ = both(room, ["l, n, d = [], 0, {}", *[cell] * 6, "l.clear()", "n = 0", "d = {}", *[cell] * 3])
            assert not wrong, wrong


def test_a_cell_without_inputs_run_many_times_executes_once(room: Room) -> None:
    shell = room.shell()
    assert [shell.cell("r = 7") for _ in range(5)] == ["executed", *["reused"] * 4]


def test_deleting_a_cell_makes_its_reader_fail_as_in_a_plain_run(room: Room) -> None:
    cells = ["k = 1", "def f():\n    return k", "r = f()"]
    assert both(room, cells) == ([], 0)
    for size in (2, 1, 0):
        for left in itertools.combinations(cells, size):
            assert not both(room, list(left))[0]
    assert both(room, cells) == ([], 3)


def test_every_order_of_cells_that_depend_on_each_other(room: Room) -> None:
    cells = ["x = 1", "y = 2", "x = x + y if 'x' in vars() else y", "r = (x, y)"]
    for order in itertools.permutations(cells):
        wrong, _ = both(room, list(order))
        assert not wrong, (order, wrong)


def test_moving_a_definition_below_its_use_changes_which_one_is_used(room: Room) -> None:
    one, two, use = "def f():\n    return 1", "def f():\n    return 2", "r = f()"
    for order in (
        [one, two, use],
        [two, one, use],
        [one, use, two, use],
        [two, use, one, use],
        [use, one],
        [one, two, use],
    ):
        wrong, _ = both(room, order)
        assert not wrong, (order, wrong)


def test_two_kernels_at_the_same_time(room: Room, tmp_path: Path) -> None:
    """Processes that record the same cells at once, with different helpers: each gives what is its own."""
    text = (
        "import sys, contextlib, io\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from traitlets.config import Config\n"
        "config = Config(); config.HistoryManager.enabled = False\n"
        "ip = InteractiveShell.instance(config=config)\n"
        "ip.run_line_magic('load_ext', 'incnb'); ip.run_cell('%incremental on')\n"
        "n = int(sys.argv[1])\n"
        "wrong = []\n"
        "for turn in range(15):\n"
        "    k = (n + turn) % 4\n"
        "    for cell in (f'def helper(x):\\n    return x * 10 + {k}', 'data = list(range(50))', 'r = sum(map(helper, data))', 'data.append(r)', 'out = data[-1]'):\n"
        "        ip.run_cell(cell).raise_error()\n"
        "    if ip.user_ns['out'] != sum(x * 10 + k for x in range(50)):\n"
        "        wrong.append((turn, k, ip.user_ns['out']))\n"
        "print(wrong)\n"
    )
    script = tmp_path / "kernel.py"
    script.write_text(text)
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]),
    )
    started = []
    for number in range(3):
        env = dict(env, INCNB_REPORT=str(tmp_path / f"report{number}.jsonl"))
        started.append(
            subprocess.Popen(
                [sys.executable, str(script), str(number)],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in started:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert out.strip().splitlines()[-1] == "[]", out + err


def test_two_notebooks_with_helpers_of_one_name_and_different_bodies(room: Room) -> None:
    one = ["def clean(x):\n    return x + 1", "r = [clean(x) for x in (1, 2)]"]
    two = ["def clean(x):\n    return x * 5", one[1]]
    for turn, cells in enumerate((one, two, one, two)):
        os.environ["JPY_SESSION_NAME"] = f"{cells[0][-1]}.ipynb"
        wrong, reused = both(room, cells)
        assert not wrong
        assert reused == (2 if turn > 1 else 0)


def test_two_notebooks_with_modules_of_one_name_in_different_folders(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = ["import helper", "r = helper.f(3), open('data.txt').read()", "print(r)"]
    for folder, body in (("one", "x + 1"), ("two", "x * 2")):
        (room.work / folder).mkdir()
        (room.work / folder / "helper.py").write_text(f"def f(x):\n    return {body}\n")
        (room.work / folder / "data.txt").write_text(folder)
    for turn, folder in enumerate(("one", "two", "one", "two")):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", [str(room.work / folder), *sys.path])
            statuses, values = [], []
            for incnb in (False, True):
                shell = room.shell(incnb=incnb)
                os.chdir(room.work / folder)
                before = len(shell.decisions())
                values.append([run(shell, f"%%incremental\n{cell}" if incnb else cell) for cell in cells])
                statuses = [d["status"] for d in shell.decisions()[before:]]
            assert values[0] == values[1]
            if turn > 1:
                assert all(status in REUSED for status in statuses), (folder, shell.reasons)


def test_the_same_cell_in_two_folders_writes_its_file_where_it_stands(room: Room) -> None:
    cell = "%%incremental\nwith open('out.txt', 'w') as h:\n    h.write('x')\nr = 1"
    for folder in ("one", "two"):
        (room.work / folder).mkdir()
        for _ in range(2):
            shell = room.shell()
            os.chdir(room.work / folder)
            (room.work / folder / "out.txt").unlink(missing_ok=True)
            run(shell, cell)
            assert (room.work / folder / "out.txt").read_text() == "x"


def test_the_same_cell_twice_in_one_notebook(room: Room) -> None:
    cells = ["n = 1", "r = n * 2", "n = 5", "r = n * 2", "n = 1", "r = n * 2"]
    assert both(room, cells) == ([], 1 + 1)
    wrong, reused = both(room, cells)
    assert (wrong, reused) == ([], 6)
