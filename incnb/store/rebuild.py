"""How saved values come back: the callables that pickles of the store name.

Their names and arguments are part of the stored format: what is released here stays. Those that need the live namespace
take it first; the loader supplies it, so that a function or class of the notebook is the one that is live then, and a
restored function finds its globals there. Called without a loader (by another unpickler) they fall back to `__main__`.
"""

from __future__ import annotations

import collections
import importlib
import importlib.util
import io
import marshal
import os
import sys
import types
from typing import Any

from incnb.model import IncnbError


class LoadError(IncnbError):
    """A saved value cannot be brought back: it was damaged, or what it is made of is no longer there."""


def main_namespace() -> dict[str, Any]:
    return sys.modules["__main__"].__dict__


def live(namespace: dict[str, Any], qualname: str) -> Any:
    """What the notebook calls `qualname` now."""
    first, *rest = qualname.split(".")
    try:
        found = namespace[first]
        for name in rest:
            found = getattr(found, name)
    except (KeyError, AttributeError):
        raise LoadError(f"{qualname} is no longer defined in the notebook: run the cell that defines it") from None
    return found


def attribute(module: str, qualname: str) -> Any:
    """What an importable module calls `qualname`."""
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def closed_file(kind: str, name: Any, mode: str, text: tuple[str, str] | None) -> Any:
    """A closed file of that name and mode; the file itself is not touched."""
    plain = {"r": "r", "w": "w", "a": "a"}.get(mode[:1], "r") + ("+" if "+" in mode else "")
    raw = io.FileIO(os.devnull, plain)
    raw.name = name
    buffered = io.BufferedRandom if "+" in plain else io.BufferedReader if plain == "r" else io.BufferedWriter
    file: Any = raw
    if text is not None:
        file = io.TextIOWrapper(buffered(raw), *text)
        file.mode = mode
    elif kind != "FileIO":
        file = buffered(raw)
    file.close()
    return file


# -- functions ---------------------------------------------------------------------------------------------------------


def code(data: bytes, magic: bytes) -> types.CodeType:
    if magic != importlib.util.MAGIC_NUMBER:
        raise LoadError("a function was saved by another version of Python: run its cell again")
    loaded = marshal.loads(data)
    if not isinstance(loaded, types.CodeType):
        raise LoadError("a saved function holds no code")
    return loaded


def function(
    namespace: dict[str, Any], module: str, body: types.CodeType, name: str, cells: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """A function without its state, which may refer to the function itself and is set afterwards."""
    scope = namespace if module == "__main__" else importlib.import_module(module).__dict__
    return types.FunctionType(body, scope, name, None, cells)


def set_function(target: types.FunctionType, state: dict[str, Any]) -> None:
    attributes = state.pop("__dict__", None)
    if attributes:
        target.__dict__.update(attributes)
    for name, value in state.items():
        setattr(target, name, value)


def cell() -> types.CellType:
    return types.CellType()


def set_cell(target: types.CellType, contents: tuple[Any]) -> None:
    (target.cell_contents,) = contents


# -- classes -----------------------------------------------------------------------------------------------------------


def skeleton(metaclass: type, name: str, bases: tuple[type, ...], scope: dict[str, Any]) -> type:
    """A class without its attributes, whose methods may refer to the class itself."""
    return types.new_class(name, bases, {"metaclass": metaclass}, lambda target: target.update(scope))


def set_class(target: type, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(target, name, value)


def named_tuple(name: str, qualname: str, module: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> type:
    made = collections.namedtuple(name, fields, defaults=defaults, module=module)  # type: ignore[misc]
    made.__qualname__ = qualname
    return made


# -- small builtins that pickle does not know --------------------------------------------------------------------------


def class_dict(owner: type) -> Any:
    return owner.__dict__


def descriptor(owner: type, name: str) -> Any:
    return owner.__dict__[name]


def dict_view(mapping: Any, kind: str) -> Any:
    return getattr(mapping, kind)()


def set_attributes(target: Any, attributes: dict[str, Any]) -> None:
    target.__dict__.update(attributes)


# -- arrays ------------------------------------------------------------------------------------------------------------


def set_read_only(array: Any, state: Any) -> None:
    array.__setstate__(state)
    array.flags.writeable = False


def foreign_order(dtype: Any, shape: tuple[int, ...], order: str, data: bytes) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.ndarray(shape, dtype, data, order=order).copy(order="K")


def lock(array: Any, _: bool) -> None:
    array.flags.writeable = False


def view(base: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, writeable: bool) -> Any:
    """An array on the memory of `base`."""
    locked = writeable and not base.flags.writeable
    if locked:
        base.flags.writeable = True
    try:
        # The buffer door wants C order: the transpose of an array in Fortran order is the same memory in C order.
        memory = base if base.flags.c_contiguous else base.T
        made = type(base)(shape, dtype, memory, offset, strides)
    finally:
        if locked:
            base.flags.writeable = False
    if not writeable:
        made.flags.writeable = False
    return made


NEED_NAMESPACE = ("live", "function")
