"""A loop whose body raises: what it leaves and shows is as in a plain run, and only finished items are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loop_states import ALL, ANY, COMMENT, FOUR, NONE, PRECISE, Case, Step, Walked, as_one_unit, case, edit, file

#: Nothing was edited, but the item that raised, and those after it, were never finished.
AGAIN = Step("again", expect=("3",))
FIXED = edit("the item removed", (FOUR, "[1, 2, 4]"), expect=("4",))


def raising(statement: str, setup: str = "", *steps: Step, more: str = "") -> Case:
    loop = f"out = []\nfor x in {FOUR}:\n    PROBE\n    print('item', x)\n    if x == 3:\n        {statement}\n    out.append(x)\n{more}"
    return case(loop, *(steps or (AGAIN, FIXED, AGAIN)), setup=setup)


CASES = {
    "raise": raising("raise ValueError(x)"),
    "raise, and the code is fixed": raising("raise ValueError(x)", "", AGAIN, edit("the body edited", ("raise ValueError(x)", "pass"), expect=ALL), edit("and an item added", ("raise ValueError(x)", "pass"), (FOUR, "[1, 2, 3, 4, 5]"), expect=("5",)), AGAIN),
    "raise in a helper": raising("f(x)", "def f(x):\n    y = x\n    raise KeyError(y)"),
    "raise in a helper, and the helper is fixed": raising("f(x)", "def f(x):\n    y = x\n    raise KeyError(y)", AGAIN, edit("the helper edited", ("raise KeyError(y)", "return y"), expect=("3", "4") if PRECISE else ALL)),
    "raise from": raising("g(x)", "def f(x):\n    return 1 / (x - x)\ndef g(x):\n    try:\n        f(x)\n    except ZeroDivisionError as error:\n        raise RuntimeError('bad') from error"),
    "raise while another is handled": raising("g(x)", "def g(x):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        int('x')"),
    "an operand that raises": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(12 // (x - 3))", AGAIN, FIXED, AGAIN),
    "an operand that raises, within effects": case(f"d, out, n = {{}}, [], 0\nfor x in {FOUR}:\n    PROBE\n    n += 1\n    out.append([x])\n    d[x] = 12 // (x - 3)\n    out.append('end')", AGAIN, FIXED, AGAIN),
    "an effect that raises": case(f"a = [0, 0, 0]\nfor x in {FOUR}:\n    PROBE\n    a[x] = x", AGAIN, edit("room made", ("[0, 0, 0]", "[0, 0, 0, 0, 0]"), expect=("3", "4")), AGAIN),
    "an unhashable key": case("d = {}\nfor x in [1, [2], 3]:\n    PROBE\n    d[x] = 1", Step("again", expect=("[2]",)), edit("fixed", ("[2]", "2"), expect=("2", "3"))),
    "total of another type": case("total = 0\nfor x in [1, 'a', 2]:\n    PROBE\n    total += x", Step("again", expect=("'a'",)), edit("fixed", ("'a'", "5"), expect=("5", "2"))),
    "StopIteration": raising("next(iter([]))"),
    "StopIteration, raised": raising("raise StopIteration(x)"),
    "GeneratorExit": raising("raise GeneratorExit"),
    "KeyboardInterrupt": raising("raise KeyboardInterrupt"),
    "SystemExit": raising("raise SystemExit(x)"),
    "a BaseException of the notebook": raising("raise Stop(x)", "class Stop(BaseException):\n    pass"),
    "an error that keeps objects": as_one_unit(raising("raise Bad(out)", "class Bad(Exception):\n    pass")),
    "AssertionError": raising("assert x != 3, f'bad {x}'"),
    "NameError": raising("undefined_name"),
    "an ExceptionGroup": raising("raise ExceptionGroup('both', [ValueError(1), KeyError(2)])"),
    "recursion": raising("f(x)", "def f(x):\n    return f(x)"),
    "a warning made an error": raising("warnings.warn('bad')", "import warnings\nwarnings.simplefilter('error')"),
    "a note on the error": raising("f(x)", "def f(x):\n    error = ValueError(x)\n    error.add_note('see there')\n    raise error"),
    "in finally": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    try:\n        out.append(12 // (x - 3))\n    finally:\n        print('end of', x)", AGAIN, FIXED, AGAIN),
    "in with": case(f"import contextlib\n@contextlib.contextmanager\ndef cm(x):\n    print('in', x)\n    yield\n    print('out', x)\nout = []\nfor x in {FOUR}:\n    PROBE\n    with cm(x):\n        out.append(12 // (x - 3))", AGAIN, FIXED, AGAIN),
    "on the first item": case("out = []\nfor x in [0, 1, 2]:\n    PROBE\n    out.append(1 / x)", Step("again", expect=("0",)), edit("fixed", ("[0, 1, 2]", "[1, 2]"), expect=("1", "2"))),
    "on the last item": case("out = []\nfor x in [1, 2, 0]:\n    PROBE\n    out.append(1 / x)\nlater = 1", Step("again", expect=("0",)), edit("fixed", ("[1, 2, 0]", "[1, 2]"), expect=NONE)),
    "in the iterable": case(f"out = []\nfor x in (12 // (n - 3) for n in {FOUR}):\n    PROBE\n    out.append(x)", Step("again", expect=NONE), edit("fixed", ("n - 3", "n + 3"), expect=ANY)),
    "in a generator function": case(f"out = []\nfor x in gen({FOUR}):\n    PROBE\n    out.append(x)", Step("again", expect=NONE), edit("fixed", ("raise ValueError(n)", "pass"), expect=("3", "4")), setup="def gen(items):\n    for n in items:\n        if n == 3:\n            raise ValueError(n)\n        yield n"),
    "not iterable": case("out = []\nfor x in 5:\n    PROBE\n    out.append(x)", Step("again", expect=NONE)),
    "no such name": case("out = []\nfor x in no_such_name:\n    PROBE\n    out.append(x)", Step("again", expect=NONE)),
    "wrong number of targets": case("out = []\nfor a, x in [(1, 2), (3, 4, 5)]:\n    PROBE\n    out.append(x)", Step("again", expect=NONE), edit("fixed", ("(3, 4, 5)", "(3, 4)"), expect=("4",))),
    "__iter__ raises": case("for x in Box():\n    PROBE", Step("again", expect=NONE), setup="class Box:\n    def __iter__(self):\n        raise ValueError('closed')"),
    "__next__ raises": case("out = []\nfor x in Box():\n    PROBE\n    out.append(x)", Step("again", expect=ANY), setup="class Box:\n    def __init__(self):\n        self.n = 0\n    def __iter__(self):\n        return self\n    def __next__(self):\n        self.n += 1\n        if self.n > 2:\n            raise KeyError(self.n)\n        return self.n"),
    "after the loop": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x)\nresult = 1 / 0", Step("again", expect=NONE), edit("fixed", ("1 / 0", "1 / 1"), expect=NONE)),
    "in else": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x)\nelse:\n    1 / 0", Step("again", expect=NONE), edit("fixed", ("1 / 0", "1 / 1"), expect=NONE)),
    "before the loop": case(f"out = []\n1 / K\nfor x in {FOUR}:\n    PROBE\n    out.append(x)", Step("again", expect=NONE), edit("fixed", ("K = 0", "K = 1"), expect=ALL), setup="K = 0"),
    "by the file of an item": case("out = []\nfor x in ['a.txt', 'b.txt', 'c.txt']:\n    PROBE\n    out.append(int(open(x).read()))", file("the file fixed", "b.txt", "2", expect=("'b.txt'", "'c.txt'")), files={"a.txt": "1", "b.txt": "two", "c.txt": "3"}),
    "by a missing file": case("out = []\nfor x in ['a.txt', 'b.txt', 'c.txt']:\n    PROBE\n    out.append(int(open(x).read()))", file("the file is there", "b.txt", "2", expect=("'b.txt'", "'c.txt'")), files={"a.txt": "1", "c.txt": "3"}),
    "by a missing key": case("out = []\nfor x in ['a', 'b', 'c']:\n    PROBE\n    out.append(CFG[x])", edit("the key is there", ("'c': 3", "'b': 2, 'c': 3"), expect=("'b'", "'c'")), setup="CFG = {'a': 1, 'c': 3}"),
    "by a helper in a module": case(f"import helpers\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append(helpers.f(x))", AGAIN, file("fixed", "helpers.py", "def f(x):\n    return 12\n", expect=ALL), files={"helpers.py": "def f(x):\n    return 12 // (x - 3)\n"}),
    "in a comprehension": case(f"out = [f(x) for x in {FOUR}]", AGAIN, FIXED, AGAIN, setup="def f(x):\n    sys.audit('loops.probe', repr(x))\n    return 12 // (x - 3)"),
    "in the condition of a comprehension": case(f"out = {{x: 1 for x in {FOUR} if f(x)}}", AGAIN, FIXED, AGAIN, setup="def f(x):\n    sys.audit('loops.probe', repr(x))\n    return 12 // (x - 3)"),
    "in the iterable of a comprehension": case(f"out = [f(x) for x in (6 // (3 - n) for n in {FOUR})]", Step("again", expect=NONE), setup="def f(x):\n    sys.audit('loops.probe', repr(x))\n    return x"),
    "the key of a dict comprehension": case("out = {f(x): 1 for x in [1, 2, 3]}", Step("again", expect=ANY), setup="def f(x):\n    sys.audit('loops.probe', repr(x))\n    return [x] if x == 3 else x"),
    "in the second of two loops": case(f"a, b = [], []\nfor x in {FOUR}:\n    PROBE\n    a.append(x)\nfor y in a:\n    sys.audit('loops.probe', f'second {{y}}')\n    b.append(12 // (y - 3))", Step("again", expect=("second 3",)), edit("fixed", (FOUR, "[1, 2, 4]"), expect=("second 4",))),
    "what is seen of the stack": case(f"import inspect, traceback\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append((len(inspect.stack()), traceback.extract_stack()[-1].lineno, sys._getframe().f_lineno, sys.exc_info()))", Step("again", expect=ANY), edit("an item added", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "the debugger's last error": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(12 // (x - 3))", AGAIN, FIXED, after="import sys\nlast = getattr(sys, 'last_value', None)\nwhere = []\ntb = last and last.__traceback__\nwhile tb:\n    where.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))\n    tb = tb.tb_next\ndel last, tb\nprint(where)"),
    "comment": raising("raise ValueError(x)", "", Step(COMMENT.name, post=COMMENT.post, expect=("3",)), AGAIN),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_loop_that_raises_leaves_what_a_plain_one_does(walk: Callable[[Case], Walked], name: str) -> None:
    if name == "recursion" and PRECISE:
        pytest.xfail("telling which function starts takes a frame of the stack: the limit is met one call earlier")
    walk(CASES[name]).judge()
