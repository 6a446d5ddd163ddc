"""Where calls are told apart: inside a cell that is watched already, or where nobody watches yet.

In a tracked cell the cell's own watch sees what calls do. In a cell that is not tracked, in a script, below pytest,
there is none: then one is put up for as long as a call lasts, and taken down again. Without IPython there is no shell
either; what stands in for it shows nothing and knows nothing but the namespace of `__main__`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from incnb.dependencies import Environment
from incnb.engine.configured import Configured
from incnb.engine.options import Options
from incnb.engine.parts import Parts
from incnb.model import Kind
from incnb.outputs.effects import Watch
from incnb.outputs.started import free_tool
from incnb.outputs.streams import Capture
from incnb.store import Store, default_root
from incnb.store.items import Items

if TYPE_CHECKING:
    from incnb.engine.record import Run
    from incnb.engine.session import Session

_sessions: list[Session] = []
_said: set[str] = set()
_lock = threading.RLock()
_alone: Scene | None = None
_pid = os.getpid()


def present(session: Session) -> None:
    """A session has begun."""
    _sessions.append(session)
    _said.clear()


def gone(session: Session) -> None:
    """A session has ended."""
    if session in _sessions:
        _sessions.remove(session)


def say(line: str) -> None:
    """One line of ours, said once."""
    with _lock:
        if line in _said:
            return
        _said.add(line)
    if _sessions:
        _sessions[-1].say(line)
    else:
        logging.getLogger("incnb").warning("incnb: %s", line)


class _Display:
    """Shows nothing: outside of IPython nothing is displayed."""

    def publish(self, *args: Any, **kwargs: Any) -> None: ...

    def clear_output(self, wait: bool = False) -> None: ...

    def write_format_data(self, *args: Any, **kwargs: Any) -> None: ...

    def finish_displayhook(self) -> None: ...

    def write_output_prompt(self) -> None: ...


class _Shell:
    """Stands in for a shell."""

    def __init__(self) -> None:
        self.display_pub = _Display()
        self.displayhook = _Display()
        self.user_ns_hidden: dict[str, Any] = {}

    @property
    def user_ns(self) -> dict[str, Any]:
        return sys.modules["__main__"].__dict__


_shell = _Shell()
_stores: dict[str, Store] = {}
_items: dict[tuple[int, str], Items] = {}


class Scene:
    """One watch with what belongs to it. `run` is the execution of a tracked cell, if it is that of one."""

    def __init__(self, session: Session | None, run: Run | None):
        self.session = session
        self.run = run
        self.shell = session.shell if session is not None else _shell_of_ipython()
        self.namespace: dict[str, Any] = session.namespace if session is not None else self.shell.user_ns
        self.options = run.options if run is not None else Options()
        self.users = 0
        self._own = run is None or run.capture is None
        self.capture = Capture(self.shell) if run is None or run.capture is None else run.capture
        if run is not None and run.watch is not None:
            self.watch = run.watch
        else:
            self.watch = Watch(self.shell, self.namespace, lambda ran: [])
        self.parts = Parts(self.watch, self.capture)
        self._started = False

    @property
    def awake(self) -> bool:
        """Whether it sees what is done; before the first call that runs there is nothing to see."""
        return not self._started or self.watch.on

    def start(self) -> None:
        """Watch from now on; idempotent. Nothing is watched for calls that are looked up and found."""
        with _lock:
            if self._started:
                return
            self._started = True
        if self._own:
            self.capture.start()
        if self.run is None:
            self.watch.start()

    def stop(self) -> None:
        with _lock:
            if not self._started:
                return
            self._started = False
        try:
            self.parts.close()
        finally:
            if self.run is None:
                self.watch.stop()
            if self._own:
                self.capture.stop()

    @property
    def sees(self) -> bool:
        """Whether it is seen which functions run."""
        return self.watch.started.sees if self.run is not None or self.watch.on else free_tool() is not None

    @property
    def store(self) -> Store:
        """Where items are kept."""
        if self.session is not None:
            return self.session.store
        root = str(default_root())
        with _lock:
            if root not in _stores:
                _stores[root] = Store()
            return _stores[root]

    def items(self, folder: str) -> Items:
        """What is known of the calls of one function."""
        if self.session is not None:
            return self.session.items_of(folder)
        store = self.store
        with _lock:
            return _items.setdefault((id(store), folder), Items(store, folder))

    def environment(self) -> Environment:
        """What everything is now."""
        if self.session is not None:
            environment = self.session.environment()
        else:
            environment = Environment(self.namespace, configured=Configured(self.namespace).of)
        environment.asked = dict(self.run.environment.asked) if self.run is not None else {}
        environment.volatile = frozenset({Kind.FILE, Kind.ENV, Kind.AMBIENT})
        return environment


def _shell_of_ipython() -> Any:
    """The shell of an IPython into which incnb was not loaded; what stands in for it where there is none."""
    shells = sys.modules.get("IPython.core.interactiveshell")
    cls = getattr(shells, "InteractiveShell", None)
    if cls is not None and cls.initialized():
        return cls.instance()
    return _shell


def is_off() -> bool:
    """Whether everything of ours shall be plain execution."""
    if os.environ.get("INCNB", "").strip().lower() in ("off", "0", "no", "false"):
        return True
    return bool(_sessions) and _sessions[-1].off


def _in_child() -> None:
    # whoever held it is not there any more
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@contextmanager
def entered() -> Iterator[Scene]:
    """Be where calls are told apart, for as long as the call lasts."""
    __tracebackhide__ = True
    scene = _enter()
    try:
        yield scene
    finally:
        _leave(scene)


def _enter() -> Scene:
    global _alone, _pid
    with _lock:
        if _pid != os.getpid():  # in a forked child nothing of the parent's is watched
            _pid, _alone = os.getpid(), None
            _sessions.clear()
        session = _sessions[-1] if _sessions else None
        run = session.current.run if session is not None and session.current is not None else None
        if run is not None and run.watch is not None and not run.stopped and run.watch.on:
            scene = run.scene
            if scene is None:
                scene = run.scene = Scene(session, run)
        else:
            scene = _alone
            if scene is None or scene.session is not session or not scene.awake:
                scene = _alone = Scene(session, None)
        scene.users += 1
        return scene


def _leave(scene: Scene) -> None:
    global _alone
    with _lock:
        scene.users -= 1
        if scene.run is None and not scene.users:
            if _alone is scene:
                _alone = None
            scene.stop()
