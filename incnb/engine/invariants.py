"""What must not move while items run: everything that an item relies on, and the state that nobody names.

Items are independent of each other only if none of them changes what another one reads. What is read is fingerprinted
when the loop begins, and looked at again before anything is kept of the items that ran, and before an item is reused
after one that ran. Most of it cannot change or is told apart by identity; the rest is fingerprinted again, and what
that costs is measured, so that whoever asks can ask less often.
"""

from __future__ import annotations

import builtins
import random
import sys
import time
import types
from typing import Any, final

from incnb.dependencies import Closure, Environment, Found, ambient, bindings, config, sharing
from incnb.engine import states
from incnb.fingerprint import ABSENT
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.pandas_column import frame_of
from incnb.model import Kind

_SKIPPED = (sharing.PREFIX, bindings.DOCSTRING, bindings.SIGNATURE)
_LOOKED_AT = (Kind.VALUE, Kind.CODE, Kind.MODULE, Kind.CONFIG)


@final
class Invariants:
    """What the code of an item relies on, as it was; `moved` names the first thing that is not so any more."""

    def __init__(self, closure: Closure, environment: Environment):
        self._environment = environment
        self._closure = closure
        self._known = 0
        self._fixed: list[tuple[dict[str, Any], str, Any, types.CodeType | None]] = []
        self._looked: list[Found] = []
        self._states = states.read(but=ambient.GENERATORS)
        self._generators = _generators()
        self.cost = self.read_cost = 0.0  # seconds that looking took last
        read = [key[1] for key in closure.found if key[0] is Kind.AMBIENT and key[1] in self._states]
        self._plain = {locator: ambient.PROBES[locator].read() for locator in read}
        self._take()

    def _take(self) -> None:
        """What the closure has found since: what is told by identity, and what must be looked at."""
        found = list(self._closure.found.values())
        for one in found[self._known :]:
            dependency = one.dependency
            if dependency.locator.startswith(_SKIPPED) or dependency.locator.startswith(config.ASKED):
                continue
            if dependency.kind is Kind.AMBIENT and dependency.locator == ambient.DUCKDB:
                self._looked.append(one)
            if dependency.kind not in _LOOKED_AT or not dependency.fp:
                continue
            place = _place(one, self._environment.namespace)
            if place is None:
                self._looked.append(one)
            elif dependency.shown == "builtin":
                self._fixed += [(*place, ABSENT, None), (vars(builtins), place[1], one.value, None)]
            else:
                code = one.value.__code__ if isinstance(one.value, types.FunctionType) else None
                self._fixed.append((*place, one.value, code))
        self._known = len(found)

    def moved(self) -> str | None:
        """The first thing that is not as it was when the loop began, in words; None if all is."""
        began = time.perf_counter()
        try:
            return self._read_differs() or self._state_differs()
        finally:
            self.cost = time.perf_counter() - began

    def read_moved(self) -> str | None:
        """The same of what items read only: whatever else moved, an item that was recorded did not read it."""
        began = time.perf_counter()
        try:
            return self._read_differs()
        finally:
            self.read_cost = time.perf_counter() - began

    def from_now(self) -> None:
        """Look at the state that nobody names from this moment on."""
        self._states = states.read(but=ambient.GENERATORS)
        self._generators = _generators()

    def _read_differs(self) -> str | None:
        if len(self._closure.found) > self._known:
            self._take()
        for namespace, name, value, code in self._fixed:
            now = namespace.get(name, ABSENT)
            if now is not value and not (type(now) is type(value) and type(now) in ATOMS and now == value):
                return f"{name} was bound to something else"
            if code is not None and now.__code__ is not code:
                return f"{name}() changed"
        for locator, state in self._plain.items():
            if ambient.PROBES[locator].read() != state:
                return f"{locator} changed"
        for one in self._looked:
            dependency = one.dependency
            found = self._environment.fresh(dependency.kind, dependency.locator)
            if found.fp != dependency.fp:
                return f"{dependency.locator} changed"
        return None

    def _state_differs(self) -> str | None:
        generators = _generators()
        for locator, state in self._generators.items():
            if not _same(state, generators.get(locator)):
                return f"random numbers were drawn ({locator})"
        self._generators = {**generators, **self._generators}
        now = states.read(but=ambient.GENERATORS)
        return next((f"{locator} changed" for locator in now if not states.same(self._states, now, locator)), None)


def _place(found: Found, names: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Where a value is bound that cannot change itself; None for one that can."""
    value, dependency = found.value, found.dependency
    if dependency.kind not in (Kind.VALUE, Kind.CODE) or dependency.locator.startswith(bindings.PRESENCE):
        return None
    module, read = bindings.parse(dependency.locator)
    if read.path or frame_of(value) is not None:
        return None
    loaded = sys.modules.get(module) if module is not None else None
    namespace = names if module is None else getattr(loaded, "__dict__", None)
    if namespace is None:
        return None
    if value is ABSENT or type(value) in ATOMS or isinstance(value, types.ModuleType) or dependency.shown == "builtin":
        return namespace, read.name
    if isinstance(value, types.FunctionType) and not value.__closure__ and not vars(value):
        defaults = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        if all(type(default) in ATOMS for default in defaults):
            return namespace, read.name
    return None


def _generators() -> dict[str, Any]:
    """The states of the global random generators, as their libraries give them."""
    found: dict[str, Any] = {ambient.PYTHON_RANDOM: random.getstate()}
    for locator in (ambient.NUMPY_RANDOM, ambient.TORCH_RANDOM):
        state = ambient.PROBES[locator].read()
        if state:
            found[locator] = state
    return found


def _same(before: Any, now: Any) -> bool:
    if isinstance(before, dict):
        return isinstance(now, dict) and before.keys() == now.keys() and all(_same(before[k], now[k]) for k in before)
    if type(before).__name__ == "ndarray":
        return type(now) is type(before) and bool((before == now).all())
    return bool(before == now)
