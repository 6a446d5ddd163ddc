"""Statements of which their words alone say what they do: those that do the same whenever they run, and those that only
look.

`k = 1`, imports, plain definitions and magics that bind nothing do the same whenever they run. `print(x)`, `len(df)`,
`df.head()` change nothing that they mention, as far as functions and methods are what their names promise.
"""

from __future__ import annotations

import ast
from typing import Final

from incnb.analysis.changes import may_change

HARMLESS: Final = frozenset(
    "incremental load_ext unload_ext reload_ext autoreload matplotlib config precision env cd pip conda pwd".split()  # noqa: SIM905
)
_NAMING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
_INSIDE = ast.Await | ast.Yield | ast.YieldFrom | ast.With | ast.AsyncWith | ast.Lambda
_PLAIN = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
_LOOKING: Final = frozenset(
    """
    print len sum min max sorted str repr type isinstance range list dict set tuple enumerate zip abs round any all
    display bool int float format
    """.split()  # noqa: SIM905
)
_METHODS: Final = frozenset(
    """
    head tail describe info keys values items get copy mean median std var count nunique unique value_counts isna sum
    min max round sample_size to_string format join split strip lower upper startswith endswith corr
    """.split()  # noqa: SIM905
)


def stored_names(statement: ast.stmt) -> set[str]:
    """The names that a statement may bind or delete."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, _NAMING) and node.name:
            found.add(node.name)
    return found


def is_certain(statement: ast.stmt) -> bool:
    """Whether a statement does the same whenever it runs."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        value = statement.value
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(isinstance(t, ast.Name) for t in targets) and (value is None or _is_constant(value))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant | ast.Name) or magic_of(statement) in HARMLESS
    if isinstance(statement, ast.ClassDef) and any(not _is_plain_part(part) for part in statement.body):
        return False
    return isinstance(statement, _PLAIN) and not getattr(statement, "decorator_list", ()) and not _defaults(statement)


def only_looks(statement: ast.stmt) -> bool:
    """Whether a statement changes nothing that it mentions."""
    if may_change(statement) or magic_of(statement) is not None:
        return False
    for node in ast.walk(statement):
        if isinstance(node, _INSIDE | _NAMING):
            return False
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in _LOOKING:
                continue
            if not (isinstance(function, ast.Attribute) and function.attr in _METHODS):
                return False
    return isinstance(statement, ast.Expr)


def magic_of(statement: ast.stmt) -> str | None:
    """The line magic that a statement is (`!` and more for the system and others), None for anything else."""
    call = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return None
    inner = call.func.value
    if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "get_ipython"):
        return None
    first = call.args[0] if call.args else None
    name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    if call.func.attr in ("system", "getoutput"):
        return f"!{call.func.attr}"
    return name if call.func.attr == "run_line_magic" else f"%%{name}"


def _is_constant(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _is_plain_part(statement: ast.stmt) -> bool:
    return is_certain(statement) or isinstance(statement, ast.Pass)


def _defaults(statement: ast.stmt) -> bool:
    """Whether a definition evaluates more than constants; a class, bases of its own."""
    if isinstance(statement, ast.ClassDef):
        return bool(statement.bases or statement.keywords)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        given = [*statement.args.defaults, *(d for d in statement.args.kw_defaults if d is not None)]
        return not all(map(_is_constant, given))
    return False
