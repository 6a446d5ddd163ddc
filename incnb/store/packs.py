"""Merging the files of items: a loop that gains a few items in each run must not leave a thousand small files.

Several files become one pack, written whole and renamed, and only then are they removed. Of two items with one key that
relied on the same the newer stays. Nobody is asked and nothing is locked:

- who reads meanwhile finds an item twice, or a file gone that he had listed, and then looks again;
- who merges the same files meanwhile leaves a second pack with the same items, and a later merge makes one of them;
- who appends to a file that is merged (only files that seem abandoned are, but a kernel can sleep for an hour) notices
  after his write that its name is gone and writes again to a new file; what he wrote before that is found here, because
  a file is looked at once more when its name is gone.

Files with frames of a later version are left alone. Frames that were written within a minute become one, which then
bears the earliest of their times: what expires may do so early, never late.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from incnb.store import files
from incnb.store.frames import FRAME_BYTES, FRAME_ITEMS, START, Frame, Read, Reader, encode
from incnb.store.place import explain

# What one merge reads; it takes about two microseconds an item, half a second in all.
TOTAL: Final = 16 << 20
_FILES: Final = 512
_ABANDONED: Final = 3600.0
_TOGETHER: Final = 60.0
_NAME: Final = re.compile(r"(journal|pack)-(\d{1,18})-([A-Za-z0-9_]{1,32})-(\d{1,10})-[0-9a-f]{8,32}\.items")


def name_of(kind: str, number: int) -> str:
    return f"{kind}-{number:09d}-{_host()}-{os.getpid()}-{secrets.token_hex(6)}.items"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:32] or "host"


def listed(folder: Path) -> dict[str, os.stat_result]:
    """The files of items in a folder, oldest number first."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if match := _NAME.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        found.append((int(match[2]), entry.name, info))
    found.sort(key=lambda one: one[:2])
    return {name: info for _, name, info in found}


def at_work(name: str) -> bool:
    """Whether the writer of a file may still be there."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] == "pack":
        return False
    if match[3] != _host():
        return True
    try:
        os.kill(int(match[4]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def compact(folder: Path, loop: bytes, found: dict[str, os.stat_result]) -> str | None:
    """Merge what may be merged of the files `found`, the smallest first; the name of the pack. It holds what was in
    these files at their length in `found`, or the answer is None. Raises StoreError.
    """
    now, total = time.time(), 0
    chosen: list[str] = []
    for name, info in sorted(found.items(), key=lambda one: one[1].st_size):
        total += info.st_size
        if total > TOTAL or len(chosen) == _FILES:
            break
        if not at_work(name) or now - info.st_mtime > _ABANDONED:
            chosen.append(name)
    if len(chosen) < 2 or not os.access(folder, os.W_OK):
        return None
    try:
        return _merge(folder, loop, {name: found[name].st_size for name in chosen})
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise explain("the items of a loop cannot be merged", folder, error) from error


def _merge(folder: Path, loop: bytes, sizes: dict[str, int]) -> str | None:
    with ExitStack() as stack:
        sources: dict[str, tuple[int, int]] = {}
        reads: list[Read] = []
        for name in sizes:
            with suppress(FileNotFoundError, files.NotRegular):
                fd, size = files.open_regular(folder / name)
                stack.callback(os.close, fd)
                reader = Reader(loop)
                these = list(reader.frames(fd, size))
                if not reader.newer:
                    sources[name] = fd, size
                    reads += these
        if len(sources) < 2:
            return None
        pack = _pack(folder, loop, reads)
        for place, name in enumerate(sources):
            try:
                (folder / name).unlink(missing_ok=True)
            except OSError:
                if pack and not place:
                    # Nothing is gained, and the next merge would add as much again.
                    (folder / pack).unlink()
                raise
        grown = [fd for fd, size in sources.values() if os.fstat(fd).st_size > size]
        if grown:
            _pack(folder, loop, [read for fd in grown for read in Reader(loop).frames(fd, os.fstat(fd).st_size)])
        exact = {name: size for name, (_, size) in sources.items()} == sizes
    return pack if exact else None


def _pack(folder: Path, loop: bytes, reads: list[Read]) -> str | None:
    """Write a pack of these frames; its name, if it holds anything."""
    groups = _grouped(_newest(reads))
    if not groups:
        return None
    texts = {digest: text for read in reads for digest, text in read.sets.items()}
    pieces, before, sets, places = [], START, list[bytes](), dict[bytes, int]()
    for group in groups:
        first = len(sets)
        relied = [
            places.setdefault(read.frame.sets[read.frame.relied[at]], len(places))
            for read, kept in group
            for at in kept
        ]
        sets += list(places)[first:]
        frame = Frame.of(
            max(read.frame.number for read, _ in group),
            min(read.frame.created for read, _ in group),
            sets,
            relied,
            [read.frame.seconds[at] for read, kept in group for at in kept],
            [read.frame.payload_at(at) for read, kept in group for at in kept],
        )
        keys = [read.keys[at] for read, kept in group for at in kept]
        data, before = encode(loop, before, frame, keys, first, [texts[digest] for digest in sets[first:]])
        pieces.append(data)
    name = name_of("pack", max(read.frame.number for read in reads))
    files.write_whole(folder / name, b"".join(pieces))
    return name


def _newest(reads: list[Read]) -> list[tuple[Read, list[int]]]:
    """The frames, oldest first, each with the places of those items that no newer one replaces."""
    seen: set[bytes] = set()
    left = []
    for read in sorted(reads, key=lambda read: read.frame.rank, reverse=True):
        frame, kept = read.frame, []
        for at in range(len(frame) - 1, -1, -1):
            mark = read.keys[at] + frame.mark_at(at)
            if mark not in seen:
                seen.add(mark)
                kept.append(at)
        if kept:
            left.append((read, kept[::-1]))
    return left[::-1]


def _grouped(frames: list[tuple[Read, list[int]]]) -> list[list[tuple[Read, list[int]]]]:
    """Neighbours that may become one frame."""
    groups: list[list[tuple[Read, list[int]]]] = []
    count = size = 0
    low = high = 0.0
    for read, kept in frames:
        created, length = read.frame.created, len(read.frame.payload)
        low, high = min(low, created), max(high, created)
        if groups and high - low <= _TOGETHER and count + len(kept) <= FRAME_ITEMS and size + length <= FRAME_BYTES:
            groups[-1].append((read, kept))
            count, size = count + len(kept), size + length
        else:
            groups.append([(read, kept)])
            count, size, low, high = len(kept), length, created, created
    return groups
