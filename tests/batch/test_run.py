"""`incnb run` with real kernels: what is written, what runs again, what stands over what."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from runs import Runs, outputs, run

from incnb.batch.writing import join_streams

__all__ = ["run"]

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

ASKS = """print(get_ipython().execution_count, In, sorted(k for k in globals() if not k.startswith('__')))
_"""


def test_only_what_reads_a_parameter_that_changed_runs_again(run: Runs) -> None:
    texts = ("n = 1\nwho = 'you'", "data = list(range(10))", "part = data[:n]", "print(f'hello {who}')", "len(part)")
    source = run.notebook("nb.ipynb", *texts, tags={0: "parameters"})
    before = source.read_bytes()
    assert run(source, "-p", "n", "2", "-p", "who", "me").status == 0
    again = run(source, "-p", "n", "3", "-p", "who", "me")
    assert again.cells == {
        "c0": "reused",
        "injected-parameters": "executed",
        "c1": "reused",
        "c2": "executed",
        "c3": "cutoff",
        "c4": "executed",
    }
    assert source.read_bytes() == before
    out = Path("nb.out.ipynb")
    assert outputs(out)[-1][0]["data"] == {"text/plain": ["3"]} and outputs(out)[4][0]["text"] == ["hello me\n"]
    # what a run has written has its parameters in it; others take their place, with the same history
    third = run(out, "-p", "n", "3", "-p", "who", "me", "--inplace")
    assert set(third.cells.values()) == {"reused"} and not third.err
    assert sum("injected-parameters" in cell.metadata.get("tags", ()) for cell in nbformat.read(out, 4).cells) == 1
    unknown = run(source, "-p", "m", "1")
    assert unknown.status == 0 and unknown.err == "incnb: nb.ipynb: unknown parameter: m\n"


def test_in_place_keeps_permissions_and_a_failure_leaves_the_file(run: Runs) -> None:
    source = run.notebook("nb.ipynb", "x = 1\nx")
    source.chmod(0o640)
    assert run(source, "--inplace").status == 0
    assert outputs(source)[0][0]["data"] == {"text/plain": ["1"]} and source.stat().st_mode & 0o777 == 0o640
    source.write_text(source.read_text().replace("x = 1", "x = no"))
    before = source.read_bytes()
    failed = run(source, "--inplace")
    assert failed.status == 1 and source.read_bytes() == before
    assert failed.err.endswith(
        "NameError: name 'no' is not defined\nincnb: nothing was written; nb.ipynb is as it was\n"
    )
    assert [p.name for p in Path().glob(".nb*")] == []


def test_our_requests_change_nothing_that_a_notebook_can_see(run: Runs) -> None:
    import nbclient

    source = run.notebook("nb.ipynb", "a = 5\na", ASKS, "%who", "%history", "_, __, _i, _ii")
    plain = nbclient.execute(nbformat.read(source, 4))
    ran = run(source), run(source)
    assert [one.cells["c0"] for one in ran] == ["executed", "reused"]
    done = nbformat.read("nb.out.ipynb", 4)
    join_streams(plain.cells)
    assert "incnb" not in Path("nb.out.ipynb").read_text().replace("pytest", "")
    for cell, other in zip(plain.cells, done.cells, strict=True):
        assert (cell.execution_count, cell.id) == (other.execution_count, other.id)
        assert cell.outputs == other.outputs


def test_the_cell_stands_over_the_run_and_the_run_over_the_notebook(run: Runs) -> None:
    clock = "import time\nnow = time.time()"
    source = run.notebook("nb.ipynb", "%load_ext incnb\n%incremental on --allow network", clock, "%incremental off", "x = 1", f"%%incremental --off\n{clock}\nx")  # fmt: skip
    first, again = run(source, "--allow", "clock"), run(source, "--allow", "clock")
    assert first.cells == {"c1": "executed", "c3": "executed", "c4": "executed"}
    assert again.cells == {"c1": "reused", "c3": "reused", "c4": "executed"}
    assert again.report["notebooks"][0]["cells"][2]["reasons"][0]["code"] == "off"
    forced = run(source, "--force", "--allow", "clock")
    assert set(forced.cells.values()) == {"executed"}
    assert forced.report["notebooks"][0]["cells"][1]["reasons"][0] == {
        "code": "forced", "kind": "", "locator": "--force", "detail": "", "caused_by": []
    }  # fmt: skip


def test_a_notebook_that_loads_incnb_anew_stays_under_the_run_and_shows_nothing(run: Runs) -> None:
    source = run.notebook("nb.ipynb", "x = 1", "%reload_ext incnb", "%reload_ext incnb", "y = x + 1", "%unload_ext incnb", "z = y", "%load_ext incnb", "z")  # fmt: skip
    assert run(source).cells == {"c0": "executed", "c3": "executed", "c7": "executed"}
    again = run(source)
    assert again.cells["c0"] == again.cells["c3"] == "reused" and "c5" not in again.cells
    assert again.report["notebooks"][0]["kernel"]  # the second session knows nothing of the first
    assert outputs(Path("nb.out.ipynb"))[:7] == [[]] * 7


def test_verify_executes_what_could_be_reused_and_tells_what_is_different(run: Runs) -> None:
    source = run.notebook("nb.ipynb", "import time\nnow = time.time()", "x = [1] * 1000", "x[:2]")
    assert run(source, "--allow", "clock").status == 0
    assert run(source, "--allow", "clock", "--verify=0").cells == dict.fromkeys(("c0", "c1", "c2"), "reused")
    found = run("--verify", source, "--allow", "clock")
    assert found.status == 1 and found.cells == dict.fromkeys(("c0", "c1", "c2"), "executed")
    assert found.err.startswith("incnb: nb.ipynb: import time: not what was saved: now is different (")
    assert "bytes saved" in found.err and found.err.count("\n") == 1
    assert len(found.report["notebooks"][0]["mismatches"]) == 1
    assert Path("nb.out.ipynb").exists()  # the notebook itself is done


def test_an_older_format_is_read_and_the_present_one_written(run: Runs) -> None:
    cell = {"cell_type": "code", "collapsed": False, "input": ["x = 6 * 7\n", "x"], "language": "python", "metadata": {}, "outputs": []}  # fmt: skip
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [cell], "metadata": {}}]}  # fmt: skip
    Path("old.ipynb").write_text(json.dumps(old))
    assert run("old.ipynb").status == 0 and run("old.ipynb").report["notebooks"][0]["status"] == "reused"
    done = json.loads(Path("old.out.ipynb").read_text())
    assert done["nbformat"] == 4 and done["cells"][0]["outputs"][0]["data"] == {"text/plain": ["42"]}


def test_a_kernel_that_cannot_be_told_runs_plainly_and_one_line_says_so(run: Runs) -> None:
    empty = run.folder / "empty"
    (empty / "incnb").mkdir(parents=True)
    (empty / "incnb" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'incnb'\")")
    run.kernel("bare", PYTHONPATH=str(empty))
    run.kernel("other", language="julia")
    source = run.notebook("nb.ipynb", "print('done')")
    for kernel, why in (("bare", "the kernel bare has no incnb"), ("other", "the kernel other is not one of Python")):
        plain = run(source, "--kernel", kernel)
        assert (plain.status, plain.cells, plain.err.count("\n")) == (0, {}, 1)
        assert f"nb.ipynb ran without incnb, nothing was reused: {why}" in plain.err
        assert outputs(Path("nb.out.ipynb"))[0][0]["text"] == ["done\n"]
    missing = run(source, "--kernel", "nope")
    assert (missing.status, missing.err.count("\n")) == (2, 1)
    assert "wants the kernel nope, which is not installed; installed: bare, other" in missing.err
    run.kernel("ends", command=["sh", "-c", "echo out of luck >&2; exit 3"])
    ends = run(source, "--kernel", "ends")
    assert (ends.status, ends.err.count("\n")) == (1, 2) and ends.err.endswith("\n  out of luck\n")
    assert "the kernel ends cannot be started: Kernel died" in ends.err
