"""The union that a batch run leaves: what the cells relied on, reused or not, and what rules out a run without a kernel."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from nbformat import v4, write

from incnb.batch.orders import Orders
from incnb.batch.run import execute
from incnb.engine.union import Union
from incnb.store import Store

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

CELLS = (
    "import os, glob\nfrom pathlib import Path\nimport helper",
    "t = open('a.txt').read()\nnames = glob.glob('*.txt')\nw = os.environ.get('WHO')",
    "out = [helper.twice(Path(n).read_text()) for n in names]",
    "n = Path('result.csv').write_text('x')",
)


def union(path: Path, *texts: str) -> Union:
    write(v4.new_notebook(cells=[v4.new_code_cell(text, id=f"c{i}") for i, text in enumerate(texts)]), path)
    outcome = execute(path, None, Orders(notebook=str(path)))
    assert outcome.union is not None and not outcome.error, outcome
    return Union.from_dict(outcome.union)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "store"))
    work = tmp_path / "work"
    work.mkdir()
    (work / "helper.py").write_text("def twice(text): return text * 2\n")
    for name in ("a.txt", "b.txt"):
        (work / name).write_text(name)
    return work


def test_reused_cells_and_items_are_in_the_union_as_those_that_ran(work: Path) -> None:
    first = union(work / "nb.ipynb", *CELLS)
    shutil.rmtree(work.parent / "store" / "manifests")  # or no kernel would be started
    again = union(work / "nb.ipynb", *CELLS)
    for found in (first, again):
        assert {str(work / "a.txt"), str(work / "b.txt")} <= set(found.files)
        assert ("glob of *.txt", str(work)) in found.looked
        assert found.modules == (str(work / "helper.py"),)
        assert found.env == ("WHO",) and found.written == (str(work / "result.csv"),)
        assert found.against == () and found.blocked == () and found.cwd == str(work)
    logged = [record for record in Store().history() if record.get("type") == "union"]
    assert [record["notebook"] for record in logged] == [str(work / "nb.ipynb")] * 2
    assert logged[-1]["files"] == list(again.files)


def test_a_database_that_is_only_read_is_not_written(work: Path) -> None:
    for name in ("read.db", "moved.db", "later.db"):
        with closing(sqlite3.connect(work / name)) as made:
            made.execute("create table t (v)")
            made.commit()
    texts = (
        "import sqlite3\ncon = sqlite3.connect('read.db')\nrows = con.execute('select * from t').fetchall()",
        "other = sqlite3.connect('moved.db')\nother.execute('insert into t values (1)')\nother.commit()",
        "later = sqlite3.connect('later.db')",
        "later.execute('pragma journal_mode = wal')\nlater.execute('insert into t values (1)')\nlater.commit()",
    )
    found = union(work / "nb.ipynb", *texts)
    assert str(work / "read.db") in found.files
    assert found.written == (str(work / "moved.db"), str(work / "later.db"))


def test_what_was_not_saved_or_blocked_is_named_with_the_files_that_it_wrote(work: Path) -> None:
    texts = (
        "import subprocess\nsubprocess.run(['true'])",
        "open('log.txt', 'a').write('x')\nopen('a.txt', 'a').write('x')",
    )
    found = union(work / "nb.ipynb", *texts)
    assert str(work / "log.txt") in found.written and str(work / "a.txt") in found.written
    assert len(found.blocked) == 1 and found.blocked[0][0] == "import subprocess"
    assert len(found.against) == 2
