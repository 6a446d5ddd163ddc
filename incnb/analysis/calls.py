"""Which names a cell loads for nothing but a call that it makes itself, here and now.

A function that is only called cannot run without being seen to start. One that is handed on in any way can run where
nobody looks, in another process; so can code that is handed on, and with it whatever that code calls. Hence a call
inside a lambda, a class or a nested function is no call in place. A function that the cell defines at its top and does
nothing with but call it is part of the cell.
"""

from __future__ import annotations

import ast

from incnb.analysis.records import read_of
from incnb.fingerprint.code import Read

_Definition = ast.FunctionDef | ast.AsyncFunctionDef
_HANDED_ON = (ast.Lambda, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def called_in_place(tree: ast.Module) -> set[Read]:
    """The paths (`f`, `utils.clean`) whose every occurrence in the cell is the callee of a call in place."""
    handed_on: set[str] = set()  # functions of the cell's own that are more than called
    while True:
        walk = _Walk(handed_on)
        walk.visit(tree)
        more = {read.name for read in walk.values} & walk.defined - handed_on
        if not more:
            return walk.called - walk.values
        handed_on |= more


class _Walk(ast.NodeVisitor):
    def __init__(self, handed_on: set[str]):
        self.handed_on = handed_on
        self.called: set[Read] = set()
        self.values: set[Read] = set()
        self.defined: set[str] = set()
        self._depth = 0  # of functions of the cell's own
        self._away = False

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, _HANDED_ON):
            self._enter(node)
            return
        if isinstance(node, ast.Call):
            path = read_of(node.func)
            if path is not None:
                (self.values if self._away else self.called).add(path.place)
                if isinstance(node.func, ast.Attribute | ast.Subscript):
                    self.visit(node.func.value)
                for part in [*node.args, *node.keywords]:
                    self.visit(part)
                return
        else:
            path = read_of(node)
            if path is not None:
                self.values.add(path.place)
        self.generic_visit(node)

    def _enter(self, node: ast.AST) -> None:
        before = self._away, self._depth
        if isinstance(node, _Definition) and not self._depth and not self._away:
            self.defined.add(node.name)
            self._away = bool(node.decorator_list) or node.name in self.handed_on
        else:
            self._away = True
        self._depth += 1
        self.generic_visit(node)
        self._away, self._depth = before
