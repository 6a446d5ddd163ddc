"""What the benchmarks share: medians, tables, a line about the machine, and a kernel of this very interpreter."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import queue
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[1]


def seconds_of(call: Callable[[], object], repeats: int) -> list[float]:
    """The wall time of each of `repeats` calls; the result is let go outside the measured time."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        found.append(time.perf_counter() - start)
        del result
    return found


def interleaved(calls: dict[str, Callable[[], object]], repeats: int, *, warm: bool = True) -> dict[str, list[float]]:
    """The wall times of several calls, taken in turns, so that a busy moment of the machine hits all of them alike."""
    if warm:
        for call in calls.values():
            call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            found[name] += seconds_of(call, 1)
    return found


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], scale: float, digits: int) -> str:
    """`fastest–slowest`, so that a reader sees how noisy the run was."""
    return f"{min(values) * scale:.{digits}f}–{max(values) * scale:.{digits}f}"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that is Markdown as well: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(len(heading))]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "| " + " | ".join(cells) + " |"

    print(line(heading))
    print("| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |")
    for row in rows:
        print(line(row))
    print(flush=True)


def machine(*packages: str) -> str:
    """Cores, load, Python and the versions of libraries."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return f"{os.cpu_count()} cores, load {load:.1f}; Python {platform.python_version()}, {versions}\n"


class Kernel:
    """A kernel without anything of the person's own set-up; `cell` executes and returns the client's wall time.

    `home` is shared between kernels that shall see the same key, `store` names the store of incnb. The folder `work`,
    where the kernel starts, may hold modules.
    """

    def __init__(self, home: Path, store: Path, work: Path):
        self.report = store.with_name(store.name + ".jsonl")
        self._home, self._store, self._work = home, store, work

    def __enter__(self) -> Self:
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager

        runtime = self._home / "runtime"
        for folder in (runtime, self._work):
            folder.mkdir(parents=True, exist_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith("INCNB")}
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            env[name] = str(self._home / name.lower())
        env |= {"HOME": str(self._home), "JUPYTER_RUNTIME_DIR": str(runtime), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        env |= {"INCNB_STORE": str(self._store), "INCNB_REPORT": str(self.report)}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.manager = KernelManager(connection_file=str(runtime / f"kernel-{time.time_ns()}.json"))
        # given, not looked up: no kernel of another interpreter can take its place
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="benchmark", language="python")
        with (self._home / "kernel.log").open("ab") as log:
            self.manager.start_kernel(env=env, cwd=str(self._work), stdout=log, stderr=log)
        self.client = self.manager.client()
        try:
            self.client.start_channels()
            self.client.wait_for_ready(timeout=60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def cell(self, code: str, timeout: float = 120) -> float:
        """Execute a cell; the seconds from sending it to the last of its reply and its idle status. An error raises."""
        start = time.perf_counter()
        request = self.client.execute(code, allow_stdin=False)
        waiting = {"shell", "iopub"}
        error = ""
        while waiting:
            channel = "iopub" if "iopub" in waiting else "shell"
            receive = self.client.get_iopub_msg if channel == "iopub" else self.client.get_shell_msg
            try:
                message = receive(timeout=1)
            except queue.Empty:
                if not self.manager.is_alive() or time.perf_counter() - start > timeout:
                    raise RuntimeError(f"no answer from the kernel for this cell:\n{code}") from None
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if channel == "shell" or content.get("execution_state") == "idle":
                waiting.discard(channel)
            if content.get("ename"):
                error = f"{content['ename']}: {content['evalue']}"
        seconds = time.perf_counter() - start
        if error:
            raise RuntimeError(f"{error}\nin this cell:\n{code}")
        return seconds

    def tracked(self, code: str, expected: str) -> tuple[float, dict[str, float]]:
        """Execute a tracked cell; the client's wall time and the decision's own seconds. Another status raises."""
        seconds = self.cell(code)
        decision: dict[str, Any] = json.loads(self.report.read_text("utf-8").splitlines()[-1])
        # an executed cell that was not saved says so, and would measure something else
        unsaved = [r for r in decision["reasons"] if r["code"] in ("not-saved", "effect", "unsafe")]
        if decision["status"] != expected or unsaved:
            raise RuntimeError(
                f"{decision['status']} instead of {expected}: {decision['reasons']}\nin this cell:\n{code}"
            )
        return seconds, decision["seconds"]
