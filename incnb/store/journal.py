"""Writing items of a loop: one file for each execution, appended to frame by frame.

One writer per file needs no lock. A frame (frames.py) is one write, so whoever is killed loses at most the frame that
he was writing, and readers use everything before it. Nothing is flushed to the disk: after a power cut the digest of a
frame tells what is not whole, and what is lost is computed again.

A write that the disk took in part is cut off again. Where even that fails, and wherever else a file turns out not to be
as this process left it, the next frame begins a new file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from errno import EFBIG
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from incnb.store import files, packs
from incnb.store.frames import DIGEST, FRAME_BYTES, FRAME_ITEMS, START, Frame, Read, encode
from incnb.store.place import StoreError, explain

if TYPE_CHECKING:
    from incnb.store.items import Items

# What is larger belongs into a blob.
PAYLOAD_LIMIT: Final = 64 << 20
_OVERHEAD: Final = DIGEST + 12


@final
class _File:
    """A file that is being written."""

    __slots__ = ("before", "path", "pid", "places", "raw", "sets", "size")

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.pid: Final = os.getpid()
        self.raw: Final = FileIO(path, "ab", opener=_create)
        os.fchmod(self.raw.fileno(), 0o600)
        self.size = 0
        self.before = START
        self.sets: Final[list[bytes]] = []
        self.places: Final[dict[bytes, int]] = {}

    def usable(self) -> bool:
        """In a forked child it is the parent's, nobody finds what is written to a file whose name was removed, and
        behind bytes that are not ours (of a write that was interrupted before it was counted) nobody reads.
        """
        if self.pid != os.getpid():
            return False
        info = os.fstat(self.raw.fileno())
        return info.st_nlink > 0 and info.st_size == self.size

    def declare(self, new: Iterable[bytes]) -> None:
        for digest in new:
            self.places[digest] = len(self.sets)
            self.sets.append(digest)

    def withdraw(self, first: int) -> None:
        for digest in self.sets[first:]:
            del self.places[digest]
        del self.sets[first:]

    def append(self, data: bytes) -> None:
        fd = self.raw.fileno()
        try:
            # One call of the system; where the disk takes a part only, the next call says why.
            files.write_all(fd, data)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(fd, self.size)
                if not self.size:
                    self.path.unlink()
            raise
        self.size += len(data)


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@final
class Journal:
    """Writes the items of one execution. What it has written, its `Items` know at once."""

    __slots__ = ("_file", "_items", "_keys", "_payloads", "_relied", "_seconds", "_texts", "pending_bytes")

    def __init__(self, items: Items) -> None:
        self._items: Final = items
        self._file: _File | None = None
        self._texts: dict[bytes, bytes] = {}
        self._forget()

    def _forget(self) -> None:
        self._keys: list[bytes] = []
        self._relied: list[bytes] = []
        self._seconds: list[float] = []
        self._payloads: list[bytes] = []
        self.pending_bytes = 0  # about what they will take on disk, without dependency sets

    @property
    def pending(self) -> int:
        """How many items wait in memory."""
        return len(self._keys)

    def relies(self, digest: bytes, json: bytes) -> None:
        """Say what a dependency set is; it is written with the first items that use it."""
        if len(digest) != DIGEST or len(json) > PAYLOAD_LIMIT:
            raise StoreError(f"a dependency set of {len(json)} bytes is too long to be saved ({self._items.loop})")
        self._texts[digest] = json

    def add(self, key: bytes, relied: bytes, seconds: float, payload: bytes) -> None:
        """Remember an item until `write`. Keys have 16 bytes; `relied` is a dependency set that was declared here or
        is known to the items. Raises StoreError for a payload of more than 64 MiB.
        """
        length = len(payload)
        if len(key) != DIGEST or length > PAYLOAD_LIMIT or relied not in self._texts:
            self._check(key, relied, length)
        self._keys.append(key)
        self._relied.append(relied)
        self._seconds.append(seconds)
        self._payloads.append(payload)
        self.pending_bytes += length + _OVERHEAD

    def _check(self, key: bytes, relied: bytes, length: int) -> None:
        if length > PAYLOAD_LIMIT:
            raise StoreError(f"an item of {length} bytes is too long to be saved ({self._items.loop})")
        text = self._items.relied(relied)
        if len(key) != DIGEST or text is None:
            raise StoreError("an item has no proper key or no known dependency set: this is a fault of incnb")
        self._texts[relied] = text

    def write(self) -> None:
        """Append the pending items to the file. Raises StoreError; what was not written then stays pending."""
        try:
            while self._keys:
                count = self._fitting()
                try:
                    self._write(count)
                except OSError as error:
                    # As long as files may be: another one may still be begun.
                    if error.errno != EFBIG or self._file is None or not self._file.size:
                        raise
                    self.close()
                    self._write(count)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise explain("items of a loop cannot be saved", self._items.store.root, error) from error

    def _fitting(self) -> int:
        """How many items make the next frame."""
        size, count, new = 0, 0, set[bytes]()
        written = self._file.places if self._file else {}
        for relied, payload in zip(self._relied[:FRAME_ITEMS], self._payloads, strict=False):
            size += len(payload) + _OVERHEAD
            if relied not in new and relied not in written:
                new.add(relied)
                size += len(self._texts[relied])
            if count and size > FRAME_BYTES:
                break
            count += 1
        return count

    def _write(self, count: int) -> None:
        items = self._items
        while True:
            file = self._opened()
            keys, first = self._keys[:count], len(file.sets)
            new = dict.fromkeys(digest for digest in self._relied[:count] if digest not in file.places)
            texts = {digest: self._texts[digest] for digest in new}
            try:
                file.declare(new)
                frame = Frame.of(
                    items.number + 1,
                    time.time(),
                    file.sets,
                    [file.places[digest] for digest in self._relied[:count]],
                    self._seconds[:count],
                    self._payloads[:count],
                )
                data, digest = encode(bytes.fromhex(items.loop), file.before, frame, keys, first, [*texts.values()])
                file.append(data)
            except BaseException:
                file.withdraw(first)
                raise
            file.before = digest
            if file.usable():
                break
            # Merged by another process and removed just now.
        items.wrote(file.path.name, file.size, Read(frame, keys, texts))
        self._done(count)

    def _done(self, count: int) -> None:
        self.pending_bytes -= sum(map(len, self._payloads[:count])) + count * _OVERHEAD
        del self._keys[:count], self._relied[:count], self._seconds[:count], self._payloads[:count]

    def _opened(self) -> _File:
        if self._file is None or not self._file.usable():
            self.close()
            folder = self._items.store.make_items(self._items.loop)
            self._file = _File(folder / packs.name_of("journal", self._items.number + 1))
        return self._file

    def drop(self) -> int:
        """Forget the pending items; how many they were."""
        count = len(self._keys)
        self._forget()
        return count

    def close(self) -> None:
        """Close the file. What is pending stays so."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.raw.close()

    def __del__(self) -> None:
        self.close()
