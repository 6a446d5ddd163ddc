"""Handlers for pandas: a frame is its columns in order, each with name, dtype and values, its index and its attrs.

How the columns lie in memory (the blocks) means nothing. `df['a']` with a constant, unique label can be followed as a
path: it is the column's values with the index, the attrs and the flags of the frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from incnb.fingerprint import origin
from incnb.fingerprint.classes import encode_class
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.numpy_values import content, dtype
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.pandas_column import Column
from incnb.fingerprint.reads import ABSENT
from incnb.fingerprint.registry import handles, register_parts


def _frame(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("DataFrame")
    encoder.libraries.add("pandas")
    _own_fields(encoder, value)
    _common(encoder, value)
    with encoder.at(".columns"):
        encoder.encode(value.columns)
    for i, label in enumerate(value.columns):
        with encoder.at(f"[{label!r}]"):
            _values(encoder, _column_array(value, i))


def _series(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("Series")
    encoder.libraries.add("pandas")
    _own_fields(encoder, value)
    _common(encoder, value)
    encoder.encode(value.name)
    _values(encoder, value.array)


#: What pandas keeps in a frame or a series; the rest is the user's. Accessors are made anew when they are asked for.
_FIELDS = frozenset(
    {"_mgr", "_item_cache", "_attrs", "_flags", "_is_copy", "_name", "_index", "_cacher", "_typ", "_metadata"}
)


def _own_fields(encoder: Encoder, value: Any) -> None:
    """Write the class and what the user set on the object; and, for pandas' own classes, what was put onto them."""
    encode_class_of(encoder, value)
    for cls in (pd.DataFrame, pd.Series):
        encode_class(encoder, cls)
    accessors: frozenset[str] = getattr(type(value), "_accessors", frozenset())
    encode_state(encoder, value, without=_FIELDS | accessors)


def _column(encoder: Encoder, value: Column) -> None:
    encoder.tag("column")
    encoder.libraries.add("pandas")
    for cls in (pd.DataFrame, pd.Series):
        encode_class(encoder, cls)
    place = value.frame.columns.get_loc(value.label)
    _common(encoder, value.frame)
    encoder.encode(value.label)
    _values(encoder, _column_array(value.frame, place))


def _common(encoder: Encoder, value: Any) -> None:
    with encoder.at(".attrs"):
        encoder.encode(value.attrs)
    encoder.encode(bool(value.flags.allows_duplicate_labels))
    with encoder.at(".index"):
        encoder.encode(value.index)


def _column_array(frame: Any, place: int) -> Any:
    take = getattr(frame, "_get_column_array", None)  # no Series is built; absent from some versions
    return take(place) if take is not None else frame.iloc[:, place].array


def _index(encoder: Encoder, value: Any) -> None:
    encoder.libraries.add("pandas")
    encoder.tag("index")
    encode_class_of(encoder, value)
    encoder.encode(tuple(value.names))
    if isinstance(value, pd.RangeIndex):
        encoder.encode((value.start, value.stop, value.step))
    elif isinstance(value, pd.MultiIndex):
        for level, codes in zip(value.levels, value.codes, strict=True):
            encoder.encode(level)
            content(encoder, np.asarray(codes))
    else:
        _freq(encoder, value)
        _values(encoder, value.array)


def _freq(encoder: Encoder, value: Any) -> None:
    freq = getattr(value, "freq", None)
    encoder.encode(None if freq is None else repr(freq))


def _values(encoder: Encoder, value: Any) -> None:
    """Write the values of one column: numpy's as they are, extension arrays by what they mean."""
    if isinstance(value, np.ndarray) or type(value).__name__ in ("NumpyExtensionArray", "PandasArray"):
        array = np.asarray(value)
        dtype(encoder, array.dtype)
        encoder.encode(tuple(array.shape))
        content(encoder, array)
        return
    encoder.tag("array")
    encode_class_of(encoder, value)
    encoder.encode(value.dtype)
    if isinstance(value, pd.Categorical):
        content(encoder, np.asarray(value.codes))  # the dtype has the categories
    elif origin.top_level(origin.module_of(type(value))) != "pandas":
        encode_state(encoder, value)
        encoder.sequence("elements", value.to_numpy(dtype=object).tolist())
    elif isinstance(value.dtype, pd.DatetimeTZDtype | pd.PeriodDtype) or value.dtype.kind in "mM":
        content(encoder, np.asarray(value.asi8))
        _freq(encoder, value)
    elif hasattr(value, "_mask") and hasattr(value, "_data"):
        mask = np.asarray(value._mask)
        data = value._data.copy()
        data[mask] = data.dtype.type()  # what lies under the mask means nothing
        content(encoder, data)
        content(encoder, mask)
    elif isinstance(value, pd.arrays.IntervalArray):
        encoder.encode(value.closed)
        encoder.encode(pd.Index(value.left))
        encoder.encode(pd.Index(value.right))
    elif isinstance(value, pd.arrays.SparseArray):
        encoder.encode((value.fill_value, len(value), type(value.sp_index).__name__))
        encoder.encode(np.array(value.sp_values))
        content(encoder, np.asarray(value.sp_index.indices))
    else:
        encoder.sequence("elements", value.to_numpy(dtype=object).tolist())


def _extension_array(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        _values(encoder, value)


def _dtype(encoder: Encoder, value: Any) -> None:
    encoder.tag("dtype")
    encode_class_of(encoder, value)
    if isinstance(value, pd.CategoricalDtype):
        encoder.encode((value.ordered, value.categories))
        return
    encoder.text(repr(value))
    for name in ("storage", "na_value", "fill_value", "subtype", "tz", "unit", "closed"):
        part = getattr(value, name, None)
        encoder.text(f"{type(part).__qualname__} {part!r}")
    if origin.top_level(origin.module_of(type(value))) != "pandas":
        encode_state(encoder, value)


def _missing(name: str) -> Any:
    def handler(encoder: Encoder, value: Any) -> None:
        encoder.tag(name)

    return handler


def _timestamp(encoder: Encoder, value: Any) -> None:
    encoder.tag("Timestamp")
    encoder.encode((value.isoformat(), value.unit, value.fold, repr(value.tzinfo)))


def _timedelta(encoder: Encoder, value: Any) -> None:
    encoder.tag("Timedelta")
    encoder.encode((int(value.value), value.unit))


def _take_column(value: Any, key: Any) -> tuple[Any] | None:
    columns = value.columns
    if type(columns) is not pd.Index or not isinstance(key, str):
        return None
    try:
        place = columns.get_loc(key)
    except KeyError:
        return (ABSENT,)
    return (Column(value, key),) if type(place) is int else None


def install() -> None:
    """Register the handlers; called when the first pandas object is met."""
    handles(pd.DataFrame, _frame, subclasses=True)
    handles(pd.Series, _series, subclasses=True)
    handles(pd.Index, _index, subclasses=True)
    handles(Column, _column)
    handles(pd.api.extensions.ExtensionArray, _extension_array, subclasses=True)
    handles(pd.api.extensions.ExtensionDtype, _dtype, subclasses=True)
    handles(type(pd.NA), _missing("NA"))
    handles(type(pd.NaT), _missing("NaT"))
    handles(pd.Timestamp, _timestamp)
    handles(pd.Timedelta, _timedelta)
    register_parts(pd.DataFrame, _take_column)
