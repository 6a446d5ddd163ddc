"""Libraries that read variables of their caller by the names in a string: which frames they ask for, and the strings.

`df.query`, formulas, `numexpr.evaluate` look up names in the frame of whoever calls them. Python raises an audit event
when they ask for it. The strings that they were given are in the locals of the library's frames between the one that
asks and ours. Some ask for their own frame and walk back from there; they are known by module.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

#: Libraries whose strings are looked at. Any other that asks for a frame of ours makes the run unsafe.
ASKERS = frozenset({"pandas", "numexpr", "patsy", "formulaic", "statsmodels", "polars", "numpy"})
#: Parsed formulas, which write themselves out whole.
_PARSED = frozenset(
    "Formula SimpleFormula StructuredFormula Structured ModelSpec ModelSpecs Term EvalFactor Factor ModelDesc".split()  # noqa: SIM905
)
#: Names of parameters that choose a way to evaluate, and are not evaluated.
_CHOICES = frozenset({"engine", "parser", "casting", "order", "na_action", "NA_action", "return_type", "output"})
_MANY = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A library asks for `frame`, to look up in it names from `texts` that are not among `columns`."""

    library: str
    frame: FrameType
    texts: tuple[str, ...]
    columns: frozenset[str]


def wanted(asks: FrameType, target: Any, is_ours: Callable[[FrameType], bool]) -> list[FrameType]:
    """The frames of ours that whoever asks for `target` will look into."""
    if not isinstance(target, FrameType):
        return []
    if is_ours(target):
        return [target]
    library = top(asks)
    module = str(asks.f_globals.get("__name__", ""))
    if library == "patsy":
        depth = asks.f_locals.get("depth")
        frame: FrameType | None = asks
        for _ in range(depth + 1 if isinstance(depth, int) else 0):
            frame = frame.f_back if frame is not None else None
        return [frame] if frame is not None and is_ours(frame) else []
    if library == "polars" and asks.f_code.co_name == "_get_stack_locals":
        return [frame for frame in _below_cell(_back(asks)) if is_ours(frame)]
    if library == "numpy" and ("matrixlib" in module or "index_tricks" in module):
        caller = asks.f_back
        return [caller] if caller is not None and is_ours(caller) else []
    return []


def asked(asks: FrameType, frame: FrameType) -> Asked:
    """What a library that asks for `frame` was given to look up."""
    texts: dict[str, None] = {}
    columns: set[str] = set()
    if top(asks) == "polars":  # it says which names, or takes all that there are
        _texts(asks.f_locals.get("named"), texts, 0)
        return Asked("polars", frame, tuple(texts), frozenset())
    between: list[FrameType] = []
    for at in _back(asks):
        if at is frame:
            break
        between.append(at)
    for at in between:
        for name, value in list(at.f_locals.items()):
            if name not in _CHOICES:
                _texts(value, texts, 0)
            columns |= _columns(value)
    return Asked(top(asks), frame, tuple(texts), frozenset(columns))


def top(frame: FrameType) -> str:
    """The top-level module that the code of a frame belongs to."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _below_cell(frames: list[FrameType]) -> list[FrameType]:
    """The frames down to that of the cell; below are those of whatever runs the notebook."""
    main = getattr(sys.modules.get("__main__"), "__dict__", None)
    cells = [n for n, frame in enumerate(frames) if frame.f_globals is main and is_top(frame.f_code)]
    return frames[: cells[-1] + 1] if cells else frames


def is_top(code: CodeType) -> bool:
    """Whether code is that of a statement at the top of a cell or a module."""
    return not code.co_flags & inspect.CO_OPTIMIZED and code.co_name.startswith(("<module", "<cell"))


def _back(frame: FrameType | None) -> list[FrameType]:
    out = []
    while frame is not None:
        out.append(frame)
        frame = frame.f_back
    return out


def _texts(value: Any, into: dict[str, None], depth: int) -> None:
    if isinstance(value, str):
        into[str.__str__(value)] = None
    elif type(value) in (list, tuple, set, frozenset) and len(value) <= _MANY and depth < 2:
        for part in value:
            _texts(part, into, depth + 1)
    elif type(value) is dict and len(value) <= _MANY and depth < 1:
        for name, part in value.items():
            if name not in _CHOICES:
                _texts(part, into, depth + 1)
    elif type(value).__name__ in _PARSED and type(value).__module__.partition(".")[0] in ("patsy", "formulaic"):
        into[repr(value)] = None


def _columns(value: Any) -> frozenset[str]:
    cls = type(value)
    if cls.__name__ == "DataFrame" and cls.__module__.partition(".")[0] == "pandas":
        return frozenset(name for name in value.columns if isinstance(name, str))
    return frozenset()
