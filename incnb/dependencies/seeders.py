"""Library functions whose whole effect is seen by comparing state: they seed a generator, or set options.

Told by the object, not by the name: `seed` may be anybody's.
"""

from __future__ import annotations

import os
import re
import sys
import types
import warnings
from importlib import import_module
from typing import Any

from incnb.fingerprint import ABSENT, origin
from incnb.fingerprint.code import Read, references
from incnb.fingerprint.encoder import ATOMS, follow

_SEEDERS = {
    "random": ("seed", "setstate"),
    "numpy.random": ("seed", "set_state"),
    "torch": ("manual_seed", "set_rng_state"),
    "torch.random": ("manual_seed", "set_rng_state"),
    "torch.cuda": ("manual_seed", "manual_seed_all", "set_rng_state", "set_rng_state_all"),
    "torch.mps": ("manual_seed",),
}
_SETTERS = {
    "os": ("chdir",),
    "time": ("tzset",),
    "locale": ("setlocale",),
    "warnings": ("filterwarnings", "simplefilter", "resetwarnings"),
    "logging": ("disable",),
    "numpy": ("seterr", "set_printoptions"),
    "pandas": ("set_option", "reset_option"),
    "matplotlib": ("rc", "rcdefaults"),
    "matplotlib.pyplot": ("rc",),
    "matplotlib.style": ("use",),
    "sklearn": ("set_config",),
    "torch": ("set_default_dtype", "set_grad_enabled", "use_deterministic_algorithms"),
}
#: Words that ask for the state of a generator, with the generator's locator in `ambient`.
ASKING = {
    "getstate": "state of Python's global random generator",
    "get_state": "state of numpy's global random generator",
    **dict.fromkeys(
        ("get_rng_state", "get_rng_state_all", "initial_seed", "fork_rng"), "state of torch's global random generator"
    ),
}
SEED = re.compile(r"seed|^set_?state$|^set_rng_state", re.I)
_HARMLESS = ("os.environ", "pandas.options.", "os.getenv", "logging.", "warnings.", "torch.cuda.is_", "torch.backends.")
_BUILTINS = frozenset(
    {"int", "str", "float", "bool", "abs", "print", "isinstance", "hasattr", "range", "len", "None", "hash"}
    | {"Exception", "ImportError", "ModuleNotFoundError", "AttributeError", "ValueError"}
)


def _is_one_of(value: Any, table: dict[str, tuple[str, ...]]) -> bool:
    if not callable(value):
        return False
    for name, functions in table.items():
        members = getattr(sys.modules.get(name), "__dict__", {})
        if any(members.get(function) is value for function in functions):
            return True
    return False


def is_seeder(value: Any) -> bool:
    """Whether a function does nothing but set the state of a global random generator."""
    return _is_one_of(value, _SEEDERS)


def seeded_by(value: Any) -> str | None:
    """The locator of the generator that a seeder seeds."""
    for top, whose in (("random", "Python"), ("numpy", "numpy"), ("torch", "torch")):
        table = {name: functions for name, functions in _SEEDERS.items() if name.partition(".")[0] == top}
        if _is_one_of(value, table):
            return f"state of {whose}'s global random generator"
    return None


def seeded_through(namespace: dict[str, Any], read: Read) -> set[str] | None:
    """The locators of the generators that what a read leads to may seed, by its name and by the object; None: of all.

    A seeder of a library that is not known here may seed whatever there is.
    """
    if not SEED.search(read.name) and not any(SEED.search(str(step[1])) for step in read.path):
        return set()
    value, taken, _ = reach(namespace, read)
    seeded = seeded_by(value)
    if seeded is not None:
        return {seeded}
    ours = isinstance(value, types.FunctionType) and origin.is_ours(origin.function_origin(value))
    return None if taken == len(read.path) and callable(value) and not isinstance(value, type) and not ours else set()


def is_followed(value: Any) -> bool:
    """Whether all that a library function (or a method of a library's object) changes is state that is compared."""
    if value is os.environ or value is sys.path or value is warnings.filters:
        return True
    if type(value).__qualname__ == "RcParams" and type(value).__module__ == "matplotlib":
        return True
    return _is_one_of(value, _SEEDERS) or _is_one_of(value, _SETTERS)


def is_followed_name(name: str) -> bool:
    """The same of a library function whose module is not loaded yet, by its qualified name."""
    module, _, function = name.rpartition(".")
    if module in ("os.environ", "sys.path", "warnings.filters") or module.endswith(".rcParams"):
        return True
    return function in _SEEDERS.get(module, ()) or function in _SETTERS.get(module, ())


def reach(namespace: dict[str, Any], read: Read) -> tuple[Any, int, bool]:
    """`follow`, also into `numpy.random`, which numpy loads when it is first used."""
    found = follow(namespace, read)
    value, taken, _ = found
    if (
        value is sys.modules.get("numpy")
        and value is not None
        and read.path[taken : taken + 1] == (("attr", "random"),)
    ):
        import_module("numpy.random")
        return follow(namespace, read)
    return found


def only_seeds(value: Any, _seen: frozenset[int] = frozenset()) -> bool:
    """Whether a function cannot read the state of a generator: a seeder, or a function of ours that is made of such."""
    if is_seeder(value):
        return True
    if not isinstance(value, types.FunctionType) or not origin.is_ours(origin.function_origin(value)):
        return False
    if id(value) in _seen:
        return True
    found = references(value.__code__)
    if value.__closure__ or found.stores or any(_is_there(name) for name, _, _ in found.imports):
        return False
    if found.attributes & ASKING.keys():
        return False
    return all(_harmless(value.__globals__, read, _seen | {id(value)}) for read in found.reads)


def _is_there(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return True


def _harmless(namespace: dict[str, Any], read: Read, seen: frozenset[int]) -> bool:
    root = namespace.get(read.name, ABSENT)
    if root is ABSENT:
        return read.name in _BUILTINS
    value, taken, _ = reach(namespace, read)
    if isinstance(root, types.ModuleType):
        path = ".".join([root.__name__, *(str(step[1]) for step in read.path)])
        if origin.is_ours(origin.object_module_origin(root)):
            return taken == len(read.path) and only_seeds(value, seen)
        return is_followed(value) or path.startswith(_HARMLESS)
    if type(value) in ATOMS:
        return True
    return only_seeds(value, seen)


def numbers_in(value: Any, _seen: frozenset[int] = frozenset()) -> list[Any]:
    """The constants that a function of ours could seed with: its own, its defaults', its globals', its helpers'."""
    if not isinstance(value, types.FunctionType) or id(value) in _seen:
        return []
    found = [c for c in value.__code__.co_consts if type(c) in (int, float, str, bytes)]
    found += [d for d in (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()) if type(d) in ATOMS]
    for read in references(value.__code__).reads:
        part = follow(value.__globals__, read)[0]
        if type(part) in ATOMS:
            found.append(part)
        elif isinstance(part, types.FunctionType) and origin.is_ours(origin.function_origin(part)):
            found += numbers_in(part, _seen | {id(value)})
    return found
