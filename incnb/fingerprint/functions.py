"""Functions: what one is by itself, and which callables are ours.

The globals that a function reads are not here; the encoder follows them. The docstring counts when the function reads
docstrings itself, or when it is handed on as a value (`Encoder.function`).
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from incnb.fingerprint import origin
from incnb.fingerprint.code import code_token

if TYPE_CHECKING:
    from incnb.fingerprint.encoder import Encoder

_DISPATCH = "singledispatch.<locals>.wrapper"
_DISPATCH_ATTRIBUTES = frozenset({"register", "dispatch", "registry", "_clear_cache", "__wrapped__"})


def own(encoder: Encoder, function: types.FunctionType) -> None:
    """Write a function without the globals that it reads."""
    if function.__code__.co_qualname == _DISPATCH and function.__globals__.get("__name__") == "functools":
        _dispatcher(encoder, function)
        return
    ours = origin.is_ours(origin.function_origin(function))
    encoder.tag("function")
    encoder.write(code_token(function.__code__))
    encoder.text(f"{function.__name__} {function.__qualname__}")
    with encoder.at(".__defaults__"):
        encoder.encode(function.__defaults__)
    with encoder.at(".__kwdefaults__"):
        encoder.encode(function.__kwdefaults__ and dict(sorted(function.__kwdefaults__.items())))
    _attributes(encoder, dict(function.__dict__))
    encoder.attributes("annotations", _annotations(function), ordered=False)
    encoder.encode(getattr(function, "__type_params__", ()))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        encoder.text(name)
        with encoder.at(f".{name}"):
            _cell(encoder, cell, docs=not ours)
    if {"__doc__", "inspect", "getdoc"} & set(function.__code__.co_names):
        encoder.encode(function.__doc__)


def _attributes(encoder: Encoder, attributes: dict[str, Any]) -> None:
    wrapped = attributes.pop("__wrapped__", None)
    encoder.attributes("function attributes", attributes, ordered=False)
    if type(wrapped) is types.FunctionType:
        encoder.tag("wrapped")
        with encoder.at(".__wrapped__"):
            encoder.function(wrapped)
    elif wrapped is not None:
        with encoder.at(".__wrapped__"):
            encoder.encode(wrapped)


def _cell(encoder: Encoder, cell: types.CellType, *, docs: bool) -> None:
    if not encoder.first_time(cell):  # two closures that share a variable see each other's changes
        return
    try:
        content = cell.cell_contents
    except ValueError:
        encoder.tag("empty cell")
        return
    if type(content) is types.FunctionType:
        encoder.function(content, docs=docs)
    else:
        encoder.encode(content)


def _annotations(function: types.FunctionType) -> dict[str, Any]:
    annotate = getattr(function, "__annotate__", function)  # 3.14 evaluates them when they are asked for
    return {} if annotate is None else dict(function.__annotations__)


def _dispatcher(encoder: Encoder, function: types.FunctionType) -> None:
    """A generic function is its registry; beside it, its closure holds a cache that grows with every call."""
    encoder.tag("singledispatch")
    encoder.text(function.__qualname__)
    registry = _closed_over(_closed_over(function, "dispatch"), "registry")
    encoder.write(len(registry).to_bytes(8, "little"))
    for cls, handler in registry.items():
        with encoder.at(f".registry[{getattr(cls, '__qualname__', '?')}]"):
            encoder.encode(cls)
            if type(handler) is types.FunctionType:
                encoder.function(handler)
            else:
                encoder.encode(handler)
    rest = {k: v for k, v in function.__dict__.items() if k not in _DISPATCH_ATTRIBUTES}
    encoder.attributes("function attributes", rest, ordered=False)


def _closed_over(function: types.FunctionType, name: str) -> Any:
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))[name].cell_contents


def is_ours(member: Any) -> bool:
    """Whether something that was put where a library's own belongs is code of ours, or holds code of ours."""
    for _ in range(5):
        if isinstance(member, staticmethod | classmethod | types.MethodType):
            member = member.__func__
        elif type(member) is property:
            return any(is_ours(part) for part in (member.fget, member.fset, member.fdel))
        elif type(member) is functools.partial:
            member = member.func
        else:
            break
    cls = type(member)
    if cls is types.FunctionType:
        scope = member.__globals__
        if member.__closure__ is None and _library_scopes.get(id(scope)) is scope:
            return False
        if member.__code__.co_filename.startswith("<attrs generated"):
            return False  # made for a class of the library; what is made for ours is met as part of that class
        if origin.is_ours(origin.function_origin(member)):
            return True
        if member.__closure__ is None:
            _library_scopes[id(scope)] = scope
        held = [cell.cell_contents for cell in member.__closure__ or () if _is_filled(cell)]
        return any(type(part) is types.FunctionType and origin.is_ours(origin.function_origin(part)) for part in held)
    if issubclass(cls, type):
        return origin.is_ours(origin.class_origin(member))
    if origin.is_ours(origin.class_origin(cls)):
        return True
    if cls in _PYTHON_CALLABLES:
        return False
    try:
        fields = origin.fields(member)
    except TypeError:
        return False
    held = [v for v in fields.values() if isinstance(v, types.FunctionType | type)]
    return any(
        origin.is_ours(origin.class_origin(v) if isinstance(v, type) else origin.function_origin(v)) for v in held
    )


_library_scopes: dict[int, dict[str, Any]] = {}  # global names of library modules: asked for a thousand times a frame


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asking is the test
    except ValueError:
        return False
    return True


_PYTHON_CALLABLES = frozenset(
    {types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType,
     types.MemberDescriptorType, types.ClassMethodDescriptorType, str, int, tuple, dict, list, frozenset, bool, float}
)  # fmt: skip
