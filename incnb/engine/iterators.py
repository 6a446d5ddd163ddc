"""What may be done with the iterator of a loop: nothing that anybody could tell from Python doing it."""

from __future__ import annotations

from collections.abc import Iterable
from types import GeneratorType
from typing import Any

from incnb.engine.live import Live
from incnb.fingerprint import origin
from incnb.outputs.whose import is_seen

_EMPTY: tuple[Iterable[Any], ...] = ([], (), {}, set(), range(0), "", {}.items(), {}.values())
_PLAIN_ITERATORS = frozenset(type(iter(empty)) for empty in _EMPTY)


def may_advance(iterator: Any, depth: int = 0) -> bool:
    """Whether nobody can tell that an iterator is advanced before the item before has ended."""
    if is_plain(iterator):
        return True
    if type(iterator) in (enumerate, zip, reversed) and depth < 5:
        inner = iterator.__reduce__()[1]
        parts = inner[:1] if type(iterator) is enumerate else inner
        return all(may_advance(part, depth + 1) for part in parts if hasattr(part, "__next__"))
    if isinstance(iterator, GeneratorType):
        return not is_seen(iterator.gi_code)
    return origin.class_origin(type(iterator)) == "library"


def is_plain(iterator: Any) -> bool:
    """Whether nothing of the user's runs when an iterator is advanced."""
    return type(iterator) in _PLAIN_ITERATORS or (type(iterator) is Live and iterator.quiet)
