"""`incnb.map`: a function over many items, each of them run once and kept.

Every item is looked up by what the function relies on, `config`, and its own value; only what is not there runs, in
this process or by an executor. What has finished is saved as it finishes, so whatever ends the call early (an error,
an interrupt, a kill) loses next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from incnb.engine import scene as scenes
from incnb.engine.applied import Applied
from incnb.engine.callee import CONFIG, Callee
from incnb.engine.scene import Scene
from incnb.failed import Failed
from incnb.model import shorten

SHOWN = 60  # characters of an item


def map(
    fn: Callable[..., Any],
    items: Iterable[Any],
    *,
    config: Any = None,
    executor: Any = None,
    on_error: Literal["raise", "hole"] = "raise",
) -> list[Any]:
    """`[fn(item) for item in items]`, where an item that ran before under the same conditions is not run again.

    `config` is compared apart from the items, and handed to `fn` as `config=` if `fn` has a parameter of that name.
    `executor`: None (here, one after the other), a number of processes, a `concurrent.futures.Executor`, or a
    `dask.distributed.Client`. `on_error="hole"` puts an `incnb.Failed` in the place of an item that raises, and goes
    on; otherwise the first error in the order of the items is raised, and what has finished is kept.

    Raises `TypeError` and `ValueError` for arguments that make no sense.
    """
    __tracebackhide__ = True
    if not callable(fn):
        raise TypeError(f"incnb.map wants something that can be called, not a {type(fn).__qualname__}")
    if on_error not in ("raise", "hole"):
        raise ValueError(f'on_error is "raise" or "hole", not {on_error!r}')
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(f"incnb.map wants items to go through, not a {type(items).__qualname__}") from None
    callee = Callee(fn, "map", config)
    call = _caller(callee)
    holes = on_error == "hole"
    if executor is not None:
        from incnb.engine import executors

        executor = executors.checked(executor)
    if scenes.is_off():
        if executor is not None:
            return executor.plainly(call, iterator, holes)  # type: ignore[no-any-return]
        return [_run(call, n, item, holes=holes) for n, item in enumerate(iterator)]
    with scenes.entered() as scene:
        applied = Applied(callee, scene, f"incnb.map({callee.name})", reuse=reuses(scene))
        applied.begin()
        if scene.run is not None:
            scene.run.loops.append(applied)
        try:
            if executor is not None:
                return executor.run(applied, call, iterator, holes)  # type: ignore[no-any-return]
            return [
                _run(lambda item: applied.call(item, lambda: call(item)), n, item, holes=holes)
                for n, item in enumerate(iterator)
            ]
        finally:
            applied.close()
            if scene.run is None and applied.problem:
                scenes.say(f"{applied.place}: {applied.problem}")


def reuses(scene: Scene) -> bool:
    """Whether what was recorded may be reused: not in a cell of which all must execute."""
    session = scene.session
    tracked = session.current if session is not None else None
    if scene.run is None or tracked is None:
        return True
    options = tracked.options
    return not (options.force or options.verify or tracked.marks.must_execute)


def _caller(callee: Callee) -> Callable[[Any], Any]:
    fn, settings = callee.function, callee.settings
    if not callee.takes_config:
        return fn  # type: ignore[no-any-return]

    def call(item: Any) -> Any:
        __tracebackhide__ = True
        return fn(item, **{CONFIG: settings})

    return call


def _run(call: Callable[[Any], Any], number: int, item: Any, *, holes: bool) -> Any:
    __tracebackhide__ = True
    if not holes:
        return call(item)
    try:
        return call(item)
    except Exception as error:
        return hole(error, number, item)


def hole(error: BaseException, number: int, item: Any) -> Failed:
    """What stands in the place of an item that failed."""
    try:
        shown = shorten(repr(item), SHOWN)
    except Exception:  # of the user's own __repr__
        shown = f"a {type(item).__qualname__}"
    return Failed(error, shown, position=number)
