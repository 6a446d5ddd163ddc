"""Who made what, told from texts and traces: of the cells of a plan, and of the runs of past sessions.

A name is made by its definition, if that runs again in place whenever the cell is reused or runs; by an import; else by
the trace that a run left or brought back. So a place that has the same maker now as it had when a reader was recorded
is the same, whatever it holds. A run that left no trace makes everything that it may have touched something of its own,
which is like nothing else; so does whatever may have happened between two runs that the log does not have.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incnb.analysis import mentions
from incnb.analysis.changes import changed_names, may_change
from incnb.analysis.definitions import is_rerun, names_at_definition
from incnb.analysis.plainly import HARMLESS, is_certain, magic_of, only_looks, stored_names
from incnb.analysis.records import read_of
from incnb.dependencies import ambient, libraries
from incnb.dependencies.module import find, is_project
from incnb.engine import places
from incnb.engine.history import History
from incnb.engine.ledger import TraceName
from incnb.engine.places import AMBIENT, MODULES, Place
from incnb.engine.provenance import Aliases
from incnb.engine.shadow import altered, imported
from incnb.model import Kind
from incnb.store import Store

Maker = Hashable
_numbers = itertools.count()
_LATEST = 12  # sessions that are looked at
_CONFIGURED_FOR_ALL = frozenset({"warnings", "logging", "locale", "decimal", "sys", "codecs", "copyreg"})
_NOTHING_LIKE_IT = "?"


_IN_PLACE = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def acting(tree: ast.Module) -> list[ast.stmt]:
    """The statements of a cell that may do more than bind, define and look."""
    return [s for s in tree.body if not (isinstance(s, _IN_PLACE) or is_certain(s) or only_looks(s))]


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_plain(node: ast.expr) -> bool:
    return all(isinstance(p, ast.Constant | ast.Name | ast.Attribute | ast.Load | ast.Tuple) for p in ast.walk(node))


def keeps_state(home: str) -> bool:
    """Whether a module of the project, or one that it imports, has state that its functions may change."""
    name = home
    while name and not is_project(name):
        name = name.rpartition(".")[0]
    todo, seen = [name] if name else [], set[str]()
    while todo:
        name = todo.pop()
        if name in seen or not is_project(name):
            continue
        seen.add(name)
        path = find(name) or ""
        try:
            tree = ast.parse(Path(path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            return True
        if _changes_own(tree):
            return True
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
                todo += [part for base, a, _ in imported(node, package) for part in (base, f"{base}.{a}")]
    return False


def _changes_own(tree: ast.Module) -> bool:
    own = {name for statement in tree.body for name in stored_names(statement)}
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        if any(isinstance(node, ast.Global) for node in ast.walk(function)):
            return True
        for node in ast.walk(function):
            target: ast.AST | None = None
            if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                target = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and may_change(node):
                target = node.func.value
            read = read_of(target) if target is not None else None
            if read is not None and read.name in own:
                return True
    return False


def unique() -> Maker:
    """A maker that is like no other."""
    return _NOTHING_LIKE_IT, next(_numbers)


@dataclass(slots=True)
class Makers:
    """The maker of each place at one moment; `floor`: of those that nothing is noted of (None: they are as the kernel
    begins)."""

    of: dict[Place, Maker] = field(default_factory=dict)
    floor: Maker = None
    aliases: Aliases = field(default_factory=Aliases)
    imports: dict[str, str] = field(default_factory=dict)  # names that are modules, with the names of these
    definitions: dict[str, ast.stmt] = field(default_factory=dict)  # functions and classes of the notebook, by name

    def at(self, place: Place) -> Maker:
        return self.of.get(place, self.floor)

    def copy(self) -> Makers:
        """As it is now; aliases are not asked of a copy."""
        return Makers(dict(self.of), self.floor)

    def forget(self) -> None:
        """Something unknown has happened."""
        self.of, self.floor = {}, unique()

    def begins(self, tree: ast.Module, made_by: Maker) -> None:
        """A cell runs, or is reused: what its text says of the names that it binds."""
        for statement in tree.body:
            self._configures(statement, last=statement is tree.body[-1])
            for name in stored_names(statement):
                self.imports.pop(name, None)
                self.definitions.pop(name, None)
                self.of["", name] = made_by
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for base, attribute, bound in imported(statement):
                    if attribute != "*":
                        self.of["", bound] = "import", base, attribute, bound
                    if attribute is None:
                        self.imports[bound] = base if bound != base.partition(".")[0] else bound
                    elif attribute != "*":
                        self.imports[bound] = f"{base}.{attribute}"
            elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for name in altered(statement) & self.definitions.keys():
                    self.of["", name] = made_by
            else:
                self.definitions[statement.name] = statement
                if is_rerun(statement) is not None:
                    uses, decorators = names_at_definition(statement)
                    reads = {read.name for read in (*uses, *decorators)} - {statement.name}
                    made = tuple((name, self.at(("", name))) for name in sorted(reads))
                    self.of["", statement.name] = "definition", ast.dump(statement), made

    def sets(self, tree: ast.Module) -> set[Place]:
        """State that a cell sets by plain statements alone: the same statement on the same state gives the same."""
        found: set[Place] = set()
        for statement in acting(tree):
            said = places.said(mentions(statement))
            call = statement.value if isinstance(statement, ast.Expr) else None
            if not said or not isinstance(call, ast.Call) or not all(map(_is_plain, [call.func, *_arguments(call)])):
                return set()
            names = sorted({n.id for n in ast.walk(statement) if isinstance(n, ast.Name)})
            made = tuple((name, self.at(("", name))) for name in names)
            for place in said:
                self.of[place] = "set", self.at(place), ast.dump(statement), made
            found |= said
        return found

    def left(self, outputs: dict[str, Any], made_by: Maker, steady: set[Place] = frozenset()) -> None:  # type: ignore[assignment]
        """What the outputs of a trace say beyond that."""
        for shared in places.sharing_groups(outputs):
            self.aliases.join(shared)
        changed = self.aliases.of(places.patched(outputs))
        for place in {*places.bound(outputs), *changed}:
            if place in steady and place not in changed:
                continue
            if self.of.get(place, ("",))[0] not in ("definition", "import") or place in changed:  # type: ignore[index]
                self.of[place] = made_by
        for name in outputs.get("deleted", []):
            self.of.pop(("", str(name)), None)

    def ran(self, tree: ast.Module, made_by: Maker, steady: set[Place]) -> set[Place]:
        """A cell runs of which no trace tells what it did: places that it may have touched beyond what it binds."""
        acts = acting(tree)
        touched = self.touched(tree)
        if acts:
            words = self.reach(word for statement in acts for word in mentions(statement))
            touched |= places.said(words) | {(AMBIENT, what) for what in ambient.GENERATORS}
            if any(keeps_state(home) for name, home in self.imports.items() if name in words):
                touched.add(MODULES)
        touched -= steady
        for place in touched:
            self.of[place] = made_by
        self.aliases.join({p for p in touched | {("", n) for n in names_of(tree)} if not p[0]})
        return touched

    def touched(self, tree: ast.Module) -> set[Place]:
        """The names that a cell may change in place, as far as words tell."""
        found: set[Place] = set()
        defined = self.definitions.keys()
        held = held_by(tree)
        for statement in tree.body:
            if isinstance(statement, _IN_PLACE) or only_looks(statement):
                continue
            magic = magic_of(statement)
            if magic is not None and (magic in BINDS_NOTHING or magic.startswith("!")):
                continue
            if magic is not None and magic not in HARMLESS:
                found |= {place for place in self.of if not place[0]}
                continue
            reached = self.reach(mentions(statement))
            named = changed_names(statement)
            if named is None or any(may_change(self.definitions[n]) for n in reached & defined):
                named = reached
            todo = [*named]  # and what these may be, or hold, by another name
            while todo:
                more = held.get(todo.pop(), set()) - named
                named |= more
                todo += more
            found |= {("", name) for name in named - defined if ("", name) in self.of}
        found -= {("", name) for name in self.imports}
        return self.aliases.of(found)

    def stored_by_functions(self, tree: ast.Module) -> set[str]:
        """The names that functions of the notebook may bind when a cell runs (`global`)."""
        reached = self.reach(word for statement in acting(tree) for word in mentions(statement))
        parts = [self.definitions[name] for name in reached & self.definitions.keys()]
        return {
            name for part in parts for node in ast.walk(part) if isinstance(node, ast.Global) for name in node.names
        }

    def reach(self, words: Iterable[str]) -> set[str]:
        """These words, and those of the functions and classes of the notebook among them."""
        todo, found = list(words), set[str]()
        while todo:
            word = todo.pop()
            if word not in found:
                found.add(word)
                definition = self.definitions.get(word)
                if definition is not None:
                    todo += mentions(definition)
        return found

    # -- configuring statements

    def _configures(self, statement: ast.stmt, *, last: bool) -> None:
        """Note what may configure a library, in the order in which it is said; more than what does."""
        magic = magic_of(statement)
        if magic in ("matplotlib", "config", "precision"):
            drawing = magic == "matplotlib" or "InlineBackend" in mentions(statement)
            self._note("matplotlib" if drawing else "python", statement)
            return
        for node in ast.walk(statement):
            if isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Call):
                shown = isinstance(node, ast.Assign) or (last and node is statement)
                for top in self._called(node.value, shown=shown):
                    self._note(top, node)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
                targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
                for target in targets:
                    base = read_of(target.value) if isinstance(target, ast.Attribute | ast.Subscript) else None
                    if base is not None and base.name in self.imports:
                        self._note(self.imports[base.name].partition(".")[0], node)
                        self.of[self.imports[base.name], ""] = unique()

    def _called(self, call: ast.Call, *, shown: bool) -> list[str]:
        read = read_of(call.func)
        if read is None:
            inner = call.func.value if isinstance(call.func, ast.Attribute) else None
            called = read_of(inner.func) if isinstance(inner, ast.Call) else None
            return ["python"] if called is not None and self._home(called.name).startswith("logging") else []
        if read.name in ("setattr", "delattr") and call.args:
            target = read_of(call.args[0])
            return [self._home(target.name).partition(".")[0]] if target and self._home(target.name) else []
        home = self._home(read.name)
        path = ".".join([home or read.name, *(str(step) for _, step in read.path)])
        named = libraries.configures_by_name(path)
        if not home:
            loggers = named and bool(read.path) and any(m.startswith("logging") for m in self.imports.values())
            return ["python"] if loggers else []
        top = home.partition(".")[0]
        if path.endswith("seed") or not (named or (not shown and libraries.may_configure(path, None, top))):
            return [top] if shown and isinstance(call, ast.Call) and self._hands_code(call) else []
        return [top]

    def _hands_code(self, call: ast.Call) -> bool:
        names = {n.id for a in (*call.args, *(k.value for k in call.keywords)) for n in ast.walk(a)
                 if isinstance(n, ast.Name)}  # fmt: skip
        return bool(names & self.definitions.keys())

    def _home(self, name: str) -> str:
        return self.imports.get(name, "")

    def _note(self, top: str, statement: ast.stmt) -> None:
        top = "python" if top in _CONFIGURED_FOR_ALL else top
        place = AMBIENT, ambient.CONFIGURED + top
        words = self.reach(mentions(statement))
        made = tuple((name, self.at(("", name))) for name in sorted(words) if ("", name) in self.of)
        before = self.at(place)
        self.of[place] = "configured", before, ast.dump(statement), made


def held_by(tree: ast.AST) -> dict[str, set[str]]:
    """For each name that a cell binds, the names in what it is bound to."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        bindings: list[tuple[ast.AST, ast.AST | None]] = []
        if isinstance(node, ast.Assign):
            bindings = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            bindings = [(node.target, node.value)]
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            bindings = [(node.target, node.iter)]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            bindings = [(node.optional_vars, node.context_expr)]
        for target, value in bindings:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and value is not None:
                    found.setdefault(part.id, set()).update(mentions(value))
    return found


def names_of(tree: ast.Module) -> set[str]:
    """The names that a cell binds at its top."""
    return {name for statement in tree.body for name in stored_names(statement)}


class Sessions:
    """Past sessions of one notebook: what there was when a trace was left or brought back."""

    def __init__(self, store: Store, history: History, notebooks: list[str], trees: dict[str, ast.Module],
                 quiet: dict[str, int], leading: int, parse: Callable[[str], ast.Module | None]):  # fmt: skip
        """`trees`: of the cells of the notebook, by code; `quiet`: how many cells that do nothing and are not tracked
        stand before each, `leading` of them before the first. `parse`: for cells that are in it no more."""
        self._parse = parse
        self._store, self._trees, self._quiet, self._leading = store, trees, quiet, leading
        self._found: dict[tuple[str, str], list[Makers]] = {}
        runs = [run for notebook in notebooks for run in history.runs(notebook)]
        by_session: dict[str, list[dict[str, Any]]] = {}
        for run in runs:
            by_session.setdefault(str(run.get("session", "")), []).append(run)
        for session in list(by_session)[-_LATEST:]:
            self._walk(by_session[session])

    def when(self, code: str, trace: str) -> list[Makers]:
        """What there was each time."""
        return self._found.get((code, trace), [])

    def _walk(self, runs: list[dict[str, Any]]) -> None:
        makers = Makers()
        number, index, before = self._leading, -1, ""
        for run in sorted(runs, key=_index):
            n, i, code = run.get("n"), run.get("index"), str(run.get("code", ""))
            skipped = self._quiet.get(code, 0) - self._quiet.get(before, 0) if before in self._quiet else 0
            if n not in (number + 1, number + 1 + skipped) or i != index + 1:
                makers.forget()
            number, index, before = n if type(n) is int else -1, i if type(i) is int else -1, code
            trace, trace_code = run.get("trace"), str(run.get("trace_code") or code)
            stored = TraceName(trace_code, trace).read(self._store) if isinstance(trace, str) else None
            if stored is not None:
                self._found.setdefault((trace_code, stored.id), []).append(makers.copy())
            self._after(makers, code, stored)

    def _after(self, makers: Makers, code: str, stored: Any) -> None:
        tree = self._trees.get(code)
        data = stored.data if stored is not None else None
        if tree is None and data is not None:
            tree = self._parse(str(data.get("source") or ""))
        if tree is None:
            makers.forget()
            return
        if data is None:
            made_by = unique()
            makers.begins(tree, made_by)
            makers.of.update({("", name): made_by for name in makers.stored_by_functions(tree)})
            makers.ran(tree, made_by, makers.sets(tree))
            return
        made_by = "trace", str(data.get("code", "")), stored.id
        makers.begins(tree, made_by)
        makers.left(data.get("outputs", {}), made_by, makers.sets(tree))
        for dependency in data.get("dependencies", []):
            if dependency.get("kind") == Kind.MODULE.value and str(dependency.get("locator", "")).endswith(" (file)"):
                name = str(dependency["locator"]).removesuffix(" (file)")
                makers.of[FILE_OF_MODULE, name] = str(dependency.get("fp"))


FILE_OF_MODULE = "<file of module>"
#: Magics that do something outside, and bind no names of the notebook.
BINDS_NOTHING = frozenset(f"%%{name}" for name in "bash sh writefile file html markdown latex javascript svg".split())  # noqa: SIM905


def _index(run: dict[str, Any]) -> int:
    index = run.get("index")
    return index if type(index) is int else -1
