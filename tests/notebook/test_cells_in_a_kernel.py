"""A tracked cell is an ordinary cell: await, tracebacks, magics, results and interrupts behave as without incnb."""

from __future__ import annotations

import time

import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel

MARK = "%%incremental\n"


def test_a_result_is_reused_after_a_restart_with_its_outputs_and_values(notebook: Notebook) -> None:
    cells = ["def double(x):\n    return 2 * x", MARK + "print('working')\ny = double(21)\ny"]
    with notebook.kernel() as first:
        first.run(cells[0])
        plain = first.run(cells[1])
        assert first.decision["status"] == "executed" and first.reason.startswith("never-run")
    with notebook.kernel() as second:
        second.run(cells[0])
        again = second.run(cells[1])
        assert second.decision["status"] == "reused" and second.reason == "contained"
        assert again.shown == plain.shown and again.execution_count == plain.execution_count
        assert second.run("y, _, Out[3], _3").result == {"text/plain": "(42, 42, 42, 42)"}
        second.run("def double(x):\n    return 3 * x")
        assert second.run(cells[1]).result == {"text/plain": "63"}
        assert second.decision["status"] == "executed" and second.reason == "code double"
        second.run(cells[0])
        assert second.run(cells[1]).result == {"text/plain": "42"}
        assert second.decision["status"] == "reused", "going back is a hit"


def test_top_level_await_works_and_is_reused(notebook: Notebook) -> None:
    cell = MARK + "import asyncio\nawait asyncio.sleep(0.01)\nvalue = await asyncio.sleep(0, 5)\nvalue"
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            run = nb.run(cell)
            assert nb.decision["status"] == expected, nb.decision
            assert run.result == {"text/plain": "5"}


def test_a_traceback_has_the_users_line_numbers_and_nothing_of_ours(notebook: Notebook) -> None:
    body = "x = 1\n\n\ny = 1 / 0\nz = 2"
    with notebook.kernel() as nb:
        tracked = nb.run(MARK + body, allow_error=True)
        assert nb.decision["status"] == "failed"
        assert tracked.error is not None and tracked.error[0] == "ZeroDivisionError"
        trace = tracked.error[2]
        assert "incnb/" not in trace and "__incnb__" not in trace
        assert "5 y = 1 / 0" in trace or "----> 5" in trace
        assert nb.run("x").result == {"text/plain": "1"}
        assert nb.run("'z' in globals()").result == {"text/plain": "False"}


def test_a_syntax_error_points_to_the_users_line(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        run = nb.run(MARK + "x = 1\nfor", allow_error=True)
        assert run.error is not None and run.error[0] == "SyntaxError" and "line 3" in run.error[2]


def test_a_failed_cell_is_not_recorded_and_says_so_when_nothing_changed(notebook: Notebook) -> None:
    for _ in range(2):
        with notebook.kernel() as nb:
            nb.run("n = 0")
            run = nb.run(MARK + "1 / n", allow_error=True)
            assert nb.decision["status"] == "failed"
            assert run.error is not None
    assert notebook.decisions()[-1]["reasons"][0]["code"] == "last-failed"
    assert notebook.decisions()[0]["reasons"][0]["code"] == "never-run"


def test_nbclient_stops_at_a_failing_tracked_cell(notebook: Notebook) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    import os

    nb = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(c) for c in ("%load_ext incnb", MARK + "raise ValueError('no')", "print('after')")
        ]
    )
    client = nbclient.NotebookClient(nb, resources={"metadata": {"path": str(notebook.work)}}, kernel_name="python3")
    old = dict(os.environ)
    os.environ.update(
        notebook.env, PYTHONPATH=os.pathsep.join([str(__import__("kernel").ROOT), old.get("PYTHONPATH", "")])
    )
    try:
        with pytest.raises(nbclient.exceptions.CellExecutionError, match="no"):
            client.execute()
    finally:
        os.environ.clear()
        os.environ.update(old)
    assert not nb.cells[2].outputs


def test_an_interrupt_behaves_as_without_and_records_nothing(notebook: Notebook) -> None:
    cell = MARK + "import time\nprint('go', flush=True)\ntime.sleep(30)\ndone = 1"
    with notebook.kernel() as nb:
        request = nb.kernel.start(cell)
        time.sleep(3)
        nb.kernel.interrupt()
        run = nb.kernel.wait(request, cell)
        assert run.error is not None and run.error[0] == "KeyboardInterrupt"
        assert notebook.decisions()[-1]["status"] == "failed"
        assert nb.run("1 + 1").result == {"text/plain": "2"}
        traces = list((notebook.folder / "store" / "traces").glob("*/*.json"))
        assert not traces


def test_time_above_the_marker(notebook: Notebook) -> None:
    cell = "%%time\n%%incremental\nprint('in')\nt = 5\nt + 1"
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            run = nb.run(cell)
            assert nb.decision["status"] == expected, nb.decision
            assert run.stdout.startswith("in\n") and run.stdout.count("Wall time") == 1
            assert run.result == {"text/plain": "6"}
            assert nb.run("t").result == {"text/plain": "5"}


def test_an_error_below_time_is_not_recorded(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        run = nb.run("%%time\n%%incremental\nt = 5\n1 / 0", allow_error=True)
        assert run.error is not None or "ZeroDivisionError" in run.stderr + run.stdout
        assert nb.decision["status"] == "failed"


def test_time_below_the_marker(notebook: Notebook) -> None:
    cell = MARK + "%%time\nu = 7\nprint('in')"
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            run = nb.run(cell)
            assert nb.decision["status"] == expected, nb.decision
            assert run.stdout.startswith("in\n") and run.stdout.count("Wall time") == 1
            assert nb.run("u").result == {"text/plain": "7"}


def test_capture_below_the_marker(notebook: Notebook) -> None:
    cell = MARK + "%%capture out\nv = 8\nprint('hidden')"
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            run = nb.run(cell)
            assert nb.decision["status"] == expected, nb.decision
            assert run.stdout == ""
            assert nb.run("v, out.stdout").result == {"text/plain": "(8, 'hidden\\n')"}


def test_a_cell_magic_that_is_not_understood_runs_unrecorded(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        assert nb.run(MARK + "%%bash\necho hello").stdout == "hello\n"
        assert nb.decision["status"] in ("executed", "blocked")
        assert nb.run(MARK + "%%bash\necho hello").stdout == "hello\n"
        assert nb.decision["status"] in ("executed", "blocked")


def test_line_magics_and_shell_lines_inside_run_as_usual(notebook: Notebook) -> None:
    cell = MARK + "a = 1\nfiles = !echo one\n%time b = a + 1\n!echo two"
    with notebook.kernel() as nb:
        for _ in range(2):
            run = nb.run(cell)
            assert "two" in run.stdout and "Wall time" in run.stdout
            assert nb.decision["status"] in ("executed", "blocked")
        assert nb.run("a, b, list(files)").result == {"text/plain": "(1, 2, ['one'])"}


def test_incnb_off_is_plain_execution(notebook: Notebook) -> None:
    for _ in range(2):
        with notebook.kernel(INCNB="off") as nb:
            run = nb.run(MARK + "print('x')\n3")
            assert run.result == {"text/plain": "3"} and run.stdout == "x\n"
            nb.run("%incremental on")
            assert nb.run("4").result == {"text/plain": "4"}
    assert notebook.decisions() == []


def test_incremental_on_tracks_every_cell_and_off_ends_it(notebook: Notebook) -> None:
    cells = ["import math", "def f(x):\n    return math.floor(x)", "z = f(2.5)\nz", "print(z)"]
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run("%incremental on")
            assert [nb.status(c) for c in cells] == [expected] * 4, notebook.decisions()
            nb.run("%incremental off")
            assert nb.status("print(z)") == ""


def test_an_unknown_option_says_so_and_the_cell_runs(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        run = nb.run("%%incremental --fast\nprint('ran')")
        assert run.stdout == "ran\n"
        text = " ".join(str(d) for d in run.displays)
        assert "--fast" in text and "\n" not in text.strip()
        assert nb.decision == {}


def test_loading_twice_and_reloading_leave_one_of_everything(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run("%load_ext incnb")
        nb.run("%reload_ext incnb")
        assert nb.run("ip = get_ipython()\nlen(ip.ast_transformers), len(ip.input_transformers_cleanup)").result == {
            "text/plain": nb.run("(1, len(ip.input_transformers_cleanup))").result["text/plain"]  # type: ignore[index]
        }
        assert nb.status(MARK + "k = 1") == "executed"
        nb.run("%unload_ext incnb")
        assert nb.run("len(ip.ast_transformers), hasattr(__builtins__, '__incnb__')").result == {
            "text/plain": "(0, False)"
        }
        assert nb.run("'incremental' in ip.magics_manager.magics['cell']").result == {"text/plain": "False"}


def test_a_footer_appears_where_a_person_looks_and_not_in_batch(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        batch = nb.run(MARK + "w = 1")
        assert batch.displays == []
        person = nb.run(MARK + "w = 1", metadata={"cellId": "abc"})
        assert len(person.displays) == 1 and set(person.displays[0]) == {"text/plain", "text/html"}
        assert person.displays[0]["text/plain"].startswith("✓ reused")
        assert nb.decision["cell"]["id"] == "abc"
        quiet = nb.run("%%incremental --quiet\nw = 1", metadata={"cellId": "abc"})
        assert quiet.displays == []


def test_the_report_is_the_documented_object(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run("%%incremental --name 'first step'\na = 1")
    (line,) = notebook.decisions()
    assert set(line) == {
        "v", "time", "session", "notebook", "cell", "status", "reasons", "items", "seconds", "saved_seconds", "bytes_saved",
    }  # fmt: skip
    assert line["v"] == 1 and line["cell"] == {"index": 0, "id": None, "title": "first step"}
    assert set(line["seconds"]) == {"decide", "execute", "restore", "save"}
    assert set(line["reasons"][0]) == {"code", "kind", "locator", "detail", "caused_by"}
