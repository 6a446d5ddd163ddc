"""What the analysis of a cell hands to others: names only, nothing is resolved."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from incnb.analysis.findings import Finding
from incnb.analysis.magics import Script
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


@dataclass(frozen=True, slots=True)
class TopCall:
    """A statement at top level that is a call: `np.random.seed(0)`, `logging.getLogger('a').setLevel(10)`.

    `path` is what is called first, `then` the method that is called on its answer, if any. `uses` are the paths among
    the arguments; `plain` says that there is nothing in them but constants and such paths. `constants` are the numbers
    and strings. The value of the call is dropped unless it is the `last` statement.
    """

    index: int
    path: Read
    then: str = ""
    uses: tuple[Read, ...] = ()
    plain: bool = False
    constants: tuple[object, ...] = ()
    last: bool = False


@dataclass(slots=True)
class CellAnalysis:
    """What one cell reads, binds and might do; names only, nothing is resolved."""

    code: str = ""
    reads: list[Read] = field(default_factory=list)
    stores: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)  # by `del name`, without being read
    leaving: set[str] = field(default_factory=set)  # by any `del name`, or at the end of `except ... as name`
    imports: list[Imported] = field(default_factory=list)
    module_reads: list[tuple[str, Read | None]] = field(default_factory=list)  # through names the cell itself imports
    definitions: list[Definition] = field(default_factory=list)
    attribute_stores: list[Read] = field(default_factory=list)  # what attributes are set on
    calls: list[TopCall] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    seedless: bool = False  # something is sampled or shuffled, and no seed is given
    findings: list[Finding] = field(default_factory=list)
    bound_by_others: set[str] = field(default_factory=set)  # names that statements other than definitions bind
    called: set[Read] = field(default_factory=set)  # paths that are loaded for nothing but a call, made in place
    module_calls: set[tuple[str, Read]] = field(default_factory=set)  # the same of `module_reads`
    settled: dict[str, int] = field(default_factory=dict)  # bound for sure from this line on, in no string before
    unread: set[str] = field(default_factory=set)  # functions and classes of the cell that nothing in it uses
    escaping: set[Read] = field(default_factory=set)  # paths that are loaded for more than a call
    scripts: dict[str, Script] = field(default_factory=dict)  # that `%run` runs, by where they are
    written: list[str] = field(default_factory=list)  # by `%%writefile`


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


def top_call(index: int, statement: ast.stmt, *, last: bool) -> TopCall | None:
    """What a statement calls, if it is a call of a name or of a path, or of a method of what such a call gives."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return None
    call, then = statement.value, ""
    arguments = [*call.args, *(k.value for k in call.keywords)]
    starred = any(k.arg is None for k in call.keywords)
    path = read_of(call.func)
    if path is None and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        inner, then = call.func.value, call.func.attr
        path = read_of(inner.func)
        arguments = [*inner.args, *(k.value for k in inner.keywords), *arguments]
        starred = starred or any(k.arg is None for k in inner.keywords)
    if path is None or path.name == "get_ipython":
        return None
    uses: list[Read] = []
    constants: list[object] = []
    plain = _are_plain(arguments, uses, constants) and not starred
    for argument in arguments:
        with contextlib.suppress(ValueError):
            constants.append(ast.literal_eval(argument))
    return TopCall(index, path, then, tuple(uses), plain, tuple(constants), last)


def _are_plain(nodes: Sequence[ast.expr | None], uses: list[Read], constants: list[object]) -> bool:
    return all(_is_plain(node, uses, constants) for node in nodes)


def _is_plain(node: ast.expr | None, uses: list[Read], constants: list[object]) -> bool:
    if isinstance(node, ast.Constant):
        constants.append(node.value)  # also of the numbers in `{"seed": 1}`
        return True
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return _are_plain(node.elts, uses, constants)
    if isinstance(node, ast.Dict):
        return _are_plain([*node.keys, *node.values], uses, constants)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant) and _is_plain(node.operand, uses, constants)
    read = read_of(node) if node is not None else None
    if read is not None:
        uses.append(read)
    return read is not None
