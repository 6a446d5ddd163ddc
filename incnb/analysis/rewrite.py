"""A cell whose loops ask and tell a hook, one hook per loop, and otherwise do what they did.

What a statement changes outside is told with its operands, in the order in which Python evaluates them; each operand
is handed through, so that what is evaluated, when and on which line stays the user's. A `for` is handed only the items
that must run. A comprehension sees every item and takes the element of a reused one from the hook, in place.

Names that not every item binds are told when they are bound or deleted. A name bound by `except ... as name` is gone
after the handler however that ends, so it is told to be gone at its beginning.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from incnb.analysis.items import Effects, LoopNode, Shape, binds, own, parts_of
from incnb.analysis.loops import Loop, loop_nodes

Hook = Callable[[int], ast.expr]


def rewritten(tree: ast.Module, loops: list[Loop], hook: Hook, *, holes: bool = False) -> ast.Module:
    """A new module in which those of `loops` that may go item by item ask and tell `hook(index)`.

    `loops` are of `loops_of(tree)`; `tree` stays as it is, and statements without such loops are shared with it.
    With `holes`, an item that fails with an `Exception` is told to have failed, and the loop goes on. An element or
    condition with a walrus of its own cannot be guarded: its failure ends the comprehension.
    """
    wanted = {loop.index: loop for loop in loops if loop.why is None}
    nodes = [(wanted[index], node) for index, node in enumerate(loop_nodes(tree)) if index in wanted]
    body: list[ast.stmt] = []
    for statement in tree.body:
        held = {id(n) for n in ast.walk(statement)}
        inside = [(loop, node) for loop, node in nodes if id(node) in held]
        if not inside:
            body.append(statement)
            continue
        memo: dict[int, LoopNode] = {}
        body.append(copy.deepcopy(statement, memo))
        for loop, node in inside:
            _Rewriting(loop, hook, holes=holes).loop(memo[id(node)])
    return ast.Module(body, list(tree.type_ignores))


class _Rewriting:
    """Changes the nodes of one loop in place."""

    def __init__(self, loop: Loop, hook: Hook, *, holes: bool):
        self._loop = loop
        self._hook = hook
        self._holes = holes
        self._slots: dict[int, tuple[int, Shape]] = {}

    def loop(self, node: LoopNode) -> None:
        for part in own(*parts_of(node)):
            if isinstance(part, ast.NamedExpr) and part.target.id in self._loop.maybe:
                name = ast.Constant(part.target.id)
                part.value = self._call("saw", part.value, name, part.value)
        if isinstance(node, ast.For):
            self._for(node)
        elif not isinstance(node, ast.AsyncFor):
            self._comprehension(node)

    # -- the words of the hook

    def _told(self, name: str, at: ast.AST) -> ast.expr:
        return _placed(ast.Attribute(self._hook(self._loop.index), name, ast.Load()), at)

    def _call(self, method: str, at: ast.AST, *arguments: ast.expr) -> ast.expr:
        function = self._told(method, at)
        for argument in arguments:
            if not hasattr(argument, "lineno"):
                ast.copy_location(argument, at)
        return ast.copy_location(ast.Call(function, list(arguments), []), at)

    def _say(self, method: str, at: ast.AST, argument: str | int | None = None) -> ast.stmt:
        arguments = () if argument is None else (ast.Constant(argument),)
        return ast.copy_location(ast.Expr(self._call(method, at, *arguments)), at)

    # -- comprehensions

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        generator = node.generators[0]
        generator.iter = self._call("items", generator.iter, generator.iter)
        if generator.ifs:
            first, *others = generator.ifs
            whole = ast.copy_location(ast.BoolOp(ast.And(), generator.ifs), first) if others else first
            keep = self._call("keep", first, self._guarded(whole))
            generator.ifs = [self._if_hit(first, self._call("kept", first), keep)]
        if isinstance(node, ast.DictComp):
            node.key = self._element(0, node.key)
            node.value = self._element(1, node.value)
        else:
            node.elt = self._element(0, node.elt)

    def _element(self, slot: int, node: ast.expr) -> ast.expr:
        stored = self._call("stored", node, ast.Constant(slot))
        return self._if_hit(node, stored, self._call("start", node, ast.Constant(slot), self._guarded(node)))

    def _if_hit(self, at: ast.expr, taken: ast.expr, made: ast.expr) -> ast.expr:
        return ast.copy_location(ast.IfExp(self._told("hit", at), taken, made), at)

    def _guarded(self, node: ast.expr) -> ast.expr:
        if not self._holes or any(isinstance(n, ast.NamedExpr) for n in own(node)):
            return node
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return self._call("guarded", node, ast.copy_location(ast.Lambda(nothing, node), node))

    # -- for

    def _for(self, node: ast.For) -> None:
        for slot, (statement, shape, _) in enumerate(Effects.of(node).found):
            self._slots[id(statement)] = slot, shape
        node.iter = self._call("items", node.iter, node.iter)
        body = self._block(node.body)
        if self._holes:
            failed: list[ast.stmt] = [self._say("failed", node.body[0])]
            caught = ast.ExceptHandler(_placed(ast.Name("Exception", ast.Load()), node.body[0]), None, failed)
            ast.copy_location(caught, node.body[0])
            body = [ast.copy_location(ast.Try(body, [caught], [], []), node.body[0])]
        node.body = body

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [new for statement in statements for new in self._statement(statement)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if id(node) in self._slots:
            slot, shape = self._slots[id(node)]
            self._hand_through(node, slot, shape)
            return [node, self._say("did", node, slot), *self._bound(node)]
        if isinstance(node, ast.Delete):
            names = [n for n in own(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)]
            return [node, *(self._say("unbound", n, n.id) for n in names)]
        if isinstance(node, ast.For):
            node.body = [*self._bound(node.target), *self._block(node.body)]
            node.orelse = self._block(node.orelse)
        elif isinstance(node, ast.While | ast.If):
            node.body, node.orelse = self._block(node.body), self._block(node.orelse)
        elif isinstance(node, ast.With):
            targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
            node.body = [*self._bound(*targets), *self._block(node.body)]
        elif isinstance(node, ast.Try | ast.TryStar):
            node.body, node.orelse = self._block(node.body), self._block(node.orelse)
            node.finalbody = self._block(node.finalbody)
            for handler in node.handlers:
                gone = [self._say("unbound", handler, handler.name)] if handler.name else []
                handler.body = [*gone, *self._block(handler.body)]
        elif isinstance(node, ast.Match):
            for case in node.cases:
                self._case(case)
        else:
            return [node, *self._bound(node)]
        return [node]

    def _case(self, case: ast.match_case) -> None:
        told = self._bound(case.pattern)
        if case.guard is None:
            case.body = [*told, *self._block(case.body)]
            return
        for say in reversed(told):  # what the pattern binds stays bound if the guard says no
            assert isinstance(say, ast.Expr)
            yes = ast.copy_location(ast.Constant(True), case.guard)
            either = ast.copy_location(ast.BoolOp(ast.Or(), [say.value, yes]), case.guard)
            case.guard = ast.copy_location(ast.BoolOp(ast.And(), [either, case.guard]), case.guard)
        case.body = self._block(case.body)

    def _bound(self, *nodes: ast.AST) -> list[ast.stmt]:
        """Tells of the names that `nodes` have just bound, as far as not every item binds them."""
        inside = list(own(*nodes))
        walrus = {id(n.target) for n in inside if isinstance(n, ast.NamedExpr)}
        places = {name: n for n in inside if id(n) not in walrus for name in binds(n)}
        return [self._say("bound", n, name) for name, n in places.items() if name in self._loop.maybe]

    def _hand_through(self, node: ast.stmt, slot: int, shape: Shape) -> None:
        handed = [
            self._call("more" if at else "start", operand, ast.Constant(slot), self._sliced(operand))
            for at, operand in enumerate(shape.operands)
        ]
        key = handed.pop(shape.key_at) if shape.key_at >= 0 else None
        if isinstance(node, ast.Expr):
            call = node.value
            assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            call.args = handed
            place: ast.expr = call.func.value
        else:
            assert isinstance(node, ast.Assign | ast.AugAssign)
            node.value = handed[0]
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            place = next((target for target in targets if not isinstance(target, ast.Name)), targets[0])
        if key is not None and shape.default:
            assert isinstance(place, ast.Call)
            place.args[0] = key
        elif key is not None:
            assert isinstance(place, ast.Subscript)
            place.slice = key

    def _sliced(self, key: ast.expr) -> ast.expr:
        """A key with its slices as objects: `a[i, :]` is `a[(i, slice(None))]`, and an argument must be one."""
        if isinstance(key, ast.Slice):
            parts = [part if part is not None else ast.Constant(None) for part in (key.lower, key.upper, key.step)]
            return self._call("slice", key, *parts)
        if isinstance(key, ast.Tuple):
            key.elts = [self._sliced(part) if isinstance(part, ast.Slice) else part for part in key.elts]
        return key


def _placed(node: ast.expr, at: ast.AST) -> ast.expr:
    """At the very start of `at`: Python takes the line of a method call from where the method's name ends."""
    for part in ast.walk(node):
        if isinstance(part, ast.expr):
            ast.copy_location(part, at)
            part.end_lineno, part.end_col_offset = part.lineno, part.col_offset
    return node
