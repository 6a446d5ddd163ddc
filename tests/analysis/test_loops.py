"""Which loops of a cell go item by item, what their items read, bind and change, and why others do not."""

from __future__ import annotations

import ast

import pytest

from incnb.analysis.loops import Loop, loops_of
from incnb.analysis.records import read_of


def loop(source: str) -> Loop:
    return loops_of(ast.parse(source))[0]


OFF = {
    "for x in xs:\n    if x:\n        break": "`break` (line 3): later items depend on it",
    "for x in xs:\n    for y in x:\n        pass\n    else:\n        break": "`break` (line 5): later items depend on it",
    "best = 0\nfor x in xs:\n    if x > best:\n        best = x": "`best` is read before the item binds it (line 3)",
    "for x in xs:\n    if x:\n        y = 1\n    print(y)": "`y` is read before the item binds it (line 4)",
    "for x in xs:\n    def f():\n        return y\n    print(f())\n    y = x": "`y` is read before the item binds it (line 2)",
    "for x in xs:\n    try:\n        y = f(x)\n    except ValueError:\n        pass\n    g(y)": "`y` is read before the item binds it (line 6)",
    "for x in xs:\n    if x:\n        tmp = []\n    tmp.append(x)": "`tmp` is read before the item binds it (line 4)",
    "for x in xs:\n    n += x\n    n = 2": "`n` is read before the item binds it (line 2)",
    "for x in xs:\n    out.append(len(out))": "`out` is used (line 2) and changed by the items (line 2)",
    "for x in xs:\n    if x not in seen:\n        seen.add(x)": "`seen` is used (line 2) and changed by the items (line 3)",
    "for x in xs:\n    total += x\n    print(total)": "`total` is used (line 3) and changed by the items (line 2)",
    "for x in xs:\n    d[x] = 1\n    f = lambda: d": "`d` is used (line 3) and changed by the items (line 2)",
    "for x in xs:\n    def f():\n        out.append(1)\n    out.append(x)": "`out` is used (line 3) and changed by the items (line 4)",
    "for x in xs:\n    d[x] = d.get(x)": "`d` is used (line 2) and changed by the items (line 2)",
    "for x in xs:\n    d[len(d)] = x": "`d` is used (line 2) and changed by the items (line 2)",
    "for x in xs:\n    d[x] = 1\n    del d[x]": "`d[x]` (line 3) is set in a way that cannot be replayed",
    "for x in out:\n    out.append(x)": "`out` is in what the loop runs over and changed by its items (line 2)",
    "for x in range(len(out)):\n    out.append(x)": "`out` is in what the loop runs over and changed by its items (line 2)",
    "for x in f(y):\n    y = x": "`y` is in what the loop runs over and changed by its items (line 1)",
    "for x in map(lambda n: n + x, xs):\n    print(x)": "`x` is read lazily by what the loop runs over (line 1)",
    "for x in xs:\n    x.name = 1": "an attribute of something is set: `x.name` (line 2)",
    "for x in xs:\n    del x.name": "an attribute of something is set: `x.name` (line 2)",
    "for x in xs:\n    x['a'] = 1": "`x['a']` (line 2) changes the item itself",
    "for x in xs:\n    x.append(1)": "`x.append(1)` (line 2) changes the item itself",
    "for x in xs:\n    a, d[x] = 1, 2": "`d[x]` (line 2) is set in a way that cannot be replayed",
    "for x in xs:\n    d[x][1] = 1": "`d[x][1]` (line 2) is set in a way that cannot be replayed",
    "for x in xs:\n    a.b[x] = 1": "`a.b[x]` (line 2) is set in a way that cannot be replayed",
    "for x in xs:\n    with open(x) as d[x]:\n        pass": "`d[x]` (line 2) is set in a way that cannot be replayed",
    "for x in xs:\n    out.extend(*x)": "`out.extend(*x)` (line 2) changes something outside with arguments that have no fixed places",
    "for x in xs:\n    d.update(a=x)": "`d.update(a=x)` (line 2) changes something outside with arguments that have no fixed places",
    "for x in xs:\n    def f():\n        global n\n        n = x\n    f()": "`global n` (line 3): a function in the loop binds names outside of it",
    "for x in xs:\n    global n\n    n = x": "`global n` (line 2): a function in the loop binds names outside of it",
    "for x in xs:\n    from math import *": "`from math import *` (line 2) may bind any name",
    "for x in xs:\n    del y": "`del y`: the item has not bound it",
    "for x in xs:\n    await f(x)": "`await` (line 2): other code may run within an item",
    "for x in xs:\n    y = [z async for z in x]": "`await` (line 2): other code may run within an item",
    "async for x in xs:\n    print(x)": "`async for` (line 1): other code may run between items",
    "[x async for x in xs]": "`async for` (line 1): other code may run between items",
    "[x for y in xs for x in y]": "the comprehension in line 1 has more than one `for`",
    "[n := n + x for x in xs]": "`n` is read before the item binds it (line 1)",
    "for x.y in xs:\n    pass": "`x.y` (line 1), where the loop stores its items, is not a name",
    "for d['k'] in xs:\n    pass": "`d['k']` (line 1), where the loop stores its items, is not a name",
    "for x in xs:\n    __incnb_0 = 1": "`__incnb_0` (line 2) is not the cell's own name",
    "for x in xs:\n    print((out := x))\n    out.append(1)\n    y = out\n    (total := total + 1)": "`total` is read before the item binds it (line 5)",
    "for x in xs:\n    try:\n        d[x].append(f(x))\n    except ValueError:\n        pass": "`d[x].append(f(x))` (line 3) may leave a new key behind when its value fails and the item goes on",
    "for x in xs:\n    try:\n        out.extend(f(x))\n    except ValueError:\n        pass": "`out.extend(f(x))` (line 3) may fail half way and the item goes on",
    "for x in xs:\n    with quiet():\n        out.extend(f(x))": "`out.extend(f(x))` (line 3) may fail half way and the item goes on",
    "for x in xs:\n    try:\n        a = b, c = f(x)\n    except ValueError:\n        pass": "`a = b, c = f(x)` (line 3) may fail half way and the item goes on",
    "for x in xs:\n    try:\n        f(x)\n    finally:\n        continue": "`continue` in `finally` (line 5) drops what was raised",
    "for x in xs:\n    try:\n        f(x)\n    except ValueError as e:\n        e = 1": "`e` is bound again in its own `except` (line 4)",
    "for x in xs:\n    y = lambda n: (m := n)": "`lambda n: (m := n)` (line 2) binds names of its own",
    "for x in xs:\n    y = df.query('a > @z')\n    z = x": "`z` may be read through a string (line 2)",
    "for x in xs:\n    y = df.query('a in @out')\n    out.append(x)": "`out` may be read through a string (line 2)",
    "for x in xs:\n    with quiet() as a, open(x) as b:\n        pass": "`with quiet() as a, open(x) as b: pass` (line 2) may fail half way and the item goes on",
    "for x in xs:\n    with quiet() as (a, (b, c)):\n        pass": "`with quiet() as (a, (b, c)): pass` (line 2) may fail half way and the item goes on",
    "for x in xs:\n    try:\n        import a, b\n    except ImportError:\n        pass": "`import a, b` (line 3) may fail half way and the item goes on",
    "for x in xs:\n    try:\n        y = z = 1\n        del y, z\n    except NameError:\n        pass": "`y = z = 1` (line 3) may fail half way and the item goes on",
    "[lambda: x for x in xs]": "`lambda: x` (line 1) outlives its item and sees the names of later ones",
    "{x: (1, (x for y in x)) for x in xs}": "`(x for y in x)` (line 1) outlives its item and sees the names of later ones",
    "for x in xs:\n    match x:\n        case [y]:\n            pass\n    print(y)": "`y` is read before the item binds it (line 5)",
}


@pytest.mark.parametrize("source", OFF)
def test_items_are_off_for_a_reason_that_names_the_line(source: str) -> None:
    assert loop(source).why == OFF[source]


ON = [
    "for x in xs:\n    tmp = {}\n    tmp[x] = 1\n    tmp['a'].append(2)\n    del tmp[x]",
    "for x in xs:\n    for y in x:\n        if y:\n            break",
    "for x in xs:\n    while x:\n        x -= 1\n        break",
    "for x in xs:\n    async def f():\n        await x",
    "for x in xs:\n    def f(out):\n        nonlocal_ = out\n        def g():\n            nonlocal nonlocal_\n            nonlocal_ = 1",
    "for x in (x for x in xs):\n    print(x)",
    "for x in x.split():\n    print(x)",
    "for x in xs:\n    n = 0\n    n += x\n    print(n)",
    "for x in xs:\n    try:\n        d[x] = f(x)\n    except ValueError as e:\n        errors.append(str(e))",
    "for x in xs:\n    try:\n        counts['good'] += 1\n    except KeyError:\n        pass",
    "for x in xs:\n    with open(x) as f:\n        text = f.read()\n    out.append(text)",
    "for x in xs:\n    bar.update(1, 2, 3, 4, 5, 6, 7, 8, 9, 0)",
    "for x in xs:\n    writer.add(x, 1)",
    "for x in xs:\n    self.parts.append(x)",
    "for a, *b in xs:\n    print(a)",
]


@pytest.mark.parametrize("source", ON)
def test_items_stand_for_themselves(source: str) -> None:
    assert loop(source).why is None


def test_loops_are_those_that_run_at_most_once_in_textual_order() -> None:
    source = """
a = [f(x) for x in [g(y) for y in ys]]
def f():
    return [x for x in xs]
for x in {x for x in xs}:
    b = [x for x in xs]
else:
    c = {x: 1 for x in xs}
while [x for x in xs]:
    for x in xs: pass
else:
    for z in zs: pass
if a:
    with b:
        try:
            for x in xs: break
        finally:
            [x for x in xs]
lambda: [x for x in xs]
sum(x for x in [y for y in ys])
[[x for x in y] for y in ys]
class C:
    for x in xs: pass
"""
    found = loops_of(ast.parse(source))
    assert [(each.index, each.kind, each.line) for each in found] == [
        (0, "list", 2), (1, "list", 2), (2, "for", 5), (3, "set", 5), (4, "dict", 8), (5, "for", 12), (6, "for", 16),
        (7, "list", 18), (8, "list", 21),
    ]  # fmt: skip


def test_code_is_that_of_target_and_body() -> None:
    one = loop("for x in xs:\n    out.append(x)")
    assert one.code == loop("y = 1\nfor  x in f(ys):  # other\n\n    out.append( x )\nelse:\n    z = 1").code
    assert len(one.code) == 32
    for other in ["for y in xs:\n    out.append(x)", "for x in xs:\n    out.append(y)", "[out.append(x) for x in xs]"]:
        assert loop(other).code != one.code
    assert loop("[x for x in xs]").code != loop("{x for x in xs}").code
    assert loop("[x for x in xs if x if y]").code != loop("[y for x in xs if x]").code
    assert loop("[x for x in a if x]").code == loop("[x for x in b if x]").code


def test_names_of_the_target() -> None:
    assert loop("for x in xs: pass").flat is None
    one = loop("for i, (a, *b) in xs: pass")
    assert one.names == ("i", "a", "b") and one.flat is None
    two = loop("for i, x, j, k, _ in xs:\n    f(x, f'{j}')\n    def f(): return k")
    assert two.flat == ("i", "x", "j", "k", "_") and two.unread == {0, 4}
    assert loop("for i, x in xs:\n    i = 1").unread == {1}
    assert loop("for i, x in xs:\n    df.query('a > @i')").unread == {1}
    assert loop("[i for i, x in xs]").unread == {1}


def test_names_that_every_item_binds_and_those_that_some_do() -> None:
    one = loop(
        "for x in xs:\n    a = 1\n    if a:\n        b = c = 2\n    else:\n        b = 3\n    import os\n    if b: continue\n    d = 1\n    try:\n        pass\n    except E as e:\n        pass\n    g = 1\n    del g"
    )
    assert one.sure == {"a", "b", "os"} and one.maybe == {"c", "d", "e", "g"}
    assert loop("[(y := x) for x in xs if (z := x)]").maybe == {"y", "z"}
    assert loop("for x in xs:\n    y = [(z := n) for n in x]").maybe == {"z"}


def test_effects_tell_their_operands_in_the_order_of_evaluation() -> None:
    one = loop(
        "for x in xs:\n    out.append(a)\n    d[k] = v\n    d[k] -= v\n    g[k].append(v)\n    n += 1\n    if x: out.insert(0, x)\n    if n2: continue\n    s.add(x)\n    d.setdefault(k, [])\n    d.pop(k, None)"
    )
    found = [(e.op, e.target, e.keyed, e.operator, e.operands, e.key_at, e.line, e.sure) for e in one.effects]
    assert found == [
        ("append", "out", False, "", 1, -1, 2, True),
        ("setitem", "d", True, "", 2, 1, 3, True),
        ("aug", "d", True, "Sub", 2, 0, 4, True),
        ("append", "g", True, "", 2, 0, 5, True),
        ("aug", "n", False, "Add", 1, -1, 6, True),
        ("insert", "out", False, "", 2, -1, 7, False),
        ("add", "s", False, "", 1, -1, 9, False),
        ("setdefault", "d", False, "", 2, -1, 10, False),
        ("pop", "d", False, "", 2, -1, 11, False),
    ]
    assert one.accumulators == {"out", "d", "g", "n", "s"}
    assert one.effects[3].text == "g[k].append(v)"
    assert ast.unparse(one.residual).splitlines()[:5] == ["x = None", "(a,)", "(v, k)", "(k, v)", "(k, v)"]


def test_the_text_of_an_effect_is_short() -> None:
    assert len(loop(f"for x in xs:\n    out.append('{'a' * 100}')").effects[0].text) == 80


def test_a_change_whose_failure_would_be_caught_is_told() -> None:
    one = loop(
        "for x in xs:\n    try:\n        d[x] = 1\n    except E:\n        out.append(x)\n    else:\n        n += 1"
    )
    assert [e.caught for e in one.effects] == [True, False, False]
    assert loop("for x in xs:\n    with quiet():\n        out.append(x)").effects[0].caught
    assert not loop("for x in xs:\n    with open(x):\n        out.append(x)").effects[0].caught


KEYED = {
    "cfg[x]": ("cfg", "x"),
    "cfg[x].lr + cfg[x]['k'][0]": ("cfg", "x.lr + x['k'][0]"),
    "cfg['sites'][x] + cfg['lr']": ("cfg['sites']", "x + cfg['lr']"),
    "a.b[x](1)": ("a.b", "x(1)"),
    "[cfg[x] for y in ys]": ("cfg", "[x for y in ys]"),
    "cfg[x] + len(cfg)": None,
    "cfg[x] + cfg['lr']": None,
    "cfg.get(x) + cfg[x]": None,
    "cfg[x] + cfg[y]": None,
    "cfg[x] + cfg['a'][x]": None,
    "(lambda: cfg[x])()": None,
    "list(cfg[x] for y in ys)": None,
    "[cfg[x] for x in ys]": None,
    "[cfg[x] for cfg in ys]": None,
    "x[x]": None,
    "df.query('a') + cfg[x]": None,
}


@pytest.mark.parametrize("expression", KEYED)
def test_reads_at_the_key_of_the_item(expression: str) -> None:
    one = loop(f"for x in xs:\n    z = {expression}")
    expected = KEYED[expression]
    if expected is None:
        assert (
            one.keyed_reads == () and ast.unparse(one.residual) == f"x = None\nz = {ast.unparse(ast.parse(expression))}"
        )
        return
    base = read_of(ast.parse(expected[0], mode="eval").body)
    assert base is not None
    assert [(read.place, name) for read, name in one.keyed_reads] == [(base.place, "x")]
    assert ast.unparse(one.residual) == f"x = None\nz = {expected[1]}"


def test_no_read_at_a_key_that_the_item_changes() -> None:
    assert loop("for x in xs:\n    z = cfg[x]\n    x = 1").keyed_reads == ()
    assert loop("for x in xs:\n    z = cfg[x]\n    cfg = 1").keyed_reads == ()
    assert loop("for x in xs:\n    cfg[x] += 1").keyed_reads == ()
