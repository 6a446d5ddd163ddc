"""Differences of texts: unified diffs of the sources of functions and cells, of bounded size and made in bounded time.

What both texts begin and end with is taken off first. What is left is compared line by line as long as that is cheap;
beyond, all of it is shown as taken away and put in, which is as true and only longer.
"""

from __future__ import annotations

import difflib
from collections import Counter
from itertools import islice
from typing import Literal

LIMIT = 400  # lines of a diff
LINES = 2000  # of both texts together, that are compared one by one
PAIRS = 20_000  # of equal lines in them: what a comparison takes
MORE = "… and more"
WHOLE = "… too much to compare line by line"
_AROUND = 3


def unified(was: str, now: str, name: str = "") -> str:
    """A unified diff of two texts, without a header for files; empty where they are equal."""
    old, new = was.splitlines(), now.splitlines()
    lines: list[str] = []
    opcodes, compared = _opcodes(old, new)
    for group in _Known(opcodes).get_grouped_opcodes(_AROUND):
        first, last = group[0], group[-1]
        lines.append(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@" + (f" {name}" if name else ""))
        for tag, i, j, k, m in group:
            if tag == "equal":
                lines += (f" {line}" for line in old[i:j])
            else:
                lines += (f"-{line}" for line in old[i:j])
                lines += (f"+{line}" for line in new[k:m])
    more = [MORE] if len(lines) > LIMIT else [] if compared else [WHOLE]
    return "\n".join([*islice(lines, LIMIT), *more])


def moved_lines(diff: str) -> int | None:
    """How many lines a unified diff takes away or puts in; a line that is another one now counts once.

    None where the diff does not tell.
    """
    if diff.endswith((MORE, WHOLE)):
        return None
    total = gone = come = 0
    for line in [*diff.splitlines(), ""]:
        if line.startswith("-") and not come:
            gone += 1
        elif line.startswith("+"):
            come += 1
        else:
            total += max(gone, come)
            gone, come = int(line.startswith("-")), 0
    return total


Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]


class _Known(difflib.SequenceMatcher[str]):
    """A comparison whose outcome is known: for how difflib groups it."""

    def __init__(self, opcodes: list[Opcode]):
        super().__init__(None, "", "")
        self._known = opcodes

    def get_opcodes(self) -> list[Opcode]:
        return self._known


def _opcodes(old: list[str], new: list[str]) -> tuple[list[Opcode], bool]:
    """How to make the new lines of the old ones, as difflib says it, and whether they were compared one by one."""
    if old == new:
        return [], True
    head = _common(old, new)
    tail = min(_common(old[::-1], new[::-1]), len(old) - head, len(new) - head)
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    found: list[Opcode]
    there = Counter(right)
    compared = len(left) + len(right) <= LINES and sum(there[line] for line in left) <= PAIRS
    if compared:
        found = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    else:
        found = [("replace", 0, len(left), 0, len(right))]
    middle = [(tag, i + head, j + head, k + head, m + head) for tag, i, j, k, m in found]
    before: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    after: list[Opcode] = [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return [*before, *middle, *after], compared


def _common(old: list[str], new: list[str]) -> int:
    """How many lines both begin with."""
    return next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def _range(start: int, stop: int) -> str:
    """Lines as the head of a hunk names them: the first, counted from 1, and how many."""
    count = stop - start
    return f"{start + bool(count)}" + (f",{count}" if count != 1 else "")
