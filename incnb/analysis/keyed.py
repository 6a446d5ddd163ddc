"""Reads at the item's own key: an item that reads `cfg[name]` relies on that entry and not on the whole of `cfg`.

This holds only if the body does nothing else with `cfg`, and reads it while the item runs: a lambda or a generator may
read it when `name` is another.
"""

from __future__ import annotations

import ast

from incnb.analysis.items import binds, named
from incnb.analysis.records import read_of
from incnb.fingerprint.code import Read

Keyed = tuple[ast.Subscript, Read, str]
_LATER = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.GeneratorExp


def keyed_reads(parts: list[ast.AST], targets: frozenset[str], taken: frozenset[str]) -> tuple[Keyed, ...]:
    """The subscripts `base[x]` in `parts` whose `x` is one of `targets`, where no use of `base` is of another sort.

    `taken` are names that the body binds or changes, which are no bases. Each comes with the path of `base` and `x`.
    """
    every = [n for part in parts for n in ast.walk(part)]
    inner = {name for n in every for name in (named(n) if isinstance(n, ast.arg) else binds(n))}
    uses = _Uses(targets - inner)
    for part in parts:
        uses.visit(part)
    return tuple(
        (node, base, key)
        for node, base, key in uses.keyed
        if base.name not in taken | inner | targets
        and not any(_overlap(base, other) for other in uses.plain)
        and not any(_overlap(base, other) and base.place != other.place for _, other, _ in uses.keyed)
    )


def _overlap(one: Read, other: Read) -> bool:
    return one.name == other.name and all(a == b for a, b in zip(one.path, other.path, strict=False))


class _Uses(ast.NodeVisitor):
    """Every use of every name, followed along constant steps."""

    def __init__(self, keys: frozenset[str]):
        self.keyed: list[Keyed] = []
        self.plain: list[Read] = []
        self._keys = keys
        self._later = False

    def visit(self, node: ast.AST) -> None:
        read = read_of(node)
        if read is not None:
            self.plain.append(read)
            return
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name) and node.slice.id in self._keys:
            base = read_of(node.value)
            if base is not None and isinstance(node.ctx, ast.Load) and not self._later:
                self.keyed.append((node, base, node.slice.id))
                return
        before, self._later = self._later, self._later or isinstance(node, _LATER)
        self.generic_visit(node)
        self._later = before
