"""Differences of texts: unified diffs of the sources of functions and cells, of bounded size."""

from __future__ import annotations

import difflib
from itertools import islice

LIMIT = 400  # lines


def unified(was: str, now: str, name: str = "") -> str:
    """A unified diff of two texts, without a header for files; empty where they are equal."""
    lines = difflib.unified_diff(was.splitlines(), now.splitlines(), "recorded", name or "now", lineterm="", n=3)
    found = list(islice(lines, LIMIT + 1))
    more = ["… and more"] if len(found) > LIMIT else []
    return "\n".join([*found[2 : LIMIT + 1], *more])


def moved_lines(diff: str) -> int:
    """How many lines a unified diff takes away or puts in; a line that is another one now counts once."""
    gone = sum(line.startswith("-") for line in diff.splitlines())
    come = sum(line.startswith("+") for line in diff.splitlines())
    return max(gone, come)
