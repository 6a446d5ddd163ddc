"""Modules that are found in archives, and by finders that nobody knows: their content counts, or nothing is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel
ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    "import sys\nsys.path.insert(0, {path!r})",
    "import zmod",
    "zmod.V",
    "def call():\n    return zmod.f()\ncall()",
]


def pack(archive: Path, value: int) -> None:
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("zmod.py", f"from zpkg.deep import W\nV = {value}\ndef f():\n    return W\n")
        held.writestr("zpkg/__init__.py", "")
        held.writestr("zpkg/deep.py", f"W = {value} * 10\n")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_rewritten_archive_reruns_what_is_made_of_its_modules(tmp_path: Path, absolute: bool) -> None:
    archive = tmp_path / "z.zip"
    book = nbformat.v4.new_notebook()
    cells = [c.format(path=str(archive) if absolute else "z.zip") for c in CELLS]
    book.cells = [nbformat.v4.new_code_cell(c, id=f"c{i}") for i, c in enumerate(cells)]
    nbformat.write(book, tmp_path / "a.ipynb")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "INCNB_STORE": str(tmp_path / "store"), "HOME": str(tmp_path)}

    def incnb(*given: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "incnb", *given], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def run() -> tuple[list[str], list[Any]]:
        told = incnb("run", "a.ipynb", "--output", "o.ipynb", "--report", "r.json")
        report = json.loads((tmp_path / "r.json").read_text()), told
        shown = [
            c["outputs"][0]["data"]["text/plain"] for c in json.loads((tmp_path / "o.ipynb").read_text())["cells"][2:]
        ]
        return [c["status"] for c in report[0]["notebooks"][0]["cells"]], ["".join(s) for s in shown]

    pack(archive, 1)
    assert run()[1] == ["1", "10"]
    assert run() == (["reused"] * 4, ["1", "10"])
    time.sleep(0.05)
    pack(archive, 2)
    plan = json.loads(incnb("plan", "a.ipynb", "--json"))["cells"]
    assert not any(cell["reuse"] is True for cell in plan[1:]), plan
    statuses, shown = run()
    assert shown == ["2", "20"] and statuses[1:] == ["executed"] * 3


FINDER = """import sys, importlib.abc, importlib.util
class Loader(importlib.abc.Loader):
    def exec_module(self, module):
        exec(compile(open('{text}').read(), '<far>', 'exec'), module.__dict__)
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_loader(name, Loader()) if name == 'far' else None
"""


def test_a_module_of_an_unknown_loader_is_not_recorded(notebook: Notebook) -> None:
    notebook.write("finder.py", FINDER.format(text=notebook.work / "far.txt"))
    for value in (1, 2):
        notebook.write("far.txt", f"def f():\n    return {value}\n")
        with notebook.kernel() as session:
            session.run("import finder, sys\nsys.meta_path.insert(0, finder.Finder())")
            session.run("%incremental on")
            assert session.run("import far\nx = far.f()\nx").result == {"text/plain": str(value)}
            assert "not-saved" in str(session.decision["reasons"]) or "has no source" in str(
                session.decision["reasons"]
            )
            assert session.run("far.f()").result == {"text/plain": str(value)}
            assert session.run("import far as g\ng.f()").result == {"text/plain": str(value)}


def test_a_module_without_source_is_not_recorded(notebook: Notebook) -> None:
    import py_compile

    for value in (1, 2):
        notebook.write("src.txt", f"def f():\n    return {value}\n")
        py_compile.compile(str(notebook.work / "src.txt"), str(notebook.work / "bare.pyc"))
        with notebook.kernel() as session:
            session.run("%incremental on")
            assert session.run("import bare\nbare.f()").result == {"text/plain": str(value)}
            assert session.run("bare.f()").result == {"text/plain": str(value)}
