"""What speaks against recording a run, judged by its closure and by what was seen: for sure before it, the rest after.

An effect is something that a trace cannot replay. A person may allow kinds of them (`--allow network`), or let
network and clocks pass for a time (`--ttl 1d`); what was let pass is recorded with the trace, and asked for again at
every reuse.

The words of a function (`eval`, a clock), a value that it reads and that cannot be fingerprinted, a cache: they count
if the function runs. Where that is known only afterwards the run is observed as if nothing were wrong. Only what could
tell that it is observed, since objects are held and counted, counts from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import final

from incnb.analysis.findings import Finding
from incnb.dependencies import Closure
from incnb.engine.hidden import HiddenState
from incnb.engine.options import TIMED, Options
from incnb.model import Code, Reason, redacted
from incnb.outputs.effects import Event

SHOWN_EVENTS = 8


class Judgement:
    """Collects what speaks against recording one run."""

    def __init__(self, options: Options, *, sees_looks: bool):
        self.problems: list[Reason] = []
        self.effects: list[Reason] = []
        self.lifted: set[str] = set()
        self._sees_looks = sees_looks
        self.sees_folders = False
        self._allowed = options.allow | (TIMED if options.ttl is not None else frozenset())

    def allows(self, permit: str) -> bool:
        """Whether a person allowed something; what was let pass is noted."""
        if permit in self._allowed:
            self.lifted.add(permit)
        return permit in self._allowed

    def not_saved(self, locator: str, why: str) -> None:
        self.problems.append(Reason(Code.NOT_SAVED, "", redacted(locator), redacted(why)))

    def unsafe(self, locator: str, why: str) -> None:
        self.problems.append(Reason(Code.UNSAFE, "", redacted(locator), redacted(why)))

    def effect(self, what: str, permit: str) -> None:
        """Something outside was touched, or something came from outside that differs each time."""
        if permit in self._allowed:
            self.lifted.add(permit)
            return
        what = redacted(what)
        hint = f"; --allow {permit}" + (" or --ttl 1d" if permit in TIMED else "") if permit else ""
        reason = Reason(Code.EFFECT, "", what, what + hint)
        if reason not in self.effects:
            self.effects.append(reason)

    def finding(self, finding: Finding) -> None:
        """Judge what the words of the code tell."""
        where = f", line {finding.line}" if finding.line else ""
        if finding.kind == "unsafe":
            self.unsafe(finding.what, f"what it reads cannot be bounded{where}")
        elif finding.kind == "effect":
            self.effect(finding.what, finding.permit)
        elif finding.kind == "looks":
            if not self._sees_looks:
                self.not_saved(finding.what, f"it looks at files ({finding.what}){where}")
        elif finding.kind == "native":
            if not self.sees_folders:
                self.not_saved(finding.what, f"files opened by native code cannot be seen here ({finding.what}){where}")
        elif finding.kind == "untracked":
            self.not_saved(finding.what, finding.what + where)

    def seen(self, events: Iterable[Event]) -> None:
        """Judge what the watch saw."""
        ordered = sorted(events, key=lambda event: event.kind != "effect")
        for event in ordered[:SHOWN_EVENTS]:
            if event.kind == "effect":
                self.effect(event.what, event.permit)
            elif event.kind == "unsafe":
                self.unsafe(event.what, event.what)
            else:
                self.not_saved(event.what, event.what)
        if len(ordered) > SHOWN_EVENTS:
            self.not_saved("", f"and {len(ordered) - SHOWN_EVENTS} more")


@final
class Perhaps:
    """The reasons against recording that the closure of one run gives, each told once."""

    def __init__(self, closure: Closure, judgement: Judgement):
        self._closure = closure
        self._judgement = judgement
        self._perhaps: list[tuple[Hashable, Callable[[], None]]] = []

    def before(self, hidden: HiddenState, is_users: Callable[[str], bool]) -> None:
        """Before the run; `is_users` says whether a word is the name of a variable of the user's."""
        tell = self._judgement
        reasons: list[tuple[Hashable, Callable[[], None]]] = []
        for finding in self._closure.findings:
            if not is_users(finding.what):
                reasons.append((finding, partial(tell.finding, finding)))
        for key, why in self._closure.missing:
            reasons.append((key, partial(tell.not_saved, key[1], why)))
        for ident, value in self._closure.hidden.items():
            for name in hidden.unknown([value]):
                what = partial(tell.not_saved, name, "has cached results from other code")
                reasons.append((("hidden", ident), what))
        certain = self._closure.certain()
        for fact, say in reasons:
            if certain(fact) or (isinstance(fact, Finding) and fact.notices):
                say()
            else:
                self._perhaps.append((fact, say))

    def after(self) -> None:
        """After the run, when the closure is narrowed."""
        perhaps, self._perhaps = self._perhaps, []
        for fact, say in perhaps:
            if self._closure.is_left(fact):
                say()
