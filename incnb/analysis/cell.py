"""One cell: what it reads from outside, what it binds, and what of it can be run again in place.

The cell's AST is walked in the order in which it runs. A name counts as read from outside unless the cell has bound it
before *for sure*: bindings inside a branch, a loop or a `try` count inside that block only. Functions and classes that
the cell itself defines read what their bodies read at the moment their name is first used.

Reads are paths (`cfg["lr"]`, `utils.clean`, `df["price"]`) as far as constant steps go; whether an object allows to be
followed that far is decided by whoever has the object.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from dataclasses import dataclass, field

from incnb.analysis.definitions import is_rerun, names_at_definition
from incnb.analysis.findings import Finding, find
from incnb.fingerprint.code import Read, References, references


@dataclass(frozen=True, slots=True)
class Imported:
    """One name that an import statement of the cell binds: the module, and the attribute taken from it, if any."""

    name: str
    module: str
    attribute: str | None


@dataclass(frozen=True, slots=True)
class Definition:
    """A top-level statement that may be run again in place; `uses` are the names it needs at that moment."""

    index: int
    binds: frozenset[str]
    uses: tuple[Read, ...]
    decorators: tuple[Read, ...]


@dataclass(slots=True)
class CellAnalysis:
    """What one cell reads, binds and might do; names only, nothing is resolved."""

    code: str = ""
    reads: list[Read] = field(default_factory=list)
    stores: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)
    imports: list[Imported] = field(default_factory=list)
    module_reads: list[tuple[str, Read | None]] = field(default_factory=list)  # through names the cell itself imports
    definitions: list[Definition] = field(default_factory=list)
    attribute_stores: list[Read] = field(default_factory=list)  # what attributes are set on
    dropped_calls: list[Read] = field(default_factory=list)  # called at top level, the value dropped
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    bound_by_others: set[str] = field(default_factory=set)  # names that statements other than definitions bind
    escaping: set[Read] = field(default_factory=set)  # paths that are loaded for more than a call


def cell_code(tree: ast.Module, extra: tuple[object, ...] = ()) -> str:
    """The fingerprint of a cell's own code, 32 hexadecimal digits: its syntax tree, without positions or comments."""
    text = ast.dump(tree, annotate_fields=False, include_attributes=False) + repr(extra)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def analyse(tree: ast.Module, extra: tuple[object, ...] = ()) -> CellAnalysis:
    """Analyse the AST of a cell (after IPython's own transformations, the marker removed)."""
    result = CellAnalysis(code=cell_code(tree, extra))
    flow = _Flow(result)
    for index, statement in enumerate(tree.body):
        last = index == len(tree.body) - 1
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and not last:
            path = read_of(statement.value.func)
            if path is not None:
                result.dropped_calls.append(path)
        rerun = is_rerun(statement)
        if rerun is not None:
            uses, decorators = names_at_definition(statement)
            result.definitions.append(Definition(index, rerun, uses, decorators))
        before = set(result.stores)
        result.stores.clear()
        flow.visit(statement)
        if rerun is None:
            result.bound_by_others |= result.stores
        elif result.stores - rerun:
            result.bound_by_others |= result.stores - rerun
        result.stores |= before
    result.sure = flow.bound & result.stores
    result.reads = list(dict.fromkeys(result.reads))
    result.module_reads = list(dict.fromkeys(result.module_reads))
    result.findings += find(tree)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        read = read_of(node) if id(node) not in called else None
        if read is not None:
            result.escaping.add(Read(read.name, read.path))
    return result


def read_of(node: ast.AST) -> Read | None:
    """The path that a chain of attributes and constant subscripts on a name stands for."""
    path: list[tuple[str, object]] = []
    while True:
        if isinstance(node, ast.Attribute):
            path.append(("attr", node.attr))
            node = node.value
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and type(node.slice.value) in (str, int)
        ):
            path.append(("item", node.slice.value))
            node = node.value
        elif isinstance(node, ast.Name):
            return Read(node.id, tuple(reversed(path)), node.lineno)
        else:
            return None


class _Flow(ast.NodeVisitor):
    """Walks a cell in order and keeps the set of names that it has bound for sure."""

    def __init__(self, result: CellAnalysis):
        self.result = result
        self.bound: set[str] = set()
        self.shadow: set[str] = set()  # parameters and comprehension targets
        self.deferred: dict[str, References] = {}  # bodies of functions and classes of the cell, until first used
        self.aliases: dict[str, Imported] = {}

    # -- names

    def read(self, read: Read) -> None:
        if read.name in self.shadow:
            return
        body = self.deferred.pop(read.name, None)
        if body is not None:
            self.body(body)
        if read.name in self.bound:
            alias = self.aliases.get(read.name)
            if alias is not None:
                self.module_read(alias, read)
            return
        self.result.reads.append(read)

    def module_read(self, alias: Imported, read: Read) -> None:
        if alias.attribute is not None:
            self.result.module_reads.append((alias.module, Read(alias.attribute, read.path, read.line)))
        elif read.path and read.path[0][0] == "attr":
            self.result.module_reads.append((alias.module, Read(str(read.path[0][1]), read.path[1:], read.line)))
        else:
            self.result.module_reads.append((alias.module, None))

    def body(self, found: References) -> None:
        for read in found.reads:
            self.read(read)
        self.result.stores |= found.stores

    def bind(self, name: str) -> None:
        if name in self.shadow:
            return
        self.bound.add(name)
        self.result.stores.add(name)
        self.aliases.pop(name, None)
        self.deferred.pop(name, None)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read(Read(node.id, (), node.lineno))
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.read(Read(node.id, (), node.lineno))
            self.result.stores.add(node.id)
            self.bound.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.result.attributes.add(node.attr)
        if isinstance(node.ctx, ast.Load):
            self._path(node)
            return
        base = read_of(node.value)
        if base is not None:
            self.result.attribute_stores.append(base)
            self.read(Read(base.name, (), node.lineno))
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            base = read_of(node.value)
            if base is not None:
                self.read(Read(base.name, (), node.lineno))  # what is changed is relied on whole
            self.visit(node.value)
            self.visit(node.slice)
            return
        columns = _constant_list(node.slice)
        base = read_of(node.value)
        if columns and base is not None:
            self._note_attributes(node.value)
            for column in columns:
                self.read(Read(base.name, (*base.path, ("item", column)), node.lineno))
            return
        self._path(node)

    def _path(self, node: ast.Attribute | ast.Subscript) -> None:
        read = read_of(node)
        if read is not None:
            self._note_attributes(node)
            self.read(read)
            return
        self.visit(node.value)
        if isinstance(node, ast.Subscript):
            self.visit(node.slice)

    def _note_attributes(self, node: ast.AST) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute):
                self.result.attributes.add(part.attr)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.result.strings.add(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.result.strings.add(node.value)

    # -- statements that bind in an order of their own

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.read(Read(node.target.id, (), node.lineno))
        self.visit(node.value)
        self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        shadow, self.shadow = self.shadow, set()  # binds in the enclosing scope, past comprehensions
        self.visit(node.target)
        self.shadow = shadow

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            self._imported(Imported(name, module, None), alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.result.findings.append(Finding("unsafe", f"from {node.module} import *", node.lineno))
                continue
            self._imported(Imported(alias.asname or alias.name, node.module or "", alias.name), node.module or "")

    def _imported(self, imported: Imported, whole: str) -> None:
        self.bind(imported.name)
        self.aliases[imported.name] = imported
        self.result.imports.append(Imported(imported.name, whole, imported.attribute))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._annotations_and_defaults(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._definition(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in [*node.bases, *(k.value for k in node.keywords)]:
            self.visit(part)
        self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        found = _references_of(node)
        self.result.attributes |= found.attributes
        self.result.strings |= found.strings
        self.result.stores |= found.stores
        self._inner_imports(found)
        if node.decorator_list or isinstance(node, ast.ClassDef):
            outside = [r for r in found.reads if r.name != node.name]
            self.body(References(tuple(outside), frozenset(), frozenset(), frozenset(), (), frozenset()))
            self.bind(node.name)
        else:
            self.bind(node.name)
            self.deferred[node.name] = found

    def _inner_imports(self, found: References) -> None:
        for module, names, level in found.imports:
            if level == 0:
                self.result.imports.append(Imported("", module, None))
                self.result.module_reads.append((module, None))
                for name in names:
                    self.result.imports.append(Imported("", f"{module}.{name}", None))

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._annotations_and_defaults(node.args)
        names = {a.arg for a in _arguments(node.args)}
        outer, self.shadow = self.shadow, self.shadow | names
        self.visit(node.body)
        self.shadow = outer

    def _annotations_and_defaults(self, arguments: ast.arguments) -> None:
        for default in [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]:
            self.visit(default)
        for argument in _arguments(arguments):
            if argument.annotation is not None:
                self.visit(argument.annotation)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        outer = self.shadow
        for generator in node.generators:
            self.visit(generator.iter)
            targets = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
            self.shadow = self.shadow | targets
            for condition in generator.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.shadow = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # -- blocks: what is bound inside may not be bound after

    def _block(self, body: list[ast.stmt], *also: str) -> set[str]:
        before = set(self.bound)
        for name in also:
            self.bind(name)
        for statement in body:
            self.visit(statement)
        after, self.bound = self.bound, before
        return after

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        both = self._block(node.body) & self._block(node.orelse)
        self.bound |= both

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        before = set(self.bound)
        self.visit(node.target)
        for statement in node.body:
            self.visit(statement)
        self.bound = before
        self._block(node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._block(node.body)
        self._block(node.orelse)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        self._block([*node.body, *node.orelse])
        for handler in node.handlers:
            if handler.type is not None:
                self.visit(handler.type)
            self._block(handler.body, *([handler.name] if handler.name else []))
        for statement in node.finalbody:
            self.visit(statement)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
        after = self._block(node.body)
        if all(_never_suppresses(item.context_expr) for item in node.items):
            self.bound = after

    visit_AsyncWith = visit_With

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            before = set(self.bound)
            for part in ast.walk(case.pattern):
                for name in (getattr(part, "name", None), getattr(part, "rest", None)):
                    if isinstance(name, str):
                        self.bind(name)
                if isinstance(part, ast.MatchValue | ast.MatchClass):
                    self.visit(part.value if isinstance(part, ast.MatchValue) else part.cls)
            if case.guard is not None:
                self.visit(case.guard)
            self._block(case.body)
            self.bound = before

    def visit_Global(self, node: ast.Global) -> None:
        self.result.stores.update(node.names)


#: Context managers of libraries that are known to let every exception through.
_NEVER_SUPPRESS = frozenset(
    {"open", "errstate", "printoptions", "option_context", "catch_warnings", "rc_context", "context", "localcontext",
     "axes_style", "plotting_context", "Lock", "no_grad", "inference_mode", "config_context"}
)  # fmt: skip


def _never_suppresses(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else node
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _NEVER_SUPPRESS


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def _constant_list(node: ast.expr) -> list[str]:
    if isinstance(node, ast.List) and node.elts:
        values = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
        if len(values) == len(node.elts):
            return values
    return []


def _references_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> References:
    """What the body of a definition refers to, from its bytecode: scopes are the compiler's business."""
    bare = ast.parse("")
    twin = copy.copy(node)
    twin.decorator_list = []
    if isinstance(twin, ast.ClassDef):
        twin.bases, twin.keywords = [], []
    bare.body = [twin]
    code = compile(bare, "<cell>", "exec", dont_inherit=True)
    inner = [c for c in code.co_consts if hasattr(c, "co_code") and c.co_name == node.name]
    return references(inner[0] if inner else code)
