"""Items by others: threads of this process, processes of an executor, workers of a Dask cluster.

Threads share everything with the caller, so their items are told apart here, by thread. Another process is sent the
function (by cloudpickle, with what it reads of the notebook) and one item at a time, and answers with what was seen
there. Keys are made here and never from pickles, which differ from kernel to kernel. Whatever is recorded is recorded
here, when an answer arrives.
"""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import queue
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, final

import xxhash

from incnb.engine import jitter, worker
from incnb.engine import scene as scenes
from incnb.engine.applied import Applied, Asked
from incnb.engine.callee import Callee
from incnb.engine.lent import is_executor
from incnb.engine.worker import Answer, Job
from incnb.failed import Failed
from incnb.model import Dependency, IncnbError, Kind
from incnb.outputs.events import replay as play
from incnb.outputs.threads import by_ident

Call = Callable[[Any], Any]
Hole = Callable[[BaseException, int, Any], Failed]
_POOLS = ("loky", "multiprocessing", "concurrent.futures.process", "distributed")
_NAMES = ("QueueFeederThread", "QueueManagerThread", "ExecutorManagerThread", "IO loop", "Dask", "Profile", "Tornado")


class Others(Protocol):
    """Somebody who runs items."""

    def plainly(self, callee: Callee, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        """Run all, with nothing of ours. `hole` makes what stands for an item that fails; None: the error is raised."""

    def run(self, applied: Applied, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        """Run what is not found, and record it."""


def checked(executor: Any) -> Others:
    """Who is meant by `executor=`. Raises `TypeError`, `ValueError`, and `IncnbError` where a package is missing."""
    if isinstance(executor, int) and not isinstance(executor, bool):
        if executor < 1:
            raise ValueError(f"executor={executor}: at least one process is needed")
        try:
            from loky import get_reusable_executor
        except ImportError:
            raise IncnbError("executor=N needs loky: pip install 'incnb[parallel]'") from None
        return Processes(partial(get_reusable_executor, executor))
    if is_executor(executor) and not isinstance(executor, concurrent.futures.Executor):
        return Processes(lambda: executor, {"pure": False})
    if isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        return Threads(executor)
    if isinstance(executor, concurrent.futures.Executor):
        here = executor.submit(worker.pid).result() == os.getpid()
        return Threads(executor) if here else Processes(lambda: executor)
    raise TypeError(
        "executor is None, a number of processes, a concurrent.futures.Executor or a dask.distributed.Client, "
        f"not a {type(executor).__qualname__}"
    )


@final
class Threads:
    """An executor whose tasks run in this process."""

    def __init__(self, executor: concurrent.futures.Executor):
        self._executor = executor

    def plainly(self, callee: Callee, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        return self._gather(call, items, hole)

    def run(self, applied: Applied, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        return self._gather(lambda item: applied.call(item, partial(call, item)), items, hole)

    def _gather(self, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        __tracebackhide__ = True
        everything = list(items)
        futures = [self._executor.submit(call, item) for item in everything]
        results = []
        try:
            for number, (future, item) in enumerate(zip(futures, everything, strict=True)):
                try:
                    results.append(future.result())
                except Exception as error:
                    if hole is None:
                        raise
                    results.append(hole(error, number, item))
        finally:
            for future in futures:
                future.cancel()
            concurrent.futures.wait([future for future in futures if not future.cancelled()])
        return results


@final
class Processes:
    """Whoever runs tasks in other processes: `submit` of an executor, or of a client of Dask."""

    def __init__(self, executor: Callable[[], Any], options: dict[str, Any] | None = None):
        self._executor = executor
        self._options = options or {}

    def plainly(self, callee: Callee, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        __tracebackhide__ = True
        everything = list(items)
        executor = self._executor()
        futures = [executor.submit(_plainly, *_sent(callee, item), **self._options) for item in everything]
        results = []
        for number, (future, item) in enumerate(zip(futures, everything, strict=True)):
            try:
                results.append(future.result())
            except Exception as error:
                if hole is None:
                    raise
                results.append(hole(error, number, item))
        return results

    def run(self, applied: Applied, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        __tracebackhide__ = True
        everything = list(items)
        watch = applied.scene.watch
        was, lets = watch.turn(aside=True), watch.lets
        together = jitter.apart()
        try:
            return _Round(applied, self._executor, self._options, everything, hole).run()
        finally:
            together()
            watch.lets = lets
            watch.turn(aside=was)


@final
class _Round:
    """The items of one call of `incnb.map` on their way."""

    def __init__(
        self, applied: Applied, executor: Any, options: dict[str, Any], everything: list[Any], hole: Hole | None
    ):
        self._applied = applied
        self._options = options
        self._items = everything
        self._hole = hole
        self._make = executor
        self._executor: Any = None
        self._results: list[Any] = [None] * len(everything)
        self._errors: dict[int, BaseException] = {}
        self._twins: dict[bytes, list[int]] = {}  # equal items, that wait for the first of them
        self._answers: queue.SimpleQueue[tuple[int, Asked, Any]] = queue.SimpleQueue()
        self._flying: dict[int, Any] = {}
        self._job: Job | None = None
        self._random = random.getstate()

    def run(self) -> list[Any]:
        __tracebackhide__ = True
        try:
            for number in range(len(self._items)):
                self._begin(number)
                while not self._answers.empty():
                    self._take(*self._answers.get())
            while self._flying:
                self._watch_pools()
                try:
                    self._take(*self._answers.get(timeout=0.05))
                except queue.Empty:
                    continue
                if self._errors and self._hole is None:
                    break
        finally:
            self._end()
        if self._errors:
            raise self._errors[min(self._errors)]
        return self._results

    def _begin(self, number: int) -> None:
        """Look an item up, and send it if it is not found."""
        applied = self._applied
        self._calm()
        asked, packed = applied.ask(self._items[number], alone=True)
        if packed is not None:
            self._results[number] = packed.effects[0][1][0]
            return
        if asked.key is not None:
            waiting = self._twins.get(asked.key)
            if waiting is not None:
                waiting.append(number)
                return
            self._twins[asked.key] = []
        self._send(number, asked)

    def _send(self, number: int, asked: Asked) -> None:
        if self._executor is None:
            self._executor = self._make()
        if self._job is None:
            self._job = _job(self._applied)
        item = worker.dumps(self._items[number])
        self._watch_pools()
        future = self._executor.submit(worker.work, self._job, item, **self._options)
        self._flying[number] = future
        future.add_done_callback(lambda done: self._answers.put((number, asked, done)))

    def _watch_pools(self) -> None:
        """What the threads of pools do is not the user's doing: they start workers and talk to them."""
        self._applied.scene.watch.lets = by_ident(t for t in threading.enumerate() if _is_of_pool(t))

    def _take(self, number: int, asked: Asked, future: Any) -> None:
        """An item has come back."""
        self._calm()
        self._flying.pop(number, None)
        kept = False
        try:
            answer = future.result()
        except BaseException as error:  # of the pool: a worker died, what came back could not be read
            self._fails(number, error)
        else:
            kept = self._answer(number, asked, answer)
        for twin in self._twins.pop(asked.key, []) if asked.key is not None else []:
            again, packed = self._applied.ask(self._items[twin], alone=True) if kept else (asked, None)
            if packed is not None:
                self._results[twin] = packed.effects[0][1][0]
            elif self._hole is not None or not self._errors:
                asked_again = Asked(again.value, None, again.roots, mutable=again.mutable)
                self._send(twin, asked_again)

    def _calm(self) -> None:
        """Take back what a pool drew for itself (Dask does, to spread its messages): no item runs in this process."""
        if random.getstate() != self._random:
            random.setstate(self._random)

    def _fails(self, number: int, error: BaseException, text: str | None = None) -> None:
        if self._hole is None:
            self._errors[number] = error
            return
        hole = self._hole(error, number, self._items[number])
        self._results[number] = Failed(hole.error, hole.item, text or hole.traceback, number)

    def _answer(self, number: int, asked: Asked, answer: Answer) -> bool:
        applied = self._applied
        seen = answer.seen
        if seen.events:
            play(applied.scene.shell, seen.events)
        for event in answer.told:
            applied.scene.watch.note(event)
        applied.took([*seen.own, *seen.shared])
        if answer.failed:
            error = pickle.loads(answer.value)
            if hasattr(error, "add_note"):
                error.add_note(f"in another process:\n{answer.traceback}")
            applied.failed(asked, seen)
            self._fails(number, error, answer.traceback)
            return False
        result = self._results[number] = pickle.loads(answer.value)
        seen.trouble = seen.trouble or self._differs(answer)
        if not seen.trouble:
            seen.trouble = applied.adopt(answer.ran, seen)
        trouble = seen.trouble
        applied.ended(asked, result, seen, answer.seconds, elsewhere=True)
        if trouble:
            applied.spoilt(trouble)
        return not trouble

    def _differs(self, answer: Answer) -> str:
        """What is not there as it is here."""
        if answer.differs:
            scenes.say(f"{self._applied.place}: what a worker gives is used and not saved: {answer.differs}")
            return answer.differs
        environment = self._applied.environment
        for dependency in [*answer.seen.own, *answer.seen.shared]:
            here = environment.resolve(dependency.kind, dependency.locator)
            if here.fp != dependency.fp:
                return f"{dependency.locator} is another one in the worker"
        return ""

    def _end(self) -> None:
        """Nothing is waited for any more; what has come back meanwhile is kept."""
        for future in list(self._flying.values()):
            future.cancel()
        self._calm()
        while not self._answers.empty():
            number, asked, future = self._answers.get()
            self._flying.pop(number, None)
            if not future.cancelled() and self._errors:
                try:
                    answer = future.result()
                except BaseException:
                    continue
                self._answer(number, asked, answer)


def _job(applied: Applied) -> Job:
    callee = applied.callee
    function = worker.dumps((callee.function, callee.settings if callee.takes_config else None, callee.takes_config))
    closure = applied.passed.logic.closure if applied.passed is not None else None
    found: list[Dependency] = [f.dependency for f in closure.found.values()] if closure is not None else []
    relied = [(d.kind, d.locator, d.fp) for d in found if d.kind is not Kind.VERSION]
    digest = xxhash.xxh3_128_digest(function + repr(relied).encode("utf-8", "surrogatepass"))
    return Job(callee.name, digest, function, relied, worker.errors_of_warnings())


def _sent(callee: Callee, item: Any) -> tuple[bytes, bytes]:
    return worker.dumps((callee.function, callee.settings, callee.takes_config)), worker.dumps(item)


def _plainly(function: bytes, item: bytes) -> Any:
    call, settings, takes = pickle.loads(function)
    return call(pickle.loads(item), **({"config": settings} if takes else {}))


def _is_of_pool(thread: threading.Thread) -> bool:
    return type(thread).__module__.startswith(_POOLS) or thread.name.startswith(_NAMES)
