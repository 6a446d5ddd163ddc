"""Threads that are known, by their identifiers, for as long as they live."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

Threads = dict[int, weakref.ref[threading.Thread]]


def by_ident(threads: Iterable[threading.Thread]) -> Threads:
    """Threads by their identifiers, without keeping them alive."""
    return {t.ident: weakref.ref(t) for t in threads if t.ident is not None}


def is_among(ident: int | None, known: Threads) -> bool:
    """Whether the thread with this identifier is one of these. Identifiers of ended threads are given away again."""
    found = known.get(ident) if ident is not None else None
    thread = found() if found is not None else None
    return thread is not None and thread.is_alive()
