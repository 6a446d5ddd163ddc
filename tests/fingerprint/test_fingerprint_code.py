"""Functions: what is an edit and what is not."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import pytest
from fresh import run

from incnb.fingerprint import fingerprint
from incnb.fingerprint.code import code_token, references

BASE = "def f(a, b=1, *c, d, e=2, **g):\n    x = a + b\n    return [x, d, e, c, g]\n"

SAME: dict[str, tuple[str, str]] = {
    "comment": (BASE, BASE.replace("    x", "    # a comment\n    x")),
    "format": (BASE, BASE.replace("[x, d, e, c, g]", "[\n        x,\n        d, e, c, g,\n    ]")),
    "moved": (BASE, "\n\n\nimport os\n\n\n" + BASE),
    "docstring": (BASE, BASE.replace("    x", '    """Says something."""\n    x')),
    "docstring edited": (BASE.replace("    x", '    """A."""\n    x'), BASE.replace("    x", '    """B."""\n    x')),
    "docstring and constant": (
        "def f():\n    '''One.'''\n    return 1, 'one'\n",
        "def f():\n    '''Other.'''\n    return 1, 'one'\n",
    ),
    "docstring equal to a constant": (
        "def f():\n    'one'\n    return 'one', None\n",
        "def f():\n    return 'one', None\n",
    ),
    "renamed local": (BASE, BASE.replace("x", "total")),
    "renamed loop variable": ("def f(s):\n    return [i for i in s]\n", "def f(s):\n    return [j for j in s]\n"),
    "folded constant": ("def f(): return 60 * 60\n", "def f(): return 3600\n"),
    "docstring of a nested function": (
        "def f():\n    def g():\n        'A.'\n        return 1\n    return g()\n",
        "def f():\n    def g():\n        'B.'\n        return 1\n    return g()\n",
    ),
    "docstring of a helper": (
        "def g():\n    'A.'\n    return 1\ndef f(): return g()\n",
        "def g():\n    'B.'\n    return 1\ndef f(): return g()\n",
    ),
    "docstring of a method": (
        "class C:\n    def m(self):\n        'A.'\nf = C().m\n",
        "class C:\n    def m(self):\n        'B.'\nf = C().m\n",
    ),
    "an unrelated global": ("k = 1\ndef f(): return 2\n", "k = 2\ndef f(): return 2\n"),
    "another key": ("cfg = {'a': 1, 'b': 2}\ndef f(): return cfg['a']\n", "cfg = {'a': 1, 'b': 3}\ndef f(): return cfg['a']\n"),
    "another key, nested": (
        "cfg = {'a': {'x': 1, 'y': 1}}\ndef f(): return cfg['a']['x']\n",
        "cfg = {'a': {'x': 1, 'y': 2}, 'z': 0}\ndef f(): return cfg['a']['x']\n",
    ),
    "another field": (
        "from types import SimpleNamespace as S\ncfg = S(a=1, b=2)\ndef f(): return cfg.a\n",
        "from types import SimpleNamespace as S\ncfg = S(a=1, b=3)\ndef f(): return cfg.a\n",
    ),
    "another field of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int\n    b: int\ncfg = D(1, 2)\ndef f(): return cfg.a\n",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int\n    b: int\ncfg = D(1, 3)\ndef f(): return cfg.a\n",
    ),
}  # fmt: skip

DIFFERENT: dict[str, tuple[str, ...]] = {
    "constants": tuple(f"def f(): return {c}" for c in ("1", "True", "1.0", "'1'", "b'1'", "1j", "None", "...", "-1", "(1,)")),
    "zeros": ("def f(): return 0.0", "def f(): return -0.0", "def f(): return 0", "def f(): return 0j"),
    "arguments separated": ("def f(): return g(1, 23)\ng = max\n", "def f(): return g(12, 3)\ng = max\n"),
    "constant tuples": ("def f(): return (1, 2)", "def f(): return (1, True)", "def f(): return (1, (2,))", "def f(): return (1.0, 2)"),
    "constant sets": ("def f(x): return x in {1, 2}", "def f(x): return x in {1, 2, 3}", "def f(x): return x in (1, 2)"),
    "which constant goes where": ("def f(): return 1, g(2)\ng = abs\n", "def f(): return 2, g(1)\ng = abs\n"),
    "operators": tuple(f"def f(a, b): return a {op} b" for op in ("+", "-", "<", "<=", "is", "is not", "in", "and", "or", "@")),
    "argument names": ("def f(a): return 1", "def f(b): return 1"),
    "argument kinds": ("def f(a): 0", "def f(a, /): 0", "def f(*, a): 0", "def f(*a): 0", "def f(**a): 0", "def f(a=None): 0"),
    "defaults": ("def f(a=1): 0", "def f(a=True): 0", "def f(a='1'): 0", "def f(a=2): 0", "def f(a=[1]): 0"),
    "keyword-only defaults": ("def f(*, a=1): 0", "def f(*, a=2): 0", "def f(*, a): 0", "def f(*, a=1.0): 0"),
    "which default": ("def f(*, a=1, b): 0", "def f(*, a, b=1): 0"),
    "attribute names": ("def f(x): return x.a", "def f(x): return x.b"),
    "global names": ("a = b = 1\ndef f(): return a", "a = b = 1\ndef f(): return b"),
    "unpacking": ("def f(x): a, b = x; return a", "def f(x): b, a = x; return a"),
    "generator or list": ("def f(s): return [i for i in s]", "def f(s): return (i for i in s)", "def f(s): return {i for i in s}"),
    "comprehension": ("def f(s): return [i for i in s if i]", "def f(s): return [i for i in s if not i]"),
    "kind of function": ("def f(): yield 1", "def f(): return 1", "async def f(): return 1", "async def f(): yield 1"),
    "exception table": (
        "def f(x):\n    try:\n        x = g(x)\n        x = h(x)\n    except E: return 1\n    return x\ng = h = abs; E = ValueError\n",
        "def f(x):\n    x = g(x)\n    try:\n        x = h(x)\n    except E: return 1\n    return x\ng = h = abs; E = ValueError\n",
    ),
    "exception group": (
        "def f(x):\n    try: x()\n    except ValueError: return 1\n",
        "def f(x):\n    try: x()\n    except* ValueError: x = 1\n",
    ),
    "nested function": ("def f():\n    def g(): return 1\n    return g", "def f():\n    def g(): return 2\n    return g"),
    "nested lambda's default": ("def f(): return lambda x=1: x", "def f(): return lambda x=2: x"),
    "f-string": ("def f(x): return f'{x:>3}'", "def f(x): return f'{x:>4}'", "def f(x): return f'{x!r:>3}'", "def f(x): return f'{x=}'"),
    "helper": ("def g(): return 1\ndef f(): return g()", "def g(): return 2\ndef f(): return g()"),
    "helper of a helper": (
        "def h(): return 1\ndef g(): return h()\ndef f(): return g()",
        "def h(): return 2\ndef g(): return h()\ndef f(): return g()",
    ),
    "helper in a comprehension": ("def g(i): return i\ndef f(s): return [g(i) for i in s]", "def g(i): return -i\ndef f(s): return [g(i) for i in s]"),
    "helper as default": ("def g(): return 1\ndef f(g=g): return g()", "def g(): return 2\ndef f(g=g): return g()"),
    "helper in a dict": ("def g(): return 1\nd = {'g': g}\ndef f(): return d['g']()", "def g(): return 2\nd = {'g': g}\ndef f(): return d['g']()"),
    "helper in a partial": (
        "from functools import partial\ndef g(x): return 1\nf = partial(g, 1)",
        "from functools import partial\ndef g(x): return 2\nf = partial(g, 1)",
    ),
    "closure": ("def m(n):\n    def f(): return n\n    return f\nf = m(1)", "def m(n):\n    def f(): return n\n    return f\nf = m(True)"),
    "decorator's argument": (
        "def d(n):\n    def w(f): return lambda: f() + n\n    return w\n@d(1)\ndef f(): return 1",
        "def d(n):\n    def w(f): return lambda: f() + n\n    return w\n@d(2)\ndef f(): return 1",
    ),
    "what a decorator wraps": (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a)\n    return w\n@d\ndef f(): return 1",
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a)\n    return w\n@d\ndef f(): return 2",
    ),
    "decorator's own code": (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a)\n    return w\n@d\ndef f(): return 1",
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return -f(*a)\n    return w\n@d\ndef f(): return 1",
    ),
    "cached": (
        "import functools\n@functools.lru_cache\ndef f(x): return 1",
        "import functools\n@functools.lru_cache\ndef f(x): return 2",
        "import functools\n@functools.lru_cache(typed=True)\ndef f(x): return 1",
        "import functools\n@functools.lru_cache(maxsize=3)\ndef f(x): return 1",
    ),
    "cached, through a helper": (
        "import functools\ndef g(): return 1\n@functools.cache\ndef f(x): return g()",
        "import functools\ndef g(): return 2\n@functools.cache\ndef f(x): return g()",
    ),
    "context manager": (
        "from contextlib import contextmanager\n@contextmanager\ndef f(): yield 1",
        "from contextlib import contextmanager\n@contextmanager\ndef f(): yield 2",
    ),
    "annotations": ("def f(x: int): 0", "def f(x: str): 0", "def f(x): 0", "def f(x: 'int'): 0", "def f(x) -> int: 0"),
    "class in an annotation": (
        "from typing import Optional\nclass A:\n    n = 1\ndef f(x: Optional[A]): 0",
        "from typing import Optional\nclass A:\n    n = 2\ndef f(x: Optional[A]): 0",
    ),
    "function attributes": ("def f(): 0\nf.n = 1", "def f(): 0\nf.n = 2", "def f(): 0"),
    "renamed function": ("def f(): 0", "def f(): 0\nf.__name__ = 'g'"),
    "global value": ("k = 1\ndef f(): return k", "k = True\ndef f(): return k", "k = [1]\ndef f(): return k", "def f(): return k"),
    "key read": ("cfg = {'a': 1}\ndef f(): return cfg['a']", "cfg = {'a': 2}\ndef f(): return cfg['a']", "cfg = {'b': 1}\ndef f(): return cfg['a']"),
    "whole dict": ("cfg = {'a': 1, 'b': 1}\ndef f(k): return cfg[k]", "cfg = {'a': 1, 'b': 2}\ndef f(k): return cfg[k]"),
    "dict handed on": ("cfg = {'a': 1, 'b': 1}\ndef f(): return g(cfg)\ng = len", "cfg = {'a': 1, 'c': 1}\ndef f(): return g(cfg)\ng = len"),
    "dict's method": ("cfg = {'a': 1, 'b': 1}\ndef f(): return cfg.get('a')", "cfg = {'a': 2, 'b': 1}\ndef f(): return cfg.get('a')"),
    "key of a subclass": (
        "class D(dict):\n    def __getitem__(s, k): return s.n\ncfg = D(a=1)\ncfg.n = 1\ndef f(): return cfg['a']",
        "class D(dict):\n    def __getitem__(s, k): return s.n\ncfg = D(a=1)\ncfg.n = 2\ndef f(): return cfg['a']",
    ),
    "key stored": ("cfg = {'a': 1, 'b': 1}\ndef f(): cfg['a'] = 3", "cfg = {'a': 1, 'b': 2}\ndef f(): cfg['a'] = 3"),
    "builtin shadowed": ("def f(x): return len(x)", "def len(x): return 0\ndef f(x): return len(x)"),
    "recursion": ("def f(n): return n and f(n - 1)", "def f(n): return n and f(n - 2)"),
    "mutual recursion": (
        "def f(n): return n and g(n - 1)\ndef g(n): return n and f(n - 1)",
        "def f(n): return n and g(n - 1)\ndef g(n): return n and f(n - 2)",
    ),
    "walrus": ("def f(x): return (y := k) + y\nk = 1", "def f(x): return (y := k) + y\nk = 2"),
    "match": (
        "class P: x = 1\ndef f(v):\n    match v:\n        case P(x=1): return 1",
        "class P: x = 2\ndef f(v):\n    match v:\n        case P(x=1): return 1",
        "class P: x = 1\ndef f(v):\n    match v:\n        case P(y=1): return 1",
    ),
    "match on a constant's value": (
        "class K: a = 1\ndef f(v):\n    match v:\n        case K.a: return 1",
        "class K: a = 2\ndef f(v):\n    match v:\n        case K.a: return 1",
    ),
    "raised class": ("class E(Exception):\n    n = 1\ndef f():\n    try: 0\n    except E: 1", "class E(Exception):\n    n = 2\ndef f():\n    try: 0\n    except E: 1"),
    "class body in a function": ("k = 1\ndef f():\n    class A: x = k\n    return A", "k = 2\ndef f():\n    class A: x = k\n    return A"),
    "class body that may bind the name": (
        "x = 1\ndef f(c):\n    class A:\n        if c: x = 5\n        y = x\n    return A.y",
        "x = 2\ndef f(c):\n    class A:\n        if c: x = 5\n        y = x\n    return A.y",
    ),
    "class body that unbinds the name": (
        "x = 1\ndef f():\n    class A:\n        x = 5\n        del x\n        y = x\n    return A.y",
        "x = 2\ndef f():\n    class A:\n        x = 5\n        del x\n        y = x\n    return A.y",
    ),
    "class body with a loop": (
        "x = 1\ndef f(s):\n    class A:\n        for i in s: x = i\n        y = x\n    return A.y",
        "x = 2\ndef f(s):\n    class A:\n        for i in s: x = i\n        y = x\n    return A.y",
    ),
    "decorator inside a function": ("def d(g): return g\ndef f():\n    @d\n    def h(): 0\n    return h", "def d(g): return 1\ndef f():\n    @d\n    def h(): 0\n    return h"),
    "annotation inside a function": ("def f():\n    def h(x: K): 0\n    return h\nK = 1", "def f():\n    def h(x: K): 0\n    return h\nK = 2"),
    "global statement": ("def f():\n    global k\n    k = 1", "def f():\n    k = 1", "def f():\n    global j\n    j = 1"),
    "delete": ("def f(x): del x[0]", "def f(x): del x[1]", "def f(x): x[0]"),
    "local names that are looked at": ("def f():\n    a = 1\n    return locals()", "def f():\n    b = 1\n    return locals()"),
    "docstring that is looked at": ("def f():\n    'A'\n    return f.__doc__", "def f():\n    'B'\n    return f.__doc__"),
    "future": ("def f(x: int): 0", "from __future__ import annotations\ndef f(x: int): 0"),
    "singledispatch": (
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 0",
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 1",
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 1",
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 2",
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: str): return 1",
    ),
    "builtins patched": ("import builtins\ndef f(x): return extra_name(x)", "import builtins\nbuiltins.extra_name = lambda x: 1\ndef f(x): return extra_name(x)"),
    "many names": (
        "".join(f"k{i} = {i}\n" for i in range(300)) + "def f(): return (" + ",".join(f"k{i}" for i in range(300)) + ")",
        "".join(f"k{i} = {i if i != 299 else 0}\n" for i in range(300)) + "def f(): return (" + ",".join(f"k{i}" for i in range(300)) + ")",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _builtins(monkeypatch: pytest.MonkeyPatch) -> Any:
    import builtins

    yield
    if hasattr(builtins, "extra_name"):
        del builtins.extra_name


@pytest.mark.parametrize("name", SAME)
def test_not_an_edit(name: str) -> None:
    one, other = SAME[name]
    assert fingerprint(run(one).f) == fingerprint(run(other).f)


@pytest.mark.parametrize("name", DIFFERENT)
def test_an_edit(name: str) -> None:
    found = [fingerprint(run(source).f) for source in DIFFERENT[name]]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", DIFFERENT)
def test_defined_again_is_the_same(name: str) -> None:
    for source in DIFFERENT[name]:
        assert fingerprint(run(source).f) == fingerprint(run(source).f)


def test_a_global_that_appears_later() -> None:
    book = run("def f(): return later()")
    before = fingerprint(book.f)
    book.namespace["later"] = lambda: 1
    assert fingerprint(book.f) != before
    del book.namespace["later"]
    assert fingerprint(book.f) == before


def test_a_key_that_appears_later() -> None:
    book = run("cfg = {}\ndef f(): return cfg['a'] if cfg else 0\ndef g(): return cfg['a']")
    before = fingerprint(book.g)
    book.cfg["b"] = 1
    assert fingerprint(book.g) == before
    book.cfg["a"] = None
    assert fingerprint(book.g) != before


def test_docstrings_count_where_a_function_is_handed_on_as_a_value() -> None:
    source = "def tool():\n    'Does {}.'\n    return 1\ntools = [tool]\ndef f(): return [t() for t in tools]\n"
    one, other = run(source.format("A")), run(source.format("B"))
    assert fingerprint(one.tools) != fingerprint(other.tools)
    assert fingerprint(one.f) != fingerprint(other.f)
    assert fingerprint(one.tool) == fingerprint(other.tool)


def test_a_long_chain_of_helpers_is_followed() -> None:
    def source(n: int) -> str:
        chain = "".join(f"def f{i}(): return f{i + 1}()\n" for i in range(600))
        return chain + f"def f600(): return {n}\ndef f(): return f0()\n"

    assert fingerprint(run(source(1)).f) != fingerprint(run(source(2)).f)


def test_a_long_chain_of_classes_is_followed() -> None:
    def source(n: int) -> str:
        chain = "".join(f"class C{i}:\n    def m(self): return C{i + 1}().m()\n" for i in range(200))
        return chain + f"class C200:\n    def m(self): return {n}\nx = C0()\n"

    assert fingerprint(run(source(1)).x) != fingerprint(run(source(2)).x)


# -- modules


def test_a_helper_in_a_project_module(project: Any) -> None:
    def of(body: str) -> bytes:
        project("fp_helpers", f"def clean(x): return {body}\ndef other(x): return 0\n")
        return fingerprint(run("import fp_helpers\ndef f(x): return fp_helpers.clean(x)\n").f)

    assert of("x") != of("-x")
    assert of("x") == of("x  # same")


def test_another_function_of_the_module_does_not_matter(project: Any) -> None:
    def of(body: str) -> bytes:
        project("fp_helpers", f"def clean(x): return x\ndef other(x): return {body}\n")
        return fingerprint(run("import fp_helpers\ndef f(x): return fp_helpers.clean(x)\n").f)

    assert of("1") == of("2")


@pytest.mark.parametrize(
    "body", ["import fp_helpers; return fp_helpers.clean(x)", "from fp_helpers import clean; return clean(x)"]
)
def test_a_project_module_imported_inside_a_function(project: Any, body: str) -> None:
    def of(edit: str) -> bytes:
        project("fp_helpers", f"def clean(x): return {edit}\n")
        return fingerprint(run(f"def f(x):\n    {body}\n").f)

    assert of("x") != of("-x")


def test_what_a_project_module_reads(project: Any) -> None:
    def of(limit: int) -> bytes:
        project("fp_helpers", f"LIMIT = {limit}\ndef low(): return LIMIT\ndef clean(x): return x + low()\n")
        return fingerprint(run("from fp_helpers import clean\ndef f(x): return clean(x)\n").f)

    assert of(1) != of(2)


def test_a_module_used_as_a_whole(project: Any) -> None:
    def of(source: str) -> bytes:
        project("fp_helpers", source)
        return fingerprint(run("import fp_helpers\ndef f(n): return getattr(fp_helpers, n)()\n").f)

    assert of("def a(): return 1\n") != of("def a(): return 2\n")
    assert of("__all__ = ['a']\ndef a(): return 1\n") != of("__all__ = []\ndef a(): return 1\n")
    assert of("def __getattr__(n): return 1\n") != of("def __getattr__(n): return 2\n")


def test_a_module_that_answers_for_missing_attributes(project: Any) -> None:
    def of(n: int) -> bytes:
        project("fp_helpers", f"def __getattr__(name): return lambda: {n}\n")
        return fingerprint(run("import fp_helpers\ndef f(): return fp_helpers.anything()\n").f)

    assert of(1) != of(2)


def test_a_patched_attribute_of_a_project_module(project: Any) -> None:
    module = project("fp_helpers", "def clean(x): return x\n")
    book = run("import fp_helpers\ndef f(x): return fp_helpers.clean(x)\ndef mine(x): return 0\n")
    before, original = fingerprint(book.f), module.clean
    module.clean = book.mine
    assert fingerprint(book.f) != before
    module.clean = original
    assert fingerprint(book.f) == before


def test_a_patched_attribute_of_a_library_module(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    book = run("import json\ndef f(x): return json.dumps(x)\ndef mine(x): return ''\n")
    before = fingerprint(book.f)
    monkeypatch.setattr(json, "dumps", book.mine)
    assert fingerprint(book.f) != before


def test_a_function_borrowed_from_a_library_by_its_module_name() -> None:
    source = "def f(): return {}\nf.__module__ = 'json'\n"
    assert fingerprint(run(source.format(1)).f) != fingerprint(run(source.format(2)).f)


def test_code_run_by_exec_in_globals_of_its_own() -> None:
    def of(n: int) -> bytes:
        scope: dict[str, Any] = {"k": n}
        exec("def f(): return k", scope)
        return fingerprint(scope["f"])

    assert of(1) != of(2)


def test_streams_of_a_library_module_do_not_stand_in_the_way() -> None:
    book = run("import sys\nclass A:\n    def m(self): sys.stdout.flush()\nx = A()\n")
    assert fingerprint(book.x)


def test_data_of_a_library_module_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import string

    book = run("import string\ndef f(): return string.digits\n")
    before = fingerprint(book.f)
    monkeypatch.setattr(string, "digits", "01")
    assert fingerprint(book.f) != before


# -- what the bytecode refers to


def names(source: str) -> set[str]:
    return {read.name for read in references(run(source).f.__code__).reads}


@pytest.mark.parametrize(
    "body",
    [
        "return a",
        "return a.b.c",
        "return [a for _ in ()]",
        "return {a: 1 for _ in ()}",
        "return lambda: a",
        "return lambda x=a: x",
        "return f'{a}{a!r:>{a}}'",
        "del a[0]",
        "a[0] += 1",
        "a.b = 1",
        "global a; a += 1",
        "with a: pass",
        "assert a",
        "raise a from a",
        "return (y := a)",
        "return [y := a for _ in ()]",
        "async def g(): await a",
        "async def g(): return [i async for i in a]",
        "def g(x: a): pass",
        "def g() -> a: pass",
        "@a\n    def g(): pass",
        "class C(a): pass",
        "class C(metaclass=a): pass",
        "class C:\n        x: a = 1",
        "class C:\n        x = a",
        "class C:\n        def m(self): return a",
        "class C:\n        a = a",
        "class C:\n        x = [a for _ in ()]",
        "class C:\n        class D:\n            x = a",
        "try: pass\n    except a: pass",
        "try: pass\n    except* a: pass",
        "try: pass\n    finally: a()",
        "match 1:\n        case a.b: pass",
        "match 1:\n        case a(): pass",
        "match 1:\n        case _ if a: pass",
        "return (lambda: (lambda: a))",
        "yield from a",
        "print(*a, **a)",
        "return x[a:a]" if sys.version_info >= (3, 11) else "return a",
    ],
)
def test_every_read_is_found(body: str) -> None:
    assert "a" in names(f"def f(x=None):\n    {body}\n")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new syntax")
@pytest.mark.parametrize(
    "body", ["def g[T: a](x: T): pass", "class C[T: a]: pass", "type X = a", "class C[T]:\n        x: a"]
)
def test_every_read_is_found_in_new_syntax(body: str) -> None:
    assert "a" in names(f"def f():\n    {body}\n")


@pytest.mark.parametrize(
    "body",
    [
        "a = 1; return a",
        "def g(a): return a",
        "return [a for a in ()]",
        "return x.a",
        "class C:\n        a = 1\n        b = a",
        "import a; return a",
        "for a in (): a",
    ],
)
def test_a_local_is_no_read(body: str) -> None:
    assert "a" not in names(f"def f(x=None):\n    {body}\n")


def test_a_variable_of_the_function_around_is_no_read_in_a_class_body() -> None:
    assert "a" not in names("def f(a):\n    class C:\n        x = a\n    return C\n")


def test_paths_stop_where_the_bytecode_stops() -> None:
    source = "def f(k):\n    return a['x'], b['x']['y'].z, c[k], d['x'][k], e.m('x'), g, h[0], i[-1], j[True], l[1.5]\n"
    found = {read.name: read.path for read in references(run(source).f.__code__).reads}
    assert found == {
        "a": (("item", "x"),), "b": (("item", "x"), ("item", "y"), ("attr", "z")), "c": (), "d": (("item", "x"),),
        "e": (("attr", "m"),), "g": (), "h": (("item", 0),), "i": (("item", -1),), "j": (), "l": (),
    }  # fmt: skip


def test_a_path_that_is_changed_is_the_whole() -> None:
    for body in ("a['x'] = 1", "a['x'] += 1", "del a['x']", "(k or a)", "a, ['x']", "g(a, 'x')"):
        found = [
            read.path for read in references(run(f"def f(k, g):\n    {body}\n").f.__code__).reads if read.name == "a"
        ]
        assert found == [()], body


def test_imports_stores_attributes_and_strings_are_told() -> None:
    found = references(
        run("""
        def f(x):
            global made, gone
            import os.path as p, json
            from .. import up
            from .near import one, two
            made = 1
            del gone
            x.attr = x.read.more
            return lambda: ("s1", {"s2", "s3"}, x in {"s4"})
        """).f.__code__
    )
    assert {"os.path", "json", "", "near"} == {name for name, _, _ in found.imports}
    assert ("near", ("one", "two"), 1) in found.imports
    assert found.stores == {"made", "gone"}
    assert {"read", "more"} <= found.attributes and found.attribute_stores == {"attr"}
    assert {"s1", "s2", "s3", "s4"} <= found.strings


def test_tokens_do_not_depend_on_position_or_file() -> None:
    source = textwrap.dedent(BASE)
    one = compile(source, "/tmp/a.py", "exec")
    other = compile("\n\n" + source, "/tmp/b.py", "exec")
    assert code_token(one) == code_token(other)
    assert code_token(one) == code_token(one.replace(co_firstlineno=99))


def test_code_objects_are_not_kept_alive() -> None:
    import gc
    import weakref

    code = run("def f(): return 1").f.__code__
    references(code), code_token(code)
    watch = weakref.ref(code)
    del code
    gc.collect()
    assert watch() is None
