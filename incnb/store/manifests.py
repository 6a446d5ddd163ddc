"""Manifests: what a run without a kernel is decided by, one immutable file for each notebook as it stands.

    manifests/<key>.json       the digest of the rest, and the rest as JSON; the key is what the run was asked to be

They are read with little more than the standard library, since that decides how soon an unchanged notebook is there:
the classes of `disk` are for writing only. A manifest that is damaged, or newer, is none. What it refers to (traces,
blobs) is looked at here in the same way: that it is there, at its length, and no more.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from json import dumps, loads
from pathlib import Path
from typing import Any, Final

from incnb.store import files, names, place

FORMAT: Final = 1
LIMIT: Final = 64 << 20
BLOB_LIMIT: Final = 4 << 30
_KEY: Final = re.compile(r"[0-9a-f]{32}")


def read(root: Path, key: str) -> dict[str, Any] | None:
    """The manifest of a key; None where there is none that can be used. Raises `StoreError` for a place that must not
    be used."""
    if not _KEY.fullmatch(key) or not place.inspect(root):
        return None
    try:
        raw = files.read_limited(_path(root, key), LIMIT)
        head, _, body = raw.partition(b"\n")
        told = loads(head)
        if told != {"v": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}:
            return None
        data = loads(body.decode("utf-8", "surrogatepass"))
    except (OSError, ValueError, RecursionError, MemoryError):
        return None
    return data if isinstance(data, dict) else None


def write(root: Path, key: str, data: dict[str, Any]) -> None:
    """Put a manifest in the place of the one before. Raises `StoreError`."""
    if not _KEY.fullmatch(key):
        raise place.StoreError("the name of a manifest must be 32 hexadecimal digits: this is a fault of incnb")
    path = _path(root, key)
    place.prepare(root)
    try:
        body = dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        head = dumps({"v": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}).encode()
        files.write_whole(path, head + b"\n" + body)
    except (OSError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise place.explain("a manifest cannot be written", path, error) from error


def remove(root: Path, key: str) -> None:
    """Take out the manifest of a key, if it is there."""
    if _KEY.fullmatch(key):
        with suppress(OSError):
            _path(root, key).unlink()


def blob(root: Path, sha256: str, length: int) -> bytes | None:
    """The bytes of a blob, checked; None where they are not what they were."""
    try:
        data = files.read_limited(_blob(root, sha256), BLOB_LIMIT)
    except (OSError, ValueError, MemoryError):
        return None
    return data if len(data) == length and hashlib.sha256(data).hexdigest() == sha256 else None


def has_blob(root: Path, sha256: str, length: int) -> bool:
    """Whether a blob is there at its length."""
    try:
        return files.is_regular(_blob(root, sha256), length)
    except (OSError, ValueError):
        return False


def has_trace(root: Path, code: str, id: str, length: int) -> bool:
    """Whether a trace is there at its length."""
    try:
        return files.is_regular(_trace(root, code, id), length)
    except (OSError, ValueError):
        return False


def trace_length(root: Path, code: str, id: str) -> int:
    """The bytes of a trace. Raises `OSError`."""
    return _trace(root, code, id).stat().st_size


def traces(root: Path, code: str) -> list[str]:
    """The ids of all traces of a code, oldest first."""
    try:
        listed = [path.name for path in _folder(root, code).iterdir()]
    except (OSError, ValueError):
        return []
    return sorted(name[:-5] for name in listed if name.endswith(".json") and names.TRACE.fullmatch(name[:-5]))


def touch(root: Path, found: list[tuple[str, str]], blobs: list[str], key: str) -> None:
    """Make what was used look young to collection."""
    paths = [*(_trace(root, *one) for one in found), *(_blob(root, one) for one in blobs), _path(root, key)]
    for path in paths:
        with suppress(OSError):
            os.utime(path, follow_symlinks=False)


# -- the log


def log_lengths(root: Path) -> dict[str, int]:
    """How long each file of the log is."""
    found = {}
    try:
        with os.scandir(root / "log") as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    found[entry.name] = entry.stat().st_size
    except OSError:
        return {}
    return found


def log(root: Path, records: list[dict[str, Any]]) -> None:
    """Put the records of one run into a log file of its own, all of them or none. Raises `OSError` and `StoreError`."""
    text = "".join(dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in records)
    place.prepare(root)
    # named as those of a kernel are: host, process, start
    host = re.sub(r"[^A-Za-z0-9]", "_", os.uname().nodename)[:32] or "host"
    path = root / "log" / f"{host}-{os.getpid()}-{time.time_ns():x}.jsonl"
    files.write_whole(path, text.encode("utf-8", "surrogatepass"))


def logged_since(root: Path, lengths: dict[str, int], word: bytes) -> Iterator[dict[str, Any]]:
    """The records of the log that were written since it had these lengths and that hold a word. Raises `OSError`, also
    where something of what was there before is gone."""
    now = log_lengths(root)
    if any(now.get(name, -1) < length for name, length in lengths.items()):
        raise OSError("the log is not the one that it was")
    for name, length in now.items():
        start = lengths.get(name, 0)
        if length == start:
            continue
        with (root / "log" / name).open("rb") as file:
            file.seek(start)
            raw = file.read()
        if word in raw:
            for line in raw.split(b"\n"):
                if word in line:
                    with suppress(ValueError, RecursionError):
                        record = loads(line.decode("utf-8", "surrogatepass"))
                        if isinstance(record, dict):
                            yield record


def _path(root: Path, key: str) -> Path:
    return root / "manifests" / f"{key}.json"


def _blob(root: Path, sha256: str) -> Path:
    if not names.BLOB.fullmatch(sha256):
        raise ValueError(sha256)
    return root / "blobs" / sha256[:2] / sha256


def _folder(root: Path, code: str) -> Path:
    if not names.CODE.fullmatch(code):
        raise ValueError(code)
    return root / "traces" / code


def _trace(root: Path, code: str, id: str) -> Path:
    if not names.TRACE.fullmatch(id):
        raise ValueError(id)
    return _folder(root, code) / f"{id}.json"
