"""pandas: what is part of a frame, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fresh import run

from incnb.fingerprint import ABSENT, fingerprint
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import follow, take_step


def frame(**more: Any) -> Any:
    return pd.DataFrame({"a": [1, 2, 3], "b": [1.5, None, 3.0], "c": ["x", None, "z"], **more})


def edited(edit: Callable[[Any], Any]) -> Any:
    made = frame()
    changed = edit(made)
    return made if changed is None else changed


EDITS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda f: None,
    "value": lambda f: f.__setitem__("a", [1, 2, 4]),
    "dtype": lambda f: f.astype({"a": "i4"}),
    "nullable": lambda f: f.astype({"a": "Int64"}),
    "float": lambda f: f.astype({"a": "f8"}),
    "object": lambda f: f.astype({"a": object}),
    "object text": lambda f: f.astype({"c": object}),
    "old text": lambda f: f.astype({"c": pd.StringDtype("python", na_value=pd.NA)}),
    "category": lambda f: f.astype({"c": "category"}),
    "column name": lambda f: f.rename(columns={"a": "d"}),
    "column order": lambda f: f[["b", "a", "c"]],
    "fewer columns": lambda f: f[["a", "b"]],
    "row order": lambda f: f.iloc[::-1],
    "row order, new index": lambda f: f.iloc[::-1].reset_index(drop=True),
    "index": lambda f: f.set_axis([1, 2, 3]),
    "index of numbers": lambda f: f.set_axis(np.arange(3)),
    "index of floats": lambda f: f.set_axis([0.0, 1.0, 2.0]),
    "index of text": lambda f: f.set_axis(["0", "1", "2"]),
    "index name": lambda f: f.rename_axis("i"),
    "name of the columns": lambda f: f.rename_axis(columns="i"),
    "many indexes": lambda f: f.set_index("a", append=True),
    "attrs": lambda f: f.attrs.update(a=1),
    "other attrs": lambda f: f.attrs.update(a=True),
    "flags": lambda f: f.set_flags(allows_duplicate_labels=False),
    "duplicate columns": lambda f: f.set_axis(["a", "a", "c"], axis=1),
    "numbers as names": lambda f: f.rename(columns={"a": 1}),
    "floats as names": lambda f: f.rename(columns={"a": 1.0}),
    "truth as name": lambda f: f.rename(columns={"a": True}),
    "text of a number as name": lambda f: f.rename(columns={"a": "1"}),
    "tuples as names": lambda f: f.rename(columns={"a": ("a", 1)}),
    "missing": lambda f: f.mask(f["a"] == 1, other=None),
    "an attribute": lambda f: object.__setattr__(f, "note", 1),
    "series": lambda f: f["a"],
    "named series": lambda f: f["a"].rename("x"),
    "unnamed series": lambda f: f["a"].rename(None),
    "series named by a number": lambda f: f["a"].rename(1),
    "array": lambda f: f["a"].to_numpy(),
    "extension array": lambda f: f["c"].array,
    "index itself": lambda f: f.index,
    "columns themselves": lambda f: f.columns,
}


def test_every_edit_counts() -> None:
    found = {name: fingerprint(edited(edit)) for name, edit in EDITS.items()}
    seen: dict[bytes, str] = {}
    for name, value in found.items():
        assert seen.setdefault(value, name) == name
    for name, edit in EDITS.items():
        assert fingerprint(edited(edit)) == found[name], name


def test_how_the_columns_lie_in_memory_means_nothing() -> None:
    whole = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    pieces = pd.DataFrame({"a": [0.0, 2.0, 4.0]})
    pieces["b"] = [1.0, 3.0, 5.0]
    sliced = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=list("xayb"))[["a", "b"]] - [1, 2]
    sliced.iloc[:] = whole
    assert (
        fingerprint(whole)
        == fingerprint(pieces)
        == fingerprint(whole.copy())
        == fingerprint(whole.T.T)
        == fingerprint(sliced)
    )


def test_using_a_frame_does_not_change_it() -> None:
    made = frame()
    before = fingerprint(made)
    made["a"], made.describe(), made.c.str.upper(), made.index.get_loc(1), made.values, made.plot, repr(made)
    made.loc[made["a"] > 1], made.groupby("c").size()
    assert fingerprint(made) == before


def test_missing_values_are_told_apart() -> None:
    values = [None, np.nan, pd.NA, pd.NaT, "nan", ""]
    assert len({fingerprint(pd.Series([1, v], dtype=object)) for v in values}) == len(values)
    assert len({fingerprint(v) for v in values}) == len(values)


def test_what_lies_under_a_mask_means_nothing() -> None:
    one = pd.array([1, 2, 3], dtype="Int64")
    one[1] = None
    other = pd.array([1, None, 3], dtype="Int64")
    assert fingerprint(one) == fingerprint(other) != fingerprint(pd.array([1, 0, 3], dtype="Int64"))
    floats = pd.arrays.FloatingArray(np.array([1.0, np.nan]), np.array([False, False]))
    assert fingerprint(floats) != fingerprint(pd.array([1.0, None], dtype="Float64"))


INDEXES = {
    "range": pd.RangeIndex(3),
    "range with a step": pd.RangeIndex(0, 6, 2),
    "named range": pd.RangeIndex(3, name="a"),
    "ints": pd.Index([0, 1, 2]),
    "small ints": pd.Index([0, 1, 2], dtype="i1"),
    "floats": pd.Index([0.0, 1, 2]),
    "nullable": pd.Index([0, 1, 2], dtype="Int64"),
    "objects": pd.Index([0, 1, 2], dtype=object),
    "text": pd.Index(["0", "1", "2"]),
    "object text": pd.Index(["0", "1", "2"], dtype=object),
    "truths": pd.Index([True, False, True]),
    "mixed": pd.Index([True, 1, "1"], dtype=object),
    "mixed too": pd.Index([1, True, "1"], dtype=object),
    "dates": pd.DatetimeIndex(["2024-01-01", "2024-01-02"]),
    "dates with a frequency": pd.date_range("2024-01-01", periods=2),
    "dates with another": pd.date_range("2024-01-01", periods=2, freq="2D"),
    "zoned": pd.DatetimeIndex(["2024-01-01", "2024-01-02"], tz="UTC"),
    "zoned elsewhere": pd.DatetimeIndex(["2024-01-01", "2024-01-02"], tz="Europe/London"),
    "in seconds": pd.DatetimeIndex(["2024-01-01", "2024-01-02"]).as_unit("s"),
    "in nanoseconds": pd.DatetimeIndex(["2024-01-01", "2024-01-02"]).as_unit("ns"),
    "deltas": pd.to_timedelta(["1h", "2h"]),
    "periods": pd.period_range("2024", periods=2, freq="M"),
    "other periods": pd.period_range("2024", periods=2, freq="D"),
    "intervals": pd.interval_range(0, 2),
    "closed intervals": pd.interval_range(0, 2, closed="both"),
    "categories": pd.CategoricalIndex(["a", "b"]),
    "ordered": pd.CategoricalIndex(["a", "b"], ordered=True),
    "other categories": pd.CategoricalIndex(["a", "b"], categories=["b", "a"]),
    "more categories": pd.CategoricalIndex(["a", "b"], categories=["a", "b", "c"]),
    "multi": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    "multi named": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
    "multi other": pd.MultiIndex.from_tuples([("a", 2), ("b", 1)]),
    "tuples": pd.Index([("a", 1), ("b", 2)], tupleize_cols=False),
    "sparse": pd.Index(pd.arrays.SparseArray([0, 0, 1])),
    "sparse too": pd.Index(pd.arrays.SparseArray([0, 0, 1], fill_value=1)),
}


def test_indexes_are_told_apart() -> None:
    seen: dict[bytes, str] = {}
    for name, index in INDEXES.items():
        assert seen.setdefault(fingerprint(index), name) == name
    found = [fingerprint(pd.Series(range(len(i)), index=i)) for i in INDEXES.values()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "one,other",
    [
        (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC")),
        (pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="Europe/London")),
        (pd.Timestamp(1), pd.Timestamp(2)),
        (pd.Timestamp("2024-01-01").as_unit("s"), pd.Timestamp("2024-01-01").as_unit("ns")),
        (pd.Timedelta(1), pd.Timedelta(2)),
        (pd.Timedelta("1h").as_unit("s"), pd.Timedelta("1h").as_unit("ns")),
        (pd.Period("2024", "M"), pd.Period("2024", "D")),
        (pd.Period("2024-01", "M"), pd.Period("2024-02", "M")),
        (pd.Interval(0, 1), pd.Interval(0, 1, "both")),
        (pd.Interval(0, 1), pd.Interval(0, 1.0)),
        (pd.offsets.MonthEnd(), pd.offsets.MonthEnd(2)),
        (pd.offsets.MonthEnd(), pd.offsets.MonthBegin()),
        (pd.offsets.CustomBusinessDay(weekmask="Mon"), pd.offsets.CustomBusinessDay(weekmask="Tue")),
        (pd.CategoricalDtype(["a", "b"]), pd.CategoricalDtype(["b", "a"])),
        (pd.CategoricalDtype(range(1000)), pd.CategoricalDtype([*range(500), -1, *range(501, 1000)])),
        (pd.DatetimeTZDtype(tz="UTC"), pd.DatetimeTZDtype(tz="Europe/London")),
        (pd.array([True, None]), pd.array([True, False])),
        (pd.array(["a", None], dtype="str"), pd.array(["a", None], dtype="string")),
        (pd.Categorical(["a", None]), pd.Categorical(["a", "a"])),
    ],
)
def test_small_things_differ(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one.copy() if hasattr(one, "copy") else one)


def test_a_subclass_is_class_and_fields() -> None:
    source = """
        import pandas as pd
        class F(pd.DataFrame):
            _metadata = ["unit"]
            def m(self): return {}
        class S(pd.Series): pass
        x, y = F({{"a": [1]}}), F({{"a": [1]}})
        y.unit = "m"
        s, t = S([1]), S([1])
        object.__setattr__(t, "n", 1)
    """
    one, other = run(source.format(1)), run(source.format(2))
    values = [one.x, one.y, other.x, pd.DataFrame({"a": [1]}), one.s, one.t, pd.Series([1])]
    assert len({fingerprint(v) for v in values}) == len(values)


def test_a_method_put_onto_a_class_of_pandas_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    book = run("""
        import functools
        def mine(self): return helper()
        def helper(): return 1
        def other(self): return 2
        wrapped = functools.lru_cache(mine)
        partly = functools.partial(mine)
    """)
    made, series, column = frame(), pd.Series([1]), take_step(frame(), "item", "a")
    values = [made, series, column]
    before = [fingerprint(v) for v in values]
    for cls in (pd.Series, pd.DataFrame, pd.core.generic.NDFrame):
        for patch in (book.mine, book.wrapped, book.partly, staticmethod(book.mine), property(book.mine)):
            with monkeypatch.context() as patched:
                patched.setattr(cls, "mean", patch)
                now = [fingerprint(v) for v in values]
                assert all(a != b for a, b in zip(before, now, strict=True)), (cls, patch)
                patched.setattr(cls, "mean", book.other)
                assert all(a != b for a, b in zip(now, map(fingerprint, values), strict=True)), (cls, patch)
    assert [fingerprint(v) for v in values] == before


def test_what_a_patch_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def helper(): return {}\ndef mine(self): return helper()\n"
    found = set()
    for n in (1, 2):
        monkeypatch.setattr(pd.Series, "mean", run(source.format(n)).mine)
        found.add(fingerprint(pd.Series([1])))
    assert len(found) == 2


# -- columns as paths


def column(made: Any, name: str = "a") -> bytes:
    reached, steps, _ = follow({"df": made}, Read("df", (("item", name),)))
    assert steps == 1
    return fingerprint(reached)


def test_a_column_is_values_index_attrs_and_flags() -> None:
    before = column(frame())
    assert column(frame(b=[0, 0, 0])) == before
    assert column(frame()[["c", "a"]]) == before
    for name in ("value", "dtype", "index", "index name", "attrs", "flags", "row order"):
        assert column(edited(EDITS[name])) != before, name


def test_a_column_that_is_not_there_is_absent() -> None:
    assert take_step(frame(), "item", "zz") == (ABSENT,)


def test_a_column_that_is_not_alone_is_no_path() -> None:
    assert take_step(edited(EDITS["duplicate columns"]), "item", "a") is None
    assert take_step(edited(EDITS["numbers as names"]), "item", 1) is None
    assert take_step(frame().T.T.set_index("a").T, "item", 1) is None
    multi = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert take_step(multi, "item", "a") is None


def test_a_column_of_a_subclass_is_no_path() -> None:
    book = run(
        "import pandas as pd\nclass F(pd.DataFrame):\n    def __getitem__(self, k): return 1\nx = F({'a': [1]})\n"
    )
    assert take_step(book.x, "item", "a") is None


def test_many_strings_with_missing_ones() -> None:
    names = [f"name {i}" for i in range(1000)]
    one = pd.Series(names)
    other = pd.Series([*names[:-1], None])
    assert fingerprint(one) == fingerprint(pd.Series(list(names))) != fingerprint(other)
