"""What a static closure collects, with the ways that led to it, and what is left once it is known what ran.

Where it can be seen which functions really run, `narrow` leaves out what nothing that ran leads to, and `certain` tells
what will be left whatever runs. Everything found stays in `found`, with its fingerprint from before the run: what moved
is looked for in all of it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from incnb.analysis.findings import Finding
from incnb.config import Config
from incnb.dependencies import bindings, config, libraries
from incnb.dependencies.bindings import Resolved
from incnb.dependencies.environment import Environment
from incnb.dependencies.ways import Reached, Ways, code_key
from incnb.model import Dependency, Kind

STRINGS = "names in strings"  # where reads through strings are, in the graph of what leads to what
MOMENTS = frozenset({"now", "today"})  # words that a library takes for the time


@dataclass(frozen=True, slots=True)
class Found:
    """A dependency with the object that it was found at."""

    dependency: Dependency
    value: Any


class Collected:
    """Dependencies, findings and the objects met, each with the ways that led to it."""

    def __init__(
        self,
        environment: Environment,
        ignore: Iterable[str] = (),
        watched: Callable[[types.CodeType], bool] | None = None,
    ):
        """`watched` says whether it will be seen that code runs; None where that cannot be seen of any."""
        self.environment = environment
        self.ignore = frozenset(ignore)
        self.found: dict[tuple[Kind, str], Found] = {}  # all, also what `narrow` leaves out
        self.missing: list[tuple[tuple[Kind, str], str]] = []  # what cannot be fingerprinted: its key in `found`, why
        self.hidden: dict[int, Any] = {}  # objects with a state that cannot be read, by id
        self.configs: list[tuple[config.Place, Config]] = []  # followed by key, while the cell runs
        self.configs_before: list[str] = []  # their locators and fingerprints as a whole
        self.watched = watched
        self.seeds = False  # whether a global random generator may be seeded
        self.resizes = False  # an array in place, for all that can be told: it must not be held meanwhile
        self._ways = Ways()
        self._left: Reached | None = None
        self._findings: dict[Finding, None] = {}
        self._stores: set[str] = set()
        self._rebound: set[str] = set()
        self._libraries: set[str] = set()
        self._signatures: dict[tuple[Kind, str], Dependency] = {}
        self._via: list[str] = []
        self.words: set[str] = set()  # the attributes they mention
        self.constants: set[str] = set()  # the strings of the cell and of every function reached
        self._strings: set[str] = set()
        self.settled: frozenset[str] = frozenset()  # names that the cell has bound itself before strings may name them
        self._said_in: dict[str | None, dict[str, None]] = {None: {}}  # the strings by whose globals they may name
        self._expected: list[tuple[Hashable, types.CodeType]] = []
        self._nested: set[tuple[str, str, int]] = set()
        self._files: set[str] = set()  # of project modules that are compared as a whole

    # -- one thing at a time

    def add(self, kind: Kind, locator: str) -> Resolved:
        resolved = self.environment.resolve(kind, locator)
        self.keep(locator, resolved)
        return resolved

    def keep(self, locator: str, resolved: Resolved) -> None:
        kind = resolved.kind
        via = self._via[-1] if self._via else ""
        self._ways.note((kind, locator), via)
        if (kind, locator) in self.found:
            return
        if resolved.fp is None:
            self.missing.append(((kind, locator), resolved.detail))
        value = resolved.value
        shown = resolved.shown or bindings.show_as(locator, value)
        source, place = bindings.source_of(value) if kind is Kind.CODE else (None, "")
        made = {"place": place} if place else None
        dependency = Dependency(kind, locator, resolved.fp or "", shown, source, None, via, "", made)
        self.found[kind, locator] = Found(dependency, value)

    def knows(self, code: types.CodeType) -> bool:
        """Whether a function that ran is one that the closure expected, or code nested in one."""
        if not self._nested:
            left = self._left
            todo = [code for node, code in self._expected if left is None or node in left]
            while todo:
                current = todo.pop()
                self._nested.add(code_key(current))
                todo += [c for c in current.co_consts if isinstance(c, types.CodeType)]
        return code_key(code) in self._nested or code.co_filename in self._files

    def _library(self, top: str) -> None:
        self._libraries.add(top)
        with self._ways.into(("library", top)):
            pass

    def _find(self, finding: Finding) -> None:
        self._findings[finding] = None
        self._ways.note(finding)
        if finding.kind == "strings":
            with self._ways.into(STRINGS):
                pass

    def _said(self, strings: Iterable[str], module_name: str | None = None) -> None:
        self.constants |= set(strings)
        self._said_in.setdefault(module_name, {}).update(dict.fromkeys(sorted(strings)))
        for text in strings:
            if text in MOMENTS or libraries.is_dated(text) or libraries.query_findings(text):
                self._strings.add(text)
                with self._ways.into(("string", text)):
                    pass

    @property
    def reached(self) -> list[types.CodeType]:
        """The code of the functions reached."""
        return [code for _, code in self._expected]

    # -- what was found, and what is left of it

    def certain(self) -> Callable[[Hashable], bool]:
        """Whether a finding, a dependency (by its key) or a hidden object stays, whichever functions run."""
        rebound = self._rebound | self._stores
        return self._ways.reach(lambda gate: gate.name in rebound).holds

    def narrow(self, ran: Collection[types.CodeType] | None) -> None:
        """Leave out what nothing that ran leads to; None: that could not be seen, and everything stays."""
        keys = None if ran is None else {code_key(code) for code in ran}
        rebound = self._rebound | self._stores
        self._left = self._ways.reach(lambda gate: keys is None or gate.code in keys or gate.name in rebound)
        self._nested.clear()

    def is_left(self, fact: Hashable) -> bool:
        """Whether what ran leads to a finding, a dependency (by its key), a hidden object."""
        return self._left is None or self._left.holds(fact)

    def take(self, dependency: Dependency) -> None:
        """Add a dependency that was found while the cell ran, whatever led to it."""
        key = (dependency.kind, dependency.locator)
        self.found.setdefault(key, Found(dependency, None))
        self.hold(key)

    def hold(self, key: tuple[Kind, str]) -> None:
        """Keep a dependency, whatever led to it."""
        self._ways.note(key)

    @property
    def dependencies(self) -> list[Dependency]:
        """In the order found; of a function that did not run there is left what its callers could see of it."""
        out: list[Dependency] = []
        for key, found in self.found.items():
            if self._left is None:
                out.append(found.dependency)
            elif self._left.holds(key):
                out.append(replace(found.dependency, via=self._left.via(key, key[1])))
            elif key in self._signatures and self._left.holds(("signature", key)):
                out.append(self._signatures[key])
        return out

    @property
    def findings(self) -> list[Finding]:
        """What the words of the cell and of the functions tell."""
        return [finding for finding in self._findings if self.is_left(finding)]

    @property
    def stores(self) -> set[str]:
        """Names of the notebook that functions bind (`global`)."""
        return {name for name in self._stores if self.is_left(("store", name))}

    def let_go(self) -> None:
        """Hold none of the user's objects any more."""
        for key, found in self.found.items():
            self.found[key] = Found(found.dependency, None)
        self.hidden.clear()
        self.configs.clear()
