"""What a person asks of one cell: that it depends on what an expression comes to, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from incnb.analysis.mentions import identifiers
from incnb.dependencies import Resolved, config
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
