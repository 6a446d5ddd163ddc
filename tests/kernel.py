"""A real kernel for tests: this very interpreter, with nothing of the person's own set-up around it.

Every kernel has its own HOME, IPython and Jupyter directories, keeps no history and finds the project on PYTHONPATH.
`run` gives back what a front end would have received, in order, and fails loudly: an exception in a cell that was not
expected shows the cell and its traceback, a time-out shows what had arrived by then.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

ROOT: Final = Path(__file__).resolve().parents[1]
ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
# ipykernel leaves the file descriptors alone when it believes that pytest watches them.
UNWANTED: Final = ("PYTEST_CURRENT_TEST", "PYTHONSTARTUP", "MPLBACKEND", "COV_CORE_SOURCE")


class CellFailed(AssertionError):
    """A cell raised, and the test did not expect it to."""


class KernelStuck(AssertionError):
    """The kernel died, or did not answer in time."""


@dataclass
class Run:
    """What one request brought back. `messages` are those of iopub, in order, without the status messages."""

    code: str
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def _stream(self, name: str) -> str:
        return "".join(c["text"] for kind, c in self.messages if kind == "stream" and c["name"] == name)

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def displays(self) -> list[dict[str, Any]]:
        return [content["data"] for kind, content in self.messages if kind == "display_data"]

    @property
    def result(self) -> dict[str, Any] | None:
        """The mimebundle of the last result."""
        found = [content["data"] for kind, content in self.messages if kind == "execute_result"]
        return found[-1] if found else None

    @property
    def error(self) -> tuple[str, str, str] | None:
        for kind, content in self.messages:
            if kind == "error":
                return content["ename"], content["evalue"], ANSI.sub("", "\n".join(content["traceback"]))
        if self.reply.get("status") == "error":
            content = self.reply
            return content["ename"], content["evalue"], ANSI.sub("", "\n".join(content.get("traceback", [])))
        return None

    @property
    def execution_count(self) -> int | None:
        return self.reply.get("execution_count")

    @property
    def expressions(self) -> dict[str, Any]:
        """The user expressions, as their plain text."""
        return {
            name: value["data"].get("text/plain") if value["status"] == "ok" else value
            for name, value in self.reply.get("user_expressions", {}).items()
        }

    @property
    def shown(self) -> list[tuple[Any, ...]]:
        """The messages in a form that can be compared between runs: without ids, counts and times; the text of one
        stream in one piece, since a timer of the kernel may cut it anywhere.
        """
        out: list[tuple[Any, ...]] = []
        for kind, content in self.messages:
            if kind == "stream":
                if out and out[-1][:2] == ("stream", content["name"]):
                    out[-1] = ("stream", content["name"], out[-1][2] + content["text"])
                else:
                    out.append(("stream", content["name"], content["text"]))
            elif kind in ("display_data", "update_display_data"):
                out.append((kind, content["data"], content["metadata"], content.get("transient", {})))
            elif kind == "execute_result":
                out.append((kind, content["data"], content["metadata"]))
            elif kind == "clear_output":
                out.append((kind, content["wait"]))
            elif kind == "error":
                out.append((kind, content["ename"], content["evalue"]))
            elif kind != "execute_input":
                out.append((kind, content))
        return out

    def __str__(self) -> str:
        lines = ["in this cell:", *("    " + line for line in self.code.splitlines())]
        for kind, content in self.messages:
            if kind == "stream":
                lines.append(f"{content['name']}: {content['text']!r}")
            elif kind != "execute_input":
                lines.append(f"{kind}: {json.dumps(content)[:500]}")
        return "\n".join(lines)


class Kernel:
    """`with Kernel() as kernel: kernel.run("1 + 1").result`."""

    def __init__(
        self,
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        arguments: tuple[str, ...] = (),
        startup_timeout: float = 60,
    ) -> None:
        """`env` overrides the environment; a None takes the variable out."""
        self.home = Path(tempfile.mkdtemp(prefix="kernel-"))
        self.cwd = Path(cwd) if cwd is not None else self.home / "work"
        self._startup_timeout = startup_timeout
        self._log = self.home / "kernel.log"
        self._env = self._environment(env or {})
        self._arguments = arguments
        self.manager: KernelManager
        self._terminal: BinaryIO
        self.client: BlockingKernelClient
        self._running = False

    def _environment(self, override: Mapping[str, str | None]) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME"):
            env[name] = str(self.home / name.lower())
        env["HOME"] = str(self.home)
        # Building matplotlib's font list takes seconds: the one of this machine may be used.
        env.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / f"test-matplotlib-{os.getuid()}"))
        env["JUPYTER_PLATFORM_DIRS"] = "1"
        env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        for name, value in override.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        return env

    def __enter__(self) -> Self:
        for attempts in (2, 1, 0):
            try:
                return self._start()
            except KernelStuck as stuck:
                # its ports are chosen before it takes them, and on a busy machine others may be faster
                if not attempts or "Address already in use" not in str(stuck):
                    raise
        raise AssertionError

    def _start(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self.cwd.mkdir(parents=True, exist_ok=True)
        (self.home / "jupyter_runtime_dir").mkdir(exist_ok=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        options = ["--HistoryManager.enabled=False", "--InteractiveShell.colors=nocolor", *self._arguments]
        self.manager = KernelManager(connection_file=str(self.home / "jupyter_runtime_dir" / "kernel.json"))
        # The spec is given, not looked up: no installed kernel, of whatever interpreter, can take its place.
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="test", language="python")
        try:
            # Open for as long as the kernel lives: a restart starts the new process with the same arguments.
            self._terminal = self._log.open("wb")
            self.manager.start_kernel(
                extra_arguments=options,
                env=self._env,
                cwd=str(self.cwd),
                stdout=self._terminal,
                stderr=self._terminal,
            )
            self._running = True
            self._connect()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=self._startup_timeout)
        except RuntimeError as error:
            raise KernelStuck(f"the kernel did not start: {error}\n{self.log}") from error

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        if self._running:
            self._running = False
            # Nothing of a test's kernel is worth a polite goodbye, which takes a tenth of a second or more.
            with contextlib.suppress(Exception):
                self.manager.shutdown_kernel(now=True)
        with contextlib.suppress(AttributeError):
            self._terminal.close()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def log(self) -> str:
        """What the kernel process wrote to its terminal."""
        try:
            return self._log.read_text(errors="replace")
        except OSError:
            return ""

    def run(
        self,
        code: str,
        *,
        timeout: float = 60,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        allow_error: bool = False,
    ) -> Run:
        """Execute a cell and wait for its end. `metadata` is the message's own, where front ends put `cellId`."""
        run = self.wait(
            self.start(
                code,
                silent=silent,
                store_history=store_history,
                user_expressions=user_expressions,
                metadata=metadata,
            ),
            code,
            timeout=timeout,
        )
        if run.error is not None and not allow_error:
            name, value, traceback = run.error
            raise CellFailed(f"{name}: {value}\n{run}\n{traceback}")
        return run

    def start(
        self,
        code: str,
        *,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Send a cell and return at once, e.g. to interrupt it; `wait` takes the id."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history and not silent,
            "user_expressions": dict(user_expressions or {}),
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = self.client.session.msg("execute_request", content, metadata=dict(metadata or {}))
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def wait(self, request: str, code: str = "", *, timeout: float = 60) -> Run:
        """Collect all that answers a request, to the reply and the idle status."""
        run = Run(code)
        deadline = time.monotonic() + timeout
        for message in self._messages("iopub", request, deadline, run):
            kind = message["header"]["msg_type"]
            if kind == "status":
                if message["content"]["execution_state"] == "idle":
                    break
            else:
                run.messages.append((kind, message["content"]))
        run.reply = next(self._messages("shell", request, deadline, run))["content"]
        return run

    def _messages(self, channel: str, request: str, deadline: float, run: Run) -> Iterator[dict[str, Any]]:
        receive = self.client.get_iopub_msg if channel == "iopub" else self.client.get_shell_msg
        while True:
            try:
                message = receive(timeout=max(0.01, min(1.0, deadline - time.monotonic())))
            except queue.Empty:
                if not self.manager.is_alive():
                    raise KernelStuck(f"the kernel died\n{run}\n{self.log}") from None
                if time.monotonic() > deadline:
                    raise KernelStuck(f"no answer in time\n{run}\n{self.log}") from None
                continue
            if message["parent_header"].get("msg_id") == request:
                yield message

    def _ask(self, request: str, timeout: float) -> dict[str, Any]:
        run = Run("")
        content = next(self._messages("shell", request, time.monotonic() + timeout, run))["content"]
        if content.get("status") != "ok":
            raise CellFailed(f"{content.get('ename')}: {content.get('evalue')}")
        return dict(content)

    def complete(self, code: str, pos: int | None = None, *, timeout: float = 60) -> dict[str, Any]:
        return self._ask(self.client.complete(code, len(code) if pos is None else pos), timeout)

    def inspect(self, code: str, pos: int | None = None, *, timeout: float = 60) -> dict[str, Any]:
        return self._ask(self.client.inspect(code, len(code) if pos is None else pos), timeout)

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def restart(self) -> None:
        """A new process at the same place, with nothing in memory."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self._connect()
