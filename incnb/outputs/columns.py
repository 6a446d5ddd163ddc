"""Columns of polars and Arrow that lie on the memory of somebody's array.

`pl.Series(x)` and `pa.table({"a": x})` copy nothing: writing to `x` shows in them. No pickle can keep that, and nothing
in Python tells who holds what, only the addresses do. A column on an array that is gone shares with nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from incnb.fingerprint.graph import array_base

Span = tuple[int, int]


def shared_with(held: Iterable[Any], namespace: dict[str, Any]) -> str | None:
    """The name of the notebook whose array one of the held objects lies on; None if there is none."""
    spans = [span for item in held for span in _columns(item)]
    if not spans:
        return None
    for name, value in namespace.items():
        for first, last in _arrays(value):
            if any(start < last and first < stop for start, stop in spans):
                return name
    return None


def _columns(item: Any) -> Iterator[Span]:
    """Where the numbers of a frame, a table or a part of one lie."""
    top = type(item).__module__.partition(".")[0]
    if top == "polars" and type(item).__name__ in ("DataFrame", "Series"):
        for column in item.get_columns() if type(item).__name__ == "DataFrame" else [item]:
            if column.dtype.is_numeric():
                for chunk in column.get_chunks():
                    with suppress(Exception):  # has nulls, or a type that numpy does not know: made by polars
                        yield _span(chunk.to_numpy(allow_copy=False))
    elif top == "pyarrow":
        arrow = sys.modules["pyarrow"]
        columns = item.columns if isinstance(item, arrow.Table | arrow.RecordBatch) else [item]
        for column in columns:
            chunks = column.chunks if isinstance(column, arrow.ChunkedArray) else [column]
            for chunk in chunks:
                buffers = chunk.buffers() if isinstance(chunk, arrow.Array) else [chunk]
                for buffer in buffers:
                    if isinstance(buffer, arrow.Buffer) and buffer.size:
                        yield buffer.address, buffer.address + buffer.size


def _arrays(value: Any) -> Iterator[Span]:
    """Where the arrays lie that a value of the notebook is, or holds directly."""
    pandas = sys.modules.get("pandas")
    members = list(value.values()) if type(value) is dict else list(value) if type(value) in (list, tuple) else []
    for item in (value, *members):
        base = array_base(item)
        if base is not None:
            if base.size and base.flags.writeable:
                yield _span(base)
        elif pandas is not None and isinstance(item, pandas.DataFrame | pandas.Series):
            series = [item] if isinstance(item, pandas.Series) else [item.iloc[:, i] for i in range(item.shape[1])]
            for one in series:
                if one.dtype.kind in "biufcmM" and len(one):
                    array = one.to_numpy()
                    if array_base(array).flags.writeable:  # else it lies on what Arrow owns and nobody writes to
                        yield _span(array)


def _span(array: Any) -> Span:
    start = array.__array_interface__["data"][0]
    steps = [(n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)]
    low, high = sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)
    return start + low, start + high + array.itemsize
