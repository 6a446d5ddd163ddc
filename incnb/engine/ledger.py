"""What a session has seen of each of its cells, for whoever asks later: the latest decision and where its parts lie.

Nothing of the user's is held here: texts and fingerprints only. The dependencies of a run that was saved, or reused,
are in its trace; those of a run that was not saved are kept here, since they are nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from incnb.dependencies.bindings import notebook_name
from incnb.engine.decide import dependencies
from incnb.engine.provenance import Provenance
from incnb.engine.saved_file import SavedFile
from incnb.fingerprint import files
from incnb.model import Decision, Dependency
from incnb.store import Store, StoredTrace, StoreError

if TYPE_CHECKING:
    from incnb.engine.tracked import Tracked


@dataclass(frozen=True, slots=True)
class TraceName:
    """Where a trace is kept."""

    code: str
    id: str

    def read(self, store: Store) -> StoredTrace | None:
        """The trace, if it is there and whole."""
        try:
            found = store.trace(self.code, self.id)
        except StoreError:
            return None
        return found if found is not None and found.data is not None else None


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest decision of one cell. `trace`: what it left or brought back; `before`: what reasons compare with;
    `feeds`: the key of the cell that had bound each name which it reads; `number`: as in `[7]`; `folder`: the working
    directory when it began; `wrote`: what it wrote, made, moved or removed of files, where no trace tells; `opened`:
    files that it may have only read, or write later, as databases are, with what they were then."""

    key: str
    decision: Decision
    number: int | None
    code: str
    raw: str
    name: str
    trace: TraceName | None
    before: TraceName | None
    feeds: tuple[tuple[str, str], ...] = ()
    relied: tuple[Dependency, ...] = ()
    folder: str = ""
    wrote: tuple[str, ...] = ()
    opened: tuple[tuple[str, files.Identity], ...] = ()

    def dependencies(self, store: Store) -> list[Dependency]:
        """What it relied on, in the order in which that was found."""
        stored = self.trace.read(store) if self.trace is not None else None
        return dependencies(stored) if stored is not None else list(self.relied)


class Ledger:
    """The cells of one session, in the order in which they ran first."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.cells: dict[str, Seen] = {}
        self.saved = SavedFile()
        self.provenance = Provenance(namespace)
        self.folder = ""
        self.others: dict[str, str] = {}  # the texts of cells that are not tracked, by their ids or else themselves

    def ran(self, cell_id: str | None, raw: str) -> None:
        """A cell, tracked or not, begins."""
        self.others[cell_id or raw.strip()] = raw
        self.folder = files.here()
        self.provenance.begin(cell_id, raw)

    def texts(self) -> list[tuple[str, str | None, str]]:
        """The tracked cells in the order in which they ran first: key, cell id, text as it ran last."""
        return [(seen.key, seen.decision.cell.id, seen.raw) for seen in self.cells.values()]

    def take(self, tracked: Tracked, decision: Decision, raw: str, producers: dict[str, str]) -> None:
        """A cell has ended. `producers`: the key of the cell that had bound a name before this one ran."""
        relied = tracked.relied()
        names = dict.fromkeys(notebook_name(d.locator) or "" for d in relied)
        feeds = tuple((name, producers[name]) for name in names if producers.get(name, tracked.key) != tracked.key)
        past = tracked.past
        self.provenance.take(tracked, relied)
        self.cells[tracked.key] = Seen(
            tracked.key,
            decision,
            tracked.number,
            tracked.analysis.code if tracked.analysis is not None else "",
            raw,
            tracked.options.name,
            tracked.trace,
            TraceName(past.trace_code, past.trace) if past is not None and past.trace else None,
            feeds,
            tuple(relied) if tracked.trace is None else (),
            self.folder,
            *(_wrote(tracked) if tracked.trace is None else ()),
        )


def _wrote(tracked: Tracked) -> tuple[tuple[str, ...], tuple[tuple[str, files.Identity], ...]]:
    """What a run that was not saved did to files, in full, and which of them it opened so that it could."""
    watch = tracked.run.watch if tracked.run is not None else None
    changes = watch.journal.changes if watch is not None else []
    paths, opened = dict[str, None](), dict[str, files.Identity]()
    for access in changes:
        if access.op == "update" and access.identity is not None:
            opened.setdefault(access.path, access.identity)
            continue
        paths[access.path] = None
        if access.op == "rename":
            paths[access.extra] = None
    return tuple(paths), tuple(opened.items())
