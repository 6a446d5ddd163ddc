"""What seeds, and with what: `random.seed()` is fresh randomness that nothing tells of, `RandomState(7)` is none.

`numpy.random.RandomState(7)` draws entropy and throws it away; that is not fresh randomness.

Its constructor first makes a generator from fresh entropy and then seeds it with what was passed. No Python frame lies
between, so the calling instruction is read: a call of `RandomState` whose last argument is there and is not None.
"""

from __future__ import annotations

import dis
import random
from collections.abc import Callable
from types import FrameType
from typing import Any

RESEED = random.Random.seed.__code__
GLOBAL: Any = getattr(random, "_inst", None)


def is_global_reseeding(frame: FrameType) -> bool:
    """Whether a frame of `random.Random.seed` is seeding Python's global generator with nothing: from fresh entropy."""
    given = frame.f_locals
    return given.get("self") is GLOBAL and given.get("a") is None


def watch_reseeding(seen: Callable[[], None]) -> Callable[[], None]:
    """See it without `sys.monitoring`, which Python 3.11 does not have; gives what ends the watch.

    Seeding ends in C, which asks nobody. But it also sets `gauss_next`, so for a while that is a property.
    """
    import sys

    plain = type(GLOBAL)

    def get(self: Any) -> Any:
        return self.__dict__["gauss_next"]

    def put(self: Any, value: Any) -> None:
        caller = sys._getframe(1)
        if caller.f_code is RESEED and is_global_reseeding(caller):
            seen()
        self.__dict__["gauss_next"] = value

    watched = type(plain.__name__, (plain,), {"gauss_next": property(get, put), "__module__": plain.__module__})
    GLOBAL.__class__ = watched

    def undo() -> None:
        if type(GLOBAL) is watched:
            GLOBAL.__class__ = plain

    return undo


_IGNORED = {"CACHE", "PRECALL", "EXTENDED_ARG", "NOP", "RESUME"}
_UNKNOWN: Any = object()


def is_legacy_seeding(frame: FrameType | None) -> bool:
    """Whether the nearest frame outside of this package is constructing a `RandomState` from a given seed."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "incnb":
        frame = frame.f_back
    if frame is None:
        return False
    before = [i for i in dis.get_instructions(frame.f_code) if i.offset <= frame.f_lasti and i.opname not in _IGNORED]
    if len(before) < 3 or before[-1].opname != "CALL" or not before[-1].arg:
        return False
    names = [i.argval for i in before[-6:-1] if i.opname.startswith("LOAD_") and isinstance(i.argval, str)]
    return "RandomState" in names and _value(before[-2], frame) not in (None, _UNKNOWN)


def _value(instruction: dis.Instruction, frame: FrameType) -> Any:
    """What the instruction that pushed the argument pushed; `_UNKNOWN` if it was no plain load."""
    name, argument = instruction.opname, instruction.argval
    if name in ("LOAD_CONST", "LOAD_SMALL_INT"):
        return argument
    if name.startswith("LOAD_FAST") and isinstance(argument, str):
        found = frame.f_locals.get(argument, _UNKNOWN)
    elif name in ("LOAD_GLOBAL", "LOAD_NAME"):
        found = frame.f_locals.get(argument, frame.f_globals.get(argument, _UNKNOWN))
    else:
        return _UNKNOWN
    return found if isinstance(found, int | str) or found is None else ("seeded" if _is_integer(found) else _UNKNOWN)


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__")
