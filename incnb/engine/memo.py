"""`incnb.memo`: a function whose calls are kept, across processes, under everything that they relied on.

A call is looked up by its arguments as the signature sees them (`f(1)`, `f(x=1)` and `f(1, y=2)` with a default of 2
are one call), `config`, and what the function relies on now: its code, its helpers, the globals and files that it
reads. So an edited helper is followed, and going back is a hit again.

What is returned is nobody else's: each reuse brings a new object, and what the first caller does to his reaches none of
the others. Arguments in `ignore` are handed over and not compared; those in `key` are compared by what their function
says of them.

What a call relies on is found once and kept while nothing of it moved, since a call of microseconds cannot pay for
finding it each time. It is looked at before each call that no other call of the same function is part of; inside one
it stays, and is looked at before anything is recorded.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final, overload

from incnb.engine import scene as scenes
from incnb.engine.applied import Applied
from incnb.engine.callee import CONFIG, Callee, signature_of
from incnb.engine.mapping import reuses
from incnb.engine.scene import Scene
from incnb.outputs.audited import ASKED


@overload
def memo(fn: Callable[..., Any], /) -> Memo: ...
@overload
def memo(
    fn: None = None,
    /,
    *,
    config: Any = None,
    key: Mapping[str, Callable[[Any], Any]] | None = None,
    ignore: Iterable[str] = (),
) -> Callable[[Callable[..., Any]], Memo]: ...
def memo(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    config: Any = None,
    key: Mapping[str, Callable[[Any], Any]] | None = None,
    ignore: Iterable[str] = (),
) -> Any:
    """Keep the calls of a function: `@incnb.memo`, or `@incnb.memo(ignore=("verbose",))`.

    `config` is compared apart from the arguments, and handed over as `config=` if the function has a parameter of that
    name that the caller did not give. `key={"conn": lambda c: c.url}` compares an argument by what the function says of
    it. `ignore` names arguments that are not compared.

    Raises `TypeError` for what is no function, and `ValueError` for names that are no parameters.
    """
    if isinstance(ignore, str):
        ignore = (ignore,)
    options = {"config": config, "key": dict(key or {}), "ignore": tuple(ignore)}
    if fn is None:
        return lambda function: Memo(function, **options)
    return Memo(fn, **options)


@final
class Memo:
    """A function whose calls are kept. `info()` says what became of them, `__wrapped__` is the function itself."""

    def __init__(self, function: Callable[..., Any], config: Any, key: dict[str, Any], ignore: tuple[str, ...]):
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"incnb.memo wants a function, not {function!r}")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError("incnb.memo cannot keep what a generator or a coroutine gives bit by bit")
        functools.update_wrapper(self, function)
        self._signature = signature_of(function)
        names = self._signature.parameters if self._signature is not None else {}
        unknown = [name for name in (*key, *ignore) if name not in names]
        if unknown:
            raise ValueError(f"{getattr(function, '__qualname__', function)} has no parameter {unknown[0]!r}")
        self._options = (config, key, ignore)
        self._callee = Callee(function, "memo " + " ".join(sorted({*key, *ignore})), config, key)

    @property
    def _calls(self) -> _Calls:
        # not a field: whoever goes through what a class or a notebook holds would come to all that calls were made with
        with _lock:
            return _all.setdefault(self, _Calls(self._callee))

    # -- being a function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        function = self._callee.function
        if self._callee.takes_config and CONFIG not in kwargs:
            kwargs = {**kwargs, CONFIG: self._options[0]}
        if scenes.is_off() or self._signature is None:
            return function(*args, **kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # raises what it raises
        calls = self._calls
        with scenes.entered() as scene:
            applied = calls.enter(scene)
            try:
                asked, packed = applied.ask(self._value(applied, bound))
                if packed is not None:
                    return packed.effects[0][1][0]
                # few frames of ours: the function may call itself
                return applied.execute(asked, functools.partial(function, *args, **kwargs))
            finally:
                calls.leave(applied)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<incnb.memo of {self._callee.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Memo, (self._callee.function, *self._options)

    def __incnb_fingerprint__(self) -> object:
        return (self._callee.function, *self._options)

    # -- asking

    def info(self) -> dict[str, int]:
        """How many calls executed and how many were reused in this process; whoever asks inside a tracked cell is not
        saved."""
        sys.audit(ASKED, "the counts of a memo")
        return self._calls.info()

    # -- one call

    def _value(self, applied: Applied, bound: inspect.BoundArguments) -> Any:
        """What a call is compared by: its arguments in the order of the parameters, without those that do not count."""
        bound.apply_defaults()
        _, key, ignore = self._options
        watch = applied.scene.watch
        was = watch.turn(aside=True)
        try:
            values = []
            for name, value in bound.arguments.items():
                if name in ignore or (name == CONFIG and self._callee.takes_config and value is self._options[0]):
                    continue
                values.append(key[name](value) if name in key else value)
            return tuple(values)
        finally:
            watch.turn(aside=was)


class _Calls:
    """The calls of one memoised function in this process."""

    def __init__(self, callee: Callee):
        self._callee = callee
        self._lock = threading.RLock()
        self._applied: Applied | None = None
        self._users = 0
        self._executed = self._reused = 0

    def info(self) -> dict[str, int]:
        with self._lock:
            passed = self._applied.passed if self._applied is not None else None
            executed, reused = (passed.tally.executed, passed.tally.reused) if passed is not None else (0, 0)
            return {"executed": self._executed + executed, "reused": self._reused + reused}

    def enter(self, scene: Scene) -> Applied:
        """The calls below this watch, while what they rely on is as it was."""
        with self._lock:
            applied = self._applied
            if applied is not None and not self._users and not applied.stands(scene):
                self._drop()
                applied = None
            if applied is None or applied.scene is not scene:
                fresh = Applied(self._callee, scene, f"incnb.memo({self._callee.name})", reuse=reuses(scene))
                fresh.begin()
                if scene.run is not None:
                    scene.run.loops.append(fresh)
                if applied is not None:
                    return fresh  # others are still at work below another watch
                applied = self._applied = fresh
            self._users += 1
            return applied

    def leave(self, applied: Applied) -> None:
        with self._lock:
            if applied is not self._applied:
                self._end(applied)
                return
            self._users -= 1
            if not self._users:
                applied.settle()
                if applied.problem:
                    self._drop()

    def _drop(self) -> None:
        applied, self._applied = self._applied, None
        if applied is not None:
            self._end(applied)

    def _end(self, applied: Applied) -> None:
        applied.close()
        if applied.passed is not None:
            self._executed += applied.passed.tally.executed
            self._reused += applied.passed.tally.reused
        if applied.scene.run is None and applied.problem:
            scenes.say(f"{applied.place}: {applied.problem}")


_all: weakref.WeakKeyDictionary[Memo, _Calls] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
