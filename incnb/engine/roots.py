"""The inputs behind a closure: the objects that it found, each with the place where it is found again."""

from __future__ import annotations

import types
from typing import Any

from incnb.dependencies import Closure, bindings, sharing
from incnb.fingerprint import ABSENT
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Kind
from incnb.outputs.variables import Root


def roots_of(closure: Closure) -> list[Root]:
    """The values that a closure found and that may change."""
    roots = []
    for found in closure.found.values():
        dependency, value = found.dependency, found.value
        if dependency.kind is not Kind.VALUE or value is ABSENT or type(value) in ATOMS or not dependency.fp:
            continue
        if isinstance(value, types.ModuleType) or dependency.shown == "builtin":
            continue
        if dependency.locator.startswith((sharing.PREFIX, bindings.DOCSTRING, bindings.PRESENCE)):
            continue
        module, read = bindings.parse(dependency.locator)
        frame = frame_of(value)
        if frame is not None:
            roots.append(Root(module, read.name, read.path[:-1], frame, "", dependency.locator))
        else:
            roots.append(Root(module, read.name, read.path, value, dependency.fp, dependency.locator))
    for place, value in closure.configs:
        roots.append(Root(place.module, place.read.name, place.read.path, value, "", place.locator, partial=True))
    # a frame that is read whole and by column is followed as the whole
    return sorted(roots, key=lambda root: not root.fp)


def codes_of(closure: Closure) -> dict[str, Any]:
    """The functions and classes of ours that a closure found, by locator."""
    kinds = types.FunctionType | type
    return {
        f.dependency.locator: f.value
        for f in closure.found.values()
        if f.dependency.kind is Kind.CODE and isinstance(f.value, kinds)
    }
