"""The store on a disk: immutable files in a few folders, no locks, no database, nothing to corrupt.

    traces/<code>/<seq>-<id>.json      one execution; a person can read it
    items/<loop>/*.items               items of one loop, in frames (items.py)
    blobs/<xx>/<sha256>                bytes named by their content
    log/<host>-<pid>-<start>.jsonl     lines appended by one process: history, marks, accepts

Order never comes from a clock, which runs backwards and differs between hosts: a trace is numbered one more than the
highest number seen in its folder. Two writers that take the same number both stay, told apart by their content.

Opening is lazy and cheap: nothing is touched before it is needed. Reading makes nothing, so a read-only store still
answers. Every failure comes out as one StoreError with one line; the caller treats it as a miss.

What is unpickled or shown is checked by SHA-256. Raw buffers of numbers, which no code interprets, are checked by xxh3
alone, which runs at the speed of memory.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from json import dumps as to_json  # bound here: whoever patches json does not mean us
from json import loads as from_json  # bound here: whoever patches json does not mean us
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xxhash

from incnb.store import files, names, place
from incnb.store.log import Log
from incnb.store.place import StoreError, explain

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

FORMAT: Final = 1
TRACE_LIMIT: Final = 64 << 20
_XXH3: Final = re.compile(r"[0-9a-f]{32}")
_VERSION: Final = re.compile(rb'\{"v": (\d{1,9}),')
_FRAME: Final = re.compile(
    rb'\{"v": \d+, "sha256": "([0-9a-f]{64})", "mac": (?:null|"[0-9a-f]*"), "trace": (.*)\}\n', re.S
)


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Names bytes in the store by their content."""

    sha256: str
    xxh3: str
    length: int

    def to_dict(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "xxh3": self.xxh3, "length": self.length}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BlobRef:
        """Checked, because the digest becomes a file name and the length an allocation."""
        sha256, xxh3, length = data.get("sha256"), data.get("xxh3"), data.get("length")
        if not (isinstance(sha256, str) and names.BLOB.fullmatch(sha256)):
            raise StoreError("a reference to a blob has no valid sha256: the trace is damaged")
        if not (isinstance(xxh3, str) and _XXH3.fullmatch(xxh3)):
            raise StoreError("a reference to a blob has no valid xxh3: the trace is damaged")
        if not (type(length) is int and length >= 0):
            raise StoreError("a reference to a blob has no valid length: the trace is damaged")
        return cls(sha256, xxh3, length)

    @classmethod
    def of(cls, data: Buffer) -> BlobRef:
        view = _bytes_of(data)
        return cls(hashlib.sha256(view).hexdigest(), xxhash.xxh3_128_hexdigest(view), len(view))


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace as found: `data`, or the `problem` with it in one line. `newer`: written by a later version of incnb."""

    id: str
    seq: int
    data: dict[str, Any] | None
    problem: str | None = None
    newer: bool = False


@contextmanager
def _told(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, MemoryError) as error:
        raise explain(what, path, error) from error


class Store:
    """Traces, blobs and the log below one root."""

    def __init__(self, root: Path | None = None) -> None:
        self.root: Final = Path(root) if root is not None else place.default_root()
        self._log: Final = Log(self.root / "log")
        self._ready = False
        self._trusted = False
        self._local: bool | None = None
        self._damaged: set[str] = set()

    # -- blobs ---------------------------------------------------------------------------------------------------

    def put_blob(self, data: Buffer) -> BlobRef:
        """Keep `data` and say how to get it back. What is there already is used again and looks young to collection."""
        with _told("a blob cannot be saved", self.root):
            view = _bytes_of(data)
            ref = BlobRef.of(view)
        path = self._blob(ref)
        if not self._reusable(ref, path, view):
            self._write(path, view, "a blob cannot be saved")
            self._damaged.discard(ref.sha256)
        return ref

    def _reusable(self, ref: BlobRef, path: Path, view: memoryview) -> bool:
        """Whether the blob is there in good state, as far as can be told cheaply, and is now young."""
        if ref.sha256 in self._damaged or not self._readable():
            return False
        try:
            if not files.is_regular(path, ref.length):
                return False
            # A damaged blob of the right length would otherwise stay damaged however often it is saved.
            if ref.length < files.MAPPED_FROM and files.read_limited(path, ref.length) != view:
                return False
            os.utime(path)
        except OSError:
            return False
        return True

    def check(self, ref: BlobRef) -> None:
        """Raises StoreError unless a regular file of the right length is there."""
        path = self._blob(ref)
        self._readable()
        with _told("a blob is missing", path):
            good = files.is_regular(path, ref.length)
        if not good:
            raise StoreError(
                f"a blob is not a file of {ref.length} bytes ({path}): it is saved again when its cell runs"
            )

    def touch(self, ref: BlobRef) -> None:
        """Make the blob look young, so that what is used daily is not collected first."""
        _touch(self._blob(ref))

    def read(self, ref: BlobRef, *, raw: bool) -> memoryview:
        """The bytes of a blob, in memory that may be written to. `raw`: a buffer of numbers that no code interprets."""
        path = self._blob(ref)
        self._readable()
        with _told("a blob cannot be read", path):
            fd, length = files.open_regular(path)
            try:
                if length != ref.length:
                    raise StoreError(
                        f"a blob has {length} bytes, not {ref.length} ({path}): it is saved again when its cell runs"
                    )
                if raw and length >= files.MAPPED_FROM and self._on_local_disk():
                    view = files.map_copy_on_write(fd, length)
                else:
                    view = memoryview(files.read_whole(fd, length))
            finally:
                os.close(fd)
            good = _intact(view, ref, raw)
        if not good:
            self._damaged.add(ref.sha256)
            raise StoreError(f"a blob does not hold what was saved ({path}): it is saved again when its cell runs")
        return view

    def _blob(self, ref: BlobRef) -> Path:
        if not names.BLOB.fullmatch(ref.sha256):
            raise StoreError("a reference to a blob has no valid sha256: the trace is damaged")
        return self.root / "blobs" / ref.sha256[:2] / ref.sha256

    def _on_local_disk(self) -> bool:
        if self._local is None:
            self._local = files.is_local(self.root / "blobs")
        return self._local

    # -- traces --------------------------------------------------------------------------------------------------

    def put_trace(self, code: str, trace: dict[str, Any]) -> str:
        """Keep a trace of the cell whose code has the fingerprint `code`, as the newest; its id."""
        folder = self._folder(code)
        try:
            # Lone surrogates are legal in Python's strings and must survive.
            text = to_json(trace, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError) as error:
            raise explain("a trace cannot be written as JSON", folder, error) from error
        if len(text) > TRACE_LIMIT - 256:
            raise StoreError(f"a trace of {len(text)} bytes is too long to be saved ({folder})")
        digest = hashlib.sha256(text).hexdigest()
        head = f'{{"v": {FORMAT}, "sha256": "{digest}", "mac": null, "trace": '.encode()
        self._readable()
        seq = max((seq for seq, _ in self._listed(folder)), default=0) + 1
        name = f"{seq:012d}-{digest[:16]}"
        self._write(folder / f"{name}.json", b"".join((head, text, b"}\n")), "a trace cannot be saved")
        return name

    def traces(self, code: str) -> Iterator[StoredTrace]:
        """The traces of that code, newest first, each read when it is asked for."""
        folder = self._folder(code)
        if not self._readable():
            return
        for seq, name in sorted(self._listed(folder), reverse=True):
            try:
                raw = files.read_limited(folder / f"{name}.json", TRACE_LIMIT)
            except FileNotFoundError:
                continue  # Collected since it was listed.
            except (OSError, MemoryError) as error:
                yield StoredTrace(
                    name, seq, None, str(explain("a trace cannot be read", folder / f"{name}.json", error))
                )
                continue
            yield _parse(name, seq, raw, folder)

    def trace(self, code: str, id: str) -> StoredTrace | None:
        """One trace; None where there is none. Raises StoreError for a place that must not be used."""
        match = names.TRACE.fullmatch(id)
        if match is None or not names.CODE.fullmatch(code) or not self._readable():
            return None
        folder = self._folder(code)
        try:
            raw = files.read_limited(folder / f"{id}.json", TRACE_LIMIT)
        except (OSError, MemoryError):
            return None
        return _parse(id, int(match[1]), raw, folder)

    def touch_trace(self, code: str, id: str) -> None:
        """Make a trace look young to collection."""
        if names.TRACE.fullmatch(id):
            _touch(self._folder(code) / f"{id}.json")

    def _folder(self, code: str) -> Path:
        if not names.CODE.fullmatch(code):
            raise StoreError("the name of a folder of traces must be a digest in hexadecimal: this is a fault of incnb")
        return self.root / "traces" / code

    def _listed(self, folder: Path) -> list[tuple[int, str]]:
        try:
            listed = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise explain("a folder of traces cannot be listed", folder, error) from error
        found = []
        for name in listed:
            if name.endswith(".json") and (match := names.TRACE.fullmatch(name[:-5])):
                found.append((int(match[1]), name[:-5]))
        return found

    # -- items ---------------------------------------------------------------------------------------------------

    def find_items(self, loop: str) -> Path | None:
        """Where the items of a loop (32 hexadecimal digits) lie, if there is a store; that folder may be missing."""
        folder = self._items(loop)
        return folder if self._readable() else None

    def make_items(self, loop: str) -> Path:
        """The same, made ready for writing."""
        folder = self._items(loop)
        with _told("the items of a loop cannot be saved", folder):
            # The whole store may have been removed while we were running.
            self._prepare(again=not folder.parent.is_dir())
            place.make_private(folder)
        return folder

    def _items(self, loop: str) -> Path:
        if not names.LOOP.fullmatch(loop):
            raise StoreError("the name of a folder of items must be 32 hexadecimal digits: this is a fault of incnb")
        return self.root / "items" / loop

    # -- log -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the log; it is opened again by the next record."""
        self._log.close()

    def log(self, record: dict[str, Any]) -> None:
        """Append a record to the log of this process."""
        try:
            line = to_json(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError) as error:
            raise explain("a record cannot be written as JSON", self.root / "log", error) from error
        with _told("the log cannot be written", self.root / "log"):
            self._prepare()
            try:
                self._log.append(line)
            except FileNotFoundError:
                self._prepare(again=True)
                self._log.append(line)

    def history(self) -> list[dict[str, Any]]:
        """The records of all processes, by their number `seq` where they have one, else in the order of the files."""
        if not self._readable():
            return []
        with _told("the log cannot be read", self.root / "log"):
            return self._log.read_all()

    # -- the place -----------------------------------------------------------------------------------------------

    def _readable(self) -> bool:
        """Whether there is a store; looked at until there is one, then trusted."""
        if not self._trusted:
            self._trusted = place.inspect(self.root)
        return self._trusted

    def _prepare(self, *, again: bool = False) -> None:
        if again or not self._ready:
            place.prepare(self.root)
            self._ready = self._trusted = True

    def _write(self, path: Path, data: bytes | memoryview, what: str) -> None:
        self._prepare()
        with _told(what, path):
            try:
                files.write_whole(path, data)
            except FileNotFoundError:
                # The folder is not there yet, or the whole store was removed while we were running.
                self._prepare(again=True)
                place.make_private(path.parent)
                files.write_whole(path, data)


def _bytes_of(data: Buffer) -> memoryview:
    view = memoryview(data)
    if not view.c_contiguous:
        raise ValueError("the bytes do not lie in one piece")
    # A view with a zero in its shape cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def _intact(view: memoryview, ref: BlobRef, raw: bool) -> bool:
    if raw:
        return xxhash.xxh3_128_hexdigest(view) == ref.xxh3
    return hashlib.sha256(view).hexdigest() == ref.sha256


def _touch(path: Path) -> None:
    with suppress(OSError):
        os.utime(path, follow_symlinks=False)


def _parse(name: str, seq: int, raw: bytes, folder: Path) -> StoredTrace:
    version = _VERSION.match(raw)
    if version and int(version[1]) > FORMAT:
        return StoredTrace(name, seq, None, f"written by a newer incnb (format {int(version[1])})", newer=True)
    frame = _FRAME.fullmatch(raw)
    problem = f"a trace is damaged ({folder / name}.json): it is saved again when its cell runs"
    damaged = StoredTrace(name, seq, None, problem)
    if not version or int(version[1]) != FORMAT or not frame:
        return damaged
    digest, text = frame[1].decode(), frame[2]
    if hashlib.sha256(text).hexdigest() != digest or digest[:16] != name[-16:]:
        return damaged
    try:
        data = from_json(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return damaged
    return StoredTrace(name, seq, data) if isinstance(data, dict) else damaged
