"""What can be known of names without running anything: functions, classes and constants made from their source.

A plan without a kernel needs the fingerprint of `clean`, of `utils.LIMIT`, of a parameter. A definition whose making
computes nothing (no decorator but a few of the standard library, constants for defaults, builtins for annotations and
bases) gives the very same object wherever it is made, so it is made here, in a namespace that stands for the notebook's
or for a module's. A constant is its value. Everything else is `unknown` by name, and is judged by who made it.

While a shadow is cast (`with`), `sys.modules` has it in place of `__main__` and of the project's modules, so that
locators resolve as they would in the kernel.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import contextlib
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from incnb.analysis.plainly import stored_names
from incnb.config import Config
from incnb.dependencies import module
from incnb.fingerprint import archives, origin
from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import code_token, references
from incnb.model import SOURCE_LIMIT

_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag
_STEADY = frozenset({"dataclass", "contextmanager", "staticmethod", "classmethod", "property", "total_ordering"})
_FROM = {"dataclass": "dataclasses", "contextmanager": "contextlib", "total_ordering": "functools"}
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_CHANGEABLE: tuple[type, ...] = (types.FunctionType, type, list, dict, set)
_HIDDEN = "…"  # what stands in a recorded text for a secret
#: Modules of the standard library that do something when they are imported.
_ACTS = frozenset({"this", "antigravity", "idlelib", "turtle", "tkinter", "turtledemo", "rlcompleter", "test"})


def stdlib(name: str) -> types.ModuleType | None:
    """A module of the standard library, imported; None for any other."""
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names or top in _ACTS or name == "__main__":
        return None
    with contextlib.suppress(Exception):
        found = import_module(name)
        if not origin.is_ours(origin.object_module_origin(found)):
            return found
    return None


@dataclass
class Space:
    """One namespace: what is known in it, and the names of which only is known that they are bound."""

    module: types.ModuleType
    unknown: set[str] = field(default_factory=set)
    imports: list[ast.stmt] = field(default_factory=list)  # of the module that is compiled at once with its functions

    @property
    def names(self) -> dict[str, Any]:
        return self.module.__dict__

    def make(self, statement: ast.stmt, flags: int = 0) -> bool:
        """Bind what a statement binds, if that can be known; else its names are unknown from here on."""
        try:
            made = self._made(statement, flags)
        except Exception:  # what cannot be made here is not known, whatever the reason
            made = False
        names = stored_names(statement)
        if made:
            self.unknown -= names
        else:
            for name in names:
                self.names.pop(name, None)
            self.unknown |= names
            for name in self._changed(statement):
                del self.names[name]
                self.unknown.add(name)
        return made

    def _changed(self, statement: ast.stmt) -> set[str]:
        """What is known up to now and may be another after a statement; of the notebook, only its definitions."""
        if isinstance(statement, DEFINITIONS):
            return set()
        found = altered(statement)
        if self.module.__name__ != "__main__":
            nodes = list(ast.walk(statement))
            found |= {a.id for n in nodes if isinstance(n, ast.Call) for a in n.args if isinstance(a, ast.Name)}
            named = {n.id for n in nodes if isinstance(n, ast.Name)}
            found |= {name for name in named if isinstance(self.names.get(name), list | dict | set)}
        return {name for name in found if isinstance(self.names.get(name), _CHANGEABLE)}

    def _made(self, statement: ast.stmt, flags: int) -> bool:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if not all(isinstance(target, ast.Name) for target in targets):
                return False
            value = self._constant(statement.value)
            self.names.update({target.id: value for target in targets if isinstance(target, ast.Name)})
            return True
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            plain = self._is_plain_function(statement)
        elif isinstance(statement, ast.ClassDef):
            plain = self._is_plain_class(statement)
        else:
            return False
        if plain:
            file = str(self.names.get("__file__", "<notebook>"))
            # Python compiles `name.attribute()` otherwise where the module imports the name; here it runs none of them
            never = [ast.If(ast.Constant(False), self.imports, [])] if self.imports else []
            whole = ast.fix_missing_locations(ast.Module([*never, statement], []))
            code = compile(whole, file, "exec", flags & _FUTURES, dont_inherit=True)
            exec(code, self.names)
        return plain

    def _constant(self, value: ast.expr) -> Any:
        """Raises whatever `literal_eval` raises."""
        if isinstance(value, ast.Call):
            callee = value.func
            named = self.names.get(callee.id) if isinstance(callee, ast.Name) else None
            if isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name) and callee.attr == "Config":
                named = Config if getattr(self.names.get(callee.value.id), "__name__", "") == "incnb" else None
            if named is not Config:
                raise ValueError
            arguments = [ast.literal_eval(argument) for argument in value.args]
            return Config(*arguments, **{str(k.arg): ast.literal_eval(k.value) for k in value.keywords if k.arg})
        return ast.literal_eval(value)

    def _is_known(self, node: ast.expr) -> bool:
        """Whether an expression of a definition is made of constants, builtins, and known classes."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                value = self.names.get(part.id, getattr(builtins, part.id, None))
                if part.id in self.unknown or not isinstance(value, type):
                    return False
            elif not isinstance(
                part,
                ast.Constant | ast.Subscript | ast.Tuple | ast.List | ast.BinOp | ast.BitOr | ast.Load | ast.UnaryOp
                | ast.USub | ast.Dict | ast.Set,
            ):  # fmt: skip
                return False
        return True

    def _is_plain_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        parts = [*given.defaults, *(d for d in given.kw_defaults if d is not None)]
        parts += [a.annotation for a in every if a is not None and a.annotation is not None]
        parts += [node.returns] if node.returns is not None else []
        return all(map(self._is_known, parts)) and all(map(self._is_steady, node.decorator_list))

    def _is_plain_class(self, node: ast.ClassDef) -> bool:
        if node.keywords or not all(map(self._is_known, node.bases)) or getattr(node, "type_params", None):
            return False
        if not all(map(self._is_steady, node.decorator_list)):
            return False
        for part in node.body:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                if not self._is_plain_function(part):
                    return False
            elif isinstance(part, ast.Assign | ast.AnnAssign):
                annotation = part.annotation if isinstance(part, ast.AnnAssign) else None
                if not all(self._is_known(p) for p in (part.value, annotation) if p is not None):
                    return False
            elif not (isinstance(part, ast.Pass) or (isinstance(part, ast.Expr) and self._is_known(part.value))):
                return False
        return True

    def _is_steady(self, decorator: ast.expr) -> bool:
        """Whether a decorator is one of Python's that always makes the same."""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name not in _STEADY:
            return False
        if isinstance(decorator, ast.Call) and not all(
            isinstance(part, ast.Constant) for part in (*decorator.args, *(k.value for k in decorator.keywords))
        ):
            return False
        home = import_module(_FROM[name]) if name in _FROM else builtins
        if isinstance(called, ast.Attribute):
            return isinstance(called.value, ast.Name) and self.names.get(called.value.id) is home
        return name not in self.unknown and self.names.get(name, getattr(builtins, name, None)) is getattr(home, name)

    def is_whole(self, name: str) -> bool:
        """Whether all that the object under a name would read of its namespace is known too."""
        value = self.names.get(name)
        code = class_functions(value) if isinstance(value, type) else [getattr(value, "__wrapped__", None)]
        todo = [f for f in code if isinstance(f, types.FunctionType)]
        seen: set[int] = set()
        while todo:
            function = todo.pop()
            if id(function) in seen or function.__globals__ is not self.names:
                continue
            seen.add(id(function))
            for read in references(function.__code__).reads:
                if read.name in self.unknown:
                    return False
                other = self.names.get(read.name)
                if isinstance(other, types.ModuleType):
                    return False
                todo += [other] if isinstance(other, types.FunctionType) else []
                todo += class_functions(other) if isinstance(other, type) else []
        return True


class Shadow:
    """Stands for the notebook's namespace and for the modules of the project."""

    def __init__(self) -> None:
        self.main = Space(types.ModuleType("__main__"))
        self.main.names["__builtins__"] = builtins
        self.modules: dict[str, Space] = {}
        self.trees: dict[str, ast.Module] = {}  # of modules of the project
        self._before: dict[str, types.ModuleType | None] = {}
        self._shown: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._put("__main__", self.main.module)
        with contextlib.suppress(ImportError):
            from IPython.core import interactiveshell
            from IPython.display import display

            self.main.names["open"] = interactiveshell._modified_open
            self._shown = {name: getattr(builtins, name) for name in ("display",) if hasattr(builtins, name)}
            builtins.display = display  # type: ignore[attr-defined]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, before in self._before.items():
            if before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = before
        if hasattr(builtins, "display"):
            del builtins.display
        for name, value in self._shown.items():
            setattr(builtins, name, value)

    def _put(self, name: str, stub: types.ModuleType) -> None:
        self._before.setdefault(name, sys.modules.get(name))
        sys.modules[name] = stub

    def load(self, name: str) -> None:
        """A module of the project is imported, and what it imports in turn."""
        parent = name.rpartition(".")[0]
        if parent:
            self.load(parent)
        if name in self.modules or not module.is_project(name):
            return
        path = module.find(name)
        if path is None:
            return
        stub = types.ModuleType(name)
        stub.__file__ = path
        if path.endswith("__init__.py"):
            stub.__path__ = [str(Path(path).parent)]
        stub.__package__ = name if hasattr(stub, "__path__") else parent
        space = self.modules[name] = Space(stub)
        space.names["__builtins__"] = builtins
        try:
            tree = self.trees[name] = ast.parse(archives.read(path))
        except (OSError, SyntaxError, ValueError):
            self._put(name, stub)
            return
        flags = 0
        for statement in tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                for alias in statement.names:
                    flags |= int(getattr(getattr(__future__, alias.name, None), "compiler_flag", 0))
        self._put(name, stub)
        space.imports = list(_imports(tree.body))
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports(space, statement)
            else:
                space.make(statement, flags)
        moved = {n for node in ast.walk(tree) if isinstance(node, ast.Global) for n in node.names}
        for other in moved & space.names.keys():  # what its functions set is known when they have run
            del space.names[other]
            space.unknown.add(other)
        if "__getattr__" in space.names or "__getattr__" in space.unknown:
            space.unknown.add("*")

    def imports(self, space: Space, statement: ast.Import | ast.ImportFrom) -> None:
        """Bind what an import binds: modules by name, what is taken from them as far as it is known."""
        for base, attribute, bound in imported(statement, str(space.names.get("__package__") or "")):
            self.load(base)
            if attribute is None:
                top = base if bound != base.partition(".")[0] or "." not in base else bound
                space.names[bound] = self._module(top)
                space.unknown.discard(bound)
            elif attribute == "*":
                space.unknown.add("*")
            else:
                self.load(f"{base}.{attribute}")
                self._take(space, base, attribute, bound)

    def _take(self, space: Space, base: str, attribute: str, bound: str) -> None:
        full = f"{base}.{attribute}"
        source = self.modules.get(base)
        real = stdlib(base) if source is None else None
        space.unknown.discard(bound)
        if source is not None and attribute in source.names and attribute not in source.unknown:
            space.names[bound] = source.names[attribute]
        elif full in self.modules:
            space.names[bound] = self.modules[full].module
        elif real is not None and hasattr(real, attribute):
            space.names[bound] = getattr(real, attribute)
        elif base == "incnb" and attribute == "Config":
            space.names[bound] = Config
        else:
            space.names.pop(bound, None)
            space.unknown.add(bound)

    def _module(self, name: str) -> types.ModuleType:
        if name in self.modules:
            return self.modules[name].module
        return stdlib(name) or types.ModuleType(name)


def _imports(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """The imports that bind names of a module, wherever they stand in it."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
                yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _imports(ast.iter_child_nodes(node))


def imported(statement: ast.Import | ast.ImportFrom, package: str = "") -> list[tuple[str, str | None, str]]:
    """What an import statement names: the module, the attribute taken from it if any, and the name that is bound."""
    if isinstance(statement, ast.Import):
        return [(a.name, None, a.asname or a.name.partition(".")[0]) for a in statement.names]
    base = origin.absolute_name(statement.module or "", statement.level, {"__package__": package})
    return [(base, a.name, a.asname or a.name) for a in statement.names]


def same_definition(recorded: str, statement: ast.stmt) -> bool | None:
    """Whether a definition is the one of a recorded text; None where only running it would tell."""
    if _HIDDEN in recorded or len(recorded) >= SOURCE_LIMIT:
        return None
    try:
        before = ast.parse(textwrap.dedent(recorded)).body[0]
        if type(before) is not type(statement) or not isinstance(before, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
        assert isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        tokens = [code_token(_code_of(one)) for one in (before, statement)]
    except (SyntaxError, ValueError, IndexError, StopIteration):
        return None
    return None if tokens[0] == tokens[1] else False


def altered(statement: ast.stmt) -> set[str]:
    """The names of which a statement sets or removes attributes or items."""
    found = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target: ast.expr = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("setattr", "delattr") and node.args:
            target = node.args[0]
        else:
            continue
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def same_text(recorded: str, definition: ast.stmt) -> bool:
    """Whether a definition may be the one of a recorded text, which need not be whole."""
    if not isinstance(definition, DEFINITIONS) or definition.name not in recorded:
        return False
    if _HIDDEN in recorded or len(recorded) >= SOURCE_LIMIT:
        return True
    try:
        return ast.dump(ast.parse(textwrap.dedent(recorded)).body[0]) == ast.dump(definition)
    except (SyntaxError, ValueError, IndexError):
        return False


def _code_of(statement: ast.stmt) -> types.CodeType:
    whole = compile(ast.Module([statement], []), "<definition>", "exec", dont_inherit=True)
    return next(
        part
        for part in whole.co_consts
        if isinstance(part, types.CodeType) and part.co_name == statement.name  # type: ignore[attr-defined]
    )
