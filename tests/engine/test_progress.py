"""How far a loop is: when it is told, how often, and at what cost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from incnb.engine import progress
from incnb.engine.progress import Progress, has_bar, total_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


class Loop:
    """A loop whose items take as long as is said."""

    def __init__(self, total: int | None = None, show: Callable[[str, bool], None] | None = None):
        self.clock = Clock()
        self.shown: list[tuple[float, str, bool]] = []
        self.progress = Progress(show or self._show, total, self.clock)
        self.executed = self.reused = 0

    def _show(self, text: str, last: bool) -> None:
        self.shown.append((self.clock.now, text, last))

    def run(self, count: int, seconds: float, *, executes: bool = True) -> None:
        for _ in range(count):
            self.clock.now += seconds
            self.executed += executes
            self.reused += not executes
            self.progress.step(self.executed, self.reused)


def test_a_loop_of_less_than_a_second_shows_nothing() -> None:
    loop = Loop(9)
    loop.run(9, 0.1)
    loop.progress.close()
    assert loop.shown == []


def test_a_longer_one_tells_counts_and_the_time_left_and_leaves_nothing() -> None:
    loop = Loop(40)
    loop.run(10, 0.05, executes=False)
    loop.run(10, 0.1)
    _, text, last = loop.shown[-1]
    assert not last
    assert "20/40" in text or "19/40" in text
    assert "10 reused" in text and " ran" in text
    assert "00:01<00:0" in text
    assert "\n" not in text and len(text) <= 80
    loop.progress.close()
    assert loop.shown[-1][1:] == ("", True)
    count = len(loop.shown)
    loop.progress.close()
    loop.run(20, 1)
    assert len(loop.shown) == count


def test_without_a_total_only_what_is_done_is_told() -> None:
    loop = Loop()
    loop.run(15, 0.1)
    assert "items" in loop.shown[-1][1] and "/1" not in loop.shown[-1][1]
    more = Loop(3)  # more items than were announced
    more.run(15, 0.1)
    assert "3/3" not in more.shown[-1][1]


def test_it_is_told_at_most_five_times_a_second() -> None:
    loop = Loop(100_000)
    loop.run(50_000, 0.0001)
    times = [when for when, _, _ in loop.shown]
    assert 15 <= len(times) <= 21
    assert all(later - earlier >= progress.EVERY for earlier, later in pairwise(times))


def test_quick_items_rarely_look_at_the_clock() -> None:
    loop = Loop()
    loop.run(10_000, 1e-6)
    assert loop.clock.asked < 10_000 / 10
    loop = Loop()
    loop.run(10_000, 1e-6, executes=False)
    assert loop.clock.asked < 10_000 / 40


def test_the_first_item_that_executes_after_many_reused_ones_is_told_at_once() -> None:
    loop = Loop()
    loop.run(10_000, 1e-6, executes=False)
    loop.run(1, 5.0)
    assert "1 ran, 10000 reused" in loop.shown[-1][1]


def test_items_that_become_slow_are_told_before_long() -> None:
    loop = Loop()
    loop.run(10_000, 1e-6)
    loop.run(progress._STRIDE + 1, 5.0)
    assert loop.shown
    before = len(loop.shown)
    loop.run(3, 5.0)
    assert len(loop.shown) == before + 3


def test_the_time_left_follows_the_latest_pace() -> None:
    loop = Loop(2000)
    loop.run(1000, 0.0001, executes=False)
    loop.run(100, 1.0)
    assert "<1" in loop.shown[-1][1].replace("<14:", "<1").replace("<15:", "<1")


@pytest.mark.parametrize("executes", [True, False])
def test_a_step_costs_next_to_nothing(executes: bool) -> None:
    loop = Progress(lambda text, last: None, None)
    loop._began = float("inf")  # never due
    step, best = loop.step, float("inf")
    for _ in range(5):
        loop._left = loop._wake = 1
        before = time.perf_counter()
        if executes:
            for i in range(100_000):
                step(i, 0)
        else:
            for i in range(100_000):
                step(0, i)
        best = min(best, time.perf_counter() - before)
    assert best / 100_000 < 300e-9  # measured 80 and 45 ns; machines differ


def test_a_fault_in_showing_ends_the_showing_and_not_the_loop() -> None:
    calls = []

    def show(text: str, last: bool) -> None:
        calls.append(text)
        raise OSError("the terminal is gone")

    loop = Loop(show=show)
    loop.run(100, 0.5)
    loop.progress.close()
    assert len(calls) == 2


def test_an_interrupt_goes_through() -> None:
    def show(text: str, last: bool) -> None:
        raise KeyboardInterrupt

    loop = Loop(show=show)
    with pytest.raises(KeyboardInterrupt):
        loop.run(100, 0.5)


# -- what is gone over


def test_how_many_there_are_is_asked_only_of_what_runs_no_code_of_the_users() -> None:
    import numpy as np
    import pandas as pd

    class Listed:
        def __len__(self) -> int:
            raise AssertionError("nobody asked for it")

    class Sub(list[int]):
        pass

    assert [total_of(x) for x in ([1, 2], (1,), {1: 2}, "abc", range(5), deque([1]), np.zeros((3, 2)), Sub([1]))] == [
        2, 1, 1, 3, 5, 1, 3, 1,
    ]  # fmt: skip
    assert total_of(pd.DataFrame({"a": [1, 2]})) == 2
    assert [total_of(x) for x in (Listed(), iter([1]), enumerate([1]), (i for i in "ab"), np.float64(1), list)] == [
        None
    ] * 6


def test_bars_of_the_users_own_are_recognised() -> None:
    from tqdm import tqdm
    from tqdm.auto import trange

    class Mine(tqdm):  # type: ignore[type-arg]
        pass

    def bar() -> Any:
        return tqdm([1, 2, 3], disable=True)

    barred = [bar(), iter(bar()), trange(3, disable=True), Mine([1], disable=True)]
    barred += [enumerate(bar()), zip([1], bar(), strict=False), map(str, bar()), filter(None, enumerate(bar()))]
    assert all(has_bar(one) for one in barred)
    plain: list[Any] = [
        [1],
        range(3),
        enumerate([1]),
        zip([1], [2], strict=False),
        reversed([1]),
        (i for i in "a"),
        None,
    ]
    assert not any(has_bar(one) for one in plain)


def test_bars_of_libraries_are_recognised_by_the_module_of_their_type() -> None:
    for module in ("rich.progress", "fastprogress.fastprogress", "alive_progress.core.progress", "tqdm.notebook"):
        assert has_bar(type("Bar", (), {"__module__": module})())
    for module in ("rich.table", "tqdmlike", "__main__"):
        assert not has_bar(type("Bar", (), {"__module__": module})())
    scope: dict[str, Any] = {"__name__": "rich.progress"}
    exec("def track(items):\n    yield from items", scope)
    assert has_bar(scope["track"]([1]))


def test_looking_for_a_bar_takes_nothing_from_an_iterator() -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)

    walked = zip(map(str, numbers()), enumerate(iter([7, 8, 9])), strict=True)
    has_bar(walked)
    assert list(walked) == [("0", (0, 7)), ("1", (1, 8)), ("2", (2, 9))]
