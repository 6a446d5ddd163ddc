"""The lines of a file that only grows.

A cursor holds which file it was (device and inode), how much of it there was, and a digest of the last 64 KiB before
the place up to which it was read. A file that was truncated, replaced or rotated gives itself away by one of these.

What cannot be seen: a line changed in place, more than 64 KiB before the cursor, when the file has grown as well.
Append mode is a promise that this does not happen; when the file has not grown, its times give it away.

A cursor is made for every line and needed for few, so it is an object that becomes bytes when `bytes()` is called.
It holds on to the bytes that were read, and never looks at the file again: what is digested is what was handed out.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, SupportsBytes, final

import xxhash

from incnb.sources.protocol import SourceError

#: Bytes before a cursor that are compared.
KEPT: Final = 64 << 10
#: Seconds within which a write may leave no mark on the times of a file, on the coarsest file system in use.
YOUNG: Final = 2.0
BLOCK: Final = 1 << 20
_LONGEST_BLOCK: Final = 64 << 20
_FORMAT: Final = 1
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
#: A line break in these may be a part of a character, or carry over a state into the next line.
_STATEFUL: Final = re.compile(r"iso2022|hz|utf_?7|utf-7|punycode|idna|unicode_escape")


@final
@dataclass(frozen=True, slots=True, repr=False)
class Lines:
    """The complete lines of a file that only grows."""

    path: str
    encoding: str = "utf-8"
    errors: str = "strict"
    durable: ClassVar[bool] = True

    def identity(self) -> str:
        return f"append:{self.path}{self._options}"

    @property
    def _options(self) -> str:
        given = [f"encoding={self.encoding!r}"] if self.encoding != "utf-8" else []
        given += [f"errors={self.errors!r}"] if self.errors != "strict" else []
        return "".join(f", {option}" for option in given)

    def state(self) -> bytes:
        """Which file it is, where its last complete line ends, and what stands before that."""
        try:
            with self._opened() as file:
                found = os.fstat(file.fileno())
                end = _last_line(file, found.st_size)
                tail = xxhash.xxh3_128_hexdigest(_before(file, end))
        except FileNotFoundError:
            return b"nothing"
        return f"{found.st_dev} {found.st_ino} {end} {tail}".encode()

    def read(self, cursor: bytes | None = None) -> Iterator[tuple[str, bytes | SupportsBytes]]:
        """The complete lines after `cursor`, as the file was when reading began."""
        with self._opened() as file:
            info = os.fstat(file.fileno())
            offset, tail = 0, b""
            if cursor is not None:
                why = self._doubt(cursor, file)
                if why is not None:
                    raise SourceError(f"{self.path} cannot be read from where the last pass ended: it {why}")
                offset = int(json.loads(cursor)["offset"])
                tail = _before(file, offset)
            seen = _seen(info)
            file.seek(offset)
            for window, begin, start, stop in _lines(file, offset, tail, info.st_size):
                yield self._text(window[start:stop], begin + start), _Mark(window, begin, stop, seen)

    def check(self, cursor: bytes) -> str | None:
        """Why what lies before the cursor is no longer known to be what it was; None when it is."""
        try:
            with self._opened() as file:
                return self._doubt(cursor, file)
        except FileNotFoundError:
            return "is gone"
        except SourceError:
            return "is not a regular file"
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    def _doubt(self, cursor: bytes, file: io.FileIO) -> str | None:
        try:
            mark = json.loads(bytes(cursor))
            offset, size, tail = mark["offset"], mark["size"], mark["tail"]
            numbers = (mark["v"], offset, size, mark["dev"], mark["ino"], *mark["times"])
            good = all(type(number) is int for number in numbers) and 0 <= offset <= size and mark["v"] == _FORMAT
            if not good or type(mark["young"]) is not bool or not _DIGEST.fullmatch(tail):
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            return "was read to a place that is not known: the cursor is damaged"
        info = os.fstat(file.fileno())
        if (info.st_dev, info.st_ino) != (mark["dev"], mark["ino"]):
            return "is another file than it was"
        if info.st_size < size:
            return f"is shorter than it was ({info.st_size} bytes instead of {size})"
        if xxhash.xxh3_128_hexdigest(_before(file, offset)) != tail:
            return "was changed before the place where the last pass ended"
        # all of a shorter file was just compared
        if offset > KEPT and info.st_size == size:
            if [info.st_mtime_ns, info.st_ctime_ns] != mark["times"]:
                return "was written to and did not grow"
            if mark["young"]:
                return "was written to a moment before it was read, and may have been since"
        return None

    def _opened(self) -> io.FileIO:
        if not stat.S_ISREG(os.stat(self.path).st_mode):  # opening a pipe would wait
            raise SourceError(f"{self.path} is not a regular file: mode='append' reads a file that grows")
        return io.FileIO(self.path)

    def _text(self, line: bytes, offset: int) -> str:
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        encoding = "utf-8" if offset and self.encoding == "utf-8-sig" else self.encoding
        try:
            return line.decode(encoding, self.errors)
        except UnicodeError as error:
            why = getattr(error, "reason", None) or error
            raise SourceError(
                f"the line at byte {offset} of {self.path} is not {self.encoding} ({why}): set encoding= or errors="
            ) from error

    def __iter__(self) -> Iterator[str]:
        return (line for line, _ in self.read(None))

    def __repr__(self) -> str:
        return f"incnb.source({self.path!r}, mode='append'{self._options})"

    def __incnb_fingerprint__(self) -> object:
        return self.identity()


@final
class _Mark:
    """The place behind one line, as bytes when somebody asks."""

    __slots__ = ("_begin", "_seen", "_stop", "_window")

    def __init__(self, window: bytes, begin: int, stop: int, seen: dict[str, Any]):
        self._window, self._begin, self._stop, self._seen = window, begin, stop, seen

    def __bytes__(self) -> bytes:
        tail = self._window[max(0, self._stop - KEPT) : self._stop]
        mark = {"v": _FORMAT, "offset": self._begin + self._stop, **self._seen, "tail": xxhash.xxh3_128_hexdigest(tail)}
        return json.dumps(mark).encode()


def _seen(info: os.stat_result) -> dict[str, Any]:
    times = [info.st_mtime_ns, info.st_ctime_ns]
    young = time.time() - max(times) / 1e9 < YOUNG
    return {"dev": info.st_dev, "ino": info.st_ino, "size": info.st_size, "times": times, "young": young}


def _lines(file: io.FileIO, position: int, tail: bytes, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """The complete lines up to `end`: bytes that hold one and 64 KiB before it, where these begin in the file, and
    where the line begins and ends in them.
    """
    pieces: list[bytes] = []
    size = BLOCK
    while position < end:
        block = file.read(min(size, end - position))
        if not block:
            break
        position += len(block)
        pieces.append(block)
        if b"\n" not in block:
            size = min(2 * size, _LONGEST_BLOCK)
            continue
        window = b"".join((tail, *pieces))
        begin, start = position - len(window), len(tail)
        while stop := window.find(b"\n", start) + 1:
            yield window, begin, start, stop
            start = stop
        tail, pieces, size = window[max(0, start - KEPT) : start], [window[start:]], BLOCK


def _before(file: io.FileIO, offset: int) -> bytes:
    """At most the last 64 KiB before `offset`."""
    start = max(0, offset - KEPT)
    return _range(file, start, offset)


def _range(file: io.FileIO, start: int, stop: int) -> bytes:
    file.seek(start)
    pieces = []
    while start < stop and (piece := file.read(stop - start)):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def _last_line(file: io.FileIO, end: int) -> int:
    """Where the last complete line ends."""
    while end:
        start = max(0, end - KEPT)
        if found := _range(file, start, end).rfind(b"\n") + 1:
            return start + found
        end = start
    return 0


def text_encoding(name: str) -> str:
    """The proper name of an encoding whose lines end in one byte. Raises SourceError."""
    try:
        found = codecs.lookup(name)
        lines = found.name == "utf-8-sig" or "\n".encode(found.name) == b"\n"
    except (LookupError, TypeError, UnicodeError):
        raise SourceError(f"there is no text encoding {name!r}") from None
    if not lines or _STATEFUL.match(found.name):
        raise SourceError(f"lines of {found.name} cannot be told apart by their bytes: convert the file to UTF-8 first")
    return found.name


def treatment(name: str) -> str:
    """A way to treat bytes that are no text, if there is such a way. Raises SourceError."""
    try:
        codecs.lookup_error(name)
    except (LookupError, TypeError):
        raise SourceError(f"there is no way {name!r} to treat errors: 'strict', 'replace', 'ignore', …") from None
    return name
