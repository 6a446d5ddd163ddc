"""The watches that the kernel holds for us, and which paths each of them stands for.

inotify is not recursive: every folder needs a watch of its own, and so does every file that a link leads to. One watch
stands for one inode, so two paths to one folder share it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from typing import Any, final

#: Folders below a watched one that hold no data that anybody reads; so does every folder with a `pyvenv.cfg`.
SKIPPED = frozenset(
    [
        ".git",
        ".hg",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        "__pycache__",
        "node_modules",
        "site-packages",
        "venv",
    ]
)
#: Files that are followed otherwise (modules) or that the front end saves by itself (notebooks).
IGNORED = (".ipynb", ".py", ".pyc")

# <linux/inotify.h>
OPEN, CLOSE_WRITE = 0x20, 0x08
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
UNMOUNT, Q_OVERFLOW, GONE = 0x2000, 0x4000, 0x8000
_ONLYDIR, _MASK_ADD, ISDIR = 0x01000000, 0x20000000, 0x40000000
_CHANGES = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE


#: Name, whether it is a folder, whether it is a link.
_Entry = tuple[str, bool, bool]


class Unwatchable(Exception):
    """A folder has too many folders below it, or the kernel grants no more watches."""


@final
class Tree:
    """Which watch stands for which paths: folders, and links to folders and files."""

    def __init__(self, inotify: Any):
        self.inotify = inotify
        self.paths: dict[int, list[str]] = {}  # watch descriptor -> the paths that lead to it
        self.known: dict[str, int] = {}
        self.links: set[str] = set()

    def walk(
        self, top: str, limit: int, *, given: bool = False, listing: bool = False
    ) -> tuple[list[tuple[str, bool]], list[str]]:
        """Watch `top` and everything below; one that was `given` also when it is an environment.

        Gives the content found (path, whether it is a folder or a link) when `listing`, and the paths that are
        watched since this call though they were not just made: those that a link leads to, and `top` when it is not
        `listing`. Raises `Unwatchable`; what was added then stays until `keep_below`.
        """
        content: list[tuple[str, bool]] = []
        unknown: list[str] = []
        folders, links = [(top, listing)], list[str]()  # a folder, and whether all in it is new
        if os.path.islink(top):  # noqa: PTH114
            folders, links = [], [top]
        added = 0
        while folders or links:
            linked = not folders  # folders first: what a link leads to may be among them
            path, new = (links.pop(), False) if linked else folders.pop()
            # without the opening, as the listing below would be seen as one; what is watched already keeps it
            wd = self._add(path, _CHANGES | _MASK_ADD | (0 if linked else _ONLYDIR))
            if wd is not None and self.known.get(path) == wd:
                continue
            self.drop(path)
            if linked:
                self.links.add(path)  # also when it leads nowhere: its target may come
            if wd is None:
                continue
            if wd in self.paths:
                added += self._alias(path, wd)
                entries = None
            else:
                self._know(path, wd)
                entries = self._enter(path, linked, given=given and path == top)
                added += entries is not None
            if added > limit:
                raise Unwatchable(top)
            if entries is None:
                continue
            if not self._is_file_within(path) if linked else path == top and not listing:
                unknown.append(path)
            for name, folder, link in entries:
                inside = os.path.join(path, name)  # noqa: PTH118
                if is_hidden(name, folder) or (link and name in SKIPPED):
                    continue
                if link:
                    links.append(inside)
                elif folder:
                    folders.append((inside, new))
                if new:
                    content.append((inside, folder or link))
            self._add(path, _CHANGES | OPEN)
        return content, unknown

    def _enter(self, path: str, linked: bool, *, given: bool) -> list[_Entry] | None:
        """What is in a folder (nothing in a file that a link leads to); None when it is none of our business."""
        if linked:
            mode = _mode(path)
            if not stat.S_ISDIR(mode):
                if stat.S_ISREG(mode):
                    return []
                self._leave(path)
                return None
            if os.path.basename(os.path.realpath(path)) in SKIPPED:  # noqa: PTH119
                self._leave(path)
                return None
        entries = _entries(path)
        if not given and any(name == "pyvenv.cfg" for name, _, _ in entries):
            self._leave(path)
            return None
        return entries

    def _leave(self, path: str) -> None:
        """Watch it no more, but look again when the link is turned."""
        linked = path in self.links
        self.drop(path)
        if linked:
            self.links.add(path)

    def _is_file_within(self, link: str) -> bool:
        """Whether a link leads to a file in a folder that is watched: then that told of it."""
        target = os.path.realpath(link)
        return stat.S_ISREG(_mode(link)) and os.path.dirname(target) in self.known  # noqa: PTH120

    def _add(self, path: str, mask: int) -> int | None:
        try:
            return int(self.inotify.add_watch(path, mask))
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            if number in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None  # it is gone again, or leads nowhere
            if number == errno.EACCES and not os.access(path, os.X_OK):
                return None  # nobody reads in there
            raise Unwatchable(path) from error

    def _alias(self, path: str, wd: int) -> int:
        """One more path to a folder that is watched, and to all that is known below it."""
        first = self.paths[wd][0]
        below = [(p, w) for p, w in self.known.items() if is_below(p, first) and not is_below(p, path)]
        for other, inner in below:
            self._know(path + other[len(first) :], inner)
        return len(below)

    def _know(self, path: str, wd: int) -> None:
        self.known[path] = wd
        paths = self.paths.setdefault(wd, [])
        if path not in paths:
            paths.append(path)

    def forget(self, wd: int) -> list[str]:
        """Forget a watch that the kernel has ended; gives its paths."""
        paths = self.paths.pop(wd, [])
        for path in paths:
            self.known.pop(path, None)
        return paths

    def drop(self, path: str) -> None:
        """Forget a path and all below it, and end the watches that no other path leads to."""
        if path in self.known or path in self.links:
            self._drop(p for p in {*self.known, *self.links} if is_below(p, path))

    def keep_below(self, roots: Iterable[str]) -> None:
        kept = tuple(roots)
        self._drop(p for p in {*self.known, *self.links} if not any(is_below(p, root) for root in kept))

    def _drop(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            self.links.discard(path)
            wd = self.known.pop(path, None)
            if wd is None:
                continue
            rest = [p for p in self.paths[wd] if p != path]
            if rest:
                self.paths[wd] = rest
                continue
            del self.paths[wd]
            with contextlib.suppress(OSError):  # it has ended with its folder
                self.inotify.rm_watch(wd)

    def rename(self, old: str, new: str) -> None:
        for path in [p for p in self.known if is_below(p, old)]:
            wd = self.known.pop(path)
            moved = new + path[len(old) :]
            self.known[moved] = wd
            self.paths[wd] = [moved if p == path else p for p in self.paths[wd]]
        self.links = {new + p[len(old) :] if is_below(p, old) else p for p in self.links}


def instance() -> Any:
    """An instance of the kernel's, closed on exec; None where there is none to have."""
    try:
        from inotify_simple import INotify

        return INotify(nonblocking=True)
    except (ImportError, OSError, AttributeError):
        return None


def _entries(path: str) -> list[_Entry]:
    try:
        with os.scandir(path) as found:
            return [(e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in found]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unwatchable(path) from error


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return 0


def is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)


def is_hidden(name: str, folder: bool) -> bool:
    return name in SKIPPED if folder else name.endswith(IGNORED)
