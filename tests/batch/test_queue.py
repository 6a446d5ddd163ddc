"""The queue of the refresher, rule by rule. The clock is the test's; nothing sleeps but for a bound on a failure."""

from __future__ import annotations

import dis
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incnb.batch.queue import BACK_OFF, DAY, Queue, Refused, Report, Thresholds

BOUND = 20.0


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """A job that the test lets go on: `gate` closed makes each run wait at its beginning."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Semaphore(0)
        self.error: Exception | None = None
        self.report = Report(3, 1, 0, 0.5)
        self.cancelled: list[str] = []

    def __call__(self, key: str, cancelled: threading.Event) -> Report:
        self.runs.append(key)
        self.began.release()
        deadline = time.monotonic() + BOUND
        while not self.gate.wait(0.002) and time.monotonic() < deadline:
            if cancelled.is_set():
                self.cancelled.append(key)
                return Report()
        if self.error is not None:
            raise self.error
        return self.report

    def wait_begun(self) -> None:
        assert self.began.acquire(timeout=BOUND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work() -> Work:
    return Work()


Make = Callable[..., Queue]


@pytest.fixture
def make(clock: Clock, work: Work) -> Iterator[Make]:
    made: list[Queue] = []

    def one(changes: int = 3, days: float = 7, min_changes: int = 2, **more: Any) -> Queue:
        made.append(Queue(more.pop("job", work), Thresholds(changes, days, min_changes), clock=clock, **more))
        return made[-1]

    yield one
    work.gate.set()
    for queue in made:
        queue.stop(0)


def notify(queue: Queue, times: int, key: str = "a") -> None:
    for _ in range(times):
        queue.notify(key)


def count(queue: Queue, key: str = "a") -> int:
    pending: int = queue.status()["keys"][key]["pending"]
    return pending


# -- when it fires


def test_it_fires_when_enough_changes_came_together(make: Make, work: Work) -> None:
    queue = make(changes=3)
    queue.start()
    notify(queue, 2)
    assert queue.drain(BOUND) and work.runs == []
    notify(queue, 1)
    assert queue.drain(BOUND) and work.runs == ["a"]


def test_zero_changes_means_every_notify(make: Make, work: Work) -> None:
    queue = make(changes=0)
    queue.start()
    queue.adopt("a")
    queue.check()
    assert queue.drain(BOUND) and work.runs == []  # but not without any
    for runs in (1, 2):
        notify(queue, 1)
        assert queue.drain(BOUND) and len(work.runs) == runs


def test_an_old_run_needs_fewer_changes(make: Make, work: Work, clock: Clock) -> None:
    queue = make(changes=3, days=7, min_changes=2)
    queue.start()
    notify(queue, 3)
    assert queue.drain(BOUND) and len(work.runs) == 1
    notify(queue, 2)
    clock.now += 7 * DAY
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 1  # not older than that
    clock.now += 1
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 2


def test_an_old_run_with_too_few_changes_stays(make: Make, work: Work, clock: Clock) -> None:
    queue = make(changes=3, days=7, min_changes=2)
    queue.start()
    queue.ran("a", clock.now)
    clock.now += 30 * DAY
    notify(queue, 1)
    assert queue.drain(BOUND) and work.runs == []
    notify(queue, 1)  # looked at with every notify
    assert queue.drain(BOUND) and work.runs == ["a"]


def test_what_never_ran_is_not_old(make: Make, work: Work, clock: Clock) -> None:
    queue = make(changes=3, days=7, min_changes=1)
    queue.start()
    notify(queue, 2)
    clock.now += 1000 * DAY
    queue.check()
    assert queue.drain(BOUND) and work.runs == []


def test_the_clock_is_looked_at_without_a_notify(make: Make, work: Work, clock: Clock) -> None:
    queue = make(changes=3, days=7, min_changes=1, every=0.01)
    queue.ran("a", clock.now)
    queue.start()
    notify(queue, 1)
    assert queue.drain(BOUND) and work.runs == []
    clock.now += 8 * DAY
    work.wait_begun()


def test_it_is_looked_at_every_minute_by_default(work: Work) -> None:
    assert Queue(work)._every == 60


def test_the_thresholds_of_the_design_are_the_default(work: Work) -> None:
    assert Queue(work)._thresholds == Thresholds(50, 7, 10)


# -- one run at a time


def test_a_queued_key_is_not_queued_again(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1, "first")
    work.wait_begun()
    notify(queue, 5)
    assert queue.status()["queued"] == ["a"]
    work.gate.set()
    assert queue.drain(BOUND) and work.runs == ["first", "a"] and count(queue) == 0


def test_what_comes_while_it_runs_makes_one_more_run(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1)
    work.wait_begun()
    notify(queue, 7)
    assert queue.status()["queued"] == []
    work.gate.set()
    assert queue.drain(BOUND) and work.runs == ["a", "a"] and count(queue) == 0


def test_what_comes_while_it_runs_and_is_not_enough_waits(make: Make, work: Work) -> None:
    queue = make(changes=3)
    work.gate.clear()
    queue.start()
    notify(queue, 3)
    work.wait_begun()
    notify(queue, 2)
    work.gate.set()
    assert queue.drain(BOUND) and work.runs == ["a"] and count(queue) == 2


def test_a_storm_from_many_threads_ends_in_one_run_and_at_most_one_behind_it(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    together = threading.Barrier(8)

    def blow() -> None:
        together.wait(BOUND)
        notify(queue, 500)

    threads = [threading.Thread(target=blow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    work.gate.set()
    assert queue.drain(BOUND) and len(work.runs) in (1, 2) and count(queue) == 0


def test_no_notify_of_many_threads_is_lost(make: Make) -> None:
    queue = make()
    threads = [threading.Thread(target=notify, args=(queue, 1000)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert count(queue) == 8000


def test_when_it_is_full_one_warning_is_given_and_the_count_stays(make: Make, work: Work) -> None:
    told: list[str] = []
    queue = make(changes=1, limit=2, told=lambda event, key, about: told.append(event))
    work.gate.clear()
    queue.start()
    notify(queue, 1, "running")
    work.wait_begun()
    for key in ("b", "c", "d", "e", "d"):
        notify(queue, 1, key)
    assert queue.status()["queued"] == ["b", "c"]
    assert (count(queue, "d"), count(queue, "e")) == (2, 1)
    work.gate.set()
    assert queue.drain(BOUND)
    queue.check()
    assert queue.drain(BOUND)
    assert sorted(work.runs) == ["b", "c", "d", "e", "running"] and told.count("full") == 1


def test_a_hundred_may_wait_by_default(work: Work) -> None:
    assert Queue(work)._limit == 100


# -- starting and stopping


def test_before_it_is_started_and_after_it_was_stopped_it_only_counts(make: Make, work: Work) -> None:
    queue = make(changes=1)
    notify(queue, 2)
    assert queue.drain(BOUND) and work.runs == []
    queue.start()
    assert queue.drain(BOUND)
    assert queue.stop(BOUND)
    runs = list(work.runs)
    notify(queue, 4)
    assert queue.drain(BOUND) and work.runs == runs and count(queue) == 4


def test_starting_again_deals_with_what_was_counted(make: Make, work: Work) -> None:
    queue = make(changes=2)
    for runs in (1, 2, 3):
        queue.start()
        queue.start()
        assert len([t for t in threading.enumerate() if t is queue._thread]) == 1
        notify(queue, 2)
        assert queue.stop(BOUND) and len(work.runs) == runs
        queue.stop(0)
        assert queue._thread is None


def test_stopping_with_time_drains(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1, "a")
    work.wait_begun()
    notify(queue, 1, "b")
    threading.Timer(0.02, work.gate.set).start()
    assert queue.stop(BOUND) and work.runs == ["a", "b"]


def test_stopping_at_once_cancels_and_keeps_the_counts(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1, "a")
    work.wait_begun()
    notify(queue, 1, "b")
    assert not queue.stop(0)
    assert work.runs == work.cancelled == ["a"]
    assert (count(queue, "a"), count(queue, "b")) == (1, 1)
    assert queue.status()["queued"] == [] and queue.status()["keys"]["a"]["failures"] == 0
    work.gate.set()
    queue.start()
    assert queue.drain(BOUND) and sorted(work.runs[1:]) == ["a", "b"]


def test_draining_covers_the_running_job(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1)
    work.wait_begun()
    assert not queue.drain(0)
    work.gate.set()
    assert queue.drain(BOUND) and count(queue) == 0


# -- what a job comes to


def test_a_success_takes_off_what_was_seen_at_its_start(make: Make, work: Work) -> None:
    queue = make(changes=5)
    work.gate.clear()
    queue.start()
    notify(queue, 5)
    work.wait_begun()
    notify(queue, 1)
    work.gate.set()
    assert queue.drain(BOUND) and count(queue) == 1


@pytest.mark.parametrize("how", ["raises", "reports"])
def test_a_failure_takes_nothing_off_and_backs_off(make: Make, work: Work, clock: Clock, how: str) -> None:
    queue = make(changes=2)
    work.error = ValueError("no luck") if how == "raises" else None
    work.report = Report(1, 0, 1, 0.1)
    queue.start()
    notify(queue, 2)
    assert queue.drain(BOUND) and len(work.runs) == 1 and count(queue) == 2
    notify(queue, 2)
    assert queue.drain(BOUND) and len(work.runs) == 1 and count(queue) == 4  # not yet
    clock.now += BACK_OFF
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 2
    clock.now += BACK_OFF
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 2  # twice as long
    clock.now += BACK_OFF
    work.error, work.report = None, Report(2)
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 3 and count(queue) == 0
    notify(queue, 2)
    assert queue.drain(BOUND) and len(work.runs) == 4  # a success ends it


def test_after_a_failure_nothing_follows_at_once(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.error = ValueError("no luck")
    work.gate.clear()
    queue.start()
    notify(queue, 1)
    work.wait_begun()
    notify(queue, 5)
    work.gate.set()
    assert queue.drain(BOUND) and work.runs == ["a"] and count(queue) == 6


def test_a_job_that_refuses_is_said_and_is_no_failure(make: Make, work: Work) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    queue = make(changes=1, told=lambda event, key, about: told.append((event, about)))
    work.error = Refused("it wrote out.csv")
    queue.start()
    notify(queue, 1)
    assert queue.drain(BOUND) and count(queue) == 1
    known = queue.status()["keys"]["a"]
    assert known["skipped"] == "it wrote out.csv" and known["report"] is None
    assert told == [("start", {"pending": 1}), ("skip", {"why": "it wrote out.csv"})]


def test_a_run_by_somebody_else_ends_what_holds_a_key_back(make: Make, work: Work, clock: Clock) -> None:
    queue = make(changes=1)
    work.error = Refused("it wrote out.csv")
    queue.start()
    notify(queue, 1)
    assert queue.drain(BOUND)
    work.error = None
    queue.ran("a", clock.now - 1)  # that was before it was refused
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 1
    queue.ran("a", clock.now + 1)
    queue.check()
    assert queue.drain(BOUND) and len(work.runs) == 2 and count(queue) == 0


def test_each_job_reports(make: Make, work: Work) -> None:
    told: list[dict[str, Any]] = []
    queue = make(changes=1, told=lambda event, key, about: told.append(about) if event == "end" else None)
    queue.start()
    notify(queue, 1)
    assert queue.drain(BOUND)
    assert told == [{"verified": 3, "refreshed": 1, "failed": 0, "seconds": 0.5}]
    assert queue.status()["keys"]["a"]["report"] == told[0]


def test_a_listener_that_fails_stops_nothing(make: Make, work: Work) -> None:
    def told(event: str, key: str, about: dict[str, Any]) -> None:
        raise OSError("nobody listens")

    queue = make(changes=1, told=told)
    queue.start()
    for runs in (1, 2):
        notify(queue, 1)
        assert queue.drain(BOUND) and len(work.runs) == runs


# -- what is kept


def test_counts_survive_a_restart(make: Make, work: Work, tmp_path: Path) -> None:
    first = make(changes=5, folder=tmp_path / "state")
    first.start()
    notify(first, 3)
    first.stop()
    second = make(changes=5, folder=tmp_path / "state")
    second.start()
    notify(second, 2)  # before it can have read the file
    work.wait_begun()
    assert second.drain(BOUND) and work.runs == ["a"] and count(second) == 0


def test_the_time_of_the_last_run_and_the_back_off_survive_a_restart(
    make: Make, work: Work, tmp_path: Path, clock: Clock
) -> None:
    first = make(changes=1, min_changes=1, folder=tmp_path)
    work.error = ValueError("no luck")
    first.start()
    first.ran("a", clock.now)
    notify(first, 1)
    assert first.drain(BOUND)
    first.stop()
    second = make(changes=1, min_changes=1, folder=tmp_path)
    second.adopt("a")
    second.start()
    second.check()
    assert second.drain(BOUND) and len(work.runs) == 1
    known = second.status()["keys"]["a"]
    assert (known["failures"], known["last"], known["report"]["why"]) == (1, clock.now, "ValueError: no luck")


def test_what_was_counted_is_on_disk_soon_without_a_stop(make: Make, tmp_path: Path) -> None:
    queue = make(changes=50, folder=tmp_path)
    queue.start()
    notify(queue, 3)
    deadline = time.monotonic() + BOUND
    while time.monotonic() < deadline:
        found = [json.loads(file.read_text())["count"] for file in tmp_path.glob("*.json")]
        if found == [3]:
            break
        time.sleep(0.01)
    assert found == [3]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 9}', '{"v": 1, "key": "a", "count": "x"}', "9" * 100_000])
def test_a_damaged_state_is_as_none(make: Make, work: Work, tmp_path: Path, text: str) -> None:
    first = make(folder=tmp_path)
    first.start()
    notify(first, 1)
    first.stop()
    (file,) = tmp_path.glob("*.json")
    file.write_text(text)
    second = make(folder=tmp_path)
    second.adopt("a")
    assert count(second) == 0


def test_a_state_that_cannot_be_written_stops_nothing(make: Make, work: Work, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    queue = make(changes=1, folder=tmp_path / "file" / "below")
    queue.start()
    notify(queue, 1)
    assert queue.drain(BOUND) and work.runs == ["a"]


# -- what it costs


def test_a_notify_takes_one_lock_and_touches_no_file(make: Make, tmp_path: Path, monkeypatch: Any) -> None:
    queue = make(changes=10**9, folder=tmp_path)
    names = {ins.argval for ins in dis.get_instructions(Queue.notify) if isinstance(ins.argval, str)}
    assert not names & {"_read", "_save", "_tell", "_file", "open"}
    assert sum(ins.opname in ("BEFORE_WITH", "LOAD_SPECIAL") for ins in dis.get_instructions(Queue.notify)) in (1, 2)
    queue.start()
    times = []
    for _ in range(2000):
        began = time.perf_counter()
        queue.notify("a")
        times.append(time.perf_counter() - began)
    assert sorted(times)[len(times) // 2] < 0.001
    queue.stop()


def test_a_notify_does_not_wait_for_a_running_job(make: Make, work: Work) -> None:
    queue = make(changes=1)
    work.gate.clear()
    queue.start()
    notify(queue, 1)
    work.wait_begun()
    began = time.perf_counter()
    notify(queue, 100)
    assert time.perf_counter() - began < 1
    assert not work.gate.is_set() and work.runs == ["a"]
