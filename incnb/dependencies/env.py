"""Kind `env`: environment variables that the user's code reads, by name; a variable that is not set counts too.

Values are never shown for names that look like secrets.
"""

from __future__ import annotations

import os

import xxhash

from incnb.dependencies.bindings import Resolved
from incnb.model import SECRET, Kind, shorten


def resolve(name: str) -> Resolved:
    """The value of an environment variable now."""
    return of(name, os.environ.get(name))


def of(name: str, value: str | None) -> Resolved:
    """A variable that holds `value`; None: it is not set."""
    if value is None:
        return Resolved(Kind.ENV, xxhash.xxh3_128(b"not set").hexdigest(), "deleted", "not set")
    fp = xxhash.xxh3_128(b"=" + value.encode("utf-8", "surrogateescape")).hexdigest()
    return Resolved(Kind.ENV, fp, "", "" if SECRET.search(name) else shorten(repr(value)))
