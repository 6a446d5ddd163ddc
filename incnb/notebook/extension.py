"""Loading and unloading: what is put onto the shell, and taken off again without a trace."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

from incnb.analysis.mentions import identifiers
from incnb.batch.orders import Orders, switched_off
from incnb.engine import scene
from incnb.engine.enquiries import Enquiries
from incnb.engine.naming import cell_key
from incnb.engine.options import Options, parse
from incnb.engine.session import Session
from incnb.model import Decision
from incnb.notebook import footer, panel_refresher
from incnb.notebook.magics import IncMagics
from incnb.notebook.panel import Panels
from incnb.notebook.progress import shower
from incnb.notebook.refresher import Refresher
from incnb.notebook.transformers import InputMarker, Tracker
from incnb.outputs.pending import Lost

_loaded: dict[int, Extension] = {}
#: Of a batch run: they stand when the notebook unloads incnb and loads it again.
_ordered: WeakKeyDictionary[Any, Orders] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Put incnb onto a shell; a second call changes nothing."""
    if id(shell) not in _loaded:
        extension = _loaded[id(shell)] = Extension(shell)
        if _ordered and shell in _ordered:
            extension.follow(_ordered[shell])
            extension.again = True


def order(shell: Any, orders: Orders) -> Extension:
    """What a batch run wants of this shell, from here on."""
    _ordered[shell] = orders
    load(shell)
    extension = _loaded[id(shell)]
    extension.follow(orders)
    extension.again = False
    return extension


def unload(shell: Any) -> None:
    """Take incnb off a shell."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.remove()


def extension_of(shell: Any) -> Extension | None:
    """What was put onto a shell, if it was."""
    return _loaded.get(id(shell))


class Extension:
    """incnb on one shell."""

    def __init__(self, shell: Any):
        self.shell = shell
        kernel = getattr(shell, "kernel", None)
        self.session = Session(
            shell, self._tell, self._say, lazy=isinstance(getattr(kernel, "shell_handlers", None), dict)
        )
        self.enquiries = Enquiries(self.session)
        self.session.progress = lambda quiet: shower(shell, quiet=quiet, unattended=self.orders is not None)
        scene.present(self.session)
        self.panels = Panels(self)
        self.refresher = Refresher(self.session, lambda: panel_refresher.tell(self))
        self.tracker = Tracker(self.session, self._say, self.panels.begun)
        self.orders: Orders | None = None  # of a batch run
        self.begun: dict[str, Any] = {}  # how the kernel of that run began
        self.again = False  # whether its session knows only a part of that run
        self.tracker.enabled = not switched_off()
        self._marker = InputMarker(shell)
        shell.input_transformers_cleanup.append(self._marker)
        shell.ast_transformers.append(self.tracker)
        shell.events.register("pre_run_cell", self._pre)
        shell.events.register("post_run_cell", self._post)
        shell.register_magics(IncMagics(shell, self))
        self._handlers: dict[str, Callable[..., Any]] = {}
        if kernel is not None and self.session.lazy:
            self._wrap_handlers(kernel.shell_handlers)

    def remove(self) -> None:
        scene.gone(self.session)
        self.refresher.stop()
        self.panels.close()
        self.session.close()
        for owner, item in (
            (self.shell.input_transformers_cleanup, self._marker),
            (self.shell.ast_transformers, self.tracker),
        ):
            if item in owner:
                owner.remove(item)
        for event, callback in (("pre_run_cell", self._pre), ("post_run_cell", self._post)):
            if callback in self.shell.events.callbacks[event]:
                self.shell.events.unregister(event, callback)
        for kind in ("line", "cell"):
            self.shell.magics_manager.magics[kind].pop("incremental", None)
        for name, handler in self._handlers.items():
            self.shell.kernel.shell_handlers[name] = handler

    def follow(self, orders: Orders) -> None:
        """Track every cell as a batch run wants it."""
        self.orders = orders
        self.tracker.auto = parse(orders.options, Options())
        session, fraction = self.session, orders.verify
        session.path, session.report_to = orders.notebook, orders.report
        if fraction is not None:
            # numbers of our own, not of the user's generator; other cells in every session
            session.verify = lambda key: Random(f"{session.id} {key}").random() < fraction

    @property
    def attended(self) -> bool:
        """Whether a person sits at the notebook."""
        return self.orders is None and footer.attended(self.shell)

    def status(self) -> str:
        if not self.tracker.enabled:
            return "incnb is off (INCNB=off)"
        cells = len(self.session.decisions)
        mode = "every cell" if self.tracker.auto is not None else "cells marked %%incremental"
        return f"incnb tracks {mode}; {cells} decided in this session; store: {self.session.store.root}"

    # -- callbacks: an exception in one would print a traceback of ours below the user's cell

    def _pre(self, info: Any = None) -> None:
        if not self.tracker.inside:
            self.panels.work()
        self._guard(lambda: self.tracker.pre_run_cell(info))

    def _post(self, result: Any = None) -> None:
        self._guard(lambda: self.tracker.post_run_cell(result))
        if not self.tracker.inside:
            self.panels.settled()

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self.session.faults += 1
            self._say(f"incnb: a fault of its own, your cell is not affected: {type(error).__name__}: {error}")

    def _tell(self, decision: Decision, options: Options) -> None:
        footer.show(self.shell, decision, quiet=options.quiet, unattended=self.orders is not None)
        self.panels.told(cell_key(decision.cell.id, decision.cell.title))

    def _say(self, text: str) -> None:
        footer.line(self.shell, text)

    # -- requests that are no cells may need pending values

    def _wrap_handlers(self, handlers: dict[str, Callable[..., Any]]) -> None:
        for name in ("execute_request", "complete_request", "inspect_request", "comm_msg", "comm_open"):
            if name in handlers:
                self._handlers[name] = handlers[name]
                handlers[name] = self._watching(name, handlers[name])

    def _watching(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def handler(stream: Any, ident: Any, parent: dict[str, Any]) -> Any:
            try:
                self._request(name, parent.get("content", {}))
            except Lost as lost:
                self._say(f"incnb: {lost}")
            except Exception as error:
                self._say(f"incnb: a fault of its own: {type(error).__name__}: {error}")
            return original(stream, ident, parent)

        return handler

    def _request(self, name: str, content: dict[str, Any]) -> None:
        pending = self.session.pending
        pending.not_now = frozenset()
        if name == "execute_request":
            text = " ".join(str(v) for v in (content.get("user_expressions") or {}).values())
            pending.not_now = identifiers(text)
            if content.get("silent"):
                text += " " + str(content.get("code", ""))
            pending.before_request(identifiers(text))
        elif name.startswith("comm"):
            if not self.panels.is_ours(name, content):
                pending.bring_in_all()
        else:
            words = identifiers(str(content.get("code", "")))
            pending.before_request(words)
            if name == "complete_request":
                starts = tuple(words)
                pending.before_request(
                    frozenset(n for n in pending.groups if n.startswith(starts))
                    if starts
                    else frozenset(pending.groups)
                )
