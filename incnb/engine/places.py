"""Places: where the state lies that cells hand to each other, as pairs that can be compared.

A name of the notebook is `("", "df")`, one of a module `("utils", "STATE")`, a file `(FILE, "/path")`, ambient state
`(AMBIENT, "cwd")`. What a cell relied on and what it left come down to places; so does who made what.
"""

from __future__ import annotations

import os
import re
from typing import Any

from incnb.dependencies import bindings, file, sharing
from incnb.model import Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT
from incnb.outputs.variables import RESULT

Place = tuple[str, str]

AMBIENT = "<ambient>"
FILE = "<file>"
_MARKERS = (bindings.DOCSTRING, bindings.PRESENCE, bindings.SIGNATURE, bindings.TYPE)
_WILD = re.compile(r"[*?\[]")
_NAMED = (Kind.VALUE, Kind.CODE, Kind.CONFIG)


def place_of(locator: str) -> Place:
    """The name that a locator begins at."""
    try:
        module, read = bindings.parse(locator)
    except (ValueError, SyntaxError):
        return "", locator
    return module or "", read.name


def places_of(dependency: Dependency) -> tuple[Place, ...]:
    """Where what a cell relied on lies; nothing for what no cell makes (packages, the version of Python)."""
    text = dependency.locator
    if dependency.kind is Kind.AMBIENT:
        return ((AMBIENT, text),)
    if dependency.kind is Kind.ENV:
        return ((AMBIENT, ENVIRONMENT),)
    if dependency.kind is Kind.FILE:
        return ((FILE, path_of(text)),)
    if dependency.kind is Kind.MODULE:
        return ((text.removesuffix(" (file)"), ""),)
    if dependency.kind not in _NAMED or text.startswith("--"):
        return ()
    for marker in _MARKERS:
        text = text.removeprefix(marker)
    locators = sharing.named(text) if text.startswith(sharing.PREFIX) else [text]
    return tuple(place_of(locator) for locator in locators)


def path_of(locator: str) -> str:
    """The file or folder that a locator of a file is about; of a pattern, the folder that it begins at."""
    path = locator
    for prefix in (file.LISTING, file.GLOB, file.PATH_GLOB, *file.LOOKS.values()):
        path = path.removeprefix(prefix)
    if locator.startswith(file.PATH_GLOB):
        path = path.rpartition(": ")[0]
    if locator.startswith(file.GLOB):
        path = os.path.dirname(_WILD.split(path, maxsplit=1)[0])
    return os.path.abspath(path)


def bound(outputs: dict[str, Any]) -> set[Place]:
    """What the outputs of a trace bind anew, write, or set."""
    names = {("", str(name)) for group in outputs.get("groups", []) for name in group["names"] if name != RESULT}
    names |= {("", str(name)) for name in outputs.get("deleted", [])}
    names |= {(FILE, os.path.abspath(str(one["path"]))) for one in outputs.get("files", [])}
    names |= {(FILE, os.path.abspath(str(folder))) for folder in outputs.get("folders", [])}
    return names | {(AMBIENT, str(entry["what"])) for entry in outputs.get("ambient", [])}


def patched(outputs: dict[str, Any]) -> set[Place]:
    """What the outputs of a trace change in place."""
    return {place_of(str(locator)) for group in outputs.get("groups", []) for locator in group["patched"]}


def sharing_groups(outputs: dict[str, Any]) -> list[set[Place]]:
    """The places that may hold common objects afterwards: what was saved together, with what it refers to."""
    found = []
    for group in outputs.get("groups", []):
        names = {("", str(name)) for name in group["names"] if name != RESULT}
        names |= {(str(r[0] or ""), str(r[1])) for r in group.get("refers", [])}
        found.append(names | {place_of(str(locator)) for locator in group["patched"]})
    return found
