"""Whose fault an error is: ours, or that of a method of the user's that we asked."""

from __future__ import annotations

#: After so many faults of its own incnb switches itself off for the session.
FAULT_LIMIT = 3


def is_ours(error: BaseException) -> bool:
    """Whether an error was raised by our code, and not by a method of the user's that we asked."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(name).partition(".")[0] == "incnb" or not str(name)
