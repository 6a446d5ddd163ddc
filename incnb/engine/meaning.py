"""What a cell means to analysis: its magics understood with the help of the shell, its scripts read.

A script that `%run` runs is judged as a cell of its own, in a namespace where nothing is bound but builtins. What it
imports, configures and might do is what the cell does; what it binds, the cell binds. It is read when the decision is
taken, and compared with its file when it has run.
"""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from incnb.analysis import CellAnalysis, analyse
from incnb.analysis.cell import cell_code
from incnb.analysis.findings import Finding
from incnb.analysis.magics import MODULE_NAMES, Meaning, Script, Shell, meaning, whole
from incnb.analysis.records import Imported
from incnb.dependencies import Closure, file
from incnb.dependencies.module import find, is_project
from incnb.fingerprint.code import Read
from incnb.model import Kind

_SCRIPT_LIMIT = 2 * 1024 * 1024
_OF_MODULES = frozenset({*MODULE_NAMES, "__name__", "__file__", "__builtins__", "__nonzero__", "__annotations__"})


def analysed(shell: Any, tree: ast.Module, extra: tuple[object, ...]) -> CellAnalysis:
    """The analysis of a cell with its magics understood; its code is that of the cell as it stands."""
    meant = _meaning(shell, tree)
    result = analyse(meant.tree, extra)
    result.code = cell_code(tree, extra)
    result.findings += [f for f in meant.findings if f not in result.findings]
    result.scripts = {script.path: script for script in meant.scripts}
    result.written = meant.written
    if "get_ipython" not in result.stores:  # whatever is done with it is a finding, or done again in place
        result.reads = [read for read in result.reads if read.name != "get_ipython"]
    for script, inside in meant.fresh:
        _take(result, analyse(whole(inside), extra), script)
    return result


def inlined(shell: Any, tree: ast.Module) -> ast.Module:
    """The cell with the statements of what it runs in their places: for whoever looks at words and not at names."""
    try:
        meant = _meaning(shell, tree)
    except Exception:  # a fault is told when a tracked cell meets it
        return tree
    scripts = [statement for _, script in meant.fresh for statement in script.body]
    return ast.Module([*meant.tree.body, *scripts], tree.type_ignores)


def declare(closure: Closure, analysis: CellAnalysis) -> None:
    """Add what magics ask of the file system before they do anything."""
    for script in analysis.scripts.values():
        closure.add(Kind.FILE, file.LOOKS["is file"] + script.given)
        closure.add(Kind.FILE, file.LOOKS["real path"] + script.given)
    for path in analysis.written:
        closure.add(Kind.FILE, file.LOOKS["existence"] + path)  # it says whether it overwrites


class Scripts:
    """Whether the scripts of one run did what was read of them: `problem` is asked when the run has ended."""

    def __init__(self, analysis: CellAnalysis):
        self._scripts = analysis.scripts
        self._last = _last_failure() if self._scripts else None

    def problem(self) -> str:
        """Why the run cannot be kept, or nothing."""
        for script in self._scripts.values():
            if _last_failure() is not self._last:
                return f"{script.given} failed, which %run shows and passes over"
            if _content(script.path) != script.content:
                return f"{script.given} changed while it ran"
        self._last = None
        return ""


def _last_failure() -> Any:
    return getattr(sys, "last_value", None)


def _meaning(shell: Any, tree: ast.Module) -> Meaning:
    def knows(kind: str, name: str) -> bool:
        magic = shell.find_line_magic(name) if kind == "line" else shell.find_cell_magic(name)
        module = str(getattr(magic, "__module__", None))
        return module.partition(".")[0] in ("IPython", "ipykernel")

    return meaning(tree, Shell(shell.transform_cell, _script, knows), _outline)


def _outline(tree: ast.Module) -> tuple[set[str], set[str]]:
    found = analyse(whole(tree))
    return found.sure, found.stores


def _script(name: str) -> Script | None:
    given = os.path.expanduser(name)
    if not os.path.isfile(given):
        given += ".py"
    if not given.endswith(".py"):
        return None
    path = os.path.realpath(given)
    content = _content(path)
    if content is None:
        return None
    return Script(given, path, content, _beside(path, content))


def _content(path: str) -> bytes | None:
    try:
        if os.path.getsize(path) > _SCRIPT_LIMIT:
            return None
        return Path(path).read_bytes()
    except OSError:
        return None


def _beside(path: str, content: bytes) -> str:
    """Why the imports of a script cannot be followed: its own folder comes first in `sys.path` while it runs."""
    folder = os.path.dirname(path)
    first = os.path.realpath(sys.path[0]) if sys.path else ""
    if folder == first:
        return ""
    before = list(sys.path)
    try:
        tops = _imports(content)
        plain = {top: find(top) for top in tops}
        sys.path.insert(0, folder)
        moved = sorted(top for top in tops if find(top) != plain[top])
    finally:
        sys.path[:] = before
    return f"imports {moved[0]}, which lies beside it and not on sys.path" if moved else ""


def _imports(content: bytes) -> set[str]:
    """The names at the top of all modules that a script imports, and that project modules import in turn."""
    from incnb.dependencies.module import from_file, imported_by

    try:
        todo = list(imported_by(ast.parse(content)))
    except (SyntaxError, ValueError):
        return set()
    seen: set[str] = set()
    while todo:
        name = todo.pop().lstrip(".")
        if not name or name in seen:
            continue
        seen.add(name)
        path = find(name) if is_project(name) else None
        found = from_file(path) if path else None
        todo += found[1] if found else ()
    return {name.partition(".")[0] for name in seen}


def _take(result: CellAnalysis, script: CellAnalysis, of: Script) -> None:
    """Take over what a script does, but for the names that it reads: these are its own, or builtins."""
    name = of.given
    for finding in script.findings:
        line = f", line {finding.line}" if finding.line else ""
        what = f"{finding.what} in {name}{line}"
        result.findings.append(Finding(finding.kind, what, 0, finding.permit, finding.notices))
    apart = f"{name}:{{}}".format  # a name of the script's is none of the notebook's
    imported = {i.name for i in script.imports}
    result.imports += [Imported(apart(i.name) if i.name else "", i.module, i.attribute) for i in script.imports]
    result.module_reads += script.module_reads
    own = script.stores | _OF_MODULES
    for read in script.reads:
        if read.name not in own:
            result.module_reads.append(("builtins", Read(read.name, read.path, read.line)))
    for call in script.calls:
        if call.path.name in imported:  # in the script they cannot run again by themselves
            path = Read(apart(call.path.name), call.path.path, call.path.line)
            result.calls.append(replace(call, index=-1, path=path, plain=False, last=False))
    for base in script.attribute_stores:
        if base.name in imported or base.name not in own:
            result.findings.append(Finding("untracked", f"{name} sets an attribute of {base.name}", 0))
        else:
            result.attribute_stores.append(base)
    result.attributes |= script.attributes
    result.strings |= script.strings
