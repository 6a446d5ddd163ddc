"""Lazy frames and expressions of polars: saved as polars pickles them, unless they hold a function.

polars pickles the functions in a plan itself, by value and apart from the notebook that they belong to: what they read
would be a copy of what it was. Whether there is one is told by the text of the plan, where a pickle stands as numbers.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

from incnb.store.byvalue import Refused

_PICKLE: Final = re.compile(r"\b128, ?[2-5], ?\d")
_DATA: Final = re.compile(r'"(?:df|Series|Buffers)":\[[\d,\[\] ]*\]')


def is_plan(cls: type) -> bool:
    """Whether instances of `cls` are lazy frames or expressions of polars."""
    return cls.__module__.startswith("polars.") and cls.__name__ in ("LazyFrame", "Expr")


def plan(obj: Any) -> Any:
    """Leave a plan to polars, or refuse it."""
    serialize = obj.serialize if hasattr(obj, "collect_schema") else obj.meta.serialize
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = serialize(format="json")
    if _PICKLE.search(_DATA.sub("", text)):
        raise Refused(obj, "a polars plan with a Python function in it")
    return NotImplemented
