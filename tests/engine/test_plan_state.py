"""What cells that are not tracked set and write is known to a plan as far as it was seen, else the answer is `?`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

MODULE = "OPT = 1\ndef setopt(k):\n    global OPT\n    OPT = k\ndef g(k):\n    return k + OPT\n"
IMPORTS = "import os, warnings, mod\nimport numpy as np\nimport pandas as pd"


class Notebook:
    """Cells by their place; those that begin with `*` are tracked."""

    def __init__(self, shell: Any, *cells: str):
        self.shell = shell
        self.cells = [IMPORTS, *cells]
        self.all()

    def run(self, number: int) -> str:
        text = self.cells[number]
        marked = text.replace("*", f"%%incremental --name c{number}\n", 1) if text.startswith("*") else text
        self.shell.ip.run_cell(marked, store_history=True, cell_id=f"id{number}").raise_error()
        return str(self.shell.decisions()[-1]["status"]) if marked != text else ""

    def edit(self, number: int, text: str) -> None:
        self.cells[number] = text
        self.run(number)

    def all(self) -> dict[str, str]:
        return {f"c{number}": self.run(number) for number in range(len(self.cells))}

    def plan(self) -> dict[str, bool | None]:
        from incnb.notebook.extension import _loaded

        return {o.title: o.reuse for o in _loaded[id(self.shell.ip)].enquiries.plan().outlooks}

    def check(self) -> dict[str, bool | None]:
        """The plan, after a run of all cells has not contradicted it."""
        plan = self.plan()
        came = self.all()
        for title, reuse in plan.items():
            assert reuse is None or reuse == (came[title] in ("reused", "cutoff")), (title, reuse, self.shell.reasons)
        return plan


@pytest.fixture
def module(tmp_path: Path) -> None:
    (tmp_path / "work" / "mod.py").write_text(MODULE)


SET = (
    ("os.environ['ZQ'] = '{}'", "os.environ['ZQ']"),
    ("%env ZQ={}", "os.environ['ZQ']"),
    ("mod.setopt({})", "mod.g(1)"),
    ("mod.OPT = {}", "mod.OPT"),
    ("pd.set_option('display.precision', {})", "str(pd.DataFrame({'a': [1.23456]}))"),
    ("np.set_printoptions(precision={})", "str(np.array([1.23456]))"),
)


@pytest.mark.parametrize(("setting", "reading"), SET)
def test_state_that_a_later_cell_has_set_since(
    shells: Shells, module: None, monkeypatch: Any, setting: str, reading: str
) -> None:
    monkeypatch.setenv("ZQ", "0")
    book = Notebook(shells(), setting.format(2), f"*x = {reading}", setting.format(3))
    book.edit(2, f"*x = ('a', {reading})")
    assert book.check()["c2"] is not True
    assert book.check()["c2"] is not False
    if "mod." not in setting:  # code of the project may do anything to what its modules hold
        assert book.check()["c2"] is True, "all have run in order"


def test_a_filter_of_warnings_that_a_later_cell_has_set(shells: Shells, module: None) -> None:
    book = Notebook(shells(), "warnings.simplefilter('ignore')", "*x = 1 + 1", "warnings.simplefilter('error')")
    book.edit(2, "*x = 1 + 2")
    assert book.check()["c2"] is not True


def test_a_folder_that_later_cells_leave(shells: Shells, module: None, tmp_path: Path) -> None:
    (tmp_path / "work" / "sub").mkdir()
    for path in ("f.txt", "sub/f.txt"):
        (tmp_path / "work" / path).write_text(path)
    book = Notebook(
        shells(), "*x = open('f.txt').read()", "%cd sub", "*y = open('f.txt').read()", "%cd ..",
    )  # fmt: skip
    book.run(1)
    book.run(3)
    book.check()


def test_a_file_that_has_changed_since_a_cell_wrote_it(shells: Shells, module: None, tmp_path: Path) -> None:
    import time

    write = "with open('f.txt', 'w') as h:\n    h.write('abc')"
    book = Notebook(shells(), write, "*x = open('f.txt').read()")
    assert book.check()["c2"] is True
    time.sleep(0.02)
    (tmp_path / "work" / "f.txt").write_text("other")
    book.edit(2, "*x = open('f.txt').read() + '!'")
    assert book.check()["c2"] is None


def test_settings_at_the_top_leave_a_notebook_certain(shells: Shells, module: None) -> None:
    book = Notebook(
        shells(), "pd.set_option('display.precision', 4)\nwarnings.filterwarnings('ignore')\nnp.set_printoptions(2)",
        "*df = pd.DataFrame({'a': [1.5, 2.5]})", "df.plot if hasattr(df, 'no') else print(df)", "*x = str(df)",
        "os.environ.get('HOME')", "*y = mod.g(1)",
    )  # fmt: skip
    assert book.check() == dict.fromkeys(("c2", "c4", "c6"), True)
    book.run(2)
    book.run(6)
    assert book.check() == dict.fromkeys(("c2", "c4", "c6"), True)


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, cells that look at paths execute")
def test_a_cell_that_removes_the_file_it_finds(shells: Shells, module: None, tmp_path: Path) -> None:
    book = Notebook(
        shells(), "*if os.path.exists('f.txt'): os.remove('f.txt')", "*x = os.path.exists('f.txt')",
        "*y = sorted(os.listdir('.'))",
    )  # fmt: skip
    assert book.check() == dict.fromkeys(("c1", "c2", "c3"), True)
    (tmp_path / "work" / "f.txt").write_text("a")
    book.edit(2, "*x = not os.path.exists('f.txt')")
    assert book.check() == {"c1": False, "c2": None, "c3": None}


def test_names_that_shared_an_object_once(shells: Shells, module: None) -> None:
    book = Notebook(shells(), "*b = [2]\nd = {'u': [1]}", "*d['u'] = b", "*r = b[0]", "*b[0] = 1")
    book.all()
    book.edit(2, "*d['u'].append(1)")
    book.edit(3, "*r = b[0] + 5")
    assert book.check()["c3"] is None
    assert False not in book.check().values()
