"""Ways to code and values that no name spells out: the static closure must be wide enough, alone, without any watch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

# a setting for the notebook or a module `utils`, in two versions ({0} is 1 or 2), and a cell that shows the difference
NOTEBOOK: dict[str, tuple[str, str]] = {
    "a registry filled by a decorator": (
        "reg = {{}}\ndef register(f):\n    reg[f.__name__] = f\n    return f\n@register\ndef a():\n    return {0}",
        "r = reg['a']()",
    ),
    "a registry asked with a computed name": (
        "reg = {{}}\ndef register(f):\n    reg[f.__name__] = f\n    return f\n@register\ndef ab():\n    return {0}\n"
        "def ask(n):\n    return reg['a' + n]()",
        "r = ask('b')",
    ),
    "a singledispatch method": (
        "import functools\nclass A:\n    @functools.singledispatchmethod\n    def m(self, x):\n        return 0\n"
        "    @m.register\n    def _(self, x: int):\n        return {0}",
        "r = A().m(1)",
    ),
    "a singledispatch handler registered later": (
        "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\ndef h(x):\n    return {0}\nf.register(int, h)",
        "r = f(1)",
    ),
    "a cached property": (
        "import functools\nclass A:\n    @functools.cached_property\n    def p(self):\n        return {0}",
        "r = A().p",
    ),
    "a cached function": ("import functools\n@functools.lru_cache\ndef f():\n    return {0}", "r = f()"),
    "a helper of a cached function": (
        "import functools\ndef g():\n    return {0}\n@functools.lru_cache\ndef f():\n    return g()",
        "r = f()",
    ),
    "a helper of a cached property": (
        "import functools\ndef g():\n    return {0}\nclass A:\n    @functools.cached_property\n    def p(self):\n        return g()",
        "r = A().p",
    ),
    "a subclass hook": (
        "class B:\n    def __init_subclass__(cls, **k):\n        cls.tag = {0}\nclass D(B):\n    pass",
        "class E(B):\n    pass\nr = E.tag",
    ),
    "a metaclass's method": ("class M(type):\n    def m(cls):\n        return {0}\nclass A(metaclass=M):\n    pass", "r = A.m()"),
    "a metaclass's __call__": (
        "class M(type):\n    def __call__(cls):\n        return {0}\nclass A(metaclass=M):\n    pass",
        "r = A()",
    ),
    "a metaclass's __instancecheck__": (
        "class M(type):\n    def __instancecheck__(cls, x):\n        return {0} == 2\nclass A(metaclass=M):\n    pass",
        "r = isinstance(1, A)",
    ),
    "super": ("class B:\n    def m(self):\n        return {0}\nclass D(B):\n    def m(self):\n        return super().m()", "r = D().m()"),
    "super in a diamond": (
        "class A:\n    def m(self):\n        return 0\nclass B(A):\n    def m(self):\n        return super().m()\n"
        "class C(A):\n    def m(self):\n        return {0}\nclass D(B, C):\n    pass",
        "r = D().m()",
    ),
    "a descriptor": (
        "class P:\n    def __get__(self, o, t):\n        return {0}\nclass A:\n    p = P()",
        "r = A().p",
    ),
    "a helper of a descriptor": (
        "def g():\n    return {0}\nclass P:\n    def __get__(self, o, t):\n        return g()\nclass A:\n    p = P()",
        "r = A().p",
    ),
    "__set_name__": (
        "class P:\n    def __set_name__(self, o, n):\n        o.tag = {0}\n",
        "class A:\n    p = P()\nr = A.tag",
    ),
    "__getattr__ of a class": ("class A:\n    def __getattr__(self, n):\n        return {0}\na = A()", "r = a.anything"),
    "__getattr__ through getattr": ("class A:\n    def __getattr__(self, n):\n        return {0}\na = A()", "r = getattr(a, 'an' + 'y')"),
    "a monkeypatched instance": ("class A:\n    pass\na = A()\na.m = lambda: {0}", "r = a.m()"),
    "a monkeypatched class": ("class A:\n    pass\na = A()\nA.m = lambda self: {0}", "r = a.m()"),
    "a method asked by a computed name": (
        "class A:\n    def mx(self):\n        return {0}\na = A()",
        "r = getattr(a, 'm' + 'x')()",
    ),
    "methodcaller": (
        "import operator\nclass A:\n    def m(self):\n        return {0}\na = A()",
        "r = operator.methodcaller('m')(a)",
    ),
    "attrgetter": (
        "import operator\nclass A:\n    @property\n    def m(self):\n        return {0}\na = A()\nget = operator.attrgetter('m')",
        "r = get(a)",
    ),
    "str.format with attributes": (
        "class A:\n    @property\n    def m(self):\n        return {0}\na = A()",
        "r = '{a.m}'.format(a=a)",
    ),
    "str.format with a format of its own": (
        "class A:\n    def __format__(self, spec):\n        return str({0})\na = A()",
        "r = '{:x}'.format(a)",
    ),
    "an f-string": ("class A:\n    def __format__(self, spec):\n        return str({0})\na = A()", "r = f'{a}'"),
    "a repr in an f-string": ("class A:\n    def __repr__(self):\n        return str({0})\na = A()", "r = f'{a!r}'"),
    "percent formatting": ("class A:\n    def __str__(self):\n        return str({0})\na = A()", "r = '%s' % a"),
    "a context manager": (
        "class A:\n    def __enter__(self):\n        return {0}\n    def __exit__(self, *e):\n        pass",
        "with A() as r:\n    pass",
    ),
    "a context manager that swallows": (
        "class A:\n    def __enter__(self):\n        return 1\n    def __exit__(self, *e):\n        return {0} == 1",
        "try:\n    with A():\n        raise ValueError\n    r = 1\nexcept ValueError:\n    r = 2",
    ),
    "a generator as a context manager": (
        "import contextlib\n@contextlib.contextmanager\ndef f():\n    yield {0}",
        "with f() as r:\n    pass",
    ),
    "iteration": ("class A:\n    def __iter__(self):\n        yield {0}\na = A()", "r = [x for x in a]"),
    "iteration by __getitem__": (
        "class A:\n    def __getitem__(self, i):\n        if i: raise IndexError\n        return {0}\na = A()",
        "r = list(a)",
    ),
    "an operator": ("class A:\n    def __add__(self, o):\n        return {0}\na = A()", "r = a + 1"),
    "a reflected operator": ("class A:\n    def __radd__(self, o):\n        return {0}\na = A()", "r = 1 + a"),
    "comparison and sorting": (
        "class A:\n    def __init__(self, v):\n        self.v = v\n    def __lt__(self, o):\n        return (self.v < o.v) == ({0} == 1)\nxs = [A(1), A(2)]",
        "r = [x.v for x in sorted(xs)]",
    ),
    "hash and equality": (
        "class A:\n    def __hash__(self):\n        return 1\n    def __eq__(self, o):\n        return {0} == 1\na, b = A(), A()",
        "r = len({{a, b}})".replace("{{", "{").replace("}}", "}"),
    ),
    "a value that is unpacked": ("class A:\n    def keys(self):\n        return ['k']\n    def __getitem__(self, k):\n        return {0}\na = A()", "r = dict(**a)"),
    "a callable in a closure": (
        "def mk(f):\n    def g():\n        return f()\n    return g\ndef h():\n    return {0}\ng = mk(h)",
        "r = g()",
    ),
    "a bound method": ("class A:\n    def m(self):\n        return {0}\nm = A().m", "r = m()"),
    "a class method": ("class A:\n    @classmethod\n    def m(cls):\n        return {0}", "r = A.m()"),
    "a static method": ("class A:\n    @staticmethod\n    def m():\n        return {0}", "r = A.m()"),
    "a class made by type()": ("def m(self):\n    return {0}\nA = type('A', (), {{'m': m}})", "r = A().m()"),
    "a named tuple with a method": (
        "from typing import NamedTuple\nclass A(NamedTuple):\n    x: int\n    def m(self):\n        return {0}\na = A(1)",
        "r = a.m()",
    ),
    "a dataclass default factory": (
        "import dataclasses\ndef f():\n    return {0}\n@dataclasses.dataclass\nclass A:\n    x: int = dataclasses.field(default_factory=f)",
        "r = A().x",
    ),
    "a helper of __post_init__": (
        "import dataclasses\ndef f():\n    return {0}\n@dataclasses.dataclass\nclass A:\n    def __post_init__(self):\n        self.y = f()",
        "r = A().y",
    ),
    "an enum's method": ("import enum\nclass E(enum.Enum):\n    a = 1\n    def m(self):\n        return {0}", "r = E.a.m()"),
    "an enum asked by value": ("import enum\nclass E(enum.Enum):\n    a = 1\n    @classmethod\n    def _missing_(cls, v):\n        return cls.a if {0} == 1 else None", "try:\n    r = E(7).name\nexcept ValueError:\n    r = ''"),
    "type hints": ("class A: pass\nclass B: pass\nT = A if {0} == 1 else B\ndef f(x: 'T'): pass\nimport typing", "r = typing.get_type_hints(f)['x'].__name__"),
    "type hints of a class": ("class A: pass\nclass B: pass\nT = A if {0} == 1 else B\nclass C:\n    x: 'T'\nimport typing", "r = typing.get_type_hints(C)['x'].__name__"),
    "type hints in a helper": ("T = int if {0} == 1 else str\ndef f(x: 'T'): pass\nimport typing\ndef g():\n    return typing.get_type_hints(f)['x'].__name__", "r = g()"),
    "subclasses asked for": ("class A: pass\nclass B(A):\n    v = {0}", "r = [c.v for c in A.__subclasses__()]"),
    "a subclass hook that fills a registry": (
        "class A:\n    known = {{}}\n    def __init_subclass__(cls):\n        A.known[cls.__name__] = cls\nclass B(A):\n    v = {0}",
        "r = A.known['B'].v",
    ),
    "a name in a string": ("x = {0}\nnames = ['x']", "r = [get_ipython().user_ns[n] for n in names]"),
    "vars of an instance": ("class A:\n    pass\na = A()\na.v = {0}", "r = vars(a)"),
    "a global read in a comprehension of a class body": ("k = {0}", "class A:\n    v = [k for _ in range(1)]\nr = A.v"),
    "a default that a lambda holds": ("f = lambda x={0}: x", "r = f()"),
    "a keyword-only default": ("def f(*, x={0}):\n    return x", "r = f()"),
    "an exception class's method": ("class E(Exception):\n    def __str__(self):\n        return str({0})", "try:\n    raise E\nexcept E as e:\n    r = str(e)"),
    "a key function in a library": ("import itertools\ndef key(x):\n    return x % ({0} + 1)", "r = [k for k, _ in itertools.groupby([1, 2, 3], key)]"),
    "reduce": ("import functools\ndef add(a, b):\n    return a + b + {0}", "r = functools.reduce(add, [1, 2])"),
    "a pandas accessor": (
        "import pandas as pd\n@pd.api.extensions.register_series_accessor('mine')\nclass Acc:\n    def __init__(self, s):\n        self.s = s\n    def v(self):\n        return {0}\ns = pd.Series([1])",
        "r = s.mine.v()",
    ),
    "a pandas agg by name": ("import pandas as pd\nclass S(pd.Series):\n    def mean(self, *a, **k):\n        return {0}\ns = S([5.0])", "r = s.agg('mean')"),
    "a numpy ufunc": ("import numpy as np\ndef f(x):\n    return x + {0}\nu = np.frompyfunc(f, 1, 1)", "r = u(1)"),
    "a numpy vectorize": ("import numpy as np\ndef f(x):\n    return x + {0}\nu = np.vectorize(f)", "r = int(u(1))"),
    "__array_function__": ("import numpy as np\nclass A:\n    def __array__(self, *a, **k):\n        return np.array([{0}])\na = A()", "r = np.asarray(a).tolist()"),
    "abc registration": ("import abc\nclass A(abc.ABC): pass\nclass B: pass\nif {0} == 2:\n    A.register(B)", "r = isinstance(B(), A)"),
    "copyreg": ("import copyreg, copy\nclass A: pass\ncopyreg.pickle(A, lambda a: (int, ({0},)))\na = A()", "r = copy.copy(a)\nr = r if type(r) is int else 0"),
    "a json default": ("import json\ndef d(o):\n    return {0}", "r = json.dumps({1j}, default=d)" .replace("{1j}", "[1j]")),
    "a string template": ("import string\nclass T(string.Template):\n    delimiter = '$' if {0} == 1 else '%'\nt = T('$a %a')", "r = t.substitute(a=1)"),
    "a logging-free warning class": ("class W(UserWarning):\n    tag = {0}", "r = W.tag"),
    "weak things": ("import types\nm = types.MethodType(lambda s: {0}, 1)", "r = m()"),
    "a slice of a class": ("class A:\n    def __class_getitem__(cls, k):\n        return {0}", "r = A[int]"),
    "match with a class": ("class A:\n    __match_args__ = ('x',) if {0} == 1 else ('y',)\n    x, y = 1, 2", "match A():\n    case A(r):\n        pass"),
    "an awaitable": ("class A:\n    def __await__(self):\n        return {0}\n        yield", "r = await A()"),
    "an async context": ("class A:\n    async def __aenter__(self):\n        return {0}\n    async def __aexit__(self, *e):\n        pass", "async with A() as r:\n    pass"),
    "del": ("log = []\nclass A:\n    def __delitem__(self, k):\n        log.append({0})\na = A()", "del a[1]\nr = list(log)"),
    "bool": ("class A:\n    def __bool__(self):\n        return {0} == 1\na = A()", "r = 1 if a else 0"),
    "contains": ("class A:\n    def __contains__(self, x):\n        return {0} == 1\na = A()", "r = 1 in a"),
    "index": ("class A:\n    def __index__(self):\n        return {0}\na = A()", "r = [0, 1, 2][a]"),
    "len": ("class A:\n    def __len__(self):\n        return {0}\na = A()", "r = len(a)"),
}  # fmt: skip

MODULE: dict[str, tuple[str, str]] = {
    "a computed name": ("def fx():\n    return {0}", "r = getattr(utils, 'f' + 'x')()"),
    "a computed name in a helper": ("import sys\ndef fx():\n    return {0}\ndef ask(n):\n    return getattr(sys.modules[__name__], 'f' + n)()", "r = utils.ask('x')"),
    "a registry": ("reg = {{}}\ndef register(f):\n    reg[f.__name__] = f\n    return f\n@register\ndef a():\n    return {0}\ndef ask(n):\n    return reg[n]()", "r = utils.ask('a')"),
    "its own globals": ("def fx():\n    return {0}\ndef ask(n):\n    return globals()['f' + n]()", "r = utils.ask('x')"),
    "__getattr__ of the module": ("def __getattr__(n):\n    if n.startswith('_'): raise AttributeError(n)\n    return {0}", "r = utils.anything"),
    "a helper of its __getattr__": ("def g():\n    return {0}\ndef __getattr__(n):\n    if n.startswith('_'): raise AttributeError(n)\n    return g()", "r = utils.anything"),
    "its vars": ("def fx():\n    return {0}", "r = vars(utils)['fx']()"),
    "its dict": ("def fx():\n    return {0}", "r = utils.__dict__['fx']()"),
    "a module in a variable": ("def fx():\n    return {0}", "m = utils\nr = m.fx()\ndel m"),
    "a module in a list": ("def fx():\n    return {0}", "r = [m.fx() for m in [utils]]"),
    "an import inside a function": ("def fx():\n    return {0}\ndef ask():\n    import utils as u\n    return u.fx()", "r = utils.ask()"),
    "a constant": ("K = {0}\ndef ask():\n    return K", "r = utils.ask()"),
    "a constant as a default": ("K = {0}\ndef ask(k=K):\n    return k", "r = utils.ask()"),
    "a class": ("class A:\n    def m(self):\n        return {0}", "r = utils.A().m()"),
    "a factory by name": ("class Ab:\n    v = {0}\ndef make(n):\n    return globals()[n]()", "r = utils.make('Ab').v"),
    "a docstring": ("def fx():\n    'number {0}'", "r = utils.fx.__doc__"),
    "its docstring": ("'number {0}'\n", "r = utils.__doc__"),
    "its all": ("__all__ = ['a{0}']", "r = utils.__all__"),
    "its version": ("__version__ = '{0}'", "r = utils.__version__"),
    "a lazily filled table": ("_table = None\ndef fill():\n    return {{'a': {0}}}\ndef ask():\n    global _table\n    if _table is None:\n        _table = fill()\n    return _table['a']", "r = utils.ask()"),
}  # fmt: skip

monitoring: Any = getattr(sys, "monitoring", None)


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    """No tool id is free: what runs cannot be seen."""
    taken = [tool for tool in (3, 4) if monitoring is not None and monitoring.get_tool(tool) is None]
    for tool in taken:
        monitoring.use_tool_id(tool, "somebody else")
    yield
    for tool in taken:
        monitoring.free_tool_id(tool)
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas.Series, "mine"):  # an accessor, which other tests would see
        del pandas.Series.mine
        pandas.Series._accessors.discard("mine")


@pytest.mark.parametrize("what", NOTEBOOK)
def test_every_way_to_code_in_the_notebook_counts(shells: Shells, what: str) -> None:
    setting, cell = NOTEBOOK[what]
    results = []
    for version in (1, 1, 2):
        shell = shells()
        shell.plain(setting.format(version))
        results.append((shell.cell(cell), shell["r"]))
    assert results[1][1] == results[0][1]
    assert results[2][1] != results[0][1], (results, shell.reasons)


@pytest.mark.parametrize("what", MODULE)
def test_every_way_to_code_in_a_module_counts(shells: Shells, what: str) -> None:
    setting, cell = MODULE[what]
    results = []
    for version in (1, 1, 2):
        Path("utils.py").write_text(setting.format(version) + "\n" * version)
        shell = shells()
        shell.plain("import utils")
        results.append((shell.cell(cell), shell["r"]))
    assert results[1][1] == results[0][1]
    assert results[2][1] != results[0][1], (results, shell.reasons)


# what a library calls of ours, set up by a cell before: `h` in two versions, the set-up, a cell, and how to undo it

SET_UP: dict[str, tuple[str, str, str, str]] = {
    "a logging handler": (
        "import logging\nout = []\ndef h():\n    return {0}\nclass H(logging.Handler):\n    def emit(self, record):\n        out.append(h())",
        "logging.root.addHandler(H())",
        "out.clear()\nlogging.error('x')\nr = list(out)",
        "logging.root.handlers[:] = []",
    ),
    "a handler of a named logger": (
        "import logging\nout = []\ndef h():\n    return {0}\nclass H(logging.Handler):\n    def emit(self, record):\n        out.append(h())\nlog = logging.getLogger('mine')\nhandler = H()",
        "log.addHandler(handler)",
        "out.clear()\nlog.error('x')\nr = list(out)",
        "log.handlers[:] = []",
    ),
    "a codec's error handler": (
        "import codecs\ndef h():\n    return str({0})\ndef on(e):\n    return h(), e.end",
        "codecs.register_error('mine', on)",
        "r = 'é'.encode('ascii', 'mine').decode()",
        "",
    ),
    "how warnings are shown": (
        "import warnings\nout = []\ndef h():\n    return {0}\ndef show(*a, **k):\n    out.append(h())",
        "old = warnings.showwarning\nwarnings.showwarning = show",
        "out.clear()\nwarnings.simplefilter('always')\nwarnings.warn('x')\nr = list(out)",
        "warnings.showwarning = old\nwarnings.resetwarnings()",
    ),
    "a method of a library class": (
        "import json\ndef h():\n    return {0}\ndef default(self, o):\n    return h()",
        "old = json.JSONEncoder.default\njson.JSONEncoder.default = default",
        "r = json.dumps([1j])",
        "json.JSONEncoder.default = old",
    ),
    "an adapter": (
        "import numpy as np\ndef h():\n    return {0}\ndef on(*a):\n    out.append(h())\nout = []",
        "old = np.seterrcall(on)",
        "out.clear()\nwith np.errstate(all='call'):\n    np.float64(1) / 0\nr = list(out)",
        "np.seterrcall(None)",
    ),
    "how a class is displayed": (
        "def h():\n    return str({0})\nclass A: pass\ndef shown(a, p, cycle):\n    p.text(h())\na = A()\nfmt = get_ipython().display_formatter.formatters['text/plain']",
        "fmt.for_type(A, shown)",
        "import io, contextlib\nr = get_ipython().display_formatter.format(a)[0]['text/plain']",
        "fmt.pop(A)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("later", [False, True], ids=["another session", "the same session"])
@pytest.mark.parametrize("what", SET_UP)
def test_what_a_library_was_set_up_to_call_counts(shells: Shells, what: str, later: bool) -> None:
    setting, set_up, cell, undo = SET_UP[what]
    results = []
    shell = shells()
    for version in (1, 1, 2):
        text = setting.format(version)
        if not results or not later:
            shell = shells()
            shell.plain(text)
            shell.plain(set_up)
        else:  # only the helper is defined again
            start = text.index("def h()")
            shell.plain(text[start : text.index("\n", text.index("return", start))])
        results.append((shell.cell(cell), shell["r"]))
        if not later and undo:
            shell.plain(undo)
    if later and undo:
        shell.plain(undo)
    assert results[1][1] == results[0][1]
    assert results[2][1] != results[0][1], (results, shell.reasons)
