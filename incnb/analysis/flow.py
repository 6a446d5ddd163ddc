"""The order in which a cell runs, and what it has bound for sure at each point of it."""

from __future__ import annotations

import ast
import copy

from incnb.analysis.findings import Finding
from incnb.analysis.mentions import chains
from incnb.analysis.records import CellAnalysis, Imported, read_of
from incnb.fingerprint.code import Read, References, references


class Flow(ast.NodeVisitor):
    """Walks a cell in order and keeps the set of names that it has bound for sure."""

    def __init__(self, result: CellAnalysis):
        self.result = result
        self.bound: set[str] = set()
        self.maybe = 0  # inside expressions that may not be evaluated
        self.shadow: set[str] = set()  # parameters and comprehension targets
        self.deferred: dict[str, References] = {}  # bodies of functions and classes of the cell, until first used
        self.aliases: dict[str, list[Imported]] = {}  # what a name may have been imported as
        self.blocks = 0  # around the statement: what it binds does not end what was bound before
        self.by_strings = False  # whether the cell may read names through strings
        self.module_values: set[tuple[str, Read]] = set()  # read through a module for more than a call

    # -- names

    def read(self, read: Read) -> None:
        if read.name in self.shadow:
            return
        body = self.deferred.pop(read.name, None)
        if body is not None:
            self.body(body)
        for alias in self.aliases.get(read.name, ()):
            self.module_read(alias, read)
        if read.name in self.bound:
            return
        self.result.reads.append(read)

    def module_read(self, alias: Imported, read: Read) -> None:
        if alias.attribute is not None:
            through = Read(alias.attribute, read.path, read.line)
        elif read.path and read.path[0][0] == "attr":
            through = Read(str(read.path[0][1]), read.path[1:], read.line)
        else:
            self.result.module_reads.append((alias.module, None))
            return
        self.result.module_reads.append((alias.module, through))
        known = self.module_values if read.place not in self.result.called else self.result.module_calls
        known.add((alias.module, through.place))

    def body(self, found: References) -> None:
        for read in found.reads:
            self.read(read)
        self.result.stores |= found.stores

    def bind(self, name: str) -> None:
        if name in self.shadow:
            return
        self.bound.add(name)
        self.result.stores.add(name)
        body = self.deferred.pop(name, None)
        if self.blocks:
            if body is not None:
                self.body(body)  # of the other branch
        else:
            self.aliases.pop(name, None)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read(Read(node.id, (), node.lineno))
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            if node.id not in self.bound:
                self.result.deleted.add(node.id)
            self.result.leaving.add(node.id)
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
                self._said(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._said(node.value)

    def _said(self, text: str) -> None:
        """A string may name what the cell itself has defined or imported: it is used then."""
        self.result.strings.add(text)
        for name, *attributes in chains(text) if self.by_strings else ():
            if name in self.deferred or name in self.aliases:
                self.read(Read(name, tuple(("attr", attribute) for attribute in attributes)))

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
        if self.maybe:
            self.result.stores.add(node.target.id)
        else:
            self.visit(node.target)
        self.shadow = shadow

    def _perhaps(self, *parts: ast.expr | None) -> None:
        """Visit expressions that may not be evaluated: what they bind is not bound for sure."""
        self.maybe += 1
        for part in parts:
            if part is not None:
                self.visit(part)
        self.maybe -= 1

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._perhaps(*node.values[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._perhaps(node.body, node.orelse)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)
        self._perhaps(node.msg)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        self.visit(node.comparators[0])
        self._perhaps(*node.comparators[1:])

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
        self.aliases.setdefault(imported.name, []).append(imported)
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
        for text in sorted(found.strings):
            self._said(text)
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
        self.visit(node.generators[0].iter)
        self.maybe += 1
        for generator in node.generators:
            if generator is not node.generators[0]:
                self.visit(generator.iter)
            targets = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
            self.shadow = self.shadow | targets
            for condition in generator.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.maybe -= 1
        self.shadow = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # -- blocks: what is bound inside may not be bound after

    def _block(self, body: list[ast.stmt], *also: str) -> set[str]:
        before = set(self.bound)
        self.blocks += 1
        for name in also:
            self.bind(name)
        for statement in body:
            self.visit(statement)
        self.blocks -= 1
        after, self.bound = self.bound, before
        return after

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        both = self._block(node.body) & self._block(node.orelse)
        self.bound |= both

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        before = set(self.bound)
        self.blocks += 1
        self.visit(node.target)
        self._block(node.body)
        self.blocks -= 1
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
            if handler.name is not None:
                self.result.leaving.add(handler.name)
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
        if all(never_suppresses(item.context_expr) for item in node.items):
            self.bound = after

    visit_AsyncWith = visit_With

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self.blocks += 1
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
        self.blocks -= 1

    def visit_Global(self, node: ast.Global) -> None:
        self.result.stores.update(node.names)


#: Context managers of libraries that are known to let every exception through.
_NEVER_SUPPRESS = frozenset(
    {"open", "errstate", "printoptions", "option_context", "catch_warnings", "rc_context", "context", "localcontext",
     "axes_style", "plotting_context", "Lock", "no_grad", "inference_mode", "config_context"}
)  # fmt: skip


def never_suppresses(node: ast.expr) -> bool:
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
