"""How the executed notebook and the reports of a run come to be files: all of it, or nothing.

A file is written beside its place under another name and then renamed, so that whoever reads sees the old one or the
new one, and a full disk or a kill in the middle leaves the old one. Permissions stay those of the file that is
replaced; a link stays a link, to the file that is replaced.

A file of several names (hard links) is written itself, or the other names would keep the old text: the new one lies
beside it meanwhile, and the old one is put back when that fails. What is there and no file (a device, a pipe) is
written to, never replaced.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from incnb.batch.terminal import NO_ANSWER, Mistake

STDOUT = Path("-")


def write(path: str | Path, text: str) -> None:
    """Replace a file by this text in UTF-8; `-` is standard output. Raises `Mistake` with one line where that cannot
    be."""
    content = text.encode("utf-8", "surrogatepass")
    try:
        if Path(path) == STDOUT:
            _print(text, content)
        # asked of the path as it was given: one such as /dev/fd/3 leads to no other
        elif (there := _there(path)) is not None and not stat.S_ISREG(there.st_mode):
            with open(path, "wb", buffering=0) as device:  # noqa: PTH123 - as every tool writes to it
                _all(device.fileno(), content)
        else:
            _replace(Path(os.path.realpath(path)), content, overwrite=there is not None and there.st_nlink > 1)
    except (OSError, ValueError) as error:
        raise Mistake(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}", NO_ANSWER) from None


def _there(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - `Path` would say less
    except (OSError, ValueError):
        return None


def _print(text: str, content: bytes) -> None:
    if sys.stdout is None:
        raise OSError("standard output is closed")
    if (binary := getattr(sys.stdout, "buffer", None)) is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    binary.write(content)  # in UTF-8, whatever the terminal is said to show
    binary.flush()


def _all(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _overwrite(path: Path, content: bytes) -> None:
    """Write into the file that is there; it is as it was where that fails."""
    old = path.read_bytes()
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        try:
            _fill(handle, content)
        except BaseException:
            _fill(handle, old)
            raise
    finally:
        os.close(handle)


def _fill(handle: int, content: bytes) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    _all(handle, content)
    os.ftruncate(handle, len(content))
    os.fsync(handle)


def _replace(path: Path, content: bytes, *, overwrite: bool) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - it is open already
            file.write(content)
            file.flush()
            os.fsync(handle)
        if overwrite:
            _overwrite(path, content)
            beside.unlink()
            return
        with suppress(FileNotFoundError):
            there = path.stat()
            with suppress(OSError):  # another user's file stays readable to that user at least
                os.chown(beside, there.st_uid, there.st_gid)
            beside.chmod(there.st_mode & 0o7777)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def why_not(path: Path) -> str:
    """In one line why a file could not be written here, asked before hours are spent; empty: nothing is known."""
    if path == STDOUT:
        return ""
    folder, there = path.parent, _there(path)
    if there is not None and stat.S_ISDIR(there.st_mode):
        return f"{path} is a folder"
    if there is not None and stat.S_ISSOCK(there.st_mode):
        return f"{path} is a socket"
    whole = there is None or (stat.S_ISREG(there.st_mode) and there.st_nlink == 1)
    if not whole and not os.access(path, os.W_OK):
        return f"{path} cannot be written: you may not write to it"
    if there is not None and not stat.S_ISREG(there.st_mode):
        return ""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{path} cannot be written: you may not write into {folder}"
    return ""


def identity(path: str | Path) -> object:
    """Equal for two names of one file, and never for what is no file: a device takes whatever is written to it."""
    if str(path) == "-":
        return STDOUT
    there = _there(path)
    if there is None:
        return os.path.realpath(path) if "\0" not in str(path) else str(path)
    return (there.st_dev, there.st_ino) if stat.S_ISREG(there.st_mode) else object()


def join_streams(cells: list[Any]) -> None:
    """Make one output of what a cell printed to one stream without another output between, as JupyterLab does.

    In how many pieces it comes depends on when the kernel sent them: the file would be another one in every run, and
    where a cell is reused. Cells are dictionaries as in the JSON of a notebook.
    """
    for cell in cells:
        joined: list[Any] = []
        for output in cell.get("outputs") or ():
            last = joined[-1] if joined and joined[-1]["output_type"] == output["output_type"] == "stream" else None
            if last is not None and last["name"] == output["name"]:
                last["text"] += output["text"]
            else:
                joined.append(output)
        if joined:
            cell["outputs"] = joined
