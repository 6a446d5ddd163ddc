"""What one item left, as bytes: operands of its effects, names that it bound, what it showed, files that it read.

All that an item made is saved as one group when it ends, so that what is one object stays one. What was there before
is referred to: objects of the inputs by their names, and what belongs to the item itself (`out.append(row)`) by the
item, so that on reuse the live objects stand there. Numbers and texts, and containers of them that the item made, take
a short way.
"""

from __future__ import annotations

import contextlib
import io
import marshal
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import dumps as to_json  # bound here: whoever patches json does not mean us
from json import loads as from_json  # bound here: whoever patches json does not mean us
from typing import Any

import xxhash

from incnb.engine.keep import check_faithful
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.graph import mutable_objects
from incnb.model import Dependency
from incnb.outputs.events import Event
from incnb.outputs.held import held
from incnb.outputs.loaded import resolver
from incnb.outputs.variables import Inputs, Node, NotSaved, Root, owned_in, save
from incnb.store import BlobRef, Store, dump, load
from incnb.store.frames import VARIANT

ITEM = "<item>"  # stands for the module in references to what belongs to the item
INLINE = 64 * 1024  # bytes: what is longer is kept on its own
LARGE = 256 * 1024  # bytes, about, from which on a value that the next item binds anew is not kept
MOST_SMALL = 1000  # objects that the short way looks at
_ATOMS, _SCALARS, _CONTAINERS, _OTHER = range(4)
_IMMUTABLE = frozenset({"datetime", "date", "time", "timedelta", "Decimal", "Fraction", "Timestamp", "Timedelta"})
_IMMUTABLE_MODULES = frozenset({"datetime", "decimal", "fractions", "pandas"})

Effect = tuple[int, tuple[Any, ...]]  # slot, operands


@dataclass(slots=True)
class Outcome:
    """What one item left."""

    effects: Sequence[Effect]
    binds: dict[str, Any] = field(default_factory=dict)
    deleted: Sequence[str] = ()
    events: Sequence[Event] = ()
    own: Sequence[Dependency] = ()
    left: Sequence[str] = ()  # names that it bound, and whose values are not kept


class Packer:
    """Turns outcomes into bytes and back, for one loop. `inputs` gives the objects that items may refer to."""

    def __init__(self, store: Store, namespace: dict[str, Any], inputs: Callable[[], Inputs], *, closures: bool = True):
        """`closures`: functions may be kept; not those of a comprehension, whose items share its variables."""
        self._closures = closures
        self._store = store
        self._namespace = namespace
        self._inputs = inputs
        self._levels: dict[type, int] = dict.fromkeys(ATOMS, _ATOMS)

    def pack(self, outcome: Outcome, roots: Sequence[Any]) -> bytes:
        """`roots` are the item and what was looked up by it. Raises `NotSaved`, `Unpicklable`, `StoreError`."""
        effects, binds = outcome.effects, outcome.binds
        if any(type(root) is float and root != root for root in roots):
            raise NotSaved("an item that is not a number is told by its identity")
        level = self._level([v for _, operands in effects for v in operands])
        if binds:
            level = max(level, self._level(binds.values()))
        events = to_json([e.to_dict() for e in outcome.events]) if outcome.events else ""
        own = to_json([d.to_dict() for d in outcome.own]) if outcome.own else ""
        extra = (list(outcome.deleted), events, own, list(outcome.left))
        files = repr([(d.kind, d.locator, d.fp) for d in outcome.own]).encode("utf-8", "surrogatepass")
        variant = xxhash.xxh3_64_digest(files) if own else b""
        tags = (b"A", b"P", b"G", b"B") if own else (b"a", b"p", b"g", b"b")
        if level == _ATOMS:
            tag, body = tags[0], marshal.dumps((list(effects), binds, *extra), 2)
        elif level == _SCALARS or (level == _CONTAINERS and self._is_own([*effects, binds], roots)):
            tag, body = tags[1], pickle.dumps((list(effects), binds, *extra), 5)
        else:
            tag, body = tags[2], self._groups(outcome, extra, roots)
        if len(body) > INLINE:
            tag, body = tags[3], to_json([tag.decode().lower(), self._store.put_blob(body).to_dict()]).encode()
        return tag + variant + body

    def unpack(self, payload: bytes | memoryview) -> Packed:
        """What was packed; values of groups are loaded by `Packed.load`."""
        tag = payload[:1]
        body = memoryview(payload)[1 + (VARIANT if tag in b"APGB" else 0) :]
        if tag in b"bB":
            kind, reference = from_json(bytes(body))
            tag, body = kind.encode(), self._store.read(BlobRef.from_dict(reference), raw=False)
        if tag in b"aA":
            return Packed(*marshal.loads(body))
        if tag in b"pP":
            return Packed(*pickle.loads(body))
        groups, layout, names, *extra = marshal.loads(body)
        packed = Packed([], {}, *extra)
        packed.groups, packed.layout, packed.names = groups, layout, names
        return packed

    def load(self, packed: Packed, roots: Sequence[Any]) -> None:
        """Load what is in groups. Raises `StoreError`, `LoadError`, `LookupError`."""
        if packed.groups is None:
            return
        values: dict[str, Any] = {}
        resolve = resolver(self._namespaces(roots))
        for data, buffers in packed.groups:
            views = [self._store.read(BlobRef.from_dict(from_json(b)), raw=True) for b in buffers]
            loaded: Any = load(data, views, resolve=resolve, namespace=self._namespace)
            values |= loaded
        packed.effects = [(slot, tuple(values[name] for name in names)) for slot, names in packed.layout]
        packed.binds = {name: values[name] for name in packed.names}

    # -- inside

    def _level(self, values: Iterable[Any]) -> int:
        """The worst sort of value among these."""
        level = _ATOMS
        levels = self._levels
        for value in values:
            cls = type(value)
            one = levels.get(cls)
            if one is None:
                one = levels[cls] = _level_of(cls)
            if cls is tuple:
                one = self._level(value)
            elif one == _CONTAINERS and level < _OTHER:
                parts = [*value, *value.values()] if cls is dict else value
                one = _CONTAINERS if len(parts) <= MOST_SMALL and self._level(parts) < _OTHER else _OTHER
            if one > level:
                level = one
                if level == _OTHER:
                    break
        return level

    def _is_own(self, values: Sequence[Any], roots: Sequence[Any]) -> bool:
        """Whether every container among these was made by the item, and is there once."""
        known: set[int] = set()
        owned = owned_in(self._namespace)
        for root in roots:
            if type(root) not in ATOMS:
                known |= {id(value) for value, _ in mutable_objects(root, set())} | held(root, owned).keys()
        inputs = self._inputs()
        todo: list[Any] = list(values)
        top = len(todo)
        count = 0
        while todo:
            value = todo.pop()
            cls = type(value)
            if cls in ATOMS:
                continue
            count += 1
            if count > MOST_SMALL + top:
                return False
            if cls in (list, dict, set):
                if id(value) in known or inputs.knows(id(value)):
                    return False
                known.add(id(value))
            if cls in (list, set, tuple):
                todo += value
            elif cls is dict:
                todo += [*value, *value.values()]
        return True

    def _groups(self, outcome: Outcome, extra: tuple[Any, ...], roots: Sequence[Any]) -> bytes:
        values: dict[str, Any] = {}
        layout = []
        for number, (slot, operands) in enumerate(outcome.effects):
            names = [f"<{number}.{place}>" for place in range(len(operands))]
            values |= dict(zip(names, operands, strict=True))
            layout.append((slot, names))
        values |= outcome.binds
        if not self._closures:
            owned = owned_in(self._namespace)
            if any(type(part) is types.CellType for v in values.values() for part in held(v, owned).values()):
                raise NotSaved("it keeps a function that looks at variables of the comprehension")
        inputs = self._inputs()
        # classes that print while they are pickled print into nobody's cell
        quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with _with_item(inputs, roots, self._namespace), quiet[0], quiet[1]:
            groups = save(values, [], inputs, self._namespace, dump)
            for group in groups:
                check_faithful(group, values, self._namespace, self._namespaces(roots))
        written = []
        for group in groups:
            buffers = [to_json(self._store.put_blob(b).to_dict()) for b in group.pickled.buffers]
            written.append((group.pickled.data, buffers))
        return marshal.dumps((written, layout, list(outcome.binds), *extra), 2)

    def _namespaces(self, roots: Sequence[Any]) -> Callable[[str], dict[str, Any]]:
        def namespaces(module: str) -> dict[str, Any]:
            if module == ITEM:
                return {str(number): root for number, root in enumerate(roots)}
            return self._namespace if not module else sys.modules[module].__dict__

        return namespaces


class Packed:
    """An outcome on its way back."""

    __slots__ = ("binds", "deleted", "effects", "events", "groups", "layout", "left", "names", "own")

    def __init__(
        self,
        effects: list[Effect],
        binds: dict[str, Any],
        deleted: list[str],
        events: str,
        own: str,
        left: Sequence[str] = (),
    ):
        self.left = left
        self.effects = effects
        self.binds = binds
        self.deleted = deleted
        self.events = events  # JSON, or empty
        self.own = own
        self.groups: list[tuple[bytes, list[str]]] | None = None
        self.layout: list[tuple[int, list[str]]] = []
        self.names: list[str] = []

    def shown(self) -> list[Event]:
        return [Event.from_dict(e) for e in from_json(self.events)] if self.events else []

    def files(self) -> list[Dependency]:
        return [Dependency.from_dict(d) for d in from_json(self.own)] if self.own else []


def _level_of(cls: type) -> int:
    if cls is slice:
        return _SCALARS
    if cls in (list, dict, set):
        return _CONTAINERS
    numpy = sys.modules.get("numpy")
    if hasattr(numpy, "generic") and issubclass(cls, numpy.generic):  # type: ignore[union-attr]
        return _SCALARS if not issubclass(cls, (numpy.void, numpy.object_)) else _OTHER  # type: ignore[union-attr]
    top = cls.__module__.partition(".")[0]
    return _SCALARS if cls.__name__ in _IMMUTABLE and top in _IMMUTABLE_MODULES else _OTHER


@contextmanager
def _with_item(inputs: Inputs, roots: Sequence[Any], namespace: dict[str, Any]) -> Iterator[None]:
    """What belongs to the item is referred to as well."""
    nodes: list[int] = []
    beyond: list[int] = []
    count = len(inputs.roots)
    owned = owned_in(namespace)
    try:
        for number, root in enumerate(roots):
            inputs.roots.append(Root(ITEM, str(number), (), root, "", "the item"))
            for value, path in mutable_objects(root, set()):
                if id(value) not in inputs.nodes:
                    inputs.nodes[id(value)] = Node(value, count + number, path, None, type(value))
                    nodes.append(id(value))
            for ident, value in held(root, owned).items():
                if ident not in inputs.nodes and ident not in inputs.beyond:
                    inputs.beyond[ident] = (value, "the item")
                    beyond.append(ident)
        yield
    finally:
        del inputs.roots[count:]
        for ident in nodes:
            del inputs.nodes[ident]
        for ident in beyond:
            del inputs.beyond[ident]


def snapshot(value: Any) -> Any:
    """A copy of an operand whose content is taken over at once (`extend`, `+=`), as it is now. Raises `NotSaved`.

    What it holds stays what it is: whoever takes the content over takes the same objects.
    """
    cls = type(value)
    if cls in ATOMS or cls in (tuple, range, frozenset, slice):
        return value
    if cls in (list, dict, set):
        return cls(value)
    module = cls.__module__.partition(".")[0]
    if module == "numpy" and not hasattr(value, "shape"):
        return value
    if module in ("numpy", "pandas") and hasattr(value, "copy"):
        return value.copy()
    if cls.__name__ in _IMMUTABLE and module in _IMMUTABLE_MODULES:
        return value
    raise NotSaved(f"a {cls.__qualname__} is taken over as it is at that moment")


def weight(value: Any) -> int:
    """About how many bytes a value takes, told quickly."""
    cls = type(value)
    if cls in ATOMS:
        return len(value) if cls in (str, bytes) else 0
    if cls in (list, tuple, set, frozenset, dict):
        return 50 * len(value)
    for name in ("nbytes", "size"):
        found = getattr(value, name, None) if cls.__module__.partition(".")[0] in _SIZED else None
        if type(found) is int:
            return found * (8 if name == "size" else 1)
    return 0


_SIZED = frozenset({"numpy", "pandas", "scipy", "polars", "pyarrow", "torch", "xarray"})
