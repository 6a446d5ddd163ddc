"""The panel: a live table of the tracked cells of a session, and what a person can do to them from there.

`%incremental panel` and `incnb.panel()` give a `Panel`, which shows itself: as a widget where a person sits at a
notebook, and as a table or as text everywhere else (batch runs, a terminal, a file that is read later), since widget
state in a file makes pages that are blank without a server.

What the person clicks arrives as a message, at a moment and on a thread that the kernel chooses: in a thread of its own
while a cell runs, or on the main thread after the queued cells. So a message is put into a queue and nothing more. The
queue is worked off on the main thread while no cell runs: at once if that is now, else when the main loop of the kernel
gets there, and before the next cell is decided at the latest.

A panel must not change what is decided. Its comms are no widgets of the user's (`leftovers.OUR_COMMS`): no code of the
user's runs when a message comes over them, so nothing has to be loaded for it, and values may stay pending while it is
open. A tracked cell that shows a panel shows this very session, and is not recorded. A fault of ours in here ends the
updating of the panels, and touches no cell.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from incnb.engine import actions
from incnb.engine.rows import asked, ordered, pinned, row, rows
from incnb.explain import static_table
from incnb.model import Code, IncnbError, Reason
from incnb.notebook.panel_refresher import with_refresher
from incnb.outputs import leftovers
from incnb.outputs.pending import of_our_own

if TYPE_CHECKING:
    from incnb.engine.ledger import Seen
    from incnb.explain.rows import Row
    from incnb.notebook.extension import Extension

#: So many panels of one session are kept up to date; the oldest one ends when another is opened.
OPEN_LIMIT = 4
#: So many ended ones stay: each is 60 kB of what a page that is loaded again gets in one message.
ENDED_LIMIT = 20
#: Requests that wait while a cell runs; a person does not click more often.
QUEUE_LIMIT = 1000
#: A row tells the front end about so many dependencies that did not move, and so many lines of a diff; all rows about
#: so many together: a server drops messages of more than some 3 MB, as when a page is reloaded.
SAME_SHOWN, DIFF_LINES, SAME_TOGETHER, SAME_TEXT = 60, 200, 6000, 80

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
INSTALL = 'pip install "incnb[panel]"'
_UNLOADED = "incnb was unloaded; what is shown is how things were."
_CONTROL = "jupyter.widget.control"


class Panel:
    """The panel of one session; shows itself wherever it is displayed."""

    __slots__ = ("_extension", "_widget")

    def __init__(self, extension: Extension):
        self._extension = extension
        self._widget: Any = None

    def __repr__(self) -> str:
        return str(self._standing()["text/plain"])

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a panel shows one session and cannot be saved")

    def close(self) -> None:
        """End the widget of this panel in the front end, if it has one."""
        if self._widget is not None:
            self._extension.panels.take_out(self._widget)
            self._widget = None

    def _standing(self) -> dict[str, Any]:
        """The table and the text, as things are now."""
        not_recorded(self._extension)
        try:
            found = rows(self._extension.session)
            shown = {"text/plain": static_table.table_text(found), "text/html": static_table.table_html(found)}
            return with_refresher(shown, self._extension.refresher.line())
        except Exception as error:  # a display that raises would be a traceback in the user's cell
            problem = f"incnb: the panel cannot be shown: {type(error).__name__}: {error}"
            return {"text/plain": problem, "text/html": static_table.note_html(problem)}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        data = self._standing()
        if self._extension.attended:
            widget, problem = self._shown()
            if widget is not None:
                data[WIDGET_MIME] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
            elif problem:
                data = {
                    "text/plain": f"{data['text/plain']}\n{problem}",
                    "text/html": data["text/html"] + static_table.note_html(problem),
                }
        return data, {"incnb": {"panel": True}}

    def _shown(self) -> tuple[Any, str]:
        """The widget, or why there is none."""
        panels = self._extension.panels
        if self._widget is None or not panels.is_open(self._widget):
            try:
                with of_our_own():
                    self._widget = panels.open()
            except ImportError:
                return None, f"This table is not live. For the panel: {INSTALL}"
            except Exception as error:
                return None, f"This table is not live: {type(error).__name__}: {error}"
        return self._widget, ""


def panel() -> Panel:
    """The panel of this session: a live table of the tracked cells, with what decided each of them.

    Raises `IncnbError` where incnb is not loaded.
    """
    from IPython.core.getipython import get_ipython

    from incnb.notebook.extension import extension_of

    extension = extension_of(get_ipython())
    if extension is None:
        raise IncnbError("the panel shows a session of incnb: run %load_ext incnb first")
    not_recorded(extension)
    return Panel(extension)


def not_recorded(extension: Extension) -> None:
    """A tracked cell that asks for the panel depends on this very session: executing it again would show another."""
    run = extension.session.current.run if extension.session.current is not None else None
    if run is not None and not any(problem.locator == "incnb.panel" for problem in run.problems):
        run.problems.append(Reason(Code.NOT_SAVED, "", "incnb.panel", "the panel shows this very session"))


class Panels:
    """The open panels of one shell, the rows that they were told, and the requests that came from them."""

    def __init__(self, extension: Extension):
        self._extension = extension
        self._session = extension.session
        self._lock = threading.RLock()
        self._widgets: list[Any] = []
        self._ended: list[Any] = []
        self._told: dict[str, dict[str, Any]] = {}
        self._order: list[str] = []
        self._running: dict[str, str] | None = None
        self.refresher = ""
        self._seq = 0
        self._requests: deque[tuple[Any, dict[str, Any]]] = deque()
        self._scheduled = False

    # -- opening and ending

    def open(self) -> Any:
        """A new widget. Raises `ImportError` without anywidget."""
        from incnb.notebook.panel_widget import PanelWidget

        self._drop_closed()
        if not self._widgets:
            self._tell_all()
        widget = PanelWidget(self.snapshot)
        leftovers.OUR_COMMS.update(widget.comm_ids)
        widget.on_msg(self._received)
        with self._lock:
            self._widgets.append(widget)
            surplus = self._widgets[:-OPEN_LIMIT]
        for oldest in surplus:
            self.end(oldest, "This panel has ended: newer ones were opened.")
        return widget

    def is_open(self, widget: Any) -> bool:
        """Whether a widget still has its comm, and is kept up to date."""
        return widget in self._widgets and widget.comm is not None and widget.comm.comm_id in _comms()

    def end(self, widget: Any, why: str) -> None:
        """Stop updating a widget; what it shows stays, and says why.

        Its comm stays as well: a front end drops what belongs to a comm that is closed.
        """
        with self._lock:
            if widget in self._widgets:
                self._widgets.remove(widget)
        widget.on_msg(self._received, remove=True)
        ended = {**_standing(self.snapshot()), "over": why}
        widget.snapshot = lambda: ended  # for a page that is loaded again
        if widget.comm is not None and widget.comm.comm_id in _comms():
            widget.send({"do": "ended", "text": why})
        self._ended.append(widget)
        if len(self._ended) > ENDED_LIMIT:
            self.take_out(self._ended[0])

    def take_out(self, widget: Any) -> None:
        """Take a widget out of the front end."""
        with self._lock:
            for kept in (self._widgets, self._ended):
                if widget in kept:
                    kept.remove(widget)
        ids = widget.comm_ids
        layout = widget.layout
        widget.close()
        layout.close()
        leftovers.OUR_COMMS.difference_update(ids)

    def close(self) -> None:
        """incnb leaves the shell."""
        for widget in self._all():
            self._guard(lambda widget=widget: self.end(widget, _UNLOADED))  # type: ignore[misc]

    def _all(self) -> list[Any]:
        with self._lock:
            return list(self._widgets)

    def _drop_closed(self) -> None:
        for widget in self._all():
            if not self.is_open(widget):
                with self._lock:
                    self._widgets.remove(widget)
                leftovers.OUR_COMMS.difference_update(widget.comm_ids)

    def _guard(self, step: Callable[[], object]) -> None:
        """Do a step of ours below a cell of the user's: a fault ends the updating and nothing else."""
        try:
            with of_our_own():
                step()
        except Exception as error:
            if os.environ.get("INCNB_DEBUG"):
                import traceback

                traceback.print_exception(error, file=sys.__stderr__)
            text = f"The panel stopped updating after a fault of its own: {type(error).__name__}: {error}"
            with self._lock:
                widgets, self._widgets = self._widgets, []
                self._requests.clear()
            for widget in widgets:
                try:
                    self.end(widget, text)
                except Exception:  # the way to the front end may be what is broken
                    continue

    # -- what the front end is told

    def snapshot(self) -> dict[str, Any]:
        """All that a view begins with; any thread may ask."""
        with self._lock:
            return {
                "seq": self._seq,
                "time": time.time(),
                "rows": [self._told[key] for key in self._order if key in self._told],
                "running": self._running,
                "refresher": self.refresher,
            }

    def tell(self, message: dict[str, Any]) -> None:
        """Something of which only the front end has to know."""
        self._guard(lambda: self._send(message))

    def begun(self, key: str, title: str) -> None:
        """A tracked cell is about to be decided."""
        if self._widgets:
            self._guard(lambda: self._send_running({"key": key, "title": title}))

    def told(self, key: str) -> None:
        """A cell was decided and has ended."""
        if self._widgets:
            self._guard(lambda: self._send_changed(key))

    def settled(self) -> None:
        """No cell runs: follow what was asked for, and tell what else is different."""
        if self._requests:
            self.work()
        if self._widgets:
            self._guard(self._send_settled)

    def _send_running(self, running: dict[str, str] | None) -> None:
        self._drop_closed()
        with self._lock:
            self._running = running
        self._send({"do": "running", "running": running})

    def _send_changed(self, key: str) -> None:
        self._drop_closed()
        seen = self._session.ledger.cells.get(key)
        if seen is None:
            return
        with self._lock:
            self._running = None  # the front end concludes that from the row
        self._send_rows({key: self._row(seen)})

    def _send_settled(self) -> None:
        if self._running is not None and self._session.current is None:
            self._send_running(None)
        changed: dict[str, dict[str, Any]] = {}
        for seen in self._session.ledger.cells.values():
            told = self._told.get(seen.key)
            if told is None:
                changed[seen.key] = self._row(seen)
                continue
            now = {"asked": list(asked(self._session, seen)), "pinned": pinned(self._session, seen)}
            if any(told[name] != value for name, value in now.items()):
                changed[seen.key] = {**told, **now}
        self._send_rows(changed)

    def _send_rows(self, changed: dict[str, dict[str, Any]]) -> None:
        order = [seen.key for seen in ordered(self._session)]
        changed = {key: told for key, told in changed.items() if self._told.get(key) != told}
        if not changed and order == self._order:
            return
        with self._lock:
            moved = order != self._order
            self._told.update(changed)
            self._told = {key: self._told[key] for key in order if key in self._told}
            self._order = order
            self._seq += 1
            message = {
                "do": "rows",
                "seq": self._seq,
                "time": time.time(),
                "rows": list(changed.values()),
                "order": order if moved else None,
            }
        self._send(message)

    def _tell_all(self) -> None:
        found = rows(self._session)
        with self._lock:
            self._told = {one.key: slim(one, self._limit()) for one in found}
            self._order = [one.key for one in found]
            self._seq += 1

    def _row(self, seen: Seen) -> dict[str, Any]:
        return slim(row(self._session, seen), self._limit())

    def _limit(self) -> int:
        return max(5, min(SAME_SHOWN, SAME_TOGETHER // max(1, len(self._session.ledger.cells))))

    def _send(self, message: dict[str, Any]) -> None:
        for widget in self._all():
            widget.send(message)

    # -- what a person asks for

    def is_ours(self, name: str, content: dict[str, Any]) -> bool:
        """Whether a comm message has to do with panels alone, so that no code of the user's runs for it."""
        comm_id = content.get("comm_id")
        if comm_id in leftovers.OUR_COMMS:
            return True
        if not leftovers.OUR_COMMS:
            return False
        if name == "comm_open":
            return content.get("target_name") == _CONTROL and _only_ours()
        known = _comms().get(str(comm_id))
        return getattr(known, "target_name", "") == _CONTROL and _only_ours()

    def _received(self, widget: Any, content: Any, buffers: Any = None) -> None:
        """A message of the front end, on whatever thread: it waits for its turn."""
        if not isinstance(content, dict):
            return
        with self._lock:
            if len(self._requests) < QUEUE_LIMIT:
                self._requests.append((widget, content))
        if self._is_idle():
            self.work()
            return
        loop = getattr(getattr(self._extension.shell, "kernel", None), "io_loop", None)
        with self._lock:
            if loop is None or self._scheduled:
                return
            self._scheduled = True
        loop.add_callback(self._in_the_loop)

    def _in_the_loop(self) -> None:
        with self._lock:
            self._scheduled = False
        if self._is_idle():
            self.work()

    def _is_idle(self) -> bool:
        here = threading.current_thread() is threading.main_thread()
        return here and self._session.current is None and not self._extension.tracker.inside

    def work(self) -> None:
        """Follow the requests that wait; only on the main thread and between cells."""
        while True:
            with self._lock:
                if not self._requests:
                    return
                widget, content = self._requests.popleft()
            self._guard(lambda widget=widget, content=content: self._follow(widget, content))  # type: ignore[misc]

    def _follow(self, widget: Any, content: dict[str, Any]) -> None:
        if content.get("do") == "sync":
            widget.send({"do": "state", "state": self.snapshot()})
            return
        action, key = str(content.get("action", "")), str(content.get("key", ""))
        try:
            text, done = actions.act(self._session, action, key, str(content.get("reason", ""))), True
        except Exception as error:  # a person is told, and the panel goes on
            ours = isinstance(error, IncnbError)
            text, done = str(error) if ours else f"{type(error).__name__}: {error}", False
        if action == "forget" and done:
            self._tell_all()
            self._send({"do": "state", "state": self.snapshot()})
        else:
            self._send_settled()
        widget.send({"do": "answer", "ask": content.get("ask"), "key": key, "action": action, "ok": done, "text": text})


def slim(one: Row, limit: int = SAME_SHOWN) -> dict[str, Any]:
    """A row for the front end: what did not move, and long diffs, only as far as a person would read."""
    told = one.to_dict()
    same = [change for change in told["changes"] if not change["moved"]]
    surplus = {id(change) for change in same[limit:]}
    kept = [_slim(change) for change in told["changes"] if id(change) not in surplus]
    return {**told, "changes": kept, "unshown": len(surplus)}


def _standing(state: dict[str, Any]) -> dict[str, Any]:
    """What an ended panel keeps: without what did not move, since a server drops the states of many that are long."""
    kept = [{**told, "changes": [c for c in told["changes"] if c["moved"]], "unshown": 0} for told in state["rows"]]
    return {**state, "rows": kept, "running": None}


def _slim(change: dict[str, Any]) -> dict[str, Any]:
    lines = change["diff"].splitlines()
    if len(lines) > DIFF_LINES:
        lines = [*lines[:DIFF_LINES], f" … {len(lines) - DIFF_LINES} more lines"]
    short = {**change, "diff": "\n".join(lines)}
    if not change["moved"]:
        short |= {name: _cut(change[name]) for name in ("was", "now")}
    return {name: value for name, value in short.items() if value or name in ("kind", "locator", "moved")}


def _cut(text: str) -> str:
    return text if len(text) <= SAME_TEXT else text[: SAME_TEXT - 1] + "…"


def _comms() -> dict[str, Any]:
    comm = sys.modules.get("comm")
    return dict(comm.get_comm_manager().comms) if comm is not None else {}


def _only_ours() -> bool:
    """Whether all widgets that there are belong to panels: asked for their state, no other one would run code."""
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    known = getattr(widgets, "_instances", None)
    return isinstance(known, dict) and all(model_id in leftovers.OUR_COMMS for model_id in known)
