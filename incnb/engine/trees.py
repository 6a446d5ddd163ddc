"""Questions about the syntax tree of a cell, and one addition to it."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from incnb.analysis import mentions


def awaits(tree: ast.Module) -> bool:
    """Whether the cell gives way to other tasks (functions that it only defines do not)."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return False


def hides_result(raw: str) -> bool:
    """Whether the text of a cell ends in a semicolon, which keeps IPython from displaying the last value."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(raw).readline))
    except (tokenize.TokenError, SyntaxError):
        return bool(re.search(r";\s*(#[^\n]*)?\s*$", raw))
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
    last = next((token for token in reversed(tokens) if token.type not in blank), None)
    return last is not None and last.string == ";"


def nested_words(tree: ast.AST) -> set[str]:
    """What functions, classes and lambdas of a cell mention: it may be needed when no cell runs."""
    nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return {word for node in ast.walk(tree) if isinstance(node, nested) for word in mentions(node)}


def is_ours_alone(tree: ast.AST) -> bool:
    """Whether a cell holds nothing but `%incremental` lines, which need no variable of the user's."""
    body = tree.body if isinstance(tree, ast.Module) else []
    for statement in body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        magic = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr
        if magic != "run_line_magic" or not isinstance(call, ast.Call) or len(call.args) != 2:
            return False
        name, line = call.args
        if not (isinstance(name, ast.Constant) and name.value == "incremental" and isinstance(line, ast.Constant)):
            return False
        if "{" in str(line.value) or "$" in str(line.value):
            return False  # IPython puts the values of variables there
    return bool(body)


def names_bound(tree: ast.AST) -> set[str]:
    """The names that the top of a cell may bind, and more: those inside of functions as well."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found
