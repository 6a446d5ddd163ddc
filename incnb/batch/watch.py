"""`incnb watch`: notebooks are run again in the background when enough of what they rely on has changed.

Ends by Ctrl-C with status 130, as every command that a person stopped does, so that a script can tell it from `--once`
that came to its end; by SIGTERM with 0, since that is what a service manager asks for. A run that is on its way then is
ended, with its kernel; what it dealt with is still counted next time.

With `--pipe` it serves a kernel, whose `%incremental refresher` started it: lines of JSON come in and go out, and it
ends when the pipe does, or when the process that started it is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from incnb.batch.terminal import NO_ANSWER, Mistake

if TYPE_CHECKING:
    from incnb.batch.command import Verb

STOPPED: Final = 130
_MORE = """
Run notebooks again, in the background and in kernels of their own, when enough of what their last run relied on has
changed: files and folders that were read, modules of the project, files that grow, the cells of the notebook. The
person's next run then finds its results in the store. The notebook file is never written. Needs: pip install
"incnb[watch]"

A notebook is refused, and the line says why, if a cell wrote files or had an effect when it ran last, or never ran with
incnb looking on. --allow lets that happen: `files`, and the words of a cell's own --allow.

  incnb watch analysis.ipynb
  incnb watch reports/*.ipynb --changes 1
  incnb watch analysis.ipynb --changes 100 --days 1 --min-changes 1
  incnb watch analysis.ipynb --allow files network
  incnb watch analysis.ipynb --once --changes 1      look, run what is due, and end: for cron
"""


def add(verb: Verb) -> None:
    """Register the verb."""
    watch = verb("watch", follow, "run notebooks again in the background when what they rely on changes", _MORE)
    watch.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help="path of a notebook")
    options(watch)
    watch.add_argument("--once", action="store_true", help="look once, run what is due, and end")
    watch.add_argument("--pipe", action="store_true", help=argparse.SUPPRESS)


def options(parser: argparse.ArgumentParser) -> None:
    """The options that say when, and what a run may do; `%incremental refresher start` has them as well."""
    parser.add_argument(
        "--changes", type=_count, default=50, metavar="N", help="run after N changes (50); 0: after each"
    )
    parser.add_argument("--days", type=_days, default=7.0, metavar="D", help="after D days (7) fewer are enough:")
    parser.add_argument("--min-changes", type=_count, default=10, metavar="N", help="that many (10)")
    parser.add_argument("--allow", nargs="+", default=[], metavar="WORD", help="what a run may do: files, network, …")


def follow(parsed: argparse.Namespace) -> int:
    """Watch until somebody ends it."""
    from incnb.batch.notebook_file import OldFormat, read
    from incnb.batch.queue import Thresholds
    from incnb.batch.relied import WORDS

    unknown = [word for word in parsed.allow if word not in WORDS]
    if unknown:
        raise Mistake(f"--allow does not know {', '.join(unknown)}; it knows {', '.join(WORDS)}")
    paths = []
    for notebook in parsed.notebooks:
        try:
            paths.append(read(notebook).path)
        except OldFormat:
            paths.append(Path(notebook).absolute())
        except Exception as error:  # a mistake of the person's, in the words of whoever found it
            raise Mistake(str(error)) from None
    face: _Face = _Pipe() if parsed.pipe else _Lines(sys.stdout.isatty())
    thresholds = Thresholds(parsed.changes, parsed.days, parsed.min_changes)
    return Watch([Path(os.path.normpath(path)) for path in paths], thresholds, parsed.allow, face).run(once=parsed.once)


class Watch:
    """The queue, what fills it and what it does, for some notebooks."""

    def __init__(self, paths: list[Path], thresholds: Any, allow: list[str], face: _Face):
        from incnb.batch.queue import Queue
        from incnb.batch.refreshing import Refresh
        from incnb.batch.relied import beside
        from incnb.batch.watching import Watcher
        from incnb.store import Store

        store = Store()
        self._face, self._names = face, [str(path) for path in paths]
        self.refresh = Refresh(store, allow)
        self.queue = Queue(
            self.refresh, thresholds, folder=beside(store), make=lambda folder: beside(store), told=self._told
        )
        self.watcher = Watcher(paths, store, self._changed, self.queue.ran, own=self.refresh.own, busy=self._busy)
        self._moved = threading.Event()
        self._over = threading.Event()
        self._failed = False
        self._signal = 0

    def run(self, *, once: bool = False) -> int:
        """Until a signal, or the end of the pipe; with `once` until what is due was done. The status to exit with."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for name in self._names:
                self.queue.adopt(name)
            self.queue.start()
            self.watcher.start(watch=not once)
            # whoever waits is answered when all that happened before was seen
            self._face.begin(self)
            if once:
                while not self.queue.drain(0.2) and not self._over.is_set():
                    pass
            else:
                self._face.line(f"watching {_these(self._names)}; Ctrl-C ends it")
                self._serve()
        finally:
            self.watcher.stop()
            self.queue.stop(0)
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._signal == signal.SIGINT:
            return STOPPED
        return NO_ANSWER if once and self._failed else 0

    def _serve(self) -> None:
        parent = os.getppid()
        while not self._over.is_set():
            self._face.state(self.status)
            self._moved.wait(1.0)
            self._moved.clear()
            if self._face.attached and os.getppid() != parent:
                # whoever started this is gone, and something else holds the pipe open
                return

    def end(self) -> None:
        """Somebody wants an end."""
        self._over.set()
        self._moved.set()

    def status(self) -> dict[str, Any]:
        """All that is known, as JSON."""
        queue, watched = self.queue.status(), self.watcher.status()
        keys = queue.pop("keys")
        notebooks = {name: {**keys.get(name, {}), **watched.get(name, {})} for name in self._names}
        return {**queue, "notebooks": notebooks, "problem": self.watcher.problem}

    def _busy(self, notebook: str) -> bool:
        return notebook in self.queue.status()["running"]

    def _changed(self, notebook: str, what: str) -> None:
        self._face.line(f"{_short(notebook)}: {what}")
        self.queue.notify(notebook)
        self._moved.set()

    def _told(self, event: str, notebook: str, about: dict[str, Any]) -> None:
        if event == "start":
            self._face.line(f"{_short(notebook)}: runs, after {about['pending']} changes")
        elif event == "skip":
            self._failed = True
            self._face.report(f"{_short(notebook)}: not run: {about['why']}")
        elif event == "full":
            self._face.report(f"{about['limit']} notebooks wait already: the next ones have to wait for room")
        else:
            self._failed = self._failed or bool(about["failed"])
            self.watcher.settle(notebook)
            self._face.report(f"{_short(notebook)}: {said(about)}")
        self._moved.set()

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signal = self._signal or number
        self.end()


class _Face:
    """What is said of it, and where."""

    attached = False

    def begin(self, watch: Watch) -> None:
        """It is about to start."""

    def line(self, text: str) -> None:
        """Something happened."""

    def report(self, text: str) -> None:
        """A job ended, or was not done."""

    def state(self, now: Callable[[], dict[str, Any]]) -> None:
        """Something may be another way now."""


class _Lines(_Face):
    """Lines on standard output: all of them for a person who looks on, else those that tell what a job came to."""

    def __init__(self, looked_at: bool):
        self._looked_at = looked_at
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        if self._looked_at:
            self.report(text)

    def report(self, text: str) -> None:
        from incnb.explain.unseen import visible

        with self._lock:
            print(f"{time.strftime('%H:%M:%S')} {visible(text)}", flush=True)


class _Pipe(_Face):
    """Lines of JSON: the state whenever it is another one, and answers."""

    attached = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""

    def begin(self, watch: Watch) -> None:
        threading.Thread(target=self._read, args=(watch,), name="incnb pipe", daemon=True).start()

    def _read(self, watch: Watch) -> None:
        try:
            while line := sys.stdin.buffer.readline():
                asked = json.loads(line)
                if asked.get("do") == "wait":
                    threading.Thread(target=self._wait, args=(watch, asked), daemon=True).start()
        except (OSError, ValueError):
            pass
        watch.end()

    def _wait(self, watch: Watch, asked: dict[str, Any]) -> None:
        # what changed up to now counts, whether the system told yet or not
        with suppress(Exception):
            watch.watcher.reload()
        done = watch.queue.drain(asked.get("timeout"))
        self._send({"answer": asked.get("ask"), "done": done, "state": watch.status()})

    def state(self, now: Callable[[], dict[str, Any]]) -> None:
        state = now()
        text = json.dumps(state)
        if text != self._last:
            self._last = text
            self._send({"state": state})

    def _send(self, told: dict[str, Any]) -> None:
        try:
            with self._lock:
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
        except (OSError, ValueError):  # then the other end is closed as well, which is noticed elsewhere
            return


def said(report: dict[str, Any]) -> str:
    """A report in words."""
    from incnb.explain.words import seconds

    counts = (("verified", "still good"), ("refreshed", "ran"), ("failed", "failed"))
    told = [f"{report[name]} {word}" for name, word in counts if report.get(name)]
    why = f": {report['why']}" if report.get("why") else ""
    return f"{', '.join(told) or 'nothing to do'} in {seconds(float(report['seconds']))}{why}"


def _short(notebook: str) -> str:
    return Path(notebook).name


def _these(names: list[str]) -> str:
    return _short(names[0]) if len(names) == 1 else f"{len(names)} notebooks"


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number of changes, 0 or more, not {text!r}")
    return int(text)


def _days(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e6:
        raise argparse.ArgumentTypeError(f"a number of days, 0 or more, not {text!r}")
    return found
