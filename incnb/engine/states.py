"""All ambient state at one moment, and what lies between two moments."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable
from typing import Any

from incnb.dependencies import ambient
from incnb.outputs.ambient import BACKEND, ENVIRONMENT, FIXED, FORMATTERS, IMPLIED, WRITERS, Change
from incnb.outputs.variables import NotSaved
from incnb.store import Unpicklable, dump, load

#: locator -> key -> (what it is compared by, the value)
States = dict[str, dict[str, tuple[str, Any]]]

_ORDERED = {ambient.FILTERS, BACKEND}  # what is done to these is told by what was there


def read(but: Iterable[str] = ()) -> States:
    """Everything that the probes tell now."""
    return {
        locator: {key: (ambient.token(value), value) for key, value in probe.read().items()}
        for locator, probe in ambient.PROBES.items()
        if probe.put_back and locator not in but
    }


def same(before: States, after: States, locator: str) -> bool:
    return tokens(before, locator) == tokens(after, locator)


def tokens(states: States, locator: str) -> dict[str, str]:
    return {key: pair[0] for key, pair in states.get(locator, {}).items()}


def difference(before: States, after: States) -> list[Change]:
    """The changes that lead from one moment to a later one."""
    changes = []
    for locator, now in after.items():
        old = before.get(locator, {})
        put = {
            k: v for k, (token, v) in now.items() if (k not in old or old[k][0] != token) and not _implied(locator, k)
        }
        gone = [k for k in old if k not in now]
        if put or gone:
            was = {k: old[k][1] for k in put if k in old} if locator in _ORDERED else {}
            changes.append(Change(locator, put, gone, was))
    return changes


def _implied(locator: str, key: str) -> bool:
    return (locator, key) in IMPLIED


def fixed(change: Change, changes: Iterable[Change]) -> str | None:
    """What of a change, one of `changes`, cannot be put back, in words."""
    if change.what == BACKEND and (change.was or change.gone):
        return f"{BACKEND}, which had been chosen"
    if change.what == FORMATTERS and not any(other.what == BACKEND for other in changes):
        return FORMATTERS  # printers of figures come with the backend
    return next((FIXED[change.what, key] for key in (*change.put, *change.gone) if (change.what, key) in FIXED), None)


def variables(names: Iterable[str]) -> Change | None:
    """What variables of the environment are now."""
    put = {name: os.environ[name] for name in names if name in os.environ}
    gone = [name for name in names if name not in os.environ]
    return Change(ENVIRONMENT, put, gone) if put or gone else None


def packed(change: Change, before: int | None, namespace: dict[str, Any]) -> dict[str, Any]:
    """A change as an entry of a trace, to be applied before statement `before` runs again, or at the end. Raises
    `NotSaved`."""
    try:
        pickled = dump((change.put, change.gone, change.was), root=change.what, namespace=namespace)
    except Unpicklable as error:
        raise NotSaved(f"it changed {change.what} ({error})") from None
    if pickled.buffers:
        raise NotSaved(f"it changed {change.what} to something large")
    return {"what": change.what, "before": before, "pickle": base64.b64encode(pickled.data).decode()}


def unpacked(entry: dict[str, Any], resolve: Callable[..., object], namespace: dict[str, Any]) -> Change:
    """The change in an entry of a trace. Raises what loading raises."""
    loaded: Any = load(base64.b64decode(entry["pickle"]), [], resolve=resolve, namespace=namespace)
    put, gone, was = loaded
    return Change(entry["what"], put, gone, was)


def unknown(entries: Iterable[dict[str, Any]]) -> str | None:
    """A sort of state that this version does not know, which a newer one has recorded."""
    return next((str(entry.get("what")) for entry in entries if entry.get("what") not in WRITERS), None)
