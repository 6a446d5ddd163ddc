"""Frames of loop items: how many small results lie in a file that is only ever appended to.

    prefix    magic, version, length of the body, BLAKE2b-256                  the same in every version
    body      number and time of the frame, how much of what follows
              dependency sets that no earlier frame of this file holds: digests, lengths, JSON
              items, in columns: keys, indexes into the file's dependency sets, seconds, ends of payloads, payloads

The digest covers the loop, the digest of the frame before, and everything in the frame. So a frame is valid only at its
own place: one that lost its predecessor, or that was copied into another file or loop, would count in a table of
dependency sets that is not its own. For the same reason reading ends at the first damaged frame. A frame of a later
version is checked like any other and skipped.

Columns, because loading has to cost less than a microsecond an item: each becomes one object, and the keys are cut out
of their block in C. Numbers are little-endian.

Frames are ordered by their `number`, one more than the highest that their writer had seen, not by a clock; only among
those written at the same time by several processes does `created` decide.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Final, final

VERSION: Final = 1
MAGIC: Final = b"\x89incnb\r\n"
VARIANT: Final = 8  # bytes
DIGEST: Final = 16
# Both bound what a reader allocates for a length that it has not checked yet, and a position fits into 16 bits.
FRAME_LIMIT: Final = 1 << 30
COUNT_LIMIT: Final = 1 << 16
# What writers make: built and checked in milliseconds, and a million items are few frames.
FRAME_ITEMS: Final = 1 << 14
FRAME_BYTES: Final = 4 << 20
NUMBER_LIMIT: Final = 10**17
START: Final = bytes(32)

_PREFIX: Final = struct.Struct("<8sIQ32s")
_BODY: Final = struct.Struct("<QdIIIQ")
_SIGNED: Final = _PREFIX.size - 32
_READ: Final = 4 << 20


@final
@dataclass(slots=True, frozen=True)
class Frame:
    """The items of one frame, without their keys. `starts` has one entry more than there are items."""

    number: int
    created: float
    sets: list[bytes]  # of the whole file, which adds to it
    relied: array[int]
    seconds: array[float]
    starts: array[int]
    payload: bytes

    @classmethod
    def of(
        cls,
        number: int,
        created: float,
        sets: list[bytes],
        relied: Sequence[int],
        seconds: Sequence[float],
        payloads: Sequence[bytes],
    ) -> Frame:
        starts = array("I", accumulate(map(len, payloads), initial=0))
        return cls(number, created, sets, array("I", relied), array("f", seconds), starts, b"".join(payloads))

    @property
    def rank(self) -> tuple[int, float]:
        """The higher the newer."""
        return self.number, self.created

    def payload_at(self, at: int) -> bytes:
        return self.payload[self.starts[at] : self.starts[at + 1]]

    def mark_at(self, at: int) -> bytes:
        """What an item relied on, as far as a newer one must rely on the same to replace it: its set, and the variant
        with which its payload may begin (VARIANT bytes after a capital letter).
        """
        start = self.starts[at]
        head = self.payload[start : min(start + 1 + VARIANT, self.starts[at + 1])]
        return self.sets[self.relied[at]] + (head if b"A" <= head[:1] <= b"Z" else b"")

    def __len__(self) -> int:
        return len(self.relied)


@final
@dataclass(slots=True, frozen=True)
class Read:
    """A frame as found in a file, with the dependency sets that it brought."""

    frame: Frame
    keys: Sequence[bytes]
    sets: Mapping[bytes, bytes]


def encode(
    loop: bytes, before: bytes, frame: Frame, keys: Sequence[bytes], first: int, texts: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The bytes of a frame and its digest, which is `before` for the next one; START begins a file.

    `first`: how many of `frame.sets` are in the file already; `texts`: the JSON of the others.
    """
    lengths = array("I", map(len, texts))
    numbers = (frame.number, frame.created, first, len(texts), len(keys), sum(lengths))
    body = b"".join(
        (
            _BODY.pack(*numbers),
            *frame.sets[first:],
            _raw(lengths),
            *texts,
            *keys,
            _raw(frame.relied),
            _raw(frame.seconds),
            _raw(frame.starts[1:]),
            frame.payload,
        )
    )
    signed = _PREFIX.pack(MAGIC, VERSION, len(body), START)[:_SIGNED]
    digest = _digest(loop, before, signed, body)
    return b"".join((signed, digest, body)), digest


@final
class Reader:
    """Reads one file, and later what has grown behind that."""

    __slots__ = ("_before", "_known", "_loop", "_sets", "newer", "offset", "problem", "torn")

    def __init__(self, loop: bytes) -> None:
        self._loop: Final = loop
        self._before = START
        self._sets: list[bytes] = []
        self._known = 0  # of these, how many lie before `offset`
        self.offset = 0
        self.newer = False  # holds frames of a later version
        self.problem = ""  # why reading ended before the end
        self.torn = False  # ... which a writer at work would explain

    def frames(self, fd: int, size: int) -> Iterator[Read]:
        """The whole frames from `offset` on, in a file of `size` bytes."""
        self.problem, self.torn = "", False
        window = _Window(fd, size)
        while self.offset < size:
            prefix = window.cut(self.offset, _PREFIX.size)
            if len(prefix) < _PREFIX.size:
                self._stop("ends in the middle of a frame", torn=True)
                return
            magic, version, length, digest = _PREFIX.unpack(prefix)
            if magic != MAGIC:
                self._stop("is damaged")
                return
            if self.offset + _PREFIX.size + length > size:
                self._stop("ends in the middle of a frame", torn=True)
                return
            if length > FRAME_LIMIT:
                self._stop("is damaged")
                return
            body = window.cut(self.offset + _PREFIX.size, length)
            if len(body) < length or _digest(self._loop, self._before, prefix[:_SIGNED], body) != digest:
                self._stop("is damaged")
                return
            if version > VERSION:
                self.newer = True
            else:
                read = self._decode(body)
                if version != VERSION or read is None:
                    self._stop("is damaged")
                    return
                # Told before the offset moves: an interrupt in between reads the frame twice instead of never.
                yield read
            self._before, self._known = digest, len(self._sets)
            self.offset += _PREFIX.size + length

    def _stop(self, problem: str, *, torn: bool = False) -> None:
        self.problem, self.torn = f"{problem} at byte {self.offset}", torn

    def _decode(self, body: memoryview) -> Read | None:
        if len(body) < _BODY.size:
            return None
        number, created, first, sets, count, texts = _BODY.unpack(body[: _BODY.size])
        at = _BODY.size
        fixed = at + sets * (DIGEST + 4) + texts + count * (DIGEST + 12)
        del self._sets[self._known :]
        if first != self._known or count > COUNT_LIMIT or number > NUMBER_LIMIT or fixed > len(body):
            return None
        self._sets += _pieces(body[at : (at := at + sets * DIGEST)], sets)
        ends = list(accumulate(_numbers(body[at : (at := at + sets * 4)]), initial=at))
        if ends[-1] != at + texts:
            return None
        brought = {d: bytes(body[a:b]) for d, a, b in zip(self._sets[first:], ends, ends[1:], strict=False)}
        at += texts
        keys = _pieces(body[at : (at := at + count * DIGEST)], count)
        relied = _numbers(body[at : (at := at + count * 4)])
        seconds = _floats(body[at : (at := at + count * 4)])
        starts = array("I", [0]) + _numbers(body[at : (at := at + count * 4)])
        payload = bytes(body[at:])
        if starts[-1] != len(payload) or max(relied, default=-1) >= len(self._sets):
            return None
        return Read(Frame(number, created, self._sets, relied, seconds, starts, payload), keys, brought)


@final
class _Window:
    """Pieces of a file, read in large blocks."""

    __slots__ = ("_base", "_block", "_fd", "_size")

    def __init__(self, fd: int, size: int) -> None:
        self._fd: Final = fd
        self._size: Final = size
        self._base = 0
        self._block = memoryview(b"")

    def cut(self, start: int, length: int) -> memoryview:
        """Fewer bytes than asked for where the file ends."""
        at = start - self._base
        if at < 0 or at + length > len(self._block):
            self._base, at = start, 0
            self._block = memoryview(os.pread(self._fd, max(length, min(_READ, self._size - start)), start))
        return self._block[at : at + length]


def _digest(loop: bytes, before: bytes, signed: bytes | memoryview, body: bytes | memoryview) -> bytes:
    digest = blake2b(before, digest_size=32, key=loop)
    digest.update(signed)
    digest.update(body)
    return digest.digest()


def _pieces(block: memoryview, count: int) -> tuple[bytes, ...]:
    # A Struct made by hand: the module's own functions would remember formats of this size.
    return struct.Struct(f"{DIGEST}s" * count).unpack(block)


def _numbers(raw: memoryview) -> array[int]:
    column = array("I")
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _floats(raw: memoryview) -> array[float]:
    column = array("f")
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _raw(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
