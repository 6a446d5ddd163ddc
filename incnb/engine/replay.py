"""Reuse: what executing a cell would have left, put back from its trace.

The cell's AST is replaced. Its imports and plain definitions run again, in place and in order; then the outputs are
restored: values loaded (or left pending), names deleted, objects that changed in place given their new state, streams
and displays played. Everything is loaded before anything is touched; if that fails the plain body runs after all, as
the `else` of the very same tree, so the person's cell never fails for a fault of the store.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from incnb.dependencies.ambient import GENERATORS
from incnb.engine import states
from incnb.model import Code, IncnbError, Reason
from incnb.outputs import ambient, files
from incnb.outputs.events import Event, Replayed
from incnb.outputs.events import replay as play
from incnb.outputs.loaded import Loaded, resolver, restore
from incnb.outputs.pending import Lost, Pending, PendingGroup
from incnb.outputs.streams import Capture
from incnb.outputs.variables import RESULT
from incnb.store import BlobRef, LoadError, Store, StoredTrace, StoreError, load

_FAILURES = (StoreError, LoadError, Lost, LookupError, AttributeError, TypeError, ValueError, OSError, IncnbError)
HOOK = "__incnb__"
LAZY_FROM = 1024 * 1024


class Replay:
    """One reuse in progress; the replacement tree calls `restore` and `result`."""

    def __init__(self, shell: Any, store: Store, stored: StoredTrace, pending: Pending, *, lazy: bool, title: str):
        self.shell = shell
        self.namespace: dict[str, Any] = shell.user_ns
        self.stored = stored
        self.outputs: dict[str, Any] = (stored.data or {}).get("outputs", {})
        self.problem: str | None = None
        self.restored = False
        self.seconds = 0.0
        self.native = False
        self.loaded: Callable[[float], None] = lambda seconds: None  # told when a value that was left pending is loaded
        self._store = store
        self._pending = pending
        self._lazy = lazy
        self._title = title
        self._value: Any = None
        self._shown: Replayed | None = None
        self._late: PendingGroup | None = None
        self._live: Capture | None = None
        self._printed: list[Event] = []
        self._after: list[Event] = []
        self._again: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = self.outputs.get("ambient", [])
        self._before: states.States | None = None
        self._environ: dict[str, str] = {}
        self._applied: list[dict[str, Any]] = []
        self._misfit: Exception | None = None
        self._started = time.perf_counter()

    # -- before the tree is replaced

    def check(self) -> Reason | None:
        """Make sure that every blob is there, whole by its length, and that written files may be put back."""
        new = states.unknown(self._entries)
        if new is not None:
            why = f"it holds {new}, which this version of incnb does not know"
            return Reason(Code.UNRESTORABLE, "store", self.stored.id, why)
        written, folders = self.outputs.get("files", []), self.outputs.get("folders", [])
        try:
            self._again = files.missing(written, folders)
            for reference in blobs(self.outputs):
                self._store.check(reference)
                self._store.touch(reference)
            self._store.touch_trace(str((self.stored.data or {})["code"]), self.stored.id)
        except files.Changed as changed:
            return Reason(Code.FILE, "file", str(changed), changed.why)
        except StoreError as error:
            return Reason(Code.UNRESTORABLE, "store", self.stored.id, str(error))
        return None

    def tree(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements that stand for `body`: definitions, restoring, the body as a way out, the last value."""
        rerun: list[ast.stmt] = []
        placed = 0
        for index in self.outputs["rerun"]:
            due = [e for e in self._entries if e["before"] is not None and e["before"] <= index]
            if len(due) > placed:
                placed = len(due)
                rerun.append(_at(ast.parse(f"{HOOK}.ambient({index})").body[0], body[index]))
            rerun.append(body[index])
        if rerun:
            first = next((i for i, s in enumerate(rerun) if not is_future(s)), len(rerun))
            rerun.insert(first, _at(ast.parse(f"{HOOK}.begin()").body[0], body[0]))
        last = body[-1] if body and isinstance(body[-1], ast.Expr) else None
        plain = [
            s for s in (body[:-1] if last is not None else body) if not is_future(s)
        ]  # they run first, or not at all
        anchor = body[0]
        ask = _at(ast.parse(f"if not {HOOK}.restore(): pass").body[0], anchor)
        assert isinstance(ask, ast.If)
        ask.body = list(plain) or [_at(ast.Pass(), anchor)]
        if last is None:
            return [*rerun, ask]
        choice = ast.parse(f"{HOOK}.result() if {HOOK}.restored else 0").body[0]
        choice = _at(choice, last)
        assert isinstance(choice, ast.Expr) and isinstance(choice.value, ast.IfExp)
        choice.value.orelse = last.value
        return [*rerun, ask, choice]

    # -- called by the tree

    def enter(self) -> None:
        """The tree is about to run in place of the cell."""
        self._started = time.perf_counter()
        self._pending.paused = True
        if self._entries:
            self._before, self._environ = states.read(), dict(os.environ)

    def begin(self) -> None:
        """Imports and definitions run now; what they print (a module at its first import) was recorded too."""
        self._live = Capture(self.shell)
        self._live.start()

    def ambient(self, index: int) -> None:
        """Statement `index` runs next: put back the ambient state that executing would have made before it."""
        try:
            self._put_back([e for e in self._entries if e["before"] is not None and e["before"] <= index])
        except Exception as error:
            self._misfit = self._misfit or error

    def restore(self) -> bool:
        """Put everything back but the last value; False when it cannot be, and nothing was touched."""
        live, self._live = self._live, None
        printed = live.stop() if live is not None else []
        try:
            self._printed = printed
            self._restore()
        except (
            StoreError,
            LoadError,
            Lost,
            LookupError,
            AttributeError,
            TypeError,
            ValueError,
            OSError,
            IncnbError,
        ) as error:
            self.problem = str(error) or type(error).__name__
            with contextlib.suppress(Exception):
                self._undo()
            self._pending.paused = False
            self._pending.bring_in_all()
            return False
        self.restored = True
        return True

    def result(self) -> Any:
        """What the last expression displays: the recorded bundle, for IPython's own display hook."""
        events = [Event.from_dict(e) for e in self.outputs["events"] if e["type"] == "result"]
        self.seconds = time.perf_counter() - self._started
        if self.native:
            return self._value
        if not events:
            return None
        self._shown = Replayed(events[-1].data, events[-1].metadata)
        return self._shown

    # -- after the cell

    def finish(self) -> None:
        """Put the real value where the display hook left its stand-in (`_`, `Out[n]`)."""
        if self._live is not None:
            self._live.stop()  # a definition raised
        self._pending.paused = False
        play(self.shell, self._after)
        shown = self._shown
        if shown is None:
            return
        if self._late is not None and RESULT in self._late.names:
            number = next((n for n, v in self.namespace.get("_oh", {}).items() if v is shown), None)
            names = {n for n in ("_", "__", "___", f"_{number}") if self.namespace.get(n) is shown}
            self._late.words = self._late.words | {"_", "__", "___", "Out", "_oh", f"_{number}"}
            late = f"_{number}"

            def placed(values: dict[str, Any]) -> None:
                place(self.shell, shown, values[RESULT])
                self.namespace.setdefault(late, values[RESULT])
                for name in ("__", "___"):
                    self.namespace.setdefault(name, getattr(self.shell.displayhook, name, ""))

            self._late.placed = placed
            for name in names - {"_"}:
                self.namespace.pop(name, None)
            return
        place(self.shell, shown, self._value)

    # -- inside

    def _restore(self) -> None:
        resolve = resolver(self._namespaces)
        for module, name, *_ in self.references():
            if not module and name not in self.namespace:
                self._pending.bring_in(name)  # what was saved refers into a value that is not loaded yet
        ready: list[tuple[dict[str, Any], Loaded]] = []
        later: list[PendingGroup] = []
        for group in self.outputs["groups"]:
            names = set(group["names"])
            if self._may_wait(group):
                later.append(self._waiting(group, names, resolve))
            else:
                ready.append((group, self.load_group(group, resolve)))
        for _, loaded in ready:
            if not loaded.fits():
                raise LoadError("an object that changed in place has another shape now")
        folders = self.outputs.get("folders", [])
        if self._again or folders:
            files.put_back(self._again, folders, self.outputs.get("modes", {}), lambda blob: self._blob(blob))
        try:
            if self._misfit is not None:
                raise self._misfit
            self._put_back(self._entries)
        except Exception as error:
            raise LoadError(f"ambient state cannot be put back: {error}") from error
        # nothing above touched anything that is not undone (but a file that was missing); nothing below can fail
        for _, loaded in ready:
            loaded.patch()
        values = {name: value for _, loaded in ready for name, value in loaded.values.items()}
        for name in [
            *(n for n in self.outputs["order"] if n in values),
            *(n for n in values if n not in self.outputs["order"]),
        ]:
            if name == RESULT:
                self._value = values[name]
            else:
                self._pending.forget(name)
                self.namespace[name] = values[name]
        for waiting in later:
            self._pending.add(waiting)
            if RESULT in waiting.names:
                self._late = waiting
        for name in self.outputs["deleted"]:
            self._pending.forget(name)
            self.namespace.pop(name, None)
        events = [Event.from_dict(e) for e in self.outputs["events"]]
        at = next((i for i, e in enumerate(events) if e.type == "result"), len(events))
        self._after = events[at + 1 :]  # figures are shown after the result
        play(self.shell, _without(self._printed, events[:at]))
        self.seconds = time.perf_counter() - self._started

    def generators(self) -> set[str]:
        """The global random generators that are now where the recorded cell left them."""
        return {e["what"] for e in self._applied if e["what"] in GENERATORS} if self.restored else set()

    def _put_back(self, entries: list[dict[str, Any]]) -> None:
        changes = [states.unpacked(e, resolver(self._namespaces), self.namespace) for e in entries]
        self._entries = [e for e in self._entries if e not in entries]
        self._applied += entries
        ambient.apply(changes)

    def _undo(self) -> None:
        """The body runs after all: it begins where the cell began."""
        if self._before is None:
            return
        for name in [n for n in os.environ if n not in self._environ]:
            del os.environ[name]
        os.environ.update(self._environ)
        ambient.apply(states.difference(states.read(), self._before))
        if not self._before.get(ambient.BACKEND):
            ambient.settle()

    def _may_wait(self, group: dict[str, Any]) -> bool:
        if not self._lazy or group["bytes"] < LAZY_FROM or group["patched"]:
            return False
        if self.native and RESULT in group["names"]:
            return False
        return self._pending.allowed([n for n in group["names"] if n != RESULT])

    def _waiting(self, group: dict[str, Any], names: set[str], resolve: Callable[..., object]) -> PendingGroup:
        found: dict[tuple[Any, ...], object] = {}

        def bring() -> dict[str, Any]:
            started = time.perf_counter()
            try:
                values = self.load_group(group, lambda reference: found[reference]).values
                self.loaded(time.perf_counter() - started)
                return values
            except (StoreError, LoadError, LookupError) as error:
                wanted = ", ".join(sorted(names - {RESULT})) or "the result"
                raise Lost(
                    f"{wanted} cannot be loaded any more ({error}): run the cell {self._title!r} again"
                ) from error

        for reference in _refers(group):
            found[reference] = resolve(reference)
        alone = len(names - {RESULT}) == 1 and not group.get("refers")
        words, needed = frozenset(group["words"]), frozenset(blob.sha256 for blob in blobs({"groups": [group]}))
        return PendingGroup(names, bring, self._title, dict(group["tree"]), words, alone, needed)

    def references(self) -> list[tuple[Any, ...]]:
        """What the saved values refer to in the live namespace."""
        return [reference for group in self.outputs["groups"] for reference in _refers(group)]

    def resolve(self, reference: tuple[Any, ...]) -> object:
        """The live object behind a reference."""
        return resolver(self._namespaces)(reference)

    def load_group(self, group: dict[str, Any], resolve: Callable[..., object]) -> Loaded:
        """The values of one group in memory, bound to nothing. Raises `StoreError`, `LoadError`, `LookupError`."""
        data = base64.b64decode(group["pickle"]) if "pickle" in group else self._blob(group["blob"])
        buffers = [self._store.read(BlobRef.from_dict(b), raw=True) for b in group["buffers"]]
        # a module that is imported thereby prints again what was recorded
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return restore(data, buffers, resolve, self.namespace, load)

    def _blob(self, reference: dict[str, Any]) -> memoryview:
        return self._store.read(BlobRef.from_dict(reference), raw=False)

    def _namespaces(self, module: str) -> dict[str, Any]:
        return self.namespace if not module else sys.modules[module].__dict__


def is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _without(shown: list[Event], events: list[Event]) -> list[Event]:
    """The recorded events that are still to be played, when `shown` has just been printed live."""
    rest = list(events)
    for event in shown:
        if not rest or rest[0].type != event.type or rest[0].name != event.name:
            return events
        if event.type == "stream" and rest[0].text.startswith(event.text):
            left = rest[0].text[len(event.text) :]
            rest[0:1] = [replace(rest[0], text=left)] if left else []
        elif rest[0] == event:
            rest.pop(0)
        else:
            return events
    return rest


def place(shell: Any, shown: Replayed, value: Any) -> None:
    """Replace the stand-in of a result by the result, wherever IPython keeps it."""
    namespace = shell.user_ns
    for names in (namespace, shell.user_ns_hidden):  # IPython updates `_` only while both agree
        for name in [n for n, v in names.items() if v is shown]:
            names[name] = value
    for history in (namespace.get("_oh"), namespace.get("Out")):
        if isinstance(history, dict):
            for number in [n for n, v in history.items() if v is shown]:
                history[number] = value
    hook = shell.displayhook
    for name in ("_", "__", "___"):
        if getattr(hook, name, None) is shown:
            setattr(hook, name, value)


def blobs(outputs: dict[str, Any]) -> list[BlobRef]:
    """What the outputs of a trace need from the store. Raises `StoreError`."""
    found = [b for g in outputs["groups"] for b in (*g["buffers"], *([g["blob"]] if "blob" in g else []))]
    return [BlobRef.from_dict(b) for b in [*found, *(f["blob"] for f in outputs.get("files", []) if "blob" in f)]]


def _refers(group: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [_tuple(r) for r in group.get("refers", [])]


def _tuple(value: Any) -> Any:
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value


def _at(node: Any, anchor: ast.AST) -> Any:
    for part in ast.walk(node):
        if hasattr(part, "lineno") or isinstance(part, ast.stmt | ast.expr):
            ast.copy_location(part, anchor)
    return node
