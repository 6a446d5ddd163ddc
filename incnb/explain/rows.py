"""One row for each cell: everything that the report, the table of the panel and the page show of it.

Rows are made by the engine and only read here. `Row.to_dict()` is plain JSON: the front end of the panel gets it as it
is, and so does whoever asks for `.to_dict()` of a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from incnb.explain.words import GLYPHS, describe, sentence
from incnb.model import Change, Decision, Status


@dataclass(frozen=True, slots=True)
class Kept:
    """One output that is kept for a cell: a variable, a file, or what it printed and displayed."""

    what: str  # "variable", "file", "output"
    name: str
    shown: str = ""
    bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "name": self.name, "shown": self.shown, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class Row:
    """A cell as it stands. Times in seconds; None is what was not measured.

    `key` is the cell's own within a session, `decision` None: it has not run in this session. `reads` are the keys of
    the cells whose results it reads, each with the names, `blamed` the keys of those that made it run, `asked` what a
    person asked for and has not happened yet (`force`, `pin`, `accept`, `forget`), `pinned`: never collected.
    """

    key: str
    title: str
    number: int | None = None
    id: str | None = None
    decision: Decision | None = None
    recorded: float | None = None
    bytes: int = 0
    pinned: bool = False
    asked: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    outputs: tuple[Kept, ...] = ()
    reads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    blamed: tuple[str, ...] = ()

    @property
    def status(self) -> Status | None:
        return self.decision.status if self.decision is not None else None

    @property
    def glyph(self) -> str:
        return GLYPHS[self.decision.status] if self.decision is not None else "·"

    @property
    def line(self) -> str:
        """The decision in one line."""
        return describe(self.decision) if self.decision is not None else "has not run in this session"

    @property
    def now(self) -> float | None:
        """Seconds that the latest run took: executing, or deciding and restoring."""
        if self.decision is None:
            return None
        took = self.decision.seconds
        return took.decide + took.restore if self.decision.status in (Status.REUSED, Status.CUTOFF) else took.execute

    def to_dict(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "key": self.key,
            "title": self.title,
            "number": self.number,
            "id": self.id,
            "status": decision.status.value if decision is not None else None,
            "glyph": self.glyph,
            "line": self.line,
            "reasons": [
                {
                    **reason.to_dict(),
                    "text": sentence(reason),
                    "change": reason.change.to_dict() if reason.change else None,
                }
                for reason in (decision.reasons if decision else ())
            ],
            "seconds": {
                "now": self.now,
                "recorded": self.recorded,
                "saved": decision.saved_seconds if decision is not None else None,
            },
            "bytes": self.bytes,
            "items": decision.items.to_dict() if decision is not None and decision.items is not None else None,
            "pinned": self.pinned,
            "asked": list(self.asked),
            "changes": [change.to_dict() for change in self.changes],
            "outputs": [output.to_dict() for output in self.outputs],
            "reads": [{"key": key, "names": list(names)} for key, names in self.reads],
            "blamed": list(self.blamed),
        }
