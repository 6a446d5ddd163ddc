"""One item in another process: what it gives, and what was seen of it there.

A worker writes nothing. It watches the item as a cell is watched, and hands back what it saw; whoever asked judges and
records. What the function relies on must be the same there: the version of Python, packages, modules of the project,
ambient state. That is asked by the very locators that the caller found, once for each function that is sent; values and
functions of the notebook travel with the function. Where something differs the result is used and not recorded.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FunctionType, SimpleNamespace
from typing import Any, cast, final

from incnb.dependencies import Closure, Environment, Found, ambient, bindings, config
from incnb.dependencies.ways import CodeKey, code_key
from incnb.engine import jitter
from incnb.engine import scene as scenes
from incnb.engine.callee import CONFIG
from incnb.engine.configured import Configured
from incnb.engine.invariants import Invariants
from incnb.engine.slices import Seen
from incnb.fingerprint import Unfingerprintable, fingerprint
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.graph import TooLarge, mutable_objects
from incnb.model import Dependency, Kind
from incnb.outputs.threads import by_ident

_TRAVELS = ("call:", "key:", config.ASKED)
#: Which messages are shown is a matter of each process; only warnings that are errors change what an item does.
_LOGGER = "the root logger"
KEPT = 8  # functions that a worker remembers


@dataclass(slots=True)
class Job:
    """A function as it is sent: pickled with its settings, and what it relies on where it comes from."""

    name: str
    digest: bytes
    function: bytes
    relied: Sequence[tuple[Kind, str, str]]
    errors: set[str]  # the warnings that are errors there


@dataclass(slots=True)
class Answer:
    """What became of one item. `value` is the pickled result, or the pickled error."""

    value: bytes
    failed: bool = False
    traceback: str = ""
    seconds: float = 0.0
    seen: Seen = field(default_factory=Seen)
    ran: list[CodeKey] | None = None
    told: list[Any] = field(default_factory=list)  # events, as the watch tells them
    differs: str = ""


@final
class _Function:
    """A function that came here, and what it relies on here."""

    def __init__(self, job: Job):
        self.function, settings, takes = pickle.loads(job.function)
        self.keywords = {CONFIG: settings} if takes else {}
        self.differs = ""
        scope = self.function.__globals__ if isinstance(self.function, FunctionType) else {}
        main = scope if scope.get("__name__") == "__main__" else sys.modules["__main__"].__dict__
        environment = Environment(main, configured=Configured({}).of)
        found: dict[tuple[Kind, str], Found] = {}
        for kind, locator, fp in job.relied:
            if locator.startswith(_TRAVELS) or (kind is Kind.CONFIG and locator == CONFIG):
                continue
            now = environment.resolve(kind, locator)
            travels = kind in (Kind.VALUE, Kind.CODE, Kind.CONFIG) and bindings.notebook_name(_plain(locator))
            if locator == _LOGGER or (locator == ambient.FILTERS and job.errors == errors_of_warnings()):
                travels = locator
            if not travels and now.fp != fp and not self.differs:
                self.differs = f"{kind.value} {locator} is another one there" + (f" ({now.shown})" if now.shown else "")
            found[kind, locator] = Found(Dependency(kind, locator, now.fp or "", now.shown), now.value)
        self.values = [one.value for one in found.values()]
        self._invariants = Invariants(cast(Closure, SimpleNamespace(found=found)), environment)

    def stands(self) -> bool:
        """Whether nothing that it reads moved since it came."""
        if self._invariants.read_moved() is not None:
            return False
        self._invariants.from_now()
        return True

    def moved(self) -> str | None:
        return self._invariants.moved()


def errors_of_warnings() -> set[str]:
    """Which warnings end an item; those that the completer of IPython raises to itself do not."""
    found = [
        entry for entry in warnings.filters if entry[0] == "error" and not entry[2].__module__.startswith("IPython")
    ]
    return {repr((entry[1], entry[2], entry[3], entry[4])) for entry in found}


def _plain(locator: str) -> str:
    for prefix in (bindings.PRESENCE, bindings.DOCSTRING, bindings.SIGNATURE, bindings.TYPE):
        locator = locator.removeprefix(prefix)
    return locator


_known: dict[bytes, _Function] = {}
_lock = threading.Lock()
_busy = 0


def work(job: Job, item: bytes) -> Answer:
    """Run one item; called by executors in other processes."""
    global _busy
    with scenes.entered() as scene:
        scene.start()
        with _lock:
            if not _busy:
                me = threading.current_thread()
                scene.watch.lets = by_ident(t for t in threading.enumerate() if t is not me)
            _busy += 1
            was = scene.watch.turn(aside=True)
        try:
            return _work(job, item, scene)
        finally:
            scene.watch.turn(aside=was)
            with _lock:
                _busy -= 1


def _work(job: Job, item: bytes, scene: scenes.Scene) -> Answer:
    with _lock:
        function = _known.get(job.digest)
        jitter.apart()  # for good: this process is Dask's
        if function is None or (_busy == 1 and not function.stands()):
            while len(_known) >= KEPT:
                del _known[next(iter(_known))]
            function = _known[job.digest] = _Function(job)
    value = pickle.loads(item)
    before = _digest(value)
    part = scene.parts.begin()
    began = time.perf_counter()
    scene.watch.turn(aside=False)
    failed = False
    try:
        result = function.function(value, **function.keywords)
    except Exception as error:
        failed, result = True, error
    finally:
        scene.watch.turn(aside=True)
        seconds = time.perf_counter() - began
        codes = [scene.watch.started.code(ident) for ident in part.ran]
        told = list(part.told)
        seen = scene.parts.end(part, [value])
    answer = Answer(b"", failed, seconds=seconds, seen=seen, told=told, differs=function.differs)
    answer.ran = None if seen.ran is None else [code_key(code) for code in codes]
    seen.ran = None
    if not seen.trouble:
        seen.trouble = function.moved() or ""
        if before is not None and _digest(value) != before:
            seen.trouble = f"{job.name}() changes what it is given"
        elif not failed and _shares(result, [value, *function.values]):
            seen.trouble = "the result holds a part of what it was made from, which is a copy in another process"
    if failed:
        answer.traceback = "".join(traceback.format_exception(result))
        answer.value = _pickled_error(result)
    else:
        answer.value = dumps(result)
    return answer


def dumps(value: Any) -> bytes:
    """A pickle in which functions and classes of notebooks travel along."""
    import cloudpickle

    data: bytes = cloudpickle.dumps(value)
    return data


def _pickled_error(error: BaseException) -> bytes:
    try:
        data = dumps(error)
        pickle.loads(data)
        return data
    except Exception:  # an error of the user's own may be anything
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _digest(value: Any) -> bytes | None:
    try:
        return fingerprint([value])
    except Unfingerprintable:
        return None


def _shares(result: Any, others: list[Any]) -> bool:
    """Whether a result holds an object that can be changed through something else."""
    if type(result) in ATOMS:
        return False
    try:
        own = {id(value) for value, _ in mutable_objects(result, set())}
        return bool(own) and any(id(v) in own for other in others for v, _ in mutable_objects(other, set()))
    except TooLarge:
        return True


def pid() -> int:
    """Where this runs."""
    return os.getpid()
