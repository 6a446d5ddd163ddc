"""One pass over the items of a loop: what is known of each, what is kept of those that ran, and when it is written.

Nothing is written before it was seen that nothing moved: items that ran since the last look are kept in memory, and
dropped when the look finds that something did. A look is taken after 10 ms of work, as long as it costs a small part of
that; where looking is dear (a large frame is fingerprinted again) it is taken less often, and never less than its cost
is worth. So what a kill loses is about 100 ms of work, or what ten looks cost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, final

import xxhash

from incnb.dependencies import ambient
from incnb.engine import decide
from incnb.engine.logic import Logic
from incnb.engine.order import Order, mark_of
from incnb.engine.payload import LARGE, Outcome, Packed, Packer, weight
from incnb.engine.slices import Seen
from incnb.model import Code, Dependency, Kind, Reason
from incnb.outputs import interrupts
from incnb.outputs.variables import NotSaved
from incnb.store import StoreError, Unpicklable
from incnb.store.items import Entry, Items
from incnb.store.passed import LIMIT, removed

ONE_BY_ONE = 0.01  # seconds that an item takes to be written on its own
AT_MOST = 0.1  # seconds of work in memory, of quick items
SHARE = 0.1  # of the time, that looking may take
#: Where telling items apart has taken longer than this in all, per item, and in relation to what they take, it ends.
WORTH = (0.3, 5e-5, 3.0)
LONG = (10.0, 20.0)  # seconds in all, and in relation to what they take, however little it is per item
TRIES = 3  # items in a row that cannot be saved, before none is tried any more
MOST_TWINS = 200_000  # items whose results are compared with those of equal ones
NEW = Reason(Code.NEVER_RUN, "item", "", "new")


@dataclass(slots=True)
class Tally:
    """What became of the items of one loop, with the reasons of those that ran, and seconds that reuse saved."""

    executed: int = 0
    reused: int = 0
    failed: int = 0
    removed: int = 0
    saved: float = 0.0
    why: Counter[Reason] = field(default_factory=Counter)
    off: Reason | None = None  # why items are not told apart (any more)
    unsaved: Counter[str] = field(default_factory=Counter)  # why items could not be saved


@final
class Pass:
    """Looks items up and records them. `code` gives the code with an id of `Seen.ran`."""

    def __init__(
        self,
        items: Items,
        logic: Logic,
        packer: Packer,
        code: Callable[[int], CodeType],
        *,
        mine: set[bytes] | None = None,
        reuse: bool = True,
        ttl: float | None = None,
        once: bool = False,
    ):
        """`mine`: the keys that were recorded in this execution, equal items run each; but with `once`, where of equal
        items one runs, and the others are what it gave.
        """
        self.tally = Tally()
        self.seen: list[bytes] = []  # the keys of the items that were looked up
        self.ahead: tuple[str, ...] = ()  # names that every item binds, if it is known which item is the last one
        self.logic = logic
        self.used: set[bytes] = set()  # sets of dependencies of reused items
        self.files: list[Dependency] = []  # that reused items relied on
        self.order: Order | None = None  # of the items handled so far, where that is of use
        self.latest: list[Dependency] = []  # files and variables that the item found last relied on
        self._items = items
        self._packer = packer
        self._code = code
        self._reuse = reuse
        self._ttl = ttl
        self._once = once
        self._journal = items.journal()
        self._declared: set[bytes] = set()
        self._skipped: list[Dependency] = []
        self._mine = mine if mine is not None else set()
        self._twins: dict[bytes, int] = {}
        self._recording = True
        self._unsettled = 0.0  # seconds of work in memory
        self._dirty = False
        self._signals = interrupts.count()
        self._looking = self._worked = 0.0
        items.refresh()
        self._computed = time.thread_time()
        self._looked = self._started = time.perf_counter()

    @property
    def on(self) -> bool:
        """Whether items are told apart."""
        return self.tally.off is None

    # -- items that nobody asks for one by one

    def entry(self, key: bytes, mark: bytes) -> Entry | None:
        """The very item that an order tells of, if it is there."""
        return next((e for e in self._items.get(key) if mark_of(e.relied, e.payload) == mark), None)

    def skipped(self, count: int, seconds: float, relied: list[Dependency]) -> None:
        """Items were reused together, which relied on all of this."""
        self.tally.reused += count
        self.tally.saved += seconds
        self._skipped += relied

    @property
    def settled(self) -> bool:
        """Whether nothing was seen to move, and nothing waits to be written."""
        return self.on and self._recording and not self._journal.pending and not self._interrupted

    @property
    def _interrupted(self) -> bool:
        """Whether a signal has arrived: whoever hands out items may have ended sooner for it."""
        return interrupts.count() != self._signals

    def set_of(self, digest: bytes) -> bytes | None:
        """What is written of a set of dependencies that an item of this pass relied on."""
        return self._items.relied(digest)

    # -- before an item

    @property
    def pending(self) -> bool:
        """Whether something that ran is not written yet."""
        return bool(self._journal.pending)

    def find(self, key: bytes) -> Packed | None:
        """What an item left when it ran, if that still holds; None if it must run, and `tally` knows why."""
        if not self._reuse:
            return None
        if self._once and key in self._mine and self._journal.pending:
            self.settle()
        if len(self.seen) <= LIMIT:
            self.seen.append(key)
        entries = self._items.get(key)
        if not entries or (key in self._mine and not self._once):
            self.tally.why[NEW] += 1
            return None
        reason: Reason | None = None
        for entry in entries:
            if self._ttl is not None and not 0 <= time.time() - entry.created < self._ttl:
                reason = reason or Reason(Code.EXPIRED, "item", "--ttl", "it was saved too long ago")
                continue
            against = self.logic.against(entry.relied, self._items.relied(entry.relied))
            if against is None:
                packed = self._packer.unpack(entry.payload)
                against = self._against_files(packed) if packed.own else None
                if against is None:
                    if self._dirty and not self._clean(entry.seconds):
                        return None
                    self.tally.reused += 1
                    self.tally.saved += entry.seconds
                    self.used.add(entry.relied)
                    if self.order is not None:
                        self.order.add(key, entry.relied, entry.payload, packed, packed.files(), entry.seconds)
                    if self._once:
                        self.latest = [*packed.files(), *self._relied_on([entry.relied])]
                    return packed
            reason = reason or against
        self.tally.why[reason or NEW] += 1
        return None

    def _against_files(self, packed: Packed) -> Reason | None:
        recorded = packed.files()
        mismatch = decide.first_difference(recorded, self.logic.environment)
        if mismatch is not None:
            return decide.explain(*mismatch, recorded, lambda name: [])
        self.files += recorded
        return None

    def unfit(self) -> None:
        """What was found cannot be done again on what is there now."""
        self.tally.reused -= 1
        self.tally.why[Reason(Code.UNRESTORABLE, "item", "", "what it changed is not there")] += 1

    def dirty(self) -> None:
        """Code of ours ran between items: what they read may have moved."""
        self._dirty = True

    def _clean(self, seconds: float) -> bool:
        """Whether what ran before in this pass has moved nothing; items run on where that is too dear to tell."""
        budget = 0.05 + SHARE * (time.perf_counter() - self._started) + 0.5 * (self.tally.saved + seconds)
        if self._looking + self.logic.read_cost > budget:
            self.tally.why[Reason(Code.NOT_SAVED, "item", "", "too costly to check")] += 1
            return False
        moved = self.logic.read_moved()
        self._looking += self.logic.read_cost
        if moved is not None:
            self.stop(Reason(Code.NOT_SAVED, "item", moved, f"{moved} while items ran"))
            return False
        self._dirty = False
        return True

    # -- after an item

    def record(self, key: bytes | None, outcome: Outcome, seen: Seen, seconds: float, roots: Sequence[Any]) -> None:
        """An item has run to its end."""
        self.tally.executed += 1
        self._worked += seconds
        self._dirty = True
        if seen.trouble:
            self.stop(Reason(Code.NOT_SAVED, "item", seen.trouble, seen.trouble))
            return
        if key is None or not self._recording:
            return
        if seen.shared:
            self.logic.share(seen.shared)
        relied, problem = self.logic.relied(seen.ran, self._code)
        if problem is not None:
            self.stop(Reason(Code.NOT_SAVED, "item", problem, problem))
            return
        try:
            payload = self._packed(outcome, roots)
        except (NotSaved, Unpicklable, StoreError) as error:
            self.unsaved(str(error))
            return
        if len(self._twins) < MOST_TWINS and payload[:1] in b"aA":  # equal pickles do not follow from equal values
            left = xxhash.xxh3_64_intdigest(payload)
            if self._twins.setdefault(key, left) != left and not outcome.events:
                same = "equal items gave different results"
                self.stop(Reason(Code.NOT_SAVED, "item", same, same))
                return
        if relied not in self._declared:
            self._declared.add(relied)
            self._journal.relies(relied, self.logic.text(relied))
        self._mine.add(key)
        self._journal.add(key, relied, seconds, payload)
        if self.order is not None:
            self.order.add(key, relied, payload, outcome, outcome.own, seconds)
        self._unsettled += seconds
        if seconds >= ONE_BY_ONE or self._unsettled >= AT_MOST or self._journal.pending_bytes > 1 << 22:
            now = time.perf_counter()
            if now - self._looked >= self.logic.cost / SHARE:
                self.settle()

    def _packed(self, outcome: Outcome, roots: Sequence[Any]) -> bytes:
        """What an item left, as bytes; without names that the next item binds anew, where those are large."""
        if not self.ahead or not outcome.binds:
            return self._packer.pack(outcome, roots)
        told = {id(value) for _, operands in outcome.effects for value in operands}
        may = [name for name in self.ahead if name in outcome.binds and id(outcome.binds[name]) not in told]
        large = [name for name in may if weight(outcome.binds[name]) > LARGE]
        try:
            return self._packer.pack(_without(outcome, large), roots)
        except (NotSaved, Unpicklable):
            if len(large) == len(may):
                raise
            return self._packer.pack(_without(outcome, may), roots)

    def again(self) -> None:
        """The last item was found, and runs for the names that it binds."""
        self.tally.reused -= 1
        self.tally.why[Reason(Code.NOT_SAVED, "item", "", "the last item binds what was not kept")] += 1

    def failed(self, seen: Seen) -> None:
        """An item has failed, and the loop goes on."""
        self.tally.failed += 1
        self._dirty = True
        if seen.trouble:
            self.stop(Reason(Code.NOT_SAVED, "item", seen.trouble, seen.trouble))

    def weigh(self, elsewhere: float) -> None:
        """Give up where telling takes far longer than running; `elsewhere`: seconds in the iterable.

        On a machine that others keep busy everything takes longer, us as well: only the share of the time in which
        this thread computed counts.
        """
        passed = time.perf_counter() - self._started
        share = min(1.0, (time.thread_time() - self._computed) / passed) if passed > 0 else 1.0
        overhead = share * (passed - self._worked - elsewhere)
        handled = self.tally.executed + self.tally.reused + self.tally.failed
        worth = self._worked + self.tally.saved
        dear = overhead > max(WORTH[0], WORTH[1] * handled, WORTH[2] * worth)
        if dear or overhead > max(LONG[0], LONG[1] * worth):
            self.stop(Reason(Code.NOT_SAVED, "item", "", "telling items apart takes longer than running them"))

    def unsaved(self, why: str) -> None:
        """An item cannot be recorded; after some, none is tried any more."""
        self.tally.unsaved[why] += 1
        if self.tally.unsaved.total() >= TRIES and self.tally.unsaved.total() >= self.tally.executed:
            self.stop(Reason(Code.NOT_SAVED, "item", "", why))

    def settle(self) -> None:
        """See whether anything moved, and write what ran, or drop it."""
        moved = self.logic.moved()
        self._looking += self.logic.cost
        self._looked = time.perf_counter()
        self._unsettled = 0.0
        self._dirty = False
        if moved is not None:
            self.stop(Reason(Code.NOT_SAVED, "item", moved, f"{moved} while items ran"))
            return
        if not self._journal.pending or not self._recording:
            return
        try:
            self._journal.write()
        except StoreError as error:
            self._recording = False
            self.tally.unsaved[str(error)] += 1

    def stop(self, why: Reason) -> None:
        """Tell items apart no more: they run, and what is not written is dropped."""
        if self.tally.off is None:
            self.tally.off = why
        self._journal.drop()
        self._reuse = self._recording = False

    def close(self) -> None:
        """The pass has ended, in whatever way."""
        if self.on and self._journal.pending:
            self.settle()

    def complete(self) -> None:
        """The collection was gone through to its end."""
        if self.on and self._reuse and not self._interrupted:
            self.tally.removed = removed(self._items.store, self._items.loop, self.seen)

    def release(self) -> None:
        """Nothing is written any more."""
        self._journal.close()

    # -- what the reused items relied on

    def _sets(self, digests: Iterable[bytes] | None = None) -> list[Dependency]:
        texts = [self._items.relied(digest) for digest in (self.used if digests is None else digests)]
        found = [d for text in texts if text is not None for d in self.logic.dependencies(text)]
        return [*(self._skipped if digests is None else ()), *found]

    def ran(self) -> list[CodeType]:
        """The functions that the reused items had run, as they are now."""
        return self.logic.code_of(self._sets())

    def met(self) -> list[Dependency]:
        """Files and variables of the environment that were met while the reused items ran."""
        return self._relied_on()

    def _relied_on(self, digests: Iterable[bytes] | None = None) -> list[Dependency]:
        sets = self._sets(digests)
        return [d for d in sets if d.kind in (Kind.FILE, Kind.ENV)] + [d for d in sets if d.locator == ambient.FOLDER]


def _without(outcome: Outcome, names: Sequence[str]) -> Outcome:
    if not names:
        return outcome
    return replace(outcome, binds={k: v for k, v in outcome.binds.items() if k not in names}, left=tuple(names))
