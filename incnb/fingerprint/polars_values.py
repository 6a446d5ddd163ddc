"""Handlers for polars: a frame is its columns in order, each with name, dtype and values.

Chunks, offsets and what lies under a null mean nothing. The values are read through polars' own expressions, so that
neither pyarrow has to be there nor any private buffer; a categorical is its strings, because its codes are an accident
of the process. What the user put onto the classes of polars or onto a frame counts like elsewhere.

An expression is its text as polars serializes it, refused where a Python function hides in it: that would be known by
its pickle only. Lazy frames are plans over files: `polars_plans`.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import polars as pl

from incnb.fingerprint import polars_plans
from incnb.fingerprint.classes import encode_class
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.registry import handles


def _frame(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("polars frame")
    _own_fields(encoder, value)
    encoder.encode((value.height, value.width))
    for column in value.get_columns():
        with encoder.at(f"[{column.name!r}]"):
            _column(encoder, column)


def _series(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("polars series")
    _own_fields(encoder, value)
    encoder.encode(len(value))
    _column(encoder, value)


def _own_fields(encoder: Encoder, value: Any) -> None:
    """Write the class and what the user set on the object; and, for polars' own classes, what was put onto them."""
    encoder.libraries.add("polars")
    encode_class_of(encoder, value)
    for cls in (pl.DataFrame, pl.Series):
        encode_class(encoder, cls)
    encode_state(encoder, value, without=("_df", "_s"))


def _column(encoder: Encoder, column: Any) -> None:
    encoder.text(column.name)
    dtype(encoder, column.dtype)
    content(encoder, column)


def content(encoder: Encoder, value: Any) -> None:
    """Write the elements of a series, nulls apart from values."""
    kind = value.dtype
    missing = value.null_count()
    encoder.encode((len(value), missing))
    if isinstance(kind, pl.Null) or len(value) == missing:
        return
    if missing:
        _numbers(encoder, value.is_null())
        value = value.filter(value.is_not_null())
    if isinstance(kind, pl.Object):
        encoder.sequence("elements", value.to_list())
    elif isinstance(kind, pl.List | pl.Array):
        if isinstance(kind, pl.List):
            lengths = value.list.len()
            _numbers(encoder, lengths)
            value = value.filter(lengths > 0)
        if not isinstance(kind, pl.Array) or kind.size:
            with encoder.at("[…]"):
                content(encoder, value.explode())
    elif isinstance(kind, pl.Struct):
        for field in kind.fields:
            with encoder.at(f"[{field.name!r}]"):
                content(encoder, value.struct.field(field.name))
    elif isinstance(kind, pl.Categorical):
        _texts(encoder, value.cast(pl.String))
    elif isinstance(kind, pl.String):
        _texts(encoder, value)
    elif isinstance(kind, pl.Binary):
        _numbers(encoder, value.bin.size())
        encoder.raw(b"".join(value.to_list()))
    elif kind.is_numeric() or kind.is_temporal() or isinstance(kind, pl.Boolean | pl.Enum):
        _numbers(encoder, value.to_physical())
    else:
        raise encoder.refuse(f"polars values of type {kind} are not known")


def _texts(encoder: Encoder, value: Any) -> None:
    _numbers(encoder, value.str.len_bytes())
    encoder.raw(value.str.join("").item().encode())


def _numbers(encoder: Encoder, value: Any) -> None:
    """Write plain numbers without nulls, in place where they lie in one piece."""
    if _NUMPY and str(value.dtype) not in _WIDE:
        encoder.raw(value.rechunk().to_numpy().data.cast("B") if len(value) else b"")
    else:
        encoder.sequence("elements", value.to_list())


_NUMPY = importlib.util.find_spec("numpy") is not None
_WIDE = ("Int128", "UInt128")  # numpy has no such type


def dtype(encoder: Encoder, value: Any) -> None:
    """Write a dtype with all that it is made of."""
    encoder.tag("polars dtype")
    encoder.text(type(value).__name__)
    if isinstance(value, pl.List | pl.Array):
        encoder.encode(getattr(value, "shape", None))
        dtype(encoder, value.inner)
    elif isinstance(value, pl.Struct):
        encoder.encode(len(value.fields))
        for field in value.fields:
            encoder.text(field.name)
            dtype(encoder, field.dtype)
    elif isinstance(value, pl.Enum):
        encoder.encode(tuple(value.categories.to_list()))
    elif isinstance(value, pl.Datetime | pl.Duration):
        encoder.encode((value.time_unit, getattr(value, "time_zone", None)))
    elif isinstance(value, pl.Decimal):
        encoder.encode((value.precision, value.scale))
    elif isinstance(value, pl.Categorical):
        encoder.text(repr(value))
    elif type(value).__module__ != pl.Int64.__module__ or any(k[:1] != "_" for k in vars(value)):
        raise encoder.refuse(f"the polars type {value} is not known")


def _field(encoder: Encoder, value: Any) -> None:
    encoder.tag("polars field")
    encoder.text(value.name)
    encoder.encode(value.dtype)


def _expression(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("polars expression")
        encoder.libraries.add("polars")
        encode_class_of(encoder, value)
        encode_state(encoder, value, without=("_pyexpr",))
        encoder.text(polars_plans.expression(encoder, value))


def _lazy_frame(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("polars lazy frame")
        encoder.libraries.add("polars")
        encode_class_of(encoder, value)
        encode_state(encoder, value, without=("_ldf", "_cached_schema"))
        polars_plans.lazy_frame(encoder, value)


def install() -> None:
    """Register the handlers; called when the first polars object is met."""
    handles(pl.DataFrame, _frame, subclasses=True)
    handles(pl.Series, _series, subclasses=True)
    handles(pl.LazyFrame, _lazy_frame, subclasses=True)
    handles(pl.Expr, _expression, subclasses=True)
    handles(pl.DataType, dtype, subclasses=True)
    handles(pl.Field, _field)
