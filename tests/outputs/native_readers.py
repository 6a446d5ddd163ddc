"""Reads and writes files in as many native ways as are installed; prints what the kernel and what Python told of each.

Started by `test_folders_native.py` with a folder to work in. Prints JSON: way -> {"kernel": what `Seen` holds and is
not empty, "audited": the files in the folder that an audit event named}.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from incnb.outputs.folders import Folders

WAYS: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {}
KEPT: list[Any] = []


def way(*needs: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a way; it is called with the modules that it needs."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        WAYS[function.__name__] = (needs, function)
        return function

    return register


# -- Python itself


@way()
def python_open() -> None:
    Path("t.csv").read_text()


@way()
def python_stat() -> None:
    assert Path("t.csv").exists()
    assert Path("t.csv").stat().st_size


@way()
def python_copy() -> None:
    shutil.copyfile("t.csv", "copy.csv")


@way()
def sqlite_read() -> None:
    with sqlite3.connect("t.sqlite") as db:
        db.execute("select * from t").fetchall()
    db.close()


@way()
def sqlite_write() -> None:
    with sqlite3.connect("t.sqlite") as db:
        db.execute("insert into t values (2)")
    db.close()


@way()
def other_program() -> None:
    subprocess.run(["cat", "t.csv"], check=True, stdout=subprocess.DEVNULL)


@way()
def forked_worker() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(Path.read_text, [Path("t.csv")])


@way()
def spawned_worker() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(Path.read_text, [Path("t.csv")])


@way("joblib")
def loky_worker(joblib: Any) -> None:
    joblib.Parallel(n_jobs=2)(joblib.delayed(Path.read_text)(Path("t.csv")) for _ in range(2))


@way("joblib", "pandas")
def loky_worker_again(joblib: Any, pandas: Any) -> None:
    joblib.Parallel(n_jobs=2)(joblib.delayed(pandas.read_parquet)("t.parquet") for _ in range(2))


# -- numpy


@way("numpy")
def numpy_load(numpy: Any) -> None:
    numpy.load("t.npy")


@way("numpy")
def numpy_load_mapped(numpy: Any) -> None:
    numpy.load("t.npy", mmap_mode="r").sum()


@way("numpy")
def numpy_fromfile(numpy: Any) -> None:
    numpy.fromfile("t.npy", dtype="u1")


@way("numpy")
def numpy_memmap_read(numpy: Any) -> None:
    numpy.memmap("t.npy", dtype="u1", mode="r").sum()


@way("numpy")
def numpy_memmap_written(numpy: Any) -> None:
    values = numpy.memmap("new.bin", dtype="u1", mode="w+", shape=(10,))
    values[:] = 1
    values.flush()


@way("numpy")
def numpy_memmap_kept(numpy: Any) -> None:
    values = numpy.memmap("t.bin", dtype="u1", mode="r+")
    values[:] = 1
    values.flush()
    KEPT.append(values)


@way("numpy")
def numpy_memmap_kept_and_written_later(numpy: Any) -> None:
    KEPT[-1][:] = 2
    KEPT[-1].flush()


# -- Arrow, pandas


@way("pyarrow.parquet")
def arrow_table(parquet: Any) -> None:
    parquet.read_table("t.parquet", memory_map=False)


@way("pyarrow.parquet")
def arrow_table_mapped(parquet: Any) -> None:
    parquet.read_table("t.parquet", memory_map=True)


@way("pyarrow.dataset")
def arrow_dataset(dataset: Any) -> None:
    dataset.dataset("parts", format="parquet").to_table()


@way("pyarrow.csv")
def arrow_csv(csv: Any) -> None:
    csv.read_csv("t.csv")


@way("pyarrow.parquet", "pyarrow")
def arrow_partitions_written(parquet: Any, pyarrow: Any) -> None:
    parquet.write_to_dataset(pyarrow.table({"a": [1, 2], "k": ["x", "y"]}), "new", partition_cols=["k"])


@way("pandas")
def pandas_csv(pandas: Any) -> None:
    pandas.read_csv("t.csv")


@way("pandas", "pyarrow")
def pandas_parquet(pandas: Any, _: Any) -> None:
    pandas.read_parquet("t.parquet")


@way("pandas", "pyarrow")
def pandas_parquet_written(pandas: Any, _: Any) -> None:
    pandas.DataFrame({"a": [1]}).to_parquet("new.parquet")


# -- polars, duckdb, HDF5


@way("polars")
def polars_csv(polars: Any) -> None:
    polars.read_csv("t.csv")


@way("polars")
def polars_csv_lazy(polars: Any) -> None:
    polars.scan_csv("t.csv").select(polars.all().sum()).collect()


@way("polars")
def polars_parquet(polars: Any) -> None:
    polars.read_parquet("t.parquet")


@way("polars")
def polars_parquet_glob(polars: Any) -> None:
    polars.scan_parquet("parts/*.parquet").collect()


@way("polars")
def polars_parquet_written(polars: Any) -> None:
    polars.DataFrame({"a": [1]}).write_parquet("new.parquet")


@way("polars")
def polars_parquet_sunk(polars: Any) -> None:
    polars.LazyFrame({"a": [1]}).sink_parquet("new.parquet")


@way("duckdb")
def duckdb_parquet(duckdb: Any) -> None:
    duckdb.sql("select * from 't.parquet'").fetchall()


@way("duckdb")
def duckdb_csv(duckdb: Any) -> None:
    duckdb.sql("select * from 't.csv'").fetchall()


@way("duckdb")
def duckdb_parquet_glob(duckdb: Any) -> None:
    duckdb.sql("select * from 'parts/*.parquet'").fetchall()


@way("duckdb")
def duckdb_parquet_written(duckdb: Any) -> None:
    duckdb.sql("copy (select 1 as a) to 'new.parquet'")


@way("duckdb")
def duckdb_database(duckdb: Any) -> None:
    with duckdb.connect("new.duckdb") as db:
        db.sql("create table t as select 1 as a")


@way("h5py")
def h5_read(h5py: Any) -> None:
    with h5py.File("t.h5", "r") as file:
        file["a"][:]


@way("h5py")
def h5_written(h5py: Any) -> None:
    with h5py.File("new.h5", "w") as file:
        file["a"] = [1]


@way("h5py")
def h5_kept(h5py: Any) -> None:
    KEPT.append(h5py.File("t.h5", "r+"))
    KEPT[-1]["a"][:] = 2
    KEPT[-1].flush()


@way("h5py")
def h5_kept_and_written_later(h5py: Any) -> None:
    KEPT[-1]["a"][:] = 3
    KEPT[-1].flush()


def prepare(modules: dict[str, Any]) -> None:
    Path("t.csv").write_text("a,b\n1,2\n")
    Path("t.bin").write_bytes(bytes(100))
    with sqlite3.connect("t.sqlite") as db:
        db.execute("create table t (a)")
        db.execute("insert into t values (1)")
    db.close()
    if "numpy" in modules:
        modules["numpy"].save("t.npy", modules["numpy"].arange(1000))
    if "pyarrow.parquet" in modules:
        table = modules["pyarrow"].table({"a": [1, 2]})
        modules["pyarrow.parquet"].write_table(table, "t.parquet")
        Path("parts").mkdir()
        for n in range(2):
            modules["pyarrow.parquet"].write_table(table, f"parts/{n}.parquet")
    if "h5py" in modules:
        with modules["h5py"].File("t.h5", "w") as file:
            file["a"] = [1]


def main(work: str) -> None:
    os.chdir(work)
    modules: dict[str, Any] = {}
    for needs, _ in WAYS.values():
        for name in needs:
            try:
                modules[name] = importlib.import_module(name)
            except ImportError:
                continue
    prepare(modules)
    folders = Folders()
    assert folders.watch(work)
    audited: dict[str, None] = {}
    on = False

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if on and (event in ("open", "os.listdir", "os.scandir", "glob.glob", "sqlite3.connect")) and args:
            try:
                path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100
            except TypeError:
                return
            if path.startswith(work + os.sep):
                audited[os.path.relpath(path, work)] = None

    sys.addaudithook(hook)
    result = {}
    for name, (needs, function) in WAYS.items():
        if not all(need in modules for need in needs):
            continue
        before = set(Path().rglob("*"))
        audited.clear()
        folders.start()
        on = True
        try:
            function(*(modules[need] for need in needs))
        finally:
            on = False
        seen = folders.stop()
        kernel: dict[str, Any] = {}
        for part in ("opened", "written", "created", "deleted", "listed"):
            if paths := getattr(seen, part):
                kernel[part] = [os.path.relpath(p, work) for p in paths]
        if seen.moved:
            kernel["moved"] = [[os.path.relpath(p, work) for p in pair] for pair in seen.moved]
        if seen.overflow:
            kernel["overflow"] = True
        result[name] = {"kernel": kernel, "audited": list(audited)}
        for path in set(Path().rglob("*")) - before:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
