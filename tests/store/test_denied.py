"""What must never be saved is refused, wherever it is hidden, and nothing of the user's is touched."""

# ruff: noqa: SIM115, PTH123 -- open files are what is tested

import asyncio
import codecs
import concurrent.futures
import contextlib
import contextvars
import ctypes
import functools
import io
import logging
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import types
import weakref
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incnb.store import Unpicklable, dump, load


class Held:
    pass


HELD = Held()


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None: ...


async def async_generator() -> Any:
    yield 1


def raised() -> BaseException:
    try:
        raise ValueError("x")
    except ValueError as error:
        return error


def caused() -> BaseException:
    error = ValueError("x")
    error.__cause__ = KeyError("y")
    return error


@functools.lru_cache
def cached_here(x: int) -> int:
    return x


@functools.lru_cache
def cached(x: int) -> int:
    return x


cached.__module__ = "__main__"


def closing(coro: Any) -> Any:
    coro.close()
    return coro


MAKERS: dict[str, Callable[[], Any]] = {
    "text file": lambda: open(os.devnull),
    "binary file": lambda: open(os.devnull, "rb"),
    "raw file": lambda: open(os.devnull, "wb", buffering=0),
    "read-write file": lambda: open(os.devnull, "r+b"),
    "codecs file": lambda: codecs.open(os.devnull, "r", "utf-8") if sys.version_info < (3, 14) else open(os.devnull),
    "stdout": lambda: sys.__stdout__,
    "text on bytes": lambda: io.TextIOWrapper(io.BytesIO()),
    "zip file": lambda: zipfile.ZipFile(io.BytesIO(), "w"),
    "temporary file": lambda: tempfile.NamedTemporaryFile(),
    "spooled file": lambda: tempfile.SpooledTemporaryFile(),
    "temporary folder": lambda: tempfile.TemporaryDirectory(),
    "folder listing": lambda: os.scandir("."),
    "socket": lambda: socket.socket(),
    "process": lambda: subprocess.Popen([sys.executable, "-c", ""]),
    "multiprocessing process": lambda: multiprocessing.Process(),
    "multiprocessing lock": lambda: multiprocessing.Lock(),
    "multiprocessing queue": lambda: multiprocessing.Queue(),
    "pipe": lambda: multiprocessing.Pipe()[0],
    "thread": lambda: threading.Thread(),
    "lock": lambda: threading.Lock(),
    "rlock": lambda: threading.RLock(),
    "condition": lambda: threading.Condition(),
    "semaphore": lambda: threading.Semaphore(),
    "bounded semaphore": lambda: threading.BoundedSemaphore(),
    "event": lambda: threading.Event(),
    "barrier": lambda: threading.Barrier(2),
    "thread local": lambda: threading.local(),
    "queue": lambda: queue.Queue(),
    "priority queue": lambda: queue.PriorityQueue(),
    "simple queue": lambda: queue.SimpleQueue(),
    "environment": lambda: os.environ,
    "environment bytes": lambda: os.environb,
    "generator": lambda: generator(),
    "coroutine": lambda: closing(coroutine()),
    "async generator": lambda: async_generator(),
    "frame": lambda: sys._getframe(),
    "traceback": lambda: raised().__traceback__,
    "exception with traceback": raised,
    "exception with cause": caused,
    "sqlite connection": lambda: sqlite3.connect(":memory:"),
    "sqlite cursor": lambda: sqlite3.connect(":memory:").cursor(),
    "mmap": lambda: mmap.mmap(-1, 10),
    "weak reference": lambda: weakref.ref(HELD),
    "weak proxy": lambda: weakref.proxy(HELD),
    "weak method": lambda: weakref.WeakMethod(logging.getLogger().info),
    "weak set": lambda: weakref.WeakSet([HELD]),
    "weak values": lambda: weakref.WeakValueDictionary({1: HELD}),
    "weak keys": lambda: weakref.WeakKeyDictionary({HELD: 1}),
    "finalizer": lambda: weakref.finalize(HELD, print),
    "log handler": lambda: logging.StreamHandler(io.StringIO()),
    "loop": lambda: asyncio.new_event_loop(),
    "future": lambda: asyncio.Future(loop=asyncio.new_event_loop()),
    "async lock": lambda: asyncio.Lock(),
    "async queue": lambda: asyncio.Queue(),
    "executor": lambda: concurrent.futures.ThreadPoolExecutor(1),
    "pool future": lambda: concurrent.futures.Future(),
    "memoryview": lambda: memoryview(b"x"),
    "context variable": lambda: contextvars.ContextVar("x"),
    "context": lambda: contextvars.copy_context(),
    "cache": lambda: cached,
    "local cache": lambda: functools.lru_cache(lambda x: x),
    "notebook module": lambda: sys.modules["__main__"],
    "unknown module": lambda: types.ModuleType("not_imported"),
    "pointer": lambda: ctypes.pointer(ctypes.c_int(1)),
    "void pointer": lambda: ctypes.c_void_p(1),
    "library": lambda: ctypes.CDLL(None),
    "library function": lambda: ctypes.CDLL(None).abs,
    "shared memory": lambda: multiprocessing.shared_memory.SharedMemory(create=True, size=10),
}


class Holder:
    def __init__(self, value: Any) -> None:
        self.part = [value]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MAKERS)
def test_it_is_refused_even_nested(kind: str) -> None:
    value = MAKERS[kind]()
    try:
        for nested, path in (
            (value, "v"),
            ({"k": Holder(value)}, "v['k'].part[0]"),
            (lambda: value, "v.<closure value>"),
            (functools.partial(print, value), "v.args[0]"),
        ):
            with pytest.raises(Unpicklable) as error:
                dump(nested, root="v")
            assert error.value.path == path, error.value
            assert "\n" not in error.value.why
    finally:
        for name in ("close", "cleanup", "unlink", *(["wait"] if kind == "process" else [])):
            if kind != "stdout" and callable(ending := getattr(value, name, None)):
                with contextlib.suppress(Exception):
                    ending()


def test_a_subclass_is_refused_too() -> None:
    class Log(io.TextIOWrapper):
        def __reduce__(self) -> Any:
            return str, ("harmless",)

    with pytest.raises(Unpicklable, match="open file"):
        dump(Log(io.BytesIO()))


def test_a_cache_of_a_library_is_saved_as_its_name() -> None:
    assert load(dump([cached_here]).data) == [cached_here]


def test_an_exception_that_was_never_raised_comes_back() -> None:
    restored = load(dump(ValueError("x", 1)).data)
    assert isinstance(restored, ValueError) and restored.args == ("x", 1)


def test_a_file_of_the_user_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("content")
    with path.open("r+") as file, pytest.raises(Unpicklable):
        dump({"a": [file]})
    assert path.read_text() == "content"


def test_a_numpy_map_of_a_file_is_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    mapped = numpy.memmap(tmp_path / "data", "f8", "w+", shape=10)
    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=80)
    try:
        on_shared = numpy.ndarray(10, "f8", buffer=shared.buf)
        for value in (mapped, numpy.asarray(mapped), numpy.asarray(mapped)[2:], on_shared, on_shared[1:]):
            with pytest.raises(Unpicklable, match=r"v\['a'\] cannot be saved: .*(mapped file|shared)"):
                dump({"a": value}, root="v")
        del on_shared, value
    finally:
        shared.close()
        shared.unlink()
