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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incnb.analysis import mentions
from incnb.analysis.plainly import HARMLESS, magic_of, stored_names
from incnb.dependencies import Environment, Resolved, ambient, bindings, file, module, sharing, source
from incnb.engine import places
from incnb.engine.configured import EVERYTHING
from incnb.engine.makers import FILE_OF_MODULE, Makers, Sessions, acting, names_of, unique
from incnb.engine.places import AMBIENT, FILE, MODULES, Place, path_of, places_of
from incnb.engine.provenance import _WRITING
from incnb.engine.shadow import Shadow, imported, same_definition
from incnb.engine.tracked import Producer
from incnb.fingerprint import origin
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT
from incnb.outputs.variables import RESULT
from incnb.store import StoredTrace

if TYPE_CHECKING:
    from incnb.engine.foreseen import Foreseen


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why something cannot be known, and the cell that it hangs on."""

    text: str
    title: str = ""


HOLDS: Final = object()
_UNDER_WAY = frozenset("get_ipython In Out _ __ ___ _i _ii _iii _ih _oh _dh exit quit _sh".split())  # noqa: SIM905
_PLAINLY = ("locale and time zone",)  # what a process has of its environment alone
_ANYWHERE = frozenset({"system", "subprocess", "Popen", "getoutput", "run_cell_magic", "bash"})
_SEARCH: Final = (AMBIENT, ambient.SEARCH_PATH)
_FOLDER: Final = (AMBIENT, ambient.FOLDER)


class World:
    """Changes with every cell of the plan."""

    def __init__(self, shadow: Shadow, sessions: Sessions):
        self.shadow, self._sessions = shadow, sessions
        self.makers = Makers()
        self._held: dict[str, dict[str, str]] = {}  # by name, the fingerprints that a trace tells
        self._doubts: dict[Place, Doubt] = {}
        self._setters: dict[Place, Foreseen] = {}
        self._titles: dict[str, str] = {}  # who bound a name last
        self._loaded: set[str] = set()
        self._perhaps: dict[str, Doubt] = {}  # modules that may be loaded
        self._digests: dict[str, str] = {}  # of files that reused cells have written
        self._again: set[str] = set()
        self._anything: Doubt | None = None
        self._environment: Environment | None = None
        self._nothing_configured = _empty_configuration()

    @property
    def environment(self) -> Environment:
        """What can be resolved here: outside, and what is made from source."""
        if self._environment is None:
            self._environment = Environment(self.shadow.main.names, configured=lambda top: ("", ""))
        return self._environment

    def makers_of(self, locator: str) -> list[Producer]:
        name = bindings.notebook_name(locator) or ""
        return [Producer(self._titles[name], 0.0, executed=True)] if name in self._titles else []

    # -- cells

    def reuses(self, seen: Foreseen, stored: StoredTrace, again: list[dict[str, Any]]) -> None:
        """A cell would be reused by this trace."""
        data = stored.data or {}
        outputs: dict[str, Any] = data.get("outputs", {})
        made_by = "trace", str(data.get("code", "")), stored.id
        loose = self._unsteady(stored, outputs)
        self._bind(seen)
        self.makers.begins(seen.tree, made_by)
        self.makers.left(outputs, made_by, self._sets(seen))
        for name in names_of(seen.tree):
            self._doubts.pop(("", name), None)
        for group in outputs.get("groups", []):
            tree = {} if group.get("words") else {str(k): str(v) for k, v in group.get("tree", {}).items()}
            for name in map(str, group["names"]):
                if name != RESULT:
                    self._hold(name, tree)
                    self._titles[name] = seen.called
        for place in self.makers.aliases.of(places.patched(outputs)):
            self._changed(place)
            self._doubts.pop(place, None)
        for name in map(str, outputs.get("deleted", [])):
            self._unbind(name)
        self._doubts |= {("", name): doubt for name, doubt in loose.items()}
        for one in outputs.get("files", []):
            path = os.path.abspath(str(one["path"]))
            self._digests[path] = str(one["digest"])
            self._doubts.pop((FILE, path), None)
        self._again |= {os.path.abspath(str(one["path"])) for one in again}
        for entry in outputs.get("ambient", []):
            self._doubts.pop((AMBIENT, str(entry["what"])), None)
        self._environment = None

    def runs(self, seen: Foreseen, would: str, last: dict[str, Any] | None = None) -> None:
        """A cell would run, or may; `last`: the outputs that it left when it was saved last."""
        doubt = Doubt(f"depends on {seen.called}, which {would}", seen.title)
        maybe = Doubt(f"depends on whether {seen.called}, which {would}, changes it in place", seen.title)
        made_by = unique()
        self._bind(seen, doubt)
        self.makers.begins(seen.tree, made_by)
        steady = self._sets(seen)
        touched = self.makers.ran(seen.tree, made_by, steady) if not is_quiet(seen.tree) else set()
        last, own = last or {}, names_of(seen.tree)
        for place in touched | places.patched(last):
            known = self.shadow.main.names
            if not place[0] and place[1] in known and type(known[place[1]]) in ATOMS:
                continue
            self._changed(place)
            if place[0] or place[1] in own:
                self._doubts[place] = doubt
            else:
                self._doubts.setdefault(place, maybe)
        for what in {str(entry["what"]) for entry in last.get("ambient", [])} if acting(seen.tree) else ():
            if not steady:  # else its text alone says what it sets
                self._doubts[AMBIENT, what] = doubt
        words = self.makers.reach(mentions(seen.tree))
        self._writes(seen, words, last, doubt)
        self._environment = None

    def _bind(self, seen: Foreseen, doubt: Doubt | None = None) -> None:
        """What the text of a cell says of the names that it binds, and of the modules that it loads."""
        main = self.shadow.main
        for statement in seen.tree.body:
            names = stored_names(statement)
            for name in names:
                self._held.pop(name, None)
                self._doubts.pop(("", name), None)
                self._titles[name] = seen.called
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._imports(statement)
            elif isinstance(statement, ast.Delete):
                for name in names:
                    self._unbind(name)
            elif not main.make(statement, seen.flags):
                definition = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                if doubt is not None and not definition:
                    self._doubts |= dict.fromkeys((("", name) for name in names), doubt)
            for node in ast.walk(statement):
                if isinstance(node, ast.Import | ast.ImportFrom) and node is not statement:
                    self._may_import(node, Doubt(f"depends on whether {seen.called} imports it", seen.title))
            self._moves(statement)

    def _sets(self, seen: Foreseen) -> set[Place]:
        found = self.makers.sets(seen.tree)
        for place in found:
            self._setters[place] = seen
            self._doubts.pop(place, None)
        return found

    def _imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        before = set(self.shadow.modules)
        self.shadow.imports(self.shadow.main, statement)
        for name in self.shadow.modules.keys() - before:
            found = module.from_file(str(self.shadow.modules[name].module.__file__))
            self.makers.of[FILE_OF_MODULE, name] = found[0] if found is not None else ""
        self._loaded |= self.shadow.modules.keys()

    def _may_import(self, statement: ast.Import | ast.ImportFrom, doubt: Doubt) -> None:
        for base, attribute, _ in imported(statement):
            for name in (base, f"{base}.{attribute}" if attribute else base):
                if module.is_project(name) and name not in self._loaded:
                    self._perhaps |= dict.fromkeys(module.unloaded_closure(name), doubt)

    def _moves(self, statement: ast.stmt) -> None:
        """Whether modules and files are looked for elsewhere from here on."""
        words = mentions(statement)
        if {"sys", "path"} <= words and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            self.makers.of.setdefault(_SEARCH, unique())
        if words & {"chdir", "cd"}:
            self.makers.of.setdefault(_FOLDER, unique())

    def _hold(self, name: str, tree: dict[str, str]) -> None:
        """A value is brought back: what can be made from the text counts only if it is that."""
        main = self.shadow.main
        known = name in main.names and tree.get(name) is not None
        if known and self.environment.fresh(Kind.VALUE, name).fp == tree[name]:
            return
        main.names.pop(name, None)
        main.unknown.add(name)
        self._held[name] = tree

    def _changed(self, place: Place) -> None:
        if not place[0]:
            self._held.pop(place[1], None)
            if self.shadow.main.names.pop(place[1], None) is not None:
                self.shadow.main.unknown.add(place[1])

    def _unbind(self, name: str) -> None:
        self._held.pop(name, None)
        self._doubts.pop(("", name), None)
        self.shadow.main.names.pop(name, None)
        self.shadow.main.unknown.discard(name)
        self.makers.of.pop(("", name), None)

    def _unsteady(self, stored: StoredTrace, outputs: dict[str, Any]) -> dict[str, Doubt]:
        """What would hold objects of inputs that somebody else makes now."""
        found: dict[str, Doubt] = {}
        for group in outputs.get("groups", []):
            for reference in group.get("refers", []):
                place = (str(reference[0] or ""), str(reference[1]))
                if place[1] not in group.get("patched", ()) and not self._same(stored, (place,)):
                    doubt = Doubt(f"depends on {place[1]}, parts of which it would hold")
                    found |= {str(name): doubt for name in group["names"] if name != RESULT}
        return found

    def _writes(self, seen: Foreseen, words: set[str], last: dict[str, Any], doubt: Doubt) -> None:
        """The files that a cell that would run may write or remove, told by its words and by what it wrote last."""
        found = {os.path.abspath(str(one["path"])) for one in last.get("files", [])}
        if any(map(_WRITING.search, words)) and not _only_reads(seen.tree, self.makers.definitions, words):
            for node in ast.walk(seen.tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 300:
                    found.add(os.path.abspath(node.value))
        for path in found:
            self._doubts[FILE, path] = doubt
            self._digests.pop(path, None)
        if words & _ANYWHERE:
            self._anything = Doubt(f"{doubt.text} and may write any file", doubt.title)

    # -- dependencies

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
        return HOLDS if now.fp == dependency.fp else now

    def _same(self, stored: StoredTrace, wanted: tuple[Place, ...]) -> bool:
        """Whether places would have the very makers that they had once when the trace was left or brought back."""
        if any(place in self._doubts for place in wanted):
            return False
        then = self._sessions.when(str((stored.data or {}).get("code", "")), stored.id)
        return any(all(past.at(place) == self.makers.at(place) for place in wanted) for past in then)

    def _of_name(self, dependency: Dependency, stored: StoredTrace, recorded: list[Dependency]) -> Any:
        place = places_of(dependency)[0]
        if place[0]:
            return self._of_module_name(dependency, stored, place, recorded)
        name, main = place[1], self.shadow.main
        doubt = self._doubts.get(place)
        if doubt is not None:
            return doubt
        if name in main.unknown or name in _UNDER_WAY:
            return self._of_held(dependency, stored, place)
        if name in main.names:
            if main.is_whole(name):
                return self._compared(dependency)
            return HOLDS if self._same(stored, (place,)) else self._unknown(place)
        if "*" in main.unknown:
            return HOLDS if self._same(stored, (place,)) else self._unknown(place)
        return self._compared(dependency)

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
            if (held or origin.top_level(top) in _STANDARD) and self.makers.at((top, "")) == self.makers.floor:
                return HOLDS  # data of a library, whose version is a dependency of its own
            return HOLDS if self._same(stored, (place, (top, ""))) else self._unknown(place)
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

    def _closure(self, top: str) -> list[str]:
        """The modules of the project that a module may have made its content with."""
        todo, found = [top], list[str]()
        while todo:
            name = todo.pop()
            if name in found or name not in self.shadow.modules:
                continue
            found.append(name)
            for node in ast.walk(self.shadow.trees.get(name, ast.Module([], []))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    package = str(self.shadow.modules[name].names.get("__package__") or "")
                    todo += [part for base, a, _ in imported(node, package) for part in (base, f"{base}.{a}")]
        return found

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
        if found is not HOLDS and self.makers.at(_SEARCH) is not None:
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
            return self._compared(dependency)
        return HOLDS if self._same(stored, wanted) else Doubt(f"depends on {dependency.locator}, which a cell sets")

    def _of_state(self, dependency: Dependency, stored: StoredTrace) -> Any:
        place = AMBIENT, dependency.locator
        if place in self._doubts:
            return self._doubts[place]
        if dependency.locator.startswith(ambient.CONFIGURED):
            if self.makers.at(place) is None and dependency.fp == self._nothing_configured:
                return HOLDS
        elif self.makers.at(place) is None:
            found = self._compared(dependency)
            if found is HOLDS or dependency.locator in _PLAINLY:
                return found
            then = self._sessions.when(str((stored.data or {}).get("code", "")), stored.id)
            if then and all(past.at(place) is not None and past.floor is None for past in then):
                return found  # it was set then, and would not be now
        if self._same(stored, (place,)):
            return HOLDS
        setter = self._setters.get(place)
        by = f", set by {setter.called}" if setter is not None else ""
        return Doubt(f"depends on the {dependency.locator}{by}", setter.title if setter is not None else "")

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


def is_quiet(tree: ast.Module) -> bool:
    """Whether a cell does nothing that a later one could meet: magics that set things up, and nothing else."""
    return all((magic_of(statement) or "?") in HARMLESS - {"env", "cd", "pip", "conda"} for statement in tree.body)


def _only_reads(tree: ast.Module, definitions: dict[str, ast.stmt], words: set[str]) -> bool:
    """Whether the only word for writing is `open`, and always without a mode that writes."""
    if any(found and found[0] != "open" for found in map(_WRITING.search, words)):
        return False
    for part in (tree, *(d for name, d in definitions.items() if name in words)):
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "open":
                modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
                if any(not isinstance(m, ast.Constant) or re.search(r"[wax+]", str(m.value)) for m in modes):
                    return False
    return True


def _empty_configuration() -> str:
    from incnb.engine.configured import Configured

    return Configured({}).digest(EVERYTHING)


_STANDARD = frozenset(sys.stdlib_module_names)
