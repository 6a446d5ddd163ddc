"""What the analysis of a cell hands to others: names only, nothing is resolved."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from incnb.analysis.findings import Finding
from incnb.fingerprint.code import Read


@dataclass(frozen=True, slots=True)
class Imported:
    """One name that an import statement of the cell binds: the module, and the attribute taken from it, if any."""

    name: str
    module: str
    attribute: str | None


@dataclass(frozen=True, slots=True)
class Definition:
    """A top-level statement that may be run again in place; `uses` are the names it needs at that moment."""

    index: int
    binds: frozenset[str]
    uses: tuple[Read, ...]
    decorators: tuple[Read, ...]


@dataclass(slots=True)
class CellAnalysis:
    """What one cell reads, binds and might do; names only, nothing is resolved."""

    code: str = ""
    reads: list[Read] = field(default_factory=list)
    stores: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)  # by `del name`, without being read
    imports: list[Imported] = field(default_factory=list)
    module_reads: list[tuple[str, Read | None]] = field(default_factory=list)  # through names the cell itself imports
    definitions: list[Definition] = field(default_factory=list)
    attribute_stores: list[Read] = field(default_factory=list)  # what attributes are set on
    dropped_calls: list[Read] = field(default_factory=list)  # called at top level, the value dropped
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    bound_by_others: set[str] = field(default_factory=set)  # names that statements other than definitions bind
    called: set[Read] = field(default_factory=set)  # paths that are loaded for nothing but a call, made in place
    module_calls: set[tuple[str, Read]] = field(default_factory=set)  # the same of `module_reads`
    settled: dict[str, int] = field(default_factory=dict)  # bound for sure from this line on, in no string before
    unread: set[str] = field(default_factory=set)  # functions and classes of the cell that nothing in it uses
    escaping: set[Read] = field(default_factory=set)  # paths that are loaded for more than a call


def read_of(node: ast.AST) -> Read | None:
    """The path that a chain of attributes and constant subscripts on a name stands for."""
    path: list[tuple[str, object]] = []
    while True:
        if isinstance(node, ast.Attribute):
            path.append(("attr", node.attr))
            node = node.value
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and type(node.slice.value) in (str, int)
        ):
            path.append(("item", node.slice.value))
            node = node.value
        elif isinstance(node, ast.Name):
            return Read(node.id, tuple(reversed(path)), node.lineno)
        else:
            return None
