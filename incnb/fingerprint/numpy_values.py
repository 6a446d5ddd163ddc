"""Handlers for numpy: arrays are dtype, shape, writeability and bytes in C order; generators are their state.

A contiguous array is digested in place, without a copy. Padding bytes of structured dtypes mean nothing and are left
out. The memory layout is not part of an array: a strided array equals its contiguous copy.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np

from incnb.fingerprint import origin
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.registry import handles


def _array(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.libraries.add("numpy")
    encoder.tag("ndarray")
    if type(value) is not np.ndarray:
        encode_class_of(encoder, value)
        if isinstance(value, np.ma.MaskedArray):
            _masked(encoder, value)
        encode_state(encoder, value, without=_REMEMBERED)
    encoder.encode(bool(value.flags.writeable))
    plain = np.asarray(value)
    _shared_memory(encoder, plain)
    dtype(encoder, plain.dtype)
    encoder.encode(tuple(plain.shape))
    content(encoder, plain)


#: What a masked array or a mapped one keeps for itself, or has found out and remembers.
_REMEMBERED = frozenset({"_mmap", "_mask", "_fill_value", "_sharedmask", "_basedict", "_isfield"})


def _masked(encoder: Encoder, value: Any) -> None:
    """The mask and the fill value; the data under the mask can be seen, so it counts like any other."""
    fill = origin.fields(value).get("_fill_value")
    encoder.encode(np.asarray(np.ma.default_fill_value(value) if fill is None else fill, dtype=value.dtype))
    encoder.encode(np.array(np.ma.getmaskarray(value)))


def _shared_memory(encoder: Encoder, value: Any) -> None:
    """Write whether the array overlaps one that was met before: writing through one would show in the other."""
    memory = value
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    met = encoder.arrays.setdefault(id(memory), [])
    encoder.keep(memory)
    start = value.__array_interface__["data"][0]
    for number, (other, other_start) in enumerate(met[:_COMPARED]):
        if (value.flags.writeable or other.flags.writeable) and np.may_share_memory(value, other):
            try:
                shared = np.shares_memory(value, other, max_work=cast(Any, 1000))
            except np.exceptions.TooHardError:
                shared = True
            if shared:
                encoder.tag("overlaps")
                encoder.encode((number, start - other_start, value.strides, other.strides))
                break
    else:
        encoder.tag("own memory")
    met.append((value, start))


_COMPARED = 100  # more views of one memory in one value are not told apart


def content(encoder: Encoder, value: Any) -> None:
    """Write the elements of an exact ndarray, in C order."""
    if value.dtype.names is not None:
        for name in value.dtype.names:
            with encoder.at(f"[{name!r}]"):
                content(encoder, value[name])
        return
    if value.dtype.kind == "O" or value.dtype.char == "T":
        encoder.sequence("elements", value.ravel().tolist())
        return
    if value.dtype.char in "gG":  # long double has padding inside its elements
        encoder.sequence("elements", [repr(x) for x in value.ravel()])
        return
    if value.size == 0:
        encoder.raw(b"")
        return
    if not value.flags.c_contiguous:
        value = np.ascontiguousarray(value)
    encoder.raw(value.reshape(-1).view(np.uint8))


def dtype(encoder: Encoder, value: Any) -> None:
    """Write a dtype with its fields, their places and its metadata."""
    encoder.tag("dtype")
    if value.subdtype is not None:
        base, shape = value.subdtype
        encoder.encode(tuple(shape))
        dtype(encoder, base)
    elif value.names is not None:
        encoder.encode((value.itemsize, value.isalignedstruct, value.type is np.record, len(value.names)))
        for name in value.names:
            field, place, *title = value.fields[name]
            encoder.encode((name, place, *title))
            dtype(encoder, field)
    else:
        encoder.text(f"{value.str} {value.char} {value!r}")
        if value.char == "T":
            encoder.encode(getattr(value, "na_object", "no NA object"))
    encoder.encode(dict(value.metadata) if value.metadata else None)


def _scalar(encoder: Encoder, value: Any) -> None:
    encoder.tag("numpy scalar")
    if type(value) is not value.dtype.type:
        encode_class_of(encoder, value)
        encode_state(encoder, value)
    array = np.asarray(value)
    dtype(encoder, array.dtype)
    content(encoder, array.reshape(1))


def _ufunc(encoder: Encoder, value: Any) -> None:
    encoder.tag("ufunc")
    called = str(value.__name__)
    for name in ("numpy", "numpy.linalg._umath_linalg", "scipy.special"):
        module: Any = sys.modules.get(name)
        if module is not None and module.__dict__.get(called) is value:
            encoder.libraries.add(origin.top_level(name))
            encoder.text(f"{name}.{called}")
            return
    raise encoder.refuse("a ufunc that no name leads back to")


def _vectorized(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("vectorize")
        encode_class_of(encoder, value)
        encode_state(encoder, value, without=("_ufunc", "__doc__"))


def _generator(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("generator")
        encode_class_of(encoder, value)
        bits = getattr(value, "bit_generator", None) or value._bit_generator
        with encoder.at(".bit_generator"):
            encoder.encode(bits)
        if isinstance(value, np.random.RandomState):
            encoder.encode(value.get_state(legacy=False))


def _bit_generator(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("bit generator")
        encode_class_of(encoder, value)
        encoder.encode(value.state)
        seed = getattr(value, "seed_seq", None)
        if isinstance(seed, np.random.SeedSequence):
            encoder.encode(seed.state)


def _seed_sequence(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("seed sequence")
        encoder.encode(value.state)


def install() -> None:
    """Register the handlers; called when the first numpy object is met."""
    handles(np.ndarray, _array, subclasses=True)
    handles(np.generic, _scalar, subclasses=True)
    handles(np.dtype, dtype, subclasses=True)
    handles(np.ufunc, _ufunc)
    handles(np.vectorize, _vectorized)
    handles(np.random.Generator, _generator)
    handles(np.random.RandomState, _generator)
    handles(np.random.BitGenerator, _bit_generator, subclasses=True)
    handles(np.random.SeedSequence, _seed_sequence)
