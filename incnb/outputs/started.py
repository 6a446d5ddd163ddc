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

from incnb.outputs.apart import HERE

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
        self._apart = 0  # items at work that are kept apart
        self._item: set[int] | None = None  # ids of the code that started since `afresh`, while that is asked for
        self.calls = 0  # how often it was told of code of ours while items were told apart

    def afresh(self, *, restart: bool = False) -> None:
        """From now on every start of code of ours is told, for `since`. `restart`: also of what was told before."""
        if self._watched and self._tool is not None:
            self._item = set()
            if restart:
                sys.monitoring.restart_events()  # type: ignore[attr-defined, unused-ignore]

    def apart(self, *, more: bool) -> None:
        """Items are kept apart from now on (`more`), or no longer: every start of code of ours is told meanwhile."""
        self._apart += 1 if more else -1
        if self._apart == 1 and more and self._watched and self._tool is not None:
            sys.monitoring.restart_events()  # type: ignore[attr-defined, unused-ignore]

    @property
    def sees(self) -> bool:
        """Whether it can be seen what starts."""
        return self._watched and self._tool is not None

    def also(self, ran: set[int]) -> None:
        """What an item that was kept apart ran, what it was part of ran as well."""
        if self._item is not None:
            self._item |= ran

    def renew(self) -> None:
        """An item begins: forget what the one before started, if items are told apart still."""
        if self._item:
            self._item = set()

    def once(self) -> None:
        """Code is told once again: `since` knows nothing any more."""
        self._item = None

    @property
    def since(self) -> frozenset[int] | None:
        """The ids of the code of ours that started since `afresh`; None when that cannot be told."""
        return None if self._item is None or not self._watched else frozenset(self._item)

    def touched(self) -> bool | None:
        """Whether code of ours started since this was asked, or since `afresh`; None when that cannot be told."""
        item = self._item
        if item is None or not self._watched:
            return None
        if not item:
            return False
        item.clear()
        return True

    def code(self, ident: int) -> CodeType:
        """The code with an id of `since`."""
        return self._seen[ident]

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
            part = HERE.part
            item = self._item if part is None else part.ran
            if (item is not None or self._apart) and id(code) in seen:
                if item is not None:
                    item.add(id(code))
                self.calls += 1
                return None
            if code in each:
                each[code](sys._getframe(1))
                return None
            if not notes(code):
                return disable
            seen[id(code)] = code
            if item is None:
                return None if self._apart else disable
            item.add(id(code))
            return None

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
