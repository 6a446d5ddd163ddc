"""Which objects hang together: the mutable objects reachable from a value, each with the path that leads to it.

Containers of Python and plain instances are walked through; everything else (a frame, an array, an estimator's tree)
is a leaf with an identity. Paths are made of steps that can be taken again later: `("i", 0)`, `("k", "lr")`,
`("a", "steps")`. An object that no such path leads to (a member of a set) is known, and cannot be referred to.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Iterator
from typing import Any

from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.instances import is_plain_instance, raw_state

Step = tuple[str, Any]
Path = tuple[Step, ...]
NODE_LIMIT = 200_000
DEPTH_LIMIT = 60  # longer paths are not followed: they would cost the square of the depth

_LEAVES: tuple[type, ...] = (
    types.BuiltinFunctionType,
    types.ModuleType,
    types.CodeType,
    range,
)
_MAPPINGS = (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)


class TooLarge(Exception):
    """More objects than `NODE_LIMIT`: sharing cannot be followed at a reasonable cost."""


def mutable_objects(value: Any, known: set[int] | None = None) -> Iterator[tuple[Any, Path | None]]:
    """Every object with an identity reachable from `value`, once each, with its path (None: no path leads to it)."""
    seen: set[int] = known if known is not None else set()
    todo: list[tuple[Any, Path | None]] = [(value, ())]
    tuples: list[Any] = []  # kept alive, so that ids in `seen` stay theirs
    while todo:
        item, path = todo.pop()
        cls = type(item)
        if cls in ATOMS or isinstance(item, _LEAVES) or id(item) in seen:
            continue
        if isinstance(item, type | types.FunctionType) and "<" not in item.__qualname__:
            continue  # found again by its name, if it is found at all
        seen.add(id(item))
        if len(seen) > NODE_LIMIT:
            raise TooLarge
        if cls is tuple:
            tuples.append(item)
        else:
            yield item, path
            base = array_base(item)
            if base is not None and base is not item and id(base) not in seen:
                seen.add(id(base))
                yield base, None if path is None else (*path, ("b", 0))
            storage = tensor_storage(item)
            if storage is not None and id(storage) not in seen:
                seen.add(id(storage))
                yield storage, None if path is None else (*path, ("s", 0))
        todo += _children(item, cls, path)


def _children(item: Any, cls: type, path: Path | None) -> list[tuple[Any, Path | None]]:
    if cls in (list, tuple, collections.deque):
        return [(v, _then(path, "i", i)) for i, v in enumerate(item) if type(v) not in ATOMS]
    if cls in _MAPPINGS:
        found = [
            (v, _then(path, "k", k) if type(k) in (str, int, float, bool) else None)
            for k, v in item.items()
            if type(v) not in ATOMS
        ]
        return found + [(k, None) for k in item if type(k) not in ATOMS]
    if cls in (set, frozenset):
        return [(v, None) for v in item if type(v) not in ATOMS]
    if cls is types.MethodType:
        return [(item.__self__, _then(path, "a", "__self__"))]
    if isinstance(item, type | types.FunctionType):
        return []
    if is_plain_instance(item):
        return [(v, _then(path, "a", k)) for k, v in raw_state(item).items() if type(v) not in ATOMS]
    return []


def _then(path: Path | None, kind: str, key: Any) -> Path | None:
    return None if path is None or len(path) > DEPTH_LIMIT else (*path, (kind, key))


def array_base(value: Any) -> Any:
    """The array that owns the memory of a numpy array; None for everything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    base = value
    while isinstance(base.base, numpy.ndarray):
        base = base.base
    return base


def tensor_storage(value: Any) -> Any:
    """The memory that a tensor of torch lies on, one object for all tensors on it; None for everything else."""
    torch = sys.modules.get("torch")
    cls: Any = getattr(torch, "Tensor", None)
    if cls is None or not isinstance(value, cls):
        return None
    try:
        return value.untyped_storage()  # type: ignore[union-attr, unused-ignore]
    except (NotImplementedError, RuntimeError):  # sparse, or a class of its own
        return None


def walk(value: Any, path: Path) -> Any:
    """The object at a path. Raises LookupError or AttributeError where the path leads nowhere."""
    for kind, key in path:
        if kind == "i":
            value = value[key]
        elif kind == "k":
            value = dict.__getitem__(value, key)
        elif kind == "a":
            value = value.__self__ if key == "__self__" else raw_state(value)[key]
        elif kind == "s":
            value = tensor_storage(value)
        else:
            value = array_base(value)
    return value
