"""What `incnb run` and `incnb plan` do where a person, a kernel or a file is not as one expects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import HOME, Runs, run
from test_run_files import follow

__all__ = ["run"]


def test_a_value_that_begins_with_a_dash_is_a_value(run: Runs) -> None:
    source = run.notebook("a.ipynb", "title = 0", "print(repr(title))", tags={0: "parameters"})
    for value, shown in (("-draft", "'-draft'"), ("--", "'--'"), ("-1e-3", "-0.001"), ("-inf", "-inf")):
        assert run(source, "-p", "title", value).status == 0
        assert json.loads(Path("a.out.ipynb").read_text())["cells"][2]["outputs"][0]["text"] == [f"{shown}\n"]
        assert follow("plan", "a.ipynb", "-p", "title", value) == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_plan_and_run_agree_on_what_is_no_utf_8(run: Runs, capsys: pytest.CaptureFixture[str], encoding: str) -> None:
    path = run.notebook("a.ipynb", "1")
    path.write_bytes(path.read_text().encode(encoding))
    told = []
    for verb in ("run", "plan"):
        assert follow(verb, "a.ipynb") == 2
        told.append(capsys.readouterr().err.replace(f"{path.parent}/", ""))
    assert told[0] == told[1]
    assert told[0].startswith("incnb: a.ipynb ") and told[0].count("\n") == 1


def test_a_plan_of_a_notebook_without_code_says_so(run: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run.notebook("a.ipynb")
    run.notebook("b.ipynb", "# words alone", "%incremental off", "x = 1")
    assert follow("plan", "a.ipynb") == 0
    assert capsys.readouterr().out == "the notebook has no cell of code: there is nothing to plan\n"
    assert follow("plan", "b.ipynb") == 0
    assert "in this session" not in capsys.readouterr().out


def test_a_value_that_cannot_be_shown_fails_its_cell(run: Runs) -> None:
    source = run.notebook("a.ipynb", "class B:\n    def _repr_html_(self): raise ValueError('bad')", "B()")
    done = run(source)
    assert (done.status, done.cells) == (1, {"c0": "executed", "c1": "failed"})
    assert "incnb: " + f"{source} failed in cell 2 of 2 (B()): ValueError: bad" in done.err


def test_decisions_that_could_not_be_written_are_not_passed_over(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.batch.execution import Incremental

    source = run.notebook("a.ipynb", "x = 1", "y = 1")
    whole = Incremental._read

    def torn(self: Incremental) -> None:
        assert self._told is not None
        with Path(self._told.report).open("ab") as file:
            file.write(b'{"v": 1, "status":')
        whole(self)

    monkeypatch.setattr(Incremental, "_read", torn)
    done = run(source, run.notebook("b.ipynb", "1"), "-o", "built")
    assert "a.ipynb: the list of decisions could not be written; what became of some cells is not known" in done.err
    assert "1 ▲ executed, others not known" in done.out
    assert done.status == 0


def test_what_the_command_imports_first_is_next_to_nothing() -> None:
    code = "import sys; import incnb.__main__; print(sorted(name for name in sys.modules if name.startswith('incnb')))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOME).stdout
    assert told == "['incnb', 'incnb.__main__']\n"


def _start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "incnb", "run", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


WAIT = "from pathlib import Path\nimport time\nPath('here').touch()\ntime.sleep(100)"


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("later", [0.05, 0.2])
def test_ctrl_c_twice_ends_without_a_traceback(run: Runs, later: float) -> None:
    run.notebook("a.ipynb", WAIT)
    process = _start("a.ipynb")
    while not Path("here").exists() and process.poll() is None:
        time.sleep(0.05)
    for _ in range(2):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(later)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err and "Error" not in err


@pytest.mark.kernel
@pytest.mark.slow
def test_a_terminal_that_is_gone_ends_the_run_and_its_kernels(run: Runs) -> None:
    run.notebook("a.ipynb", WAIT)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup it is ignored, by what is started as well
    process = _start("a.ipynb")
    signal.signal(signal.SIGHUP, before)
    while not Path("here").exists() and process.poll() is None:
        time.sleep(0.05)
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 129
    assert err.startswith("incnb: a.ipynb was interrupted")
    assert found and not any(Path(f"/proc/{pid}").exists() for pid in found.split())


@pytest.mark.kernel
@pytest.mark.slow
def test_a_pipe_that_nobody_reads_holds_up_no_second_ctrl_c(run: Runs) -> None:
    run.notebook("a.ipynb", "from pathlib import Path\nPath('here').touch()")
    os.mkfifo("pipe")
    process = _start("a.ipynb", "-o", "pipe")
    while not Path("here").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(3)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    process.communicate(timeout=30)
    assert process.returncode == 130
