"""Whole files: written so that they are there entirely or not at all, and opened so that nothing surprises.

Writing goes to a temporary name in the same folder, is flushed to the disk, then renamed. Whoever is killed in between
leaves a `tmp-…` file that collection removes by age. The folder itself is not flushed: a name that a power cut loses is
a miss like any other, and every reference is checked before it is trusted.

Reading follows no link, and never waits: a FIFO or a device put in the place of a file would hang or surprise whoever
opens it, so the file is opened without blocking and must turn out to be a regular one.

A file is mapped only on file systems known to be local. On a network a map dies of SIGBUS, and takes the process with
it, when somebody else truncates the file; what is not known to be local is read instead.
"""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

TEMP_PREFIX: Final = "tmp-"
MAPPED_FROM: Final = 1 << 20
# Linux's limit of one read() or write(), and of what macOS takes at once.
_CHUNK: Final = 1 << 30
_LOCAL: Final = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs"}
    | {"tmpfs", "ramfs", "overlay", "ntfs3", "exfat", "vfat"}
)


class CopyOnWriteMap(mmap.mmap):
    """A private map: what is written to it stays in this process. A type of its own, to know arrays on it as ours."""


class NotRegular(OSError):
    """What bears the name is a link, a FIFO, a device or a folder."""


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put `data` at `path`, replacing what is there. What interrupts it leaves the old state and no temporary file."""
    temp = path.parent / f"{TEMP_PREFIX}{os.getpid():x}-{os.urandom(8).hex()}"
    try:
        # A file object closes itself where an interrupt strikes between the opening and the next line. Mode x follows
        # no link. Nothing is in the file yet while the umask decides who may read it.
        with temp.open("xb", buffering=0) as file:
            fd = file.fileno()
            os.fchmod(fd, 0o600)
            write_all(fd, data)
            os.fsync(fd)
        try:
            temp.replace(path)
        except OSError:
            # Over a network a rename can be done and still be reported as failed, because its answer was lost.
            if os.path.lexists(temp) or not is_regular(path, len(data)):
                raise
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise


def write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:_CHUNK]) :]


def is_regular(path: Path, length: int) -> bool:
    """Whether a regular file of that length is there."""
    info = os.lstat(path)
    return stat.S_ISREG(info.st_mode) and info.st_size == length


def open_regular(path: Path) -> tuple[int, int]:
    """A descriptor for reading and the length of the file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise NotRegular("not a regular file")
    except BaseException:
        os.close(fd)
        raise
    return fd, info.st_size


def read_whole(fd: int, length: int) -> bytearray:
    """`length` bytes in memory of our own; fewer when the file ends earlier."""
    data = bytearray(length)
    view = memoryview(data)
    done = 0
    while done < length:
        count = os.readv(fd, [view[done : done + _CHUNK]])
        if not count:
            break
        done += count
    view.release()
    if done < length:
        del data[done:]
    return data


def read_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file that must not be longer than `limit`."""
    fd, length = open_regular(path)
    try:
        if length > limit:
            raise OSError(f"longer than {limit} bytes")
        return bytes(read_whole(fd, length))
    finally:
        os.close(fd)


def map_copy_on_write(fd: int, length: int) -> memoryview:
    return memoryview(CopyOnWriteMap(fd, length, access=mmap.ACCESS_COPY))


def is_local(path: Path) -> bool:
    """Whether `path` is on a file system known to be local: the innermost mount that holds it, by name of its type."""
    try:
        target = os.path.realpath(path)
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        mount = _unescape(fields[4])
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        # Of two mounts at one place the later hides the earlier.
        if inside and len(mount) >= best:
            best, kind = len(mount), right.split()[0]
    return kind in _LOCAL


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
