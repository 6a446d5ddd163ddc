"""Several notebooks at once, each with a kernel of its own, all on one store.

One thread for each kernel that runs at a time: nbclient waits in it. The main thread takes what they have done, and
signals, from one queue: a signal that raised wherever the main thread happens to be could lose what a thread has done.
A notebook that fails stops none of the others; Ctrl-C ends all kernels, a second one kills them, and does not wait long
for a thread that is held up otherwise (it opened a pipe that nobody reads).
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from incnb.batch.run import Outcome, Running

STATUSES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
if hasattr(signal, "SIGHUP"):  # the terminal is gone
    STATUSES[signal.SIGHUP] = 129
PATIENCE = 5.0  # seconds for kernels that were killed
Task = tuple[Path, str, Callable[[Running], Outcome]]  # the notebook, what the person called it, and how it is executed
News = queue.SimpleQueue[tuple[int, Outcome] | int]


def follow(
    tasks: Sequence[Task], jobs: int, begun: Callable[[int, Running], None], done: Callable[[int, Outcome], None]
) -> tuple[list[Outcome], int]:
    """Execute all, `jobs` at a time: an outcome for each, and the status that a signal asks for (0: there was none).

    `begun` and `done` are called in the calling thread, with the place of the task.
    """
    news: News = queue.SimpleQueue()
    waiting = list(range(len(tasks)))[::-1]
    outcomes: dict[int, Outcome] = {}
    running: dict[int, Running] = {}
    status, patience = 0, None
    with _signals(news):
        while waiting or running:
            while waiting and len(running) < jobs:
                place = waiting.pop()
                running[place] = Running(tasks[place][1])
                begun(place, running[place])
                threading.Thread(target=_work, args=(tasks[place], place, running[place], news), daemon=True).start()
            try:
                told = news.get(timeout=patience)
            except queue.Empty:
                break
            if isinstance(told, tuple):
                place, outcome = told
                del running[place]
                outcomes[place] = outcome
                done(place, outcome)
                continue
            waiting.clear()
            for execution in running.values():
                execution.end()
                if status:  # a person who says so twice does not want to wait
                    execution.kill()
                    patience = PATIENCE
            status = told
    left = [
        outcomes.get(place) or Outcome(path, (), 0.0, interrupted=True, status=status)
        for place, (path, _, _) in enumerate(tasks)
    ]
    return left, status


def _work(task: Task, place: int, execution: Running, news: News) -> None:
    path, _, run = task
    try:
        outcome = run(execution)
    except BaseException as fault:  # or the main thread would wait for ever
        line = f"{path}: {type(fault).__name__}: {fault}"
        outcome = Outcome(path, (), 0.0, error=line, brief=line, status=1)
    news.put((place, outcome))


@contextmanager
def _signals(news: News) -> Iterator[None]:
    """What asks the process to end is put into the queue meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # one that is ignored (nohup, a job in the background) stays so; one of None is not Python's
    before = {number: signal.getsignal(number) for number in STATUSES}
    before = {number: was for number, was in before.items() if was not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, lambda got, frame: news.put(STATUSES[got]))
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
