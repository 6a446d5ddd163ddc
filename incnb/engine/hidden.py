"""State that cannot be read: results cached inside `functools.lru_cache` and its like.

Python itself answers an old value from such a cache after the code behind it changed. So each cache remembers the
fingerprint of its code from the moment when it was last seen empty; one that is filled under other code, or that was
never seen empty, is unknown, and a cell that reaches it executes and is not recorded. So is one that was filled by a
cell that read files, or by one that nobody watched: whoever is answered from it reads those files, and does not open
them.
"""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Iterable
from typing import Any

from incnb.fingerprint import Unfingerprintable, fingerprint
from incnb.fingerprint.encoder import ATOMS

MOST_RESULTS = 20_000
_CACHE = type(functools.lru_cache(lambda: None))


def holds_mutable(cache: Any) -> bool:
    """Whether a cache holds results that somebody could change, or too many to look at."""
    own = {id(cache.__wrapped__), id(vars(cache))}
    todo = [part for part in gc.get_referents(cache) if id(part) not in own and not isinstance(part, type)]
    looked = 0
    while todo:
        looked += 1
        part = todo.pop()
        if looked > MOST_RESULTS:
            return True
        if type(part) in (dict, tuple, frozenset) or type(part).__name__ == "_lru_list_elem":
            todo += [p for p in gc.get_referents(part) if not isinstance(p, type)]
        elif type(part) not in ATOMS and type(part) is not object:
            return True
    return False


class HiddenState:
    """The caches of one session, with the code under which each was seen empty."""

    def __init__(self) -> None:
        self._empty: dict[int, tuple[Any, bytes]] = {}
        self._vouched: dict[int, int] = {}  # how many results in it came of code and values alone

    def look(self, values: Iterable[Any]) -> None:
        """Note which caches among `values` are empty now."""
        for value in values:
            if type(value) is _CACHE and value.cache_info().currsize == 0:
                try:
                    self._empty[id(value)] = (weakref.ref(value), fingerprint(value))
                    self._vouched[id(value)] = 0
                except Unfingerprintable:
                    self._empty.pop(id(value), None)

    def sizes(self, values: Iterable[Any]) -> dict[int, tuple[Any, Any]]:
        """The caches among `values`, with what they say of themselves now."""
        return {id(v): (v, v.cache_info()) for v in values if type(v) is _CACHE}

    def ran(self, before: dict[int, tuple[Any, Any]], *, observed: bool) -> None:
        """A run ended; what it put into caches may hold what it saw of files or variables of the environment."""
        for ident, (cache, was) in before.items():
            now = cache.cache_info()
            if not observed and was.currsize == self._vouched.get(ident):
                self._vouched[ident] = now.currsize

    def unknown(self, values: Iterable[Any]) -> list[str]:
        """The names of caches that hold results which nobody can vouch for."""
        found = []
        for value in values:
            if type(value) is not _CACHE:
                found.append(getattr(value, "__qualname__", type(value).__qualname__))
            elif value.cache_info().currsize == 0:
                self.look([value])
            else:
                seen = self._empty.get(id(value))
                size = value.cache_info().currsize
                known = seen is not None and seen[0]() is value and self._vouched.get(id(value)) == size
                if not known or seen is None or seen[1] != fingerprint(value) or holds_mutable(value):
                    found.append(value.__wrapped__.__qualname__)
        return found
