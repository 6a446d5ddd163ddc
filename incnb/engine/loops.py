"""A loop of a cell while it runs: what the rewritten body tells, and the generator that hands out its items.

The trick: the loop goes over a generator of ours, which hands out only the items that must run. For a reused item it
does to the live objects what the body did (append this, set that key, bind these names), shows what it showed, and goes
on. The body tells the operands of what it does outside; an item has come to its end when the next one is asked for. A
comprehension is handed every item, and takes the recorded element in place.

What does not do: withholding items of a comprehension withholds its elements; restoring the whole list at the end
loses the order of what is shown; looking ahead in the iterable moves what it reads. So items are taken one at a time,
and whatever the iterable itself does while it is advanced is the cell's doing and no item's.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import TYPE_CHECKING, Any

from incnb.analysis import analyse
from incnb.analysis.findings import NATIVE_READERS
from incnb.analysis.loops import Loop
from incnb.dependencies import Closure, bindings
from incnb.engine.itemeffects import fits, unfit
from incnb.engine.itemkeys import Keys, memory, reaches
from incnb.engine.iterators import is_plain, may_advance
from incnb.engine.live import Live, over
from incnb.engine.logic import Logic
from incnb.engine.passes import Pass
from incnb.engine.payload import Outcome, Packed, Packer
from incnb.engine.progress import Progress, has_bar, total_of
from incnb.engine.redoing import Redoing
from incnb.engine.roots import codes_of
from incnb.engine.slices import Slices
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.model import Code, Dependency, IncnbError, Kind, Reason, shorten
from incnb.outputs.variables import has_finalizer
from incnb.outputs.whose import is_seen
from incnb.store import LoadError, StoreError

if TYPE_CHECKING:
    from incnb.engine.record import Run
    from incnb.engine.session import Session


class ItemLoop(Redoing):
    """The hook of one `for` loop."""

    hit = False

    def __init__(self, spec: Loop, session: Session, run: Run, *, reuse: bool):
        super().__init__(spec, session, run)
        self.live: Live | None = None  # while it goes over a source
        self.off: Reason | None = None
        self.began = False
        self.open = False  # whether an item has begun, and not ended
        self._reuse = reuse
        self._progress: Progress | None = None
        self._closed = self._plain = False
        self._waiting: tuple[Any, Packed] | None = None  # found, and replayed when it is known that it is not the last
        self._ran: list[CodeType] = []
        self._met: list[Dependency] = []  # that reused items relied on, beside code and values
        self._configs: list[str] = []  # the Configs that they may have read
        self._key_now: bytes | None = None

    @property
    def place(self) -> str:
        """What people are told of it."""
        return f"the loop in line {self.spec.line}"

    def _item(self) -> str:
        return shorten(repr(self._keys.roots[0]), 60) if self._active else ""

    @property
    def folder(self) -> str:
        """What its items are kept under."""
        return self.spec.code

    # -- the items

    def items(self, iterable: Iterable[Any]) -> Iterator[Any]:
        """What the loop goes over instead of `iterable`."""
        __tracebackhide__ = True
        iterator = iter(iterable)
        self.began = True
        watch = self._run.watch
        if watch is None:
            return iterator
        was = watch.turn(aside=True)
        try:
            self._active = self._begin(iterable, iterator, sys._getframe(1).f_code)
        except Exception as error:
            self._fault(error)
        finally:
            watch.turn(aside=was)
        if self._active:
            return self._each(self.live if self.live is not None and self.live.reads else iterator)
        return self._holding(iterator) if self._run.options.keep_going else iterator

    def _holding(self, iterator: Iterator[Any]) -> Iterator[Any]:
        """Items that are not told apart, of which some may fail."""
        __tracebackhide__ = True
        for item in iterator:
            self._failed = None
            self._done = []
            yield item

    def _each(self, iterator: Iterator[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        assert self._run.watch is not None and self.passed is not None
        turn = self._run.watch.turn
        plain = self._plain
        progress, tally = self._progress, self._tally
        advance = iterator.__next__
        touched = self._run.watch.started.touched
        clock, count, elsewhere = time.perf_counter, 0, 0.0
        try:
            if self.live is not None and self.live.count:
                self._put_back(self.live)
            if plain:
                turn(aside=True)
            while self._active:
                if not plain:
                    touched()
                    turn(aside=False)
                try:
                    if plain:
                        item = advance()
                    else:
                        asked = clock()
                        item = advance()
                        elsewhere += clock() - asked
                except StopIteration:
                    turn(aside=True)
                    if self._waiting is not None:
                        yield from self._last()
                        turn(aside=True)
                    self.close(complete=True)
                    return
                if self._waiting is not None:
                    turn(aside=True)
                    waiting, self._waiting = self._waiting, None
                    self._bind(waiting[0])
                    self._redo(waiting[1])  # too late to run it instead: what fails is the user's own error
                if not plain:
                    turn(aside=True)
                    if touched() is not False:
                        self.passed.dirty()
                if not self._reused(item):
                    key = self._key_now
                    turn(aside=False)
                    if key is None:
                        self._keys.forget()
                    handed, item = [item], None
                    began = self._item_begins()
                    yield handed.pop()  # the body alone holds it
                    seconds = time.perf_counter() - began
                    turn(aside=True)
                    self._item_ended(key, seconds)
                count += 1
                if not count & 63:
                    self.passed.weigh(elsewhere)
                    self._active = self._active and self.passed.on
                if progress is not None:
                    progress.step(tally.executed, tally.reused)
            if self._waiting is not None:  # items are not told apart any more
                waiting, self._waiting = self._waiting, None
                self._bind(waiting[0])
                self._redo(waiting[1])
        finally:
            if progress is not None:
                progress.close()
            turn(aside=False)
        yield from self._holding(iterator)

    def _reused(self, item: Any) -> bool:
        """Whether an item was looked up and replayed. What goes wrong before anything is touched makes it run."""
        __tracebackhide__ = True
        passed = self.passed
        assert passed is not None
        try:
            key = self._key_now = self._keys.of(item)
            if key is None:
                passed.unsaved(self._keys.problem)
                return False
            packed = passed.find(key)
            if packed is None:
                return False
            if packed.groups is not None:
                self._packer.load(packed, self._keys.roots)
            if self._needs_keys and not fits(packed.effects, self.spec.effects, self._namespace):
                passed.unfit()
                return False
            if packed.left and not passed.ahead:
                passed.unfit()
                return False
        except (StoreError, LoadError, LookupError, ValueError, EOFError, TypeError, AttributeError) as error:
            self._key_now = None
            passed.tally.why[Reason(Code.UNRESTORABLE, "item", "", str(error) or type(error).__name__)] += 1
            return False
        except Exception as error:
            self._fault(error)
            return False
        if packed.left:
            self._waiting = item, packed
            return True
        return self._replay(item, packed)

    def _last(self) -> Iterator[Any]:
        """The last item was found, but not all that it binds: it runs."""
        __tracebackhide__ = True
        assert self._waiting is not None and self.passed is not None and self._run.watch is not None
        (item, _), self._waiting = self._waiting, None
        key = self._keys.of(item)
        self.passed.again()
        self._run.watch.turn(aside=False)
        began = self._item_begins()
        yield item
        seconds = time.perf_counter() - began
        self._run.watch.turn(aside=True)
        self._item_ended(key, seconds)

    def _item_begins(self) -> float:
        self._afresh()
        self.open = True
        self._slices.begin()
        return time.perf_counter()

    def _item_ended(self, key: bytes | None, seconds: float) -> None:
        passed = self.passed
        assert passed is not None
        self.open = False
        try:
            keys = self._keys
            seen = self._slices.end(keys.roots)
            binds, deleted = self._bindings()
            outcome = Outcome(self._effects, binds, deleted, seen.events, seen.own)
            if keys.mutable and key is not None and not seen.trouble and keys.changed():
                seen.trouble = f"the body changes the item ({', '.join(self.spec.names)})"
            if self._failed is not None:
                passed.failed(seen)
                return
            self._unsaved = self._unsaved or seen.doubt
            passed.record(None if self._unsaved else key, outcome, seen, seconds, keys.roots)
            if self._unsaved and not seen.trouble:
                passed.unsaved(self._unsaved)
        except Exception as error:
            self._fault(error)
        self._keys.forget()
        if not passed.on:
            self._active = False

    def close(self, *, complete: bool = False) -> None:
        """The loop has ended, in whatever way; idempotent. `complete`: its iterable has come to its end."""
        passed = self.passed
        if self._closed or passed is None:
            return
        self._closed, self._active = True, False
        try:
            passed.close()
            if complete and self.live is None:
                passed.complete()
            if self.live is not None:
                self.live.close()
            self._ran = passed.ran()
            some = passed.tally.reused
            self._met = [*passed.files, *passed.met()] if some else []
            self._configs = [place.locator for place, _ in passed.logic.closure.configs] if some else []
            passed.logic.let_go()
        except Exception as error:
            self._fault(error)
        if self._run.watch is not None:
            self._run.watch.started.once()

    # -- what the cell relies on thereby

    def end(self) -> None:
        """The cell has come to its end, or failed."""
        watch = self._run.watch
        was = watch.turn(aside=True) if watch is not None else False
        try:
            self.close()
            if self.passed is not None:
                self.passed.release()
            if self.holes:
                some = f"{len(self.holes)} item{'s' if len(self.holes) > 1 else ''} failed: {self.holes[0]!r}"
                self._run.problems.append(Reason(Code.NOT_SAVED, "", "--keep-going", shorten(some)))
                self.holes = []
        finally:
            if watch is not None:
                watch.turn(aside=was)

    def reused(self) -> list[CodeType]:
        """The functions that reused items had run."""
        return self._ran

    def add_to(self, closure: Closure) -> None:
        """What reused items relied on beyond the code of the body, the cell relies on."""
        why = self.live.add_to(closure) if self.live is not None else None
        if why is not None:
            self._run.problems.append(self._reason("source", why))
        for dependency in self._met:
            closure.take(dependency)
        for locator in self._configs:
            if (Kind.CONFIG, bindings.TYPE + locator) in closure.found:
                closure.add(Kind.CONFIG, locator)
                closure.hold((Kind.CONFIG, locator))

    # -- before the first item

    def _begin(self, iterable: Iterable[Any], iterator: Iterator[Any], code: CodeType) -> bool:
        """Find what an item relies on; False when items are not told apart, and `off` says why."""
        session, run, spec = self._session, self._run, self.spec
        namespace = self._namespace
        assert run.watch is not None
        why = self._unfit()
        if run.capture is not None and run.capture.elsewhere:
            why = self._reason("output", f"{run.capture.elsewhere}, and what items show is not seen")
        if why is not None:
            self.off = why
            return False
        analysis = analyse(spec.residual)
        analysis.deleted -= spec.sure | spec.maybe | set(spec.names)
        configured = session.configured.after(run.body, spec.line, spec.residual)
        if configured.own:
            self.off = self._reason(configured.own, f"`{configured.own}` configures a library")
            return False
        environment = session.environment(configured=configured.of)
        environment.asked = run.environment.asked
        started = run.watch.started
        started.afresh(restart=True)
        watched = is_seen if started.since is not None else None
        closure = Closure(environment, run.options.ignore, watched)
        closure.cell(analysis)
        looked_up: list[tuple[Read, str]] = []
        for read, name in spec.keyed_reads:
            base, taken, _ = follow(namespace, read)
            if taken == len(read.path) and (type(base) in (dict, list, tuple) or _is_frame(base)):
                looked_up.append((read, name))
            else:
                closure.read(None, read)
        logic = Logic(environment, closure, run.options)
        hidden = getattr(session.shell, "user_ns_hidden", ())
        words = analysis.stores
        sees = run.judgement.sees_folders

        def is_users(word: str) -> bool:
            return word in words or (word in namespace and word not in hidden)

        self.off = logic.problem(is_users, sees_folders=sees)
        if self.off is None:
            self.off = self._clash(logic)
        if self.off is not None:
            started.once()
            return False
        name = code.co_filename
        logic.is_of_body = lambda one: one.co_filename == name
        closures = spec.kind == "for"
        self._packer = Packer(session.store, namespace, lambda: logic.inputs, closures=closures)
        must = bool(closure.words & NATIVE_READERS)
        self._slices = Slices(run.watch, run.capture, session.native if logic.native else None, must=must)
        changed = {ident for name in spec.accumulators for ident in memory(namespace[name])}
        self._keys = Keys(spec, logic, namespace, looked_up, changed)
        items = session.items_of(spec.code)
        options = run.options
        mine = run.recorded.setdefault(spec.code, set())
        self.passed = Pass(items, logic, self._packer, started.code, mine=mine, reuse=self._reuse, ttl=options.ttl)
        self._tally = self.passed.tally
        show = session.progress(options.quiet)
        if show is not None and not has_bar(iterable):
            self._progress = Progress(show, total_of(iterable))
        given = (spec, self.passed, self._packer, session.store, run.watch, [read for read, _ in looked_up])
        self.live = over(iterable, *given, reuse=self._reuse, ttl=options.ttl)
        self._plain = is_plain(self.live if self.live is not None and self.live.reads else iterator)
        quiet = not any(isinstance(code, type) and has_finalizer(code) for code in codes_of(closure).values())
        if spec.kind == "for" and self.live is None and quiet and may_advance(iterator):
            self.passed.ahead = tuple(self._sure)
        return True

    def _unfit(self) -> Reason | None:
        """What is changed outside must be of a sort that changes in no way but the one told."""
        for effect in self.spec.effects:
            why = unfit(effect, self._namespace)
            if why is not None:
                return self._reason(effect.text, why)
        for name in self.spec.sure | self.spec.maybe:
            if has_finalizer(type(self._namespace.get(name))):
                return self._reason(name, f"`{name}` does something when it goes (__del__)")
        return None

    def _clash(self, logic: Logic) -> Reason | None:
        """A function that the body calls reads or binds what the loop changes."""
        spec = self.spec
        read = logic.names()
        bound = spec.sure | spec.maybe | (set(spec.names) if spec.kind == "for" else set())
        for name in sorted(read.keys() & (bound | spec.accumulators)):
            return self._reason(name, f"`{name}` is read by what the body calls, and changed by the loop")
        for effect in spec.effects:
            changed = self._namespace[effect.target]
            inner = list(changed.values()) if effect.keyed and isinstance(changed, dict) else []
            for value in [changed, *inner] if effect.op != "setitem" else [changed]:
                if type(value) not in ATOMS and reaches(logic, value):
                    return self._reason(
                        effect.text, f"what `{effect.text}` changes is read by the body by another name"
                    )
        for name in sorted(logic.closure.stores):
            return self._reason(name, f"`{name}` is bound by a function that the body calls")
        return None

    def _reason(self, locator: str, detail: str) -> Reason:
        return Reason(Code.NOT_SAVED, "item", locator, detail)

    def _fault(self, error: BaseException) -> None:
        """A fault of ours: the loop goes on as if nothing were told apart."""
        self._active = False
        if os.environ.get("INCNB_DEBUG"):
            traceback.print_exception(error)
        what = error if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"
        reason = self._reason("incnb", f"a fault of incnb: {what}")
        self.off = self.off or reason
        if self.passed is not None:
            self.passed.stop(reason)
        self._session.item_fault(error)


def _is_frame(value: Any) -> bool:
    return type(value).__name__ == "DataFrame" and type(value).__module__.partition(".")[0] == "pandas"
