"""The shape of a cell's text that a trace is replayed in: which statements run again, and what is bound and shown.

A trace names the statements that run again by their places. Where it is reused for an edited text of its cell (which
only a person's `accept` allows), they are found by what they say; and the edited text must bind, delete and display
what the old one did: an output added or removed is never a soft change.
"""

from __future__ import annotations

import ast
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.analysis.cell import cell_code
from incnb.model import IncnbError
from incnb.outputs.variables import RESULT


class Misfit(IncnbError):
    """A trace cannot be replayed in another text; the message says why."""


def shape_of(body: list[ast.stmt], rerun: list[int]) -> dict[str, Any]:
    """What a trace keeps of the text that it was recorded from."""
    return {"rerun": [_digest(body[index]) for index in rerun], "shows": bool(body) and _is_shown(body[-1])}


def fitted(outputs: dict[str, Any], body: list[ast.stmt], analysis: CellAnalysis) -> dict[str, Any]:
    """The outputs of a trace, to be replayed in the text `body`. Raises `Misfit`."""
    shape = outputs.get("shape")
    if not isinstance(shape, dict):
        raise Misfit("what is saved is from before edits could be accepted")
    if shape.get("shows") != (bool(body) and _is_shown(body[-1])):
        raise Misfit("the edited cell displays a last value, or no longer does")
    digests = [_digest(statement) for statement in body]
    places: list[int] = []
    for wanted in shape.get("rerun", []):
        after = places[-1] + 1 if places else 0
        if wanted not in digests[after:]:
            raise Misfit("an import or a definition in the cell was edited")
        places.append(digests.index(wanted, after))
    definitions = {d.index: d.binds for d in analysis.definitions}
    if any(place not in definitions for place in places):
        raise Misfit("an import or a definition in the cell was edited")
    restored = {name for name in outputs["order"] if name != RESULT}
    bound = restored.union(*(definitions[place] for place in places))
    deleted = set(outputs["deleted"])
    differing = sorted((bound - deleted) ^ (analysis.stores - deleted) | (deleted ^ analysis.deleted) - analysis.stores)
    if differing:
        raise Misfit(f"the edited cell does not bind the same names ({', '.join(differing[:4])})")
    return {**outputs, "rerun": places}


def _is_shown(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr)


def _digest(statement: ast.stmt) -> str:
    return cell_code(ast.Module([statement], []))
