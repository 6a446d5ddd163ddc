"""The loops of a cell, and whether their items can be reused one by one.

A loop counts that runs at most once: a `for` at the top of the cell or in its `if`, `with`, `try` blocks, and a list,
set or dict comprehension in an expression there. What is inside the body of such a loop is part of its items.

An item stands for itself if what its body binds is not read before the same item has bound it, and if what it changes
outside is changed by statements whose operands can be told and applied again (`out.append(x)`, `d[k] = v`), on names
that the body does not read. Whether the objects behind those names are what they look like is for run time to tell, and
so is what the functions that the body calls read and change: neither can be seen here. In doubt, items are off.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from dataclasses import dataclass
from typing import Literal

from incnb.analysis.cell import analyse
from incnb.analysis.findings import NAME_READERS
from incnb.analysis.items import Effect, Effects, LoopNode, bound_in, named, own_jumps, parts_of
from incnb.analysis.keyed import keyed_reads
from incnb.analysis.mentions import mentions
from incnb.analysis.refusals import refusal
from incnb.fingerprint.code import Read

Kind = Literal["for", "list", "set", "dict"]
_KINDS: dict[type[ast.AST], Kind] = {
    ast.For: "for",
    ast.AsyncFor: "for",
    ast.ListComp: "list",
    ast.SetComp: "set",
    ast.DictComp: "dict",
}


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of a cell: what one item of it executes, binds and changes outside, or `why` items are off.

    `index` counts the loops of the cell in textual order. `code` is the fingerprint of the target and the body, 32
    hexadecimal digits; neither the iterable nor `else` is in it. `names` are what the target binds, `flat` the same by
    position if it is a flat tuple of plain names, and `unread` the positions that the body does not mention. `sure` are
    the names that the body binds in every item that ends normally, `maybe` those that it may bind or delete: no name is
    in both, and target names are in either only if the body binds them too. `residual` is what one item executes,
    starting with the target bound to None; the statements of `effects` (slot number = position) stand there as tuples
    of their operands, and `keyed_reads` (`cfg[x]` by path of `cfg` and target name) as the key.
    """

    index: int
    kind: Kind
    code: str
    line: int
    target: ast.expr
    names: tuple[str, ...]
    flat: tuple[str, ...] | None
    unread: frozenset[int]
    effects: tuple[Effect, ...]
    sure: frozenset[str]
    maybe: frozenset[str]
    accumulators: frozenset[str]
    residual: ast.Module
    keyed_reads: tuple[tuple[Read, str], ...]
    why: str | None


def loops_of(tree: ast.Module) -> list[Loop]:
    """The loops of a cell that run at most once, in textual order."""
    return [_loop(index, node) for index, node in enumerate(loop_nodes(tree))]


def loop_nodes(tree: ast.AST) -> list[LoopNode]:
    """The nodes of the loops in `tree` that run at most once, in textual order."""
    finder = _Finder()
    finder.visit(tree)
    return finder.found


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[LoopNode] = []

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.found.append(node)
        self.visit(node.iter)
        for statement in node.orelse:
            self.visit(statement)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        for statement in node.orelse:
            self.visit(statement)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        self.found.append(node)
        self.visit(node.generators[0].iter)

    visit_SetComp = visit_DictComp = visit_ListComp

    def _apart(self, node: ast.AST) -> None:
        """What may run later, often or never."""

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_GeneratorExp = _apart


def _loop(index: int, node: LoopNode) -> Loop:
    is_for = isinstance(node, ast.For | ast.AsyncFor)
    target = node.target if isinstance(node, ast.For | ast.AsyncFor) else node.generators[0].target
    iterable = node.iter if isinstance(node, ast.For | ast.AsyncFor) else node.generators[0].iter
    parts = parts_of(node)
    names = tuple(n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    names = tuple(dict.fromkeys(names))
    flat = _flat(target)
    effects = Effects.of(node)
    bound = bound_in(*parts, targets=names)
    accumulators = frozenset(effect.target for _, _, effect in effects.found)
    by_strings = any(not NAME_READERS.isdisjoint(mentions(part)) for part in parts)
    keyed = () if by_strings else keyed_reads(parts, frozenset(names) - bound, bound | accumulators)
    residual = _residual(target, parts, effects, {id(chain): name for chain, _, name in keyed})
    analysis = analyse(residual)
    sure = _sure(residual, parts, analysis.sure, analysis.leaving) & bound if is_for else frozenset()
    mentioned = _mentioned(parts, by_strings=by_strings)
    unread = frozenset(at for at, name in enumerate(flat or ()) if name not in mentioned)
    why = refusal(node, names, iterable, parts, effects, bound, analysis, by_strings=by_strings)
    kind = _KINDS[type(node)]
    dumped = [ast.dump(part) for part in (target, *parts)]
    return Loop(
        index=index,
        kind=kind,
        code=_digest([kind, *dumped]),
        line=node.lineno,
        target=target,
        names=names,
        flat=flat,
        unread=unread,
        effects=tuple(effect for _, _, effect in effects.found),
        sure=sure,
        maybe=bound - sure,
        accumulators=accumulators,
        residual=residual,
        keyed_reads=tuple({(read.place, name): (read, name) for _, read, name in keyed}.values()),
        why=why,
    )


def _digest(parts: list[str]) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _flat(target: ast.expr) -> tuple[str, ...] | None:
    if not isinstance(target, ast.Tuple | ast.List):
        return None
    names = [e.id for e in target.elts if isinstance(e, ast.Name)]
    return tuple(names) if len(names) == len(target.elts) else None


def _mentioned(parts: list[ast.AST], *, by_strings: bool) -> frozenset[str]:
    if by_strings:
        return frozenset().union(*(mentions(part) for part in parts))
    return frozenset(name for part in parts for node in ast.walk(part) for name in named(node))


def _sure(residual: ast.Module, parts: list[ast.AST], sure: set[str], leaving: set[str]) -> frozenset[str]:
    """The names bound at the end of every item: what follows a `continue` does not count."""
    for at, part in enumerate(parts):
        if isinstance(part, ast.stmt) and any(own_jumps([part], ast.Continue)):
            sure = analyse(ast.Module(residual.body[: at + 1], [])).sure  # the target comes first
            break
    return frozenset(sure - leaving)


def _residual(target: ast.expr, parts: list[ast.AST], effects: Effects, keys: dict[int, str]) -> ast.Module:
    memo: dict[int, ast.AST] = {}
    start = ast.copy_location(
        ast.Assign([copy.deepcopy(target)], ast.copy_location(ast.Constant(None), target)), target
    )
    twins = [copy.deepcopy(part, memo) for part in parts]
    swap = _Swap(memo, effects, keys)
    body: list[ast.stmt] = [start]
    for twin in twins:
        part = swap.visit(twin)
        if isinstance(part, ast.expr):
            part = ast.copy_location(ast.Expr(part), part)
        assert isinstance(part, ast.stmt)
        body.append(part)
    return ast.Module(body, [])


class _Swap(ast.NodeTransformer):
    """Effects become their operands, and reads at the item's key the key."""

    def __init__(self, memo: dict[int, ast.AST], effects: Effects, keys: dict[int, str]):
        self._statements = {id(memo[id(statement)]): shape for statement, shape, _ in effects.found}
        self._operands = {id(operand): memo[id(operand)] for _, shape, _ in effects.found for operand in shape.operands}
        self._keys = {id(memo[ident]): name for ident, name in keys.items()}

    def visit(self, node: ast.AST) -> ast.AST:
        shape = self._statements.get(id(node))
        if shape is not None:
            operands = [self._operand(operand) for operand in shape.operands]
            told = ast.copy_location(ast.Tuple(operands, ast.Load()), node)
            names = [target for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
            said = (
                ast.Assign(list[ast.expr](names), told) if names else ast.Expr(told)
            )  # `d[k] = n = v` binds n as well
            return ast.copy_location(said, node)
        name = self._keys.get(id(node))
        if name is not None:
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        visited: ast.AST = super().visit(node)
        return visited

    def _operand(self, node: ast.expr) -> ast.expr:
        visited = self.visit(self._operands[id(node)])
        assert isinstance(visited, ast.expr)
        return visited
