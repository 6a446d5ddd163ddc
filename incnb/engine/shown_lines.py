"""Lines of code in what a cell showed: a warning names its file and line, and repeats the line.

Comments and empty lines are nothing that a result depends on, but they move lines. A trace that shows lines of its own
cell is reused for the very same text only, and one that shows lines of a module of the project relies on its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import xxhash

from incnb.fingerprint import origin
from incnb.model import Code, Kind, Reason
from incnb.outputs.events import Event

_OF_CELLS = re.compile(r"/ipykernel_\d+/\d+\.py:\d+: |<ipython-input-[^>\n]*>:\d+: ")
_OF_FILES = re.compile(r"^(\S[^\n:]*\.py):\d+: \w+", re.MULTILINE)


def noted(events: Iterable[Event], raw: str, closure: Any) -> dict[str, str]:
    """What a trace says of the text that it shows lines of; files whose lines it shows are added to the closure."""
    shown = "".join(event.text for event in events if event.type == "stream" and event.name == "stderr")
    for path in dict.fromkeys(_OF_FILES.findall(shown)):
        if not _OF_CELLS.match(f"{path}:1: ") and origin.is_ours(origin.file_origin(path)):
            closure.add(Kind.FILE, path)
            closure.hold((Kind.FILE, path))
    return {"text": _digest(raw)} if _OF_CELLS.search(shown) else {}


def against(data: dict[str, Any], raw: str, title: str) -> Reason | None:
    """What forbids to reuse a trace that shows lines of another text."""
    if not data.get("text") or data["text"] == _digest(raw):
        return None
    return Reason(Code.CODE, "code", title, "its text changed, and what it showed names lines of it")


def _digest(raw: str) -> str:
    return xxhash.xxh3_128(raw.encode("utf-8", "surrogatepass")).hexdigest()
