"""The key of an item: its value as far as the body reads it, and what the body looks up by it. Never the collection.

Numbers and texts take a short way. An item that may change is told with the objects that it shares with what the body
reads, because `row is DEFAULT` can tell them apart; one that holds code of ours brings in what that code reads.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection
from typing import Any, final

import xxhash

from incnb.analysis.loops import Loop
from incnb.engine.logic import Logic
from incnb.fingerprint import Encoder, Unfingerprintable
from incnb.fingerprint.code import Read
from incnb.fingerprint.door import encode
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.fingerprint.graph import TooLarge, array_base, mutable_objects
from incnb.outputs.variables import has_finalizer

_BY = (str, int, bool, float, bytes, type(None))


@final
class Keys:
    """Makes the keys of one loop's items. `roots` and `mutable` tell of the latest item; `problem` why it has none."""

    def __init__(
        self,
        spec: Loop | None,
        logic: Logic,
        namespace: dict[str, Any],
        looked_up: list[tuple[Read, str]],
        changed: Collection[int] = (),
    ):
        """`changed`: the ids of objects that the loop changes; an item that holds one is not told."""
        self._changed = changed
        names = spec.flat if spec is not None else None
        unread = spec.unread if spec is not None else frozenset[int]()
        flat = names or ()
        self.roots: list[Any] = []
        self.mutable = False
        self.problem = ""
        self._logic = logic
        self._namespace = namespace
        self._size = len(flat)
        self._read = tuple(i for i in range(len(flat)) if i not in unread)
        self._parts = names is not None and bool(unread)
        self._looked_up = [(read, flat.index(name) if name in flat else None) for read, name in looked_up]
        self._simple = not self._looked_up and not self._parts
        self._digest = b""
        self._parts_of: list[Any] = []
        self._met: set[frozenset[str]] = set()

    @classmethod
    def whole(cls, logic: Logic, namespace: dict[str, Any]) -> Keys:
        """For items that are read as a whole, and by which nothing is looked up."""
        return cls(None, logic, namespace, [])

    def of(self, item: Any) -> bytes | None:
        """The key of an item, 16 bytes; None for one that cannot be fingerprinted."""
        self.mutable = False
        self.roots = [item]
        if self._simple:
            if type(item) in ATOMS and item == item:
                return xxhash.xxh3_128_digest(marshal.dumps(item, 2), 1)
            parts: list[Any] = [item]
        elif self._parts and type(item) is tuple and len(item) == self._size:
            parts = [item[i] for i in self._read]
        else:
            parts = [item]
        if has_finalizer(type(item)):
            self.roots = []  # it goes when the body lets it go
            self.problem = f"a {type(item).__qualname__} does something when it goes (__del__)"
            return None
        try:
            for read, place in self._looked_up:
                self._look_up(item, read, place)
            parts += self.roots[1:]
            inner = [p for part in parts for p in (part if type(part) is tuple else (part,))]
            if any(type(part) is float and part != part for part in inner):
                raise LookupError("what is not a number is told by its identity")
            if all(type(part) in ATOMS for part in parts):
                return xxhash.xxh3_128_digest(marshal.dumps(parts, 2), 2)
            return self._mixed(parts)
        except (Unfingerprintable, TooLarge, LookupError) as error:
            self.problem = f"an item cannot be told: {error}"
            return None

    def changed(self) -> bool:
        """Whether the latest item, or what was looked up by it, is another now."""
        looked_up = len(self.roots) - 1
        parts = self._parts_of[: len(self._parts_of) - looked_up]
        try:
            return encode([*parts, *self._again(self.roots[0])], "item").digest() != self._digest
        except (Unfingerprintable, TooLarge, LookupError):
            return True

    def _again(self, item: Any) -> list[Any]:
        before, self.roots = self.roots, [item]
        try:
            for read, place in self._looked_up:
                self._look_up(item, read, place)
            return self.roots[1:]
        finally:
            self.roots = before

    def forget(self) -> None:
        """Hold nothing of the latest item any more."""
        self.roots, self._parts_of = [], []

    def _mixed(self, parts: list[Any]) -> bytes:
        met = encode(parts, "item")
        if met.hidden:
            raise LookupError("it holds a function that remembers what it was called with")
        self._meet(met)
        self.mutable = bool(met.shared) or any(type(part) not in ATOMS and type(part) is not tuple for part in parts)
        key = self._digest = met.digest()
        self._parts_of = parts
        places = self._shared(parts) if self.mutable else []
        return xxhash.xxh3_128_digest(key + repr(places).encode(), 3) if places else key

    def _meet(self, met: Encoder) -> None:
        names = frozenset(met.code)
        if not names or names in self._met:
            return
        self._met.add(names)
        problem = self._logic.meets(met)
        if problem is not None:
            raise LookupError(problem)

    def _shared(self, parts: list[Any]) -> list[str]:
        """Where the item holds objects that the body can reach by another way."""
        inputs = self._logic.inputs
        places = []
        for number, part in enumerate(parts):
            for value, path in mutable_objects(part, set()):
                if id(value) in self._changed:
                    raise LookupError("it holds an object that the loop changes")
                if inputs.knows(id(value)):
                    node = inputs.nodes.get(id(value))
                    if node is None:
                        raise LookupError("it shares an object with what the body reads")
                    root = inputs.roots[node.root]
                    places.append(repr((number, path, root.module, root.name, root.steps, node.path)))
        return places

    def _look_up(self, item: Any, read: Read, place: int | None) -> None:
        """Add what the body looks up by the item, in a dict or among the columns of a frame."""
        by = item if place is None else item[place]
        if type(by) not in _BY:
            raise LookupError(f"{read.name} is looked up by a {type(by).__qualname__}")
        base, _, _ = follow(self._namespace, read)
        value, taken, _ = follow({"base": base}, Read("base", (("item", by),)))
        if taken < 1:
            raise LookupError(f"{read.name} has no {by!r}")
        self.roots.append(value)


def reaches(logic: Logic, value: Any) -> bool:
    """Whether what the body reads leads to an object, or to the memory that it lies on."""
    return any(logic.inputs.knows(ident) for ident in memory(value))


def memory(value: Any) -> set[int]:
    """The id of an object, and of the array that has its memory."""
    base = array_base(value)
    return {id(value)} if base is None else {id(value), id(base)}
