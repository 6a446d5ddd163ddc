"""Source files, those inside of archives on `sys.path` (zip, egg) included: `lib.zip/pkg/mod.py`."""

from __future__ import annotations

import os
from pathlib import Path


def archive_of(path: str) -> str | None:
    """The file that a path leads through as if it were a folder; None where there is none."""
    head = os.path.dirname(path)
    while head and head != os.path.dirname(head):
        if os.path.isfile(head):
            return head
        if os.path.isdir(head):
            return None
        head = os.path.dirname(head)
    return None


def outer(path: str) -> str:
    """The file on the disk that holds what is at a path: itself, or its archive."""
    return path if os.path.exists(path) else archive_of(path) or path


def read(path: str) -> bytes:
    """The content of a file or of a member of an archive. Raises `OSError`."""
    archive = None if os.path.exists(path) else archive_of(path)
    if archive is None:
        return Path(path).read_bytes()
    import zipfile  # it takes long, and most have no archives

    try:
        with zipfile.ZipFile(archive) as held:
            return held.read(os.path.relpath(path, archive).replace(os.sep, "/"))
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise OSError(f"{path}: {error}") from None


def stamp(path: str) -> tuple[int, int, int] | None:
    """Times and size of the file that holds what is at a path; None where there is nothing."""
    try:
        status = Path(outer(path)).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size
