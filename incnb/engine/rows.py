"""The cells of a session as rows: what was decided, what it relied on then and now, what is kept, who reads whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incnb.engine.decide import dependencies
from incnb.engine.differences import changes
from incnb.engine.ledger import Seen
from incnb.engine.marks import pending_marks
from incnb.engine.pins import is_pinned
from incnb.engine.saved_file import in_order
from incnb.explain.rows import Kept, Row
from incnb.model import Change, Dependency, Status
from incnb.store import StoredTrace

if TYPE_CHECKING:
    from incnb.engine.session import Session


def rows(session: Session) -> list[Row]:
    """One row for each tracked cell that ran in this session; their order is that of `ordered`."""
    return [row(session, seen) for seen in ordered(session)]


def ordered(session: Session) -> list[Seen]:
    """The tracked cells of this session as the saved notebook has them, if that is known, else as they ran first."""
    seen = session.ledger.cells
    order = in_order(session.ledger.saved.cells(session.notebook), session.ledger.texts())
    return [seen[key] for key in order] if order is not None else list(seen.values())


def asked(session: Session, seen: Seen) -> tuple[str, ...]:
    """What a person asked for and has not happened yet."""
    cell = seen.decision.cell
    found = []
    if pending_marks(session.history, session.notebook, cell).must_execute:
        found.append("force")
    if session.accepted.waits(cell.id, cell.title):
        found.append("accept")
    return tuple(found)


def pinned(session: Session, seen: Seen) -> bool:
    """Whether a cell is pinned, by its own `--pin` or by what a person said elsewhere."""
    cell = seen.decision.cell
    text = session.text_of(cell.id, cell.title)
    if text is not None and text.options.pin:
        return True
    return is_pinned(session.history, session.notebook, cell.id, cell.title)


def row(session: Session, seen: Seen) -> Row:
    """The row of one cell."""
    store = session.store
    stored = seen.trace.read(store) if seen.trace is not None else None
    relied = dependencies(stored) if stored is not None else list(seen.relied)
    before: list[Dependency] = relied
    if seen.decision.status not in (Status.REUSED, Status.CUTOFF):
        earlier = seen.before.read(store) if seen.before is not None else None
        before = dependencies(earlier) if earlier is not None else []
    data = (stored.data or {}) if stored is not None else {}
    reads: dict[str, list[str]] = {}
    for name, key in seen.feeds:
        reads.setdefault(key, []).append(name)
    return Row(
        seen.key,
        seen.decision.cell.title,
        seen.number,
        seen.decision.cell.id,
        seen.decision,
        float(data["seconds"]) if isinstance(data.get("seconds"), float) else None,
        int(data.get("outputs", {}).get("bytes", 0)),
        pinned=pinned(session, seen),
        asked=asked(session, seen),
        changes=_with_reasons(seen, changes(before, relied)),
        outputs=kept(stored),
        reads=tuple((key, tuple(names)) for key, names in reads.items()),
        blamed=_blamed(session, seen),
    )


def _with_reasons(seen: Seen, found: tuple[Change, ...]) -> tuple[Change, ...]:
    """What the reasons tell of a change comes first: more was known when they were found."""
    told = {(c.kind, c.locator): c for c in (reason.change for reason in seen.decision.reasons) if c is not None}
    return (*told.values(), *(change for change in found if (change.kind, change.locator) not in told))


def kept(stored: StoredTrace | None) -> tuple[Kept, ...]:
    """What a trace keeps."""
    outputs: dict[str, Any] = (stored.data or {}).get("outputs", {}) if stored is not None else {}
    found = [
        Kept("variable", name, bytes=group.get("bytes") if len(group["names"]) == 1 else None)
        for group in outputs.get("groups", [])
        for name in group["names"]
    ]
    found += [Kept("file", str(file.get("path", ""))) for file in outputs.get("files", [])]
    events = len(outputs.get("events", []))
    return (*found, *([Kept("output", f"{events} output{'s' if events > 1 else ''}")] if events else []))


def _blamed(session: Session, seen: Seen) -> tuple[str, ...]:
    """The cells that the reasons of a decision name."""
    titles = {cell.decision.cell.title: key for key, cell in session.ledger.cells.items()}
    causes = [cause for reason in seen.decision.reasons for cause in reason.caused_by]
    return tuple(dict.fromkeys(titles[cause] for cause in causes if titles.get(cause, seen.key) != seen.key))
