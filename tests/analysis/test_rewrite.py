"""Rewritten loops do what they did, also when some of their items are replayed."""

from __future__ import annotations

import ast

import pytest
from loop_hooks import lines, plain, run

from incnb.analysis.loops import loops_of

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
    for reuse in (lambda at: True, lambda at: at % 2 == 0, lambda at: at % 3 == 1, lambda at: at < 3):
        found, _, error = run(source, known, reuse, setup=SETUP)
        assert same(found, expected, but={"log"})
        assert type(error) is type(raised) and str(error) == str(raised) and lines(error) == lines(raised)


def same(found: dict[str, object], expected: dict[str, object], but: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    assert found.keys() == expected.keys()
    for name in found.keys() - but:
        if type(found[name]).__name__ not in ("function", "type", "module"):
            assert repr(found[name]) == repr(expected[name]), name
    return True
