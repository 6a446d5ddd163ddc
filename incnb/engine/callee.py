"""The function behind calls that are told apart: where its items are kept, and what its calls rely on.

A plain function that its own name leads to is followed by that name, so that reasons name it and its helpers. Anything
else that can be called (a lambda, a partial, a bound method, an instance, what a decorator has wrapped) is handed over:
the environment is told of it under a name of ours (`call:…`), and it counts with all that it holds.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any, final

import xxhash

from incnb.config import Config, ConfigError
from incnb.dependencies import Closure, Environment, Found, Resolved, bindings, config
from incnb.dependencies.anatomy import anatomy
from incnb.fingerprint import origin
from incnb.fingerprint.code import Read, code_token
from incnb.fingerprint.encoder import follow
from incnb.model import Dependency, IncnbError, Kind
from incnb.outputs.whose import is_seen

CONFIG = "config"


@final
class Callee:
    """A function with what is asked of its calls: `sort` is `map` or `memo`, `also` are further functions by name."""

    def __init__(self, function: Any, sort: str, settings: Any = None, also: Mapping[str, Any] | None = None):
        self.function = function
        self.sort = sort
        self.settings = settings
        self.also = dict(also or {})
        self.name = name_of(function)
        self.takes_config = settings is not None and _takes(function, CONFIG)

    @property
    def folder(self) -> str:
        """The name of the folder of its items, 32 hexadecimal digits: the same for all versions of a named function."""
        plain = unwrapped(self.function)
        code = getattr(plain, "__code__", None)
        anonymous = plain.__code__ if isinstance(code, types.CodeType) and "<lambda>" in code.co_qualname else None
        said = [self.sort, str(getattr(plain, "__module__", "")), self.name]
        if anonymous is not None:
            said.append(code_token(anonymous).hex())
        return xxhash.xxh3_128_hexdigest("\0".join(said).encode("utf-8", "surrogatepass"))

    def follow(self, environment: Environment, ignore: tuple[str, ...], *, watched: bool) -> Closure:
        """The closure of one call. Raises `Unfingerprintable`, `LookupError` for what cannot be followed."""
        closure = Closure(environment, ignore, is_seen if watched else None)
        closure.add(Kind.PYTHON, "python")
        place = self._place(environment.namespace)
        if place is not None:
            closure.read(*place, called=True)
        else:
            self._hand_over(closure, f"call:{_word(self.name)}", self.function)
        for name, function in self.also.items():
            self._hand_over(closure, f"key:{_word(name)}", function)
        if self.settings is not None:
            environment.given[CONFIG] = lambda: settled(self.settings)
            now = closure.add(Kind.CONFIG, CONFIG)
            made = anatomy(now.value) if type(now.value) is Config else None
            told = Dependency(Kind.CONFIG, CONFIG, now.fp or "", now.shown, made=made)
            closure.found[Kind.CONFIG, CONFIG] = Found(told, now.value)
        return closure

    @staticmethod
    def _hand_over(closure: Closure, locator: str, function: Any) -> None:
        closure.environment.given[locator] = lambda: bindings.describe(function, locator)
        closure.given(locator)

    def _place(self, namespace: dict[str, Any]) -> tuple[str | None, Read] | None:
        """Where the function is found by its own name: the module (None for the notebook) and the read."""
        function = self.function
        if not isinstance(function, types.FunctionType) or not bindings.owns_globals(function):
            return None
        if not origin.is_ours(origin.function_origin(function)):
            return None
        module = str(function.__globals__["__name__"])
        name = function.__qualname__
        if not name.isidentifier() or follow(function.__globals__, Read(name))[0] is not function:
            return None
        if module == "__main__" and namespace is not function.__globals__:
            return None
        return (None if module == "__main__" else module), Read(name)


def settled(value: Any) -> Resolved:
    """What a `config=` is now: as a whole, shown and compared path by path where it is made like a Config."""
    found = config.resolve(CONFIG, lambda module, name: {CONFIG: value})
    if type(value) is dict:
        try:
            return Resolved(Kind.CONFIG, found.fp, found.detail, found.shown, Config(value))
        except (ConfigError, IncnbError):
            return found
    return found


def name_of(function: Any) -> str:
    """What people call it."""
    plain = unwrapped(function)
    name = getattr(plain, "__qualname__", None) or getattr(plain, "__name__", None)
    return name if isinstance(name, str) else type(plain).__qualname__


def unwrapped(function: Any) -> Any:
    """What a partial or a bound method stands for."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        else:
            return function


def signature_of(function: Any) -> inspect.Signature | None:
    """How it is called; None where that cannot be told."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _takes(function: Any, name: str) -> bool:
    """Whether it has a parameter of this name that can be given by keyword."""
    signature = signature_of(function)
    parameter = signature.parameters.get(name) if signature is not None else None
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return parameter is not None and parameter.kind in named


def _word(name: str) -> str:
    last = name.rpartition(".")[2]
    return last if last.isidentifier() else "function"
