"""Containment: does a recorded trace still hold here and now, and if not, what is the first thing that differs?

Dependencies are compared in the order in which they were found, up to the first mismatch. What comes later means
something only while what comes before it holds: `utils.clean` says nothing once `utils` is another module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from incnb.dependencies import Environment, Resolved, bindings, config, file, source
from incnb.engine.options import TIMED, Options
from incnb.model import Code, Dependency, Kind, Reason
from incnb.store import Store, StoredTrace, StoreError

_CODES = {
    Kind.CODE: Code.CODE,
    Kind.VALUE: Code.VALUE,
    Kind.CONFIG: Code.CONFIG,
    Kind.MODULE: Code.MODULE,
    Kind.PACKAGE: Code.PACKAGE,
    Kind.FILE: Code.FILE,
    Kind.ENV: Code.ENV,
    Kind.AMBIENT: Code.AMBIENT,
    Kind.PYTHON: Code.PYTHON,
    Kind.SOURCE: Code.SOURCE,
    Kind.VERSION: Code.VERSION,
}


@dataclass(slots=True)
class Answer:
    """The outcome of a look-up: the trace to reuse, or the reasons against."""

    trace: StoredTrace | None = None
    reasons: list[Reason] = field(default_factory=list)
    latest: StoredTrace | None = None


def declarations(options: Options) -> dict[str, str]:
    """What a person declared on the cell: another declaration is another cell."""
    declared = {"version": options.version}
    if options.files:
        declared["file"] = " ".join(sorted(set(options.files)))
    return declared


def look_up(
    store: Store, code: str, environment: Environment, options: Options, producer: Callable[[str], list[str]]
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
            mismatch = first_mismatch(dependencies(stored), environment, options)
            against = against_policy(stored, options) if mismatch is None else None
            if against is not None:
                if answer.latest is None:
                    answer.latest, answer.reasons = stored, [against]
                continue
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


def against_policy(stored: StoredTrace, options: Options) -> Reason | None:
    """What forbids to reuse a contained trace: its age, or effects that are not allowed any more."""
    data = stored.data or {}
    age = time.time() - float(data.get("created", 0.0))
    if options.ttl is not None and not 0 <= age < options.ttl:
        return Reason(Code.EXPIRED, "", "--ttl", f"saved {age / 3600:.1f} hours ago, --ttl is {options.ttl / 3600:.1f}")
    allowed = options.allow | (TIMED if options.ttl is not None else frozenset())
    for effect in data.get("effects", []):
        if effect not in allowed:
            return Reason(Code.EFFECT, "", effect, f"it was saved under --allow {effect}, which is not given now")
    return None


def first_mismatch(
    recorded: list[Dependency], environment: Environment, options: Options
) -> tuple[Dependency, Resolved] | None:
    """The first thing that is not as recorded, what a person declared on the cell included."""
    asked = [d.locator for d in recorded if d.locator.startswith(config.ASKED) and d.kind is Kind.CONFIG]
    if set(asked) != set(environment.asked):
        was = Dependency(Kind.CONFIG, "--config", "", _expressions(asked))
        return was, Resolved(Kind.CONFIG, "changed", "", _expressions(environment.asked))
    before = {d.locator: d for d in recorded if d.kind is Kind.VERSION}
    now = {f"--{name}": value for name, value in declarations(options).items()}
    for locator in [*before, *(now.keys() - before.keys())]:
        was = before.get(locator, Dependency(Kind.VERSION, locator, "", "not given"))
        declared = now.get(locator, "")
        if was.fp != declared:
            return was, Resolved(Kind.VERSION, declared, "changed", declared or "not given")
    return first_difference(recorded, environment)


def first_difference(recorded: list[Dependency], environment: Environment) -> tuple[Dependency, Resolved] | None:
    """The first recorded dependency that does not resolve as recorded, with what it resolves to."""
    for dependency in recorded:
        if dependency.kind is Kind.VERSION:
            continue
        if dependency.kind is Kind.FILE and file.is_stamped(dependency):
            continue
        if dependency.kind is Kind.SOURCE:
            found = source.moved(dependency)
            if found is not None:
                return dependency, found
            continue
        try:
            now = environment.resolve(dependency.kind, dependency.locator)
        except (ValueError, SyntaxError):
            return dependency, Resolved(dependency.kind, None, "cannot be looked up")
        if now.fp != dependency.fp:
            return dependency, now
    return None


def _expressions(locators: Iterable[str]) -> str:
    return ", ".join(locator.removeprefix(config.ASKED) for locator in locators) or "none"


def explain(was: Dependency, now: Resolved, recorded: list[Dependency], producer: Callable[[str], list[str]]) -> Reason:
    """The reason for one mismatch: what changed, from what to what, and what led to it."""
    detail = "changed"
    if now.fp is None:
        detail = now.detail or "changed"
    elif was.kind in (Kind.FILE, Kind.ENV) and now.detail == "deleted":
        detail = "deleted"
    elif now.detail == "deleted":
        detail = "not-yet-run" if not producer(was.locator) else "deleted"
    elif was.kind is not Kind.CODE and now.detail != "not loaded yet":
        shown = now.shown or bindings.show(now.value)
        if was.shown and shown and was.shown != shown:
            detail = f"changed: {was.shown} → {shown}"
        if was.parts is not None and was.kind is Kind.CONFIG and (first := config.difference(was.parts, now.value)):
            detail = f"changed: {first}"
    by_locator = {d.locator: d for d in recorded}
    chain: list[str] = []
    at = was.via
    while at and at not in chain and len(chain) < 12:
        chain.append(at)
        at = by_locator[at].via if at in by_locator else ""
    return Reason(_CODES[was.kind], was.kind.value, was.locator, detail, (*chain, *producer(was.locator)))
