"""`%incremental refresh`: take all decisions of this session again, and run nothing.

The last text of every tracked cell is decided against what is there now. All decisions share one environment, so that
every dependency is fingerprinted once. Nothing is loaded, bound, marked or made younger: a decision that would need a
value that is not loaded says so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incnb.dependencies import Environment
from incnb.engine import decide
from incnb.engine.marks import pending_marks
from incnb.engine.replay import blobs
from incnb.engine.tracked import Text, own_trace
from incnb.explain.tables import nothing_to_refresh, refresh_table
from incnb.explain.words import is_about_items
from incnb.model import Code, IncnbError, Outlook, Reason
from incnb.store import StoreError

if TYPE_CHECKING:
    from incnb.engine.session import Session

_UNTOLD = frozenset({Code.EFFECT, Code.NOT_SAVED, Code.UNSAFE, Code.OFF})


class NotLoaded(IncnbError):
    """A value that a decision needs is pending."""


@dataclass(slots=True, repr=False)
class Refreshed:
    """The outlooks, and what each step took in all, in milliseconds."""

    outlooks: list[Outlook] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        return sum(self.steps.values())

    def __repr__(self) -> str:
        return refresh_table(self.outlooks, self.steps, None) if self.outlooks else nothing_to_refresh()


def refresh(session: Session, texts: list[Text]) -> Refreshed:
    """What would become of these cells if they ran now, one by one."""
    pending = session.pending

    def refuse(name: str) -> None:
        if name in pending.groups:
            raise NotLoaded(name)

    environment = session.environment(peek=True, load=refuse)
    found = Refreshed(steps={"log": 0.0, "look-up": 0.0, "outputs": 0.0})
    for text in texts:
        clock = _Clock(found.steps)
        try:
            reuse, reasons = _decide(session, text, environment, clock)
        except NotLoaded as needed:
            clock.step("look-up")
            reuse, reasons = None, (Reason(Code.VALUE, "value", str(needed), "is not loaded yet"),)
        found.outlooks.append(Outlook(text.cell.title, text.number, reuse, reasons, clock.total))
    return found


def _decide(
    session: Session, text: Text, environment: Environment, clock: _Clock
) -> tuple[bool | None, tuple[Reason, ...]]:
    title = text.cell.title
    marks = pending_marks(session.history, session.notebook, text.cell)
    clock.step("log")
    if text.options.force:
        return False, (Reason(Code.FORCED, "", "--force", ""),)
    if marks.must_execute:
        return False, (marks.reason(title),)
    code = text.analysis.code
    own = own_trace(session.history, session.notebook, session.history.of(session.notebook, text.cell.id, title), code)
    answer = decide.look_up(session.store, code, environment, text.options, session.producer, own)
    if answer.trace is None:
        standing = session.accepted.standing(text.tree, text.analysis, environment, text.options)
        answer = standing or answer
    clock.step("look-up")
    if answer.trace is None:
        untold = tuple(r for r in text.reasons if r.code in _UNTOLD and not is_about_items(r))
        return False, tuple(answer.reasons) or untold or (Reason(Code.NEVER_RUN, "", title, ""),)
    unknown = session.hidden.unknown(environment.hidden())
    if unknown:
        return False, (Reason(Code.NOT_SAVED, "", unknown[0], "has cached results from other code"),)
    try:
        for blob in blobs((answer.trace.data or {})["outputs"]):
            session.store.check(blob)
    except StoreError as error:
        return False, (Reason(Code.UNRESTORABLE, "store", answer.trace.id, str(error)),)
    finally:
        clock.step("outputs")
    return True, tuple(answer.reasons)


class _Clock:
    """Adds what each step of one cell takes."""

    def __init__(self, steps: dict[str, float]):
        self._steps = steps
        self._at = time.perf_counter()
        self.total = 0.0

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self._steps[name] += (now - self._at) * 1000
        self.total += (now - self._at) * 1000
        self._at = now
