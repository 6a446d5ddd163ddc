"""Following a read along its constant steps: `cfg["lr"]`, `utils.clean`.

Steps are taken only through exact types and stored fields, so that no user code runs and nothing but the step's target
is looked at; the first step that cannot be taken so ends the path with the whole object there.
"""

from __future__ import annotations

import builtins
import collections
import types
from typing import Any

from incnb.fingerprint import origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.registry import find_handler, part_taker


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()


def follow(namespace: dict[str, Any], read: Read) -> tuple[Any, int, bool]:
    """Follow a read from its namespace: the object reached, how many steps were taken, and whether through a module."""
    if read.name in namespace:
        value = namespace[read.name]
    elif hasattr(builtins, read.name):
        return getattr(builtins, read.name), 0, False
    else:
        return ABSENT, 0, False
    through_module = False
    for taken, (kind, key) in enumerate(read.path):
        step = take_step(value, kind, key)
        if step is None:
            return value, taken, through_module
        through_module = through_module or issubclass(type(value), types.ModuleType)
        value = step[0]
        if value is ABSENT:
            return ABSENT, taken + 1, through_module
    return value, len(read.path), through_module


def take_step(value: Any, kind: str, key: Any) -> tuple[Any] | None:
    """The part of `value` at one step, wrapped; None when the path cannot be followed there. ABSENT = no such part."""
    cls = type(value)
    if kind == "attr":
        return _in_module(value, key) if issubclass(cls, types.ModuleType) else _field(value, cls, key)
    if type(key) is int and key < 0:
        return None  # no locator is written for it
    if cls is dict:
        return (value[key],) if key in value else (ABSENT,)
    if cls in (list, tuple):
        return None if type(key) is not int else (value[key],) if key < len(value) else (ABSENT,)
    part = part_taker(cls)
    return part(value, key) if part is not None else None


def _in_module(module: types.ModuleType, key: str) -> tuple[Any] | None:
    cls = type(module)
    if cls is not types.ModuleType:
        asks = _class_attribute(cls, "__getattribute__")
        if asks is not _MODULE_LOOKUP or _is_data_descriptor(_class_attribute(cls, key)):
            return None  # a lazy module, or one whose class answers for it
    members = module.__dict__
    if key in members:
        return (members[key],)
    if "__getattr__" in members or cls is not types.ModuleType or hasattr(types.ModuleType, key):
        return None
    return (ABSENT,)


def _class_attribute(cls: type, name: str) -> Any:
    for base in origin.mro(cls):
        if name in base.__dict__:
            return base.__dict__[name]
    return None


_MODULE_LOOKUP = vars(types.ModuleType)["__getattribute__"]


def _is_data_descriptor(member: Any) -> bool:
    return hasattr(type(member), "__set__") or hasattr(type(member), "__delete__")


def _field(value: Any, cls: type, key: str) -> tuple[Any] | None:
    """What an object keeps under a name, where loading the attribute runs nothing of its class: no property, no
    `__getattr__`. A field of a type that is known by what it means (a frame) is no field of its own."""
    if issubclass(cls, type | types.FunctionType) or (cls is not types.SimpleNamespace and find_handler(cls)):
        return None
    if _class_attribute(cls, "__getattribute__") not in _PLAIN_LOOKUPS:
        return None
    member = _class_attribute(cls, key)
    if type(member) in (types.MemberDescriptorType, _TUPLE_GETTER):  # a slot, a field of a named tuple
        try:
            return (member.__get__(value, cls),)
        except AttributeError:
            return None
    if _is_data_descriptor(member):
        return None
    fields = origin.fields(value)
    return (fields[key],) if key in fields else None


_GROUND = (object, types.SimpleNamespace, tuple, list, dict)
_PLAIN_LOOKUPS = [vars(cls)["__getattribute__"] for cls in _GROUND if "__getattribute__" in vars(cls)]
_TUPLE_GETTER = type(vars(collections.namedtuple("_Pair", "first"))["first"])


def render(name: str, path: tuple[tuple[str, Any], ...]) -> str:
    """A path as people write it: `cfg['lr']`, `utils.clean`."""
    return name + "".join(f".{key}" if kind == "attr" else f"[{key!r}]" for kind, key in path)
