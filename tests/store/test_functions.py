"""Functions and classes: by the name that owns them, else by value, and refused where neither is true to them."""

import collections
import dataclasses
import enum
import functools
import math
import typing
from collections.abc import Callable
from typing import Any

import pytest

from incnb.store import LoadError, dump, load

from .values import Point, again, notebook, refusal


def test_a_function_of_the_notebook_is_what_its_name_means_when_it_is_loaded() -> None:
    before, after = notebook("def f(): return 1"), notebook("def f(): return 2")
    pickled = dump([before["f"]], namespace=before)
    assert load(pickled.data, (), namespace=after) == [after["f"]]
    with pytest.raises(LoadError, match="f is no longer defined"):
        load(pickled.data, (), namespace={})


CLASSES = """
class A:
    def __init__(self): self.me = self
    def run(self): return 1
    class In: pass
class B(A): pass
"""


def test_nested_instances_belong_to_the_live_class() -> None:
    before, after = notebook(CLASSES), notebook(CLASSES)
    a, b = before["A"](), before["B"]()
    group = {"one": [a], "two": {"k": (a, b, before["A"].In())}, "run": a.run, "class": before["B"]}
    pickled = dump(group, namespace=before)
    restored = load(pickled.data, (), namespace=after)
    assert isinstance(restored, dict)
    assert type(restored["one"][0]) is after["A"]
    assert restored["one"][0] is restored["two"]["k"][0] is restored["one"][0].me
    assert type(restored["two"]["k"][1]) is after["B"] is restored["class"]
    assert type(restored["two"]["k"][2]) is after["A"].In
    assert restored["run"].__func__ is after["A"].run
    with pytest.raises(LoadError, match="A is no longer defined in the notebook"):
        load(pickled.data, (), namespace={})
    with pytest.raises(LoadError, match=r"A\.In is no longer defined"):
        load(pickled.data, (), namespace=notebook(CLASSES.replace("class In", "class Out")))


def test_live_decides_which_name_owns() -> None:
    space = notebook("def f(): return 1")
    asked = []

    def live(module: str, qualname: str) -> object:
        asked.append((module, qualname))
        return None

    restored = again(space["f"], namespace=space, live=live)
    assert asked == [("__main__", "f")]
    assert restored is not space["f"] and restored() == 1


CLOSURES = """
scale = 10
def make():
    n = 0
    def inc(by=1, *, times=2):
        'adds'
        nonlocal n
        n += by * times
        return n * scale
    def get(): return n
    inc.tag = [inc]
    return inc, get
inc, get = make()
double = lambda x: x * 2 * scale
def recursive():
    def even(k): return True if k == 0 else odd(k - 1)
    def odd(k): return False if k == 0 else even(k - 1)
    return even, odd
"""


def test_functions_that_no_name_owns_are_saved_by_value() -> None:
    before = notebook(CLOSURES)
    after = {"__name__": "__main__", "scale": 100}
    pickled = dump([before["inc"], before["get"], before["double"], *before["recursive"]()], namespace=before)
    inc, get, double, even, odd = typing.cast("list[Callable[..., Any]]", load(pickled.data, (), namespace=after))
    assert inc(3) == 600 and get() == 6 and inc(by=1, times=1) == 700 and get() == 7
    assert inc.__closure__ and get.__closure__ and inc.__closure__[0] is get.__closure__[0]
    assert inc.tag[0] is inc  # type: ignore[attr-defined]
    assert inc.__doc__ == "adds" and inc.__qualname__ == "make.<locals>.inc" and inc.__module__ == "__main__"
    assert inc.__globals__ is after  # type: ignore[attr-defined]
    assert inc.__code__ == before["inc"].__code__ and inc.__code__.co_filename == "<cell>"
    assert double(1) == 200
    assert even(10) and odd(7) and not even(3)
    assert before["get"]() == 0


def test_an_empty_cell_stays_empty() -> None:
    def outer() -> Any:
        def inner() -> Any:
            return later

        if math.pi < 0:
            later = 1
        return inner

    inner = again(outer())
    with pytest.raises(NameError):
        inner()


def test_a_function_of_a_module_finds_its_globals_there() -> None:
    restored = again(lambda: Point)
    assert restored() is Point and restored.__globals__ is globals()


def decorator(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return ("decorated", function(*args))

    return inner


def test_a_decorated_function_keeps_what_it_wraps() -> None:
    space = notebook("def f(x): return x + one\none = 1\nkeep = f")
    space["decorator"] = decorator
    wrapped = decorator(space["f"])
    space["g"] = wrapped
    restored = again(wrapped, namespace=space)
    assert restored(1) == ("decorated", 2) and restored.__name__ == "f"
    assert restored.__wrapped__ is space["f"]


def test_a_function_with_globals_of_its_own_is_refused() -> None:
    function = eval("lambda: 1", {"__name__": "nowhere"})
    assert "belong to no module" in refusal([function]).why
    script = notebook("f = lambda: x\nx = 1")
    assert "belong to no module" in refusal(script["f"], namespace=notebook("")).why


def local_classes() -> Any:
    @dataclasses.dataclass
    class A:
        "doc"

        x: int
        y: list[int] = dataclasses.field(default_factory=list)
        count: typing.ClassVar[int] = 3

        def me(self) -> Any:
            return __class__  # type: ignore[name-defined]

        @property
        def twice(self) -> int:
            return 2 * self.x

        @classmethod
        def cls(cls) -> Any:
            return cls

        @staticmethod
        def three() -> int:
            return 3

        @functools.cached_property
        def cached(self) -> int:
            return 4

    class B(A):
        __slots__ = ("__hidden", "q")

        def me(self) -> Any:
            return super().me()

        def hide(self, value: Any) -> Any:
            self.__hidden = value
            return self.__hidden

    return A, B


def test_a_class_that_no_name_owns_is_saved_by_value() -> None:
    A, B = local_classes()
    b = B(1)
    b.q = [b]
    A2, B2, b2 = again((A, B, b))
    assert type(b2) is B2 and B2.__bases__ == (A2,) and b2.q[0] is b2
    assert b2.me() is A2 and b2.hide(5) == 5 and b2.twice == 2 and b2.cached == 4
    assert A2.cls() is A2 and A2.three() == 3 and A2.count == 3 and A2.__doc__ == "doc"
    assert A2(2) == A2(2) and A2(2).y == [] and A2(2).y is not A2(2).y
    assert dataclasses.replace(b2, x=9).x == 9
    assert [field.name for field in dataclasses.fields(A2)] == ["x", "y"]
    assert again((A, A, A(1)))[0].__qualname__ == A.__qualname__


def test_a_named_tuple_that_no_name_owns_is_saved_by_value() -> None:
    def make() -> Any:
        class Typed(typing.NamedTuple):
            a: int
            b: int = 2

            def total(self) -> int:
                return self.a + self.b

        return Typed, collections.namedtuple("Plain", "x y", defaults=[5])

    Typed, Plain = make()
    T2, P2, t2 = again((Typed, Plain, Typed(1)))
    assert type(t2) is T2 and t2.total() == 3 and T2._field_defaults == {"b": 2}
    assert P2(1) == (1, 5) and repr(P2(1)) == "Plain(x=1, y=5)"


def test_local_classes_that_cannot_be_made_again_are_refused() -> None:
    class Local(enum.Enum):
        ONE = 1

    class Counting:
        def __init_subclass__(cls) -> None:
            cls.counted = True  # type: ignore[attr-defined]

    class Counted(Counting):
        pass

    assert refusal({"k": Local.ONE}).path.startswith("value['k']")
    assert "counts its subclasses" in refusal([Counted]).why
