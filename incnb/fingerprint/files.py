"""Files: what is in them, and which file it is.

A file's fingerprint is the xxh3 of its bytes. Its identity is what the file system says about it: as long as device,
inode, size and both times stand, nobody wrote to it. That holds only for a file that was left alone for a while:
within one tick of the file system's clock a second write leaves no mark.
"""

from __future__ import annotations

import glob
import io
import os
import stat
import time
from collections.abc import Container
from pathlib import Path

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
    with io.FileIO(path) as file:  # not by a name that somebody may have replaced
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


def here() -> str:
    """The working directory; the root where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def listing(path: str | os.PathLike[str], *, names: Container[str] | None = None) -> tuple[str, ...] | None:
    """The entries of a folder in the order in which the system gives them, folders with a slash; None: no folder.

    The order is kept since a program sees it.
    """
    try:
        with os.scandir(path) as entries:
            return tuple(e.name + ("/" if e.is_dir() else "") for e in entries if names is None or e.name in names)
    except OSError:
        return None


def globbed(pattern: str, *, recursive: bool, root: str | None = None, hidden: bool = False) -> tuple[str, ...]:
    """What `glob.glob` gives for a pattern, in its order."""
    return tuple(glob.glob(pattern, root_dir=root, recursive=recursive, include_hidden=hidden))


def path_globbed(root: str, pattern: str, *, recursive: bool) -> tuple[str, ...]:
    """What `Path.glob` or `Path.rglob` give, in their order."""
    folder = Path(root)
    try:
        return tuple(map(str, folder.rglob(pattern) if recursive else folder.glob(pattern)))
    except (OSError, ValueError, NotImplementedError):
        return ()


def existence(path: str | os.PathLike[str]) -> str:
    """What is at the end of a path: `nothing`, `file`, `folder` or `other`, links followed; `broken link` too."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return "broken link" if os.path.islink(path) else "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


def status(path: str | os.PathLike[str], *, follow: bool = True) -> str:
    """All that `os.stat` tells, but for the time of the last access."""
    try:
        found = os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError) as error:
        return type(error).__name__
    parts = (found.st_mode, found.st_ino, found.st_dev, found.st_nlink, found.st_uid, found.st_gid, found.st_size)
    return " ".join(map(str, (*parts, found.st_mtime_ns, found.st_ctime_ns)))


def look(op: str, path: str) -> str:
    """What one way of looking at a path sees now."""
    if op == "existence":
        return "there" if existence(path) not in ("nothing", "broken link") else "nothing there"
    if op in ("is file", "is folder"):
        return "yes" if existence(path) == op[3:] else "no"
    if op == "real path":
        return os.path.realpath(path)
    if op in ("size", "times"):
        found = identity(path)
        return "nothing" if found is None else str(found[2] if op == "size" else found[3:])
    return status(path, follow=op != "link status")
