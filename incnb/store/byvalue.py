"""Reductions of what plain pickle refuses: functions and classes that no name leads back to, and small builtins.

A function or class that a name owns is saved as that name; it is what that name means when it is loaded. The others
(lambdas, closures, results of a decorator, local functions and classes) are saved by value: code, defaults, closure,
attributes. Every part is an ordinary member of the pickle around it. That is the point of not handing the object to
another pickler whole: cells shared by two functions stay shared, a class is made once, cycles work, and what must not
be saved is refused wherever it is hidden.

Each reduction makes an empty thing first and fills it afterwards, because the parts may lead back to the whole.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import importlib
import importlib.util
import io
import marshal
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, Final

from incnb.store import rebuild

Reduction = tuple[Any, ...]
Live = Callable[[str, str], object]

_STATE: Final = ("__module__", "__qualname__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__")
# What the class statement makes itself, or what only Python may set.
_MADE: Final = frozenset({"__dict__", "__weakref__", "__slots__", "__module__", "__qualname__", "_abc_impl"})
_TUPLE_MADE: Final = frozenset(
    {"__new__", "_make", "_replace", "__replace__", "__repr__", "_asdict", "__getnewargs__", "_fields"}
    | {"_field_defaults", "__slots__", "__match_args__", "__module__", "__qualname__", "__orig_bases__"}
)
_TYPES: Final = {value: name for name, value in vars(types).items() if isinstance(value, type)}


class Refused(Exception):
    """Raised inside the pickler: `obj` cannot be saved, because of `why`."""

    def __init__(self, obj: object, why: str) -> None:
        super().__init__(why)
        self.obj = obj
        self.why = why


def owned(obj: Any, live: Live) -> Any:
    """How to save a function or class as the name that owns it; None when no name does.

    For importable modules that is pickle's own way, NotImplemented.
    """
    module, qualname = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if qualname is None:
        qualname = getattr(obj, "__name__", None)
    if type(module) is not str or type(qualname) is not str or "<" in qualname:
        return None
    if module == "__main__":
        try:
            found = live(module, qualname)
        except (AttributeError, LookupError):
            return None
        return (rebuild.live, (qualname,)) if found is obj else None
    found = sys.modules.get(module)
    if found is None:
        return None
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return NotImplemented if found is obj else None


def function(obj: types.FunctionType, namespace: dict[str, Any]) -> Reduction:
    scope = obj.__globals__
    name = scope.get("__name__")
    known = namespace if name == "__main__" else getattr(sys.modules.get(str(name)), "__dict__", None)
    if scope is not known:
        # It would find other globals after a restart than it has now.
        raise Refused(obj, "a function whose global names belong to no module")
    state = {key: getattr(obj, key, None) for key in _STATE}
    if getattr(obj, "__type_params__", ()):
        state["__type_params__"] = obj.__type_params__  # type: ignore[attr-defined]
    state["__dict__"] = dict(obj.__dict__)
    args = (name, obj.__code__, obj.__name__, obj.__closure__)
    return rebuild.function, args, state, None, None, rebuild.set_function


def code(obj: types.CodeType) -> Reduction:
    try:
        return rebuild.code, (marshal.dumps(obj), importlib.util.MAGIC_NUMBER)
    except ValueError:
        raise Refused(obj, "code with constants that are not Python's own") from None


def cell(obj: types.CellType) -> Reduction:
    try:
        contents = (obj.cell_contents,)
    except ValueError:
        return rebuild.cell, ()
    return rebuild.cell, (), contents, None, None, rebuild.set_cell


def class_(obj: Any) -> Reduction:
    """A class that no name owns."""
    if obj in _TYPES:
        return rebuild.attribute, ("types", _TYPES[obj])
    if not obj.__flags__ & (1 << 9):
        raise Refused(obj, f"the type {obj.__name__} has no name by which it could be found again")
    if obj.__bases__ == (tuple,) and "_field_defaults" in vars(obj):
        return _named_tuple(obj)
    if type(obj) not in (type, abc.ABCMeta):
        raise Refused(obj, f"the class {obj.__qualname__} is owned by no name and made by {type(obj).__name__}")
    for base in obj.__mro__[1:-1]:
        if "__init_subclass__" in vars(base) and base is not typing.Generic:
            raise Refused(
                obj, f"the class {obj.__qualname__} is owned by no name and {base.__name__} counts its subclasses"
            )
    fields = dict(vars(obj))
    if type(obj) is abc.ABCMeta and abc._get_dump(obj)[0]:  # type: ignore[attr-defined]
        raise Refused(obj, f"the class {obj.__qualname__} is owned by no name and has registered subclasses")
    scope = {key: fields[key] for key in ("__module__", "__qualname__", "__slots__", "__orig_bases__") if key in fields}
    scope.setdefault("__qualname__", obj.__qualname__)
    slots = fields.get("__slots__", ())
    made = _MADE | set(scope) | {slots} if isinstance(slots, str) else _MADE | set(scope) | set(slots)
    if {"__dict__", "__weakref__"} & set(() if isinstance(slots, str) else slots):
        made |= {"__dict__", "__weakref__"}
    state = {key: value for key, value in fields.items() if key not in made and not _is_slot(obj, key, value)}
    args = (type(obj), obj.__name__, obj.__bases__, scope)
    return rebuild.skeleton, args, state, None, None, rebuild.set_class


def _is_slot(owner: type, key: str, value: object) -> bool:
    """Slots with two leading underscores bear another name in the class than in `__slots__`."""
    return type(value) is types.MemberDescriptorType and value.__objclass__ is owner


def _named_tuple(obj: Any) -> Reduction:
    fields, defaults = obj._fields, obj._field_defaults
    state = {
        key: value
        for key, value in vars(obj).items()
        if (key not in _TUPLE_MADE and key not in fields) or (key == "__repr__" and value.__module__ != "collections")
    }
    args = (obj.__name__, obj.__qualname__, obj.__module__, tuple(fields), tuple(defaults.values()))
    return rebuild.named_tuple, args, state, None, None, rebuild.set_class


def method(obj: types.MethodType) -> Reduction:
    """By its two parts: pickle would look it up by a name that may mean something else on that object."""
    return types.MethodType, (obj.__func__, obj.__self__)


def wrapper(obj: Any) -> Reduction:
    """staticmethod and classmethod, with the attributes that a decorator may have left on them."""
    extra = {key: value for key, value in vars(obj).items() if key not in _WRAPPER_MADE}
    return (
        (type(obj), (obj.__func__,), extra, None, None, rebuild.set_attributes)
        if extra
        else (type(obj), (obj.__func__,))
    )


_WRAPPER_MADE: Final = frozenset(
    ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__", "__wrapped__")
)


def property_(obj: property) -> Reduction:
    return property, (obj.fget, obj.fset, obj.fdel, obj.__doc__)


def cached_property(obj: Any) -> Reduction:
    """Without the lock that it holds up to Python 3.11."""
    state = {"attrname": obj.attrname, "__doc__": obj.__doc__}
    return type(obj), (obj.func,), state, None, None, rebuild.set_attributes


class _Underneath:
    """Comparing a proxy with this hands over the dict below it."""

    def __eq__(self, other: object) -> Any:
        return other

    __hash__ = None  # type: ignore[assignment]


def mapping_proxy(obj: Any) -> Reduction:
    below: Any = obj == _Underneath()
    owner = below.get("__dict__") if type(below) is dict else None
    if type(owner) is types.GetSetDescriptorType and vars(owner.__objclass__) == obj:
        return rebuild.class_dict, (owner.__objclass__,)
    return types.MappingProxyType, (below,)


def dict_view(obj: Any, kind: str) -> Reduction:
    below: Any = obj.mapping == _Underneath()
    return rebuild.dict_view, (below, kind)


def super_(obj: Any) -> Reduction:
    return super, (obj.__thisclass__, obj.__self__)


def descriptor(obj: Any) -> Reduction:
    return rebuild.descriptor, (obj.__objclass__, obj.__name__)


#: What `open` gives. Closed, as after `with open(...) as file`, one is no more than what it was called.
FILES: Final = frozenset({io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO})


def closed_file(obj: Any) -> Reduction:
    """A file that was closed: its name and mode; nothing is opened when it comes back."""
    text = (obj.encoding, obj.errors) if isinstance(obj, io.TextIOWrapper) else None
    if not isinstance(obj.name, str | bytes | int):
        raise Refused(obj, "an open file")
    return rebuild.closed_file, (type(obj).__name__, obj.name, str(obj.mode), text)


HANDLERS: Final[dict[type, Callable[[Any], Reduction]]] = {
    types.CodeType: code,
    types.CellType: cell,
    types.MethodType: method,
    types.MappingProxyType: mapping_proxy,
    types.MemberDescriptorType: descriptor,
    types.GetSetDescriptorType: descriptor,
    staticmethod: wrapper,
    classmethod: wrapper,
    property: property_,
    functools.cached_property: cached_property,
    super: super_,
    type({}.keys()): lambda obj: dict_view(obj, "keys"),
    type({}.values()): lambda obj: dict_view(obj, "values"),
    type({}.items()): lambda obj: dict_view(obj, "items"),
}


IDENTITY_ONLY: Final = frozenset(
    {object, type(dataclasses.MISSING), type(dataclasses.KW_ONLY)}
    | {type(getattr(dataclasses, name)) for name in ("_HAS_DEFAULT_FACTORY", "_FIELD") if hasattr(dataclasses, name)}
)


def constants() -> dict[int, Reduction]:
    """Objects known only by their identity that libraries keep in modules, as those names: `x is MISSING` must hold."""
    found: dict[int, Reduction] = {}
    for name, module in list(sys.modules.items()):
        if name != "__main__" and isinstance(module, types.ModuleType):
            for key, value in list(vars(module).items()):
                if type(value) in IDENTITY_ONLY:
                    found.setdefault(id(value), (rebuild.attribute, (name, key)))
    return found
