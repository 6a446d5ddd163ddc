"""Who led to what: the graph behind a static closure, and what of it is left once it is known which functions ran.

The closure is found before a run, when nobody knows which branches will be taken. It is a graph: the cell leads to the
names that it reads, a name to the function that it is bound to, a function to the names in its body. Afterwards the
graph is walked again from the cell, and a *gate* is passed only if its code started in some thread during the run. What
is not reached any more is left out of the trace. Why that is sound:

- Let a later state of the world agree with everything that is kept. Execute the cell in it, in step with the recorded
  run, up to the first instruction that gets something else than it got then. That instruction belongs to code that ran:
  to the cell, to a function whose gate was passed, to something that has no gate, or to a library. All that these read
  is kept, with its fingerprint from before the run. So no such instruction exists: the same branches are taken, the
  same exceptions raised and caught, the same entries found in caches and tables. A decision not to call a function is
  made by code that ran, from things that are kept.
- A call that fails before the body starts (a missing argument, an exception in another argument after the name was
  loaded, a generator that is made and never asked) does look at the function without starting it: whether the name is
  bound, to a plain function of ours, of which name, signature and sort. That is kept for every gate that was not
  passed, as the `signature of` its name.
- Whatever can look at more than that has no gate: a function that is loaded for anything but a call, by any code that
  may run; one in a container, behind a decorator, of a class, with globals of its own; code inside a lambda, a nested
  function or a class body, which may be shipped to another process, where nobody sees it start. Everything that is
  reached through one of these is kept whole. So is a function whose name somebody binds during the run.
- Two functions with one code, or code on one line under one name, are taken as one: any of them ran, all of them did.
- A function of ours that ran and that nothing *left* leads to was reached in a way that nobody follows, and the run is
  not saved. So a way that was overlooked costs an execution, and not a wrong result.
- What moved during the run, and what an output refers to, is kept in any case.

Without `sys.monitoring`, or with no tool id free, there are no gates and the closure stays as it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import final

Node = Hashable
CodeKey = tuple[str, str, int]
CELL: Node = "the cell"


def code_key(code: CodeType) -> CodeKey:
    """What tells code apart that is met twice: file, qualified name and first line."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


@dataclass(frozen=True, slots=True)
class Gate:
    """What must have happened for a way to lead on: code that ran. `name` is the notebook's name that is called."""

    code: CodeKey
    name: str | None


@final
class Ways:
    """Nodes, the edges between them, and the facts that were met at each."""

    def __init__(self) -> None:
        self.here: Node = CELL
        self._edges: dict[Node, dict[Node, None]] = {CELL: {}}
        self._gates: dict[Node, Gate] = {}
        self._labels: dict[Node, str] = {}
        self._facts: dict[Hashable, dict[Node, str]] = {}

    @contextmanager
    def into(self, node: Node, label: str = "", gate: Gate | None = None) -> Iterator[bool]:
        """Note a way from here to `node` and be there; gives True the first time, when what is there must be found."""
        first = node not in self._edges
        if first:
            self._edges[node] = {}
            if gate is not None:
                self._gates[node] = gate
            if label:
                self._labels[node] = label
        self._edges[self.here][node] = None
        before, self.here = self.here, node
        try:
            yield first
        finally:
            self.here = before

    def note(self, fact: Hashable, via: str = "") -> None:
        """Something was met here; `via` is what people are told led to it."""
        self._facts.setdefault(fact, {}).setdefault(self.here, via)

    def reach(self, passes: Callable[[Gate], bool]) -> Reached:
        """What can be reached from the cell when only these gates are passed."""
        parents: dict[Node, Node] = {CELL: CELL}
        todo = [CELL]
        for node in todo:
            for further in self._edges[node]:
                gate = self._gates.get(further)
                if further not in parents and (gate is None or passes(gate)):
                    parents[further] = node
                    todo.append(further)
        return Reached(parents, self._facts, self._labels)


@final
class Reached:
    """The part of the graph that is left."""

    def __init__(self, parents: dict[Node, Node], facts: dict[Hashable, dict[Node, str]], labels: dict[Node, str]):
        self._parents = parents
        self._facts = facts
        self._labels = labels
        self._live = {labels[node] for node in parents if node in labels}

    def __contains__(self, node: Node) -> bool:
        return node in self._parents

    def holds(self, fact: Hashable) -> bool:
        """Whether something is left that met this."""
        return any(node in self._parents for node in self._facts.get(fact, ()))

    def via(self, fact: Hashable, own: str) -> str:
        """What led to a fact, among what is left; `own` is the name of the fact itself."""
        ways = {node: via for node, via in self._facts[fact].items() if node in self._parents}
        for via in ways.values():
            if not via or via in self._live:
                return via
        node = next(iter(ways))
        while node != CELL:
            node = self._parents[node]
            label = self._labels.get(node, "")
            if label and label != own:
                return label
        return ""
