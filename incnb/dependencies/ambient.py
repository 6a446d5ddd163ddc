"""Kind `ambient`: process state that cells use without naming it, of the libraries that a cell reaches.

A probe gives the options of one library that differ from their defaults, so that a library that is not loaded yet and
one that is loaded and untouched are alike. Probes only read.
"""

from __future__ import annotations

import decimal
import locale
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from incnb.dependencies.bindings import Resolved
from incnb.fingerprint.door import encode
from incnb.model import Kind, shorten


def _pandas() -> Any:
    config = sys.modules.get("pandas._config.config")
    if config is None:
        return {}
    flat: dict[str, Any] = {}
    for key, option in sorted(config._registered_options.items()):
        try:
            node: Any = config._global_config
            for part in key.split("."):
                node = node[part]
        except (KeyError, TypeError):
            continue
        if node != option.defval and key != "mode.copy_on_write":
            flat[key] = repr(node)
    return flat


def _numpy() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return {}
    found = {k: repr(v) for k, v in {**numpy.get_printoptions(), **numpy.geterr()}.items()}
    return {k: v for k, v in found.items() if v != _NUMPY_DEFAULTS.get(k)}


_NUMPY_DEFAULTS = {
    "edgeitems": "3", "threshold": "1000", "floatmode": "'maxprec'", "precision": "8", "suppress": "False",
    "linewidth": "75", "nanstr": "'nan'", "infstr": "'inf'", "sign": "'-'", "formatter": "None", "legacy": "False",
    "override_repr": "None", "divide": "'warn'", "over": "'warn'", "under": "'ignore'", "invalid": "'warn'",
}  # fmt: skip


def _matplotlib() -> Any:
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None or not hasattr(matplotlib, "rcParamsDefault"):
        return {}
    now, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    found = {k: repr(dict.__getitem__(now, k)) for k in now if k not in ("backend", "backend_fallback")}
    return {k: v for k, v in found.items() if k not in default or v != repr(dict.__getitem__(default, k))}


def _sklearn() -> Any:
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
    return {k: repr(v) for k, v in get().items() if k in defaults and v != defaults[k]}


def _torch() -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return {}
    return (str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled())


def _duckdb() -> Any:
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


def _decimal() -> Any:
    now = decimal.getcontext()
    return (
        now.prec,
        now.rounding,
        now.Emin,
        now.Emax,
        now.capitals,
        now.clamp,
        sorted(str(t) for t, v in now.traps.items() if v),
    )


def _logging() -> Any:
    handlers = [type(h).__qualname__ for h in logging.root.handlers]
    return (logging.root.level, logging.root.disabled, logging.root.manager.disable, handlers)


def _locale() -> Any:
    return (locale.setlocale(locale.LC_ALL), time.tzname, os.environ.get("TZ"))


#: locator -> (top-level modules whose reach makes it count; None = always, what reads it)
PROBES: dict[str, tuple[str | None, Callable[[], Any]]] = {
    "decimal context": (None, _decimal),
    "locale and time zone": (None, _locale),
    "the root logger": (None, _logging),
    "pandas options": ("pandas", _pandas),
    "numpy print options and errstate": ("numpy", _numpy),
    "matplotlib rcParams": ("matplotlib", _matplotlib),
    "sklearn config": ("sklearn", _sklearn),
    "torch defaults": ("torch", _torch),
    DUCKDB: ("duckdb", _duckdb),
}
_REACHES = {"pandas": {"numpy"}, "sklearn": {"numpy"}, "seaborn": {"matplotlib", "pandas", "numpy"}}


CONFIGURED = "configuration of "


def reached(libraries: set[str]) -> list[str]:
    """The locators of the probes that count for a cell that reaches these top-level modules."""
    wide = libraries | {extra for name in libraries for extra in _REACHES.get(name, ())}
    found = [name for name, (top, _) in PROBES.items() if top is None or top in wide]
    return found + [f"{CONFIGURED}{top}" for top in ("python", *sorted(libraries))]


def resolve(locator: str) -> Resolved:
    """The state behind one probe."""
    probe = PROBES.get(locator)
    if probe is None:
        return Resolved(Kind.AMBIENT, None, "not known to this version")
    try:
        state = probe[1]()
        return Resolved(Kind.AMBIENT, encode(state).digest().hex(), "", shorten(str(state)))
    except Exception as error:  # what a library raises when it is asked is of its own kinds
        return Resolved(Kind.AMBIENT, None, f"cannot be read: {error}")
