"""How far a loop is: for loops longer than a second, a line with what ran, what was reused, and the time left.

A step must cost nothing next to a replayed item, so it mostly counts down; how far, the pace of the loop so far says.
Two things keep that from missing a change of pace: it never counts far, and the first item that executes after a
stretch of reused ones is looked at at once.

The words and the estimate are tqdm's, imported when the first line is due. Reused and executed items differ a
thousandfold in cost, so the estimate follows the latest pace (tqdm's moving average), not the mean.

What is shown is somebody else's business (`show`), and a fault in showing ends the showing, not the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import FunctionType, GeneratorType, MethodDescriptorType, WrapperDescriptorType
from typing import Any, Final, final

from incnb.fingerprint import origin

#: Seconds: from when on a loop shows anything, and how often.
AFTER: Final = 1.0
EVERY: Final = 0.2
#: Items between two looks at the clock, at most: of executed and of reused ones.
_STRIDE: Final = 16
_REUSED_STRIDE: Final = 64
#: Seconds between two looks below which looking is wasteful.
_SOON: Final = 0.02
_NEVER: Final = 1 << 62
_BARS: Final = frozenset({"tqdm", "fastprogress", "alive_progress"})
#: Kinds of a `__len__` that runs no Python code, and libraries whose own runs none of the user's.
_IN_C: Final = (WrapperDescriptorType, MethodDescriptorType)
_PLAIN_LENGTHS: Final = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "collections"})
_WALKING: Final = (enumerate, zip, map, filter, reversed)


@final
class Progress:
    """Tells `show(text, last)` how far a loop is; `last`: the loop has ended, and `text`, empty, takes the place.

    `total`: how many items there are, if known. For one loop, in one thread; `close` in any case.
    """

    __slots__ = ("_average", "_began", "_clock", "_executed", "_left", "_looked", "_meter", "_show", "_shown",
                 "_stride", "_total", "_wake", "_was")  # fmt: skip

    def __init__(
        self, show: Callable[[str, bool], None], total: int | None, clock: Callable[[], float] = time.monotonic
    ):
        self._show = show
        self._total = total
        self._clock = clock
        self._began = self._looked = clock()
        self._shown: float | None = None  # when, last
        self._was = 0  # items, then
        self._left = self._stride = self._wake = 1
        self._executed = 0
        self._meter: Callable[..., str] | None = None
        self._average: list[Any] = []

    def step(self, executed: int, reused: int) -> None:
        """So many items have executed, and so many were reused, since the loop began."""
        self._left -= 1
        if self._left > 0 and executed < self._wake:
            return
        __tracebackhide__ = True  # an interrupt here is an interrupt of the user's loop
        self._look(executed, reused)

    def _look(self, executed: int, reused: int) -> None:
        __tracebackhide__ = True
        now = self._clock()
        fast = now - self._looked < _SOON
        running = executed != self._executed
        self._stride = min(2 * self._stride, _STRIDE if running else _REUSED_STRIDE) if fast else 1
        self._left = self._stride
        self._wake = executed + (min(self._stride, _STRIDE) if running else 1)
        self._looked, self._executed = now, executed
        since = self._began + AFTER if self._shown is None else self._shown + EVERY
        if now < since:
            return
        try:
            self._tell(now, executed, reused)
        except Exception:  # a bar that cannot be shown is not tried again, and the loop goes on
            self._left = self._wake = _NEVER

    def _tell(self, now: float, executed: int, reused: int) -> None:
        if self._meter is None:
            from tqdm.std import EMA, tqdm

            self._meter = tqdm.format_meter
            self._average = [EMA(), EMA()]
        done = executed + reused
        items, seconds = self._average
        before = self._began if self._shown is None else self._shown
        pace = items(done - self._was) / (seconds(now - before) or EVERY)
        self._shown, self._was = now, done
        text = self._meter(
            n=done,
            total=self._total,
            elapsed=now - self._began,
            ncols=80,
            unit=" items",
            rate=pace or None,
            postfix=f"{executed} ran, {reused} reused",
        )
        self._show(text, False)

    def close(self) -> None:
        """The loop has ended, however it did; a second call changes nothing."""
        self._left = self._wake = _NEVER
        if self._shown is not None:
            self._shown = None
            try:
                self._show("", True)
            except Exception:
                return  # what it showed stays, which harms nobody


def total_of(iterable: Any) -> int | None:
    """How many items there are, where that can be asked without running code that plain Python would not run."""
    kind = type(iterable)
    ask = next(
        (origin.class_dict(base)["__len__"] for base in origin.mro(kind) if "__len__" in origin.class_dict(base)), 0
    )
    if not isinstance(ask, _IN_C) and origin.top_level(getattr(ask, "__module__", "")) not in _PLAIN_LENGTHS:
        return None
    try:
        return len(iterable)
    except Exception:  # the user's own `__len__`: then the total is unknown
        return None


def has_bar(iterable: Any) -> bool:
    """Whether a loop shows a bar of the user's own: it goes over a tqdm, rich, fastprogress or alive_progress one.

    Also where that is walked over by `enumerate`, `zip` and the like, or by the generator of one of these libraries.
    """
    seen = [iterable]
    for one in seen:  # grows
        if type(one) is GeneratorType:
            modules = [one.gi_frame.f_globals.get("__name__")] if one.gi_frame is not None else []
        else:
            modules = [origin.module_of(base) for base in origin.mro(type(one))]
        if any(_is_of_bars(module) for module in modules if isinstance(module, str)):
            return True
        if len(seen) < 20:
            seen += _walked(one) or ()
    return False


def _is_of_bars(module: str) -> bool:
    return module.partition(".")[0] in _BARS or module == "rich.progress" or module.startswith("rich.progress.")


def _walked(iterable: Any) -> list[Any] | None:
    """What `enumerate` and its like walk over, as they say when they are asked how to make another one."""
    if type(iterable) not in _WALKING:
        return None
    try:
        found = iterable.__reduce__()[1]
    except Exception:  # what does not tell what it walks over has no length known here
        return []
    return [one for one in found if not isinstance(one, int | FunctionType)] if isinstance(found, tuple) else []
