"""polars: content counts, how it lies in memory does not; a lazy frame is its plan and the files that it reads."""

from __future__ import annotations

import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incnb.fingerprint import Unfingerprintable, fingerprint

pl = pytest.importorskip("polars")

DAY = datetime.date(2020, 1, 2)
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "bool": (pl.Boolean(), [True, False, None]),
    **{
        f"{sign}Int{bits}": (getattr(pl, f"{sign}Int{bits}")(), [1, 2, None])
        for sign in ("", "U")
        for bits in (8, 16, 32, 64, 128)
        if hasattr(pl, f"{sign}Int{bits}")
    },
    **{
        name: (getattr(pl, name)(), [1.0, float("nan"), None])
        for name in ("Float16", "Float32", "Float64")
        if hasattr(pl, name)
    },
    "decimal": (pl.Decimal(10, 2), [decimal.Decimal("1.5"), decimal.Decimal("2"), None]),
    "date": (pl.Date(), [DAY, DAY.replace(day=3), None]),
    "datetime": (pl.Datetime("us"), [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2), None]),
    "datetime ns": (pl.Datetime("ns"), [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2), None]),
    "zoned": (pl.Datetime("us", "UTC"), [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2), None]),
    "duration": (pl.Duration("ms"), [datetime.timedelta(1), datetime.timedelta(2), None]),
    "time": (pl.Time(), [datetime.time(1), datetime.time(2), None]),
    "string": (pl.String(), ["a", "", None]),
    "binary": (pl.Binary(), [b"a", b"", None]),
    "categorical": (pl.Categorical(), ["a", "b", None]),
    "enum": (pl.Enum(["a", "b"]), ["a", "b", None]),
    "other enum": (pl.Enum(["b", "a"]), ["a", "b", None]),
    "list": (pl.List(pl.Int8()), [[1, None], [], None]),
    "list of texts": (pl.List(pl.String()), [["a"], ["", "a"], None]),
    "nested": (pl.List(pl.List(pl.Boolean())), [[[True], []], [None], None]),
    "array": (pl.Array(pl.Int8(), 2), [[1, 2], [None, 3], None]),
    "struct": (pl.Struct({"a": pl.Int8(), "b": pl.String()}), [{"a": 1, "b": "x"}, {"a": None, "b": "x"}, None]),
    "object": (pl.Object(), [{1}, "x", None]),
}
PLACES = st.lists(st.sampled_from([0, 1, 2]), max_size=12)


def made(kind: str, places: list[int]) -> Any:
    dtype, values = KINDS[kind]
    return pl.Series("s", [values[place] for place in places], dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(before=PLACES, places=PLACES, after=PLACES, cut=st.integers(0, 12))
def test_slices_and_chunks_mean_nothing(
    kind: str, before: list[int], places: list[int], after: list[int], cut: int
) -> None:
    plain = made(kind, places)
    large = made(kind, [*before, *places, *after])
    part = large.slice(len(before), len(places))
    assert fingerprint(part) == fingerprint(plain)
    chunked = part[:cut].to_frame().vstack(part[cut:].to_frame()) if kind != "object" else part.to_frame()
    assert fingerprint(chunked) == fingerprint(plain.to_frame()) != fingerprint(plain)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(places=PLACES.filter(bool), where=st.integers(0, 11))
def test_one_element_changed(kind: str, places: list[int], where: int) -> None:
    other = list(places)
    other[where % len(places)] = (places[where % len(places)] + 1) % 3
    assert fingerprint(made(kind, places)) != fingerprint(made(kind, other))
    assert fingerprint(made(kind, places)) != fingerprint(made(kind, [*places, places[0]]))


def test_types_are_told_apart() -> None:
    for places in ([], [2, 2], [0]):
        series = [made(kind, places) for kind in KINDS]
        assert len({fingerprint(s) for s in series}) == len(series)
        assert len({fingerprint(s.dtype) for s in series}) == len(series)


def test_names_order_and_shape_count() -> None:
    a, b = [1, 2], [3, 4]
    frames = [
        pl.DataFrame({"a": a, "b": b}),
        pl.DataFrame({"b": b, "a": a}),
        pl.DataFrame({"a": b, "b": a}),
        pl.DataFrame({"a": a, "c": b}),
        pl.DataFrame({"a": a}),
        pl.DataFrame({"a": a[::-1]}),
        pl.DataFrame({"a": []}),
        pl.DataFrame(),
        pl.Series("a", a),
        pl.Series("b", a),
    ]
    assert len({fingerprint(f) for f in frames}) == len(frames)


def test_lists_cut_differently() -> None:
    values = [[["a", "b"], []], [["a"], ["b"]], [["ab"], []], [[], ["a", "b"]], [["a", "b"], None]]
    series = [pl.Series(v, dtype=pl.List(pl.String)) for v in values]
    assert len({fingerprint(s) for s in series}) == len(series)
    assert fingerprint(pl.Series(["ab", "c"])) != fingerprint(pl.Series(["a", "bc"]))


def test_a_null_around_and_a_null_inside_a_struct() -> None:
    dtype = pl.Struct({"a": pl.Int8})
    assert fingerprint(pl.Series([None, {"a": 1}], dtype=dtype)) != fingerprint(
        pl.Series([{"a": None}, {"a": 1}], dtype=dtype)
    )


def test_categories_made_earlier_in_the_process_mean_nothing() -> None:
    before = fingerprint(pl.Series(["p", "q"], dtype=pl.Categorical))
    pl.Series(["r", "q", "p"], dtype=pl.Categorical)
    assert fingerprint(pl.Series(["x", "p", "q"], dtype=pl.Categorical)[1:].alias("")) == before


def test_a_frame_that_two_names_share_is_told_from_two_frames() -> None:
    frame = pl.DataFrame({"a": [1]})
    assert fingerprint([frame, frame]) != fingerprint([frame, frame.clone()])
    assert fingerprint([frame["a"], frame["a"]]) == fingerprint([frame["a"], frame["a"].clone()])


def test_attributes_of_a_frame_and_patched_classes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"a": [1]})
    before = fingerprint(frame)
    frame.note = 1
    assert fingerprint(frame) != before
    monkeypatch.setattr(pl.DataFrame, "mean", lambda self: 5)
    assert fingerprint(pl.DataFrame({"a": [1]})) != before


def test_looking_changes_nothing() -> None:
    frame = pl.DataFrame({"a": [3, 1], "b": ["x", None]})
    before = fingerprint(frame)
    frame.sort("a"), frame.describe(), frame.hash_rows(), frame.to_numpy(), repr(frame), frame.lazy().collect()
    assert fingerprint(frame) == before


# -- expressions


def test_expressions_are_their_text() -> None:
    values = [pl.col("a").is_in([1, 2]), pl.col("a").is_in([1, 3]), pl.col("a").is_in(list(range(300)))]
    values += [pl.lit(pl.Series([1, 2])), pl.lit(pl.Series([1, 3]))]
    values += [pl.col("a"), pl.col("b"), pl.col("a") + 1, pl.col("a") + 2, pl.lit(1), pl.lit("1"), pl.col("a").sum()]
    assert len({fingerprint(v) for v in values}) == len(values)
    assert fingerprint(pl.col("a") + 1) == fingerprint(pl.col("a") + 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.col("a").map_elements(lambda x: x + 1, return_dtype=pl.Int64),
        lambda: pl.col("a").map_batches(lambda s: s),
        lambda: pl.fold(0, lambda a, b: a + b, ["a"]),
        lambda: pl.col("a").name.map(lambda name: name * 2),
        lambda: pl.LazyFrame({"a": [1]}).map_batches(lambda d: d),
        lambda: pl.LazyFrame({"a": [1]}).group_by("a").map_groups(lambda d: d, schema=None),
        lambda: pl.LazyFrame({"a": [1]}).select(pl.col("a").map_batches(len)),
        lambda: pl.io.plugins.register_io_source(lambda *_: iter([]), schema={"a": pl.Int64}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_python_functions_inside_are_refused(make: Any) -> None:
    with pytest.raises(Unfingerprintable):
        fingerprint(make())


# -- lazy frames


def scan(path: Path, **options: Any) -> Any:
    return getattr(
        pl, f"scan_{ {'.csv': 'csv', '.parquet': 'parquet', '.arrow': 'ipc', '.json': 'ndjson'}[path.suffix] }"
    )(path, **options)


def write(path: Path, values: list[int]) -> Path:
    frame = pl.DataFrame({"a": values})
    {
        ".csv": frame.write_csv,
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
        ".json": frame.write_ndjson,
    }[path.suffix](path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".json"])
def test_a_lazy_frame_is_its_plan_and_the_content_of_its_file(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", [1, 2])
    lazy = scan(path)
    before = fingerprint(lazy)
    assert fingerprint(scan(path)) == before
    lazy.collect(), lazy.collect_schema(), lazy.explain()
    assert fingerprint(lazy) == before
    assert fingerprint(lazy.filter(pl.col("a") > 1)) != before != fingerprint(lazy.filter(pl.col("a") > 2))
    write(path, [1, 3])
    assert fingerprint(lazy) != before
    assert fingerprint(scan(path)) != before
    write(path, [1, 2])
    assert fingerprint(scan(path)) == before


def test_every_file_of_a_plan_counts(tmp_path: Path) -> None:
    one, other, third = (write(tmp_path / f"{name}.parquet", [1, 2]) for name in "xyz")
    plans = [
        pl.concat([scan(one), scan(other).filter(pl.col("a") == 1), scan(third)]),
        scan(one).join(scan(other).join(scan(third), on="a"), on="a"),
        pl.scan_parquet([one, other, third]),
        pl.concat([scan(one), scan(other).join(scan(third), on="a")]),
    ]
    for path in (one, other, third):
        before = [fingerprint(plan) for plan in plans]
        write(path, [1, 3])
        for plan, old in zip(plans, before, strict=True):
            assert fingerprint(plan) != old, path
        write(path, [1, 2])


def test_data_in_the_plan_counts() -> None:
    frames = [pl.LazyFrame({"a": [1, 2]}), pl.LazyFrame({"a": [1, 3]}), pl.LazyFrame({"b": [1, 2]})]
    frames += [pl.scan_csv(io.BytesIO(b"a\n1")), pl.scan_csv(io.BytesIO(b"a\n2"))]
    assert len({fingerprint(f) for f in frames}) == len(frames)
    assert fingerprint(pl.LazyFrame({"a": range(100)})) == fingerprint(pl.LazyFrame({"a": range(100)}))


def test_a_plan_over_large_data_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from incnb.fingerprint import polars_plans

    monkeypatch.setattr(polars_plans, "_LARGE", 1000)
    small, large = pl.LazyFrame({"a": range(9)}), pl.LazyFrame({"a": range(2000)})
    fingerprint(small)
    for plan in (large, small.join(large.filter(pl.col("a") > 1), on="a"), pl.concat([small, large])):
        with pytest.raises(Unfingerprintable, match="large data in memory"):
            fingerprint(plan)


def test_files_that_cannot_all_be_known_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "k=1"
    folder.mkdir()
    write(folder / "x.parquet", [1])
    for source, options in (
        (tmp_path / "*" / "*.parquet", {}),
        (folder, {}),
        (folder / "x.parquet", {"hive_partitioning": True}),
        (tmp_path / "missing.parquet", {}),
    ):
        with pytest.raises(Unfingerprintable, match=r"polars scan|FileNotFound|ComputeError|OSError"):
            fingerprint({"lazy": pl.scan_parquet(source, **options).select("a")})


def test_what_is_far_away_is_refused() -> None:
    from incnb.fingerprint import polars_plans
    from incnb.fingerprint.encoder import Encoder

    far = {
        "sources": {"Paths": [{"inner": "s3://bucket/x.parquet"}]},
        "unified_scan_args": {"glob": False, "hive_options": {"enabled": False}, "deletion_files": None},
        "scan_type": {"Parquet": {}},
    }
    with pytest.raises(Unfingerprintable, match="cannot all be known"):
        polars_plans._paths(Encoder(), far)


def test_a_column_may_be_called_like_a_node(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"Scan": [1]})
    with pytest.raises(Unfingerprintable):  # not told from a scan, and in doubt refused
        fingerprint(frame)
