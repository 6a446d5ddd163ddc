"""Files that a cell wrote: outputs like variables, kept in the store and put back when they are missing.

A put-back replaces only what the recorded run found there or wrote itself. Whatever else is there now is somebody's
work: then the cell executes, as it would have, and that is for the person to see.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from incnb.fingerprint import files

#: Bytes: larger files are compared, not kept.
KEEP_LIMIT = 256 << 20
ABSENT = "nothing"


@dataclass(frozen=True, slots=True)
class Written:
    """A file that a cell left: where, its content, and what was there before (`nothing`, a digest, or `` = unknown)."""

    path: str
    digest: str
    found: str
    size: int
    mode: int
    stamp: str = ""

    def to_dict(self, blob: dict[str, Any] | None) -> dict[str, Any]:
        out: dict[str, Any] = {"path": self.path, "digest": self.digest, "found": self.found, "size": self.size}
        return {**out, "mode": self.mode, "stamp": self.stamp, **({"blob": blob} if blob is not None else {})}


class Changed(Exception):
    """A written file cannot be put back: `str` says which, `why` what is there now."""

    def __init__(self, path: str, why: str):
        super().__init__(path)
        self.why = why


def missing(written: list[dict[str, Any]], folders: list[str]) -> list[dict[str, Any]]:
    """The written files that have to be put back. Raises `Changed` when one of them must not, or cannot, be."""
    again: list[dict[str, Any]] = []
    made = {os.path.abspath(folder) for folder in folders}
    for file in written:
        path = file["path"]
        identity = files.identity(path)
        if identity is None:
            if os.path.islink(path):
                raise Changed(path, "is a broken link now")
            parent = os.path.dirname(os.path.abspath(path))
            if "blob" not in file:
                raise Changed(path, "deleted, and it was too large to be kept")
            if not os.path.isdir(parent) and parent not in made:
                raise Changed(path, "its folder is gone")
            if not os.access(parent if os.path.isdir(parent) else ".", os.W_OK):
                raise Changed(path, "deleted, and its folder cannot be written")
            again.append(file)
            continue
        if file.get("stamp") and file["stamp"] == ":".join(map(str, identity)):
            continue
        if not os.path.isfile(path):
            raise Changed(path, f"is a {files.existence(path)} now")
        if identity[2] == file["size"] or file["found"] not in ("", ABSENT):
            now = files.digest(path).hex()
            if now == file["digest"]:
                continue
            if os.stat(path).st_nlink > 1:
                raise Changed(path, "has another name too (a hard link)")
            if now == file["found"] and "blob" in file and os.access(path, os.W_OK):
                again.append(file)
                continue
        raise Changed(path, "changed since this cell wrote it")
    return again


def put_back(
    again: list[dict[str, Any]],
    folders: list[str],
    modes: dict[str, int],
    read: Callable[[dict[str, Any]], memoryview],
) -> None:
    """Write the files anew, each whole or not at all. Raises `OSError` and what `read` raises."""
    content = [(file, read(file["blob"])) for file in again]
    for folder in folders:
        if not os.path.isdir(folder):
            os.makedirs(folder)
            if folder in modes:
                os.chmod(folder, modes[folder] & 0o7777)
    for file, data in content:
        target = os.path.realpath(file["path"])
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".incnb-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            os.chmod(temporary, file["mode"] & 0o7777)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
