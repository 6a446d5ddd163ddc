"""Which items a pass over a source had, in their order: what puts them back without the source.

    items/<loop>/<xxh3 of the content>.order

A file holds the key of each item and a digest of what was saved for it, 24 bytes together: one key may have been saved
more than once, under other conditions or with files that were others. A file never changes, so a pass that goes on
where an earlier one ended adds a file; small files are merged as they become many, each as long as those before it.
What is missing or damaged is told, and the source is read from its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, final

import xxhash

from incnb.store import files
from incnb.store.disk import Store
from incnb.store.place import StoreError, explain

KEY: Final = 16
MARK: Final = 8
WIDTH: Final = KEY + MARK
LIMIT: Final = 1 << 30
_NAME: Final = re.compile(r"[0-9a-f]{32}")


def mark_of(relied: bytes, payload: bytes) -> bytes:
    """The digest of what was saved for an item."""
    return xxhash.xxh3_64_digest(relied + payload)


@final
class Orders:
    """The order of items of one loop. Raises StoreError."""

    def __init__(self, store: Store, loop: str):
        self._store: Final = store
        self._loop: Final = loop

    def read(self, name: str) -> bytes:
        """One file: keys and marks in turn."""
        folder = self._store.find_items(self._loop)
        if folder is None or not _NAME.fullmatch(name):
            raise StoreError("which items there were is not there")
        path = folder / f"{name}.order"
        try:
            data = files.read_limited(path, LIMIT)
        except (OSError, MemoryError) as error:
            raise explain("which items there were cannot be read", path, error) from error
        if len(data) % WIDTH or xxhash.xxh3_128_hexdigest(data) != name:
            raise StoreError(f"which items there were is damaged ({path})")
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
            raise explain("which items there were cannot be saved", path, error) from error
        return (*kept, name)

    def drop(self, names: Sequence[str]) -> None:
        """Remove files that nobody refers to any more. Whoever still does reads his source from the start."""
        folder = self._store.find_items(self._loop)
        for name in names if folder is not None else ():
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    (folder / f"{name}.order").unlink()  # type: ignore[operator]


def parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and mark of each item."""
    for at in range(0, len(data), WIDTH):
        yield data[at : at + KEY], data[at + KEY : at + WIDTH]
