"""`incnb run` of several notebooks, and as a process: failures beside those of nbconvert, signals, terminals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import HOME, Runs, outputs, run

__all__ = ["run"]

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def start(*words: str | Path, tty: int | None = None) -> subprocess.Popen[str]:
    out = subprocess.PIPE if tty is None else tty
    command = [sys.executable, "-m", "incnb", "run", *map(str, words)]
    return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, text=True)


def children(process: subprocess.Popen[str]) -> list[int]:
    told = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in told.split()]


def wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def test_several_notebooks_go_on_after_a_failure_and_end_with_one_table(run: Runs) -> None:
    run.notebook("a.ipynb", "# one\nx = 1", "x")
    run.notebook("b.ipynb", "y = 1", "# divide\ny / 0", "y")
    run.notebook("c.ipynb", "# two\nimport os", "os._exit(3)")
    run.notebook("d.ipynb", "# one\nx = 1", "x + 1")
    Path("e.ipynb").write_text("{}")
    done = run("*.ipynb", "-o", "built", "--jobs", "2", "--html", "why.html")
    assert done.status == 1 and sorted(p.name for p in Path("built").iterdir()) == ["a.ipynb", "d.ipynb"]
    lines = done.out.splitlines()
    assert [line.split()[:3] for line in lines[1:6]] == [
        ["▲", "executed", "a.ipynb"],
        ["✗", "failed", "b.ipynb"],
        ["✗", "failed", "c.ipynb"],
        lines[4].split()[:3],  # its first cell may have been recorded by a.ipynb a moment ago
        ["✗", "failed", "e.ipynb"],
    ]
    assert "cell 2 of 3 (divide): ZeroDivisionError: division by zero" in lines[2]
    assert "the kernel died in cell 2 of 2 (os._exit(3))" in lines[3]
    assert lines[6].startswith("5 notebooks: ") and "3 ✗ failed" in lines[6] and len(lines) == 7
    assert "is not a notebook" in lines[5] and "is not a notebook" in done.err
    told = {Path(one["notebook"]).name: one for one in done.report["notebooks"]}
    assert [told[name]["status"] for name in ("b.ipynb", "c.ipynb", "e.ipynb")] == ["failed"] * 3
    assert [cell["status"] for cell in told["b.ipynb"]["cells"]] == ["executed", "failed"]
    assert "ZeroDivisionError" in told["b.ipynb"]["error"] and told["a.ipynb"]["error"] is None
    page = Path("why.html").read_text()
    assert "a.ipynb: one" in page and "b.ipynb: divide" in page and "5 notebooks" in page
    again = run("a.ipynb", "d.ipynb", "-o", "built", "--html", "pages/")
    assert again.status == 0 and "2 notebooks: 2 ✓ reused" in again.out and not again.err
    assert sorted(p.name for p in Path("pages").iterdir()) == ["a.html", "d.html"]
    assert again.report["notebooks"][0]["saved_seconds"] is not None
    shown = Path("pages/a.html").read_text()
    assert 'id="cell-1" class="reused"' in shown and 'id="cell-2" class="reused"' in shown


def test_a_failing_cell_is_told_as_nbconvert_tells_it(run: Runs) -> None:
    source = run.notebook("bad.ipynb", "x = 1", "print('before')\ndef f(n): return n / 0\nf(x)", "x")
    words = ["-m", "nbconvert", "--to", "notebook", "--execute", str(source), "--output", "plain"]
    plain = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    ours = subprocess.run(
        [sys.executable, "-m", "incnb", "run", str(source)], capture_output=True, text=True, check=False
    )
    assert ours.returncode == plain.returncode == 1
    told = plain.stderr[plain.stderr.index("An error occurred while executing the following cell:") :].rstrip()
    assert ours.stderr.startswith(told) and "print('before')" in told and "ZeroDivisionError" in told
    assert len(ours.stderr[len(told) :].strip().splitlines()) == 2 and not ours.stdout
    assert not Path("plain.ipynb").exists() and not Path("bad.out.ipynb").exists()


def test_a_cell_that_takes_too_long_fails_with_nbclients_words(run: Runs) -> None:
    source = run.notebook("slow.ipynb", "x = 1", "# wait\nimport time\ntime.sleep(60)")
    late = run(source, "--timeout", "1.5")
    assert late.status == 1 and late.cells["c0"] == "executed" and "Cell execution timed out" in late.err
    assert "slow.ipynb failed in cell 2 of 2 (wait): it took longer than 2 s" in late.err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_kernel_and_keeps_what_had_finished(
    run: Runs, number: signal.Signals, status: int
) -> None:
    wait = "# wait\nfrom pathlib import Path\nimport time\nPath('here').touch()\ntime.sleep(100)"
    run.notebook("a.ipynb", "x = [1]", wait)
    run.notebook("b.ipynb", "y = [2]", "# wait\nimport time\ntime.sleep(100)")
    run.notebook("c.ipynb", "z = [3]")
    process = start("a.ipynb", "b.ipynb", "c.ipynb", "--jobs", "2", "--report", "r.json")
    wait_for(Path("here"))
    kernels = children(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status and "Traceback" not in err and err.count("was interrupted") == 2
    assert len(kernels) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in kernels)
    told = json.loads(Path("r.json").read_text())["notebooks"]
    assert [one["status"] for one in told] == ["interrupted"] * 3 and "3 ✗ interrupted" in out
    assert not list(Path().glob("*.out.ipynb"))
    run.notebook("a.ipynb", "x = [1]", "x")
    assert run("a.ipynb").cells["c0"] == "reused"


def test_a_terminal_shows_how_far_it_is_and_what_it_came_to(run: Runs) -> None:
    import pty
    import termios

    run.notebook("nb.ipynb", "# load\nx = 1", "# think\nimport time\ntime.sleep(1.5)")
    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    process = start("nb.ipynb", tty=terminal)
    os.close(terminal)
    got = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:  # nobody writes any more
            break
        if not piece:
            break
        got += piece
    os.close(main)
    told = got.decode()
    assert process.wait(30) == 0
    assert re.search(r"\rnb\.ipynb · cell 2 of 2 · think · 1 s *(\r|$)", told)
    shown = told.rpartition("\r ")[2]
    assert "▲ nb.ipynb → nb.out.ipynb · executed · " in shown and "2 cells: 2 ▲ executed" in shown
    assert "▲ load: ran" in shown and "← nothing is saved of load yet" in shown
    assert "saved: nothing, since nothing was reused" in shown
    quiet = run("nb.ipynb")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_the_command_is_a_module_too_and_tells_its_version() -> None:
    env = {**os.environ, "PYTHONPATH": HOME}
    told = [
        subprocess.run(
            [sys.executable, "-m", "incnb", *words], capture_output=True, text=True, check=True, env=env
        ).stdout
        for words in (["--version"], ["run", "--help"], ["--help"])
    ]
    assert told[0].startswith("incnb 0.") and "incnb run docs/*.ipynb -o built --jobs 2" in told[1]
    assert "execute notebooks, reusing what is unchanged" in told[2]


def test_what_ran_before_a_failure_is_reused_after_the_mending(run: Runs) -> None:
    run.notebook("nb.ipynb", "x = [1]", "y = x[5]")
    assert run("nb.ipynb").status == 1
    run.notebook("nb.ipynb", "x = [1]", "y = x[0]\ny")
    mended = run("nb.ipynb")
    assert mended.status == 0 and mended.cells == {"c0": "reused", "c1": "executed"}
    assert outputs(Path("nb.out.ipynb"))[1][0]["data"] == {"text/plain": ["1"]}
