"""What happened to the cells of a notebook before: read from the store's log once, and kept up to date.

Cell ids, titles and notebook paths live here and nowhere else: they find the trace that a reason compares with, and
never enter a look-up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from incnb.store import Store, StoreError


@dataclass(frozen=True, slots=True)
class Past:
    """The latest that is known of one cell."""

    code: str
    trace: str | None
    status: str
    attempt: str = ""  # digest of the dependencies of a failed attempt
    relied: tuple[tuple[str, str, str], ...] = ()  # kind, locator and fingerprint of what it met while it ran


class History:
    """The log of one store, as seen by one notebook."""

    def __init__(self, store: Store):
        self._store = store
        self._cells: dict[tuple[str, str], Past] = {}
        self._failed: dict[str, Past] = {}
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
        if record.get("type") != "run" or not isinstance(record.get("code"), str):
            return
        if isinstance(record.get("seq"), int):
            self._seq = max(self._seq, record["seq"])
        code, status = record["code"], str(record.get("status", ""))
        notebook = str(record.get("notebook", ""))
        relied = tuple((str(k), str(at), str(fp)) for k, at, fp in record.get("relied", ()))
        past = Past(code, record.get("trace"), status, str(record.get("attempt", "")), relied)
        for key in ("id", "title"):
            if record.get(key):
                self._cells[notebook, f"{key} {record[key]}"] = past
        if status == "failed":
            self._failed[code] = past
        else:
            self._failed.pop(code, None)

    def of(self, notebook: str, cell_id: str | None, title: str) -> Past | None:
        """The latest run of a cell, found by its id or else by its title."""
        self._load()
        found = self._cells.get((notebook, f"id {cell_id}")) if cell_id else None
        return found or self._cells.get((notebook, f"title {title}"))

    def failed(self, code: str) -> Past | None:
        """The attempt of the last run of this code if that failed."""
        self._load()
        return self._failed.get(code)

    def add(self, record: dict[str, Any]) -> None:
        """Append to the log. Raises `StoreError`."""
        self._load()
        self._seq += 1
        record = {"type": "run", "seq": self._seq, "time": time.time(), **record}
        self._take(record)
        self._store.log(record)
