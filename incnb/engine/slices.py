"""What one item did, seen through the watch of its cell: the part between two moments.

Whatever cannot be replayed, or is not the item's alone, is told as `trouble` and ends the telling apart of items: a
file that was written, an environment variable that was set, a connection. Files that the item read are its own, if it
is seen to be the reason: opened by the body itself, or named by the item. What a library opened on its own account may
be remembered there for later items, so it counts for all that come after.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, final

from incnb.dependencies import ambient, env
from incnb.engine.files import Judge
from incnb.engine.native import Native
from incnb.fingerprint import files
from incnb.model import Dependency
from incnb.outputs import interrupts
from incnb.outputs.accesses import Journal
from incnb.outputs.effects import Watch
from incnb.outputs.events import Event
from incnb.outputs.leftovers import POOLS, open_figures
from incnb.outputs.started import Started
from incnb.outputs.streams import Capture

MANY_CALLS = 20_000  # of code of ours, before what they cost is looked at
CALL = 2e-7  # seconds that telling one costs, about
SHARE = 0.05  # of the time, that it may cost
_DEPTH = 3  # how deep in an item texts are looked for
_PARTS = 200


@dataclass(slots=True)
class Seen:
    """What an item did. `own` and `shared` are files and variables that it relied on."""

    trouble: str = ""
    doubt: str = ""  # why this item cannot be recorded, and others may be
    events: list[Event] = field(default_factory=list)
    own: list[Dependency] = field(default_factory=list)
    shared: list[Dependency] = field(default_factory=list)
    ran: frozenset[int] | None = None


@final
class Slices:
    """Cuts what a watch and a capture see into items."""

    def __init__(self, watch: Watch, capture: Capture | None, native: Native | None = None, *, must: bool = False):
        """`native`, if native code may open files; `must`: it does so by something known to read them."""
        self._native = native
        self._must = must
        self._watch = watch
        self._capture = capture
        self._threads = threading.active_count()
        self._began = time.perf_counter()
        self._entries = self._told = self._variables = self._set = self._shown = self._taken = self._signals = 0

    def begin(self) -> None:
        """An item begins."""
        if self._native is not None:
            self._native.skip()
        watch = self._watch
        journal = watch.journal
        journal.afresh()
        watch.started.renew()
        self._entries = len(journal.entries)
        self._told = watch.told
        self._variables = len(journal.variables)
        self._set = len(watch.variables)
        self._shown = self._capture.noted if self._capture is not None else 0
        self._taken = len(watch.taken)
        self._signals = interrupts.count()

    def end(self, item: Sequence[Any]) -> Seen:
        """The item has ended; `item` is what it was made of: its value and what was looked up by it."""
        watch = self._watch
        journal = watch.journal
        seen = Seen(ran=watch.started.since, own=unique(watch.taken[self._taken :]))
        if watch.started.calls > MANY_CALLS:
            self._heeds(watch.started)
        if interrupts.count() != self._signals:
            seen.trouble = interrupts.since(self._signals)
        elif watch.told != self._told:
            latest = watch.latest
            seen.trouble = latest.what if latest is not None else "something was done that cannot be replayed"
        elif len(watch.variables) != self._set:
            seen.trouble = f"it set the environment variable {next(reversed(watch.variables))}"
        elif journal.problems:
            seen.trouble = journal.problems[0]
        elif open_figures():
            seen.trouble = "a matplotlib figure is left open"
        elif threading.active_count() > self._threads and self._left_thread():
            seen.trouble = "it left a thread running"
        if self._capture is None:
            seen.trouble = seen.trouble or "what it shows is not seen"
        elif self._capture.noted != self._shown:
            seen.events = self._capture.since(self._shown)
            if self._capture.problem or self._capture.widget:
                seen.trouble = self._capture.problem or "it displays a widget that a person can operate"
        if len(journal.variables) != self._variables:
            names = list(journal.variables)[self._variables :]
            resolved = [(name, env.of(name, journal.variables[name])) for name in names]
            seen.shared += [Dependency(r.kind, name, r.fp or "", r.shown) for name, r in resolved]
        if self._native is not None and not seen.trouble:
            seen.trouble = self._native.part(journal, self._entries)
            reads = any(access.op == "read" for access in journal.entries[self._entries :])
            seen.doubt = "no file was seen to be opened" if self._must and not reads else ""
        if len(journal.entries) != self._entries and not seen.trouble:
            judge_files(journal.since(self._entries), seen, item)
        return seen

    def _left_thread(self) -> bool:
        """Whether there are more threads for good; pools of libraries keep theirs."""
        known, self._threads = self._threads, threading.active_count()
        mine = [t for t in threading.enumerate() if not t.name.startswith(POOLS)]
        return len(mine) > known

    def _heeds(self, started: Started) -> None:
        """Telling which functions an item ran costs something a call; where that is much, all count for all items."""
        if started.calls > MANY_CALLS and started.calls * CALL > SHARE * (time.perf_counter() - self._began):
            started.once()


def judge_files(part: Journal, seen: Seen, item: Sequence[Any]) -> None:
    """Put down what an item relied on by what it did with files, or why it cannot be replayed."""
    judged = Judge(part).judge()
    left = [w.path for w in judged.written] + judged.folders
    if judged.problems or left:
        seen.trouble = judged.problems[0] if judged.problems else f"it wrote {left[0]}"
        return
    changed = next((a for a in part.entries if a.op in _CHANGES), None)
    if changed is not None:
        seen.trouble = f"it changed {changed.given}"
        return
    if judged.absolute:
        now = ambient.resolve(ambient.FOLDER)
        seen.shared.append(Dependency(now.kind, ambient.FOLDER, now.fp or "", now.shown))
    mentions = texts(item)
    for dependency in judged.dependencies:
        path = _path(dependency.locator)
        full = path if path.startswith(os.sep) else f"{files.here()}{os.sep}{path}"
        owns = os.path.normpath(full) in part.direct or any(text in dependency.locator for text in mentions)
        (seen.own if owns else seen.shared).append(dependency)


_CHANGES = ("write", "append", "create", "update", "remove", "rename", "mkdir", "rmdir", "touch")


def _path(locator: str) -> str:
    return locator.rpartition(": ")[2] if ": " in locator else locator.rpartition(" of ")[2]


def unique(found: Sequence[Dependency]) -> list[Dependency]:
    """Each thing once, and twice if it was seen in two states."""
    return list({(d.kind, d.locator, d.fp): d for d in found}.values())


def texts(values: Sequence[Any]) -> list[str]:
    """The texts, paths and whole numbers in an item, as text: by these a file is called that the item asks for."""
    found: list[str] = []
    todo = [(value, 0) for value in values]
    while todo and len(found) < _PARTS:
        value, depth = todo.pop()
        cls = type(value)
        if cls is str:
            found.append(value)
        elif cls is int or isinstance(value, PurePath):
            found.append(str(value))
        elif depth < _DEPTH and cls in (list, tuple, set, frozenset):
            todo += [(part, depth + 1) for part in list(value)[:_PARTS]]
        elif depth < _DEPTH and cls is dict:
            todo += [(part, depth + 1) for part in [*value, *value.values()][:_PARTS]]
        elif isinstance(value, tuple):
            todo += [(part, depth + 1) for part in tuple.__iter__(value)]
        elif hasattr(value, "isoformat") and depth < _DEPTH:
            found.append(str(value)[:10])
    return [text for text in dict.fromkeys(found) if text]
