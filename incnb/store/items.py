"""Items of loops on disk: what single passes of a loop's body gave, a million of them if need be.

    items/<loop>/journal-<number>-<host>-<pid>-<random>.items     appended by one execution
    items/<loop>/pack-<number>-<host>-<pid>-<random>.items        several files merged into one (packs.py)

`Items` is what is known of one loop. A session keeps it and lets it read what is new, and gets its writers from it
(journal.py). The index is one dict of positions (frame and place within it); an Entry is made when it is asked for.
Candidates of one key differ in what they relied on: of two that relied on the same the newer stays.

Reading raises nothing: what cannot be read is a line in `problems`, and an item that is not found is computed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, final

from incnb.store import files, packs
from incnb.store.frames import COUNT_LIMIT, Frame, Read, Reader
from incnb.store.journal import Journal
from incnb.store.place import StoreError, explain

if TYPE_CHECKING:
    from incnb.store.disk import Store

MANY_FILES: Final = 16
_SHIFT: Final = COUNT_LIMIT.bit_length() - 1
_MASK: Final = COUNT_LIMIT - 1
_PROBLEMS: Final = 100
# A loop's files are held in memory; whoever made more than this is better off computing than swapping.
MEMORY_LIMIT: Final = 2 << 30
_NOTHING: Final = Frame.of(0, 0.0, [], [], [], [])


class Entry(NamedTuple):
    """One item as recorded. `relied` names its dependency set; `created` (seconds since 1970) may be up to a minute
    early, never late; `seconds` is what it took.
    """

    key: bytes
    relied: bytes
    seconds: float
    created: float
    payload: bytes


@final
class _Known:
    """How far a file was read."""

    __slots__ = ("reader", "size")

    def __init__(self, reader: Reader | None, size: int) -> None:
        self.reader: Final = reader  # none for what this process wrote itself
        self.size = size


@final
class Items:
    """The items of one loop."""

    __slots__ = (
        *("_compacted", "_files", "_frames", "_index", "_live", "_more", "_number", "_sets"),
        *("loop", "problems", "store"),
    )

    def __init__(self, store: Store, loop: str) -> None:
        self.store: Final = store
        self.loop: Final = loop
        self.problems: list[str] = []
        self._index: dict[bytes, int] = {}  # the newest of each key
        self._more: dict[bytes, tuple[int, ...]] = {}  # the others, newest first
        self._frames: list[Frame] = []
        self._live: list[int] = []  # how many items of each frame are candidates
        self._sets: dict[bytes, bytes] = {}
        self._files: dict[str, _Known] = {}
        self._number = 0
        self._compacted = False

    # -- asking --------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> tuple[Entry, ...]:
        """The candidates, newest first."""
        position = self._index.get(key)
        if position is None:
            return ()
        entry = self._entry(key, position)
        if self._more and key in self._more:
            return (entry, *(self._entry(key, older) for older in self._more[key]))
        return (entry,)

    def _entry(self, key: bytes, position: int) -> Entry:
        frame, at = self._frames[position >> _SHIFT], position & _MASK
        starts = frame.starts
        return Entry(
            key,
            frame.sets[frame.relied[at]],
            frame.seconds[at],
            frame.created,
            frame.payload[starts[at] : starts[at + 1]],
        )

    def relied(self, digest: bytes) -> bytes | None:
        """The JSON of a dependency set."""
        return self._sets.get(digest)

    @property
    def relied_digests(self) -> list[bytes]:
        return list(self._sets)

    def __len__(self) -> int:
        """How many candidates there are, of all keys."""
        return len(self._index) + sum(map(len, self._more.values()))

    def journal(self) -> Journal:
        """A writer for one execution. It makes its file when it writes for the first time."""
        return Journal(self)

    # -- what a journal needs ------------------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """The highest number of a frame so far."""
        return self._number

    def wrote(self, name: str, size: int, read: Read) -> None:
        """A journal of ours put a frame into its file, which is not to be read again."""
        self._files[name] = _Known(None, size)
        self._take(read)

    # -- reading -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what is new on disk since the last time."""
        try:
            folder = self.store.find_items(self.loop)
            if folder is None:
                return
            # A file that is gone was merged into one that may not have been there when the folder was listed.
            for _ in range(3):
                listed = packs.listed(folder)
                if self._read_all(folder, listed):
                    break
            for name in self._files.keys() - listed.keys():
                del self._files[name]
            if len(listed) > MANY_FILES and not self._compacted:
                self._compacted = True
                self._compact(folder, listed)
        except StoreError as error:
            self._tell(str(error))
        except (OSError, MemoryError) as error:
            self._tell(str(explain("the items of a loop cannot be read", self.loop, error)))

    def _read_all(self, folder: Path, listed: dict[str, os.stat_result]) -> bool:
        """Whether all that was listed was still there."""
        complete = True
        for name, info in listed.items():
            known = self._files.get(name)
            if known is None:
                known = self._files[name] = _Known(Reader(bytes.fromhex(self.loop)), 0)
            if known.size == info.st_size or known.reader is None:
                continue
            if sum(known.size for known in self._files.values()) + info.st_size > MEMORY_LIMIT:
                self._tell(f"items take more than {MEMORY_LIMIT >> 20} MiB: not all are used ({folder})")
                continue
            try:
                self._read(folder / name, known, known.reader)
            except FileNotFoundError:
                complete = False
            except (OSError, MemoryError) as error:
                self._tell(str(explain("items of a loop cannot be read", folder / name, error)))
        return complete

    def _read(self, path: Path, known: _Known, reader: Reader) -> None:
        fd, size = files.open_regular(path)
        try:
            for read in reader.frames(fd, size):
                self._take(read)
        finally:
            os.close(fd)
        known.size = size
        if reader.problem and not (reader.torn and packs.at_work(path.name)):
            self._tell(f"a file of items {reader.problem}: what follows is not used ({path})")
        if reader.newer:
            self._tell(f"items were written by a newer incnb: they are not used ({path})")

    def _take(self, read: Read) -> None:
        frame, keys = read.frame, read.keys
        for digest, text in read.sets.items():
            self._sets.setdefault(digest, text)
        self._number = max(self._number, frame.number)
        base = len(self._frames) << _SHIFT
        self._frames.append(frame)
        self._live.append(0)
        fresh = dict(zip(keys, range(base, base + len(keys)), strict=True))
        if len(fresh) == len(keys) and fresh.keys().isdisjoint(self._index.keys()):
            self._index.update(fresh)
            self._live[-1] = len(keys)
            return
        for position, key in enumerate(keys, base):
            self._place(key, position)
        if not self._live[-1]:
            self._frames[-1] = _NOTHING  # all of it was known: a merged file holds what its sources held

    def _place(self, key: bytes, position: int) -> None:
        """Put an item among the candidates of its key, unless a newer one is there that relied on the same."""
        first = self._index.get(key)
        if first is None:
            self._index[key] = position
            self._live[position >> _SHIFT] += 1
            return
        candidates = [first, *self._more.get(key, ())]
        relied, rank = self._relied(position), self._frames[position >> _SHIFT].rank
        for number, other in enumerate(candidates):
            if self._relied(other) == relied:
                if self._frames[other >> _SHIFT].rank > rank:
                    return
                del candidates[number]
                self._forget(other >> _SHIFT)
                break
        older = (n for n, other in enumerate(candidates) if self._frames[other >> _SHIFT].rank <= rank)
        candidates.insert(next(older, len(candidates)), position)
        self._live[position >> _SHIFT] += 1
        self._index[key] = candidates[0]
        if len(candidates) > 1:
            self._more[key] = tuple(candidates[1:])
        else:
            self._more.pop(key, None)

    def _forget(self, frame: int) -> None:
        """One item less is a candidate; nothing of a frame without any is kept."""
        self._live[frame] -= 1
        if not self._live[frame] and frame != len(self._frames) - 1:
            self._frames[frame] = _NOTHING

    def _relied(self, position: int) -> bytes:
        return self._frames[position >> _SHIFT].mark_at(position & _MASK)

    def _compact(self, folder: Path, listed: dict[str, os.stat_result]) -> None:
        others = {name: info for name, info in listed.items() if self._files[name].reader is not None}
        read = all(self._files[name].size == info.st_size for name, info in others.items())
        pack = packs.compact(folder, bytes.fromhex(self.loop), others)
        if pack and read:
            self._files[pack] = _Known(None, 0)  # nothing that is not known from its sources

    def _tell(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < _PROBLEMS:
            self.problems.append(problem)
