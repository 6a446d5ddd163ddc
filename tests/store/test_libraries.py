"""Frames, tables, matrices and tensors of other libraries come back as they were, in another process too."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from incnb.fingerprint import fingerprint
from incnb.store import Unpicklable, dump, load

from .values import again, refusal

BIG = 300_000  # eight bytes each are more than stays inside a pickle


def polars() -> dict[str, Any]:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": range(BIG), "b": ["x", None] * (BIG // 2), "c": [[1], []] * (BIG // 2)})
    dtype = pl.Enum(["p", "q"])
    return {
        "frame": frame,
        "part": frame[5:9],
        "chunks": pl.concat([frame[:5], frame[7:]], rechunk=False),
        "series": pl.Series("s", ["p", None], dtype=pl.Categorical),
        "enum": pl.Series("s", ["p", None], dtype=dtype),
        "dtype": dtype,
        "expression": pl.col("a") + 1,
        "plan": frame[:3].lazy().filter(pl.col("a") > 1),
        "numbers": pl.LazyFrame({"a": [128, 5, 149] * 9}).with_columns(b=pl.col("a").is_in([128, 5, 149])),
        "shared": [frame, frame],
    }


def arrow() -> dict[str, Any]:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": numpy.arange(BIG), "b": ["x", None] * (BIG // 2)}).replace_schema_metadata({"unit": "m"})
    return {
        "table": table,
        "part": table[5:9],
        "chunks": pa.concat_tables([table[:5], table[7:]]),
        "batch": table.to_batches()[0],
        "dictionary": pa.array(["p", "q", None]).dictionary_encode(),
        "nested": pa.array([[{"a": 1}], None, []]),
        "schema": table.schema,
        "field": table.schema.field(0),
        "type": pa.list_(pa.field("x", "int8", False)),
        "scalar": pa.scalar([1, 2]),
        "buffer": pa.py_buffer(b"abc"),
    }


def scipy() -> dict[str, Any]:
    sparse = pytest.importorskip("scipy.sparse")
    eye = sparse.eye_array(BIG)
    return {kind: eye.asformat(kind) for kind in ("csr", "csc", "coo", "dia")} | {"lil": sparse.lil_matrix((3, 3))}


def torch() -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    base = torch.arange(BIG * 1.0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    generator = torch.Generator().manual_seed(3)
    return {
        "tensor": base,
        "small": torch.tensor(5),
        "none": torch.ones(0, 3),
        "transposed": torch.arange(6).reshape(2, 3).T,
        "half": torch.ones(3, dtype=torch.bfloat16),
        "bool": torch.tensor([True, False]),
        "complex": torch.ones(2, dtype=torch.complex64).conj(),
        "sparse": torch.eye(3).to_sparse(),
        "views": [base, base[5:10], base.view(-1, 2)],
        "model": model,
        "training": [model, optimizer],
        "state": model.state_dict(),
        "generator": generator,
        "dtype": torch.float16,
        "parameter": torch.nn.Parameter(torch.ones(3), requires_grad=False),
    }


def images() -> dict[str, Any]:
    image = pytest.importorskip("PIL.Image")
    grey = image.new("L", (3, 2), 7)
    grey.info["dpi"] = (72, 72)
    colour = image.new("RGB", (3, 2), (1, 2, 3))
    return {"grey": grey, "colour": colour, "empty palette": image.new("P", (3, 2), 1), "palette": colour.quantize(4)}


def xarray() -> dict[str, Any]:
    xr = pytest.importorskip("xarray")
    array = xr.DataArray([1.0, 2.0], dims="x", coords={"x": [0, 1]}, name="n", attrs={"unit": "m"})
    return {"array": array, "set": array.to_dataset()}


LIBRARIES = {"polars": polars, "arrow": arrow, "scipy": scipy, "torch": torch, "images": images, "xarray": xarray}
SCRIPT = """
import json, sys
from pathlib import Path
from incnb.fingerprint import fingerprint
from incnb.store import load
folder = Path(sys.argv[1])
found = {}
for name, count in json.loads((folder / "names").read_text()).items():
    buffers = [bytearray((folder / f"{name}.{i}").read_bytes()) for i in range(count)]
    found[name] = fingerprint(load((folder / name).read_bytes(), buffers)).hex()
print(json.dumps(found))
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_same_in_another_process(library: str, tmp_path: Path) -> None:
    values = LIBRARIES[library]()
    counts = {}
    for name, value in values.items():
        pickled = dump(value)
        (tmp_path / name).write_bytes(pickled.data)
        for i, buffer in enumerate(pickled.buffers):
            (tmp_path / f"{name}.{i}").write_bytes(buffer)
        counts[name] = len(pickled.buffers)
    (tmp_path / "names").write_text(json.dumps(counts))
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout) == {name: fingerprint(value).hex() for name, value in values.items()}


def test_big_buffers_stay_outside_where_the_library_lets_them() -> None:
    values = [arrow()["table"], scipy()["csr"]]
    if "torch" in sys.modules or _installed("torch"):
        values += [torch()["tensor"]]
    for value in values:
        pickled = dump(value)
        assert pickled.buffers
        assert len(pickled.data) < 1 << 20


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


# -- torch


def test_tensors_that_share_memory_share_it_again() -> None:
    torch = pytest.importorskip("torch")
    for size in (10, BIG):
        base = torch.arange(size * 1.0)
        one, other, same = again([base, base[2:5], base])
        one[2] = -1
        assert other[0] == -1
        assert same is one
        one.resize_(2 * size)
    first, second = again([torch.ones(3), torch.ones(3)])
    first[0] = 5
    assert second[0] == 1


def test_a_gradient_comes_back() -> None:
    torch = pytest.importorskip("torch")
    weights = [torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.ones(2))]
    for weight in weights:
        (weight * 3).sum().backward()
        restored: Any = again(weight)
        assert restored.grad.tolist() == [3, 3]
        assert restored.requires_grad and restored.is_leaf and type(restored) is type(weight)
        assert fingerprint(restored) == fingerprint(weight)


def test_what_torch_would_lose_is_refused() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(2, requires_grad=True)
    assert "graph" in refusal({"loss": weight.sum()}).why
    weight.register_hook(lambda gradient: gradient)
    assert "hooks" in refusal({"w": weight}).why
    array = numpy.ones(3)
    assert "not its own" in refusal([torch.from_numpy(array)]).why
    assert again(torch.from_numpy(array).clone()).tolist() == [1, 1, 1]


def test_the_bytes_of_a_tensor_outlive_its_name() -> None:
    torch = pytest.importorskip("torch")
    pickled = dump(torch.full((BIG,), 7.0))
    restored: Any = load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])
    assert restored.sum() == 7.0 * BIG


# -- refusals


def test_plans_with_functions_are_refused() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.LazyFrame({"a": [1]})
    function = pl.col("a").map_batches(lambda s: s, return_dtype=pl.Int64)
    renamed = pl.col("a").name.map(lambda name: name * 2)
    folded = pl.fold(0, lambda a, b: a + b, ["a"])
    for value in (frame.map_batches(lambda f: f), frame.select(function), function, renamed, frame.select(folded)):
        error = refusal({"plan": [value]}, root="v")
        assert error.path == "v['plan'][0]"
        assert "function" in error.why


def opened(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with contextlib.suppress(ImportError):
        import h5py

        found["h5py"] = h5py.File(tmp_path / "x.h5", "w")
        found["h5py data"] = found["h5py"].create_dataset("d", data=[1])
    with contextlib.suppress(ImportError):
        import duckdb

        found["duckdb"] = duckdb.connect()
        found["duckdb relation"] = found["duckdb"].sql("select 1 as a")
    with contextlib.suppress(ImportError):
        import sqlalchemy

        engine = found["engine"] = sqlalchemy.create_engine("sqlite://")
        found["sqlalchemy connection"] = engine.connect()
    with contextlib.suppress(ImportError):
        import zarr

        found["zarr"] = zarr.create_array(str(tmp_path / "x.zarr"), shape=(1,), dtype="i4")
    with contextlib.suppress(ImportError):
        import xarray

        xarray.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "x.nc")
        found["xarray"] = xarray.open_dataset(tmp_path / "x.nc")
    with contextlib.suppress(ImportError):
        import pyarrow

        found["arrow file"] = pyarrow.OSFile(str(tmp_path / "x"), "wb")
        found["arrow reader"] = pyarrow.table({"a": [1]}).to_reader()
    import sqlite3

    found["sqlite"] = sqlite3.connect(tmp_path / "x.db")
    return found


def test_open_files_and_databases_are_refused_with_their_path(tmp_path: Path) -> None:
    values = opened(tmp_path)
    said = {}
    for name, value in values.items():
        with pytest.raises(Unpicklable) as error:
            dump({"k": [value]}, root="v")
        assert error.value.path.startswith("v['k'][0]"), name
        said[name] = error.value.why
    words = ("open file", "open database", "store of files", "reader")
    assert {name: why for name, why in said.items() if not any(word in why for word in words)} == {}
