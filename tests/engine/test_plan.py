"""A plan says what each cell would do, without doing it: reused only where that is certain, `?` in any doubt."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

LOAD = "df = load()"
CLEAN = "df2 = steps.clean(df)"
FIT = "total = sum(r['x'] for r in df2)"
STEPS = "def clean(rows):\n    return [r for r in rows if r['x'] > {least}]\n"


def plan(shell: Any) -> dict[str, str]:
    """By title: `reuse`, `run`, or on what it depends."""
    outlooks = enquiries(shell).plan().outlooks
    return {o.title: {True: "reuse", False: "run", None: o.depends}[o.reuse] for o in outlooks}


def enquiries(shell: Any) -> Any:
    from incnb.notebook.extension import _loaded

    return _loaded[id(shell.ip)].enquiries


def other(shell: Any, cell_id: str, text: str) -> None:
    """Run a cell that is not tracked, under an id; again under the same id it is an edited one."""
    shell.ip.run_cell(text, store_history=True, cell_id=cell_id).raise_error()


def chain(shell: Any) -> None:
    shell.plain("import importlib\nimport steps\ndef load():\n    return [{'x': n} for n in range(9)]")
    shell.cell(LOAD, "--name load")
    shell.cell(CLEAN, "--name clean")
    shell.cell(FIT, "--name fit")


def edit(shell: Any, tmp_path: Path, least: int) -> None:
    import importlib
    import sys

    (tmp_path / "work" / "steps.py").write_text(STEPS.format(least=least) + "\n" * least)
    if "steps" in sys.modules:
        sys.modules.pop("steps").__dict__.clear()
        importlib.invalidate_caches()
        shell.plain("import steps")


def files_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path)] = (status.st_mtime_ns, status.st_size, path.read_bytes())
    return found


def test_in_an_unchanged_world_every_cell_would_be_reused(shells: Shells, tmp_path: Path) -> None:
    edit(None, tmp_path, 3)
    shell = shells()
    chain(shell)
    assert plan(shell) == {"load": "reuse", "clean": "reuse", "fit": "reuse"}
    shell = shells()
    chain(shell)
    assert plan(shell) == {"load": "reuse", "clean": "reuse", "fit": "reuse"}


def test_what_reads_from_a_cell_that_would_run_is_not_known(shells: Shells, tmp_path: Path) -> None:
    edit(None, tmp_path, 3)
    shell = shells()
    chain(shell)
    edit(shell, tmp_path, 4)
    found = plan(shell)
    assert found["load"] == "reuse" and found["clean"] == "run"
    assert found["fit"].startswith("depends on clean [3], which would run"), found


def test_the_namespace_may_have_moved_on(shells: Shells) -> None:
    shell = shells()
    shell.cell("df = [1, 2, 3]", "--name one")
    shell.cell("df = [x * 2 for x in df]", "--name two")
    shell.cell("df.append(9)", "--name three")
    shell.cell("r = sum(df)", "--name four")
    assert plan(shell) == {"one": "reuse", "two": "reuse", "three": "reuse", "four": "reuse"}
    assert [shell.cell(text, f"--name {name}") for text, name in (
        ("df = [1, 2, 3]", "one"), ("df = [x * 2 for x in df]", "two"), ("df.append(9)", "three"),
        ("r = sum(df)", "four"),
    )] == ["reused"] * 4  # fmt: skip
    assert shell["r"] == 21


def test_a_plan_runs_nothing_and_writes_nothing(shells: Shells, tmp_path: Path, monkeypatch: Any) -> None:
    from incnb.store import Store

    edit(None, tmp_path, 3)
    shell = shells()
    chain(shell)
    shell.cell("big = bytes(3_000_000)", "--name big")
    shell.cell("open('out.txt', 'w').write('x')", "--name writes")
    edit(shell, tmp_path, 4)
    before, log = files_of(tmp_path / "store"), list[Any]()
    monkeypatch.setattr(Store, "log", lambda self, record: log.append(record))
    names = dict(shell.ip.user_ns)
    repr(enquiries(shell).plan())
    assert files_of(tmp_path / "store") == before and not log
    assert all(shell.ip.user_ns[name] is value for name, value in names.items())


def test_an_input_changed_in_place_by_a_later_cell_that_would_run(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.cell("d = {'a': 1}", "--name make")
    shell.cell("d['b'] = k", "--name put")
    shell.cell("n = len(d)", "--name count")
    assert plan(shell) == {"make": "reuse", "put": "reuse", "count": "reuse"}
    shell.plain("k = 2")
    found = plan(shell)
    assert found["make"] == "reuse" and found["put"] == "run"
    assert found["count"] == "depends on put [3], which would run"


def test_an_object_below_two_names_is_changed_below_both(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.cell("a = {'n': 1}", "--name make")
    shell.cell("b = a", "--name alias")
    shell.cell("b['n'] = k", "--name put")
    shell.cell("r = a['n']", "--name read")
    assert plan(shell)["read"] == "reuse"
    shell.plain("k = 2")
    found = plan(shell)
    assert found["put"] == "run"
    assert found["read"] == "depends on whether put [4], which would run, changes it in place", found


def test_other_code_may_change_whatever_it_reads(shells: Shells) -> None:
    shell = shells()
    other(shell, "look", "def look(d):\n    return len(d)")
    shell.cell("d = {'a': 1}", "--name make")
    shell.cell("n = look(d)", "--name look")
    shell.cell("m = list(d)", "--name keys")
    assert plan(shell) == {"make": "reuse", "look": "reuse", "keys": "reuse"}
    other(shell, "look", "def look(d):\n    d['z'] = 1\n    return len(d)")
    found = plan(shell)
    assert found["look"] == "run" and "look [3]" in found["keys"] and "in place" in found["keys"], found


def test_the_same_code_that_changes_nothing_by_its_words_leaves_its_inputs_alone(shells: Shells) -> None:
    shell = shells()
    shell.plain(
        "k = 1\ndef total(rows):\n    found = 0\n    for row in rows:\n        found += row\n    return found * k"
    )
    shell.cell("d = [1, 2]", "--name make")
    shell.cell("n = total(d)", "--name total")
    shell.cell("m = list(d)", "--name keys")
    shell.plain("k = 2")
    assert plan(shell) == {"make": "reuse", "total": "run", "keys": "reuse"}


def test_a_name_of_a_cell_that_is_not_tracked_is_certain_only_if_its_text_says_it(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.plain("import random\nz = random.random()")
    shell.cell("a = k + 1", "--name certain")
    shell.cell("b = z + 1", "--name open")
    found = plan(shell)
    assert found["certain"] == "reuse"
    assert found["open"] == "depends on z, which a cell that is not tracked makes"
    shell.plain("k = 2")
    assert plan(shell)["certain"] == "run"


def test_a_cell_that_is_not_tracked_may_change_what_it_mentions(shells: Shells) -> None:
    shell = shells()
    shell.cell("d = {'a': 1}", "--name make")
    shell.cell("n = len(d)", "--name count")
    shell.plain("d['b'] = 2")
    shell.cell("m = list(d)", "--name keys")
    found = plan(shell)
    assert found["make"] == "reuse" and found["count"] == "reuse"
    assert "not tracked" in found["keys"], found
    assert shell.cell("d = {'a': 1}", "--name make") == "reused"
    assert shell.cell("m = list(d)", "--name keys") == "executed", "a plan that said reuse would have been wrong"


def test_a_look_at_a_value_between_two_cells_costs_no_doubt(shells: Shells) -> None:
    shell = shells()
    shell.cell("d = {'a': 1}", "--name make")
    shell.plain("print(len(d))\nd")
    shell.cell("m = list(d)", "--name keys")
    assert plan(shell) == {"make": "reuse", "keys": "reuse"}, "what is saved of make is what keys read"


def test_a_deleted_name(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = [1]", "--name make")
    shell.cell("r = a[0]", "--name read")
    shell.cell("del a", "--name drop")
    assert plan(shell) == {"make": "reuse", "read": "reuse", "drop": "reuse"}
    other(shell, "make b", "b = [2]")
    shell.cell("s = b[0]", "--name other")
    other(shell, "make b", "del b")
    assert plan(shell)["other"] != "reuse"


def test_settings_are_compared_by_what_is_read(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb\ncfg = incnb.Config({'lr': 1, 'n': 2})")
    shell.cell("a = cfg['lr'] + 1", "--name uses")
    assert plan(shell)["uses"].startswith("depends on cfg"), "whoever makes it is not tracked"
    shell = shells()
    shell.cell("import incnb\ncfg = incnb.Config({'lr': 1, 'n': 2})", "--name settings")
    shell.cell("a = cfg['lr'] + 1", "--name uses")
    assert plan(shell) == {"settings": "reuse", "uses": "reuse"}


def test_a_file_written_by_a_cell_that_would_run(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.cell("with open('out.txt', 'w') as f:\n    f.write(str(k))", "--name write")
    shell.cell("text = open('out.txt').read()", "--name read")
    shell.cell("import os\nfound = os.listdir('.')", "--name list")
    assert plan(shell) == {"write": "reuse", "read": "reuse", "list": "reuse"}
    shell.plain("k = 2")
    found = plan(shell)
    assert found["write"] == "run"
    assert found["read"] == found["list"] == "depends on write [2], which would run"
    shell.plain("k = 1")
    (tmp_path / "work" / "out.txt").unlink()
    found = plan(shell)
    assert found["write"] == found["read"] == "reuse", "it would be put back"
    assert found["list"] != "reuse"
    (tmp_path / "work" / "out.txt").write_text("another")
    found = plan(shell)
    assert found["write"] == "run" and found["read"] == "depends on write [2], which would run"


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, cells that look at paths execute")
def test_a_missing_file_that_would_be_put_back_is_there_for_later_cells(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("with open('out.txt', 'w') as f:\n    f.write('x')", "--name write")
    (tmp_path / "work" / "out.txt").unlink()
    shell.cell("import os\nfound = os.path.exists('out.txt')", "--name look")
    assert plan(shell) == {"write": "reuse", "look": "depends on out.txt, which would be put back"}


def test_the_reason_of_a_reuse_names_what_is_as_it_was(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.cell("a = k + 1", "--name one")
    text = enquiries(shell).plan().text()
    assert "no more is known" not in text and "as it was (k" in text, text


def test_what_a_person_asked_for(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = [1]", "--name forced --force")
    shell.cell("b = a + [2]", "--name reader")
    shell.cell("c = [3]", "--name marked")
    shell.cell("d = c + [4]", "--name second")
    shell.cell("e = 5", "--name off --off")
    shell.ip.run_line_magic("incremental", "mark marked --hard")
    found = plan(shell)
    assert found["forced"] == found["marked"] == found["off"] == "run"
    assert found["reader"] == "depends on forced [1], which would run"
    assert found["second"] == "depends on marked [3], which would run"


def test_failed_and_blocked_cells_run_every_time(shells: Shells) -> None:
    shell = shells()
    shell.plain("n = 1")
    shell.cell("import time\nt = time.time()", "--name clock")
    shell.cell("u = t + 1", "--name after")
    shell.plain("n = 0")
    with pytest.raises(ZeroDivisionError):
        shell.cell("q = 1 / n", "--name divide")
    shell.cell("w = 3", "--name alone")
    found = plan(shell)
    assert found["clock"] == "run" and found["divide"] == "run" and found["alone"] == "reuse"
    assert found["after"] == "depends on clock [2], which would run"


def test_a_cell_that_makes_what_it_reads_is_not_known(shells: Shells) -> None:
    shell = shells()
    shell.ip.user_ns["n"] = 1
    shell.cell("n = n + 1", "--name more")
    assert plan(shell)["more"].startswith("depends on n, which is what it left of it")
    shell = shells()
    shell.plain("n = 1")
    shell.cell("n = n + 1", "--name more")
    assert plan(shell)["more"] == "reuse", "the cell above says what n is"


def test_the_place_of_a_cell_that_is_not_tracked_counts(shells: Shells) -> None:
    shell = shells()
    other(shell, "first", "d = [1]")
    shell.cell("r = list(d)", "--name before")
    other(shell, "second", "d = [2]")
    shell.cell("s = list(d)", "--name after")
    assert plan(shell) == {"before": "reuse", "after": "reuse"}
    other(shell, "first", "d = [3]")
    assert plan(shell) == {"before": "run", "after": "reuse"}
    other(shell, "between", "d.append(9)")
    assert plan(shell)["after"] == "reuse", "it comes after both"
    shell.cell("t = list(d)", "--name last")
    assert plan(shell)["last"].startswith("depends on d, which a cell that is not tracked")


def test_a_fault_of_ours_in_following_a_cell_does_not_stop_it(shells: Shells, monkeypatch: Any) -> None:
    from incnb.engine import provenance

    shell = shells()
    shell.cell("a = [1]", "--name make")

    def fault(tree: Any) -> Any:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(provenance, "stored_names", fault)
        assert shell.plain("a.append(2)\nlen(a)") == 2
    shell.cell("r = a[0]", "--name read")
    assert plan(shell) == {"make": "reuse", "read": "depends on what a cell that is not tracked makes of all variables"}


def test_ambient_state_goes_from_cell_to_cell(shells: Shells) -> None:
    shell = shells()
    other(shell, "k", "k = 1")
    shell.cell("import random\nrandom.seed(k)", "--name seed")
    shell.cell("import random\nr = random.random()", "--name draw")
    shell.cell("import os\nos.environ['MINE'] = str(k)", "--name set")
    shell.cell("import os\ns = os.environ['MINE']", "--name get")
    found = plan(shell)
    assert found["draw"] != "run" and found["get"] == "reuse", found
    other(shell, "k", "k = 2")
    found = plan(shell)
    assert found["seed"] == found["set"] == "run", found
    assert found["draw"] == "depends on seed [2], which would run" and found["get"].startswith("depends on set"), found


def test_a_cell_that_is_not_tracked_does_what_it_did_only_with_what_it_read(shells: Shells) -> None:
    shell = shells()
    other(shell, "k", "k = 1")
    other(shell, "f", "def f(d):\n    return len(d)")
    shell.cell("d = [1, 2]", "--name make")
    other(shell, "call", "n = f(d)")
    other(shell, "write", "with open('out.txt', 'w') as h:\n    h.write(str(k))")
    shell.cell("m = list(d)", "--name keys")
    shell.cell("text = open('out.txt').read()", "--name read")
    assert plan(shell) == {"make": "reuse", "keys": "reuse", "read": "reuse"}
    other(shell, "f", "def f(d):\n    d.append(3)\n    return len(d)")
    assert plan(shell)["keys"] == "depends on d, which a cell that is not tracked may change"
    other(shell, "f", "def f(d):\n    return len(d)")
    other(shell, "k", "k = 2")
    found = plan(shell)
    assert found["keys"] == "reuse"
    assert found["read"] == "depends on what a cell that is not tracked does with files"


def test_a_cell_with_the_code_of_one_above_may_reuse_what_that_one_saves(shells: Shells) -> None:
    shell = shells()
    other(shell, "k", "k = 1")
    shell.cell("r = [k]", "--name one")
    shell.cell("r = [k]", "--name two")
    other(shell, "k", "k = 2")
    assert plan(shell) == {"one": "run", "two": "depends on one [2], which would run, whose code is the same"}


def test_modules_that_would_be_loaded_again(shells: Shells, tmp_path: Path) -> None:
    import os

    path = tmp_path / "work" / "renewed.py"
    path.write_text("def f(n):\n    return n + 1\n")
    os.utime(path, (1e9, 1e9))
    shell = shells()
    shell.plain("%load_ext autoreload\n%autoreload 2")
    try:
        shell.plain("import renewed")
        shell.cell("r = renewed.f(1)", "--name one")
        shell.cell("s = 3", "--name two")
        assert plan(shell) == {"one": "reuse", "two": "reuse"}
        path.write_text("def f(n):\n    return n + 2\n")
        found = plan(shell)
        assert found == {"one": "depends on renewed, which %autoreload would load again", "two": "reuse"}
    finally:
        shell.plain("%autoreload 0\n%unload_ext autoreload")


def test_pending_values_are_not_loaded_and_not_guessed(shells: Shells) -> None:
    shell = shells()
    shell.cell("big = list(range(10))", "--name big")
    shell.cell("n = len(big)", "--name count")
    session = enquiries(shell)._session
    from incnb.outputs.pending import PendingGroup

    def load() -> dict[str, Any]:
        raise AssertionError("a plan loads nothing")

    session.pending.add(PendingGroup({"big"}, load, "big"))
    try:
        assert plan(shell) == {"big": "reuse", "count": "reuse"}
        assert "big" in session.pending.groups
    finally:
        session.pending.forget("big")
        shell.ip.user_ns["big"] = list(range(10))


# -- the saved file


def notebook(path: Path, cells: list[tuple[str, str]]) -> None:
    found = [{"cell_type": "code", "id": i, "source": source, "metadata": {}, "outputs": []} for i, source in cells]
    markdown = {"cell_type": "markdown", "id": "text", "source": "# A title", "metadata": {}}
    path.write_text(json.dumps({"cells": [markdown, *found], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))


def run(shell: Any, cell_id: str, text: str) -> None:
    shell.ip.run_cell(f"%%incremental\n{text}", store_history=True, cell_id=cell_id).raise_error()


def test_the_plan_has_the_order_of_the_saved_file_and_says_where_it_differs(
    shells: Shells, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "work" / "nb.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    shell = shells()
    run(shell, "two", "b = 2")
    run(shell, "one", "a = 1")
    run(shell, "gone", "c = 3")
    answer = enquiries(shell).plan()
    assert answer.order == "first execution" and [o.title for o in answer.outlooks] == ["b = 2", "a = 1", "c = 3"]
    notebook(path, [
        ("one", "%%incremental\na = 1"), ("new", "# load\nd = 4"), ("two", "%%incremental\nb = 20"), ("void", " "),
    ])  # fmt: skip
    answer = enquiries(shell).plan()
    assert answer.order == "the saved file" and [o.title for o in answer.outlooks] == ["a = 1", "b = 2", "c = 3"]
    assert [o.note for o in answer.outlooks] == [
        "", "edited since it ran: this is about the text that ran", "not in the saved file",
    ]  # fmt: skip
    assert answer.differs == (
        "edited in the saved file since they ran: b = 20",
        "1 of these cells is not in the saved file",
        "in the saved file and never run in this session: load",
    )
    assert [row.title for row in enquiries(shell).report().rows] == ["a = 1", "b = 2", "c = 3"]
    path.write_text("{ not json")
    assert enquiries(shell).plan().order == "first execution"


def test_the_saved_file_is_matched_by_text_where_the_kernel_is_told_no_ids(
    shells: Shells, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "work" / "nb.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    shell = shells()
    shell.cell("b = 2")
    shell.cell("a = 1")
    notebook(path, [("x", "%%incremental \na = 1"), ("y", "%%incremental \nb = 2\n")])
    answer = enquiries(shell).plan()
    assert [o.title for o in answer.outlooks] == ["a = 1", "b = 2"] and not answer.differs
