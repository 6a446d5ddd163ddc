"""Marks, accepts and refreshes where they matter: in kernels that restart, with values that are not loaded."""

from __future__ import annotations

import json
import re
import sys

import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel

BIG = "%%incremental --name big\nbig = bytearray(b'x') * 3_000_000"


def test_a_mark_and_an_accept_survive_a_restart(notebook: Notebook) -> None:
    helper, edited = "def f(x):\n    return x + 1", "def f(x):\n    y = x\n    return y + 1"
    cell = "%%incremental --name cell\nr = f(1)"
    with notebook.kernel() as nb:
        nb.run(helper)
        assert nb.status(cell) == "executed"
        nb.run(edited)
        shown = nb.run("%incremental accept cell --reason 'a name for x'")
        assert "accepted for f changed" in shown.stdout
        nb.run("%incremental mark [99] --hard", allow_error=True)
    with notebook.kernel() as nb:
        nb.run(edited)
        assert nb.status(cell) == "reused" and nb.reason == "accepted"
        number = nb.kernel.run("0").execution_count
        assert number is not None
        assert "executes next time (hard)" in nb.run(f"%incremental mark [{number - 1}] --hard").stdout
        nb.kernel.restart()
        nb.run("%load_ext incnb")
        nb.run(edited)
        assert nb.status(cell) == "executed" and nb.reason == "marked cell"
        assert nb.status(cell) == "reused" and nb.reason == "contained"
        shown = nb.run("%incremental history cell --keep 2").displays[0]
        assert shown["text/plain"].splitlines()[2].endswith("cell was marked: hard")
        assert "cell was marked: hard" in shown["text/html"]


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, any cell that executes loads everything")
def test_asking_loads_nothing_that_is_pending(notebook: Notebook) -> None:
    count = "%%incremental --name count\nn = len(big)"
    pending = (
        "%%incremental --off\nimport incnb.notebook.extension as e\n"
        "sorted(list(e._loaded.values())[0].session.pending.groups)"
    )
    with notebook.kernel() as nb:
        nb.run(BIG)
        nb.run(count)
    with notebook.kernel() as nb:
        assert nb.status(BIG) == "reused" and nb.status(count) == "reused"
        asked = "%incremental refresh\n%incremental stats\n%incremental history big\n%incremental mark big --soft"
        shown = nb.run(asked).stdout
        assert shown.count("✓ would reuse") == 2, shown
        told = nb.run("%incremental plan\n%incremental report\n%incremental why count\n%incremental store").displays
        assert told[0]["text/plain"].count("✓ would be reused") == 2, told[0]["text/plain"]
        assert len(told) == 4
        assert nb.run(pending).result == {"text/plain": "['big']"}


def test_the_time_of_loading_a_pending_value_is_measured(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run(BIG)
    with notebook.kernel() as nb:
        assert nb.status(BIG) == "reused"
        assert nb.status("%%incremental --name count\nn = len(big)") == "executed"
    lines = [line for path in (notebook.folder / "store" / "log").iterdir() for line in path.read_text().splitlines()]
    ((index, seconds),) = sorted(map(json.loads, lines), key=lambda record: record["seq"])[-1]["loads"]
    assert index == 0 and 0 < seconds < 10


def test_a_failed_accept_or_mark_is_one_line_and_no_traceback(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run(BIG)
        run = nb.run("%incremental accept big", allow_error=True)
        assert run.error is None or run.error[0] == "UsageError"
        assert "accept wants a reason" in run.stderr and len(run.stderr.strip().splitlines()) == 1


QUESTIONS = ("why", "why one", "report", "plan", "history one", "stats", "store", "forget one")


def test_answers_are_shown_as_html_with_text_beside_it(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run("%%incremental --name one\na = '<b>bold</b>'\na")
        nb.run("%%incremental --name '<i>two</i>'\nb = a")
        nb.run("import incnb")
        for question in QUESTIONS:
            run = nb.run(f"%incremental {question}")
            (shown,) = run.displays
            assert shown["text/plain"].strip() and not run.stdout and not run.stderr, question
            check_markup(shown["text/html"])
            verb, _, cell = question.partition(" ")
            asked = nb.run(f"incnb.{verb}({cell!r})" if cell else f"incnb.{verb}()").result
            assert asked is not None and asked["text/plain"].strip(), question
            check_markup(asked["text/html"])
        assert nb.status("%%incremental --name one\na = '<b>bold</b>'\na") == "executed", "it was forgotten"


def test_a_report_shown_in_a_cell_that_is_tracked_breaks_nothing(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        nb.run("%incremental on")
        assert nb.status("x = 1") == "executed"
        shows = "import incnb\ndisplay(incnb.report())\nincnb.why()"
        for _ in range(2):
            assert nb.status(shows) == "executed"
            assert "it asks incnb about this session" in nb.decision["reasons"][-1]["detail"]
        assert nb.status("y = x + 1") == "executed" and nb.status("y = x + 1") == "reused"
        assert nb.run("%incremental report").displays and nb.status("x = 1") == "reused"


def check_markup(markup: str) -> None:
    """No script, no colour of our own, and nothing of the user's that is not escaped."""
    assert "<script" not in markup and "<b>bold" not in markup and "<i>two" not in markup
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"&#x?[0-9a-f]+;", "", markup)), markup
    colours = re.findall(r"(?<![-\w])color:\s*([^;\"]+)", markup)
    assert colours and all(c == "currentColor" or c.startswith("var(--jp-") for c in colours), colours
