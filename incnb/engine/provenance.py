"""Where the state of a session comes from: which run of which cell made a name, a file, ambient state what it is now.

A plan follows this: what a cell read was made by certain runs; where the same runs would be brought back again, the
cell would read the same, whatever the live namespace holds by then. So every tracked cell that ends notes from whom it
read (`Fed`) and what it made. A cell that is not tracked makes what it binds, and may have changed whatever it
mentions: nobody watched.

Objects that lie below two names are changed below both. Which names may do so is known from what was saved together and
what refers to what; the classes of such names only grow.
"""

from __future__ import annotations

import ast
import re
import time
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incnb.analysis import mentions
from incnb.analysis.plainly import HARMLESS, is_certain, magic_of, only_looks, stored_names
from incnb.dependencies import ambient
from incnb.engine import places
from incnb.engine.places import AMBIENT, FILE, MODULES, Place, places_of
from incnb.fingerprint import origin as origins
from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import references
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Code, Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT

if TYPE_CHECKING:
    from incnb.engine.ledger import TraceName
    from incnb.engine.tracked import Tracked

#: Whoever says one of these may bind and change names that it does not mention.
_ANY = frozenset({"exec", "eval", "globals", "locals", "vars", "user_ns", "user_global_ns", "run_cell", "__main__"})
#: Words of code that may write, move or remove files.
_WRITING = re.compile(
    r"open|write|save|dump|^to_|remove|unlink|rename|rmtree|mkdir|makedirs|touch|copy|move|system|^run|Popen|retrieve"
    r"|download|extract|getoutput|File|sink|script|bash|^sh$"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What made something what it is: a run of a tracked cell, by the trace that it left or brought back, or another
    cell, by its `text`. `certain`: that text alone says what it is."""

    key: str = ""
    trace: TraceName | None = None
    text: str = ""
    certain: bool = False
    named: bool = True  # by a cell id, so that an edited cell is known to be the one that it was


NOBODY = Origin("-")  # it was there before, or is not there


@dataclass(slots=True)
class Other:
    """A cell that is not tracked, as it ran last: what it bound, of that what its text alone says, what it may have
    changed, and from whom it read. `everything`: it may have changed whatever it likes; `acts`: files, for instance."""

    key: str
    id: str | None
    text: str
    bound: set[Place] = field(default_factory=set)
    certain: set[Place] = field(default_factory=set)
    touched: set[Place] = field(default_factory=set)
    fed: dict[Place, Origin] = field(default_factory=dict)
    sets: set[Place] = field(default_factory=set)  # ambient state, the content of modules
    below: dict[Place, Origin] = field(default_factory=dict)  # whose that was before
    trees: list[ast.AST] = field(default_factory=list)
    acts: bool = False
    writes: bool = False  # files, by the words in its code
    everything: bool = False
    ended: float = 0.0

    @property
    def trivial(self) -> bool:
        """Whether it makes and changes nothing: a line that loads an extension, a question."""
        return not (self.bound or self.touched or self.everything or self.acts or self.sets)

    def origin(self, place: Place | None = None) -> Origin:
        """What it makes of a place."""
        return Origin(self.key, None, self.text, certain=place in self.certain | self.sets, named=self.id is not None)


@dataclass(frozen=True, slots=True)
class Made:
    """What one run made: anew, in place, and which places may hold common objects since."""

    bound: frozenset[Place] = frozenset()
    changed: frozenset[Place] = frozenset()
    shared: tuple[frozenset[Place], ...] = ()
    anything: bool = False  # it may have written any file


class Aliases:
    """Places that may hold common objects, in classes that only grow."""

    def __init__(self) -> None:
        self._class: dict[Place, set[Place]] = {}

    def join(self, members: Iterable[Place]) -> None:
        together = {other for place in members for other in self._class.get(place, {place})}
        for place in together:
            self._class[place] = together

    def of(self, found: Iterable[Place]) -> set[Place]:
        """These, and whatever may hold an object of theirs."""
        return {other for place in found for other in self._class.get(place, {place})}


class Provenance:
    """Who made what, in one session."""

    def __init__(self, namespace: dict[str, Any]):
        self._namespace = namespace
        self.origins: dict[Place, Origin] = {}
        self.aliases = Aliases()
        self.made: dict[str, Made] = {}  # by the latest run of each tracked cell
        self.fed: dict[str, dict[Place, Origin]] = {}  # from whom its latest run read
        self.others: dict[str, Other] = {}
        self.sequence: dict[str, None] = {}  # all cells, in the order in which they ran first
        self.left_off: set[str] = set()  # the keys of cells that were tracked once, and are not any more
        self._beginning: tuple[str | None, str] = (None, "")
        self._now: Other | None = None
        self._before: dict[Place, str] | None = None  # ambient state as it was before the cell that runs

    # -- tracked cells

    def take(self, tracked: Tracked, relied: Iterable[Dependency]) -> None:
        """A tracked cell has ended."""
        self.settle()
        relied = list(relied)
        self.sequence.setdefault(tracked.key)
        self.left_off.discard(tracked.key)
        if tracked.analysis is not None:
            self.others.pop(f"other {tracked.cell.id}", None)
        read = dict.fromkeys(place for dependency in relied for place in places_of(dependency))
        read[MODULES] = None
        self.fed[tracked.key] = {place: self.origins.get(place, NOBODY) for place in read}
        made = self._made(tracked, relied)
        self.made[tracked.key] = made
        self.leave(self.origins, made, Origin(tracked.key, tracked.trace))

    def leave(self, state: dict[Place, Origin], made: Made, origin: Origin) -> None:
        """A run that made `made` has ended, or would have."""
        for shared in made.shared:
            self.aliases.join(shared)
        for place in {*made.bound, *self.aliases.of(made.changed)}:
            state[place] = origin

    def _made(self, tracked: Tracked, relied: list[Dependency]) -> Made:
        names = set(tracked.analysis.stores if tracked.analysis is not None else ())
        if tracked.run is not None:
            names |= tracked.run.closure.stores
        bound = {("", name) for name in names}
        outputs = tracked.run.left if tracked.run is not None else None
        if tracked.replay is not None and tracked.trace is not None:
            outputs = (tracked.replay.stored.data or {}).get("outputs", {})
        if outputs is not None and tracked.trace is not None:
            shared = tuple(map(frozenset, places.sharing_groups(outputs)))
            return Made(frozenset(bound | places.bound(outputs)), frozenset(places.patched(outputs)), shared)
        # nothing says what it did: it may have changed whatever it read, and what it made may hold that
        read = {place for d in relied if d.kind is Kind.VALUE for place in places_of(d)}
        changed = {place for place in read if place in bound or self.may_change(place)}
        anything = any(r.code is Code.EFFECT and "subprocess" in r.detail for r in tracked.reasons)
        if tracked.run is not None and tracked.run.watch is not None:
            bound |= {(FILE, one.path) for one in tracked.run.watch.whole.changes}
            bound |= {(AMBIENT, ENVIRONMENT)} if tracked.run.watch.variables else set()
            marks = tracked.run.marks
            generators = {d.locator for d in relied if d.kind is Kind.AMBIENT} & set(ambient.GENERATORS)
            probes = ambient.PROBES if marks is not None else ()
            moved = {what for what in probes if marks is not None and marks.moved(what)}
            bound |= {(AMBIENT, what) for what in moved | (generators if marks is None else set())}
        shared = (frozenset(changed | {p for p in bound if p[0] not in (FILE, AMBIENT)}),)
        return Made(frozenset(bound), frozenset(changed), shared, anything)

    def may_change(self, place: Place) -> bool:
        """Whether an object lies there that can be changed in place."""
        module, name = place
        if module or name not in self._namespace:
            return bool(module) or name not in _BUILTINS  # pending, or of a module
        value = self._namespace[name]
        return type(value) not in ATOMS and not isinstance(value, types.ModuleType | types.FunctionType | type)

    # -- other cells

    def begin(self, cell_id: str | None, raw: str) -> None:
        """A cell begins, tracked or not."""
        self.settle()
        self._beginning, self._now, self._before = (cell_id, raw), None, None

    def settle(self) -> None:
        """Whatever ran has ended: note what a cell that is not tracked has set, as was observed."""
        other, before = self._now, self._before
        if other is None or before is None:
            return
        now = places.observed()
        self._sets(other, {place for place in before.keys() | now.keys() if before.get(place) != now.get(place)})
        other.ended = time.time()

    def untracked(self, tree: ast.AST) -> None:
        """A cell that is not tracked is about to run, or a part of it."""
        other = self._now or self._other(tree)
        try:
            self._untracked(tree, other)
        except Exception:  # a plan that knows less is no reason to stop a cell
            other.everything = True
        if other.everything:
            self.origins = dict.fromkeys(self.origins, other.origin())

    def _untracked(self, tree: ast.AST, other: Other) -> None:
        body = tree.body if isinstance(tree, ast.Module) else []
        other.trees.append(tree)
        if mentions(tree) & _ANY or _unknown_magic(body):
            other.everything = True
        for statement in body:
            names = {("", name) for name in stored_names(statement)}
            certain = is_certain(statement)
            if magic_of(statement) is not None or not (certain or only_looks(statement)):
                if self._before is None:
                    self._before = places.observed()
                words, modules = self._said(statement)
                other.writes = other.writes or any(map(_WRITING.search, words))
                self._sets(other, places.said(words) | ({MODULES} if modules else set()))
            other.certain = (other.certain - names) | (names if certain else set())
            other.bound |= names
            if not certain and not only_looks(statement):
                reached = {("", word) for word in self._reach(mentions(statement))}
                other.touched |= {place for place in reached if self.may_change(place)}
                other.acts = True
                for place in reached - other.bound:
                    other.fed.setdefault(place, self.origins.get(place, NOBODY))
        self.leave_other(self.origins, other)

    def leave_other(self, state: dict[Place, Origin], other: Other) -> None:
        """A cell that is not tracked has run, or would have."""
        touched = self.aliases.of(other.touched) - other.bound
        self.aliases.join(other.touched | (other.bound - other.certain))
        for place in touched | other.bound | other.sets:
            state[place] = other.origin(place)

    def _sets(self, other: Other, found: set[Place]) -> None:
        for place in found - other.sets:
            other.below[place] = self.origins.get(place, NOBODY)
        other.sets |= found
        self.origins.update((place, other.origin(place)) for place in found)

    def _other(self, tree: ast.AST) -> Other:
        cell_id, raw = self._beginning
        key = f"other {cell_id or raw.strip()}"
        text = raw or (ast.unparse(tree) if isinstance(tree, ast.Module) else "")
        before = self.others.get(key)
        other = self._now = self.others[key] = Other(key, cell_id, text)
        if before is not None:  # what is set already does not move when it is set again
            self._sets(other, before.sets)
        self.sequence.setdefault(key)
        if cell_id:
            self.left_off.add(f"id {cell_id}")
        return self._now

    def _said(self, statement: ast.stmt) -> tuple[set[str], bool]:
        """The words of a statement and of the functions of the notebook that it reaches, and whether code or state of
        the project's modules is among them."""
        words, modules = set(mentions(statement)), False
        for name in self._reach(words):
            value = self._namespace.get(name)
            cls = value if isinstance(value, type) else type(value)
            if isinstance(value, types.ModuleType):
                home = value.__name__
            else:
                home = getattr(value if isinstance(value, types.FunctionType) else cls, "__module__", "")
            if home == "__main__":
                code = [value] if isinstance(value, types.FunctionType) else class_functions(cls)
                for function in code:
                    words |= set(function.__code__.co_names)
                    words |= {part for part in function.__code__.co_consts if isinstance(part, str)}
                    modules = modules or any(map(self._is_module_of_ours, function.__code__.co_names))
            elif isinstance(home, str) and home:
                modules = modules or origins.is_ours(origins.module_origin(home))
        return words, modules

    def _is_module_of_ours(self, name: str) -> bool:
        value = self._namespace.get(name)
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "")
        return isinstance(home, str) and home not in ("", "__main__") and origins.is_ours(origins.module_origin(home))

    def _reach(self, words: Iterable[str]) -> set[str]:
        """The variables that these words name, and those that the functions and classes among them read."""
        todo, found = [word for word in words if word in self._namespace], set[str]()
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            value = self._namespace.get(name)
            cls = value if isinstance(value, type) else type(value)
            code: list[Any] = [value] if isinstance(value, types.FunctionType) else []
            code += class_functions(cls) if cls.__module__ == "__main__" else []
            for function in code:
                if function.__globals__ is self._namespace:
                    todo += [read.name for read in references(function.__code__).reads]
        return found | {word for word in words if ("", word) in self.origins}


_BUILTINS = frozenset(dir(__import__("builtins")))


def _unknown_magic(body: list[ast.stmt]) -> bool:
    """Whether there is a magic that may bind whatever it likes."""
    magics = [found for found in map(magic_of, body) if found is not None]
    return any(found not in HARMLESS and not found.startswith("!") for found in magics)
