"""What one call did, also where calls overlap: each thread's doings are put down apart.

What can be told is the call's own. What a thread does that is at no call counts for all calls that were at work
meanwhile: what it looked at they relied on, and what cannot be replayed none of them can.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, final

from incnb.dependencies import env
from incnb.engine.slices import Seen, judge_files, unique
from incnb.model import Dependency
from incnb.outputs import interrupts
from incnb.outputs.apart import HERE, Part
from incnb.outputs.effects import Watch
from incnb.outputs.leftovers import POOLS, open_figures
from incnb.outputs.streams import Capture, shown

_OVERTAKEN = "another cell ran meanwhile"


@final
class Parts:
    """Keeps the calls below one watch apart."""

    def __init__(self, watch: Watch, capture: Capture):
        self._watch = watch
        self._capture = capture
        self._lock = threading.Lock()
        self._running: dict[int, Part] = {}
        self._ended: list[Part] = []

    def begin(self) -> Part:
        """A call begins in this thread."""
        watch = self._watch
        above = HERE.part
        part = Part(watch, above if above is not None and above.owner is watch else None)
        with self._lock:
            now = self._now()
            bases = [now, *(other.base for other in self._running.values())]
            part.base = tuple(min(numbers) for numbers in zip(*bases, strict=True))
            self._running[id(part)] = part
            watch.started.apart(more=True)
        HERE.part = part
        return part

    def _now(self) -> tuple[int, ...]:
        """How much was seen of threads that are at no call, how many threads there are, and signals that arrived."""
        watch = self._watch
        journal = watch.whole
        threads = sum(not _is_of_pool(thread) for thread in threading.enumerate())
        return (
            *(watch.told, len(watch.variables), len(journal.entries), len(journal.variables), len(journal.problems)),
            *(self._capture.stray, len(open_figures()), threads, interrupts.count()),
        )

    def end(self, part: Part, item: Sequence[Any]) -> Seen:
        """The call has ended; `item` is what it was made of."""
        watch, journal = self._watch, part.journal
        seen = Seen(ran=frozenset(part.ran) if watch.started.sees else None, own=unique(part.taken))
        with self._lock:
            watch.started.apart(more=False)
            del self._running[id(part)]
            now = self._now()
            seen.trouble = self._trouble(part, now)
            if len({(d.kind, d.locator) for d in seen.own}) < len(seen.own):
                seen.trouble = seen.trouble or f"{seen.own[-1].locator} changed while it ran"
            entries, variables = part.base[2], part.base[3]
            if now[2] != entries:
                others = Seen()
                judge_files(watch.whole.since(entries), others, ())
                seen.trouble = seen.trouble or others.trouble
                seen.shared += [*others.own, *others.shared]
            names = [*list(watch.whole.variables)[variables:], *journal.variables]
            values = {**watch.whole.variables, **journal.variables}
        resolved = [(name, env.of(name, values[name])) for name in dict.fromkeys(names)]
        seen.shared += [Dependency(r.kind, name, r.fp or "", r.shown) for name, r in resolved]
        if part.notes:
            seen.events = shown(part.notes)
        if journal.entries and not seen.trouble:
            judge_files(journal, seen, item)
        HERE.part = part.above
        with self._lock:
            if part.above is not None:
                watch.leave(part)
            else:
                self._ended.append(part)
            if not self._running:
                self._settle()
        return seen

    def _settle(self) -> None:
        """Nobody is at work: what was kept apart belongs to the whole. Sooner it would look like nobody's."""
        ended, self._ended = self._ended, []
        for part in ended:
            self._watch.leave(part)

    def close(self) -> None:
        """Nothing is kept apart any more."""
        with self._lock:
            self._settle()

    def _trouble(self, part: Part, now: tuple[int, ...]) -> str:
        watch, capture = self._watch, self._capture
        told, variables, _, _, problems, stray, figures, threads, signals = part.base
        if now[8] != signals:
            return interrupts.since(signals)
        if part.told:
            return str(part.told[0].what)
        if not watch.on:
            return _OVERTAKEN
        if now[0] != told:
            latest = watch.latest
            return latest.what if latest is not None else "something was done that cannot be replayed"
        if now[1] != variables:
            return f"it set the environment variable {next(reversed(watch.variables))}"
        if part.journal.problems or now[4] != problems:
            return (part.journal.problems or watch.whole.problems)[-1]
        if now[5] != stray:
            return "something was shown by a thread of its own"
        if now[6] > figures:
            return "a matplotlib figure is left open"
        if now[7] > threads:
            return "it left a thread running"
        if capture.problem or capture.widget:
            return capture.problem or "it displays a widget that a person can operate"
        return ""


def _is_of_pool(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    return thread.name.startswith(POOLS) or getattr(target, "__module__", "") == "concurrent.futures.thread"
