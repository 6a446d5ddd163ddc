"""Classes and their instances: what is an edit, what is a state, and who may not be trusted."""

from __future__ import annotations

import types
from typing import Any

import pytest
from fresh import run

from incnb.fingerprint import Unfingerprintable, fingerprint

HEAD = """
import abc, dataclasses, enum, functools, typing
from dataclasses import dataclass, field
import attrs, pydantic
"""

#: Sources that bind `x`, an instance or a class; each source of a row is another thing.
DIFFERENT: dict[str, tuple[str, ...]] = {
    "method": ("class A:\n def m(s): return 1\nx = A()", "class A:\n def m(s): return 2\nx = A()", "class A:\n def n(s): return 1\nx = A()"),
    "base's method": ("class B:\n def m(s): return 1\nclass A(B): 0\nx = A()", "class B:\n def m(s): return 2\nclass A(B): 0\nx = A()"),
    "base of a base": (
        "class C: n = 1\nclass B(C): 0\nclass A(B): 0\nx = A()",
        "class C: n = 2\nclass B(C): 0\nclass A(B): 0\nx = A()",
    ),
    "bases": ("class B: 0\nclass C: 0\nclass A(B, C): 0\nx = A()", "class B: 0\nclass C: 0\nclass A(C, B): 0\nx = A()", "class B: 0\nclass A(B): 0\nx = A()"),
    "gained": (
        "class A:\n def run(s): return s.step()\nx = A()",
        "class A:\n def run(s): return s.step()\n def step(s): return 1\nx = A()",
        "class A:\n def run(s): return s.step()\n def __len__(s): return 0\nx = A()",
        "class A:\n def run(s): return s.step()\n step = None\nx = A()",
    ),
    "class attribute": ("class A: n = 1\nx = A()", "class A: n = True\nx = A()", "class A: m = 1\nx = A()"),
    "order of class attributes": ("class A:\n a = 1\n b = 2\nx = A", "class A:\n b = 2\n a = 1\nx = A"),
    "kind of method": (
        "class A:\n def m(s): return 1\nx = A()",
        "class A:\n @staticmethod\n def m(s): return 1\nx = A()",
        "class A:\n @classmethod\n def m(s): return 1\nx = A()",
        "class A:\n @property\n def m(s): return 1\nx = A()",
        "class A:\n @functools.cached_property\n def m(s): return 1\nx = A()",
        "class A:\n @functools.cache\n def m(s): return 1\nx = A()",
        "class A:\n @abc.abstractmethod\n def m(s): return 1\nx = A()",
        "class A:\n @functools.singledispatchmethod\n def m(s): return 1\nx = A()",
    ),
    "static method": ("class A:\n @staticmethod\n def m(): return 1\nx = A()", "class A:\n @staticmethod\n def m(): return 2\nx = A()"),
    "property's setter": (
        "class A:\n @property\n def p(s): 0\nx = A()",
        "class A:\n @property\n def p(s): 0\n @p.setter\n def p(s, v): 0\nx = A()",
        "class A:\n @property\n def p(s): 0\n @p.deleter\n def p(s): 0\nx = A()",
    ),
    "cached property": ("class A:\n @functools.cached_property\n def m(s): return 1\nx = A()", "class A:\n @functools.cached_property\n def m(s): return 2\nx = A()"),
    "partial method": (
        "class A:\n def m(s, n): return n\n p = functools.partialmethod(m, 1)\nx = A()",
        "class A:\n def m(s, n): return n\n p = functools.partialmethod(m, 2)\nx = A()",
    ),
    "dispatching method": (
        "class A:\n @functools.singledispatchmethod\n def m(s, v): 0\nx = A()",
        "class A:\n @functools.singledispatchmethod\n def m(s, v): 0\n @m.register\n def _(s, v: int): return 1\nx = A()",
        "class A:\n @functools.singledispatchmethod\n def m(s, v): 0\n @m.register\n def _(s, v: int): return 2\nx = A()",
    ),
    "total ordering": (
        "@functools.total_ordering\nclass A:\n def __lt__(s, o): 0\n def __eq__(s, o): 0\nx = A()",
        "class A:\n def __lt__(s, o): 0\n def __eq__(s, o): 0\nx = A()",
    ),
    "metaclass": (
        "class M(type):\n def m(c): return 1\nclass A(metaclass=M): 0\nx = A()",
        "class M(type):\n def m(c): return 2\nclass A(metaclass=M): 0\nx = A()",
        "class A: 0\nx = A()",
    ),
    "hook for subclasses": (
        "class B:\n def __init_subclass__(c, n=0): c.n = n\nclass A(B, n=1): 0\nx = A()",
        "class B:\n def __init_subclass__(c, n=0): c.n = n\nclass A(B, n=2): 0\nx = A()",
    ),
    "descriptor": (
        "class D:\n def __get__(s, o, t): return 1\nclass A: d = D()\nx = A()",
        "class D:\n def __get__(s, o, t): return 2\nclass A: d = D()\nx = A()",
    ),
    "what a method reads": ("k = 1\nclass A:\n def m(s): return k\nx = A()", "k = 2\nclass A:\n def m(s): return k\nx = A()"),
    "super": (
        "class B:\n def m(s): return 1\nclass A(B):\n def m(s): return super().m()\nx = A().m",
        "class B:\n def m(s): return 2\nclass A(B):\n def m(s): return super().m()\nx = A().m",
    ),
    "annotations": ("class A:\n n: int\nx = A", "class A:\n n: str\nx = A", "class A: 0\nx = A", "class A:\n n: 'int'\nx = A"),
    "generic base": (
        "T = typing.TypeVar('T')\nclass B(typing.Generic[T]): 0\nclass A(B[int]): 0\nx = A",
        "T = typing.TypeVar('T')\nclass B(typing.Generic[T]): 0\nclass A(B[str]): 0\nx = A",
    ),
    "slots": ("class A: __slots__ = ('a', 'b')\nx = A()", "class A: __slots__ = ('a',)\nx = A()", "class A: 0\nx = A()"),
    "filled slots": (
        "class A: __slots__ = ('a', 'b')\nx = A()",
        "class A: __slots__ = ('a', 'b')\nx = A(); x.a = 1",
        "class A: __slots__ = ('a', 'b')\nx = A(); x.b = 1",
        "class A: __slots__ = ('a', 'b')\nx = A(); x.a = 2",
    ),
    "hidden slots": (
        "class A:\n __slots__ = ('__n',)\n def __init__(s, n): s.__n = n\nx = A(1)",
        "class A:\n __slots__ = ('__n',)\n def __init__(s, n): s.__n = n\nx = A(2)",
    ),
    "slots of the same name": (
        "class B: __slots__ = ('n',)\nclass A(B): __slots__ = ('n',)\nx = A(); B.n.__set__(x, 1); x.n = 0",
        "class B: __slots__ = ('n',)\nclass A(B): __slots__ = ('n',)\nx = A(); B.n.__set__(x, 2); x.n = 0",
    ),
    "slot or attribute": (
        "class A: __slots__ = ('a', '__dict__')\nx = A(); x.a = 1",
        "class A: __slots__ = ('a', '__dict__')\nx = A(); x.__dict__['a'] = 1",
        "class A: __slots__ = ('a', '__dict__')\nx = A(); x.__dict__['slot a'] = 1",
    ),
    "fields": (
        "class A: 0\nx = A()",
        "class A: 0\nx = A(); x.n = 1",
        "class A: 0\nx = A(); x.n = 1.0",
        "class A: 0\nx = A(); x.__dict__[1] = 1",
        "class A: 0\nx = A(); x.__dict__['1'] = 1",
    ),
    "order of fields": ("class A: 0\nx = A(); x.a = 1; x.b = 2", "class A: 0\nx = A(); x.b = 2; x.a = 1"),
    "a dict of another kind": (
        "class D(dict): 0\nclass A: 0\nx = A(); x.__dict__ = D(a=1)",
        "class D(dict): 0\nclass A: 0\nx = A(); x.__dict__ = D(a=2)",
    ),
    "renamed": ("class A: 0\nx = A()", "class B: 0\nx = B()", "class A:\n class A: 0\nx = A.A()"),
    "dataclass": (
        "@dataclass\nclass A:\n n: int = 1\nx = A()",
        "@dataclass\nclass A:\n n: int = 2\nx = A(1)",
        "@dataclass(eq=False)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(order=True)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(frozen=True)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(unsafe_hash=True)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(slots=True)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(repr=False)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(kw_only=True)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass(match_args=False)\nclass A:\n n: int = 1\nx = A()",
        "@dataclass\nclass A:\n n: int = field(default=1, repr=False)\nx = A()",
        "@dataclass\nclass A:\n n: int = field(default=1, compare=False)\nx = A()",
        "@dataclass\nclass A:\n n: int = field(default=1, metadata={'a': 1})\nx = A()",
        "@dataclass\nclass A:\n n: str = 1\nx = A()",
        "@dataclass\nclass A:\n n: int = field(default_factory=lambda: 1)\nx = A()",
        "@dataclass\nclass A:\n n: int = field(default_factory=lambda: 2)\nx = A(1)",
    ),
    "enum": (
        "class A(enum.Enum):\n a = 1\n b = 2\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\nx = A.b",
        "class A(enum.Enum):\n b = 2\n a = 1\nx = A.a",
        "class A(enum.Enum):\n a = True\n b = 2\nx = A.a",
        "class A(enum.IntEnum):\n a = 1\n b = 2\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 1\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\n @classmethod\n def _missing_(c, v): return c.a\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\n def m(s): 0\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\nx = A.a; x.note = 1",
        "class A(enum.Enum):\n a = 1\n b = 2\n def __init__(s, v): s.mass = v\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\n def __init__(s, v): s.mass = -v\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\n def __new__(c, v):\n  o = object.__new__(c); o._value_ = v; return o\nx = A.a",
        "class A(enum.Enum):\n a = 1\n b = 2\n def _generate_next_value_(n, *r): return n\nx = A.a",
    ),
    "flags": (
        "class A(enum.Flag):\n a = 1\n b = 2\nx = A.a",
        "class A(enum.Flag):\n a = 1\n b = 2\nx = A.a | A.b",
        "class A(enum.Flag, boundary=enum.KEEP):\n a = 1\n b = 2\nx = A.a",
        "class A(enum.IntFlag):\n a = 1\n b = 2\nx = A.a",
    ),
    "abstract classes": (
        "class A(abc.ABC): 0\nx = A",
        "class A(abc.ABC): 0\nA.register(int)\nx = A",
        "class A(abc.ABC): 0\nA.register(str)\nx = A",
        "class A(abc.ABC):\n @classmethod\n def __subclasshook__(c, o): return True\nx = A",
    ),
    "named tuple": (
        "class A(typing.NamedTuple):\n a: int\nx = A(1)",
        "class A(typing.NamedTuple):\n b: int\nx = A(1)",
        "class A(typing.NamedTuple):\n a: int = 2\nx = A(1)",
        "class A(typing.NamedTuple):\n a: int\n def m(s): 0\nx = A(1)",
        "x = (1,)",
    ),
    "attrs": (
        "@attrs.define\nclass A:\n n: int = 1\nx = A()",
        "@attrs.define\nclass A:\n n: int = 1\nx = A(2)",
        "@attrs.define\nclass A:\n n: int = 2\nx = A(1)",
        "@attrs.frozen\nclass A:\n n: int = 1\nx = A()",
        "@attrs.define(order=True)\nclass A:\n n: int = 1\nx = A()",
        "@attrs.define(slots=False)\nclass A:\n n: int = 1\nx = A()",
        "@attrs.define\nclass A:\n n: int = attrs.field(default=1, converter=int)\nx = A()",
        "@attrs.define\nclass A:\n n: int = attrs.field(default=1, converter=lambda v: v)\nx = A()",
        "@attrs.define\nclass A:\n n: int = attrs.field(default=1, validator=lambda *a: 1)\nx = A()",
        "@attrs.define\nclass A:\n n: int = attrs.field(default=1, validator=lambda *a: 2)\nx = A()",
        "@attrs.define\nclass A:\n n: int = 1\n def m(s): 0\nx = A()",
    ),
    "pydantic": (
        "class A(pydantic.BaseModel):\n n: int = 1\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\nx = A(n=1)",
        "class A(pydantic.BaseModel):\n n: int = 1\nx = A(n=2)",
        "class A(pydantic.BaseModel):\n n: float = 1\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 2\nx = A(n=1)",
        "class A(pydantic.BaseModel):\n n: int = pydantic.Field(1, gt=0)\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = pydantic.Field(1, gt=-1)\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = pydantic.Field(1, description='d')\nx = A()",
        "class A(pydantic.BaseModel):\n model_config = {'frozen': True}\n n: int = 1\nx = A()",
        "class A(pydantic.BaseModel):\n 'Doc.'\n n: int = 1\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\n @pydantic.field_validator('n')\n @classmethod\n def v(c, n): return n\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\n @pydantic.field_validator('n')\n @classmethod\n def v(c, n): return n + 1\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\n @pydantic.field_validator('n', mode='before')\n @classmethod\n def v(c, n): return n\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\n @pydantic.computed_field\n def c(s) -> int: return 1\nx = A()",
        "class A(pydantic.BaseModel):\n n: int = 1\n @pydantic.computed_field\n def c(s) -> int: return 2\nx = A()",
    ),
    "pydantic's private parts": (
        "class A(pydantic.BaseModel):\n _n: int = 1\nx = A()",
        "class A(pydantic.BaseModel):\n _n: int = 1\nx = A(); x._n = 2",
        "class A(pydantic.BaseModel):\n _n: int = 2\nx = A(); x._n = 1",
    ),
    "pydantic's extras": (
        "class A(pydantic.BaseModel):\n model_config = {'extra': 'allow'}\nx = A(a=1)",
        "class A(pydantic.BaseModel):\n model_config = {'extra': 'allow'}\nx = A(a=2)",
    ),
    "made by a call": (
        "x = dataclasses.make_dataclass('A', [('n', int, 1)])",
        "x = dataclasses.make_dataclass('A', [('n', int, 2)])",
        "x = type('A', (), {'n': 1})",
        "x = type('A', (), {'n': 2})",
        "import types; x = types.new_class('A', (), {}, lambda d: d.update(m=1))",
        "import types; x = types.new_class('A', (), {}, lambda d: d.update(m=2))",
        "x = enum.Enum('A', 'a b')",
        "x = enum.Enum('A', 'b a')",
        "x = pydantic.create_model('A', n=(int, 1))",
        "x = pydantic.create_model('A', n=(int, 2))",
        "x = attrs.make_class('A', ['n'])",
        "x = attrs.make_class('A', ['m'])",
    ),
    "made in a function": (
        "def make():\n class A:\n  def m(s): return 1\n return A\nx = make()()",
        "def make():\n class A:\n  def m(s): return 2\n return A\nx = make()()",
    ),
    "made in a function, closed over": (
        "def make(n):\n class A:\n  def m(s): return n\n return A\nx = make(1)()",
        "def make(n):\n class A:\n  def m(s): return n\n return A\nx = make(2)()",
    ),
    "a borrowed module name": (
        "class A:\n def m(s): return 1\nA.__module__ = 'json'\nx = A()",
        "class A:\n def m(s): return 2\nA.__module__ = 'json'\nx = A()",
    ),
    "a module that is gone": (
        "class A:\n def m(s): return 1\nA.__module__ = 'no.such.module'\nx = A()",
        "class A:\n def m(s): return 2\nA.__module__ = 'no.such.module'\nx = A()",
    ),
    "callable": ("class A:\n def __call__(s): return 1\nx = A()", "class A:\n def __call__(s): return 2\nx = A()"),
    "class of a class": ("class A: n = 1\nx = {'c': A}", "class A: n = 2\nx = {'c': A}"),
    "lying dict": (
        "class A:\n __dict__ = property(lambda s: {})\nclass B(A): 0\nclass C: 0\nclass D(C):\n __dict__ = property(lambda s: {})\nx = D(); object.__setattr__(x, 'n', 1)",
        "class A:\n __dict__ = property(lambda s: {})\nclass B(A): 0\nclass C: 0\nclass D(C):\n __dict__ = property(lambda s: {})\nx = D(); object.__setattr__(x, 'n', 2)",
    ),
    "lying class": (
        "class A:\n __class__ = property(lambda s: int)\nx = A(); x.n = 1",
        "class A:\n __class__ = property(lambda s: int)\nx = A(); x.n = 2",
        "class A:\n __class__ = property(lambda s: type)\nx = A(); x.n = 1",
        "class A:\n __class__ = property(lambda s: enum.Enum)\nx = A(); x.n = 1",
    ),
    "lying reductions": (
        "class A:\n def __reduce__(s): return 'x'\nx = A(); x.n = 1",
        "class A:\n def __reduce__(s): return 'x'\nx = A(); x.n = 2",
        "class A:\n def __getstate__(s): return None\nx = A(); x.n = 1",
        "class A:\n def __getstate__(s): return None\nx = A(); x.n = 2",
        "class A:\n def __reduce_ex__(s, p): raise KeyError\nx = A(); x.n = 1",
        "class A:\n def __reduce_ex__(s, p): raise KeyError\nx = A(); x.n = 2",
    ),
    "lying contents": (
        "class A(list):\n def __iter__(s): return iter(())\n def __len__(s): return 0\nx = A([1])",
        "class A(list):\n def __iter__(s): return iter(())\n def __len__(s): return 0\nx = A([2])",
        "class A(dict):\n def items(s): return ()\n def keys(s): return ()\n def __iter__(s): return iter(())\nx = A(a=1)",
        "class A(dict):\n def items(s): return ()\n def keys(s): return ()\n def __iter__(s): return iter(())\nx = A(a=2)",
        "class A(str):\n def __str__(s): return ''\n def encode(s, *a): return b''\nx = A('a')",
        "class A(str):\n def __str__(s): return ''\n def encode(s, *a): return b''\nx = A('b')",
        "class A(int):\n def __int__(s): return 0\n def __index__(s): return 0\nx = A(1)",
        "class A(int):\n def __int__(s): return 0\n def __index__(s): return 0\nx = A(2)",
        "class A(float):\n def __float__(s): return 0.0\nx = A(1)",
        "class A(float):\n def __float__(s): return 0.0\nx = A(2)",
    ),
    "lying equality": (
        "class A:\n def __eq__(s, o): return True\n def __hash__(s): return 1\nx = {A(): 1}",
        "class A:\n def __eq__(s, o): return True\n def __hash__(s): return 1\nx = {A(): 2}",
    ),
    "lying metaclass": (
        "class M(type):\n __module__ = property(lambda c: 'builtins')\n __name__ = property(lambda c: 'int')\nclass A(metaclass=M): n = 1\nx = A()",
        "class M(type):\n __module__ = property(lambda c: 'builtins')\n __name__ = property(lambda c: 'int')\nclass A(metaclass=M): n = 2\nx = A()",
        "class M(type):\n __dict__ = property(lambda c: {})\n __mro__ = ()\nclass A(metaclass=M): n = 1\nx = A()",
        "class M(type):\n __dict__ = property(lambda c: {})\n __mro__ = ()\nclass A(metaclass=M): n = 2\nx = A()",
    ),
    "raising attributes": (
        "class A:\n def __getattr__(s, n): raise RuntimeError\n def __bool__(s): raise RuntimeError\n def __len__(s): raise RuntimeError\nx = A(); x.n = 1",
        "class A:\n def __getattr__(s, n): raise RuntimeError\n def __bool__(s): raise RuntimeError\n def __len__(s): raise RuntimeError\nx = A(); x.n = 2",
        "class A:\n def __getattribute__(s, n): raise RuntimeError\nx = A(); object.__setattr__(x, 'n', 1)",
        "class A:\n def __getattribute__(s, n): raise RuntimeError\nx = A(); object.__setattr__(x, 'n', 2)",
    ),
    "struct": ("import struct\nclass A(struct.Struct): 0\nx = lambda: 1", "import struct\nclass A(struct.Struct): 0\nx = lambda: 2"),
}  # fmt: skip

SAME: dict[str, tuple[str, str]] = {
    "comment": ("class A:\n def m(s): return 1\nx = A()", "class A:\n # c\n def m(s):\n  return 1\nx = A()"),
    "docstring": (
        "class A:\n 'Doc.'\n def m(s): return 1\nx = A()",
        "class A:\n 'Other.'\n def m(s): return 1\nx = A()",
    ),
    "renamed local": ("class A:\n def m(s): a = 1; return a\nx = A()", "class A:\n def m(s): b = 1; return b\nx = A()"),
    "docstring of a dataclass": (
        "@dataclass\nclass A:\n 'Doc.'\n n: int = 1\nx = A()",
        "@dataclass\nclass A:\n n: int = 1\nx = A()",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name: str) -> None:
    found = [fingerprint(run(HEAD + source).x) for source in DIFFERENT[name]]
    assert len(set(found)) == len(found), [i for i, f in enumerate(found) if found.index(f) != i]


@pytest.mark.parametrize("name", [n for n in DIFFERENT if n != "lying equality"])
def test_the_same_again(name: str) -> None:
    for source in DIFFERENT[name]:
        assert fingerprint(run(HEAD + source).x) == fingerprint(run(HEAD + source).x), source


@pytest.mark.parametrize("name", SAME)
def test_not_an_edit(name: str) -> None:
    one, other = SAME[name]
    assert fingerprint(run(HEAD + one).x) == fingerprint(run(HEAD + other).x)


def test_an_edit_of_the_class_of_an_instance_that_exists() -> None:
    book = run("class A:\n    def m(self): return 1\nx = A()\ndef n(self): return 2\n")
    before, original = fingerprint(book.x), book.A.m
    book.A.m = book.n
    assert fingerprint(book.x) != before
    book.A.m = original
    assert fingerprint(book.x) == before
    book.A.__len__ = book.n
    assert fingerprint(book.x) != before


def test_a_class_that_hides_its_fields_is_refused() -> None:
    book = run("class A:\n    __dict__ = property(lambda s: {})\n    def __init__(s): s.n = 1\n")
    with pytest.raises(Unfingerprintable, match="hides its fields"):
        fingerprint(book.A())


def test_nothing_of_our_classes_is_run() -> None:
    book = run("""
        import array
        ran = []
        class Meddler:
            def __reduce__(self): ran.append("reduce")
            def __reduce_ex__(self, protocol): ran.append("reduce_ex")
            def __getstate__(self): ran.append("getstate")
            def __eq__(self, other): ran.append("eq")
            def __hash__(self): ran.append("hash"); return 1
            def __repr__(self): ran.append("repr"); return ""
            def __str__(self): ran.append("str"); return ""
            def __len__(self): ran.append("len"); return 0
            def __iter__(self): ran.append("iter"); return iter(())
            def __bool__(self): ran.append("bool"); return False
            def __getattr__(self, name): ran.append(name); raise AttributeError
            def __getattribute__(self, name): ran.append(name); return object.__getattribute__(self, name)
            @property
            def value(self): ran.append("value")
        class Listed(Meddler, list): pass
        class Failing(Meddler, Exception): pass
        class Packed(Meddler, array.array): pass
        a, b, c, d = Meddler(), Listed([1]), Failing(1), Packed("b")
        s, k = {a}, {a: 1}
        del ran[:]
    """)
    for name in "abcsk":
        fingerprint(getattr(book, name))
    assert book.ran == []


def test_a_reduction_of_ours_over_state_in_c_is_refused() -> None:
    book = run("import struct\nclass A(struct.Struct):\n    def __reduce__(self): return 'x'\nx = A('i')\n")
    with pytest.raises(Unfingerprintable, match="state in C"):
        fingerprint(book.x)
    with pytest.raises(Unfingerprintable):
        fingerprint(run("import struct\nclass A(struct.Struct): pass\nx = A('i')\n").x)


def test_lambdas_of_one_name_are_all_noted() -> None:
    from incnb.fingerprint.door import encode

    book = run("fs = [lambda: 1, lambda: 2]\nclass A:\n    def m(self): return fs\nx = A()\n")
    noted = encode(book.x).code
    assert {id(f) for f in book.fs} <= {id(f) for f in noted.values()}
    assert {"__main__:A", "__main__:A.m", "__main__:<lambda>"} <= set(noted)


def test_a_function_of_a_project_module_is_noted_under_its_module(project: Any) -> None:
    from incnb.fingerprint.door import encode

    module = project("fp_things", "class A:\n    def m(self): return helper()\ndef helper(): return 1\n")
    assert {"fp_things:A", "fp_things:A.m", "fp_things:helper"} == set(encode(module.A()).code)


def test_libraries_are_told() -> None:
    from incnb.fingerprint.door import encode

    book = run("import numpy as np\nclass A:\n    def m(self): return np.mean([1])\nx = A()\n")
    assert "numpy" in encode(book.x).libraries
    assert "pandas" in encode(__import__("pandas")).libraries


def test_caches_are_told_as_hidden() -> None:
    from incnb.fingerprint.door import encode

    book = run("import functools\n@functools.cache\ndef f(x): return x\n@functools.cache\ndef g(x): return f(x)\n")
    assert encode(book.g).hidden == [book.g, book.f]
    library = types.SimpleNamespace(f=__import__("re")._compile if hasattr(__import__("re"), "_compile") else len)
    assert encode(library).hidden == []
