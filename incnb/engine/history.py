"""What happened to the cells of a notebook before: read from the store's log once, and kept up to date.

Cell ids, titles and notebook paths live here and nowhere else: they find the trace that a reason compares with, the
past of a cell and what a person said about it (marks, accepts). They never enter a look-up by themselves.

Records are lines of the log. `run`: one decision, with its reasons and what was measured. `mark`: execute, or decide
afresh. `accept`: a person's word that an edit did not change a result. A run that honoured marks names them in
`cleared`, in the same line as its reasons: so reasons are always recorded before a mark is gone, and a mark that
another kernel made meanwhile is not lost.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace
from typing import Any

from incnb.model import Code, Decision, Reason
from incnb.store import Store, StoreError

SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class Past:
    """The latest that is known of one cell; `trace` is the latest that was saved."""

    code: str
    trace: str | None
    status: str
    attempt: str = ""  # digest of the dependencies of a failed attempt
    relied: tuple[tuple[str, str, str], ...] = ()  # kind, locator and fingerprint of what it met while it ran
    trace_code: str = ""  # under which the trace is kept
    reasons: tuple[Reason, ...] = ()
    id: str = ""


class History:
    """The log of one store, as seen by one notebook."""

    def __init__(self, store: Store):
        self._store = store
        self._cells: dict[tuple[str, str], Past] = {}
        self._failed: dict[str, Past] = {}
        self._traces: dict[tuple[str, str], str] = {}
        self._runs: list[dict[str, Any]] = []
        self._marks: dict[str, dict[str, Any]] = {}
        self._cleared: set[str] = set()
        self._accepts: dict[str, list[dict[str, Any]]] = {}
        self._pins: list[dict[str, Any]] = []
        self._loads: list[tuple[int, float]] = []
        self._by_index: dict[tuple[str, int], dict[str, Any]] = {}
        self._seq = 0
        self._loaded = False

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        try:
            records = self._store.history()
        except StoreError:
            return
        for record in records:
            self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        seq = record.get("seq")
        if type(seq) is int:
            self._seq = max(self._seq, seq)
        if not isinstance(record.get("code"), str):
            return
        kind = record.get("type")
        if kind == "run":
            self._take_run(record)
        elif kind == "mark" and isinstance(record.get("mark"), str):
            if record["mark"] not in self._cleared:
                self._marks[record["mark"]] = record
        elif kind == "accept":
            self._accepts.setdefault(record["code"], []).append(record)
        elif kind == "pin":
            self._pins.append(record)

    def _take_run(self, record: dict[str, Any]) -> None:
        code, status = record["code"], str(record.get("status", ""))
        notebook, session = str(record.get("notebook", "")), str(record.get("session", ""))
        self._runs.append(record)
        if type(record.get("index")) is int:
            self._by_index[session, record["index"]] = record
        for earlier, seconds in _pairs(record.get("loads")):
            late = self._by_index.get((session, earlier))
            if late is not None:
                late["loaded"] = float(late.get("loaded", 0.0)) + seconds
        for mark in _texts(record.get("cleared")):
            self._cleared.add(mark)
            self._marks.pop(mark, None)
        relied = tuple((str(k), str(at), str(fp)) for k, at, fp in record.get("relied", ()))
        attempt, trace = str(record.get("attempt", "")), record.get("trace")
        trace_code = str(record.get("trace_code", code))
        past = Past(code, trace, status, attempt, relied, trace_code, reasons_of(record.get("reasons")) or ())
        past = replace(past, id=str(record.get("id") or ""))
        if isinstance(trace, str):
            self._traces[notebook, trace_code] = trace
        for key in ("id", "title"):
            if record.get(key):
                cell = notebook, f"{key} {record[key]}"
                known = self._cells.get(cell)
                if trace is None and known is not None and not (known.id and past.id and known.id != past.id):
                    # what is compared with is the latest that was saved
                    self._cells[cell] = replace(past, trace=known.trace, trace_code=known.trace_code)
                else:
                    self._cells[cell] = past
        if status == "failed":
            self._failed[code] = past
        else:
            self._failed.pop(code, None)

    # -- the past

    def of(self, notebook: str, cell_id: str | None, title: str) -> Past | None:
        """The latest run of a cell, found by its id, or else by its title if no other cell is known to be called so."""
        self._load()
        found = self._cells.get((notebook, f"id {cell_id}")) if cell_id else None
        if found is not None:
            return found
        same = self._cells.get((notebook, f"title {title}"))
        return None if same is not None and cell_id and same.id and same.id != cell_id else same

    def trace(self, notebook: str, code: str) -> str | None:
        """The latest trace of this code that a notebook left or brought back."""
        self._load()
        return self._traces.get((notebook, code))

    def failed(self, code: str) -> Past | None:
        """The attempt of the last run of this code if that failed."""
        self._load()
        return self._failed.get(code)

    def runs(self, notebook: str | None = None) -> list[dict[str, Any]]:
        """The records of all runs, oldest first; of one notebook, if it is given."""
        self._load()
        return self._runs if notebook is None else [r for r in self._runs if str(r.get("notebook", "")) == notebook]

    def marks(self, notebook: str) -> list[dict[str, Any]]:
        """The pending marks in a notebook, oldest first."""
        self._load()
        return [mark for mark in self._marks.values() if str(mark.get("notebook", "")) == notebook]

    def accepts(self, code: str) -> list[dict[str, Any]]:
        """What a person accepted for a cell of this code, newest first."""
        self._load()
        return self._accepts.get(code, [])[::-1]

    def pins(self, notebook: str) -> list[dict[str, Any]]:
        """What a person said about pinning cells of a notebook, oldest first; the latest word on a cell counts."""
        self._load()
        return [pin for pin in self._pins if str(pin.get("notebook", "")) == notebook]

    # -- the present

    def add(self, record: dict[str, Any]) -> None:
        """Append a run or what a person said to the log. Raises `StoreError`; a run still counts in this session."""
        self._load()
        self._seq += 1
        record = {"type": "run", "seq": self._seq, "time": time.time(), **record}
        if record["type"] == "run" and self._loads:
            record["loads"], self._loads = self._loads, []
        try:
            self._store.log(record)
        except StoreError:
            if record["type"] == "run":
                self._take({**record, "cleared": []})
            raise
        self._take(record)

    def loaded(self, index: int, seconds: float) -> None:
        """A value that the run with this index of the session left pending was loaded.

        It is logged with the next run, since a load may come at a moment that is no good for writing.
        """
        self._loads.append((index, seconds))


def run_record(
    decision: Decision, *, name: str, number: int | None, code: str, trace: str | None, trace_code: str = "",
    attempt: str = "", relied: tuple[tuple[str, str, str], ...] = (), size: int = 0, cleared: list[str],
) -> dict[str, Any]:  # fmt: skip
    """The line of one run; `size`: bytes of its outputs."""
    return {
        "session": decision.session,
        "notebook": decision.notebook,
        "index": decision.cell.index,
        "id": decision.cell.id,
        "title": decision.cell.title,
        "name": name,
        "n": number,
        "code": code,
        "trace": trace,
        "trace_code": trace_code or code,
        "status": decision.status.value,
        "error": decision.error,
        "reasons": [reason.to_dict() for reason in decision.reasons[:SHOWN_REASONS]],
        "seconds": decision.seconds.to_dict(),
        "saved": decision.saved_seconds,
        "items": _items(decision),
        "loops": list(decision.items.loops) if decision.items is not None else [],
        "bytes": size,
        "host": socket.gethostname(),
        "attempt": attempt,
        "relied": relied,
        "cleared": cleared,
    }


def _items(decision: Decision) -> dict[str, int] | None:
    """The counts alone: why each item ran is said once, when it ran."""
    items = decision.items
    if items is None:
        return None
    return {"executed": items.executed, "reused": items.reused, "failed": items.failed, "removed": items.removed}


def reasons_of(data: Any) -> tuple[Reason, ...] | None:
    """Reasons as they were written down; None for what an earlier or later version wrote."""
    try:
        found = tuple(
            Reason(
                Code(r["code"]), str(r["kind"]), str(r["locator"]), str(r["detail"]), tuple(map(str, r["caused_by"]))
            )
            for r in data
        )
    except (TypeError, KeyError, ValueError):
        return None
    return found or None


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _pairs(value: Any) -> list[tuple[int, float]]:
    found = []
    for pair in value if isinstance(value, list) else []:
        if isinstance(pair, list | tuple) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is float:
            found.append((pair[0], pair[1]))
    return found
