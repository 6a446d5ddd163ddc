"""Which handler writes which type.

A handler serves exactly its type, or its subclasses too; those of a library are loaded when the first object of that
library is met, so that nothing is imported for nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from incnb.fingerprint import origin

if TYPE_CHECKING:
    from incnb.fingerprint.encoder import Encoder

Handler = Callable[["Encoder", Any], None]
TakePart = Callable[[Any, Any], tuple[Any] | None]

_exact: dict[type, Handler] = {}
_subclasses: list[tuple[type, Handler]] = []
_lazy: dict[str, Callable[[], None]] = {}  # module of a class -> what registers its handlers
_parts: dict[type, TakePart] = {}
_found: dict[type, Handler | None] = {}  # what `find_handler` answered; forgotten whenever the registry changes
_FORGET_ABOVE = 10_000  # classes of the notebook are made anew all the time


def register(cls: type, function: Callable[[Any], Any]) -> None:
    """Fingerprint instances of `cls` (and of its subclasses) by what `function(value)` returns."""

    def handler(encoder: Encoder, value: Any) -> None:
        from incnb.fingerprint import objects

        encoder.tag("registered")
        if encoder.first_time(value):
            objects.encode_class_of(encoder, value)
            encoder.encode(function(value))

    _exact[cls] = handler
    _subclasses.insert(0, (cls, handler))
    _found.clear()


def handles(cls: type, handler: Handler, *, subclasses: bool = False) -> None:
    """Give a type its handler; with `subclasses`, to classes derived from it too."""
    _exact[cls] = handler
    if subclasses:
        _subclasses.append((cls, handler))
    _found.clear()


def lazily(module: str, load: Callable[[], None]) -> None:
    """Call `load` when a class of `module`, which may be a top-level one, is first met."""
    _lazy[module] = load


def load_now(module: Any) -> None:
    """Load the handlers for the library `module`, if that has not happened yet."""
    load = _lazy.get(module) if type(module) is str else None
    if load is not None and module in sys.modules:  # a class may lie about where it comes from
        load()  # one that fails will fail again: its library must not be taken for one that nobody knows
        _lazy.pop(module, None)


def find_handler(cls: type) -> Handler | None:
    """The handler of a type, if one is registered for it; library handlers are loaded on first sight of their types."""
    try:
        return _found[cls]
    except KeyError:
        pass
    for base in origin.mro(cls):
        module = origin.module_of(base)
        load_now(origin.top_level(module))
        load_now(module)
    handler = _exact.get(cls)
    if handler is None:
        bases = origin.mro(cls)
        handler = next((candidate for base, candidate in _subclasses if base in bases), None)
    if len(_found) > _FORGET_ABOVE:
        _found.clear()
    _found[cls] = handler
    return handler


def register_parts(cls: type, take: TakePart) -> None:
    """Let constant keys on exactly this type be followed: `take(value, key)` gives the part, wrapped, or None."""
    _parts[cls] = take


def part_taker(cls: type) -> TakePart | None:
    """What follows constant keys on exactly this type."""
    find_handler(cls)  # loads the handlers of the library that owns the class
    return _parts.get(cls)
