"""What lies in a store, and taking out of it what nobody else refers to.

A survey walks the four folders once and notes which blobs are named in which file: references are looked for as bytes,
so what is damaged costs nothing but itself. What items refer to may itself be a blob with references, and is read for
them. A survey ends when its time is over, and says so; nothing is taken out on the word of one that is not complete.

Only regular files go, by names that a store gives, in folders that are no links: whatever else lies there is nobody's
here. Who is reading such a file goes on reading it; who looks for it afterwards finds a miss like any other.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from incnb.store import files, names
from incnb.store.disk import TRACE_LIMIT, Store

SECONDS: Final = 5.0
_REFERENCE: Final = re.compile(rb'"sha256":\s*"([0-9a-f]{64})"')
_TITLE: Final = re.compile(rb'"title": ("(?:[^"\\\n]|\\.)*")')
_TRACE: Final = re.compile(r"\d{12,18}-[0-9a-f]{16}\.json")
_LIMIT: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A trace, or all items of one loop: its bytes, and the blobs that it names."""

    bytes: int
    blobs: frozenset[str]
    title: str = ""


@dataclass(slots=True)
class Survey:
    """What was found: `traces` by code and id, `items` by loop, the bytes of each of `blobs`, and of all `other`."""

    traces: dict[tuple[str, str], Piece] = field(default_factory=dict)
    items: dict[str, Piece] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    log: int = 0
    other: int = 0
    complete: bool = True

    @property
    def total(self) -> int:
        pieces = sum(piece.bytes for piece in (*self.traces.values(), *self.items.values()))
        return pieces + sum(self.blobs.values()) + self.log + self.other


def survey(store: Store, seconds: float = SECONDS) -> Survey:
    """Look at everything in a store, for at most so many seconds. Raises nothing."""
    found, until = Survey(), time.monotonic() + seconds
    root = store.root
    for part in _entries(root / "blobs"):
        found.other += _size(part)
        for entry in _entries(Path(part.path)) if _is_folder(part) else ():
            if names.BLOB.fullmatch(entry.name):
                found.blobs[entry.name] = _size(entry)
            else:
                found.other += _size(entry)
    for folder in _entries(root / "traces"):
        found.other += _size(folder)
        for entry in _entries(Path(folder.path)) if _is_folder(folder) else ():
            if not (_TRACE.fullmatch(entry.name) and names.CODE.fullmatch(folder.name)):
                found.other += _size(entry)
                continue
            if time.monotonic() > until:
                found.complete = False
                found.traces[folder.name, entry.name[:-5]] = Piece(_size(entry), frozenset())
                continue
            raw = _raw(entry, TRACE_LIMIT)
            found.complete &= raw is not None
            raw = raw or b""
            found.traces[folder.name, entry.name[:-5]] = Piece(_size(entry), _named(raw, found), _title(raw))
    for folder in _entries(root / "items"):
        if _is_folder(folder) and names.LOOP.fullmatch(folder.name):
            found.items[folder.name] = _loop(store, Path(folder.path), found, until)
        found.other += _size(folder)
    found.log = sum(_size(entry) for entry in _entries(root / "log"))
    found.other += sum(_size(entry) for entry in _entries(root) if entry.is_file(follow_symlinks=False))
    return found


def _loop(store: Store, folder: Path, found: Survey, until: float) -> Piece:
    size, named = 0, set[str]()
    for entry in _entries(folder):
        size += _size(entry)
        raw = _raw(entry, _LIMIT) if time.monotonic() <= until else None
        found.complete &= raw is not None
        named |= _named(raw or b"", found)
    todo = list(named)
    while todo and time.monotonic() <= until:
        name = todo.pop()
        try:
            more = _named(files.read_limited(blob_path(store, name), _LIMIT), found) - named
        except (OSError, MemoryError):
            continue
        named |= more
        todo += more
    found.complete &= not todo
    return Piece(size, frozenset(named))


def _named(raw: bytes, found: Survey) -> frozenset[str]:
    return frozenset(name.decode() for name in _REFERENCE.findall(raw)) & found.blobs.keys()


def _title(raw: bytes) -> str:
    at = _TITLE.search(raw)
    with suppress(ValueError):
        return str(json.loads(at[1].decode("utf-8", "replace"))) if at is not None else ""
    return ""


def blob_path(store: Store, name: str) -> Path:
    """Where a blob lies, by its SHA-256."""
    return store.root / "blobs" / name[:2] / name


# -- taking out


def remove_trace(store: Store, code: str, id: str) -> int:
    """Take out one trace; the bytes that are free now."""
    name = f"{id}.json"
    if not (names.CODE.fullmatch(code) and _TRACE.fullmatch(name)):
        return 0
    return _remove(store, store.root / "traces" / code, name)


def remove_items(store: Store, loop: str) -> int:
    """Take out all items of a loop; the bytes that are free now."""
    folder = store.root / "items" / loop
    if not names.LOOP.fullmatch(loop):
        return 0
    freed = sum(_remove(store, folder, entry.name) for entry in list(_entries(folder)))
    with suppress(OSError):
        folder.rmdir()
    return freed


def remove_blob(store: Store, name: str) -> int:
    """Take out one blob; the bytes that are free now."""
    return _remove(store, store.root / "blobs" / name[:2], name) if names.BLOB.fullmatch(name) else 0


def _remove(store: Store, folder: Path, name: str) -> int:
    """Remove a regular file of a folder of the store, and nothing that a link leads to."""
    try:
        if any(part.is_symlink() for part in (folder, folder.parent)) or store.root not in folder.parents:
            return 0
        path = folder / name
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return 0
        path.unlink()
    except OSError:
        return 0
    return status.st_size


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        if folder.is_symlink():
            return
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _size(entry: os.DirEntry[str]) -> int:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _raw(entry: os.DirEntry[str], limit: int) -> bytes | None:
    try:
        return files.read_limited(Path(entry.path), limit)
    except FileNotFoundError:
        return b""
    except (OSError, MemoryError):
        return None
