"""Reading the body of a loop: its own scope, what it binds, and which statements change something outside.

The body of a loop at the top of a cell runs in the namespace of the notebook. What is inside functions, classes and
lambdas, and the targets of comprehensions, belongs to scopes of their own; a walrus in a comprehension does not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from incnb.analysis.flow import never_suppresses

LoopNode = ast.For | ast.AsyncFor | ast.ListComp | ast.SetComp | ast.DictComp
Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Methods of list, dict, set, deque and their kin whose change can be made again, by how many arguments they take.
#: Those that may fail by what is there already (`remove`, `popleft`) are not: an item would depend on those before it.
METHODS: dict[str, tuple[int, int]] = {
    "append": (1, 1),
    "appendleft": (1, 1),
    "extend": (1, 1),
    "extendleft": (1, 1),
    "insert": (2, 2),
    "add": (1, 1),
    "discard": (1, 1),
    "update": (1, 9),
    "difference_update": (1, 9),
    "intersection_update": (1, 9),
    "symmetric_difference_update": (1, 1),
    "subtract": (1, 1),
    "setdefault": (1, 2),
    "pop": (2, 2),
}
#: Those that may have done half of their work when they fail.
_PIECEWISE = frozenset(METHODS) - {"append", "appendleft", "insert", "add", "discard", "setdefault", "pop"}


@dataclass(frozen=True, slots=True)
class Effect:
    """One statement of the body that changes something outside in a way that can be replayed.

    `op` is the method's name, `setitem` or `aug`. `target` is the name whose object is changed, `keyed` says that the
    change is at `target[key]` (`groups[k].append(v)`, `d[k] += v`; always for `setitem`). `operator` is the class name
    of the operator of `aug`, otherwise empty. `operands` are told in the order in which they are evaluated; number
    `key_at` of them is the key, -1 if there is none. `sure`: it happens in every item that ends normally. `caught`:
    if it fails, the item goes on, perhaps on another way. Items of such a loop stand for themselves only if it cannot
    fail by what `target` holds already: `setitem` on a dict, a keyed change on a defaultdict with a factory or on a
    Counter, `aug` on a number or a string; what has no key on whatever has the method.
    """

    op: str
    target: str
    keyed: bool
    operator: str
    operands: int
    key_at: int
    line: int
    text: str
    sure: bool
    caught: bool = False
    default: str = ""  # of `groups.setdefault(k, []).append(v)`: the type of what is put there


@dataclass(slots=True)
class Shape:
    """A statement that changes what a name from outside is bound to, with its operands in evaluation order."""

    op: str
    target: ast.Name
    operands: list[ast.expr]
    key_at: int = -1
    keyed: bool = False
    operator: str = ""
    default: str = ""


def own(*nodes: ast.AST) -> Iterator[ast.AST]:
    """The nodes of the same scope, in textual order, without the targets of comprehensions."""
    for node in nodes:
        yield node
        yield from own(*_of_the_same_scope(node))


def _of_the_same_scope(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, Function | ast.Lambda):
        arguments = node.args
        parts: list[ast.AST] = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
        if isinstance(node, Function):
            parts = [*node.decorator_list, *parts]
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            parts += [a.annotation for a in every if a is not None and a.annotation is not None]
            parts += [node.returns] if node.returns is not None else []
        return parts
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    if isinstance(node, ast.comprehension):
        stored = [n for n in ast.walk(node.target) if isinstance(n, ast.Attribute | ast.Subscript)]
        return [*stored, node.iter, *node.ifs]
    return list(ast.iter_child_nodes(node))


def binds(node: ast.AST) -> tuple[str, ...]:
    """The names that this very node binds or deletes."""
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, Function | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Import):
        return tuple(a.asname or a.name.partition(".")[0] for a in node.names)
    if isinstance(node, ast.ImportFrom):
        return tuple(a.asname or a.name for a in node.names)
    name = node.rest if isinstance(node, ast.MatchMapping) else None
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        name = node.name
    return (name,) if name else ()


def named(node: ast.AST) -> tuple[str, ...]:
    """The names that this very node mentions, in whatever scope."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Global | ast.Nonlocal):
        return tuple(node.names)
    if isinstance(node, ast.arg):
        return (node.arg,)
    return binds(node)


def bound_in(*nodes: ast.AST, targets: Iterable[str] = ()) -> frozenset[str]:
    """The names that `nodes` bind or delete in their own scope.

    A name that is bound by nothing but `name += value` is not among them, unless it is one of `targets`.
    """
    augmented = {id(n.target): n.target for n in own(*nodes) if isinstance(n, ast.AugAssign)}
    plainly = frozenset(name for n in own(*nodes) if id(n) not in augmented for name in binds(n))
    return plainly.union(name for n in augmented.values() for name in binds(n) if name in targets)


def parts_of(node: LoopNode) -> list[ast.AST]:
    """What one item executes, in that order: statements, or conditions and elements."""
    if isinstance(node, ast.For | ast.AsyncFor):
        return list(node.body)
    conditions: list[ast.AST] = [c for generator in node.generators for c in generator.ifs]
    return [*conditions, *([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])]


def text_of(node: ast.AST) -> str:
    """The source of a node, at most 80 characters of one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 80 else text[:79] + "…"


def own_jumps(statements: list[ast.stmt], kind: type[ast.stmt]) -> Iterator[ast.stmt]:
    """The `break`s or `continue`s in `statements` that belong to the loop around them."""
    for statement in statements:
        if isinstance(statement, kind):
            yield statement
        elif isinstance(statement, ast.For | ast.AsyncFor | ast.While):
            yield from own_jumps(statement.orelse, kind)
        else:
            for block in blocks_of(statement):
                yield from own_jumps(block, kind)


def blocks_of(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements in a compound statement of the same scope."""
    if isinstance(statement, Function | ast.ClassDef):
        return
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        for inner in [getattr(statement, name, None)]:
            if isinstance(inner, list) and inner and isinstance(inner[0], ast.ExceptHandler | ast.match_case):
                yield from (part.body for part in inner)
            elif isinstance(inner, list):
                yield inner


@dataclass(slots=True)
class Effects:
    """The effects in the body of a `for`, slot by slot, and what must not be recorded for the way it changes things."""

    found: list[tuple[ast.stmt, Shape, Effect]] = field(default_factory=list)
    refused: list[tuple[ast.AST, str]] = field(default_factory=list)
    _bound: frozenset[str] = frozenset()
    _straight: bool = True  # every item that ends normally gets here

    @classmethod
    def of(cls, node: LoopNode) -> Effects:
        out = cls()
        if isinstance(node, ast.For):
            out._bound = bound_in(*node.body) | bound_in(node.target)
            out._block(node.body, sure=True, caught=False)
        return out

    def _block(self, body: list[ast.stmt], *, sure: bool, caught: bool) -> None:
        for statement in body:
            shape = self._shape(statement)
            if shape is not None:
                self._add(statement, shape, sure=sure and self._straight, caught=caught)
            elif isinstance(statement, ast.Try | ast.TryStar):
                self._block(statement.body, sure=False, caught=caught or bool(statement.handlers))
                for handler in statement.handlers:
                    self._block(handler.body, sure=False, caught=caught)
                self._block(statement.orelse, sure=False, caught=caught)
                self._block(statement.finalbody, sure=False, caught=caught)
            elif isinstance(statement, ast.With):
                through = all(never_suppresses(item.context_expr) for item in statement.items)
                self._block(statement.body, sure=sure and through, caught=caught or not through)
            else:
                for block in blocks_of(statement):
                    self._block(block, sure=False, caught=caught)
            if self._straight and any(own_jumps([statement], ast.Continue)):
                self._straight = False

    def _add(self, statement: ast.stmt, shape: Shape, *, sure: bool, caught: bool) -> None:
        others = [o for at, o in enumerate(shape.operands) if at != shape.key_at]
        if caught and shape.keyed and shape.op != "setitem" and not all(map(_is_simple, others)):
            self.refused.append((statement, "may leave a new key behind when its value fails and the item goes on"))
        elif caught and shape.op in _PIECEWISE:
            self.refused.append((statement, "may fail half way and the item goes on"))
        effect = Effect(
            shape.op,
            shape.target.id,
            shape.keyed,
            shape.operator,
            len(shape.operands),
            shape.key_at,
            statement.lineno,
            text_of(statement),
            sure,
            caught,
            shape.default,
        )
        self.found.append((statement, shape, effect))

    def _shape(self, statement: ast.stmt) -> Shape | None:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            return self._call(statement.value)
        if isinstance(statement, ast.Assign):
            places = [target for target in statement.targets if not isinstance(target, ast.Name)]
            found = self._keyed(places[0]) if len(places) == 1 else None
            if found is not None:
                return Shape("setitem", found[0], [statement.value, found[1]], 1, True)
        if isinstance(statement, ast.AugAssign):
            operator, target = type(statement.op).__name__, statement.target
            if isinstance(target, ast.Name) and target.id not in self._bound:
                return Shape("aug", target, [statement.value], operator=operator)
            found = self._keyed(target)
            if found is not None:
                return Shape("aug", found[0], [found[1], statement.value], 0, True, operator)
        return None

    def _keyed(self, node: ast.expr) -> tuple[ast.Name, ast.expr] | None:
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)) or node.value.id in self._bound:
            return None
        if any(isinstance(n, ast.Starred) for n in ast.walk(node.slice)):
            return None
        return node.value, node.slice

    def _call(self, call: ast.Call) -> Shape | None:
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in METHODS):
            return None
        base, op = call.func.value, call.func.attr
        filled = self._filled(base)
        if filled is not None and METHODS[op][0] <= len(call.args) <= METHODS[op][1] and not call.keywords:
            place, key, default = filled
            return Shape(op, place, [key, *call.args], 0, True, default=default)
        found = self._keyed(base)
        if found is None and not (isinstance(base, ast.Name) and base.id not in self._bound):
            return None
        if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
            self.refused.append((call, "changes something outside with arguments that have no fixed places"))
            return None
        fewest, most = METHODS[op]
        if not fewest <= len(call.args) <= most:
            return None
        if found is not None:
            return Shape(op, found[0], [found[1], *call.args], 0, True)
        assert isinstance(base, ast.Name)
        return Shape(op, base, list(call.args))

    def _filled(self, node: ast.expr) -> tuple[ast.Name, ast.expr, str] | None:
        """`groups.setdefault(k, [])`, as what it is a method of: the dict, the key, and what is put there."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 2):
            return None
        place, default = node.func.value, node.args[1]
        if node.func.attr != "setdefault" or node.keywords or not isinstance(place, ast.Name):
            return None
        sorts = {ast.List: "list", ast.Dict: "dict"}
        empty = not getattr(default, "elts", None) and not getattr(default, "keys", None)
        if place.id in self._bound or type(default) not in sorts or not empty:
            return None
        return place, node.args[0], sorts[type(default)]


def _is_simple(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.Name)
