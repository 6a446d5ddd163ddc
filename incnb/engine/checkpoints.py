"""Check points: where a cell that executes stops for a moment, to see what one of its statements did.

A call of ours is put before some of the cell's statements. Three things are seen so that before and after the cell
alone would not tell:

- *What must be put back where.* On reuse, imports, definitions and calls that configure a library run again in their
  places; what other statements did to ambient state (`os.environ["A"] = "1"`, `sys.path.append(...)`) is put back
  before the next of those. State is read where stretches of the one and the other meet.
- *Whether a generator was seeded before it was read.* Up to a statement that can only seed, the generator did not
  move; right after it, its state is that of a fresh seed. Then what was before the cell cannot matter.
- *Whether a call may run again.* It took less than 50 ms, showed nothing, and looked at nothing outside.

A cell whose reads cannot be bounded has no check points, so code that looks at its own namespace does not find them.
"""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.analysis.records import TopCall
from incnb.dependencies import ambient, seeders
from incnb.dependencies.bindings import Resolved
from incnb.engine import generators, states
from incnb.engine.replay import HOOK
from incnb.fingerprint.encoder import ATOMS, follow
from incnb.outputs.ambient import ENVIRONMENT, Change, is_secret
from incnb.outputs.leftovers import open_figures
from incnb.outputs.variables import NotSaved

QUICK = 0.05  # seconds that a call may take to run again on reuse
MOST_CALLS = 30  # that are looked at as perhaps seeding
_QUIET = ("print", "display", "len", "next", "setattr")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a check point notes: how much was shown and looked at before, whether figures are open, and when."""

    shown: int
    looked: int
    figures: bool
    ended: float
    began: float


class Checkpoints:
    """The check points of one execution. The cell calls `at`; `start` and `end` frame it."""

    def __init__(
        self,
        analysis: CellAnalysis,
        namespace: dict[str, Any],
        again: dict[int, str],
        shown: Callable[[], int],
        watch: Any,
    ):
        self.independent: set[str] = set()  # generators whose state before the cell cannot matter
        self.problem: BaseException | None = None
        self.words: set[str] = set()  # what the functions that the cell reaches mention
        self._namespace = namespace
        self._analysis = analysis
        self._again = again  # statements to run again on reuse that are no definitions, and what they are called
        self._shown = shown
        self._watch = watch
        self._size = 0
        self._began = 0.0
        self._kinds: list[bool] = []  # whether each statement may run again on reuse
        self._still: list[bool] = []  # whether it moves no generator for sure
        self._seeding: dict[int, TopCall] = {}
        self._moments: dict[int, Moment] = {}
        self._first: states.States = {}
        self._stretch: states.States = {}  # at the beginning of the current stretch
        self._latest: states.States = {}
        self._at_last = 0  # the latest check point
        self._from = 0  # where the current stretch begins
        self._log: list[tuple[int, int, list[Change]]] = []  # stretch, what it changed
        self._base: dict[str, dict[str, str]] = {}
        self._armed: tuple[TopCall, set[str]] | None = None

    # -- before

    def start(self) -> None:
        self._began = time.perf_counter()
        with self._watch.aside():
            self._first = self._latest = self._stretch = states.read()
        self._base = {g: states.tokens(self._first, g) for g in ambient.GENERATORS if self._first.get(g)}

    def instrument(self, tree: ast.Module) -> ast.Module:
        """The cell with check points in it."""
        definitions = {d.index for d in self._analysis.definitions}
        self._size = len(tree.body)
        for index, statement in enumerate(tree.body):
            again = index in definitions and not getattr(statement, "decorator_list", None)
            # a function neither reads nor changes ambient state: no need to stop for it
            neutral = again and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            self._kinds.append((self._kinds or [True])[-1] if neutral else again)
            self._still.append((again and not isinstance(statement, ast.Expr)) or _is_still(statement))
        self._seeding = {c.index: c for c in self._analysis.calls if self._may_seed(c)}
        if len(self._seeding) > MOST_CALLS:
            self._seeding = dict(list(self._seeding.items())[:MOST_CALLS])
        looked_at = {*self._again, *self._seeding}
        body: list[ast.stmt] = []
        future = max((i for i, s in enumerate(tree.body) if _is_future(s)), default=-1)
        for index, statement in enumerate(tree.body):
            meet = index > 0 and self._kinds[index] != self._kinds[index - 1]
            meet = meet or (index > 0 and self._still[index] != self._still[index - 1] and not all(self._kinds[:index]))
            looked = index in looked_at or (index - 1 in looked_at and index > 0)
            if index > future and (looked or (meet and index > future + 1)):
                body.append(_call(index, statement))
            body.append(statement)
        return ast.Module(body, tree.type_ignores)

    def _may_seed(self, call: TopCall) -> bool:
        return call.plain and not call.then and call.path.name not in _QUIET and call.index not in self._again

    # -- while it runs

    def at(self, index: int) -> None:
        """Statement `index` is about to run."""
        began = time.perf_counter()
        try:
            with self._watch.aside():
                self._at(index)
        except Exception as error:
            self.problem = error
        self._moments[index] = self._moment(began)

    def end(self) -> None:
        """The cell has come to its end, and nobody watches any more."""
        self._moments[self._size] = self._moment(time.perf_counter())
        try:
            self._at(self._size)
        except Exception as error:
            self.problem = error

    def _moment(self, ended: float) -> Moment:
        return Moment(self._shown(), self._watch.looked, bool(open_figures()), ended, time.perf_counter())

    def _at(self, index: int) -> None:
        last = index == self._size
        now = states.read()
        self._seeded(now)
        if last or self._kinds[index] != self._kinds[self._from]:
            changes = [c for c in states.difference(self._stretch, now) if c.what not in ambient.GENERATORS]
            names, self._watch.variables = list(self._watch.variables), {}
            variables = states.variables(names)
            self._log.append((self._from, index, [*changes, *([variables] if variables else [])]))
            self._from, self._stretch = index, now
        self._latest = now
        for generator in ambient.GENERATORS:
            # loaded by this cell: what its state was is known when nothing but imports and definitions ran meanwhile
            if generator in self._base or not now.get(generator):
                continue
            quiet = all(self._still[self._at_last : index])
            if quiet or (self._keeps_bits() and generators.is_as_loaded(generator, now[generator])):
                self._base[generator] = states.tokens(now, generator)
        self._at_last = index
        call = self._seeding.get(index)
        if call is not None and self._only_seeds(call):
            # what is not loaded yet nobody has moved
            still = {g for g in ambient.GENERATORS if not now.get(g) or self._base.get(g) == states.tokens(now, g)}
            self._armed = (call, still - self.independent)

    def _keeps_bits(self) -> bool:
        """Whether nobody here puts another bit generator into numpy's global one."""
        imported = {str(name.attribute) for name in self._analysis.imports}
        return "set_bit_generator" not in self.words | self._analysis.attributes | imported

    def _only_seeds(self, call: TopCall) -> bool:
        value, taken, _ = seeders.reach(self._namespace, call.path)
        if taken < len(call.path.path) or not seeders.only_seeds(value):
            return False
        return seeders.is_seeder(value) or all(type(v) in ATOMS for v in self._given(call))

    def _given(self, call: TopCall) -> list[Any]:
        return [follow(self._namespace, use)[0] for use in call.uses]

    def _seeded(self, now: states.States) -> None:
        armed, self._armed = self._armed, None
        if armed is None:
            return
        call, still = armed
        function = follow(self._namespace, call.path)[0]
        candidates = [c for c in call.constants if c is not None]
        candidates += [*self._given(call), *seeders.numbers_in(function)]
        candidates += [abs(c) % 2**32 for c in candidates if type(c) is int]
        state = now.get(ambient.NUMPY_RANDOM, {}).get("state")
        if state is not None and "key" in state[1].get("state", {}):
            candidates.append(int(state[1]["state"]["key"][0]))  # most seed all generators alike
        for generator in still:
            moved = self._base.get(generator) != states.tokens(now, generator)
            fresh = now.get(generator) and generators.is_fresh(generator, now[generator], candidates)
            # a helper may have left alone what was as seeded before
            if fresh and (moved or seeders.seeded_by(function) == generator):
                self.independent.add(generator)

    # -- after

    def slow(self, index: int) -> str | None:
        """Why the call at `index` must not run again on reuse; None if it may."""
        name = self._again[index]
        began, ended = self._moments.get(index), self._moments.get(index + 1)
        if ended is None:
            return f"{name}() was not seen to end"
        if began is None:
            began = Moment(0, 0, False, self._began, self._began)
        if ended.ended - began.began > QUICK:
            return f"{name}() took {ended.ended - began.began:.2f} s, and what it configures is not followed"
        if ended.figures or began.figures:
            return f"{name}() may draw, and what it configures is not followed"
        if ended.shown != began.shown:
            return f"{name}() shows something, and what it configures is not followed"
        if ended.looked != began.looked:
            return f"{name}() looks at something outside, and what it configures is not followed"
        return None

    def moved(self, locator: str) -> bool:
        """Whether a sort of state is another at the end than at the start, or was for a while."""
        if locator in ambient.GENERATORS:
            now = states.tokens(self._latest, locator)
            return now != self._base.get(locator, {})
        changed = any(change.what == locator for _, _, changes in self._log for change in changes)
        return changed or not states.same(self._first, self._latest, locator)

    @property
    def loaded(self) -> set[str]:
        """The sorts of state that there were."""
        return {locator for locator, state in (*self._first.items(), *self._latest.items()) if state}

    def before(self, locator: str) -> Resolved:
        """A sort of state as it was before the cell, of those that do not count for every cell."""
        first = self._first if locator not in ambient.GENERATORS else None
        return ambient.from_tokens(states.tokens(first, locator) if first is not None else self._base.get(locator, {}))

    def entries(self, rerun: list[int]) -> list[dict[str, Any]]:
        """What to put back on reuse, as entries of the trace. Raises `NotSaved`."""
        if self.problem is not None:
            raise NotSaved(f"ambient state cannot be read ({type(self.problem).__name__}: {self.problem})")
        out: list[dict[str, Any]] = []
        for start, end, changes in self._log:
            if all(index in rerun for index in range(start, end)):
                continue  # done again
            later = any(index >= end for index in rerun)
            for change in changes:
                what = states.fixed(change, changes)
                if what is not None:
                    raise NotSaved(f"it changed {what}")
                if change.what == ENVIRONMENT:
                    for name in (*change.put, *change.gone):
                        if is_secret(name):
                            raise NotSaved(f"it set the environment variable {name}, which may be a secret")
                out.append(states.packed(change, end if later else None, self._namespace))
        for generator in ambient.GENERATORS:
            if self.moved(generator):
                put = {key: value for key, (_, value) in self._latest[generator].items()}
                out.append(states.packed(Change(generator, put), None, self._namespace))
        return out


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _is_still(statement: ast.stmt) -> bool:
    """Whether a statement calls nothing: `try: import numpy as np ...`, `N = 5`."""
    imports = (ast.Import, ast.ImportFrom, ast.alias, ast.Try, ast.ExceptHandler, ast.If, ast.Pass)
    kinds = (*imports, ast.Assign, ast.Expr, ast.Name, ast.Constant, ast.Load, ast.Store, ast.Tuple)
    return all(isinstance(node, kinds) for node in ast.walk(statement))


def _call(index: int, anchor: ast.stmt) -> ast.stmt:
    call = ast.parse(f"{HOOK}.at({index})").body[0]
    for node in ast.walk(call):
        if isinstance(node, ast.expr | ast.stmt):
            ast.copy_location(node, anchor)
    return call


def noting_the_end(tree: ast.Module) -> ast.Module:
    """Below `%%time` nobody reports success: the body itself says that it has come to its end."""
    body = list(tree.body)
    last = body[-1]
    call = ast.parse(f"{HOOK}.done(None)").body[0]
    assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    for node in ast.walk(call):
        if isinstance(node, ast.expr | ast.stmt):
            ast.copy_location(node, last)
    if isinstance(last, ast.Expr):
        call.value.args = [last.value]
        body[-1] = call
    else:
        body.append(call)
    return ast.Module(body, tree.type_ignores)


@dataclass(slots=True)
class Hook:
    """What the tree of an executing cell calls: check points, the end of its body, its loops by number."""

    at: Callable[[int], None]
    done: Callable[..., Any]
    loops: dict[int, Any]

    @staticmethod
    def clean() -> None:
        """Take our frames out of the traceback of the exception that is being handled."""
        error = sys.exc_info()[1]
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            error.__traceback__ = _without_us(error.__traceback__)
            error = error.__cause__ or error.__context__


def _without_us(traceback: TracebackType | None) -> TracebackType | None:
    kept = traceback
    while kept is not None and _is_our_frame(kept):
        kept = kept.tb_next
    entry = kept
    while entry is not None:
        while entry.tb_next is not None and _is_our_frame(entry.tb_next):
            entry.tb_next = entry.tb_next.tb_next
        entry = entry.tb_next
    return kept


def _is_our_frame(entry: TracebackType) -> bool:
    return str(entry.tb_frame.f_globals.get("__name__", "")).startswith("incnb.")


def with_check_points(
    tree: ast.Module, marks: Checkpoints | None, done: Callable[..., Any], loops: dict[int, Any], *, nested: bool
) -> tuple[ast.Module, Hook | None]:
    """The body with what is ours in it, and what it calls; None when nothing of ours is in it."""
    plain = tree
    if marks is not None:
        tree = marks.instrument(tree)
    if nested:
        tree = noting_the_end(tree)
    hook = Hook(marks.at if marks is not None else lambda index: None, done, loops)
    return tree, hook if tree is not plain or loops else None
