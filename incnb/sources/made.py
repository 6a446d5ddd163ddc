"""How sources are made, and the two simple kinds: what a pattern of paths expands to, and what somebody else wrote.

A folder keeps no order in which things arrive, so it is listed anew each time. What somebody's own source answers is
looked at before it is believed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, SupportsBytes, final

import xxhash

from incnb.sources.lines import Lines, text_encoding, treatment
from incnb.sources.protocol import Source, SourceError

_MEMBERS: Final = ("identity", "state", "durable", "read")


def source(
    where: str | os.PathLike[str] | Source,
    *,
    mode: Literal["paths", "append"] = "paths",
    encoding: str | None = None,
    errors: str | None = None,
) -> Paths | Lines | Given:
    """A collection that a loop goes over again and again.

    `incnb.source("data/*.csv")`: the paths (str) that match, sorted; `**` goes into folders. What a file holds is a
    matter of the code that reads it.
    `incnb.source("events.jsonl", mode="append")`: the complete lines (str, without the line break) of a file that only
    grows, in an `encoding` (UTF-8) with `errors` as for `open`. A last line without a line break waits for the rest.
    `incnb.source(rows)`: an object of your own, see `incnb.Source`.

    Going over it gives all items, in any Python. Raises `SourceError`.
    """
    if not isinstance(where, str | os.PathLike):
        _no_options("a source of your own", mode != "paths", encoding, errors)
        return Given(_own(where))
    path = os.fspath(where)
    if not isinstance(path, str):
        raise SourceError(f"incnb.source() takes a path as text, not as {type(path).__name__}: {path!r}")
    if not path or "\0" in path:
        raise SourceError(f"incnb.source() cannot take {path!r}: this is no path")
    if mode == "append":
        return Lines(path, text_encoding(encoding or "utf-8"), treatment(errors or "strict"))
    if mode != "paths":
        raise SourceError(f"incnb.source() knows the modes 'paths' and 'append', not {mode!r}")
    _no_options("a source of paths", False, encoding, errors)
    return Paths(path)


@final
@dataclass(frozen=True, slots=True, repr=False)
class Paths:
    """The paths that match a pattern, sorted."""

    pattern: str
    durable: ClassVar[bool] = False

    def identity(self) -> str:
        return f"paths:{self.pattern}"

    def state(self) -> bytes:
        digest = xxhash.xxh3_128()
        for path in self._listed():
            digest.update(os.fsencode(path) + b"\0")
        return digest.digest()

    def read(self, cursor: bytes | None = None) -> Iterator[tuple[str, bytes]]:
        """All of them, whatever the cursor: a file that is new may stand anywhere in the order."""
        for path in self._listed():
            yield path, os.fsencode(path)

    def check(self, cursor: bytes) -> str | None:
        return "is listed anew each time"

    def _listed(self) -> list[str]:
        found = sorted(glob.glob(self.pattern, recursive=True))
        if found == [self.pattern] and os.path.isdir(self.pattern):
            inside = os.path.join(self.pattern, "*")
            raise SourceError(f"{self.pattern} is a folder: write incnb.source({inside!r}) for what is in it")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed())

    def __repr__(self) -> str:
        return f"incnb.source({self.pattern!r})"

    def __incnb_fingerprint__(self) -> object:
        return self.identity()


@final
@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """A source of somebody's own: what it answers is looked at before it is believed."""

    own: Source

    def identity(self) -> str:
        found = self.own.identity()
        if not isinstance(found, str) or not found:
            raise SourceError(f"identity() of {self._name} must be a text that is not empty, not {found!r:.80}")
        return found

    def state(self) -> bytes:
        found = self.own.state()
        if not isinstance(found, bytes):
            raise SourceError(f"state() of {self._name} must be bytes, not {type(found).__name__}")
        return found

    @property
    def durable(self) -> bool:
        return self.own.durable is True

    def read(self, cursor: bytes | None = None) -> Iterator[tuple[Any, bytes | SupportsBytes]]:
        for pair in self.own.read(cursor):
            if type(pair) is not tuple or len(pair) != 2 or not isinstance(pair[1], bytes | SupportsBytes):
                raise SourceError(f"read() of {self._name} must give pairs (item, cursor as bytes), not {pair!r:.80}")
            yield pair

    def check(self, cursor: bytes) -> str | None:
        """As the source says itself; one that does not say is believed."""
        ask = getattr(self.own, "check", None)
        found = None if ask is None else ask(cursor)
        if found is not None and not isinstance(found, str):
            raise SourceError(f"check() of {self._name} must be None or a text that says why not, not {found!r:.80}")
        return found if found is None else found or "is not what it was"

    @property
    def _name(self) -> str:
        return type(self.own).__qualname__

    def __iter__(self) -> Iterator[Any]:
        return (item for item, _ in self.read(None))

    def __repr__(self) -> str:
        return f"incnb.source({self.own!r})"

    def __incnb_fingerprint__(self) -> object:
        # nothing sees what its code reads: a cell that goes over it relies on the code, and on what is there
        return self.identity(), type(self.own), self.state()


def _own(given: Any) -> Source:
    if isinstance(given, Given):
        return given.own
    missing = [name for name in _MEMBERS if not hasattr(given, name)]
    if isinstance(given, type) and not missing:
        raise SourceError(f"incnb.source() takes an instance, not the class: write incnb.source({given.__name__}(...))")
    if len(missing) == len(_MEMBERS) or isinstance(given, type):
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise SourceError(
            "incnb.source() takes a pattern of paths, a file with mode='append', or an object with identity, state, "
            f"durable and read; not {what}"
        )
    if missing:
        raise SourceError(f"{type(given).__qualname__} is no source: it has no {' and no '.join(missing)}")
    own: Source = given
    return own


def _no_options(what: str, mode: bool, encoding: str | None, errors: str | None) -> None:
    given = {"mode": mode, "encoding": encoding is not None, "errors": errors is not None}
    for name in (name for name, there in given.items() if there):
        raise SourceError(f"{name}= means nothing for {what}: it belongs to a file with mode='append'")
