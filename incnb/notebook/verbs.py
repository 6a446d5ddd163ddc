"""`%incremental VERB ARGS`: reads the line, asks the session, and gives back the answer to show.

A line that cannot be understood, or a cell that is not there, is one `VerbError` with one line.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from incnb.engine.accepted import Refused
from incnb.engine.enquiries import KEEP, Enquiries
from incnb.engine.naming import Known, NoSuchCell
from incnb.explain import tables
from incnb.explain.answer import Answer
from incnb.model import IncnbError
from incnb.outputs.audited import ASKED

USAGE = {
    "why": "why [CELL]",
    "report": "report",
    "plan": "plan",
    "history": "history CELL [--keep N]",
    "stats": "stats",
    "mark": "mark CELL --soft|--hard [--reason TEXT]",
    "accept": 'accept CELL --reason "TEXT"',
    "refresh": "refresh [CELL]",
    "forget": "forget CELL",
    "store": "store",
    "wait": "wait",
}


class VerbError(IncnbError):
    """A verb that cannot be followed, in one line."""


@dataclass(slots=True)
class Words:
    """The words of a line: those of the cell's name, flags, and options with their values."""

    cell: str = ""
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)


def follow(verb: str, line: str, enquiries: Enquiries) -> Answer | str:
    """Do what a verb asks for; the answer to show, or the text to print. Raises `VerbError`."""
    sys.audit(ASKED, f"%incremental {verb}")
    try:
        return _VERBS[verb](line, enquiries)
    except NoSuchCell as error:
        raise VerbError(tables.no_such_cell(error.wanted, error.cells, ambiguous=error.ambiguous)) from None
    except VerbError:
        raise
    except IncnbError as error:
        raise VerbError(f"{verb}: {error}") from None


def _why(line: str, enquiries: Enquiries) -> Answer:
    return enquiries.why(_read("why", line).cell)


def _report(line: str, enquiries: Enquiries) -> Answer:
    _nothing_more("report", line)
    return enquiries.report()


def _plan(line: str, enquiries: Enquiries) -> Answer:
    _nothing_more("plan", line)
    return enquiries.plan()


def _history(line: str, enquiries: Enquiries) -> Answer:
    words = _read("history", line, values=("--keep",))
    keep = words.values.get("--keep", str(KEEP))
    if not keep.isdecimal() or int(keep) < 1:
        raise VerbError(f"--keep wants a number of runs, not {keep!r}: %incremental {USAGE['history']}")
    cell = _cell("history", words, enquiries)
    return enquiries.history(cell, int(keep))


def _stats(line: str, enquiries: Enquiries) -> Answer:
    _nothing_more("stats", line)
    return enquiries.stats()


def _forget(line: str, enquiries: Enquiries) -> Answer:
    return enquiries.forget(_cell("forget", _read("forget", line), enquiries))


def _store(line: str, enquiries: Enquiries) -> Answer:
    _nothing_more("store", line)
    return enquiries.store()


def _mark(line: str, enquiries: Enquiries) -> str:
    words = _read("mark", line, flags=("--soft", "--hard"), values=("--reason",))
    if len(words.flags) != 1:
        raise VerbError(f"say either --soft or --hard: %incremental {USAGE['mark']}")
    cell, hard = _cell("mark", words, enquiries), "--hard" in words.flags
    return enquiries.mark(cell, hard=hard, reason=words.values.get("--reason", ""))


def _accept(line: str, enquiries: Enquiries) -> str:
    words = _read("accept", line, values=("--reason",))
    reason = words.values.get("--reason", "").strip()
    if not reason:
        raise VerbError(f"accept wants a reason, which is kept and shown: %incremental {USAGE['accept']}")
    cell = _cell("accept", words, enquiries)
    try:
        return enquiries.accept(cell, reason)
    except Refused as refused:
        raise VerbError(str(refused)) from None


def _refresh(line: str, enquiries: Enquiries) -> str:
    words = _read("refresh", line)
    cell = _cell("refresh", words, enquiries) if words.cell else None
    found, p95 = enquiries.refresh(cell)
    if cell is not None and not found.outlooks:
        raise VerbError(tables.not_in_this_session(cell.title))
    if not found.outlooks:
        return tables.nothing_to_refresh()
    return tables.refresh_table(found.outlooks, found.steps, p95)


def _wait(line: str, enquiries: Enquiries) -> str:
    _nothing_more("wait", line)
    return tables.waited(enquiries.wait())


_VERBS: dict[str, Callable[[str, Enquiries], Answer | str]] = {
    "why": _why,
    "report": _report,
    "plan": _plan,
    "history": _history,
    "stats": _stats,
    "mark": _mark,
    "accept": _accept,
    "refresh": _refresh,
    "forget": _forget,
    "store": _store,
    "wait": _wait,
}


def _cell(verb: str, words: Words, enquiries: Enquiries) -> Known:
    if not words.cell:
        raise VerbError(f"{verb} wants a CELL (its --name, [7], id, or the start of its title): {USAGE[verb]}")
    return enquiries.cell(words.cell)


def _nothing_more(verb: str, line: str) -> None:
    if line.strip():
        raise VerbError(f"{verb} takes nothing more: %incremental {USAGE[verb]}")


def _read(verb: str, line: str, *, flags: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Words:
    """The words of a line. A cell's name and a value may have several words, with quotes or without."""
    try:
        parts = shlex.split(line)
    except ValueError as error:
        raise VerbError(f"%incremental {verb} {line.strip()!r} cannot be read: {error}") from None
    found, at, cell = Words(), 0, list[str]()
    while at < len(parts):
        word, equals, value = parts[at].partition("=")
        at += 1
        if word in flags and not equals:
            found.flags.add(word)
        elif word in values:
            told = [value] if equals else []
            while not equals and at < len(parts) and not parts[at].startswith("--"):
                told.append(parts[at])
                at += 1
                if word == "--keep":
                    break
            found.values[word] = " ".join(told)
        elif word.startswith("--"):
            raise VerbError(f"%incremental {verb} has no option {word}: %incremental {USAGE[verb]}")
        else:
            cell.append(parts[at - 1])
    found.cell = " ".join(cell)
    return found
