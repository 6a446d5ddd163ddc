"""A connection of sqlite3 is the content of its databases, as it sees them, and what was set on it.

The content is asked from the connection itself and not from the file: a file that was replaced, a write-ahead log or
an open transaction would make a difference. What is too large for that is digested on the disk, if it is certain that
the connection has just that file open and that nothing of it lies elsewhere. Functions and collations that were added
cannot be read back.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from incnb.fingerprint import files
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.registry import handles

_IN_MEMORY = 256 << 20
_OPENED = "/proc/self/fd"
_SETTINGS = (
    "foreign_keys", "recursive_triggers", "reverse_unordered_selects", "query_only", "read_uncommitted",
    "defer_foreign_keys", "ignore_check_constraints", "legacy_alter_table", "writable_schema", "trusted_schema",
)  # fmt: skip


def _connection(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("sqlite connection")
    encode_class_of(encoder, value)
    encode_state(encoder, value)
    if not hasattr(value, "serialize"):
        raise encoder.refuse("an sqlite connection whose content cannot be read")
    encoder.encode((value.in_transaction, value.isolation_level, getattr(value, "autocommit", None)))
    for name in ("row_factory", "text_factory"):
        with encoder.at(f".{name}"):
            encoder.encode(getattr(value, name))
    _nothing_added(encoder, value)
    encoder.encode([ask(value, f"PRAGMA {name}") for name in _SETTINGS])
    for _, name, path in ask(value, "PRAGMA database_list"):
        if name == "temp":
            raise encoder.refuse("an sqlite connection with temporary tables")
        with encoder.at(f"[{name!r}]"):
            encoder.encode((name, path))
            _content(encoder, value, name, path)


def ask(connection: Any, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, past the factories of the connection."""
    factory = connection.text_factory
    with closing(sqlite3.Cursor(connection)) as cursor:
        cursor.row_factory = None
        connection.text_factory = str
        try:
            return list(cursor.execute(query))
        finally:
            connection.text_factory = factory


def _nothing_added(encoder: Encoder, value: Any) -> None:
    with closing(sqlite3.connect(":memory:")) as plain:
        for query, what in (("PRAGMA function_list", "a function"), ("PRAGMA collation_list", "a collation")):
            listed = [{row[1:] if "coll" in query else row for row in ask(one, query)} for one in (value, plain)]
            if listed[0] != listed[1]:
                raise encoder.refuse(f"an sqlite connection with {what} of its own")


def _content(encoder: Encoder, value: Any, name: str, path: str) -> None:
    pages, size = (ask(value, f'PRAGMA "{name}".{about}')[0][0] for about in ("page_count", "page_size"))
    if not pages:
        encoder.tag("empty")
        return
    if pages * size <= _IN_MEMORY:
        encoder.raw(value.serialize(name=name))
        return
    log = Path(f"{path}-wal")
    if not path or value.in_transaction or (log.exists() and log.stat().st_size) or not _has_open(path):
        raise encoder.refuse("a large database that is not just a file")
    encoder.write(files.digest(path))


def _has_open(path: str) -> bool:
    """Whether this process has the very file open that a path leads to now."""
    wanted = files.identity(path)
    with suppress(OSError):
        return wanted is not None and any(files.identity(opened) == wanted for opened in Path(_OPENED).iterdir())
    return False


def install() -> None:
    """Register the handlers; called when the first object of sqlite3 is met."""
    handles(sqlite3.Connection, _connection, subclasses=True)
