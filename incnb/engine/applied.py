"""Calls of one function, told apart like the items of a loop: looked up, run once, recorded.

The engine is that of loops (`Logic`, `Pass`, `Packer`, `Keys`); what differs is that calls may overlap and may be part
of each other, so each is watched apart (`Parts`), and that of equal calls one runs while the others wait for it. Those
that waited take what it recorded. If it recorded nothing (it failed, it drew random numbers) they run themselves: their
results may be others.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, final

from incnb import config
from incnb.dependencies import Closure, Environment, bindings
from incnb.dependencies.config import Readings
from incnb.dependencies.ways import CodeKey, code_key
from incnb.engine.callee import Callee
from incnb.engine.itemkeys import Keys
from incnb.engine.logic import Logic
from incnb.engine.passes import Pass
from incnb.engine.payload import Outcome, Packed, Packer
from incnb.engine.scene import Scene
from incnb.engine.slices import Seen
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Code, Dependency, IncnbError, Kind, Reason
from incnb.outputs.apart import part_of
from incnb.outputs.events import replay as play
from incnb.store import LoadError, StoreError

_LOOKUP_ERRORS = (StoreError, LoadError, LookupError, ValueError, EOFError, TypeError, AttributeError)


@final
class Flight:
    """A call that is under way. `kept`: what it gave can be looked up."""

    __slots__ = ("done", "kept", "thread")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.kept = False
        self.thread = threading.get_ident()


@final
class Asked:
    """A call before it runs: its key, and what it is made of."""

    __slots__ = ("flight", "key", "mutable", "roots", "value")

    def __init__(self, value: Any, key: bytes | None, roots: Sequence[Any], *, mutable: bool):
        self.value = value
        self.key = key
        self.roots = roots
        self.mutable = mutable
        self.flight: Flight | None = None


@final
class Applied:
    """The calls of one function below one watch. `place` is what people are told of them."""

    open = False

    def __init__(self, callee: Callee, scene: Scene, place: str, *, reuse: bool = True):
        self.callee = callee
        self.scene = scene
        self.place = place
        self.passed: Pass | None = None
        self.off: Reason | None = None
        self.lock = threading.RLock()
        self.folder = callee.folder  # what its items are kept under
        self._reuse = reuse
        self._flights: dict[bytes, Flight] = {}
        self._closed = False
        self._elsewhere: list[Dependency] = []
        self._codes: dict[int, CodeType] = {}  # that ran elsewhere
        self._expected: dict[CodeKey, CodeType] | None = None
        self._ran: list[CodeType] = []
        self._met: list[Dependency] = []
        self._configs: list[str] = []

    @property
    def problem(self) -> str:
        """Why calls could not be saved, or some of them, in words."""
        tally = self.passed.tally if self.passed is not None else None
        off = self.off or (tally.off if tally is not None else None)
        if off is not None:
            return f"calls are not saved: {off.detail or off.locator}"
        if tally is not None and tally.unsaved:
            why, count = tally.unsaved.most_common(1)[0]
            return f"{count} call{'s' if count > 1 else ''} could not be saved: {why}"
        return ""

    # -- before the first call

    def begin(self) -> None:
        """Find what a call relies on. `off` says why calls are not told apart, if they are not."""
        was = self.scene.watch.turn(aside=True)
        try:
            self._begin()
        except Exception as error:
            self.fault(error)
        finally:
            self.scene.watch.turn(aside=was)

    def _begin(self) -> None:
        scene, callee = self.scene, self.callee
        environment = scene.environment()
        closure = callee.follow(environment, scene.options.ignore, watched=scene.sees)
        logic = Logic(environment, closure, scene.options)
        hidden = getattr(scene.shell, "user_ns_hidden", ())
        self.off = logic.problem(lambda word: word in scene.namespace and word not in hidden)
        if self.off is None and closure.stores:
            name = sorted(closure.stores)[0]
            self.off = Reason(Code.NOT_SAVED, "item", name, f"`{name}` is bound by a function that is called")
        if self.off is not None:
            return
        self._packer = Packer(scene.store, scene.namespace, lambda: logic.inputs)
        self._keys = Keys.whole(logic, scene.namespace)
        items = scene.items(callee.folder)
        options = scene.options
        self.passed = Pass(items, logic, self._packer, self._code, reuse=self._reuse, ttl=options.ttl, once=True)

    def _code(self, ident: int) -> CodeType:
        return self._codes.get(ident) or self.scene.watch.started.code(ident)

    def stands(self, scene: Scene) -> bool:
        """Whether all that a call relies on is as it was; then the calls of another watch go on from here."""
        passed, before = self.passed, self.scene
        if passed is None or not passed.on or self._closed:
            return False
        if before is not scene:
            apart = before.run is not None or scene.run is not None
            if apart or before.session is not scene.session or before.namespace is not scene.namespace:
                return False
        was = scene.watch.turn(aside=True)
        try:
            if not passed.logic.stands():
                return False
        finally:
            scene.watch.turn(aside=was)
        self.scene = scene
        return True

    def settle(self) -> None:
        """Write what has run, if nothing moved."""
        passed = self.passed
        if passed is None or not passed.pending:
            return
        was = self.scene.watch.turn(aside=True)
        try:
            with self.lock:
                passed.settle()
        except Exception as error:
            self.fault(error)
        finally:
            self.scene.watch.turn(aside=was)

    # -- one call

    def call(self, value: Any, run: Callable[[], Any]) -> Any:
        """What `run()` gives, or gave when it ran for an equal `value`."""
        __tracebackhide__ = True
        asked, packed = self.ask(value)
        if packed is not None:
            return packed.effects[0][1][0]
        return self.execute(asked, run)

    def execute(self, asked: Asked, run: Callable[[], Any]) -> Any:
        """Run what was not found, and record it."""
        __tracebackhide__ = True
        if self.passed is None:
            return run()
        scene = self.scene
        turn = scene.watch.turn
        was = turn(aside=True)
        scene.start()
        part = scene.parts.begin()
        began = time.perf_counter()
        turn(aside=was)
        try:
            result = run()
        except BaseException:
            turn(aside=True)
            try:
                self.failed(asked, scene.parts.end(part, asked.roots))
            finally:
                turn(aside=was)
            raise
        seconds = time.perf_counter() - began
        turn(aside=True)
        try:
            self.ended(asked, result, scene.parts.end(part, asked.roots), seconds)
        finally:
            turn(aside=was)
        return result

    def ask(self, value: Any, *, alone: bool = False) -> tuple[Asked, Packed | None]:
        """Look a call up; while an equal one is under way, wait for it. What is found is loaded and shown.

        `alone`: whoever asks sees to equal calls himself.
        """
        __tracebackhide__ = True
        turn = self.scene.watch.turn
        was = turn(aside=True)
        try:
            waited: Flight | None = None
            while True:
                asked, packed, flight = self._ask(value, waited, alone=alone)
                if flight is None:
                    return asked, packed
                flight.done.wait()
                waited = flight
        finally:
            turn(aside=was)

    def _ask(self, value: Any, waited: Flight | None, *, alone: bool) -> tuple[Asked, Packed | None, Flight | None]:
        with self.lock:
            asked = Asked(value, None, [value], mutable=True)
            passed = self.passed
            if passed is None:
                return asked, None, None
            try:
                key = self._keys.of(value)
                asked = Asked(value, key, list(self._keys.roots), mutable=self._keys.mutable)
                if key is None:
                    passed.unsaved(self._keys.problem)
                    return asked, None, None
                known = self._flights.get(key)
                if known is not None and known is not waited and known.thread != threading.get_ident():
                    return asked, None, known
                packed = self._find(asked)
            except Exception as error:
                self.fault(error)
                return asked, None, None
            if packed is None and not alone and (waited is None or waited.kept):
                asked.flight = self._flights[key] = Flight()
            return asked, packed, None

    def _find(self, asked: Asked) -> Packed | None:
        passed = self.passed
        assert passed is not None and asked.key is not None
        try:
            packed = passed.find(asked.key)
            if packed is None:
                return None
            if packed.groups is not None:
                self._packer.load(packed, asked.roots)
        except _LOOKUP_ERRORS as error:
            asked.key = None
            passed.tally.why[Reason(Code.UNRESTORABLE, "item", "", str(error) or type(error).__name__)] += 1
            return None
        self._rely(asked)
        if packed.events:
            play(self.scene.shell, packed.shown())
        return packed

    def _rely(self, asked: Asked) -> None:
        """What a reused call relied on, its caller relies on: an outer call, and the cell."""
        passed = self.passed
        assert passed is not None
        part = part_of(self.scene.watch)
        (self.scene.watch if part is None else part).taken += passed.latest
        listener = config._listener
        if isinstance(listener, Readings) and type(asked.value) not in ATOMS:
            listener.unheard()

    # -- after it

    def ended(self, asked: Asked, result: Any, seen: Seen, seconds: float, *, elsewhere: bool = False) -> None:
        """A call has come to its end; what it gave is recorded if it can be."""
        passed = self.passed
        if passed is None:
            return
        with self.lock:
            try:
                looked = not elsewhere and asked.mutable and asked.key is not None and not seen.trouble
                if looked and self._keys.of(asked.value) != asked.key:
                    seen.trouble = f"{self.callee.name}() changes what it is given"
                if seen.trouble:
                    passed.tally.executed += 1
                    passed.dirty()
                    passed.unsaved(seen.trouble)
                else:
                    passed.record(asked.key, Outcome([(0, (result,))], {}, (), seen.events, seen.own), seen, seconds,
                                  asked.roots)  # fmt: skip
            except Exception as error:
                self.fault(error)
        self.land(asked, kept=not seen.trouble)

    @property
    def environment(self) -> Environment:
        """What everything is here, while items run elsewhere."""
        return self.passed.logic.environment if self.passed is not None else self.scene.environment()

    def adopt(self, ran: list[CodeKey] | None, seen: Seen) -> str:
        """Take over which functions ran in another process; gives what is wrong with them."""
        passed = self.passed
        if ran is None or passed is None or passed.logic.closure.watched is None:
            return ""
        if self._expected is None:
            self._expected = expected(passed.logic.closure)
        found = set()
        for key in ran:
            code = self._expected.get(key)
            if code is None:
                return f"{key[1]}() ran in a worker, and nothing that is read leads to it"
            self._codes[id(code)] = code
            found.add(id(code))
        seen.ran = frozenset(found)
        return ""

    def took(self, found: list[Dependency]) -> None:
        """What was relied on in another process, the cell and an outer call rely on."""
        part = part_of(self.scene.watch)
        (self.scene.watch if part is None else part).taken += found
        self._elsewhere += found

    def spoilt(self, why: str) -> None:
        """What an item gave may be another thing next time, for all that could be seen: so may the cell."""
        if self.scene.run is not None:
            reason = Reason(Code.NOT_SAVED, "items", self.place, why)
            if reason not in self.scene.run.problems:
                self.scene.run.problems.append(reason)

    def failed(self, asked: Asked, seen: Seen) -> None:
        """A call has failed, or was interrupted."""
        with self.lock:
            try:
                if self.passed is not None:
                    self.passed.failed(Seen())
            except Exception as error:
                self.fault(error)
        self.land(asked, kept=False)

    def land(self, asked: Asked, *, kept: bool) -> None:
        """Those who wait for this call may go on."""
        flight = asked.flight
        if flight is None:
            return
        with self.lock:
            if asked.key is not None and self._flights.get(asked.key) is flight:
                del self._flights[asked.key]
            else:
                self._flights = {k: f for k, f in self._flights.items() if f is not flight}
        flight.kept = kept
        flight.done.set()

    # -- what the cell relies on thereby

    def close(self) -> None:
        """The calls have ended, in whatever way; idempotent."""
        passed = self.passed
        if self._closed or passed is None:
            return
        self._closed = True
        was = self.scene.watch.turn(aside=True)
        try:
            with self.lock:
                passed.close()
                self._ran = passed.ran()
                self._met = [*passed.files, *passed.met()] if passed.used else []
                self._configs = [p.locator for p, _ in passed.logic.closure.configs] if passed.used else []
                passed.release()
                passed.logic.let_go()
        except Exception as error:
            self.fault(error)
        finally:
            self.scene.watch.turn(aside=was)

    def end(self) -> None:
        """The cell has come to its end."""
        self.close()

    def reused(self) -> list[CodeType]:
        """The functions that reused calls had run."""
        return self._ran

    def add_to(self, closure: Closure) -> None:
        """What reused calls relied on beyond code and values, the cell relies on."""
        for dependency in [*self._met, *self._elsewhere]:
            closure.take(dependency)
        for locator in self._configs:
            if (Kind.CONFIG, bindings.TYPE + locator) in closure.found:
                closure.add(Kind.CONFIG, locator)
                closure.hold((Kind.CONFIG, locator))

    def fault(self, error: BaseException) -> None:
        """A fault of ours: calls run on as if nothing were told apart."""
        if os.environ.get("INCNB_DEBUG"):
            traceback.print_exception(error)
        what = error if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"
        reason = Reason(Code.NOT_SAVED, "item", "incnb", f"a fault of incnb: {what}")
        self.off = self.off or reason
        if self.passed is not None:
            self.passed.stop(reason)
        if self.scene.session is not None:
            self.scene.session.item_fault(error)


def expected(closure: Closure) -> dict[CodeKey, CodeType]:
    """The code that a closure expects to run, by what tells it apart."""
    found: dict[CodeKey, CodeType] = {}
    todo = list(closure.reached)
    while todo:
        code = todo.pop()
        found.setdefault(code_key(code), code)
        todo += [part for part in code.co_consts if isinstance(part, CodeType)]
    return found
