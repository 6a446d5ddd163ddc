"""Following a read along its constant steps: `cfg["lr"]`, `utils.clean`.

Steps are taken only through exact types and stored fields, so that no user code runs and nothing but the step's target
is looked at; the first step that cannot be taken so ends the path with the whole object there.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from incnb.fingerprint import origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.registry import part_taker


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
        if issubclass(cls, types.ModuleType):
            return _in_module(value, key)
        if _plain_fields(cls):
            fields = origin.fields(value)
            if key in fields:
                return (fields[key],)
        return None
    if cls is dict:
        return (value[key],) if key in value else (ABSENT,)
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


def _plain_fields(cls: type) -> bool:
    """Whether attributes of instances are stored fields and nothing else: no property, no `__getattr__`, no slots."""
    if cls is types.SimpleNamespace or (cls.__module__ == "argparse" and cls.__qualname__ == "Namespace"):
        return True
    members = origin.class_dict(cls)
    if "__dataclass_fields__" not in members or "__slots__" in members:
        return False
    return origin.mro(cls)[1:] == (object,) and not any(
        name in ("__getattr__", "__getattribute__", "__class__")
        or (_is_data_descriptor(member) and name not in _INSTANCE_SLOTS)
        for name, member in members.items()
    )


_INSTANCE_SLOTS = ("__dict__", "__weakref__")


def render(name: str, path: tuple[tuple[str, Any], ...]) -> str:
    """A path as people write it: `cfg['lr']`, `utils.clean`."""
    return name + "".join(f".{key}" if kind == "attr" else f"[{key!r}]" for kind, key in path)
