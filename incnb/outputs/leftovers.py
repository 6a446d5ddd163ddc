"""What a cell leaves running or open: compared before and after, since no event tells of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

POOLS = ("ThreadPoolExecutor", "asyncio_", "asyncio-waitpid", "QueueFeederThread", "ExecutorManagerThread", "Dask",
          "Profile", "IO loop", "loky", "joblib", "tqdm", "TMonitor", "QueueManagerThread", "pydevd", "IPython",
          "Thread-tqdm", "AsyncProcess")  # fmt: skip


class Snapshot:
    """Open figures, threads, tasks and widgets at one moment."""

    def __init__(self, shell: Any):
        self._shell = shell

    def take(self) -> None:
        self._threads = set(threading.enumerate())
        self._tasks = _tasks()
        self._comms = open_comms()
        self._figures = open_figures()

    def compare(self) -> list[tuple[Any, str, str]]:
        """What is different now, in words, each with its kind and the word that would allow it."""
        found: list[tuple[Any, str, str]] = []
        for thread in set(threading.enumerate()) - self._threads:
            if type(thread).__module__ == "multiprocessing.dummy":
                thread.join(0.1)  # of a pool that was just told to end
        for thread in threading.enumerate():
            mine = (
                type(thread).__module__ != "concurrent.futures.process"
                and thread not in self._threads
                and thread.is_alive()
                and not self._is_shells(thread)
            )
            pool = thread.name.startswith(POOLS) or type(thread).__module__ == "concurrent.futures.process"
            if mine and not pool and not _is_kernels(thread):
                found.append(("effect", f"it left the thread {thread.name!r} running", "threads"))
        for task in _tasks() - self._tasks:
            if not task.done() and not is_kernel_task(task):
                found.append(("effect", f"it left the task {task.get_name()!r} running", "threads"))
        if open_comms() > self._comms:
            found.append(("effect", "it made a widget that a person can operate", "widgets"))
        if self._figures or open_figures():
            found.append(("untracked", "a matplotlib figure is left open", ""))
        # held no longer: what dies in a cycle has its callbacks run by the collector, in the middle of somebody's cell
        self._threads, self._tasks = set(), set()
        return found

    def _is_shells(self, thread: threading.Thread) -> bool:
        """Whether a thread is the one in which IPython waits for the processes of `%%bash` and the like."""
        manager = getattr(self._shell, "magics_manager", None)
        loop = getattr(getattr(manager, "registry", {}).get("ScriptMagics"), "event_loop", None)
        return loop is not None and getattr(thread, "_target", None) == loop.run_forever


def _is_kernels(thread: threading.Thread) -> bool:
    """Whether a thread is one in which the kernel answers messages (a subshell); it starts when one first comes in."""
    return type(thread).__module__.startswith("ipykernel.")


def _tasks() -> set[Any]:
    try:
        return set(asyncio.all_tasks())
    except RuntimeError:
        return set()


def users_tasks() -> list[Any]:
    """Tasks of the user's that are still running."""
    return [t for t in _tasks() if not t.done() and not is_kernel_task(t)]


def is_kernel_task(task: Any) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    filename = getattr(code, "co_filename", "")
    return any(
        part in filename
        for part in ("ipykernel/", "IPython/", "tornado/", "zmq/", "jupyter_client/", "asyncio/", "anyio/")
    )


#: Ids of the comms that belong to panels of ours: what comes over them runs no code of the user's.
OUR_COMMS: set[str] = set()


def open_comms() -> int:
    """How many comms are open over which a person can set off code of the user's."""
    comm = sys.modules.get("comm")
    if comm is None:
        return 0
    try:
        return len(comm.get_comm_manager().comms.keys() - OUR_COMMS)
    except (AttributeError, RuntimeError):
        return 0


def open_figures() -> list[int]:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return list(helpers.Gcf.figs) if helpers is not None else []
