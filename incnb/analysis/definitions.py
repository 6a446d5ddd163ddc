"""Statements that a reused cell runs again, in place, instead of restoring what they bound.

Imports, plain functions and plain classes: running them is cheap, has no effect but the binding, and gives a function
that lives in the live namespace. Plain means: nothing is computed at definition time but constants, and names that were
bound before the cell (or by an earlier statement of this sort). Decorators are reported, for whoever can see what they
are. Magics that set up the kernel (`%matplotlib`, `%config`, `%env NAME=value`) are run again too.
"""

from __future__ import annotations

import ast
import re

from incnb.fingerprint.code import Read

RERUN_MAGICS = frozenset({"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "aimport", "precision"})
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.I)
_FIELD_CALLS = frozenset({"field", "auto", "Field"})


def is_rerun(statement: ast.stmt) -> frozenset[str] | None:
    """The names that a top-level statement binds if it can be run again in place; None if it cannot."""
    if isinstance(statement, ast.Import):
        return frozenset(a.asname or a.name.partition(".")[0] for a in statement.names)
    if isinstance(statement, ast.ImportFrom):
        if any(a.name == "*" for a in statement.names):
            return None
        return frozenset(a.asname or a.name for a in statement.names)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset({statement.name}) if all(map(_is_simple, _computed(statement))) else None
    if isinstance(statement, ast.ClassDef):
        return frozenset({statement.name}) if _is_plain_class(statement) else None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and line_magic(statement) is not None:
        return frozenset() if is_rerun_magic(statement.value) else None
    return None


def is_rerun_magic(call: ast.Call) -> bool:
    """Whether a call of `run_line_magic` only sets something up: `%matplotlib inline`, `%env NAME=value`, `%cd DIR`.

    `%env` and `%cd` count with a plain argument; `%env NAME` tells what the environment holds, and the value of what is
    called like a secret would be printed into what is recorded.
    """
    words = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in call.args]
    if len(words) != 2 or words[0] is None:
        return bool(words) and words[0] in RERUN_MAGICS
    if words[0] in ("env", "set_env") and words[1]:
        name, _, value = words[1].replace("=", " ", 1).strip().partition(" ")
        return bool(value.strip()) and not _SECRET.search(name) and not set(words[1]) & set("${}")
    if words[0] == "cd" and words[1]:
        return not words[1].startswith("-") and not set(words[1]) & set("${}")
    return words[0] in RERUN_MAGICS


def line_magic(statement: ast.stmt) -> str | None:
    """The name of the line magic that a statement runs, value dropped."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return None
    call = statement.value
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "run_line_magic" and is_shell(call.func.value)):
        return None
    name = call.args[0] if call.args else None
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def is_shell(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"


def names_at_definition(statement: ast.stmt) -> tuple[tuple[Read, ...], tuple[Read, ...]]:
    """The names that a definition needs when it runs, and its decorators."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (), ()
    from incnb.analysis.records import read_of

    uses: list[Read] = []
    decorators: list[Read] = []
    for decorator in _decorators(statement):
        read = read_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        decorators.append(read or Read("?"))
    parts: list[ast.AST] = list(_computed(statement)) if not isinstance(statement, ast.ClassDef) else []
    if isinstance(statement, ast.ClassDef):
        parts += [*statement.bases, *(k.value for k in statement.keywords)]
        parts += [n for s in statement.body for n in _body_parts(s)]
    for part in parts:
        uses += [Read(n.id, (), n.lineno) for n in ast.walk(part) if isinstance(n, ast.Name)]
    return tuple(uses), tuple(decorators)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    found = list(node.decorator_list)
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                found += inner.decorator_list
    return found


def _computed(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = node.args
    parts = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    parts += [a.annotation for a in every if a is not None and a.annotation is not None]
    if node.returns is not None:
        parts.append(node.returns)
    parts += [
        a for d in node.decorator_list if isinstance(d, ast.Call) for a in [*d.args, *(k.value for k in d.keywords)]
    ]
    return parts


def _is_plain_class(node: ast.ClassDef) -> bool:
    computed = [*node.bases, *(k.value for k in node.keywords)]
    for d in node.decorator_list:
        if isinstance(d, ast.Call):
            computed += [*d.args, *(k.value for k in d.keywords)]
    return all(map(_is_simple, computed)) and all(
        isinstance(s, ast.Pass)
        or (
            (isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign | ast.Expr))
            and all(map(_is_simple, _body_parts(s)))
        )
        for s in node.body
    )


def _body_parts(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return _computed(statement)
    if isinstance(statement, ast.Assign):
        return [statement.value]
    if isinstance(statement, ast.AnnAssign):
        return [statement.annotation, *([statement.value] if statement.value is not None else [])]
    if isinstance(statement, ast.Expr):
        return [statement.value]
    return []


def _is_simple(node: ast.expr) -> bool:
    """Constants, names, containers, attributes, subscripts and unions of them; no calls but of field makers."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return _is_simple(node.value)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return all(map(_is_simple, node.elts))
    if isinstance(node, ast.Dict):
        return all(k is not None and _is_simple(k) for k in node.keys) and all(map(_is_simple, node.values))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.BinOp):
        return _is_simple(node.left) and _is_simple(node.right)
    if isinstance(node, ast.Subscript):
        return _is_simple(node.value) and _is_simple(node.slice)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        arguments = [*node.args, *(k.value for k in node.keywords)]
        return name in _FIELD_CALLS and all(isinstance(a, ast.Lambda) or _is_simple(a) for a in arguments)
    return False
