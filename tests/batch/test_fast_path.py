"""An unchanged notebook without a kernel: each thing that a warm kernel would rest upon rules it out when it differs.

One recorded run serves all tests here; each of them changes one thing, sees that a kernel is needed, and puts it back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fast_path import CELLS, NEEDS_LOOKS, Changed, Recorded, cells, without_times

from incnb.batch.manifest import Refused
from incnb.batch.orders import Orders
from incnb.store import Store, manifests

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.xdist_group("test_fast_path")]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with pytest.MonkeyPatch.context() as patch:
        yield Recorded(tmp_path_factory.mktemp("fast"), patch)


@pytest.fixture
def nb(once: Recorded) -> Iterator[Recorded]:
    yield once
    once.done()  # what the test changed is as it was


# -- what it gives


def test_the_second_run_starts_no_kernel_and_writes_what_the_first_wrote(nb: Recorded) -> None:
    assert nb.first.kernel and [one["status"] for one in nb.first.decisions] == ["executed"] * len(CELLS)
    slow = nb.out.read_text()
    nb.out.unlink()
    again = nb.run()
    assert not again.kernel and [one["status"] for one in again.decisions] == ["reused"] * len(CELLS)
    assert without_times(nb.out.read_text()) == without_times(slow)
    stamped, before = (json.loads(text)["cells"][1]["metadata"]["execution"] for text in (nb.out.read_text(), slow))
    assert stamped.keys() == before.keys() and all(stamped[name] > before[name] for name in before)


def test_only_times_differ_byte_for_byte_from_what_nbformat_writes(nb: Recorded) -> None:
    fast, slow = nb.done().text.splitlines(), nb.out.read_text().splitlines()
    different = [(a, b) for a, b in zip(fast, slow, strict=True) if a != b]
    assert all('"iopub' in a or '"shell' in a for a, _ in different)


def test_words_around_the_cells_are_those_of_now(nb: Recorded) -> None:
    data = nb.notebook()
    data["cells"][0]["source"] = "another title\n\nwith é"
    data["cells"].append({"cell_type": "markdown", "id": "end", "metadata": {}, "source": ["the\n", "end"]})
    made = json.loads(nb.done(data).text)
    assert made["cells"][0]["source"] == ["another title\n", "\n", "with é"] and made["cells"][-1]["id"] == "end"


def test_what_an_executed_notebook_shows_already_is_shown_anew(nb: Recorded) -> None:
    executed = json.loads(nb.out.read_text())
    assert without_times(nb.done(executed).text) == without_times(nb.out.read_text())


def test_each_decision_is_told_and_reported(nb: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCNB_REPORT", str(tmp_path / "report.jsonl"))
    done = nb.done()
    assert [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()] == list(done.decisions)
    assert done.decisions[2]["reasons"][0]["code"] == "contained" and done.decisions[2]["cell"]["id"] == "c2"
    assert done.decisions[2]["reasons"][0]["detail"] and done.decisions[2]["time"] > nb.first.decisions[2]["time"]


def test_the_past_has_a_run_without_a_kernel_as_a_session_of_its_own(nb: Recorded) -> None:
    from incnb.engine.recorded import latest, rows, sound
    from incnb.store import Store

    done = nb.done()
    store = Store(nb.root / "store")
    session = latest(sound(run) for run in store.history() if run.get("type") == "run")
    assert session is not None and session.id == done.decisions[0]["session"] != nb.first.decisions[0]["session"]
    found = rows(store, session)
    assert [row.id for row in found] == [f"c{place}" for place in range(len(CELLS))]
    assert {str(row.status) for row in found} == {"reused"} and {
        row.error for row in found if hasattr(row, "error")
    } <= {""}
    assert [row.decision.saved_seconds for row in found if row.decision] == [
        one["saved_seconds"] for one in done.decisions
    ]


def test_it_is_fast_and_imports_nothing_heavy(nb: Recorded) -> None:
    code = f"""
import time; began = time.process_time()
import sys
from pathlib import Path
from incnb.batch.orders import Orders
from incnb.batch.run import execute
outcome = execute(Path({str(nb.path)!r}), Path({str(nb.out)!r}), Orders(notebook={str(nb.path)!r}))
print(not outcome.kernel, time.process_time() - began, *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    took = []
    for _ in range(3):
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert told[0] == "True"
        took.append(float(told[1]))
        heavy = {"nbformat", "traitlets", "IPython", "nbclient", "jupyter_client", "jsonschema", "zmq", "asyncio"}
        assert not heavy & set(told[2:])
    assert min(took) < 0.15  # of the processor's time: a busy machine has more than one thing to do


# -- code, in order, and how it is asked for


@pytest.mark.parametrize("what", ["edited", "swapped", "added", "removed", "tagged", "emptied", "metadata", "kernel"])
def test_another_notebook_needs_a_kernel(nb: Recorded, what: str) -> None:
    data = nb.notebook()
    found = data["cells"]
    if what == "edited":
        found[3]["source"] += "\n# a comment"
    elif what == "swapped":
        found[4], found[5] = found[5], found[4]
    elif what == "added":
        found.append(dict(cells("1")[0], id="new"))
    elif what == "removed":
        del found[-1]
    elif what == "tagged":
        found[1]["metadata"]["tags"] = ["parameters"]
    elif what == "emptied":
        found[-1]["source"] = ""
    elif what == "metadata":
        data["metadata"]["some"] = "thing"
    else:
        data["metadata"]["kernelspec"]["name"] = "python3"
    assert nb.refused(data) == "nothing is known of a run of this notebook as it is"


@pytest.mark.parametrize("orders", [Orders(options="--allow clock"), Orders(options="--force")])
def test_other_orders_need_a_kernel(nb: Recorded, orders: Orders) -> None:
    asked = Orders(notebook=str(nb.path), options=orders.options)
    assert nb.refused(orders=asked) == "nothing is known of a run of this notebook as it is"


def test_verifying_needs_a_kernel(nb: Recorded) -> None:
    assert nb.refused(orders=Orders(notebook=str(nb.path), verify=0.5)) == "cells are to be verified"


def test_switched_off_needs_a_kernel(nb: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCNB", "off")
    assert nb.refused() == "incnb is off"
    monkeypatch.delenv("INCNB")


@pytest.mark.parametrize("tag", ["skip-execution", "raises-exception"])
def test_cells_with_ways_of_their_own_need_a_kernel(nb: Recorded, tag: str) -> None:
    data = nb.notebook()
    data["cells"][1]["metadata"]["tags"] = [tag]
    assert "tag" in nb.refused(data)


@pytest.mark.parametrize("what", ["minor", "ids", "twice", "widgets", "kind", "shown"])
def test_a_notebook_that_nbformat_would_mend_needs_a_kernel(nb: Recorded, what: str) -> None:
    data = nb.notebook()
    if what == "minor":
        data["nbformat_minor"] = 4
    elif what == "ids":
        del data["cells"][0]["id"]
    elif what == "twice":
        data["cells"][0]["id"] = "c1"
    elif what == "widgets":
        data["metadata"]["widgets"] = {}
    elif what == "kind":
        data["cells"][0]["cell_type"] = "heading"
    else:
        data["cells"].append({**cells("")[0], "id": "empty", "outputs": [{"output_type": "stream"}]})
    assert not nb.refused(data).startswith("nothing is known")


def test_another_store_needs_a_kernel(nb: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "other"))
    assert nb.refused().startswith("nothing is known")
    monkeypatch.undo()


# -- files


@pytest.mark.parametrize("name", ["a.txt", "first.txt"])
@pytest.mark.parametrize("content", ["HELLO", None])
def test_a_file_that_was_read_and_changed_needs_a_kernel(nb: Recorded, name: str, content: str | None) -> None:
    with Changed(nb.work / name, content):
        assert "changed" in nb.refused()


def test_a_file_of_the_same_size_and_time_with_other_content_needs_a_kernel(nb: Recorded) -> None:
    path = nb.work / "a.txt"
    info = path.stat()
    with Changed(path, "hullo"):
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        assert str(path) in nb.refused()


def test_a_file_that_was_only_touched_needs_none(nb: Recorded) -> None:
    (nb.work / "a.txt").touch()
    nb.done()


def test_a_link_that_leads_elsewhere_needs_a_kernel(nb: Recorded) -> None:
    link = nb.work / "link.txt"
    link.unlink()
    link.symlink_to("second.txt")
    assert str(link) in nb.refused()
    link.unlink()
    link.symlink_to("first.txt")


@pytest.mark.parametrize(
    ("name", "why"), [("data/two", "listing"), ("y.csv", "glob"), pytest.param("maybe", "existence", marks=NEEDS_LOOKS)]
)
def test_what_was_looked_at_and_is_otherwise_needs_a_kernel(nb: Recorded, name: str, why: str) -> None:
    with Changed(nb.work / name, ""):
        assert why in nb.refused()


@pytest.mark.parametrize("content", ["another", None])
def test_a_written_file_that_is_another_needs_a_kernel(nb: Recorded, content: str | None) -> None:
    with Changed(nb.work / "made" / "result.txt", content):
        assert "result.txt" in nb.refused()


def test_a_folder_that_a_cell_made_and_that_is_gone_needs_a_kernel(nb: Recorded) -> None:
    (nb.root / "elsewhere").rmdir()
    assert "elsewhere is gone" in nb.refused()
    (nb.root / "elsewhere").mkdir()


# -- modules, packages, Python


@pytest.mark.parametrize("name", ["helper.py", "pkg/inner.py"])
def test_a_module_that_changed_needs_a_kernel(nb: Recorded, name: str) -> None:
    with Changed(nb.work / name, "def twice(text): return 'other'\nvalue = twice\n"):
        assert name in nb.refused()


@pytest.mark.parametrize("name", ["lib.py", "glob.py", "pkg/inner.so", "pkg/more.py", "unheard_of.py"])
def test_a_new_module_in_a_folder_of_the_project_needs_a_kernel(nb: Recorded, name: str) -> None:
    with Changed(nb.work / name, ""):
        assert "other modules" in nb.refused()


def test_a_new_package_in_a_folder_of_the_project_needs_a_kernel(nb: Recorded) -> None:
    (nb.work / "json").mkdir()
    assert "other modules" in nb.refused()
    (nb.work / "json").rmdir()


def test_a_package_with_another_record_needs_a_kernel(nb: Recorded) -> None:
    with Changed(nb.site / "lib-1.0.dist-info" / "RECORD", "lib.py,other,\n"):
        assert "RECORD" in nb.refused()


@pytest.mark.parametrize("name", ["other-2.0.dist-info", "new.pth", "sitecustomize.py", "helper.py"])
def test_what_was_installed_since_needs_a_kernel(nb: Recorded, name: str) -> None:
    with Changed(nb.site / name, ""):
        assert str(nb.site) in nb.refused()


def test_another_interpreter_needs_a_kernel(nb: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/somewhere/else/python")
    assert nb.refused().startswith("nothing is known")
    monkeypatch.undo()


# -- how the kernel starts


def test_another_specification_of_the_kernel_needs_a_kernel(nb: Recorded) -> None:
    with Changed(nb.spec, nb.spec.read_text().replace('"GIVEN": "1"', '"GIVEN": "2"')):
        assert "kernel.json" in nb.refused()


def test_a_specification_that_comes_before_needs_a_kernel(nb: Recorded) -> None:
    folder = nb.jupyter / "early" / "kernels" / "mine"
    folder.mkdir()
    (folder / "kernel.json").write_text(nb.spec.read_text())
    assert str(folder.parent) in nb.refused()
    (folder / "kernel.json").unlink()
    folder.rmdir()


@pytest.mark.parametrize("name", ["ipython_config.py", "ipython_kernel_config.json", "startup/00-first.py"])
def test_other_settings_of_the_kernel_need_a_kernel(nb: Recorded, name: str) -> None:
    with Changed(nb.root / "ipython" / "profile_default" / name, ""):
        assert "ipython" in nb.refused()


@pytest.mark.parametrize("place", ["work", "config/matplotlib"])
def test_settings_of_matplotlib_need_a_kernel(nb: Recorded, place: str) -> None:
    (nb.root / place).mkdir(exist_ok=True)
    with Changed(nb.root / place / "matplotlibrc", "lines.linewidth: 7"):
        assert "matplotlibrc" in nb.refused()


def test_a_new_style_of_matplotlib_needs_a_kernel(nb: Recorded) -> None:
    folder = nb.root / "config" / "matplotlib" / "stylelib"
    folder.mkdir(parents=True)
    with Changed(folder / "mine.mplstyle", "lines.linewidth: 7"):
        assert "settings" in nb.refused()
    folder.rmdir()


def test_settings_of_incnb_need_a_kernel(nb: Recorded) -> None:
    (nb.root / "config" / "incnb").mkdir(exist_ok=True)
    with Changed(nb.root / "config" / "incnb" / "config.toml", 'ttl = "1d"'):
        assert "config.toml" in nb.refused()


@pytest.mark.parametrize(
    "name",
    ["WHO", "TZ", "LANG", "LC_ALL", "PYTHONHASHSEED", "PYTHONPATH", "MPLBACKEND", "MPLCONFIGDIR", "HOME", "IPYTHONDIR",
     "JUPYTER_PATH", "INCNB_CAP_GIB", "INCNB_FOOTER", "LIB_MODE", "XDG_CONFIG_HOME"],
)  # fmt: skip
def test_a_variable_that_decides_needs_a_kernel(nb: Recorded, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, str(nb.root))
    assert "variable" in nb.refused()
    monkeypatch.undo()


def test_a_variable_that_nobody_reads_needs_none(nb: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "else")
    nb.done()


# -- the store


def trace_of(nb: Recorded, number: int) -> Path:
    assert nb.first.union is not None
    cell = nb.first.union["pins"]["cells"][number]
    return nb.root / "store" / "traces" / cell["code"] / f"{cell['trace']}.json"


def test_a_trace_that_is_gone_needs_a_kernel(nb: Recorded) -> None:
    with Changed(trace_of(nb, 2), None):
        assert "not there any more" in nb.refused()


def test_a_trace_that_was_recorded_since_needs_a_kernel(nb: Recorded) -> None:
    path = trace_of(nb, 2)
    with Changed(path.with_name(f"{int(path.name[:12]) + 1:012d}-{'0' * 16}.json"), ""):
        assert "recorded again" in nb.refused()


def test_a_saved_value_that_is_gone_needs_a_kernel(nb: Recorded) -> None:
    assert nb.first.union is not None
    (sha256, _), *_ = nb.first.union["pins"]["cells"][4]["blobs"]
    with Changed(nb.root / "store" / "blobs" / sha256[:2] / sha256, None):
        assert nb.refused() == "a saved value is not there any more"


@pytest.mark.parametrize("content", ["damaged", None])
def test_what_the_cells_showed_and_is_damaged_needs_a_kernel(nb: Recorded, content: str | None) -> None:
    asked = nb.ask()
    found = manifests.read(asked.root, asked.key)
    assert found is not None
    sha256, length = found["outputs"]
    content = None if content is None else content[:1] * length
    with Changed(nb.root / "store" / "blobs" / sha256[:2] / sha256, content):
        assert "not there any more" in nb.refused()


def test_a_damaged_manifest_needs_a_kernel(nb: Recorded) -> None:
    path = nb.root / "store" / "manifests" / f"{nb.ask().key}.json"
    with Changed(path, path.read_text().replace('"timed":true', '"timed":false')):
        assert nb.refused().startswith("nothing is known")


def test_a_mark_needs_a_kernel_and_that_of_another_notebook_none(nb: Recorded) -> None:
    store, before = Store(), set((nb.root / "store" / "log").iterdir())
    mark = {"type": "mark", "mark": "1", "mode": "hard", "code": "", "id": "c1", "title": "t", "seq": 10**6}
    store.log({**mark, "notebook": "another.ipynb"})
    (log,) = set((nb.root / "store" / "log").iterdir()) - before
    nb.done()
    store.log({**mark, "notebook": str(nb.path)})
    assert nb.refused() == "a cell is marked"
    store.close()
    log.unlink()


def test_a_log_that_lost_a_file_needs_a_kernel(nb: Recorded) -> None:
    path = nb.root / "store" / "manifests" / f"{nb.ask().key}.json"
    data = manifests.read(nb.root / "store", nb.ask().key)
    assert data is not None
    was = path.read_bytes()
    manifests.write(nb.root / "store", nb.ask().key, {**data, "log": {"gone.jsonl": 7}})
    assert "log" in nb.refused()
    path.write_bytes(was)


def test_what_is_used_looks_young_to_collection(nb: Recorded) -> None:
    path = trace_of(nb, 0)
    os.utime(path, (1, 1))
    nb.done()
    assert path.stat().st_mtime > time.time() - 60


def test_refused_is_no_error_of_the_users() -> None:
    assert not issubclass(Refused, ValueError)
