"""The watches that the kernel holds for us, and which paths each of them stands for.

inotify is not recursive: every folder needs a watch of its own, and so does every file that a link leads to. One watch
stands for one inode, so two paths to one folder share it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field
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
#: A path to go to, the state of the folder it was found in, and the watches of the folders from the given one to there.
_Step = tuple[str, int, tuple[int, ...]]


class Unwatchable(Exception):
    """A folder has too many folders below it, or the kernel grants no more watches."""


@dataclass(slots=True)
class Inside:
    """What leads further from a watched folder: names of folders and of links."""

    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)


@dataclass(slots=True)
class News:
    """What a walk has found that was not watched before it."""

    content: list[tuple[str, bool]] = field(default_factory=list)  # of folders just made; and whether it is a file
    foreign: list[str] = field(default_factory=list)  # folders that were not just made, and what links lead to


#: Of a folder that a walk comes to: watched before, just made with all that is in it, or from elsewhere.
_KNOWN, _MADE, _FOREIGN = range(3)


@final
class Tree:
    """Which watch stands for which paths: folders, and links to folders and files.

    The names in a folder are listed once, when its watch stands, and kept up by events; these tell of every change in
    the order in which it was made. Where a name leads to is asked of the kernel whenever a name has changed: a path
    may have become another folder since the event.
    """

    def __init__(self, inotify: Any):
        self.inotify = inotify
        self.paths: dict[int, list[str]] = {}  # watch descriptor -> the paths that lead to it
        self.known: dict[str, int] = {}
        self.inside: dict[int, Inside] = {}
        self.links: dict[str, tuple[int, int] | None] = {}  # link -> (device, inode) of its target
        self._of: dict[str, dict[str, int]] = {}  # given folder -> its paths

    # -- given folders

    def add(self, root: str, limit: int) -> bool:
        """Watch a folder with all that is below it; False, and no watch more than before, when that cannot be."""
        try:
            self._of[root] = self._walk(root, limit, frozenset(), News(), _FOREIGN)
        except Unwatchable:
            self._of.pop(root, None)
        self._index()
        return root in self.known

    def discard(self, root: str) -> None:
        self._of.pop(root, None)
        self._index()

    def settle(self, limit: int, made: Container[str]) -> tuple[News, list[str]]:
        """Follow the changes that were made to folders and links; gives the given folders that had to be given up."""
        news = News()
        lost = []
        for root in list(self._of):
            try:
                self._of[root] = self._walk(root, limit, made, news, _KNOWN)
            except Unwatchable:
                del self._of[root]
            if root not in self._of.get(root, {}):
                self._of.pop(root, None)
                lost.append(root)
        self._index()
        return news, lost

    def have_links_turned(self) -> bool:
        """Whether a link leads elsewhere than before: when its target is outside, no event tells of it."""
        return any(_target(link) != target for link, target in self.links.items())

    def _index(self) -> None:
        """What the walks have found, by path and by watch; the watches that nothing leads to any more end."""
        self.known, self.paths = {}, {}
        for found in self._of.values():
            self.known.update(found)
        for path, wd in self.known.items():
            self.paths.setdefault(wd, []).append(path)
        self.links = {p: t for p, t in self.links.items() if any(is_below(p, root) for root in self._of)}
        for wd in [wd for wd in self.inside if wd not in self.paths]:
            self._end(wd)

    # -- walking

    def _walk(self, root: str, limit: int, made: Container[str], news: News, state: int) -> dict[str, int]:
        """The watch of every path from `root` down. Raises `Unwatchable`."""
        found: dict[str, int] = {}
        folders: list[_Step] = []
        links: list[_Step] = []
        (links if os.path.islink(root) else folders).append((root, state, ()))  # noqa: PTH114
        while folders or links:
            linked = not folders  # folders first: what a link leads to may be among them
            path, above, chain = links.pop() if linked else folders.pop()
            if linked:
                self.links[path] = _target(path)
            # without the opening, as the listing below would be seen as one; what is watched already keeps it
            wd = self._watch(path, _CHANGES | _MASK_ADD | (0 if linked else _ONLYDIR))
            if wd is None:
                continue
            now = _KNOWN
            if wd not in self.inside:
                files = self._enter(path, wd, linked=linked, given=path == root)
                if files is None:
                    if not linked and chain:
                        self.inside[chain[-1]].folders.discard(os.path.basename(path))  # noqa: PTH119
                    continue
                now = _MADE if path in made or (above == _MADE and not linked) else _FOREIGN
                if now == _MADE:
                    inside = self.inside[wd]
                    news.content += [(os.path.join(path, name), False) for name in (*inside.folders, *inside.links)]  # noqa: PTH118
                    news.content += [(os.path.join(path, name), True) for name in files]  # noqa: PTH118
                elif above != _FOREIGN and not (linked and _leads_to_file_in(path, found)):
                    news.foreign.append(path)
            found[path] = wd
            if len(found) > limit:
                raise Unwatchable(root)
            if wd in chain:
                continue  # a link up
            chain, inside = (*chain, wd), self.inside[wd]
            folders += [(os.path.join(path, name), now, chain) for name in inside.folders]  # noqa: PTH118
            links += [(os.path.join(path, name), now, chain) for name in inside.links]  # noqa: PTH118
        return found

    def _enter(self, path: str, wd: int, *, linked: bool, given: bool) -> list[str] | None:
        """List what was not watched before; gives its files, or None, and no watch, when it is none of our business."""
        self.inside[wd] = inside = Inside()
        if linked:
            mode = _mode(path)
            if stat.S_ISREG(mode):
                self._watch(path, _CHANGES | OPEN)
                return []
            if not stat.S_ISDIR(mode) or os.path.basename(os.path.realpath(path)) in SKIPPED:  # noqa: PTH119
                self._end(wd)
                return None
        files = []
        for name, folder, link in _entries(path):
            if name == "pyvenv.cfg" and not given:
                self._end(wd)
                return None
            if is_hidden(name, folder) or (link and name in SKIPPED):
                continue
            if link:
                inside.links.add(name)
            elif folder:
                inside.folders.add(name)
            else:
                files.append(name)
        self._watch(path, _CHANGES | OPEN)
        return files

    def _watch(self, path: str, mask: int) -> int | None:
        try:
            return int(self.inotify.add_watch(path, mask))
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            if number in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None  # it is gone again, or leads nowhere
            if number == errno.EACCES and not os.access(path, os.X_OK):
                return None  # nobody reads in there
            raise Unwatchable(path) from error

    def _end(self, wd: int) -> None:
        del self.inside[wd]
        with suppress(OSError):  # it has ended with its folder
            self.inotify.rm_watch(wd)

    # -- what events tell

    def forget(self, wd: int) -> list[str]:
        """Forget a watch that the kernel has ended; gives its paths."""
        self.inside.pop(wd, None)
        paths = self.paths.pop(wd, [])
        for path in paths:
            self.known.pop(path, None)
        return paths

    def rename(self, old: str, new: str) -> None:
        """Until it settles: a folder and what is below it has another path."""
        for paths in self.paths.values():
            paths[:] = [new + path[len(old) :] if is_below(path, old) else path for path in paths]


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


def _target(link: str) -> tuple[int, int] | None:
    try:
        found = os.stat(link)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _leads_to_file_in(link: str, folders: Container[str]) -> bool:
    """Whether a link leads to a file in a folder that is watched: then that told of it."""
    return stat.S_ISREG(_mode(link)) and os.path.dirname(os.path.realpath(link)) in folders  # noqa: PTH120


def is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)


def is_hidden(name: str, folder: bool) -> bool:
    return name in SKIPPED if folder else name.endswith(IGNORED)
