"""What the accesses of a cell amount to: the files it relied on, the files it left, and what cannot be recorded.

The journal is read in order. A file that the cell wrote itself is nothing it relied on, and a file that it made and
removed again never was. A cell that reads a file and writes it, or changes files that it did not make, executes every
time: its second run would start from something else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from incnb.dependencies import Resolved, file
from incnb.fingerprint import files
from incnb.fingerprint.files import Identity
from incnb.model import Dependency, Kind
from incnb.outputs.accesses import Access, Journal
from incnb.outputs.files import ABSENT, KEEP_LIMIT, Written

_SPECIAL = ("/proc/", "/sys/", "/dev/")


@dataclass(slots=True)
class _Own:
    """Something the cell made: what was there before (a digest, `nothing`, `` = unknown)."""

    given: str
    found: str
    folder: bool = False


@dataclass
class Judged:
    """The outcome: dependencies in the order found, files and folders that were left, and problems in words."""

    dependencies: list[Dependency] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    absolute: bool = False  # a path inside the working directory was named in full


class Judge:
    """Reads the journal of one cell."""

    def __init__(self, journal: Journal):
        self._journal = journal
        self._out = Judged(problems=list(journal.problems))
        self._own: dict[str, _Own] = {}
        self._found: dict[str, Resolved | None] = {}
        self._read: dict[str, Access] = {}
        self._stamps: dict[str, str] = {}
        self._asked: dict[str, str] = {}
        self._updated: dict[str, Access] = {}
        self._steps: dict[str, Callable[[Access], None]] = {
            "read": self._read_one,
            "write": self._write,
            "append": self._append,
            "create": self._append,
            "update": self._update,
            "list": self._list,
            "glob": self._glob,
            "path glob": self._path_glob,
            "mkdir": self._mkdir,
            "remove": self._remove,
            "rmdir": self._remove,
            "rename": self._rename,
            "touch": self._touch,
        }

    def judge(self) -> Judged:
        """Go through the journal. The files are as the cell left them."""
        for access in self._journal.entries:
            self._steps.get(access.op, self._looked)(access)
        self._updates()
        self._contents()
        for locator, path in self._asked.items():
            if path in self._own:  # a library looks before it overwrites
                del self._found[locator]
        self._left()
        for locator, resolved in self._found.items():
            if resolved is not None:
                if resolved.fp is None:
                    self._problem(f"{locator} {resolved.detail}")
                    continue
                stamp = self._stamps.get(locator, "")
                self._out.dependencies.append(Dependency(Kind.FILE, locator, resolved.fp, resolved.shown, stamp=stamp))
        here = files.here().rstrip(os.sep) + os.sep
        self._out.absolute = any(os.path.isabs(a.given) and a.path.startswith(here) for a in self._journal.entries)
        self._out.problems = list(dict.fromkeys(self._out.problems))
        return self._out

    def _problem(self, text: str) -> None:
        self._out.problems.append(text)

    def _is_own(self, path: str) -> bool:
        """Whether the cell made what is at a path, or a folder above it."""
        if path in self._own:
            return True
        folder = os.path.dirname(path)
        while folder and folder != os.path.dirname(folder):
            if folder in self._own:
                return True
            folder = os.path.dirname(folder)
        return False

    # -- what was relied on

    def _read_one(self, access: Access) -> None:
        locator = file.content(access.given)
        if self._is_own(access.path) or locator in self._found:
            return
        if access.path.startswith(_SPECIAL) or access.state == "other":
            self._problem(f"it opened {access.given}, which is no ordinary file")
        elif access.state == "file":
            self._found[locator] = None  # its place in the order; the content is taken at the end
            self._read[locator] = access
        else:
            self._found[locator] = file.of_state(str(access.state))

    def _contents(self) -> None:
        for locator, access in self._read.items():
            identity = files.identity(access.path)
            if identity is None or identity != access.identity:
                self._problem(f"{access.given} changed while it ran")
                continue
            try:
                digest = files.digest(access.path)
            except OSError as error:
                self._problem(f"{access.given} cannot be read: {error.strerror}")
                continue
            if access.digest is not None and digest != access.digest:
                self._problem(f"{access.given} changed while it ran")
                continue
            self._found[locator] = file.of_digest(digest, identity[2])
            self._stamps[locator] = file.stamp(identity)

    def _list(self, access: Access) -> None:
        self._names(access, file.LISTING + access.given, access.path)

    def _glob(self, access: Access) -> None:
        self._names(access, file.globbing(access.given, access.extra), "")

    def _path_glob(self, access: Access) -> None:
        self._names(access, file.searching(access.given, access.extra), "")

    def _names(self, access: Access, locator: str, folder: str) -> None:
        names = access.state if isinstance(access.state, tuple) else None
        if folder and folder in self._own:
            return
        for own in self._own:
            inside = folder == os.path.dirname(own) if folder else any(_same(own, n) for n in names or ())
            if inside:
                self._problem(f"it lists {access.given}, where it writes")
                return
        self._found.setdefault(locator, file.of_names(names))

    def _looked(self, access: Access) -> None:
        if self._is_own(access.path):
            return
        locator = file.LOOKS[access.op] + access.given
        if not access.extra:
            self._asked.pop(locator, None)
        elif locator not in self._found:
            self._asked[locator] = access.path
        self._found.setdefault(locator, file.of_look(access.op, str(access.state)))

    # -- what was made

    def _write(self, access: Access) -> None:
        if access.path in self._own:
            return
        if any(read.path == access.path for read in self._read.values()):
            self._problem(f"it reads and writes {access.given}")
        self._make(access)

    def _make(self, access: Access) -> None:
        if access.path.startswith(_SPECIAL) or access.state not in ("file", "nothing"):
            if access.path != os.devnull:
                self._problem(f"it writes to {access.given}, which is no ordinary file")
            return
        found = ABSENT if access.identity is None else (access.digest.hex() if access.digest else "")
        self._own[access.path] = _Own(access.given, found)

    def _append(self, access: Access) -> None:
        if access.path in self._own:
            return
        if access.identity is not None:
            self._problem(f"it appends to {access.given}")
            return
        self._absent(access)
        self._make(access)

    def _update(self, access: Access) -> None:
        if not self._is_own(access.path):
            self._updated.setdefault(access.path, access)

    def _updates(self) -> None:
        """Opened for reading and writing: only read, if nobody wrote."""
        for path, access in self._updated.items():
            if path in self._own:
                continue
            if access.identity is None or files.identity(path) != access.identity:
                self._problem(f"it reads and writes {access.given}")
            else:
                self._read_one(access)

    def _absent(self, access: Access) -> None:
        seen = "nothing there" if access.state in ("nothing", "broken link") else "there"
        self._found.setdefault(file.LOOKS["existence"] + access.given, file.of_look("existence", seen))

    def _mkdir(self, access: Access) -> None:
        if access.path in self._own:
            return
        if access.state == "nothing":
            self._own[access.path] = _Own(access.given, ABSENT, folder=True)
            if access.extra != "exist_ok":
                self._absent(access)
        elif not self._is_own(access.path):
            seen = "yes" if access.state == "folder" else "no"
            self._found.setdefault(file.LOOKS["is folder"] + access.given, file.of_look("is folder", seen))

    def _remove(self, access: Access) -> None:
        own = self._own.pop(access.path, None)
        if own is None and access.state == "nothing":
            self._absent(access)
        elif (own is None and not self._is_own(access.path)) or (own is not None and own.found != ABSENT):
            self._problem(f"it removes {access.given}")

    def _rename(self, access: Access) -> None:
        own = self._own.pop(access.path, None)
        if own is None or own.folder or own.found != ABSENT:
            if own is None and access.state == "nothing":
                return
            self._problem(f"it moves {access.given}")
            return
        target = access.extra
        before = self._own.get(target)
        found = before.found if before is not None else self._before(target)
        if any(read.path == target for read in self._read.values()):
            self._problem(f"it reads and writes {target}")
        given = os.path.relpath(target) if not os.path.isabs(access.given) else target
        self._own[target] = _Own(given, found)

    def _before(self, target: str) -> str:
        """What the target of a rename held: the journal took it down as an access of its own, just before."""
        for access in reversed(self._journal.entries):
            if access.op == "touch" and access.path == target and access.extra == "target":
                if access.identity is None:
                    return ABSENT
                return access.digest.hex() if access.digest else ""
        return ""

    def _touch(self, access: Access) -> None:
        if access.extra != "target" and not self._is_own(access.path):
            self._problem(f"it changes {access.given}")

    # -- what is left

    def _left(self) -> None:
        for path, own in self._own.items():
            if own.folder:
                if os.path.isdir(path):
                    self._out.folders.append(own.given)
                continue
            try:
                status = os.stat(path)
                if not stat.S_ISREG(status.st_mode):
                    self._problem(f"{own.given} is no ordinary file")
                    continue
                before: Identity | None = files.identity(path)
                digest = files.digest(path).hex()
            except OSError:
                self._problem(f"{own.given} was gone when the cell ended")
                continue
            stamp = file.stamp(before)
            self._out.written.append(Written(own.given, digest, own.found, status.st_size, status.st_mode, stamp))


def _same(path: str, match: str) -> bool:
    return os.path.abspath(match) == path


def is_kept(written: Written) -> bool:
    """Whether the content goes to the store."""
    return written.size <= KEEP_LIMIT
