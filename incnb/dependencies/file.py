"""Kind `file`: what a path leads to, what a folder lists, what a pattern expands to, what a look at a path tells.

The locator is the path as the program named it: a relative one is looked up from the working directory of the moment,
as the program itself would. What is compared is the content; a file whose identity is the recorded one is not read
again.
"""

from __future__ import annotations

import os
from functools import lru_cache

import xxhash

from incnb.dependencies.bindings import Resolved
from incnb.fingerprint import files
from incnb.fingerprint.files import Identity
from incnb.model import Dependency, Kind

LISTING = "listing of "
GLOB = "glob of "
PATH_GLOB = "search below "
LOOKS = {
    "existence": "existence of ",
    "is file": "being a file: ",
    "is folder": "being a folder: ",
    "size": "size of ",
    "times": "times of ",
    "status": "status of ",
    "link status": "link status of ",
    "real path": "real path of ",
}
PREFIXES = (LISTING, GLOB, PATH_GLOB, *LOOKS.values())


def content(path: str) -> str:
    """The locator of what is in a file."""
    return f".{os.sep}{path}" if path.startswith(PREFIXES) else path


def globbing(pattern: str, marks: str) -> str:
    """The locator of an expanded pattern of `glob`; `marks`: `r` recursive, `h` hidden files too."""
    return f"{GLOB}{pattern}" + (f" ({marks})" if marks else "")


def searching(root: str, extra: str) -> str:
    """The locator of an expanded `Path.glob` or `Path.rglob`; `extra` is the verb and the pattern."""
    return f"{PATH_GLOB}{root}: {extra}"


def resolve(locator: str) -> Resolved:
    """What a file locator is now."""
    try:
        return _resolve(locator)
    except OSError as error:
        return Resolved(Kind.FILE, None, f"cannot be read: {error.strerror}")


def _resolve(locator: str) -> Resolved:
    if locator.startswith(LISTING):
        found = files.listing(locator[len(LISTING) :])
        return of_names(found)
    if locator.startswith(GLOB):
        pattern, marks = _marks(locator[len(GLOB) :])
        return of_names(files.globbed(pattern, recursive="r" in marks, hidden="h" in marks))
    if locator.startswith(PATH_GLOB):
        root, _, rest = locator[len(PATH_GLOB) :].rpartition(": ")
        verb, _, pattern = rest.partition(" ")
        return of_names(files.path_globbed(root, pattern, recursive=verb == "rglob"))
    for op, prefix in LOOKS.items():
        if locator.startswith(prefix):
            return of_look(op, files.look(op, locator[len(prefix) :]))
    return of_content(locator)


def of_content(path: str) -> Resolved:
    """The content of a file, or that there is none, or a folder."""
    state = files.existence(path)
    if state == "file":
        identity = files.identity(path)
        if identity is not None:
            return of_digest(_digest(path, identity), identity[2])
    return of_state(state)


def of_digest(digest: bytes, size: int) -> Resolved:
    return Resolved(Kind.FILE, digest.hex(), "", size_of(size))


def of_state(state: str) -> Resolved:
    """Something that is no regular file: nothing, a folder."""
    missing = state in ("nothing", "broken link")
    return Resolved(Kind.FILE, _fp(state), "deleted" if missing else "", "no such file" if missing else f"a {state}")


def of_names(names: tuple[str, ...] | None) -> Resolved:
    """The entries of a folder or the matches of a pattern, in order."""
    if names is None:
        return Resolved(Kind.FILE, _fp("no folder"), "deleted", "no such folder")
    shown = ", ".join(names) if len(names) <= 3 else f"{len(names)} names"
    return Resolved(Kind.FILE, _fp("\0".join(names) + f"\0{len(names)}"), "", shown or "nothing")


def of_look(op: str, seen: str) -> Resolved:
    """What a look at a path without opening it saw."""
    return Resolved(Kind.FILE, _fp(f"{op}\0{seen}"), "", seen if op not in ("times", "status", "link status") else "")


def stamp(identity: Identity | None) -> str:
    """The identity of a file as text, empty when it would not tell of a further write."""
    return "" if identity is None or files.is_young(identity) else ":".join(map(str, identity))


def is_stamped(dependency: Dependency) -> bool:
    """Whether the file behind a dependency is, by its identity, the very one that was recorded."""
    if not dependency.stamp:
        return False
    identity = files.identity(dependency.locator)
    return identity is not None and dependency.stamp == ":".join(map(str, identity))


def size_of(size: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit if size != 1 else 'byte'}" if unit == "bytes" else f"{size:.1f} {unit}"


@lru_cache(4096)
def _remembered(path: str, identity: Identity) -> bytes:
    return files.digest(path)


def _digest(path: str, identity: Identity) -> bytes:
    return files.digest(path) if files.is_young(identity) else _remembered(path, identity)


def _marks(text: str) -> tuple[str, str]:
    head, space, tail = text.rpartition(" (")
    return (head, tail[:-1]) if space and tail in ("r)", "h)", "rh)") else (text, "")


def _fp(text: str) -> str:
    return xxhash.xxh3_128(text.encode("utf-8", "surrogateescape")).hexdigest()
