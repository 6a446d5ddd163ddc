"""A session that is over, from the log and the traces of the store: no kernel needs to be there, and none is started.

The log has the decision of every tracked cell; the trace that a run left or brought back has what it relied on. Who
reads whose results is told by the names that the traces bound, in the order of the runs: what was bound by a run that
was not saved, or by a definition that runs again in place, is not known here, and no arc is drawn for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from incnb.dependencies.bindings import notebook_name
from incnb.engine.decide import dependencies
from incnb.engine.differences import changes, edited
from incnb.engine.ledger import TraceName
from incnb.engine.naming import Known, cell_key, cells
from incnb.engine.rows import kept
from incnb.engine.statistics import REUSED, measured, past_run
from incnb.explain.rows import Row
from incnb.model import Cell, Change, Code, Decision, Dependency, ItemCounts, Kind, Reason, Seconds, Status
from incnb.store import Store, StoredTrace

_UNKNOWN = Reason(Code.NOT_SAVED, "", "incnb", "its reasons cannot be read in the log")
_TEXTS = ("id", "title", "name", "status", "session", "notebook", "code", "trace", "trace_code")
_FIELDS = {
    **dict.fromkeys(_TEXTS, (str,)),
    **dict.fromkeys(("index", "n", "seq", "bytes"), (int,)),
    **dict.fromkeys(("reasons", "relied"), (list,)),
    **dict.fromkeys(("seconds", "items"), (dict,)),
}
_LAST_TIME = 253_370_764_800.0  # the year 9999, in any zone
_LONGEST = 1e10  # seconds, about 300 years


@dataclass(frozen=True, slots=True)
class Recorded:
    """One session of a notebook, as the log has it; `time` is that of its latest run."""

    id: str
    notebook: str
    time: float | None
    runs: tuple[dict[str, Any], ...]  # of the notebook, of this session and of those before it, oldest first

    @property
    def cells(self) -> list[Known]:
        """The cells of the notebook, as people may name them."""
        return cells(list(self.runs), self.id)


def sound(run: dict[str, Any]) -> dict[str, Any]:
    """A run of the log without the fields that nothing of ours wrote like that: a log may be damaged or made up."""
    out = dict(run)
    for field, kinds in _FIELDS.items():
        if field in out and type(out[field]) not in kinds:
            del out[field]
    for field, most in (("time", _LAST_TIME), ("saved", _LONGEST)):
        if field in out and not _within(out[field], most):
            del out[field]
    if "seconds" in out:
        out["seconds"] = {what: took for what, took in out["seconds"].items() if _within(took, _LONGEST)}
    return out


def _within(number: Any, most: float) -> bool:
    return type(number) in (int, float) and 0 <= number <= most  # neither of nan


def latest(runs: Iterable[dict[str, Any]], notebooks: Iterable[str] | None = None) -> Recorded | None:
    """The session that ran last, of one of these notebooks or of any."""
    wanted = None if notebooks is None else set(notebooks)
    there = [run for run in runs if wanted is None or _notebook(run) in wanted]
    if not there:
        return None
    # numbers of the log order the runs of one machine; two kernels at a time are told apart by the clock
    last = max(reversed(there), key=lambda run: _time(run) or 0.0)
    notebook, session = _notebook(last), str(last.get("session", ""))
    same = tuple(run for run in there if _notebook(run) == notebook)
    return Recorded(session, notebook, _time(last), same)


def rows(store: Store, session: Recorded) -> list[Row]:
    """One row for each cell that ran in the session, in the order in which they ran first."""

    @cache
    def read(code: str, trace: str) -> StoredTrace | None:
        return TraceName(code, trace).read(store) if trace else None

    def trace_of(run: dict[str, Any]) -> StoredTrace | None:
        return read(str(run.get("trace_code") or run.get("code", "")), str(run.get("trace") or ""))

    feeds = _feeds(session, trace_of)
    found: list[tuple[int, Row]] = []
    for known in session.cells:
        ran = [place for place, run in enumerate(known.runs) if run.get("session") == session.id]
        if not ran:
            continue
        run = known.runs[ran[-1]]
        decision = _decision(run)
        stored = trace_of(run)
        earlier = (trace_of(past) for past in reversed(known.runs[: ran[-1]]) if past.get("trace"))
        before = stored if run.get("status") in REUSED else next(earlier, None)
        data = (stored.data or {}) if stored is not None else {}
        row = Row(
            _key(run),
            known.title,
            known.number,
            known.id,
            decision,
            float(data["seconds"]) if isinstance(data.get("seconds"), float) else None,
            int(data.get("outputs", {}).get("bytes", 0)),
            changes=(*_edit(known.title, before, stored), *_changes(before, stored, run)),
            outputs=kept(stored),
            reads=feeds.get(_key(run), ()),
        )
        found.append((_index(known.runs[ran[0]]), row))
    ordered = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    titles = {row.title: row.key for row in ordered}
    return [replace(row, blamed=_blamed(row, titles)) for row in ordered]


def _feeds(session: Recorded, trace_of: Any) -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """For each cell, the cells whose results it read when it ran last, each with the names."""
    out: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {}
    producers: dict[str, str] = {}
    for run in session.runs:
        if run.get("session") != session.id:
            continue
        key, stored = _key(run), trace_of(run)
        reads: dict[str, list[str]] = {}
        relied = dependencies(stored) if stored is not None else _relied(run)
        for name in dict.fromkeys(notebook_name(d.locator) or "" for d in relied):
            if producers.get(name, key) != key:
                reads.setdefault(producers[name], []).append(name)
        out[key] = tuple((source, tuple(names)) for source, names in reads.items())
        bound = (stored.data or {}).get("outputs", {}).get("groups", []) if stored is not None else []
        producers |= {name: key for group in bound for name in group.get("names", ())}
    return out


def _changes(before: StoredTrace | None, stored: StoredTrace | None, run: dict[str, Any]) -> tuple[Change, ...]:
    if stored is not None:
        return changes(dependencies(before) if before is not None else [], dependencies(stored))
    # of a failed run the log has fingerprints and no texts
    met = {(d.kind, d.locator): d for d in _relied(run)}
    old = [d for d in (dependencies(before) if before is not None else []) if (d.kind, d.locator) in met]
    return changes(old, [met[d.kind, d.locator] for d in old])


def _edit(title: str, before: StoredTrace | None, stored: StoredTrace | None) -> tuple[Change, ...]:
    """The cell's own text, where that is another one."""
    was, now = (before.data or {} if before else {}), (stored.data or {} if stored else {})
    if not was or not now or was.get("code") == now.get("code"):
        return ()
    texts = [str(data.get("source") or "") for data in (was, now)]
    return (edited(title, *texts),) if all(texts) else ()


def _relied(run: dict[str, Any]) -> list[Dependency]:
    found = []
    for told in run.get("relied") or ():
        try:
            kind, locator, fp = told
            found.append(Dependency(Kind(kind), str(locator), str(fp)))
        except (TypeError, ValueError):
            continue
    return found


def _blamed(row: Row, titles: dict[str, str]) -> tuple[str, ...]:
    reasons = row.decision.reasons if row.decision is not None else ()
    causes = [titles[cause] for reason in reasons for cause in reason.caused_by if cause in titles]
    return tuple(dict.fromkeys(cause for cause in causes if cause != row.key))


def _decision(run: dict[str, Any]) -> Decision | None:
    past = past_run(run)
    if past.status is None:  # written by a later version
        return None
    took = Seconds(*(measured(run, what) or 0.0 for what in ("decide", "execute", "restore", "save")))
    saved = run.get("saved")
    return Decision(
        Cell(_index(run), str(run.get("title", "")), str(run["id"]) if run.get("id") else None),
        past.status,
        past.reasons or (_UNKNOWN,),
        past.time or 0.0,
        str(run.get("session", "")),
        _notebook(run),
        took,
        float(saved) if isinstance(saved, int | float) else None,
        int(run["bytes"]) if type(run.get("bytes")) is int and past.status is Status.EXECUTED else 0,
        _items(run.get("items")),
        run["error"] if isinstance(run.get("error"), str) else "",
    )


def _items(told: Any) -> ItemCounts | None:
    if not isinstance(told, dict):
        return None
    counts = [told.get(name) for name in ("executed", "reused", "failed", "removed")]
    executed, reused, failed, removed = (count if type(count) is int else 0 for count in counts)
    return ItemCounts(executed, reused, failed, removed)


def _key(run: dict[str, Any]) -> str:
    return cell_key(str(run["id"]) if run.get("id") else None, str(run.get("title", "")))


def _index(run: dict[str, Any]) -> int:
    index = run.get("index")
    return index if type(index) is int else 0


def _notebook(run: dict[str, Any]) -> str:
    return str(run.get("notebook", ""))


def _time(run: dict[str, Any]) -> float | None:
    time = run.get("time")
    return float(time) if isinstance(time, int | float) else None
