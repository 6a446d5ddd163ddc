"""Kind `source`: how far a growing file was read, and what stood before that place.

The locator is the identity of the source (`append:events.jsonl`). What is compared is where its last complete line ends
and the last 64 KiB before that; all of the file is read by nobody. What these cannot tell, the cursor does that was
recorded with it: a file that did not grow and was written to is in doubt. The cell then executes, and its items are
looked up one by one.
"""

from __future__ import annotations

import json
import re

import xxhash

from incnb.dependencies import file
from incnb.dependencies.bindings import Resolved
from incnb.model import Dependency, Kind
from incnb.sources import Lines, SourceError

_IDENTITY = re.compile(r"append:(.*?)(, encoding='[^']*')?(, errors='[^']*')?", re.DOTALL)


def read_to(source: Lines, cursor: bytes) -> Dependency:
    """A growing file that was read up to `cursor`."""
    mark = json.loads(cursor)
    state = f"{mark['dev']} {mark['ino']} {mark['offset']} {mark['tail']}".encode()
    shown = file.size_of(mark["offset"])
    return Dependency(Kind.SOURCE, source.identity(), _fp(state), shown, stamp=cursor.decode())


def without_lines(source: Lines, state: bytes) -> Dependency | None:
    """A file in whose `state` there is no complete line; None if there is one."""
    return Dependency(Kind.SOURCE, source.identity(), _fp(state), _shown(state)) if _end(state) == 0 else None


def resolve(locator: str) -> Resolved:
    """Where the complete lines of a growing file end now."""
    source = _source(locator)
    try:
        if source is None:
            return Resolved(Kind.SOURCE, None, "cannot be looked up")
        state = source.state()
    except (OSError, SourceError) as error:
        return Resolved(Kind.SOURCE, None, f"cannot be read: {error}")
    return Resolved(Kind.SOURCE, _fp(state), "", _shown(state))


def moved(dependency: Dependency) -> Resolved | None:
    """What a source is now, if that is not, or may not be, what was read; None if it is."""
    source = _source(dependency.locator)
    if source is None:
        return resolve(dependency.locator)
    doubt = source.check(dependency.stamp.encode()) if dependency.stamp else None
    if doubt is not None:
        return Resolved(Kind.SOURCE, None, doubt)
    now = resolve(dependency.locator)
    if now.fp == dependency.fp:
        return None
    return Resolved(Kind.SOURCE, None, now.detail or f"has grown: {dependency.shown} → {now.shown}")


def _source(locator: str) -> Lines | None:
    """Options say how bytes are read as text, and do not matter here."""
    found = _IDENTITY.fullmatch(locator)
    return Lines(found[1]) if found else None


def _end(state: bytes) -> int | None:
    parts = state.split()
    return int(parts[2]) if len(parts) == 4 else None


def _shown(state: bytes) -> str:
    end = _end(state)
    return "no such file" if end is None else file.size_of(end)


def _fp(state: bytes) -> str:
    return xxhash.xxh3_128(b"source\0" + state).hexdigest()
