"""What one thread does while it is at one item: kept apart from what everybody else does.

Calls of `incnb.map` and `memo` overlap, in threads and inside each other. Events are seen in the thread that causes
them, so each is put down where that thread is: in the innermost part that it has begun. What a thread does that has
begun none (one that the item itself started, say) is nobody's, and counts for every item that was at work meanwhile.
"""

from __future__ import annotations

import threading
from typing import Any, final

from incnb.outputs.accesses import Journal


@final
class Part:
    """What was seen of one item so far. `taken` is what results relied on that were reused inside of it."""

    __slots__ = ("above", "base", "journal", "notes", "owner", "ran", "taken", "told")

    def __init__(self, owner: object, above: Part | None):
        self.owner = owner  # the watch that it belongs to
        self.above = above
        self.base: tuple[int, ...] = ()
        self.journal = Journal()
        self.notes: list[Any] = []
        self.told: list[Any] = []
        self.ran: set[int] = set()
        self.taken: list[Any] = []

    def take(self, part: Part) -> None:
        """What a part of this one did, this one did as well."""
        self.told += part.told
        self.ran |= part.ran
        self.taken = list(dict.fromkeys([*self.taken, *part.taken]))
        self.notes += part.notes
        self.journal.take(part.journal)


class _Here(threading.local):
    part: Part | None = None


HERE = _Here()


def part_of(owner: object) -> Part | None:
    """The part that this thread is at, if it belongs to this watch."""
    part = HERE.part
    return part if part is not None and part.owner is owner else None


@final
class Notes(list[Any]):
    """A list of notes that tells each to the part that the thread is at; `stray` counts those of no part."""

    def __init__(self) -> None:
        super().__init__()
        self.stray = 0

    def append(self, note: Any) -> None:
        list.append(self, note)
        part = HERE.part
        if part is None:
            self.stray += 1
        else:
            part.notes.append(note)
