"""The environment of one decision: what every `(kind, locator)` resolves to now, each asked once."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import xxhash

from incnb.dependencies import ambient, bindings, config, env, file, module, package, sharing, source
from incnb.dependencies.bindings import Resolved
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import follow
from incnb.model import Kind, shorten

#: Answers for names whose value is not loaded: the fingerprint at a locator, or None when it must be loaded first.
Peek = Callable[[str, str], str | None]


def _nothing(name: str, locator: str) -> str | None:
    return None


class Environment:
    """Resolves dependencies against the live notebook namespace, the loaded modules and the machine."""

    def __init__(
        self,
        namespace: dict[str, Any],
        *,
        peek: Peek = _nothing,
        load: Callable[[str], None] = lambda name: None,
        alone: Callable[[str], bool] = lambda name: False,
        configured: Callable[[str], tuple[str, str]] = lambda top: ("", ""),
        is_pending: Callable[[str], bool] = lambda name: False,
        asked: dict[str, Resolved] | None = None,
        load_all: Callable[[], None] = lambda: None,
    ):
        self.namespace = namespace
        self.asked = asked or {}  # what the expressions of `--config` came to, by locator
        self._alone = alone
        self._configured = configured
        self._is_pending = is_pending
        self._peek = peek
        self._load = load
        self.load_all = load_all
        self._known: dict[tuple[Kind, str], Resolved] = {}
        self.given: dict[str, Callable[[], Resolved]] = {}  # what locators of somebody else's stand for
        self.volatile: frozenset[Kind] = frozenset()  # what is looked at each time

    def resolve(self, kind: Kind, locator: str) -> Resolved:
        """What `(kind, locator)` is now. Never raises for what the user's objects do."""
        if kind in self.volatile:
            return self._resolve(kind, locator)
        key = (Kind.VALUE if kind is Kind.CODE else kind, locator)
        if key not in self._known:
            self._known[key] = self._resolve(kind, locator)
        return self._known[key]

    def fresh(self, kind: Kind, locator: str) -> Resolved:
        """What `(kind, locator)` is at this very moment, whatever was known."""
        return self._resolve(kind, locator)

    def forget(self) -> None:
        """Let go of every object that was met."""
        self._known.clear()

    def hidden(self) -> list[Any]:
        """Objects with unreadable state that were met while resolving."""
        return [value for known in self._known.values() if known.met is not None for value in known.met.hidden]

    def _resolve(self, kind: Kind, locator: str) -> Resolved:
        if locator in self.given:
            return self.given[locator]()
        if kind is Kind.PYTHON:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            return Resolved(kind, xxhash.xxh3_128(version.encode()).hexdigest(), "", version)
        if kind is Kind.PACKAGE:
            return package.resolve(locator)
        if kind is Kind.MODULE:
            return module.resolve(locator)
        if kind is Kind.FILE:
            return file.resolve(locator)
        if kind is Kind.SOURCE:
            return source.resolve(locator)
        if kind is Kind.ENV:
            return env.resolve(locator)
        if kind is Kind.AMBIENT and locator.startswith(ambient.CONFIGURED):
            digest, shown = self._configured(locator[len(ambient.CONFIGURED) :])
            return Resolved(kind, digest, "", shorten(shown))
        if kind is Kind.AMBIENT:
            return ambient.resolve(locator)
        if kind is Kind.CONFIG:
            return self.asked.get(locator) or config.resolve(locator, self._scope)
        if kind is Kind.VERSION:
            return Resolved(kind, None, "changed")
        if locator.startswith(bindings.DOCSTRING):
            return bindings.docstring(self._resolve(Kind.VALUE, locator[len(bindings.DOCSTRING) :]))
        if locator.startswith(bindings.SIGNATURE):
            return bindings.signature(self.resolve(Kind.CODE, locator[len(bindings.SIGNATURE) :]))
        if locator.startswith(bindings.PRESENCE):
            wanted = locator[len(bindings.PRESENCE) :]
            return bindings.presence(wanted in self.namespace or self._is_pending(wanted))
        if locator.startswith(sharing.PREFIX):
            return sharing.resolve(locator, self._shared_value)
        name, read = bindings.parse(locator)
        return self.binding(name, read, locator)

    def _scope(self, module_name: str | None, name: str) -> dict[str, Any] | None:
        """The namespace in which a name is bound, with the value there; None for a module that is not loaded."""
        if module_name is None:
            if name not in self.namespace:
                self._load(name)
            return self.namespace
        loaded = sys.modules.get(module_name)
        return loaded.__dict__ if isinstance(loaded, types.ModuleType) else None

    def _shared_value(self, locator: str) -> Any:
        name, read = bindings.parse(locator)
        if name is None and read.name not in self.namespace and self._alone(read.name):
            return sharing.ALONE
        namespace = self._scope(name, read.name)
        value, taken, _ = follow(namespace, read) if namespace is not None else (None, 0, False)
        return value if taken == len(read.path) else None

    def binding(self, module_name: str | None, read: Read, locator: str) -> Resolved:
        """What a name in the notebook, or in a module, is bound to at the end of its path."""
        if module_name is None:
            if read.name not in self.namespace:
                fp = self._peek(read.name, locator)
                if fp is not None:
                    return Resolved(Kind.VALUE, fp, "", "not loaded yet")
                self._load(read.name)
            return bindings.resolve(self.namespace, read)
        loaded = sys.modules.get(module_name)
        if not isinstance(loaded, types.ModuleType):
            return Resolved(Kind.VALUE, None, "its module is not imported yet")
        return bindings.resolve(loaded.__dict__, read)
