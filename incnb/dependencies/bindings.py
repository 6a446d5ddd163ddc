"""Kinds `code` and `value`: what a name, followed along a path, is bound to.

The locator is the path as people write it (`cfg['lr']`, `helper`), with the module's name before a colon when the name
is not the notebook's (`utils:clean`). A function of ours is its own code, defaults, closure and attributes; the globals
that it reads are dependencies of their own, found by `closure`. Everything else is fingerprinted whole, with the code
of every class and function of ours inside it.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import types
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from incnb.analysis.records import read_of
from incnb.fingerprint import ABSENT, Encoder, Unfingerprintable, origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.door import encode, encode_with
from incnb.fingerprint.encoder import ATOMS, follow, render
from incnb.fingerprint.graph import NODE_LIMIT
from incnb.model import SECRET, SOURCE_LIMIT, Kind, redacted, shorten


@dataclass(slots=True)
class Resolved:
    """What a dependency resolves to now. `fp` is hex, None when there is nothing to compare; `detail` then says why."""

    kind: Kind
    fp: str | None
    detail: str = ""
    shown: str = ""
    value: Any = None
    met: Encoder | None = field(default=None, repr=False)


def locator(module: str | None, read: Read) -> str:
    """The locator of a read in the notebook (`module` None) or in a module."""
    text = render(read.name, read.path)
    return text if module is None else f"{module}:{text}"


@lru_cache(4096)
def parse(text: str) -> tuple[str | None, Read]:
    """The module (None for the notebook) and the read that a locator stands for."""
    head, colon, rest = text.partition(":")
    module = head if colon and all(part.isidentifier() for part in head.split(".")) else None
    expression = rest if module is not None else text
    read = read_of(ast.parse(expression, mode="eval").body)
    if read is None:
        raise ValueError(text)
    return module, Read(read.name, read.path)


def notebook_name(text: str) -> str | None:
    """The name in the notebook that a locator begins with; None for anything else."""
    try:
        module, read = parse(text.removeprefix(TYPE))
    except (ValueError, SyntaxError):
        return None
    return read.name if module is None else None


def resolve(namespace: dict[str, Any], read: Read) -> Resolved:
    """The fingerprint of what `read` reaches in `namespace`; a path that cannot be followed to its end is missing."""
    value, taken, _ = follow(namespace, read)
    if value is not ABSENT and taken < len(read.path):
        return Resolved(Kind.VALUE, None, "changed", f"{render(read.name, read.path[:taken])} has another shape")
    return describe(value, render(read.name, read.path), builtin=not read.path and read.name not in namespace)


def describe(value: Any, name: str, *, builtin: bool = False) -> Resolved:
    """The fingerprint of one object that is called `name`."""
    if value is ABSENT:
        return Resolved(Kind.VALUE, _constant(b"absent"), "deleted", "not defined", ABSENT)
    if isinstance(value, types.ModuleType):
        return Resolved(
            Kind.VALUE, _constant(b"module " + value.__name__.encode()), "", f"module {value.__name__}", value
        )
    if _is_too_large(value):
        return Resolved(
            Kind.VALUE, None, f"is too large to compare: {len(value):,} objects in a {type(value).__name__}", "", value
        )
    try:
        if builtin:
            met = encode_with(lambda e: e.builtin(name, value), name)
            return Resolved(Kind.VALUE, met.digest().hex(), "", "builtin", value, met)
        if isinstance(value, types.FunctionType) and origin.is_ours(origin.function_origin(value)):
            flat = owns_globals(value)
            met = encode_with(lambda e: e.own_function(value), name) if flat else encode(value, name, configs=True)
            return Resolved(Kind.CODE, met.digest().hex(), "", f"{name}()", value, met)
        met = encode(value, name, configs=True)
    except Unfingerprintable as error:
        return Resolved(Kind.VALUE, None, f"cannot be fingerprinted: {error}", "", value)
    ours = isinstance(value, type) and origin.is_ours(origin.class_origin(value))
    return Resolved(Kind.CODE if ours else Kind.VALUE, met.digest().hex(), "", "", value, met)


def _is_too_large(value: Any) -> bool:
    """Whether a container holds more objects than sharing is followed through; told by its length and a few of them."""
    if type(value) not in (list, tuple, dict, set) or len(value) < NODE_LIMIT // 8:
        return False
    parts = list(islice(value.values() if type(value) is dict else value, 10))
    inner = [
        1 + sum(type(p) not in ATOMS for p in (part if type(part) in (list, tuple) else part.values()))
        if type(part) in (list, tuple, dict) and len(part) < 1000
        else 1
        for part in parts
        if type(part) not in ATOMS
    ]
    return len(value) * sum(inner) / max(1, len(parts)) > NODE_LIMIT


def owns_globals(function: types.FunctionType) -> bool:
    """Whether the function's globals are the live ones of its module, so that locators find what it reads."""
    module = sys.modules.get(str(function.__globals__.get("__name__", "")))
    return module is not None and module.__dict__ is function.__globals__


def whole_module(module: types.ModuleType) -> Resolved:
    """Everything in a project module, by name."""
    try:
        met = encode(module, module.__name__)
    except Unfingerprintable as error:
        return Resolved(Kind.MODULE, None, f"cannot be fingerprinted: {error}", "", module)
    return Resolved(Kind.MODULE, met.digest().hex(), "", f"module {module.__name__}", module, met)


DOCSTRING = "docstring of "
PRESENCE = "presence of "
TYPE = "type of "  # whether there is an `incnb.Config`
SIGNATURE = "signature of "


def presence(bound: bool) -> Resolved:
    """Whether a name is bound, to whatever: all that `del name` relies on."""
    return Resolved(Kind.VALUE, _constant(b"bound" if bound else b"absent"), "", "bound" if bound else "not defined")


def docstring(of: Resolved) -> Resolved:
    """The docstring of a function that is used for more than a call: it is data for whoever looks."""
    text = getattr(of.value, "__doc__", None)
    return Resolved(Kind.VALUE, _constant(repr(text).encode()), "", shorten(str(text)))


def signature(of: Resolved) -> Resolved:
    """All that a call which never gets into the body can see: a function of ours, its name, its sort, what it takes."""
    value = of.value
    if of.kind is not Kind.CODE or not isinstance(value, types.FunctionType):
        return Resolved(Kind.VALUE, _constant(b"not a function of ours"), "changed", "not a function of ours")
    code = value.__code__
    sort = code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    spread = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, len(value.__defaults__ or ()))
    told = (value.__name__, value.__qualname__, sort, spread, names, counts, sorted(value.__kwdefaults__ or {}))
    return Resolved(Kind.VALUE, _constant(repr(told).encode()), "", f"{value.__qualname__}({', '.join(names)})")


def _constant(data: bytes) -> str:
    return encode(data).digest().hex()


def show(value: Any) -> str:
    """A short text for people; nothing of the user's runs but the `repr` of small plain values."""
    cls = type(value)
    if value is ABSENT:
        return "not defined"
    if cls is int and value.bit_length() > 600:
        return f"int of {value.bit_length()} bits"  # Python refuses to write very long ones
    if cls in (int, float, bool, complex, type(None)):
        return repr(value)
    if cls is str:
        return shorten(repr(value[:220]))
    if isinstance(value, types.FunctionType | type):
        return value.__qualname__
    shape = getattr(value, "shape", None) if cls.__module__.partition(".")[0] in ("numpy", "pandas") else None
    if isinstance(shape, tuple):
        return f"{cls.__name__} {' × '.join(map(str, shape))}"
    if cls in (list, tuple, dict, set, frozenset):
        text = repr(value) if len(value) <= 8 and _is_plain(value) else ""
        return redacted(text) if text and len(text) <= 120 else f"{cls.__name__} of {len(value)}"
    return cls.__qualname__


def _is_plain(value: Any) -> bool:
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return all(type(p) in (float, bool, str, type(None)) or (type(p) is int and p.bit_length() <= 600) for p in parts)


def show_as(name: str, value: Any) -> str:
    """The same for a value that goes by a name: of what may be a secret, only numbers too short to be one."""
    if SECRET.search(name) and type(value) not in (float, bool, type(None)) and not _is_short(value):
        return ""
    return show(value)


def _is_short(value: Any) -> bool:
    return value is ABSENT or isinstance(value, types.FunctionType | type) or (type(value) is int and abs(value) < 1000)


def source_of(value: Any) -> tuple[str | None, str]:
    """The text of a function or class without secrets, and its place (`utils.py:14`); what of it can be had.

    The notebook's own has no place: the files of its cells mean nothing to a person.
    """
    if not isinstance(value, types.FunctionType | type):
        return None, ""
    try:
        lines, first = inspect.getsourcelines(value)
        if not any(word in line for line in lines for word in _defining(value)):
            return None, ""  # the file is another one than when it was loaded
        source = redacted("".join(lines)[:SOURCE_LIMIT])
        if isinstance(value, types.FunctionType):
            known = origin.function_origin(value)
            file = inspect.unwrap(value).__code__.co_filename
        else:
            known = origin.class_origin(value)
            file = str(getattr(sys.modules.get(value.__module__), "__file__", ""))
        return source, f"{_relative(file)}:{first or 1}" if known == "project" and file.endswith(".py") else ""
    except Exception:  # of whoever loaded the module: it is for people only
        return None, ""


def _defining(value: types.FunctionType | type) -> tuple[str, ...]:
    """What the text of a function or class must hold."""
    if isinstance(value, type):
        return (f"class {value.__name__}",)
    name = inspect.unwrap(value).__code__.co_name
    return ("lambda",) if name == "<lambda>" else (f"def {name}",)


def _relative(file: str) -> str:
    here = f"{os.getcwd()}{os.sep}"  # noqa: PTH109 - for every function of a closure: a Path takes ten times as long
    return file.removeprefix(here)


def parts_of(value: Any) -> dict[str, str] | None:
    """Fingerprints of the pieces of a value by name: keys of a dict, columns of a frame. None where there are none."""
    if type(value) is dict and len(value) <= 200 and all(type(k) is str for k in value):
        names = list(value)
    elif (
        type(value).__name__ == "DataFrame"
        and type(value).__module__.startswith("pandas")
        and len(value.columns) <= 200
    ):
        names = [c for c in value.columns if isinstance(c, str)]
    else:
        return None
    found = {}
    for name in names:
        part = resolve({"v": value}, Read("v", (("item", name),)))
        if part.fp is not None:
            found[f"[{name!r}]"] = part.fp
    return found
