"""Which functions of ours really ran, seen through `sys.monitoring` where there is one (Python 3.12 and later).

Every code object is reported once, at its first start or resumption in whatever thread, and asks not to be told again:
a function called a million times costs one report. The tool id is one that no convention gives away, held for as long
as one cell runs; debuggers, coverage and profilers have their own and see what they always see. Where there is no
monitoring, or no id is free, `ran` is None: nothing is known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, final

_FREE_BY_CONVENTION = (3, 4)
_NAME = "incnb"


def free_tool() -> int | None:
    """The id of a monitoring tool that nobody uses; None where there is none."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return None
    return next((tool for tool in _FREE_BY_CONVENTION if monitoring.get_tool(tool) is None), None)


@final
class Started:
    """Notes code that starts between `start` and `stop`."""

    def __init__(self, notes: Callable[[CodeType], bool], each: Mapping[CodeType, Callable[[FrameType], None]]):
        """`notes` says which code is noted; `each` is called at every start of its code, with the frame."""
        self._each = each
        self._notes = notes
        self._seen: dict[int, CodeType] = {}  # by id: comparing code objects by value costs more, and tells less
        self._tool: int | None = None
        self._watched = False

    def start(self) -> bool:
        """Begin; False when nothing can be seen."""
        tool = free_tool()
        if tool is None:
            return False
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        monitoring.use_tool_id(tool, _NAME)
        self._tool = tool
        each = self._each
        seen, notes, disable = self._seen, self._notes, monitoring.DISABLE

        def started(code: CodeType, offset: int) -> Any:
            # in any thread and whatever we are doing: it is told once, and what is missed now is missed for good
            if code in each:
                each[code](sys._getframe(1))
                return None
            if notes(code):
                seen[id(code)] = code
            return disable

        # a coroutine or generator that was made before the cell does not start, it is resumed
        events = (monitoring.events.PY_START, monitoring.events.PY_RESUME)
        for event in events:
            monitoring.register_callback(tool, event, started)
        monitoring.set_events(tool, events[0] | events[1])
        monitoring.restart_events()
        self._watched = True
        return True

    def stop(self) -> None:
        """Give the tool back; idempotent."""
        tool, self._tool = self._tool, None
        if tool is None:
            return
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        if monitoring.get_tool(tool) != _NAME:
            self._watched = False  # somebody took it away: what was seen may not be all
            return
        if not monitoring.get_events(tool):
            self._watched = False
        monitoring.set_events(tool, 0)
        for event in (monitoring.events.PY_START, monitoring.events.PY_RESUME):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def ran(self) -> list[CodeType] | None:
        """The code that was seen to start; None when that could not be seen."""
        return list(self._seen.values()) if self._watched else None
