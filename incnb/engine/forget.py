"""`forget` and `store`: whose is what lies in the store, and taking out what is kept of one cell.

The log says which cell left which trace, and where the items of its loops are. Forgetting takes out every trace of the
codes that the cell ever had, since any of them would be found again by its code; so cells elsewhere with the very same
code execute once more as well, which is said. What other traces or items refer to stays. Values that this session has
not loaded yet are loaded first; another kernel that has not, says so when it needs them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from incnb.engine.naming import Known, cells
from incnb.explain.kept import Forgotten, Share, Usage
from incnb.explain.words import amount
from incnb.outputs.pending import Lost
from incnb.store.usage import remove_blob, remove_items, remove_trace, survey

if TYPE_CHECKING:
    from incnb.engine.session import Session

Traces = set[tuple[str, str]]


def usage(session: Session) -> Usage:
    """What the store holds, by cell of any notebook."""
    found = survey(session.store)
    by_cell: list[tuple[str, Known, Traces, set[str]]] = []
    for notebook, known in _all_cells(session):
        traces = {(c, i) for c, i in _traces(known) if (c, i) in found.traces}
        loops = _loops(known) & found.items.keys()
        if traces or loops:
            by_cell.append((notebook, known, traces, loops))
    attributed: Traces = set().union(*(traces for _, _, traces, _ in by_cell))
    for code, id in found.traces.keys() - attributed:  # its log is gone; a trace knows the title that it had
        known = Known(None, found.traces[code, id].title or "(a cell that is not known)")
        by_cell.append(("", known, {(code, id)}, set()))
    blobs = [
        frozenset().union(*(found.traces[t].blobs for t in traces), *(found.items[loop].blobs for loop in loops))
        for _, _, traces, loops in by_cell
    ]
    users = Counter(blob for named in blobs for blob in named)
    shares = [
        Share(
            known.title,
            notebook,
            len(traces),
            sum(found.traces[t].bytes for t in traces),
            sum(found.blobs[blob] for blob in named),
            sum(found.blobs[blob] for blob in named if users[blob] > 1),
            sum(found.items[loop].bytes for loop in loops),
        )
        for (notebook, known, traces, loops), named in zip(by_cell, blobs, strict=True)
    ]
    told = {loop for _, _, _, loops in by_cell for loop in loops}
    rest = sum(n for blob, n in found.blobs.items() if blob not in users)
    rest += sum(piece.bytes for loop, piece in found.items.items() if loop not in told) + found.other
    shares.sort(key=lambda share: -share.bytes)
    return Usage(str(session.store.root), tuple(shares), found.total, rest, found.log, found.complete)


def forget(session: Session, known: Known) -> Forgotten:
    """Take out what is saved of a cell. Raises nothing for what is not there."""
    store = session.store
    before = survey(store)
    codes = {code for run in known.runs for code in (run.get("code"), run.get("trace_code")) if code}
    mine = {(code, id) for code, id in before.traces if code in codes}
    others = [(n, c) for n, c in _all_cells(session) if not _same(n, c, session.notebook, known)]
    elsewhere = {loop for _, other in others for loop in _loops(other)}
    loops = _loops(known) & before.items.keys()
    kept_loops, loops = loops & elsewhere, loops - elsewhere
    named = frozenset().union(*(before.traces[t].blobs for t in mine), *(before.items[loop].blobs for loop in loops))
    _load_what_waits(session, named)
    freed = sum(remove_trace(store, code, id) for code, id in mine)
    freed += sum(remove_items(store, loop) for loop in loops)
    for loop in loops:
        session.items.pop(loop, None)
    kept = []
    after = survey(store)
    used = {blob for piece in (*after.traces.values(), *after.items.values()) for blob in piece.blobs}
    if after.complete:
        freed += sum(remove_blob(store, blob) for blob in named - used)
    elif named:
        kept.append("its values stay until the store is collected: there is too much to see who else refers to them")
    if after.complete and named & used:
        kept.append(f"{amount(len(named & used), 'value')} that others refer to stay")
    if kept_loops:
        kept.append("items of a loop that another cell has too stay")
    same = sum(any(run.get("code") in codes for run in other.runs) for _, other in others)
    if same and mine:
        kept.append(f"{amount(same, 'other cell')} with the same code will execute once more too")
    return Forgotten(known.title, len(mine), len(loops), freed, tuple(kept))


def _load_what_waits(session: Session, blobs: frozenset[str]) -> None:
    for name, group in list(session.pending.groups.items()):
        if group.blobs & blobs:
            try:
                session.pending.bring_in(name)
            except Lost:
                continue  # it was lost before


def _all_cells(session: Session) -> list[tuple[str, Known]]:
    """The cells of all notebooks that the log knows."""
    by_notebook: dict[str, list[dict[str, Any]]] = {}
    for run in session.history.runs():
        by_notebook.setdefault(str(run.get("notebook", "")), []).append(run)
    return [(notebook, known) for notebook, runs in by_notebook.items() for known in cells(runs, session.id)]


def _same(notebook: str, one: Known, mine: str, other: Known) -> bool:
    return notebook == mine and (one.id == other.id if one.id and other.id else one.title == other.title)


def _traces(known: Known) -> Traces:
    return {
        (str(run.get("trace_code") or run.get("code")), str(run["trace"])) for run in known.runs if run.get("trace")
    }


def _loops(known: Known) -> set[str]:
    return {str(loop) for run in known.runs if isinstance(run.get("loops"), list) for loop in run["loops"]}
