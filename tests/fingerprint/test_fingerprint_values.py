"""Python's own values: what makes two of them different, and what does not."""

from __future__ import annotations

import array
import collections
import copy
import datetime
import decimal
import fractions
import functools
import io
import re
import types
import typing
import zoneinfo
from typing import Any

import pytest
from fresh import run

from incnb.fingerprint import fingerprint

DIFFERENT: dict[str, tuple[Any, ...]] = {
    "one": (1, True, 1.0, 1 + 0j, "1", b"1", decimal.Decimal(1), fractions.Fraction(1), [1], (1,), {1}, frozenset({1})),
    "nothing": (0, False, 0.0, -0.0, "", b"", None, (), [], {}, set(), frozenset(), bytearray()),
    "not a number": (float("nan"), None, decimal.Decimal("nan"), "nan"),
    "typed inside": ([1], [True], [1.0], ["1"]),
    "typed deep inside": ({"a": (1, [2])}, {"a": (1, [2.0])}, {"a": (True, [2])}, {"a": [1, [2]]}),
    "typed keys": ({1: 0}, {True: 0}, {1.0: 0}, {"1": 0}),
    "zeros inside": ([0.0], [-0.0], [0], [False]),
    "zeros as constants": ((0.0, 1), (-0.0, 1)),
    "complex zeros": (0j, -0j, complex(-0.0, 0.0)),
    "big": (2**63, 2.0**63, 2**63 + 1, -(2**63)),
    "order of a list": ([1, 2], [2, 1]),
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "order of attributes": (types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)),
    "separated": (["ab", "c"], ["a", "bc"], ["abc"], [["ab"], "c"], [["ab", "c"]]),
    "nesting": ([[1], [2]], [[1, 2]], [[1], 2], [[[1]], 2], [1, [2]]),
    "flat tuples": ([(1, 2), 3], [(1,), 2, 3], [(1, 2, 3)], [[1, 2], 3]),
    "tuples in tuples": ([((1,), 2)], [((1, 2),)], [(1, 2)]),
    "keys and values": ({1: 2, 3: 4}, {1: 3, 2: 4}, {1: (2, 3), 4: None}),
    "mappings": ({"a": 1}, collections.OrderedDict(a=1), collections.Counter(a=1), collections.defaultdict(None, a=1)),
    "factories": (collections.defaultdict(list), collections.defaultdict(dict), collections.defaultdict(None)),
    "deques": (collections.deque([1]), collections.deque([1], 3), collections.deque([1], 4), [1]),
    "ranges": (range(3), range(0, 3, 2), [0, 1, 2], range(1, 3)),
    "slices": (slice(1), slice(1, None), slice(1.0), slice(None, 1, 1)),
    "dates": (datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), "2024-01-01"),
    "zones": (
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/London")),
        datetime.datetime(2024, 1, 1),
        datetime.datetime(2024, 1, 1, fold=1),
    ),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00"), decimal.Decimal("0"), decimal.Decimal("-0")),
    "contexts": (decimal.Context(prec=3), decimal.Context(prec=4)),
    "patterns": (re.compile("a"), re.compile("a", re.I), re.compile(b"a"), "a"),
    "buffers": (b"x", bytearray(b"x"), array.array("B", b"x"), array.array("b", b"x")),
    "streams": (io.StringIO("a\n"), io.StringIO("a\n", newline="\r"), io.BytesIO(b"a\n"), io.StringIO("b")),
    "partials": (functools.partial(max, 1), functools.partial(max, 1, 2), functools.partial(min, 1)),
    "keywords": (functools.partial(dict, a=1), functools.partial(dict, b=1), functools.partial(dict)),
    "builtins": (len, max, print, int, str.upper, str.lower, bytes.upper, [].append, [1].append),
    "literals": (typing.Literal[1], typing.Literal[True], typing.Literal["1"], typing.Literal[1, "1"]),
    "aliases": (list[int], list[str], typing.List[int], dict[int, str], typing.Optional[int], int | str),  # noqa: UP006, UP045
    "variables": (typing.TypeVar("T"), typing.TypeVar("T", bound=int), typing.TypeVar("T", bound=str), typing.TypeVar("T", int, str)),
    "sets": ({1, 2}, {1, 2, 3}, {(1, 2)}, {1, 2.5}, frozenset({1, 2})),
    "nested sets": ({frozenset({1}), frozenset({2})}, {frozenset({1, 2})}, {frozenset({1}), 2}, {1, 2}),
    "singletons": (None, ..., NotImplemented, object),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_values_differ(name: str) -> None:
    found = [fingerprint(value) for value in DIFFERENT[name]]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_values_differ_inside_containers(name: str) -> None:
    for wrap in (lambda v: [v], lambda v: {"k": v}, lambda v: (0, [v, v])):
        found = [fingerprint(wrap(value)) for value in DIFFERENT[name]]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", [n for n in DIFFERENT if n not in ("streams", "variables", "builtins")])
def test_a_deep_copy_is_equal(name: str) -> None:
    for value in DIFFERENT[name]:
        assert fingerprint(copy.deepcopy(value)) == fingerprint(value)


# -- aliasing


def test_a_shared_mutable_part_is_told_from_two_equal_ones() -> None:
    for make in (list, dict, set, bytearray, collections.deque, types.SimpleNamespace, collections.OrderedDict):
        one, other = make(), make()
        assert fingerprint([one, one]) != fingerprint([one, other])
        assert fingerprint({"a": one, "b": [one]}) != fingerprint({"a": one, "b": [other]})


def test_sharing_an_immutable_part_means_nothing() -> None:
    long = "".join(["abc", "def"])
    assert fingerprint([long, long]) == fingerprint([long, "".join(["ab", "cdef"])])
    pair = (1, ("x",))
    assert fingerprint([pair, pair]) == fingerprint([pair, (1, tuple("x"))])
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    assert fingerprint([day, day]) == fingerprint([day, copy.deepcopy(day)])


def test_which_part_is_shared_counts() -> None:
    a, b = [0], [0]
    assert fingerprint([a, b, a]) != fingerprint([a, b, b])


def test_sharing_with_a_member_of_a_set_counts() -> None:
    book = run("""
        class Node:
            def __init__(self): self.n = 0
        x, y = Node(), Node()
    """)
    assert fingerprint([{book.x}, book.x]) != fingerprint([{book.x}, book.y])
    assert fingerprint([book.x, {book.x}]) != fingerprint([book.x, {book.y}])
    assert fingerprint(({book.x}, {book.x})) != fingerprint(({book.x}, {book.y}))


def test_sharing_between_members_of_a_set_counts() -> None:
    book = run("""
        class Node:
            def __init__(self, n, part): self.n, self.part = n, part
        part = []
        together = {Node(1, part), Node(2, part)}
        apart = {Node(1, []), Node(2, [])}
    """)
    assert fingerprint(book.together) != fingerprint(book.apart)


def test_a_view_of_a_dict_is_told_from_one_of_a_copy() -> None:
    one, other = {"a": 1}, {"a": 1}
    assert fingerprint([one, one.keys()]) != fingerprint([one, other.keys()])
    assert fingerprint([one, types.MappingProxyType(one)]) != fingerprint([one, types.MappingProxyType(other)])
    assert fingerprint(one.keys()) != fingerprint(one.values())


def test_closures_that_share_a_variable_are_told_from_two_that_do_not() -> None:
    book = run("""
        def counter():
            n = 0
            def up():
                nonlocal n
                n += 1
            def get(): return n
            return up, get
        (up, get), (_, other) = counter(), counter()
    """)
    assert fingerprint([book.up, book.get]) != fingerprint([book.up, book.other])


def test_cycles_end_and_their_shape_counts() -> None:
    short: list[Any] = []
    short.append(short)
    longer: list[Any] = [[]]
    longer[0].append(longer)
    assert fingerprint(short) != fingerprint(longer)
    through_tuple: dict[str, Any] = {}
    through_tuple["t"] = (through_tuple,)
    assert fingerprint(through_tuple) == fingerprint(copy.deepcopy(through_tuple))


def test_a_cycle_through_a_set() -> None:
    book = run("""
        class Node:
            pass
        def make(extra):
            node = Node()
            node.friends = {node, extra}
            return node
        a, b, c = make(1), make(1), make(2)
    """)
    assert fingerprint(book.a) == fingerprint(book.b) != fingerprint(book.c)


def test_equal_members_of_a_set_are_counted() -> None:
    book = run("""
        class Node: pass
        one, two = {Node()}, {Node(), Node()}
    """)
    assert fingerprint(book.one) != fingerprint(book.two)


# -- subclasses


@pytest.mark.parametrize(
    "base", ["int", "float", "str", "bytes", "list", "tuple", "dict", "set", "frozenset", "bytearray"]
)
def test_an_instance_of_a_subclass_is_content_class_and_attributes(base: str) -> None:
    book = run(f"""
        class Mine({base}): pass
        class Other({base}): pass
        def make(cls, arg, **attributes):
            made = cls(arg)
            made.__dict__.update(attributes)
            return made
    """)
    args = {"int": (1, 2), "float": (1.5, 2.5), "str": ("a", "b"), "dict": ({"a": 1}, {"a": 2})}.get(base, (b"a", b"b"))
    plain = eval(base)(args[0])
    values = [
        plain,
        book.make(book.Mine, args[0]),
        book.make(book.Mine, args[1]),
        book.make(book.Other, args[0]),
        book.make(book.Mine, args[0], extra=1),
        book.make(book.Mine, args[0], extra=True),
    ]
    found = [fingerprint([value]) for value in values]
    assert len(set(found)) == len(found)
    assert fingerprint(book.make(book.Mine, args[0])) == fingerprint(book.make(book.Mine, args[0]))


@pytest.mark.parametrize(
    "base",
    ["collections.OrderedDict", "collections.defaultdict", "collections.deque", "collections.Counter", "array.array"],
)
def test_a_subclass_of_a_container_in_c_keeps_contents_and_attributes(base: str) -> None:
    arguments = {"collections.defaultdict": "list, {'a': 1}", "array.array": "'b', b'a'"}.get(base, "'ab'")
    if base == "collections.OrderedDict":
        arguments = "[('a', 1), ('b', 2)]"
    book = run(f"""
        import collections, array
        class Mine({base}): pass
        def make(extra=None):
            made = Mine({arguments})
            if extra: made.extra = extra
            return made
    """)
    other = book.make()
    other.pop() if hasattr(other, "pop") and "dict" not in base.lower() and "Counter" not in base else other.clear()
    found = {fingerprint(book.make()), fingerprint(book.make(1)), fingerprint(book.make(2)), fingerprint(other)}
    assert len(found) == 4
    assert fingerprint(book.make(1)) == fingerprint(book.make(1))


def test_an_ordered_dict_is_in_its_own_order() -> None:
    one = collections.OrderedDict(a=1, b=2)
    other = collections.OrderedDict(a=1, b=2)
    other.move_to_end("a")
    book = run("""
        import collections
        class Mine(collections.OrderedDict): pass
        one, other = Mine(a=1, b=2), Mine(a=1, b=2)
        other.move_to_end("a")
    """)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(book.one) != fingerprint(book.other)


def test_attributes_on_ordered_dicts_and_counters_count() -> None:
    for make in (collections.OrderedDict, collections.Counter):
        one, other = make(a=1), make(a=1)
        other.note = 1  # type: ignore[attr-defined]
        assert fingerprint(one) != fingerprint(other)


def test_exceptions_are_class_arguments_fields_and_cause() -> None:
    book = run("""
        class Odd(ValueError):
            def __init__(self, n, extra=None):
                super().__init__(n)
                self.extra = extra
            def __reduce__(self): raise RuntimeError
        def caused():
            try:
                raise Odd(1) from KeyError(2)
            except Odd as error:
                return error
    """)
    values = [ValueError(1), ValueError("1"), KeyError(1), OSError(2, "no", "a"), OSError(2, "no", "b"), book.Odd(1)]
    values += [book.Odd(2), book.Odd(1, 5), book.caused()]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(book.Odd(1)) == fingerprint(book.Odd(1))


def test_long_texts_and_many_items() -> None:
    text = "x" * 200_000
    assert fingerprint(text) == fingerprint(text[:]) != fingerprint(text + "x")
    assert fingerprint(list(range(100_000))) != fingerprint([*range(99_999), 99_999.0])
    assert fingerprint({str(i): float(i) for i in range(10_000)}) == fingerprint(
        {str(i): float(i) for i in range(10_000)}
    )


def test_tuples_that_double_again_and_again_do_not_hang() -> None:
    from incnb.fingerprint import Unfingerprintable

    doubled: Any = ([],)
    for _ in range(60):
        doubled = (doubled, doubled)
    with pytest.raises(Unfingerprintable, match="too often"):
        fingerprint(doubled)


def test_a_registered_type_is_what_its_function_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.fingerprint import register, registry

    for table in ("_exact", "_found"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    monkeypatch.setattr(registry, "_subclasses", list(registry._subclasses))
    book = run("""
        import threading
        class Client:
            def __init__(self, url): self.url, self.lock = url, threading.Lock()
        class Child(Client): pass
    """)
    with pytest.raises(Exception, match="lock"):
        fingerprint(book.Child("a"))
    register(book.Client, lambda client: client.url)
    assert fingerprint(book.Client("a")) == fingerprint(book.Client("a")) != fingerprint(book.Client("b"))
    assert fingerprint(book.Child("a")) != fingerprint(book.Client("a"))


def test_a_class_may_say_itself_what_it_is() -> None:
    source = """
        class Client:
            def __init__(self, url, seen): self.url, self.seen = url, seen
            def __incnb_fingerprint__(self): return {url}
    """
    book = run(source.format(url="self.url"))
    assert fingerprint(book.Client("a", 1)) == fingerprint(book.Client("a", 2)) != fingerprint(book.Client("b", 1))
    other = run(source.format(url="(self.url)[:]"))
    assert fingerprint(book.Client("a", 1)) != fingerprint(other.Client("a", 1))


def test_a_deep_value_is_refused_not_a_crash() -> None:
    from incnb.fingerprint import Unfingerprintable

    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(Unfingerprintable, match="deeply nested"):
        fingerprint(deep)
