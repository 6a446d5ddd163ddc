"""What speaks against recording a run: problems, and effects that nobody allowed.

An effect is something that a trace cannot replay. A person may allow kinds of them (`--allow network`), or let
network and clocks pass for a time (`--ttl 1d`); what was let pass is recorded with the trace, and asked for again at
every reuse.
"""

from __future__ import annotations

from collections.abc import Iterable

from incnb.analysis.findings import Finding
from incnb.engine.options import TIMED, Options
from incnb.model import Code, Reason
from incnb.outputs.effects import Event

SHOWN_EVENTS = 8


class Judgement:
    """Collects what speaks against recording one run."""

    def __init__(self, options: Options):
        self.problems: list[Reason] = []
        self.effects: list[Reason] = []
        self.lifted: set[str] = set()
        self._allowed = options.allow | (TIMED if options.ttl is not None else frozenset())

    def not_saved(self, locator: str, why: str) -> None:
        self.problems.append(Reason(Code.NOT_SAVED, "", locator, why))

    def unsafe(self, locator: str, why: str) -> None:
        self.problems.append(Reason(Code.UNSAFE, "", locator, why))

    def effect(self, what: str, permit: str) -> None:
        """Something outside was touched, or something came from outside that differs each time."""
        if permit in self._allowed:
            self.lifted.add(permit)
            return
        hint = f"; --allow {permit}" + (" or --ttl 1d" if permit in TIMED else "") if permit else ""
        reason = Reason(Code.EFFECT, "", what, what + hint)
        if reason not in self.effects:
            self.effects.append(reason)

    def finding(self, finding: Finding, *, sees_looks: bool) -> None:
        """Judge what the words of the code tell."""
        where = f", line {finding.line}" if finding.line else ""
        if finding.kind == "unsafe":
            self.unsafe(finding.what, f"what it reads cannot be bounded{where}")
        elif finding.kind == "effect":
            self.effect(finding.what, finding.permit)
        elif finding.kind == "looks":
            if not sees_looks:
                self.not_saved(finding.what, f"it looks at files ({finding.what}){where}")
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
