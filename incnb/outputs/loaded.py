"""Variables on their way back: loaded, with references led to the live objects, and not bound yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from incnb.fingerprint import ABSENT
from incnb.fingerprint.encoder import take_step
from incnb.fingerprint.graph import walk
from incnb.outputs import patches
from incnb.outputs.variables import PATCHES


def resolver(namespaces: Callable[[str], dict[str, Any]]) -> Callable[[tuple[Any, ...]], object]:
    """Finds the live object that a reference stands for."""

    def resolve(reference: tuple[Any, ...]) -> object:
        module, name, steps, path = reference
        value = namespaces(module)[name]
        for kind, key in steps:
            step = take_step(value, kind, key)
            if step is None or step[0] is ABSENT:
                raise LookupError(f"{name} has no {key!r} any more")
            value = step[0]
        return walk(value, path)

    return resolve


@dataclass(slots=True)
class Loaded:
    """A group in memory, not bound yet."""

    values: dict[str, Any]
    states: list[tuple[Any, str, Any]]

    def fits(self) -> bool:
        return all(patches.fits(*state) for state in self.states)

    def patch(self) -> None:
        for value, kind, state in self.states:
            patches.apply(value, kind, state)


def restore(
    data: bytes | memoryview,
    buffers: list[Any],
    resolve: Callable[[tuple[Any, ...]], object],
    namespace: dict[str, Any],
    load: Callable[..., Any],
) -> Loaded:
    """Unpickle a group; nothing live is touched. Raises what `load` raises."""
    values = load(data, buffers, resolve=resolve, namespace=namespace)
    states = values.pop(PATCHES, [])
    return Loaded(values, states)
