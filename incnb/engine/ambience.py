"""What a run moved of ambient state: which of it is kept, and what of before thereby counts.

State that a cell changed is an output; that it was what it was before is a dependency, since what did not change would
else come from somewhere. Of a random generator that holds only if it was read before it was set; one that nobody ever
seeded is no state that another kernel could be in, so its cell is not saved.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import Closure, ambient, seeders
from incnb.engine.calls import Judged
from incnb.engine.checkpoints import Checkpoints
from incnb.engine.generators import ADVICE
from incnb.fingerprint.code import references
from incnb.model import Kind
from incnb.outputs.variables import NotSaved


class Unseeded(NotSaved):
    """A cell needs the state of a generator that nobody seeded; `path` is what the generator is called."""

    def __init__(self, locator: str):
        super().__init__(ADVICE[locator])
        self.path = locator.removeprefix("state of ")


def settle_last_call(judged: Judged, analysis: CellAnalysis, value: Any) -> None:
    """Whether the last statement configured something shows in that it gave nothing. Raises `NotSaved`."""
    if judged.last is None:
        return
    index, text, why, named = judged.last
    if value is None and why is not None:
        raise NotSaved(why)
    if value is not None and named:
        raise NotSaved(f"{text}() may configure a library, and gives a value")
    if value is not None:
        judged.again.pop(index, None)
        analysis.definitions = [d for d in analysis.definitions if d.index != index]


def moved_state(
    marks: Checkpoints,
    judged: Judged,
    analysis: CellAnalysis,
    closure: Closure,
    seeded: frozenset[str],
    rerun: list[int],
    *,
    allows: Callable[[str], bool],
) -> list[dict[str, Any]]:
    """The entries of the trace for ambient state; what it was before is added to the closure. Raises `NotSaved`.

    `allows("random")`: a person lets generators pass that nobody seeded.
    """
    for index, text in judged.again.items():
        if index not in rerun:
            raise NotSaved(f"{text}() may configure a library, and uses what the cell makes")
        why = marks.slow(index)
        if why is not None:
            raise NotSaved(why)
    entries = marks.entries(rerun)
    asked = _asked(analysis, closure) & marks.loaded
    for locator in ambient.GENERATORS:
        if locator in asked or (marks.moved(locator) and locator not in marks.independent):
            if locator not in seeded:
                if allows("random"):
                    continue
                raise Unseeded(locator)
            closure.keep(locator, marks.before(locator))
    for locator in _seeded_by(analysis, closure) & marks.loaded:
        if not marks.moved(locator):  # it stood at that very seed before, and elsewhere it may not
            closure.keep(locator, marks.before(locator))
    apart = {*ambient.GENERATORS, ambient.FORMATTERS}  # what displays things is no output
    for locator in ambient.PROBES:
        if locator not in apart and (Kind.AMBIENT, locator) not in closure.found and marks.moved(locator):
            closure.keep(locator, marks.before(locator))
    return entries


def _asked(analysis: CellAnalysis, closure: Closure) -> set[str]:
    """The generators whose state the cell, or what it calls, may ask for."""
    words = analysis.attributes | closure.words | {i.attribute or "" for i in analysis.imports}
    words |= {read.name for read in analysis.reads}
    return {locator for word, locator in seeders.ASKING.items() if word in words}


def _seeded_by(analysis: CellAnalysis, closure: Closure) -> set[str]:
    """The generators that the cell, or a function of ours that it calls, seeds; a seeder of a library may seed all."""
    reads = [(closure.environment.namespace, read) for read in analysis.reads]
    for name, part in analysis.module_reads:
        module = sys.modules.get(name)
        if part is not None and module is not None:
            reads.append((vars(module), part))
    for one in closure.found.values():
        if isinstance(one.value, types.FunctionType):
            code = references(one.value.__code__)
            if code.imports and any(map(seeders.SEED.search, code.attributes)):
                return set(ambient.GENERATORS)
            reads += [(one.value.__globals__, read) for read in code.reads]
    found: set[str] = set()
    for namespace, read in reads:
        seeded = seeders.seeded_through(namespace, read)
        found |= set(ambient.GENERATORS) if seeded is None else seeded
    return found
