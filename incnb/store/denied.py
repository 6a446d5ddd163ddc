"""What must never be saved, however willing a pickler is.

Some values stand for something outside the process, or for a moment of it: a file, a socket, a lock, a thread, a
running generator. Saved and restored they are at best broken and at worst harmful: a file handle that dill restores
truncates the user's file, `os.environ` carries its secrets to the disk. Others would come back silently different: a
weak reference without its object, an exception without its traceback, a cache without what it remembers.

Types are known by module and name along their bases, so that nothing is imported to recognise what is not there.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Final

_FILE = "an open file"
_LOCK = "a lock"
_THREAD = "a thread"
_PROCESS = "a process"
_QUEUE = "a queue"
_WEAK = "a weak reference"
_LOOP = "a part of an asyncio loop"
_POOL = "a part of a pool of workers"
_DATABASE = "an open database"
_QUERY = "a query on an open database"
_STORED = "a store of files outside the notebook"
_READER = "a reader in the middle of its data"
_SOCKET = "a socket"
_CONTEXT = "a context variable"
_POINTER = "a pointer into memory"
_WIDGET = "connected to the front end"
_SHARED = "memory shared with other processes"

REASONS: Final[dict[tuple[str, str], str]] = {
    ("_io", "_IOBase"): _FILE,
    ("_pyio", "IOBase"): _FILE,
    ("tempfile", "_TemporaryFileWrapper"): _FILE,
    ("tempfile", "SpooledTemporaryFile"): _FILE,
    ("tempfile", "TemporaryDirectory"): "a temporary folder",
    ("codecs", "StreamReaderWriter"): _FILE,
    ("codecs", "StreamRecoder"): _FILE,
    ("codecs", "StreamReader"): _FILE,
    ("codecs", "StreamWriter"): _FILE,
    ("posix", "ScandirIterator"): "an open folder",
    ("_socket", "socket"): _SOCKET,
    ("ssl", "SSLContext"): _SOCKET,
    ("_ssl", "_SSLContext"): _SOCKET,
    ("zmq.backend.cython.context", "Context"): _SOCKET,
    ("zmq.sugar.context", "Context"): _SOCKET,
    ("zmq.sugar.socket", "Socket"): _SOCKET,
    ("selectors", "BaseSelector"): _SOCKET,
    ("subprocess", "Popen"): _PROCESS,
    ("multiprocessing.process", "BaseProcess"): _PROCESS,
    ("multiprocessing.pool", "Pool"): _POOL,
    ("multiprocessing.pool", "ApplyResult"): _POOL,
    ("multiprocessing.managers", "BaseManager"): _PROCESS,
    ("multiprocessing.managers", "BaseProxy"): _PROCESS,
    ("multiprocessing.connection", "_ConnectionBase"): _SOCKET,
    ("multiprocessing.queues", "Queue"): _QUEUE,
    ("multiprocessing.queues", "SimpleQueue"): _QUEUE,
    ("multiprocessing.synchronize", "SemLock"): _LOCK,
    ("multiprocessing.synchronize", "Condition"): _LOCK,
    ("multiprocessing.synchronize", "Event"): _LOCK,
    ("multiprocessing.shared_memory", "SharedMemory"): _SHARED,
    ("multiprocessing.shared_memory", "ShareableList"): _SHARED,
    ("multiprocessing.sharedctypes", "SynchronizedBase"): _SHARED,
    ("threading", "Thread"): _THREAD,
    ("threading", "Condition"): _LOCK,
    ("threading", "Semaphore"): _LOCK,
    ("threading", "Event"): _LOCK,
    ("threading", "Barrier"): _LOCK,
    ("threading", "_RLock"): _LOCK,
    ("_thread", "lock"): _LOCK,
    ("_thread", "RLock"): _LOCK,
    ("_thread", "_local"): "local to a thread",
    ("_threading_local", "local"): "local to a thread",
    ("_thread", "_ThreadHandle"): _THREAD,
    ("queue", "Queue"): _QUEUE,
    ("_queue", "SimpleQueue"): _QUEUE,
    ("queue", "_PySimpleQueue"): _QUEUE,
    ("os", "_Environ"): "the environment of the process, secrets included",
    ("builtins", "generator"): "a running generator",
    ("builtins", "coroutine"): "a running coroutine",
    ("builtins", "async_generator"): "a running generator",
    ("builtins", "frame"): "a frame of running code",
    ("builtins", "traceback"): "a traceback",
    ("builtins", "memoryview"): "a view into the memory of another object",
    ("builtins", "PyCapsule"): _POINTER,
    ("sqlite3", "Connection"): _DATABASE,
    ("sqlite3", "Cursor"): _DATABASE,
    ("sqlite3", "Blob"): _DATABASE,
    ("shelve", "Shelf"): _DATABASE,
    ("mmap", "mmap"): "a mapped file",
    ("numpy", "memmap"): "a mapped file",
    ("numpy.memmap", "memmap"): "a mapped file",
    ("weakref", "ReferenceType"): _WEAK,
    ("weakref", "ProxyType"): _WEAK,
    ("weakref", "CallableProxyType"): _WEAK,
    ("builtins", "weakref"): _WEAK,
    ("builtins", "weakproxy"): _WEAK,
    ("builtins", "weakcallableproxy"): _WEAK,
    ("weakref", "WeakValueDictionary"): _WEAK,
    ("weakref", "WeakKeyDictionary"): _WEAK,
    ("_weakrefset", "WeakSet"): _WEAK,
    ("weakref", "finalize"): _WEAK,
    ("logging", "Handler"): "a handler of log messages",
    ("asyncio.events", "AbstractEventLoop"): _LOOP,
    ("asyncio.events", "Handle"): _LOOP,
    ("asyncio.futures", "Future"): _LOOP,
    ("_asyncio", "Future"): _LOOP,
    ("_asyncio", "Task"): _LOOP,
    ("asyncio.mixins", "_LoopBoundMixin"): _LOOP,
    ("asyncio.runners", "Runner"): _LOOP,
    ("concurrent.futures._base", "Executor"): _POOL,
    ("concurrent.futures._base", "Future"): _POOL,
    ("_contextvars", "ContextVar"): _CONTEXT,
    ("_contextvars", "Context"): _CONTEXT,
    ("_contextvars", "Token"): _CONTEXT,
    ("functools", "_lru_cache_wrapper"): "a cache whose content cannot be read",
    ("_ctypes", "_Pointer"): _POINTER,
    ("_ctypes", "CFuncPtr"): _POINTER,
    ("ctypes", "CDLL"): "a loaded library",
    ("ipywidgets.widgets.widget", "Widget"): _WIDGET,
    ("anywidget.widget", "AnyWidget"): _WIDGET,
    ("comm.base_comm", "BaseComm"): _WIDGET,
    ("IPython.core.displaypub", "DisplayPublisher"): _WIDGET,
    ("IPython.core.display_functions", "DisplayHandle"): _WIDGET,
    ("IPython.core.interactiveshell", "InteractiveShell"): "the running shell",
    ("sqlalchemy.engine.base", "Engine"): _DATABASE,
    ("sqlalchemy.engine.base", "Connection"): _DATABASE,
    ("sqlalchemy.pool.base", "Pool"): _DATABASE,
    ("sqlalchemy.orm.session", "Session"): _DATABASE,
    ("h5py._hl.base", "HLObject"): _FILE,
    ("_duckdb", "DuckDBPyConnection"): _DATABASE,
    ("_duckdb", "DuckDBPyRelation"): _QUERY,
    ("duckdb._relation", "DuckDBPyRelation"): _QUERY,
    ("duckdb.duckdb", "DuckDBPyConnection"): _DATABASE,
    ("duckdb.duckdb", "DuckDBPyRelation"): _QUERY,
    ("duckdb", "DuckDBPyConnection"): _DATABASE,
    ("duckdb", "DuckDBPyRelation"): _QUERY,
    ("xarray.backends.file_manager", "FileManager"): _FILE,
    ("zarr.storage._local", "LocalStore"): _STORED,
    ("zarr.storage._zip", "ZipStore"): _STORED,
    ("zarr.storage._fsspec", "FsspecStore"): _STORED,
    ("zarr.storage._obstore", "ObjectStore"): _STORED,
    ("zarr.storage", "DirectoryStore"): _STORED,
    ("zarr.storage", "FSStore"): _STORED,
    ("zarr.storage", "ZipStore"): _STORED,
    ("pyarrow.lib", "NativeFile"): _FILE,
    ("pyarrow.lib", "RecordBatchReader"): _READER,
    ("pyarrow._dataset", "Scanner"): _READER,
    ("pyarrow._parquet", "ParquetReader"): _FILE,
    ("zipfile", "ZipFile"): _FILE,
    ("tarfile", "TarFile"): _FILE,
}
# In memory, not on a disk.
_ALLOWED: Final = frozenset({("_io", "StringIO"), ("_io", "BytesIO")})


def reason(cls: type) -> str | None:
    """Why instances of `cls` are refused, or None."""
    for base in cls.__mro__:
        key = (base.__module__, base.__qualname__)
        if key in _ALLOWED:
            return None
        if key in REASONS:
            return REASONS[key]
    return None


def exception_reason(error: BaseException) -> str | None:
    """Pickle keeps what an exception says, but not where it came from."""
    if error.__traceback__ is not None:
        return "an exception with its traceback"
    if error.__cause__ is not None or error.__context__ is not None or error.__suppress_context__:
        return "an exception with its cause"
    return None


def module_reason(module: types.ModuleType) -> str | None:
    """Modules are saved by name; that has to lead back to them."""
    name: Any = getattr(module, "__name__", None)
    if name == "__main__":
        return "the notebook itself"
    if not isinstance(name, str) or sys.modules.get(name) is not module:
        return "a module that cannot be imported by its name"
    return None
