"""Files that are read and written by native code, or by other processes: seen by the folders that they are in.

Python's own opening of files is told by audit events. Arrow, polars, HDF5 and their like open files in C. A cell that
reaches one of them, or calls something known to end in one (`pd.read_parquet`), is observed through its folders too:
the working directory, and every folder that a string in its code, or a small text among its inputs, names. What was
opened there and not by Python goes into the same journal. Where the folders cannot be watched, or a native reader ran
and nothing at all was seen to be opened, the cell is not recorded; `--file` says what it reads.

An indexer or an editor that opens a file in the same folder at the same moment is taken for the cell. That costs an
execution at worst. Writes are taken for the cell's output if its code calls something that writes natively; else they
make it unsaved.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from incnb.analysis.findings import NATIVE_READERS, NATIVE_WRITERS
from incnb.dependencies import Closure
from incnb.engine.judgement import Judgement
from incnb.fingerprint import files
from incnb.model import Kind, redacted
from incnb.outputs.accesses import Access, Journal
from incnb.outputs.folders import Folders

_URL = re.compile(r"^(https?|ftp|s3a?|gs|gcs|az|abfss?|hdfs|hf|postgres(ql)?|mysql)(\+\w+)?://", re.IGNORECASE)
_QUOTED = re.compile(r"'([^'\n]+)'|\"([^\"\n]+)\"")
_TEXTS = 1000
_OPENINGS = frozenset({"read", "write", "append", "create", "update", "remove", "rename", "mkdir", "rmdir", "touch"})


class Native:
    """The folders of one session, and what was seen in them during one run."""

    def __init__(self) -> None:
        self._folders: Folders | None = None
        self._armed = False
        self._started = 0.0

    def watch(self, constants: Iterable[str], inputs: Iterable[Any]) -> bool:
        """Watch the folders that a run may read natively; False when they cannot all be."""
        if self._folders is None:
            self._folders = Folders()
        places = {files.here()}
        for text in [*constants, *(t for value in inputs for t in texts(value))]:
            places |= {place for part in quoted(text) if (place := _folder_of(part)) is not None}
        watched = [self._folders.watch(place) for place in sorted(places)]
        self._armed = all(watched)
        return self._armed

    def start(self) -> None:
        self._started = time.time()
        if self._armed and self._folders is not None:
            self._folders.start()

    def stop(self, journal: Journal, words: frozenset[str], *, declared: bool) -> None:
        """Add what was seen to the journal. `words` are the attributes that the code mentions."""
        if not self._armed or self._folders is None:
            return
        self._armed = False
        seen = self._folders.stop()
        if seen.overflow:
            journal.problems.append("too many files were opened to see them all")
        known = {a.path for a in journal.entries if a.op in _OPENINGS} | journal.sources
        searched = [a.path for a in journal.entries if a.op in ("list", "glob", "path glob")]
        ours = _own_places()
        written = [*seen.written, *seen.created, *seen.deleted, *(p for pair in seen.moved for p in pair)]
        natively = [p for p in dict.fromkeys(written) if p not in known and not p.startswith(ours)]
        natively = [p for p in natively if not _passing(p, seen.created)]
        if natively and not words & NATIVE_WRITERS:
            journal.problems.append(f"{_given(natively[0])} was written while it ran, and not by Python")
        elif natively:
            self._written(journal, natively, set(seen.created), set(seen.opened))
        for path in seen.opened:
            if path not in known and path not in written and not path.startswith(ours):
                self._opened(journal, path)
        for folder in seen.listed:
            if not folder.startswith(ours) and not any(path.startswith(folder) for path in searched):
                given = _given(folder)
                journal.entries.append(Access("list", given, folder, None, files.listing(folder)))
        reads = any(access.op in ("read", "update") for access in journal.entries)
        if words & NATIVE_READERS and not reads and not declared:
            word = min(words & NATIVE_READERS)
            journal.problems.append(f".{word} reads files natively, and none was seen (--file GLOB says which)")

    def part(self, journal: Journal, entries: int) -> str:
        """What one item opened natively goes into the journal, behind `entries`; gives what cannot be replayed."""
        if not self._armed or self._folders is None:
            return ""
        seen = self._folders.part()
        if seen.overflow:
            return "too many files were opened to see them all"
        known = {a.path for a in journal.entries[entries:] if a.op in _OPENINGS}
        ours = _own_places()
        changed = [*seen.written, *seen.created, *seen.deleted, *(p for pair in seen.moved for p in pair)]
        for path in changed:
            if path not in known and not path.startswith(ours) and not _passing(path, seen.created):
                return f"{_given(path)} was written"
        for path in seen.opened:
            if path not in known and not path.startswith(ours):
                self._opened(journal, path)
        if journal.problems:
            return journal.problems[0]
        return ""

    def skip(self) -> None:
        """What happened so far was no item's doing."""
        if self._armed and self._folders is not None:
            self._folders.part()

    def _opened(self, journal: Journal, path: str) -> None:
        identity = files.identity(path)
        if identity is None or not os.path.isfile(path):
            return
        if max(identity[3], identity[4]) / 1e9 > self._started:
            journal.problems.append(f"{_given(path)} changed while it ran")
            return
        journal.entries.append(Access("read", _given(path), path, identity, "file"))

    def _written(self, journal: Journal, paths: list[str], created: set[str], opened: set[str]) -> None:
        for path in paths:
            given = _given(path)
            if os.path.isdir(path):
                journal.entries.append(Access("mkdir", given, path, None, "nothing", None, "exist_ok"))
            elif os.path.isfile(path):
                if path in created:
                    journal.entries.append(Access("write", given, path, None, "nothing"))
                else:
                    journal.entries.append(Access("write", given, path, files.identity(path), "file"))

    def close(self) -> None:
        if self._folders is not None:
            self._folders.close()


def prepare(folders: Native, closure: Closure, judgement: Judgement) -> None:
    """Where native code may open files, the folders are watched."""
    if not any(finding.kind == "native" for finding in closure.findings):
        return
    for url in urls(closure.constants)[:1]:
        judgement.effect(f"it may read {redacted(url)[:80]}", "network")
    inputs = [found.value for found in closure.found.values() if found.dependency.kind is Kind.VALUE]
    judgement.sees_folders = folders.watch(closure.constants, inputs)


def urls(constants: Iterable[str]) -> list[str]:
    """The constants that name a place on the network."""
    return [part for text in constants for part in quoted(text) if _URL.match(part)]


def texts(value: Any) -> list[str]:
    """The small texts and paths in a value, as far as they lie at the surface."""
    if isinstance(value, str):
        return [value] if len(value) < 4096 else []
    if isinstance(value, PurePath):
        return [str(value)]
    if type(value) in (list, tuple, set, frozenset, dict) and len(value) <= _TEXTS:
        parts = [*value, *(value.values() if type(value) is dict else ())]
        return [t for part in parts if isinstance(part, str | PurePath) for t in texts(part)]
    return []


def _folder_of(text: str) -> str | None:
    """The folder that a text names, or that a file it names is in; above a pattern, the folder it starts in."""
    if not text or "\0" in text or "\n" in text or len(text) > 1024:
        return None
    if re.search(r"[*?\[]", text):
        text = re.split(r"[*?\[]", text, maxsplit=1)[0].rpartition(os.sep)[0] or "."
    full = os.path.abspath(os.path.expanduser(text))
    if os.path.isdir(full):
        return full if full != os.sep else None
    if os.path.isfile(full) or os.sep in text:
        parent = os.path.dirname(full)
        return parent if os.path.isdir(parent) and parent != os.sep else None
    return None


def _given(path: str) -> str:
    here = files.here().rstrip(os.sep) + os.sep
    return path[len(here) :] if path.startswith(here) else path


def _passing(path: str, created: Iterable[str]) -> bool:
    """Whether a change means nothing: what came and went while the cell ran, and notebooks, which Jupyter saves."""
    name = os.path.basename(path)
    return (
        (path in created and not os.path.lexists(path))
        or name.endswith((".ipynb", ".pyc"))
        or ".ipynb" in name
        or any(part in (".ipynb_checkpoints", "__pycache__", ".virtual_documents") for part in path.split(os.sep))
    )


def quoted(text: str) -> list[str]:
    """A text and the parts of it that stand in quotes: a query names files so."""
    return [text, *(part for pair in _QUOTED.findall(text) for part in pair if part)]


def _own_places() -> tuple[str, ...]:
    named = [os.environ.get(name) for name in ("INCNB_STORE", "INCNB_REPORT")]
    return tuple(os.path.abspath(place) for place in named if place) or ("\0",)
