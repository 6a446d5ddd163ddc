"""Plain instances: objects that are nothing but fields and slots, read without running any code of their class."""

from __future__ import annotations

import types
from typing import Any

from incnb.fingerprint.registry import find_handler

_HEAP_TYPE = 1 << 9


def slots_of(cls: type) -> dict[str, Any]:
    """The slot descriptors of a class and its bases, by name."""
    return {
        name: member
        for base in reversed(cls.__mro__)
        for name, member in base.__dict__.items()
        if isinstance(member, types.MemberDescriptorType) and base.__flags__ & _HEAP_TYPE and not name.startswith("__")
    }


def raw_state(value: Any) -> dict[str, Any]:
    """Fields and filled slots of an instance."""
    state: dict[str, Any] = {}
    fields = getattr(value, "__dict__", None)
    if type(fields) is dict:
        state.update(fields)
    for name, descriptor in slots_of(type(value)).items():
        try:
            state[name] = descriptor.__get__(value, type(value))
        except AttributeError:
            continue
    return state


def is_plain_instance(value: Any) -> bool:
    """Whether an object is fully described by fields and slots: made by class statements, nothing in C beneath."""
    cls = type(value)
    if cls is not types.SimpleNamespace and find_handler(cls) is not None:
        return False  # a frame, a generator: known by what it means, not by its fields
    if isinstance(value, type | BaseException) or type(getattr(value, "__dict__", None)) not in (dict, type(None)):
        return False
    slots = slots_of(cls)
    size = object.__basicsize__ + 8 * len(slots) + 8 * (hasattr(value, "__dict__") + hasattr(value, "__weakref__"))
    made_here = all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)
    if cls is types.SimpleNamespace:
        return True
    return (
        made_here and (hasattr(value, "__dict__") or bool(slots)) and cls.__basicsize__ <= size and not cls.__itemsize__
    )
