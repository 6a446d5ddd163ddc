"""Everything that a value holds, by whatever means: closures, partials, bound methods, iterators, views of a dict.

`graph` knows the objects that a path of stored fields leads to. Objects are shared in many other ways, and a copy where
there was one object is an altered result. The garbage collector knows what holds what, without asking any user code;
where it does not (arrays of objects, frames) the holder is looked into. Outputs that hold a common object are saved
together; an output that holds an object of an input which no path leads to cannot be saved.

Some versions of Python keep the fields of an object in the object itself, and then its `__dict__`, once somebody has
asked for it, is held by the object and told by nobody: it is asked for here.

Left out: what is the same object in every kernel (modules, functions and classes that a name owns), and what cannot
change (numbers, strings, dtypes, indexes of frames).
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable
from typing import Any

from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.graph import NODE_LIMIT, TooLarge, array_base, tensor_storage

Owned = Callable[[Any], bool]


class _Plain:
    def __init__(self) -> None:
        self.field: list[Any] = []


def _dicts_are_told() -> bool:
    one = _Plain()
    fields = vars(one)
    return any(part is fields for part in gc.get_referents(one))


_DICTS_ARE_TOLD = _dicts_are_told()

_NEVER = (
    types.ModuleType,
    types.CodeType,
    types.FrameType,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    property,
    staticmethod,
    classmethod,
)
_CONSTANT_MODULES = frozenset(
    {"re", "datetime", "decimal", "fractions", "pathlib", "uuid", "enum", "typing", "logging", "abc"}
)
_CONSTANT_PANDAS = frozenset({"Flags", "Timestamp", "Timedelta", "Period", "Interval", "NAType", "NaTType"})
_CONSTANT_TORCH = frozenset({"dtype", "device", "layout", "memory_format", "Size"})


def held(value: Any, owned: Owned, seen: dict[int, Any] | None = None) -> dict[int, Any]:
    """All objects that may change and are reachable from `value`, by id. Raises `TooLarge`."""
    found: dict[int, Any] = {} if seen is None else seen
    visited: set[int] = set(found)
    keep: list[Any] = []
    todo = [value]
    while todo:
        item = todo.pop()
        cls = type(item)
        if cls in ATOMS or id(item) in visited or _is_constant(item, cls, owned):
            continue
        visited.add(id(item))
        keep.append(item)
        if len(visited) > NODE_LIMIT:
            raise TooLarge
        if cls not in (tuple, frozenset, types.MethodType):
            found[id(item)] = item
        todo += _holds(item, cls)
    return found


def _is_constant(item: Any, cls: type, owned: Owned) -> bool:
    if isinstance(item, _NEVER):
        return True
    if isinstance(item, types.FunctionType | type):
        return owned(item)
    top = cls.__module__.partition(".")[0]
    if top in _CONSTANT_MODULES:
        return True
    if top == "numpy":
        numpy = sys.modules["numpy"]
        return isinstance(item, numpy.generic | numpy.dtype | numpy.ufunc)
    if top == "pandas":
        pandas = sys.modules["pandas"]
        return isinstance(item, pandas.Index | pandas.api.extensions.ExtensionDtype) or cls.__name__ in _CONSTANT_PANDAS
    if top == "torch":
        return cls.__name__ in _CONSTANT_TORCH
    return cls is types.BuiltinFunctionType and (item.__self__ is None or isinstance(item.__self__, types.ModuleType))


def _holds(item: Any, cls: type) -> list[Any]:
    if cls in (list, tuple, set, frozenset) and set(map(type, item)) <= ATOMS:
        return []
    if cls is dict and set(map(type, item.values())) <= ATOMS and set(map(type, item)) <= ATOMS:
        return []
    if isinstance(item, types.FunctionType):
        return [item.__defaults__, item.__kwdefaults__, item.__closure__, item.__dict__]
    if isinstance(item, type):
        return [*item.__bases__, *(v for k, v in item.__dict__.items() if k not in ("__dict__", "__weakref__"))]
    top = cls.__module__.partition(".")[0]
    if top == "numpy":
        base = array_base(item)
        if base is not None:
            inside = list(item.ravel()) if item.dtype.hasobject and item.dtype.names is None else []
            return [base, base.base, *inside, *gc.get_referents(item)]
    if top == "pandas":
        return _in_frame(item, cls)
    storage = tensor_storage(item)
    if storage is not None:
        return [storage, item.grad if item.is_leaf else None, *gc.get_referents(item)]
    return [*_fields(item, cls), *gc.get_referents(item)]


def _fields(item: Any, cls: type) -> list[Any]:
    """The `__dict__` of an object, where the collector does not tell it; a property of that name is not asked."""
    if _DICTS_ARE_TOLD or not cls.__dictoffset__:
        return []
    found = next((vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base)), None)
    return [found.__get__(item)] if isinstance(found, types.GetSetDescriptorType) else []


def _in_frame(item: Any, cls: type) -> list[Any]:
    """What a frame holds that is not its own: attrs, and objects in its cells. Its memory is copied on write."""
    pandas = sys.modules["pandas"]
    if not isinstance(item, pandas.DataFrame | pandas.Series):
        return gc.get_referents(item)
    out: list[Any] = [item.attrs] if item.attrs else []
    columns = [item] if isinstance(item, pandas.Series) else [item.iloc[:, i] for i in range(item.shape[1])]
    for column in columns:
        if column.dtype.name == "object":
            values = column.to_numpy()
            if not set(map(type, values)) <= ATOMS:
                out += list(values)
    return out
