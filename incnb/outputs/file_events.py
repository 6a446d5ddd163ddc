"""Audit events about files, told to the journal: which event means what, and whose doing it is.

Some functions of the standard library do in many steps what a program asked for in one (`glob`, `makedirs`, `rmtree`):
the steps are told by the function that takes them, and only the whole is noted.
"""

from __future__ import annotations

import os
from types import FrameType
from typing import Any

from incnb.outputs.accesses import Journal, Op

LISTS = frozenset({"os.listdir", "os.scandir"})
GLOBS = frozenset({"glob.glob/2", "pathlib.Path.glob", "pathlib.Path.rglob"})
CHANGES: dict[str, Op] = {
    "os.remove": "remove",
    "os.rename": "rename",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "touch",
    "os.link": "touch",
    "os.symlink": "touch",
    "os.chmod": "touch",
    "os.chown": "touch",
    "os.utime": "touch",
    "os.setxattr": "touch",
    "os.removexattr": "touch",
}
TEMPORARY = frozenset({"tempfile.mkstemp", "tempfile.mkdtemp"})
REMOVES_ALL = "shutil.rmtree"
EVENTS = LISTS | GLOBS | TEMPORARY | CHANGES.keys() | {"open", REMOVES_ALL}
#: Files of Python's own that only pass on what was asked of them.
THIN = ("/pathlib.py", "/pathlib/__init__.py", "/pathlib/_local.py", "/pathlib/_abc.py", "/io.py", "/codecs.py")
_SELECTORS = frozenset(
    {"_select_from", "select_from", "_iterate_directories", "_select_children", "_select_recursive", "_select_special"}
    | {"glob", "rglob", "_glob", "selector", "select_wildcard", "select_recursive", "select_recursive_step"}
)


def path_of(event: str, args: tuple[Any, ...]) -> str | None:
    """The path that an event is about; None when it names none."""
    path = args[0] if args else None
    if event in LISTS and path is None:
        return "."
    if isinstance(path, int):
        return _of_descriptor(path) if event in LISTS else None
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    text = os.fsdecode(path)
    at = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 2, "os.rename": 2}.get(event)
    if at is not None and len(args) > at and isinstance(args[at], int) and args[at] >= 0 and not os.path.isabs(text):
        folder = _of_descriptor(args[at])
        return None if folder is None else os.path.join(folder, text)
    return text


def is_step(event: str, caller: FrameType | None) -> bool:
    """Whether an event is one step of something that is noted as a whole: of a search, or of removing a tree."""
    frame = caller
    while frame is not None:
        filename = frame.f_code.co_filename
        name = frame.f_code.co_name
        if filename.endswith(("/glob.py", "/pathlib.py", "/_abc.py", "/_local.py", "/pathlib/__init__.py")):
            if event in LISTS and (filename.endswith("/glob.py") or name in _SELECTORS):
                return True
        elif filename.endswith("/shutil.py"):
            if event in LISTS | {"open"} and name.startswith("_rmtree"):
                return True
        elif not filename.endswith(("/os.py", "<frozen os>", "/contextlib.py")):
            return False
        frame = frame.f_back
    return False


def tell(journal: Journal, event: str, args: tuple[Any, ...], path: str, caller: FrameType | None) -> None:
    """Note one event in the journal."""
    if event == "open":
        flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
        if flags & getattr(os, "O_DIRECTORY", 0):
            return  # a folder, to be listed or synchronised; or a file without a name
        journal.opened(path, flags)
    elif event in LISTS:
        journal.listed(path)
    elif event == "glob.glob/2":
        hidden = bool(_local(caller, "iglob", "include_hidden"))
        root = args[2] if len(args) > 2 else None
        if len(args) > 3 and isinstance(args[3], int):
            journal.problems.append("it searches files relative to an open folder")
        journal.globbed(path, recursive=bool(args[1]), root=None if root is None else os.fsdecode(root), hidden=hidden)
    elif event in GLOBS:
        if _local(caller, event.rpartition(".")[2], "case_sensitive") is not None:
            journal.problems.append("it searches files by a rule of its own for capitals")
        journal.path_globbed(path, str(args[1]), recursive=event.endswith("rglob"))
    elif event in TEMPORARY:
        journal.temporary.add(path)
    elif event == REMOVES_ALL:
        if not os.path.lexists(path):  # what is there is removed step by step; that nothing is there may be passed over
            journal.looked("existence", path, by_library=False)
    elif event == "os.rename":
        target = os.fsdecode(args[1])
        if len(args) > 3 and isinstance(args[3], int) and args[3] >= 0:
            target = os.path.join(_of_descriptor(args[3]) or "", target)
        journal.changed("rename", path, target)
    elif event in ("os.link", "os.symlink"):
        journal.changed("touch", os.fsdecode(args[1]))
    elif event == "os.mkdir":
        fine = _local(caller, "makedirs", "exist_ok") or _local(caller, "mkdir", "exist_ok")
        journal.changed("mkdir", path, "exist_ok" if fine else "")
    else:
        journal.changed(CHANGES[event], path)


def _local(frame: FrameType | None, function: str, name: str) -> Any:
    """A local of the nearest of the callers that is called `function`, three steps up at most."""
    for _ in range(3):
        if frame is None:
            return None
        if frame.f_code.co_name == function:
            return frame.f_locals.get(name)
        frame = frame.f_back
    return None


def _of_descriptor(descriptor: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
