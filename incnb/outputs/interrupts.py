"""Signals that arrive while a cell runs: whoever catches an interrupt himself and goes on leaves something cut short.

The C handler of Python writes the number of a signal to the wakeup descriptor before any handler in Python runs. A
pipe of ours is there while somebody listens, so handlers stay as they are and no frame of ours is on anybody's stack.
Whoever had a descriptor there before (an event loop) gets his bytes passed on at once, by a thread, and gets his place
back afterwards. Who asks for one meanwhile is told what he would be told without us, and gets what he asks for; from
then on nothing is heard, and that is told like a signal.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import select
import signal
import sys
import termios
import threading
import weakref
from contextlib import suppress
from typing import final

SILENCE = "signals that arrive while it runs cannot be seen (it calls signal.set_wakeup_fd)"
WORDS = "an interrupt or another signal arrived while it ran, and went on"
MANY = 4096  # bytes that may wait in the pipe
_DEAF = 0  # no signal has this number
_set = signal.set_wakeup_fd


@final
class _Ear:
    """A pipe at the place of the wakeup descriptor."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        os.set_blocking(self.write, False)
        self.earlier = -1
        self._poll = select.poll()
        self._poll.register(self.read, select.POLLIN)
        self._lock = threading.RLock()  # a handler may come to ask, too
        self._ended = self._closed = False
        self._thread: _thread.LockType | None = None

    def attach(self) -> None:
        """Raises `ValueError` in a thread that gets no signals."""
        self.earlier = _set(self.write, warn_on_full_buffer=False)
        if self.earlier != -1:
            self._thread = _thread.allocate_lock()
            self._thread.acquire()
            _thread.start_new_thread(self._pass_on, ())

    def detach(self) -> None:
        """Give the place back, unless it is somebody else's by now, and note what has arrived."""
        self._give_back()
        if self._thread is not None:
            self._ended = True
            with suppress(OSError):
                os.write(self.write, bytes([_DEAF]))
            self._thread.acquire(timeout=1)
        with self._lock:
            self._take()
            self.close()

    def _give_back(self) -> None:
        try:
            now = _set(self.earlier)
        except (OSError, ValueError):  # he is gone
            now = _set(-1)
        if now != self.write:
            _heard(_DEAF)
            with suppress(OSError, ValueError):
                _set(now)

    def leave(self) -> None:
        """In a forked child: what arrives there is none of the parent's business."""
        with suppress(Exception):
            self._give_back()
        self.close()

    def close(self) -> None:
        self._closed = True
        for fd in (self.read, self.write):
            with suppress(OSError):
                os.close(fd)

    def count(self) -> int:
        """How many have arrived.

        They are counted and left where they are: an interrupt that strikes right behind a read would take with it what
        was read, and the cell may catch it.
        """
        with self._lock:
            if self._closed or not self._poll.poll(0):
                return _count
            waiting = int.from_bytes(fcntl.ioctl(self.read, termios.FIONREAD, bytes(4)), sys.byteorder)
            if waiting > MANY:
                self._take()
                waiting = 0
            return _count + waiting

    def _take(self) -> None:
        with suppress(OSError):
            while data := os.read(self.read, MANY):
                told = bytes(number for number in data if number != _DEAF)
                for number in told:
                    _heard(number)
                if self.earlier != -1 and told:
                    with suppress(OSError):
                        os.write(self.earlier, told)

    def _pass_on(self) -> None:
        assert self._thread is not None
        poll = select.poll()  # of its own: one serves one thread at a time
        poll.register(self.read, select.POLLIN)
        try:
            while not self._ended:
                poll.poll()
                with self._lock:
                    if not self._ended:
                        self._take()
        finally:
            self._thread.release()


_ear: _Ear | None = None
_listeners: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()  # and the count when they began
_count = 0
_names: dict[str, None] = {}  # of signals that arrived since somebody began to listen
_lock = threading.RLock()


def _heard(number: int) -> None:
    global _count
    _count += 1
    try:
        _names[signal.Signals(number).name if number else ""] = None
    except ValueError:  # one of those without a name
        _names[f"signal {number}"] = None


def set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
    """Stands in for `signal.set_wakeup_fd` while somebody listens."""
    __tracebackhide__ = True
    ear = _ear
    if ear is None:
        return _set(fd, warn_on_full_buffer=warn_on_full_buffer)
    if fd == ear.earlier:  # asks who is there, or puts back what was told
        before = _set(ear.write, warn_on_full_buffer=False)
    else:
        before = _set(fd, warn_on_full_buffer=warn_on_full_buffer)
        _heard(_DEAF)
    return ear.earlier if before == ear.write else before


def start(owner: object) -> None:
    """Listen from now on, for somebody. Outside of the main thread nothing arrives."""
    with _lock:
        if not _listeners:
            _names.clear()
        _listeners[owner] = _count  # an interrupt of what follows must leave somebody who can stop
        _listeners[owner] = count()


def count() -> int:
    """How many signals have arrived; it only grows."""
    if _ear is None:
        _attach()
    ear = _ear
    return _count if ear is None else ear.count()


def _attach() -> None:
    global _ear
    if not _listeners or threading.current_thread() is not threading.main_thread():
        return
    with _lock:
        ear = _ear = _Ear()
        try:
            ear.attach()
        except (OSError, ValueError):  # a subinterpreter's main thread gets none
            _ear = None
            ear.close()
            return
        signal.set_wakeup_fd = set_wakeup_fd


def stop(owner: object) -> str:
    """Listen no more for somebody; why what ran since he began cannot be relied on, or nothing."""
    global _ear
    with _lock:
        before = _listeners.pop(owner, None)
        ear = _ear
        # elsewhere it cannot be given back: that is for the main thread, when it listens next
        if ear is not None and not _listeners and threading.current_thread() is threading.main_thread():
            _ear = None
            if signal.set_wakeup_fd is set_wakeup_fd:
                signal.set_wakeup_fd = _set
            ear.detach()
        return "" if before is None else since(before)


def since(before: int) -> str:
    """Why what ran since then cannot be relied on, or nothing."""
    if count() == before:
        return ""
    names = [name for name in _names if name]
    if not names:
        return SILENCE if _names else WORDS
    what = "it was interrupted" if "SIGINT" in names else "a signal arrived"
    return f"{what} ({', '.join(names)}) while it ran, and went on"


def _in_child() -> None:
    global _ear, _lock
    ear, _ear, _lock = _ear, None, threading.RLock()
    _listeners.clear()
    if ear is not None:
        if signal.set_wakeup_fd is set_wakeup_fd:
            signal.set_wakeup_fd = _set
        ear.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
