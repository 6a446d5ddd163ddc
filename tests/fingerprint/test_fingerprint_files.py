"""Values that lie in files until they are asked for: what they say of themselves, and the content of the files."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from incnb.fingerprint import Unfingerprintable, fingerprint


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield


def refused(value: Any, match: str = "") -> None:
    with pytest.raises(Unfingerprintable, match=match) as error:
        fingerprint({"x": value})
    assert "['x']" in error.value.path


# -- sqlite


def database(*values: int, path: Any = "x.db") -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table if not exists t (a)")
        connection.execute("delete from t")
        connection.executemany("insert into t values (?)", [(value,) for value in values])
    return connection


def test_a_connection_is_the_content_of_its_file() -> None:
    one = database(1, 2)
    before = fingerprint(one)
    one.execute("select * from t").fetchall()
    assert fingerprint(one) == before == fingerprint(sqlite3.connect("x.db"))
    with sqlite3.connect("x.db") as other:
        other.execute("update t set a = 3 where a = 2")
    assert fingerprint(one) != before


def test_content_that_is_not_in_the_file_yet_counts() -> None:
    one = database(1, 2)
    one.execute("pragma journal_mode=wal")
    before = fingerprint(one)
    with sqlite3.connect("x.db") as other:
        other.execute("insert into t values (3)")
    logged = fingerprint(one)
    assert logged != before
    one.execute("insert into t values (4)")
    assert fingerprint(one) != logged


def test_a_database_in_memory_is_its_content() -> None:
    found = [fingerprint(database(*values, path=":memory:")) for values in [(1, 2), (1, 3), (), (1, 2)]]
    assert len(set(found)) == 3
    assert found[0] == found[3]


def test_a_replaced_file_is_not_taken_for_what_the_connection_sees() -> None:
    database(1, path="new.db").close()
    one = database(2)
    before = fingerprint(one)
    Path("new.db").replace("x.db")
    assert fingerprint(one) == before != fingerprint(sqlite3.connect("x.db"))


def test_a_large_database_is_digested_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.fingerprint import sqlite_values

    monkeypatch.setattr(sqlite_values, "_IN_MEMORY", 0)
    one = database(1, 2)
    before = fingerprint(one)
    database(1, 3).close()
    assert fingerprint(one) != before
    database(1, path="new.db").close()
    Path("new.db").replace("x.db")
    refused(one, "large database")
    refused(database(1, path=":memory:"), "large database")


def test_what_is_set_on_a_connection_counts() -> None:
    def changed(change: Any) -> bytes:
        connection = database(1)
        change(connection)
        return fingerprint(connection)

    found = [
        changed(lambda c: None),
        changed(lambda c: setattr(c, "row_factory", sqlite3.Row)),
        changed(lambda c: setattr(c, "text_factory", bytes)),
        changed(lambda c: setattr(c, "isolation_level", None)),
        changed(lambda c: c.execute("pragma foreign_keys=on")),
        changed(lambda c: c.execute("attach ':memory:' as other")),
    ]
    assert len(set(found)) == len(found)
    connection = database(1)
    connection.create_function("double", 1, lambda x: 2 * x)
    refused(connection, "a function of its own")
    connection = database(1)
    connection.create_collation("odd", lambda a, b: 0)
    refused(connection, "a collation of its own")
    connection = database(1)
    connection.execute("create temp table u (a)")
    refused(connection, "temporary tables")


def test_asking_leaves_the_connection_alone() -> None:
    connection = database(1, 2)
    connection.row_factory = lambda cursor, row: 1 / 0
    changes = connection.total_changes
    fingerprint(connection)
    assert (connection.total_changes, connection.in_transaction) == (changes, False)
    refused(connection.execute("pragma user_version"))


def test_a_closed_connection_is_refused() -> None:
    connection = database(1)
    connection.close()
    refused(connection)


# -- pyarrow


@pytest.fixture
def parquet() -> Any:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.dataset")
    from pyarrow import parquet

    def write(path: str, values: list[int]) -> str:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({"a": values}), path)
        return path

    return write


def test_a_dataset_is_its_plan_and_its_files(parquet: Any) -> None:
    import pyarrow.dataset as ds

    parquet("d/k=1/x.parquet", [1, 2])
    parquet("d/k=2/x.parquet", [1, 2])
    make = lambda: ds.dataset("d", partitioning="hive")  # noqa: E731
    data = make()
    plans = [data, ds.dataset("d"), data.filter(ds.field("a") > 1), data.filter(ds.field("a") > 2)]
    plans += [data.filter(ds.field("k") > 1), ds.dataset([data, data])]
    before = [fingerprint(plan) for plan in plans]
    assert len(set(before)) == len(before)
    assert fingerprint(make()) == before[0]
    data.to_table(), data.head(1), list(data.get_fragments())
    assert fingerprint(data) == before[0]
    fragment = next(data.get_fragments())
    alone = fingerprint(fragment)
    parquet("d/k=1/x.parquet", [1, 3])
    assert not set(before) & {fingerprint(plan) for plan in plans}
    assert fingerprint(fragment) != alone
    parquet("d/k=1/x.parquet", [1, 2])
    assert [fingerprint(plan) for plan in plans] == before
    parquet("d/k=1/y.parquet", [1, 2])
    assert fingerprint(make()) != before[0] == fingerprint(data)


def test_datasets_that_are_used_up_or_not_here_are_refused(parquet: Any) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow import fs

    refused(ds.dataset(pa.table({"a": [1]})), "InMemoryDataset")
    parquet("d/x.parquet", [1, 2])
    below = ds.dataset("x.parquet", filesystem=fs.SubTreeFileSystem(str(Path("d").absolute()), fs.LocalFileSystem()))
    before = fingerprint(below)
    parquet("d/x.parquet", [1, 3])
    assert fingerprint(below) != before
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/m/x.parquet", Path("d/x.parquet").read_bytes())
    refused(ds.dataset("/m/x.parquet", filesystem=memory), "not on this machine")
    refused(below.scanner())


# -- h5py


@pytest.fixture
def h5py() -> Any:
    return pytest.importorskip("h5py")


def h5(h5py: Any, value: Any, path: str = "x.h5", **attrs: Any) -> Any:
    with h5py.File(path, "w") as file:
        file.create_dataset("g/d", data=value)
        file.attrs.update(attrs)
    return h5py.File(path, "r")


def test_h5py_is_the_content_of_its_file(h5py: Any) -> None:
    file = h5(h5py, [1, 2])
    values = [file, file["g"], file["g/d"]]
    before = [fingerprint(value) for value in values]
    assert len(set(before)) == 3
    assert fingerprint(h5py.File("x.h5", "r")["g/d"]) == before[2]
    file["g/d"][:]
    assert [fingerprint(value) for value in values] == before
    file.close()
    refused(file, "closed")
    assert fingerprint(h5(h5py, [1, 3])["g/d"]) != before[2]
    assert fingerprint(h5(h5py, [1, 2], unit="m")["g/d"]) != before[2]


def test_h5py_files_that_are_not_the_whole_truth_are_refused(h5py: Any) -> None:
    h5(h5py, [1, 2], "other.h5").close()
    with h5py.File("x.h5", "w") as file:
        refused(file, "writing")
        file["far"] = h5py.ExternalLink("other.h5", "g/d")
    with h5py.File("x.h5", "r") as file:
        refused(file, "another file")
    with h5py.File("x.h5", "w") as file:
        layout = h5py.VirtualLayout((2,), "i8")
        layout[:] = h5py.VirtualSource("other.h5", "g/d", (2,))
        file.create_virtual_dataset("v", layout)
    with h5py.File("x.h5", "r") as file:
        refused(file["v"], "other files")
    with h5py.File("x.h5", "w", driver="core", backing_store=False) as file:
        refused(file)
    file = h5(h5py, [1, 2])
    Path("other.h5").replace("x.h5")
    refused(file, "replaced")


# -- zarr


def test_zarr_is_the_content_of_its_store() -> None:
    zarr = pytest.importorskip("zarr", "3")

    def make(values: list[int], store: Any) -> Any:
        array = zarr.create_array(store, shape=(len(values),), chunks=(1,), dtype="i4", overwrite=True)
        array[:] = values
        return array

    for store in ("x.zarr", zarr.storage.MemoryStore()):
        array = make([1, 2], store)
        before = fingerprint(array)
        array[:], array.info
        assert fingerprint(array) == before == fingerprint(zarr.open_array(store))
        array[1] = 3
        assert fingerprint(array) != before
        array[1] = 2
        assert fingerprint(array) == before
        array.attrs["unit"] = "m"
        assert fingerprint(array) != before
    group = zarr.open_group("g.zarr", mode="w")
    before = fingerprint(group)
    group.create_array("a", shape=(1,), dtype="i4")
    assert fingerprint(group) != before
    with zarr.storage.ZipStore("x.zip", mode="w") as zipped:
        refused(make([1], zipped), "ZipStore")


# -- xarray


def test_xarray_in_memory() -> None:
    xr = pytest.importorskip("xarray")

    def make(**changes: Any) -> Any:
        options: dict[str, Any] = {"data": [1.0, 2.0], "dims": "x", "name": "n", "x": [0, 1], "attrs": {"unit": "m"}}
        options |= changes
        coords = {options["dims"]: options.pop("x")}
        return xr.DataArray(options.pop("data"), coords=coords, **options)

    values = [
        make(),
        make(data=[1.0, 3.0]),
        make(data=[1, 2]),
        make(dims="y"),
        make(name="m"),
        make(x=[0, 2]),
        make(attrs={"unit": "s"}),
        make().to_dataset(),
        make(data=[1.0, 3.0]).to_dataset(),
        make().variable,
        make(data=[1.0, np.nan]),
    ]
    assert len({fingerprint(v) for v in values}) == len(values)
    value = make()
    before = fingerprint(value)
    value.mean(), value.sel(x=0), repr(value), value.to_pandas(), value.indexes
    assert fingerprint(value) == before == fingerprint(make())


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_xarray_opened_lazily_is_what_reading_it_would_give(kind: str) -> None:
    xr = pytest.importorskip("xarray")
    pytest.importorskip("scipy" if kind == "netcdf" else "zarr")
    path = f"x.{kind}"

    def write(values: list[float]) -> Any:
        data = xr.Dataset({"a": ("x", values)}, coords={"x": range(len(values))})
        data.to_netcdf(path) if kind == "netcdf" else data.to_zarr(path, mode="w", consolidated=False)

    def opened() -> Any:
        if kind == "netcdf":
            return xr.open_dataset(path)
        return xr.open_dataset(path, engine="zarr", consolidated=False)

    write([1.0, 2.0])
    data = opened()
    before, part = fingerprint(data), fingerprint(data["a"][1:])
    assert fingerprint(data) == before
    data["a"].mean(), repr(data)
    assert fingerprint(data) == before
    data.load()
    assert fingerprint(data) == before
    data.close()
    assert fingerprint(opened()) == before
    write([1.0, 3.0])
    assert fingerprint(opened()) != before
    assert fingerprint(opened()["a"][1:]) != part


# -- plans whose data cannot be found


def test_plans_whose_data_cannot_all_be_known_are_refused() -> None:
    duckdb = pytest.importorskip("duckdb")
    array = pytest.importorskip("dask.array")
    connection = duckdb.connect()
    refused(connection, "plan over data")
    refused(connection.sql("select 1 as a"), "plan over data")
    refused(array.ones(3), "plan over data")

    class Mine(array.Array):
        pass

    refused(Mine({}, "n", ((1,),), dtype="f8"), "plan over data")
    dask = pytest.importorskip("dask")
    refused(dask.delayed(len)([1]), "plan over data")


def test_a_library_whose_handlers_cannot_be_loaded_is_not_taken_for_an_unknown_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys
    import types

    from incnb.fingerprint import registry

    def fails() -> None:
        raise ImportError("numpy is not there")

    class Plan:
        def __reduce__(self) -> Any:
            return str, ("plan",)

    Plan.__module__ = "planning_library"
    monkeypatch.setitem(sys.modules, "planning_library", types.ModuleType("planning_library"))
    monkeypatch.setitem(registry._lazy, "planning_library", fails)
    for _ in range(2):
        refused(Plan(), "numpy is not there")


# -- another process


OPENED = """
import sqlite3
def opened():
    found = {"sqlite": sqlite3.connect("x.db")}
    try:
        import h5py
        found["h5py"] = h5py.File("x.h5", "r")["g/d"]
    except ImportError:
        pass
    try:
        import pyarrow.dataset as ds
        found["dataset"] = ds.dataset("d", partitioning="hive").filter(ds.field("a") > 1)
    except ImportError:
        pass
    try:
        import polars as pl
        found["lazy"] = pl.scan_parquet("d/k=1/x.parquet", hive_partitioning=False).filter(pl.col("a") > 1)
        found["frame"] = pl.LazyFrame({"a": range(9)}).select(pl.col("a").is_in([1, 2]))
    except ImportError:
        pass
    try:
        import zarr
        found["zarr"] = zarr.open_array("x.zarr")
    except ImportError:
        pass
    try:
        import xarray
        found["xarray"] = xarray.open_dataset("x.nc")
    except ImportError:
        pass
    return found
"""
SCRIPT = """
import json
from incnb.fingerprint import fingerprint
print(json.dumps({name: fingerprint(value).hex() for name, value in opened().items()}))
"""


def test_the_same_in_another_process_under_another_hash_seed(h5py: Any, parquet: Any) -> None:
    zarr, xarray = pytest.importorskip("zarr", "3"), pytest.importorskip("xarray")
    database(1, 2).close()
    h5(h5py, [1, 2]).close()
    parquet("d/k=1/x.parquet", [1, 2])
    zarr.create_array("x.zarr", shape=(2,), chunks=(1,), dtype="i4")[:] = [1, 2]
    xarray.Dataset({"a": ("x", [1.0, 2.0])}, coords={"x": [0, 1]}).to_netcdf("x.nc")
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", OPENED + SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    here: dict[str, Any] = {}
    exec(OPENED, here)
    assert json.loads(done.stdout) == {name: fingerprint(value).hex() for name, value in here["opened"]().items()}
