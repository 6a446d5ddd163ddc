"""One cell: what it reads from outside, what it binds, and what of it can be run again in place.

The cell's AST is walked in the order in which it runs. A name counts as read from outside unless the cell has bound it
before *for sure*: bindings inside a branch, a loop or a `try` count inside that block only. Functions and classes that
the cell itself defines read what their bodies read at the moment their name is first used.

Reads are paths (`cfg["lr"]`, `utils.clean`, `df["price"]`) as far as constant steps go; whether an object allows to be
followed that far is decided by whoever has the object.
"""

from __future__ import annotations

import ast
import hashlib

from incnb.analysis.calls import called_in_place
from incnb.analysis.definitions import is_rerun, line_magic, names_at_definition
from incnb.analysis.findings import NAME_READERS, SAMPLING, find
from incnb.analysis.flow import Flow
from incnb.analysis.mentions import identifiers, mentions
from incnb.analysis.records import CellAnalysis, Definition, read_of, top_call
from incnb.fingerprint.code import Read


def cell_code(tree: ast.Module, extra: tuple[object, ...] = ()) -> str:
    """The fingerprint of a cell's own code, 32 hexadecimal digits: its syntax tree, without positions or comments."""
    text = ast.dump(tree, annotate_fields=False, include_attributes=False) + repr(extra)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def analyse(tree: ast.Module, extra: tuple[object, ...] = ()) -> CellAnalysis:
    """Analyse the AST of a cell (after IPython's own transformations, the marker removed)."""
    result = CellAnalysis(code=cell_code(tree, extra))
    result.called = called_in_place(tree)
    result.seedless = any(map(_draws, ast.walk(tree)))
    flow = Flow(result)
    flow.by_strings = not NAME_READERS.isdisjoint(mentions(tree))
    said: set[str] = set()
    for index, statement in enumerate(tree.body):
        last = index == len(tree.body) - 1
        call = top_call(index, statement, last=last)
        if call is not None:
            result.calls.append(call)
        rerun = is_rerun(statement)
        if rerun is not None:
            uses, decorators = names_at_definition(statement)
            result.definitions.append(Definition(index, rerun, uses, decorators))
        before = set(result.stores)
        result.stores.clear()
        bound = set(flow.bound)
        if rerun is None or line_magic(statement) is None:
            flow.visit(statement)
        said.update(*(identifiers(text) for text in _strings(statement)))
        for name in flow.bound - bound - said:
            result.settled[name] = statement.end_lineno or 0
        if rerun is None:
            result.bound_by_others |= result.stores
        elif result.stores - rerun:
            result.bound_by_others |= result.stores - rerun
        result.stores |= before
    result.unread = set(flow.deferred)
    result.sure = flow.bound & result.stores
    result.module_calls -= flow.module_values
    result.reads = list(dict.fromkeys(result.reads))
    result.module_reads = list(dict.fromkeys(result.module_reads))
    result.findings += find(tree)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        read = read_of(node) if id(node) not in called else None
        if read is not None:
            result.escaping.add(Read(read.name, read.path))
    return result


def _strings(tree: ast.AST) -> list[str]:
    nodes = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [value for value in nodes if isinstance(value, str)]


def _draws(node: ast.AST) -> bool:
    """Whether a node is a call that samples or shuffles, and is given no seed."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAMPLING):
        return False
    return not any(keyword.arg == "seed" for keyword in node.keywords)
