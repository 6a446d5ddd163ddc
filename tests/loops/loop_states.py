"""What a case of the battery is: a notebook with one loop, and edits of it, all walked through on one store.

Each edit is made to the notebook as it was at first, never to another edit. What must execute then is `NEW`: the items
that no state before has seen; `ALL`; `NONE`; `ANY`, where only the results matter; or a tuple of the items, as probes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

NEW, ALL, NONE, ANY = "new", "all", "none", "any"
#: Which functions an item ran is known; elsewhere the static closure of the body stands for it.
PRECISE = hasattr(sys, "monitoring")
PROBE = 'sys.audit("loops.probe", repr(x))'


@dataclass(frozen=True)
class Notebook:
    setup: tuple[str, ...]
    loop: str
    after: str = ""
    files: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    def swapped(self, old: str, new: str) -> Notebook:
        changed = replace(
            self,
            setup=tuple(cell.replace(old, new) for cell in self.setup),
            loop=self.loop.replace(old, new),
            files=tuple((name, text.replace(old, new)) for name, text in self.files),
        )
        assert changed != self, f"{old!r} is nowhere"
        return changed

    def cells(self, *, marked: bool) -> list[str]:
        """Its cells. Where the loop is not marked, a constant keeps its lines at their numbers."""
        mark = "%%incremental" if marked else "'%%incremental'"
        loop = f"{mark}\n{self.loop}"
        return ["import sys", *self.setup, loop, *([self.after] if self.after else [])]


@dataclass(frozen=True)
class Step:
    name: str
    swaps: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    expect: Any = NEW
    post: str | None = None

    def of(self, base: Notebook) -> Notebook:
        for old, new in self.swaps:
            base = base.swapped(old, new)
        assert {name for name, _ in self.env} <= {name for name, _ in base.env}
        files = tuple((dict(base.files) | dict(self.files)).items())
        loop = base.loop if self.post is None else f"{base.loop}\n{self.post}"
        return replace(base, files=files, loop=loop, env=tuple((dict(base.env) | dict(self.env)).items()))


@dataclass(frozen=True)
class Case:
    base: Notebook
    steps: tuple[Step, ...] = field(default_factory=tuple)


@dataclass
class Walked:
    """What a walk through the states of a case found: results that differ, and items that executed needlessly."""

    differences: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)

    def judge(self) -> None:
        lines = [f"STALE {line}" for line in self.differences] + [f"NEEDLESS {line}" for line in self.needless]
        if lines:
            pytest.fail("\n".join(lines), pytrace=False)


def edit(name: str, *swaps: tuple[str, str], expect: Any = NEW) -> Step:
    return Step(name, swaps, expect=expect)


def file(name: str, path: str, text: str, expect: Any = NEW) -> Step:
    return Step(name, files=((path, text),), expect=expect)


def env(name: str, variable: str, value: str, expect: Any = NEW) -> Step:
    return Step(name, env=((variable, value),), expect=expect)


FIRST = Step("the first run", expect=ALL)
RESTART = Step("a restart", expect=NONE)
BACK = Step("back as it was", expect=NONE)
COMMENT = Step("a comment", post="# nothing", expect=NONE)
POST = Step("code after the loop", post="later = 1", expect=NONE)
FOUR = "[1, 2, 3, 4]"
#: Edits of a collection [1, 2, 3, 4] that stands somewhere in the notebook.
FULL = (
    RESTART,
    edit("an item added at the end", (FOUR, "[1, 2, 3, 4, 5]")),
    edit("an item added in front", (FOUR, "[0, 1, 2, 3, 4]")),
    edit("an item added in the middle", (FOUR, "[1, 2, 7, 3, 4]")),
    edit("an item removed", (FOUR, "[1, 2, 4]")),
    edit("reordered", (FOUR, "[4, 2, 3, 1]")),
    edit("an item changed", (FOUR, "[1, 8, 3, 4]")),
    edit("an item of an equal value and another type", (FOUR, "[1, 2.0, True, 4]")),
    edit("a tuple", (FOUR, "(1, 2, 3, 4)")),
    edit("a range", (FOUR, "range(1, 5)")),
    edit("a generator", (FOUR, "(n for n in [1, 2, 3, 4])")),
    edit("duplicates", (FOUR, "[2, 2, 9, 9, 1]")),
    edit("nothing in it", (FOUR, "[]")),
    COMMENT,
    POST,
    BACK,
)
SHORT = (
    RESTART,
    edit("items added at both ends", (FOUR, "[0, 1, 2, 3, 4, 5]")),
    edit("reordered, removed, changed, doubled", (FOUR, "[4, 9, 2, 9, 2]")),
    edit("a range", (FOUR, "range(1, 5)")),
    POST,
    BACK,
)


def case(
    loop: str,
    *steps: Step,
    setup: str | tuple[str, ...] = (),
    files: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    after: str = "",
) -> Case:
    """A case; in its loop, a line `PROBE` tells of an executed item `x`. `after` is a cell that is not tracked."""
    cells = (setup,) if isinstance(setup, str) else setup
    notebook = Notebook(
        cells, loop.replace("PROBE", PROBE), after, tuple((files or {}).items()), tuple((env or {}).items())
    )
    return Case(notebook, steps)


def as_one_unit(one: Case) -> Case:
    """A case whose items are not told apart: its results count, and what executes only where nothing was edited."""
    kept = [step.expect == NONE and step.name != "code after the loop" for step in one.steps]
    steps = [step if keep else replace(step, expect=ANY) for step, keep in zip(one.steps, kept, strict=True)]
    return replace(one, steps=tuple(steps))
