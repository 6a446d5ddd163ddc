"""Changes made in place: put onto the live object, so that everybody who holds it sees them, as after executing.

A reused cell that filled a list or fitted a model must leave *that* list and *that* model changed, not a copy bound to
the same name. `state_of` takes the state of one object without its identity, `apply` gives it to another of its type.
Objects whose state cannot be moved so have no patch, and their cell is not recorded.
"""

from __future__ import annotations

import collections
import random
import sys
from typing import Any

from incnb.fingerprint.instances import is_plain_instance, raw_state, slots_of


def state_of(value: Any) -> tuple[str, Any] | None:
    """The kind and state of an object that changed in place; None if it cannot be moved to another object."""
    cls = type(value)
    if cls in (list, collections.deque, set, bytearray):
        return "items", list(value) if cls is not bytearray else bytes(value)
    if isinstance(value, dict) and cls in (dict, collections.defaultdict, collections.OrderedDict, collections.Counter):
        return "pairs", (list(value), list(value.values()))
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if cls is numpy.ndarray:
            return ("array", value.copy()) if value.flags.writeable else None
        if isinstance(value, numpy.random.Generator):
            # children that were spawned are counted in the seed sequence, which cannot be set
            return "bits", (value.bit_generator.state, _seed_of(value))
        if cls is numpy.random.RandomState:
            return "set_state", value.get_state(legacy=False)
    if cls is random.Random:
        return "setstate", value.getstate()
    pandas = sys.modules.get("pandas")
    if pandas is not None and cls in (pandas.DataFrame, pandas.Series) and hasattr(value, "_update_inplace"):
        return "frame", value.copy(deep=False)
    if is_plain_instance(value):
        return "fields", raw_state(value)
    return None


def _seed_of(generator: Any) -> str:
    return repr(getattr(getattr(generator.bit_generator, "seed_seq", None), "state", None))


def fits(value: Any, kind: str, state: Any) -> bool:
    """Whether `apply` can succeed, asked for all patches before the first is applied."""
    if kind == "array":
        same = type(value) is type(state) and value.dtype == state.dtype and value.shape == state.shape
        return bool(same) and bool(value.flags.writeable)
    if kind == "bits":
        return bool(_seed_of(value) == state[1])
    now = state_of(value)
    return now is not None and now[0] == kind


def apply(value: Any, kind: str, state: Any) -> None:
    """Give `value` the state."""
    if kind == "items":
        if isinstance(value, list | bytearray):
            value[:] = state
        else:
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(state)
    elif kind == "pairs":
        value.clear()
        store = collections.OrderedDict.__setitem__ if isinstance(value, collections.OrderedDict) else dict.__setitem__
        for key, item in zip(*state, strict=True):
            store(value, key, item)
    elif kind == "array":
        value[...] = state
    elif kind == "bits":
        value.bit_generator.state = state[0]
    elif kind in ("set_state", "setstate"):
        getattr(value, kind)(state)
    elif kind == "frame":
        value._update_inplace(state)
        value.attrs = state.attrs
        value.flags.allows_duplicate_labels = state.flags.allows_duplicate_labels
        if hasattr(state, "name") and value.ndim == 1:
            value.name = state.name
    elif kind == "fields":
        fields = getattr(value, "__dict__", None)
        if fields is not None:
            fields.clear()
        slots = slots_of(type(value))
        for name, descriptor in slots.items():
            if name in state:
                descriptor.__set__(value, state[name])
            elif name in raw_state(value):
                descriptor.__delete__(value)
        if fields is not None:
            fields.update({k: v for k, v in state.items() if k not in slots})
    else:
        raise ValueError(kind)
