"""The cells of a notebook file as a kernel would meet them: transformed, parsed, with their options and fingerprints.

What the session does in a kernel is done here with the text alone: IPython's own transformations (imported here and
nowhere else in a plan), the line `%%incremental`, the body below `%%time` and `%%capture`, `%incremental on` with its
options, the compiler flags that `from __future__` leaves behind. The fingerprint of a cell must be the very same.
"""

from __future__ import annotations
import __future__

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from incnb.analysis.cell import cell_code
from incnb.batch.notebook_file import FileCell
from incnb.engine.foreseen import Foreseen
from incnb.engine.meaning import inlined
from incnb.engine.naming import title_of
from incnb.engine.options import OptionError, Options, parse
from incnb.engine.trees import hides_result

SKIPPED = "skip-execution"  # the tag of cells that nbclient leaves out
_MARK = re.compile(r"\A(\s*)%%incremental(?![\w?])([^\n]*)\n?")
_OURS = re.compile(r"^\s*%(incremental\b|(re|un)?load_ext\s+incnb)", re.M)
_LOADS = re.compile(r"\s*(reload|load)_ext")
_SWITCH = re.compile(r"^\s*%incremental\s+(on|off)\b(.*)$", re.M)
_TRANSPARENT = ("time", "capture")
_LEAVES = re.compile(r"--(?:out|err|proc)[ =]([^\W\d]\w*)")


def read_cells(cells: Iterable[FileCell], options: str = "") -> list[Foreseen]:
    """The cells of code that nbclient would execute, in order. `options`: of the run, as of `%incremental on`."""
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.inputtransformer2 import TransformerManager

    make: Any = TransformerManager
    compiler: Any = CachingCompiler
    manager, flags = make(), int(compiler().flags)
    auto = parse(options, Options())
    found: list[Foreseen] = []
    tracked = 0
    for cell in cells:
        if cell.type != "code" or not cell.text.strip() or SKIPPED in cell.tags:
            continue
        seen = _read(cell, manager, flags, auto)
        for switch in _SWITCH.finditer(cell.text):
            try:
                auto = parse(options, parse(switch[2] if switch[1] == "on" else "", Options()))
            except OptionError:
                continue  # it says so when it runs, and nothing changes
        if seen.options is not None:
            seen.index = tracked
            tracked += 1
        flags |= _future(seen.tree)
        found.append(seen)
    return found


def tree_of(text: str) -> ast.Module | None:
    """The tree of a cell that ran once; None where its text cannot be compiled."""
    seen = read_cells([FileCell(0, None, "code", text, frozenset())])
    return seen[0].tree if seen and not seen[0].problem else None


def _read(cell: FileCell, manager: Any, flags: int, auto: Options) -> Foreseen:
    raw = cell.text
    options: Options | None = auto
    body = raw
    problem = ""
    leaves: list[str] = []
    marked = _MARK.match(raw)
    if marked is not None:
        body = raw[marked.end() :]
        try:
            options = parse(marked[2].strip(), auto)
        except OptionError as error:
            options, problem = None, str(error)
    elif _OURS.search(raw) or _LOADS.match(raw):
        options = None
    cell_id, told = cell.id, raw
    try:
        tree = _parsed(body, manager)
        for _ in range(3):
            inner = _transparent(tree)
            if inner is None:
                break
            name, line, text = inner
            if name == "capture":  # it runs its body as a cell of its own, which has no id
                cell_id, told = None, text
                leaves += [word for word in line.split() if word.isidentifier()]
            tree = _parsed(text, manager)
    except (SyntaxError, ValueError, RecursionError) as error:
        seen = Foreseen(cell.id, raw, ast.Module([], []), None, flags)
        seen.problem = f"its text cannot be compiled: {getattr(error, 'msg', None) or error}"
        seen.title = title_of(seen.tree, Options(), raw)
        return seen
    if not tree.body:
        options = None
    seen = Foreseen(cell_id, told, tree, options, flags)
    seen.problem = problem
    seen.leaves = (*leaves, *(name for line in _lines(tree) for name in _LEAVES.findall(line)))
    seen.title = title_of(tree, options or Options(), told)
    seen.code = cell_code(tree, (flags, "last_expr", hides_result(told)))
    seen.tree = inlined(_Shell(manager), tree)
    return seen


def _parsed(text: str, manager: Any) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape that Python does not know is for the run to tell
        return ast.parse(str(manager.transform_cell(text)))


class _Shell:
    """As much of a shell as the meaning of magics asks for; all magics are taken for IPython's own."""

    def __init__(self, manager: Any):
        self.transform_cell = manager.transform_cell

    def find_line_magic(self, name: str) -> Any:
        return _magic

    find_cell_magic = find_line_magic


def _magic() -> None: ...


_magic.__module__ = "IPython.core.magics"


def _lines(tree: ast.Module) -> Iterator[str]:
    """What magics are given on their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("run_cell_magic", "run_line_magic"):
            yield from (a.value for a in node.args[1:2] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _transparent(tree: ast.Module) -> tuple[str, str, str] | None:
    """The name, the line and the body of a magic that runs its body as it is."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    call = tree.body[0].value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run_cell_magic"):
        return None
    words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return (words[0], words[1], words[2]) if len(words) == 3 and words[0] in _TRANSPARENT else None


def _future(tree: ast.Module) -> int:
    """The flags that a cell leaves to all cells after it."""
    found = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                found |= int(getattr(getattr(__future__, alias.name, None), "compiler_flag", 0))
    return found
