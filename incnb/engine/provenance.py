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
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from incnb.analysis import mentions
from incnb.dependencies import ambient
from incnb.engine import places
from incnb.engine.places import AMBIENT, FILE, Place, places_of
from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import references
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Code, Dependency, Kind

if TYPE_CHECKING:
    from incnb.engine.ledger import TraceName
    from incnb.engine.tracked import Tracked

#: Whoever says one of these may bind and change names that it does not mention.
_ANY = frozenset({"exec", "eval", "globals", "locals", "vars", "user_ns", "user_global_ns", "run_cell", "__main__"})
_HARMLESS = frozenset(
    "incremental load_ext unload_ext reload_ext autoreload matplotlib config precision env cd pip conda pwd".split()  # noqa: SIM905
)
_NAMING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_PLAIN = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


@dataclass(frozen=True, slots=True)
class Origin:
    """What made something what it is: a run of a tracked cell, by the trace that it left or brought back, or another
    cell (`key` empty). `certain`: the text of that other cell alone says what it is."""

    key: str = ""
    trace: TraceName | None = None
    certain: bool = False


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
        self.loose: set[Place] = set()  # what cells that are not tracked may have touched

    # -- tracked cells

    def take(self, tracked: Tracked, relied: Iterable[Dependency]) -> None:
        """A tracked cell has ended."""
        relied = list(relied)
        read = dict.fromkeys(place for dependency in relied for place in places_of(dependency))
        self.fed[tracked.key] = {place: self.origins.get(place, Origin("-")) for place in read}
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
        changed = {place for d in relied if d.kind is Kind.VALUE for place in places_of(d) if self.may_change(place)}
        anything = any(r.code is Code.EFFECT and "subprocess" in r.detail for r in tracked.reasons)
        if tracked.run is not None and tracked.run.watch is not None:
            bound |= {(FILE, one.path) for one in tracked.run.watch.whole.changes}
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

    def untracked(self, tree: ast.AST) -> None:
        """A cell that is not tracked is about to run."""
        body = tree.body if isinstance(tree, ast.Module) else []
        words = mentions(tree)
        if words & _ANY or _unknown_magic(body):
            self.loose |= self.origins.keys()
            self.origins = dict.fromkeys(self.origins, Origin())
        certain: set[Place] = set()
        touched: set[Place] = set()
        for statement in body:
            names = {("", name) for name in _stores(statement)}
            if _is_certain(statement):
                certain |= names
            else:
                touched |= names | {("", w) for w in self._reach(mentions(statement)) if self.may_change(("", w))}
        for place in certain:
            self.origins[place] = Origin(certain=True)
        self.loose |= touched
        self.aliases.join(touched)
        for place in self.aliases.of(touched):
            self.origins[place] = Origin()

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


def _stores(statement: ast.stmt) -> set[str]:
    """The names that a statement may bind or delete."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, _NAMING) and node.name:
            found.add(node.name)
    return found


def _is_certain(statement: ast.stmt) -> bool:
    """Whether a statement does the same whenever it runs: imports, plain definitions, constants, magics that bind
    nothing."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        value = statement.value
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(isinstance(t, ast.Name) for t in targets) and (value is None or _is_constant(value))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant | ast.Name) or _magic(statement) in _HARMLESS
    return isinstance(statement, _PLAIN) and not getattr(statement, "decorator_list", ())


def _is_constant(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _magic(statement: ast.stmt) -> str | None:
    """The line magic that a statement is (`!` for the system), None for anything else."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return None
    inner = call.func.value
    if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "get_ipython"):
        return None
    first = call.args[0] if call.args else None
    name = first.value if isinstance(first, ast.Constant) else ""
    return str(name) if call.func.attr == "run_line_magic" else f"!{call.func.attr}"


def _unknown_magic(body: list[ast.stmt]) -> bool:
    """Whether there is a magic that may bind whatever it likes."""
    magics = [magic for magic in map(_magic, body) if magic is not None]
    return any(magic not in _HARMLESS and not magic.startswith("!") for magic in magics)
