"""What a source is: a collection that can be read from where the reading ended last time.

A loop over a list looks at every item to find the new ones. A source can do better: `read` gives every item with a
*cursor*, the place right behind it, and reading from a cursor gives only what came after. Whether a cursor may be
trusted is decided elsewhere (`engine/gates.py`), by three questions of which a source answers one: is what lies before
the cursor still what it was? Where the answer is in doubt it is no, and all of the source is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, SupportsBytes, runtime_checkable

from incnb.model import IncnbError


class SourceError(IncnbError, ValueError):
    """A source was asked for with arguments that make none, or cannot be read as it was asked to be."""


@runtime_checkable
class Source(Protocol):
    """What a loop can go over from where it ended last time.

    A table whose rows get increasing ids, and are never changed nor deleted:

        class Rows:
            durable = True  # what comes before a cursor stays as it is

            def __init__(self, file, table):
                self.file, self.table = file, table

            def identity(self):  # which source this is, the same tomorrow; all that decides which items there are
                return f"{self.file}:{self.table}"

            def state(self):  # other bytes whenever there are other items
                with sqlite3.connect(self.file) as db:
                    return str(db.execute(f"select max(id) from {self.table}").fetchone()[0]).encode()

            def read(self, cursor):  # what came after the cursor; None = from the start
                after = -1 if cursor is None else int(cursor)
                with sqlite3.connect(self.file) as db:
                    for row in db.execute(f"select * from {self.table} where id > ? order by id", (after,)):
                        yield row, str(row[0]).encode()

        for row in incnb.source(Rows("shop.db", "orders")):
            ...

    A source may also have `check(cursor: bytes) -> str | None`: why what lies before the cursor can no longer be
    trusted ("was truncated"), None when it can. Without it, `durable = True` is taken as the word of who wrote it.
    `durable = False`: all of it is read each time.
    """

    def identity(self) -> str:
        """Which source this is: the same text for the same source, in another process too."""
        ...

    def state(self) -> bytes:
        """What is there now: other bytes whenever there are other items."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what lies before a cursor stays as it is."""
        ...

    def read(self, cursor: bytes | None) -> Iterator[tuple[Any, bytes | SupportsBytes]]:
        """The items after `cursor` in order, each with the cursor right behind it; None = from the start.

        `bytes()` of a cursor is what is kept and handed back.
        """
        ...
