"""Where the line of a long loop appears, outside of everything that is recorded.

In a notebook it is a display of ours, which the recording knows by its metadata, updated in place and left as nothing.
In a terminal it is written to the file descriptor of the standard error: the recording takes notes of what goes through
the stream and through its buffer, and neither is touched.

Nothing is shown where no footer would be (a batch run, `--quiet`, `INCNB_FOOTER=off`), nor where the user's code has
put something of its own in the place of what we would write to.
"""

from __future__ import annotations

import html
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from incnb.notebook import footer

Show = Callable[[str, bool], None]

_numbers = itertools.count()
_STYLE = "font-size:85%;opacity:.85;white-space:pre;font-family:monospace"


def shower(shell: Any, *, quiet: bool = False, unattended: bool = False) -> Show | None:
    """What shows the line of one loop, for `engine.progress.Progress`; None = nobody is to see it."""
    if quiet or footer.mode(shell, unattended=unattended) == "off":
        return None
    if getattr(shell, "kernel", None) is not None:
        return _in_notebook(shell)
    return _in_terminal()


def _in_notebook(shell: Any) -> Show | None:
    publisher = shell.display_pub
    if not hasattr(publisher, "pub_socket"):
        return None  # %%capture collects what is displayed: what is ours would be a value of the user's
    transient = {"display_id": f"incnb-progress-{os.getpid()}-{next(_numbers)}"}
    begun = False

    def show(text: str, last: bool) -> None:
        nonlocal begun
        if shell.display_pub is not publisher:
            return
        markup = f'<div style="{_STYLE}">{html.escape(text)}</div>' if text else ""
        publisher.publish(
            data={"text/plain": text, "text/html": markup},
            metadata={"incnb": {"progress": text}},
            transient=transient,
            update=begun,
        )
        begun = True

    return show


def _in_terminal() -> Show | None:
    stream = sys.__stderr__
    if stream is None or sys.stderr is not stream:
        return None
    try:
        if not stream.isatty():
            return None
        where = stream.fileno()
    except (OSError, ValueError):
        return None
    width = 0

    def show(text: str, last: bool) -> None:
        nonlocal width
        if sys.stdout is not None:
            sys.stdout.flush()  # what was printed before comes before
        stream.flush()
        line = "\r" + text.ljust(width) + "\r" * last
        width = len(text)
        os.write(where, line.encode(stream.encoding or "ascii", "replace"))

    return show
