"""A cell that catches an interrupt and goes on has left something cut short: it is run again, and so are its items."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notebooks import Notebook, Shell

from incnb.outputs import interrupts

Shells = Callable[[], Shell]


def wakeup() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """What is started in the background ignores Ctrl-C, and hands that down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def strikes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """For each item in it, a signal comes once, when the audit event `strike` tells of that item."""
    due: list[object] = []
    on = [True]

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "interrupts.probe" and on[0] and args[0] in due:
            due.remove(args[0])
            os.kill(os.getpid(), args[1] if len(args) > 1 else signal.SIGINT)  # type: ignore[arg-type]

    sys.addaudithook(hook)
    yield due
    on[0] = False


CATCHES = {
    "KeyboardInterrupt": "except KeyboardInterrupt:",
    "bare": "except:",
    "BaseException": "except BaseException:",
}


@pytest.mark.parametrize("clause", CATCHES.values(), ids=CATCHES.keys())
def test_a_cell_that_catches_the_interrupt_is_run_again(shells: Shells, strikes: list[object], clause: str) -> None:
    nb = shells()
    nb.plain("import sys")
    cell = f"n = 0\ntry:\n    sys.audit('interrupts.probe', 1)\n    for n in range(1000): pass\n{clause}\n    n = -1\nn"
    strikes.append(1)
    assert nb.cell(cell) == "executed" and nb["n"] == -1
    assert "it was interrupted (SIGINT) while it ran" in nb.reasons[-1]
    assert nb.cell(cell) == "executed" and nb["n"] == 999
    assert nb.cell(cell) == "reused" and nb["n"] == 999


def test_an_older_complete_result_stays_valid(shells: Shells, strikes: list[object]) -> None:
    nb = shells()
    nb.plain("import sys")
    cell = "n = 0\ntry:\n    sys.audit('interrupts.probe', 1)\n    n = 5\nexcept KeyboardInterrupt:\n    n = -1"
    assert nb.cell(cell) == "executed"
    strikes.append(1)
    assert nb.cell(cell, "--force") == "executed" and nb["n"] == -1
    assert nb.cell(cell) == "reused" and nb["n"] == 5


def test_a_signal_that_a_library_handles_counts_as_well(shells: Shells, strikes: list[object]) -> None:
    nb = shells()
    nb.plain("import sys")
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        strikes.append(1)
        assert nb.cell("sys.audit('interrupts.probe', 1, 10)\nx = 1") == "executed"
        assert "a signal arrived (SIGUSR1)" in nb.reasons[-1]
    finally:
        signal.signal(signal.SIGUSR1, before)


CATCHER = """
import sys, time
def f(x):
    try:
        sys.audit('interrupts.probe', x)
        time.sleep(0.02)
        return x * 2
    except KeyboardInterrupt:
        return -1
"""
ITEMS = "out = []\nfor x in range(6):\n    out.append(f(x))"


def test_an_item_that_catches_the_interrupt_is_run_again(shells: Shells, strikes: list[object]) -> None:
    nb = shells()
    nb.plain(CATCHER)
    strikes.append(3)
    assert nb.cell(ITEMS) == "executed" and nb["out"] == [0, 2, 4, -1, 8, 10]
    assert any("interrupt" in reason for reason in nb.reasons)
    nb = shells()
    nb.plain(CATCHER)
    assert nb.cell(ITEMS) == "executed" and nb["out"] == [0, 2, 4, 6, 8, 10]
    assert nb.decisions()[-1]["items"]["executed"] + nb.decisions()[-1]["items"]["reused"] == 6
    assert nb.cell(ITEMS) == "reused"


def test_items_told_apart_before_an_interrupt_are_kept(shells: Shells, strikes: list[object]) -> None:
    nb = shells()
    nb.plain("import sys, time")
    plain = (
        "out = []\nfor x in range(6):\n    sys.audit('interrupts.probe', x)\n    time.sleep(0.02)\n    out.append(x)"
    )
    strikes.append(3)
    with pytest.raises(KeyboardInterrupt):
        nb.cell(plain)
    assert nb.cell(plain) == "executed"
    assert nb.decisions()[-1]["items"]["reused"] == 3


MEMO = """
import sys, incnb
@incnb.memo
def f(x):
    try:
        sys.audit('interrupts.probe', x)
        return x * 2
    except KeyboardInterrupt:
        return -1
"""


@pytest.mark.parametrize("tracked", [False, True])
def test_a_call_that_catches_the_interrupt_is_not_kept(shells: Shells, strikes: list[object], tracked: bool) -> None:
    nb = shells()
    nb.plain(MEMO)
    strikes.append(2)
    run = nb.cell if tracked else nb.plain
    run("a = [f(1), f(2), f(3)]")
    assert nb["a"] == [2, -1, 6]
    nb = shells()
    nb.plain(MEMO)
    run = nb.cell if tracked else nb.plain
    run("a = [f(1), f(2), f(3)]")
    assert nb["a"] == [2, 4, 6]


def test_a_call_of_map_that_catches_the_interrupt_is_not_kept(shells: Shells, strikes: list[object]) -> None:
    nb = shells()
    nb.plain(MEMO.replace("@incnb.memo\n", ""))
    strikes.append(2)
    assert nb.cell("a = incnb.map(f, [1, 2, 3])") == "executed" and list(nb["a"]) == [2, -1, 6]
    assert nb.cell("a = incnb.map(f, [1, 2, 3])") == "executed" and list(nb["a"]) == [2, 4, 6]
    assert nb.cell("a = incnb.map(f, [1, 2, 3])") == "reused"


def test_nobody_finds_a_descriptor_of_ours(shells: Shells) -> None:
    seen: list[int] = []
    sys.addaudithook(lambda event, args: seen.append(wakeup()) if event == "interrupts.asked" else None)
    real = signal.set_wakeup_fd
    nb = shells()
    nb.plain("import sys")
    nb.cell("before = 1")

    def descriptors() -> int:
        return sum(1 for _ in Path("/dev/fd").iterdir())

    open_before = descriptors()
    for status in ("executed", "reused"):
        assert nb.cell("sys.audit('interrupts.asked')\nx = 1") == status
        assert wakeup() == -1 and signal.set_wakeup_fd is real
        assert descriptors() == open_before
    assert seen == [-1]
    with pytest.raises(ZeroDivisionError):
        nb.cell("1 / 0")
    assert wakeup() == -1 and signal.set_wakeup_fd is real


def test_who_was_there_before_hears_every_signal_at_once_and_gets_his_place_back(
    shells: Shells, strikes: list[object]
) -> None:
    mine, other = socket.socketpair()
    heard: list[bytes] = []

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "interrupts.hears":
            mine.settimeout(5)
            heard.append(mine.recv(10))

    sys.addaudithook(hook)
    other.setblocking(False)
    nb = shells()
    nb.plain("import sys")
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.set_wakeup_fd(other.fileno())
    threads = threading.active_count()
    try:
        strikes.append(1)
        assert nb.cell("sys.audit('interrupts.probe', 1, 10)\nsys.audit('interrupts.hears')\nx = 1") == "executed"
        assert heard == [bytes([signal.SIGUSR1])]
        assert "SIGUSR1" in nb.reasons[-1]
        assert nb.cell("z = 1") == "executed"
        assert nb.cell("z = 1") == "reused"
        assert wakeup() == other.fileno() and threading.active_count() == threads
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, before)
        mine.close()
        other.close()


def test_a_loop_with_handlers_of_its_own_works_and_the_cell_is_not_saved(shells: Shells) -> None:
    got: list[int] = []

    def loop(event: str, args: tuple[object, ...]) -> None:
        if event != "interrupts.loop":
            return
        loop = asyncio.new_event_loop()
        try:
            done = loop.create_future()
            loop.add_signal_handler(signal.SIGUSR1, lambda: done.set_result(1))
            loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
            got.append(loop.run_until_complete(asyncio.wait_for(done, 5)))
        finally:
            loop.close()

    sys.addaudithook(loop)
    nb = shells()
    nb.plain("import sys")
    assert nb.cell("sys.audit('interrupts.loop')\nx = 1") == "executed"
    assert got == [1] and wakeup() == -1
    assert any(interrupts.SILENCE in reason for reason in nb.reasons)
    assert nb.cell("y = 1") == "executed" and nb.cell("y = 1") == "reused"


class Somebody:
    pass


@pytest.fixture
def me() -> Iterator[Somebody]:
    handler = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    somebody = Somebody()
    yield somebody
    interrupts.stop(somebody)
    signal.signal(signal.SIGUSR1, handler)


def test_a_forked_child_keeps_its_signals_to_itself(me: Somebody) -> None:
    interrupts.start(me)
    before = interrupts.count()
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGUSR1)
        os._exit(0 if wakeup() == -1 and signal.set_wakeup_fd is interrupts._set else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert interrupts.count() == before
    assert interrupts.stop(me) == ""


def test_a_storm_of_signals_is_heard_and_ends(me: Somebody) -> None:
    interrupts.start(me)
    before = interrupts.count()
    for _ in range(interrupts.MANY + 10):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert interrupts.count() - before == interrupts.MANY + 10
    os.kill(os.getpid(), signal.SIGUSR1)
    assert interrupts.count() - before == interrupts.MANY + 11
    assert "SIGUSR1" in interrupts.stop(me)


def test_each_listener_is_told_what_came_while_it_listened(me: Somebody) -> None:
    inner, late = Somebody(), Somebody()
    interrupts.start(me)
    interrupts.start(inner)
    os.kill(os.getpid(), signal.SIGUSR1)
    interrupts.start(late)
    assert interrupts.stop(late) == "" and interrupts.stop(Somebody()) == ""
    assert interrupts.stop(inner) == interrupts.WORDS
    assert "SIGUSR1" in interrupts.stop(me)
    assert interrupts.stop(me) == "" and wakeup() == -1


def test_an_interrupt_while_we_look_is_not_lost(me: Somebody) -> None:
    interrupts.start(me)
    before = interrupts.count()
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(3):
        assert interrupts.count() == before + 1
    assert interrupts.since(before)


def test_threads_may_listen_and_the_main_thread_gives_back(me: Somebody) -> None:
    def in_thread(run: Callable[[object], object], owner: object) -> None:
        thread = threading.Thread(target=run, args=(owner,))
        thread.start()
        thread.join()

    other = Somebody()
    in_thread(interrupts.start, other)
    assert wakeup() == -1
    interrupts.start(me)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert interrupts.stop(me)
    in_thread(interrupts.stop, other)
    interrupts.start(me)
    assert interrupts.stop(me) == ""
    assert wakeup() == -1 and signal.set_wakeup_fd is interrupts._set


@pytest.mark.measured
def test_listening_costs_next_to_nothing(me: Somebody) -> None:
    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times)

    assert best(lambda: (interrupts.start(me), interrupts.stop(me))) < 2e-4
    interrupts.start(me)
    assert best(interrupts.count) < 2e-5


def test_a_cell_in_a_kernel_that_catches_an_interrupt_is_run_again(notebook: Notebook, tmp_path: Path) -> None:
    cells = {
        "plain": "try:\n    open({flag!r}, 'w').close()\n    time.sleep({wait})\n    r = 'whole'\n"
        "except KeyboardInterrupt:\n    r = 'cut short'\nr",
        "awaits": "import asyncio\ntry:\n    open({flag!r}, 'w').close()\n    await asyncio.sleep({wait})\n"
        "    r = 'whole'\nexcept BaseException:\n    r = 'cut short'\nr",
    }
    with notebook.kernel() as nb:
        nb.run("import time")
        for name, cell in cells.items():
            flag = notebook.work / name
            text = "%%incremental\n" + cell.format(flag=name, wait=2)
            request = nb.kernel.start(text)
            for _ in range(200):
                if flag.exists():
                    break
                time.sleep(0.05)
            time.sleep(0.2)
            nb.kernel.interrupt()
            nb.kernel.wait(request, text)
            decision = notebook.decisions()[-1]
            assert nb.run("r").result == {"text/plain": "'cut short'"}, name
            assert any("SIGINT" in r["detail"] for r in decision["reasons"]), decision
            assert nb.status(text) == "executed"
            assert nb.run("r").result == {"text/plain": "'whole'"}, name
