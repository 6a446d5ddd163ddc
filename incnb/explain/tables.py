"""Answers to a person's questions as plain text: the past of a cell, statistics, outlooks, marks and accepts.

What was not measured or recorded is shown as unknown, and what does not exist yet as `-`; nothing is made up.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence

from incnb.explain.words import GLYPHS, seconds, sentence
from incnb.model import ItemCounts, Outlook, PastRun, Reason, Statistics, shorten

TARGET = "p95 under 100 ms for 100 cells"
_CANDIDATES = 8


def cheaper_to_compute(compute: float, restore: float) -> str:
    """Why large outputs are not saved; both in seconds."""
    return f"cheaper to compute ({compute:.2g} s) than to restore ({restore:.2g} s)"


def history_table(title: str, past: Sequence[PastRun], total: int) -> str:
    """The past runs of a cell, newest first."""
    rows = [history_cells(run) for run in past]
    if not any(run.items is not None for run in past):
        rows = [(when, status, took, why) for when, status, took, _, why in rows]
    return "\n".join([history_head(title, past, total), *columns(rows)])


def history_head(title: str, past: Sequence[PastRun], total: int) -> str:
    """What the table of past runs is about."""
    runs = f"{total} run{'s' if total != 1 else ''} recorded"
    return f"{title}: {runs}" + (f", the latest {len(past)}" if len(past) < total else "") + ", newest first"


def history_cells(run: PastRun) -> tuple[str, ...]:
    """One past run: when, what became of it, how long it took, its items, and why."""
    items = "" if run.items is None else f"{run.items.reused} of {_all(run.items)} items reused"
    return _when(run.time), _status(run), _seconds(run.seconds), items, _why(run.reasons)


def statistics_table(session: Statistics, everything: Statistics, name: str = "this session") -> str:
    """What was reused and what it was worth, of a session and of all that is recorded."""
    return "\n".join(columns(statistics_rows(session, everything, name)))


def statistics_rows(session: Statistics, everything: Statistics, name: str = "this session") -> list[tuple[str, ...]]:
    """The same, row by row; the first is the head."""
    both = (session, everything)
    return [
        ("", name, "all recorded"),
        ("cells reused", *(str(s.reused) for s in both)),
        ("cells executed", *(str(s.executed) for s in both)),
        ("cells failed", *(str(s.failed) for s in both)),
        ("hit rate", *("unknown" if s.hit_rate is None else f"{s.hit_rate:.0%}" for s in both)),
        ("items reused", *("-" if s.items_reused is None else str(s.items_reused) for s in both)),
        ("items executed", *("-" if s.items_executed is None else str(s.items_executed) for s in both)),
        ("decide and restore, last", *(_milliseconds(s.soft_last) for s in both)),
        ("decide and restore, mean", *(_milliseconds(s.soft_mean) for s in both)),
        ("decide and restore, p95", *(_milliseconds(s.soft_p95) for s in both)),
        ("seconds saved, measured", *(_saved(s) for s in both)),
    ]


def refresh_table(outlooks: Sequence[Outlook], steps: dict[str, float], p95: float | None) -> str:
    """What would become of each cell, and what finding out took."""
    rows = []
    for outlook in outlooks:
        number = "" if outlook.number is None else f"[{outlook.number}]"
        what = {True: "✓ would reuse", False: "▲ would run", None: "? unknown"}[outlook.reuse]
        why = " ← " + sentence(outlook.reasons[0]) if outlook.reasons else ""
        rows.append((number, outlook.title, what, _milliseconds(outlook.milliseconds), why.strip()))
    cells = f"{len(outlooks)} cell{'s' if len(outlooks) != 1 else ''}"
    parts = ", ".join(f"{name} {_milliseconds(took)}" for name, took in steps.items())
    total = f"{cells} decided as things are now in {_milliseconds(sum(steps.values()))} ({parts}); nothing was run"
    measured = "" if p95 is None else f"; p95 of this session's refreshes {_milliseconds(p95)}, target {TARGET}"
    return "\n".join([*columns(rows), total + measured])


def no_such_cell(wanted: str, cells: Sequence[tuple[str, int | None, str | None]], *, ambiguous: bool) -> str:
    """One line for a name that stands for no cell, or for several; `cells` are titles, numbers and ids."""
    shown = "; ".join(_candidate(*cell) for cell in cells[:_CANDIDATES])
    more = f"; and {len(cells) - _CANDIDATES} more" if len(cells) > _CANDIDATES else ""
    if ambiguous:
        return f"{wanted!r} could be {len(cells)} cells: {shown}{more}"
    if not cells:
        return f"there is no cell {wanted!r}: no tracked cell of this notebook has run yet"
    return f"there is no cell {wanted!r}; there are {shown}{more}"


def marked(title: str, *, hard: bool, soft_marks: int, executes: bool) -> str:
    """What a mark leads to."""
    if hard:
        return f"{title}: executes next time (hard)"
    if executes:
        return f"{title}: executes next time ({soft_marks} soft marks make a hard one)"
    return f"{title}: will be decided afresh next time (soft, {soft_marks} pending)"


def accepted(title: str, created: float, shown: Iterable[tuple[str, str, str]], *, waits: bool) -> str:
    """What an accept covers: kind, locator and what happened to it."""
    run = f"the run of {_when(created)}"
    if waits:
        return (
            f"{title}: nothing that it relied on differs from {run}; if you edited its text, the next run of it in "
            "this session, and only that one, is accepted"
        )
    covered = "; ".join(f"{locator} {detail or 'was edited'}" for _, locator, detail in shown)
    return f"{title}: {run} is accepted for {covered}. Whatever moves after this makes it execute again"


def nothing_to_accept(title: str) -> str:
    """An accept of a cell for which nothing differs, by somebody who looks at its latest decision."""
    line = f'%incremental accept {shlex.quote(title)} --reason "…"'
    return (
        f"{title}: nothing that it relied on differs from what is saved; an edit of its own text is accepted "
        f"with the line {line} after the edit"
    )


def refused(title: str, why: str) -> str:
    """An accept that cannot be."""
    return f"{title} cannot be accepted: {why}"


def not_in_this_session(title: str) -> str:
    """A cell whose text nobody knows."""
    return f"{title} has not run in this session, so its text is not known"


def nothing_to_refresh() -> str:
    """A refresh before anything ran."""
    return "no tracked cell has run in this session: there is nothing to decide again"


def waited(jobs: int) -> str:
    """What was waited for."""
    return f"waited for {jobs} background jobs" if jobs else "nothing works in the background"


def _candidate(title: str, number: int | None, cell_id: str | None) -> str:
    more = [f"[{number}]" if number is not None else "", f"id {cell_id}" if cell_id else ""]
    known = ", ".join(part for part in more if part)
    return f"{title!r} ({known})" if known else repr(title)


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of text with the cells of all rows below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _when(moment: float | None) -> str:
    return "unknown time" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _status(run: PastRun) -> str:
    return "unknown" if run.status is None else f"{GLYPHS[run.status]} {run.status.value}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else seconds(value)


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} ms"


def _all(items: ItemCounts) -> int:
    return items.executed + items.reused + items.failed


def _saved(of: Statistics) -> str:
    if of.saved is None:
        return "unknown"
    return f"{of.saved:.1f} s" + (f" ({of.unmeasured} reuses unknown)" if of.unmeasured else "")


def _why(reasons: tuple[Reason, ...] | None) -> str:
    return "reason unknown" if reasons is None else shorten("; ".join(sentence(reason) for reason in reasons))
