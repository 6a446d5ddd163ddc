"""How the executed notebook and the reports of a run come to be files: all of it, or nothing.

A file is written beside its place under another name and then renamed, so that whoever reads sees the old one or the
new one, and a full disk or a kill in the middle leaves the old one. Permissions stay those of the file that is
replaced; a link stays a link, to the file that is replaced.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from incnb.batch.terminal import NO_ANSWER, Mistake


def write(path: str | Path, text: str) -> None:
    """Replace a file by this text in UTF-8. Raises `Mistake` with one line where that cannot be."""
    try:
        _replace(Path(os.path.realpath(path)), text.encode("utf-8", "surrogatepass"))
    except (OSError, ValueError) as error:
        raise Mistake(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}", NO_ANSWER) from None


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - it is open already
            file.write(content)
            file.flush()
            os.fsync(handle)
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
    folder = path.parent
    if path.is_dir():
        return f"{path} is a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{path} cannot be written: you may not write into {folder}"
    return ""


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
