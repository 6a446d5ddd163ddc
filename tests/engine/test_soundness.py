"""Never stale: for each way a result can go stale, a cell that must execute again (and one that may be reused)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]


def twice(shells: Shells, before: list[str], cell: str, after: list[str] | None = None) -> tuple[Any, str]:
    """Run cells and a tracked one; restart; run (other) cells and the tracked one again: the shell and its status."""
    first = shells()
    for code in before:
        first.plain(code)
    assert first.cell(cell) in ("executed", "blocked")
    second = shells()
    for code in before if after is None else after:
        second.plain(code)
    return second, second.cell(cell)


# -- what may be reused


@pytest.mark.parametrize(
    ("before", "cell"),
    [
        (["import math"], "r = math.floor(2.5)"),
        (["def f(x, k=[1]):\n    return x"], "r = f(1)"),
        (["import numpy as np\na = np.arange(5)"], "r = a.sum()\nb = a * 2"),
        (["import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})"], "r = df.groupby('a').b.sum()\nr"),
        (
            ["from collections import Counter, defaultdict\nd = defaultdict(list)"],
            "r = Counter('abca')\nd['x'].append(1)",
        ),
        (["class A:\n    def __init__(self):\n        self.x = 1\na = A()"], "a.y = a.x + 1\nr = a.y"),
        ([], "import json\ndef g(x):\n    return json.dumps(x)\nr = g([1])"),
        ([], "xs = []\nfor i in range(3):\n    xs.append(i)\nelse:\n    done = True"),
        (
            [],
            "with open as_ if False else __import__('contextlib').nullcontext() as n:\n    z = 1".replace(
                "open as_ if False else ", ""
            ).replace("__import__('contextlib')", "cl"),
        ),
        (["import random\nr0 = random.Random(3)"], "v = r0.random()"),
        (["import numpy as np\nrng = np.random.default_rng(3)"], "v = rng.normal(size=3)"),
    ],
)
def test_ordinary_cells_are_reused_after_a_restart(shells: Shells, before: list[str], cell: str) -> None:
    before = [*before, "import contextlib as cl"]
    shell, status = twice(shells, before, cell)
    assert status == "reused", shell.reasons


@pytest.mark.parametrize(
    ("before", "cell", "after"),
    [
        (["x = 1", "def f():\n    return x"], "r = f()", ["x = 1  # same", "def f():\n    # comment\n    return x"]),
        (["cfg = {'lr': 1, 'n': 2}"], "r = cfg['lr']", ["cfg = {'lr': 1, 'n': 3}"]),
        (["import pandas as pd\ndf = pd.DataFrame({'a': [1], 'b': [2]})"], "r = df['a'].sum()", ["import pandas as pd\ndf = pd.DataFrame({'a': [1], 'b': [9]})"]),
        (["from types import SimpleNamespace as N\nargs = N(lr=1, n=2)"], "r = args.lr", ["from types import SimpleNamespace as N\nargs = N(lr=1, n=3)"]),
    ],
)  # fmt: skip
def test_edits_that_do_not_matter_keep_a_cell_reused(
    shells: Shells, before: list[str], cell: str, after: list[str]
) -> None:
    shell, status = twice(shells, before, cell, after)
    assert status == "reused", shell.reasons


# -- what must execute again


CHANGES: dict[str, tuple[list[str], str, list[str]]] = {
    "a value of another type": (["k = 1"], "r = repr(k)", ["k = True"]),
    "a key that disappears": (["c = {'a': 1}"], "r = c.get('a', 0)", ["c = {}"]),
    "a key read by path": (["c = {'a': 1}"], "r = c['a']", ["c = {'a': 2}"]),
    "a path through another type": (["c = {'a': 1}"], "r = c['a']", ["class C(dict):\n    def __getitem__(self, k):\n        return 9\nc = C(a=1)"]),
    "a helper of a helper": (["def g():\n    return 1", "def f():\n    return g()"], "r = f()", ["def g():\n    return 2", "def f():\n    return g()"]),
    "a method inherited and then defined": (["class B:\n    def step(self):\n        return 1", "class D(B):\n    def run(self):\n        return self.step()"], "r = D().run()", ["class B:\n    def step(self):\n        return 1", "class D(B):\n    def run(self):\n        return self.step()\n    def step(self):\n        return 2"]),
    "a class that gains __len__": (["class A: pass\na = A()"], "r = bool(a)", ["class A:\n    def __len__(self):\n        return 0\na = A()"]),
    "a singledispatch handler": (["import functools\n@functools.singledispatch\ndef f(x):\n    return 0"], "r = f(1)", ["import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n@f.register\ndef _(x: int):\n    return 1"]),
    "the function inside a partial": (["import functools\ndef g(x):\n    return 1", "p = functools.partial(g)"], "r = p(1)", ["import functools\ndef g(x):\n    return 2", "p = functools.partial(g)"]),
    "a closure value": (["def mk(n):\n    def f():\n        return n\n    return f\nf = mk(1)"], "r = f()", ["def mk(n):\n    def f():\n        return n\n    return f\nf = mk(2)"]),
    "a mutable default": (["def f(x=[]):\n    return len(x)"], "r = f()", ["def f(x=[]):\n    return len(x)\nf.__defaults__[0].append(1)"]),
    "a shadowed builtin": ([], "r = sum([1, 2])", ["sum = max"]),
    "a shadowed builtin in a helper": (["def f():\n    return sum([1, 2])"], "r = f()", ["def f():\n    return sum([1, 2])\nsum = max"]),
    "a name that was absent": (["def f():\n    try:\n        return extra\n    except NameError:\n        return 0"], "r = f()", ["def f():\n    try:\n        return extra\n    except NameError:\n        return 0\nextra = 5"]),
    "a docstring that is read": (["def f():\n    'one'"], "r = f.__doc__", ["def f():\n    'two'"]),
    "an annotation that is read": (["def f(x: int): pass"], "r = str(f.__annotations__)", ["def f(x: str): pass"]),
    "a function attribute": (["def f(): pass\nf.tag = 1"], "r = f.tag", ["def f(): pass\nf.tag = 2"]),
    "a qualified name": (["def f(): pass"], "r = f.__qualname__", ["def f(): pass\nf.__qualname__ = 'g'"]),
    "sharing between inputs": (["a = [1]\nb = a"], "a.append(2)\nr = list(b)", ["a = [1]\nb = [1]"]),
    "sharing inside an input": (["a = [[0]] * 2"], "a[0].append(1)\nr = str(a)", ["a = [[0], [0]]"]),
    "an alias of a frame read by column": (["import pandas as pd\na = pd.DataFrame({'x': [1]})\nb = a"], "b['x'] = 5\nr = int(a['x'].sum())", ["import pandas as pd\na = pd.DataFrame({'x': [1]})\nb = a.copy()"]),
    "memory shared by arrays": (["import numpy as np\na = np.zeros(3)\nb = a[:]"], "a[0] = 1\nr = b.tolist()", ["import numpy as np\na = np.zeros(3)\nb = a.copy()"]),
    "an alias of a frame": (["import pandas as pd\na = pd.DataFrame({'x': [1]})\nb = a"], "a['y'] = 2\nr = list(b)", ["import pandas as pd\na = pd.DataFrame({'x': [1]})\nb = a.copy()"]),
    "the decimal context": (["import decimal"], "r = str(decimal.Decimal(1) / 3)", ["import decimal\ndecimal.getcontext().prec = 5"]),
    "pandas options": (["import pandas as pd\ns = pd.Series([1.23456789])"], "r = repr(s)", ["import pandas as pd\ns = pd.Series([1.23456789])\npd.set_option('display.precision', 2)"]),
    "numpy print options": (["import numpy as np\na = np.array([1.23456789])"], "r = repr(a)", ["import numpy as np\na = np.array([1.23456789])\nnp.set_printoptions(precision=2)"]),
    "a patched library method": (["import pandas as pd\ns = pd.Series([1.0, 2.0])"], "r = s.mean()", ["import pandas as pd\ns = pd.Series([1.0, 2.0])\nold = pd.Series.mean\npd.Series.mean = lambda self: 42"]),
    "column order": (["import pandas as pd\nd = pd.DataFrame({'a': [1], 'b': [2]})"], "r = list(d)", ["import pandas as pd\nd = pd.DataFrame({'b': [2], 'a': [1]})"]),
    "the index": (["import pandas as pd\nd = pd.DataFrame({'a': [1, 2]})"], "r = d['a'].to_dict()", ["import pandas as pd\nd = pd.DataFrame({'a': [1, 2]}, index=[5, 6])"]),
    "attrs": (["import pandas as pd\nd = pd.DataFrame({'a': [1, 2]})"], "r = str(d.attrs)", ["import pandas as pd\nd = pd.DataFrame({'a': [1, 2]})\nd.attrs['u'] = 1"]),
    "an array transposed": (["import numpy as np\na = np.arange(4).reshape(2, 2)"], "r = a.tolist()", ["import numpy as np\na = np.arange(4).reshape(2, 2).T"]),
    "dict order": (["d = {'a': 1, 'b': 2}"], "r = list(d)", ["d = {'b': 2, 'a': 1}"]),
    "the state of a generator": (["import numpy as np\ng = np.random.default_rng(1)"], "r = float(g.random())", ["import numpy as np\ng = np.random.default_rng(1)\ng.random()"]),
    "a callable instance": (["class F:\n    def __call__(self):\n        return 1\nf = F()"], "r = f()", ["class F:\n    def __call__(self):\n        return 2\nf = F()"]),
    "a decorator": (["import functools\ndef d(f):\n    @functools.wraps(f)\n    def w():\n        return f() + 1\n    return w\n@d\ndef f():\n    return 1"], "r = f()", ["import functools\ndef d(f):\n    @functools.wraps(f)\n    def w():\n        return f() + 2\n    return w\n@d\ndef f():\n    return 1"]),
    "a property": (["class A:\n    @property\n    def p(self):\n        return 1"], "r = A().p", ["class A:\n    @property\n    def p(self):\n        return 2"]),
    "a metaclass": (["class M(type):\n    def __call__(cls):\n        return 1\nclass A(metaclass=M): pass"], "r = A()", ["class M(type):\n    def __call__(cls):\n        return 2\nclass A(metaclass=M): pass"]),
    "a future statement": (["def f(): pass"], "def g(x: int): pass\nr = str(g.__annotations__)", ["from __future__ import annotations", "def f(): pass"]),
    "an old object that is still alive": (["class A:\n    def v(self):\n        return 1\na = A()"], "r = a.v()", ["class A:\n    def v(self):\n        return 2\na = A()\nclass A:\n    def v(self):\n        return 1"]),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_executes_the_cell_and_gives_the_new_result(shells: Shells, what: str) -> None:
    before, cell, after = CHANGES[what]
    first = shells()
    try:
        for code in before:
            first.plain(code)
        assert first.cell(cell) == "executed"
        old = first["r"]
        again = shells()
        for code in before:
            again.plain(code)
        again.cell(cell)
        assert again["r"] == old
        changed = shells()
        for code in after:
            changed.plain(code)
        assert changed.cell(cell) == "executed", changed.reasons
        truth = changed["r"]
        assert truth != old or what in ("a path through another type", "sharing inside an input"), (
            "the change does not show"
        )
    finally:
        import sys

        pandas = sys.modules.get("pandas")
        if pandas is not None and what == "a patched library method":
            pandas.Series.mean = changed["old"]
        if pandas is not None and what == "pandas options":
            pandas.reset_option("display.precision")
        if what == "numpy print options":
            sys.modules["numpy"].set_printoptions(precision=8)
        if what == "the decimal context":
            import decimal

            decimal.getcontext().prec = 28


# -- kinds that are not tracked yet: the cell executes and is not recorded

UNTRACKED = {
    "all of the environment": "import os\nr = dict(os.environ)",
    "Python's global generator": "import random\nr = random.random()",
    "numpy's global generator": "import numpy as np\nr = np.random.rand()",
    "fresh entropy": "import numpy as np\nr = np.random.default_rng().random()",
    "an unseeded RandomState": "import numpy as np\nr = np.random.RandomState().rand()",
    "an unseeded Random": "import random\nr = random.Random().random()",
    "urandom": "import os\nr = os.urandom(4)",
    "uuid": "import uuid\nr = uuid.uuid4().hex",
    "secrets": "import secrets\nr = secrets.token_hex()",
    "the clock": "import time\nr = time.time()",
    "the clock imported by name": "from time import time as t\nr = t()",
    "the date": "import datetime\nr = datetime.datetime.now()",
    "the date through a helper": "r = stamp()",
    "pandas' clock": "import pandas as pd\nr = pd.Timestamp.now()",
    "the clock in a string": "import pandas as pd\nr = pd.Timestamp('now')",
    "the docstring of a class": "r = Thing.__doc__",
    "the process": "import os\nr = os.getpid()",
    "an identity": "r = id(object())",
    "a subprocess": "import subprocess\nr = subprocess.run(['true']).returncode",
    "system": "import os\nr = os.system('true')",
    "a connection": "import socket\ns = socket.socket()\ntry:\n    s.connect(('127.0.0.1', 9))\nexcept OSError:\n    r = 1\ns.close()\ndel s",
    "a thread left running": "import threading, time\nth = threading.Thread(target=lambda: time.sleep(0.2), name='mine')\nth.start()\nr = 1\ndel th",
    "exec": "exec('r = 1')",
    "eval": "r = eval('1')",
    "globals": "r = len(globals())",
    "a star import": "from math import *\nr = floor(1.5)",
    "the history": "r = len(Out)",
    "a module attribute that is set": "import textwrap\ntextwrap.mine = 1\nr = 1",
    "a class attribute that is set": "Thing.n = 2\nr = 1",
    "a class attribute that is set by a method": "Thing().bump()\nr = 1",
    "a function attribute that is set": "stamp.x = 1\nr = 1",
    "an attribute set on a function of the cell": "def g(): pass\nsetattr(g, 'a', 1)\nr = 1",
    "a mutable default that grows": "def g(x=[]):\n    x.append(1)\n    return len(x)\nr = g()",
    "a value that cannot be fingerprinted": "r = next(gen)",
}
SETTING = [
    "import datetime, pandas as pd\ndef stamp():\n    return datetime.datetime.now()\nframe = pd.DataFrame({'a': [1, 2]})\nt = 1\n"
    "class Thing:\n    n = 1\n    def bump(self):\n        Thing.n += 1\n"
    "gen = (i for i in range(3))"
]


@pytest.mark.parametrize("what", UNTRACKED)
def test_what_is_not_tracked_executes_every_time(shells: Shells, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    Path("data.txt").write_text("a\n1\n")
    monkeypatch.setenv("SOME_VAR", "1")
    path = list(sys.path)
    for _ in range(2):
        shell = shells()
        for code in SETTING:
            shell.plain(code)
        try:
            assert shell.cell(UNTRACKED[what]) in ("executed", "blocked")
            reasons = shell.decisions()[-1]["reasons"]
            assert any(r["code"] in ("not-saved", "effect", "unsafe") for r in reasons), reasons
        finally:
            put_back(path)


def put_back(path: list[str]) -> None:
    """Undo what the cells above do to the process of the tests."""
    import logging
    import sys
    import warnings

    sys.path[:] = path
    os.environ.pop("MINE_X", None)
    logging.root.handlers[:] = [h for h in logging.root.handlers if type(h).__module__ != "logging"]
    warnings.resetwarnings()
    if "pandas" in sys.modules:
        sys.modules["pandas"].reset_option("display.width")
    if "numpy" in sys.modules:
        sys.modules["numpy"].seterr(all="warn", under="ignore")
    if hasattr(sys.modules.get("textwrap"), "mine"):
        del sys.modules["textwrap"].mine  # type: ignore[attr-defined]


# -- project modules


def test_a_module_that_is_not_loaded_is_decided_by_its_file(shells: Shells) -> None:
    Path("lib.py").write_text("import other\ndef f(x):\n    return other.g(x)\n")
    Path("other.py").write_text("def g(x):\n    return x + 1\n")
    cell = "import lib\nr = lib.f(1)"
    assert shells().cell(cell) == "executed"
    assert shells().cell(cell) == "reused"
    Path("other.py").write_text("def g(x):\n    # a comment\n    return x + 1\n")
    assert shells().cell(cell) == "reused"
    Path("other.py").write_text("def g(x):\n    return x + 20\n")
    shell = shells()
    assert shell.cell(cell) == "executed" and shell["r"] == 21
    assert shell.reason == "module other (file)"


def test_a_module_that_is_imported_inside_a_function(shells: Shells) -> None:
    Path("late.py").write_text("K = 1\n")
    before, cell = "def f():\n    import late\n    return late.K", "r = f()"
    for expected, text in (("executed", "K = 1\n"), ("reused", "K = 1\n"), ("executed", "K = 2\n")):
        Path("late.py").write_text(text)
        shell = shells()
        shell.plain(before)
        assert shell.cell(cell) == expected
    assert shell["r"] == 2


def test_a_relative_import_in_a_package(shells: Shells) -> None:
    Path("pk").mkdir()
    Path("pk/__init__.py").write_text("from .core import f\n")
    Path("pk/core.py").write_text("from . import deep\ndef f():\n    return deep.V\n")
    Path("pk/deep.py").write_text("V = 1\n")
    cell = "from pk import f\nr = f()"
    assert shells().cell(cell) == "executed"
    assert shells().cell(cell) == "reused"
    Path("pk/deep.py").write_text("V = 2\n")
    shell = shells()
    assert shell.cell(cell) == "executed" and shell["r"] == 2


def test_module_state_that_a_helper_moves_is_not_recorded(shells: Shells) -> None:
    Path("st.py").write_text("N = 0\nITEMS = []\ndef bump():\n    global N\n    N += 1\n    return N\n")
    for _ in range(2):
        shell = shells()
        shell.plain("import st")
        assert shell.cell("r = st.bump()") == "executed"
        assert shell["st"].N == 1


def test_a_module_container_changed_in_place_is_changed_again_on_reuse(shells: Shells) -> None:
    Path("st.py").write_text("ITEMS = []\ndef add(x):\n    ITEMS.append(x)\n    return len(ITEMS)\n")
    for expected in ("executed", "reused"):
        shell = shells()
        shell.plain("import st\nalias = st.ITEMS")
        assert shell.cell("r = st.add(5)") == expected, shell.reasons
        assert shell["st"].ITEMS == [5] and shell["alias"] is shell["st"].ITEMS


def test_a_missing_module_that_appears(shells: Shells) -> None:
    cell = "try:\n    import maybe_there\n    r = maybe_there.V\nexcept ImportError:\n    r = 0"
    assert shells().cell(cell) == "executed"
    Path("maybe_there.py").write_text("V = 7\n")
    shell = shells()
    assert shell.cell(cell) == "executed" and shell["r"] == 7


# -- caches


def test_a_cache_filled_under_old_code_is_never_recorded_under_the_new(shells: Shells) -> None:
    shell = shells()
    shell.plain("def g(x):\n    return x")
    shell.plain("import functools\n@functools.lru_cache\ndef f(x):\n    return g(x)")
    assert shell.cell("r = f(3)") == "executed"
    shell.plain("def g(x):\n    return x + 100")
    assert shell.cell("r = f(3)") == "executed"
    assert shell["r"] == 3, "Python itself answers the old value"
    fresh = shells()
    fresh.plain("def g(x):\n    return x + 100")
    fresh.plain("import functools\n@functools.lru_cache\ndef f(x):\n    return g(x)")
    assert fresh.cell("r = f(3)") == "executed" and fresh["r"] == 103


# -- order and sessions


def test_a_value_that_may_or_may_not_be_bound(shells: Shells) -> None:
    cell = "if flag:\n    v = 1\nr = 5"
    shell = shells()
    shell.plain("flag = False\nv = 10")
    assert shell.cell(cell) == "executed"
    shell = shells()
    shell.plain("flag = False\nv = 20")
    shell.cell(cell)
    assert shell["v"] == 20


def test_a_name_bound_to_the_same_object_again_is_an_output(shells: Shells) -> None:
    shell = shells()
    shell.plain("x = 5")
    assert shell.cell("x = 5") == "executed"
    shell = shells()
    shell.plain("pass")
    assert shell.cell("x = 5") == "reused" and shell["x"] == 5


def test_several_traces_of_one_cell_are_kept(shells: Shells) -> None:
    shell = shells()
    for value in (1, 2, 3):
        shell.plain(f"n = {value}")
        assert shell.cell("r = n * 10") == "executed"
    for value in (2, 1, 3):
        shell.plain(f"n = {value}")
        assert shell.cell("r = n * 10") == "reused" and shell["r"] == value * 10


def test_the_reason_names_the_very_thing_and_what_led_to_it(shells: Shells) -> None:
    shell = shells()
    shell.plain("def clean(x):\n    return x\ndef features(x):\n    return clean(x)")
    shell.cell("r = features(1)")
    shell.plain("def clean(x):\n    return -x")
    shell.cell("r = features(1)")
    first = shell.decisions()[-1]["reasons"][0]
    assert (first["code"], first["kind"], first["locator"], first["caused_by"]) == (
        "code",
        "code",
        "clean",
        ["features"],
    )
    shell.plain("cfg = {'lr': 0.01}")
    shell.cell("r = cfg['lr']")
    shell.plain("cfg = {'lr': 0.02}")
    shell.cell("r = cfg['lr']")
    first = shell.decisions()[-1]["reasons"][0]
    assert first["locator"] == "cfg['lr']" and "0.01 → 0.02" in first["detail"]
    shell.plain("del cfg")
    shell.ip.run_cell("%%incremental\nr = cfg['lr']")
    assert shell.decisions()[-1]["status"] == "failed"
    assert shell.decisions()[-1]["reasons"][0]["code"] == "value"


def test_a_cutoff_names_the_cell_that_ran_again(shells: Shells) -> None:
    shell = shells()
    shell.cell("n = 3", "--name first")
    shell.cell("r = n * 2", "--name second")
    shell = shells()
    shell.cell("n = 1 + 2", "--name first")
    assert shell.cell("r = n * 2", "--name second") == "cutoff"
    assert shell.decisions()[-1]["reasons"][0]["caused_by"] == ["first"]


def test_options_force_off_version_and_ignore(shells: Shells) -> None:
    shell = shells()
    assert shell.cell("r = 1") == "executed"
    assert shell.cell("r = 1", "--force") == "executed" and shell.reason == "forced --force"
    assert shell.cell("r = 1", "--off") == "executed" and shell.reason == "off --off"
    assert shell.cell("r = 1", "--version 2") == "executed" and shell.reason.startswith("version")
    assert shell.cell("r = 1", "--version 2") == "reused"
    assert shell.cell("r = 1") == "reused"
    shell.plain("noise = 1")
    assert shell.cell("q = 1 if noise else 1", "--ignore noise") == "executed"
    shell.plain("noise = 2")
    assert shell.cell("q = 1 if noise else 1", "--ignore noise") == "reused"


# -- fail-open


def test_three_faults_switch_incnb_off_and_cells_still_run(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from incnb.engine import session

    monkeypatch.delenv("INCNB_DEBUG")
    shell = shells()

    monkeypatch.setattr(session.meaning, "analysed", None)
    for value in range(5):
        shell.ip.run_cell(f"%%incremental\nr = {value}").raise_error()
        assert shell["r"] == value
    text = capsys.readouterr().out
    assert "switched itself off" in text and "Traceback" not in text
    assert [d["reasons"][0]["locator"] for d in shell.decisions()] == ["incnb"] * 3


def test_an_unreadable_store_is_one_line_and_the_cell_runs(shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    shell = shells()
    assert shell.cell("r = 1") == "executed" and shell["r"] == 1
    assert any("store" in reason for reason in shell.reasons), shell.reasons


def test_a_damaged_trace_and_a_truncated_blob_are_misses_with_a_reason(shells: Shells, tmp_path: Path) -> None:
    shells().cell("import numpy as np\nbig = np.arange(300_000)")
    for blob in (tmp_path / "store" / "blobs").glob("*/*"):
        os.truncate(blob, 100)
    shell = shells()
    assert shell.cell("import numpy as np\nbig = np.arange(300_000)") == "executed"
    assert shell.reason.startswith("unrestorable")
    for trace in (tmp_path / "store" / "traces").glob("*/*.json"):
        trace.write_text("{")
    shell = shells()
    assert shell.cell("import numpy as np\nbig = np.arange(300_000)") == "executed"
    assert shell.reason.startswith("store-unreadable") or shell.reason.startswith("never-run"), shell.reason


def test_a_class_that_vanished_is_a_miss(shells: Shells) -> None:
    Path("shape.py").write_text("class Box:\n    def __init__(self, n):\n        self.n = n\n")
    before = "import shape\nmake = shape.Box"
    shell, status = twice(shells, [before], "box = make(3)", [before])
    assert status == "reused" and shell["box"].n == 3 and isinstance(shell["box"], shell["shape"].Box)


@pytest.mark.parametrize("error", ["ValueError('no')", "SystemExit(3)"])
def test_a_value_that_raises_while_it_is_saved_or_loaded(shells: Shells, error: str) -> None:
    saving = f"class Bad:\n    def __reduce__(self):\n        raise {error}"
    shell = shells()
    shell.plain(saving)
    assert shell.cell("b = Bad()\nok = 1") == "executed" and shell["ok"] == 1
    loading = f"class Worse:\n    def __setstate__(self, state):\n        raise {error}\n    def __getstate__(self):\n        return {{'a': 1}}"
    for _ in range(2):
        shell = shells()
        shell.plain(loading)
        assert shell.cell("w = Worse()\nok = 2\nprint('done')") == "executed" and shell["ok"] == 2


CONFIGURED = {
    "a library function put onto a library class": ("import pandas as pd\ns = pd.Series([1.0, 2.0, 9.0])", "old = pd.Series.mean\npd.Series.mean = pd.Series.median", "r = s.mean()", "pd.Series.mean = old"),
    "setattr": ("import pandas as pd\ns = pd.Series([1.0, 2.0, 9.0])", "old = pd.Series.mean\nsetattr(pd.Series, 'mean', pd.Series.median)", "r = s.mean()", "pd.Series.mean = old"),
    "a module attribute": ("import string\ndef f():\n    return string.capwords('a b')", "old = string.capwords\nstring.capwords = str.upper", "r = f()", "string.capwords = old"),
    "a warnings filter": ("import warnings", "warnings.simplefilter('ignore')", "import warnings as w\nw.warn('careful')\nr = 1", "warnings.resetwarnings()"),
    "the precision of floats": ("x = 1", "%precision 3", "r = x / 3", "%precision"),
    "a figure format": ("import matplotlib", "%config InlineBackend.figure_formats = ['svg']", "r = matplotlib.__name__", "pass"),
}  # fmt: skip


@pytest.mark.parametrize("what", CONFIGURED)
def test_what_configured_a_library_before_counts_for_later_cells(shells: Shells, what: str) -> None:
    before, configuring, cell, undo = CONFIGURED[what]
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "executed"
    assert shell.cell(cell) == "reused", shell.reasons
    try:
        shell.ip.run_cell(configuring)
        assert shell.cell(cell) == "executed", shell.reasons
        assert shell.reason.startswith(("ambient", "value", "code")), shell.reasons
    finally:
        shell.ip.run_cell(undo)


def test_a_function_of_a_branch_not_taken_last_is_followed(shells: Shells) -> None:
    body = "if flag:\n    def f(): return A\nelse:\n    def f(): return B\ny = f()"
    shell = shells()
    shell.plain("flag, A, B = True, 1, 2")
    assert shell.cell(body) == "executed"
    assert shell.cell(body) == "reused"
    shell.plain("A = 10")
    assert shell.cell(body) == "executed" and shell["y"] == 10


def test_a_function_defined_in_a_branch_comes_back_as_itself_and_not_as_its_name(shells: Shells) -> None:
    cells = ["def h(): return 'old'\nclass D:\n    m = 'old'",
             "if True:\n    def h(): return 'new'\n    class D:\n        m = 'new'\n    class E(D): pass\n    d = [E(), E()]"]  # fmt: skip
    for expected in ("executed", "reused"):
        shell = shells()
        shell.plain(cells[0])
        assert shell.cell(cells[1]) == expected
        assert shell["h"]() == "new" and shell["d"][0].m == "new"
        assert type(shell["d"][1]) is shell["E"] and issubclass(shell["E"], shell["D"])


def test_a_module_imported_in_a_branch_is_followed_whatever_the_other_branch_imports(
    shells: Shells, tmp_path: Path
) -> None:
    for name in ("fast", "slow"):
        (tmp_path / "work" / f"{name}.py").write_text("X = 1\n")
    bodies = ["if flag:\n    import fast as m\nelse:\n    import slow as m\ny = m.X",
              "try:\n    import fast as m\nexcept ImportError:\n    import slow as m\nz = m.X"]  # fmt: skip
    shell = shells()
    shell.plain("import fast, slow\nflag = True")
    for body in bodies:
        for value, executes in ((1, True), (1, False), (2, True)):
            shell.plain(f"fast.X = {value}; _ = globals().pop('m', None)")
            assert (shell.cell(body) == "executed") is executes
            assert vars(shell["m"])["X"] == value
