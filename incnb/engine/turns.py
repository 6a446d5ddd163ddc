"""What the cells of a plan leave behind, one after the other: what is bound, by whom, and what of it is known.

A cell that would be reused leaves what its trace says. One that would run, or may, leaves what its text alone says:
constants, definitions, imports; all else that it binds, or may change, write or set by its words, is in doubt from then
on. The reading of it all is `world.py`.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incnb.analysis import mentions
from incnb.analysis.changes import changed_names
from incnb.analysis.plainly import HARMLESS, magic_of, stored_names
from incnb.dependencies import Environment, ambient, bindings, module
from incnb.engine import places
from incnb.engine.configured import Configured
from incnb.engine.makers import BINDS_NOTHING, FILE_OF_MODULE, Maker, Makers, Sessions, acting, names_of, unique
from incnb.engine.places import AMBIENT, FILE, MODULES, Place
from incnb.engine.provenance import _WRITING
from incnb.engine.shadow import Shadow, imported
from incnb.engine.tracked import Producer
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Kind
from incnb.outputs.variables import RESULT
from incnb.store import StoredTrace

if TYPE_CHECKING:
    from incnb.engine.foreseen import Foreseen


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why something cannot be known, and the cell that it hangs on."""

    text: str
    title: str = ""


_ANYWHERE = frozenset({"system", "subprocess", "Popen", "getoutput", "run_cell_magic", "bash"})
_BUILTINS = frozenset({"builtins", "__builtins__"})
_FOLDER: Final = (AMBIENT, ambient.FOLDER)


class Turns:
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
        self._everything: Doubt | None = None
        self._builtins: Doubt | None = None
        self._lost = False  # where modules are looked for is not known any more
        self._environment: Environment | None = None
        self._configured = Configured(shadow.main.names)

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
        for place in places.patched(outputs):
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
        self._leaves(seen)

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
        for name in self.makers.stored_by_functions(seen.tree):
            self._doubts["", name] = doubt
            self._held.pop(name, None)
            self.shadow.main.names.pop(name, None)
            self.shadow.main.unknown.add(name)
            self.makers.of["", name] = made_by
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
        if binds_anything(seen.tree):
            self._everything = Doubt(f"{doubt.text} and may bind any name", doubt.title)
            self._held.clear()
            self._doubts |= {place: self._everything for place in self.makers.of if not place[0]}
        if words & _BUILTINS:
            self._builtins = Doubt(f"{doubt.text} and may set what is built in", doubt.title)
        self._leaves(seen)

    def _leaves(self, seen: Foreseen) -> None:
        """The end of a cell: its magics bind what they caught, which nothing tells beforehand."""
        for name in seen.leaves:
            self._unbind(name)
            self.shadow.main.unknown.add(name)
            self.makers.of["", name] = unique()
            self._titles[name] = seen.called
            self._doubts["", name] = Doubt(f"depends on {name}, which a magic of {seen.called} binds", seen.title)
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
        self._configured.take(seen.tree)
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
            self._lost = not _search_path(statement) or self._lost
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

    def _same(self, stored: StoredTrace, wanted: tuple[Place, ...]) -> bool:
        """Whether places would have the very makers that they had once when the trace was left or brought back."""
        wanted = (*wanted, *(other for place in wanted for other in self._behind(self.makers.at(place))))
        if any(place in self._doubts for place in wanted):
            return False
        then = self._sessions.when(str((stored.data or {}).get("code", "")), stored.id)
        return any(all(past.at(place) == self.makers.at(place) for place in wanted) for past in then)

    def _behind(self, maker: Maker) -> set[Place]:
        """The places that what a maker took from modules of the project comes from."""
        found, seen, todo = set[Place](), set[int](), [maker]
        while todo:
            part = todo.pop()
            if not isinstance(part, tuple) or id(part) in seen:
                continue
            seen.add(id(part))
            if len(part) == 4 and part[0] == "import":
                base, attribute = str(part[1]), str(part[2] or "")
                if base in self.shadow.modules:
                    found |= {(base, ""), (base, attribute), MODULES}
                    names = {*self._closure(base), *self._closure(f"{base}.{attribute}")}
                    found |= {(FILE_OF_MODULE, name) for name in names}
            else:
                todo += part
        return found

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


def _search_path(statement: ast.stmt) -> bool:
    """Follow a statement that changes where modules are looked for, if its text says all of it."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or call.keywords or ast.unparse(call.func) not in _SEARCHING:
        return False
    try:
        given = [ast.literal_eval(argument) for argument in call.args]
        getattr(sys.path, _SEARCHING[ast.unparse(call.func)])(*given)
    except (ValueError, TypeError):
        return False
    return all(isinstance(part, str) for part in sys.path)


_SEARCHING: Final = {"sys.path.append": "append", "sys.path.insert": "insert"}


def binds_anything(tree: ast.Module) -> bool:
    """Whether a cell may bind names that its text does not tell."""
    for statement in acting(tree):
        words = mentions(statement)
        magic = magic_of(statement)
        if words & {"exec", "eval", "run_cell", "run_code"}:
            return True
        if magic is not None and magic not in HARMLESS | BINDS_NOTHING and not magic.startswith("!"):
            return True
        if words & {"globals", "locals", "vars", "user_ns", "__main__"} and changed_names(statement) is None:
            return True
    return any(isinstance(s, ast.ImportFrom) and s.names[0].name == "*" for s in tree.body)


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
