"""One execution of a tracked cell: what it relies on is found before, what it does is watched, what it left is kept.

Anything that cannot be followed makes the run *not saved*, with the reason; it never makes the cell fail, and a kind of
dependency that is not tracked is never left out in silence.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import re
import socket
import sys
import time
import types
from dataclasses import replace
from typing import Any

import xxhash

from incnb.analysis import CellAnalysis
from incnb.analysis.findings import Finding
from incnb.dependencies import Closure, Environment, Found, ambient, bindings, libraries, sharing
from incnb.dependencies.config import Readings
from incnb.engine.hidden import HiddenState
from incnb.engine.keep import check_caches, check_faithful, check_pristine, group_record
from incnb.engine.options import Options
from incnb.fingerprint import ABSENT, origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Code, Dependency, Kind, Reason
from incnb.outputs.effects import Event as Seen
from incnb.outputs.effects import Watch
from incnb.outputs.events import Event
from incnb.outputs.streams import Capture
from incnb.outputs.variables import RESULT, Group, Inputs, NotSaved, Root, has_finalizer, save
from incnb.store import Store, StoreError, Unpicklable, dump

SHOWN_EVENTS = 8
HIDDEN_NAMES = re.compile(r"^(_+|_i+|_i?\d+|_[iod]h|In|Out|get_ipython|exit|quit|open|__\w+__)$")
ALLOWED_DECORATORS = frozenset({"dataclasses", "functools", "contextlib", "enum", "abc", "typing", "builtins"})


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
    ):
        self.shell = shell
        self.environment = environment
        self.namespace = environment.namespace
        self.analysis = analysis
        self.body = body
        self.options = options
        self.problems: list[Reason] = []
        self.effects: list[Reason] = []
        self.events: list[Event] = []
        self.stopped = False
        self.nested = False  # below %%time, which displays the value itself
        self.seconds = 0.0
        self.closure = Closure(environment, options.ignore)
        self._hidden = hidden
        self._capture: Capture | None = None
        self._watch: Watch | None = None
        self._readings: Readings | None = None
        self._caches: dict[int, tuple[Any, Any]] = {}
        self._before: dict[str, int] = {}  # what names were bound to, by id: nothing is kept alive for it
        self._held: dict[str, Any] = {}  # except where an id alone could be taken for another object's
        self._values: dict[str, Any] = {}
        self._inputs = Inputs([], self.namespace)
        self._started = 0.0

    # -- before

    def start(self) -> None:
        """Find the static closure, take fingerprints of everything in it, and begin to watch."""
        for asked in self.environment.asked:
            self.closure.add(Kind.CONFIG, asked)
        self.closure.cell(self.analysis)
        self.closure.finish()
        self._judge_findings()
        for locator, why in self.closure.missing:
            self._not_saved(locator, why)
        for name in self._hidden.unknown(self.closure.hidden):
            self._not_saved(name, "has cached results from other code")
        self._caches = self._hidden.sizes(self.closure.hidden)
        for path in self.analysis.dropped_calls:
            self._dropped_call(path)
        self._resizing()
        self._finalizers()
        self._watch = Watch(self.shell, self.namespace, self._expected)
        if self.problems:
            self._let_go()
        else:
            self._before = {name: id(value) for name, value in self.namespace.items()}
            perhaps = (self.analysis.stores | self.closure.stores) - self.analysis.sure - self.analysis.deleted
            self._held = {name: self.namespace[name] for name in perhaps if name in self.namespace}
            roots = self._roots()
            shared = sharing.among([r.locator for r in roots], self.closure.dependencies)
            if shared is not None:
                self.closure.add(Kind.VALUE, shared)
            self._inputs = Inputs(roots, self.namespace, self._codes())
            self._readings = Readings(self.closure.configs, self._inputs.knows, strict=not self.options.ignore)
            self._readings.start(remembered=any(info.currsize for _, info in self._caches.values()))
            self._capture = Capture(self.shell)
            self._capture.start()
        self._watch.start()
        self._started = time.perf_counter()

    def _resizing(self) -> None:
        """`ndarray.resize` refuses an array that anybody else holds, as an observer does."""
        arrays = any(type(f.value).__name__ == "ndarray" for f in self.closure.found.values())
        if arrays and "resize" in self.analysis.attributes:
            self._not_saved(".resize", "it may resize an array in place")

    def _finalizers(self) -> None:
        """What goes when a name is bound again or deleted may do something as it goes."""
        for name in (self.analysis.stores | self.analysis.deleted) & self.namespace.keys():
            value = self.namespace[name]
            if type(value) not in ATOMS and has_finalizer(type(value)):
                self._not_saved(name, f"a {type(value).__qualname__} does something when it goes (__del__)")

    def _let_go(self) -> None:
        """The run will not be kept: hold nothing of the user's while it goes on."""
        for key, found in self.closure.found.items():
            self.closure.found[key] = Found(found.dependency, None)
        self.closure.hidden.clear()
        self.closure.configs.clear()
        self.environment.forget()
        if "resize" in self.analysis.attributes:
            gc.collect()

    @property
    def attempt(self) -> str:
        """A digest of all dependencies, to recognise an attempt that would fail again."""
        lines = [f"{d.kind} {d.locator} {d.fp}" for d in self.closure.dependencies]
        text = "\n".join([*lines, *self.closure.configs_before])
        return xxhash.xxh3_128(text.encode()).hexdigest()

    def _judge_findings(self) -> None:
        for finding in self.closure.findings:
            own = finding.what in self.namespace and finding.what not in getattr(self.shell, "user_ns_hidden", ())
            if own or finding.what in self.analysis.stores:
                continue  # a variable of the user's that is called like a builtin
            self._finding(finding)

    def _finding(self, finding: Finding) -> None:
        where = f", line {finding.line}" if finding.line else ""
        if finding.kind == "unsafe":
            self.problems.append(Reason(Code.UNSAFE, "", finding.what, f"what it reads cannot be bounded{where}"))
        elif finding.kind == "effect":
            self.effects.append(Reason(Code.EFFECT, "", finding.what, finding.what))
        else:
            self.problems.append(Reason(Code.NOT_SAVED, "", finding.what, finding.what + where))

    def _not_saved(self, locator: str, why: str) -> None:
        self.problems.append(Reason(Code.NOT_SAVED, "", locator, why))

    def _dropped_call(self, path: Read) -> None:
        """A library call whose value is dropped is there for what it changes; nothing shows what that is."""
        value, _, through_module = follow(self.namespace, path)
        if value is ABSENT:
            value = next((getattr(m, path.path[-1][1], None) for m in self._imported(path) if path.path), None)
        module = getattr(value, "__module__", None) or ""
        root = self.namespace.get(path.name)
        named = [i.module for i in self.analysis.imports if i.name == path.name]
        if isinstance(root, types.ModuleType):
            module = root.__name__ if through_module else module
        elif named:
            module = named[0]
        elif not isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            return  # a method of an object: what it changes is looked for in the object
        top = str(module).partition(".")[0]
        text = bindings.locator(None, path)
        if not top or top == "__main__" or origin.is_ours(origin.module_origin(str(module))):
            return
        if libraries.may_configure(text if "." in text else f"{module}.{text}", value, top):
            self._not_saved(text, f"{text}() may configure {top}")

    def _imported(self, path: Read) -> list[Any]:
        return [m for i in self.analysis.imports if i.name == path.name and (m := _loaded(i.module)) is not None]

    def _roots(self) -> list[Root]:
        roots = []
        for found in self.closure.found.values():
            dependency, value = found.dependency, found.value
            if dependency.kind is not Kind.VALUE or value is ABSENT or type(value) in ATOMS or not dependency.fp:
                continue
            if isinstance(value, types.ModuleType) or dependency.shown == "builtin":
                continue
            if dependency.locator.startswith((sharing.PREFIX, bindings.DOCSTRING, bindings.PRESENCE)):
                continue
            module, read = bindings.parse(dependency.locator)
            frame = frame_of(value)
            if frame is not None:
                roots.append(Root(module, read.name, read.path[:-1], frame, "", dependency.locator))
            else:
                roots.append(Root(module, read.name, read.path, value, dependency.fp, dependency.locator))
        for place, value in self.closure.configs:
            roots.append(Root(place.module, place.read.name, place.read.path, value, "", place.locator, partial=True))
        # a frame that is read whole and by column is followed as the whole
        return sorted(roots, key=lambda root: not root.fp)

    def _codes(self) -> dict[str, Any]:
        found = self.closure.found.values()
        kinds = types.FunctionType | type
        return {
            f.dependency.locator: f.value
            for f in found
            if f.dependency.kind is Kind.CODE and isinstance(f.value, kinds)
        }

    def _expected(self, code: types.CodeType) -> bool:
        return self.closure.knows(code)

    # -- after

    def stop(self) -> None:
        """End watching, as soon as the body has ended; idempotent."""
        if self.stopped:
            return
        self.stopped = True
        self.seconds = time.perf_counter() - self._started
        seen: list[Seen] = []
        try:
            if self._readings is not None:
                self._readings.stop()
            if self._watch is not None:
                seen = self._watch.stop()
        finally:
            if self._capture is not None:
                self.events = self._capture.stop()
        if self._capture is not None and self._capture.problem:
            self._not_saved("output", self._capture.problem)
        if self._capture is not None and self._capture.widget:
            self.effects.append(Reason(Code.EFFECT, "", "widgets", "it displayed a widget that a person can operate"))
        seen.sort(key=lambda event: event.kind != "effect")
        for event in seen[:SHOWN_EVENTS]:
            if event.kind == "effect":
                self.effects.append(Reason(Code.EFFECT, "", event.what, event.what))
            elif event.kind == "unsafe":
                self.problems.append(Reason(Code.UNSAFE, "", event.what, event.what))
            else:
                self._not_saved(event.what, event.what)
        if len(seen) > SHOWN_EVENTS:
            self._not_saved("", f"and {len(seen) - SHOWN_EVENTS} more")

    def keep(self, store: Store, value: Any, meta: dict[str, Any]) -> tuple[str, int] | None:
        """Write the trace; its id and the bytes saved, or None with the reason in `problems`."""
        if self.problems or self.effects:
            return None
        try:
            self._take_readings()
            moved = self._moved()
            # classes that print while they are pickled print into nobody's cell
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return self._kept(store, value, meta, moved)
        except (NotSaved, Unpicklable) as error:
            self._not_saved(getattr(error, "path", ""), str(error))
        except StoreError as error:
            self.problems.append(Reason(Code.NOT_SAVED, "store", "store", str(error)))
        return None

    def _take_readings(self) -> None:
        """The keys that were read of Configs become dependencies. Raises `NotSaved`."""
        if self._readings is not None and self._readings.problems:
            raise NotSaved(self._readings.problems[0])
        for found in self._readings.dependencies if self._readings is not None else ():
            self.closure.found[found.kind, found.locator] = Found(found, None)

    def _kept(self, store: Store, value: Any, meta: dict[str, Any], moved: set[int]) -> tuple[str, int]:
        groups, deleted, rerun = self._outputs(value, moved)
        inputs = [root.value for root in self._inputs.roots]
        check_caches(self._caches, self.events, [*self._values.values(), *inputs], self.namespace)
        for group in groups:
            check_faithful(group, self._values, self.namespace)
        self._describe_parts({id(self._inputs.roots[number].value) for number in moved})
        return self._write(store, groups, deleted, rerun, meta)

    def release(self) -> None:
        """Let go of the user's objects, in whatever cycles this run hangs."""
        self._let_go()
        self._held, self._values, self._caches = {}, {}, {}
        self._inputs = Inputs([], self.namespace)
        self._watch = self._capture = self._readings = None

    def _describe_parts(self, moved: set[int]) -> None:
        """Add the fingerprints of keys and columns to what is still as it was: later differences are told by them."""
        for key, found in self.closure.found.items():
            if found.dependency.kind is Kind.VALUE and id(found.value) not in moved:
                parts = bindings.parts_of(found.value)
                if parts:
                    self.closure.found[key] = Found(replace(found.dependency, parts=parts), found.value)

    def _moved(self) -> set[int]:
        """The roots whose fingerprints are no longer what they were. Raises `NotSaved` for what cannot be put back."""
        numbers: dict[int, int] = {}
        for number, root in enumerate(self._inputs.roots):
            numbers.setdefault(id(root.value), number)
        moved: set[int] = set()
        for found in self.closure.found.values():
            now = self._again(found)
            if now is None or now == found.dependency.fp:
                continue
            locator = found.dependency.locator
            at = numbers.get(id(found.value))
            if found.dependency.kind is Kind.AMBIENT:
                raise NotSaved(f"it changed {locator}")
            if at is None or isinstance(found.value, type | types.FunctionType) or found.dependency.kind is Kind.CONFIG:
                raise NotSaved(f"{locator} changed while it ran")
            moved.add(at)
        return moved

    def _again(self, found: Found) -> str | None:
        """The fingerprint of the same object now; None for what cannot change."""
        dependency, value = found.dependency, found.value
        if dependency.kind is Kind.AMBIENT and dependency.locator.startswith(ambient.CONFIGURED):
            return None
        if dependency.kind is Kind.AMBIENT:
            return ambient.resolve(dependency.locator).fp or ""
        if dependency.kind is Kind.MODULE:
            return bindings.whole_module(value).fp or "" if isinstance(value, types.ModuleType) else None
        config = dependency.kind is Kind.CONFIG and dependency.locator.startswith(bindings.TYPE) and value is not None
        if dependency.kind not in (Kind.VALUE, Kind.CODE) and not config:
            return None
        if dependency.locator.startswith((sharing.PREFIX, bindings.DOCSTRING, bindings.PRESENCE)):
            return None
        module, read = bindings.parse(dependency.locator.removeprefix(bindings.TYPE))
        if module is not None:
            loaded = _loaded(module)
            now = follow(loaded.__dict__, read)[0] if loaded is not None else ABSENT
            if now is not value and type(now) is type(value) and frame_of(now) is None:
                return ""  # bound to another object
            if type(now) is not type(value):
                return ""
        if (
            value is ABSENT
            or config
            or type(value) in ATOMS
            or isinstance(value, types.ModuleType)
            or dependency.shown == "builtin"
        ):
            return None
        return bindings.describe(value, dependency.locator).fp or ""

    def _outputs(self, value: Any, moved: set[int]) -> tuple[list[Group], list[str], list[int]]:
        after = self.namespace
        rerun, in_place = self._rerun()
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
        deleted = sorted(n for n in stored if n in self._before and n not in after)
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
        if (Kind.VALUE, name) in self.closure.found or (Kind.CODE, name) in self.closure.found:
            return
        resolved = bindings.describe(value, name)
        if resolved.fp is None:
            raise NotSaved(f"{name} {resolved.detail}")
        self.closure.keep(name, resolved)

    def _rerun(self) -> tuple[list[int], set[str]]:
        """Indexes of the statements to run again on reuse, and the names that they bind for good."""
        indexes: list[int] = []
        bound: set[str] = set()
        definitions = {d.index: d for d in self.analysis.definitions}
        other = self.analysis.bound_by_others
        for index, definition in definitions.items():
            needs = {r.name for r in definition.uses} | {r.name for r in definition.decorators}
            own = self.analysis.stores - bound
            if definition.binds & other or needs & own - definition.binds:
                continue
            if all(self._innocent(decorator) for decorator in definition.decorators):
                indexes.append(index)
                bound |= definition.binds
        return indexes, bound

    def _innocent(self, decorator: Read) -> bool:
        value, taken, _ = follow(self.namespace, decorator)
        if value is ABSENT or taken < len(decorator.path):
            return decorator.path[-1:] and decorator.path[-1][1] in ("setter", "getter", "deleter")  # type: ignore[return-value]
        return str(getattr(value, "__module__", "")).partition(".")[0] in ALLOWED_DECORATORS

    def _attribute_stores(self) -> None:
        for base in self.analysis.attribute_stores:
            value, _, _ = follow(self.namespace, base)
            if isinstance(value, types.ModuleType | type | types.FunctionType):
                raise NotSaved(f"it sets an attribute of {bindings.locator(None, base)}")

    def _write(
        self, store: Store, groups: list[Group], deleted: list[str], rerun: list[int], meta: dict[str, Any]
    ) -> tuple[str, int]:
        saved = 0
        records = []
        for group in groups:
            record, size = group_record(store, group, self.namespace)
            saved += size
            records.append(record)
        version = Dependency(Kind.VERSION, "--version", self.options.version, self.options.version)
        trace = {
            **meta,
            "created": time.time(),
            "host": socket.gethostname(),
            "seconds": self.seconds,
            "dependencies": [d.to_dict() for d in [version, *self.closure.dependencies]],
            "outputs": {
                "groups": records,
                "deleted": deleted,
                "events": [e.to_dict() for e in self.events],
                "rerun": rerun,
                "order": list(self._values),
                "bytes": saved,
            },
        }
        return store.put_trace(self.analysis.code, trace), saved


def _loaded(name: str) -> types.ModuleType | None:
    module = sys.modules.get(name)
    return module if isinstance(module, types.ModuleType) else None
