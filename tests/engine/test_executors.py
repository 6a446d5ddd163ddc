"""`incnb.map` with threads and processes: what is recorded is what was seen where an item ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import calls_probe
import pytest
from calls_probe import ran
from notebooks import Notebook, Shell

import incnb

Shells = Callable[[], Shell]
THREADS = "incnb.map(f, items, executor=pool)"


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    calls_probe.watch()
    ran()
    yield


@pytest.fixture
def nb(shells: Shells) -> Iterator[Shell]:
    nb = shells()
    nb.plain("import sys, os, time, incnb\nfrom concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor")
    yield nb
    pool = nb.ip.user_ns.get("pool")
    if pool is not None:
        pool.shutdown()
    loky = sys.modules.get("loky")
    if loky is not None:
        loky.get_reusable_executor().shutdown(wait=True)


def items(nb: Shell) -> tuple[int, int]:
    told = nb.decisions()[-1]["items"]
    return told["executed"], told["reused"]


def test_threads_keep_the_order_and_run_equal_items_once(nb: Shell) -> None:
    nb.plain("pool = ThreadPoolExecutor(4)")
    nb.plain("def f(x):\n    sys.audit('calls.probe', str(x))\n    time.sleep(0.05 * (3 - x % 3))\n    return [x]")
    nb.plain("items = [5, 1, 2, 1, 1, 3]")
    nb.cell(f"r = {THREADS}")
    assert nb["r"] == [[5], [1], [2], [1], [1], [3]] and sorted(ran()) == ["1", "2", "3", "5"]
    assert len({id(x) for x in nb["r"]}) == 6
    nb.cell(f"r = {THREADS}; 1")
    assert not ran() and items(nb) == (0, 6)


def test_with_threads_each_item_has_its_own_files_output_and_helpers(nb: Shell) -> None:
    nb.plain("pool = ThreadPoolExecutor(4)")
    nb.plain("""
def odd(x): return 'odd'
def even(x): return 'even'
def f(x):
    sys.audit('calls.probe', str(x))
    time.sleep(0.05)
    text = open(f'{x}.txt').read()
    time.sleep(0.05)
    return text + (odd(x) if x % 2 else even(x))
""")
    for x in range(6):
        Path(f"{x}.txt").write_text(str(x))
    nb.plain("items = list(range(6))")
    nb.cell(f"r = {THREADS}")
    assert nb["r"] == ["0even", "1odd", "2even", "3odd", "4even", "5odd"]
    ran()
    Path("3.txt").write_text("new")
    nb.cell(f"r = {THREADS}")
    assert nb["r"][3] == "newodd" and ran() == ["3"]
    nb.plain("def even(x): return 'EVEN'")
    nb.cell(f"r = {THREADS}")
    assert nb["r"][2] == "2EVEN"
    assert sorted(ran()) == (["0", "2", "4"] if hasattr(sys, "monitoring") else list("012345"))


def test_what_items_in_threads_print_is_shown_again(nb: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    nb.plain("pool = ThreadPoolExecutor(3)\nitems = [1, 2, 3]")
    nb.plain("def f(x):\n    time.sleep(0.03)\n    print('seen', x)\n    time.sleep(0.03)\n    return x")
    nb.plain(f"r = {THREADS}")
    capsys.readouterr()
    nb.plain(f"r = {THREADS}")
    assert sorted(capsys.readouterr().out.split("\n")) == ["", "seen 1", "seen 2", "seen 3"]


def test_the_first_error_in_order_is_raised_and_what_has_finished_is_kept(nb: Shell) -> None:
    nb.plain("pool = ThreadPoolExecutor(2)\nitems = [1, 0, 2]")
    nb.plain("def f(x):\n    sys.audit('calls.probe', str(x))\n    return 1 / x")
    with pytest.raises(ZeroDivisionError):
        nb.cell(f"r = {THREADS}")
    ran()
    nb.cell("r = incnb.map(f, items, executor=pool, on_error='hole')")
    assert "1" not in ran() and nb["r"][0] == 1 and isinstance(nb["r"][1], incnb.Failed)


PROCESS = """
import sys, incnb
def helper(x): return x * 10
def f(x):
    sys.audit("calls.probe", str(x))
    return [helper(x)]
"""


@pytest.fixture(params=["loky", "pool"])
def executor(request: pytest.FixtureRequest, nb: Shell) -> str:
    if request.param == "loky":
        pytest.importorskip("loky")
        return "2"
    pytest.importorskip("cloudpickle")
    nb.plain("import multiprocessing as mp\npool = ProcessPoolExecutor(2, mp_context=mp.get_context('spawn'))")
    return "pool"


def test_items_run_in_other_processes_and_are_found_by_whoever_asks(nb: Shell, executor: str) -> None:
    nb.plain(PROCESS)
    assert nb.cell(f"r = incnb.map(f, [1, 2, 1, 3], executor={executor})") == "executed"
    assert nb["r"] == [[10], [20], [10], [30]] and not ran() and items(nb) == (3, 1)
    assert nb.reasons == nb.reasons[:1], nb.reasons
    assert nb.cell(f"r = incnb.map(f, [1, 2, 1, 3], executor={executor})") == "reused"
    nb.cell("r = incnb.map(f, [3, 2])")
    assert nb["r"] == [[30], [20]] and items(nb) == (0, 2)


def test_a_helper_edited_here_is_the_one_that_runs_there(nb: Shell, executor: str) -> None:
    nb.plain(PROCESS)
    nb.cell(f"r = incnb.map(f, [1, 2], executor={executor})")
    nb.plain("def helper(x): return x + 1")
    nb.cell(f"r = incnb.map(f, [1, 2], executor={executor})")
    assert nb["r"] == [[2], [3]] and items(nb) == (2, 0)
    assert nb.decisions()[-1]["items"]["why"][0]["locator"] == "helper"


def test_files_that_are_read_in_a_worker_count(nb: Shell, executor: str) -> None:
    for name in "ab":
        Path(name).write_text(name)
    nb.plain("def f(p):\n    return open(p).read()")
    nb.cell(f"r = incnb.map(f, ['a', 'b'], executor={executor})")
    Path("b").write_text("new")
    assert nb.cell(f"r = incnb.map(f, ['a', 'b'], executor={executor})") == "executed"
    assert nb["r"] == ["a", "new"] and items(nb) == (1, 1)


def test_effects_in_a_worker_are_told_and_not_recorded(nb: Shell, executor: str) -> None:
    nb.plain("import subprocess, random\ndef f(x):\n    done = subprocess.run(['true']) if x == 2 else 0\n    return x")
    assert nb.cell(f"r = incnb.map(f, [1, 2, 3], executor={executor})") == "blocked"
    nb.cell(f"r = incnb.map(f, [1, 2, 3], executor={executor}); 1")
    assert items(nb) == (1, 2)
    nb.plain("def g(x):\n    return random.random()")
    assert nb.cell(f"r = incnb.map(g, [1], executor={executor})") == "executed"
    assert nb.cell(f"r = incnb.map(g, [1], executor={executor})") == "executed" and items(nb) == (1, 0)


def test_errors_in_a_worker(nb: Shell, executor: str) -> None:
    nb.plain("def f(x):\n    return 1 / x")
    nb.cell(f"r = incnb.map(f, [1, 0, 2], executor={executor}, on_error='hole')")
    assert nb["r"][0] == 1 and nb["r"][2] == 0.5 and "ZeroDivisionError" in nb["r"][1].traceback
    with pytest.raises(ZeroDivisionError):
        nb.cell(f"r = incnb.map(f, [1, 0, 2], executor={executor})")


def test_what_a_worker_prints_is_shown_and_shown_again(
    nb: Shell, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nb.plain("def f(x):\n    print('seen', x)\n    return x")
    for _ in range(2):
        capsys.readouterr()
        nb.plain(f"r = incnb.map(f, [1], executor={executor})")
        assert capsys.readouterr().out == "seen 1\n"


def test_a_function_that_changes_its_globals_there_is_not_recorded(nb: Shell, executor: str) -> None:
    nb.plain("seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)")
    nb.cell(f"r = incnb.map(f, [1, 2, 3], executor={executor})")
    nb.cell(f"r = incnb.map(f, [1, 2, 3], executor={executor})")
    assert nb["r"] == [1, 1, 1] and items(nb)[1] == 0


def test_classes_of_the_notebook_travel(nb: Shell, executor: str) -> None:
    nb.plain("""
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    def twice(self): return Point(helper(self.x))
def helper(x): return 2 * x
def f(p): return p.twice()
""")
    nb.cell(f"r = incnb.map(f, [Point(1), Point(2)], executor={executor})")
    assert nb.plain("r == [Point(2), Point(4)]") is True
    nb.cell(f"r = incnb.map(f, [Point(1), Point(2)], executor={executor}); 1")
    assert items(nb) == (0, 2) and nb.plain("r == [Point(2), Point(4)]") is True


def test_a_module_that_is_another_one_in_the_worker_is_not_recorded(
    nb: Shell, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("conf.py").write_text("K = 1\ndef f(x): return x * K\n")
    nb.plain("import conf\nconf.K = 5")
    nb.cell(f"r = incnb.map(conf.f, [1, 2], executor={executor})")
    assert "conf:K is another one there" in "".join(capsys.readouterr())
    nb.cell(f"r = incnb.map(conf.f, [1, 2], executor={executor})")
    assert items(nb) == (2, 0)


def test_a_worker_with_another_version_of_a_package_records_nothing(
    nb: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cloudpickle")
    for version in ("1.0", "2.0"):
        site = tmp_path / version / "site-packages"
        info = site / f"fakedist-{version}.dist-info"
        info.mkdir(parents=True)
        (site / "fakedist.py").write_text(f"def one(): return {version}\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fakedist\nVersion: {version}\n")
        (info / "RECORD").write_text(f"fakedist.py,sha256={version},1\nfakedist-{version}.dist-info/METADATA,,\n")
        (info / "top_level.txt").write_text("fakedist\n")
    mine, theirs = (str(tmp_path / version / "site-packages") for version in ("1.0", "2.0"))
    Path("theirs.py").write_text(f"import sys\ndef put(): sys.path.insert(0, {theirs!r})\n")
    sys.path.insert(0, mine)
    try:
        nb.plain("import fakedist, theirs, multiprocessing as mp")
        nb.plain("pool = ProcessPoolExecutor(1, mp_context=mp.get_context('spawn'), initializer=theirs.put)")
        nb.plain("def f(x): return fakedist.one() * x")
        for _ in range(2):
            assert nb.cell("r = incnb.map(f, [1], executor=pool)") == "executed"
            assert nb["r"] == [2.0] and items(nb) == (1, 0)
        assert "package fakedist is another one there" in "".join(capsys.readouterr())
        nb.cell("r = incnb.map(f, [1])")
        assert nb["r"] == [1.0]
    finally:
        sys.path.remove(mine)
        sys.modules.pop("fakedist", None)


def test_a_script_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys, time, incnb
sys.path.insert(0, {str(Path(__file__).parent)!r})
import calls_probe
calls_probe.watch()
def f(x):
    sys.audit("calls.probe", str(x))
    time.sleep(0.1)
    return x * 2
if __name__ == "__main__":
    print(incnb.map(f, range(12)))
""")
    log = tmp_path / "log"
    path = os.pathsep.join([str(Path(incnb.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "INCNB_STORE": str(tmp_path / "store"), "CALLS_PROBES": str(log), "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE)
    while not log.exists() or len(log.read_text().split()) < 6:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = log.read_text().split()
    out = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=True)
    assert out.stdout == f"{[2 * x for x in range(12)]}\n", out.stderr
    again = log.read_text().split()[len(before) :]
    assert len(again) <= 12 - len(before) + 2 and not set(again) & set(before[:-2])


@pytest.mark.kernel
def test_an_edited_helper_in_a_real_kernel_with_loky(notebook: Notebook) -> None:
    pytest.importorskip("loky")
    with notebook.kernel() as nb:
        nb.run("import incnb\ndef helper(x): return x * 2\ndef f(x): return helper(x) + 1")
        assert nb.status("%%incremental\nr = incnb.map(f, [1, 2, 3], executor=2)") == "executed", nb.reasons
        assert nb.status("%%incremental\nr = incnb.map(f, [1, 2, 3], executor=2)") == "reused"
        nb.run("def helper(x): return x * 3")
        assert nb.status("%%incremental\nr = incnb.map(f, [1, 2, 3], executor=2)") == "executed"
        assert nb.run("print(r)").stdout == "[4, 7, 10]\n"
    with notebook.kernel() as nb:
        nb.run("import incnb\ndef helper(x): return x * 2\ndef f(x): return helper(x) + 1")
        nb.run("%%incremental\nr = incnb.map(f, [3, 1], executor=2)\nprint(r)")
        assert nb.decision["status"] == "executed", nb.decision
        assert nb.decision["items"]["executed"] == 0 and nb.decision["items"]["reused"] == 2


def test_bad_executors_are_told_in_one_line() -> None:
    for wrong, kind in ((0, ValueError), (-1, ValueError), (True, TypeError), ("4", TypeError)):
        with pytest.raises(kind, match="executor"):
            incnb.map(str, [1], executor=wrong)


def test_switched_off_it_is_plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INCNB", "off")
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "store"))
    seen: list[Any] = []
    assert incnb.map(seen.append, [1, 1]) == [None, None] and seen == [1, 1]
    with ThreadPoolExecutor(2) as pool:
        assert incnb.map(str, [1, 2], executor=pool) == ["1", "2"]
    assert not (tmp_path / "store").exists()
    assert ProcessPoolExecutor is not None
