"""What the last runs of a notebook relied on outside of it, and what speaks against running it while nobody looks.

Read from the log and the traces of the store, for each cell of the file its latest run, in whatever session that was:
a person runs some cells in the morning and others after lunch. The union that a session left adds what no trace has:
files that a cell wrote which could not be saved, and what blocked cells did.

A notebook may be run unattended when it is known what its cells do to the world. So one that wrote files or had effects
is refused, and so is one with a cell that never ran under the eyes of incnb: nobody knows what that one does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

from incnb.batch.notebooks import matching
from incnb.dependencies.file import GLOB, LISTING, LOOKS, PATH_GLOB, PREFIXES
from incnb.engine.decide import dependencies
from incnb.engine.ledger import TraceName
from incnb.engine.naming import Known, cells
from incnb.engine.options import ALLOWED
from incnb.engine.recorded import sound
from incnb.engine.saved_file import SavedCell, saved_cells
from incnb.engine.union import TYPE, Union
from incnb.fingerprint import archives
from incnb.fingerprint.origin import file_origin
from incnb.model import Code, Dependency, Kind
from incnb.store import Store
from incnb.store.place import make_private, prepare

#: The word that lets files be written again; the others are those of a cell's `--allow`.
FILES: Final = "files"
WORDS: Final = (*ALLOWED, FILES)
_PERMIT: Final = re.compile(r"; --allow (\w+)")
_OURS: Final = re.compile(r"^\s*%(?:re)?load_ext\s+incnb\b|^\s*%incremental\b", re.M)
_GROWS: Final = "append:"
_MAGIC: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to watch: a locator of a file (in full), a look or a source, and the folder it was meant in. `fp`: as
    it was recorded; empty if that tells nothing. `readers`: (cell id, title) of the cells that relied on it."""

    kind: Kind
    locator: str
    cwd: str
    fp: str = ""
    readers: tuple[tuple[str | None, str], ...] = ()

    @property
    def key(self) -> str:
        """What it is, among the things of one notebook."""
        return f"{self.kind} {self.locator}"

    @property
    def place(self) -> tuple[str, bool]:
        """The folder in which something happens when it changes, and whether what is below that counts too."""
        text, cwd, deep = self.locator, self.cwd, False
        if self.kind is Kind.SOURCE:
            return _parent(cwd, grown(text)), False
        if text.startswith(LISTING):
            return _join(cwd, text.removeprefix(LISTING)), False
        if text.startswith(GLOB):
            parts = Path(text.removeprefix(GLOB)).parts
            first = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
            return _join(cwd, os.path.join(*parts[:first]) if first > 0 else "."), first < len(parts) - 1
        if text.startswith(PATH_GLOB):
            root, _, rest = text.removeprefix(PATH_GLOB).rpartition(": ")
            deep = rest.startswith("rglob") or "/" in rest or "**" in rest
            return _join(cwd, root), deep
        for look in LOOKS.values():
            text = text.removeprefix(look)
        return _parent(cwd, text), False

    @property
    def name(self) -> str:
        """As people know it."""
        name = grown(self.locator) if self.kind is Kind.SOURCE else self.locator
        return name.removeprefix(self.cwd.rstrip(os.sep) + os.sep)


@dataclass(frozen=True, slots=True)
class Against:
    """What a cell did that must not happen unattended; `word` allows it, if there is one."""

    cell: str
    what: str
    word: str = ""

    def __str__(self) -> str:
        hint = f" (--allow {self.word})" if self.word else ""
        return f"{f'cell {self.cell!r}' if self.cell else 'a cell'} {self.what}{hint}"


@dataclass(frozen=True, slots=True)
class Relied:
    """What is known of one notebook. `sessions`: of its runs, each with the time of its latest; `named`: as the log
    calls it; `written`: files, in full, that its cells wrote."""

    notebook: str
    cwd: str
    things: tuple[Thing, ...] = ()
    unwatchable: tuple[str, ...] = ()
    against: tuple[Against, ...] = ()
    sessions: dict[str, float] = field(default_factory=dict)
    named: str = ""
    written: frozenset[str] = frozenset()

    def refusal(self, allow: Iterable[str]) -> str:
        """Why the notebook is not run unattended; empty if it may be."""
        allowed = set(allow)
        left = [str(one) for one in self.against if one.word not in allowed]
        more = f"; and {len(left) - 1} more" if len(left) > 1 else ""
        return f"{left[0]}{more}" if left else ""


def beside(store: Store) -> Path:
    """The folder beside the log in which a refresher keeps what it counted and saw.

    Made with the store around it, which would take a folder that somebody else began for a stranger's. Raises
    `StoreError` and `OSError`.
    """
    prepare(store.root)
    folder = store.root / "refresher"
    make_private(folder)
    return folder


def grown(identity: str) -> str:
    """The path of a growing file, from the identity of the source that reads it."""
    return re.sub(r"(, (encoding|errors)='[^']*')*$", "", identity.removeprefix(_GROWS))


def relied(store: Store, notebook: Path, records: Sequence[dict[str, Any]] | None = None) -> Relied:
    """What the log and the traces tell of a notebook. Raises `StoreError` where the log cannot be read."""
    records = store.history() if records is None else records
    names = set(matching(str(notebook), sorted({str(r.get("notebook") or "") for r in records} - {""})))
    mine = [record for record in records if record.get("notebook") in names]
    runs = [sound(record) for record in mine if record.get("type") == "run"]
    sessions: dict[str, float] = {}
    for run in runs:
        sessions[str(run.get("session", ""))] = max(float(run.get("time") or 0.0), 0.0)
    # as the kernels of JupyterLab, nbclient and `incnb run` begin
    cwd = str(notebook.parent)
    union = max((r for r in mine if r.get("type") == TYPE), key=_time, default=None)
    inside = saved_cells(str(notebook)) or []
    known = _in_file(cells(runs, ""), inside)
    # a notebook that goes elsewhere means other files: then only the union can tell which
    made = _Things(cwd, relative=union is None or union.get("cwd") in (cwd, os.path.realpath(cwd)))
    against = _unseen(inside, known)
    for cell in known:
        against += _read(store, cell, made, {str(union.get("session"))} if union is not None else set())
    if union is not None:
        titles = {cell.title for cell in known}
        against += [one for one in _of_union(union, made) if not one.cell or one.cell in titles]
    named = str(runs[-1].get("notebook", "")) if runs else str(notebook)
    unseen = tuple(made.unwatchable)
    return Relied(
        str(notebook), cwd, made.all(), unseen, tuple(dict.fromkeys(against)), sessions, named, frozenset(made.written)
    )


def _read(store: Store, cell: Known, made: _Things, covered: set[str]) -> list[Against]:
    """What one cell relied on in its latest run, and what it did."""
    last = cell.runs[-1]
    # a run that failed tells little; of the same code an earlier one may
    same = (r for r in reversed(cell.runs) if r.get("status") != "failed" and r.get("code") == last.get("code"))
    run = next(same, last)
    who = (cell.id, cell.title)
    against = []
    for reason in run.get("reasons", ()):
        if reason.get("kind") == Kind.SOURCE:
            made.asked(str(reason.get("locator", "")))
    if run.get("status") == "blocked":
        told = [str(r.get("detail", "")) for r in run.get("reasons", ()) if r.get("code") == Code.EFFECT.value]
        against += [_effect(cell.title, detail) for detail in told or ["had an effect that was not written down"]]
    elif not run.get("trace") and str(run.get("session")) not in covered:
        for kind, locator, fp in run.get("relied", ()):
            made.add(kind, str(locator), str(fp), who)
        what = "failed" if run.get("status") == "failed" else "was not recorded"
        against.append(Against(cell.title, f"{what} when it ran last, so what it wrote is not known", FILES))
    name = TraceName(str(run.get("trace_code") or run.get("code", "")), str(run.get("trace") or ""))
    stored = name.read(store) if name.id else None
    if stored is not None:
        for found in dependencies(stored):
            made.take(found, who)
        for file in (stored.data or {}).get("outputs", {}).get("files", ()):
            path = str(file.get("path"))
            made.written.add(_join(made.cwd, path))
            against.append(Against(cell.title, f"wrote {path}", FILES))
    return against


def _of_union(data: dict[str, Any], made: _Things) -> list[Against]:
    """What a union adds to what the traces tell."""
    try:
        union = Union.from_dict({name: value for name, value in data.items() if name not in ("type", "code", "seq")})
        for path in (*union.files, *union.modules):
            made.add(Kind.FILE, path, "")
        for locator, folder in union.looked:
            made.look(locator, folder)
        for path in union.sources:
            made.add(Kind.SOURCE, f"{_GROWS}{path}", "")
        against = [_effect(title, detail) for title, detail in union.blocked]
        against += [Against("", f"wrote {path}", FILES) for path in union.written if path not in made.written]
        made.written.update(union.written)
        return against
    except (TypeError, KeyError, ValueError):  # written by another version
        return []


def _effect(title: str, detail: str) -> Against:
    word = _PERMIT.search(detail)
    return Against(title, detail.partition("; --allow")[0].removeprefix("it "), word[1] if word else "")


def _time(record: dict[str, Any]) -> float:
    return float(record["time"]) if isinstance(record.get("time"), int | float) else 0.0


def _in_file(known: list[Known], inside: list[SavedCell]) -> list[Known]:
    """Those of the log that the file still has; all of them, if the file cannot be read."""
    if not inside:
        return known
    ids, titles = {cell.id for cell in inside if cell.id}, {cell.title for cell in inside}
    return [cell for cell in known if (cell.id in ids if cell.id else False) or cell.title in titles]


def _unseen(inside: list[SavedCell], known: list[Known]) -> list[Against]:
    ids, titles = {cell.id for cell in known}, {cell.title for cell in known}
    ours = (cell for cell in inside if _OURS.search(cell.text))
    skipped = {cell.text for cell in ours}
    new = [cell for cell in inside if cell.id not in ids and cell.title not in titles and cell.text not in skipped]
    what = "never ran with incnb looking on, so what it does is not known: run it once, or the notebook by `incnb run`"
    return [Against(cell.title, what) for cell in new]


class _Things:
    """Things by what they are, each with all of its readers."""

    def __init__(self, cwd: str, *, relative: bool):
        self.cwd, self._relative = cwd, relative
        self._found: dict[tuple[Kind, str, str], dict[str, Any]] = {}
        self.written: set[str] = set()
        self._modules: dict[str, str | None] = {}
        self.unwatchable: dict[str, None] = {}

    def all(self) -> tuple[Thing, ...]:
        return tuple(
            Thing(kind, locator, cwd, found["fp"], tuple(dict.fromkeys(found["readers"])))
            for (kind, locator, cwd), found in self._found.items()
        )

    def take(self, found: Dependency, who: tuple[str | None, str]) -> None:
        path = found.shown if found.kind is Kind.MODULE and found.locator.endswith(" (file)") else ""
        self.add(found.kind, found.locator, found.fp, who, path)

    def add(self, kind: str, locator: str, fp: str, who: tuple[str | None, str] | None = None, path: str = "") -> None:
        if kind == Kind.FILE and locator.startswith(PREFIXES):
            if self._relative:
                self.look(locator, self.cwd, fp, who)
        elif kind == Kind.FILE:
            if self._relative or os.path.isabs(locator):
                self._put(Kind.FILE, _join(self.cwd, locator), fp, who)
        elif kind == Kind.SOURCE:
            self.asked(locator)
            if locator.startswith(_GROWS) and (self._relative or os.path.isabs(grown(locator))):
                self._put(Kind.SOURCE, f"{_GROWS}{_join(self.cwd, grown(locator))}", fp, who)
        elif kind in (Kind.MODULE, Kind.CODE):
            name = locator.removesuffix(" (file)").partition(":")[0]
            if kind == Kind.MODULE or ":" in locator:
                known = os.path.isabs(path) and path.endswith(".py")
                file = archives.outer(path) if known else self._module(name)
                if file is not None:
                    self._put(Kind.FILE, file, "", who)

    def asked(self, locator: str) -> None:
        """A source that somebody read; those of their own can be asked only where they are."""
        if not locator.startswith((_GROWS, "paths:")):
            self.unwatchable[f"{locator} (only the notebook can ask this source)"] = None

    def look(self, locator: str, folder: str, fp: str = "", who: tuple[str | None, str] | None = None) -> None:
        self._put(Kind.FILE, locator, fp, who, folder)

    def _put(
        self, kind: Kind, locator: str, fp: str, who: tuple[str | None, str] | None, folder: str | None = None
    ) -> None:
        new = {"fp": fp, "readers": []}
        found = self._found.setdefault((kind, locator, self.cwd if folder is None else folder), new)
        if who is not None:
            # a file that one cell read before another wrote it has two: neither tells whether it moved since
            found["fp"] = fp if found["fp"] == fp else ""
            found["readers"].append(who)

    def _module(self, name: str) -> str | None:
        """The file of a module of the project; None for all others."""
        if name not in self._modules:
            ours = name.partition(".")[0] == "incnb"
            self._modules[name] = None if ours else _file_of(name, self.cwd)
        return self._modules[name]


def _file_of(name: str, cwd: str) -> str | None:
    search: list[str] | None = [cwd, *(entry for entry in sys.path if entry)]
    spec = None
    for part in name.split("."):
        if not search:
            return None
        try:
            spec = PathFinder.find_spec(part, search)
        except (ImportError, ValueError, AttributeError):
            return None
        search = list(spec.submodule_search_locations or ()) if spec is not None else None
    file = spec.origin if spec is not None else None
    held = archives.outer(file) if file else ""
    return held if os.path.isfile(held) and file_origin(held) == "project" else None


def _join(cwd: str, path: str) -> str:
    return os.path.normpath(os.path.join(cwd, path))


def _parent(cwd: str, path: str) -> str:
    return os.path.dirname(_join(cwd, path))
