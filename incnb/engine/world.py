"""The world by the turn of a cell in a plan without a kernel: what each dependency would resolve to, or why that is not
known.

Four sources, in this order: what is outside and can be looked at (files, packages, variables of the environment, the
version of Python, modules that would not be loaded yet); what can be made from source (`shadow.py`); the trees of
fingerprints in the traces that would be brought back; and, where none of these tells, whether the place would have the
same maker as when the reader ran before (`makers.py`).
"""

from __future__ import annotations

import ast
import os
import re
import sys
from typing import Any, Final

from incnb.dependencies import Resolved, ambient, bindings, file, module, sharing, source
from incnb.engine import places
from incnb.engine.makers import FILE_OF_MODULE
from incnb.engine.places import AMBIENT, FILE, MODULES, Place, path_of, places_of
from incnb.engine.shadow import DEFINITIONS, same_definition, same_text
from incnb.engine.turns import Doubt, Turns
from incnb.fingerprint import origin
from incnb.model import Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT
from incnb.store import StoredTrace

HOLDS: Final = object()
_UNDER_WAY = re.compile("get_ipython|exit|quit|_sh")
#: What IPython notes of each cell; it depends on all cells before.
_NOTED = re.compile(r"In|Out|_{1,3}|_i{1,3}|_ih|_oh|_dh|_i?\d+")
_PLAINLY = ("locale and time zone",)  # what a process has of its environment alone
_FOLDER: Final = (AMBIENT, ambient.FOLDER)
#: Variables of the environment that a kernel sets for itself.
_OF_KERNELS = frozenset(
    """
    TERM CLICOLOR CLICOLOR_FORCE FORCE_COLOR PAGER GIT_PAGER MPLBACKEND JPY_PARENT_PID JPY_SESSION_NAME
    JPY_INTERRUPT_EVENT PYDEVD_USE_FRAME_EVAL PYTHONFAULTHANDLER KERNEL_USERNAME LINES COLUMNS
    """.split()  # noqa: SIM905
)
_STANDARD = frozenset(sys.stdlib_module_names)


class World(Turns):
    """Answers for the dependencies of the cell whose turn it is."""

    def judge(self, dependency: Dependency, stored: StoredTrace, recorded: list[Dependency]) -> Any:
        """`HOLDS`, what a dependency would resolve to instead, or a `Doubt`."""
        kind, locator = dependency.kind, dependency.locator
        try:
            if kind in (Kind.PYTHON, Kind.PACKAGE):
                return self._compared(dependency)
            if kind is Kind.FILE:
                return self._of_file(dependency)
            if kind is Kind.SOURCE:
                return self.doubt_of_path(locator) or source.moved(dependency) or HOLDS
            if kind is Kind.ENV:
                return self._of_variable(dependency, stored)
            if kind is Kind.MODULE:
                return self._of_module(dependency, stored)
            if kind is Kind.AMBIENT:
                return self._of_state(dependency, stored)
            if locator.startswith(sharing.PREFIX):
                return self._of_sharing(dependency, stored, recorded)
            return self._of_name(dependency, stored, recorded)
        except (ValueError, SyntaxError):
            return Resolved(kind, None, "cannot be looked up")

    def _compared(self, dependency: Dependency) -> Any:
        now = self.environment.resolve(dependency.kind, dependency.locator)
        if now.fp == dependency.fp:
            return HOLDS
        if dependency.source and now.fp is not None and self._is_written_so(dependency):
            return Doubt(f"depends on {now.shown or dependency.locator}, whose text is as it was")
        return now

    def _is_written_so(self, dependency: Dependency) -> bool:
        """Whether a definition has the very text that was recorded, so that what is made of it here may be at fault."""
        top, name = places_of(dependency)[0]
        within = self.shadow.trees.get(top) if top else None
        nodes = ast.walk(within) if within is not None else [self.makers.definitions.get(name)]
        recorded = str(dependency.source)
        return any(same_text(recorded, node) for node in nodes if isinstance(node, DEFINITIONS))

    def _of_name(self, dependency: Dependency, stored: StoredTrace, recorded: list[Dependency]) -> Any:
        place = places_of(dependency)[0]
        if place[0]:
            return self._of_module_name(dependency, stored, place, recorded)
        name, main = place[1], self.shadow.main
        doubt = self._doubts.get(place)
        if doubt is not None:
            return doubt
        if _NOTED.fullmatch(name) and self.makers.at(place) is None:
            return Doubt(f"depends on {name}, which IPython notes")
        if name in main.unknown or _UNDER_WAY.fullmatch(name):
            return self._of_held(dependency, stored, place)
        if name in main.names:
            if main.is_whole(name):
                return self._compared(dependency)
            return HOLDS if self._same(stored, (place,)) else self._unknown(place)
        if self._everything is not None:
            return self._everything
        if "*" in main.unknown:
            return self._unknown(place)
        if self._builtins is not None:
            return self._builtins
        found = self._compared(dependency)
        if found is HOLDS or self._was_made(stored, place):
            return found
        return Doubt(f"depends on {name}, and no text tells what had bound it")

    def _was_made(self, stored: StoredTrace, place: Place) -> bool:
        """Whether it is known to have been made by a cell, each time."""
        then = self._sessions.when(str((stored.data or {}).get("code", "")), stored.id)
        return bool(then) and all(past.at(place) is not None and past.floor is None for past in then)

    def _of_held(self, dependency: Dependency, stored: StoredTrace, place: Place) -> Any:
        """A value that is brought back, or something that only the kernel makes."""
        tree = self._held.get(place[1], {})
        fp = tree.get(dependency.locator)
        if dependency.locator.startswith(bindings.PRESENCE):
            return HOLDS if dependency.fp == bindings.presence(True).fp else bindings.presence(True)
        if fp is not None:
            return HOLDS if fp == dependency.fp else Resolved(dependency.kind, fp, "", "not loaded yet")
        if self._same(stored, (place,)):
            return HOLDS
        definition = self.makers.definitions.get(place[1])
        if definition is not None and dependency.source and same_definition(dependency.source, definition) is False:
            return Resolved(Kind.CODE, "another", "", f"{place[1]}()")
        return self._unknown(place)

    def _unknown(self, place: Place) -> Doubt:
        title = self._titles.get(place[1], "") if not place[0] else ""
        what = place[1] if not place[0] else f"{place[0]}.{place[1]}"
        return Doubt(f"depends on {what}" + (f" of {title}" if title else ""), title)

    def _of_module_name(
        self, dependency: Dependency, stored: StoredTrace, place: Place, recorded: list[Dependency]
    ) -> Any:
        top, name = place
        if top not in self.shadow.modules:
            if top in self._perhaps:
                return self._perhaps[top]
            if module.is_project(top):
                return Resolved(Kind.VALUE, None, "its module is not imported yet")
            held = any(d.kind is Kind.PACKAGE and d.locator == origin.top_level(top) for d in recorded)
            if held or origin.top_level(top) in _STANDARD:
                untouched = self.makers.at((top, "")) is None
                if untouched or self._same(stored, (place, (top, ""))):
                    return HOLDS  # data of a library, whose version is a dependency of its own
            return self._unknown(place)
        space = self.shadow.modules[top]
        moved = self._doubts.get(place) or self._doubts.get(MODULES)
        if moved is not None:
            return moved
        untouched = self.makers.at(place) is None and self.makers.at((top, "")) is None
        if name in space.names and untouched and self.makers.at(MODULES) is None and space.is_whole(name):
            return self._compared(dependency)
        files = tuple((FILE_OF_MODULE, other) for other in self._closure(top))
        if self._same(stored, (place, (top, ""), MODULES, *files)):
            return HOLDS
        if dependency.source and untouched:
            found = [s for s in self.shadow.trees[top].body if getattr(s, "name", None) == name]
            if len(found) == 1 and same_definition(dependency.source, found[0]) is False:
                return Resolved(Kind.CODE, "another", "", f"{name}()")
        return Doubt(f"depends on {top}.{name}, which its import makes")

    def _of_module(self, dependency: Dependency, stored: StoredTrace) -> Any:
        name, unloaded, _ = dependency.locator.partition(" ")
        if not unloaded:
            files = tuple((FILE_OF_MODULE, other) for other in self._closure(name))
            same = name in self.shadow.modules and self._same(stored, ((name, ""), MODULES, *files))
            return HOLDS if same else Doubt(f"depends on all of {name}")
        if name in self._loaded:
            return Resolved(Kind.MODULE, None, "is loaded now")
        if name in self._perhaps:
            return self._perhaps[name]
        found = self._compared(dependency)
        if found is not HOLDS and self._lost:
            return Doubt(f"depends on where {name} is found")
        return found

    def _of_file(self, dependency: Dependency) -> Any:
        path = path_of(dependency.locator)
        whole = dependency.locator.startswith((file.LISTING, file.GLOB, file.PATH_GLOB))
        doubt = self.doubt_of_path(path, inside=whole)
        if doubt is not None:
            return doubt
        if self.makers.at(_FOLDER) is not None and not os.path.isabs(dependency.locator):
            return Doubt("depends on the working directory by then")
        if path in self._digests:
            if self._digests[path] == dependency.fp:
                return HOLDS
            if path in self._again:
                return Doubt(f"depends on {dependency.locator}, which would be put back")
        if any(other == path or (whole and other.startswith(path + os.sep)) for other in self._again):
            return Doubt(f"depends on {dependency.locator}, where files would be put back")
        return HOLDS if file.is_stamped(dependency) else self._compared(dependency)

    def doubt_of_path(self, path: str, *, inside: bool = False) -> Doubt | None:
        """Why what is at a path, or inside a folder, is not known."""
        if self._anything is not None:
            return self._anything
        path = os.path.abspath(path)
        for (kind, other), doubt in self._doubts.items():
            if kind == FILE and (
                other == path or path.startswith(other + os.sep) or (inside and other.startswith(path + os.sep))
            ):
                return doubt
        return None

    def _of_variable(self, dependency: Dependency, stored: StoredTrace) -> Any:
        wanted = ((AMBIENT, ENVIRONMENT), places.variable(dependency.locator))
        doubt = next((self._doubts[place] for place in wanted if place in self._doubts), None)
        if doubt is not None:
            return doubt
        if all(self.makers.at(place) is None for place in wanted):
            found = self._compared(dependency)
            if found is HOLDS or dependency.locator not in _OF_KERNELS:
                return found
        by = "the kernel" if dependency.locator in _OF_KERNELS else "a cell"
        return HOLDS if self._same(stored, wanted) else Doubt(f"depends on {dependency.locator}, which {by} sets")

    def _of_state(self, dependency: Dependency, stored: StoredTrace) -> Any:
        place = AMBIENT, dependency.locator
        if place in self._doubts:
            return self._doubts[place]
        if dependency.locator.startswith(ambient.CONFIGURED):
            if self._is_configured(place, dependency):
                return HOLDS
        elif self.makers.at(place) is None:
            found = self._compared(dependency)
            if found is HOLDS or dependency.locator in _PLAINLY:
                return found
            if self._was_made(stored, place):
                return found  # it was set then, and would not be now
        if self._same(stored, (place,)):
            return HOLDS
        setter = self._setters.get(place)
        by = f", set by {setter.called}" if setter is not None else ""
        return Doubt(f"depends on the {dependency.locator}{by}", setter.title if setter is not None else "")

    def _is_configured(self, place: Place, dependency: Dependency) -> bool:
        """Whether all that may configure a library is seen here, and comes to what was recorded."""
        said, maker = 0, self.makers.at(place)
        while isinstance(maker, tuple) and maker[0] == "configured":
            said, maker = said + 1, maker[1]
        top = dependency.locator.removeprefix(ambient.CONFIGURED)
        return said == self._configured.count(top) and dependency.fp == self._configured.digest(top)

    def _of_sharing(self, dependency: Dependency, stored: StoredTrace, recorded: list[Dependency]) -> Any:
        wanted = places_of(dependency)
        doubt = next((self._doubts[place] for place in wanted if place in self._doubts), None)
        if doubt is not None:
            return doubt
        if self._same(stored, wanted):
            return HOLDS
        roots = set(wanted)
        alone = all(self.makers.aliases.of({place}) <= {place} for place in roots)
        if alone and (dependency.fp == sharing.nothing() or len(roots) == 1):
            return HOLDS  # what one value shares with itself is in its fingerprint
        return Doubt(f"depends on what {', '.join(sharing.named(dependency.locator))} share")
