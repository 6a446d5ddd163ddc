"""What a cell relies on of the functions that it may call: what really ran, where that can be seen, else all of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

monitoring: Any = getattr(sys, "monitoring", None)
sees = pytest.mark.skipif(monitoring is None, reason="this Python cannot see which functions run")


@pytest.fixture(params=["watched", "unwatched"])
def watching(request: pytest.FixtureRequest) -> Iterator[bool]:
    """With and without a free tool id; a Python without monitoring is as one without a free id."""
    if request.param == "watched":
        if monitoring is None:
            pytest.skip("this Python cannot see which functions run")
        yield True
        return
    taken = [tool for tool in (3, 4) if monitoring is not None and monitoring.get_tool(tool) is None]
    for tool in taken:
        monitoring.use_tool_id(tool, "somebody else")
    yield False
    for tool in taken:
        monitoring.free_tool_id(tool)


def edited(shells: Shells, before: str, cell: str, after: str, files: dict[str, tuple[str, str]] | None = None) -> Any:
    """Run a setting and a tracked cell, restart, and run the cell again in another setting: the second shell."""
    for name, texts in (files or {}).items():
        Path(name).write_text(texts[0])
    first = shells()
    if before:
        first.plain(before)
    assert first.cell(cell) in ("executed", "blocked")
    for name, texts in (files or {}).items():
        Path(name).write_text(texts[1])
    second = shells()
    if after:
        second.plain(after)
    second.cell(cell)
    return second


def status(shell: Any) -> str:
    return str(shell.decisions()[-1]["status"])


def module(body: str) -> str:
    """The text of a module; its length tells versions apart, whatever the clock of the file system."""
    return body + "\n"


F = "def f(x):\n    return x + {}\ndef g(x):\n    return x * 2\nflag = False\n"

COSTS_NOTHING: dict[str, tuple[str, str, str]] = {
    "a helper in a branch not taken": (F.format(1), "r = f(1) if flag else g(1)", F.format(2)),
    "a helper of a helper in a branch not taken": (
        "def f(x):\n    return 1\ndef g(x):\n    if x > 5:\n        return f(x)\n    return 0",
        "r = g(1)",
        "def f(x):\n    return 2\ndef g(x):\n    if x > 5:\n        return f(x)\n    return 0",
    ),
    "what a helper not run reads": (
        "k = 1\ndef h():\n    return k\ndef f(x):\n    return h() if x else 0",
        "r = f(0)",
        "k = 2\ndef h():\n    return k\ndef f(x):\n    return h() if x else 0",
    ),
    "a key that a helper not run reads": (
        "c = {'a': 1, 'b': 2}\ndef h():\n    return c['a']\ndef f(x):\n    return h() if x else c['b']",
        "r = f(0)",
        "c = {'a': 9, 'b': 2}\ndef h():\n    return c['a']\ndef f(x):\n    return h() if x else c['b']",
    ),
    "a helper of the cell's own that calls another": (
        F.format(1),
        "def own(x):\n    return f(x) if x else 0\nr = own(0)",
        F.format(2),
    ),
    "a handler that was not needed": (
        "def f(e):\n    return 1\ndef g():\n    return 2",
        "try:\n    r = g()\nexcept ValueError as e:\n    r = f(e)",
        "def f(e):\n    return 3\ndef g():\n    return 2",
    ),
    "a short circuit": (F.format(1), "r = flag and f(1)", F.format(2)),
    "an empty loop": (F.format(1), "r = 0\nfor x in []:\n    r += f(x)", F.format(2)),
    "a comprehension over nothing": (F.format(1), "r = [f(x) for x in ()]", F.format(2)),
    "mutual recursion that was not begun": (
        "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\nflag = False",
        "r = even(3) if flag else 1",
        "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n == 7 or even(n - 1)\nflag = False",
    ),
    "a class that a helper not run uses": (
        "class A:\n    v = 1\ndef f():\n    return A().v\nflag = False",
        "r = f() if flag else 0",
        "class A:\n    v = 2\ndef f():\n    return A().v\nflag = False",
    ),
    "a generator function that was not called": (
        "def f():\n    yield 1\nflag = False",
        "r = list(f()) if flag else 0",
        "def f():\n    yield 2\nflag = False",
    ),
    "a value that a helper not run cannot have fingerprinted": (
        "gen = (i for i in range(3))\ndef f():\n    return next(gen)\nflag = False",
        "r = f() if flag else 0",
        "gen = (i for i in range(3))\ndef f():\n    return next(gen)\nflag = False",
    ),
    "eval in a helper not run": (
        "def f():\n    return eval('1')\nflag = False",
        "r = f() if flag else 0",
        "def f():\n    return eval('1')\nflag = False",
    ),
    "a clock in a helper not run": (
        "import time\ndef f():\n    return time.time()\nflag = False",
        "r = f() if flag else 0",
        "import time\ndef f():\n    return time.time()\nflag = False",
    ),
    "a global that a helper not run would bind": (
        "n = 1\ndef f():\n    global n\n    n = 2\nflag = False",
        "r = f() if flag else 0",
        "n = 5\ndef f():\n    global n\n    n = 2\nflag = False",
    ),
    "an attribute that a helper not run would set": (
        "import textwrap\ndef f():\n    textwrap.mine = 1\nflag = False",
        "r = f() if flag else 0",
        "import textwrap\ndef f():\n    textwrap.mine = 1\nflag = False",
    ),
    "input in a helper not run": (
        "def f():\n    return input()\nflag = False",
        "r = f() if flag else 0",
        "def f():\n    return input()\nflag = False",
    ),
    "a list that a helper not run shares with an input": (
        "a = [1]\nb = [2]\ndef f():\n    return a\nflag = False",
        "r = f() if flag else b[0]",
        "a = [7, 8]\nb = [2]\ndef f():\n    return a\nflag = False",
    ),
}


@sees
@pytest.mark.parametrize("what", COSTS_NOTHING)
def test_what_did_not_run_costs_nothing_when_it_is_edited(shells: Shells, what: str) -> None:
    shell = edited(shells, *COSTS_NOTHING[what])
    assert status(shell) == "reused", shell.reasons


@pytest.mark.parametrize("watching", ["unwatched"], indirect=True)
@pytest.mark.parametrize("what", COSTS_NOTHING)
def test_without_a_free_tool_the_whole_closure_counts(shells: Shells, what: str, watching: bool) -> None:
    shell = edited(shells, *COSTS_NOTHING[what])
    assert status(shell) in ("executed", "blocked")


UTILS = "import helpers\ndef clean(x):\n    return helpers.strip(x) if x > 5 else x\n"


@sees
@pytest.mark.parametrize(
    "cell", ["import utils\nr = utils.clean(1)", "from utils import clean\nr = clean(1)", "import utils as u\nr = u.clean(1)"]
)  # fmt: skip
def test_helpers_of_project_modules_that_did_not_run_cost_nothing(shells: Shells, cell: str) -> None:
    files = {
        "utils.py": (UTILS, UTILS),
        "helpers.py": ("def strip(x):\n    return 1\n", "def strip(x):\n    return 234\n"),
    }
    shell = edited(shells, "import utils", cell, "import utils", files)
    assert status(shell) == "reused", shell.reasons
    shell = edited(shells, "import utils", cell.replace("(1)", "(9)"), "import utils", files)
    assert status(shell) == "executed"
    assert shell["r"] == 234


def with_f(body: str) -> str:
    """A function `f` whose edit counts, and another that gets it in some way."""
    return "def f(*x):\n    return {0}\n" + body


MUST_EXECUTE: dict[str, tuple[str, str]] = {
    "called": (with_f(""), "r = f(1)"),
    "called in a helper": (with_f("def g():\n    return f()"), "r = g()"),
    "called with a star": (with_f("xs = [1]"), "r = f(*xs)"),
    "called twice, once not": (with_f(""), "r = [f(x) for x in range(3) if x > 1]"),
    "recursion": ("def f(n):\n    return {0} if n == 0 else f(n - 1)", "r = f(3)"),
    "mutual recursion": ("def f(n):\n    return {0} if n == 0 else g(n - 1)\ndef g(n):\n    return f(n)", "r = g(3)"),
    "a generator": ("def f():\n    yield {0}", "r = list(f())"),
    "a generator in a helper": ("def f():\n    yield {0}\ndef g():\n    yield from f()", "r = list(g())"),
    "an async function": ("async def f():\n    return {0}\nimport asyncio", "r = await f()"),
    "an async generator": ("async def f():\n    yield {0}", "r = [x async for x in f()]"),
    "a lambda": ("f = lambda: {0}", "r = f()"),
    "inside a lambda": (with_f(""), "h = lambda: f()\nr = h()\ndel h"),
    "a nested function": ("def f():\n    def inner():\n        return {0}\n    return inner()", "r = f()"),
    "a closure": ("def mk():\n    n = {0}\n    def f():\n        return n\n    return f\nf = mk()", "r = f()"),
    "passed to map": (with_f(""), "r = list(map(f, [1]))"),
    "passed to sorted": (with_f(""), "r = sorted([3, 1], key=f), f(1)"),
    "passed to a library": (with_f("import pandas as pd\ns = pd.Series([1])"), "r = s.apply(f).tolist()"),
    "in a dict": (with_f("reg = {{'f': f}}"), "r = reg['f']()"),
    "in a list in a helper": (with_f("fs = [f]\ndef g():\n    return fs[0]()"), "r = g()"),
    "in a partial": (with_f("import functools\np = functools.partial(f, 1)"), "r = p()"),
    "cached": (with_f("import functools\nc = functools.lru_cache(f)"), "r = c()"),
    "as a default": (with_f("def g(h=f):\n    return h()"), "r = g()"),
    "through a name of a helper's own": (with_f("def g():\n    h = f\n    return h()"), "r = g()"),
    "through two conditions": (with_f("yes = True\ndef g():\n    return (yes and f)()"), "r = g()"),
    "decorated": (
        with_f("def d(h):\n    def w():\n        return h()\n    return w\ng = d(f)"),
        "r = g()",
    ),
    "a method that calls": (with_f("class A:\n    def m(self):\n        return f()\na = A()"), "r = a.m()"),
    "a property that calls": (with_f("class A:\n    @property\n    def p(self):\n        return f()\na = A()"), "r = a.p"),
    "a thread of the cell's own": (
        with_f("from concurrent.futures import ThreadPoolExecutor as Pool\ndef g():\n    return f()"),
        "with Pool(2) as p:\n    r = p.submit(g).result()\ndel p",
    ),
    "a name that the cell rebinds": (with_f("def g():\n    return f()"), "def h():\n    return 1\nr = g()\nf = h"),
    "an argument too many": ("def f(x{1}):\n    return 1", "try:\n    r = f(1, 2)\nexcept TypeError:\n    r = 0"),
    "an argument too many, in a helper": (
        "def f(x{1}):\n    return 1\ndef g():\n    try:\n        return f(1, 2)\n    except TypeError:\n        return 0",
        "r = g()",
    ),
    "a function that is gone, its argument raising": (
        "{2}\ndef g():\n    raise ValueError",
        "try:\n    f(g())\nexcept ValueError:\n    r = 1\nexcept NameError:\n    r = 2",
    ),
    "a generator that is made only": ("def f():\n    {3}\n    return 1", "r = type(f()).__name__"),
    "made by exec": ("exec('def f(): return {0}')", "r = f()"),
    "with the code of another": ("def f(): pass\ndef g():\n    return {0}\nf.__code__ = g.__code__", "r = f()"),
    "a coroutine that helpers pass on": (
        "async def f():\n    return {0}\ndef g():\n    return f()\nasync def h():\n    return await g()",
        "r = await h()",
    ),
    "called by its name and looked at by another": (
        with_f("def g():\n    h = f\n    return h.__code__.co_consts\nflag = False"),
        "r = f() if flag else g()",
    ),
    "a handler that was needed": (with_f("def g():\n    raise ValueError"), "try:\n    g()\nexcept ValueError:\n    r = f()"),
    "a comprehension in a helper": (with_f("def g():\n    return {{f(x) for x in [1]}}"), "r = sorted(g())"),
    "a generator expression in a helper": (with_f("def g():\n    return list(f(x) for x in [1])"), "r = g()"),
    "the name of a function": ("def f(): pass\nf.__name__ = 'f{0}'", "r = f.__name__"),
    "an identity": (with_f("g = f\nif {0} == 2:\n    f = lambda: 1"), "r = f is g"),
    "one of two with the same code": (
        "def mk(n):\n    def f():\n        return n\n    return f\nf, g = mk(1), mk({0})\nflag = False",
        "r = f() if flag else g()",
    ),
    "what a helper that ran reads": ("k = {0}\ndef f():\n    return k", "r = f()"),
    "an absent name of a helper that ran": (
        "def f():\n    try:\n        return extra\n    except NameError:\n        return 0\n{4}",
        "r = f()",
    ),
    "a cache of a helper's own": (
        with_f("memo = {{}}\ndef g(x):\n    if x not in memo:\n        return f(x)\n    return memo[x]\nif {0} == 2:\n    memo[1] = 9"),
        "r = g(1)",
    ),
}  # fmt: skip
VERSIONS = [
    ("1", "", "def f(x): pass", "yield 1", ""),
    ("2", ", y=0", "", "pass", "extra = 5"),
]


@pytest.mark.parametrize("what", MUST_EXECUTE)
def test_what_ran_counts_however_it_is_reached(shells: Shells, what: str, watching: bool) -> None:
    setting, cell = MUST_EXECUTE[what]
    old, new = (setting.format(*version) for version in VERSIONS)
    first = shells()
    first.plain(old)
    assert first.cell(cell) == "executed"
    was = first["r"]
    again = shells()
    again.plain(old)
    assert again.cell(cell) == "reused", again.reasons
    changed = shells()
    changed.plain(new)
    assert changed.cell(cell) == "executed"
    if what not in ("passed to sorted", "a name that the cell rebinds"):
        assert changed["r"] != was, "the change does not show"


# -- what counts as a call


CALLS = """
import utils
def a(c, k):
    f1(1); utils.f2(1); utils.f3(1, *k); utils.f4(x=1); f5(*k, **k)
    (v1 and v2)(1); (v3 if v3 is v4 else v5)(1)
    x = v6; v7.y; map(v8, k); f6(v9); v9(1)
    [f7(x) for x in k]; list(f8(x) for x in k)
    g = lambda: v10(1)
    def h(): return v11(1)
    class A:
        def m(self): return v12(1)
    f9(f10(f11()))
    with f12() as z: pass
    for y in f13(): pass
    f14()().z
    f"{v13}{f15(1)!r}"
    @v14
    def i(): pass
    if v15: raise v16
    return f16(c)(v17)
"""


def names(reads: Any) -> set[str]:
    return {read.path[-1][1] if read.name == "utils" and read.path else read.name for read in reads}


@sees
def test_calls_in_a_function_are_told_from_other_uses() -> None:
    from incnb.fingerprint.code import references

    code = next(c for c in compile(CALLS, "x", "exec").co_consts if hasattr(c, "co_code"))
    found = references(code)
    called = names(read for read in found.reads if read.place not in found.values)
    assert called - {"map", "list"} == {f"f{n}" for n in range(1, 17)}
    assert names(found.values) - {"__name__"} == {f"v{n}" for n in range(1, 18)}


def test_calls_in_a_cell_are_told_from_other_uses() -> None:
    import ast

    from incnb.analysis.calls import called_in_place

    body = "\n".join(line[4:] for line in CALLS.splitlines()[3:-1])
    called = names(called_in_place(ast.parse(body + "\nf16(c)(v17)\nf2 = f17(1)\ndel v18\nv18(2)")))
    assert {n for n in called if n[0] == "f"} == {f"f{n}" for n in range(1, 18)}
    assert {n for n in called if n[0] == "v"} == {"v11"}  # of a function of the cell's own


def test_functions_of_the_cell_that_are_only_called_are_part_of_it() -> None:
    import ast

    from incnb.analysis.calls import called_in_place

    text = "def a(): f1(); b()\ndef b(): f2()\ndef c(): v1(); d()\ndef d(): v2()\na()\nmap(c, [1])\nd()"
    assert names(called_in_place(ast.parse(text))) == {"a", "f1", "b", "f2", "map"}


UNSEEN = {
    "shipped": (with_f("def g(x):\n    return f()"), "r = list(map(g, [1]))"),
    "shipped by a helper": (with_f("def g(x):\n    return f()\ndef h():\n    return list(map(g, [1]))"), "r = h()"),
    "in a lambda of a helper": (with_f("def h():\n    return list(map(lambda x: f(), [1]))"), "r = h()"),
    "in a nested function of a helper": (
        with_f("def h():\n    def i(x):\n        return f()\n    return list(map(i, [1]))"),
        "r = h()",
    ),
    "in a lambda of the cell": (with_f(""), "r = list(map(lambda x: f(), [1]))"),
    "in a function of the cell": (with_f(""), "def g(x):\n    return f()\nr = list(map(g, [1]))"),
    "in a function that a function of the cell's calls": (
        with_f(""),
        "def g(x):\n    return f()\ndef h(x):\n    return g(x)\nr = list(map(h, [1]))",
    ),
    "in a class of the cell": (
        with_f(""),
        "class A:\n    def m(self, x):\n        return f()\nr = list(map(A().m, [1]))",
    ),
    "by itself": (with_f(""), "r = list(map(f, [1]))"),
    "by itself, by a helper": (with_f("def h():\n    return list(map(f, [1]))"), "r = h()"),
    "looked at": (with_f("def h():\n    g = f\n    return g.__code__.co_consts"), "r = h()"),
    "through a method": (with_f("class A:\n    def m(self):\n        return f()"), "r = A().m()"),
}


@pytest.mark.parametrize("what", UNSEEN)
def test_what_may_run_in_another_process_counts_without_being_seen(
    shells: Shells, what: str, watching: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import incnb.engine.record  # noqa: F401  before the patch, or it would import that
    from incnb.outputs import effects

    seen = effects.is_seen
    monkeypatch.setattr(effects, "is_seen", lambda code: seen(code) and code.co_name not in ("f", "g"))
    setting, cell = UNSEEN[what]
    old, new = (setting.format(*version) for version in VERSIONS)
    for setting, expected in ((old, "executed"), (old, "reused"), (new, "executed")):
        shell = shells()
        shell.plain(setting)
        assert shell.cell(cell) == expected, shell.reasons


@sees
def test_a_function_that_nothing_left_leads_to_is_not_saved(shells: Shells) -> None:
    """`g` did not run; `f`, to which only `g` leads, did, in a way that nobody follows."""
    import string

    setting = "import string\ndef f():\n    return 1\ndef g():\n    return f()\nflag = False\nstring.mine = f"
    shell = shells()
    shell.plain(setting)
    try:
        assert shell.cell("r = g() if flag else getattr(string, 'mi' + 'ne')()") == "executed"
        assert any("f() ran" in reason for reason in shell.reasons), shell.reasons
    finally:
        del string.mine  # type: ignore[attr-defined]


@sees
def test_the_reason_names_a_way_that_is_left(shells: Shells) -> None:
    before = "k = {}\ndef f():\n    return k\ndef g():\n    return k\nflag = False"
    shell = edited(shells, before.format(1), "r = f() if flag else g()", before.format(2))
    first = shell.decisions()[-1]["reasons"][0]
    assert (first["code"], first["locator"], first["caused_by"]) == ("value", "k", ["g"])


@sees
def test_an_output_that_an_unread_input_holds_too_keeps_it(shells: Shells) -> None:
    """`f` does not run, but what it would read holds the very object that the cell keeps."""
    before = "inner = [1]\nbox = {{'a': inner{0}}}\ndef f():\n    return box\nflag = False"
    cell = "r = f() if flag else inner\nr.append(2)"
    for how, expected in (("", "executed"), ("", "reused"), ("[:]", "")):
        shell = shells()
        shell.plain(before.format(how))
        assert shell.cell(cell) == expected or not expected, shell.reasons
        assert shell["r"] is shell["inner"] and shell["r"] == [1, 2]
        assert shell["box"]["a"] == ([1] if how else [1, 2])


def test_a_helper_that_resizes_an_array_in_place_runs_as_it_always_does(shells: Shells, watching: bool) -> None:
    shell = shells()
    shell.plain("import numpy as np\na = np.arange(3)\ndef f():\n    a.resize(5)\n    return int(a.sum())")
    assert shell.cell("r = f()") == "executed"
    assert shell["r"] == 3 and len(shell["a"]) == 5


@pytest.mark.parametrize("word", ["sys.getrefcount(box)", "len(gc.get_referrers(box))"])
def test_a_helper_that_counts_who_holds_an_object_counts_as_always(shells: Shells, word: str, watching: bool) -> None:
    shell = shells()
    shell.plain(f"import sys, gc\nbox = [1]\ndef f():\n    return {word}\nplain = f()")
    assert shell.cell("r = f()") == "executed"
    assert shell["r"] == shell["plain"]


# -- the tool


@sees
def test_the_tool_is_given_back_whatever_happens(shells: Shells) -> None:
    shell = shells()
    shell.plain("def f():\n    raise KeyError")
    free = [monitoring.get_tool(tool) for tool in range(6)]
    for cell in ("r = 1", "f()", "raise KeyboardInterrupt", "1 +", "raise SystemExit"):
        shell.ip.run_cell(f"%%incremental\n{cell}", store_history=True)
        assert [monitoring.get_tool(tool) for tool in range(6)] == free, cell
    shell.ip.run_cell("%%time\n%%incremental\nf()", store_history=True)
    shell.ip.run_cell("%%time\n%%incremental\nr = 2", store_history=True)
    assert [monitoring.get_tool(tool) for tool in range(6)] == free


@sees
def test_an_interrupt_before_the_body_gives_the_tool_back(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.engine.record import Run

    start = Run.start

    def interrupted(self: Run) -> None:
        start(self)
        raise KeyboardInterrupt

    shell = shells()
    monkeypatch.setattr(Run, "start", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        shell.ip.run_cell("%%incremental\nr = 1", store_history=True)
    assert monitoring.get_tool(3) is None and monitoring.get_tool(4) is None


@sees
def test_every_thread_is_seen_and_each_code_once() -> None:
    import threading

    from incnb.outputs.started import Started

    asked = []
    started = Started(lambda code: asked.append(code.co_name) is None, {})

    def in_a_thread() -> None:
        pass

    def here() -> None:
        pass

    started.start()
    try:
        thread = threading.Thread(target=in_a_thread)
        thread.start()
        thread.join()
        for _ in range(100):
            here()
    finally:
        started.stop()
    here()
    ran = [code.co_name for code in started.ran() or []]
    assert ran.count("in_a_thread") == ran.count("here") == asked.count("here") == 1


@sees
def test_a_tool_that_is_taken_away_has_seen_nothing() -> None:
    from incnb.outputs.started import Started

    started = Started(lambda code: True, {})
    started.start()
    for tool in (3, 4):
        if monitoring.get_tool(tool) == "incnb":
            monitoring.set_events(tool, 0)
    started.stop()
    assert started.ran() is None


# -- beside others who watch

BESIDE = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

sys.path.insert(0, os.getcwd())
config = Config()
config.HistoryManager.enabled = False
ip = InteractiveShell.instance(config=config)
ip.run_line_magic("load_ext", "incnb")
sys.stdout.flush()
head = "%%incremental\\n" if sys.argv[2] == "tracked" else ""
seen = []

def tracer(frame, event, arg):
    if frame.f_code.co_filename.endswith("seenhere.py"):
        seen.append([event, frame.f_lineno])
        return tracer

def profiler(frame, event, arg):
    if frame.f_code.co_filename.endswith("seenhere.py") and event in ("call", "return"):
        seen.append([event, frame.f_lineno])

if sys.argv[1] == "coverage":
    import coverage
    cov = coverage.Coverage(data_file=None, branch=True, include=["*/seenhere.py"], config_file=False)
    cov.start()
elif sys.argv[1] == "bdb":
    import bdb
    class Debugger(bdb.Bdb):
        def user_line(self, frame):
            if frame.f_code.co_filename.endswith("seenhere.py"):
                seen.append(["line", frame.f_lineno])
            self.set_step()
    debugger = Debugger()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
elif sys.argv[1] == "settrace":
    sys.settrace(tracer)
else:
    sys.setprofile(profiler)
for cell in ("import seenhere as lib", "a = lib.f(3)", "b = lib.f(-1)", "c = [lib.f(x) for x in range(4)]", "a = lib.f(3)"):
    ip.run_cell(head + cell + "\\n", store_history=True).raise_error()
if sys.argv[1] == "coverage":
    cov.stop()
    data = cov.get_data()
    path = [f for f in data.measured_files() if f.endswith("seenhere.py")][0]
    seen = [sorted(data.arcs(path)), sorted(cov.analysis2(path)[3])]
sys.settrace(None)
sys.setprofile(None)
print("SEEN", json.dumps(seen))
if hasattr(sys, "monitoring"):
    free = [sys.monitoring.get_tool(i) for i in (3, 4)]
    assert free == [None, None], free
"""
LIB = """
def f(x):
    if x < 0:
        return g(x)
    total = 0
    for i in range(x):
        total += i
    return total


def g(x):
    return -x


def never():
    return 1
"""


def beside(folder: Path, who: str, how: str) -> Any:
    (folder / "seenhere.py").write_text(LIB)
    env = {
        **os.environ,
        "COVERAGE_CORE": "sysmon",
        "INCNB_STORE": str(folder / f"store-{who}-{how}"),
        "INCNB_FOOTER": "off",
    }
    here = Path(__file__).resolve().parents[2]
    env["PYTHONPATH"] = os.pathsep.join([str(here), env.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", BESIDE, who, how], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    assert lines and not done.returncode, done.stdout + done.stderr
    return json.loads(lines[0][5:])


@pytest.mark.parametrize("who", ["coverage", "bdb", "settrace", "setprofile"])
def test_those_who_watch_beside_see_what_they_always_see(tmp_path: Path, who: str) -> None:
    if who == "coverage":
        pytest.importorskip("coverage")
    plain, tracked = beside(tmp_path, who, "plain"), beside(tmp_path, who, "tracked")
    assert plain
    if who == "coverage":
        assert tracked == plain
        return
    # the last cell is reused: what it would have called is not called
    assert tracked == plain[: len(tracked)] and len(tracked) < len(plain)
