"""One execution of a tracked cell: what it relies on is found before, what it does is watched, what it left is kept.

Anything that cannot be followed makes the run *not saved*, with the reason; it never makes the cell fail, and a kind of
dependency that is not tracked is never left out in silence.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import socket
import sys
import time
import types
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash

from incnb.analysis import CellAnalysis
from incnb.analysis.findings import HIDDEN_NAMES
from incnb.analysis.loops import Loop
from incnb.dependencies import Closure, Environment, Found, ambient, bindings, sharing
from incnb.dependencies.anatomy import anatomy
from incnb.dependencies.config import Readings
from incnb.engine import calls, meaning, native, observed
from incnb.engine.ambience import moved_state, settle_last_call
from incnb.engine.applied import Applied
from incnb.engine.checkpoints import Checkpoints
from incnb.engine.decide import declarations
from incnb.engine.files import Judged
from incnb.engine.hidden import HiddenState
from incnb.engine.judgement import Judgement, Perhaps
from incnb.engine.keep import check_caches, check_faithful, check_pristine, group_record
from incnb.engine.lent import lent
from incnb.engine.loops import ItemLoop
from incnb.engine.moved import moved_roots
from incnb.engine.named import Named
from incnb.engine.native import Native
from incnb.engine.options import Options
from incnb.engine.rerun import statements_to_run_again
from incnb.engine.roots import codes_of, roots_of
from incnb.engine.scene import Scene
from incnb.engine.shape import shape_of
from incnb.fingerprint import ABSENT
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.model import Code, Dependency, Kind, Reason
from incnb.outputs import looks
from incnb.outputs.effects import Event as Seen
from incnb.outputs.effects import Watch
from incnb.outputs.events import Event
from incnb.outputs.files import Written
from incnb.outputs.started import free_tool
from incnb.outputs.streams import Capture
from incnb.outputs.variables import RESULT, Group, Inputs, NotSaved, has_finalizer, save
from incnb.outputs.whose import is_seen
from incnb.store import Store, StoreError, Unpicklable, dump

Relied = tuple[tuple[str, str, str], ...]
MADE_LIMIT = 200_000  # characters in one trace of what inputs are made of


class Run:
    """One observed execution. `start` before the body, `stop` when it has ended, `keep` to write the trace."""

    def __init__(
        self,
        shell: Any,
        environment: Environment,
        analysis: CellAnalysis,
        body: list[ast.stmt],
        options: Options,
        hidden: HiddenState,
        folders: Native,
        seeded: frozenset[str] = frozenset(),
    ):
        self.shell = shell
        self.environment = environment
        self.namespace = environment.namespace
        self.analysis = analysis
        self.body = body
        self.options = options
        self.judgement = Judgement(options, sees_looks=looks.possible())
        self.problems = self.judgement.problems
        self.effects = self.judgement.effects
        self._files = Judged()
        self.attempt = ""
        self.relied: Relied = ()
        self._saw_outside = False
        self.events: list[Event] = []
        self.stopped = False
        self.changed: set[str] = set()  # names whose objects it changed in place
        self.nested = False  # below %%time, which displays the value itself
        self.seconds = 0.0
        self.too_slow: Callable[[int, float], str] = lambda size, seconds: ""  # bytes, seconds: why not to save
        ignore = (*options.ignore, *lent(body, environment.namespace))
        self.closure = Closure(environment, ignore, is_seen if free_tool() is not None else None)
        self.perhaps = Perhaps(self.closure, self.judgement)
        self._hidden = hidden
        self._native = folders
        self._named = Named(self.closure, analysis, self.namespace)
        self.capture: Capture | None = None
        self.watch: Watch | None = None
        self.left: dict[str, Any] | None = None  # the outputs, as they were written
        self.loops: list[ItemLoop | Applied] = []  # whose items are told apart
        self.scene: Scene | None = None  # where calls of `incnb.map` and `memo` are told apart
        self.recorded: dict[str, set[bytes]] = {}  # the keys of items that this run recorded, by loop
        self.units: list[Loop] = []  # that are one unit, with the reasons
        self._readings: Readings | None = None
        self.marks: Checkpoints | None = None
        self._judged = calls.Judged()
        self._seeded = seeded
        self._ambient: list[dict[str, Any]] = []
        self._scripts: meaning.Scripts | None = None
        self._caches: dict[int, tuple[Any, Any]] = {}
        self._before: dict[str, int] = {}  # what names were bound to, by id: nothing is kept alive for it
        self._held: dict[str, Any] = {}  # except where an id alone could be taken for another object's
        self._values: dict[str, Any] = {}
        self._inputs = Inputs([], self.namespace)
        self._started = 0.0

    # -- before

    def survey(self) -> None:
        """Find the static closure, take fingerprints of everything in it, and judge what can be told before."""
        for asked in self.environment.asked:
            self.closure.add(Kind.CONFIG, asked)
        self.closure.cell(self.analysis)
        self.closure.finish()
        meaning.declare(self.closure, self.analysis)
        observed.declare(self.closure, self.options.files, self._not_saved)
        if any(finding.kind == "cwd" and not self._is_users(finding.what) for finding in self.closure.findings):
            self.closure.add(Kind.AMBIENT, ambient.FOLDER)
        native.prepare(self._native, self.closure, self.judgement)
        self.perhaps.before(self._hidden, self._is_users)
        self._caches = self._hidden.sizes(self.closure.hidden.values())
        self._judged = calls.judge(self.analysis, self.namespace)
        for text, why in self._judged.refused:
            self._not_saved(text, why)
        self._resizing()
        self._finalizers()

    def start(self) -> None:
        """Look at everything that the cell relies on, and begin to watch."""
        self.survey()
        self.watch = Watch(self.shell, self.namespace, self._unexpected, self._named.asked)
        if self.loops:
            self.capture = Capture(self.shell)
        if self.problems:
            self._let_go()
        else:
            self._named.before = self._before = {name: id(value) for name, value in self.namespace.items()}
            perhaps = (self.analysis.stores | self.closure.stores) - self.analysis.sure - self.analysis.deleted
            self._held = {name: self.namespace[name] for name in perhaps if name in self.namespace}
            roots = roots_of(self.closure)
            found = [f.dependency for f in self.closure.found.values()]
            shared = sharing.among([r.locator for r in roots], found)
            if shared is not None:
                self.closure.add(Kind.VALUE, shared)
            self._inputs = Inputs(roots, self.namespace, codes_of(self.closure))
            self._readings = Readings(self.closure.configs, self._inputs.knows, strict=not self.options.ignore)
            self._readings.start(remembered=any(info.currsize for _, info in self._caches.values()))
            self.capture = capture = self.capture or Capture(self.shell)
            again = self._judged.again
            self.marks = Checkpoints(self.analysis, self.namespace, again, lambda: capture.noted, self.watch)
            self.marks.words = self.closure.words
        lines = [f"{d.kind} {d.locator} {d.fp}" for d in (f.dependency for f in self.closure.found.values())]
        text = "\n".join([*lines, *self.closure.configs_before])
        self.attempt = xxhash.xxh3_128(text.encode()).hexdigest()  # to recognise an attempt that would fail again
        self._scripts = meaning.Scripts(self.analysis)
        if self.capture is not None:
            self.capture.start()
        self.watch.start()
        self._native.start()
        if self.marks is not None:
            self.marks.start()
        self._started = time.perf_counter()

    def _resizing(self) -> None:
        """`ndarray.resize` refuses an array that anybody else holds, as an observer does."""
        arrays = any(type(f.value).__name__ == "ndarray" for f in self.closure.found.values())
        if self.closure.resizes or (arrays and "resize" in self.analysis.attributes):
            self._not_saved(".resize", "it may resize an array in place")

    def _finalizers(self) -> None:
        """What goes when a name is bound again or deleted may do something as it goes."""
        for name in (self.analysis.stores | self.analysis.deleted) & self.namespace.keys():
            value = self.namespace[name]
            if type(value) not in ATOMS and has_finalizer(type(value)):
                self._not_saved(name, f"a {type(value).__qualname__} does something when it goes (__del__)")

    def _let_go(self) -> None:
        """The run will not be kept: hold nothing of the user's while it goes on."""
        self.closure.let_go()
        self.environment.forget()
        if self.closure.resizes or "resize" in self.analysis.attributes:
            gc.collect()

    def rebound(self, names: Collection[str]) -> set[str]:
        """Which of these names are bound to something else than before."""
        return {n for n in names if n in self.namespace and id(self.namespace[n]) != self._before.get(n)}

    @property
    def written(self) -> list[Written]:
        """The files that the run left."""
        return self._files.written

    def still(self, relied: Relied) -> bool:
        """Whether what an attempt met while it ran is as it was."""
        return all(self.environment.fresh(Kind(kind), locator).fp == fp for kind, locator, fp in relied)

    def _is_users(self, word: str) -> bool:
        """Whether a word names a variable of the user's that is called like a builtin."""
        hidden = getattr(self.shell, "user_ns_hidden", ())
        return word in self.analysis.stores or (word in self.namespace and word not in hidden)

    def _not_saved(self, locator: str, why: str) -> None:
        self.judgement.not_saved(locator, why)

    def _unexpected(self, ran: Collection[types.CodeType] | None) -> list[types.CodeType]:
        """Leave of the closure what really ran; the functions that ran and that nothing left leads to."""
        self.closure.narrow(None if ran is None else [*ran, *(code for loop in self.loops for code in loop.reused())])
        self.perhaps.after()
        names = [c.co_filename for c in ran or () if c.co_name.startswith(("<module>", "<cell"))]
        own = {name for name in names if not Path(name).is_file()}
        return [c for c in ran or () if c.co_filename not in own and not self.closure.knows(c)]

    # -- after

    def stop(self) -> None:
        """End watching, as soon as the body has ended; idempotent."""
        if self.stopped:
            return
        self.stopped = True
        self.seconds = time.perf_counter() - self._started
        for loop in self.loops:
            loop.end()
        if self.scene is not None:
            self.scene.stop()
        seen: list[Seen] = []
        try:
            if self._readings is not None:
                self._readings.stop()
            if self.watch is not None:
                seen = self.watch.stop()
            if self.marks is not None:
                self.marks.end()
        finally:
            if self.capture is not None:
                self.events = self.capture.stop()
        if self.capture is not None and self.capture.problem:
            self._not_saved("output", self.capture.problem)
        if self.capture is not None and self.capture.widget:
            self.judgement.effect("it displayed a widget that a person can operate", "widgets")
        self.judgement.seen(seen)
        if self.watch is not None:
            self._saw_outside = bool(self.watch.journal.entries or self.watch.journal.variables)
            self._hidden.ran(self._caches, observed=self._saw_outside or bool(self.problems or self.effects))
        if self._scripts is not None and (problem := self._scripts.problem()):
            self._not_saved(problem, problem)
        for loop in self.loops:
            loop.add_to(self.closure)
        self._named.judge(self.judgement)
        observed.look_again(self.closure, self.environment, self._not_saved)
        if self.watch is not None:
            declared = bool(self.options.files)
            self._native.stop(self.watch.journal, frozenset(self.closure.words), declared=declared)
        if self.watch is not None and not self.problems and not self.effects:
            self._files = observed.files_of(self.watch.journal)
            for problem in self._files.problems:
                self._not_saved(problem, problem)
            known = set(self.closure.found)
            observed.add(self.closure, self._files, self.watch.journal)
            met = [f.dependency for key, f in self.closure.found.items() if key not in known]
            self.relied = tuple((d.kind.value, d.locator, d.fp) for d in met)

    def keep(self, store: Store, value: Any, meta: dict[str, Any]) -> tuple[str, int] | None:
        """Write the trace; its id and the bytes saved, or None with the reason in `problems`."""
        if self.problems or self.effects:
            return None
        try:
            self._take_readings()
            moved = moved_roots(self.closure, self._inputs)
            self.changed = {self._inputs.roots[n].name for n in moved if not self._inputs.roots[n].module}
            # classes that print while they are pickled print into nobody's cell
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return self._kept(store, value, meta, moved)
        except (NotSaved, Unpicklable) as error:
            self._not_saved(getattr(error, "path", ""), str(error))
        except StoreError as error:
            self.problems.append(Reason(Code.NOT_SAVED, "store", "store", str(error)))
        except OSError as error:
            self._not_saved(str(error.filename or ""), f"a file that it wrote cannot be kept: {error}")
        return None

    def _take_readings(self) -> None:
        """The keys that were read of Configs become dependencies. Raises `NotSaved`."""
        if self._readings is not None and self._readings.problems:
            raise NotSaved(self._readings.problems[0])
        for found in self._readings.dependencies if self._readings is not None else ():
            self.closure.take(found)

    def _kept(self, store: Store, value: Any, meta: dict[str, Any], moved: set[int]) -> tuple[str, int]:
        settle_last_call(self._judged, self.analysis, value)
        groups, deleted, rerun = self._outputs(value, moved)
        slow = self.too_slow(sum(group.size for group in groups), self.seconds)
        if slow:
            raise NotSaved(slow)
        assert self.marks is not None
        found = (self.marks, self._judged, self.analysis, self.closure, self._seeded, rerun)
        self._ambient = moved_state(*found, allows=self.judgement.allows)
        inputs = [root.value for root in self._inputs.roots]
        kept = [*self._values.values(), *inputs]
        check_caches(self._caches, self.events, kept, self.namespace, observed=self._saw_outside)
        for group in groups:
            check_faithful(group, self._values, self.namespace)
        self._describe_parts({id(self._inputs.roots[number].value) for number in moved})
        return self._write(store, groups, deleted, rerun, meta)

    def release(self) -> None:
        """Let go of the user's objects, in whatever cycles this run hangs."""
        self._let_go()
        self._held, self._values, self._caches = {}, {}, {}
        self._inputs = Inputs([], self.namespace)
        self.watch = self.capture = self._readings = self.marks = self._scripts = None
        self.loops = []

    def _describe_parts(self, moved: set[int]) -> None:
        """Note what the inputs are made of that are still as they were: later differences are told by that."""
        size = 0
        for key, found in self.closure.found.items():
            if found.dependency.kind is Kind.VALUE and id(found.value) not in moved and size < MADE_LIMIT:
                with contextlib.suppress(Exception):  # without it a difference is told in fewer words
                    made = anatomy(found.value)
                    size += len(repr(made)) if made is not None else 0
                    self.closure.found[key] = Found(replace(found.dependency, made=made), found.value)

    def _outputs(self, value: Any, moved: set[int]) -> tuple[list[Group], list[str], list[int]]:
        after = self.namespace
        rerun, in_place = statements_to_run_again(self.analysis, self.namespace)
        meant = self.analysis.stores | self.closure.stores
        stored = meant - in_place
        for name in after.keys() | self._before.keys():
            if name not in after or id(after[name]) != self._before.get(name):
                stored.add(name)
        stored = {n for n in stored if (n in meant or not HIDDEN_NAMES.match(n)) and n not in in_place}
        values: dict[str, Any] = {}
        for name in [n for n in after if n in stored]:
            if name not in self.analysis.sure and id(after[name]) == self._before.get(name):
                self._prior(name, after[name])
                continue
            values[name] = after[name]
        gone = self._before.keys() | self.analysis.sure  # bound and deleted: it may be there at reuse
        deleted = sorted(n for n in stored if n in gone and n not in after)
        for name in self.analysis.leaving - gone - after.keys():
            self._prior(name, ABSENT)  # nobody knows whether it was bound and deleted, or neither
        self._attribute_stores()
        definitions = {d.index: d for d in self.analysis.definitions}
        names = {name for index in rerun for name in definitions[index].binds}
        check_pristine([self.body[index] for index in rerun], names, self.namespace, self.shell.compile.flags)
        changed = self._inputs.changed(moved) if moved else []
        if value is not None and (self.nested or any(e.type == "result" for e in self.events)):
            values[RESULT] = value
        self._values = values
        groups = save(values, changed, self._inputs, self.namespace, dump)
        return groups, deleted, rerun

    def _prior(self, name: str, value: Any) -> None:
        """A name that may or may not have been bound holds what it held: what it held becomes a dependency."""
        known = [key for key in ((Kind.VALUE, name), (Kind.CODE, name)) if key in self.closure.found]
        for key in known:
            self.closure.hold(key)
        if known:
            return
        resolved = bindings.describe(value, name)
        if resolved.fp is None:
            raise NotSaved(f"{name} {resolved.detail}")
        self.closure.keep(name, resolved)

    def _attribute_stores(self) -> None:
        for base in self.analysis.attribute_stores:
            value, _, _ = follow(self.namespace, base)
            if isinstance(value, types.ModuleType | type | types.FunctionType):
                raise NotSaved(f"it sets an attribute of {bindings.locator(None, base)}")

    def _hold_root(self, reference: tuple[Any, ...]) -> None:
        """What an output refers to is relied on, whoever read it."""
        for root in self._inputs.roots:
            if (root.module or "", root.name, root.steps) == reference[:3]:
                for key in [k for k in self.closure.found if k[1] == root.locator]:
                    self.closure.hold(key)

    def _narrow_sharing(self) -> None:
        """When the inputs share nothing, those that are left share nothing."""
        for key, found in list(self.closure.found.items()):
            if key[1].startswith(sharing.PREFIX) and found.dependency.fp == sharing.nothing():
                held = self.closure.is_left
                left = [n for n in sharing.named(key[1]) if held((Kind.VALUE, n)) or held((Kind.CODE, n))]
                dependency = replace(found.dependency, locator=sharing.locator(left))
                self.closure.found[key] = Found(dependency, found.value)
                if len(left) < 2:
                    del self.closure.found[key]

    def _write(
        self, store: Store, groups: list[Group], deleted: list[str], rerun: list[int], meta: dict[str, Any]
    ) -> tuple[str, int]:
        saved = 0
        records = []
        for group in groups:
            for found in group.refers:
                self._hold_root(found)
            record, size = group_record(store, group, self.namespace)
            saved += size
            records.append(record)
        declared = [Dependency(Kind.VERSION, f"--{k}", v, v) for k, v in declarations(self.options).items()]
        left, size = observed.outputs(store, self._files)
        saved += size
        self._narrow_sharing()
        trace = {
            **meta,
            "created": time.time(),
            "host": socket.gethostname(),
            "seconds": self.seconds,
            "dependencies": [d.to_dict() for d in [*declared, *self.closure.dependencies]],
            "effects": sorted(self.judgement.lifted),
            "outputs": {
                **left,
                "groups": records,
                "deleted": deleted,
                "events": [e.to_dict() for e in self.events],
                "rerun": rerun,
                "shape": shape_of(self.body, rerun),
                "order": list(self._values),
                "ambient": self._ambient,
                "bytes": saved,
            },
        }
        self.left = trace["outputs"]
        return store.put_trace(self.analysis.code, trace), saved


def _loaded(name: str) -> types.ModuleType | None:
    module = sys.modules.get(name)
    return module if isinstance(module, types.ModuleType) else None
