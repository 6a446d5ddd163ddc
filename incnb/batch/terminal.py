"""What a verb of the command says and writes, and how it says that something is not so.

Imports next to nothing: the fast path of `incnb run` is measured in milliseconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from incnb.model import IncnbError

NOT_THERE, NO_ANSWER, BROKEN_PIPE = 2, 1, 141


class Mistake(IncnbError):
    """Something that a person asked for is not so; `status` is that of the command."""

    def __init__(self, message: str, status: int = NOT_THERE):
        super().__init__(message)
        self.status = status


def write(file: str, text: str) -> None:
    """Write a file that a person named. Raises `Mistake`."""
    try:
        Path(file).write_text(text, "utf-8")
    except (OSError, ValueError) as error:
        raise Mistake(f"{file} cannot be written: {getattr(error, 'strerror', None) or error}", NO_ANSWER) from None
    tell(f"wrote {file}")


def show(lines: Iterable[str]) -> None:
    """Print to standard output. Raises `Mistake` where there is none."""
    if sys.stdout is None:
        raise Mistake("standard output is closed", NO_ANSWER)
    for line in lines:
        print(line)


def tell(line: str) -> None:
    """One line to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(line, file=sys.stderr)


def hush() -> None:
    """What nobody takes must not be found out again when Python flushes at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
