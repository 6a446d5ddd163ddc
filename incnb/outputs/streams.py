"""What a cell prints and displays: taken down while it streams, and played back later.

The problem. A reused cell has to show what executing it would have shown, in the same order and through the same
channels, and a cell that executes has to show its output live, not at its end. Things that do not do: redirecting
`sys.stdout` (a handler made in an earlier cell still holds the old stream, and the user's code sees a stranger),
IPython's `capture_output` (nothing is live), the message hooks of ipykernel (they belong to one thread, and a display
from a thread of the cell passes them by).

The trick. The objects stay where they are. For the time of one cell, a few of their methods are shadowed by instance
attributes that call the original and then take a note: `write` of both streams, `publish` and `clear_output` of the
display publisher, `write_format_data` of the display hook. Every holder of the object goes through them, in every
thread, and taking them off is deleting the attributes. IPython's own history does the same with `write`.
The notes are appended to one list, which needs no lock, so nothing of ours can block a print, a signal handler or a
forked child. They become events when the capture stops.

Order. A stream of ipykernel keeps its text until it is flushed: by the code, by a timer, by a display. So `_flush` is
noted too, and the events are put in the order in which people saw the output. Other streams have the order of their
writes.

What is not seen. Text written through a bound method `sys.stdout.write` saved in an earlier cell; text of child
processes that ipykernel forwards to the notebook; in a terminal, writes to the file descriptor. What the code redirects
itself (`redirect_stdout`, `%%capture`) is not displayed output and is not recorded. Text that is still in C's own
buffers at the end of the cell belongs to nobody.
Whatever was shown and could not be recorded sets `Capture.problem`: such a recording must not be kept.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, final

from incnb.outputs.apart import Notes
from incnb.outputs.descriptors import DescriptorWatcher
from incnb.outputs.events import OURS, Event, plain

WIDGET: Final = "application/vnd.jupyter.widget-view+json"

SIZE_LIMIT: Final = 256 * 1024 * 1024  # of what stays in memory until the cell ends
WRITE_OVERHEAD: Final = 100

# On a busy machine a thread that has work may stand still for a while.
QUIET_ROUNDS: Final = 4


class _Inside(threading.local):
    """Whether this thread is in a call whose own writes are part of what is noted already: a plain shell prints
    displays and results through `sys.stdout`, and the text layer of a file writes to its buffer.
    """

    depth = 0


@final
class Capture:
    """Tees what a cell prints and displays, live, into an ordered list of events. For one cell, once."""

    def __init__(self, shell: Any) -> None:
        self.problem: str | None = None
        self.widget = False
        self._shell = shell
        self._notes = Notes()
        self._events: list[Event] | None = None
        self._inside = _Inside()
        self._on = False
        self._size = 0
        self._streams: dict[str, Any] = {}
        self._buffered: set[str] = set()
        self._watchers: list[DescriptorWatcher] = []
        self._undo: list[Callable[[], None]] = []
        self._publisher: Any = None
        self._warned: tuple[Any, ...] = ()

    def start(self) -> None:
        if self._on or self._events is not None:
            raise RuntimeError("a capture runs once")
        self._on = True
        self._publisher = self._shell.display_pub
        self._warned = _warning_hooks()
        _live.add(self)
        self._try(self._hook_stream, "stdout")
        self._try(self._hook_stream, "stderr")
        self._try(self._hook_publisher)
        self._try(self._hook_results)
        self._try(self._hook_tracebacks)

    @property
    def noted(self) -> int:
        """How much was shown so far; it only grows."""
        return len(self._notes)

    @property
    def stray(self) -> int:
        """How much was shown by threads that are at no item."""
        return self._notes.stray

    @property
    def elsewhere(self) -> str:
        """What is shown somewhere else just now (`redirect_stdout`, `catch_warnings(record=True)`), or nothing."""
        for name, stream in self._streams.items():
            if getattr(sys, name) is not stream:
                return f"sys.{name} is redirected"
        if self._shell.display_pub is not self._publisher:
            return "displays are captured"
        return "warnings are caught" if _warning_hooks() != self._warned else ""

    def since(self, count: int) -> list[Event]:
        """What was shown after the first `count` notes, in the order in which the code did it."""
        return shown(self._notes[count:])

    def stop(self) -> list[Event]:
        """The events, in the order in which they were shown. Undoes every hook, whatever happened."""
        if self._events is None:
            if self._on:
                self._try(self._drain)
            self._detach()
            self._events = []
            self._try(self._arrange)
            self._notes = Notes()
        return list(self._events)

    # Hooks ---------------------------------------------------------------------------------------------------------

    def _hook_stream(self, name: str) -> None:
        stream = getattr(sys, name)
        if stream is None or any(stream is known for known in self._streams.values()):
            return
        self._streams[name] = stream
        notes = self._notes
        inside = self._inside
        write = stream.write

        def noting_write(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True  # an error of the stream's own write is shown without us
            done = write(*args, **kwargs)
            if self._on and not inside.depth:
                try:
                    text = args[0] if args else next(iter(kwargs.values()))
                    if text:
                        notes.append((name, text))
                        self._count(len(text) + WRITE_OVERHEAD)
                except Exception as error:
                    self._fail("a write could not be recorded", error)
            return done

        flush = getattr(stream, "_flush", None)
        buffer = getattr(stream, "buffer", None)
        if flush is not None:
            mark = (name, None)

            def noting_flush(*args: Any, **kwargs: Any) -> Any:
                if self._on:
                    notes.append(mark)
                return flush(*args, **kwargs)

            self._shadow(stream, "_flush", noting_flush)
            self._buffered.add(name)
            # Where there is no such thread, or no such clock, its text is not waited for.
            with contextlib.suppress(AttributeError, TypeError, OSError):
                self._watchers.append(DescriptorWatcher(stream))
        elif buffer is not None:
            # Bytes may be written below the text. The text layer reaches the buffer from within its own write and
            # flush only: whatever comes from elsewhere was written by the code itself.
            self._hook_buffer(name, stream, buffer)
            write = self._within(write)
        self._shadow(stream, "write", noting_write)

    def _hook_buffer(self, name: str, stream: Any, buffer: Any) -> None:
        write = buffer.write

        def noting_write(content: Any, *rest: Any) -> Any:
            __tracebackhide__ = True
            done = write(content, *rest)
            if self._on and not self._inside.depth:
                try:
                    text = bytes(content).decode(stream.encoding or "utf-8")
                    self._notes.append((name, text))
                    self._count(len(text) + WRITE_OVERHEAD)
                except Exception as error:
                    self._fail(f"bytes written to {name} are not text", error)
            return done

        try:
            self._shadow(buffer, "write", noting_write)
        except (AttributeError, TypeError):
            return  # an in-memory buffer of another make: its text is still seen, its bytes are not
        self._shadow(stream, "flush", self._within(stream.flush))

    def _hook_publisher(self) -> None:
        publisher = self._shell.display_pub
        publish = self._within(publisher.publish)
        clear = self._within(publisher.clear_output)

        def noting_publish(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            done = publish(*args, **kwargs)
            if self._on and not self._inside.depth:
                try:
                    self._note_display(*args, **kwargs)
                except Exception as error:
                    self._fail("a display could not be recorded", error)
            return done

        def noting_clear(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            done = clear(*args, **kwargs)
            if self._on and not self._inside.depth:
                wait = args[0] if args else kwargs.get("wait", False)
                self._notes.append(Event("clear", wait=bool(wait)))
            return done

        self._shadow(publisher, "publish", noting_publish)
        self._shadow(publisher, "clear_output", noting_clear)

    def _hook_results(self) -> None:
        hook = self._shell.displayhook
        write = self._within(hook.write_format_data)
        finish = self._within(hook.finish_displayhook)
        pending: list[Event] = []

        def noting_write(data: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            done = write(data, *args, **kwargs)
            if self._on:
                try:
                    pending.extend(self._result(data, args[0] if args else kwargs.get("md_dict")))
                except Exception as error:
                    self._fail("a result could not be recorded", error)
            return done

        def noting_finish(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            # ipykernel sends the result here, after it has flushed what was printed before.
            done = finish(*args, **kwargs)
            if self._on:
                for event in pending:
                    self._keep(event)
            pending.clear()
            return done

        # Around the value a plain shell writes "Out[n]: " and blank lines, which its replay writes again. What the
        # value's own repr prints comes between the calls, and counts.
        self._shadow(hook, "write_output_prompt", self._within(hook.write_output_prompt))
        self._shadow(hook, "write_format_data", noting_write)
        self._shadow(hook, "finish_displayhook", noting_finish)

        # Under %%capture another hook collects the results; it is reached through sys alone.
        current = sys.displayhook
        outputs = getattr(current, "outputs", None)
        if current is not hook and isinstance(outputs, list):

            def noting_hook(value: Any = None) -> None:
                __tracebackhide__ = True
                before = len(outputs)
                current(value)
                if self._on:
                    try:
                        for output in outputs[before:]:
                            for event in self._result(output["data"], output["metadata"]):
                                self._keep(event)
                    except Exception as error:
                        self._fail("a result could not be recorded", error)

            def restore() -> None:
                if sys.displayhook is noting_hook:
                    sys.displayhook = current

            self._undo.append(restore)
            sys.displayhook = noting_hook

    def _hook_tracebacks(self) -> None:
        """A cell that succeeds may show one all the same (a `__repr__` that raises), as a message of its own kind."""
        show: Any = getattr(self._shell, "_showtraceback", None)  # what stands in for a shell has none

        def noting_show(*args: Any, **kwargs: Any) -> Any:
            if self._on:
                self._fail("it shows the traceback of an error that it does not end with")
            return show(*args, **kwargs)

        if getattr(self._shell, "kernel", None) is not None:  # elsewhere it is text like any other
            self._shadow(self._shell, "_showtraceback", noting_show)

    def _shadow(self, owner: Any, name: str, ours: Callable[..., Any]) -> None:
        own = vars(owner)
        absent = object()
        before = own.get(name, absent)
        setattr(owner, name, ours)

        def restore() -> None:
            # Who wrapped the method after us keeps the wrapper; ours inside it only passes on from now on.
            if own.get(name) is ours:
                if before is absent:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)

        self._undo.append(restore)

    def _within(self, call: Callable[..., Any]) -> Callable[..., Any]:
        inside = self._inside

        @functools.wraps(call)
        def within(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            inside.depth += 1
            try:
                return call(*args, **kwargs)
            finally:
                inside.depth -= 1

        return within

    def _detach(self) -> None:
        self._on = False
        while self._undo:
            self._try(self._undo.pop())
        _live.discard(self)

    # Notes ---------------------------------------------------------------------------------------------------------

    def _note_display(
        self, data: Any, metadata: Any = None, *_: Any, transient: Any = None, update: bool = False, **__: Any
    ) -> None:
        if metadata and OURS in metadata:
            return
        self._keep(
            Event(
                "update" if update else "display",
                data=plain(data),
                metadata=plain(metadata or {}),
                transient=plain(transient or {}),
            )
        )

    def _result(self, data: Any, metadata: Any) -> tuple[Event, ...]:
        if metadata and OURS in metadata:
            return ()
        return (Event("result", data=plain(data), metadata=plain(metadata or {})),)

    def _keep(self, event: Event) -> None:
        if WIDGET in event.data:
            self.widget = True
        self._notes.append(event)
        self._count(sum(len(value) for value in event.data.values() if isinstance(value, str)))

    def _count(self, size: int) -> None:
        self._size += size  # threads may lose an addition: it is a bound, not a sum
        if self._size > SIZE_LIMIT:
            self._on = False
            self._notes.clear()
            self._fail(f"more than {SIZE_LIMIT >> 20} MiB of output")

    def _fail(self, what: str, error: BaseException | None = None) -> None:
        if self.problem is None:
            self.problem = what if error is None else f"{what}: {type(error).__name__}: {error}"

    def _try(self, step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception as error:
            self._fail("output could not be recorded", error)

    def _drain(self) -> None:
        """Let ipykernel's watchers of the file descriptors pass on what C code wrote, while we still listen."""
        quiet = QUIET_ROUNDS  # a cell in which they never moved does not wait at all
        for _ in range(50):
            moved = [watcher.moved() for watcher in self._watchers]
            quiet = 0 if any(moved) else quiet + 1
            if quiet >= QUIET_ROUNDS:
                break
            time.sleep(0.003)

    def _arrange(self) -> None:
        """Turn the notes into events: text of a buffered stream comes where it was flushed, neighbours are one."""
        assert self._events is not None
        events = self._events
        parts: dict[str, list[str]] = {name: [] for name in self._streams}
        shown: tuple[str, list[str]] = ("", [])

        def close() -> None:
            nonlocal shown
            if shown[1]:
                events.append(Event("stream", name=shown[0], text="".join(shown[1])))
            shown = ("", [])

        def show(name: str, texts: Iterable[str]) -> None:
            nonlocal shown
            if shown[0] != name:
                close()
                shown = (name, [])
            shown[1].extend(texts)

        for note in self._notes:
            if isinstance(note, Event):
                close()
                events.append(note)
                continue
            name, text = note
            if text is None:
                if parts[name]:
                    show(name, parts[name])
                    parts[name].clear()
            elif name in self._buffered:
                parts[name].append(text)
            else:
                show(name, (text,))
        for name, texts in parts.items():  # as the kernel flushes after a cell: stdout first
            if texts:
                show(name, texts)
        close()


def shown(notes: Iterable[Any]) -> list[Event]:
    """The events behind notes, in the order in which the code did it."""
    events: list[Event] = []
    for note in notes:
        if isinstance(note, Event):
            events.append(note)
        elif note[1] is not None:
            if events and events[-1].type == "stream" and events[-1].name == note[0]:
                events[-1] = Event("stream", name=note[0], text=events[-1].text + note[1])
            else:
                events.append(Event("stream", name=note[0], text=note[1]))
    return events


def _warning_hooks() -> tuple[Any, ...]:
    return warnings.showwarning, getattr(warnings, "_showwarnmsg_impl", None)


_live: weakref.WeakSet[Capture] = weakref.WeakSet()


def _leave_child() -> None:
    # A forked child prints on its own account: it must not fill a list that nobody reads.
    with contextlib.suppress(Exception):
        for capture in list(_live):
            capture._detach()
            capture._notes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_child)
