"""What a run moved: the inputs whose fingerprints, taken again, are no longer what they were before."""

from __future__ import annotations

import sys
import types

from incnb.dependencies import Closure, Found, bindings, sharing
from incnb.fingerprint import ABSENT
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Kind
from incnb.outputs.variables import Inputs, NotSaved


def moved_roots(closure: Closure, inputs: Inputs) -> set[int]:
    """The roots whose fingerprints are no longer what they were. Raises `NotSaved` for what cannot be put back."""
    numbers: dict[int, int] = {}
    for number, root in enumerate(inputs.roots):
        numbers.setdefault(id(root.value), number)
    moved: set[int] = set()
    for found in list(closure.found.values()):
        now = _again(found)
        if now is None or now == found.dependency.fp:
            continue
        locator = found.dependency.locator
        at = numbers.get(id(found.value))
        if at is None or isinstance(found.value, type | types.FunctionType) or found.dependency.kind is Kind.CONFIG:
            raise NotSaved(f"{locator} changed while it ran")
        closure.hold((found.dependency.kind, locator))
        moved.add(at)
    return moved


def _again(found: Found) -> str | None:
    """The fingerprint of the same object now; None for what cannot change."""
    dependency, value = found.dependency, found.value
    if dependency.kind is Kind.MODULE:
        return bindings.whole_module(value).fp or "" if isinstance(value, types.ModuleType) else None
    config = dependency.kind is Kind.CONFIG and dependency.locator.startswith(bindings.TYPE) and value is not None
    if dependency.kind not in (Kind.VALUE, Kind.CODE) and not config:
        return None
    if dependency.locator.startswith((sharing.PREFIX, bindings.DOCSTRING, bindings.PRESENCE)):
        return None
    module, read = bindings.parse(dependency.locator.removeprefix(bindings.TYPE))
    if module is not None:
        loaded = sys.modules.get(module)
        now = follow(loaded.__dict__, read)[0] if isinstance(loaded, types.ModuleType) else ABSENT
        if now is not value and type(now) is type(value) and frame_of(now) is None:
            return ""  # bound to another object
        if type(now) is not type(value):
            return ""
    if (
        value is ABSENT
        or config
        or type(value) in ATOMS
        or isinstance(value, types.ModuleType)
        or dependency.shown == "builtin"
    ):
        return None
    return bindings.describe(value, dependency.locator).fp or ""
