"""Every kind of dependency, edited, deleted, reverted, renamed, reloaded, and with the old object still alive.

Each scenario is compared with a plain run of the same state. A value that differs is stale, always a failure. What has
not changed since an earlier run must be reused; where that is not so yet, `NEEDLESS` says why.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from kinds import BUMPED, LIB, SCENARIOS, S
from rooms import REUSED, Room, run, setup
from states import State

#: What executes although nothing changed, and why. '*' = every step.
DOCS = "who reads a docstring could read any"
UNSAFE = "what it reads cannot be bounded"
NEEDLESS: dict[str, str] = {
    "code: docstring that is read": DOCS,
    "code: closure rebound by nonlocal": "the closure of a function is changed in place, and is no output yet",
    "code: cached function": "the cache that it fills would not be filled on reuse, and the printing shows that it ran",
    "file: appended to": "a file that is appended to is not put back yet",
    "file: declared": "a process was started",
    "value: iterator used up": "the state of an iterator cannot be moved into another",
    "value: eval": UNSAFE,
    "value: globals": UNSAFE,
}
if not hasattr(sys, "monitoring"):
    LOOKS = "this Python does not tell who looks at a path without opening it"
    NEEDLESS |= dict.fromkeys(["file: existence", "file: existence asked of a path", "file: size"], LOOKS)
#: What executes in a kernel that goes on, although it was recorded in that state before.
IN_ORDER = "what configures a library counts in the order in which it ran, and an edit in between is in that order"
OLD_RESULT = "`r` is perhaps not bound by the cell, so what it held before counts"
FILE_THERE = "the file that it writes is there with other content, which a reuse would not overwrite"
NEEDLESS_LIVE: dict[str, str] = {
    "project: instance that outlives a reload": "the cell before gives an object of the old class, as a plain run does",
    "file: read or absent": OLD_RESULT,
    "file: written by the target": FILE_THERE,
    "file: copied": FILE_THERE,
    "file: sqlite": "`r` is bound below a `with` that may swallow errors, so what it held before counts",
    "around: pandas option": IN_ORDER,
    "around: numpy print options": IN_ORDER,
    "around: working directory": IN_ORDER,
    "around: numpy errstate": OLD_RESULT,
    "around: sys.path": IN_ORDER,
    "around: absent name": OLD_RESULT,
    "around: missing module": "a module that was imported stays loaded, whatever becomes of its file",
}
_truths: dict[State, tuple[Any, ...]] = {}  # plain runs, made once for all tests


def plain(room: Room, state: State) -> tuple[Any, ...]:
    """What a plain run of the state gives, in a clean folder."""
    if state not in _truths:
        _truths[state] = _plain(room, state)
    return _truths[state]


def _plain(room: Room, state: State) -> tuple[Any, ...]:
    shell = room.shell(incnb=False)
    room.surround(state)
    setup(shell, state)
    return run(shell, state.target)


def tracked(room: Room, state: State, mode: str) -> tuple[tuple[Any, ...], str, str]:
    """What a run with incnb gives, the status of its decision and the reasons."""
    shell = room.shell()
    room.surround(state)
    if mode == "auto":
        run(shell, "%incremental on")
    setup(shell, state)
    ended = run(shell, f"%%incremental {state.options}\n{state.target}")
    decision = shell.decisions()[-1]
    return ended, decision["status"], str([f"{r['code']} {r['locator']} {r['detail']}" for r in decision["reasons"]])


def stale(step: str, is_now: tuple[Any, ...], truth: tuple[Any, ...], why: str) -> list[str]:
    return [] if is_now == truth else [f"STALE after {step}: {is_now} instead of {truth} {why}"]


def judge(name: str, mode: str, problems: list[str], needless: list[str]) -> None:
    assert not problems, "\n".join(problems)
    listed = NEEDLESS_LIVE if mode == "live" else NEEDLESS
    if name in listed or (mode == "live" and name in NEEDLESS):
        assert needless or mode == "live", f"{name} is reused now: strike it from NEEDLESS"
    else:
        assert not needless, "\n".join(needless)


@pytest.mark.parametrize("mode", ["cell", "auto"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_restart(room: Room, name: str, mode: str) -> None:
    walk(room, name, mode, SCENARIOS[name])


def walk(room: Room, name: str, mode: str, scenario: S, edited: State | None = None) -> None:
    base, edited = scenario.base, edited or scenario.edited
    steps = [("the first run", base), ("a reload", base), ("an edit", edited)]
    if mode == "cell":
        steps.append(("a reload of the edit", edited))
    if scenario.deleted is not None:
        steps.append(("a deletion", scenario.deleted))
    steps.append(("a revert", base))
    if scenario.renamed is not None and mode == "cell":
        steps.append(("a rename", scenario.renamed))
    truths = [plain(room, state) for _, state in steps]
    assert truths[0][0] == "value", truths[0]
    assert (truths[0] == plain(room, edited)) is scenario.same, (truths[0], plain(room, edited))
    room.remove()
    problems, needless = [], []
    for (step, state), truth in zip(steps, truths, strict=True):
        ended, status, why = tracked(room, state, mode)
        problems += stale(step, ended, truth, why)
        if step in ("a reload", "a reload of the edit", "a revert") and truth[0] == "value" and status not in REUSED:
            needless.append(f"{step}: {status} {why}")
        if step == "an edit" and scenario.same and status in REUSED:
            problems.append(f"reused after an edit: {why}")
    judge(name, mode, problems, needless)


@pytest.mark.parametrize("name", SCENARIOS)
def test_old_objects_still_alive(room: Room, name: str) -> None:
    """One kernel goes on: the old object is kept, the cells before run again as edited, and again as they were."""
    scenario = SCENARIOS[name]
    base, edited = scenario.base, scenario.edited
    keep = f"keep = {scenario.keep}"

    def live(incnb: bool) -> tuple[list[tuple[Any, ...]], list[str]]:
        room.remove()
        shell = room.shell(incnb=incnb)
        ended, statuses = [], []
        for state in (base, edited, base, edited):
            room.surround(state, clean=False)
            for path in {*base.files, *edited.files} - set(state.files):
                (room.work / path).unlink(missing_ok=True)
            setup(shell, state)
            magic = f"%%incremental {state.options}\n" if incnb else ""
            ended.append(run(shell, magic + state.target))
            if incnb:
                decision = shell.decisions()[-1]
                why = [f"{r['code']} {r['locator']} {r['detail']}" for r in decision["reasons"]]
                statuses.append(f"{decision['status']} {why}")
            run(shell, keep)
        return ended, statuses

    truths, _ = live(False)
    now, statuses = live(True)
    problems, needless = [], []
    for step, is_now, truth, why in zip(("base", "edit", "revert", "edit again"), now, truths, statuses, strict=True):
        problems += stale(step, is_now, truth, why)
        if step in ("revert", "edit again") and truth[0] == "value" and not why.startswith(REUSED):
            needless.append(f"{step}: {why}")
    room.remove()
    for step, state in (("edit, restarted", edited), ("base, restarted", base)):
        truth = plain(room, state)
        room.remove()
        ended, _, why = tracked(room, state, "cell")
        problems += stale(step, ended, truth, why)
    judge(name, "live", problems, needless)


@pytest.mark.parametrize("mode", ["cell", "auto"])
@pytest.mark.parametrize("how", ["package rebuilt", "package in a helper", "package in the target"])
def test_another_version_of_a_package(room: Room, how: str, mode: str) -> None:
    from dataclasses import replace

    scenario = SCENARIOS[f"around: {how}"]
    assert scenario.files is LIB
    edited = replace(scenario.base, files=BUMPED)
    walk(room, "a new version", mode, replace(scenario, same=False), edited)
