"""A line of a log that holds the time, the process or the thread: another one in each run. So may be the number of a
line of code, which moves with comments.

`logging` asks for the time when it makes a record, in C and whether anybody shows it or not. What counts is a formatter
that puts it into a text, so the start of `Formatter.format` is watched; where nothing tells which functions start, the
converter of times that all formatters share is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import FrameType
from typing import Any

FORMAT = logging.Formatter.format.__code__
_VOLATILE = "(asctime|created|msecs|relativeCreated|process|thread|taskName|lineno)"
_FIELDS = re.compile(rf"%\({_VOLATILE}\)|[{{$]\{{?{_VOLATILE}\b")


def volatile(frame: FrameType | None) -> str:
    """What a frame of `Formatter.format` is about to put into a text, in words; empty: nothing of that sort. Without a
    frame it is the time."""
    if frame is None:
        return "it logs with a format that holds asctime"
    formatter: Any = frame.f_locals.get("self")
    found = _FIELDS.search(str(getattr(formatter, "_fmt", "")))
    return f"it logs with a format that holds {found[1] or found[2]}" if found is not None else ""


def watch_times(seen: Callable[[None], None]) -> Callable[[], None]:
    """See it without `sys.monitoring`, as far as it is the time; gives what ends the watch."""
    plain = logging.Formatter.converter

    def converter(*seconds: Any) -> Any:
        seen(None)
        return plain(*seconds)

    watched = staticmethod(converter)
    logging.Formatter.converter = watched

    def undo() -> None:
        if logging.Formatter.__dict__.get("converter") is watched:
            logging.Formatter.converter = plain

    return undo
