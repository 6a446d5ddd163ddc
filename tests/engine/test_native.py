"""Files that native code reads and writes: seen by the folders they are in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]


def table(path: str, *values: int) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": list(values)})
    if path.endswith(".csv"):
        frame.to_csv(path, index=False)
    elif path.endswith(".h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["a"] = list(values)
    elif path.endswith(".feather"):
        frame.to_feather(path)
    else:
        frame.to_parquet(path)


READS = {
    "pandas parquet": ("x.parquet", "import pandas as pd\nr = int(pd.read_parquet('x.parquet')['a'].sum())"),
    "pandas by name": ("x.parquet", "from pandas import read_parquet as rp\nr = int(rp('x.parquet')['a'].sum())"),
    "pandas feather": ("x.feather", "import pandas as pd\nr = int(pd.read_feather('x.feather')['a'].sum())"),
    "pyarrow": ("x.parquet", "import pyarrow.parquet as pq\nr = pq.read_table('x.parquet')['a'].to_pylist()"),
    "pyarrow mapped": (
        "x.parquet",
        "import pyarrow.parquet as pq\nr = pq.read_table('x.parquet', memory_map=True)['a'].to_pylist()",
    ),
    "pyarrow data set": (
        "d/x.parquet",
        "import pyarrow.dataset as ds\nr = sorted(ds.dataset('d').to_table()['a'].to_pylist())",
    ),
    "polars": ("x.csv", "import polars as pl\nr = pl.read_csv('x.csv')['a'].sum()"),
    "polars scan": ("x.parquet", "import polars as pl\nr = pl.scan_parquet('x.parquet').collect()['a'].sum()"),
    "polars glob": ("d/x.csv", "import polars as pl\nr = pl.scan_csv('d/*.csv').collect()['a'].sum()"),
    "h5py": ("x.h5", "import h5py\nwith h5py.File('x.h5', 'r') as f:\n    r = f['a'][:].tolist()\ndel f"),
    "a helper": ("x.parquet", "r = total(where)"),
    "a worker thread": (
        "x.parquet",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as p:\n    r = p.submit(total, where).result()\ndel p",
    ),
}
HELPER = "import pandas as pd\nwhere = 'x.parquet'\ndef total(p):\n    return int(pd.read_parquet(p)['a'].sum())"


@pytest.mark.parametrize("how", READS)
def test_a_file_read_by_native_code_is_a_dependency(shells: Shells, how: str) -> None:
    path, cell = READS[how]
    pytest.importorskip({"polars": "polars", "h5py": "h5py"}.get(how.split()[0], "pyarrow"))
    Path("d").mkdir()
    table(path, 1, 2)
    old: Any = None
    for expected in ("executed", "reused"):
        shell = shells()
        shell.plain(HELPER)
        assert shell.cell(cell) == expected, shell.reasons
        old = shell["r"]
    table(path, 1, 5)
    shell = shells()
    shell.plain(HELPER)
    assert shell.cell(cell) == "executed", shell.reasons
    assert shell.reason == f"file {path}"
    assert shell["r"] != old


@pytest.mark.parametrize("how", ["pyarrow data set", "polars glob"])
def test_a_new_file_in_a_folder_listed_by_native_code_counts(shells: Shells, how: str) -> None:
    path, cell = READS[how]
    pytest.importorskip("polars")
    Path("d").mkdir()
    table(path, 1, 2)
    for expected in ("executed", "reused"):
        assert shells().cell(cell) == expected
    table(path.replace("x.", "y."), 9)
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] in (12, [1, 2, 9])


WRITES = {
    "pandas": "import pandas as pd\npd.DataFrame({'a': [1]}).to_parquet('out.bin')",
    "polars": "import polars as pl\npl.DataFrame({'a': [1]}).write_parquet('out.bin')",
    "polars csv": "import polars as pl\npl.DataFrame({'a': [1]}).write_csv('out.bin')",
    "pyarrow": "import pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table({'a': [1]}), 'out.bin')",
    "h5py": "import h5py\nwith h5py.File('out.bin', 'w') as f:\n    f['a'] = [1]\ndel f",
}


@pytest.mark.parametrize("how", WRITES)
def test_a_file_written_by_native_code_is_put_back(shells: Shells, how: str) -> None:
    pytest.importorskip(how.split()[0])
    for expected in ("executed", "reused"):
        shell = shells()
        assert shell.cell(WRITES[how]) == expected, shell.reasons
    content = Path("out.bin").read_bytes()
    Path("out.bin").unlink()
    assert shells().cell(WRITES[how]) == "reused"
    assert Path("out.bin").read_bytes() == content
    Path("out.bin").write_bytes(b"mine")
    assert shells().cell(WRITES[how]) == "executed"


def test_a_native_reader_that_opened_nothing_seen_is_not_recorded(shells: Shells) -> None:
    pytest.importorskip("pyarrow")
    cell = "import io, pandas as pd\nr = pd.read_parquet(io.BytesIO(data)).shape"
    for _ in range(2):
        shell = shells()
        shell.plain(
            "import io, pandas as pd\nb = io.BytesIO()\npd.DataFrame({'a': [1]}).to_parquet(b)\ndata = b.getvalue()"
        )
        assert shell.cell(cell) == "executed"
        assert "none was seen" in str(shell.reasons)


def test_a_place_on_the_network_is_an_effect(shells: Shells) -> None:
    pytest.importorskip("polars")
    cell = "import polars as pl\ntry:\n    r = pl.read_csv('http://127.0.0.1:9/x.csv')\nexcept Exception:\n    r = None"
    assert shells().cell(cell) == "blocked"


def test_folders_that_cannot_be_watched_execute_the_cell(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.outputs.folders import Folders

    table("x.parquet", 1)
    monkeypatch.setattr(Folders, "available", False)
    for _ in range(2):
        assert shells().cell(READS["pyarrow"][1]) == "executed"
