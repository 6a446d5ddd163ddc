"""What a cell does outside of what is recorded, watched while it runs.

One audit hook sees files, directories, processes, the network, SQLite and frames. What raises no audit event is seen
where the user cannot: in the key coder of `os.environ` and in the private doors through which `random` and numpy draw
entropy. Looking at a path without opening it (`os.stat`, `Path.exists`) is known by name (`analysis.findings`).
Before and after are compared for open figures, threads, tasks and widgets. Which functions of ours really ran is seen
by `started`.

Whose doing an event is, is read from the stack: the import system's own reads and a library's reads of its own files
belong to the package; what happens below the user's code is the user's. An audit hook cannot be removed, so there is
one for the life of the process, and it does nothing while no watch is on.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Literal

from incnb.fingerprint import files, origin
from incnb.model import Dependency
from incnb.outputs import audited, file_events, interrupts, leftovers, logged, seeding, started, strings
from incnb.outputs.accesses import Journal, Op
from incnb.outputs.apart import Part, part_of
from incnb.outputs.audited import BENIGN_ENV, ENTROPY_FREE, FRAME_FRIENDS, NETWORK, PROCESSES, address, short, text
from incnb.outputs.looks import Looks
from incnb.outputs.threads import Threads, by_ident, is_among
from incnb.outputs.whose import belongs, file_kind, is_own, is_seen, is_shells_own, through_library

Kind = Literal["effect", "untracked", "unsafe"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing seen: `effect` reaches outside, `untracked` is a dependency of a kind that is not followed."""

    kind: Kind
    what: str
    permit: str = ""  # the word for `--allow` that lifts it


class Watch:
    """Watches one cell; `stop` gives what was seen, in order and each once."""

    def __init__(
        self,
        shell: Any,
        namespace: dict[str, Any],
        unexpected: Callable[[Collection[CodeType] | None], list[CodeType]],
        by_name: Callable[[strings.Asked], None] | None = None,
    ):
        """`unexpected` is told which functions ran (None: that could not be seen) and says which nothing leads to.

        `by_name` is told what libraries look up in frames of ours by the names in strings.
        """
        self._by_name = by_name
        self._namespace = namespace
        self._unexpected = unexpected
        self._seen: dict[Event, None] = {}
        self._before = leftovers.Snapshot(shell)
        self._guard = threading.local()
        self._undo: list[Callable[[], None]] = []
        self._started = started.Started(self._notes, {seeding.RESEED: self._reseeded, logged.FORMAT: self._logs})
        self._pid = os.getpid()
        self._journal = Journal()
        self._looks = Looks(self._looked)
        self.sees_looks = False
        self.variables: dict[str, None] = {}  # of the environment, that were set or deleted
        self._noted = 0
        self.lets: Threads = {}  # threads that work for us: what they do outside of items is nobody's
        self.taken: list[Dependency] = []  # that results relied on which calls of ours reused

    def start(self) -> None:
        global _active
        _install()
        interrupts.start(self)
        self._before.take()
        self._shadow()
        if not self._started.start() and seeding.GLOBAL is not None:
            self._undo += [seeding.watch_reseeding(self._fresh), logged.watch_times(self._logs)]
        self.sees_looks = self._looks.start()
        _active = self

    def stop(self) -> list[Event]:
        """End the watch and say what was seen."""
        global _active
        if _active is self:
            _active = None
        try:
            for undo in reversed(self._undo):
                undo()
        finally:
            self._started.stop()  # whatever the others do: the tool ids are given back
            self._looks.stop()
            interrupted = interrupts.stop(self)
        self._undo.clear()
        if interrupted:
            self._note("untracked", interrupted)
        for kind, what, permit in self._before.compare():
            self._note(kind, what, permit)
        for code in self._unexpected(self._started.ran()):
            self._note("untracked", f"{code.co_qualname}() ran, and nothing that the cell reads leads to it")
        return list(self._seen)

    @property
    def journal(self) -> Journal:
        """What is done with files, by this thread at its item or by the whole cell."""
        part = part_of(self)
        return self._journal if part is None else part.journal

    @property
    def whole(self) -> Journal:
        """What is done by threads that are at no item."""
        return self._journal

    @property
    def on(self) -> bool:
        """Whether it is this one that sees what is done."""
        return _active is self

    def leave(self, part: Part) -> None:
        """An item that was kept apart has ended: what it did, what it was part of did as well."""
        above = part.above
        if above is None:
            self._noted += len(part.told)
            self._started.also(part.ran)
            self._journal.take(part.journal)
            self.taken += dict.fromkeys(part.taken)
        else:
            above.take(part)

    @property
    def started(self) -> started.Started:
        """Which code of ours starts."""
        return self._started

    @property
    def told(self) -> int:
        """How often something was noted that speaks against recording; it only grows."""
        return self._noted

    @property
    def latest(self) -> Event | None:
        """What was noted last."""
        return next(reversed(self._seen), None)

    def turn(self, *, aside: bool) -> bool:
        """Let what this thread does from now on be (`aside`) or be not the cell's doing; gives what it was."""
        before = bool(getattr(self._guard, "busy", False))
        self._guard.busy = aside
        return before

    def aside(self) -> AbstractContextManager[bool]:
        """What this thread does inside is not the cell's doing."""
        return self._alone()

    @property
    def looked(self) -> int:
        """How often something outside was looked at; it only grows."""
        return self._noted + len(self.journal.entries) + len(self.journal.variables)

    def _note(self, kind: Kind, what: str, permit: str = "") -> None:
        event = Event(kind, what, permit)
        part = part_of(self)
        if part is None:
            self._noted += 1
        else:
            part.told.append(event)
        self._seen[event] = None

    def note(self, event: Event) -> None:
        """Something was seen elsewhere."""
        self._seen[event] = None
        self._noted += 1

    def _notes(self, code: CodeType) -> bool:
        with self._alone():  # what we look up for it is not the cell's doing
            return is_seen(code)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """False while this thread is already inside an observation, or belongs to the kernel itself."""
        busy = (
            getattr(self._guard, "busy", False)
            or is_among(threading.get_ident(), _KERNEL_THREADS)
            or os.getpid() != self._pid
        ) or (is_among(threading.get_ident(), self.lets) and part_of(self) is None)
        if busy:
            yield False
            return
        self._guard.busy = True
        try:
            yield True
        finally:
            self._guard.busy = False

    # -- audit events

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        with self._alone() as alone:
            if not alone:
                return
            if event in file_events.EVENTS:
                self._file(event, args)
            elif event in ("os.putenv", "os.unsetenv"):
                if self._on_behalf() is not None:
                    self._variable(text(args[0]), sys._getframe(2))
            elif event in PROCESSES and not self._asks_the_machine(args):
                self._note("effect", f"it started a process ({event} {short(args)})", "subprocess")
            elif event in NETWORK:
                self._note("effect", f"it opened a connection to {address(args)}", "network")
            elif event == "sqlite3.connect":
                self._database(args[0])
            elif event == "builtins.input":
                self._note("effect", "it asked for input", "input")
            elif event == "sys._getframe":
                self._frame(args)
            elif event == audited.ASKED:
                self._note("untracked", f"it asks incnb about this session ({args[0]})")

    def _variable(self, name: str, setter: FrameType) -> None:
        """A variable was set or deleted; what it is after the cell is an output."""
        if setter.f_code.co_name in ("__setitem__", "__delitem__") and setter.f_globals.get("__name__") == "os":
            self.variables[name] = None
        else:
            self._note("untracked", f"it set the environment variable {name} behind the back of os.environ")

    def _frame(self, args: tuple[Any, ...]) -> None:
        """Library code that asks for a frame of ours reads variables by name."""
        asks: FrameType | None = sys._getframe(3)
        while asks is not None and asks.f_globals.get("__name__") == "inspect":
            asks = asks.f_back
        if asks is None or self._is_ours(asks) or strings.top(asks) in FRAME_FRIENDS:
            return
        try:
            for frame in strings.wanted(asks, args[0] if args else None, self._is_ours):
                asked = strings.asked(asks, frame) if strings.top(asks) in strings.ASKERS else None
                if self._by_name is None or asked is None or not asked.texts:
                    raise LookupError
                self._by_name(asked)
        except Exception:  # an exception in a hook would be the user's
            name = asks.f_globals.get("__name__", "")
            self._note("unsafe", f"{name} reads variables of its caller by name")

    def _file(self, event: str, args: tuple[Any, ...]) -> None:
        path = file_events.path_of(event, args)
        if path is None or path.startswith((os.devnull, "/dev/urandom", "<")):
            return
        libraries = self._on_behalf()
        if libraries is None or is_shells_own(libraries):
            return
        full = os.path.join(files.here(), path) if not os.path.isabs(path) else path
        writes = event in file_events.CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & 3)
        if not writes and belongs(full, libraries, only_looked=event != "open"):
            return
        caller = sys._getframe(3)
        if not file_events.is_step(event, caller):
            file_events.tell(self.journal, event, args, path, caller)
            if all(frame.f_code.co_filename.endswith(file_events.THIN) for frame in libraries):
                self.journal.direct.add(os.path.normpath(full))

    def _asks_the_machine(self, args: tuple[Any, ...]) -> bool:
        """Whether a library starts a process to learn how many cores there are and the like."""
        program = os.path.basename(os.fsdecode(args[0])) if args and isinstance(args[0], str | bytes) else ""
        if program not in ("lscpu", "uname", "sysctl", "ldconfig", "getconf"):
            return False
        libraries = self._on_behalf()
        return libraries is None or any(file_kind(f.f_code.co_filename) == "library" for f in libraries)

    def _looked(self, op: Op, path: str, frame: FrameType) -> None:
        if self.journal.has_looked(op, path):
            return
        with self._alone() as alone:
            if not alone or path.startswith((os.devnull, "<")):
                return
            libraries = self._on_behalf()
            full = os.path.join(files.here(), path)
            if libraries is None or is_shells_own(libraries) or belongs(full, libraries, only_looked=True):
                return
            if not file_events.is_step("os.listdir", frame.f_back):
                through = any(file_kind(f.f_code.co_filename) == "library" for f in libraries)
                self.journal.looked(op, path, by_library=through)

    def _database(self, name: Any) -> None:
        path = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
        if path in ("", ":memory:"):
            return
        if path.startswith("file:") or path.startswith(":"):
            self._note("untracked", f"it opened the database {path}")
            return
        self.journal.opened(path, os.O_RDWR)
        for beside in ("-wal", "-journal"):
            if os.path.exists(path + beside) and os.path.getsize(path + beside):
                self._note("untracked", f"the database {path} is being written")

    def _is_ours(self, frame: FrameType) -> bool:
        module = frame.f_globals.get("__name__")
        if frame.f_globals is self._namespace or module == "__main__":
            return True
        filename = frame.f_code.co_filename
        if not isinstance(module, str) or module.startswith("incnb") or filename.startswith("<frozen"):
            return False
        return file_kind(filename) == "project" and origin.is_ours(origin.module_origin(module))

    def _on_behalf(self, *, direct: bool = False) -> list[FrameType] | None:
        """The library frames between the event and the first frame of ours; None when it is not the user's doing.

        With `direct`, only what the user's code asks of Python itself counts: library code in between is not the user.
        """
        frame: FrameType | None = sys._getframe(2)
        between: list[FrameType] = []
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename.startswith("<frozen importlib"):
                return None
            if self._is_ours(frame):
                return between
            if filename.endswith("linecache.py"):
                return None
            if "importlib/metadata/" in filename and through_library(frame.f_back):
                return None  # what is installed, asked by a library
            if not is_own(filename) and frame.f_code.co_name != "_modified_open":  # IPython's own name for `open`
                kind = file_kind(filename)
                if direct and kind == "library":
                    return None
                between.append(frame)
            frame = frame.f_back
        # a thread's bottom: started by the cell, unless it is one of the kernel's
        return None if threading.current_thread() is threading.main_thread() else between

    # -- what raises no audit event

    def _shadow(self) -> None:
        # the instance's own attributes: no frame of ours is left when a lookup raises
        environ: Any = os.environ
        self._replace(environ, "encodekey", self._environ_key(environ.encodekey))
        self._replace(environ, "decodekey", self._environ_all(environ.decodekey))
        self._replace(random, "_urandom", self._entropy(random._urandom))  # type: ignore[attr-defined]
        bits = sys.modules.get("numpy.random.bit_generator")
        if hasattr(bits, "randbits"):
            self._replace(bits, "randbits", self._entropy(bits.randbits))  # type: ignore[union-attr]

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        old = getattr(owner, name)
        setattr(owner, name, value)

        def undo() -> None:
            if getattr(owner, name) is value:
                setattr(owner, name, old)

        self._undo.append(undo)

    def _environ_key(self, original: Any) -> Any:
        def encodekey(key: Any) -> Any:
            self._environment(key, sys._getframe(1).f_code.co_name)
            return original(key)

        return encodekey

    def _environ_all(self, original: Any) -> Any:
        def decodekey(key: Any) -> Any:
            with self._alone() as alone:
                if alone and self._on_behalf(direct=True) is not None:
                    self._note("untracked", "it read all environment variables")
            return original(key)

        return decodekey

    def _environment(self, key: Any, method: str) -> None:
        if isinstance(key, str) and key in self.journal.variables and method == "__getitem__":
            return
        with self._alone() as alone:
            if not alone:
                return
            between = self._on_behalf()
            if between is None:
                return
            through = [f for f in between if file_kind(f.f_code.co_filename) == "library"]
            if not (through and isinstance(key, str) and key.upper().startswith(BENIGN_ENV)):
                name = text(key)
                self.journal.variable(name, self._raw_environ(name), sets=method in ("__setitem__", "__delitem__"))

    @staticmethod
    def _raw_environ(name: str) -> str | None:
        environ: Any = os.environ
        value = environ._data.get(os.fsencode(name))  # past the shadowed coder
        return None if value is None else os.fsdecode(value)

    def _entropy(self, original: Any) -> Any:
        def entropy(*args: Any) -> Any:
            self._fresh()
            with self._alone():  # numpy asks Python's, which asks the system's
                return original(*args)

        return entropy

    def _fresh(self) -> None:
        with self._alone() as alone:
            if not alone:
                return
            between = self._on_behalf()
            if seeding.is_legacy_seeding(sys._getframe(2)):
                return
            if between is not None and not any(part in f.f_code.co_filename for f in between for part in ENTROPY_FREE):
                self._note("effect", "it drew fresh randomness (pass a seed)", "random")

    def _logs(self, frame: FrameType | None) -> None:
        with self._alone() as alone:
            if alone and (what := logged.volatile(frame)) and self._on_behalf() is not None:
                self._note("effect", what, "clock")

    def _reseeded(self, frame: FrameType) -> None:
        if seeding.is_global_reseeding(frame):
            self._fresh()


_active: Watch | None = None
_KERNEL_THREADS: Threads = {}
_installed = False


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        watch = _active
        if watch is not None and event in _WATCHED:
            watch.audit(event, args)

    sys.addaudithook(hook)


_WATCHED = file_events.EVENTS | PROCESSES | NETWORK
_WATCHED |= {"os.putenv", "os.unsetenv", "sqlite3.connect", "builtins.input", "sys._getframe", audited.ASKED}


def know_kernel_threads() -> None:
    """Take the threads that run now, but for this one, as the kernel's own: what they do is nobody's cell's doing."""
    others = (threading.current_thread(), threading.main_thread())
    _KERNEL_THREADS.update(by_ident(t for t in threading.enumerate() if t not in others))
