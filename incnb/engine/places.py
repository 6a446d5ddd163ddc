"""Places: where the state lies that cells hand to each other, as pairs that can be compared.

A name of the notebook is `("", "df")`, one of a module `("utils", "STATE")`, a file `(FILE, "/path")`, ambient state
`(AMBIENT, "cwd")`. What a cell relied on and what it left come down to places; so does who made what.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from incnb.dependencies import ambient, bindings, file, sharing
from incnb.model import Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT
from incnb.outputs.variables import RESULT

Place = tuple[str, str]

AMBIENT = "<ambient>"
FILE = "<file>"
MODULES: Place = ("<modules>", "")  # what modules of the project hold, as far as code of theirs may have changed it
MARKERS = (bindings.DOCSTRING, bindings.PRESENCE, bindings.SIGNATURE, bindings.TYPE)
_WILD = re.compile(r"[*?\[]")
_NAMED = (Kind.VALUE, Kind.CODE, Kind.CONFIG)


def variable(name: str) -> Place:
    """One variable of the environment, where it is known which one is set."""
    return AMBIENT, f"${name}"


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
        return (AMBIENT, ENVIRONMENT), variable(text)
    if dependency.kind is Kind.FILE:
        return ((FILE, path_of(text)),)
    if dependency.kind is Kind.MODULE:
        return ((text.removesuffix(" (file)"), ""),)
    if dependency.kind not in _NAMED or text.startswith("--"):
        return ()
    for marker in MARKERS:
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


#: Words in code that sets a sort of ambient state, which is not seen to move where it was so already.
_SETTERS = (
    (re.compile(r"^(set_option|reset_option|options)$"), "pandas options"),
    (re.compile(r"^(set_printoptions|seterr)$"), "numpy print options and errstate"),
    (re.compile(r"^(rcParams|rc|rcdefaults|style|set_theme|set_style|set_context)$"), "matplotlib rcParams"),
    (re.compile(r"^set_config$"), "sklearn config"),
    (re.compile(r"^(simplefilter|filterwarnings|resetwarnings)$"), ambient.FILTERS),
    (re.compile(r"^(getcontext|setcontext)$"), "decimal context"),
    (re.compile(r"^(basicConfig|setLevel)$"), "the root logger"),
    (re.compile(r"^setlocale$"), "locale and time zone"),
    (re.compile(r"^(chdir|cd)$"), ambient.FOLDER),
)
_VARIABLES = frozenset({"environ", "putenv", "unsetenv", "env", "set_env"})
#: What changes in steps: setting it once more comes to something else.
STEPS = frozenset({(AMBIENT, what) for what in (*ambient.GENERATORS, ambient.FOLDER, ambient.SEARCH_PATH)})


def said(words: Iterable[str]) -> set[Place]:
    """The ambient state that these words of code may set."""
    words = set(words)
    found: set[Place] = {(AMBIENT, what) for known, what in _SETTERS if any(map(known.match, words))}
    return found | ({variable(word) for word in words} if words & _VARIABLES else set())


def observed() -> dict[Place, str]:
    """The ambient state as it is now, in a form to compare."""
    found = {variable(name): value for name, value in os.environ.items()}
    for what, probe in ambient.PROBES.items():
        try:
            found[AMBIENT, what] = repr(probe.compared(probe.read()))
        except Exception as error:  # what a library raises when it is asked is of its own kinds
            found[AMBIENT, what] = repr(error)
    return found
