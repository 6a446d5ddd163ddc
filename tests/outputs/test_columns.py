"""Columns of polars and Arrow on the memory of an array are seen to be there."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from incnb.outputs.columns import shared_with


def makers() -> dict[str, Any]:
    found: dict[str, Any] = {}
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    found["series"] = pl.Series
    found["frame"] = lambda x: pl.DataFrame({"a": x})
    found["part"] = lambda x: pl.DataFrame({"a": x})[1:3]
    found["array"] = pa.array
    found["table"] = lambda x: pa.table({"a": x})
    found["slice"] = lambda x: pa.table({"a": x})[1:3]
    found["buffer"] = pa.py_buffer
    return found


@pytest.mark.parametrize("kind", ["series", "frame", "part", "array", "table", "slice", "buffer"])
def test_writing_to_the_array_would_show(kind: str) -> None:
    array = numpy.arange(1000.0)
    made = makers()[kind](array)
    for holder in (array, array[1:], [array], {"a": array}):
        assert shared_with([made], {"x": holder}) == "x"
    assert shared_with([made], {"x": array.copy(), "y": 1}) is None


def test_a_column_on_a_frame_of_pandas() -> None:
    pandas, pa, pl = (pytest.importorskip(name) for name in ("pandas", "pyarrow", "polars"))
    frame = pandas.DataFrame({"a": numpy.arange(1000.0), "b": numpy.arange(1000.0), "c": "x"})
    for made in (pa.Table.from_pandas(frame), pl.from_pandas(frame)):
        assert shared_with([made], {"df": frame}) == "df"
        assert shared_with([made], {"df": frame.copy(deep=True)}) is None


def test_columns_of_their_own_share_with_nobody() -> None:
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    values = [
        pl.Series([1.0, None]),
        pl.DataFrame({"a": ["x"], "b": [[1]]}),
        pa.array(["x"]),
        pa.table({"a": [1, None]}),
    ]
    assert shared_with(values, {"x": numpy.arange(1000.0)}) is None


def test_an_array_that_only_shows_the_column_cannot_change_it() -> None:
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    table, series = pa.table({"a": numpy.arange(1000.0) + 1}), pl.Series(numpy.arange(1000.0) + 1)
    shown = {"a": table["a"].chunk(0).to_numpy(), "s": series.to_numpy(), "df": table.to_pandas()}
    assert shared_with([table, series], shown) is None
