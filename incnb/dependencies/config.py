"""Kind `config`: the keys that a cell really reads of an `incnb.Config`, and what `--config EXPR` comes to.

The static closure finds where the cell's Configs are bound (`cfg`, `settings['cfg']`, `conf:cfg`) and fingerprints none
of them; that there is a Config is the dependency `type of cfg`. While the cell runs, every Config says what is read of
it, through whatever name, argument or thread, and each such key becomes a dependency at the place where its Config was
found: `cfg['model']['lr']` (a value, or its absence), `presence of cfg['x']`, `type of cfg['model']` (a nested Config
was handed out), or `cfg['model']` (all of it was seen).

A Config that the cell made itself is no input. One that was there before, and that nothing the cell reads leads to,
makes the run unsaved: this is the net below the static closure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from incnb import config
from incnb.config import Config, contents, is_simple
from incnb.dependencies import bindings
from incnb.dependencies.anatomy import anatomy
from incnb.dependencies.bindings import Resolved
from incnb.fingerprint import ABSENT, Unfingerprintable, fingerprint
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import follow
from incnb.model import Dependency, Kind, shorten

TYPE = bindings.TYPE
PRESENCE = bindings.PRESENCE
ASKED = "--config "
_SECRETS = ("passw", "secret", "token", "apikey", "api_key", "credential", "private", "pwd", "passphrase")

Steps = tuple[tuple[str, Any], ...]
Scope = Callable[[str | None, str], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Place:
    """One place where a Config is found: a module (None for the notebook), and the path from a name there."""

    module: str | None
    read: Read

    @property
    def locator(self) -> str:
        return bindings.locator(self.module, self.read)

    def at(self, key: str | int) -> Place:
        return Place(self.module, Read(self.read.name, (*self.read.path, ("item", key))))


# -- what a locator resolves to now


def resolve(locator: str, scope: Scope) -> Resolved:
    """What a locator of this kind is now; `scope` gives the namespace in which a name of a module is bound."""
    prefix = next((p for p in (TYPE, PRESENCE) if locator.startswith(p)), "")
    module, read = bindings.parse(locator[len(prefix) :])
    namespace = scope(module, read.name)
    if namespace is None:
        return Resolved(Kind.CONFIG, None, "its module is not imported yet")
    value, taken, _ = follow(namespace, read)
    for kind, key in read.path[taken:]:
        if type(value) is not Config or kind != "item":
            return Resolved(Kind.CONFIG, None, "changed", f"{locator[len(prefix) :]} is not reached any more")
        value = contents(value).get(key, ABSENT)
    if value is ABSENT and not read.path:
        return Resolved(Kind.CONFIG, fingerprint(b"absent").hex(), "deleted", "not defined", ABSENT)
    return {TYPE: _type, PRESENCE: _presence, "": _value}[prefix](value, read.path[-1:])


def _type(value: Any, last: Steps = ()) -> Resolved:
    if type(value) is Config:
        return Resolved(Kind.CONFIG, fingerprint(b"a Config").hex(), "", "a Config", value)
    shown = bindings.show(value) if value is not ABSENT else "absent"
    return Resolved(Kind.CONFIG, fingerprint(b"no Config").hex(), "", shown, value)


def _presence(value: Any, last: Steps = ()) -> Resolved:
    word = "absent" if value is ABSENT else "present"
    return Resolved(Kind.CONFIG, fingerprint(word.encode()).hex(), "", word, value)


def _value(value: Any, last: Steps = ()) -> Resolved:
    if value is ABSENT:
        return Resolved(Kind.CONFIG, fingerprint(b"absent").hex(), "", "absent", ABSENT)
    try:
        fp = fingerprint(value).hex()
    except Unfingerprintable as error:
        return Resolved(Kind.CONFIG, None, f"cannot be fingerprinted: {error}", "", value)
    if any(_is_secret(str(key)) for _, key in last):
        return Resolved(Kind.CONFIG, fp, "", "", None)
    name = str(last[-1][1]) if last else ""
    shown = f"a Config of {len(contents(value))}" if type(value) is Config else bindings.show_as(name, value)
    return Resolved(Kind.CONFIG, fp, "", shown, value)


def _is_secret(text: str) -> bool:
    return any(word in text.lower() for word in _SECRETS)


def asked(expressions: Iterable[str], namespace: dict[str, Any]) -> dict[str, Resolved]:
    """What the expressions of `--config` come to, by locator. User code runs; what it raises is in `detail`."""
    found = {}
    for expression in expressions:
        locator = ASKED + expression
        try:
            value = eval(compile(expression, "<--config>", "eval", dont_inherit=True), namespace)
            shown = "" if _is_secret(expression) else bindings.show(value)
            found[locator] = Resolved(Kind.CONFIG, fingerprint(value).hex(), "", shown, value if shown else None)
        except KeyboardInterrupt:
            raise
        except Unfingerprintable as error:
            found[locator] = Resolved(Kind.CONFIG, None, f"cannot be fingerprinted: {error}")
        except BaseException as error:
            found[locator] = Resolved(Kind.CONFIG, None, shorten(f"raised {type(error).__name__}: {_said(error)}"))
    return found


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of the user's own __str__
        return ""


# -- how its dependencies are found while a cell runs


class Readings:
    """Listens to all Configs while one cell runs, and keeps what was read in order.

    `roots` are the places of the cell's Configs with what was found there, `known` says of any object, by id, whether
    it is inside of something that the cell relies on as a whole; not `strict`: the user named things to ignore.
    """

    def __init__(self, roots: Iterable[tuple[Place, Config]], known: Callable[[int], bool], *, strict: bool = True):
        self._known = known
        self._strict = strict
        self._made: set[int] = set()  # ids of what was made while listening; an id that is used again is one of those
        self._places: dict[int, list[Place]] = {}
        self._roots = [found for _, found in roots]  # kept alive, so that ids stay theirs
        self._noted: dict[str, Dependency] = {}
        self._seen: set[tuple[int, str, Any]] = set()
        self.problems: list[str] = []  # why the run must not be kept
        todo = list(roots)
        while todo:
            place, found = todo.pop(0)
            self._places.setdefault(id(found), []).append(place)
            todo += [
                (place.at(key), part)
                for key, part in contents(found).items()
                if type(part) is Config and is_simple(key)
            ]

    def start(self, *, remembered: bool = False) -> None:
        """Listen from now on; `remembered`: a cache may answer, which read its keys when it was filled."""
        config.listen(self)
        _watch_forks()
        if remembered:
            self.unheard()

    def stop(self) -> None:
        config.listen(None)

    @property
    def dependencies(self) -> list[Dependency]:
        """What was read, in the order in which it was read first."""
        return list(self._noted.values())

    # -- told by the Configs

    def key(self, read: Config, key: str | int) -> None:
        if (id(read), "key", key) in self._seen:
            return  # as in a loop
        value = contents(read).get(key, ABSENT)
        if type(value) is Config:
            self._note(read, "type", key, lambda place: (TYPE + place.at(key).locator, _type(value)))
        else:
            self._note(read, "key", key, lambda place: (place.at(key).locator, _value(value, (("item", key),))))

    def presence(self, read: Config, key: str | int) -> None:
        value = contents(read).get(key, ABSENT)
        self._note(read, "presence", key, lambda place: (PRESENCE + place.at(key).locator, _presence(value)))

    def everything(self, read: Config) -> None:
        self._note(read, "all", None, lambda place: (place.locator, _value(read)))

    def made(self, made: Config) -> None:
        self._made.add(id(made))

    def unheard(self) -> None:
        """Something is read that is not heard here, as in another process: that may be everything."""
        for root in self._roots:
            self.everything(root)

    def _note(self, read: Config, what: str, key: Any, resolve: Callable[[Place], tuple[str, Resolved]]) -> None:
        ident = (id(read), what, key)
        if ident in self._seen or id(read) in self._made:
            return
        self._seen.add(ident)
        places = self._places.get(id(read))
        if places is None:
            if self._strict and not self._known(id(read)):
                self.problems.append("it read a Config that nothing the cell reads leads to")
            return
        try:
            for place in places:
                locator, resolved = resolve(place)
                if locator in self._noted:
                    continue
                if resolved.fp is None:
                    self.problems.append(f"{locator} {resolved.detail}")
                fp, shown = resolved.fp or "", resolved.shown
                made = anatomy(read) if what == "all" else None
                self._noted[locator] = Dependency(Kind.CONFIG, locator, fp, shown, made=made)
        except Exception as error:  # never in the way of the user's reading
            self.problems.append(f"a read of {places[0].locator} could not be kept ({type(error).__name__})")


_forks_watched = False


def _watch_forks() -> None:
    global _forks_watched
    if _forks_watched or not hasattr(os, "register_at_fork"):
        return
    _forks_watched = True

    def before() -> None:
        listener = config._listener
        if isinstance(listener, Readings):
            listener.unheard()

    os.register_at_fork(before=before)
