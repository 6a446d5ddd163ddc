"""What the items of a pass over a source left, in their order: it is put back without the source.

    items/<loop>/<xxh3 of the content>.order

A file is a row of pieces, each with its length before it; what is in them is the engine's business. A file never
changes, so a pass that goes on where an earlier one ended adds a file; small files are merged as they become many, each
as long as those before it. What is missing or damaged is told, and the source is read from its start.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, final

import xxhash

from incnb.store import files
from incnb.store.disk import Store
from incnb.store.place import StoreError, explain

LIMIT: Final = 4 << 30
_LENGTH: Final = struct.Struct("<Q")
_NAME: Final = re.compile(r"[0-9a-f]{32}")


@final
class Orders:
    """The order of items of one loop. Raises StoreError."""

    def __init__(self, store: Store, loop: str):
        self._store: Final = store
        self._loop: Final = loop

    def read(self, name: str) -> bytes:
        """One file: a row of pieces."""
        folder = self._store.find_items(self._loop)
        if folder is None or not _NAME.fullmatch(name):
            raise StoreError("it is not there")
        path = folder / f"{name}.order"
        try:
            data = files.read_limited(path, LIMIT)
        except (OSError, MemoryError) as error:
            raise explain("it cannot be read", path, error) from error
        if xxhash.xxh3_128_hexdigest(data) != name:
            raise StoreError(f"it is damaged ({path})")
        return data

    def save(self, earlier: Sequence[str], data: bytes) -> tuple[str, ...]:
        """The names of the files that say what the `earlier` ones say, and then `data`."""
        kept = list(earlier)
        while kept and data:
            last = self.read(kept[-1])
            if len(last) > len(data):
                break
            kept.pop()
            data = last + data
        if not data:
            return tuple(kept)
        name = xxhash.xxh3_128_hexdigest(data)
        path = self._store.make_items(self._loop) / f"{name}.order"
        try:
            if not path.exists():
                files.write_whole(path, data)
        except (OSError, MemoryError) as error:
            raise explain("what the items of a loop left cannot be saved", path, error) from error
        return (*kept, name)

    def drop(self, names: Sequence[str]) -> None:
        """Remove files that nobody refers to any more. Whoever still does reads his source from the start."""
        folder = self._store.find_items(self._loop)
        for name in names if folder is not None else ():
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    (folder / f"{name}.order").unlink()  # type: ignore[operator]


def framed(piece: bytes) -> bytes:
    """A piece as it stands in a row."""
    return _LENGTH.pack(len(piece)) + piece


def pieces(data: bytes) -> Iterator[memoryview]:
    """The pieces of a row. Raises StoreError."""
    view, at = memoryview(data), 0
    while at < len(view):
        start = at + _LENGTH.size
        at = start + (_LENGTH.unpack_from(view, at)[0] if start <= len(view) else len(view))
        if at > len(view):
            raise StoreError("it is damaged")
        yield view[start:at]
