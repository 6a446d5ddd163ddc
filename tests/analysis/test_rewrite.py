"""Rewritten loops do what they did, also when some of their items are replayed."""

from __future__ import annotations

import ast
import contextlib
import random
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from loop_hooks import hook_name, lines, plain, run

from incnb.analysis.loops import loops_of
from incnb.analysis.rewrite import rewritten

SETUP = """
from collections import Counter, defaultdict, deque
xs = [3, 1, 4, 1, 5, 9, 2, 6]
words = ["pear", "fig", "apple", "fig", ""]
log = []
def say(x):
    log.append(x)
    return x
def inverse(x):
    return 1 / (x - 4)
out, seen, d, groups, counts, q, total = [], set(), {}, defaultdict(list), Counter(), deque(), 0
"""

BODIES = {
    "append": "for x in xs:\n    out.append(x * 2)",
    "several effects": "for x in xs:\n    out.append(x)\n    seen.add(x)\n    d[x] = x + 1\n    groups[x % 2].append(x)\n    counts[x] += 1\n    total += x\n    q.appendleft(x)",
    "bound names": "for x in xs:\n    y = x + 1\n    z, (w, *v) = y, (1, 2, 3)\n    out.append(y)",
    "conditional name": "for x in xs:\n    if x > 3:\n        last = x\n    else:\n        other = x",
    "continue": "for x in xs:\n    y = x\n    if x > 3:\n        continue\n    z = x\n    out.append(z)",
    "else": "for x in xs:\n    out.append(x)\nelse:\n    done = len(out)",
    "conditional effects": "for x in xs:\n    if x % 2:\n        out.append(x)\n    elif x > 4:\n        seen.add(x)\n    else:\n        d[x] = 0",
    "nested loops": "for x in xs:\n    for y in range(x):\n        if y == 3:\n            break\n        out.append((x, y))\n    else:\n        total += 1",
    "while": "for x in xs:\n    n = x\n    while n > 1:\n        n = n // 2\n        out.append(n)\n        half = n",
    "try": "for x in xs:\n    try:\n        y = inverse(x)\n        out.append(y)\n    except ZeroDivisionError as error:\n        q.append(str(error))\n    else:\n        good = x\n    finally:\n        total += 1",
    "with": "import contextlib\nfor x in xs:\n    with contextlib.suppress(ZeroDivisionError) as nothing:\n        y = inverse(x)\n        out.append(y)\n    with contextlib.nullcontext(x) as n:\n        d[x] = n",
    "walrus": "for x in xs:\n    if (half := x // 2) > 1 and (third := x // 3):\n        out.append((quarter := x / 4))\n    several = [inner := x + n for n in range(x - 2)]",
    "del": "for x in xs:\n    tmp = [x]\n    tmp.append(1)\n    out.append(tmp)\n    if x > 3:\n        gone = 1\n        del gone\n    else:\n        gone = 2\n    del tmp",
    "nested function": "for x in xs:\n    def twice(n):\n        x = n\n        return 2 * x\n    out.append(twice(x))",
    "target bound again": "for x in xs:\n    x = x + 1\n    if x > 4:\n        x += 1\n    out.append(x)",
    "target deleted": "for x in xs:\n    out.append(x)\n    del x",
    "nested targets": "for i, (a, *b) in enumerate(words[:4]):\n    d[a] = i, b",
    "match": "for x in xs:\n    match x:\n        case 1 | 2 as small:\n            out.append(small)\n        case big if big > 5:\n            seen.add(big)\n        case _:\n            d[x] = x",
    "import": "for x in xs:\n    if x > 4:\n        import math as m\n        out.append(m.sqrt(x))",
    "in if": "if xs:\n    for x in xs:\n        out.append(x)\nelse:\n    for x in xs:\n        q.append(x)",
    "in try": "try:\n    for x in xs:\n        out.append(inverse(x))\nexcept ZeroDivisionError:\n    failed = True",
    "raises": "for x in xs:\n    y = [\n        x,\n        inverse(x),\n    ]\n    out.append(\n        y)",
    "raises in an operand": "for x in xs:\n    d[say(x)] = (\n        inverse(x)\n    )",
    "order of operands": "for x in xs:\n    d[say(x)] = say(-x)\n    counts[say(x)] += say(2 * x)\n    groups[say(3)].append(say(x))\n    total += say(x)\n    out.insert(say(0), say(x))",
    "list": "a = [x * 2 for x in xs]",
    "conditions": "a = [y for x in xs if x > 1 if (y := x * 2) < 12]",
    "set": "a = {x % 3 for x in xs if x}",
    "dict": "a = {say(x): say(x + 1) for x in xs}",
    "in an iterable": "for n in [len(w) for w in words]:\n    out.append(n)",
    "in an expression": "a = sum([x for x in xs]) + len({x for x in xs}) if xs else [0 for x in xs]",
    "comprehension raises": "a = [\n    inverse(x)\n    for x in xs\n    if x\n]",
    "exception name": "error = 1\nfor x in xs:\n    try:\n        inverse(x)\n    except ZeroDivisionError as error:\n        message = str(error)",
    "keyed": "cfg = {x: {'lr': x} for x in xs}\nfor x in xs:\n    out.append(cfg[x]['lr'])",
    "annotated": "for x in xs:\n    y: int = x\n    if y > 2:\n        z: float = y / 2",
    "class": "for x in xs:\n    class Point:\n        size = 3\n    out.append(Point.size + x)",
}


@pytest.mark.parametrize("name", BODIES)
def test_rewritten_loops_do_what_they_did(name: str) -> None:
    source = BODIES[name]
    expected, raised = plain(source, setup=SETUP)
    found, known, error = run(source, setup=SETUP)
    assert [loop.why for loop in loops_of(ast.parse(source))] == [None] * len(loops_of(ast.parse(source)))
    assert same(found, expected)
    assert type(error) is type(raised) and str(error) == str(raised) and lines(error) == lines(raised)
    for share in (1.0, 0.3, 0.7):
        some = random.Random(str(share))
        found, _, error = run(source, known, lambda key: some.random() < share, setup=SETUP)  # noqa: B023
        assert same(found, expected, but={"log"})
        assert type(error) is type(raised) and str(error) == str(raised) and lines(error) == lines(raised)


def same(found: dict[str, object], expected: dict[str, object], but: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    assert found.keys() == expected.keys()
    for name in found.keys() - but:
        if type(found[name]).__name__ not in ("function", "type", "module"):
            assert repr(found[name]) == repr(expected[name]), name
    return True


def test_operands_are_evaluated_in_the_order_of_python() -> None:
    source = BODIES["order of operands"]
    assert run(source, setup=SETUP)[0]["log"] == plain(source, setup=SETUP)[0]["log"]


@pytest.mark.parametrize("name", BODIES)
def test_lines_are_run_in_the_same_order(name: str) -> None:
    """Line by line, a debugger goes where it went before."""
    source = BODIES[name]
    with traced() as expected:
        plain(source, setup=SETUP)
    with traced() as found:
        run(source, setup=SETUP)
    assert found == expected


@contextlib.contextmanager
def traced() -> Iterator[list[int]]:
    found: list[int] = []

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != "<cell>" or frame.f_code.co_name != "<module>":
            return None
        if event == "line" and found[-1:] != [frame.f_lineno]:
            found.append(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)


def test_an_unread_position_is_no_part_of_the_item() -> None:
    source = "for i, x in enumerate(xs):\n    out.append(x)"
    _, known, _ = run(source, setup=SETUP)
    asked: list[str] = []
    found, _, _ = run(source, known, lambda key: not asked.append(key), setup=SETUP + "xs.insert(0, 9)\n")  # type: ignore[func-returns-value]
    assert found["out"] == [9, 3, 1, 4, 1, 5, 9, 2, 6] and found["i"] == 8 and len(asked) == 9


def test_items_that_fail_leave_holes() -> None:
    source = "for x in xs:\n    y = inverse(x)\n    out.append(x)\nelse:\n    done = 1"
    found, known, error = run(source, setup=SETUP, holes=True)
    assert error is None and found["out"] == [3, 1, 1, 5, 9, 2, 6] and found["done"] == 1
    assert list(known[0]) == ["3", "1", "5", "9", "2", "6"]
    found, known, error = run("a = {x: inverse(x) for x in xs if 1 / (x - 9)}", setup=SETUP, holes=True)
    assert error is None and found["a"][9] and found["a"][4] == "hole: division by zero"
    assert list(known[0]) == ["3", "1", "5", "2", "6"]


def test_an_element_that_binds_names_is_not_guarded() -> None:
    found, _, error = run("a = [(y := x) for x in xs if (z := x) > 3]", setup=SETUP, holes=True)
    assert error is None and found["a"] == [4, 5, 9, 6] and (found["y"], found["z"]) == (6, 6)
    assert isinstance(run("a = [(y := inverse(x)) for x in xs]", setup=SETUP, holes=True)[2], ZeroDivisionError)


def test_an_interrupt_is_no_hole() -> None:
    source = "def stop(x):\n    raise KeyboardInterrupt\nfor x in xs:\n    stop(x)"
    with pytest.raises(KeyboardInterrupt):
        run(source, setup=SETUP, holes=True)


def test_loops_that_are_off_or_not_asked_for_stay_as_they_are() -> None:
    tree = ast.parse("for x in xs:\n    break\na = 1\nb = [x for x in xs]\nc = [x for x in xs]")
    loops = loops_of(tree)
    module = rewritten(tree, [loops[0], loops[2]], hook_name)
    assert all(one is two for one, two in zip(module.body[:3], tree.body[:3], strict=True))
    assert "__incnb_2.items" in ast.unparse(module) and "__incnb_1" not in ast.unparse(module)


def test_the_hook_may_be_any_expression() -> None:
    tree = ast.parse("for x in xs:\n    out.append(x)\n    if x: y = 1")
    module = rewritten(tree, loops_of(tree), lambda index: ast.parse(f"hooks['of'][{index}]", mode="eval").body)
    compile(module, "<cell>", "exec")
    assert ast.unparse(module) == (
        "for x in hooks['of'][0].items(xs):\n    out.append(hooks['of'][0].start(0, x))\n    hooks['of'][0].did(0)\n"
        "    if x:\n        y = 1\n        hooks['of'][0].bound('y')"
    )


REWRITTEN = {
    "for x in xs:\n    d[f(x)] = g(x)": "for x in L.items(xs):\n    d[L.more(0, f(x))] = L.start(0, g(x))\n    L.did(0)",
    "for x in xs:\n    d[x] += 1": "for x in L.items(xs):\n    d[L.start(0, x)] += L.more(0, 1)\n    L.did(0)",
    "for x in xs:\n    g[x].append(1)": "for x in L.items(xs):\n    g[L.start(0, x)].append(L.more(0, 1))\n    L.did(0)",
    "for x in xs:\n    n += x": "for x in L.items(xs):\n    n += L.start(0, x)\n    L.did(0)",
    "for x in xs:\n    if x:\n        del x": "for x in L.items(xs):\n    if x:\n        del x\n        L.unbound('x')",
    "for x in xs:\n    if x and (y := f(x)):\n        pass": "for x in L.items(xs):\n    if x and (y := L.saw('y', f(x))):\n        pass",
    "[f(x) for x in xs if x if y]": "[L.stored(0) if L.hit else L.start(0, f(x)) for x in L.items(xs) if (L.kept() if L.hit else L.keep(x and y))]",
    "{k: v for k, v in xs}": "{L.stored(0) if L.hit else L.start(0, k): L.stored(1) if L.hit else L.start(1, v) for k, v in L.items(xs)}",
}


@pytest.mark.parametrize("source", REWRITTEN)
def test_what_a_loop_asks_and_tells(source: str) -> None:
    tree = ast.parse(source)
    module = rewritten(tree, loops_of(tree), lambda index: ast.Name("L", ast.Load()))
    assert ast.unparse(module) == REWRITTEN[source]


def test_what_a_loop_with_holes_asks_and_tells() -> None:
    tree = ast.parse("for x in xs:\n    f(x)\n[x for x in xs if x]")
    module = rewritten(tree, loops_of(tree), lambda index: ast.Name("L", ast.Load()), holes=True)
    assert ast.unparse(module) == (
        "for x in L.items(xs):\n    try:\n        f(x)\n    except Exception:\n        L.failed()\n"
        "[L.stored(0) if L.hit else L.start(0, L.guarded(lambda: x)) for x in L.items(xs)"
        " if (L.kept() if L.hit else L.keep(L.guarded(lambda: x)))]"
    )
