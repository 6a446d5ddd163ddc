"""What a cell does with files, in order: the journal that the watch writes and the engine judges.

Every entry says which file, as the program named it and where that was at this moment, and takes down at once what
could be different afterwards: the identity of the file, its content where identity alone would not tell (it was written
a moment ago, or is about to be overwritten), the entries of a folder, whether anything is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from incnb.fingerprint import files
from incnb.fingerprint.files import Identity

Op = Literal[
    "read", "write", "append", "create", "update", "list", "glob", "path glob", "existence", "is file",
    "is folder", "size", "times", "status", "link status", "real path", "remove", "rename", "mkdir", "rmdir", "touch",
]  # fmt: skip
#: Bytes: what is about to be overwritten is digested up to this size.
FOUND_LIMIT = 256 << 20


_CHANGES = ("write", "append", "create", "update", "remove", "rename", "mkdir", "rmdir", "touch")


@dataclass(frozen=True, slots=True)
class Access:
    """One thing done with a path; `state` is what was seen of it, `extra` a rename's target or the kind of glob."""

    op: Op
    given: str
    path: str
    identity: Identity | None = None
    state: str | tuple[str, ...] | None = None
    digest: bytes | None = None
    extra: str = ""


class Journal:
    """The accesses of one cell."""

    def __init__(self) -> None:
        self.entries: list[Access] = []
        self.problems: list[str] = []
        self.temporary: set[str] = set()
        self.variables: dict[str, str | None] = {}  # environment variables read, as they were
        self.direct: set[str] = set()  # what code of ours opened itself since `afresh`
        self.sources: set[str] = set()  # read as growing files, out of sight
        self._set: set[str] = set()
        self._start = files.here()
        self._seen: set[tuple[str, str]] = set()
        self._looked: set[tuple[str, str, str]] = set()

    @property
    def changes(self) -> list[Access]:
        """What was written, made, moved or removed."""
        return [access for access in self.entries if access.op in _CHANGES]

    def opened(self, path: str, flags: int) -> None:
        """A path is about to be opened with these flags of `os.open`."""
        given, full = self._place(path)
        writing = flags & (os.O_WRONLY | os.O_RDWR)
        if not writing:
            if ("read", full) in self._seen:
                return
            self._seen.add(("read", full))
            identity = files.identity(full)
            young = identity is not None and files.is_young(identity)
            digest = self._digest(full) if young and os.path.isfile(full) else None
            self.entries.append(Access("read", given, full, identity, files.existence(full), digest))
            return
        self._seen.discard(("read", full))
        identity = files.identity(full)
        op: Op = "update"
        if flags & os.O_EXCL:
            op = "create"
        elif flags & os.O_TRUNC:
            op = "write"
        elif flags & os.O_APPEND:
            op = "append"
        elif identity is None and flags & os.O_CREAT:
            op = "append"  # made empty, and only if it was not there
        digest = None
        if identity is not None and identity[2] <= FOUND_LIMIT and os.path.isfile(full):
            digest = self._digest(full)
        self.entries.append(Access(op, given, full, identity, files.existence(full), digest))

    def listed(self, path: str) -> None:
        """A folder is about to be listed."""
        given, full = self._place(path)
        self.entries.append(Access("list", given, full, None, files.listing(full)))

    def globbed(self, pattern: str, *, recursive: bool, root: str | None, hidden: bool) -> None:
        """`glob.glob` is about to expand a pattern."""
        if root is not None:
            root = self._place(root)[1]
        found = files.globbed(pattern, recursive=recursive, root=root, hidden=hidden)
        where = pattern if root is None else os.path.join(root, pattern)
        given, full = self._place(where)
        marks = "r" * recursive + "h" * hidden
        self.entries.append(Access("glob", given, full, None, found, None, marks))

    def path_globbed(self, root: str, pattern: str, *, recursive: bool) -> None:
        """`Path.glob` or `Path.rglob` is about to expand a pattern below a folder."""
        given, full = self._place(root)
        found = files.path_globbed(root, pattern, recursive=recursive)
        extra = ("rglob " if recursive else "glob ") + pattern
        self.entries.append(Access("path glob", given, full, None, found, None, extra))

    def looked(self, op: Op, path: str, *, by_library: bool) -> None:
        """A path is about to be looked at without being opened."""
        given, full = self._place(path)
        if not by_library:  # what only a library asked may come not to count
            self._looked.add((op, path, files.here()))
        key = (f"{op} {by_library}", full)
        if key in self._seen:
            return
        self._seen.add(key)
        extra = "by a library" if by_library else ""
        self.entries.append(Access(op, given, full, None, files.look(op, full), None, extra))

    def has_looked(self, op: Op, path: str) -> bool:
        """Whether the same look was noted, and nothing was changed since."""
        return (op, path, files.here()) in self._looked

    def changed(self, op: Op, path: str, extra: str = "") -> None:
        """A path is about to be removed, renamed (`extra` is the target), made or touched."""
        given, full = self._place(path)
        self._seen.clear()
        self._looked.clear()
        target = self._place(extra)[1] if op == "rename" else extra
        identity = files.identity(full)
        if op == "rename":
            there = files.identity(target)
            small = there is not None and there[2] <= FOUND_LIMIT and os.path.isfile(target)
            digest = self._digest(target) if small else None
            self.entries.append(Access("touch", target, target, there, files.existence(target), digest, "target"))
        self.entries.append(Access(op, given, full, identity, files.existence(full), None, target))

    def variable(self, name: str, value: str | None, *, sets: bool) -> None:
        """An environment variable is about to be read, or set."""
        if sets:
            self._set.add(name)
        elif name not in self._set:
            self.variables.setdefault(name, value)

    def afresh(self) -> None:
        """What was met before is noted again when it is met again, as for each item of a loop."""
        if self._seen:
            self._seen.clear()
        if self._looked:
            self._looked.clear()
        if self.direct:
            self.direct = set()

    def since(self, count: int) -> Journal:
        """A journal of its own, of the entries after the first `count`."""
        part = Journal()
        part.entries = self.entries[count:]
        part.direct = self.direct
        part._start = self._start
        return part

    def take(self, part: Journal) -> None:
        """What was done apart was done here as well."""
        self.entries += part.entries
        self.problems += part.problems
        self.temporary |= part.temporary
        self.direct |= part.direct
        self._set |= part._set
        for name, value in part.variables.items():
            self.variables.setdefault(name, value)
        if any(access.op in _CHANGES for access in part.entries):
            self._seen.clear()
            self._looked.clear()

    @property
    def moved(self) -> bool:
        """Whether the working directory is another one than at the beginning."""
        return files.here() != self._start

    def _place(self, path: str) -> tuple[str, str]:
        """The path to remember (as given, while the working directory is the first one) and the whole path."""
        full = (
            os.path.normpath(os.path.join(files.here(), path)) if ".." not in path else os.path.join(files.here(), path)
        )
        return (full if self.moved and not os.path.isabs(path) else path), full

    def _digest(self, path: str) -> bytes | None:
        try:
            return files.digest(path)
        except OSError:
            return None
