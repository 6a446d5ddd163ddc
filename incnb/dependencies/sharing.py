"""Which inputs of a cell share objects: `b = a` and `b = list(a)` are equal values, and differ once `a` is changed.

One dependency of kind `value` for all mutable inputs of a cell. Its fingerprint lists the places where an object of one
input is met again in another; nothing shared is a fact as well. What a path leads through counts too: with `b = a`,
`b['n'] = 5` changes what `a['n']` gives, though nothing but a number is read of `a`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from typing import Any

from incnb.dependencies.bindings import DOCSTRING, PRESENCE, Resolved, parse
from incnb.dependencies.bindings import locator as locator_of
from incnb.fingerprint import ABSENT
from incnb.fingerprint.code import Read
from incnb.fingerprint.door import encode
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.graph import TooLarge, mutable_objects
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Dependency, Kind

PREFIX = "sharing of "
_NO_PATHS = (PREFIX, DOCSTRING, PRESENCE)
ALONE: Any = object()  # stands for a value that is not loaded and shares nothing


def locator(locators: list[str]) -> str:
    """The locator of what the values at `locators` share."""
    return PREFIX + json.dumps(sorted(set(locators)))


def named(text: str) -> list[str]:
    """The locators that a locator of sharing is about."""
    return list(map(str, json.loads(text[len(PREFIX) :])))


def among(roots: list[str], dependencies: list[Dependency]) -> str | None:
    """The locator of what the inputs of a cell share; None where nothing can be changed through another of them."""
    kinds = (Kind.VALUE, Kind.CODE)
    paths = [d.locator for d in dependencies if d.kind in kinds and not d.locator.startswith(_NO_PATHS)]
    names = {*roots, *(path for path in paths if parse(path)[1].path)}
    return locator(sorted(names)) if roots and len(names) > 1 else None


def resolve(text: str, value_of: Callable[[str], Any]) -> Resolved:
    """The places where the named inputs hold the same objects."""
    first: dict[int, list[str]] = {}
    found: dict[tuple[str, ...], None] = {}
    keep: list[Any] = []

    def meet(item: Any, place: list[str]) -> None:
        keep.append(item)  # ids stay valid as long as their objects live
        known = first.setdefault(id(item), place)
        if known != place:
            found[*known, "", *place] = None

    for name in json.loads(text[len(PREFIX) :]):
        module, read = parse(name)
        root = [read.name if module is None else f"{module}:{read.name}"]
        holders = [value_of(locator_of(module, Read(read.name, read.path[:n]))) for n in range(len(read.path))]
        for n, holder in enumerate(holders):
            fixed = isinstance(holder, tuple) and not type(holder).__dictoffset__  # nothing in it is ever replaced
            if holder is not ALONE and not isinstance(holder, types.ModuleType | None) and not fixed:
                meet(holder, [*root, *(repr(key) for _, key in read.path[:n])])
        value = value_of(name)
        if value is ALONE or value is ABSENT or value is None or type(value) in ATOMS:
            continue
        steps = [*root, *(repr(key) for _, key in read.path)]
        if frame_of(value) is not None:
            value, steps = frame_of(value), steps[:-1]
        try:
            for item, path in mutable_objects(value, set()):
                meet(item, [*steps, *(["?"] if path is None else [repr(key) for _, key in path])])
        except TooLarge:
            return Resolved(Kind.VALUE, None, "too large to follow what its inputs share")
    example = next(iter(found), ())
    shown = f"{example[0]} and {example[example.index('') + 1]} share an object" if example else "nothing is shared"
    return Resolved(Kind.VALUE, encode(sorted(found)).digest().hex(), "", shown)


def nothing() -> str:
    """The fingerprint of inputs that share nothing."""
    return encode([]).digest().hex()
