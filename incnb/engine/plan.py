"""`%incremental plan`: what each cell would do if the notebook ran now, found without running or writing anything.

`refresh` decides each cell by itself against the live namespace. A plan goes through the cells in the order of the
notebook and keeps, for everything that cells hand to each other, who would have made it by then (`Standing`):

* a cell whose saved result still holds would be reused, and hands on what that result holds;
* what a cell that would run makes is not known: whoever reads it may come out either way, and the plan says `?`;
* what nobody before it makes is what is there now.

A cell that reads from the same runs as when it was decided last reads the same, whatever the namespace has come to hold
since; so does one whose input is, by its fingerprint, the very one that the producer's result holds. Where neither
tells, the live value does if it is still the producer's, and else nothing does.

What a cell that would run changes in place is what it changed last time, unless other code is the reason, or there are
words in its code that change things (`analysis/changes.py`): then it may change whatever it reads. Cells that are not
tracked are taken to run between the others and to do what they did; a name that they make counts only where their text
alone says what it is.

In doubt the answer is `?`. "Would be reused" is never said on a guess.
"""

from __future__ import annotations

import ast
import re
import textwrap
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from incnb.analysis import mentions
from incnb.analysis.changes import may_change
from incnb.dependencies import Environment, Resolved, bindings
from incnb.dependencies.file import is_stamped
from incnb.engine import decide, places
from incnb.engine.hands import Hands
from incnb.engine.ledger import Seen, TraceName
from incnb.engine.marks import pending_marks
from incnb.engine.provenance import Made
from incnb.engine.refresh import NotLoaded
from incnb.engine.replay import blobs
from incnb.engine.tracked import Text
from incnb.engine.trees import awaits
from incnb.model import Code, Dependency, Kind, Outlook, Reason
from incnb.outputs import files, leftovers
from incnb.store import StoredTrace, StoreError

if TYPE_CHECKING:
    from incnb.engine.session import Session

_OTHER_CODE = frozenset({Code.CODE, Code.NEVER_RUN, Code.MODULE, Code.PACKAGE, Code.PYTHON, Code.LAST_FAILED})
_UNTOLD = frozenset({Code.EFFECT, Code.NOT_SAVED, Code.UNSAFE, Code.OFF})
_REMOVING = frozenset(
    """
    remove unlink rmtree rename renames replace move rmdir removedirs open write_text write_bytes touch mkdir makedirs
    """.split()  # noqa: SIM905
)


@dataclass(slots=True)
class _Verdict:
    """What would become of one cell. `depends` says in words on what it hangs, where `reuse` is None."""

    reuse: bool | None
    reasons: tuple[Reason, ...]
    depends: str = ""
    trace: StoredTrace | None = None


def planned(session: Session, order: list[str]) -> list[Outlook]:
    """The outlook of each tracked cell; `order` has the keys of all cells, in the order of the notebook."""
    return _Plan(session).go(order)


@dataclass
class _Plan:
    session: Session
    hands: Hands = field(init=False)
    _again: list[dict[str, Any]] = field(default_factory=list)  # files that are missing and would be there again
    _alike: dict[str, str] = field(default_factory=dict)  # by code, cells that would save what another could reuse

    def __post_init__(self) -> None:
        session = self.session
        pending = session.pending

        def refuse(name: str) -> None:
            if name in pending.groups:
                raise NotLoaded(name)

        self._environment: Environment = session.environment(peek=True, load=refuse)
        self.hands = Hands(session, self._environment)

    def go(self, order: list[str]) -> list[Outlook]:
        found = []
        self.session.ledger.provenance.settle()
        others = self.session.ledger.provenance.others
        for key in order:
            if key in others:
                self.hands.other(others[key])
                continue
            seen, text = self.session.ledger.cells[key], self.session.texts.get(key)
            started = time.perf_counter()
            verdict = self._verdict(seen, text)
            self._pass_on(seen, verdict)
            took = (time.perf_counter() - started) * 1000
            cell = seen.decision.cell
            number = text.number if text is not None else seen.number
            last = self._seconds(seen, verdict)
            found.append(Outlook(cell.title, number, verdict.reuse, verdict.reasons, took, last, verdict.depends))
        return found

    def _seconds(self, seen: Seen, verdict: _Verdict) -> float | None:
        stored = verdict.trace or (seen.trace.read(self.session.store) if seen.trace is not None else None)
        seconds = (stored.data or {}).get("seconds") if stored is not None else None
        if isinstance(seconds, float):
            return seconds
        return seen.decision.seconds.execute or None

    # -- one cell

    def _verdict(self, seen: Seen, text: Text | None) -> _Verdict:
        if text is None:  # `--off`
            return _Verdict(False, seen.decision.reasons)
        asked = self._asked(text)
        if asked is not None:
            return asked
        try:
            found = self._looked_up(seen, text)
        except StoreError as error:
            return _Verdict(False, (Reason(Code.STORE_UNREADABLE, "store", "", str(error)),))
        if found.reuse is False and text.analysis.code in self._alike:
            return _unknown(f"depends on {self._alike[text.analysis.code]}, whose code is the same", Code.NEVER_RUN)
        return self._restorable(found) if found.trace is not None and found.reuse else found

    def _asked(self, text: Text) -> _Verdict | None:
        """What a person asked of this cell, if that decides."""
        session, options = self.session, text.options
        marks = pending_marks(session.history, session.notebook, text.cell)
        if options.force or options.verify:
            return _Verdict(False, (Reason(Code.FORCED, "", "--force" if options.force else "--verify", ""),))
        if marks.must_execute:
            return _Verdict(False, (marks.reason(text.cell.title),))
        if getattr(session.shell, "ast_node_interactivity", "last_expr") != "last_expr":
            return _Verdict(
                False, (Reason(Code.UNSAFE, "", "ast_node_interactivity", "only 'last_expr' is understood"),)
            )
        if options.when:
            return _unknown(f"--when {options.when} is asked when it runs", Code.FORCED)
        if options.config:
            return _unknown(f"--config {options.config[0]} is asked when it runs", Code.CONFIG)
        if awaits(text.tree) and leftovers.users_tasks():
            return _Verdict(False, (Reason(Code.NOT_SAVED, "", "await", "other tasks of yours run while it waits"),))
        return None

    def _looked_up(self, seen: Seen, text: Text) -> _Verdict:
        """The newest trace that would hold; as the decision itself would look it up."""
        open_: _Verdict | None = None
        against: tuple[Reason, ...] = ()
        damaged: list[Reason] = []
        for stored in self.session.store.traces(text.analysis.code):
            if stored.data is None or stored.data.get("code") != text.analysis.code:
                kind = Code.NEWER_FORMAT if stored.newer else Code.STORE_UNREADABLE
                damaged.append(Reason(kind, "store", stored.id, stored.problem or "it belongs to another cell"))
                continue
            verdict = self._held(seen, text, stored)
            if verdict.reuse and open_ is None:
                return verdict
            if verdict.reuse is not False:
                # a newer one might hold instead: reused either way, but by which of them is not known
                open_ = open_ or verdict
                if verdict.reuse:
                    return replace(verdict, trace=None)
            elif not against:
                against = verdict.reasons
        if open_ is not None:
            return open_
        if self.session.history.accepts(text.analysis.code):
            return _unknown("depends on what was accepted for it, which is compared when it runs", Code.ACCEPTED)
        untold = tuple(reason for reason in text.reasons if reason.code in _UNTOLD)
        never = (Reason(Code.NEVER_RUN, "", text.cell.title, ""),)
        return _Verdict(False, (*(against or untold or (() if damaged else never)), *damaged))

    def _held(self, seen: Seen, text: Text, stored: StoredTrace) -> _Verdict:
        """Whether one trace would hold."""
        recorded = decide.dependencies(stored)
        declared = [d for d in recorded if d.kind is Kind.VERSION]
        mismatch = decide.first_mismatch(declared, self._environment, text.options)
        if mismatch is None:
            doubt: _Verdict | None = None
            for dependency in recorded:
                if dependency.kind is Kind.VERSION:
                    continue
                answer = self._one(seen, stored, dependency)
                if isinstance(answer, _Verdict):
                    doubt = doubt or answer
                elif answer is not None:
                    mismatch = dependency, answer
                    break
            if mismatch is None and doubt is not None:
                return doubt
        if mismatch is not None:
            return _Verdict(False, (decide.explain(*mismatch, recorded, self.session.producer),))
        policy = decide.against_policy(stored, text.options)
        if policy is not None:
            return _Verdict(False, (policy,))
        hidden = self.session.hidden.unknown(self._environment.hidden())
        if hidden:
            return _Verdict(False, (Reason(Code.NOT_SAVED, "", hidden[0], "has cached results from other code"),))
        return _Verdict(True, (Reason(Code.CONTAINED, "", "", decide.as_it_was(recorded)),), "", stored)

    def _one(self, seen: Seen, stored: StoredTrace, dependency: Dependency) -> Resolved | _Verdict | None:
        """One dependency: None if it would be as recorded, what it would be if not, or that this is not known."""
        why = self.hands.doubt(seen.key, stored.id, dependency)
        if why is self.hands.SAME:
            return None
        if why is not self.hands.LIVE:
            return _depends(dependency, why.text, why.title)
        if dependency.kind is Kind.FILE and is_stamped(dependency):
            return None
        try:
            differs = decide.first_difference([dependency], self._environment)
        except NotLoaded as needed:
            return _depends(dependency, f"{needed} is not loaded, and nothing else tells what it is", "")
        return differs[1] if differs is not None else None

    def _restorable(self, found: _Verdict) -> _Verdict:
        """Whether what would be brought back is there."""
        assert found.trace is not None
        outputs = (found.trace.data or {})["outputs"]
        try:
            for blob in blobs(outputs):
                self.session.store.check(blob)
        except StoreError as error:
            return _Verdict(False, (Reason(Code.UNRESTORABLE, "store", found.trace.id, str(error)),))
        written = outputs.get("files", [])
        for one in written:
            why = self.hands.of_path(str(one["path"])) or self.hands.overwritten(str(one["path"]), perhaps=False)
            if why is not None:
                return _depends(Dependency(Kind.FILE, str(one["path"]), ""), why.text, why.title)
        try:
            again = files.missing(written, outputs.get("folders", []))
        except files.Changed as changed:
            why = self.hands.overwritten(str(changed), perhaps=True)
            if why is not None:
                return _depends(Dependency(Kind.FILE, str(changed), ""), why.text, why.title)
            return _Verdict(False, (Reason(Code.FILE, "file", str(changed), changed.why),))
        except OSError as error:
            return _unknown(f"depends on files that cannot be looked at: {error.strerror}", Code.FILE)
        self._again = again
        return found

    # -- what follows from it

    def _pass_on(self, seen: Seen, verdict: _Verdict) -> None:
        """Note what the cells after this one would meet."""
        made = self.session.ledger.provenance.made.get(seen.key, Made())
        if verdict.reuse and verdict.trace is not None:
            data = verdict.trace.data or {}
            name = TraceName(str(data.get("code", "")), verdict.trace.id)
            outputs = data.get("outputs", {})
            names = {place for place in made.bound if not place[0]}
            whole = Made(
                frozenset(places.bound(outputs) | names),
                frozenset(places.patched(outputs)),
                tuple(map(frozenset, places.sharing_groups(outputs))),
            )
            self.hands.reused(seen.key, name, whole, outputs)
            self.hands.put_back(self._again)
            return
        cell = seen.decision.cell
        title = cell.title if seen.number is None else f"{cell.title} [{seen.number}]"
        other = any(reason.code in _OTHER_CODE | _UNTOLD for reason in verdict.reasons) or self._changes(seen)
        would = "would run" if verdict.reuse is False else "may run" if verdict.reuse is None else "would be reused"
        self._alike.setdefault(seen.code, f"{title}, which {would}")
        self.hands.run(seen.key, title, would, made, perhaps=other)
        if self._removes(seen):
            self.hands.looked_for(seen.dependencies(self.session.store), title, would)

    def _removes(self, seen: Seen) -> bool:
        """Whether a cell may remove or replace what it has looked for: what it did last depended on what was there."""
        text = self.session.texts.get(seen.key)
        trees: list[ast.AST] = [text.tree] if text is not None else []
        words = {word for tree in trees for word in mentions(tree)}
        functions = [d for d in seen.dependencies(self.session.store) if d.kind is Kind.CODE]
        for dependency in functions:
            try:
                source, _ = bindings.source_of(self._environment.resolve(Kind.CODE, dependency.locator).value)
            except (NotLoaded, ValueError):
                return True
            words |= set(re.findall(r"\w+", source or ""))
        return text is None or bool(words & _REMOVING)

    def _changes(self, seen: Seen) -> bool:
        """Whether the code of a cell, or a function that it relied on, may change what it is handed."""
        text = self.session.texts.get(seen.key)
        if text is None or may_change(text.tree):
            return True
        for dependency in seen.dependencies(self.session.store):
            if dependency.kind is not Kind.CODE or dependency.locator.startswith(bindings.SIGNATURE):
                continue
            try:
                source, _ = bindings.source_of(self._environment.resolve(Kind.CODE, dependency.locator).value)
                if source is None or may_change(ast.parse(textwrap.dedent(source))):
                    return True
            except (NotLoaded, ValueError, SyntaxError):
                return True
        return False


def _depends(dependency: Dependency, text: str, title: str) -> _Verdict:
    reason = Reason(Code(dependency.kind.value) if dependency.kind.value in set(Code) else Code.VALUE,
                    dependency.kind.value, dependency.locator, text, (title,) if title else ())  # fmt: skip
    return _Verdict(None, (reason,), text)


def _unknown(text: str, code: Code) -> _Verdict:
    return _Verdict(None, (Reason(code, "", "", text),), text)
