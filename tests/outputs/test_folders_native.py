"""Native readers and workers in a real process: what they open and write is told by the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is the kernel's of Linux"),
]

ROOT = Path(__file__).resolve().parents[2]

READS = {
    "python_open": {"t.csv"},
    "python_copy": {"t.csv"},
    "sqlite_read": {"t.sqlite"},
    "other_program": {"t.csv"},
    "forked_worker": {"t.csv"},
    "spawned_worker": {"t.csv"},
    "loky_worker": {"t.csv"},
    "loky_worker_again": {"t.parquet"},
    "numpy_load": {"t.npy"},
    "numpy_load_mapped": {"t.npy"},
    "numpy_fromfile": {"t.npy"},
    "numpy_memmap_read": {"t.npy"},
    "numpy_memmap_kept": {"t.bin"},
    "arrow_table": {"t.parquet"},
    "arrow_table_mapped": {"t.parquet"},
    "arrow_dataset": {"parts/0.parquet", "parts/1.parquet"},
    "arrow_csv": {"t.csv"},
    "pandas_csv": {"t.csv"},
    "pandas_parquet": {"t.parquet"},
    "polars_csv": {"t.csv"},
    "polars_csv_lazy": {"t.csv"},
    "polars_parquet": {"t.parquet"},
    "polars_parquet_glob": {"parts/0.parquet", "parts/1.parquet"},
    "duckdb_parquet": {"t.parquet"},
    "duckdb_csv": {"t.csv"},
    "duckdb_parquet_glob": {"parts/0.parquet", "parts/1.parquet"},
    "h5_read": {"t.h5"},
    "h5_kept": {"t.h5"},
}
WRITES = {
    "python_copy": "copy.csv",
    "numpy_memmap_written": "new.bin",
    "pandas_parquet_written": "new.parquet",
    "polars_parquet_written": "new.parquet",
    "polars_parquet_sunk": "new.parquet",
    "duckdb_parquet_written": "new.parquet",
    "duckdb_database": "new.duckdb",
    "h5_written": "new.h5",
}
GLOBS = ["arrow_dataset", "polars_parquet_glob", "duckdb_parquet_glob"]
UNSEEN = ["python_stat", "numpy_memmap_kept_and_written_later", "h5_kept_and_written_later"]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    work = tmp_path_factory.mktemp("native")
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("native_readers.py")), str(work)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    )
    ways: dict[str, dict[str, Any]] = json.loads(run.stdout)
    return ways


def told(ways: dict[str, dict[str, Any]], way: str) -> dict[str, Any]:
    if way not in ways:
        pytest.skip("its library is not installed")
    kernel: dict[str, Any] = ways[way]["kernel"]
    return kernel


@pytest.mark.parametrize("way", READS)
def test_what_is_read_is_opened(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert READS[way] <= set(told(ways, way)["opened"])
    assert "overflow" not in told(ways, way)


@pytest.mark.parametrize("way", WRITES)
def test_what_is_written_is_created_and_written(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert WRITES[way] in told(ways, way)["created"]
    assert WRITES[way] in told(ways, way)["written"]


def test_partitions_in_folders_that_are_made_on_the_way_are_written(ways: dict[str, dict[str, Any]]) -> None:
    seen = told(ways, "arrow_partitions_written")
    assert {str(Path(path).parent) for path in seen["written"]} == {"new/k=x", "new/k=y"}
    assert {"new", "new/k=x", "new/k=y"} <= set(seen["created"])
    assert "overflow" not in seen


@pytest.mark.parametrize("way", GLOBS)
def test_pattern_that_is_expanded_natively_lists_the_folder(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert told(ways, way)["listed"] == ["parts"]


@pytest.mark.parametrize("way", ["sqlite_read", "sqlite_write"])
def test_database_is_closed_after_writing_even_when_it_was_only_read(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert "t.sqlite" in told(ways, way)["written"]


@pytest.mark.parametrize("way", ["numpy_memmap_kept", "h5_kept"])
def test_file_that_stays_open_for_writing_is_opened_and_not_written(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert "written" not in told(ways, way)


@pytest.mark.parametrize("way", UNSEEN)
def test_what_opens_nothing_is_seen_by_nobody(ways: dict[str, dict[str, Any]], way: str) -> None:
    assert told(ways, way) == {}
    assert ways[way]["audited"] == []


def test_python_is_told_of_less(ways: dict[str, dict[str, Any]]) -> None:
    assert {way for way in READS if way in ways and ways[way]["audited"]} < set(READS) & set(ways)
