"""`incnb plan`, `why` and `report` on the command line, of notebooks that batch tools ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import ROOT, Work

_CELLS = [
    "# setup\nimport time\nimport utils",
    ("# parameters\nlate = 45", "parameters"),
    "# load flights\nrows = [line.split(',') for line in open('flights.csv')]",
    "# clean\nkept = utils.clean(rows)",
    "# mean delay\nmean = sum(int(delay) for _, delay in kept) / len(kept)",
    "# late ones\nslow = [name for name, delay in kept if int(delay) > late]",
    "# stamp\nstamp = time.time()",
]
_FILES = {
    "utils.py": "def clean(rows):\n    return [row for row in rows if row[1].strip()]\n",
    "flights.csv": "a,10\nb,50\nc,70\n",
}
_PAPERMILL = """
import sys
from pathlib import Path
import papermill
from papermill.engines import papermill_engines
from incnb.batch.papermill_engine import IncrementalEngine
papermill_engines.register("incnb", IncrementalEngine)
papermill.execute_notebook(sys.argv[1], sys.argv[2], engine_name="incnb", kernel_name="python3", progress_bar=False,
                           cwd=str(Path(sys.argv[1]).parent))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    home = tmp_path_factory.mktemp("command")
    work = Work(home / "nb", home / "store")
    work.folder.mkdir()
    work.write(_CELLS, _FILES)
    work.run()
    yield work


def _plan(work: Work, *arguments: str) -> str:
    return work.python("-m", "incnb", "plan", str(work.notebook), *arguments)


def test_the_plan_in_the_docs_is_the_one_that_is_made(work: Work) -> None:
    work.file("flights.csv", "50", "55")
    try:
        found = _plan(work).splitlines()
    finally:
        work.file("flights.csv", "55", "50")
    docs = [line[4:] for line in (ROOT / "docs/plan.md").read_text().splitlines() if line.startswith("    ")][1:]
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    known = [line.replace(python, "Python 3.12") for line in found]
    assert known[:-1] == docs[:-1]
    assert known[-1].startswith("7 cells: 2 would be reused, 2 would run") and known[-1].endswith("nothing was run")


def test_a_parameter_that_is_given_runs_what_reads_it(work: Work) -> None:
    told = json.loads(_plan(work, "-p", "late", "60", "--json"))["cells"]
    assert {cell["title"]: cell["reuse"] for cell in told} == {
        "setup": True,
        "parameters": True,
        "Parameters": False,
        "load flights": True,
        "clean": True,
        "mean delay": True,
        "late ones": False,
        "stamp": False,
    }
    (late,) = [cell for cell in told if cell["title"] == "late ones"]
    assert "45 → 60" in late["text"]


def test_a_plan_leaves_the_store_and_the_folder_as_they_are(work: Work) -> None:
    def seen() -> list[tuple[str, int]]:
        return sorted((str(p), p.stat().st_mtime_ns) for p in work.folder.parent.rglob("*") if p.is_file())

    before = seen()
    _plan(work)
    assert seen() == before


def test_a_notebook_without_a_past_runs_whole(work: Work, tmp_path: Path) -> None:
    told = json.loads(Work(work.folder, tmp_path / "empty").python("-m", "incnb", "plan", str(work.notebook), "--json"))
    assert [cell["reuse"] for cell in told["cells"]] == [False] * 7
    assert not (tmp_path / "empty").exists()


def test_mistakes_are_one_line(work: Work, tmp_path: Path) -> None:
    (tmp_path / "text.ipynb").write_text("no JSON")
    (tmp_path / "broken.ipynb").write_text(json.dumps({"nbformat": 4, "cells": 3, "metadata": {}}))
    alien = json.loads(work.notebook.read_text())
    alien["metadata"]["kernelspec"]["name"] = "no-such-kernel"
    (tmp_path / "alien.ipynb").write_text(json.dumps(alien))
    for wrong in ("nope.ipynb", ".", "text.ipynb", "broken.ipynb", "alien.ipynb"):
        done = subprocess.run(
            [sys.executable, "-m", "incnb", "plan", str(tmp_path / wrong)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "INCNB_STORE": str(work.store)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (wrong, done.stderr)


def test_an_old_notebook_is_converted(work: Work, tmp_path: Path) -> None:
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": ["x = 1"],
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                    }
                ],
            }
        ],
    }
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    assert "x = 1" in work.python("-m", "incnb", "plan", str(tmp_path / "old.ipynb"))


def test_a_cell_that_cannot_be_compiled_is_told(work: Work, tmp_path: Path) -> None:
    other = Work(tmp_path, work.store)
    other.write(["x = (", "y = 1"], {})
    told = json.loads(other.python("-m", "incnb", "plan", str(other.notebook), "--json"))["cells"]
    assert told[0]["reuse"] is False and "cannot be compiled" in told[0]["text"]


@pytest.mark.parametrize("tool", ["incnb run", "nbconvert", "papermill"])
def test_why_and_report_know_what_batch_tools_ran(work: Work, tool: str) -> None:
    work.file("flights.csv", "70", {"incnb run": "71", "nbconvert": "72", "papermill": "73"}[tool])
    out = str(work.folder.parent / "out.ipynb")
    try:
        if tool == "incnb run":
            work.python("-m", "incnb", "run", str(work.notebook), "-o", out)
        elif tool == "nbconvert":
            preprocessor = "--Exporter.preprocessors=incnb.batch.IncrementalExecutePreprocessor"
            work.python("-m", "nbconvert", "--to", "notebook", preprocessor, "--output", out, str(work.notebook))
        else:
            os.chdir(work.folder)
            work.python("-c", _PAPERMILL, str(work.notebook), out)
        why = work.python("-m", "incnb", "why", str(work.notebook), "clean")
        assert "clean" in why.splitlines()[0] and "rows" in why and "load flights" in why
        assert "flights.csv changed" in work.python("-m", "incnb", "why", str(work.notebook), "cell2")
        report = json.loads(work.python("-m", "incnb", "report", str(work.notebook), "--json"))
        assert report["notebook"] == str(work.notebook)
        assert [row["id"] for row in report["rows"]] == [f"cell{place}" for place in range(7)]
        assert str(work.notebook) in work.python("-m", "incnb", "stats")
        assert all(cell["reuse"] for cell in work.plan()[:6])
    finally:
        work.write(_CELLS, _FILES)
