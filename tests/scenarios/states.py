"""What a scenario is: the states of a small notebook and its surroundings, made from one line of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

Files = dict[str, str]


@dataclass(frozen=True)
class State:
    """Cells that run before, the cell in question, and what lies around them."""

    def __hash__(self) -> int:
        return hash((self.setup, self.target, self.options, *self.files.items(), *self.env.items()))

    setup: tuple[str, ...]
    target: str
    files: Files = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    options: str = ""

    def swapped(self, old: str, new: str, *, target: bool = False) -> State:
        """Every `old` replaced by `new`, in the target only if that is wanted."""
        state = State(
            tuple(cell.replace(old, new) for cell in self.setup),
            self.target.replace(old, new) if target else self.target,
            {path.replace(old, new): text.replace(old, new) for path, text in self.files.items()},
            {name: value.replace(old, new) for name, value in self.env.items()},
            self.options.replace(old, new),
        )
        assert state != self, f"{old!r} is nowhere"
        return state

    def renamed(self, old: str, new: str) -> State:
        """The name `old` and all its uses are called `new`."""

        def word(text: str) -> str:
            return re.sub(rf"(?<![A-Za-z0-9_]){re.escape(old)}(?![A-Za-z0-9_])", new, text)

        state = State(
            tuple(map(word, self.setup)),
            word(self.target),
            {word(path): word(text) for path, text in self.files.items()},
            {word(name): value for name, value in self.env.items()},
            word(self.options),
        )
        assert state != self, f"{old!r} is nowhere"
        return state


@dataclass(frozen=True)
class Scenario:
    """One kind of dependency. `edit` replaces a text before the target, `delete` takes something away (a cell by its
    number, a file by its path, a variable of the environment by `$NAME`, a text by a pair); `rename` is a name or path
    with all its uses; `keep` is an expression of what stays alive while the notebook goes on.
    """

    setup: Any
    target: str
    edit: tuple[str, str]
    files: Files = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    options: str = ""
    delete: Any = -1
    rename: str | None = "f"
    keep: str = "f"
    same: bool = False  # the edit does not change the value

    @property
    def base(self) -> State:
        setup = (self.setup,) if isinstance(self.setup, str) else tuple(self.setup)
        return State(setup, f"{self.target}\nprint('r is', r)", self.files, self.env, self.options)

    @property
    def edited(self) -> State:
        return self.base.swapped(*self.edit)

    @property
    def deleted(self) -> State | None:
        base, what = self.base, self.delete
        if what is None:
            return None
        if isinstance(what, int):
            setup = list(base.setup)
            del setup[what]
            return replace(base, setup=tuple(setup))
        if isinstance(what, tuple):
            return base.swapped(*what)
        if what.startswith("$"):
            return replace(base, env={k: v for k, v in base.env.items() if k != what[1:]})
        assert what in base.files
        return replace(base, files={k: v for k, v in base.files.items() if k != what})

    @property
    def renamed(self) -> State | None:
        if self.rename is None:
            return None
        new = re.sub(r"^\w+", lambda found: found[0] + "_new", self.rename)
        return self.base.renamed(self.rename, new)
