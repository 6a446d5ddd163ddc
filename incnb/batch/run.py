"""One notebook executed from beginning to end, every cell tracked.

`execute` never raises for what a notebook or its kernel does: what ended the run is in the `Outcome`. Nothing is
written unless all cells have run. `Running` is the same execution seen from another thread: how far it is, and the
means to end it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from incnb.batch import manifest
from incnb.batch.manifest import Refused
from incnb.batch.notebook_file import NotANotebook, OldFormat, of, read
from incnb.batch.orders import Orders
from incnb.batch.parameters import Value, inject
from incnb.batch.terminal import NO_ANSWER, NOT_THERE, Mistake
from incnb.model import IncnbError
from incnb.store.place import StoreError

if TYPE_CHECKING:
    import asyncio

    from incnb.batch.execution import Incremental

LOG_LINES = 20  # of what a kernel that died wrote last


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one notebook. `decisions` as of `INCNB_REPORT`; `plainly`: why nothing was tracked; `error`: the
    text of what ended the run early, `brief` the same in one line; `seconds` of the whole run; `status` of the command
    if this was its only notebook; `told`: lines that a person should see anyway."""

    path: Path
    decisions: tuple[dict[str, Any], ...]
    seconds: float
    plainly: str = ""
    error: str = ""
    union: dict[str, Any] | None = None
    brief: str = ""
    status: int = 0
    interrupted: bool = False
    told: tuple[str, ...] = ()
    written: Path | None = None
    begun: int = 0  # cells that began to run
    kernel: bool = True  # whether one was started
    refused: str = ""  # why one was needed
    torn: bool = False  # whether some decisions are not known


@dataclass(eq=False)
class Running:
    """An execution as other threads see it. `number` of `total` cells is running, since `since` (a `perf_counter`)."""

    shown: str = ""
    total: int = 0
    number: int = 0
    title: str = ""
    cell: str = ""  # its id
    since: float = field(default_factory=time.perf_counter)
    ended: bool = False
    client: Any = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[Any] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """Interrupt the cell and shut the kernel down, as politely as nbclient does; returns at once."""
        with self._lock:
            self.ended = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # it has ended by itself
                    self._loop.call_soon_threadsafe(self._task.cancel)

    def kill(self) -> None:
        """Kill the kernel."""
        process = getattr(getattr(getattr(self.client, "km", None), "provisioner", None), "process", None)
        if process is not None:
            with suppress(OSError):
                process.kill()

    async def follow(self, client: Incremental, log: BinaryIO) -> None:
        """Let the client execute its notebook; what its kernel writes to its terminal goes to `log`."""
        import asyncio
        import atexit

        with self._lock:
            self._loop, self._task, self.client = asyncio.get_running_loop(), asyncio.current_task(), client
            if self.ended:
                raise asyncio.CancelledError
        self._loop.set_exception_handler(lambda loop, context: None)  # of tasks of nbclient's whose kernel is gone
        try:
            await client.async_execute(stdout=log, stderr=log)
        finally:
            # nbclient leaves these to the end of the process where a kernel does not start, or is given up meanwhile
            atexit.unregister(client._cleanup_kernel)
            if client.km is not None:
                with suppress(Exception):
                    await client._async_cleanup_kernel()
            with self._lock:
                self._loop = self._task = None

    def at(self, text: str, cell: str = "") -> None:
        """The next cell begins."""
        import ast

        from incnb.engine.naming import title_of
        from incnb.engine.options import Options

        self.title = title_of(ast.Module([], []), Options(), text)
        self.number, self.cell, self.since = self.number + 1, cell, time.perf_counter()


def execute(
    source: Path,
    target: Path | None,
    orders: Orders,
    decided: Callable[[dict[str, Any]], None] = lambda one: None,
    *,
    parameters: Mapping[str, Value] | None = None,
    kernel: str = "",
    timeout: int | None = None,
    running: Running | None = None,
) -> Outcome:
    """Execute the notebook `source` in its folder and write it to `target` (None: nowhere), unless it fails.

    `kernel` takes the place of the one that the notebook names, `timeout` is of each cell, in whole seconds.
    """
    started = time.perf_counter()
    running = running or Running(str(source))
    asked, refused = _asked(source, orders, parameters or {}, kernel)
    if asked is not None:
        try:
            return _without_kernel(asked, source, target, decided, started)
        except (Refused, StoreError) as against:
            refused = str(against)
    try:
        notebook, told = load(source, parameters or {})
    except (NotANotebook, Mistake) as error:
        status = error.status if isinstance(error, Mistake) else NOT_THERE
        return _refused(source, str(error), status, started)
    outcome, client, text = _execute(source, target, orders, decided, notebook, told, kernel, timeout, running, started)
    if asked is not None and text and not outcome.error and not outcome.torn:
        from incnb.batch.keeping import keep

        try:
            keep(asked, client, text)
        except (Refused, StoreError) as against:
            refused = str(against)
    return replace(outcome, refused=refused)


def _asked(
    source: Path, orders: Orders, parameters: Mapping[str, Value], kernel: str
) -> tuple[manifest.Asked | None, str]:
    """What is asked for, to be answered without a kernel; or why it cannot be."""
    try:
        found = read(source)
        told = inject(found.data, parameters) if parameters else []
        asked = manifest.ask(of(found.path, found.data), orders, kernel, dict(parameters))
    except (Refused, IncnbError, KeyError, TypeError, AttributeError, OSError) as against:
        return None, str(against)
    return (None, told[0]) if told else (asked, "")  # what is told of parameters is told with a kernel


def _without_kernel(
    asked: manifest.Asked,
    source: Path,
    target: Path | None,
    decided: Callable[[dict[str, Any]], None],
    started: float,
) -> Outcome:
    """Raises `Refused` and `StoreError` where a kernel is needed."""
    from incnb.batch.writing import write

    done = manifest.answer(asked)
    try:
        if target is not None:
            write(target, done.text)
    except Mistake as failed:
        return _refused(source, str(failed), NO_ANSWER, started)
    for decision in done.decisions:
        decided(decision)
    took = time.perf_counter() - started
    return Outcome(source, done.decisions, took, union=done.union, written=target, kernel=False)


def load(source: Path, parameters: Mapping[str, Value]) -> tuple[Any, list[str]]:
    """The notebook as nbformat has it, of nbformat 4 whatever it was, with its parameters injected; and lines to tell.

    Raises `NotANotebook` and `Mistake`.
    """
    import nbformat

    with suppress(OldFormat):
        read(source)  # tells what is wrong better than nbformat does
    try:
        notebook = nbformat.reads(source.read_text("utf-8"), as_version=4)
        language = notebook.metadata.get("kernelspec", {}).get("language") or notebook.metadata.get(
            "language_info", {}
        ).get("name", "python")
    except Exception as error:
        what = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NotANotebook(f"{source} is not a notebook that can be understood: {what[:200]}") from None
    if parameters and str(language).lower() not in ("python", "ipython"):
        raise Mistake(f"-p: parameters can be given to notebooks of Python only, and {source} is one of {language}")
    told = inject(notebook, parameters, nbformat.from_dict)
    return notebook, [f"{source.name}: {line}" for line in told]


def _execute(
    source: Path,
    target: Path | None,
    orders: Orders,
    decided: Callable[[dict[str, Any]], None],
    notebook: Any,
    told: list[str],
    kernel: str,
    timeout: int | None,
    running: Running,
    started: float,
) -> tuple[Outcome, Any, str]:
    """The outcome, the client that executed, and the text of the executed notebook if there is one."""
    import asyncio
    import tempfile

    import nbformat
    from nbclient import NotebookClient

    from incnb.batch.execution import Incremental
    from incnb.batch.writing import join_streams, write

    class Client(Incremental, NotebookClient):
        pass

    name = kernel or notebook.metadata.get("kernelspec", {}).get("name") or "python3"
    client = Client(notebook, kernel_name=name, resources={"metadata": {"path": str(source.parent)}}, timeout=timeout)
    client.orders, client.decided, client.decisions = orders, decided, []
    client.on_cell_execute = lambda cell, cell_index: running.at(cell.source, str(cell.get("id") or ""))
    running.total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    error, brief, status, written, text = "", "", 0, None, ""
    with tempfile.TemporaryFile() as log:
        try:
            asyncio.run(running.follow(client, log))
        except (Exception, asyncio.CancelledError) as failed:
            if not running.ended:
                error, brief, status = _ended(failed, source, name, running, log)
                _failed(failed, client.decisions, running)
    if not error and not running.ended:
        try:
            join_streams(notebook.cells)
            text = nbformat.writes(notebook, version=4).removesuffix("\n") + "\n"
            if target is not None:
                write(target, text)
                written = target
        except Mistake as failed:
            error = brief = str(failed)
            status = NO_ANSWER
    if client.torn:
        told.append(
            f"{source.name}: the list of decisions could not be written; what became of some cells is not known"
        )
    outcome = Outcome(
        source,
        tuple(client.decisions),
        time.perf_counter() - started,
        client.plainly,
        error,
        client.union,
        brief,
        130 if running.ended else status,
        running.ended,
        tuple(told),
        written,
        running.number,
        torn=client.torn,
    )
    return outcome, client, text


def _refused(source: Path, why: str, status: int, started: float) -> Outcome:
    return Outcome(source, (), time.perf_counter() - started, error=why, brief=why, status=status)


def _ended(failed: BaseException, source: Path, kernel: str, running: Running, log: BinaryIO) -> tuple[str, str, int]:
    """What ended a run: the text to show, the same in one line, the status of the command."""
    import os
    import re
    import traceback

    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    where = f"cell {running.number} of {running.total} ({running.title})"
    if isinstance(failed, CellExecutionError):
        value = failed.evalue.strip().partition("\n")[0]
        what = failed.ename + (f": {value}" if value else "")
        if failed.ename == "NoneType":  # the kernel forgets the error of a value that cannot be shown
            shown = re.sub(r"\x1b\[[\d;]*m", "", failed.traceback).strip()
            what = shown.rpartition("\n")[2] or "it failed"
        return str(failed), f"{where}: {what}", NO_ANSWER
    if isinstance(failed, CellTimeoutError):
        return str(failed), f"{where}: it took longer than {running.client.timeout} s", NO_ANSWER
    if isinstance(failed, NoSuchKernel):
        there = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
        line = f"{source} wants the kernel {kernel}, which is not installed; installed: {there} (--kernel NAME)"
        return line, line, NOT_THERE
    if isinstance(failed, DeadKernelError) and running.number:
        line = f"{source}: the kernel died in {where}"
        return "\n".join([line, *_last(log)]), line, NO_ANSWER
    if not running.number:
        line = f"{source}: the kernel {kernel} cannot be started: {failed}"
        return "\n".join([line, *_last(log)]), line, NO_ANSWER
    if os.environ.get("INCNB_DEBUG"):
        traceback.print_exception(failed)
    line = f"{source}: {type(failed).__name__}: {failed}"
    return line, line, NO_ANSWER


def _failed(failed: BaseException, decisions: list[dict[str, Any]], running: Running) -> None:
    """A cell whose value could not be shown has run for IPython, and failed for Jupyter: its decision says so."""
    from nbclient.exceptions import CellExecutionError

    last = decisions[-1] if decisions else None
    if last is not None and isinstance(failed, CellExecutionError) and last["status"] == "executed":
        same = running.cell == last["cell"]["id"] if last["cell"]["id"] else running.title == last["cell"]["title"]
        last["status"] = "failed" if same else last["status"]


def _last(log: BinaryIO) -> list[str]:
    """What a kernel wrote last to the terminal that it thinks it has."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return [f"  {line}" for line in lines[-LOG_LINES:] if not line.startswith("[IPKernelApp] WARNING")]
