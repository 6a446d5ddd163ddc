"""What forbids that a run is recorded, judged by what its closure found: for sure before it, the rest after it.

The words of a function (`eval`, a clock), a value that it reads and that cannot be fingerprinted, a cache: they count
if the function runs. Where that is known only afterwards the run is observed as if nothing were wrong. Only what could
tell that it is observed, since objects are held and counted, counts from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import final

from incnb.analysis.findings import Finding
from incnb.dependencies import Closure
from incnb.engine.hidden import HiddenState
from incnb.model import Code, Reason


@final
class Judgement:
    """The reasons against recording that the closure of one run gives, each told once to `forbid`."""

    def __init__(self, closure: Closure, forbid: Callable[[Reason], None]):
        self._closure = closure
        self._forbid = forbid
        self._perhaps: list[tuple[Hashable, Reason]] = []

    def before(self, hidden: HiddenState, is_users: Callable[[str], bool]) -> None:
        """Before the run; `is_users` says whether a word is the name of a variable of the user's."""
        reasons: list[tuple[Hashable, Reason]] = []
        for finding in self._closure.findings:
            if not is_users(finding.what):
                reasons.append((finding, reason_of(finding)))
        for key, why in self._closure.missing:
            reasons.append((key, Reason(Code.NOT_SAVED, "", key[1], why)))
        for ident, value in self._closure.hidden.items():
            for name in hidden.unknown([value]):
                reasons.append(
                    (("hidden", ident), Reason(Code.NOT_SAVED, "", name, "has cached results from other code"))
                )
        certain = self._closure.certain()
        for fact, reason in reasons:
            if certain(fact) or (isinstance(fact, Finding) and fact.notices):
                self._forbid(reason)
            else:
                self._perhaps.append((fact, reason))

    def after(self) -> None:
        """After the run, when the closure is narrowed."""
        perhaps, self._perhaps = self._perhaps, []
        for fact, reason in perhaps:
            if self._closure.is_left(fact):
                self._forbid(reason)


def reason_of(finding: Finding) -> Reason:
    """The reason that a finding is."""
    where = f", line {finding.line}" if finding.line else ""
    if finding.kind == "unsafe":
        return Reason(Code.UNSAFE, "", finding.what, f"what it reads cannot be bounded{where}")
    if finding.kind == "effect":
        return Reason(Code.EFFECT, "", finding.what, finding.what)
    return Reason(Code.NOT_SAVED, "", finding.what, finding.what + where)
