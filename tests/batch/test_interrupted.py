"""Runs that are killed in the middle and run again, and runs that happen at the same time, on one store."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from test_tools import cell, logged, notebook, outputs
from tools import PREPROCESSOR, Tools

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

ITEMS = 30
CELLS = {
    "parameters": "import time\nfactor = 2\nalpha = 1",
    "work": "def work(n):\n    time.sleep(NAP)\n    return n * factor * alpha",
    "first": "time.sleep(0.3)\nfirst = work(1)\nprint('first', first)",
    "loop": f"results = []\nfor n in range({ITEMS}):\n    results.append(work(n))\n    print(n, end=' ')",
    "large": "import numpy as np\nlarge = np.full(300_000, first, dtype='f8')\nlarge[:3]",
    "last": "float(large.sum()), sum(results)",
}


def written(path: Path, factor: int = 2, nap: float = 0.15) -> Path:
    texts = {n: text.replace("factor = 2", f"factor = {factor}").replace("NAP", str(nap)) for n, text in CELLS.items()}
    cells = [cell(name, text) for name, text in texts.items()]
    cells[0]["metadata"]["tags"] = ["parameters"]
    return notebook(path, *cells)


def expected(factor: int = 2, alpha: int = 1) -> dict[str, str]:
    one, items = factor * alpha, [n * factor * alpha for n in range(ITEMS)]
    return {
        "parameters": "",
        "work": "",
        "first": f"first {one}\n",
        "loop": "".join(f"{n} " for n in range(ITEMS)),
        "large": f"array([{one}., {one}., {one}.])",
        "last": f"({300_000.0 * one}, {sum(items)})",
    }


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path / "home")


def kernels(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    return [one for one in found if "ipykernel_launcher" in " ".join(one.cmdline())]


def in_the_loop(tools: Tools, process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until items are on disk; the kernels that run."""
    store, deadline = Path(tools.env["INCNB_STORE"]), time.monotonic() + 60
    while not any(file.stat().st_size > 0 for file in store.glob("items/*/journal-*.items")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.05)
    time.sleep(0.5)
    return kernels(process)


def gone(processes: list[psutil.Process]) -> None:
    """End what is left of what a test started."""
    _, left = psutil.wait_procs(processes, timeout=5)
    for one in left:
        one.kill()


def kill_kernel(process: subprocess.Popen[str], running: list[psutil.Process]) -> None:
    for one in running:
        one.kill()


def kill_tool(process: subprocess.Popen[str], running: list[psutil.Process]) -> None:
    process.kill()


def kill_both(process: subprocess.Popen[str], running: list[psutil.Process]) -> None:
    os.kill(process.pid, signal.SIGSTOP)  # so that it sees nothing of its kernel's end
    kill_kernel(process, running)
    process.kill()


def nbconvert(path: Path) -> list[str]:
    return ["-m", "nbconvert", str(path), "--to", "notebook", PREPROCESSOR, "--output", str(path.parent / "out.ipynb")]


def papermill(path: Path) -> list[str]:
    target = str(path.parent / "out.ipynb")
    return ["-m", "papermill", "--no-progress-bar", "--engine", "incnb", str(path), target]


@pytest.mark.parametrize(
    ("kill", "words", "factor"),
    [
        pytest.param(kill_kernel, nbconvert, 2, marks=pytest.mark.thorough),
        (kill_tool, papermill, 2),
        pytest.param(kill_both, nbconvert, 2, marks=pytest.mark.thorough),
        (kill_both, papermill, 3),
    ],
    ids=["kernel", "tool", "both", "both, and edited since"],
)
def test_a_run_that_was_killed_is_taken_up_where_it_was(
    tmp_path: Path,
    tools: Tools,
    kill: Callable[[subprocess.Popen[str], list[psutil.Process]], None],
    words: Callable[[Path], list[str]],
    factor: int,
) -> None:
    path = written(tmp_path / "nb.ipynb")
    process = tools.start(*words(path), cwd=tmp_path)
    running = in_the_loop(tools, process)
    assert running
    try:
        kill(process, running)
        process.communicate(timeout=60)
        assert process.returncode != 0
        written(path, factor)
        before = len(logged(tools))
        tools.run(*words(path), cwd=tmp_path)
    finally:
        gone(running)
    assert outputs(tmp_path / "out.ipynb") == expected(factor)
    again = {one["id"]: one for one in logged(tools)[before:]}
    if factor == 2:
        assert {again[name]["status"] for name in ("parameters", "work", "first")} == {"reused"}
        assert again["loop"]["items"]["reused"] >= 3 and again["loop"]["items"]["executed"] > 0
    else:
        assert again["first"]["status"] == "executed" and again["loop"]["items"]["reused"] == 0
    if kill is kill_kernel:
        done = tools.run(*words(path), cwd=tmp_path)
        assert done.counts == {"reused": len(CELLS)}
        assert outputs(tmp_path / "out.ipynb") == expected(factor)
    assert "cannot be read" not in tools.run("-m", "incnb", "report", path, cwd=tmp_path).text


def both(tools: Tools, folder: Path, *each: list[str]) -> list[str]:
    """Run at the same time; what they said."""
    processes = [tools.start(*words, cwd=folder) for words in each]
    texts = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(each), texts
    return texts


def test_two_runs_of_one_notebook_at_once(tmp_path: Path, tools: Tools) -> None:
    path = written(tmp_path / "nb.ipynb", nap=0.01)
    each = [[*nbconvert(path)[:-1], str(tmp_path / f"{n}.ipynb")] for n in range(2)]
    for _ in range(2):
        texts = both(tools, tmp_path, *each)
        for n in range(2):
            assert outputs(tmp_path / f"{n}.ipynb") == expected()
    assert all(f"incnb: {len(CELLS)} reused" in text for text in texts)


def test_two_runs_with_other_parameters_at_once(tmp_path: Path, tools: Tools) -> None:
    path = written(tmp_path / "nb.ipynb", nap=0.01)

    def run(alphas: tuple[int, int]) -> list[str]:
        words = ["-m", "papermill", "--no-progress-bar", "--engine", "incnb", str(path)]
        texts = both(tools, tmp_path, *[[*words, f"{n}.ipynb", "-p", "alpha", str(alphas[n])] for n in range(2)])
        for n, alpha in enumerate(alphas):
            found = outputs(tmp_path / f"{n}.ipynb")
            assert {name: found[name] for name in CELLS} == expected(alpha=alpha)
        return texts

    run((3, 5))
    assert all(f"incnb: {len(CELLS) + 1} reused" in text for text in run((5, 3)))
