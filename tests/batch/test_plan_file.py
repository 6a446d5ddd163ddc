"""`incnb plan` beside what then happens: what it says is so, and where it says `?` either may be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from plan_books import BOOKS, EDITS
from plans import Work, compared

#: How many cells may be left open after an edit, at most; fewer is better.
OPEN = {"flights": 9, "science": 18, "edges": 6, "magics": 8, "shell": 15}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Work]:
    """A notebook that ran once; each time as it was then."""
    kept: dict[str, tuple[Path, Path]] = {}

    def again(name: str) -> Work:
        if name not in kept:
            home = tmp_path_factory.mktemp(name)
            work = Work(home / "nb", home / "store")
            work.folder.mkdir()
            work.write(*BOOKS[name])
            work.run()
            copy = tmp_path_factory.mktemp(f"{name}-copy") / "home"
            shutil.copytree(home, copy)
            kept[name] = home, copy
        home, copy = kept[name]
        shutil.rmtree(home)
        shutil.copytree(copy, home)
        return Work(home / "nb", home / "store")

    return again


ALWAYS = {
    ("flights", "unchanged"),
    ("flights", "helper edited"),
    ("flights", "module edited"),
    ("flights", "file added to a globbed folder"),
    ("flights", "parameter"),
    ("science", "unchanged"),
    ("science", "seed changed"),
    ("edges", "key that is read"),
    ("edges", "module in front of another"),
    ("magics", "script edited"),
    ("shell", "unchanged"),
    ("shell", "a builtin"),
    ("shell", "wrapped function of a module edited"),
}
CASES = [
    pytest.param(book, edit, marks=() if (book, edit) in ALWAYS else (pytest.mark.thorough, pytest.mark.slow))
    for book in EDITS
    for edit in EDITS[book]
]


@pytest.mark.kernel
@pytest.mark.xdist_group("plans")
@pytest.mark.parametrize(("book", "edit"), CASES)
def test_plan_says_what_happens_then(recorded: Callable[[str], Work], book: str, edit: str) -> None:
    work = recorded(book)
    EDITS[book][edit](work)
    lines = compared(work)
    assert not [line for line in lines if line.startswith("WRONG")], "\n".join(lines)
    assert sum(line.startswith("ok ?") for line in lines) <= OPEN[book], "\n".join(lines)
    if edit == "unchanged" and book not in ("magics", "shell"):
        assert sum(line.startswith("ok ?") for line in lines) <= 1, "\n".join(lines)
