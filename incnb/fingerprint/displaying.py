"""How IPython displays things: which printers are registered for which types, and what else its formatters are told.

Figures are apart. Their printers come with pyplot's backend when it is resolved, which is done again on reuse; they are
described so that what came can be compared. Everything else that a cell changes here is only told to be another.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import Any

from incnb.fingerprint import origin

_TRAITS = ("pprint", "verbose", "max_width", "max_seq_length", "newline", "float_format")
_FIGURE = ("matplotlib.figure", "Figure")
_NAME = type.__dict__["__name__"].__get__

_NOTHING: dict[str, Any] = {}

#: What was read last: its ids, the objects behind them (else another could have the same id later), and the state.
_last: tuple[tuple[Any, ...], list[Any], dict[str, Any]] = ((), [], {})


def read() -> dict[str, Any]:
    """`figures`: the printers of figures, in words. `others`: a number that is another one when anything else is."""
    global _last
    get = getattr(sys.modules.get("IPython.core.getipython"), "get_ipython", None)
    display = getattr(get() if get is not None else None, "display_formatter", None)
    formatters = getattr(display, "formatters", None)
    if display is None or not isinstance(formatters, dict):
        return {}
    own = (display.ipython_display_formatter, display.mimebundle_formatter)
    every = [*formatters.items(), *zip(("ipython_display", "mimebundle"), own, strict=True)]
    ids: list[Any] = [id(display)]
    for mime, formatter in every:
        ids += (mime, id(formatter), _enabled(formatter))
        for printers in _printers(formatter):
            ids += map(id, printers)
            ids += map(id, printers.values())
    plain = formatters.get("text/plain")
    ids += [getattr(plain, name, None) for name in _TRAITS]
    seen = tuple(ids)
    if seen != _last[0]:
        held = [display, *(f for _, f in every)]
        held += [part for _, f in every for p in _printers(f) for pair in p.items() for part in pair]
        _last = (seen, held, _state(display, every, seen[-len(_TRAITS) :]))
    return dict(_last[2])


def _printers(formatter: Any) -> Iterator[dict[Any, Any]]:
    known = getattr(formatter, "_trait_values", _NOTHING)  # asking a trait takes a microsecond, and there are many
    for name in ("singleton_printers", "type_printers", "deferred_printers"):
        found = known.get(name)
        if found is None:
            found = getattr(formatter, name, None)
        if isinstance(found, dict):
            yield found


def _enabled(formatter: Any) -> Any:
    found = getattr(formatter, "_trait_values", _NOTHING).get("enabled")
    return formatter.enabled if found is None else found


def _state(display: Any, every: list[tuple[str, Any]], traits: tuple[Any, ...]) -> dict[str, Any]:
    figures: list[str] = []
    others: list[tuple[Any, ...]] = [("", id(display), traits)]
    for mime, formatter in every:
        others.append((mime, id(formatter), _enabled(formatter)))
        for printers in _printers(formatter):
            for key, printer in printers.items():
                # a printer by name becomes one by type when it is first needed: that is no change
                known = (origin.module_of(key), _NAME(key)) if isinstance(key, type) else key
                if known == _FIGURE:
                    figures.append(f"{mime}: {_described(printer)}")
                else:
                    others.append((mime, known if isinstance(known, tuple) else id(known), id(printer)))
    others.sort(key=repr)
    state: dict[str, Any] = {"others": hash(repr(others))}
    return {**state, "figures": "; ".join(sorted(figures))} if figures else state


def _described(printer: Any) -> str:
    if type(printer) is functools.partial:
        given = sorted(printer.keywords.items())
        return f"{_described(printer.func)} {printer.args!r} {given!r}"
    name = getattr(printer, "__qualname__", None)
    top = str(getattr(printer, "__module__", "")).partition(".")[0]
    return f"{printer.__module__}.{name}" if name and top in ("IPython", "matplotlib_inline") else f"{id(printer)}"
