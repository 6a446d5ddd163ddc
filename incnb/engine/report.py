"""`INCNB_REPORT=FILE`: one JSON line for each decision, for tools."""

from __future__ import annotations

import os
from json import dumps

from incnb.model import Decision


def write_report(decision: Decision, also: str = "") -> str | None:
    """Append the decision to the file that `INCNB_REPORT` names, and to another one; a line of explanation where that
    fails.
    """
    line = dumps(decision.to_dict(), ensure_ascii=False) + "\n"
    told = [_append(path, line) for path in (os.environ.get("INCNB_REPORT"), also) if path]
    return next((problem for problem in told if problem), None)


def _append(path: str, line: str) -> str | None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, line.encode("utf-8", "replace"))
        finally:
            os.close(handle)
    except OSError as error:
        return (
            f"incnb: the report {path} cannot be written ({error.strerror}); set INCNB_REPORT to a file you can write"
        )
    return None
