"""Containment: does a recorded trace still hold here and now, and if not, what is the first thing that differs?

Dependencies are compared in the order in which they were found, up to the first mismatch. What comes later means
something only while what comes before it holds: `utils.clean` says nothing once `utils` is another module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from incnb.dependencies import Environment, Resolved, bindings
from incnb.model import Code, Dependency, Kind, Reason
from incnb.store import Store, StoredTrace, StoreError

_CODES = {
    Kind.CODE: Code.CODE,
    Kind.VALUE: Code.VALUE,
    Kind.MODULE: Code.MODULE,
    Kind.PACKAGE: Code.PACKAGE,
    Kind.AMBIENT: Code.AMBIENT,
    Kind.PYTHON: Code.PYTHON,
    Kind.VERSION: Code.VERSION,
}


@dataclass(slots=True)
class Answer:
    """The outcome of a look-up: the trace to reuse, or the reasons against."""

    trace: StoredTrace | None = None
    reasons: list[Reason] = field(default_factory=list)
    latest: StoredTrace | None = None


def look_up(
    store: Store, code: str, environment: Environment, version: str, producer: Callable[[str], list[str]]
) -> Answer:
    """Find a contained trace of this cell code; the reasons of a miss are those of the latest readable one."""
    answer = Answer()
    damaged: list[Reason] = []
    try:
        for stored in store.traces(code):
            if stored.data is None:
                kind = Code.NEWER_FORMAT if stored.newer else Code.STORE_UNREADABLE
                damaged.append(Reason(kind, "store", stored.id, stored.problem or ""))
                continue
            if stored.data.get("code") != code:
                damaged.append(Reason(Code.STORE_UNREADABLE, "store", stored.id, "it belongs to another cell"))
                continue
            mismatch = first_difference(dependencies(stored), environment, version)
            if mismatch is None:
                answer.trace = stored
                answer.reasons = [Reason(Code.CONTAINED, "", "", "")]
                return answer
            if answer.latest is None:
                answer.latest = stored
                answer.reasons = [explain(*mismatch, dependencies(stored), producer)]
    except StoreError as error:
        return Answer(None, [Reason(Code.STORE_UNREADABLE, "store", "", str(error))])
    answer.reasons += damaged
    return answer


def dependencies(stored: StoredTrace) -> list[Dependency]:
    return [Dependency.from_dict(d) for d in (stored.data or {}).get("dependencies", [])]


def first_difference(
    recorded: list[Dependency], environment: Environment, version: str
) -> tuple[Dependency, Resolved] | None:
    """The first recorded dependency that does not resolve as recorded, with what it resolves to."""
    for dependency in recorded:
        if dependency.kind is Kind.VERSION:
            if dependency.fp != version:
                return dependency, Resolved(Kind.VERSION, version, "changed", version)
            continue
        try:
            now = environment.resolve(dependency.kind, dependency.locator)
        except (ValueError, SyntaxError):
            return dependency, Resolved(dependency.kind, None, "cannot be looked up")
        if now.fp != dependency.fp:
            return dependency, now
    return None


def explain(was: Dependency, now: Resolved, recorded: list[Dependency], producer: Callable[[str], list[str]]) -> Reason:
    """The reason for one mismatch: what changed, from what to what, and what led to it."""
    detail = "changed"
    if now.fp is None:
        detail = now.detail or "changed"
    elif now.detail == "deleted":
        detail = "not-yet-run" if not producer(was.locator) else "deleted"
    elif was.kind is not Kind.CODE and now.detail != "not loaded yet":
        shown = now.shown or bindings.show(now.value)
        if was.shown and shown and was.shown != shown:
            detail = f"changed: {was.shown} → {shown}"
    by_locator = {d.locator: d for d in recorded}
    chain: list[str] = []
    at = was.via
    while at and at not in chain and len(chain) < 12:
        chain.append(at)
        at = by_locator[at].via if at in by_locator else ""
    return Reason(_CODES[was.kind], was.kind.value, was.locator, detail, (*chain, *producer(was.locator)))
