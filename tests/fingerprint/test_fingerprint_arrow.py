"""pyarrow: content counts, how it lies in memory does not."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incnb.fingerprint import Unfingerprintable, fingerprint

pa = pytest.importorskip("pyarrow")

DAY = datetime.date(2020, 1, 2)
MOMENT = datetime.datetime(2020, 1, 2, 3, 4, 5)
#: A type, and three different elements of it that are not null.
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "bool": (pa.bool_(), [True, False, True]),
    "int8": (pa.int8(), [1, 2, 3]),
    "int64": (pa.int64(), [1, 2, 3]),
    "uint16": (pa.uint16(), [1, 2, 3]),
    "half": (pa.float16(), [1.0, 2.0, 3.0]),
    "double": (pa.float64(), [1.0, float("nan"), -0.0]),
    "decimal": (pa.decimal128(5, 2), [decimal.Decimal("1.5"), decimal.Decimal("2.5"), decimal.Decimal("3")]),
    "decimal256": (pa.decimal256(50, 2), [decimal.Decimal("1.5"), decimal.Decimal("2.5"), decimal.Decimal("3")]),
    "date32": (pa.date32(), [DAY, DAY.replace(day=3), DAY.replace(day=4)]),
    "date64": (pa.date64(), [DAY, DAY.replace(day=3), DAY.replace(day=4)]),
    "timestamp": (pa.timestamp("us", "UTC"), [MOMENT, MOMENT.replace(day=3), MOMENT.replace(day=4)]),
    "time": (pa.time64("ns"), [1, 2, 3]),
    "duration": (pa.duration("s"), [1, 2, 3]),
    "interval": (pa.month_day_nano_interval(), [(1, 2, 3), (1, 2, 4), (2, 2, 3)]),
    "fixed": (pa.binary(2), [b"ab", b"cd", b"ef"]),
    "string": (pa.string(), ["a", "", "ccc"]),
    "large string": (pa.large_string(), ["a", "", "ccc"]),
    "string view": (pa.string_view(), ["a", "", "a long string that is not inlined"]),
    "binary": (pa.binary(), [b"a", b"", b"ccc"]),
    "large binary": (pa.large_binary(), [b"a", b"", b"ccc"]),
    "binary view": (pa.binary_view(), [b"a", b"", b"a long string that is not inlined"]),
    "list": (pa.list_(pa.int8()), [[1], [], [2, None]]),
    "large list": (pa.large_list(pa.string()), [["a"], [], ["b", None]]),
    "list view": (pa.list_view(pa.int8()), [[1], [], [2, None]]),
    "fixed list": (pa.list_(pa.int8(), 2), [[1, 2], [None, 3], [3, 4]]),
    "nested": (pa.list_(pa.list_(pa.bool_())), [[[True]], [[], None], []]),
    "struct": (pa.struct({"a": pa.int8(), "b": pa.string()}), [{"a": 1}, {"b": "x"}, {"a": 1, "b": "x"}]),
    "map": (pa.map_(pa.string(), pa.int8()), [[("a", 1)], [], [("a", 2), ("b", None)]]),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "c"]),
    "list of dictionary": (pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a"], ["b", None], ["c", "a"]]),
    "runs": (pa.run_end_encoded(pa.int32(), pa.string()), ["a", "b", "c"]),
    "null": (pa.null(), [None, None, None]),
}


def made(kind: str, places: list[int | None]) -> Any:
    data_type, values = KINDS[kind]
    found = [None if place is None else values[place] for place in places]
    if pa.types.is_run_end_encoded(data_type):
        return pa.compute.run_end_encode(pa.array(found, data_type.value_type))
    if pa.types.is_dictionary(data_type):  # one dictionary for all, so that a slice has the same
        codes = pa.array(places, data_type.index_type)
        return pa.DictionaryArray.from_arrays(codes, pa.array(values, data_type.value_type))
    return pa.array(found, data_type)


PLACES = st.lists(st.sampled_from([0, 1, 2, None]), max_size=12)


def fresh(kind: str, places: list[int | None]) -> Any:
    """Elements of a type, in a piece of memory that others do not share."""
    if kind == "list of dictionary":  # what is not used is in the dictionary of the larger one
        return made(kind, [0, 1, 2, *places])[3:]
    return made(kind, places)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(before=PLACES, places=PLACES, after=PLACES, cut=st.integers(0, 12))
def test_slices_and_chunks_mean_nothing(
    kind: str, before: list[int | None], places: list[int | None], after: list[int | None], cut: int
) -> None:
    plain = fresh(kind, places)
    large = fresh(kind, [*before, *places, *after])
    part = large[len(before) : len(before) + len(places)]
    assert fingerprint(part) == fingerprint(plain)
    whole = pa.chunked_array([plain])
    chunks = [part[:cut], part[cut:], part[:0]]
    assert fingerprint(pa.chunked_array(chunks, plain.type)) == fingerprint(whole)
    assert fingerprint(pa.table({"a": pa.chunked_array(chunks, plain.type)})) == fingerprint(pa.table({"a": plain}))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(places=PLACES.filter(bool), where=st.integers(0, 11))
def test_one_element_changed(kind: str, places: list[int | None], where: int) -> None:
    where %= len(places)
    other = list(places)
    other[where] = {0: 1, 1: 2, 2: None, None: 0}[places[where]]
    if kind == "null":
        other.append(None)
    if kind == "bool" and {places[where], other[where]} == {0, 2}:
        return
    assert fingerprint(made(kind, places)) != fingerprint(made(kind, other))
    assert fingerprint(made(kind, places)) != fingerprint(made(kind, [*places, places[0]]))


def test_types_are_told_apart() -> None:
    for places in ([], [None, None], [0]):
        arrays = [made(kind, places) for kind in KINDS if places != [0] or kind != "null"]
        assert len({fingerprint(array) for array in arrays}) == len(arrays)
        assert len({fingerprint(array.type) for array in arrays}) == len(arrays)
        assert len({fingerprint(pa.chunked_array([array])) for array in arrays}) == len(arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_scalars(kind: str) -> None:
    array = made(kind, [0, 1, 2, None])
    if kind == "runs":
        pytest.skip("no scalars of runs")
    found = [fingerprint(array[i]) for i in range(4)]
    assert len(set(found)) == {"null": 1, "bool": 3}.get(kind, 4)
    assert found == [fingerprint(made(kind, [None, 0, 1, 2, None])[i]) for i in range(1, 5)]


def test_a_dictionary_counts_with_order_and_unused_entries() -> None:
    def array(codes: list[int], entries: list[str], ordered: bool = False) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(codes, "int8"), entries, ordered=ordered)

    values = [array([0], ["a"]), array([0], ["a", "b"]), array([1], ["b", "a"]), array([0], ["a"], ordered=True)]
    values += [array([], []), array([], ["a"])]
    assert len({fingerprint(v) for v in values}) == len(values)
    chunks = pa.chunked_array([array([0, 1], ["a", "b"]), array([0, 1], ["b", "c"])])
    assert fingerprint(chunks) == fingerprint(pa.chunked_array([array([0, 1, 1, 2], ["a", "b", "c"])]))


def test_what_lies_under_a_null_means_nothing() -> None:
    def masked(data: bytes) -> Any:
        return pa.Array.from_buffers(pa.int8(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(data)])

    assert (
        fingerprint(masked(b"\x05\x06")) == fingerprint(masked(b"\x05\x07")) == fingerprint(pa.array([5, None], "int8"))
    )
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    for text in (b"ab", b"ac"):
        array = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x01"), offsets, pa.py_buffer(text)])
        assert fingerprint(array) == fingerprint(pa.array(["a", None]))
    assert fingerprint(pa.array([float("nan")])) != fingerprint(pa.array([None], pa.float64()))


def test_unions() -> None:
    codes, numbers, texts = pa.array([0, 1, 0, 1], "int8"), pa.array([1, 2, 3, 4]), pa.array(list("abcd"))
    sparse = pa.UnionArray.from_sparse(codes, [numbers, texts])
    other = pa.UnionArray.from_sparse(codes, [pa.array([1, 9, 3, 9]), pa.array(list("xbyd"))])
    assert fingerprint(sparse) == fingerprint(other)
    assert fingerprint(sparse[1:]) == fingerprint(other[1:]) != fingerprint(sparse[:3])
    offsets = pa.array([0, 0, 1, 1], "int32")
    dense = pa.UnionArray.from_dense(codes, offsets, [pa.array([1, 3]), pa.array(["b", "d"])])
    assert fingerprint(dense) != fingerprint(sparse)
    changed = pa.UnionArray.from_dense(codes, offsets, [pa.array([1, 3]), pa.array(["b", "e"])])
    assert fingerprint(dense) != fingerprint(changed)
    assert fingerprint(dense[1:3]) == fingerprint(changed[1:3])


def test_names_order_metadata_and_nullability_count() -> None:
    a, b = pa.array([1, 2]), pa.array([3, 4])
    field = pa.field("a", pa.int64())
    tables = [
        pa.table({"a": a, "b": b}),
        pa.table({"b": b, "a": a}),
        pa.table({"a": b, "b": a}),
        pa.table({"a": a, "c": b}),
        pa.table({"a": a, "a ": b}),
        pa.table({"a": a}),
        pa.table({"a": a}).to_batches()[0],
        pa.table({"a": a}, schema=pa.schema([field.with_nullable(False)])),
        pa.table({"a": a}, schema=pa.schema([field.with_metadata({"unit": "m"})])),
        pa.table({"a": a}).replace_schema_metadata({"unit": "m"}),
        pa.table({"a": a}).replace_schema_metadata({"unit": "s"}),
        pa.table({"a": a[:0]}),
        pa.table({"a": pa.array([], "int32")}),
        pa.table({}),
        pa.table({"s": pa.array([{"x": 1}])}),
        pa.table({"s": pa.array([{"y": 1}])}),
        pa.table({"s": pa.array([{"x": 1}], pa.struct([pa.field("x", "int64", False)]))}),
    ]
    assert len({fingerprint(table) for table in tables}) == len(tables)
    assert fingerprint(tables[0].schema) == fingerprint(tables[2].schema) != fingerprint(tables[3].schema)
    assert len({fingerprint(table.schema) for table in tables[7:11]}) == 4
    assert fingerprint(field) != fingerprint(field.with_nullable(False)) != fingerprint(field.with_name("b"))


def test_frames_of_rows_without_columns() -> None:
    table = pa.table({"a": [1, 2, 3]})
    assert fingerprint(table.select([])) != fingerprint(table[:2].select([]))


def test_buffers() -> None:
    data = pa.py_buffer(b"abcdef")
    assert fingerprint(data) == fingerprint(pa.py_buffer(bytearray(b"abcdef"))) != fingerprint(data[:3])
    assert fingerprint(data[1:3]) == fingerprint(pa.py_buffer(b"bc")) != fingerprint(b"bc")
    assert fingerprint(data[:0]) == fingerprint(pa.py_buffer(b""))


def test_extension_types() -> None:
    class Length(pa.ExtensionType):
        def __init__(self, unit: str) -> None:
            self.unit = unit
            super().__init__(pa.float64(), "tests.length")

        def __arrow_ext_serialize__(self) -> bytes:
            return self.unit.encode()

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, data: bytes) -> Any:
            return cls(data.decode())

    def array(unit: str, values: list[Any]) -> Any:
        return pa.ExtensionArray.from_storage(Length(unit), pa.array(values, "float64"))

    values = [array("m", [1, 2]), array("s", [1, 2]), array("m", [1, 3]), array("m", [1, None]), pa.array([1.0, 2.0])]
    assert len({fingerprint(v) for v in values}) == len(values)
    assert fingerprint(array("m", [0, 1, 2])[1:]) == fingerprint(values[0])
    ids = [pa.array([bytes(16), None], pa.uuid()) for _ in range(2)] if hasattr(pa, "uuid") else []
    assert len({fingerprint(v) for v in ids}) == min(1, len(ids))


def test_readers_and_files_are_refused(tmp_path: Any) -> None:
    table = pa.table({"a": [1]})
    path = str(tmp_path / "x")
    with pa.OSFile(path, "wb") as file:
        for value in (file, table.to_reader(), pa.BufferOutputStream(), pa.BufferReader(b"x")):
            with pytest.raises(Unfingerprintable):
                fingerprint([value])
