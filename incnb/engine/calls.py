"""Calls at the top level of a cell that are there for what they change in a library.

`sns.set_theme()`, `pd.set_option("display.max_rows", 10)`, `logging.getLogger("a").setLevel(20)`: nothing shows all
that they change. With constant arguments they run again on reuse, in their places, as imports do; those whose whole
effect is state that is compared need not. Any other makes its cell execute.
"""

from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass, field
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.analysis.records import Definition, TopCall
from incnb.dependencies import bindings, libraries, seeders
from incnb.dependencies.module import is_project
from incnb.fingerprint import ABSENT, origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import ATOMS, follow

_SETS = re.compile(r"^(set|add|remove|enable|disable|register|config|install|update$|append$|insert$|clear$)")


@dataclass(slots=True)
class Judged:
    """What becomes of the calls of a cell. By index: what the call is called."""

    again: dict[int, str] = field(default_factory=dict)  # to run again on reuse, if all goes well
    refused: list[tuple[str, str]] = field(default_factory=list)  # what, why: the cell is not saved
    #: the last statement, if it counts only when it gives nothing: what is wrong with it then, or None
    last: tuple[int, str, str | None, bool] | None = None


def judge(analysis: CellAnalysis, namespace: dict[str, Any]) -> Judged:
    """Judge the calls of a cell that is about to run."""
    out = Judged()
    for call in analysis.calls:
        found = _configures(call, analysis, namespace)
        if found is None:
            continue
        text, top, named = found
        why = None if _may_run_again(call, analysis, namespace) else f"{text}() may configure {top}"
        if call.last:
            out.last = (call.index, text, why, named)
        if why is None:
            out.again[call.index] = text
        elif not call.last:
            out.refused.append((text, why))
    bound = {d.index for d in analysis.definitions}
    for call in analysis.calls:
        if call.index in out.again and call.index not in bound:
            uses = (Read(call.path.name), *(Read(use.name) for use in call.uses))
            analysis.definitions.append(Definition(call.index, frozenset(), uses, ()))
    analysis.definitions.sort(key=lambda definition: definition.index)
    return out


def _configures(call: TopCall, analysis: CellAnalysis, namespace: dict[str, Any]) -> tuple[str, str, bool] | None:
    """What a call is called, of which library, and whether its name says that it configures it; None if it does not."""
    path = call.path
    value, _, through_module = seeders.reach(namespace, path)
    text = full = bindings.locator(None, path)
    for imported in [i for i in analysis.imports if i.name == path.name and value is ABSENT]:
        base = imported.module if imported.attribute is None else f"{imported.module}.{imported.attribute}"
        full = ".".join([base, *(str(step[1]) for step in path.path)])
        if seeders.is_followed_name(full):
            return None
        value = getattr(sys.modules.get(imported.module), path.path[-1][1], None) if path.path else None
    module = getattr(value, "__module__", None) or ""
    root = namespace.get(path.name)
    named = [i.module for i in analysis.imports if i.name == path.name]
    if isinstance(root, types.ModuleType):
        module = root.__name__ if through_module else module
    elif named:
        module = named[0]
    elif not isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return None  # a method of an object: what it changes is looked for in the object
    top = str(module).partition(".")[0]
    if not top or top == "__main__" or _is_ours(str(module)):
        return None
    if seeders.is_followed(value):
        return None
    if call.then:
        return (f"{text}().{call.then}", top, True) if _SETS.match(call.then) else None
    full = full if "." in full else f"{module}.{full}"
    if not libraries.may_configure(full, value, top):
        return None
    return text, top, libraries.configures_by_name(full)


def _is_ours(module: str) -> bool:
    if module in sys.modules:
        return origin.is_ours(origin.module_origin(module))
    return is_project(module)  # imported by this very cell


def _may_run_again(call: TopCall, analysis: CellAnalysis, namespace: dict[str, Any]) -> bool:
    """Whether everything in a call is constant, or is the same whenever the cell is reused."""
    if not call.plain:
        return False
    imported = {i.name for i in analysis.imports}
    if call.path.name in analysis.stores and call.path.name not in imported:
        return False
    for use in call.uses:
        if use.name in imported:
            continue  # a constant of a library: `logging.INFO`
        value, taken, through_module = follow(namespace, use)
        if use.name in analysis.stores or value is ABSENT or taken < len(use.path):
            return False
        if not (type(value) in ATOMS or isinstance(value, types.ModuleType)) and not through_module:
            return False
    return True
