"""The union of one run: everything that its cells relied on, those that were reused and the items of loops included.

Made at the end of a run from the traces of its cells, so it costs nothing while they run. The refresher watches what is
named here; the fast path of the command compares it, and takes `against` for an answer: one line for each thing that
makes a run without a kernel impossible, because nobody outside of one could tell whether it is as it was.

Paths are in full, as they were meant when the cell began. What a loop, `incnb.map` and `memo` found of their items is
in the trace of their cell.
"""

from __future__ import annotations

import os
import re
import sys
import time
import types
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from incnb.dependencies import file, module, package, source
from incnb.dependencies.ambient import FOLDER, GENERATORS
from incnb.engine import states
from incnb.engine.decide import as_it_was
from incnb.engine.ledger import Seen
from incnb.engine.options import Options
from incnb.engine.places import MARKERS, place_of
from incnb.engine.replay import blobs
from incnb.fingerprint import archives, files, origin
from incnb.model import Code, Dependency, Kind, Status
from incnb.outputs.ambient import ENVIRONMENT

if TYPE_CHECKING:
    from incnb.engine.session import Session

#: Where the union lies in the log; what the refresher needs of it.
TYPE = "union"
_LOGGED = ("notebook", "cwd", "session", "time", "files", "looked", "modules", "sources", "written", "blocked")
_LIVE = re.compile(r"append:(.*?)(, encoding='[^']*')?(, errors='[^']*')?", re.DOTALL)
_OURS = re.compile(r"\s*(#.*|%load_ext\s+incnb\s*|%incremental\s+(on\b.*|off)\s*)?")
_OUTSIDE = (Kind.FILE, Kind.ENV, Kind.PACKAGE, Kind.PYTHON, Kind.MODULE, Kind.SOURCE)


@dataclass(frozen=True, slots=True)
class Union:
    """What a run relied on, and what it did outside; `time`: before this was put together.

    `looked`: locators of listings, patterns and looks at paths, each with the folder that it is relative to; `sources`:
    files that grow; `blocked`: title of a cell and its effect; `pins`: what only the fast path needs.
    """

    notebook: str = ""
    cwd: str = ""
    session: str = ""
    time: float = 0.0
    files: tuple[str, ...] = ()
    looked: tuple[tuple[str, str], ...] = ()
    modules: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    against: tuple[str, ...] = ()
    pins: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Union:
        """Read what `to_dict` gave, after JSON too. Raises `TypeError` and `KeyError` for anything else."""
        told = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        for name, value in told.items():
            if isinstance(value, list):
                told[name] = tuple(tuple(part) if isinstance(part, list) else part for part in value)
        return cls(**told)

    def logged(self) -> dict[str, Any]:
        """The record of the log."""
        data = self.to_dict()
        return {"type": TYPE, "code": "", **{name: data[name] for name in _LOGGED}}


def union_of(session: Session) -> Union:
    """What the cells of a session relied on up to now. Reads their traces; raises nothing for one that is gone."""
    found = _Gathering(session)
    for seen in session.ledger.cells.values():
        found.take(seen)
    return found.union()


def log_union(session: Session, union: Union) -> None:
    """Put a union into the log, for the refresher. Raises `StoreError`."""
    session.history.add(union.logged())


class _Gathering:
    """Goes through the cells in the order in which they ran."""

    def __init__(self, session: Session):
        self._session = session
        self._here = files.here()
        self._time = time.time()
        self._files: dict[str, None] = {}
        self._looked: dict[tuple[str, str], None] = {}
        self._modules: dict[str, None] = {}
        self._sources: dict[str, None] = {}
        self._env: dict[str, None] = {}
        self._packages: dict[str, None] = {}
        self._written: dict[str, None] = {}
        self._blocked: dict[tuple[str, str], None] = {}
        self._against: dict[str, None] = {}
        self._relied: dict[tuple[str, str], tuple[str, str]] = {}
        self._cells: list[dict[str, Any]] = []
        self._left: list[dict[str, Any]] = []
        self._read_at: dict[str, int] = {}
        self._set: set[str] = set()
        self._seeded: set[str] = set()

    def take(self, seen: Seen) -> None:
        """One cell."""
        title, folder = seen.decision.cell.title, seen.folder or self._here
        stored = seen.trace.read(self._session.store) if seen.trace is not None else None
        data = (stored.data or {}) if stored is not None else {}
        outputs: dict[str, Any] = data.get("outputs", {})
        relied = [Dependency.from_dict(one) for one in data["dependencies"]] if data else list(seen.relied)
        for dependency in relied:
            self._dependency(dependency, folder, title)
        wrote = [self._full(str(one["path"]), folder) for one in outputs.get("files", ())]
        wrote += [self._full(str(one), folder) for one in outputs.get("folders", ())]
        wrote += (*seen.wrote, *(path for path, then in seen.opened if _is_other(path, then))) if not data else ()
        for path in wrote:
            self._written[path] = None
            if self._read_at.get(os.path.realpath(path), len(self._cells)) < len(self._cells):
                self._against[f"{path} is read by one cell and written by a later one"] = None
        for reason in seen.decision.reasons if seen.decision.status is Status.BLOCKED else ():
            if reason.code is Code.EFFECT:
                self._blocked[title, reason.detail or reason.locator] = None
        self._moved(outputs, title)
        self._judge(seen, data)
        self._left += [{**one, "path": self._full(str(one["path"]), folder)} for one in outputs.get("files", ())]
        code, trace = (seen.trace.code, seen.trace.id) if seen.trace is not None else ("", "")
        needs = [[one.sha256, one.length] for one in blobs(outputs)] if outputs else []
        took = data.get("seconds") if data.get("host") == os.uname().nodename else None
        told = {"id": seen.decision.cell.id, "title": title, "code": code, "trace": trace, "blobs": needs}
        executed = seen.decision.status is Status.EXECUTED
        self._cells.append({**told, "seconds": took, "executed": executed, "contained": as_it_was(relied)})

    def _dependency(self, dependency: Dependency, folder: str, title: str) -> None:
        kind, locator = dependency.kind, dependency.locator
        if kind is Kind.FILE:
            self._file(locator, folder)
        elif kind is Kind.ENV:
            self._env[locator] = None
        elif kind is Kind.PACKAGE:
            self._packages[locator] = None
        elif kind is Kind.SOURCE:
            path = _LIVE.fullmatch(locator)
            if path is not None:
                self._sources[self._full(path[1], folder)] = None
                if source.moved(dependency) is not None:
                    self._against[f"{path[1]} has grown since {title} read it"] = None
            else:
                self._against[f"{title}: {locator} can be looked at only in a kernel"] = None
        elif kind is Kind.AMBIENT and locator in GENERATORS and locator not in self._seeded:
            self._against[f"{title} relies on the {locator}, which no cell set"] = None
        elif kind in (Kind.MODULE, Kind.CODE, Kind.VALUE, Kind.CONFIG):
            self._modules.update(dict.fromkeys(_module_files(dependency)))
        if kind is Kind.MODULE and locator.endswith(" (file)") and _in_its_file(locator) != dependency.fp:
            self._against[f"{locator.partition(' ')[0]} is not what it was when {title} imported it"] = None
        if kind in _OUTSIDE and not (kind is Kind.ENV and locator in self._set):
            known, _ = self._relied.setdefault((kind.value, locator), (dependency.fp, dependency.stamp))
            if known != dependency.fp:
                self._against[f"{locator} was not the same for all cells"] = None

    def _file(self, locator: str, folder: str) -> None:
        if locator.startswith(file.PREFIXES):
            self._looked[locator, folder] = None
            return
        path = self._full(locator, folder)
        self._files[path] = None
        self._read_at.setdefault(os.path.realpath(path), len(self._cells))

    def _moved(self, outputs: dict[str, Any], title: str) -> None:
        """State of the process that the cell left otherwise."""
        for entry in outputs.get("ambient", ()):
            what = str(entry.get("what", ""))
            if what in GENERATORS:
                self._seeded.add(what)
            elif what == FOLDER:
                self._against[f"{title} changes the working directory"] = None
            elif what == ENVIRONMENT:
                self._set |= _variables(entry)

    def _judge(self, seen: Seen, data: dict[str, Any]) -> None:
        """What of one cell rules the fast path out."""
        status, title = seen.decision.status, seen.decision.cell.title
        codes = {reason.code for reason in seen.decision.reasons}
        if status in (Status.BLOCKED, Status.FAILED):
            self._against[f"{title} {'was blocked' if status is Status.BLOCKED else 'failed'}"] = None
        elif not data:
            self._against[f"{title} ran and was not saved"] = None
        elif Code.ACCEPTED in codes:
            self._against[f"{title} was reused on a person's word"] = None
        text = self._session.texts.get(seen.key)
        for word in _only_in_a_kernel(text.options if text is not None else None):
            self._against[f"{title} has {word}"] = None

    def union(self) -> Union:
        """All of it."""
        session = self._session
        for text in session.ledger.others.values():
            if text.strip() and text not in self._tracked() and not all(map(_OURS.fullmatch, text.splitlines())):
                line = next(line.strip() for line in text.splitlines() if line.strip())
                self._against[f"a cell was not tracked: {line[:60]}"] = None
        if session.faults or session.off:
            self._against["incnb had a fault of its own"] = None
        if session.history.marks(session.notebook):
            self._against["a cell is marked"] = None
        for name in _loaded():
            self._modules.update(dict.fromkeys(_file_of(name)))
        pins = {
            "relied": [[*key, *found] for key, found in self._relied.items()],
            "cells": self._cells,
            "left": self._left,
            "records": {top: package.record(top) for top in self._packages},
        }
        return Union(
            session.notebook,
            self._here,
            session.id,
            self._time,
            tuple(self._files),
            tuple(self._looked),
            tuple(self._modules),
            tuple(self._sources),
            tuple(self._env),
            tuple(self._packages),
            tuple(self._written),
            tuple(self._blocked),
            tuple(self._against),
            pins,
        )

    def _tracked(self) -> set[str]:
        return {seen.raw for seen in self._session.ledger.cells.values()}

    @staticmethod
    def _full(path: str, folder: str) -> str:
        return os.path.normpath(os.path.join(folder, path)) if ".." not in path else os.path.join(folder, path)


def _is_other(path: str, then: files.Identity) -> bool:
    """Whether a file that was opened for reading and writing, and may be open still, was written since or may be yet.

    A database keeps what was not put into it yet in a file beside it.
    """
    beside = (path + end for end in ("-wal", "-journal"))
    return files.identity(path) != then or any(os.path.exists(other) and os.path.getsize(other) for other in beside)


def _variables(entry: dict[str, Any]) -> set[str]:
    """The variables of the environment that a cell set or removed."""
    try:
        change = states.unpacked(entry, lambda reference: None, {})
    except Exception:  # then they count as not set, and what is read of them is compared
        return set()
    return {*change.put, *change.gone}


def _only_in_a_kernel(options: Options | None) -> Iterator[str]:
    """Options that only a kernel can follow."""
    if options is None:
        return
    told = {
        "--ttl": options.ttl is not None,
        "--when": options.when,
        "--config": options.config,
        "--force": options.force,
        "--verify": options.verify,
        "--off": options.off,
    }
    yield from (word for word, given in told.items() if given)


def _module_files(dependency: Dependency) -> Iterable[str]:
    """The files of the project's modules that a dependency on code or a value leads into."""
    text = dependency.locator
    if dependency.kind is Kind.MODULE:
        return _file_of(text.removesuffix(" (file)"))
    for marker in MARKERS:
        text = text.removeprefix(marker)
    head, colon, _ = text.partition(":")
    if not colon or not all(part.isidentifier() for part in head.split(".")):
        return ()
    return _file_of(place_of(text)[0])


def _in_its_file(locator: str) -> str | None:
    """The fingerprint of a module that a new kernel would find, before it is loaded."""
    try:
        path = module.find(locator.partition(" ")[0])
        found = module.from_file(path) if path is not None else None
    except Exception:  # finders of other people's
        return None
    return found[0] if found is not None else (module.nowhere() if path is None else None)


def _loaded() -> list[str]:
    """The project's modules that are loaded."""
    found = []
    for name, value in list(sys.modules.items()):
        if not isinstance(value, types.ModuleType) or name.partition(".")[0] in ("__main__", "incnb"):
            continue
        if isinstance(value.__dict__.get("__file__"), str) and origin.is_ours(origin.object_module_origin(value)):
            found.append(name)
    return found


def _file_of(name: str) -> Iterable[str]:
    loaded = sys.modules.get(name)
    path = loaded.__dict__.get("__file__") if isinstance(loaded, types.ModuleType) else None
    if loaded is None:
        try:
            path = module.find(name)
        except Exception:  # finders of other people's
            path = None
    if not isinstance(path, str) or path in ("built-in", "frozen"):
        return ()
    return (os.path.abspath(archives.outer(path)),) if origin.is_ours(origin.file_origin(path)) else ()
