"""Folders that the kernel of Linux watches: what native readers and other processes do to the files in them.

Python's audit hook sees what Python opens. Arrow, HDF5, polars and duckdb open files in C, and workers open them in
another process. inotify tells of all of these, but it is not recursive and knows folders, not trees. So every folder
below a watched one has a watch of its own, and a folder that appears gets one as soon as its creation is read from
the queue; what was put into it before that is found by listing it. A folder that was there already and comes by a move
or a link may have been read before its watch stood: that is in doubt, `missed` names it and `overflow` is set.

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
- a link to the outside that is turned there while a cell runs, and an ancestor of a given folder that is renamed then.
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
    SKIPPED,
    UNMOUNT,
    Tree,
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

    def add(self, other: _Log) -> None:
        """Take over what another has gathered."""
        for name in ("opened", "written", "created", "deleted", "moved", "listed", "missed"):
            getattr(self, name).update(getattr(other, name))
        self.overflow = self.overflow or other.overflow

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
        self._past = _Log()  # what `part` has told already
        self._leaving: dict[int, tuple[list[str], list[int]]] = {}  # cookie -> paths and watches of what was moved
        self._made: set[str] = set()  # folders that were made since the start
        self._candidates: dict[tuple[int, str], None] = {}  # (watch, name) of what has come and may be a link
        self._changed = False  # folders or links have come and gone
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
            if full in self._tree.known and full not in self._roots:
                return True
            watched = self._root(full, (found.st_dev, found.st_ino))
            self._drain()
            return watched

    def start(self) -> None:
        """Forget what has happened so far."""
        if not self.available:
            return
        with self._alone() as alone:
            if not alone:
                return
            if not self._lost:
                self._changed |= self._tree.have_links_turned()
                self._drain()
            self._log, self._past, self._made = _Log(), _Log(), set()
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
            self._past.add(self._log)
            seen, self._log, self._past, self._made = self._past.seen(), _Log(), _Log(), set()
        return seen

    def part(self) -> Seen:
        """What has happened since this was asked last, or since `start`; `stop` tells it again with the rest."""
        if os.getpid() != self._pid:
            return Seen(overflow=bool(self._roots))
        with self._alone() as alone:
            if not alone:
                return Seen(overflow=True)
            if self._tree.inotify is not None:
                self._drain()
            part, self._log = self._log, _Log()
            self._past.add(part)
        return part.seen()

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
        if path in self._roots:  # another folder stands there now
            del self._roots[path]
            self._tree.discard(path)
        if self._tree.add(path, self._limit):
            self._roots[path] = identity
            return True
        if os.path.isdir(path):  # noqa: PTH112 — it may just have gone
            self._refused.add(path)
        return False

    def _renew(self) -> None:
        """Watch everything anew: which folders have come and gone was lost with the queue."""
        self._lost = False
        self._leaving.clear()
        self._candidates.clear()
        self._changed = False
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

    # -- events

    def _drain(self) -> None:
        racing = False  # events that were queued while the tree settled may tell of what it has seen already
        for _ in range(_READS):
            try:
                events = self._tree.inotify.read(timeout=0)
            except OSError:  # somebody closed all descriptors of the process
                self._lost = self._log.overflow = True
                return
            for wd, mask, cookie, name in events:
                self._take(wd, mask, cookie, name, racing)
            if not events:
                self._departed()
            if self._changed or self._candidates:
                self._settle()
                racing = True
            elif not events:
                return
        if racing:  # somebody makes folders without end
            self._lost = self._log.overflow = True

    def _departed(self) -> None:
        """What was moved and has not arrived anywhere; a folder may have gone where no watch stood yet, and its
        events went on under its old path."""
        for olds, wds in self._leaving.values():
            self._log.deleted.update(dict.fromkeys(olds))
            self._log.missed.update((path, None) for wd in wds for path in self._tree.paths.get(wd, ()))
        self._leaving.clear()

    def _settle(self) -> None:
        if self._changed:
            self._follow()
        for wd, name in self._candidates:  # by the paths of now: the folder may have moved since
            inside, paths = self._tree.inside.get(wd), self._tree.paths.get(wd)
            if inside is not None and paths and os.path.islink(os.path.join(paths[0], name)):  # noqa: PTH114, PTH118
                inside.links.add(name)
                self._changed = True
        self._candidates.clear()
        if self._changed:
            self._follow()

    def _follow(self) -> None:
        self._changed = False
        news, lost = self._tree.settle(self._limit, self._made)
        for path, is_file in news.content:
            self._log.created[path] = None
            if is_file:
                self._log.written[path] = None
        self._log.missed.update(dict.fromkeys(news.foreign + lost))
        for root in lost:
            if self._roots.pop(root, None) is not None and os.path.isdir(root):  # noqa: PTH112
                self._refused.add(root)

    def _take(self, wd: int, mask: int, cookie: int, name: str, racing: bool) -> None:
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
        if mask & OPEN:
            if not folder:  # a folder tells of itself, see `Tree`
                self._log.opened.update(dict.fromkeys(here))
            return
        if mask & CLOSE_WRITE:
            self._log.written.update(dict.fromkeys(here))
            return
        self._name(wd, name, folder, there=bool(mask & (CREATE | MOVED_TO)))
        if mask & CREATE:
            self._log.created.update(dict.fromkeys(here))
            if folder:
                self._made.update(here)
        elif mask & DELETE:
            self._log.deleted.update(dict.fromkeys(here))
            self._made.difference_update(here)
        elif mask & MOVED_FROM:
            wds = [w for w, at in self._tree.paths.items() if not set(here).isdisjoint(at)] if folder else []
            self._leaving[cookie] = here, wds
        elif mask & MOVED_TO:
            self._arrived(self._leaving.pop(cookie, ([], []))[0], here, folder)
            if racing and folder:
                self._log.missed.update(dict.fromkeys(here))

    def _name(self, wd: int, name: str, folder: bool, *, there: bool) -> None:
        """A folder has one name more, or one less."""
        inside = self._tree.inside.get(wd)
        if inside is None:
            return
        if folder:
            (inside.folders.add if there else inside.folders.discard)(name)
            self._changed = True
        else:
            if name in inside.links:
                inside.links.discard(name)
                self._changed = True
            if there and name not in SKIPPED:
                self._candidates[wd, name] = None

    def _arrived(self, olds: list[str], news: list[str], folder: bool) -> None:
        for old, new in zip_longest(olds, news):
            if new is None:
                self._log.deleted[old] = None
            elif old is None:
                self._log.created[new] = self._log.written[new] = None
                self._made.discard(new)
            else:
                self._log.moved[old, new] = None
                if folder:
                    self._tree.rename(old, new)
                    self._made = {new + p[len(old) :] if is_below(p, old) else p for p in self._made}

    def _gone(self, wd: int) -> None:
        for path in self._tree.forget(wd):
            if path in self._roots:
                self._changed = True
                self._log.deleted[path] = self._log.missed[path] = None
            elif path in self._tree.links:
                self._changed = True  # its target was replaced


def _visible(paths: list[str], folder: bool) -> Iterator[str]:
    return (path for path in paths if folder or not path.endswith(IGNORED))


_ALL: weakref.WeakSet[Folders] = weakref.WeakSet()


def _leave() -> None:
    """In a forked child: let go of the parent's queue, which would live on with the child."""
    for folders in list(_ALL):
        folders.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)
