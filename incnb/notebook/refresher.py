"""`%incremental refresher`: the notebook is run again in the background when enough of what it relies on has changed.

All of that happens in a process beside the kernel, `incnb watch --pipe`: the watching, the counting, and the runs, each
in one more process with a kernel of its own. The kernel has a pipe to it and one thread that reads lines; no cell waits
for either, and no step of a cell knows of it. The process ends when its pipe does: with `stop`, at a shutdown, and when
the kernel is killed. It begins with the environment that the kernel began with, not with what cells made of it.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from incnb.engine.session import Session
from incnb.explain.words import amount
from incnb.model import IncnbError, shorten

USAGE: Final = (
    "refresher start [--changes N] [--days D] [--min-changes N] [--allow WORD …] | stop | status | wait [--timeout S]"
)
#: Seconds for an end in order: a run that is on its way has to end its kernel.
PATIENCE: Final = 12.0
_NAMELESS: Final = (
    "the refresher needs the path of the notebook, which the front end has not told the kernel: "
    "run `incnb watch NOTEBOOK` in a terminal"
)


class RefresherError(IncnbError):
    """The refresher cannot do what was asked, in one line."""


class _Words(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise RefresherError(f"{message}: %incremental {USAGE}")


class Refresher:
    """The refresher of one session. `moved` is called, on a thread of its own, whenever there is something new."""

    def __init__(self, session: Session, moved: Callable[[], None] = lambda: None):
        self._session, self._moved = session, moved
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._state: dict[str, Any] = {}
        self._rules = ""
        self._answers: dict[int, dict[str, Any]] = {}
        self._asked = 0
        self._news = threading.Condition()

    def follow(self, line: str) -> str:
        """Do what a person asks for; what to print. Raises `RefresherError`."""
        try:
            verb, *rest = shlex.split(line) or ["status"]
        except ValueError as error:
            raise RefresherError(f"refresher {line.strip()!r} cannot be read: {error}") from None
        if verb == "start":
            return self._start_as(rest)
        if verb == "wait":
            parser = _Words("refresher wait", add_help=False, allow_abbrev=False)
            parser.add_argument("--timeout", type=float)
            return self.wait(parser.parse_args(rest).timeout)
        if verb in ("stop", "status") and not rest:
            return self.stop() if verb == "stop" else self.status()
        raise RefresherError(f"there is no refresher {shorten(line.strip())}: %incremental {USAGE}")

    def _start_as(self, words: list[str]) -> str:
        from incnb.batch.relied import WORDS  # here, since most sessions never need them
        from incnb.batch.watch import options

        parser = _Words("refresher start", add_help=False, allow_abbrev=False)
        options(parser)
        parsed = parser.parse_args(words)
        unknown = [word for word in parsed.allow if word not in WORDS]
        if unknown:
            raise RefresherError(f"--allow does not know {', '.join(unknown)}; it knows {', '.join(WORDS)}")
        return self.start(parsed.changes, parsed.days, parsed.min_changes, parsed.allow)

    # -- its process

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, changes: int = 50, days: float = 7.0, min_changes: int = 10, allow: list[str] | None = None) -> str:
        """Start it; what it will do, in words. Raises `RefresherError`."""
        if self.alive:
            return f"the refresher runs already: {self.line()}"
        notebook = self._notebook()
        self._tell_union()
        if find_spec("watchfiles") is None:
            from incnb.batch.watching import NEEDS

            raise RefresherError(NEEDS)
        rules = ["--changes", str(changes), "--days", str(days), "--min-changes", str(min_changes)]
        command = [sys.executable, "-P", "-m", "incnb", "watch", notebook, "--pipe", *rules]
        self._state = {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open for as long as the process runs)
        self._process = subprocess.Popen(
            [*command, *(["--allow", *allow] if allow else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**_first_environment(), "INCNB_STORE": str(Path(self._session.store.root).absolute())},
            cwd=str(Path(notebook).parent),
            start_new_session=True,  # an interrupt of the kernel is not for it
        )
        threading.Thread(target=self._read, args=(self._process,), name="IPython incnb refresher", daemon=True).start()
        atexit.register(self._leave)
        fewer = f", or after {min_changes} when the last run is older than {amount_of_days(days)}"
        self._rules = f"runs after {amount(max(1, changes), 'change')}{fewer if min_changes < changes else ''}"
        return f"the refresher watches what {Path(notebook).name} relies on, and {self._rules}"

    def _tell_union(self) -> None:
        """Put into the log what the cells relied on and wrote up to now, as far as no trace has it."""
        from incnb.engine.union import log_union, union_of

        with suppress(Exception):  # then less is known, and what is not known is refused
            log_union(self._session, union_of(self._session))

    def stop(self, patience: float = PATIENCE) -> str:
        """End it, and a run that is on its way; what was left, in words."""
        process, self._process = self._process, None
        if process is None:
            return "the refresher does not run"
        atexit.unregister(self._leave)
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()  # its run notices that, and ends by itself
            process.wait()
        pending = sum(int(one.get("pending", 0)) for one in self._notebooks().values())
        self._moved()
        return f"the refresher ended; {amount(pending, 'change')} pending" if pending else "the refresher ended"

    def _leave(self) -> None:
        """The kernel ends: no more is needed than the end of the pipe."""
        with suppress(Exception):
            self.stop(1.0)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                with self._news:
                    self._state = told.get("state", self._state)
                    if "answer" in told:
                        self._answers[told["answer"]] = told
                    self._news.notify_all()
                self._moved()
        with self._news:
            self._news.notify_all()
        self._moved()

    def wait(self, timeout: float | None = None) -> str:
        """Wait until all that is due by now has run; what came of it, in words. Raises `RefresherError`."""
        process = self._process
        if process is None or not self.alive:
            raise RefresherError(self._ended() or "the refresher does not run: %incremental refresher start")
        self._tell_union()
        self._asked += 1
        ask = self._asked
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"do": "wait", "ask": ask, "timeout": timeout}).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise RefresherError(self._ended() or "the refresher ended") from None
        with self._news:
            # in steps, so that an interrupt of the kernel gets through
            while ask not in self._answers and process.poll() is None:
                self._news.wait(0.2)
            answer = self._answers.pop(ask, None)
        if answer is None:
            raise RefresherError(self._ended() or "the refresher ended")
        return self.line() if answer["done"] else f"not done after {timeout:g} s: {self.line()}"

    def _ended(self) -> str:
        """Why its process ended by itself, if it did."""
        if self._process is None or self._process.poll() is None:
            return ""
        text = ""
        if self._errors is not None:
            with suppress(OSError, ValueError):
                self._errors.seek(0)
                lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
                text = lines[-1] if lines else ""
        return f"the refresher ended by itself: {shorten(text) or f'status {self._process.returncode}'}"

    # -- what is said of it

    def line(self) -> str:
        """Its state in one line; empty if it was not started."""
        if self._process is None:
            return ""
        if not self.alive:
            return self._ended()
        if not self._notebooks():
            return "begins to watch"
        return _line(self._state)

    def status(self) -> str:
        """All that is known of it."""
        if self._process is None:
            return "the refresher does not run: %incremental refresher start"
        lines = [f"refresher: {self.line()}"]
        if self.alive:
            lines.append(f"  {self._rules}")
        for one in self._notebooks().values():
            things = one.get("things", [])
            more = f" and {len(things) - 8} more" if len(things) > 8 else ""
            lines.append(f"  watches: {', '.join(['the notebook', *things[:8]])}{more}")
            lines += [f"  cannot watch: {what}" for what in one.get("unwatchable", ())]
            lines += [f"  gone: {what}; {then}" for what, then in one.get("gone", {}).items()]
            if one.get("missing"):
                lines.append("  the notebook file is gone")
        if self._state.get("problem"):
            lines.append(f"  problem: {self._state['problem']}")
        return "\n".join(lines)

    def _notebooks(self) -> dict[str, dict[str, Any]]:
        found = self._state.get("notebooks")
        return found if isinstance(found, dict) else {}

    def _notebook(self) -> str:
        told = self._session.notebook
        if not told:
            raise RefresherError(_NAMELESS)
        path = Path(told).absolute()
        if not path.is_file():
            raise RefresherError(f"{_NAMELESS} (it said {told}, which is not there)")
        return str(path)


def _line(state: dict[str, Any]) -> str:
    """The state of a refresher of one notebook in one line."""
    from incnb.batch.watch import said

    parts = []
    for name, one in state["notebooks"].items():
        if name in state.get("running", ()):
            parts.append("runs now")
        elif name in state.get("queued", ()):
            parts.append("is about to run")
        parts.append(f"{amount(int(one.get('pending', 0)), 'change')} pending")
        if one.get("skipped"):
            parts.append(f"not run: {one['skipped']}")
        if one.get("report"):
            parts.append(f"last: {said(one['report'])}")
        parts.append(f"watches {amount(int(one.get('watched', 0)), 'thing')}")
        if one.get("gone"):
            parts.append(f"{len(one['gone'])} gone")
    return " · ".join(parts)


def amount_of_days(days: float) -> str:
    """`7 days`, `0.5 days`."""
    return f"{days:g} {'day' if days == 1 else 'days'}"


def _first_environment() -> dict[str, str]:
    """The environment as this process began with it; as it is now where the system does not tell."""
    try:
        raw = Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in raw.split(b"\0") if b"=" in entry)
    return {name: value for name, _, value in pairs if name}
