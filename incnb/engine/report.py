"""`INCNB_REPORT=FILE`: one JSON line for each decision, for tools."""

from __future__ import annotations

import os
from json import dumps

from incnb.model import Decision


def write_report(decision: Decision) -> str | None:
    """Append the decision to the file that `INCNB_REPORT` names; one line of explanation where that fails."""
    path = os.environ.get("INCNB_REPORT")
    if not path:
        return None
    line = dumps(decision.to_dict(), ensure_ascii=False) + "\n"
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
