"""Loops and comprehensions under edits: what a tracked cell leaves is what a plain run leaves, whatever is reused.

Every case walks through its states on one store, each state in a new process, and each is compared with a plain run of
that state: all variables with their types, values and sharing; what was printed and displayed, in order; errors with
their lines; files; the modules of the project; the state of the process. An item that must execute did (STALE says what
is not so), and nothing else executed (NEEDLESS).
"""

from __future__ import annotations

from collections.abc import Callable

import loop_cases
import loop_dependent
import pytest
from loop_states import Case, Walked


@pytest.mark.parametrize("name", loop_cases.CASES)
def test_only_items_that_are_new_execute(walk: Callable[[Case], Walked], name: str) -> None:
    walk(loop_cases.CASES[name]).judge()


@pytest.mark.parametrize("name", loop_dependent.CASES)
def test_items_that_depend_on_more_are_as_in_a_plain_run(walk: Callable[[Case], Walked], name: str) -> None:
    if name == "dependent: warnings shown once":
        pytest.xfail("a warning that is shown once a place is shown where it was when the item ran")
    walk(loop_dependent.CASES[name]).judge()
