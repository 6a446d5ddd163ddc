"""Handlers for the containers of Python and its standard library."""

from __future__ import annotations

import array
import collections
import types
from typing import Any

from incnb.fingerprint import origin
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, raw_contents
from incnb.fingerprint.registry import handles


def _list(encoder: Encoder, value: list[Any]) -> None:
    if encoder.first_time(value):
        encoder.sequence("list", value)


def _tuple(encoder: Encoder, value: tuple[Any, ...]) -> None:
    number = encoder.tuples[id(value)] = encoder.tuples.get(id(value), 0) + 1
    if number > _OFTEN:  # t = (t, t), again and again: small in memory, endless when written out
        raise encoder.refuse("its tuples share their parts too often")
    encoder.keep(value)
    encoder.sequence("tuple", value)


_OFTEN = 200_000


def _dict(encoder: Encoder, value: dict[Any, Any]) -> None:
    if encoder.first_time(value):
        encoder.mapping("dict", value)


def _set(encoder: Encoder, value: set[Any]) -> None:
    if encoder.first_time(value):
        encoder.unordered("set", value)


def _frozenset(encoder: Encoder, value: frozenset[Any]) -> None:
    encoder.unordered("frozenset", value)


def _bytearray(encoder: Encoder, value: bytearray) -> None:
    if encoder.first_time(value):
        encoder.tag("bytearray")
        encoder.raw(value)


def _deque(encoder: Encoder, value: collections.deque[Any]) -> None:
    if encoder.first_time(value):
        encoder.tag("deque")
        raw_contents(encoder, value)


def _mapping(encoder: Encoder, value: dict[Any, Any]) -> None:
    if encoder.first_time(value):
        encoder.tag(type(value).__name__)
        encoder.attributes("state", origin.fields(value))
        raw_contents(encoder, value)


def _namespace(encoder: Encoder, value: types.SimpleNamespace) -> None:
    if encoder.first_time(value):
        encode_class_of(encoder, value)
        encoder.attributes("namespace", origin.fields(value))


def _array(encoder: Encoder, value: array.array[Any]) -> None:
    if encoder.first_time(value):
        encoder.tag(f"array {value.typecode}")
        encoder.raw(value)


class _Underneath:
    """Compared with a proxy, it is handed the mapping below."""

    def __eq__(self, other: object) -> Any:
        return (other,)

    __hash__ = None  # type: ignore[assignment]


def _below(proxy: Any) -> Any:
    found: Any = proxy == _Underneath()
    return found[0] if type(found) is tuple else dict(proxy)


def _mapping_proxy(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("mappingproxy")
        encoder.encode(_below(value))


def _view(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag(type(value).__name__)
        encoder.encode(_below(value.mapping))


def _slice(encoder: Encoder, value: slice) -> None:
    encoder.tag("slice")
    encoder.encode((value.start, value.stop, value.step))


def install() -> None:
    """Register every handler of this module."""
    handles(list, _list)
    handles(tuple, _tuple)
    handles(dict, _dict)
    handles(set, _set)
    handles(frozenset, _frozenset)
    handles(bytearray, _bytearray)
    handles(collections.deque, _deque)
    for mapping in (collections.defaultdict, collections.OrderedDict, collections.Counter):
        handles(mapping, _mapping)
    handles(types.SimpleNamespace, _namespace)
    handles(types.MappingProxyType, _mapping_proxy)
    views: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
    for view in views:
        handles(view, _view)
    handles(array.array, _array)
    handles(slice, _slice)
