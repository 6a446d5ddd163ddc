"""Pending variables: outputs of reused cells that are not loaded until something needs them.

A pending name is absent from the notebook's namespace, so nothing stands in for the value and nothing can be fooled by
a stand-in. The price is that every way of needing a name has to be seen before it fails:

* a cell that is about to execute and mentions the name anywhere, in a string too, or any function or class of the
  session that does (`before_cell`); one that can reach names unseen (`globals()`, unknown magics, `!`) needs all;
* code with the notebook's globals that starts or resumes outside of a cell, a callback or a task (Python >= 3.12, by
  `sys.monitoring`); before 3.12 the first cell that executes brings everything in;
* `__main__.x` (the module gets a class with `__getattr__` while names are pending);
* library code that asks for a frame above the notebook (audit event `sys._getframe`);
* requests that are not cells: completion, inspection, user expressions, widget messages (`before_request`).

Where even that could not be enough (another thread or task of the user's is running, a debugger, a terminal) nothing
becomes pending: `allowed` says so, and the value is restored at once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import references
from incnb.model import IncnbError
from incnb.outputs import leftovers

WIDE = frozenset(
    [
        "globals",
        "locals",
        "vars",
        "dir",
        "user_ns",
        "user_global_ns",
        "__dict__",
        "get_ipython",
        "exec",
        "eval",
        "__main__",
        "sys",
        "modules",
        "gc",
        "inspect",
        "import_module",
        "__import__",
        "reload",
        "autoreload",
        "run_cell",
        "cloudpickle",
        "dill",
        "pickle",
        "joblib",
        "ProcessPoolExecutor",
        "multiprocessing",
        "dask",
        "loky",
        "_oh",
        "Out",
        "_getframe",
        "f_globals",
    ]
)
_ASKERS = frozenset(
    [
        "IPython",
        "ipykernel",
        "traitlets",
        "incnb",
        "jupyter_client",
        "tornado",
        "zmq",
        "asyncio",
        "logging",
        "collections",
        "typing",
        "enum",
        "dataclasses",
        "comm",
        "warnings",
        "abc",
        "functools",
        "contextlib",
        "matplotlib_inline",
    ]
)


class Lost(IncnbError):
    """A pending value cannot be loaded any more; the message names the cell to run again."""


@dataclass(slots=True, eq=False)
class PendingGroup:
    """Names that are loaded together. `tree` holds their fingerprints by locator; `words` also call the group in."""

    names: set[str]
    load: Callable[[], dict[str, Any]]
    title: str
    tree: dict[str, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    alone: bool = False
    blobs: frozenset[str] = frozenset()  # what it is loaded from
    placed: Callable[[dict[str, Any]], None] = lambda values: None


class Pending:
    """The names of one notebook namespace that are not loaded yet."""

    def __init__(self, namespace: dict[str, Any]):
        self.namespace = namespace
        self.groups: dict[str, PendingGroup] = {}
        self.not_now: frozenset[str] = frozenset()  # names that the request being served asks for after the cell
        self.notebook_words: set[str] = set()
        self._lock = threading.RLock()
        self._main: types.ModuleType | None = None
        self._tool: int | None = None
        self._closed = False
        self.paused = False  # while a reuse is in progress, whose code mentions names without reading them

    def __bool__(self) -> bool:
        return bool(self.groups)

    # -- becoming pending

    def allowed(self, names: Iterable[str]) -> bool:
        """Whether names may become pending now: nobody else is there who could need them unseen."""
        if self.not_now & set(names) or threading.current_thread() is not threading.main_thread():
            return False
        if _debugging() or leftovers.open_comms():
            return False
        mine = threading.get_ident()
        for ident, frame in sys._current_frames().items():
            at: types.FrameType | None = frame
            while ident != mine and at is not None:
                if at.f_globals is self.namespace:
                    return False
                at = at.f_back
        if leftovers.users_tasks():
            return False
        # before 3.12 nothing tells when a function of an earlier cell starts outside of a cell
        return hasattr(sys, "monitoring") or not self.notebook_words & set(names)

    def add(self, group: PendingGroup) -> None:
        with self._lock:
            for name in group.names:
                self.forget(name)
                self.namespace.pop(name, None)
                self.groups[name] = group
            self._open()

    def forget(self, name: str) -> None:
        """A name that something else binds now is not pending any more."""
        with self._lock:
            group = self.groups.pop(name, None)
            if group is not None:
                group.names.discard(name)
            if not self.groups:
                self._shut()

    def peek(self, name: str, locator: str) -> str | None:
        """The fingerprint at a locator below a pending name; None when only the value can tell."""
        group = self.groups.get(name)
        return None if group is None else group.tree.get(locator)

    def alone(self, name: str) -> bool:
        """Whether a pending value shares nothing with any other."""
        group = self.groups.get(name)
        return group is not None and group.alone

    # -- being needed

    def bring_in(self, name: str) -> None:
        """Load the group of a name, if it is pending, and bind those of its names that still are. Raises `Lost`."""
        with self._lock:
            group = self.groups.get(name)
            if group is None:
                return
            values = group.load()
            for member in list(group.names):
                if member not in self.namespace and member in values and member.isidentifier():
                    self.namespace[member] = values[member]
                self.groups.pop(member, None)
            group.names.clear()
            group.placed(values)
            if not self.groups:
                self._shut()

    def bring_in_all(self) -> None:
        for name in list(self.groups):
            self.bring_in(name)

    def before_cell(self, words: frozenset[str], *, binds: frozenset[str] = frozenset()) -> None:
        """Load what a cell that is about to execute may need, given all identifiers that it mentions.

        `binds` are names that it binds for sure without reading them: if their old values are lost, nobody misses them.
        """
        for name in [n for n in self.groups if n in binds]:
            try:
                self.bring_in(name)
            except Lost:
                self.forget(name)
        if not self.groups:
            return
        if words & WIDE or not hasattr(sys, "monitoring"):
            self.bring_in_all()
            return
        needed = words | self._session_words()
        for name, group in list(self.groups.items()):
            if name in needed or group.words & needed:
                self.bring_in(name)

    def _session_words(self) -> set[str]:
        found: set[str] = set()
        for value in list(self.namespace.values()):
            functions: list[Any] = []
            if isinstance(value, types.FunctionType):
                functions = [value]
            elif isinstance(value, type) and value.__module__ == "__main__":
                functions = list(class_functions(value))
            for function in functions:
                if function.__globals__ is self.namespace:
                    known = references(function.__code__)
                    found.update(read.name for read in known.reads)
                    found |= known.attributes | known.strings | known.stores
        return found

    def before_request(self, words: frozenset[str]) -> None:
        """Load what a request that is no cell mentions (completion, inspection, expressions)."""
        if self.groups:
            for name in [n for n, g in self.groups.items() if n in words or g.words & words]:
                self.bring_in(name)

    def close(self) -> None:
        """Load everything and leave no trace in the process."""
        for name in list(self.groups):
            try:
                self.bring_in(name)
            except Lost:
                self.forget(name)
        self._closed = True
        self._shut()

    # -- the ways in that are open only while something is pending

    def _open(self) -> None:
        main = sys.modules.get("__main__")
        if self._main is None and type(main) is types.ModuleType and main.__dict__ is self.namespace:
            main.__class__ = _watched_module(self)
            self._main = main
        _pending.add(self)
        _install()
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None:
            if self._tool is None:
                self._tool = next((i for i in (4, 3) if monitoring.get_tool(i) is None), None)
                if self._tool is None:
                    self.bring_in_all()
                    return
                monitoring.use_tool_id(self._tool, "incnb pending")
                events = monitoring.events
                for event in (events.PY_START, events.PY_RESUME):
                    monitoring.register_callback(self._tool, event, self._started)
                monitoring.set_events(self._tool, events.PY_START | events.PY_RESUME)
            monitoring.restart_events()

    def _shut(self) -> None:
        if self._main is not None:
            self._main.__class__ = types.ModuleType
            self._main = None
        _pending.discard(self)
        if self._tool is not None:
            monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self._tool, 0)
            monitoring.free_tool_id(self._tool)
            self._tool = None

    def _started(self, code: types.CodeType, offset: int) -> Any:
        if self.paused:
            return None
        if not self.groups or self.groups.keys().isdisjoint(code.co_names):
            return sys.monitoring.DISABLE  # type: ignore[attr-defined, unused-ignore]
        frame = sys._getframe(1)
        if frame.f_globals is self.namespace:
            for name in code.co_names:
                self.bring_in(name)
        return None


def _debugging() -> bool:
    """Whether a debugger is at work; it may read any variable at any time."""
    monitoring = getattr(sys, "monitoring", None)
    return sys.gettrace() is not None or (
        monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
    )


_pending: set[Pending] = set()
_installed = False


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "sys._getframe" and _pending:
            _asked_for_frame()

    sys.addaudithook(hook)


_busy = threading.local()


@contextlib.contextmanager
def of_our_own() -> Iterator[None]:
    """While something of ours runs library code below a cell: the frames that it asks for are not read for names."""
    before, _busy.on = getattr(_busy, "on", False), True
    try:
        yield
    finally:
        _busy.on = before


def _asked_for_frame() -> None:
    if getattr(_busy, "on", False):
        return
    _busy.on = True
    try:
        asker = sys._getframe(2)
        if str(asker.f_globals.get("__name__", "")).partition(".")[0] in _ASKERS:
            return
        frame: types.FrameType | None = asker
        while frame is not None:
            for pending in list(_pending):
                if frame.f_globals is pending.namespace:
                    pending.bring_in_all()
            frame = frame.f_back
    finally:
        _busy.on = False


def _watched_module(pending: Pending) -> type[types.ModuleType]:
    class Main(types.ModuleType):
        """The notebook's module while some of its names are not loaded yet."""

        def __getattr__(self, name: str) -> Any:
            if name in pending.groups:
                pending.bring_in(name)
                if name in pending.namespace:
                    return pending.namespace[name]
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    Main.__name__ = Main.__qualname__ = "module"
    return Main
