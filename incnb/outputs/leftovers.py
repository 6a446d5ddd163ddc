"""What a cell leaves running or moved: compared before and after, since no event tells of it."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from typing import Any

_POOLS = ("ThreadPoolExecutor", "asyncio_", "QueueFeederThread", "ExecutorManagerThread", "Dask", "Profile", "IO loop",
          "loky", "joblib", "tqdm", "TMonitor", "QueueManagerThread", "pydevd", "IPython", "Thread-tqdm")  # fmt: skip


class Snapshot:
    """Global random generators, open figures, threads, tasks and widgets at one moment."""

    def __init__(self, shell: Any):
        self._shell = shell

    def take(self) -> None:
        self._random = random.getstate()
        self._numpy = _numpy_state()
        self._torch = _torch_state()
        self._threads = set(threading.enumerate())
        self._tasks = _tasks()
        self._comms = open_comms()
        self._figures = _figures()

    def compare(self) -> list[tuple[Any, str, str]]:
        """What is different now, in words, each with its kind and the word that would allow it."""
        found: list[tuple[Any, str, str]] = []
        if random.getstate() != self._random:
            found.append(("untracked", "it moved the global random generator of Python (pass random.Random(seed))", ""))
        numpy = _numpy_state()
        if self._numpy is not None and numpy is not None and not _same_numpy(self._numpy, numpy):
            found.append(
                ("untracked", "it moved the global random generator of numpy (pass random_state or a Generator)", "")
            )
        torch = _torch_state()
        if torch is not None and self._torch is not None and torch != self._torch:
            found.append(("untracked", "it moved the global random generator of torch (pass a Generator)", ""))
        for thread in threading.enumerate():
            mine = thread not in self._threads and thread.is_alive() and not self._is_shells(thread)
            if mine and not thread.name.startswith(_POOLS):
                found.append(("effect", f"it left the thread {thread.name!r} running", "threads"))
        for task in _tasks() - self._tasks:
            if not task.done() and not is_kernel_task(task):
                found.append(("effect", f"it left the task {task.get_name()!r} running", "threads"))
        if open_comms() > self._comms:
            found.append(("effect", "it made a widget that a person can operate", "widgets"))
        if self._figures or _figures():
            found.append(("untracked", "a matplotlib figure is left open", ""))
        return found

    def _is_shells(self, thread: threading.Thread) -> bool:
        """Whether a thread is the one in which IPython waits for the processes of `%%bash` and the like."""
        manager = getattr(self._shell, "magics_manager", None)
        loop = getattr(getattr(manager, "registry", {}).get("ScriptMagics"), "event_loop", None)
        return loop is not None and getattr(thread, "_target", None) == loop.run_forever


def _numpy_state() -> Any:
    module = sys.modules.get("numpy.random")
    if module is None:
        return ("not loaded",)
    return module.get_state(legacy=False)  # type: ignore[no-untyped-call, unused-ignore]


def _same_numpy(before: Any, now: Any) -> bool:
    if isinstance(before, tuple) or isinstance(now, tuple):
        return True  # numpy was imported by this cell; its generator has no earlier state to compare with
    same = before["bit_generator"] == now["bit_generator"] and before["gauss"] == now["gauss"]
    same = same and before["has_gauss"] == now["has_gauss"]
    old, new = before["state"], now["state"]
    return same and old.get("pos") == new.get("pos") and bytes(memoryview(old["key"])) == bytes(memoryview(new["key"]))


def _torch_state() -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return None
    return bytes(torch.get_rng_state().numpy())


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


def open_comms() -> int:
    comm = sys.modules.get("comm")
    if comm is None:
        return 0
    try:
        return len(comm.get_comm_manager().comms)
    except (AttributeError, RuntimeError):
        return 0


def _figures() -> list[int]:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return list(helpers.Gcf.figs) if helpers is not None else []
