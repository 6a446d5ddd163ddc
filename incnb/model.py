"""The vocabulary of incnb: small frozen records that the rooms hand to each other.

Nothing of incnb stands below it but `redaction`, whose words belong to this vocabulary. A `Dependency` is one thing an
execution relied on; a `Trace` is the immutable record of one successful execution; a `Decision` says what was done
with a cell and names what decided it. Fingerprints are 16 bytes and travel through JSON as 32 hexadecimal digits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from incnb.redaction import SECRET as SECRET
from incnb.redaction import SHOWN_LIMIT as SHOWN_LIMIT
from incnb.redaction import redacted as redacted
from incnb.redaction import shorten as shorten

SOURCE_LIMIT: Final = 20_000


class IncnbError(Exception):
    """Base of every error that incnb raises on purpose."""


class Kind(StrEnum):
    """What sort of thing a dependency is."""

    CODE = "code"
    VALUE = "value"
    CONFIG = "config"
    MODULE = "module"
    PACKAGE = "package"
    FILE = "file"
    ENV = "env"
    AMBIENT = "ambient"
    PYTHON = "python"
    SOURCE = "source"
    VERSION = "version"


class Status(StrEnum):
    """What became of a cell."""

    REUSED = "reused"
    CUTOFF = "cutoff"
    EXECUTED = "executed"
    FAILED = "failed"
    BLOCKED = "blocked"


class Code(StrEnum):
    """The closed set of reason codes, in the order in which several are shown: hardest first."""

    OFF = "off"
    FORCED = "forced"
    MARKED = "marked"
    STORE_UNREADABLE = "store-unreadable"
    NEWER_FORMAT = "newer-format"
    NEVER_RUN = "never-run"
    LAST_FAILED = "last-failed"
    UNSAFE = "unsafe"
    CONFIG = "config"
    CODE = "code"
    VALUE = "value"
    CUTOFF = "cutoff"
    FILE = "file"
    ENV = "env"
    PACKAGE = "package"
    MODULE = "module"
    AMBIENT = "ambient"
    PYTHON = "python"
    SOURCE = "source"
    VERSION = "version"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    UNRESTORABLE = "unrestorable"
    CONTAINED = "contained"
    ACCEPTED = "accepted"
    EFFECT = "effect"
    NOT_SAVED = "not-saved"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that an execution relied on, found by `(kind, locator)` and compared by `fp` (hex).

    `shown` is a short text for people, `source` the text of a function, `parts` fingerprints of pieces by name, `via`
    the locator of what led here (`features` when it is features() that calls this), empty for the cell itself. `stamp`
    is the identity of a file: while it stands, the content does. `made` is what a larger value is made of, and where
    code lies: nothing is decided by it, differences are told by it.
    """

    kind: Kind
    locator: str
    fp: str
    shown: str = ""
    source: str | None = None
    parts: dict[str, str] | None = None
    via: str = ""
    stamp: str = ""
    made: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"kind": self.kind.value, "locator": self.locator, "fp": self.fp, "shown": self.shown}
        if self.source is not None:
            out["source"] = self.source[:SOURCE_LIMIT]
        if self.parts is not None:
            out["parts"] = self.parts
        if self.via:
            out["via"] = self.via
        if self.stamp:
            out["stamp"] = self.stamp
        if self.made is not None:
            out["made"] = self.made
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Dependency:
        return cls(
            Kind(data["kind"]),
            data["locator"],
            data["fp"],
            data.get("shown", ""),
            data.get("source"),
            data.get("parts"),
            data.get("via", ""),
            data.get("stamp", ""),
            data.get("made"),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One dependency as it was when the cell was recorded, beside what it is now; texts for people, secrets left out.

    `moved` None: cannot be told. `place` is file and line of code, or the cell that defines it, `diff` a unified diff
    of its text, `parts` say in words what of a larger thing moved (`column 'b' changed`), `chain` what led to it,
    nearest first and in words (`features()`, `load flights [3]`).
    """

    kind: str
    locator: str
    was: str = ""
    now: str = ""
    moved: bool | None = False
    via: str = ""
    place: str = ""
    diff: str = ""
    parts: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "locator": self.locator,
            "was": self.was,
            "now": self.now,
            "moved": self.moved,
            "via": self.via,
            "place": self.place,
            "diff": self.diff,
            "parts": list(self.parts),
            "chain": list(self.chain),
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision was taken: a code, and the very thing that decided it.

    `change` says more about that thing than one line can; it is for people and no part of what is written down.
    """

    code: Code
    kind: str = ""
    locator: str = ""
    detail: str = ""
    caused_by: tuple[str, ...] = ()
    change: Change | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code.value,
            "kind": self.kind,
            "locator": self.locator,
            "detail": self.detail,
            "caused_by": list(self.caused_by),
        }


@dataclass(frozen=True, slots=True)
class Cell:
    """A notebook cell as people name it. `index` counts tracked decisions of the session from 0."""

    index: int
    title: str
    id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"index": self.index, "id": self.id, "title": self.title}


@dataclass(frozen=True, slots=True)
class Seconds:
    """Measured wall times of one decision."""

    decide: float = 0.0
    execute: float = 0.0
    restore: float = 0.0
    save: float = 0.0

    def to_dict(self) -> dict[str, float]:
        return {
            "decide": round(self.decide, 6),
            "execute": round(self.execute, 6),
            "restore": round(self.restore, 6),
            "save": round(self.save, 6),
        }


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """What became of the items of a cell's loops; `why` are the reasons of those that ran, with how many each.

    `removed` items were in the collection when it was gone through last, and are not any more. `loops` says where the
    items are kept, and is nobody's business but the log's.
    """

    executed: int = 0
    reused: int = 0
    failed: int = 0
    removed: int = 0
    why: tuple[tuple[Reason, int], ...] = ()
    loops: tuple[str, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "executed": self.executed,
            "reused": self.reused,
            "failed": self.failed,
            "removed": self.removed,
            "why": [{**reason.to_dict(), "items": count} for reason, count in self.why],
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What was done with a cell, final after the run. `to_dict()` is the line of `INCNB_REPORT`."""

    cell: Cell
    status: Status
    reasons: tuple[Reason, ...]
    time: float = 0.0
    session: str = ""
    notebook: str = ""
    seconds: Seconds = field(default_factory=Seconds)
    saved_seconds: float | None = None
    bytes_saved: int = 0
    items: ItemCounts | None = None
    error: str = ""  # that ended a failed run, in a few words

    def but(self, **changes: Any) -> Decision:
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "v": 1,
            "time": self.time,
            "session": self.session,
            "notebook": self.notebook,
            "cell": self.cell.to_dict(),
            "status": self.status.value,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "items": self.items.to_dict() if self.items is not None else None,
            "seconds": self.seconds.to_dict(),
            "saved_seconds": self.saved_seconds,
            "bytes_saved": self.bytes_saved,
        }


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of a cell as the log knows it; None is what was not recorded. `seconds`: executing, or restoring."""

    time: float | None
    status: Status | None
    reasons: tuple[Reason, ...] | None
    seconds: float | None
    items: ItemCounts | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "status": self.status.value if self.status is not None else None,
            "reasons": [reason.to_dict() for reason in self.reasons] if self.reasons is not None else None,
            "seconds": self.seconds,
            "items": self.items.to_dict() if self.items is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was reused and what that was worth. Milliseconds and seconds are measured ones; None is unknown."""

    reused: int
    executed: int
    failed: int
    soft_last: float | None  # ms to decide and restore, of the latest reuse
    soft_mean: float | None
    soft_p95: float | None
    saved: float | None  # seconds, of the reuses where both sides were measured
    unmeasured: int  # reuses that are not in `saved`
    items_reused: int | None = None  # of the runs whose loops were told apart item by item; None: there were none
    items_executed: int | None = None

    @property
    def hit_rate(self) -> float | None:
        decided = self.reused + self.executed + self.failed
        return self.reused / decided if decided else None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "hit_rate": self.hit_rate}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would become of a cell if it ran now; `reuse` None: that cannot be said, and `reasons` tell why."""

    title: str
    number: int | None
    reuse: bool | None
    reasons: tuple[Reason, ...]
    milliseconds: float
    seconds: float | None = None  # what executing took last, if that was measured
    depends: str = ""  # where that cannot be said: on what it hangs
    note: str = ""  # what else a person should know: the text in the saved file is another one

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "number": self.number,
            "reuse": self.reuse,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "milliseconds": self.milliseconds,
            "seconds": self.seconds,
            "depends": self.depends,
            "note": self.note,
        }
