"""Whole notebooks, every cell tracked, in two kernels: what is left at the end is what a plain run leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shells = Callable[[], Any]

NOTEBOOKS: dict[str, list[str]] = {
    "functions that share a cell": ["def acc():\n    t = 0\n    def add(n):\n        nonlocal t\n        t += n\n        return t\n    def reset():\n        nonlocal t\n        t = 0\n    return add, reset\nadd, reset = acc()", "add(5)", "reset()", "r = add(1)"],
    "a registry behind a decorator": ["def make(reg):\n    def deco(f):\n        reg.append(f.__name__)\n        return f\n    return deco\nREG = []\ndeco = make(REG)", "@deco\ndef a(): pass", "@deco\ndef b(): pass", "r = list(REG)"],
    "a counter bound to two names": ["def counter():\n    n = 0\n    def c():\n        nonlocal n\n        n += 1\n        return n\n    return c\nc = counter()", "a = c()", "b = c()", "d = c", "e = d()", "r = c()"],
    "a local class that closes over a list": ["def mk():\n    items = []\n    class C:\n        def add(self, x):\n            items.append(x)\n        def all(self):\n            return list(items)\n    return C\nC = mk(); c = C()", "c.add(1)", "d = C()\nr = d.all(), type(c) is C"],
    "a bound method of a list": ["L = []\nap = L.append", "ap(1)", "r = len(L)"],
    "a partial over a list": ["import functools\nL = []\np = functools.partial(list.append, L)", "p(1)", "r = L"],
    "an iterator over a list": ["l = [1, 2]\nit = iter(l)", "l.append(3)", "r = list(it)"],
    "a view of a dict": ["d = {1: 2}\nk = d.keys()", "d[3] = 4", "r = list(k)"],
    "a proxy of a dict": ["import types\nd = {1: 2}\np = types.MappingProxyType(d)", "d[3] = 4", "r = dict(p)"],
    "an array of objects": ["import numpy as np\nx = [1]\ne = np.empty(1, object)\ne[0] = x", "x.append(2)", "r = e[0]"],
    "a frame of objects": ["import pandas as pd\nx = [1]\nd = pd.DataFrame({'a': [x]})", "x.append(2)", "r = d.loc[0, 'a']"],
    "the attrs of a frame": ["import pandas as pd\nx = {'k': 1}\nd = pd.DataFrame({'a': [1]})\nd.attrs['m'] = x", "x['k'] = 2", "r = d.attrs['m']['k']"],
    "an array over a bytearray": ["import numpy as np\nb = bytearray(8)\na = np.frombuffer(b, 'u1')", "a[0] = 7", "r = bytes(b)"],
    "a view and its base": ["import numpy as np\nv = np.zeros(6).reshape(2, 3)", "b = v.base", "b[5] = 1", "r = v.tolist()"],
    "the mask of an array": ["import numpy as np\nm = np.ma.array([1, 2], mask=[False, False])\nb = m.mask", "m.mask[0] = True", "r = b.tolist()"],
    "an ordered dict": ["from collections import OrderedDict\no = OrderedDict(a=1, b=2)", "o['c'] = 1", "o.move_to_end('a')", "r = list(o), len(o)"],
    "a deque, a counter and a default dict": ["from collections import deque, Counter, defaultdict\nq = deque([1], 2)\nc = Counter('ab')\nd = defaultdict(list)", "q.append(2); q.append(3)\nc['z'] += 1\nd['k'].append(q)", "r = list(q), dict(c), d['k'][0] is q"],
    "a logger that is set up": ["import logging\nlog = logging.getLogger('app.one')\nlog.setLevel(logging.DEBUG)", "r = log.level"],
    "a walrus that may not run": ["v = 7; k = 0", "k and (v := 3)", "r = v"],
    "an instance that changes its class": ["class A: v = 1\nclass B: v = 2\na = A()", "a.__class__ = B", "r = a.v"],
    "the dict of a namespace": ["import types\nns = types.SimpleNamespace(a=1)", "f = vars(ns)", "f['a'] = 2", "r = ns.a"],
    "the defaults of a function": ["def f(x=[]):\n    return x", "q = f.__defaults__", "q[0].append(1)", "r = f()"],
    "a tuple that is not given a list": ["t = ([],)", "try:\n    t[0] += [1]\nexcept TypeError:\n    pass", "u = t", "r = u is t, u[0] is t[0], t"],
    "resizing an array": ["import numpy as np\na = np.arange(5)", "a.resize(8)", "r = a.tolist()"],
    "a list subclass with ways of its own": ["class L(list):\n    def __iter__(self):\n        return iter([])\n    def __len__(self):\n        return 0\nx = L()\nlist.append(x, 5)", "r = list.__getitem__(x, 0)"],
    "a class that pickles itself differently": ["class A:\n    def __init__(self, x):\n        self.x = x\n    def __reduce__(self):\n        return A, (7,)\na = A(3)", "r = a.x"],
    "a class that restores itself differently": ["class A:\n    def __init__(self, x):\n        self.x = x\n    def __setstate__(self, s):\n        self.x = s['x'] + 100\na = A(1)", "r = a.x"],
    "the latest results": ["'a'", "'b'", "'c'", "r = (_, __)"],
    "the latest results of other types": ["'a'", "1 + 1", "7", "r = __ + 1"],
    "a generator used up in steps": ["g = (i for i in range(4))", "a = next(g)", "b = next(g)", "r = a, b, list(g)"],
    "self-reference": ["a = []\na.append(a)\nb = {'a': a}", "c = b['a'][0] is a", "r = c, a[0] is a"],
    "sets of objects": ["class P: pass\np = P(); s = {p}", "p.v = 1", "r = [x.v for x in s], p in s"],
    "nested functions and defaults": ["def outer(n, acc=[]):\n    acc.append(n)\n    return lambda: list(acc)\nf = outer(1)", "g = outer(2)", "r = f(), g()"],
    "properties and slots": ["class S:\n    __slots__ = ('a', 'b')\n    @property\n    def both(self):\n        return self.a + self.b\ns = S(); s.a = 1; s.b = 2", "s.a = 5", "t = s", "t.b = 7", "r = s.both"],
    "a frame that grows": ["import pandas as pd\nd = pd.DataFrame({'a': [3, 1, 2]})", "d['b'] = d['a'] * 2", "e = d.sort_values('a')", "d.drop(columns='a', inplace=True)", "e.loc[0, 'b'] = 99", "r = d.to_dict(), e.to_dict()"],
    "deleting and binding again": ["x = 1\ny = [x]", "del x", "x = y", "y.append(2)", "r = x"],
    "a model fitted in place": ["import numpy as np\nfrom sklearn.linear_model import LinearRegression\nm = LinearRegression()\nX = np.arange(6.0).reshape(3, 2); t = np.array([1.0, 2.0, 3.0])", "m.fit(X, t)", "p = m.predict(X)", "r = [round(float(v), 6) for v in p]"],
    "resizing a larger array": ["import numpy as np\na = np.arange(200.0)", "b = 1", "a.resize(52, refcheck=False)", "r = a.shape, a.flags.owndata"],
    "a cache that prints when it is filled": ["import functools\n@functools.cache\ndef load(x):\n    return [x]", "a = load(1)", "b = load(1)", "c = load(1); c.append(3)", "r = a, b is a"],
    "an index that is also bound": ["import pandas as pd\nd = pd.DataFrame({'a': [1]})", "ix = d.index", "d.index.name = 'q'", "r = ix.name, ix is d.index"],
    "a finalizer": ["log = []\nclass F:\n    def __del__(self):\n        log.append('closed')\nf = F()", "del f\nr0 = list(log)", "g = F()", "g = None", "r = r0, list(log)"],
    "a weak reference": ["import weakref\nclass A: pass\ndef use(o): return 1\na = A()", "w = weakref.ref(a)", "n = use(a)", "del a", "r = w() is None"],
    "the names of a class": ["class A:\n    def __init__(self): self.x = 1", "a = A()", "r = sorted(vars(A))"],
    "the order of names": ["s = {1, 2}; fz = s", "n = 1\nm = 2", "r = [k for k in list(globals()) if k in ('s', 'fz', 'n', 'm')]"],
    "an exception that is kept": ["try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    err = str(e)", "r = err"],
    "a loop that reuses a name": ["total = 0", "for i in range(4):\n    total += i", "for i in []:\n    total = -1", "r = total, i"],
}  # fmt: skip


def run(shell: Any, cells: list[str], *, tracked: bool) -> str:
    if tracked:
        shell.plain("%incremental on")
    for cell in cells:
        shell.plain(cell)
    if tracked:
        shell.plain("%incremental off")
    return repr(shell["r"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_cell_tracked_gives_what_a_plain_run_gives(shells: Shells, name: str) -> None:
    cells = NOTEBOOKS[name]
    truth = run(shells(), cells, tracked=False)
    for _ in range(3):
        shell = shells()
        assert run(shell, cells, tracked=True) == truth, [d["status"] for d in shell.decisions()[-len(cells) :]]
