"""Files: what is in them, and which file it is.

A file's fingerprint is the xxh3 of its bytes. Its identity is what the file system says about it: as long as device,
inode, size and both times stand, nobody wrote to it. That holds only for a file that was left alone for a while:
within one tick of the file system's clock a second write leaves no mark.
"""

from __future__ import annotations

import os
import time

import xxhash

CHUNK = 1 << 20
#: Seconds: the coarsest clock of a file system in use (FAT) ticks every two seconds.
YOUNG = 2.0

Identity = tuple[int, int, int, int, int]


def digest(path: str | os.PathLike[str]) -> bytes:
    """The 16 bytes of the content of a file. Raises `OSError`."""
    state = xxhash.xxh3_128()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            state.update(view[:size])
    return state.digest()


def identity(path: str | os.PathLike[str]) -> Identity | None:
    """(device, inode, size, mtime_ns, ctime_ns) of what `path` leads to; None when there is nothing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_young(of: Identity, now: float | None = None) -> bool:
    """Whether a file was written so lately that its identity would not tell of one more write."""
    moment = time.time() if now is None else now
    return moment - max(of[3], of[4]) / 1e9 < YOUNG
