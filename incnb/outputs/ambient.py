"""Process state as an output: how each sort of it is given what a cell made of it.

A `Change` says what moved in one sort of state: the keys with their new values, and those that went back to their
defaults. The sorts are the probes of `dependencies.ambient`, by locator; the variables of the environment come on top.
What cannot be put back (handlers of the root logger) is named in `FIXED`.
"""

from __future__ import annotations

import decimal
import locale
import logging
import os
import random
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from incnb.fingerprint import displaying
from incnb.model import IncnbError

ENVIRONMENT = "environment variables"
BACKEND = "the backend of pyplot"
FORMATTERS = "how IPython displays things"
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.I)


class Misfit(IncnbError):
    """The state of this process is not one that the change can be applied to."""


@dataclass(frozen=True, slots=True)
class Change:
    """What moved in one sort of state. `was` holds the former values of what was set, where they matter."""

    what: str
    put: dict[str, Any]
    gone: list[str] = field(default_factory=list)
    was: dict[str, Any] = field(default_factory=dict)


def is_secret(name: str) -> bool:
    """Whether a variable of the environment is called like something that must not be written anywhere."""
    return bool(_SECRET.search(name))


def _environment(change: Change) -> None:
    for name in change.gone:
        os.environ.pop(name, None)
    os.environ.update(change.put)


def _pandas(change: Change) -> None:
    pandas = import_module("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # options on their way out say so
        for key in change.gone:
            pandas.reset_option(f"^{re.escape(key)}$")
        for key, value in change.put.items():
            pandas.set_option(key, value)


_NUMPY_ERRORS = ("divide", "over", "under", "invalid")
_NUMPY_DEFAULTS: dict[str, Any] = {
    "edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False, "linewidth": 75,
    "nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False, "override_repr": None,
    "divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn",
}  # fmt: skip


def _numpy(change: Change) -> None:
    numpy = import_module("numpy")
    wanted = {**{key: _NUMPY_DEFAULTS[key] for key in change.gone}, **change.put}
    numpy.seterr(**{k: v for k, v in wanted.items() if k in _NUMPY_ERRORS})
    prints = {k: v for k, v in wanted.items() if k not in _NUMPY_ERRORS}
    if prints:
        # what is not given keeps its value, but for these two, which are set by every call
        now = numpy.get_printoptions()
        kept = {key: now[key] for key in ("formatter", "override_repr") if key in now}
        numpy.set_printoptions(**{**kept, **prints})


def _matplotlib(change: Change) -> None:
    matplotlib = import_module("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key in change.gone:
            matplotlib.rcParams[key] = dict.__getitem__(matplotlib.rcParamsDefault, key)
        for key, value in change.put.items():
            matplotlib.rcParams[key] = value


def _backend(change: Change) -> None:
    if not change.put:
        return  # once it is chosen it stays
    pyplot, settings = import_module("matplotlib.pyplot"), import_module("matplotlib").rcParams
    if getattr(pyplot, "_backend_mod", None) is None:
        wanted = dict.get(settings, "backend")
        if isinstance(wanted, str) and wanted != change.put["backend"]:
            raise Misfit(f"the backend of pyplot would be {wanted} here")
        before = {key: dict.__getitem__(settings, key) for key in settings if not key.startswith("backend")}
        resolve = getattr(pyplot, "_get_backend_mod", None)
        if resolve is not None:
            resolve()
        else:
            pyplot.switch_backend(wanted)
        _chosen.update({k: dict.__getitem__(settings, k) for k in before if dict.__getitem__(settings, k) != before[k]})
        dict.update(settings, before)  # what the cell left otherwise is a change of its own
    now = dict.get(settings, "backend")
    if now != change.put["backend"]:
        raise Misfit(f"the backend of pyplot is {now} here")


_chosen: dict[str, Any] = {}  # the settings that came with the backend, and were taken back


def settle() -> None:
    """What was put back is taken back, and the cell runs after all: a backend stays chosen, so its settings do."""
    if _chosen:
        dict.update(import_module("matplotlib").rcParams, _chosen)


def _formatters(change: Change) -> None:
    # they came with the backend: nothing is set, it is only made sure that the same came
    if "figures" in change.put and displaying.read().get("figures") != change.put["figures"]:
        raise Misfit("figures are displayed otherwise here")


def _sklearn(change: Change) -> None:
    sklearn = import_module("sklearn")
    defaults = {
        "assume_finite": False,
        "working_memory": 1024,
        "print_changed_only": True,
        "display": "diagram",
        "transform_output": "default",
        "enable_metadata_routing": False,
        "array_api_dispatch": False,
    }
    sklearn.set_config(**{**{key: defaults[key] for key in change.gone}, **change.put})


def _polars(change: Change) -> None:
    import json

    config = import_module("polars").Config
    defaults: dict[str, Any] = {
        "set_fmt_float": "mixed",
        "set_float_precision": None,
        "set_thousands_separator": "",
        "set_decimal_separator": ".",
        "set_trim_decimal_zeros": False,
    }
    wanted = {**{key: defaults.get(key) for key in change.gone}, **change.put}
    environment = {key: value for key, value in wanted.items() if not key.startswith("set_")}
    direct = {key: value for key, value in wanted.items() if key.startswith("set_")}
    config.load(json.dumps({"environment": environment, "direct": direct}))


def _torch(change: Change) -> None:
    torch = import_module("torch")
    wanted = {**{k: {"dtype": "torch.float32", "grad": True}.get(k, False) for k in change.gone}, **change.put}
    if "dtype" in wanted:
        torch.set_default_dtype(getattr(torch, wanted["dtype"].rpartition(".")[2]))
    if "grad" in wanted:
        torch.set_grad_enabled(wanted["grad"])
    if "deterministic" in wanted:
        torch.use_deterministic_algorithms(wanted["deterministic"])


def _decimal(change: Change) -> None:
    now = decimal.getcontext()
    for key, value in change.put.items():
        if key == "traps":
            for signal in now.traps:
                now.traps[signal] = signal.__name__ in value
        else:
            setattr(now, key, value)


def _logging(change: Change) -> None:
    if "level" in change.put:
        logging.root.setLevel(change.put["level"])
    if "disabled" in change.put:
        logging.root.disabled = change.put["disabled"]
    if "disable" in change.put:
        logging.disable(change.put["disable"])


def _locale(change: Change) -> None:
    if "locale" in change.put:
        try:
            locale.setlocale(locale.LC_ALL, change.put["locale"])
        except locale.Error as error:
            raise Misfit(str(error)) from None
    if "tzname" in change.put and hasattr(time, "tzset"):
        time.tzset()


def _folder(change: Change) -> None:
    os.chdir(change.put["folder"])


def _search_path(change: Change) -> None:
    sys.path[:] = change.put["path"]


def _filters(change: Change) -> None:
    before, after, now = change.was["filters"], change.put["filters"], list(warnings.filters)
    if now != before:
        # libraries that are loaded here and were not there have brought their own
        if before and after[len(after) - len(before) :] == before:
            added = after[: len(after) - len(before)]
            after = [*added, *(f for f in now if f not in added)]
        elif before and after[: len(before)] == before:
            added = after[len(before) :]
            after = [*(f for f in now if f not in added), *added]
        elif after:
            raise Misfit("the warning filters are others here")
    warnings.filters[:] = after  # type: ignore[index]
    with warnings.catch_warnings():
        pass  # tells that they changed


def _random(change: Change) -> None:
    random.setstate(change.put["state"])


def _numpy_random(change: Change) -> None:
    module = import_module("numpy.random")
    module.set_state(change.put["state"])


def _torch_random(change: Change) -> None:
    torch, numpy = import_module("torch"), import_module("numpy")

    def tensor(state: bytes) -> Any:
        return torch.from_numpy(numpy.frombuffer(bytearray(state), dtype="uint8"))

    if "state" in change.put:
        torch.set_rng_state(tensor(change.put["state"]))
    for key, state in change.put.items():
        if key.startswith("cuda "):
            torch.cuda.set_rng_state(tensor(state), int(key[5:]))


#: locator -> what puts a change back. The order is that in which changes are applied.
WRITERS: dict[str, Callable[[Change], None]] = {
    "working directory": _folder,
    ENVIRONMENT: _environment,
    "sys.path": _search_path,
    "locale and time zone": _locale,
    "warning filters": _filters,
    "decimal context": _decimal,
    "the root logger": _logging,
    "pandas options": _pandas,
    "numpy print options and errstate": _numpy,
    BACKEND: _backend,
    "matplotlib rcParams": _matplotlib,
    "sklearn config": _sklearn,
    "polars config": _polars,
    "torch defaults": _torch,
    "state of Python's global random generator": _random,
    "state of numpy's global random generator": _numpy_random,
    "state of torch's global random generator": _torch_random,
    FORMATTERS: _formatters,
}

#: Keys of state that nothing here can put back.
FIXED = {("the root logger", "handlers"): "the handlers of the root logger", (FORMATTERS, "others"): FORMATTERS}
#: Keys that follow from something else that is put back.
IMPLIED = {("locale and time zone", "TZ")}


def apply(changes: list[Change]) -> None:
    """Put changes back, in the order of the sorts. Raises what the libraries raise, and `Misfit`."""
    order = list(WRITERS)
    for change in sorted(changes, key=lambda c: order.index(c.what)):
        WRITERS[change.what](change)
