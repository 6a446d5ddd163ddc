"""Lazy frames and expressions of polars: saved as polars pickles them, unless they hold a function.

polars pickles the functions in a plan itself, by value and apart from the notebook that they belong to: what they read
would be a copy of what it was. Whether there is one is told by what polars made of the plan, where data stand number by
number and a pickle does in one of two forms.
"""

from __future__ import annotations

from typing import Any, Final

from incnb.store.byvalue import Refused

#: The start of a pickle of protocol 5, as it is and as numbers in msgpack. In data 128 and more follow a 0xcc each.
_PICKLES: Final = (b"\x80\x05\x95", b"\xcc\x80\x05\xcc\x95", b"PLPYFN", b"PLPYUDF", b"cloudpickle")


def is_plan(cls: type) -> bool:
    """Whether instances of `cls` are lazy frames or expressions of polars."""
    return cls.__module__.startswith("polars.") and cls.__name__ in ("LazyFrame", "Expr")


def plan(obj: Any) -> Any:
    """Leave a plan to polars, or refuse it."""
    reduction = obj.__reduce_ex__(5)
    state = reduction[2] if len(reduction) > 2 else None
    if not isinstance(state, bytes) or any(mark in state for mark in _PICKLES):
        raise Refused(obj, "a polars plan with a Python function in it")
    return reduction
