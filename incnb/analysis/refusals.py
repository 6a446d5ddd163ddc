"""Why the items of a loop cannot be reused one by one, said in one sentence that names the statement and the line."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from incnb.analysis.cell import analyse
from incnb.analysis.flow import never_suppresses
from incnb.analysis.items import METHODS, Effects, LoopNode, binds, blocks_of, named, own, own_jumps, text_of
from incnb.analysis.mentions import identifiers
from incnb.analysis.records import CellAnalysis

#: What the names of whatever looks after the loops in a cell begin with.
PREFIX = "__incnb_"


def refusal(
    node: LoopNode,
    names: tuple[str, ...],
    iterable: ast.expr,
    parts: list[ast.AST],
    effects: Effects,
    bound: frozenset[str],
    analysis: CellAnalysis,
    *,
    by_strings: bool,
) -> str | None:
    """The first reason found not to reuse items one by one, None if there is none."""
    changed = {effect.target: effect.line for _, _, effect in reversed(effects.found)}
    for reason in (
        _of_the_loop(node, iterable),
        _of_statements(parts, bound, set(names), effects),
        _of_accumulators(parts, effects, changed),
        _of_reads(analysis, bound),
        _of_the_iterable(iterable, names if isinstance(node, ast.For) else (), bound, changed),
        _of_strings(parts, bound | set(changed)) if by_strings else iter(()),
    ):
        for words in reason:
            return words
    return None


def _said(node: ast.AST) -> str:
    return f"`{text_of(node)}` (line {getattr(node, 'lineno', 0)})"


def _of_the_loop(node: LoopNode, iterable: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.AsyncFor):
        yield f"`async for` (line {node.lineno}): other code may run between items"
    elif isinstance(node, ast.For):
        for stop in own_jumps(node.body, ast.Break):
            yield f"`break` (line {stop.lineno}): later items depend on it"
    else:
        if len(node.generators) > 1:
            yield f"the comprehension in line {node.lineno} has more than one `for`"
        for element in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            for kept in _kept(element):
                yield f"{_said(kept)} outlives its item and sees the names of later ones"
        if node.generators[0].is_async:
            yield f"`async for` (line {node.lineno}): other code may run between items"
    for part in ast.walk(node.target if isinstance(node, ast.For | ast.AsyncFor) else node.generators[0].target):
        if isinstance(part, ast.Attribute | ast.Subscript):
            yield f"`{text_of(part)}` (line {node.lineno}), where the loop stores its items, is not a name"


def _kept(node: ast.expr) -> Iterator[ast.expr]:
    """The functions and generators that an element evidently is or holds."""
    if isinstance(node, ast.Lambda | ast.GeneratorExp):
        yield node
    elif isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.IfExp | ast.BoolOp):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from _kept(part)


def _of_statements(parts: list[ast.AST], bound: frozenset[str], targets: set[str], effects: Effects) -> Iterator[str]:
    replayed = {id(n) for statement, _, _ in effects.found for n in _stored(statement)}
    for node, words in effects.refused:
        yield f"{_said(node)} {words}"
    for node in own(*parts):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or getattr(node, "is_async", False):
            line = getattr(node, "lineno", 0) or getattr(getattr(node, "target", None), "lineno", 0)
            yield f"`await` (line {line}): other code may run within an item"
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield f"{_said(node)} may bind any name"
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield f"an attribute of something is set: `{text_of(node)}` (line {node.lineno})"
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and id(node) not in replayed:
            root = _root(node)
            if root in targets:
                yield f"`{text_of(node)}` (line {node.lineno}) changes the item itself"
            elif root not in bound:
                yield f"`{text_of(node)}` (line {node.lineno}) is set in a way that cannot be replayed"
        elif isinstance(node, ast.Try | ast.TryStar):
            for jump in own_jumps(node.finalbody, ast.Continue):
                yield f"`continue` in `finally` (line {jump.lineno}) drops what was raised"
        elif isinstance(node, ast.ExceptHandler) and node.name:
            if any(node.name in binds(inner) for statement in node.body for inner in own(statement)):
                yield f"`{node.name}` is bound again in its own `except` (line {node.lineno})"
        elif isinstance(node, ast.Expr) and _changes_a_target(node.value, targets):
            yield f"{_said(node)} changes the item itself"
    for node in (n for part in parts for n in ast.walk(part)):
        if isinstance(node, ast.Global):
            yield f"`{text_of(node)}` (line {node.lineno}): a function in the loop binds names outside of it"
        elif isinstance(node, ast.Lambda) and any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.body)):
            yield f"{_said(node)} binds names of its own"
        for name in named(node):
            if name.startswith(PREFIX):
                yield f"`{name}` (line {getattr(node, 'lineno', 0)}) is not the cell's own name"
    for part in parts:
        if isinstance(part, ast.stmt):
            yield from _in_parts([part], caught=False)


def _stored(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return list(statement.targets)
    return [statement.target] if isinstance(statement, ast.AugAssign) else []


def _root(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _changes_a_target(node: ast.expr, targets: set[str]) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
        return False
    return _root(node.func.value) in targets


def _in_parts(body: list[ast.stmt], *, caught: bool) -> Iterator[str]:
    """Statements that may have bound some of their names when they fail, where the item goes on."""
    for statement in body:
        own_net = isinstance(statement, ast.With) and not all(never_suppresses(i.context_expr) for i in statement.items)
        if (caught or own_net) and _has_parts(statement):
            yield f"{_said(statement)} may fail half way and the item goes on"
        inner = caught or isinstance(statement, ast.With) or bool(getattr(statement, "handlers", None))
        for block in blocks_of(statement):
            yield from _in_parts(block, caught=inner)


def _has_parts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return len(statement.names) > 1
    if isinstance(statement, ast.Delete):
        return len(statement.targets) > 1 or not isinstance(statement.targets[0], ast.Name | ast.Subscript)
    if isinstance(statement, ast.With):
        into = [item.optional_vars for item in statement.items if item.optional_vars is not None]
        return bool(into) and (len(statement.items) > 1 or not isinstance(into[0], ast.Name))
    if isinstance(statement, ast.Assign):
        several = len(statement.targets) > 1
        return any(several or _is_deep(t) for t in statement.targets) and bool(_names_in(statement.targets))
    return isinstance(statement, ast.For) and _is_deep(statement.target)


def _is_deep(target: ast.expr) -> bool:
    """Whether something of the target may be bound when the rest of it fails."""
    if not isinstance(target, ast.Tuple | ast.List):
        return False
    return not all(isinstance(e.value if isinstance(e, ast.Starred) else e, ast.Name) for e in target.elts)


def _names_in(targets: list[ast.expr]) -> list[ast.Name]:
    return [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _of_accumulators(parts: list[ast.AST], effects: Effects, changed: dict[str, int]) -> Iterator[str]:
    aside = {id(shape.target) for _, shape, _ in effects.found}
    for node in (n for part in parts for n in ast.walk(part)):
        for name in named(node):
            if name in changed and id(node) not in aside:
                line = getattr(node, "lineno", changed[name])
                yield f"`{name}` is used (line {line}) and changed by the items (line {changed[name]})"


def _of_reads(analysis: CellAnalysis, bound: frozenset[str]) -> Iterator[str]:
    for read in analysis.reads:
        if read.name in bound or read.name in analysis.stores:
            yield f"`{read.name}` is read before the item binds it (line {read.line})"
    for name in sorted(analysis.deleted):
        yield f"`del {name}`: the item has not bound it"


def _of_the_iterable(
    iterable: ast.expr, targets: tuple[str, ...], bound: frozenset[str], changed: dict[str, int]
) -> Iterator[str]:
    for node in ast.walk(iterable):
        for name in named(node):
            if name in changed or name in bound:
                line = changed.get(name, iterable.lineno)
                yield f"`{name}` is in what the loop runs over and changed by its items (line {line})"
    for lazy in ast.walk(iterable):
        if isinstance(lazy, ast.Lambda | ast.GeneratorExp):
            inner = analyse(ast.Module([ast.copy_location(ast.Expr(lazy), lazy)], []))
            for read in inner.reads:
                if read.name in targets:
                    yield f"`{read.name}` is read lazily by what the loop runs over (line {read.line})"


def _of_strings(parts: list[ast.AST], names: frozenset[str]) -> Iterator[str]:
    for node in (n for part in parts for n in ast.walk(part)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in sorted(identifiers(node.value) & names):
                yield f"`{name}` may be read through a string (line {node.lineno})"
