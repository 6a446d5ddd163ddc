"""What a value is after a save and a restore: the same, or refused with the way to the part that is in the way."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import logging
import math
import pathlib
import re
import sys
import time
import types
import typing
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incnb.store import LoadError, dump, load

from .values import Point, Slotted, again

# -- plain values ------------------------------------------------------------------------------------------------------

numbers = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False)
atoms = st.none() | numbers | st.text() | st.binary()
keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.dates()
values = st.recursive(
    atoms
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.datetimes()
    | st.uuids()
    | st.builds(bytearray, st.binary()),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.builds(collections.deque, st.lists(inner))
        | st.builds(collections.OrderedDict, st.dictionaries(keys, inner))
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_values_of_python_come_back_equal(value: Any) -> None:
    restored = again(value)
    assert restored == value
    assert type(restored) is type(value)
    assert repr(restored) == repr(value) or isinstance(value, (set, frozenset)) or "{" in repr(value)


class Color(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        re.compile("a+", re.I),
        decimal.Decimal("1.50"),
        fractions.Fraction(1, 3),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("a/b"),
        Color.RED,
        Point(1, [2]),
        slice(1, 2),
        range(3),
        ...,
        NotImplemented,
        len,
        str.join,
        math.sin,
        int,
        type(None),
        types.FunctionType,
        types.MappingProxyType({1: 2}),
        types.SimpleNamespace(a=1),
        collections.Counter("aab"),
        collections.ChainMap({1: 2}, {3: 4}),
        list[int],
        typing.Optional[int],  # noqa: UP045
        int | str,
        math,
        logging.getLogger("some.name"),
        dataclasses.MISSING,
        functools.cache,
        re.sub,
    ],
    ids=lambda value: type(value).__qualname__,
)
def test_common_objects_come_back(value: Any) -> None:
    restored = again([value])[0]
    assert restored is value or restored == value
    assert type(restored) is type(value)


def test_partials_descriptors_and_views_come_back() -> None:
    below = {1: 2}
    group = again([functools.partial(max, 1), below, below.keys(), below.items(), types.MappingProxyType(below)])
    assert group[0](5) == 5
    group[1][3] = 4
    assert list(group[2]) == [1, 3] and list(group[3]) == [(1, 2), (3, 4)] and group[4][3] == 4
    assert again(Slotted.__dict__["a"]) is Slotted.__dict__["a"]
    assert again(vars(Point)) == vars(Point)
    assert again(property(len, doc="d")).__doc__ == "d"


def test_a_stream_in_memory_keeps_its_position() -> None:
    text, data = io.StringIO("abc"), io.BytesIO(b"abc")
    text.read(1)
    data.read(2)
    text, data = again((text, data))
    assert (text.read(), data.read()) == ("bc", b"c")


def test_aliases_and_cycles_survive() -> None:
    x: list[Any] = [1]
    group: dict[str, Any] = {"x": x, "y": {"a": x}, "loop": []}
    group["loop"].append(group)
    restored = again(group)
    assert restored["x"] is restored["y"]["a"]
    assert restored["loop"][0] is restored


def test_an_identity_of_a_library_is_kept() -> None:
    library = types.ModuleType("some_library")
    library.MISSING = object()  # type: ignore[attr-defined]
    sys.modules["some_library"] = library
    try:
        assert again([library.MISSING])[0] is library.MISSING  # type: ignore[attr-defined]
    finally:
        del sys.modules["some_library"]
    mine = object()
    first, second = again([mine, mine])
    assert first is second
    started = time.perf_counter()
    again([object() for _ in range(10_000)])
    assert time.perf_counter() - started < 1


def test_bound_methods_keep_object_and_function() -> None:
    point = Point(1)
    counter = collections.Counter("ab")
    bound, update, owner = again((types.MethodType(lambda self, n: self.x + n, point), counter.update, point))
    assert bound(2) == 3 and bound.__self__ is owner
    update("a")
    assert update.__self__ == collections.Counter("aab")


# -- references --------------------------------------------------------------------------------------------------------


def test_objects_that_are_referred_to_are_resolved_live() -> None:
    held, live_now = {"big": "thing"}, {"now": 1}
    group = {"a": [held], "b": held}
    pickled = dump(group, refer=lambda obj: ("name", "held") if obj is held else None)
    asked = []

    def resolve(reference: tuple[Any, ...]) -> object:
        asked.append(reference)
        return live_now

    restored = load(pickled.data, (), resolve=resolve)
    assert isinstance(restored, dict)
    assert restored["a"][0] is restored["b"] is live_now
    assert set(asked) == {("name", "held")}
    with pytest.raises(LoadError, match="reference"):
        load(pickled.data)


def test_what_is_referred_to_need_not_be_savable() -> None:
    with pathlib.Path("/dev/null").open() as file:
        pickled = dump([file], refer=lambda obj: ("file",) if obj is file else None)
    assert load(pickled.data, (), resolve=lambda reference: 5) == [5]


def test_a_reference_that_cannot_be_resolved_is_told() -> None:
    pickled = dump([set()], refer=lambda obj: ("x",) if isinstance(obj, set) else None)

    def resolve(reference: tuple[Any, ...]) -> object:
        raise SystemExit(3)

    with pytest.raises(LoadError, match="SystemExit: 3"):
        load(pickled.data, (), resolve=resolve)
