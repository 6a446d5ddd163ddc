"""What is remembered between decisions, and how to forget it: `%incremental mark CELL --soft` asks for that.

A room that keeps answers from one decision to the next adds its way of forgetting them to `FORGET`. What is read once
per session on purpose (the versions of libraries, whose modules in memory do not change) is not on the list.
"""

from __future__ import annotations

from collections.abc import Callable

from incnb.dependencies import module

FORGET: list[Callable[[], None]] = [module.forget]


def forget_remembered() -> None:
    """Forget every answer that a later decision could take over."""
    for forget in FORGET:
        forget()
