"""Loops whose items do not depend on each other: only those that are new, or whose own reads changed, may execute."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from loop_states import (
    ALL,
    ANY,
    BACK,
    COMMENT,
    FOUR,
    FULL,
    NONE,
    POST,
    PRECISE,
    RESTART,
    SHORT,
    Case,
    as_one_unit,
    case,
    edit,
    env,
    file,
)

F = "def f(x):\n    return x * 10"
NP, PD = "import numpy as np", "import pandas as pd"
FACTOR = edit("the helper edited", ("x * 10", "x * 11"), expect=ALL)


def effect(start: str, body: str, *more: str, end: str = "", calls: Any = ALL) -> Case:
    """A loop over four numbers that does `body`; the collection stands in the header. `calls`: which items call f."""
    return four(FOUR, (*more, F), start, body, end, calls)


def variable(start: str, body: str, *more: str, end: str = "", calls: Any = ALL) -> Case:
    """The same, the collection being made in a cell before."""
    return four("items", (*more, F, f"items = {FOUR}"), start, body, end, calls)


def four(items: str, setup: tuple[str, ...], start: str, body: str, end: str, calls: Any) -> Case:
    lines = "\n".join("    " + line for line in body.splitlines())
    loop = "\n".join(filter(None, [start, f"for x in {items}:\n    PROBE\n{lines}", end]))
    if not re.search(r"\bf\b", body):
        calls = NONE
    elif not PRECISE:
        calls = ALL
    return case(loop, *SHORT[:-1], replace(FACTOR, expect=calls), BACK, setup=setup)


EFFECTS = {
    "append": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(f(x))", *FULL[:-1], FACTOR, BACK, setup=F),
    "append, a collection from before": case("out = []\nfor x in items:\n    PROBE\n    out.append(f(x))\nout", *FULL[:-1], FACTOR, BACK, setup=(F, f"items = {FOUR}")),
    "append to a list of a cell before": variable("", "out.append(f(x))", "out = ['first']"),
    "append twice": effect("out = []", "out.append(x)\nout.append(f(x))"),
    "append to two lists": effect("a, b = [], []", "v = [f(x)]\na.append(v)\nb.append(v)"),
    "append under a condition": effect("out = []", "if x % 2:\n    out.append(f(x))", calls=("1", "3")),
    "append a tuple": variable("out = []", "out.append((x, f(x)))"),
    "extend": effect("out = []", "out.extend([x, f(x)])"),
    "extend with a generator": as_one_unit(variable("out = []", "out.extend(f(x) + n for n in range(2))")),
    "list += list": effect("out = []", "out += [x, f(x)]"),
    "set.add": variable("s = set()", "s.add(f(x) % 3)"),
    "set.update": effect("s = set()", "s.update([x, f(x)])"),
    "set.discard": effect("s = set(range(30))", "s.discard(f(x))"),
    "d[k] = v": variable("d = {}", "d[x] = f(x)"),
    "d[k] = v with equal keys": effect("d = {}", "d[x % 2] = f(x)"),
    "d[k] = v over what is there": variable("", "d[x] = f(x)", "d = {4: 'old', 9: 'old', 'k': 'old'}"),
    "d.update": effect("d = {}", "d.update({x: f(x), 'last': x})"),
    "d.update with keywords": as_one_unit(variable("d = {}", "d.update(last=f(x))")),
    "d.setdefault": effect("d = {}", "d.setdefault(x % 3, f(x))"),
    "d.setdefault of a list": variable("d = {}", "d.setdefault(x % 3, []).append(f(x))"),
    "a list of dicts": effect("rows = []", "rows.append({'x': x, 'y': f(x), 'z': [x]})"),
    "a list of dicts made into a frame": variable("rows = []", "rows.append({'x': x, 'y': f(x)})", PD, end="df = pd.DataFrame(rows)\ndf"),
    "a[i] = v": effect("a = np.zeros(12)", "a[x] = f(x)", NP),
    "a[i, :] = v": variable("a = np.zeros((12, 3), dtype=int)", "a[x, :] = np.arange(3) * f(x)", NP),
    "a[i][j] = v": as_one_unit(effect("m = [[0] * 3 for _ in range(12)]", "m[x][x % 3] = f(x)")),
    "total += int": variable("total = 0", "total += f(x)", end="total"),
    "total += float": effect("total = 0.1", "total += f(x) / 7", end="total"),
    "total -= float": effect("total = 0.1", "total -= f(x) / 7"),
    "total *= int": variable("total = 1", "total *= f(x) + 1"),
    "text += str": effect("text = ''", "text += f'{f(x)},'"),
    "tuple += tuple": variable("t = ()", "t += (f(x),)"),
    "list += list, aliased before": effect("out = []\nsame = out", "out += [f(x)]"),
    "array += array": effect("a = np.zeros(3)\nsame = a", "a += np.ones(3) * f(x) / 7", NP),
    "series += series": variable("s = pd.Series([0.0, 1.0])", "s += pd.Series([f(x), x]) / 7", PD),
    "total += of a numpy number": effect("total = 0", "total += np.float32(f(x)) / 7", NP),
    "two totals": variable("n = 0\ntotal = 0.0", "n += 1\ntotal += f(x) / 3"),
    "counts[k] += 1": effect("counts = {0: 0, 1: 0, 2: 5}", "counts[x % 3] += f(x)"),
    "counts[k] += 1 on a defaultdict": variable("counts = defaultdict(int)", "counts[x % 3] += f(x)", "from collections import defaultdict"),
    "counts[k] += 1 on a Counter": effect("counts = Counter()", "counts[x % 3] += f(x)", "from collections import Counter"),
    "groups[k].append on a defaultdict": variable("groups = defaultdict(list)", "groups[x % 3].append(f(x))", "from collections import defaultdict"),
    "groups[k].append on a dict": effect("groups = {0: [], 1: [], 2: []}", "groups[x % 3].append(f(x))"),
    "groups[k].add on a defaultdict": effect("groups = defaultdict(set)", "groups[x % 2].add(f(x))", "from collections import defaultdict"),
    "a name bound by every item": effect("", "y = f(x)\nz = [y]"),
    "a name bound under a condition": variable("odd = None", "if x % 2:\n    odd = [f(x)]", calls=("1", "3")),
    "a name bound only under a condition": effect("", "if x > 3:\n    big = f(x)", calls=("4",)),
    "a name bound after continue": effect("last = None", "if x % 2:\n    continue\nlast = [f(x)]", calls=("2", "4")),
    "a name bound in try": variable("bad = None", "try:\n    y = 10 / (x - 2)\nexcept ZeroDivisionError as error:\n    bad = str(error)\n    y = f(x)", calls=("2",)),
    "a name deleted by every item": effect("out = []", "tmp = f(x)\nout.append(tmp)\ndel tmp"),
    "a name bound by a walrus": effect("out = []", "if (y := f(x)) > 15:\n    out.append(y)"),
    "tuple of names bound": variable("", "lo, hi = x, f(x)"),
    "the loop variable after the loop": effect("", "f(x)", end="after = x"),
    "for-else": effect("out = []", "out.append(f(x))", end="else:\n    done = len(out)"),
    "continue": variable("out = []", "if x == 2:\n    continue\nout.append(f(x))", calls=("1", "3", "4")),
    "try inside": effect("out, bad = [], []", "try:\n    out.append(10 / (x - 2))\nexcept ZeroDivisionError as e:\n    bad.append(str(e))\nfinally:\n    out.append(x)"),
    "an append whose operand raises": effect("out = []", "try:\n    out.append(10 / (x - 2))\nexcept ZeroDivisionError:\n    out.append(None)"),
    "nested loops": effect("out = []", "for n in range(3):\n    for m in 'ab':\n        out.append((x, n, m))"),
    "a nested while": variable("out = []", "n = x\nwhile n > 0:\n    n -= 2\n    out.append(n)"),
    "a nested loop with break": as_one_unit(effect("out = []", "for n in range(9):\n    if n == x:\n        break\nout.append(n)")),
    "with inside": variable("out = []", "with contextlib.suppress(ZeroDivisionError):\n    out.append(1 / (x - 2))", "import contextlib"),
    "a comprehension inside": effect("out = []", "out.append([f(n) for n in range(x) if n % 2])", calls=("2", "3", "4")),
    "a function defined inside": effect("out = []", "def g(n):\n    return n + x\nout.append(g(1))"),
    "prints": variable("out = []", "print('item', x)\nout.append(f(x))", end="print('end', out)"),
    "prints of some items": effect("out = []\nprint('start')", "if x % 2:\n    print('odd', x)\nout.append(f(x))", end="print('end')"),
    "prints without an end of line, and to stderr": effect("", "print(x, end=' ')\nprint('!', x, file=sys.stderr)"),
    "displays": effect("out = []", "print('before', x)\ndisplay({'x': x})\nout.append(f(x))", end="out", ),
    "displays of frames": variable("", "df = pd.DataFrame({'x': [x]})\ndisplay(df)", PD),
    "an object appended twice by one item": effect("out = []", "v = [f(x)]\nout.append(v)\nout.append(v)\nv.append(1)"),
    "append, then fill": variable("out = []", "v = []\nout.append(v)\nv.append(f(x))"),
    "an object of outside appended": variable("out = []", "out.append(LIMITS)\nout.append((x, LIMITS))", "LIMITS = [1, 2]"),
    "many kinds of results": effect("out = []", "out.append((None, True, 1.5, 2j, 'ä', b'x', {x}, frozenset({x}), range(x), {'k': [x]}, np.arange(x), pd.Timestamp(0)))", NP, PD),
    "frames appended": variable("out = []", "out.append(pd.DataFrame({'a': [x, f(x)]}))", PD, end="df = pd.concat(out, ignore_index=True)"),
    "a result that is a function": effect("out = []", "out.append(f)"),
    "a result that is a class and a module": effect("out = []", "out.append((int, pd, pd.DataFrame))", PD),
    "nothing": effect("", "pass"),
    "an expression": variable("", "f(x)"),
    "an import inside": effect("out = []", "import math\nout.append(math.sqrt(x))"),
    "assert": effect("out = []", "assert x >= 0, 'small'\nout.append(f(x))"),
    "match": variable("out = []", "match x:\n    case 1 | 2:\n        out.append('small')\n    case n if n > 3:\n        out.append(n)\n    case _:\n        pass"),
    "await inside": as_one_unit(effect("out = []", "out.append(await asyncio.sleep(0, f(x)))", "import asyncio")),
    "two kinds of effects, in order": effect("out, d, n = [], {}, 0", "d[x] = n0 = f(x)\nout.append(n0)\nn += n0\ny = n0"),
    "lists in a dict": variable("d = {'a': [], 'b': []}", "d['a'].append(x)\nd['b'].append(f(x))"),
}  # fmt: skip

TWO = "[('a', 1), ('b', 2)]"
LETTERS = "['a', 'b', 'c']"
ITERABLES = {
    "tuple targets": case(f"out = []\nfor k, v in {TWO}:\n    sys.audit('loops.probe', k)\n    out.append((k, v))", RESTART, edit("added", (TWO, "[('z', 0), ('a', 1), ('b', 2)]"), expect=("z",)), edit("a value changed", ("('b', 2)", "('b', 3)"), expect=("b",)), edit("lists", (TWO, "[['a', 1], ['b', 2]]"), expect=ANY), BACK),
    "nested tuple targets": case("out = []\nfor (a, b), *c in [((1, 2), 3), ((4, 5), 6, 7)]:\n    sys.audit('loops.probe', str(a))\n    out.append((a, b, c))", RESTART, edit("one changed", ("6, 7", "6, 8"), expect=("4",)), BACK),
    "enumerate, its index read": case(f"out = []\nfor i, x in enumerate({FOUR}):\n    PROBE\n    out.append((i, x))", RESTART, edit("at the end", (FOUR, "[1, 2, 3, 4, 5]"), expect=("5",)), edit("in front", (FOUR, "[0, 1, 2, 3, 4]"), expect=ALL), BACK),
    "enumerate, its index not read": case(f"out = []\nfor i, x in enumerate({FOUR}):\n    PROBE\n    out.append(x)", RESTART, edit("at the end", (FOUR, "[1, 2, 3, 4, 5]"), expect=("5",)), edit("in front", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), edit("from another start", (f"({FOUR})", f"({FOUR}, 1)"), expect=NONE), BACK),
    "enumerate, its index read after the loop": case(f"out = []\nfor i, x in enumerate({FOUR}):\n    PROBE\n    out.append(x)\nlast = i", RESTART, edit("at the end", (FOUR, "[1, 2, 3, 4, 5]"), expect=ANY), edit("in front", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), BACK),
    "zip": case(f"out = []\nfor x, y in zip({FOUR}, 'abcd'):\n    PROBE\n    out.append(y * x)", RESTART, edit("a pair changed", ("'abcd'", "'abxd'"), expect=("3",)), edit("shorter", ("'abcd'", "'ab'"), expect=NONE), BACK),
    "range": case("out = []\nfor x in range(4):\n    PROBE\n    out.append(x * x)", RESTART, edit("longer", ("range(4)", "range(6)")), edit("elsewhere", ("range(4)", "range(2, 8)")), edit("backwards", ("range(4)", "range(3, -1, -1)"), expect=NONE), BACK),
    "keys of a dict": case("out = []\nfor x in d:\n    PROBE\n    out.append(x)", RESTART, edit("a key added", ("'b': 2", "'b': 2, 'c': 3")), edit("a value changed", ("'b': 2", "'b': 5"), expect=NONE), BACK, setup="d = {'a': 1, 'b': 2}"),
    "values of a dict": case("out = []\nfor x in d.values():\n    PROBE\n    out.append(x)", RESTART, edit("a key added", ("'b': 2", "'b': 2, 'c': 3")), edit("a value changed", ("'b': 2", "'b': 5")), BACK, setup="d = {'a': 1, 'b': 2}"),
    "items of a dict": case("out = {}\nfor x in d.items():\n    PROBE\n    k, v = x\n    out[v] = k", RESTART, edit("a key added", ("'b': 2", "'b': 2, 'c': 3")), edit("a value changed", ("'b': 2", "'b': 5")), edit("another order", ("'a': 1, 'b': 2", "'b': 2, 'a': 1"), expect=NONE), BACK, setup="d = {'a': 1, 'b': 2}"),
    "keys of the dict that the body reads": case("out = []\nfor x in d:\n    PROBE\n    out.append(d[x] * 2)", RESTART, edit("a key added", ("'b': 2", "'b': 2, 'c': 3"), expect=("'c'",)), edit("a value changed", ("'b': 2", "'b': 5"), expect=("'b'",)), BACK, setup="d = {'a': 1, 'b': 2}"),
    "a generator function": case("out = []\nfor x in gen(4):\n    PROBE\n    out.append(x)", RESTART, edit("more", ("gen(4)", "gen(6)")), edit("the generator edited", ("yield n", "yield n + 2")), BACK, setup="def gen(n0):\n    for n in range(n0):\n        yield n"),
    "a generator that prints": case("out = []\nfor x in gen(4):\n    PROBE\n    print('body', x)", RESTART, edit("more", ("gen(4)", "gen(6)")), BACK, setup="def gen(n0):\n    for n in range(n0):\n        print('making', n)\n        yield n"),
    "map": case(f"out = []\nfor x in map(f, {FOUR}):\n    PROBE\n    out.append(x)", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), edit("the function edited", ("x * 10", "x * 20"), expect=("60", "80")), BACK, setup=F),
    "filter": case(f"out = []\nfor x in filter(lambda n: n > 1, {FOUR}):\n    PROBE\n    out.append(x)", RESTART, edit("less strict", ("n > 1", "n > 0")), BACK),
    "sorted, reversed, chained": case(f"import itertools\nout = []\nfor x in itertools.chain(reversed({FOUR}), sorted([7, 6])):\n    PROBE\n    out.append(x)", RESTART, edit("more", (FOUR, "[1, 2, 3, 4, 5]")), BACK),
    "a set of strings": case("out = set()\nfor x in {'a', 'b', 'c', 'dd'}:\n    PROBE\n    out.add(x * 2)\ndel x", RESTART, edit("more", ("'dd'", "'dd', 'e'")), BACK),
    "a string": case("out = []\nfor x in 'abc':\n    PROBE\n    out.append(ord(x))", RESTART, edit("more", ("'abc'", "'xabc'")), BACK),
    "lines of a file": case("out = []\nfor x in open('lines.txt'):\n    PROBE\n    out.append(x.strip())", RESTART, file("a line added", "lines.txt", "one\ntwo\nthree\nfour\n"), file("a line changed", "lines.txt", "one\n2\nthree\n"), BACK, files={"lines.txt": "one\ntwo\nthree\n"}),
    "lines of a text": case("from pathlib import Path\nout = []\nfor x in Path('lines.txt').read_text().splitlines():\n    PROBE\n    out.append(len(x))", RESTART, file("a line added", "lines.txt", "one\ntwo\nthree\nfour\n"), BACK, files={"lines.txt": "one\ntwo\nthree\n"}),
    "rows of a csv file": case("import csv\nout = []\nwith open('t.csv') as file:\n    rows = list(csv.DictReader(file))\nfor x in rows:\n    sys.audit('loops.probe', x['a'])\n    out.append(int(x['a']) + int(x['b']))", RESTART, file("a row added", "t.csv", "a,b\n1,2\n3,4\n5,6\n"), file("a row changed", "t.csv", "a,b\n1,2\n3,7\n", expect=("3",)), BACK, files={"t.csv": "a,b\n1,2\n3,4\n"}),
    "iterrows": case("out = []\nfor i, row in df.iterrows():\n    sys.audit('loops.probe', str(row['a']))\n    out.append(row['a'] * row['b'])", RESTART, edit("a row added", ("[1, 2]", "[1, 2, 9]"), ("[3, 4]", "[3, 4, 9]")), edit("a row changed", ("[3, 4]", "[3, 5]"), expect=("2",)), BACK, setup=(PD, "df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})")),
    "itertuples": case("out = []\nfor x in df.itertuples(index=False):\n    sys.audit('loops.probe', str(x.a))\n    out.append(x.a * x.b)", RESTART, edit("a row added", ("[1, 2]", "[1, 2, 9]"), ("[3, 4]", "[3, 4, 9]")), edit("a row changed", ("[3, 4]", "[3, 5]"), expect=("2",)), BACK, setup=(PD, "df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})")),
    "groupby": case("out = {}\nfor key, part in df.groupby('k'):\n    sys.audit('loops.probe', key)\n    out[key] = part['v'].sum()", RESTART, edit("a group added", ("'yy'", "'yyz'"), ("2, 3, 4]", "2, 3, 4, 5]")), edit("a value changed", ("3, 4]", "3, 40]"), expect=("y",)), BACK, setup=(PD, "df = pd.DataFrame({'k': list('xx' 'yy'), 'v': [1, 2, 3, 4]})")),
    "columns": case("out = {}\nfor c in df.columns:\n    sys.audit('loops.probe', c)\n    out[c] = df[c].mean()", RESTART, edit("a column added", ("'b': [3, 4]", "'b': [3, 4], 'c': [5, 6]"), expect=("c",)), edit("a column changed", ("[3, 4]", "[3, 5]"), expect=("b",)), BACK, setup=(PD, "df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})")),
    "items of a frame": case("out = {}\nfor c, s in df.items():\n    sys.audit('loops.probe', c)\n    out[c] = s.mean()", RESTART, edit("a column changed", ("[3, 4]", "[3, 5]"), expect=("b",)), BACK, setup=(PD, "df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})")),
    "rows of an array": case("out = []\nfor row in np.array([[1, 2], [3, 4]]):\n    sys.audit('loops.probe', str(row[0]))\n    out.append(row.sum())", RESTART, edit("a row added", ("[3, 4]]", "[3, 4], [5, 6]]")), edit("a row changed", ("[3, 4]]", "[3, 5]]"), expect=("3",)), BACK, setup=NP),
    "numbers of an array": case("out = []\nfor x in np.arange(4):\n    PROBE\n    out.append(x * 2)", RESTART, edit("more", ("arange(4)", "arange(6)")), edit("another type", ("arange(4)", "arange(4.0)"), expect=ALL), BACK, setup=NP),
    "a series": case("out = []\nfor x in pd.Series([1, 2]):\n    PROBE\n    out.append(x)", RESTART, edit("more", ("[1, 2]", "[1, 2, 3]")), BACK, setup=PD),
    "paths of a folder": case("from pathlib import Path\nout = {}\nfor x in sorted(Path('d').glob('*.txt')):\n    sys.audit('loops.probe', x.name)\n    out[x.name] = x.read_text()", RESTART, file("a file added", "d/c.txt", "3"), file("a file changed", "d/b.txt", "20", expect=("b.txt",)), BACK, files={"d/a.txt": "1", "d/b.txt": "2"}),
    "tqdm": case(f"out = []\nfor x in tqdm({FOUR}, disable=True):\n    PROBE\n    out.append(x)", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]")), BACK, setup="from tqdm import tqdm"),
    "an object with __iter__": case("out = []\nfor x in Box(4):\n    PROBE\n    out.append(x)", RESTART, edit("more", ("Box(4)", "Box(6)")), BACK, setup="class Box:\n    def __init__(self, n):\n        self.n = n\n    def __iter__(self):\n        return iter(range(self.n))"),
    "dicts": case("out = []\nfor x in items:\n    sys.audit('loops.probe', x['n'])\n    out.append(x['v'] * 2)", RESTART, edit("one changed", ("'v': 2", "'v': 5"), expect=("b",)), edit("one added", ("items = [", "items = [{'n': 'z', 'v': 0}, "), expect=("z",)), BACK, setup="items = [{'n': 'a', 'v': 1}, {'n': 'b', 'v': 2}]"),
    "dataclasses": case("out = []\nfor x in items:\n    sys.audit('loops.probe', x.n)\n    out.append(x.v * 2)", RESTART, edit("one changed", ("P('b', 2)", "P('b', 5)"), expect=("b",)), edit("the class edited", ("v: int", "v: int\n    w: int = 0"), expect=ALL), BACK, setup=("from dataclasses import dataclass\n@dataclass\nclass P:\n    n: str\n    v: int", "items = [P('a', 1), P('b', 2)]")),
    "frames": case("out = []\nfor x in items:\n    sys.audit('loops.probe', str(len(x)))\n    out.append(x['a'].sum())", RESTART, edit("one changed", ("[2, 3]", "[2, 4]"), expect=("2",)), BACK, setup=(PD, "items = [pd.DataFrame({'a': [1]}), pd.DataFrame({'a': [2, 3]})]")),
    "arrays": case("out = []\nfor x in items:\n    sys.audit('loops.probe', str(len(x)))\n    out.append(x * 2)", RESTART, edit("one changed", ("arange(3)", "arange(3) + 1"), expect=("3",)), edit("another type", ("arange(3)", "arange(3.0)"), expect=("3",)), BACK, setup=(NP, "items = [np.arange(2), np.arange(3)]")),
    "instances of a class of the notebook": case("out = []\nfor x in items:\n    sys.audit('loops.probe', str(x.n))\n    out.append(x.twice())", RESTART, edit("one changed", ("P(2)", "P(3)"), expect=("3",)), edit("a method edited", ("* 2", "* 3"), expect=ALL), BACK, setup=("class P:\n    def __init__(self, n):\n        self.n = n\n    def twice(self):\n        return self.n * 2", "items = [P(1), P(2)]")),
    "functions": case("out = []\nfor x in [f, g]:\n    sys.audit('loops.probe', x.__name__)\n    out.append(x(1))", RESTART, edit("one edited", ("x + 1", "x + 2"), expect=("g",)), BACK, setup=(F, "def g(x):\n    return x + 1")),
    "the items themselves appended": case("out = []\nfor x in items:\n    PROBE\n    out.append(x)", RESTART, edit("one added", ("items = [", "items = [[0], "), expect=("[0]",)), BACK, setup="items = [[1], [2], [3]]", after="print([o is i for o, i in zip(out, items)])"),
    "parts of the items appended": case("out = []\nfor x in items:\n    sys.audit('loops.probe', str(x['n']))\n    out.append({'part': x['v'], 'n': x['n']})", RESTART, edit("one added", ("items = [", "items = [{'n': 0, 'v': [0]}, "), expect=("0",)), BACK, setup="items = [{'n': 1, 'v': [1]}, {'n': 2, 'v': [2]}]", after="out[-1]['part'].append('grown')\nprint(items, out)"),
    "one object twice in the collection": case("out = []\nfor x in items:\n    PROBE\n    out.append(x)\n    out.append([x])", RESTART, edit("one added", ("a, b, a]", "a, b, a, [3]]"), expect=("[3]",)), BACK, setup="a, b = [1], [2]\nitems = [a, b, a]", after="print(out[0] is out[4], out[1][0] is a)"),
    "very many small items": case("out = []\nfor x in range(1500):\n    PROBE\n    out.append(x)", RESTART, edit("one more", ("range(1500)", "range(1501)"), expect=("1500",)), BACK),
}  # fmt: skip

CFG = "CFG = {'a': 1, 'b': 2, 'c': 3}"
HELPERS = "def even(n):\n    return n * 2\ndef odd(n):\n    return n * 3\n"
CALLED = "out = []\nfor x in [1, 2, 3, 4]:\n    PROBE\n    if x % 2:\n        out.append(odd(x))\n    else:\n        out.append(even(x))"
PER_FILE = {"a.txt": "1", "b.txt": "2", "c.txt": "3"}


def per_file(read: str, files: dict[str, str], new: str, imports: str) -> Case:
    """A file is read by every item; that of the second changes, then there is one more."""
    names = sorted(files)
    one = file("the file of one item", names[1], new, expect=(repr(names[1]),))
    fourth = names[0].replace("a.", "d.")
    collection = repr(names)
    more = edit("one more item", (collection, repr([*names[:-1], fourth, names[-1]])), expect=(repr(fourth),))
    files = files | {fourth: files[names[0]]}
    return case(
        f"out = []\nfor x in {collection}:\n    PROBE\n{read}", RESTART, one, more, BACK, setup=imports, files=files
    )


CONTEXTS = {
    "a key of a dict by item": case(f"out = []\nfor x in {LETTERS}:\n    PROBE\n    out.append(CFG[x] * 2)", RESTART, edit("one key", ("'b': 2", "'b': 20"), expect=("'b'",)), edit("a key that is not read", ("'c': 3", "'c': 3, 'z': 9"), expect=NONE), edit("one key, and an item less", ("'b': 2", "'b': 21"), ("'a', 'b', 'c'", "'b', 'c'"), expect=("'b'",)), BACK, setup=CFG),
    "a key by item, with get": case(f"out = []\nfor x in {LETTERS}:\n    PROBE\n    out.append(CFG.get(x, 0) * 2)", RESTART, edit("a key that was missing", ("'b': 2", "'b': 2, 'c': 5"), expect=ANY), BACK, setup="CFG = {'a': 1, 'b': 2}"),
    "a column by item": case(f"out = []\nfor c in {LETTERS}:\n    sys.audit('loops.probe', c)\n    out.append(df[c].sum())", RESTART, edit("one column", ("'b': [2]", "'b': [20]"), expect=("b",)), edit("a column that is not read", ("'b': [2]", "'b': [2], 'z': [0]"), expect=NONE), BACK, setup=(PD, "df = pd.DataFrame({'a': [1], 'b': [2], 'c': [3]})")),
    "a constant key": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * CFG['b'])", RESTART, edit("the key", ("'b': 2", "'b': 20"), expect=ALL), edit("another key", ("'c': 3", "'c': 4"), expect=NONE), edit("the key, and one more item", ("'b': 2", "'b': 20"), (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, setup=CFG),
    "an attribute": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * args.lr)", RESTART, edit("the attribute", ("lr=2", "lr=3"), expect=ALL), edit("another attribute", ("n=1", "n=5"), expect=NONE), BACK, setup="from types import SimpleNamespace\nargs = SimpleNamespace(lr=2, n=1)"),
    "a global": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * K)", RESTART, edit("its value", ("K = 2", "K = 3"), expect=ALL), edit("its type", ("K = 2", "K = 2.0"), expect=ALL), BACK, setup="K = 2"),
    "a global read by some items": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(K if x % 2 else 0)", RESTART, edit("its value", ("K = 2", "K = 3"), expect=ANY), BACK, setup="K = 2"),
    "a global of the loop's own cell": case(f"K = 2\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * K)", RESTART, edit("its value", ("K = 2", "K = 3"), expect=ALL), edit("a comment", ("K = 2", "K = 2  # two"), expect=NONE), BACK),
    "a table that the body looks up": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(table.loc[x, 'v'])", RESTART, edit("the table", ("* 2", "* 3"), expect=ALL), edit("one more item", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, setup=(PD, "table = pd.DataFrame({'v': [n * 2 for n in range(9)]})")),
    "an object with a method": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(model.predict(x))", RESTART, edit("its state", ("M(2)", "M(3)"), expect=ALL), edit("its method", ("self.w * x", "self.w * x + 1"), expect=ALL), edit("one more item", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, setup=("class M:\n    def __init__(self, w):\n        self.w = w\n    def predict(self, x):\n        return self.w * x", "model = M(2)")),
    "a helper of some items": case(CALLED, RESTART, edit("the helper", ("n * 3", "n * 5"), expect=("1", "3") if PRECISE else ALL), edit("the other", ("n * 2", "n * 4"), expect=("2", "4") if PRECISE else ALL), edit("one more item", (FOUR, "[1, 2, 3, 4, 5]"), expect=("5",)), BACK, setup=HELPERS),
    "a helper of a helper": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(f(x))", RESTART, edit("the inner one", ("n + 1", "n + 2"), expect=ALL), edit("a constant that it reads", ("K = 1", "K = 5"), expect=ALL), BACK, setup=("K = 1\ndef g(n):\n    return n + 1 + K", "def f(x):\n    return g(x) * 2")),
    "a helper in a module": case(f"import helpers\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append(helpers.odd(x))", RESTART, file("the helper", "helpers.py", HELPERS.replace("n * 3", "n * 5"), expect=ALL), file("another function there", "helpers.py", HELPERS.replace("n * 2", "n * 4"), expect=NONE), BACK, files={"helpers.py": HELPERS}),
    "a helper imported by name, of some items": case(f"from helpers import even, odd\n{CALLED}", RESTART, file("the helper", "helpers.py", HELPERS.replace("n * 3", "n * 5"), expect=("1", "3") if PRECISE else ALL), BACK, files={"helpers.py": HELPERS}),
    "a constant in a module": case(f"import conf\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * conf.K)", RESTART, file("the constant", "conf.py", "K = 3\nOTHER = 1\n", expect=ALL), file("another", "conf.py", "K = 2\nOTHER = 3\n", expect=NONE), BACK, files={"conf.py": "K = 2\nOTHER = 1\n"}),
    "the body": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * 2)", RESTART, edit("an edit", ("x * 2", "x * 3"), expect=ALL), edit("an edit, and one more item", ("x * 2", "x * 3"), (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), edit("another effect", ("out.append(x * 2)", "out.append(x * 2)\n    out.append(x)"), expect=ALL), edit("a comment", ("x * 2)", "x * 2)  # twice"), expect=NONE), edit("white space", ("x * 2)", "x  *  2 )"), expect=NONE), COMMENT, POST, BACK),
    "code before the loop": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * 2)", RESTART, edit("another statement", ("out = []", "note = 'hello'\nout = []"), expect=NONE), edit("another start", ("out = []", "out = ['start']"), expect=NONE), BACK),
    "code after the loop": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * 2)\nresult = sum(out)", RESTART, edit("edited", ("sum(out)", "max(out)"), expect=NONE), edit("more", ("result = sum(out)", "result = sum(out)\nout.append('end')"), expect=NONE), BACK),
    "open": per_file("    out.append(open(x).read())", PER_FILE, "20", ""),
    "open in with": per_file("    with open(x) as file:\n        out.append(file.read())", PER_FILE, "20", ""),
    "read_text": per_file("    out.append(Path(x).read_text())", PER_FILE, "20", "from pathlib import Path"),
    "read_csv": per_file("    df = pd.read_csv(x)\n    out.append(df['v'].sum())", {"a.csv": "v\n1\n", "b.csv": "v\n2\n", "c.csv": "v\n3\n"}, "v\n20\n", PD),
    "json.load": per_file("    with open(x) as file:\n        out.append(json.load(file)['v'])", {"a.json": '{"v": 1}', "b.json": '{"v": 2}', "c.json": '{"v": 3}'}, '{"v": 20}', "import json"),
    "a file in a helper": per_file("    out.append(read(x))", PER_FILE, "20", "def read(path):\n    with open(path) as file:\n        return int(file.read())"),
    "numpy.load": case("out = []\nfor x in ['a', 'b']:\n    PROBE\n    out.append(np.loadtxt(f'{x}.txt'))", RESTART, file("the file of one item", "b.txt", "7 8", expect=("'b'",)), BACK, setup=NP, files={"a.txt": "1 2", "b.txt": "3 4"}),
    "a file for all": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * int(open('k.txt').read()))", RESTART, file("the file", "k.txt", "3", expect=ALL), edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, files={"k.txt": "2"}),
    "a file that may be missing": case("import os\nout = []\nfor x in ['a.txt', 'b.txt']:\n    PROBE\n    try:\n        out.append(open(x).read())\n    except FileNotFoundError:\n        out.append(None)", RESTART, file("it appears", "b.txt", "2", expect=("'b.txt'",)), BACK, files={"a.txt": "1"}),
    "a variable of the environment": case(f"import os\nout = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * int(os.environ['RATE']))", RESTART, env("its value", "RATE", "3", expect=ALL), edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, env={"RATE": "2"}),
    "a variable of the environment by item": case("import os\nout = []\nfor x in ['LOOP_A', 'LOOP_B']:\n    PROBE\n    out.append(os.environ[x])", RESTART, env("one value", "LOOP_B", "3", expect=("'LOOP_B'",)), BACK, env={"LOOP_A": "1", "LOOP_B": "2"}),
    "two loops, the second over what the first made": case(f"first = []\nfor x in {FOUR}:\n    PROBE\n    first.append(x * 2)\nsecond = []\nfor y in first:\n    sys.audit('loops.probe', f'second {{y}}')\n    second.append(y + 1)", RESTART, edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0", "second 0")), edit("the first one's body", ("x * 2", "x * 4"), expect=("1", "2", "3", "4", "second 12", "second 16")), edit("the second one's body", ("y + 1", "y + 2"), expect=("second 2", "second 4", "second 6", "second 8")), BACK),
    "two loops, the second reads what the first made": case(f"first = {{}}\nfor x in {FOUR}:\n    PROBE\n    first[x] = x * 2\nsecond = []\nfor y in [1, 4]:\n    sys.audit('loops.probe', f'second {{y}}')\n    second.append(first[y] + 1)", RESTART, edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), edit("the first one's body", ("x * 2", "x * 4"), expect=ALL), BACK),
    "two equal loops": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(x * 2)\nfor x in {FOUR}:\n    PROBE\n    out.append(x * 2)", RESTART, edit("more in both", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), BACK),
    "under if": case(f"out = []\nif K:\n    for x in {FOUR}:\n        PROBE\n        out.append(x)", RESTART, edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), edit("not at all", ("K = 1", "K = 0"), expect=NONE), BACK, setup="K = 1"),
    "under with": case("out = []\nwith open('lines.txt') as file:\n    for x in file:\n        PROBE\n        out.append(x.strip())", RESTART, file("a line added", "lines.txt", "one\ntwo\nthree\n", expect=ANY), BACK, files={"lines.txt": "one\ntwo\n"}),
    "a loop in a loop's own cell, under while": case(f"out = []\nn = 0\nwhile n < 2:\n    n += 1\n    for x in {FOUR}:\n        PROBE\n        out.append((n, x))", RESTART, edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), BACK),
    "pandas options": case(f"out = []\nfor x in {FOUR}:\n    PROBE\n    out.append(repr(pd.Series([x / 7])))", RESTART, edit("another option", ("precision', 3", "precision', 5"), expect=ALL), edit("one more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",)), BACK, setup=(PD, "pd.set_option('display.precision', 3)")),
}  # fmt: skip

ONE = "def f(x):\n    PROBE\n    return x * 10".replace("PROBE", 'sys.audit("loops.probe", repr(x))')


def made(expression: str, *steps: object, setup: tuple[str, ...] = (), end: str = "") -> Case:
    """A comprehension over four numbers; `f` tells of itself."""
    more = list(steps) or list(SHORT[:-1])
    return case(f"{expression}\n{end}".rstrip(), *more, FACTOR, BACK, setup=(*setup, ONE))  # type: ignore[arg-type]


COMPREHENSIONS = {
    "list": made(f"out = [f(x) for x in {FOUR}]", *FULL[:-1]),
    "list as the result": made(f"[f(x) for x in {FOUR}]"),
    "list with a condition": made(f"out = [f(x) for x in {FOUR} if x % 2 == 0]"),
    "list with two conditions": made(f"out = [f(x) for x in {FOUR} if x % 2 == 0 if x < 4]"),
    "list, the call in the condition": made(f"out = [x for x in {FOUR} if f(x) > 15]"),
    "list, calls in both": made(f"out = [f(x) for x in {FOUR} if (y := f(x)) > 15]"),
    "list of lists": made(f"out = [[f(x), x] for x in {FOUR}]", end="out[0].append('grown')"),
    "list with a conditional expression": made(f"out = [f(x) if x % 2 else None for x in {FOUR}]"),
    "list with tuple targets": made(f"out = [(n, f(x)) for n, x in zip('abcdefgh', {FOUR})]", RESTART, edit("one more", (FOUR, "[1, 2, 3, 4, 5]"), expect=("5",))),
    "list, nested": made(f"out = [[f(x) + n for n in range(2)] for x in {FOUR}]"),
    "set": made(f"out = {{f(x) % 3 for x in {FOUR}}}"),
    "set with a condition": made(f"out = {{f(x) for x in {FOUR} if x != 2}}"),
    "dict": made(f"out = {{x: f(x) for x in {FOUR}}}"),
    "dict with equal keys": made(f"out = {{x % 2: f(x) for x in {FOUR}}}", end="print(out)"),
    "dict, the call in the key": made(f"out = {{f(x): x for x in {FOUR} if x}}"),
    "dict of lists": made(f"out = {{x: [f(x)] for x in {FOUR}}}"),
    "inside a call": made(f"df = pd.DataFrame([{{'x': x, 'y': f(x)}} for x in {FOUR}])\ndf", setup=(PD,)),
    "inside sum": made(f"total = sum([f(x) / 7 for x in {FOUR}])"),
    "inside an expression": made(f"out = ['first'] + [f(x) for x in {FOUR}] + ['last']"),
    "two in one statement": made(f"out = [f(x) for x in {FOUR}], {{-x: 1 for x in {FOUR}}}", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=("0",))),
    "a generator expression in a call": made(f"total = sum(f(x) for x in {FOUR})", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "over two iterables": made(f"out = [f(x) + n for x in {FOUR} for n in (0, 1)]", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "the items themselves": case("out = [x for x in items if len(x) < 2]", RESTART, edit("one more", ("items = [", "items = [[0], "), expect=NONE), BACK, setup="items = [[1], [2, 3], [4]]", after="print(out[-1] is items[-1])"),
    "frames from files": case("out = [read(x) for x in ['a.csv', 'b.csv']]\ndf = pd.concat(out)", RESTART, file("one changed", "b.csv", "v\n5\n", expect=("'b.csv'",)), BACK, setup=(PD, "def read(x):\n    sys.audit('loops.probe', repr(x))\n    return pd.read_csv(x)"), files={"a.csv": "v\n1\n", "b.csv": "v\n2\n"}),
    "a key of a dict by item": case(f"out = {{x: f(CFG[x]) for x in {LETTERS}}}", RESTART, edit("one key", ("'b': 2", "'b': 20"), expect=("20",)), BACK, setup=(CFG, ONE)),
    "prints": made(f"out = [print('item', f(x)) for x in {FOUR}]"),
    "sorted": made(f"out = sorted([f(x) for x in {FOUR}], reverse=True)"),
    "augmented": made(f"out = ['first']\nout += [f(x) for x in {FOUR}]"),
    "unpacked": made(f"first, *rest = [f(x) for x in {FOUR}]"),
    "in an f-string": made(f"text = f'{{[f(x) for x in {FOUR}]}}'", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "in a subscript": made(f"out = [f(x) for x in {FOUR}][-1]"),
    "in a loop": made(f"out = []\nfor n in (1, 2):\n    out.append([f(x) + n for x in {FOUR}])", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "with await": made(f"out = [await asyncio.sleep(0, f(x)) for x in {FOUR}]", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY), setup=("import asyncio",)),
    "in a lambda": made(f"g = lambda: [f(x) for x in {FOUR}]\nout = g()", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
    "in both branches": made(f"out = [f(x) for x in {FOUR}] if len(sys.argv) >= 0 else [f(-x) for x in {FOUR}]", RESTART, edit("more", (FOUR, "[0, 1, 2, 3, 4]"), expect=ANY)),
}  # fmt: skip

CASES = {
    **{f"for: {name}": found for name, found in EFFECTS.items()},
    **{f"over: {name}": found for name, found in ITERABLES.items()},
    **{f"reads: {name}": found for name, found in CONTEXTS.items()},
    **{f"comprehension: {name}": found for name, found in COMPREHENSIONS.items()},
}
