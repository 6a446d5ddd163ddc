"""The queue of the refresher: counts what changed for each key, and has a job done when enough did.

`notify` counts, always, and costs one lock: no file is touched, nobody is called and nothing is waited for in it. All
else happens on one thread of the queue's own. A key fires when it was notified of `changes` changes, or when its last
run is older than `days` and `min_changes` came together since; a key that never ran is not old. That is looked at with
every notify, and every 60 seconds, since time passes without a word from anybody.

One job runs at a time. A key that is queued or running is not queued again: what comes while it waits belongs to that
run, what comes while it runs is counted for the next one, which follows at once if it is enough by itself. So a storm
ends in one run and at most one behind it. When a job starts, what was counted by then is what it will deal with: a
success takes that off the count, whatever came since stays. After a failure, or a job that refuses, the count stays as
it is and the key waits: a minute, then twice as long each time.

Counts outlive the process, in one small file for each key. They may lag by a second when a process is killed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xxhash

from incnb.model import IncnbError, shorten
from incnb.store.files import read_limited, write_whole
from incnb.store.place import make_private

DAY: Final = 86_400.0
#: Seconds between two looks at the clock.
EVERY: Final = 60.0
#: Seconds that a key waits after its first failure, and at most.
BACK_OFF: Final = 60.0
LONGEST: Final = 6 * 3600.0
#: So many keys wait at most.
LIMIT: Final = 100
#: Seconds that a job which was told to end is waited for.
GRACE: Final = 15.0
#: Seconds between two writes of a key's count.
_LAG: Final = 1.0
_FORMAT: Final = 1
_STATE_LIMIT: Final = 1 << 16


class Refused(IncnbError):
    """A job that must not be done, and why: nothing is wrong, and nothing was run."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a key has changed enough: `changes` (0: with every one), or `min_changes` when `days` passed."""

    changes: int = 50
    days: float = 7.0
    min_changes: int = 10

    def met(self, count: int, last: float | None, now: float) -> bool:
        """Whether `count` changes are enough for a key that ran at `last` (None: never)."""
        if count and count >= self.changes:
            return True
        return last is not None and now - last > self.days * DAY and count >= self.min_changes


@dataclass(frozen=True, slots=True)
class Report:
    """What a job came to, in cells: those still good, those that ran, those that failed; and the seconds it took."""

    verified: int = 0
    refreshed: int = 0
    failed: int = 0
    seconds: float = 0.0
    why: str = ""  # of a failure, in one line

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `why` only where there is something to say."""
        told = {
            "verified": self.verified,
            "refreshed": self.refreshed,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
        }
        return {**told, "why": self.why} if self.why else told


@dataclass(slots=True)
class Tally:
    """What is known of one key."""

    count: int = 0
    last: float | None = None  # when its last success began
    failures: int = 0  # in a row
    not_before: float = 0.0
    tried: float = 0.0  # when its last run ended, whatever came of it
    skipped: str = ""
    report: dict[str, Any] | None = None
    known: bool = False  # whether the file of an earlier process was read
    dirty: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As people are told."""
        told = {"pending": self.count, "last": self.last, "report": self.report, "skipped": self.skipped}
        return {**told, "failures": self.failures, "not_before": self.not_before or None}


Job = Callable[[str, threading.Event], Report]


class Queue:
    """Counts changes of keys and has `job(key, cancelled)` done for them, one after the other, on its own thread.

    `folder` keeps the counts, once `make` has made it. `told(event, key, about)` hears on the queue's thread of
    `start`, `end`, `skip`, `full`.
    """

    def __init__(
        self,
        job: Job,
        thresholds: Thresholds | None = None,
        *,
        folder: Path | None = None,
        make: Callable[[Path], object] = make_private,
        clock: Callable[[], float] = time.time,
        told: Callable[[str, str, dict[str, Any]], None] = lambda event, key, about: None,
        limit: int = LIMIT,
        every: float = EVERY,
    ):
        self._job, self._thresholds = job, thresholds or Thresholds()
        self._folder, self._make, self._clock, self._told = folder, make, clock, told
        self._limit, self._every = limit, every
        self._changed = threading.Condition(threading.Lock())
        self._tallies: dict[str, Tally] = {}
        self._waiting: deque[str] = deque()
        self._queued: set[str] = set()
        self._running: dict[str, threading.Event] = {}
        self._firing = False  # whether what is due is queued
        self._turn = 0  # which of the threads that were started is the one
        self._thread: threading.Thread | None = None
        self._full = self._tell_full = self._away = False
        self._saved = float("-inf")

    # -- what anybody may call, from any thread

    def notify(self, key: str) -> None:
        """Something that a key relies on changed. Never waits for a job, a file or anybody else."""
        now = self._clock()
        with self._changed:
            tally = self._tallies.setdefault(key, Tally())
            tally.count += 1
            first, tally.dirty = not tally.dirty, True
            if self._offer(key, tally, now) or first:
                self._changed.notify_all()

    def ran(self, key: str, when: float) -> None:
        """Somebody else ran a key: it is as old as that run, and nothing it failed of before holds it back."""
        with self._changed:
            tally = self._tallies.setdefault(key, Tally())
            if key in self._running or when <= max(tally.last or 0.0, tally.tried):
                return
            tally.last, tally.dirty = when, True
            tally.failures, tally.not_before, tally.skipped = 0, 0.0, ""
            self._changed.notify_all()

    def check(self) -> None:
        """Queue what is due by now."""
        with self._changed:
            self._offer_all()

    def status(self) -> dict[str, Any]:
        """What waits, what runs, and what is known of each key."""
        with self._changed:
            return {
                "running": [key for key, cancelled in self._running.items() if not cancelled.is_set()],
                "queued": list(self._waiting),
                "started": self._firing,
                "keys": {key: tally.to_dict() for key, tally in self._tallies.items()},
            }

    # -- its thread

    def start(self) -> None:
        """Begin to have jobs done; nothing changes if that is so."""
        self._read()
        with self._changed:
            if self._firing:
                return
            self._firing = True
            self._offer_all()
            self._turn += 1
            self._thread = threading.Thread(
                target=self._work, args=(self._turn,), name="IPython incnb refresher", daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Queue nothing more, and end when what is queued is done. Whether it was.

        What is not done after `timeout` seconds (None: however long that takes, 0: at once) is cancelled, and its
        counts stay.
        """
        with self._changed:
            if not self._firing:
                return not self._running
            self._firing = False
            thread, self._thread = self._thread, None
            done = self._changed.wait_for(self._idle, timeout)
            self._waiting.clear()
            self._queued.clear()
            for cancelled in self._running.values():
                cancelled.set()
            self._turn += 1
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(GRACE)
        self._save()
        return done

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until nothing is queued and nothing runs. Whether that came within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(self._idle, timeout)

    def _idle(self) -> bool:
        return not self._waiting and not self._running

    def _offer(self, key: str, tally: Tally, now: float) -> bool:
        """Queue a key if it is due; with the lock held."""
        if not self._firing or key in self._queued or key in self._running or now < tally.not_before:
            return False
        if not self._thresholds.met(tally.count, tally.last, now):
            return False
        if len(self._waiting) >= self._limit:
            self._tell_full, self._full, self._away = self._tell_full or not self._full, True, True
            return self._tell_full
        self._waiting.append(key)
        self._queued.add(key)
        return True

    def _offer_all(self) -> None:
        now, self._away = self._clock(), False
        for key, tally in self._tallies.items():
            if self._offer(key, tally, now):
                self._changed.notify_all()
        self._full = self._full and self._away  # warned of once, until all that is due has found room

    def _work(self, turn: int) -> None:
        while True:
            self._read()
            self.check()
            if time.monotonic() - self._saved >= _LAG:
                self._save()
            with self._changed:
                tell, self._tell_full = self._tell_full, False
                if self._turn != turn:
                    return
                key = self._taken()
                if key is None and not tell:
                    self._changed.wait(self._nap())
            if tell:
                self._tell("full", "", {"limit": self._limit})
            if key is not None:
                self._do(key)

    def _taken(self) -> str | None:
        """The next key, which runs from here on."""
        if not self._waiting:
            return None
        key = self._waiting.popleft()
        self._queued.discard(key)
        self._running[key] = threading.Event()
        return key

    def _nap(self) -> float:
        """Seconds until there may be something to do that nobody tells."""
        now, nap = self._clock(), self._every
        for tally in self._tallies.values():
            if tally.not_before > now and self._thresholds.met(tally.count, tally.last, tally.not_before):
                nap = min(nap, tally.not_before - now)
            if tally.dirty and self._folder is not None:
                nap = min(nap, _LAG)
        return max(0.01, nap)

    def _do(self, key: str) -> None:
        began, clock = time.perf_counter(), self._clock()
        with self._changed:
            tally, cancelled = self._tallies[key], self._running[key]
            seen = tally.count
        self._tell("start", key, {"pending": seen})
        refused = ""
        try:
            report = self._job(key, cancelled)
        except Refused as why:
            refused, report = str(why), Report()
        except Exception as error:  # whatever a job fails of, the queue goes on
            what = str(error) if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"
            report = Report(0, 0, 1, time.perf_counter() - began, shorten(what))
        with self._changed:
            if not cancelled.is_set():
                if not refused and not report.failed:
                    tally.count -= seen
                    tally.last, tally.failures, tally.not_before = clock, 0, 0.0
                else:
                    tally.failures += 1
                    tally.not_before = self._clock() + min(LONGEST, BACK_OFF * 2.0 ** min(tally.failures - 1, 30))
                tally.skipped, tally.tried = refused, self._clock()
                tally.report = tally.report if refused else report.to_dict()
                tally.dirty = True
        if not cancelled.is_set():
            self._tell("skip" if refused else "end", key, {"why": refused} if refused else report.to_dict())
        self._save()
        with self._changed:
            del self._running[key]
            # before anybody who waits for quiet hears of it: what came meanwhile may be enough for one more
            self._offer_all()
            self._changed.notify_all()

    def _tell(self, event: str, key: str, about: dict[str, Any]) -> None:
        try:
            self._told(event, key, about)
        except Exception:  # whoever listens may be gone
            return

    # -- what is kept

    def _file(self, key: str) -> Path | None:
        name = xxhash.xxh3_128_hexdigest(key.encode("utf-8", "surrogateescape"))
        return None if self._folder is None else self._folder / f"{name}.json"

    def _read(self) -> None:
        """Add what an earlier process counted of keys that are new here."""
        with self._changed:
            new = [key for key, tally in self._tallies.items() if not tally.known]
        for key in new:
            found = _state(self._file(key), key)
            with self._changed:
                tally = self._tallies[key]
                known, tally.known = tally.known, True
                if known or found is None:
                    continue
                tally.count += found.count
                tally.last = max(filter(None, (tally.last, found.last)), default=None)
                if found.tried >= (tally.last or 0.0):
                    tally.failures, tally.not_before, tally.tried = found.failures, found.not_before, found.tried
                tally.report = tally.report or found.report

    def _save(self) -> None:
        """Write down the counts that moved; one that cannot be written is lost with the process, and nothing else."""
        self._saved = time.monotonic()
        if self._folder is None:
            return
        self._read()
        with self._changed:
            moved = {key: _line(key, tally) for key, tally in self._tallies.items() if tally.dirty}
            for key in moved:
                self._tallies[key].dirty = False
        try:
            if moved:
                self._make(self._folder)
            for key, line in moved.items():
                path = self._file(key)
                assert path is not None
                write_whole(path, line)
        except (OSError, IncnbError):
            return

    def adopt(self, key: str) -> None:
        """Know a key, with what an earlier process counted of it, before anything is notified."""
        with self._changed:
            self._tallies.setdefault(key, Tally())
        self._read()


def _line(key: str, tally: Tally) -> bytes:
    names = ("count", "last", "failures", "not_before", "tried", "report")
    return json.dumps({"v": _FORMAT, "key": key, **{name: getattr(tally, name) for name in names}}).encode()


def _state(path: Path | None, key: str) -> Tally | None:
    """What a file keeps of a key; None where there is none that can be understood."""
    try:
        data = json.loads(read_limited(path, _STATE_LIMIT)) if path is not None else None
        if not isinstance(data, dict) or data["v"] != _FORMAT or data["key"] != key:
            return None
        count, last, failures = int(data["count"]), data["last"], int(data["failures"])
        last = float(last) if last is not None else None
        report = data["report"] if isinstance(data["report"], dict) else None
        waits, tried = float(data["not_before"]), float(data["tried"])
        return Tally(max(0, count), last, max(0, failures), waits, tried, "", report)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
