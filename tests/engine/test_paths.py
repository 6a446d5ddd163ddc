"""Reads are paths: of an object that a cell reads one field of, only that field counts, and what may change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shells = Callable[[], Any]

FIELDS = {
    "SimpleNamespace": ("from types import SimpleNamespace as N", "N(lr={lr}, n={n})"),
    "Namespace": ("from argparse import Namespace as N", "N(lr={lr}, n={n})"),
    "dataclass": ("from dataclasses import dataclass\n@dataclass\nclass N:\n    lr: int\n    n: int", "N(lr={lr}, n={n})"),
    "frozen": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass N:\n    lr: int\n    n: int",
        "N(lr={lr}, n={n})",
    ),
    "slots": (
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass N:\n    lr: int\n    n: int",
        "N(lr={lr}, n={n})",
    ),
    "inherited": (
        "from dataclasses import dataclass\n@dataclass\nclass B:\n    lr: int\n@dataclass\nclass N(B):\n    n: int",
        "N(lr={lr}, n={n})",
    ),
    "attrs": ("import attr\n@attr.s(auto_attribs=True)\nclass N:\n    lr: int\n    n: int", "N(lr={lr}, n={n})"),
    "attrs define": ("import attrs\n@attrs.define\nclass N:\n    lr: int\n    n: int", "N(lr={lr}, n={n})"),
    "NamedTuple": ("from typing import NamedTuple\nclass N(NamedTuple):\n    lr: int\n    n: int", "N(lr={lr}, n={n})"),
    "namedtuple": ("from collections import namedtuple\nN = namedtuple('N', 'lr n')", "N(lr={lr}, n={n})"),
    "pydantic": ("from pydantic import BaseModel\nclass N(BaseModel):\n    lr: int\n    n: int", "N(lr={lr}, n={n})"),
    "class": ("class N:\n    def __init__(self, lr, n):\n        self.lr = lr\n        self.n = n", "N(lr={lr}, n={n})"),
       "dict": ("", "dict(lr={lr}, n={n})"),
    "tuple": ("", "({lr}, {n})"),
    "list": ("", "[{lr}, {n}]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_not_read_keeps_the_cell_reused(shells: Shells, name: str) -> None:
    head, make = FIELDS[name]
    cell = "r = c[0]" if name in ("tuple", "list") else "r = c['lr']" if name == "dict" else "r = c.lr"
    shell = shells()
    shell.plain(f"{head}\nc = {make.format(lr=1, n=1)}")
    assert shell.cell(cell) == "executed"
    shell = shells()
    shell.plain(f"{head}\nc = {make.format(lr=1, n=2)}")
    assert shell.cell(cell) == "reused", shell.reasons
    shell.plain(f"c = {make.format(lr=7, n=2)}")
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 7
    assert shell.reasons[0].endswith("changed: 1 → 7")


def test_interpolated_settings_count_as_a_whole(shells: Shells) -> None:
    make = "from omegaconf import OmegaConf\nc = OmegaConf.create({'a': %d, 'lr': '${a}'})"
    shell = shells()
    shell.plain(make % 1)
    assert shell.cell("r = c.lr") == "executed"
    shell = shells()
    shell.plain(make % 1)
    assert shell.cell("r = c.lr") == "reused"
    shell.plain(make % 2)
    assert shell.cell("r = c.lr") == "executed"
    assert shell["r"] == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("class N: pass\nc = N()\nc.lr = 1", "class N:\n    @property\n    def lr(self):\n        return 7\nc = N()"),
        ("class N: pass\nc = N()\nc.lr = 1", "class N:\n    def __getattribute__(self, name):\n        return 7\nc = N()\nc.lr = 1"),
        ("class N: pass\nc = N()\nc.lr = 1", "class N:\n    lr = 7\nc = N()"),
        ("class N: pass\nc = N()\nc.lr = 1", "class N:\n    def __getattr__(self, name):\n        return 7\nc = N()"),
        ("from collections import namedtuple\nc = namedtuple('N', 'lr n')(1, 7)", "from collections import namedtuple\nc = namedtuple('N', 'n lr')(1, 7)"),
    ],
)  # fmt: skip
def test_a_field_that_became_something_else_reruns(shells: Shells, before: str, after: str) -> None:
    shell = shells()
    shell.plain(before)
    assert shell.cell("r = c.lr") == "executed"
    shell = shells()
    shell.plain(after)
    assert shell.cell("r = c.lr") == "executed"
    assert shell["r"] == 7


ALIASES = [
    ("a = {'n': 1, 'z': 0}\nb = a", "b['n'] = 5\nr = a['n']", "a = {'n': 1, 'z': 0}\nb = dict(a)"),
    (
        "from types import SimpleNamespace as N\na = N(n=1)\nb = a",
        "b.n = 5\nr = a.n",
        "from types import SimpleNamespace as N\na = N(n=1)\nb = N(n=1)",
    ),
    ("a = {'m': {'n': 1}}\nb = a['m']", "b['n'] = 5\nr = a['m']['n']", "a = {'m': {'n': 1}}\nb = dict(a['m'])"),
    (
        "a = {'n': 1, 'z': 0}\nb = a\ndef f(x):\n    x['n'] = 5",
        "f(b)\nr = a['n']",
        "a = {'n': 1, 'z': 0}\nb = dict(a)\ndef f(x):\n    x['n'] = 5",
    ),
    ("a = {'n': 1, 'z': 0}\nb = [a]", "b[0]['n'] = 5\nr = a['n']", "a = {'n': 1, 'z': 0}\nb = [dict(a)]"),
    (
        "import pandas as pd\na = {'d': pd.DataFrame({'x': [1]})}\nb = a",
        "b['d'] = 5\nr = str(a['d'])",
        "import pandas as pd\na = {'d': pd.DataFrame({'x': [1]})}\nb = dict(a)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "cell", "after"), ALIASES)
def test_an_alias_that_is_changed_reaches_what_a_path_reads(shells: Shells, before: str, cell: str, after: str) -> None:
    """`b['n'] = 5` changes what `a['n']` gives if `b` is `a`, and does not if it is a copy."""
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "executed"
    assert shell["r"] in (5, "5")
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "reused", shell.reasons
    shell = shells()
    shell.plain(after)
    assert shell.cell(cell) == "executed"
    assert shell["r"] not in (5, "5")


def test_two_paths_of_one_object_that_share_something(shells: Shells) -> None:
    cell = "f(a['m'])\nr = a['k']['n']"
    helper = "def f(x):\n    x['n'] = 5\n"
    shell = shells()
    shell.plain(helper + "x = {'n': 1}\na = {'m': x, 'k': x}")
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 5
    shell = shells()
    shell.plain(helper + "a = {'m': {'n': 1}, 'k': {'n': 1}}")
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 1


def test_a_negative_key_is_no_path(shells: Shells) -> None:
    shell = shells()
    shell.plain("D = {-1: [1]}\ndef f():\n    return D[-1]")
    assert shell.cell("r = len(f())") == "executed"
    assert shell.reason.startswith("never-run") and len(shell.reasons) == 1
    assert shell.cell("r = len(f())") == "reused"
