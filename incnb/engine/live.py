"""A loop over a source: from where it reads, what is put back without reading, and up to where the next one may skip.

A source (`incnb.source`) is read on from where the last pass over it ended if three gates are open (`gates.py`). What
the items before that place left is put back from the store: the order of their keys was written when that pass ended,
with what all of them relied on together, and that is compared once instead of for each item. Nothing is put back before
everything was found and loaded; where anything is missing, the source is read from its start and items are looked up
one by one.

The place moves when a pass has come to its end, every item of it is saved, and nothing was seen to move. A pass from
the start replaces what is known, one from a cursor adds to it.

A growing file is read out of the cell's sight: the cell relies on where its last line ended (kind `source`) and not on
the content of the file. What a source of somebody's own does while it is asked is the cell's doing, as in any loop.
"""

from __future__ import annotations

import ast
import marshal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from incnb.analysis.loops import Loop
from incnb.dependencies import Closure, bindings, source
from incnb.engine import gates
from incnb.engine.order import Order, Piece, Row
from incnb.engine.payload import Packed, Packer
from incnb.fingerprint import Unfingerprintable, files, fingerprint
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Code, Dependency, Kind, Reason, shorten
from incnb.outputs.effects import Watch
from incnb.sources import Given, Lines, Paths
from incnb.store import LoadError, Store, StoreError
from incnb.store.cursors import Cursors, full, united
from incnb.store.cursors import Pass as Known
from incnb.store.orders import Orders, pieces

if TYPE_CHECKING:
    from incnb.engine.passes import Pass

_LOADING = (StoreError, LoadError, LookupError, ValueError, EOFError, TypeError, AttributeError)


@final
class Live:
    """What a loop goes over instead of a source: the items that are not put back."""

    def __init__(
        self,
        given: Lines | Paths | Given,
        spec: Loop,
        passed: Pass,
        packer: Packer,
        store: Store,
        watch: Watch,
        looked_up: Iterable[Read],
        *,
        reuse: bool,
        ttl: float | None,
    ):
        """`looked_up`: what the body looks up by the item, which is a part of the items' keys."""
        self.reasons: list[Reason] = []
        self.found: list[Row | dict[str, Any] | Packed] = []  # what the items before the cursor left, to be put back
        self.count = 0  # of these items
        self.tail: dict[str, Any] | None = {}  # what the last of them bound of the target
        self.blank: Any = None  # stands for such an item where one is needed
        self.last: tuple[Any] | None = None  # the last of them, if its target must be bound
        self._source = given
        self._spec = spec
        self._passed = passed
        self._packer = packer
        self._store = store
        self._watch = watch
        self._looked_up = list(looked_up)
        self._reuse = reuse
        self._ttl = ttl
        self._identity = ""
        self._earlier: Known | None = None  # the pass that this one goes on from
        self._state = b""
        self._pairs: Iterator[tuple[Any, Any]] = iter(())
        self._ahead: list[tuple[Any, Any]] = []
        self._item: Any = None
        self._mark: Any = None
        self._handed = 0
        self._ended = False
        self._bases: list[Dependency] = []
        self._made: str | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing of the user's runs when it is advanced."""
        return isinstance(self._source, Lines)

    @property
    def reads(self) -> bool:
        """Whether this is what the loop goes over; paths are listed as ever."""
        return not isinstance(self._source, Paths)

    # -- before the first item

    def begin(self) -> None:
        """Look at the gates, and find what is put back. Raises whatever a source raises that has no name."""
        self._identity = self._asked(self._source.identity)
        durable = self._asked(lambda: self._source.durable)
        if isinstance(self._source, Lines):
            self._watch.journal.sources.add(str(Path(files.here(), self._source.path)))
        cursors = Cursors(self._store.root)
        earlier: Known | None = None
        if durable:
            try:
                earlier = cursors.read(self._spec.code, self._identity)
            except StoreError as error:
                earlier = Known(self._identity, False, None, problem=str(error))
            self._bases = self._based()
            self._made = self._code()
            if self._made is not None and all(base.fp for base in self._bases):
                rows = not any(effect.keyed and effect.op != "setitem" for effect in self._spec.effects)
                self._passed.order = Order(self._spec.names, rows=rows)
        if not self._reuse:
            earlier = None
        mismatch = self._mismatch(earlier) if earlier is not None else None
        found = self._asked(lambda: gates.decide(self._source, earlier, mismatch))
        shut = list(found.reasons) if durable else [r for r in found.reasons if "(not durable:" in r.detail]
        self.reasons = shut if self._reuse else []
        if found.skip and earlier is not None:
            problem = self._skip(earlier)
            if problem is None:
                return
            self.found, self.count, self.tail, self.last, self._ahead, self._earlier = [], 0, {}, None, [], None
            self.reasons = [Reason(Code.SOURCE, "source", found.locator, f"is read from its start: {problem}")]
        if self.reads:
            if isinstance(self._source, Lines):
                self._state = self._asked(self._source.state)
            self._pairs = iter(self._source.read(None))

    def _asked(self, question: Any) -> Any:
        """What the source answers. What a source of the user's does for it is the cell's doing."""
        was = self._watch.turn(aside=self.quiet)
        try:
            return question()
        finally:
            self._watch.turn(aside=was)

    def _code(self) -> str | None:
        """The fingerprint of the code that reads; None for code that has none."""
        if not isinstance(self._source, Given):
            return "incnb 1"  # another number when the same bytes would make other items
        try:
            return fingerprint(type(self._source.own)).hex()
        except Unfingerprintable:
            return None

    def _based(self) -> list[Dependency]:
        """What the body looks things up in, as it is now."""
        found = []
        for read in self._looked_up:
            now = self._passed.logic.environment.fresh(Kind.VALUE, bindings.locator(None, read))
            found.append(Dependency(Kind.VALUE, bindings.locator(None, read), now.fp or "", now.shown))
        return found

    def _mismatch(self, earlier: Known) -> Reason | None:
        """The first thing that an item relied on and that is not so now."""
        logic = self._passed.logic
        for effect in earlier.allowed:
            if not logic.allows(effect):
                return Reason(Code.EFFECT, "", effect, f"it was saved under --allow {effect}, which is not given now")
        if earlier.made != self._made:
            name = type(self._source.own).__qualname__ if isinstance(self._source, Given) else "incnb"
            return Reason(Code.CODE, "code", name, "changed")
        if self._ttl is not None:
            return Reason(Code.EXPIRED, "", "--ttl", "--ttl asks how old each item is")
        try:
            recorded = [Dependency.from_dict(one) for one in earlier.relied]
        except (ValueError, KeyError, TypeError):
            return Reason(Code.STORE_UNREADABLE, "store", "items", "what its items relied on cannot be read")
        return logic.mismatch(recorded)

    def _skip(self, earlier: Known) -> str | None:
        """Find all that is put back, and what is new; why that cannot be, if it cannot."""
        spec = self._spec
        if spec.kind != "for" and not isinstance(spec.target, ast.Name):
            if spec.flat is None:
                return "its items are taken apart in a way that needs them"
            self.blank = (None,) * len(spec.flat)
        seconds = 0.0
        try:
            orders = Orders(self._store, spec.code)
            for name in earlier.order:
                for data in pieces(orders.read(name)):
                    piece = Piece.unpack(data)
                    for one in piece.told:
                        self.found.append(self._loaded(one) if isinstance(one, tuple) else one)
                    self.count += piece.count
                    self.tail = piece.tail
                    seconds += piece.seconds
            if spec.kind == "for" and earlier.last:
                self.last = (marshal.loads(earlier.last),)
        except _LOADING as error:
            return f"what the last pass left cannot be put back: {shorten(str(error) or type(error).__name__)}"
        self._pairs = iter(self._source.read(earlier.cursor))
        try:
            self._ahead = [self._asked(self._pairs.__next__)]
        except StopIteration:
            if spec.kind == "for" and self.count and self.last is None:
                return "its last item cannot be had without reading it"
        except Exception as error:
            return f"it cannot be read from where the last pass ended: {shorten(str(error) or type(error).__name__)}"
        self._earlier = earlier
        relied = [Dependency.from_dict(one) for one in earlier.relied]
        self._passed.skipped(self.count, seconds, relied)
        told = "is read on from where the last pass ended (completed, durable, contained)"
        self.reasons = [Reason(Code.SOURCE, "source", shorten(self._identity), told)]
        return None

    def _loaded(self, one: tuple[bytes, bytes]) -> Packed:
        entry = self._passed.entry(*one)
        if entry is None:
            raise LookupError("an item is not in the store")
        packed = self._packer.unpack(entry.payload)
        if packed.groups is not None:
            self._packer.load(packed, [])
        return packed

    def rewind(self, done: int) -> None:
        """Only so many items could be put back: read the others, and stay where we were."""
        self._passed.skipped(done - self.count, 0.0, [])
        self._passed.order = None
        self._earlier, self._ahead = None, []
        self._pairs = iter(self._source.read(None))
        self._asked(lambda: list(islice(self._pairs, done)))
        told = "is read from its start: what its items change is not there"
        self.reasons = [Reason(Code.SOURCE, "source", shorten(self._identity), told)]

    # -- items

    def __iter__(self) -> Live:
        return self

    def __next__(self) -> Any:
        __tracebackhide__ = True
        if self._ahead:
            pair = self._ahead.pop()
        else:
            was = self._watch.turn(aside=True) if self.quiet else None
            try:
                pair = next(self._pairs)
            except StopIteration:
                self._ended = True
                raise
            finally:
                if was is not None:
                    self._watch.turn(aside=was)
        self._item, self._mark = pair
        self._handed += 1
        return self._item

    # -- after the last item

    def close(self) -> None:
        """The pass has come to its end, and what could be saved is saved: move the cursor, if all of it is."""
        order = self._passed.order
        if order is None or not self._ended or not self._passed.settled or order.count != self._handed:
            return
        if self._earlier is not None and not self._handed:
            return
        now = self._based()
        if [base.fp for base in now] != [base.fp for base in self._bases]:
            return
        texts = [self._passed.set_of(digest) for digest in order.sets]
        if any(text is None for text in texts):
            return
        sets = [self._passed.logic.told(text) for text in texts if text is not None]
        own = [one.to_dict() for one in (*order.own, *self._bases)]
        relied = united(tuple(one for _, dependencies in sets for one in dependencies), tuple(own))
        allowed = {effect for effects, _ in sets for effect in effects}
        cursor = self._asked(lambda: bytes(self._mark)) if self._handed else None
        earlier = self._earlier
        try:
            orders = Orders(self._store, self._spec.code)
            names = orders.save(earlier.order if earlier is not None else (), order.data())
            if earlier is None:
                known = full(self._identity, cursor, relied, completed=True)
            else:
                known = earlier.adding(cursor, relied)
                allowed |= set(earlier.allowed)
            last = marshal.dumps(self._item, 2) if self._handed and _is_plain(self._item) else b""
            known = replace(known, order=names, last=last, allowed=tuple(sorted(allowed)), made=self._made or "")
            Cursors(self._store.root).save(self._spec.code, known)
            if earlier is not None:
                orders.drop([name for name in earlier.order if name not in names])
        except StoreError as error:
            why = f"will be read from its start again: {error}"
            self.reasons.append(Reason(Code.SOURCE, "source", shorten(self._identity), why))

    def add_to(self, closure: Closure) -> str | None:
        """The cell relies on the source; why it cannot be saved, if it cannot."""
        if not isinstance(self._source, Lines):
            return None
        if not self._ended:
            return f"the loop over {self._identity} did not come to its end"
        relied: Dependency | None
        if self._handed:
            relied = source.read_to(self._source, bytes(self._mark))
        elif self._earlier is not None and self._earlier.cursor is not None:
            relied = source.read_to(self._source, self._earlier.cursor)
        else:
            relied = source.without_lines(self._source, self._state)
        known = closure.found.get((Kind.SOURCE, self._identity))
        if relied is None or (known is not None and known.dependency.fp != relied.fp):
            return f"{self._identity} changed while it ran"
        closure.take(relied)
        return None


def over(iterable: Any, *rest: Any, **options: Any) -> Live | None:
    """What goes over a source for a loop; None for anything else, and for a source that cannot say what it is."""
    if type(iterable) not in (Lines, Paths, Given):
        return None
    live = Live(iterable, *rest, **options)
    try:
        live.begin()
    except Exception as error:
        # whatever is wrong with a source of somebody's own shows when it is read
        if isinstance(iterable, Given):
            return None
        raise error
    return live


def _is_plain(value: Any) -> bool:
    """Whether a value is nothing but numbers and texts, alone or in tuples."""
    return type(value) in ATOMS or (type(value) is tuple and all(_is_plain(part) for part in value))
