"""The log: lines appended by one process to a file of its own.

One writer per file needs no lock and can tear nothing but its own last line, which readers skip. A line is one write in
append mode. A forked child inherits the descriptor but not the right to it: it notices that its process id is another
one and opens a file of its own. A line that the disk took only partly is closed off by the next one.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final

from incnb.store import files

LOG_LIMIT: Final = 256 << 20


class Log:
    """Appends to one file of `folder`, reads them all."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._file: FileIO | None = None
        self._pid = 0
        self._torn = False

    def append(self, line: bytes) -> None:
        fd = self._opened().fileno()
        data = (b"\n" if self._torn else b"") + line + b"\n"
        self._torn = True
        count = os.write(fd, data)
        if count < len(data):
            raise OSError("the disk took only a part of the line")
        self._torn = False

    def _opened(self) -> FileIO:
        pid = os.getpid()
        # In a forked child it is the parent's; and nobody finds what is written to a file whose name was removed.
        if self._file is not None and self._pid == pid and os.fstat(self._file.fileno()).st_nlink:
            return self._file
        self.close()
        host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:32] or "host"
        path = self.folder / f"{host}-{pid}-{time.time_ns():x}.jsonl"
        file = path.open("ab", buffering=0)
        os.fchmod(file.fileno(), 0o600)
        self._file, self._pid, self._torn = file, pid, False
        return file

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def __del__(self) -> None:
        self.close()

    def read_all(self) -> list[dict[str, Any]]:
        """A record without a number stays behind the one before it in its file."""
        try:
            names = [path.name for path in self.folder.iterdir() if path.suffix == ".jsonl"]
        except FileNotFoundError:
            return []
        found: list[tuple[int, dict[str, Any]]] = []
        for name in sorted(names, key=lambda name: (_start(name), name)):
            try:
                raw = files.read_limited(self.folder / name, LOG_LIMIT)
            except OSError:
                continue
            seq = 0
            for record in _records(raw):
                number = record.get("seq")
                seq = number if type(number) is int else seq
                found.append((seq, record))
        found.sort(key=lambda pair: pair[0])
        return [record for _, record in found]


def unreadable(folder: Path) -> list[tuple[Path, str]]:
    """The files of a log that this user may not read, and why; `read_all` reads what is beside them."""
    found = []
    with suppress(OSError):
        for path in sorted(path for path in folder.iterdir() if path.suffix == ".jsonl"):
            try:
                path.open("rb").close()
            except FileNotFoundError:
                continue
            except OSError as error:
                found.append((path, error.strerror or str(error)))
    return found


def _start(name: str) -> int:
    try:
        return int(name.removesuffix(".jsonl").rpartition("-")[2], 16)
    except ValueError:
        return 0


def _records(raw: bytes) -> list[dict[str, Any]]:
    lines = raw.split(b"\n")
    # Without its line feed the last line may be half of a number that still reads as one.
    lines.pop()
    found = []
    for line in lines:
        try:
            record = json.loads(line.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            found.append(record)
    return found
