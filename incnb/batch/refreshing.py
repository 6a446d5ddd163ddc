"""Refreshes a notebook: decides whether it may be run unattended, and has `incnb.batch.job` do it.

The run has a process and a kernel of its own, and shares nothing with the person's kernel but the store, which is made
for several at once. One notebook is refreshed by one refresher at a time, whoever started that: a lock beside the
counts, which the system takes back from a process that dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import xxhash

from incnb.batch.queue import Refused, Report
from incnb.batch.relied import FILES, beside, relied
from incnb.store import Store

#: Seconds that a run has to end by itself when it is cancelled; the job itself ends its kernel before that.
PATIENCE: Final = 8.0
_GOOD: Final = ("reused", "cutoff")
#: What must not reach the run: the person's report and a kernel's own knowledge of its notebook.
_NOT_HANDED_ON: Final = ("INCNB_REPORT", "JPY_SESSION_NAME", "JPY_PARENT_PID")


class Refresh:
    """The job of the refresher's queue. `own` gets the sessions that it starts; `told` hears each decision."""

    def __init__(
        self,
        store: Store,
        allow: Iterable[str] = (),
        *,
        environment: dict[str, str] | None = None,
        told: Callable[[str, dict[str, Any]], None] = lambda notebook, decision: None,
    ):
        self._store, self._allow, self._told = store, tuple(allow), told
        self._environment = dict(os.environ) if environment is None else dict(environment)
        self.own: set[str] = set()

    def __call__(self, notebook: str, cancelled: threading.Event) -> Report:
        """Refresh one notebook. Raises `Refused` where that must not be done."""
        if not Path(notebook).exists():
            raise Refused(f"{notebook} is gone")
        known = relied(self._store, Path(notebook))
        if not known.sessions:
            raise Refused(f"nothing is known of {notebook}: run it once with incnb, as by incnb run {notebook}")
        against = known.refusal(self._allow)
        if against:
            raise Refused(against)
        with self._alone(notebook):
            return self._run(notebook, cancelled)

    @contextmanager
    def _alone(self, notebook: str) -> Iterator[None]:
        folder = beside(self._store)
        name = xxhash.xxh3_128_hexdigest(notebook.encode("utf-8", "surrogateescape"))
        with (folder / f"{name}.lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(f"another refresher runs {notebook} just now") from None
            yield

    def _run(self, notebook: str, cancelled: threading.Event) -> Report:
        began = time.perf_counter()
        words = [word for word in self._allow if word != FILES]
        orders = {"notebook": notebook, "options": f"--allow {' '.join(words)}" if words else ""}
        environment = {name: value for name, value in self._environment.items() if name not in _NOT_HANDED_ON}
        environment["INCNB_STORE"] = str(self._store.root)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "incnb.batch.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=str(Path(notebook).parent),
            start_new_session=True,  # a Ctrl-C at the terminal is for the one who watches, who ends this in order
        )
        assert process.stdin is not None and process.stdout is not None
        over = threading.Event()
        ends = threading.Thread(target=self._end, args=(process, cancelled, over), daemon=True)
        counts = {"verified": 0, "refreshed": 0, "failed": 0}
        last: dict[str, Any] = {}
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(orders).encode() + b"\n")
                process.stdin.flush()
            ends.start()
            for line in process.stdout:
                told = json.loads(line)
                if "decision" not in told:
                    last = told
                    continue
                decision = told["decision"]
                self.own.add(str(decision.get("session", "")))
                status = decision.get("status")
                counts["verified" if status in _GOOD else "failed" if status == "failed" else "refreshed"] += 1
                self._told(notebook, decision)
        finally:
            over.set()
            with suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()
        why = str(last.get("error") or last.get("plainly") or "")
        if not last:
            why = f"its process ended early (status {process.returncode})"
        if why and not counts["failed"]:
            counts["failed"] = 1
        return Report(**counts, seconds=time.perf_counter() - began, why=why)

    @staticmethod
    def _end(process: subprocess.Popen[bytes], cancelled: threading.Event, over: threading.Event) -> None:
        """End a run that is not wanted any more: its standard input ends, which it takes for a word."""
        while not over.is_set():
            if not cancelled.wait(0.1):
                continue
            with suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()
            if not over.wait(PATIENCE):
                with suppress(OSError):
                    process.kill()
            return
