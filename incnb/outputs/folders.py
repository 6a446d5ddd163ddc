"""Folders that the kernel of Linux watches: what native readers and other processes do to the files in them.

Python's audit hook sees what Python opens. Arrow, HDF5, polars and duckdb open files in C, and workers open them in
another process. inotify tells of all of these, but it is not recursive and knows folders, not trees. So every folder
below a watched one has a watch of its own, and a folder that appears gets one as soon as its creation is read from
the queue; what was put into it before that is found by listing it.

Events wait in the kernel. They are read when the watch stops, or at any `drain` before that: no thread waits for them.
The queue holds 16,384 (`/proc/sys/fs/inotify/max_queued_events`), equal neighbours count once. When more happens the
rest is lost, `overflow` says so, and all folders are watched anew before the next start, as new ones may be among the
lost. Whoever has an occasion to call `drain` in a long cell makes that less likely.

A path through a symbolic link opens a file somewhere else, and its events arise there. So a link to a folder is
watched as that folder, under the link's path too, and a link to a file by a watch on the file. A folder to which
several watched paths lead is reported under each of them: any of the links may be turned later.

What cannot be seen here:

- who did it: an indexer or an editor that opens a file while a cell runs is reported like the cell;
- what is done to a file that was opened before (reading it, writing to it, changing it through a memory map, whose
  close-write comes when it is unmapped), `truncate` by path, and looking without opening (`stat`);
- what others do to a network file system from another machine;
- a link whose target is outside, turned twice while a cell runs; an ancestor of a given folder that is renamed then.
"""

from __future__ import annotations

import os
import stat
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import final

from incnb.outputs.watches import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    GONE,
    IGNORED,
    ISDIR,
    MOVED_FROM,
    MOVED_TO,
    OPEN,
    Q_OVERFLOW,
    UNMOUNT,
    Tree,
    Unwatchable,
    instance,
    is_below,
    is_hidden,
)

_READS = 16  # of the queue in one drain: somebody who writes without end must not hold a cell


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What happened in the watched folders, in order and each once; absolute paths as they were watched.

    What was moved in from elsewhere is `created` and `written`, what was moved out is `deleted`. Folders are among
    the created, deleted and moved; `listed` are the folders that somebody opened. With `overflow` there is more that
    is not known; `missed` are the places where that is so, when it is not the whole queue.
    """

    opened: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    overflow: bool = False
    listed: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Log:
    """`Seen`, while it is being gathered: dictionaries as ordered sets."""

    opened: dict[str, None] = field(default_factory=dict)
    written: dict[str, None] = field(default_factory=dict)
    created: dict[str, None] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)
    moved: dict[tuple[str, str], None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    missed: dict[str, None] = field(default_factory=dict)
    overflow: bool = False

    def seen(self) -> Seen:
        return Seen(
            opened=tuple(self.opened),
            written=tuple(self.written),
            created=tuple(self.created),
            deleted=tuple(self.deleted),
            moved=tuple(self.moved),
            overflow=self.overflow or bool(self.missed),
            listed=tuple(self.listed),
            missed=tuple(self.missed),
        )


@final
class Folders:
    """Watches folders with all that is below them; `stop` gives what was seen since `start`.

    Nothing here raises: what cannot be watched is told by `watch`, and by `overflow`. A forked child leaves the
    watch to its parent. Any thread may call.
    """

    def __init__(self, limit: int = 2000):
        self._limit = limit
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._busy: int | None = None  # the thread that holds the lock
        self._roots: dict[str, tuple[int, int]] = {}  # path -> (device, inode) when the watch was set up
        self._refused: set[str] = set()
        self._log = _Log()
        self._leaving: dict[int, list[str]] = {}  # cookie -> what was moved from there
        self._lost = False
        self._tree = Tree(instance())
        _ALL.add(self)

    @property
    def available(self) -> bool:
        """Whether anything can be watched at all: on Linux, in this process, when the system grants an instance."""
        return self._tree.inotify is not None and os.getpid() == self._pid

    def watch(self, path: str) -> bool:
        """Whether the folder and everything below it is watched from now on; the second time this is two lookups.

        False when it is no folder, has more than `limit` folders below it, or the system grants no more watches;
        that a folder is too large is not tried again.
        """
        if not self.available:
            return False
        with self._alone() as alone:
            if not alone:
                return False
            if self._lost:
                self._renew()
            try:
                # `link/..` is not the folder that its spelling says
                turns = os.pardir in path.split(os.sep)  # noqa: PTH206
                full = os.path.realpath(path) if turns else os.path.abspath(path)  # noqa: PTH100
                found = os.stat(full)  # noqa: PTH116
            except (OSError, ValueError):
                return False
            if full in self._refused or self._tree.inotify is None or not stat.S_ISDIR(found.st_mode):
                return False
            if self._roots.get(full) == (found.st_dev, found.st_ino):
                return True
            self._drain()  # a folder that just appeared is not yet known; what is in it must be told before
            if full in self._tree.known and full not in self._roots and self._below_a_root(full):
                return True
            return self._root(full, (found.st_dev, found.st_ino))

    def start(self) -> None:
        """Forget what has happened so far."""
        if not self.available:
            return
        with self._alone() as alone:
            if not alone:
                return
            if not self._lost:
                self._relink()
                self._drain()
            self._log = _Log()
            if self._lost:
                self._renew()

    def drain(self) -> None:
        """Read what the kernel has queued, to make room there; returns at once when somebody is at it."""
        if self.available:
            with self._alone(wait=False) as alone:
                if alone:
                    self._drain()

    def stop(self) -> Seen:
        """What has happened since `start`. In a forked child nothing is known: `overflow`."""
        if os.getpid() != self._pid:
            return Seen(overflow=bool(self._roots))
        with self._alone() as alone:
            if not alone:
                return Seen(overflow=True)
            if self._tree.inotify is not None:
                self._drain()
            seen, self._log = self._log.seen(), _Log()
        return seen

    def close(self) -> None:
        """Give the watches back; nothing is watched from then on."""
        inotify, self._tree = self._tree.inotify, Tree(None)
        if inotify is not None:
            with suppress(OSError):
                inotify.close()  # in a child: its own descriptor, the parent's stays

    @contextmanager
    def _alone(self, *, wait: bool = True) -> Iterator[bool]:
        """False when this thread is inside already: listing a folder raises audit events, whose hook may come here."""
        me = threading.get_ident()
        if self._busy == me or not self._lock.acquire(blocking=wait):
            yield False
            return
        self._busy = me
        try:
            yield True
        except BaseException:  # an interrupt: what was read is lost, what was walked is half known
            self._lost = self._log.overflow = True
            raise
        finally:
            self._busy = None
            self._lock.release()

    # -- folders that were given

    def _root(self, path: str, identity: tuple[int, int]) -> bool:
        if path in self._roots:
            self._unroot(path)  # another folder stands there now
        try:
            self._tree.walk(path, self._limit, given=True)
        except Unwatchable:
            self._refused.add(path)
            self._unroot(path)
            return False
        if path not in self._tree.known:
            return False
        self._roots[path] = identity
        return True

    def _unroot(self, path: str) -> None:
        self._roots.pop(path, None)
        self._tree.keep_below(self._roots)

    def _below_a_root(self, path: str) -> bool:
        return any(is_below(path, root) for root in self._roots)

    def _refuse_around(self, path: str) -> None:
        for root in [root for root in self._roots if is_below(path, root)]:
            self._refused.add(root)
            self._log.missed[root] = None
            self._unroot(root)

    def _renew(self) -> None:
        """Watch everything anew: which folders have come and gone was lost with the queue."""
        self._lost = False
        self._leaving.clear()
        roots, self._roots = list(self._roots), {}
        inotify = self._tree.inotify
        with suppress(OSError):
            inotify.close()
        self._tree = Tree(instance())
        for root in roots:
            try:
                found = os.stat(root)  # noqa: PTH116
            except OSError:
                continue
            if self._tree.inotify is None or not self._root(root, (found.st_dev, found.st_ino)):
                self._log.missed[root] = None

    def _relink(self) -> None:
        """Links whose target is elsewhere are turned without an event here."""
        for link in list(self._tree.links):
            self._appeared(link, fresh=False)

    # -- events

    def _drain(self) -> None:
        size = len(self._tree.known)
        for _ in range(_READS):
            try:
                events = self._tree.inotify.read(timeout=0)
            except OSError:  # somebody closed all descriptors of the process
                self._lost = self._log.overflow = True
                return
            if not events:
                break
            for wd, mask, cookie, name in events:
                self._take(wd, mask, cookie, name)
        for olds in self._leaving.values():  # and has not arrived anywhere
            for old in olds:
                self._log.deleted[old] = None
                self._tree.drop(old)
        self._leaving.clear()
        if len(self._tree.known) > size:
            for root in list(self._roots):
                if sum(is_below(path, root) for path in self._tree.known) > self._limit:
                    self._refuse_around(root)

    def _take(self, wd: int, mask: int, cookie: int, name: str) -> None:
        if mask & Q_OVERFLOW:
            self._lost = self._log.overflow = True
            return
        paths = self._tree.paths.get(wd)
        if not paths:
            return
        if mask & (GONE | UNMOUNT):
            self._gone(wd)
            return
        folder = bool(mask & ISDIR)
        if not name:
            if mask & OPEN:
                (self._log.listed if folder else self._log.opened).update(dict.fromkeys(_visible(paths, folder)))
            if mask & CLOSE_WRITE:
                self._log.written.update(dict.fromkeys(_visible(paths, folder)))
            return
        if is_hidden(name, folder):
            return
        here = [os.path.join(path, name) for path in paths]  # noqa: PTH118
        if mask & OPEN and not folder:  # a folder tells of itself, see `Tree.walk`
            self._log.opened.update(dict.fromkeys(here))
        elif mask & CLOSE_WRITE:
            self._log.written.update(dict.fromkeys(here))
        elif mask & CREATE:
            for path in here:
                self._log.created[path] = None
                if folder or os.path.islink(path):  # noqa: PTH114
                    self._appeared(path, fresh=folder)
        elif mask & DELETE:
            for path in here:
                self._log.deleted[path] = None
                self._tree.drop(path)
        elif mask & MOVED_FROM:
            self._leaving[cookie] = here
        elif mask & MOVED_TO:
            self._arrived(self._leaving.pop(cookie, []), here, folder)

    def _arrived(self, olds: list[str], news: list[str], folder: bool) -> None:
        for old, new in zip_longest(olds, news):
            if new is None:
                self._log.deleted[old] = None
                self._tree.drop(old)
                continue
            self._tree.drop(new)  # what stood there is replaced
            if old is None:
                self._log.created[new] = self._log.written[new] = None
            else:
                self._log.moved[old, new] = None
            if old is not None and folder and old in self._tree.known:
                self._tree.rename(old, new)
            elif folder or os.path.islink(new):  # noqa: PTH114
                if old is not None:
                    self._tree.drop(old)
                self._appeared(new, fresh=folder and old in self._log.created)

    def _gone(self, wd: int) -> None:
        for path in self._tree.forget(wd):
            if path in self._tree.links:
                self._appeared(path, fresh=False)  # its target was replaced
            elif path in self._roots:
                del self._roots[path]
                self._log.deleted[path] = self._log.missed[path] = None

    def _appeared(self, path: str, *, fresh: bool) -> None:
        """Watch what has appeared. In a folder that was just made everything is new; what is in any other was
        there before, and may have been read before the watch stood."""
        try:
            content, unknown = self._tree.walk(path, self._limit, listing=fresh)
        except Unwatchable:
            self._refuse_around(path)
            return
        for inside, no_file in content:
            self._log.created[inside] = None
            if not no_file:
                self._log.written[inside] = None
        self._log.missed.update(dict.fromkeys(unknown if fresh else unknown[:1]))


def _visible(paths: list[str], folder: bool) -> Iterator[str]:
    return (path for path in paths if folder or not path.endswith(IGNORED))


_ALL: weakref.WeakSet[Folders] = weakref.WeakSet()


def _leave() -> None:
    """In a forked child: let go of the parent's queue, which would live on with the child."""
    for folders in list(_ALL):
        folders.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)
