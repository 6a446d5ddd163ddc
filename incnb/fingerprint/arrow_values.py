"""Handlers for pyarrow: type, length, nulls and values, whatever the chunks, offsets and slices that they lie in.

Arrow values cannot be changed and are written by value, chunk after chunk, in place where nothing has to be left out.
What lies under a null means nothing. The schema is what Arrow's own format says about it: types, names, nullability and
metadata, of nested fields too. A dictionary counts with its order and the entries that are not used, because they can
be seen; the same content in chunks of different dictionaries is written with one for all.

Numbers are fixed width in Arrow, and only the bytes of elements that are there are digested. Bits are spread to bytes,
offsets become lengths, views and runs become plain values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pyarrow import types as kinds

from incnb.fingerprint import origin
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of
from incnb.fingerprint.registry import handles


def _tabular(name: str) -> Any:
    def handler(encoder: Encoder, value: Any) -> None:
        _start(encoder, name, value)
        schema(encoder, value.schema)
        encoder.encode(value.num_rows)
        for field, column in zip(value.schema, value.columns, strict=True):
            with encoder.at(f"[{field.name!r}]"):
                content(encoder, column)

    return handler


def _array(name: str) -> Any:
    def handler(encoder: Encoder, value: Any) -> None:
        _start(encoder, name, value)
        data_type(encoder, value.type)
        content(encoder, value)

    return handler


def _scalar(encoder: Encoder, value: Any) -> None:
    _start(encoder, "arrow scalar", value)
    data_type(encoder, value.type)
    try:
        array = pa.repeat(value, 1)
    except pa.ArrowNotImplementedError:
        array = pa.array([value if value.is_valid else None], value.type)
    content(encoder, array)


def _buffer(encoder: Encoder, value: Any) -> None:
    _start(encoder, "arrow buffer", value)
    encoder.encode(value.size)
    encoder.raw(memoryview(value) if value.size else b"")


def _start(encoder: Encoder, name: str, value: Any) -> None:
    encoder.libraries.add("pyarrow")
    encoder.tag(name)
    if origin.top_level(origin.module_of(type(value))) != "pyarrow":
        encode_class_of(encoder, value)
    if not getattr(value, "is_cpu", True):
        raise encoder.refuse("it is not in the memory of the processor")


# -- schemas


def schema(encoder: Encoder, value: Any) -> None:
    """Write a schema: names, types, nullability and metadata."""
    encoder.libraries.add("pyarrow")
    encoder.tag("arrow schema")
    encoder.write(value.serialize().to_pybytes())
    for field in value:
        _python_types(encoder, field.type)


def data_type(encoder: Encoder, value: Any) -> None:
    """Write a type with all that it is made of."""
    encoder.tag("arrow type")
    field(encoder, pa.field("", value))


def field(encoder: Encoder, value: Any) -> None:
    """Write a field: name, type, nullability, metadata."""
    encoder.tag("arrow field")
    schema(encoder, pa.schema([value]))


def _python_types(encoder: Encoder, value: Any) -> None:
    """Write the classes of extension types that were made in Python: they bring methods with them."""
    if isinstance(value, pa.ExtensionType):
        encode_class_of(encoder, value)
        encoder.encode(value.__arrow_ext_serialize__())
    if isinstance(value, pa.BaseExtensionType):
        _python_types(encoder, value.storage_type)
    elif kinds.is_dictionary(value):
        _python_types(encoder, value.value_type)
    else:
        for i in range(value.num_fields):
            _python_types(encoder, value.field(i).type)


# -- content


def content(encoder: Encoder, value: Any) -> None:
    """Write the elements of an array or a chunked one; the type is not among them."""
    chunks = list(value.chunks) if isinstance(value, pa.ChunkedArray) else [value]
    _write(encoder, value.type, [chunk for chunk in chunks if len(chunk)] or chunks[:1])


def _write(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    """Write arrays of one type as if they were one."""
    length = sum(map(len, chunks))
    encoder.encode(length)
    if isinstance(kind, pa.BaseExtensionType):
        _write(encoder, kind.storage_type, [chunk.storage for chunk in chunks])
    elif kinds.is_dictionary(kind):
        _nulls(encoder, chunks)
        _dictionary(encoder, kind, chunks)
    elif not length:
        return
    elif kinds.is_run_end_encoded(kind):
        _write(encoder, kind.value_type, [pc.run_end_decode(chunk) for chunk in chunks])
    elif kinds.is_union(kind):
        _union(encoder, kind, chunks)
    elif not kinds.is_null(kind):
        _nulls(encoder, chunks)
        _values(encoder, kind, chunks)


def _nulls(encoder: Encoder, chunks: list[Any]) -> None:
    missing = sum(chunk.null_count for chunk in chunks)
    encoder.encode(missing)
    if missing:
        _raw(encoder, [_bits(chunk.is_null()) for chunk in chunks])


def _values(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    if kinds.is_boolean(kind):
        _raw(encoder, [_bits(chunk.drop_null()) for chunk in chunks])
    elif kinds.is_struct(kind):
        _children(encoder, kind, [chunk.drop_null() for chunk in chunks])
    elif kinds.is_fixed_size_list(kind):
        _write(encoder, kind.value_type, [chunk.drop_null().flatten() for chunk in chunks])
    elif kinds.is_map(kind):
        chunks = [chunk.drop_null() for chunk in chunks]
        _raw(encoder, [_lengths(chunk, "i4") for chunk in chunks])
        for part in ("keys", "items"):
            with encoder.at(f"[{part}]"):
                _write(encoder, getattr(kind, part[:-1] + "_type"), [_below(chunk, part) for chunk in chunks])
    elif any(test(kind) for test in _LISTS):
        chunks = [chunk.drop_null() for chunk in chunks]
        _raw(encoder, [np.asarray(chunk.value_lengths()).astype("i8") for chunk in chunks])
        with encoder.at("[…]"):
            _write(encoder, kind.value_type, [chunk.flatten() for chunk in chunks])
    elif any(test(kind) for test in _TEXTS):
        _texts(encoder, kind, chunks)
    else:
        _fixed(encoder, kind, chunks)


_LISTS = [
    test
    for name in ("is_list", "is_large_list", "is_list_view", "is_large_list_view")
    if (test := getattr(kinds, name, None)) is not None
]
_TEXTS = [
    test
    for name in ("is_string", "is_large_string", "is_binary", "is_large_binary", "is_string_view", "is_binary_view")
    if (test := getattr(kinds, name, None)) is not None
]


def _fixed(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    """Write elements of fixed width."""
    width = kind.bit_width // 8
    found = []
    for chunk in chunks:
        plain = chunk.drop_null() if chunk.null_count else chunk
        start = plain.offset * width
        found.append(_memory(plain, 1, start, start + len(plain) * width))
    _raw(encoder, found)


def _texts(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    """Write strings or bytes: their lengths, then all of them in one."""
    views = "view" in str(kind)
    wide = pa.large_string() if kinds.is_unicode(kind) or "string" in str(kind) else pa.large_binary()
    plain = [chunk.cast(wide) for chunk in chunks] if views else chunks
    plain = [chunk.drop_null() if chunk.null_count else chunk for chunk in plain]
    size = "i8" if views or "large" in str(kind) else "i4"
    _raw(encoder, [_lengths(chunk, size) for chunk in plain])
    _raw(encoder, [_memory(chunk, 2, *_span(chunk, size)) for chunk in plain if len(chunk)])


def _offsets(chunk: Any, size: str) -> Any:
    """The offsets of its elements, one more than there are."""
    if not len(chunk):
        return np.zeros(1, size)
    return np.frombuffer(chunk.buffers()[1], size)[chunk.offset : chunk.offset + len(chunk) + 1]


def _lengths(chunk: Any, size: str) -> Any:
    return np.diff(_offsets(chunk, size)).astype("i8")


def _span(chunk: Any, size: str) -> tuple[int, int]:
    offsets = _offsets(chunk, size)
    return int(offsets[0]), int(offsets[-1])


def _below(chunk: Any, part: str) -> Any:
    """The keys or the items of a map, between its own first and last."""
    first, last = _span(chunk, "i4")
    return getattr(chunk, part)[first:last] if len(chunk) else getattr(chunk, part)[:0]


def _memory(chunk: Any, place: int, start: int, stop: int) -> Any:
    buffer = chunk.buffers()[place]
    if buffer is None or stop == start:
        return b""
    return memoryview(buffer)[start:stop]


def _bits(chunk: Any) -> Any:
    """Booleans without nulls, a byte each."""
    if not len(chunk):
        return b""
    first = chunk.offset // 8
    packed = np.frombuffer(chunk.buffers()[1], np.uint8)[first : (chunk.offset + len(chunk) + 7) // 8]
    bits = np.unpackbits(packed, bitorder="little")
    return bits[chunk.offset - first * 8 :][: len(chunk)]


def _raw(encoder: Encoder, pieces: list[Any]) -> None:
    """Write the digest of pieces of memory, as if they were one."""
    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    encoder.write(state.digest())


def _children(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    parts = [chunk.flatten() for chunk in chunks]
    for i in range(kind.num_fields):
        with encoder.at(f"[{kind.field(i).name!r}]"):
            _write(encoder, kind.field(i).type, [part[i] for part in parts])


def _dictionary(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    if not chunks:
        chunks = [pa.array([], kind)]
    first = chunks[0].dictionary
    if not all(chunk.dictionary.equals(first) for chunk in chunks[1:]):
        chunks = pa.chunked_array(chunks).unify_dictionaries().chunks
    with encoder.at(".dictionary"):
        _write(encoder, kind.value_type, [chunks[0].dictionary])
    _fixed(encoder, kind.index_type, [chunk.indices for chunk in chunks])


def _union(encoder: Encoder, kind: Any, chunks: list[Any]) -> None:
    """Write which member each element is, and then the elements of each member."""
    # `type_codes` and `offsets` of a slice are those of its first elements, not its own.
    codes = [np.frombuffer(chunk.buffers()[1], "i1")[chunk.offset :][: len(chunk)] for chunk in chunks]
    _raw(encoder, codes)
    for i, code in enumerate(kind.type_codes):
        found = []
        for chunk, mine in zip(chunks, codes, strict=True):
            places = np.flatnonzero(mine == code)
            if kind.mode == "dense":
                places = np.frombuffer(chunk.buffers()[2], "i4")[chunk.offset :][places]
            found.append(chunk.field(i).take(pa.array(places)))
        with encoder.at(f"[{kind.field(i).name!r}]"):
            _write(encoder, kind.field(i).type, [part for part in found if len(part)])


def install() -> None:
    """Register the handlers; called when the first object of pyarrow is met."""
    handles(pa.Table, _tabular("arrow table"), subclasses=True)
    handles(pa.RecordBatch, _tabular("arrow batch"), subclasses=True)
    handles(pa.ChunkedArray, _array("arrow chunks"), subclasses=True)
    handles(pa.Array, _array("arrow array"), subclasses=True)
    handles(pa.Scalar, _scalar, subclasses=True)
    handles(pa.Schema, schema, subclasses=True)
    handles(pa.Field, field, subclasses=True)
    handles(pa.DataType, data_type, subclasses=True)
    handles(pa.Buffer, _buffer, subclasses=True)
