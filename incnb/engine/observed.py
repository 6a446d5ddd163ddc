"""What was observed while a cell ran, turned into dependencies and outputs: files, environment variables."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from typing import Any

from incnb.dependencies import Closure, Environment, Resolved, ambient, env, file
from incnb.engine.files import Judge, Judged, is_kept
from incnb.fingerprint import files
from incnb.model import Dependency, Kind
from incnb.outputs.accesses import Journal
from incnb.store import Store


def files_of(journal: Journal) -> Judged:
    """What the accesses of a run amount to; to be asked when the run has just ended."""
    judged = Judge(journal).judge()
    left = [w.path for w in judged.written if any(os.path.abspath(w.path).startswith(t) for t in journal.temporary)]
    judged.problems += [f"it left the temporary file {path}" for path in left]
    return judged


def add(closure: Closure, judged: Judged, journal: Journal) -> None:
    """Add what was found to the dependencies of the run, in the order in which it was found."""
    if judged.absolute:
        closure.add(Kind.AMBIENT, ambient.FOLDER)
    for name, value in journal.variables.items():
        closure.keep(name, env.of(name, value))
    for dependency in judged.dependencies:
        closure.take(dependency)


def look_again(closure: Closure, environment: Environment, tell: Callable[[str, str], None]) -> None:
    """State of libraries that a run may have moved by what it told them in strings."""
    found = closure.found.get((Kind.AMBIENT, ambient.DUCKDB))
    if found is not None and closure.is_left((Kind.AMBIENT, ambient.DUCKDB)):
        now = environment.fresh(Kind.AMBIENT, ambient.DUCKDB)
        if now.fp != found.dependency.fp:
            tell(ambient.DUCKDB, f"{ambient.DUCKDB} changed: {now.detail or now.shown}")


def declare(closure: Closure, globs: Iterable[str], tell: Callable[[str, str], None]) -> None:
    """Add the files that `--file` names: what the pattern expands to, and the content of each."""
    for pattern in globs:
        names = files.globbed(pattern, recursive=True)
        closure.keep(file.globbing(pattern, "r"), file.of_names(names))
        for name in names:
            if os.path.isfile(name):
                resolved: Resolved = file.resolve(file.content(name))
                if resolved.fp is None:
                    tell(name, resolved.detail)
                stamp = file.stamp(files.identity(name))
                locator = file.content(name)
                closure.take(Dependency(Kind.FILE, locator, resolved.fp or "", resolved.shown, stamp=stamp))


def outputs(store: Store, judged: Judged) -> tuple[dict[str, Any], int]:
    """The files that a run left, written to the store: the part of the trace, and the bytes."""
    records = []
    size = 0
    for written in judged.written:
        blob = None
        if is_kept(written):
            with io.FileIO(written.path) as content:
                blob = store.put_blob(content.read()).to_dict()
            size += written.size
        records.append(written.to_dict(blob))
    modes = {folder: os.stat(folder).st_mode for folder in judged.folders}
    return {"files": records, "folders": judged.folders, "modes": modes}, size
