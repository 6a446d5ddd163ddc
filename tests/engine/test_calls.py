"""What a cell relies on of the functions that it may call: what really ran, where that can be seen, else all of it."""

from __future__ import annotations

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


def run(body: str) -> str:
    """A function `f` whose edit counts, and another that gets it in some way."""
    return "def f(*x):\n    return {0}\n" + body


MUST_EXECUTE: dict[str, tuple[str, str]] = {
    "called": (run(""), "r = f(1)"),
    "called in a helper": (run("def g():\n    return f()"), "r = g()"),
    "called with a star": (run("xs = [1]"), "r = f(*xs)"),
    "called twice, once not": (run(""), "r = [f(x) for x in range(3) if x > 1]"),
    "recursion": ("def f(n):\n    return {0} if n == 0 else f(n - 1)", "r = f(3)"),
    "mutual recursion": ("def f(n):\n    return {0} if n == 0 else g(n - 1)\ndef g(n):\n    return f(n)", "r = g(3)"),
    "a generator": ("def f():\n    yield {0}", "r = list(f())"),
    "a generator in a helper": ("def f():\n    yield {0}\ndef g():\n    yield from f()", "r = list(g())"),
    "an async function": ("async def f():\n    return {0}\nimport asyncio", "r = await f()"),
    "an async generator": ("async def f():\n    yield {0}", "r = [x async for x in f()]"),
    "a lambda": ("f = lambda: {0}", "r = f()"),
    "inside a lambda": (run(""), "h = lambda: f()\nr = h()\ndel h"),
    "a nested function": ("def f():\n    def inner():\n        return {0}\n    return inner()", "r = f()"),
    "a closure": ("def mk():\n    n = {0}\n    def f():\n        return n\n    return f\nf = mk()", "r = f()"),
    "passed to map": (run(""), "r = list(map(f, [1]))"),
    "passed to sorted": (run(""), "r = sorted([3, 1], key=f), f(1)"),
    "passed to a library": (run("import pandas as pd\ns = pd.Series([1])"), "r = s.apply(f).tolist()"),
    "in a dict": (run("reg = {{'f': f}}"), "r = reg['f']()"),
    "in a list in a helper": (run("fs = [f]\ndef g():\n    return fs[0]()"), "r = g()"),
    "in a partial": (run("import functools\np = functools.partial(f, 1)"), "r = p()"),
    "cached": (run("import functools\nc = functools.lru_cache(f)"), "r = c()"),
    "as a default": (run("def g(h=f):\n    return h()"), "r = g()"),
    "through a name of a helper's own": (run("def g():\n    h = f\n    return h()"), "r = g()"),
    "through two conditions": (run("yes = True\ndef g():\n    return (yes and f)()"), "r = g()"),
    "decorated": (
        run("def d(h):\n    def w():\n        return h()\n    return w\ng = d(f)"),
        "r = g()",
    ),
    "a method that calls": (run("class A:\n    def m(self):\n        return f()\na = A()"), "r = a.m()"),
    "a property that calls": (run("class A:\n    @property\n    def p(self):\n        return f()\na = A()"), "r = a.p"),
    "a thread of the cell's own": (
        run("from concurrent.futures import ThreadPoolExecutor as Pool\ndef g():\n    return f()"),
        "with Pool(2) as p:\n    r = p.submit(g).result()\ndel p",
    ),
    "a name that the cell rebinds": (run("def g():\n    return f()"), "def h():\n    return 1\nr = g()\nf = h"),
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
    "the name of a function": ("def f(): pass\nf.__name__ = 'f{0}'", "r = f.__name__"),
    "an identity": (run("g = f\nif {0} == 2:\n    f = lambda: 1"), "r = f is g"),
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
        run("memo = {{}}\ndef g(x):\n    if x not in memo:\n        return f(x)\n    return memo[x]\nif {0} == 2:\n    memo[1] = 9"),
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
    recorded = not [r for r in first.decisions()[-1]["reasons"] if r["code"] == "not-saved"]
    again = shells()
    again.plain(old)
    assert again.cell(cell) == ("reused" if recorded else "executed"), again.reasons
    changed = shells()
    changed.plain(new)
    assert changed.cell(cell) == "executed"
    if what not in ("passed to sorted", "a name that the cell rebinds"):
        assert changed["r"] != was, "the change does not show"
