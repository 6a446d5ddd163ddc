"""`incnb.memo`: calls are kept under their arguments and everything that they relied on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import calls_probe
import pytest
from calls_probe import ran
from notebooks import Shell

import incnb

Shells = Callable[[], Shell]
COSTLY = """
import sys, incnb
def helper(x): return x * 2
@incnb.memo
def f(x, y=2, *, verbose=False):
    "What f does."
    sys.audit('calls.probe', f'{x} {y}')
    return [helper(x), y]
"""


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    calls_probe.watch()
    ran()
    yield


@pytest.fixture
def nb(shells: Shells) -> Shell:
    nb = shells()
    nb.plain(COSTLY)
    return nb


def test_calls_are_the_same_however_the_arguments_are_given(nb: Shell) -> None:
    for call in ("f(1)", "f(x=1)", "f(1, 2)", "f(1, y=2)", "f(y=2, x=1)", "f(1, verbose=False)"):
        assert nb.plain(call) == [2, 2]
    assert ran() == ["1 2"]
    nb.plain("f(1, 3)")
    nb.plain("f(1, verbose=True)")
    assert ran() == ["1 3", "1 2"]
    assert nb.plain("f.info()") == {"executed": 3, "reused": 5}


def test_another_session_finds_the_calls(nb: Shell, shells: Shells) -> None:
    nb.plain("f(1)")
    ran()
    nb = shells()
    nb.plain(COSTLY)
    assert nb.plain("f(1)") == [2, 2] and not ran()


def test_what_is_ignored_is_handed_over_and_not_compared(nb: Shell) -> None:
    nb.plain(
        "@incnb.memo(ignore=('verbose',))\ndef g(x, verbose=False):\n    sys.audit('calls.probe', f'{x} {verbose}')\n    return x"
    )
    nb.plain("g(1, verbose=True), g(1), g(2)")
    assert ran() == ["1 True", "2 False"]


def test_an_argument_may_be_told_by_a_function(nb: Shell) -> None:
    nb.plain("""
class Conn:
    def __init__(self, url): self.url, self.handle = url, open(__import__('os').devnull)
@incnb.memo(key={'conn': lambda c: c.url})
def query(conn, q):
    sys.audit('calls.probe', f'{conn.url} {q}')
    return q.upper()
""")
    assert nb.plain("query(Conn('a'), 'x')") == nb.plain("query(Conn('a'), 'x')") == "X"
    assert ran() == ["a x"]
    nb.plain("query(Conn('b'), 'x')")
    assert ran() == ["b x"]


def test_it_looks_like_the_function(nb: Shell) -> None:
    import inspect

    f = nb["f"]
    assert f.__name__ == "f" and f.__doc__ == "What f does." and callable(f.__wrapped__)
    assert str(inspect.signature(f)) == "(x, y=2, *, verbose=False)"


def test_what_is_returned_can_be_changed_without_harm(nb: Shell) -> None:
    for _ in range(3):
        assert nb.plain("r = f(1)\nwas = list(r)\nr.append(9)\nwas") == [2, 2]


def test_an_edited_helper_runs_the_calls_again(nb: Shell) -> None:
    nb.plain("f(1)")
    ran()
    nb.plain("def helper(x): return x * 3")
    assert nb.plain("f(1)") == [3, 2] and len(ran()) == 1
    nb.plain("def helper(x): return x * 2")
    assert nb.plain("f(1)") == [2, 2] and not ran()


def test_a_cell_relies_on_the_helpers_of_a_memoised_function(nb: Shell) -> None:
    assert nb.cell("r = f(1)") == "executed"
    assert nb.cell("r = f(1)") == "reused"
    nb.plain("def helper(x): return x * 3")
    assert nb.cell("r = f(1)") == "executed" and nb["r"] == [3, 2]
    assert nb.reason == "code helper"


def test_a_cell_counts_the_calls(nb: Shell) -> None:
    nb.cell("r = [f(1)] + [f(2)] + [f(1)]")
    told = nb.decisions()[-1]["items"]
    assert (told["executed"], told["reused"]) == (2, 1)


def test_a_cell_relies_on_the_files_of_calls_that_it_reused(nb: Shell) -> None:
    Path("a.txt").write_text("a")
    nb.plain("@incnb.memo\ndef read(p):\n    sys.audit('calls.probe', p)\n    return open(p).read()")
    nb.plain("read('a.txt')")
    ran()
    nb.cell("r = read('a.txt')")
    assert not ran() and nb["r"] == "a"
    assert nb.cell("r = read('a.txt')") == "reused"
    Path("a.txt").write_text("other")
    assert nb.cell("r = read('a.txt')") == "executed" and nb["r"] == "other"


def test_a_file_that_changed_is_read_again(nb: Shell) -> None:
    nb.plain("@incnb.memo\ndef read(p):\n    return open(p).read()")
    nb.plain("def go(p, text=None):\n    if text: open(p, 'w').write(text)\n    return read(p)")
    for text in ("one", "two", "three", "one"):
        Path("a.txt").write_text(text)
        assert nb.plain("read('a.txt')") == text
    assert nb.plain("[go('a.txt', t) for t in ('x', 'y', None)]") == ["x", "y", "y"]


def test_an_outer_call_relies_on_the_files_of_an_inner_one(nb: Shell) -> None:
    nb.plain(
        "@incnb.memo\ndef read(p):\n    return open(p).read()\n@incnb.memo\ndef outer(p):\n    return read(p) + '!'"
    )
    Path("a.txt").write_text("a")
    assert nb.plain("read('a.txt'), outer('a.txt'), outer('a.txt')") == ("a", "a!", "a!")
    Path("a.txt").write_text("b")
    assert nb.plain("outer('a.txt')") == "b!"


def test_items_of_a_loop_rely_on_the_files_of_calls_that_they_reused(nb: Shell) -> None:
    nb.plain("@incnb.memo\ndef read(p):\n    return open(p).read()")
    for name in "ab":
        Path(name).write_text(name)
    nb.plain("[read('a'), read('b')]")
    cell = "out = []\nfor p in ['a', 'b']:\n    out.append(read(p))"
    nb.cell(cell)
    assert nb["out"] == ["a", "b"]
    Path("b").write_text("new")
    nb.cell(cell)
    assert nb["out"] == ["a", "new"]


def test_recursion_works(nb: Shell) -> None:
    nb.plain(
        "@incnb.memo\ndef fib(n):\n    sys.audit('calls.probe', str(n))\n    return n if n < 2 else fib(n - 1) + fib(n - 2)"
    )
    assert nb.plain("fib(30)") == 832040 and len(ran()) == 31
    assert nb.plain("fib(30)") == 832040 and not ran()
    nb.cell("r = fib(32)")
    assert nb["r"] == 2178309 and ran() == ["32", "31"]


def test_an_argument_that_cannot_be_told_executes_and_one_line_is_said_once(
    nb: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    nb.plain("xs = (i for i in range(3))")
    nb.plain("@incnb.memo\ndef total(xs): return sum(xs)")
    assert nb.plain("total(xs)") == 3
    assert nb.plain("total(i for i in range(4))") == 6
    shown = capsys.readouterr()
    assert (shown.out + shown.err).count("hidden position") == 1


def test_errors_are_the_functions_own(nb: Shell) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        nb.plain("f()")
    nb.plain("@incnb.memo\ndef bad(x):\n    sys.audit('calls.probe', 'bad')\n    raise KeyError(x)")
    for _ in range(2):
        with pytest.raises(KeyError):
            nb.plain("bad(1)")
    assert ran() == ["bad", "bad"]


def test_methods_are_kept_by_the_state_of_their_instance(nb: Shell) -> None:
    nb.plain("""
class Model:
    def __init__(self, k): self.k = k
    @incnb.memo
    def go(self, x):
        sys.audit('calls.probe', 'go')
        return helper(x) * self.k
""")
    assert nb.plain("m = Model(2)\nm.go(1), m.go(1), Model(2).go(1), Model(3).go(1)") == (4, 4, 4, 6)
    assert len(ran()) == 2
    assert nb.cell("r = m.go(1)") == "executed" and nb.cell("r = m.go(1)") == "reused"
    nb.plain("def helper(x): return x * 5")
    assert nb.cell("r = m.go(1)") == "executed" and nb["r"] == 10


def test_equal_calls_of_several_threads_run_once(nb: Shell) -> None:
    nb.plain(
        "import time\n@incnb.memo\ndef slow(x):\n    sys.audit('calls.probe', str(x))\n    time.sleep(0.3)\n    return [x]"
    )
    nb.plain(
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(6) as pool: r = list(pool.map(slow, [1, 2, 1, 1, 2, 1]))"
    )
    assert nb["r"] == [[1], [2], [1], [1], [2], [1]] and sorted(ran()) == ["1", "2"]
    assert len({id(x) for x in nb["r"]}) == 6


def test_a_memoised_function_may_be_made_and_used_in_tracked_cells(nb: Shell, shells: Shells) -> None:
    define = "@incnb.memo\ndef h(x):\n    return helper(x) + 1"
    nb.cell(define)
    assert nb.cell("r = h(1)") == "executed" and nb["r"] == 3
    nb = shells()
    nb.plain(COSTLY)
    nb.cell(define)
    assert nb.cell("r = h(1)") == "reused" and nb["r"] == 3
    nb.plain("def helper(x): return x * 5")
    nb.cell(define)
    assert nb.cell("r = h(1)") == "executed" and nb["r"] == 6


def test_config_counts_and_is_handed_over(nb: Shell) -> None:
    define = "@incnb.memo(config={{'k': {k}}})\ndef c(x, config):\n    sys.audit('calls.probe', 'c')\n    return x * config['k']"
    for k in (2, 3, 2):
        nb.plain(define.format(k=k))
        assert nb.plain("c(5)") == 5 * k
    assert len(ran()) == 2


def test_in_a_module_of_the_project(nb: Shell) -> None:
    Path("calc.py").write_text(
        "import sys, incnb\ndef helper(x): return x\n@incnb.memo\ndef f(x):\n    sys.audit('calls.probe', 'f')\n    return helper(x)\n"
    )
    assert nb.plain("import calc\ncalc.f(1), calc.f(1)") == (1, 1) and len(ran()) == 1
    assert nb.cell("r = calc.f(1)") == "executed" and nb.cell("r = calc.f(1)") == "reused"
    nb.plain("calc.helper = lambda x: x + 1")
    assert nb.plain("calc.f(1)") == 2
    assert nb.cell("r = calc.f(1)") == "executed" and nb["r"] == 2


def test_random_numbers_are_drawn_each_time(nb: Shell) -> None:
    nb.plain("import random\n@incnb.memo\ndef draw(): return random.random()")
    nb.plain("random.seed(1)\na = [draw(), draw()]\nrandom.seed(1)\nb = [random.random(), random.random()]")
    assert nb["a"] == nb["b"]


def test_bad_arguments_are_told_in_one_line() -> None:
    with pytest.raises(ValueError, match="has no parameter 'z'"):
        incnb.memo(ignore="z")(lambda x: x)
    with pytest.raises(TypeError, match="wants a function"):
        incnb.memo(3)  # type: ignore[call-overload]
