"""What a person is told of a run: the progress line while it goes on, and the summary when it is over.

Progress goes to standard error and the summary to standard output, each only where a person sits at the other end: in
the log of a CI job there is the table of several notebooks, and errors. Errors are always told.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from incnb.batch.run import Outcome, Running

if TYPE_CHECKING:
    from incnb.model import Decision

TICK = 0.25  # seconds
MARKS = {"reused": "✓", "executed": "▲", "failed": "✗", "interrupted": "✗"}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads what is written there."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


class Progress:
    """One line that is written anew in place; lines that are to stay go above it. Nothing where nobody looks."""

    def __init__(self, total: int, stream: TextIO | None):
        self._total, self._stream = total, stream if is_terminal(stream) else None
        self._running: dict[int, Running] = {}
        self._done = self._width = 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def begun(self, place: int, running: Running) -> None:
        """A notebook begins."""
        self._running = {**self._running, place: running}
        if self._stream is not None and self._thread is None:
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()

    def done(self, place: int) -> None:
        """A notebook has ended."""
        self._done += 1
        self._running = {other: one for other, one in self._running.items() if other != place}

    def say(self, line: str) -> None:
        """A line to standard error that stays."""
        from incnb.batch.terminal import tell

        with self._lock:
            self._clear()
            tell(line)

    def pause(self) -> None:
        """Leave nothing of the line until it is written again."""
        with self._lock:
            self._clear()

    def close(self) -> None:
        """Leave nothing of the line."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._clear()

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            with self._lock:
                if self._running:
                    self._show(self.line())

    def line(self) -> str:
        """How far the notebooks are that run now."""
        parts = [f"{self._done} of {self._total} done"] if self._total > 1 else []
        for one in [one for one in self._running.values() if one.number][:3]:
            took = time.perf_counter() - one.since
            name = os.path.basename(one.shown)  # noqa: PTH119 - of a name as it was given
            parts.append(f"{name} · cell {one.number} of {one.total} · {one.title} · {took:.0f} s")
        return " | ".join(parts) if len(parts) > (self._total > 1) else " | ".join([*parts, "starting"])

    def _show(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            wide = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            wide = 0
        wide = wide or 80  # a terminal that does not know
        text = "".join(char if char.isprintable() else " " for char in text)[: wide - 1]
        self._write("\r" + text.ljust(min(self._width, wide - 1)))
        self._width = len(text)

    def _clear(self) -> None:
        if self._stream is not None and self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None  # the terminal is gone, and the run goes on


# -- what it came to


def status(outcome: Outcome) -> str:
    """`reused`: nothing of what is tracked ran; `executed`, `failed`, `interrupted`."""
    if outcome.interrupted:
        return "interrupted"
    if outcome.error:
        return "failed"
    reused = bool(outcome.decisions) and all(one["status"] in ("reused", "cutoff") for one in outcome.decisions)
    return "reused" if reused else "executed"


def saved(outcomes: Sequence[Outcome]) -> tuple[float | None, int]:
    """Seconds that were measured to be saved (None: nothing was measured), and the reuses that are not in them."""
    decisions = [one for outcome in outcomes for one in outcome.decisions]
    told = [float(one["saved_seconds"]) for one in decisions if one.get("saved_seconds") is not None]
    unknown = sum(one["status"] in ("reused", "cutoff") and one.get("saved_seconds") is None for one in decisions)
    return (sum(told) if told else None), unknown


def mismatches(outcome: Outcome) -> list[str]:
    """What `--verify` found to be different, a line each: cell, name, size."""
    return [
        f"{outcome.path.name}: {one['cell']['title']}: {reason['detail']}"
        for one in outcome.decisions
        for reason in one["reasons"]
        if reason["kind"] == "mismatch"
    ]


def unsaved(outcome: Outcome) -> str:
    """Why the store takes nothing at all of a notebook; empty where it took something, or nothing is known."""
    found = ""
    for one in outcome.decisions:
        if one["status"] in ("reused", "cutoff"):
            continue
        against = [reason for reason in one["reasons"] if reason["code"] == "not-saved" and reason["kind"] == "store"]
        told = next((reason["detail"] for reason in against if reason["locator"] == "store"), "")
        if not told or one["bytes_saved"]:
            return ""
        found = found or str(told)
    return found


def decision(told: dict[str, Any]) -> Decision:
    """A decision from its `to_dict()`."""
    from incnb.engine.history import reasons_of
    from incnb.model import Cell, Code, Decision, ItemCounts, Reason, Seconds, Status

    cell, items = told["cell"], told.get("items")
    unknown = (Reason(Code.NOT_SAVED, "", "incnb", "its reasons cannot be read"),)
    return Decision(
        Cell(cell["index"], cell["title"], cell["id"]),
        Status(told["status"]),
        reasons_of(told["reasons"]) or unknown,
        told["time"],
        told["session"],
        told["notebook"],
        Seconds(**told["seconds"]),
        told["saved_seconds"],
        told["bytes_saved"],
        ItemCounts(*(items[name] for name in ("executed", "reused", "failed", "removed"))) if items else None,
    )


def summary(outcome: Outcome) -> list[str]:
    """One notebook in words: counts, each cell that ran and why, what reuse was worth."""
    from incnb.explain import describe
    from incnb.explain.words import amount, seconds

    became = status(outcome)
    where = f" → {outcome.written.name}" if outcome.written is not None else ""
    lines = [f"{MARKS[became]} {outcome.path.name}{where} · {became} · {seconds(outcome.seconds)}"]
    if outcome.decisions:
        lines.append(f"  {amount(len(outcome.decisions), 'cell')}: {counts(outcome)}")
    for one in map(decision, outcome.decisions):
        if one.status.value not in ("reused", "cutoff"):
            told = describe(one)
            lines.append(f"  {told[:1]} {one.cell.title}: {told[2:]}")
    if outcome.decisions:
        lines.append(f"  saved: {worth([outcome])}")
    return lines


def counts(outcome: Outcome) -> str:
    """Cells by what became of them."""
    from incnb.explain.words import GLYPHS

    found = Counter(one["status"] for one in outcome.decisions)
    shown = [f"{found[s.value]} {glyph} {s.value}" for s, glyph in GLYPHS.items() if found[s.value]]
    return ", ".join([*shown, *(["others not known"] if outcome.torn else [])]) or "–"


def worth(outcomes: Sequence[Outcome]) -> str:
    """What reuse saved, as far as it was measured."""
    from incnb.explain.words import amount, seconds

    total, unknown = saved(outcomes)
    if total is None:
        return f"unknown ({amount(unknown, 'reuse')} not measured)" if unknown else "nothing, since nothing was reused"
    return f"{seconds(total)}, measured" + (f" ({amount(unknown, 'reuse')} not measured)" if unknown else "")


def table(shown: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    """All notebooks, a line each, and what they come to."""
    from incnb.explain.tables import columns
    from incnb.explain.words import seconds

    rows = [("", "notebook", "cells", "took", "saved", "")]
    for name, outcome in zip(shown, outcomes, strict=True):
        became, (gain, _) = status(outcome), saved([outcome])
        rows.append(
            (
                f"{MARKS[became]} {became}",
                name,
                counts(outcome),
                seconds(outcome.seconds),
                "–" if gain is None else seconds(gain),
                _note(outcome),
            )
        )
    found = Counter(map(status, outcomes))
    told = ", ".join(f"{found[name]} {mark} {name}" for name, mark in MARKS.items() if found[name])
    return [*(line.rstrip() for line in columns(rows)), f"{len(outcomes)} notebooks: {told} · saved: {worth(outcomes)}"]


def _note(outcome: Outcome) -> str:
    different = mismatches(outcome)
    return outcome.brief or (f"not what was saved: {len(different)}" if different else "") or outcome.plainly
