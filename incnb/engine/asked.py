"""What a person asks of one cell: that it depends on what an expression comes to, and how it is called."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from incnb.analysis.mentions import identifiers
from incnb.dependencies import Resolved, config
from incnb.engine.options import Options
from incnb.model import Code, Reason, shorten
from incnb.outputs.pending import Pending


def ask(
    expressions: Iterable[str], namespace: dict[str, Any], pending: Pending, say: Callable[[str], None]
) -> dict[str, Resolved]:
    """What the expressions of `--config` come to now, by locator; one line for each that comes to nothing."""
    expressions = tuple(dict.fromkeys(expressions))
    if not expressions:
        return {}
    pending.before_cell(frozenset().union(*map(identifiers, expressions)))
    found = config.asked(expressions, namespace)
    for locator, resolved in found.items():
        if resolved.fp is None:
            say(f"incnb: {locator} {resolved.detail}; the cell runs and nothing is saved.")
    return found


def when(expression: str, namespace: dict[str, Any], pending: Pending) -> Reason | None:
    """Why `--when` wants the cell to execute: its expression is true, or cannot be evaluated."""
    if not expression:
        return None
    try:
        pending.before_cell(identifiers(expression))
        true = bool(eval(compile(expression, "--when", "eval"), namespace))
    except Exception as error:
        return Reason(Code.FORCED, "", f"--when {expression}", f"cannot be evaluated: {shorten(repr(error), 80)}")
    return Reason(Code.FORCED, "", f"--when {expression}", "it is true") if true else None


def title_of(tree: ast.Module, options: Options, raw: str) -> str:
    """`--name`, else the first comment line, else the first line of code; 40 characters."""
    if options.name:
        return options.name[:40]
    lines = [line.strip() for line in raw.splitlines()]
    lines = [line for line in lines if line and not line.startswith("%%")]
    comments = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    for candidate in (*[c for c in comments[:1] if c], *lines[:1]):
        return shorten(candidate, 40)
    return shorten(ast.unparse(tree.body[0]), 40) if tree.body else "(empty)"
