"""Containment: does a recorded trace still hold here and now, and if not, what is the first thing that differs?

Dependencies are compared in the order in which they were found, up to the first mismatch. What comes later means
something only while what comes before it holds: `utils.clean` says nothing once `utils` is another module.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from incnb.dependencies import Environment, Resolved, config, file, module, source
from incnb.engine.differences import Makers, explained, in_short, links
from incnb.engine.options import TIMED, Options
from incnb.explain.words import named
from incnb.model import Code, Dependency, Kind, Reason, shorten
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

#: What people would name first of all that a cell relied on.
_NAMED = (Kind.VALUE, Kind.CODE, Kind.CONFIG, Kind.FILE, Kind.SOURCE, Kind.ENV, Kind.MODULE, Kind.PACKAGE, Kind.PYTHON)
SHOWN = 3
_BUILTINS = frozenset(dir(builtins))

Mismatch = tuple[Dependency, Resolved]


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
    store: Store, code: str, environment: Environment, options: Options, makers: Makers, own: str | None = None
) -> Answer:
    """Find a contained trace of this cell code. The reasons of a miss are those of the trace `own`, by its id, or else
    of the latest readable one."""
    answer = Answer()
    damaged: list[Reason] = []
    against: list[Reason] = []
    mismatch: Mismatch | None = None
    try:
        for stored in store.traces(code):
            if stored.data is None:
                kind = Code.NEWER_FORMAT if stored.newer else Code.STORE_UNREADABLE
                damaged.append(Reason(kind, "store", stored.id, stored.problem or ""))
                continue
            if stored.data.get("code") != code:
                damaged.append(Reason(Code.STORE_UNREADABLE, "store", stored.id, "it belongs to another cell"))
                continue
            relied = dependencies(stored)
            differs = first_mismatch(relied, environment, options)
            policy = against_policy(stored, options) if differs is None else None
            if differs is None and policy is None:
                answer.trace = stored
                answer.reasons = [Reason(Code.CONTAINED, "", "", as_it_was(relied))]
                return answer
            if answer.latest is None or stored.id == own:
                answer.latest, mismatch, against = stored, differs, [policy] if policy is not None else []
    except StoreError as error:
        return Answer(None, [Reason(Code.STORE_UNREADABLE, "store", "", str(error))])
    if mismatch is not None and answer.latest is not None:
        against = [explain(*mismatch, dependencies(answer.latest), makers)]
    answer.reasons = [*against, *damaged]
    return answer


def as_it_was(relied: list[Dependency]) -> str:
    """The things that people would name first of those that a trace relied on."""
    plain = [
        d for d in relied if d.shown != "builtin" and not d.shown.startswith("module ") and " of " not in d.locator
    ]
    told = [d for d in plain if d.kind in _NAMED]
    things = [d for d in told if d.kind not in _NAMED[-2:]] or told
    names = list(dict.fromkeys(thing(d) for d in things))[:SHOWN]
    names = [name for name in names if name not in _BUILTINS] or names
    more = len(relied) - len(names)
    return shorten(", ".join(names)) + (f" and {more} more" if more else "")


def thing(dependency: Dependency) -> str:
    """What people call a dependency."""
    if dependency.kind is Kind.PYTHON:
        return f"Python {dependency.shown}"
    if dependency.kind is Kind.PACKAGE:
        return dependency.shown or dependency.locator
    return named(dependency.locator.removesuffix(" (file)")) + ("()" if dependency.shown.endswith("()") else "")


def dependencies(stored: StoredTrace) -> list[Dependency]:
    return [Dependency.from_dict(d) for d in (stored.data or {}).get("dependencies", [])]


def against_policy(stored: StoredTrace, options: Options) -> Reason | None:
    """What forbids to reuse a contained trace: its age, or effects that are not allowed any more."""
    data = stored.data or {}
    age = time.time() - float(data.get("created", 0.0))
    if options.ttl is not None and not 0 <= age < options.ttl:
        return Reason(
            Code.EXPIRED, "", "--ttl", f"saved {age / 3600:.1f} hours ago, --ttl is {options.ttl / 3600:.1f} hours"
        )
    allowed = options.allow | (TIMED if options.ttl is not None else frozenset())
    for effect in data.get("effects", []):
        if effect not in allowed:
            return Reason(Code.EFFECT, "", effect, f"it was saved under --allow {effect}, which is not given now")
    return None


def first_mismatch(recorded: list[Dependency], environment: Environment, options: Options) -> Mismatch | None:
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
            was = replace(was, shown=was.shown or "not given")
            return was, Resolved(Kind.VERSION, declared, "changed", declared or "not given")
    return first_difference(recorded, environment)


def first_difference(recorded: list[Dependency], environment: Environment) -> Mismatch | None:
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


def explain(was: Dependency, now: Resolved, recorded: list[Dependency], makers: Makers) -> Reason:
    """The reason for one mismatch: what changed, from what to what, and what led to it."""
    made_by = makers(was.locator)
    detail, told = "changed", None
    if now.fp is None:
        detail = "changed" if module.has_moved(was) else now.detail or "changed"
    elif was.kind in (Kind.FILE, Kind.ENV) and now.detail == "deleted":
        detail = "deleted"
    elif now.detail == "deleted":
        detail = "not-yet-run" if not made_by else "deleted"
    elif now.detail != "not loaded yet":
        told = explained(was, now, recorded, made_by)
        detail = in_short(told) if told is not None else "changed"
    causes = (*links(was, recorded), *(maker.title for maker in made_by))
    return Reason(_CODES[was.kind], was.kind.value, was.locator, detail, causes, told)
