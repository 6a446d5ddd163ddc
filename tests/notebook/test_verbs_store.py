"""`store` says what is kept for whom; `forget` takes out what is kept of one cell, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]


def ask(shell: Any) -> Any:
    from incnb.notebook.extension import _loaded

    return _loaded[id(shell.ip)].enquiries


def forget(shell: Any, cell: str) -> Any:
    enquiries = ask(shell)
    return enquiries.forget(enquiries.cell(cell))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_forgotten_cell_executes_next_time(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("a = bytes(200_000)", "--name one")
    shell.cell("a = bytearray(300_000)", "--name one")
    shell.cell("b = 2", "--name two")
    before = size(tmp_path / "store")
    answer = forget(shell, "one")
    assert (answer.traces, answer.loops) == (2, 0) and answer.bytes == before - size(tmp_path / "store") > 500_000
    assert re.fullmatch(r"one: forgot 2 saved results, \d+ kB; it executes next time", repr(answer)), answer
    assert shell.cell("a = bytearray(300_000)", "--name one") == "executed"
    assert shell.cell("b = 2", "--name two") == "reused"
    assert shells().cell("a = bytearray(300_000)", "--name one") == "reused", "and is saved again"


def test_what_others_refer_to_stays(shells: Shells) -> None:
    shell = shells()
    shell.cell("import numpy\na = numpy.arange(200_000)", "--name one")
    shell.cell("import numpy\nb = numpy.arange(200_000)", "--name two")
    usage = ask(shell).store()
    assert [share.shared >= 1_600_000 for share in usage.cells] == [True, True]
    assert "what several cells share is counted for each of them" in repr(usage)
    answer = forget(shell, "one")
    assert answer.kept == ("1 value that others refer to stay",) and answer.bytes < 100_000
    assert shell.cell("import numpy\nb = numpy.arange(200_000)", "--name two") == "reused"


def test_items_of_a_forgotten_cell_run_again(shells: Shells) -> None:
    shell = shells()
    loop = "def f(n):\n    print(n)\n    return n * 2\nout = []\nfor n in range({}):\n    out.append(f(n))"
    shell.cell(loop.format(5), "--name loop")
    shell.cell(loop.format(6), "--name loop")
    assert shell.decisions()[-1]["items"]["reused"] == 5
    assert any(share.items for share in ask(shell).store().cells)
    answer = forget(shell, "loop")
    assert answer.traces == 2 and answer.loops == 1 and "the items of 1 loop" in repr(answer)
    assert shell.cell(loop.format(7), "--name loop") == "executed"
    assert shell.decisions()[-1]["items"] | {"why": []} == {
        "executed": 7, "reused": 0, "failed": 0, "removed": 0, "why": [],
    }  # fmt: skip


def test_calls_of_map_are_forgotten_with_their_cell(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb\ndef f(n):\n    return n * 2")
    shell.cell("out = incnb.map(f, range(4))", "--name mapped")
    assert forget(shell, "mapped").loops == 1
    shell.cell("out = incnb.map(f, range(4))", "--name mapped")
    assert shell.decisions()[-1]["items"]["executed"] == 4


def test_values_that_are_not_loaded_yet_are_loaded_first(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "big = list(range(400_000))"
    shells().cell(text, "--name big")
    shell = shells()
    session = ask(shell)._session
    session.lazy = True
    monkeypatch.setattr(session.pending, "allowed", lambda names: True)  # whatever other tests left running
    assert shell.cell(text, "--name big") == "reused" and "big" in session.pending.groups
    forget(shell, "big")
    assert not session.pending.groups and shell["big"][-1] == 399_999


def test_nothing_outside_of_the_store_is_touched(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("a = bytes(200_000)", "--name one")
    (folder,) = (tmp_path / "store" / "traces").iterdir()
    away = tmp_path / "away"
    folder.rename(away)
    folder.symlink_to(away)
    forget(shell, "one")
    assert len(list(away.iterdir())) == 1 and folder.is_symlink()


def test_damaged_files_are_no_trouble(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("a = bytes(200_000)", "--name one")
    shell.cell("out = []\nfor n in range(5):\n    out.append(n)", "--name loop")
    store = tmp_path / "store"
    for path in [*store.glob("traces/*/*"), *store.glob("items/*/*"), *store.glob("blobs/*/*")]:
        path.chmod(0o600)
        path.write_bytes(b"\xff{" + path.read_bytes()[:40])
    (store / "traces" / "nonsense").mkdir()
    (store / "traces" / "nonsense" / "x.json").mkdir()
    (store / "blobs" / "zz").write_text("no folder")
    usage = ask(shell).store()
    assert usage.total == size(store) and {share.title for share in usage.cells} == {"one", "loop"}
    assert forget(shell, "one").traces == 1
    assert shell.cell("a = bytes(200_000)", "--name one") == "executed"


def test_a_survey_ends_when_its_time_is_over(shells: Shells, monkeypatch: Any) -> None:
    from incnb.engine import forget as module
    from incnb.store import usage as store_usage

    shell = shells()
    shell.cell("a = bytes(200_000)", "--name one")
    shell.cell("b = bytes(300_000)", "--name two")
    monkeypatch.setattr(module, "survey", lambda store: store_usage.survey(store, seconds=-1))
    usage = ask(shell).store()
    assert not usage.complete and "more than could be looked at" in repr(usage)
    answer = forget(shell, "one")
    assert (answer.traces == 1 and "until the store is collected" in answer.text()) or not answer.kept
    assert shell.cell("b = bytes(300_000)", "--name two") == "reused", "no blob goes on a guess"


def test_store_says_what_is_kept_by_cell(shells: Shells, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "first.ipynb"))
    shells().cell("a = bytes(200_000)", "--name one")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "second.ipynb"))
    shell = shells()
    shell.cell("b = 1", "--name two")
    usage = ask(shell).store()
    assert [(s.title, Path(s.notebook).name, s.traces) for s in usage.cells] == [
        ("one", "first.ipynb", 1), ("two", "second.ipynb", 1),
    ]  # fmt: skip
    assert usage.total == size(tmp_path / "store") and usage.path == str(tmp_path / "store")
    lines = repr(usage).splitlines()
    assert lines[0].split() == ["cell", "notebook", "traces", "values", "shared", "items", "in", "all"]
    assert re.match(r"one +first.ipynb +1 \(\d\.\d kB\) +200 kB +- +- +20\d kB", lines[1])
    for path in (tmp_path / "store" / "log").iterdir():
        path.unlink()
    shell = shells()
    assert {share.title for share in ask(shell).store().cells} == {"one", "two"}, "a trace knows its title"


def test_a_cell_elsewhere_with_the_same_code_is_told(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    shell.cell("a = 1", "--name two")
    assert "1 other cell with the same code will execute once more too" in forget(shell, "one").kept


# -- the package that can be called


@pytest.mark.parametrize(
    "first",
    ["", "import incnb.store", "from incnb.store import Store", "import incnb.store as s; assert s.Store", "incnb.why"],
)
def test_the_package_store_can_be_called_whoever_imported_it_before(first: str) -> None:
    code = (
        f"import incnb\n{first}\ntry:\n    incnb.store()\nexcept incnb.IncnbError as error:\n    print(error)\n"
        "from incnb.store import Store\nimport incnb.store as s\nassert s.Store is Store and s is incnb.store\n"
        "import sys, pickle, importlib\nassert sys.modules['incnb.store'] is s\n"
        "assert importlib.reload(s) is s and callable(s)\n"
        "assert pickle.loads(pickle.dumps(s.Store)) is s.Store"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout == "incnb.store() asks about a notebook: run %load_ext incnb in it first\n"


def test_store_and_forget_as_functions_in_a_notebook(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    assert shell.plain("import incnb\nincnb.store()").cells[0].title == "one"
    assert shell.plain("incnb.forget('one')").traces == 1
    assert shell.plain("incnb.forget(1)").traces == 0
    assert shell.cell("import incnb\nu = incnb.store().total", "--name asks") == "executed"
    assert "it asks incnb about this session (incnb.store())" in " ".join(shell.reasons)
