"""`incnb.map`: a function over many items, each of them run once and kept.

Every item is looked up by what the function relies on, `config`, and its own value; only what is not there runs, in
this process or by an executor. What has finished is saved as it finishes, so whatever ends the call early (an error,
an interrupt, a kill) loses next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from incnb.engine import scene as scenes
from incnb.engine.applied import Applied
from incnb.engine.callee import CONFIG, Callee
from incnb.engine.progress import Progress
from incnb.engine.scene import Scene
from incnb.failed import Failed
from incnb.model import shorten

if TYPE_CHECKING:
    from incnb.engine.executors import Call, Hole, Others

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
    holes = hole if on_error == "hole" else None
    if scenes.is_off():
        return _others(executor).plainly(callee, call, iterator, holes)
    with scenes.entered() as scene:
        was = scene.watch.turn(aside=True)
        try:
            others = _others(executor)
        finally:
            scene.watch.turn(aside=was)
        applied = Applied(callee, scene, f"incnb.map({callee.name})", reuse=reuses(scene))
        applied.begin()
        if scene.run is not None:
            scene.run.loops.append(applied)
        try:
            results = others.run(applied, call, iterator, holes)
            if holes is not None and any(type(result) is Failed for result in results):
                applied.spoilt("some items failed")
            return results
        finally:
            applied.close()
            if scene.run is None and applied.problem:
                scenes.say(f"{applied.place}: {applied.problem}")


def _others(executor: Any) -> Others:
    if executor is None:
        return _HERE
    from incnb.engine import executors

    return executors.checked(executor)


class _Here:
    """One after the other, in this thread."""

    def plainly(self, callee: Callee, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        __tracebackhide__ = True
        return [_run(call, number, item, hole) for number, item in enumerate(items)]

    def run(self, applied: Applied, call: Call, items: Iterator[Any], hole: Hole | None) -> list[Any]:
        __tracebackhide__ = True

        session, passed = applied.scene.session, applied.passed
        show = session.progress(applied.scene.options.quiet) if session is not None and passed is not None else None
        progress = Progress(show, None) if show is not None else None

        def kept(item: Any) -> Any:
            __tracebackhide__ = True
            result = applied.call(item, partial(call, item))
            if progress is not None and passed is not None:
                progress.step(passed.tally.executed, passed.tally.reused)
            return result

        try:
            return [_run(kept, number, item, hole) for number, item in enumerate(items)]
        finally:
            if progress is not None:
                progress.close()


_HERE = _Here()


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


def _run(call: Call, number: int, item: Any, hole: Hole | None) -> Any:
    __tracebackhide__ = True
    if hole is None:
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
