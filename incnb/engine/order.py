"""What the items of a pass left, in their order and in a form that is quick to put back.

Most items leave numbers and texts: these are written down once more, in a row, so that a million of them come back in
a moment. Of all others the key is kept, with a digest of what was saved for it: one key may have been saved more than
once, under other conditions or with files that were others.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import xxhash

from incnb.engine.payload import Outcome, Packed
from incnb.model import Dependency
from incnb.store.orders import framed

PIECE = 1 << 22  # bytes of what items left, before they are packed

#: For each effect of one item: its slot, and how many operands it has.
Shape = tuple[tuple[int, int], ...]


def mark_of(relied: bytes, payload: bytes) -> bytes:
    """The digest of what was saved for an item."""
    return xxhash.xxh3_64_digest(relied + payload)


@dataclass(slots=True)
class Row:
    """Items of one shape that follow on each other: the operands of all their effects."""

    shape: Shape
    operands: list[Any]


@dataclass(slots=True)
class Piece:
    """Some items. `told` are rows, names that were bound, and (key, mark) of single items; `tail` is what the last item
    bound of the loop's own target, None if it is a single one.
    """

    count: int = 0
    seconds: float = 0.0
    told: list[Row | dict[str, Any] | tuple[bytes, bytes]] = field(default_factory=list)
    tail: dict[str, Any] | None = field(default_factory=dict)

    def pack(self) -> bytes:
        told = [(one.shape, one.operands) if isinstance(one, Row) else one for one in self.told]
        return marshal.dumps((self.count, self.seconds, told, self.tail), 2)

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> Piece:
        """Raises ValueError, TypeError, EOFError for what was not packed."""
        count, seconds, packed, tail = marshal.loads(data)
        told = [Row(*one) if type(one) is tuple and type(one[0]) is tuple else one for one in packed]
        return cls(count, seconds, told, tail)


@final
class Order:
    """The items of a pass that were handled so far; with what they relied on."""

    def __init__(self, targets: Collection[str], *, rows: bool):
        """`targets`: the names that the loop binds itself. `rows`: what items left may be put back unseen."""
        self.count = 0
        self.sets: dict[bytes, None] = {}
        self.own: list[Dependency] = []
        self._targets = frozenset(targets)
        self._rows = rows
        self._data = bytearray()
        self._size = 0
        self._piece = Piece()
        self._bound: dict[str, Any] = {}

    def add(
        self,
        key: bytes,
        relied: bytes,
        payload: bytes,
        left: Outcome | Packed,
        own: Sequence[Dependency],
        seconds: float,
    ) -> None:
        """One more item, with what it `left`; `own` are files and variables that it relied on alone."""
        self.count += 1
        self.sets[relied] = None
        self.own += own
        piece = self._piece
        piece.count += 1
        piece.seconds += seconds
        if not self._rows or payload[:1] != b"a" or left.deleted or left.events:
            self._settle()
            piece.told.append((key, mark_of(relied, payload)))
            piece.tail = None
            self._size += 48
        else:
            self._in_row(left.effects, left.binds)
            self._size += len(payload)
        if self._size > PIECE:
            self._flush()

    def _in_row(self, effects: Sequence[tuple[int, tuple[Any, ...]]], binds: dict[str, Any]) -> None:
        told = self._piece.told
        if effects:
            shape = tuple([(slot, len(operands)) for slot, operands in effects])
            last = told[-1] if told else None
            if type(last) is not Row or last.shape != shape:
                told.append(last := Row(shape, []))
            for _, operands in effects:
                last.operands += operands
        if binds or self._piece.tail != {}:
            self._piece.tail = {name: value for name, value in binds.items() if name in self._targets}
            self._bound.update(binds)

    def _settle(self) -> None:
        bound = {name: value for name, value in self._bound.items() if name not in self._targets}
        if bound:
            self._piece.told.append(bound)
        self._bound = {}

    def _flush(self) -> None:
        self._settle()
        self._data += framed(self._piece.pack())
        self._piece, self._size = Piece(), 0

    def data(self) -> bytes:
        """All of it, as a row of packed pieces."""
        if self._piece.count:
            self._flush()
        return bytes(self._data)
