"""Kind `ambient`: process state that cells use without naming it, of the libraries that a cell reaches.

A probe reads one sort of state: what differs from the defaults, by key, so that a library that is not loaded yet and
one that is loaded and untouched are alike. Probes only read; putting state back is the business of `outputs.ambient`,
which knows the same locators. Some probes count only for a cell that moves or asks for what they read: the global
random generators, the working directory, `sys.path`.
"""

from __future__ import annotations

import decimal
import locale
import logging
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from incnb.dependencies.bindings import Resolved
from incnb.fingerprint import Unfingerprintable, displaying, fingerprint
from incnb.fingerprint.door import encode
from incnb.model import Kind, shorten

State = dict[str, Any]

PYTHON_RANDOM = "state of Python's global random generator"
NUMPY_RANDOM = "state of numpy's global random generator"
TORCH_RANDOM = "state of torch's global random generator"
GENERATORS = (PYTHON_RANDOM, NUMPY_RANDOM, TORCH_RANDOM)
FOLDER = "working directory"
SEARCH_PATH = "sys.path"
FILTERS = "warning filters"
BACKEND = "the backend of pyplot"
FORMATTERS = "how IPython displays things"


def _pandas() -> State:
    config = sys.modules.get("pandas._config.config")
    if config is None:
        return {}
    flat: State = {}
    for key, option in sorted(config._registered_options.items()):
        try:
            node: Any = config._global_config
            for part in key.split("."):
                node = node[part]
        except (KeyError, TypeError):
            continue
        if node != option.defval and key != "mode.copy_on_write":
            flat[key] = node
    return flat


def _numpy() -> State:
    numpy = sys.modules.get("numpy")
    if not hasattr(numpy, "get_printoptions"):
        return {}
    found = {**numpy.get_printoptions(), **numpy.geterr()}  # type: ignore[union-attr]
    return {k: v for k, v in found.items() if repr(v) != _NUMPY_DEFAULTS.get(k)}


_NUMPY_DEFAULTS = {
    "edgeitems": "3", "threshold": "1000", "floatmode": "'maxprec'", "precision": "8", "suppress": "False",
    "linewidth": "75", "nanstr": "'nan'", "infstr": "'inf'", "sign": "'-'", "formatter": "None", "legacy": "False",
    "override_repr": "None", "divide": "'warn'", "over": "'warn'", "under": "'ignore'", "invalid": "'warn'",
}  # fmt: skip


def _matplotlib() -> State:
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None or not hasattr(matplotlib, "rcParamsDefault"):
        return {}
    now, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    found = {k: dict.__getitem__(now, k) for k in now if k not in ("backend", "backend_fallback")}
    return {k: v for k, v in found.items() if k not in default or repr(v) != repr(dict.__getitem__(default, k))}


def _backend() -> State:
    """The backend that pyplot has chosen. With the first figure it chooses one, which may tell IPython of figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if getattr(pyplot, "_backend_mod", None) is None:
        return {}
    return {"backend": str(dict.get(sys.modules["matplotlib"].rcParams, "backend"))}


def _sklearn() -> State:
    sklearn = sys.modules.get("sklearn")
    get = getattr(sklearn, "get_config", None)
    if get is None:
        return {}
    defaults = {
        "assume_finite": False,
        "working_memory": 1024,
        "print_changed_only": True,
        "display": "diagram",
        "transform_output": "default",
        "enable_metadata_routing": False,
        "array_api_dispatch": False,
    }
    return {k: v for k, v in get().items() if k in defaults and v != defaults[k]}


def _polars() -> State:
    config = getattr(sys.modules.get("polars"), "Config", None)
    if config is None:
        return {}
    defaults = {
        "set_fmt_float": "mixed",
        "set_float_precision": None,
        "set_thousands_separator": "",
        "set_decimal_separator": ".",
        "set_trim_decimal_zeros": False,
    }
    return {k: v for k, v in config.state(if_set=True).items() if k not in defaults or v != defaults[k]}


def _torch() -> State:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return {}
    found = {
        "dtype": str(torch.get_default_dtype()),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    defaults = {"dtype": "torch.float32", "grad": True, "deterministic": False}
    return {k: v for k, v in found.items() if v != defaults[k]}


def _duckdb() -> State:
    """What is set otherwise than in a new connection. Raises `ValueError` when there is more than settings."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is None or not hasattr(duckdb, "default_connection"):
        return {}
    shared = duckdb.default_connection
    connection: Any = shared() if callable(shared) else shared
    if connection.description is not None:
        raise ValueError("the default connection of duckdb holds the result of an earlier execute")
    for kind, query in _DUCKDB_HOLDS.items():
        held = connection.sql(query).fetchall()
        if held:
            raise ValueError(f"the default connection of duckdb holds {kind} ({held[0][0]})")
    untouched = _duckdb_untouched()
    return {name: value for name, value in _duckdb_settings(connection).items() if untouched.get(name) != value}


@cache
def _duckdb_untouched() -> dict[str, Any]:
    with sys.modules["duckdb"].connect() as fresh:
        return _duckdb_settings(fresh)


def _duckdb_settings(connection: Any) -> dict[str, Any]:
    return dict(connection.sql("select name, value from duckdb_settings() where name not like '%memory%'").fetchall())


_DUCKDB_HOLDS = {
    "tables": "select table_name from duckdb_tables() where not internal",
    "views": "select view_name from duckdb_views() where not internal",
    "databases": "select concat(database_name, path) as d from duckdb_databases() where not internal and d != 'memory'",
    "schemas": "select schema_name from duckdb_schemas() where not internal",
    "functions": "select function_name from duckdb_functions() where not internal",
    "types": "select type_name from duckdb_types() where not internal",
    "sequences": "select sequence_name from duckdb_sequences()",
    "secrets": "select name from duckdb_secrets()",
    "variables": "select name from duckdb_variables()",
    "prepared statements": "select name from duckdb_prepared_statements()",
}  # fmt: skip
DUCKDB = "the default connection of duckdb"


def _decimal() -> State:
    now = decimal.getcontext()
    found = {key: getattr(now, key) for key in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")}
    return {**found, "traps": sorted(signal.__name__ for signal, trapped in now.traps.items() if trapped)}


def _logging() -> State:
    root = logging.root
    handlers = [type(h).__qualname__ for h in root.handlers]
    return {"level": root.level, "disabled": root.disabled, "disable": root.manager.disable, "handlers": handlers}


def _locale() -> State:
    return {"locale": locale.setlocale(locale.LC_ALL), "tzname": time.tzname, "TZ": os.environ.get("TZ")}


def _folder() -> State:
    try:
        return {"folder": os.getcwd()}  # noqa: PTH109  as a relative path is resolved
    except FileNotFoundError:
        return {}


def _search_path() -> State:
    return {"path": list(sys.path)}


def _filters() -> State:
    return {"filters": list(warnings.filters)}


def _broad_filters(state: State) -> State:
    """Libraries bring filters about themselves when they are first needed, which may be in a cell that is reused later.

    Those name a category or a library of their own. Narrow filters of the user's are known by their statements.
    """
    kept = [
        (f[0], f[2].__name__)
        for f in state["filters"]
        if f[1] is None and f[3] is None and f[2].__module__ == "builtins" and not f[4]
    ]
    return {"filters": kept}


def _random() -> State:
    return {"state": random.getstate()}


def _numpy_random() -> State:
    if not hasattr(sys.modules.get("numpy"), "ndarray"):
        return {}
    # numpy loads it when it is first used: in the middle of a cell that would look as if it had moved
    module: Any = import_module("numpy.random")
    return {"state": module.get_state(legacy=False)}


def _torch_random() -> State:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return {}
    found = {"state": bytes(torch.get_rng_state().numpy())}
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():
        found |= {f"cuda {i}": bytes(state.cpu().numpy()) for i, state in enumerate(cuda.get_rng_state_all())}
    return found


_ASKED = ""  # counts only for a cell that moves or asks for it


@dataclass(frozen=True, slots=True)
class Probe:
    """One sort of state. `top` is the module whose reach makes it count, None = always."""

    top: str | None
    read: Callable[[], State]
    compared: Callable[[State], State] = lambda state: state
    shown: bool = True
    put_back: bool = True  # whether what a cell changes of it can be an output


PROBES: dict[str, Probe] = {
    "decimal context": Probe(None, _decimal),
    "locale and time zone": Probe(None, _locale),
    "the root logger": Probe(None, _logging),
    FILTERS: Probe(None, _filters, _broad_filters),
    "pandas options": Probe("pandas", _pandas),
    "numpy print options and errstate": Probe("numpy", _numpy),
    BACKEND: Probe("matplotlib", _backend),
    "matplotlib rcParams": Probe("matplotlib", _matplotlib),
    "sklearn config": Probe("sklearn", _sklearn),
    "polars config": Probe("polars", _polars),
    "torch defaults": Probe("torch", _torch),
    DUCKDB: Probe("duckdb", _duckdb, put_back=False),
    FOLDER: Probe(_ASKED, _folder),
    SEARCH_PATH: Probe(_ASKED, _search_path, shown=False),
    PYTHON_RANDOM: Probe(_ASKED, _random, shown=False),
    NUMPY_RANDOM: Probe(_ASKED, _numpy_random, shown=False),
    TORCH_RANDOM: Probe(_ASKED, _torch_random, shown=False),
    FORMATTERS: Probe(_ASKED, displaying.read, lambda state: {}, shown=False),
}
_REACHES = {"pandas": {"numpy"}, "sklearn": {"numpy"}, "seaborn": {"matplotlib", "pandas", "numpy"}}


CONFIGURED = "configuration of "


def reached(libraries: set[str]) -> list[str]:
    """The locators of the probes that count for a cell that reaches these top-level modules."""
    wide = libraries | {extra for name in libraries for extra in _REACHES.get(name, ())}
    found = [name for name, probe in PROBES.items() if probe.top is None or probe.top in wide]
    return found + [f"{CONFIGURED}{top}" for top in ("python", *sorted(libraries))]


def resolve(locator: str) -> Resolved:
    """The state behind one probe."""
    probe = PROBES.get(locator)
    if probe is None:
        return Resolved(Kind.AMBIENT, None, "not known to this version")
    try:
        state = probe.compared(probe.read())
        shown = shorten(str(state)) if probe.shown else ""
        return from_tokens({key: token(value) for key, value in state.items()}, shown)
    except Exception as error:  # what a library raises when it is asked is of its own kinds
        return Resolved(Kind.AMBIENT, None, f"cannot be read: {error}")


def from_tokens(tokens: dict[str, str], shown: str = "") -> Resolved:
    """The state that is compared by these tokens."""
    return Resolved(Kind.AMBIENT, encode(tokens).digest().hex(), "", shown)


def token(value: Any) -> str:
    """What a piece of state is compared by: its fingerprint, or how it shows itself where there is none."""
    if type(value) in (str, int, bool):
        return _token(type(value).__name__, value)
    try:
        return fingerprint(value).hex()
    except Unfingerprintable:
        return f"{type(value).__qualname__} {value!r}"


@cache
def _token(cls: str, value: Hashable) -> str:
    """Of a value that most states hold, made once."""
    return fingerprint(value).hex()
