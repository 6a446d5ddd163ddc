"""What libraries really look up in frames of ours while a cell runs, held against what was followed before it.

A name that such a library is given, and that is bound where it looks, must have been read whole before the run or bound
by the cell itself since; one that is not bound there is a dependency on its absence, for as soon as it is bound the
library would find it. A local variable is found by its name, so the code of its function must count the names of its
locals. Attributes and builtins that the string mentions are judged as if the cell mentioned them.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import sys
import types
from collections.abc import Mapping
from typing import Any, final

from incnb.analysis import CellAnalysis
from incnb.analysis.findings import Finding, attribute_findings, name_findings
from incnb.analysis.mentions import chains
from incnb.dependencies import Closure, bindings, libraries
from incnb.dependencies.named import is_followed, is_hidden
from incnb.engine.judgement import Judgement
from incnb.fingerprint import origin
from incnb.fingerprint.code import Read, holds_locals
from incnb.model import Dependency, Kind
from incnb.outputs.strings import Asked, is_top

_JUDGED = ("unsafe", "effect", "untracked")


@final
class Named:
    """The look-ups of one run. `before` are the ids of what the notebook's names were bound to before it."""

    def __init__(self, closure: Closure, analysis: CellAnalysis, namespace: dict[str, Any]):
        self.before: Mapping[str, int] = {}
        self._closure = closure
        self._analysis = analysis
        self._namespace = namespace
        self._unsafe: dict[str, str] = {}
        self._findings: dict[Finding, None] = {}
        self._relied: dict[tuple[str | None, str], str] = {}  # what must be followed, and the library that looks it up
        self._absent: dict[tuple[str | None, str], None] = {}

    def asked(self, asked: Asked) -> None:
        """A library looks up names in a frame of ours."""
        frame, library = asked.frame, asked.library
        cell = _cell(frame, self._namespace)
        module = None if frame.f_globals is self._namespace else str(frame.f_globals.get("__name__"))
        loaded = sys.modules.get(module or "")
        if module is not None and (loaded is None or loaded.__dict__ is not frame.f_globals):
            self._unsafe[module] = f"{library} reads variables of its caller by name"
            return
        own = cell is not None and frame.f_code.co_filename == cell.f_code.co_filename
        if frame.f_code.co_flags & inspect.CO_OPTIMIZED and not own and not holds_locals(frame.f_code):
            what = f"{library} reads local variables of {frame.f_code.co_qualname}() by name"
            self._unsafe[frame.f_code.co_qualname] = what
            return
        # what runs at the top of a cell may show a copy of the globals for its locals
        taken = frame.f_locals.items() if frame.f_locals is not frame.f_globals else ()
        optimized = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
        locals_ = {name for name, value in taken if optimized or frame.f_globals.get(name, taken) is not value}
        names = {chain: None for text in asked.texts for chain in chains(text)}
        if library == "numexpr":
            names["division",] = None  # it asks whether the caller divides as Python 2 did
        for chain in names:
            for name in chain:
                self._name(asked, module, name, name in locals_, cell)
            self._attributes(asked, frame, chain)

    def _name(self, asked: Asked, module: str | None, name: str, local: bool, cell: types.FrameType | None) -> None:
        namespace = asked.frame.f_globals
        if local or keyword.iskeyword(name) or (module is None and name in self._closure.ignore):
            return
        if name not in namespace:
            if name not in asked.columns:
                self._absent[module, name] = None
            return
        value = namespace[name]
        if module is None and is_hidden(name, value):
            if not hasattr(builtins, name) and name not in asked.columns:
                self._unsafe[name] = f"{asked.library} reads {name} by name"
        elif module is None and self._is_own(name, value, cell):
            if name in self._analysis.unread:
                self._unsafe[name] = f"{asked.library} reads {name} by name, which the cell has defined"
        elif isinstance(value, types.ModuleType):
            self._module(asked.library, name, value)
        else:
            self._relied[module, name] = asked.library

    def _is_own(self, name: str, value: Any, cell: types.FrameType | None) -> bool:
        """Whether the cell itself has bound a name, earlier in this run."""
        line = self._analysis.settled.get(name)
        if line is not None and cell is not None and cell.f_lineno > line:
            return True
        return self.before.get(name) != id(value)

    def _module(self, library: str, name: str, value: types.ModuleType) -> None:
        kind = origin.object_module_origin(value)
        if kind not in ("library", "stdlib"):
            if (Kind.MODULE, value.__name__) not in self._closure.found:
                self._unsafe[name] = f"{library} reads {name} by name, and it was not known before"
        elif origin.top_level(value.__name__) not in self._closure._libraries:
            self._unsafe[name] = f"{library} reads {name} by name, and it was not known before"

    def _attributes(self, asked: Asked, frame: types.FrameType, chain: tuple[str, ...]) -> None:
        found = [f for part in chain[1:] for f in attribute_findings(part)]
        first = chain[0]
        if first not in asked.columns and first not in frame.f_globals and first not in frame.f_locals:
            found += name_findings(first)
        value = frame.f_globals.get(first)
        for place, part in enumerate(chain[1:], 1):
            if not isinstance(value, types.ModuleType) or part not in value.__dict__:
                break
            owner, value = value, value.__dict__[part]
            if origin.object_module_origin(owner) not in ("library", "stdlib"):
                break
            found += libraries.object_findings(".".join(chain[: place + 1]), value)
            locator = bindings.locator(owner.__name__, Read(part))
            if libraries.is_data(value) and (Kind.VALUE, locator) not in self._closure.found:
                self._unsafe[locator] = f"{asked.library} reads {owner.__name__}.{part} by name"
        for finding in found:
            if finding.kind in _JUDGED:
                self._findings[finding] = None

    def judge(self, judgement: Judgement) -> None:
        """After the run, when the closure is narrowed: what speaks against recording it, and what else it relied on."""
        for (module, name), library in self._relied.items():
            if not is_followed(self._closure, module, name):
                locator = bindings.locator(module, Read(name))
                self._unsafe[locator] = f"{library} reads {locator} by name, which nothing said before it ran"
        for locator, why in self._unsafe.items():
            judgement.unsafe(locator, why)
        for finding in self._findings:
            judgement.finding(finding)
        for module, name in self._absent:
            resolved = bindings.resolve({}, Read(name))
            if resolved.fp is not None:
                locator = bindings.locator(module, Read(name))
                self._closure.take(Dependency(Kind.VALUE, locator, resolved.fp, resolved.shown))


def _cell(frame: types.FrameType | None, namespace: dict[str, Any]) -> types.FrameType | None:
    """The frame of the cell's own statement, below which everything runs."""
    found = None
    while frame is not None:
        if frame.f_globals is namespace and is_top(frame.f_code):
            found = frame
        frame = frame.f_back
    return found
