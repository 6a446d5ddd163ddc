"""Whose file a piece of code, or a path, is: the user's, a library's, the standard library's, ours."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache
from types import CodeType, FrameType

from incnb.fingerprint import origin


@cache
def file_kind(filename: str) -> str:
    if filename.startswith("<") and not filename.startswith("<ipython"):
        return "stdlib"
    if is_own(filename):
        return "own"
    return str(origin.file_origin(filename))


_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@cache
def is_own(filename: str) -> bool:
    return filename.startswith(_HERE)


def is_shells_own(between: list[FrameType]) -> bool:
    """Whether IPython is at its own notes (of the folders visited) or looks which modules to load again."""
    own = ("pickleshare", "IPython/extensions/autoreload", "IPython/extensions/deduperreload")
    return any(part in frame.f_code.co_filename for frame in between for part in own)


def through_library(frame: FrameType | None) -> bool:
    """Whether the nearest caller outside of the standard library is a library's code."""
    while frame is not None:
        kind = file_kind(frame.f_code.co_filename)
        if kind != "stdlib":
            return kind == "library"
        frame = frame.f_back
    return False


def belongs(path: str, between: list[FrameType], *, only_looked: bool) -> bool:
    """Whether a file belongs to a library whose code is opening it: its package data, its caches, the system's data."""
    libraries = {f.f_code.co_filename for f in between}
    if only_looked and any(file_kind(name) == "library" for name in libraries):
        prefix = sys.prefix + os.sep
        if prefix.startswith(path.rstrip(os.sep) + os.sep) or path.startswith(prefix):
            return True  # libraries look around in their own installation
    for part in ("site-packages", "dist-packages"):
        head, mark, tail = path.partition(f"{os.sep}{part}{os.sep}")
        if mark:
            top = head + mark + tail.partition(os.sep)[0]
            if any(name.startswith(top) for name in libraries):
                return True
    if any(file_kind(name) in ("library", "stdlib") for name in libraries):
        if path.startswith((*_system_folders(), "/usr/share/", "/proc/", "/sys/", "/etc/", "/usr/local/share/fonts")):
            return True
        if any("matplotlib" in name for name in libraries) and ("fonts" in path or ".cache/matplotlib" in path):
            return True
    return False


@cache
def _system_folders() -> tuple[str, ...]:
    return (sysconfig.get_paths()["stdlib"] + os.sep, "/usr/lib/")


def is_seen(code: CodeType) -> bool:
    """Whether it is noted that code starts: that of notebooks and of project files is."""
    return file_kind(code.co_filename) == "project"
