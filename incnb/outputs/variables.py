"""Variables: what was there before a run, what changed, and how it is saved and put back.

Before the run every mutable object that the inputs hold gets a reference: the name that leads to it and the path from
there. After the run, outputs are pickled with these references in place of the objects, so that `b = a` restores as the
live `a` and not as a copy. An input object that changed is *patched*: its new state is saved beside the outputs and is
given to the live object on reuse. Outputs that share mutable objects are saved as one group, so aliasing survives.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from incnb.fingerprint import Unfingerprintable, origin
from incnb.fingerprint.door import encode
from incnb.fingerprint.graph import Path, TooLarge, array_base, mutable_objects, tensor_storage
from incnb.fingerprint.instances import is_plain_instance
from incnb.model import IncnbError
from incnb.outputs import columns, patches
from incnb.outputs.held import held

Reference = tuple[str | None, str, tuple[tuple[str, Any], ...]]  # module or None, name, path through exact types

RESULT = "<result>"  # stands among the names for the value of the cell's last expression
PATCHES = "<patches>"


class Pickled(Protocol):
    """What a pickler gives: the pickle, and the large buffers that it left out."""

    @property
    def data(self) -> bytes: ...

    @property
    def buffers(self) -> tuple[memoryview, ...]: ...


class NotSaved(IncnbError):
    """What a run left behind cannot be saved as a whole; the message says which part and why."""


_HOLDERS: tuple[type, ...] = (
    types.BuiltinFunctionType,
    types.CellType,
    types.FunctionType,
    types.MappingProxyType,
    functools.partial,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


@dataclass(slots=True)
class Node:
    """One mutable object of an input, before the run."""

    value: Any
    root: int
    path: Path | None
    before: Any
    cls: type
    axes: list[tuple[Any, tuple[Any, ...]]] = field(default_factory=list)  # of a frame, with their names


@dataclass(slots=True)
class Root:
    """One input: where it is found, the object, and its fingerprint before the run."""

    module: str | None
    name: str
    steps: Path
    value: Any
    fp: str
    locator: str
    partial: bool = False  # only parts of it are relied on, so that it may hold other things at reuse


class Inputs:
    """The mutable objects that a cell's inputs hold, as they were before it ran."""

    def __init__(self, roots: Iterable[Root], namespace: dict[str, Any], codes: dict[str, Any] | None = None):
        self.roots = list(roots)
        self.nodes: dict[int, Node] = {}
        self.too_large: set[int] = set()
        self.referred: list[tuple[Any, ...]] = []
        self.partial = False  # whether what was referred to may hold other things at reuse
        self.lost: str | None = None  # an input that an output holds a part of, which no path leads to
        known: set[int] = set()
        for number, root in enumerate(self.roots):
            try:
                for value, path in mutable_objects(root.value, known):
                    if id(value) not in self.nodes:
                        self.nodes[id(value)] = Node(
                            value, number, path, self._before(value, path, root), type(value), _axes(value)
                        )
            except TooLarge:
                self.too_large.add(number)
        #: What the inputs hold and no path leads to: by id, the object and the input.
        self.beyond: dict[int, tuple[Any, str]] = {}
        self.hidden: dict[int, str] = {}  # roots that hold something with a state of its own that no patch reaches
        owned = owned_in(namespace)
        codes = codes or {}
        for number, root in enumerate(self.roots):
            if number not in self.too_large:
                for ident, value in _held(root.value, root.locator, owned).items():
                    if ident not in self.nodes:
                        self.beyond[ident] = (value, root.locator)
                        if isinstance(value, _HOLDERS) or hasattr(type(value), "__next__"):
                            self.hidden[number] = type(value).__qualname__
        for name, code in codes.items():
            parts = list(code.__dict__.values())
            if isinstance(code, types.FunctionType):
                parts = [code.__defaults__, code.__kwdefaults__, code.__closure__, code.__dict__]
            for ident, value in _held(parts, name, owned).items():
                if ident not in self.nodes and value is not parts:
                    self.beyond[ident] = (value, name)

    @staticmethod
    def _before(value: Any, path: Path | None, root: Root) -> Any:
        return root.fp if path == () else _snapshot(value)

    def changed(self, moved: set[int]) -> list[Node]:
        """The nodes that changed, looked for below the roots whose fingerprints `moved`. Raises `NotSaved`."""
        for number in moved & self.too_large:
            raise NotSaved(f"{self.roots[number].locator} changed in place and is too large to follow")
        out = []
        for node in self.nodes.values():
            if node.root in moved and _differs(node, self.roots[node.root]):
                out.append(node)
        known = {id(node.value) for node in out}
        for number in moved:
            root = self.roots[number]
            if not any(id(value) in known for value, _ in mutable_objects(root.value, set())):
                raise NotSaved(f"{root.locator} changed in place, inside something that no path leads to")
            if self.hidden.get(number):
                raise NotSaved(f"{root.locator} changed in place, and it holds a {self.hidden[number]}")
        return out

    def knows(self, ident: int) -> bool:
        """Whether the object with this id was held by an input when the run began."""
        return ident in self.nodes or ident in self.beyond

    def reference(self, value: Any) -> tuple[Any, ...] | None:
        """How to find an object again that an input holds; None for any other object."""
        node = self.nodes.get(id(value))
        if node is None or node.value is not value:
            return None
        root = self.roots[node.root]
        if node.path is None:
            self.lost = root.locator
            return None
        found = (root.module or "", root.name, root.steps, node.path)
        self.referred.append(found)
        self.partial = self.partial or root.partial
        return found


def _snapshot(value: Any) -> Any:
    shallow = patches.state_of(value) if not _is_leaf(value) else None
    if shallow is not None:
        return shallow
    try:
        return encode(value).digest().hex()
    except Unfingerprintable:
        return None


def _is_leaf(value: Any) -> bool:
    return not (isinstance(value, list | dict | set | bytearray) or is_plain_instance(value))


def _differs(node: Node, root: Root) -> bool:
    if isinstance(node.before, tuple):
        now = patches.state_of(node.value)
        return now is None or not _same(node.before[1], now[1])
    now = _snapshot(node.value)
    if node.path == () and isinstance(now, tuple):
        return True  # the root itself; its fingerprint moved, whether here or below is not worth telling apart
    return now is None or now != node.before


def _same(before: Any, now: Any) -> bool:
    """Whether two shallow states hold the very same objects in the same places."""
    if isinstance(before, bytes):
        return bool(before == now)
    if isinstance(before, dict):
        return list(before) == list(now) and all(before[k] is now[k] for k in before)
    if len(before) != len(now):
        return False
    if isinstance(before, tuple) and isinstance(now, tuple):  # the keys and the values of a mapping
        return _same(before[0], now[0]) and _same(before[1], now[1])
    return all(a is b for a, b in zip(before, now, strict=True))


@dataclass(slots=True)
class Group:
    """Outputs that share objects, pickled together; patches change live objects that inputs hold."""

    names: list[str]
    pickled: Pickled
    patched: list[str] = field(default_factory=list)
    refers: list[tuple[Any, ...]] = field(default_factory=list)  # to objects of the inputs
    partial: bool = False  # some of those may hold other things at reuse

    @property
    def size(self) -> int:
        return len(self.pickled.data) + sum(b.nbytes for b in self.pickled.buffers)


def save(
    values: dict[str, Any],
    changed: list[Node],
    inputs: Inputs,
    namespace: dict[str, Any],
    dump: Callable[..., Pickled],
) -> list[Group]:
    """Pickle outputs and patches, in groups that share no mutable object. Raises `NotSaved` or what `dump` raises."""
    states: list[tuple[Any, str, Any, str]] = []
    for node in changed:
        state = patches.state_of(node.value)
        locator = inputs.roots[node.root].locator
        if state is None or node.path is None or type(node.value) is not node.cls:
            raise NotSaved(
                f"{locator} changed in place, and a {type(node.value).__qualname__} cannot be changed so again"
            )
        if any(tuple(axis.names) != names for axis, names in node.axes):
            raise NotSaved(f"an index of {locator} changed in place")
        states.append((node.value, *state, locator))

    owned = owned_in(namespace, values)
    _check_indexes(values, namespace)
    owners: dict[int, str] = {}
    parent: dict[str, str] = {name: name for name in values}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    if states:
        parent[PATCHES] = PATCHES
    arrays: dict[int, int] = {}
    foreign: set[int] = set()  # memory of masked arrays and the like, which pickle takes apart
    exact: dict[int, str] = {}
    for name, value in [*values.items(), *((PATCHES, s[2]) for s in states)]:
        try:
            objects = list(mutable_objects(value, set()))
        except TooLarge:
            raise NotSaved(f"{name} is too large to follow what it shares") from None
        for item, path in objects:
            _check_memory(item, name)
            base = array_base(item)
            if base is not None and base is not item and base.nbytes <= max(8 * item.nbytes, 1 << 20):
                arrays[id(base)] = 2  # `.base` gives it to whoever asks
            if base is item:
                arrays[id(item)] = arrays.get(id(item), 0) + (2 if path is None or path[-1:] != (("b", 0),) else 1)
            if id(item) in inputs.nodes:
                continue
            first = owners.setdefault(id(item), name)
            if find(first) != find(name):
                parent[find(name)] = find(first)
        reach = _held(value, name, owned)
        other = columns.shared_with(reach.values(), namespace)
        if other is not None:
            raise NotSaved(f"{name} lies on the memory of {other}")
        for cls in {type(item) for item in reach.values()}:
            if has_finalizer(cls):
                raise NotSaved(f"{name} holds a {cls.__qualname__}, which does something when it goes (__del__)")
        foreign |= {id(array_base(v)) for v in reach.values() if _is_subclass_array(v)}
        foreign |= {id(array_base(v.mask)) for v in reach.values() if _is_subclass_array(v) and hasattr(v, "mask")}
        exact |= {
            id(array_base(v)): name
            for v in (value, *_top(value))
            if array_base(v) is not None and not _is_subclass_array(v)
        }
        for ident in reach:
            if ident in inputs.nodes:
                continue
            if ident in inputs.beyond:
                raise NotSaved(f"{name} holds a part of {inputs.beyond[ident][1]} that no path leads to")
            first = owners.setdefault(ident, name)
            if find(first) != find(name):
                parent[find(name)] = find(first)
    for ident in foreign & exact.keys():
        raise NotSaved(f"{exact[ident]} shares memory with an array of a class of its own")
    members: dict[str, list[str]] = {}
    for name in parent:
        members.setdefault(find(name), []).append(name)
    shared = {ident for ident, count in arrays.items() if count > 1} | {
        i for i, n in inputs.nodes.items() if array_base(n.value) is n.value
    }

    groups = []
    for names in members.values():
        own = {name: values[name] for name in names if name != PATCHES}
        if PATCHES in names:
            own[PATCHES] = [s[:3] for s in states]
        inputs.referred, inputs.partial = [], False
        pickled = dump(
            own,
            root="",
            refer=inputs.reference,
            live=live_in(namespace, values),
            shares=lambda base: id(base) in shared,
            namespace=namespace,
        )
        if inputs.lost is not None:
            raise NotSaved(f"an output holds a part of {inputs.lost} that no path leads to")
        patched = sorted({s[3] for s in states}) if PATCHES in names else []
        groups.append(
            Group(
                sorted(n for n in own if n != PATCHES),
                pickled,
                patched,
                list(dict.fromkeys(inputs.referred)),
                inputs.partial,
            )
        )
    return groups


def _axes(value: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, pandas.DataFrame | pandas.Series):
        return []
    return [(axis, tuple(axis.names)) for axis in value.axes]


def _check_indexes(values: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Refuse an index bound on its own that is also the index of a frame: its names may change in place."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return
    bare = {id(v): name for name, value in values.items() for v in (value, *_top(value)) if isinstance(v, pandas.Index)}
    if not bare:
        return
    for holder in [*values.values(), *namespace.values()]:
        for frame in (holder, *_top(holder)):
            for axis, _ in _axes(frame):
                if id(axis) in bare:
                    raise NotSaved(f"{bare[id(axis)]} is the index of a frame as well")


def has_finalizer(cls: type) -> bool:
    """Whether a class of ours runs code when an object of it goes; nobody must make another one of those."""
    return any("__del__" in base.__dict__ and origin.is_ours(origin.class_origin(base)) for base in cls.__mro__)


def _is_subclass_array(value: Any) -> bool:
    return array_base(value) is not None and type(value).__name__ != "ndarray"


def _top(value: Any) -> list[Any]:
    """The direct members of a container of Python."""
    return list(value.values()) if type(value) is dict else list(value) if type(value) in (list, tuple) else []


def _check_memory(item: Any, name: str) -> None:
    """Refuse arrays whose sharing of memory no pickle can keep."""
    base = array_base(item)
    if base is None:
        return
    memory = base.base.obj if isinstance(base.base, memoryview) else base.base
    # two references: the one that the view holds, and the argument
    if type(memory).__name__ in ("bytearray", "array", "mmap") and sys.getrefcount(memory) > 3:
        raise NotSaved(f"{name} is an array over the memory of a {type(memory).__name__}")
    storage = tensor_storage(base.base)
    if storage is not None:
        # two references: those of the tensor in between and of the object that stands for the storage
        used = getattr(sys.modules["torch"]._C, "_storage_Use_Count", lambda _: 3)
        if used(storage._cdata) > 2:
            raise NotSaved(f"{name} is an array over the memory of a tensor")


def live_in(namespace: dict[str, Any], but: Container[str] = ()) -> Callable[[str, str], object]:
    """What a qualified name of the notebook means now; nothing if it begins with one of `but`, yet to be restored."""

    def live(module: str, qualname: str) -> object:
        top = qualname.partition(".")[0]
        found: Any = namespace.get(top) if top not in but else None
        for part in qualname.split(".")[1:]:
            found = getattr(found, "__dict__", {}).get(part)
        return found

    return live


def owned_in(namespace: dict[str, Any], but: Container[str] = ()) -> Callable[[Any], bool]:
    """Whether a function or class is found again by its name; `but`: names that are restored with it."""
    live = live_in(namespace, but)

    def owned(item: Any) -> bool:
        if getattr(item, "__module__", None) == "__main__":
            return live("__main__", item.__qualname__) is item
        return "<locals>" not in item.__qualname__

    return owned


def _held(value: Any, name: str, owned: Callable[[Any], bool]) -> dict[int, Any]:
    try:
        return held(value, owned)
    except TooLarge:
        raise NotSaved(f"{name} is too large to follow what it shares") from None
