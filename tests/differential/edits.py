"""Seeded random edits of source and of data, made on the syntax tree."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable

_SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Mult),
    ast.Mult: (ast.Add, ast.Sub),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


def edit_source(source: str, rng: random.Random) -> str | None:
    """The source with one thing changed; None if there is nothing that can be."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with magics
        return None
    ways = list(_ways(tree, rng))
    for _ in range(5):
        if not ways:
            return None
        way = rng.choice(ways)
        way()
        changed = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        if changed != ast.unparse(ast.parse(source)) + "\n":
            return changed
    return None


def _ways(tree: ast.Module, rng: random.Random) -> list[Callable[[], None]]:
    found: list[Callable[[], None]] = []
    loops = {id(n) for loop in ast.walk(tree) if isinstance(loop, ast.While) for n in ast.walk(loop)}
    for node in ast.walk(tree):
        if id(node) in loops:
            continue
        if isinstance(node, ast.Constant):
            found.append(lambda node=node: setattr(node, "value", _other(node.value, rng)))
        elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in _SWAPS:
            found.append(lambda node=node: setattr(node, "op", rng.choice(_SWAPS[type(node.op)])()))
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            found.append(lambda node=node: node.ops.__setitem__(0, rng.choice(_SWAPS[type(node.ops[0])])()))
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            found.append(lambda body=body: _swap(body, rng))
            found.append(lambda body=body: body.__delitem__(rng.randrange(len(body))))
        if isinstance(node, ast.FunctionDef) and len(node.args.args) > 1:
            found.append(lambda node=node: rng.shuffle(node.args.args))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list:
            found.append(lambda node=node: node.decorator_list.pop())
        if isinstance(node, ast.If):
            found.append(lambda node=node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test)))
    return found


def _swap(body: list[ast.stmt], rng: random.Random) -> None:
    at = rng.randrange(len(body) - 1)
    body[at], body[at + 1] = body[at + 1], body[at]


def _other(value: object, rng: random.Random) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, 0, 1, value * 2 if abs(value) < 500 else value // 2, float(value)])
    if isinstance(value, float):
        return rng.choice([value + 1.0, value / 2, -value, 0.0, int(value) if abs(value) < 1e6 else 1.0])
    if isinstance(value, str):
        return rng.choice([value + "x", value[1:], value.upper(), value.replace("a", "b"), ""])
    return value


def edit_data(text: str, rng: random.Random) -> str | None:
    """A text with one number, or one line, changed."""
    numbers = list(re.finditer(r"\d+", text))
    lines = text.splitlines(keepends=True)
    if numbers and rng.random() < 0.7:
        found = rng.choice(numbers)
        return f"{text[: found.start()]}{rng.randrange(10)}{text[found.end() :]}"
    if len(lines) > 2:
        at = rng.randrange(1, len(lines))
        del lines[at]
        return "".join(lines)
    return None
