"""What would become of the cells of a notebook file if it ran now in a new kernel: no kernel is there, nothing runs.

The cells are gone through in order. For each, the traces of its code are compared, dependency by dependency, with what
would be there by its turn (`world.py`). One dependency that differs for certain rules a trace out; one that cannot be
known leaves it open. "Would be reused" is said where a trace holds in all; "would run" where every trace is ruled out
by something that can be known from outside; else `?`, with what it depends on.

What cannot be known from outside: what a cell that would run makes, beyond constants and plain definitions; what a
value holds that its producer's trace does not tell. The latter is the same if it has the same maker as when the reader
ran before (`makers.py`).
"""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass, field, replace
from typing import Any

from incnb.analysis import CellAnalysis
from incnb.engine import decide
from incnb.engine.history import History, Past
from incnb.engine.marks import pending_marks
from incnb.engine.options import Options
from incnb.engine.replay import blobs
from incnb.engine.tracked import Tracked, never, own_trace
from incnb.engine.turns import Doubt
from incnb.engine.world import HOLDS, World
from incnb.model import Cell, Code, Dependency, Kind, Outlook, Reason, Status
from incnb.outputs import files
from incnb.store import Store, StoredTrace, StoreError


@dataclass(slots=True)
class Foreseen:
    """One cell of a file as a kernel would meet it; `options` None: it would not be tracked. `problem`: it would fail,
    or not be tracked, for this. `leaves`: names that its magics bind."""

    id: str | None
    raw: str
    tree: ast.Module
    options: Options | None
    flags: int
    code: str = ""
    title: str = ""
    index: int = -1
    number: int | None = None  # as in the latest session
    problem: str = ""
    leaves: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        return self.title if self.number is None else f"{self.title} [{self.number}]"

    @property
    def cell(self) -> Cell:
        return Cell(self.index, self.title, self.id)


@dataclass(slots=True)
class Verdict:
    """`reuse` None: `depends` says on what it hangs."""

    reuse: bool | None
    reasons: tuple[Reason, ...]
    depends: str = ""
    trace: StoredTrace | None = None
    note: str = ""
    again: list[dict[str, Any]] = field(default_factory=list)  # files that would be put back


class Foresight:
    """Goes through the cells of one notebook."""

    def __init__(self, store: Store, history: History, notebook: str, world: World, *, alien: str = ""):
        """`notebook`: as the log calls it. `alien`: why nothing about the kernel can be told from here."""
        self._store, self._history, self._notebook, self._world = store, history, notebook, world
        self._alien = alien
        self._alike: dict[str, str] = {}
        self._fault = ""

    def go(self, cells: list[Foreseen]) -> list[Outlook]:
        """The outlook of each cell that would be tracked, in order."""
        found = []
        for seen in cells:
            started = time.perf_counter()
            if seen.options is None:
                if not self._fault:
                    self._world.runs(seen, "is not tracked")
                if seen.problem:
                    found.append(Outlook(seen.title, seen.number, False, (_fails(seen),), 0.0))
                continue
            past = self._history.of(self._notebook, seen.id, seen.title)
            verdict = self._guarded(seen, past)
            took = (time.perf_counter() - started) * 1000
            seconds = self._seconds(verdict, past)
            found.append(
                Outlook(
                    *(seen.title, seen.number, verdict.reuse, verdict.reasons, took, seconds),
                    *(verdict.depends, verdict.note),
                )
            )
        return found

    def _guarded(self, seen: Foreseen, past: Past | None) -> Verdict:
        """The verdict on one cell. A fault of ours leaves this one open, and all after it."""
        if not self._fault:
            try:
                verdict = self._verdict(seen, past)
                self._pass_on(seen, verdict)
                return verdict
            except Exception as error:
                self._fault = f"cannot be told, for a fault of incnb at {seen.called}: {type(error).__name__}: {error}"
        return _open(self._fault, Reason(Code.NOT_SAVED, "", "incnb", self._fault))

    def _seconds(self, verdict: Verdict, past: Past | None) -> float | None:
        stored = verdict.trace
        if stored is None and past is not None and past.trace:
            try:
                stored = self._store.trace(past.trace_code, past.trace)
            except StoreError:
                stored = None
        seconds = (stored.data or {}).get("seconds") if stored is not None else None
        return seconds if isinstance(seconds, float) else None

    # -- one cell

    def _verdict(self, seen: Foreseen, past: Past | None) -> Verdict:
        options = seen.options
        assert options is not None
        if options.off:
            return Verdict(False, (Reason(Code.OFF, "", "--off", ""),))
        marks = pending_marks(self._history, self._notebook, seen.cell)
        if options.force or options.verify:
            return Verdict(False, (Reason(Code.FORCED, "", "--force" if options.force else "--verify", ""),))
        if marks.must_execute:
            return Verdict(False, (marks.reason(seen.title),))
        for word, asked, code in (("--when", options.when, Code.FORCED), ("--config", options.config, Code.CONFIG)):
            if asked:
                told = asked if isinstance(asked, str) else asked[0]
                return _open(f"{word} {told} is asked when it runs", Reason(code, "", word, ""))
        try:
            verdict = self._looked_up(seen, options, past)
        except StoreError as error:
            return Verdict(False, (Reason(Code.STORE_UNREADABLE, "store", "", str(error)),))
        if verdict.reuse is False and seen.code in self._alike:
            text = f"depends on {self._alike[seen.code]}, whose code is the same"
            return _open(text, Reason(Code.NEVER_RUN, "", "", text))
        return verdict

    def _looked_up(self, seen: Foreseen, options: Options, past: Past | None) -> Verdict:
        open_: Verdict | None = None
        against: tuple[Reason, ...] = ()
        damaged: list[Reason] = []
        own = own_trace(self._history, self._notebook, past, seen.code)
        for stored in self._store.traces(seen.code):
            if stored.data is None or stored.data.get("code") != seen.code:
                kind = Code.NEWER_FORMAT if stored.newer else Code.STORE_UNREADABLE
                damaged.append(Reason(kind, "store", stored.id, stored.problem or "it belongs to another cell"))
                continue
            verdict = self._held(stored, options)
            if verdict.reuse and self._alien:
                return _open(self._alien, Reason(Code.NOT_SAVED, "", "kernel", self._alien))
            if verdict.reuse:
                # a newer one might hold instead: reused either way, but by which of them is not known
                return verdict if open_ is None else replace(verdict, trace=None)
            if verdict.reuse is None:
                open_ = open_ or verdict
            elif not against or stored.id == own:
                against = verdict.reasons
        if open_ is not None:
            return open_
        if self._history.accepts(seen.code):
            text = "depends on what was accepted for it, which is compared when it runs"
            return _open(text, Reason(Code.ACCEPTED, "", "", text))
        told = [*damaged]
        verdict = Verdict(False, (*against, *told))
        if not against:
            missing = self._never(seen, past)
            verdict = Verdict(False, (missing, *told))
        if past is not None and past.code == seen.code and past.status == Status.BLOCKED and past.trace is None:
            effects = tuple(reason for reason in past.reasons if reason.code is Code.EFFECT)
            verdict = replace(verdict, reasons=effects or verdict.reasons, note="would be blocked")
        return verdict

    def _never(self, seen: Foreseen, past: Past | None) -> Reason:
        """Why there is nothing to reuse."""
        assert seen.options is not None
        tracked = Tracked(seen.cell, seen.options, CellAnalysis(code=seen.code), [], 0.0, past=past, raw=seen.raw)
        return never(tracked, self._store)

    def _held(self, stored: StoredTrace, options: Options) -> Verdict:
        """Whether one trace would hold."""
        recorded = decide.dependencies(stored)
        world = self._world
        declared = [d for d in recorded if d.kind is Kind.VERSION or d.locator.startswith("--")]
        mismatch = decide.first_mismatch(declared, world.environment, options)
        doubt: tuple[Dependency, Doubt] | None = None
        if mismatch is None:
            for dependency in recorded:
                if dependency in declared:
                    continue
                answer = world.judge(dependency, stored, recorded)
                if answer is HOLDS:
                    continue
                if isinstance(answer, Doubt):
                    doubt = doubt or (dependency, answer)
                    continue
                mismatch = dependency, answer
                break
        if mismatch is not None:
            return Verdict(False, (decide.explain(*mismatch, recorded, world.makers_of),))
        policy = decide.against_policy(stored, options)
        if policy is not None:
            return Verdict(False, (policy,))
        if doubt is not None:
            return _depends(*doubt)
        return self._restorable(stored, recorded)

    def _restorable(self, stored: StoredTrace, recorded: list[Dependency]) -> Verdict:
        """Whether what would be brought back is there, and may be put in its place."""
        outputs = (stored.data or {}).get("outputs", {})
        try:
            for blob in blobs(outputs):
                self._store.check(blob)
        except StoreError as error:
            return Verdict(False, (Reason(Code.UNRESTORABLE, "store", stored.id, str(error)),))
        written = outputs.get("files", [])
        for one in written:
            doubt = self._world.doubt_of_path(str(one["path"]))
            if doubt is not None:
                return _depends(Dependency(Kind.FILE, str(one["path"]), ""), doubt)
        try:
            again = files.missing(written, outputs.get("folders", []))
        except files.Changed as changed:
            return Verdict(False, (Reason(Code.FILE, "file", str(changed), changed.why),))
        except OSError as error:
            text = f"depends on files that cannot be looked at: {error.strerror}"
            return _open(text, Reason(Code.FILE, "", "", text))
        reason = Reason(Code.CONTAINED, "", "", decide.as_it_was(recorded))
        return Verdict(True, (reason,), "", stored, again=again)

    # -- what follows from it

    def _pass_on(self, seen: Foreseen, verdict: Verdict) -> None:
        """Note what the cells after this one would meet."""
        if verdict.reuse and verdict.trace is not None:
            self._world.reuses(seen, verdict.trace, verdict.again)
            return
        would = {False: "will run", None: "may run", True: "would be reused, by one of several results"}[verdict.reuse]
        self._alike.setdefault(seen.code, f"{seen.called}, which {would}")
        last = self._last_outputs(seen)
        self._world.runs(seen, would, last)

    def _last_outputs(self, seen: Foreseen) -> dict[str, Any]:
        """What the cell left when it was saved last."""
        past = self._history.of(self._notebook, seen.id, seen.title)
        if past is None or not past.trace:
            return {}
        try:
            stored = self._store.trace(past.trace_code, past.trace)
        except StoreError:
            return {}
        return dict((stored.data or {}).get("outputs", {})) if stored is not None else {}


def _fails(seen: Foreseen) -> Reason:
    return Reason(Code.NOT_SAVED, "", seen.title, seen.problem)


def _open(text: str, reason: Reason) -> Verdict:
    return Verdict(None, (reason,), text)


def _depends(dependency: Dependency, doubt: Doubt) -> Verdict:
    code = Code(dependency.kind.value) if dependency.kind.value in {c.value for c in Code} else Code.VALUE
    causes = (doubt.title,) if doubt.title else ()
    reason = Reason(code, dependency.kind.value, dependency.locator, doubt.text, causes)
    return Verdict(None, (reason,), doubt.text)
