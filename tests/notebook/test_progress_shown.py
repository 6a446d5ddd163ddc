"""The line of a long loop in a notebook and in a terminal: seen while the loop runs, and by nobody afterwards."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebooks import Notebook, Shell

from incnb.engine.progress import Progress
from incnb.notebook import progress
from incnb.outputs.streams import Capture

#: A loop of a library's, which is nobody's own code: it stands for the loop of a cell.
LONG = """
import time
from incnb.engine.progress import Progress
from incnb.notebook.progress import shower

def loop(count, seconds, **options):
    from IPython import get_ipython
    show = shower(get_ipython(), **options)
    progress = Progress(show, count) if show is not None else None
    for i in range(count):
        time.sleep(seconds)
        if i == 3:
            print("three")
        if progress is not None:
            progress.step(i + 1, 0)
    if progress is not None:
        progress.close()
    return count
"""
CELL = "%%incremental\nn = long.loop(24, 0.06)\nprint('done')\nn"
PERSON = {"cellId": "a"}


@pytest.fixture
def notebook(notebook: Notebook) -> Notebook:
    notebook.write("site-packages/long.py", LONG)
    return notebook


FIRST = "import sys\nsys.path.append('site-packages')\nimport long\n%load_ext incnb"


def updates(shown: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [one for one in shown if one[0].endswith("display_data") and "progress" in one[2].get("incnb", {})]


def theirs(shown: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What is not ours; the text of a stream in one piece, which our displays may part."""
    out: list[tuple[Any, ...]] = []
    for one in shown:
        if one[0] == "stream" and out and out[-1][:2] == one[:2]:
            out[-1] = (*one[:2], out[-1][2] + one[2])
        elif not (one[0].endswith("display_data") and "incnb" in one[2]):
            out.append(one)
    return out


def relied(notebook: Notebook) -> list[str]:
    """What the newest trace relied on."""
    newest = max((notebook.folder / "store" / "traces").rglob("*.json"), key=lambda path: path.name)
    return [f"{d['kind']} {d['locator']} {d['fp']}" for d in json.loads(newest.read_text())["trace"]["dependencies"]]


@pytest.mark.kernel
def test_a_long_loop_is_told_and_a_reused_one_tells_nothing(notebook: Notebook) -> None:
    with notebook.kernel(FIRST) as nb:
        ran = nb.run(CELL, metadata=PERSON)
        assert nb.decision["status"] == "executed"
        told = updates(ran.shown)
        assert [one[0] for one in told] == ["display_data"] + ["update_display_data"] * (len(told) - 1)
        assert 2 <= len(told) <= 5
        assert "/24 [00:01<00:0" in told[0][1]["text/plain"] and "ran, 0 reused" in told[0][1]["text/plain"]
        assert told[-1][1] == {"text/plain": "", "text/html": ""}
        assert len({one[3]["display_id"] for one in told}) == 1
        again = nb.run(CELL, metadata=PERSON)
        assert nb.decision["status"] == "reused", nb.reasons
        assert updates(again.shown) == []
        assert theirs(again.shown) == theirs(ran.shown)
        quick = nb.run(CELL.replace("24, 0.06", "4, 0.01"), metadata=PERSON)
        assert updates(quick.shown) == []


@pytest.mark.kernel
def test_where_nobody_looks_on_nothing_is_shown(notebook: Notebook) -> None:
    with notebook.kernel(FIRST) as nb:
        assert updates(nb.run(CELL).shown) == []  # as nbclient, nbconvert and papermill send it
        quiet = CELL.replace("0.06", "0.06, quiet=True")
        assert updates(nb.run(quiet, metadata=PERSON).shown) == []
        caught = nb.run("%%capture caught\nlong.loop(24, 0.06)", metadata=PERSON)
        assert updates(caught.shown) == []
        assert nb.run("len(caught.outputs)").result == {"text/plain": "1"}
    with notebook.kernel(FIRST, INCNB_FOOTER="off") as nb:
        assert updates(nb.run(CELL, metadata=PERSON).shown) == []


@pytest.mark.kernel
def test_telling_brings_nothing_into_the_trace(notebook: Notebook) -> None:
    """tqdm is imported in the middle of the cell, reads variables of the environment, and files are opened for it."""
    forced = CELL.replace("incremental", "incremental --force")
    loaded = "import sys\n'tqdm' in sys.modules"
    with notebook.kernel(FIRST) as nb:
        nb.run(forced)
        assert nb.run(loaded).result == {"text/plain": "False"}
        plain = relied(notebook)
        assert updates(nb.run(forced, metadata=PERSON).shown)
        assert nb.decision["status"] == "executed"
        assert nb.run(loaded).result == {"text/plain": "True"}
        assert relied(notebook) == plain


# -- in a terminal


class Terminal:
    """Both ends of a pseudo-terminal, in the place of the standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self._ours, theirs = os.openpty()
        self.stream = os.fdopen(theirs, "w", encoding="utf-8", buffering=1)
        monkeypatch.setattr(sys, "stderr", self.stream)
        monkeypatch.setattr(sys, "__stderr__", self.stream)
        monkeypatch.setenv("INCNB_FOOTER", "all")

    def shown(self) -> str:
        """What has been written so far; a terminal hands it out piece by piece."""
        end = "\N{END OF TEXT}"
        os.write(self.stream.fileno(), end.encode())
        found = ""
        while not found.endswith(end):
            found += os.read(self._ours, 100_000).decode()
        return found.removesuffix(end)


def told(shell: Any, count: int = 20) -> None:
    show = progress.shower(shell)
    assert show is not None
    now = 0.0

    def clock() -> float:
        return now

    loop = Progress(show, count, clock)
    for i in range(count):
        now += 0.1
        if i == 12:
            print("of the user's", file=sys.stderr, end="")
        loop.step(i + 1, 0)
    loop.close()


def test_in_a_terminal_the_line_goes_past_the_recording_and_is_wiped(
    shells: Callable[[], Shell], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells()
    terminal = Terminal(monkeypatch)
    capture = Capture(shell.ip)
    capture.start()
    told(shell.ip)
    assert [(event.name, event.text) for event in capture.stop()] == [("stderr", "of the user's")]
    assert capture.problem is None
    shown = terminal.shown()
    assert "/20 [00:01<00:00" in shown
    assert shown.count("of the user's") == 1
    lines = shown.split("\r")
    assert lines[-1] == "" and lines[-2].strip() == "" and len(lines[-2]) >= len(lines[-3].strip())


def test_in_a_terminal_that_is_none_nothing_is_shown(
    shells: Callable[[], Shell], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells()
    terminal = Terminal(monkeypatch)
    assert progress.shower(shell.ip) is not None
    assert progress.shower(shell.ip, quiet=True) is None
    monkeypatch.setenv("INCNB_FOOTER", "off")
    assert progress.shower(shell.ip) is None
    monkeypatch.setenv("INCNB_FOOTER", "all")
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # the user's code collects it
    assert progress.shower(shell.ip) is None
    with Path("log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        monkeypatch.setattr(sys, "__stderr__", log)
        assert progress.shower(shell.ip) is None
    assert progress.shower(shell.ip) is None  # closed
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    monkeypatch.setattr(sys, "__stderr__", None)
    assert progress.shower(shell.ip) is None
