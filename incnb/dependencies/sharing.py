"""Which inputs of a cell share objects: `b = a` and `b = list(a)` are equal values, and differ once `a` is changed.

One dependency of kind `value` for all mutable inputs of a cell. Its fingerprint lists the places where an object of one
input is met again in another; nothing shared is a fact as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from incnb.dependencies.bindings import Resolved, parse
from incnb.fingerprint import ABSENT
from incnb.fingerprint.door import encode
from incnb.fingerprint.graph import TooLarge, mutable_objects
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Kind

PREFIX = "sharing of "
ALONE: Any = object()  # stands for a value that is not loaded and shares nothing


def locator(locators: list[str]) -> str:
    """The locator of what the values at `locators` share."""
    return PREFIX + json.dumps(sorted(set(locators)))


def notebook_root(text: str) -> tuple[str | None, str]:
    """The name that a locator begins with: `df` and `df['a']` are one thing, and share what they share."""
    module, read = parse(text)
    return module, read.name


def resolve(text: str, value_of: Callable[[str], Any]) -> Resolved:
    """The places where the named inputs hold the same objects."""
    first: dict[int, list[Any]] = {}
    found: list[Any] = []
    keep: list[Any] = []
    for name in json.loads(text[len(PREFIX) :]):
        value = value_of(name)
        value = frame_of(value) if frame_of(value) is not None else value
        if value is ALONE or value is ABSENT or value is None:
            continue
        keep.append(value)
        try:
            for item, path in mutable_objects(value, set()):
                place = [name, repr(path)]
                known = first.setdefault(id(item), place)
                if known is not place and notebook_root(known[0]) != notebook_root(name):
                    found.append([*known, *place])
        except TooLarge:
            return Resolved(Kind.VALUE, None, "too large to follow what its inputs share")
    shown = "nothing is shared" if not found else f"{found[0][0]} and {found[0][2]} share an object"
    return Resolved(Kind.VALUE, encode(sorted(found)).digest().hex(), "", shown)


def nothing() -> str:
    """The fingerprint of inputs that share nothing."""
    return encode([]).digest().hex()
