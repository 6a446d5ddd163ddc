"""Looking at a path without opening it (`os.path.exists`, `Path.stat`): no audit event tells of that.

Where Python offers `sys.monitoring`, the start of the few functions of the standard library that look is watched, and
their argument read from their frame; no other function is slowed. Elsewhere, and for the built-in functions that look
(`os.stat`, `os.access`), the words of the code tell, and the cell is not recorded.
"""

from __future__ import annotations

import genericpath
import os
import pathlib
import posixpath
import sys
import types
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from incnb.outputs.accesses import Op

#: Called with what was done, to which path, and the frame that did it.
Seen = Callable[[Op, str, FrameType], None]

_FUNCTIONS: list[tuple[Any, str, Op]] = [
    (genericpath, "exists", "existence"),
    (genericpath, "isfile", "is file"),
    (genericpath, "isdir", "is folder"),
    (genericpath, "getsize", "size"),
    (genericpath, "getmtime", "times"),
    (genericpath, "getatime", "status"),
    (genericpath, "getctime", "times"),
    (genericpath, "samefile", "status"),
    (genericpath, "islink", "link status"),
    (genericpath, "lexists", "link status"),
    (posixpath, "islink", "link status"),
    (posixpath, "lexists", "link status"),
    (posixpath, "ismount", "status"),
    (posixpath, "realpath", "real path"),
    (pathlib.Path, "exists", "existence"),
    (pathlib.Path, "is_file", "is file"),
    (pathlib.Path, "is_dir", "is folder"),
    (pathlib.Path, "is_symlink", "link status"),
    (pathlib.Path, "is_mount", "status"),
    (pathlib.Path, "stat", "status"),
    (pathlib.Path, "lstat", "link status"),
    (pathlib.Path, "readlink", "link status"),
    (pathlib.Path, "resolve", "real path"),
]


def _codes() -> dict[CodeType, tuple[Op, str]]:
    found: dict[CodeType, tuple[Op, str]] = {}
    for owner, name, op in _FUNCTIONS:
        function = getattr(owner, name, None)
        if isinstance(function, types.FunctionType):
            found[function.__code__] = (op, function.__code__.co_varnames[0])
    return found


class Looks:
    """Watches while a cell runs, where that is possible."""

    def __init__(self, seen: Seen):
        self._seen = seen
        self._codes = _codes()
        self._tool: int | None = None

    def start(self) -> bool:
        """Begin; False when nothing can be seen here."""
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is None:
            return False
        self._tool = next((i for i in (4, 3) if monitoring.get_tool(i) is None), None)
        if self._tool is None:
            return False
        monitoring.use_tool_id(self._tool, "incnb looks")
        monitoring.register_callback(self._tool, monitoring.events.PY_START, self._started)
        for code in self._codes:
            monitoring.set_local_events(self._tool, code, monitoring.events.PY_START)
        return True

    def stop(self) -> None:
        """End, and give the tool id back."""
        if self._tool is None:
            return
        monitoring: Any = getattr(sys, "monitoring")  # noqa: B009  not on every Python
        for code in self._codes:
            monitoring.set_local_events(self._tool, code, 0)
        monitoring.register_callback(self._tool, monitoring.events.PY_START, None)
        monitoring.free_tool_id(self._tool)
        self._tool = None

    def _started(self, code: CodeType, offset: int) -> None:
        known = self._codes.get(code)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        if known is None or frame is None:
            return
        back = frame.f_back
        if back is not None and back.f_code.co_name == "_samefile" and back.f_code.co_filename.endswith("/shutil.py"):
            return  # a copy onto itself is an error; what is there now is overwritten
        if back is not None and (back.f_code in self._codes or _makes_folders(back.f_code)):
            return  # one look that is made of another; a folder that is made only where it is not
        try:
            for name in (known[1], "f2" if code.co_name == "samefile" else known[1]):
                path = frame.f_locals.get(name)
                if isinstance(path, str | bytes | os.PathLike):
                    self._seen(known[0], os.fsdecode(path), frame)
        except Exception:  # whatever an object that claims to be a path does is for the program to find out
            return


def _makes_folders(code: CodeType) -> bool:
    places = (os.makedirs.__code__.co_filename, pathlib.Path.mkdir.__code__.co_filename)  # os is frozen
    return code.co_name in ("makedirs", "mkdir") and code.co_filename in places


def possible() -> bool:
    """Whether looks can be seen here and now: a tool id is left beside the one that tells which functions ran."""
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and all(monitoring.get_tool(tool) is None for tool in (3, 4))
