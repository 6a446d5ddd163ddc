"""How a notebook is executed by a batch tool with every cell tracked, and without an edit to it.

`Incremental` is mixed into a client of nbclient, of which the clients of nbconvert and papermill are: it orders the
kernel to track every cell, before the first one, by a silent request; it sends the id of each cell along, so that a
moved or edited cell keeps its history; it reads what was decided from a file, which survives a kernel that dies; and it
asks for the union after the last cell. Whatever of this fails, the notebook executes as it would without incnb, and one
line of the tool's own log says why nothing was reused.

nbclient has each step twice, as a coroutine and as a plain function made from it when its class was made: both are
given anew here, since either may be called.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbclient.util import ensure_async, run_sync

from incnb.batch.notebook_file import INJECTED, NotANotebook, OldFormat, read
from incnb.batch.orders import END, Orders, switched_off

if TYPE_CHECKING:
    from nbclient import NotebookClient

    _Client = NotebookClient
else:
    _Client = object

WAIT = 60.0  # seconds for an answer to a request of ours


class Incremental(_Client):
    """A client whose kernel follows `orders`. `decided` is told each decision; `plainly`: why nothing is tracked."""

    orders: Orders = Orders()
    decided: Callable[[dict[str, Any]], None] = staticmethod(lambda decision: None)
    plainly: str = ""
    decisions: list[dict[str, Any]]
    union: dict[str, Any] | None = None
    torn: bool = False  # whether decisions are missing: their file could not be written to
    manager: Any = None
    _told: Orders | None = None
    _ids: frozenset[str] | None = None  # those in the file: others are made up anew in each run

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        self.decisions, self.union, self.plainly, self.torn = [], None, "", False
        self._seen = 0
        self._folder = tempfile.TemporaryDirectory(prefix="incnb-run-")
        folder = Path(self._folder.name)
        self._told = replace(self.orders, report=str(folder / "decisions.jsonl"), union=str(folder / "union.json"))
        self._ids = ids_in(self.orders.notebook)
        self.manager = self.km  # nbclient forgets it when the kernel is gone
        self.plainly = await self._begin(self._told)
        return client

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def async_execute_cell(self, cell: Any, cell_index: int, *args: Any, **kwargs: Any) -> Any:
        self._identify(cell)
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        finally:
            self._read()

    execute_cell = run_sync(async_execute_cell)

    @asynccontextmanager
    async def async_setup_kernel(self, **kwargs: Any) -> AsyncIterator[None]:
        try:
            async with super().async_setup_kernel(**kwargs):
                yield
                await self._finish()
        finally:
            self._clean()

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        try:
            with super().setup_kernel(**kwargs):
                yield
                run_sync(self._finish)()
        finally:
            self._clean()

    @property
    def summary(self) -> str:
        """What became of the cells, in a few words; empty where nothing was tracked."""
        if self.plainly or self._told is None:
            return ""
        counts = Counter(str(decision["status"]) for decision in self.decisions)
        return ", ".join(f"{count} {status}" for status, count in counts.most_common()) or "no cell was tracked"

    async def _begin(self, orders: Orders) -> str:
        """Make the kernel follow; empty, or in one line why it does not."""
        if switched_off():
            self.log.info("incnb is off (INCNB=off): every cell executes")
            return "INCNB=off"
        language = getattr(getattr(self.km, "kernel_spec", None), "language", "python")
        if str(language).lower() != "python":
            why = f"the kernel {self.kernel_name} is not one of Python"
        else:
            why = await self._ask(orders.begin)
        if why:
            self.log.warning("incnb: every cell executes and nothing is reused: %s", why)
        return why

    def _identify(self, cell: Any) -> None:
        """Send the id of a cell along: what its history goes by, and nothing else."""
        if self.plainly or self._told is None or self.kc is None:
            return
        own = str(cell.get("id") or "")
        if INJECTED in cell.metadata.get("tags", ()):
            own = INJECTED  # the tool writes this cell, with another id each time
        elif self._ids is not None and own not in self._ids:
            own = ""
        if own:
            self.kc.session.metadata["cellId"] = own
        else:
            self.kc.session.metadata.pop("cellId", None)

    async def _ask(self, code: str) -> str:
        """A silent request; empty, or in one line why it could not be followed."""
        assert self.kc is not None
        # that of a cell is not meant for us
        limit, self.timeout = self.timeout, None
        try:
            request = await ensure_async(self.kc.execute(code, silent=True, store_history=False, allow_stdin=False))
            reply = await asyncio.wait_for(self.async_wait_for_reply(request), WAIT)
        except Exception as error:  # a kernel that died tells so at its next cell, in nbclient's own words
            return f"the kernel did not answer: {type(error).__name__}"
        finally:
            self.timeout = limit
        content = (reply or {}).get("content", {})
        if content.get("status") == "ok":
            return ""
        name, told = str(content.get("ename", "no answer")), str(content.get("evalue", ""))
        if name == "ModuleNotFoundError" and "'incnb'" in told:
            return f"the kernel {self.kernel_name} has no incnb: install it in the environment of that kernel"
        if name == "ModuleNotFoundError" and "incnb." in told:
            return f"the kernel {self.kernel_name} has another version of incnb"
        return told if name == "IncnbError" else f"{name}: {told}"

    async def _finish(self) -> None:
        if self.plainly or self.kc is None or self._told is None:
            return
        self.kc.session.metadata.pop("cellId", None)
        if not await self._ask(END):
            try:
                self.union = loads(Path(self._told.union).read_bytes())
            except (OSError, ValueError):
                self.union = None  # then there is none, and nothing is taken from it

    def _read(self) -> None:
        """Take in the decisions that were written since."""
        if self._told is None:
            return
        try:
            with Path(self._told.report).open("rb") as lines:
                lines.seek(self._seen)
                new = lines.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._seen += len(whole)
        self.torn |= len(whole) < len(new)
        for line in whole.splitlines():
            try:
                decision = loads(line)
            except ValueError:
                self.torn = True
                continue
            self.decisions.append(decision)
            self.decided(decision)

    def _clean(self) -> None:
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()


def ids_in(notebook: str) -> frozenset[str] | None:
    """The ids of the cells of a file; None: there is no such file to be read."""
    try:
        return frozenset(cell.id for cell in read(notebook).cells if cell.id) if notebook else None
    except OldFormat:
        return frozenset()
    except NotANotebook:
        return None
