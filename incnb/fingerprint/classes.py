"""Classes: their skeleton and their code.

A class of the notebook or the project is its bases, its metaclass, and every attribute with its kind and content, in
order. What Python, enum, abc, attrs or pydantic keep there for themselves is left out. A library class is its qualified
name; functions of ours that somebody put onto it are written too, since they are what would run. A class that a library
made on the fly, and that no name leads back to, is written like one of ours.
"""

from __future__ import annotations

import abc
import copyreg
import dataclasses
import enum
import operator
import types
from collections.abc import Callable
from typing import Any

from incnb.fingerprint import functions, origin
from incnb.fingerprint.encoder import Encoder

_BOOKKEEPING = frozenset(
    {"__dict__", "__weakref__", "__slotnames__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__",
     "_abc_impl", "__annotate__", "__annotate_func__", "__annotations_cache__", "__qualname__", "__parameters__",
     "__classcell__", "__attrs_own_setattr__", "__attrs_props__", "__attrs_base_of_slotted__"}
)  # fmt: skip
_ENUM_BOOKKEEPING = frozenset(
    {"_member_map_", "_member_names_", "_value2member_map_", "_hashable_values_", "_unhashable_values_",
     "_unhashable_values_map_", "_member_type_", "_new_member_", "_use_args_", "_value_repr_", "__new__",
     "_flag_mask_", "_all_bits_", "_inverted_", "_singles_mask_"}
)  # fmt: skip
_HEAP_TYPE = 1 << 9


def encode_class(encoder: Encoder, cls: type) -> None:
    """Write a class: by name when it is a library's, with all its code when it is ours."""
    if encoder.met_before(cls):
        return
    module = origin.module_of(cls)
    kind = origin.class_origin(cls)
    name = f"{module}:{origin.qualname_of(cls)}"
    ours = origin.is_ours(kind)
    if kind == "library":
        encoder.libraries.add(origin.top_level(module))
    if not ours and (module == "builtins" or origin.owned_by_name(cls, module) or not _is_made_by_statement(cls)):
        encoder.tag("library class")
        encoder.text(name)
        if module != "builtins":
            encoder.first_time(cls)
            encode_patches(encoder, cls)
        return
    encoder.first_time(cls)
    if ours:
        encoder.note_code(name, cls)
    encoder.tag("class")
    encoder.text(origin.qualname_of(cls))
    encoder.later(lambda: _write(encoder, cls))


def reducer_of(cls: type) -> Any:
    """How instances of a class are taken apart for pickling, if somebody has said so."""
    reducer = copyreg.dispatch_table.get(cls)
    if issubclass(cls, BaseException) and getattr(reducer, "__module__", "").startswith("tblib"):
        return None  # which distributed says for all exceptions that there are: with tracebacks
    return reducer


def _write(encoder: Encoder, cls: type) -> None:
    with encoder.at(".__class__"):
        encode_class(encoder, type(cls))
    bases = type.__dict__["__bases__"].__get__(cls)
    encoder.write(len(bases).to_bytes(4, "little"))
    for base in bases:
        encode_class(encoder, base)
    members = class_members(cls)
    encoder.encode(tuple(key for key in members if not key.startswith("__") and not _is_slot(members[key])))
    encoder.write(len(members).to_bytes(4, "little"))
    for key in sorted(members):
        encoder.text(key)
        with encoder.at(f".{key}"):
            _encode_member(encoder, key, members[key])
    if issubclass(cls, enum.Enum):
        _encode_enum_members(encoder, cls)
    if isinstance(cls, abc.ABCMeta):
        _encode_registered(encoder, cls)
    if "__pydantic_decorators__" in origin.class_dict(cls):
        _encode_pydantic(encoder, cls)
    reducer = reducer_of(cls)
    if reducer is not None:  # how instances are copied, said outside of the class
        encoder.tag("reducer")
        with encoder.at(".copyreg"):
            _encode_callable(encoder, reducer)
    if _shows_docs(cls):
        encoder.encode(origin.class_dict(cls).get("__doc__"))


def class_members(cls: type) -> dict[str, Any]:
    """The attributes that a class statement (or a later assignment) gave to a class, by name."""
    found = origin.class_dict(cls)
    hidden = _BOOKKEEPING
    if issubclass(cls, enum.Enum):
        hidden = hidden | _ENUM_BOOKKEEPING | set(found.get("_member_map_", ()))
    if "__pydantic_decorators__" in found:
        hidden = hidden | {"__signature__"}
    return {
        key: member
        for key, member in found.items()
        if isinstance(key, str) and key not in hidden and not (key.startswith("__pydantic_") and key not in _PYDANTIC)
    }


def class_functions(cls: type) -> list[types.FunctionType]:
    """The plain functions in a class: methods, and what properties and static or class methods wrap."""
    found: list[types.FunctionType] = []
    for member in class_members(cls).values():
        if isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if isinstance(member, property):
            found += [f for f in (member.fget, member.fset, member.fdel) if isinstance(f, types.FunctionType)]
        elif isinstance(member, types.FunctionType):
            found.append(member)
        elif isinstance(getattr(member, "func", None), types.FunctionType):
            found.append(member.func)
    return found


#: The validators and serializers are plain functions in the class; how they are used is in the decorators' `info`.
_PYDANTIC = frozenset({"__pydantic_fields__", "__pydantic_root_model__", "__pydantic_extra_info__"})


def _is_made_by_statement(cls: type) -> bool:
    """Whether a class statement (or a call of `type`) made it, as opposed to C code."""
    found = origin.class_dict(cls)
    if not cls.__flags__ & _HEAP_TYPE:
        return False
    return any(key in found for key in ("__dict__", "__slots__", "__weakref__", "__doc__")) and any(
        isinstance(member, types.FunctionType | str | staticmethod | classmethod) for member in found.values()
    )


def _is_slot(member: Any) -> bool:
    return isinstance(member, types.MemberDescriptorType | types.GetSetDescriptorType)


def _encode_member(encoder: Encoder, key: str, member: Any) -> None:
    if _is_slot(member):
        encoder.tag("slot")
    elif key == "__slots__" and type(member) not in (str, tuple, list, dict, set, frozenset):
        encoder.tag("slots")  # a used-up iterator; the slots themselves are members
    elif type(member) in (staticmethod, classmethod):
        encoder.tag(type(member).__name__)
        _encode_callable(encoder, member.__func__)
    elif type(member) is property:
        encoder.tag("property")
        for function in (member.fget, member.fset, member.fdel):
            _encode_callable(encoder, function)
    else:
        _encode_callable(encoder, member)


def _encode_callable(encoder: Encoder, value: Any) -> None:
    """A method belongs to its class: its docstring is not handed on to anybody."""
    if type(value) is types.FunctionType:
        encoder.function(value)
    else:
        encoder.encode(value)


def _encode_enum_members(encoder: Encoder, cls: Any) -> None:
    encoder.tag("members")
    encoder.write(len(cls._member_map_).to_bytes(4, "little"))
    for key, member in cls._member_map_.items():
        encoder.text(key)
        with encoder.at(f".{key}"):
            encoder.text(str(member._name_))  # an alias leads to a member of another name
            encoder.encode(member._value_)
            state = {k: v for k, v in origin.fields(member).items() if k not in _MEMBER_FIELDS}
            encoder.attributes("state", state)


_MEMBER_FIELDS = frozenset({"_name_", "_value_", "__objclass__", "_sort_order_", "_inverted_"})


def _encode_registered(encoder: Encoder, cls: Any) -> None:
    """Classes that were registered with an abstract one change what `isinstance` answers."""
    dump: Callable[[Any], tuple[set[Any], Any, Any, Any]] = abc._get_dump  # type: ignore[attr-defined]
    registered = [found for found in (reference() for reference in dump(cls)[0]) if found is not None]
    encoder.tag("registered")
    encoder.write(len(registered).to_bytes(4, "little"))
    for found in sorted(registered, key=lambda c: (str(origin.module_of(c)), origin.qualname_of(c))):
        encode_class(encoder, found)


def _encode_pydantic(encoder: Encoder, cls: type) -> None:
    decorators = origin.class_dict(cls)["__pydantic_decorators__"]
    encoder.tag("decorators")
    for field in dataclasses.fields(decorators):
        found = getattr(decorators, field.name)
        encoder.text(field.name)
        encoder.write(len(found).to_bytes(4, "little"))
        for name, decorator in found.items():
            encoder.text(name)
            with encoder.at(f".{name}"):
                encoder.text(decorator.cls_var_name)
                encoder.encode(decorator.info)


def _shows_docs(cls: type) -> bool:
    """Whether a library stands over the class, which may show its docstring (a schema, a prompt, a command's help)."""
    return any(origin.class_origin(base) == "library" for base in (*origin.mro(cls), *origin.mro(type(cls))))


def encode_patches(encoder: Encoder, cls: type) -> None:
    """Write code of ours found on a library class or its bases (`pd.Series.mean = mine`)."""
    for base in origin.mro(cls):
        if not base.__flags__ & _HEAP_TYPE or origin.is_ours(origin.class_origin(base)):
            continue
        for key, member in _patches(base):
            encoder.tag("patched")
            encoder.text(f"{base.__qualname__}.{key}")
            with encoder.at(f".{key}"):
                _encode_member(encoder, key, member)


_looked_at: dict[type, tuple[list[Any], list[tuple[str, Any]]]] = {}


def _patches(cls: type) -> list[tuple[str, Any]]:
    """The members of a library class that are code of ours; a frame has thousands, so what was seen is remembered."""
    members = origin.class_dict(cls)
    known = _looked_at.get(cls)
    if known is not None and len(known[0]) == len(members) and all(map(operator.is_, known[0], members.values())):
        return known[1]
    found = [(k, v) for k, v in members.items() if type(v) not in _NEVER_OURS and functions.is_ours(v)]
    if len(_looked_at) > _FORGET_ABOVE:
        _looked_at.clear()
    _looked_at[cls] = (list(members.values()), found)
    return found


_FORGET_ABOVE = 5_000


_NEVER_OURS = frozenset(
    {str, int, bool, tuple, frozenset, list, dict, set, type(None), float, types.GetSetDescriptorType,
     types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType, types.BuiltinFunctionType}
)  # fmt: skip
