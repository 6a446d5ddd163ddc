"""What cannot be read says so, with the way to it."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import ctypes
import itertools
import queue
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh import run

from incnb.fingerprint import Unfingerprintable, fingerprint


class Held:
    pass


async def coroutine() -> None:
    pass


def refused(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    yield "generator", (i for i in ())
    yield "iterator of itertools", itertools.count()
    yield "chain", itertools.chain([1], [2])
    yield "map", map(int, ["1"])
    yield "zip", zip([1], [2], strict=True)
    yield "enumerate", enumerate([1])
    yield "reversed", reversed((1,))
    yield "lock", threading.Lock()
    yield "reentrant lock", threading.RLock()
    yield "raw lock", _thread.allocate_lock()
    yield "event", threading.Event()
    yield "thread", threading.Thread(target=print)
    yield "local", threading.local()
    yield "queue", queue.Queue()
    yield "simple queue", queue.SimpleQueue()
    yield "weak reference", weakref.ref(Held)
    yield "weak dict", weakref.WeakValueDictionary()
    yield "weak set", weakref.WeakSet()
    yield "context variable", contextvars.ContextVar("x")
    yield "pointer", ctypes.pointer(ctypes.c_int(1))
    yield "memoryview", memoryview(b"x")
    yield "frame", sys._getframe()
    yield "entropy", random.SystemRandom()
    yield "ufunc of a function", np.frompyfunc(abs, 1, 1)
    with (tmp_path / "f").open("w") as file:
        yield "file", file
    with socket.socket() as sock:
        yield "socket", sock
    connection = sqlite3.connect(":memory:")
    yield "cursor", connection.execute("select 1")
    connection.close()
    with tempfile.TemporaryFile() as file:
        yield "temporary file", file
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    yield "process", process
    waiting = coroutine()
    yield "coroutine", waiting
    waiting.close()
    yield "semaphore", asyncio.Semaphore()


def test_what_has_hidden_state_is_refused_with_its_path(tmp_path: Path) -> None:
    for name, value in refused(tmp_path):
        with pytest.raises(Unfingerprintable) as caught:
            fingerprint({"steps": [1, (value,)]})
        assert caught.value.path.startswith("['steps'][1][0]"), name
        assert str(caught.value).startswith(caught.value.path) and caught.value.why, name


def test_the_path_leads_through_everything() -> None:
    from incnb.fingerprint.door import encode

    book = run("""
        import functools, threading
        lock = threading.Lock()
        class Model:
            def __init__(self, part): self.steps = [{"f": part}]
        def reads(): return lock
        def default(a=lock): return a
        def closed(part):
            def inner(): return part
            return inner
        def marked(): pass
        marked.note = lock
        class Attributed:
            note = lock
    """)

    def path(value: Any, name: str = "model") -> str:
        with pytest.raises(Unfingerprintable) as caught:
            encode(value, name)
        return caught.value.path

    assert path(book.Model(book.lock)) == "model.steps[0]['f']"
    assert path(book.reads, "f") == "f → lock"
    assert path(book.Model(book.reads)) == "model.steps[0]['f'] → lock"
    assert path(book.default, "f") == "f.__defaults__[0]"
    assert path(book.closed(book.lock), "f") == "f.part"
    assert path(book.marked, "f") == "f.note"
    assert path(book.Attributed(), "x") == "x.__class__.note"
    assert path({(1, 2): book.lock}, "x") == "x[…]"
    assert path({book.Model(book.lock)}, "x") == "x{…}.steps[0]['f']"
    assert path([1] * 3 + [book.lock], "x") == "x[3]"


def test_an_object_that_raises_while_it_is_read_is_refused() -> None:
    from incnb.fingerprint import register, registry

    book = run("class A: pass\nclass Bad(Exception):\n    def __str__(self): raise ValueError\n")

    def fail(value: Any) -> Any:
        raise book.Bad

    register(book.A, fail)
    try:
        with pytest.raises(Unfingerprintable, match=r"^\['a'\]: Bad while it was read$"):
            fingerprint({"a": book.A()})
    finally:
        registry._exact.pop(book.A)
        registry._subclasses.pop(0)
        registry._found.clear()


def test_an_interruption_passes() -> None:
    book = run("class A:\n    def __incnb_fingerprint__(self): raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        fingerprint(book.A())


def test_the_notebook_as_a_module_is_refused() -> None:
    with pytest.raises(Unfingerprintable, match="namespace"):
        fingerprint(sys.modules["__main__"])


def test_iterators_that_know_their_position_are_told_apart() -> None:
    one, other = iter([1, 2, 3]), iter([1, 2, 3])
    next(other)
    assert fingerprint(one) != fingerprint(other)
    assert list(one) == [1, 2, 3] and list(other) == [2, 3]
