"""Handlers for the other types of Python and its standard library: callables, dates, numbers, paths, annotations."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import io
import ipaddress
import logging
import pathlib
import random
import re
import sys
import types
import typing
import uuid
from typing import Any

from incnb.fingerprint import origin
from incnb.fingerprint.code import code_token
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.registry import handles


def _by_text(tag: str, text: Any) -> Any:
    def handler(encoder: Encoder, value: Any) -> None:
        encoder.tag(tag)
        encoder.text(str(text(value)))

    return handler


# -- callables and what classes are made of


def _partial(encoder: Encoder, value: functools.partial[Any]) -> None:
    if encoder.first_time(value):
        encoder.tag("partial")
        with encoder.at(".func"):
            encoder.encode(value.func)
        with encoder.at(".args"):
            encoder.encode(value.args)
        encoder.mapping("keywords", dict(value.keywords))
        encoder.attributes("state", origin.fields(value))


def _bound_method(encoder: Encoder, value: types.MethodType) -> None:
    encoder.tag("method")
    if type(value.__func__) is types.FunctionType:
        encoder.function(value.__func__, docs=not encoder.at_root)
    else:
        encoder.encode(value.__func__)
    with encoder.at(".__self__"):
        encoder.encode(value.__self__)


def _builtin(encoder: Encoder, value: Any) -> None:
    encoder.tag("builtin function")
    owner = value.__self__
    module = value.__module__ if isinstance(owner, types.ModuleType) or owner is None else ""
    encoder.text(f"{module or ''}:{value.__qualname__}")
    if module and origin.module_origin(module) == "library":
        encoder.libraries.add(origin.top_level(module))
    if not isinstance(owner, types.ModuleType | types.NoneType):
        with encoder.at(".__self__"):
            encoder.encode(owner)


def _descriptor(encoder: Encoder, value: Any) -> None:
    encoder.tag(type(value).__name__)
    encoder.text(value.__qualname__)
    encoder.encode(value.__objclass__)


def _property(encoder: Encoder, value: property) -> None:
    encoder.tag("property")
    for function in (value.fget, value.fset, value.fdel):
        encoder.encode(function)


def _wrapped(encoder: Encoder, value: Any) -> None:
    encoder.tag(type(value).__name__)
    encoder.encode(value.__func__)


def _lru_cache(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("lru_cache")
    wrapped = value.__wrapped__
    fields = origin.fields(value)
    if _is_library_function(wrapped):
        encoder.encode(wrapped)
        return
    encoder.hidden.append(value)
    parameters = fields.get("cache_parameters")  # set by `functools`, unless the cache was made by hand
    encoder.encode(parameters() if parameters is not None else None)
    if type(wrapped) is types.FunctionType:
        encoder.function(wrapped)
    else:
        encoder.encode(wrapped)
    encoder.attributes("attributes", {k: v for k, v in fields.items() if k not in _WRAPPER_FIELDS}, ordered=False)


_WRAPPER_FIELDS = frozenset({*functools.WRAPPER_ASSIGNMENTS, "__wrapped__", "cache_parameters"})


def _is_library_function(value: Any) -> bool:
    return (
        type(value) is types.FunctionType
        and not origin.is_ours(origin.function_origin(value))
        and "<locals>" not in value.__qualname__
    )


def _cached_property(encoder: Encoder, value: functools.cached_property[Any]) -> None:
    encoder.tag("cached_property")
    encoder.encode((type(value.func) is types.FunctionType, value.attrname))
    if type(value.func) is types.FunctionType:
        encoder.function(value.func)
    else:
        encoder.encode(value.func)


def _dispatch_method(encoder: Encoder, value: functools.singledispatchmethod[Any]) -> None:
    encoder.tag("singledispatchmethod")
    encoder.encode(value.dispatcher)
    encoder.encode(value.func)


def _code(encoder: Encoder, value: types.CodeType) -> None:
    encoder.tag("code")
    encoder.write(code_token(value))


def _cell(encoder: Encoder, value: types.CellType) -> None:
    if encoder.first_time(value):
        encoder.tag("cell")
        try:
            content = value.cell_contents
        except ValueError:
            encoder.tag("empty")
        else:
            encoder.encode(content)


# -- annotations: their parts are classes of ours as often as not


def _alias(encoder: Encoder, value: Any) -> None:
    encoder.tag(f"alias {type(value).__name__}")
    encoder.encode(value.__origin__)
    encoder.encode(value.__args__)
    encoder.encode(getattr(value, "__metadata__", None))
    encoder.encode(bool(getattr(value, "__unpacked__", False)))


def _union(encoder: Encoder, value: Any) -> None:
    encoder.tag("union")
    encoder.encode(value.__args__)


def _type_variable(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):  # its bound may lead back to it
        encoder.tag(type(value).__name__)
        encoder.text(value.__name__)
        for name in ("__bound__", "__constraints__", "__covariant__", "__contravariant__", "__default__", "__value__"):
            encoder.encode(getattr(value, name, None))


def _new_type(encoder: Encoder, value: Any) -> None:
    encoder.tag("NewType")
    encoder.text(value.__qualname__)
    encoder.encode(value.__supertype__)


# -- things with state


def _random(encoder: Encoder, value: random.Random) -> None:
    if isinstance(value, random.SystemRandom):
        raise encoder.refuse("a SystemRandom has no state to read")
    if encoder.first_time(value):
        encoder.tag("random")
        encode_class_of(encoder, value)
        encoder.encode(random.Random.getstate(value))
        encode_state(encoder, value, without=("gauss_next",))


def _stream(encoder: Encoder, value: Any) -> None:
    if value.closed:
        raise encoder.refuse("it is a closed stream")
    if encoder.first_time(value):
        encoder.tag(type(value).__name__)
        encoder.encode(value.__getstate__())  # content, newline, position, attributes


def _logger(encoder: Encoder, value: logging.Logger) -> None:
    """A logger is its name, its level and where it writes; one that writes anywhere but to the streams is refused."""
    if not encoder.first_time(value):
        return
    encoder.tag("logger")
    encoder.encode((value.name, value.getEffectiveLevel(), value.disabled, logging.root.manager.disable))
    node: logging.Logger | None = value
    while node is not None:
        encoder.encode(node.name)
        for filter_ in node.filters:
            encoder.encode(filter_)
        for handler in node.handlers:
            stream = getattr(handler, "stream", None)
            if type(handler) is logging.StreamHandler and stream in (sys.stderr, sys.stdout):
                encoder.encode(("stdout" if stream is sys.stdout else "stderr", handler.level))
                encoder.encode(handler.formatter.__dict__.get("_fmt") if handler.formatter else None)
            elif not isinstance(handler, logging.NullHandler):
                raise encoder.refuse(f"the logger {node.name!r} writes through a {type(handler).__name__}")
        node = node.parent if node.propagate else None


# -- dates, numbers, paths


def _datetime(encoder: Encoder, value: Any) -> None:
    encoder.tag(type(value).__name__)
    encoder.encode((value.isoformat(), value.fold))
    encoder.encode(value.tzinfo)


def _path(encoder: Encoder, value: pathlib.PurePath) -> None:
    """The text of a path; what it has cached of it (a hash, its parts) is not."""
    encoder.tag("path")
    encode_class_of(encoder, value)
    encoder.text(pathlib.PurePath.__str__(value))
    encoder.attributes("fields", origin.fields(value))


def _pattern(encoder: Encoder, value: re.Pattern[Any]) -> None:
    encoder.tag("pattern")
    encoder.encode((value.pattern, value.flags))


def install() -> None:
    """Register every handler of this module."""
    handles(types.ModuleType, lambda e, v: e.module(v), subclasses=True)
    handles(types.FunctionType, lambda e, v: e.function(v, docs=True))
    handles(types.MethodType, _bound_method)
    handles(types.BuiltinFunctionType, _builtin)
    for slot in (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType):
        handles(slot, _descriptor)
    handles(types.GetSetDescriptorType, _descriptor)
    handles(types.MemberDescriptorType, _descriptor)
    handles(types.CellType, _cell)
    handles(types.CodeType, _code)
    handles(property, _property)
    handles(staticmethod, _wrapped)
    handles(classmethod, _wrapped)
    handles(functools.partial, _partial)
    handles(type(functools.lru_cache(lambda: None)), _lru_cache)
    handles(functools.cached_property, _cached_property)
    handles(functools.singledispatchmethod, _dispatch_method)
    handles(range, _by_text("range", lambda v: f"{v.start} {v.stop} {v.step}"))
    handles(type(Ellipsis), _by_text("ellipsis", str))
    handles(type(NotImplemented), _by_text("notimplemented", str))
    handles(decimal.Decimal, _by_text("decimal", str))
    handles(fractions.Fraction, _by_text("fraction", str))
    handles(uuid.UUID, _by_text("uuid", lambda v: v.hex))
    handles(pathlib.PurePath, _path, subclasses=True)
    for address in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"):
        handles(getattr(ipaddress, address), _by_text(address, str))
    handles(datetime.date, _by_text("date", lambda v: v.isoformat()))
    handles(datetime.datetime, _datetime)
    handles(datetime.time, _datetime)
    handles(datetime.timedelta, _by_text("timedelta", lambda v: f"{v.days} {v.seconds} {v.microseconds}"))
    handles(datetime.timezone, _by_text("timezone", repr))
    handles(re.Pattern, _pattern)
    handles(random.Random, _random, subclasses=True)
    handles(io.StringIO, _stream)
    handles(io.BytesIO, _stream)
    handles(logging.Logger, _logger, subclasses=True)
    handles(types.GenericAlias, _alias)
    handles(types.UnionType, _union)
    handles(type(typing.List[int]), _alias, subclasses=True)  # noqa: UP006
    handles(typing.NewType, _new_type)
    variables = [typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple, getattr(typing, "TypeAliasType", None)]
    for variable in variables:
        if variable is not None:
            handles(variable, _type_variable)
    for form in (type(typing.List), type(typing.Union), type(typing.ForwardRef("x"))):  # noqa: UP006
        handles(form, _by_text("typing", repr), subclasses=True)
