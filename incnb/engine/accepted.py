"""Accepting: a person says that an edit did not change the result of a cell.

What is accepted is exact: the cell's code as it is now, and everything that this code relies on as it is now. An accept
names the saved trace whose outputs it is about, what differs from that trace (old and new fingerprints), and what the
edited code relies on beyond it; the trace is reused while all of this is the same, to the last fingerprint. Whatever
moves after that, forwards or back to where it was, voids the accept and is named as the reason. docs/design-notes.md
says why it is so.

Names that the cell itself binds, deletes or changes in place are never covered: what they hold now is its own work and
no edit, so they must be as the trace found them.

An edit of the cell's own text is known only once it has run. If it has (and failed, or was interrupted), that text is
accepted; else, if nothing else differs, the accept waits for the next run of the cell in this session and for that one
only. What cannot be covered is refused with the reason, and the cell executes.
"""

from __future__ import annotations

import ast
import os
import types
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import Closure, Environment, bindings, sharing
from incnb.engine import decide
from incnb.engine.naming import Known, cell_key
from incnb.engine.options import Options
from incnb.engine.places import place_of, places_of
from incnb.engine.record import Run
from incnb.engine.shape import Misfit, fitted
from incnb.fingerprint import ABSENT, files
from incnb.fingerprint.code import references
from incnb.fingerprint.encoder import ATOMS
from incnb.model import Code, Dependency, IncnbError, Kind, Reason, shorten
from incnb.outputs.variables import RESULT
from incnb.store import StoredTrace, StoreError

if TYPE_CHECKING:
    from incnb.engine.session import Session
    from incnb.engine.tracked import Tracked

SHOWN_DIFFERENCES = 6
_NAME_LIMIT = 200
_OPENERS = frozenset(
    """
    open glob iglob rglob listdir scandir walk iterdir read_text read_bytes load loads loadtxt genfromtxt read_csv
    read_json read_excel read_pickle read_table read_fwf read_xml read_html connect urlopen
    """.split()  # noqa: SIM905  one a line would be a page
)
_MARKERS = (bindings.DOCSTRING, bindings.PRESENCE)

Root = tuple[str, str]  # the module ('' for the notebook) and the name that a locator begins with


class Refused(IncnbError):
    """An edit that nobody can accept; the message says what stands against it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that an accept covers."""

    kind: str
    locator: str
    old: str
    new: str
    shown: str


@dataclass(frozen=True, slots=True)
class Armed:
    """An accept that waits for the next run of its cell."""

    reason: str
    stored: StoredTrace


@dataclass(frozen=True, slots=True)
class Accepting:
    """What came of an accept: the differences that it covers, or none: then it waits for an edited text."""

    title: str
    created: float
    differences: tuple[Difference, ...]
    waits: bool


class Accepted:
    """The accepts of one session's notebook."""

    def __init__(self, session: Session):
        self._session = session
        self._armed: dict[str, Armed] = {}

    # -- the person speaks

    def accept(self, cell: Known, reason: str, *, wait: bool = True) -> Accepting:
        """Accept what differs now for the latest saved trace of a cell. Raises `Refused` or `StoreError`.

        Where nothing differs, it waits for the next run of the cell if it may.
        """
        session = self._session
        run = next((r for r in reversed(cell.runs) if isinstance(r.get("trace"), str)), None)
        stored = None if run is None else self._stored(str(run.get("trace_code") or run["code"]), run["trace"])
        if run is None or stored is None:
            raise Refused("nothing is saved of it")
        created = float((stored.data or {}).get("created", 0.0))
        text = session.text_of(cell.id, cell.title)
        environment = session.environment()
        if text is not None and text.analysis.code != run["code"]:
            record = self._claim_text(stored, environment, text.tree.body, text.analysis, text.options, reason)
            self._keep(record, cell.id, cell.title)
            return Accepting(cell.title, created, _differences(record), waits=False)
        differences = self._differing(stored, environment)
        if not differences:
            if not wait:
                return Accepting(cell.title, created, (), waits=False)
            self._armed[cell_key(cell.id, cell.title)] = Armed(reason, stored)
            return Accepting(cell.title, created, (), waits=True)
        record = self._claim_same(stored, environment, run["code"], differences, reason)
        self._keep(record, cell.id, cell.title)
        return Accepting(cell.title, created, tuple(differences), waits=False)

    def armed(self, cell_id: str | None, title: str) -> Armed | None:
        """The accept that waited for this run of a cell; it waits no longer."""
        return self._armed.pop(cell_key(cell_id, title), None)

    def waits(self, cell_id: str | None, title: str) -> bool:
        """Whether an accept waits for the next run of a cell."""
        return cell_key(cell_id, title) in self._armed

    # -- a decision is taken

    def instead(
        self,
        answer: decide.Answer,
        tree: ast.Module,
        tracked: Tracked,
        analysis: CellAnalysis,
        environment: Environment,
    ) -> decide.Answer:
        """The answer where no trace is contained: an accepted one, or the same reasons and what voids the accept."""
        found = self.standing(tree, analysis, environment, tracked.options) or answer
        armed = tracked.armed
        if found.trace is not None or armed is None or (armed.stored.data or {}).get("code") == analysis.code:
            return found
        session = self._session
        try:
            session.before_reading(tree, analysis)
            fresh = session.environment()
            differences = self._differing(armed.stored, fresh)
            if differences:
                raise Refused(f"{differences[0].locator} moved since")
            record = self._claim_text(armed.stored, fresh, tree.body, analysis, tracked.options, armed.reason)
            self._keep(record, tracked.cell.id, tracked.cell.title)
        except (Refused, StoreError) as refused:
            detail = f"the cell was edited, and that cannot be accepted: {refused}"
            return decide.Answer(None, [Reason(Code.CODE, "code", tracked.cell.title, shorten(detail))])
        return self.standing(tree, analysis, session.environment(), tracked.options) or answer

    def standing(
        self, tree: ast.Module, analysis: CellAnalysis, environment: Environment, options: Options
    ) -> decide.Answer | None:
        """The newest accept of this code that stands, or what voids the newest; None without any."""
        void: decide.Answer | None = None
        for record in self._session.history.accepts(analysis.code):
            stored = self._stored(str(record.get("trace_code", "")), str(record.get("trace", "")))
            if stored is None or stored.data is None:
                continue
            try:
                covered = {(d.kind, d.locator): d.new for d in _differences(record)}
                relies = [Dependency.from_dict(d) for d in record["relies"]]
                named = [(str(path), str(fp)) for path, fp in record["files"]]
                outputs = stored.data["outputs"]
                if stored.data["code"] != analysis.code:
                    outputs = fitted(outputs, tree.body, analysis)
            except (KeyError, TypeError, ValueError, Misfit):
                continue
            recorded = decide.dependencies(stored)
            wanted = [replace(d, fp=covered.get((d.kind.value, d.locator), d.fp)) for d in recorded] + relies
            mismatch = decide.first_mismatch(wanted, environment, options)
            if mismatch is not None:
                void = void or decide.Answer(None, [decide.explain(*mismatch, wanted, self._session.producer)])
                continue
            moved = next((path for path, fp in named if _content(path) != fp), None)
            if moved is not None:
                void = void or decide.Answer(None, [Reason(Code.FILE, "file", moved, "changed")])
                continue
            causes = tuple(d.locator for d in _differences(record)[:SHOWN_DIFFERENCES])
            reason = Reason(Code.ACCEPTED, "", "", str(record.get("reason", "")), causes)
            trace = replace(stored, data={**stored.data, "outputs": outputs})
            return decide.Answer(trace, [reason])
        return void

    # -- what is claimed

    def _claim_text(
        self, stored: StoredTrace, environment: Environment, body: list[ast.stmt], analysis: CellAnalysis, options: Any,
        reason: str,
    ) -> dict[str, Any]:  # fmt: skip
        """The record of an accepted edit of the cell's own text, and of whatever else differs."""
        session = self._session
        data = stored.data or {}
        try:
            fitted(data["outputs"], body, analysis)
        except Misfit as misfit:
            raise Refused(str(misfit)) from None
        run = Run(session.shell, environment, analysis, body, options, session.hidden, session.native)
        run.survey()
        run.perhaps.after()
        for problem in (*run.effects, *run.problems):
            raise Refused(problem.detail or problem.locator)
        differences = self._differing(stored, environment)
        whole = Difference("code", "the cell", str(data["code"]), analysis.code, "")
        return self._claim(stored, run.closure, analysis.code, [whole, *differences], reason, analysis.attributes)

    def _claim_same(
        self, stored: StoredTrace, environment: Environment, code: str, differences: list[Difference], reason: str
    ) -> dict[str, Any]:
        """The record of accepted differences below a cell whose own text is as it was when it ran last."""
        session = self._session
        closure = Closure(environment)
        for dependency in [*decide.dependencies(stored), *self._relied(stored, code)]:
            closure.again(dependency)
        closure.finish()
        for (_, locator), why in closure.missing:
            raise Refused(f"{locator} {why}")
        hidden_names = getattr(session.shell, "user_ns_hidden", ())
        for finding in closure.findings:
            if finding.what not in session.namespace or finding.what in hidden_names:
                raise Refused(finding.what)
        for name in session.hidden.unknown(list(closure.hidden.values())):
            raise Refused(f"{name} has cached results from other code")
        return self._claim(stored, closure, code, differences, reason, set())

    def _claim(
        self, stored: StoredTrace, closure: Closure, code: str, differences: list[Difference], reason: str,
        attributes: set[str],
    ) -> dict[str, Any]:  # fmt: skip
        recorded = {d.locator: d for d in decide.dependencies(stored)}
        inputs = _mutable_inputs(closure)
        if len(inputs) > 1:
            closure.add(Kind.VALUE, sharing.locator(inputs))
        own = _own((stored.data or {})["outputs"])
        relies = []
        for dependency in closure.dependencies:
            mine = _roots(dependency) & own
            if not mine:
                relies.append(replace(dependency, source=None, parts=None, made=None))
            elif dependency.locator not in recorded and not dependency.locator.startswith(sharing.PREFIX):
                raise Refused(f"the edited code reads {dependency.locator}, which the cell itself binds or changes")
        if not any(d.kind.value == "file" for d in recorded.values()):
            _no_new_files(closure, attributes, recorded)
        return {
            "type": "accept",
            "code": code,
            "trace": stored.id,
            "trace_code": (stored.data or {})["code"],
            "reason": shorten(reason),
            "differences": [[d.kind, d.locator, d.old, d.new, d.shown] for d in differences],
            "relies": [dependency.to_dict() for dependency in relies],
            "files": _named_files(closure),
        }

    def _differing(self, stored: StoredTrace, environment: Environment) -> list[Difference]:
        """What differs from a trace now, as far as an accept may cover it. Raises `Refused`."""
        outputs = (stored.data or {})["outputs"]
        own, referred = _own(outputs), _referred(outputs)
        found = []
        for was in decide.dependencies(stored):
            if was.kind is Kind.VERSION or _roots(was) & own:
                continue
            mismatch = decide.first_difference([was], environment)
            if mismatch is None:
                continue
            now = mismatch[1]
            if now.detail == "deleted":
                raise Refused(f"{was.locator} is not defined now: run the cell that defines it first")
            if now.fp is None:
                raise Refused(f"{was.locator} {now.detail or 'cannot be compared'}")
            if _roots(was) & referred:
                raise Refused(f"what is saved holds {was.locator} itself, which differs now")
            reason = decide.explain(was, now, [], self._session.producer)
            found.append(Difference(was.kind.value, was.locator, was.fp, now.fp, reason.detail))
        return found

    def _relied(self, stored: StoredTrace, code: str) -> Iterable[Dependency]:
        """What earlier accepts of this trace rely on: the code reads it, and the trace does not say so."""
        for record in self._session.history.accepts(code):
            if record.get("trace") == stored.id:
                yield from (Dependency.from_dict(d) for d in record.get("relies", []))

    def _keep(self, record: dict[str, Any], cell_id: str | None, title: str) -> None:
        session = self._session
        whose = {"session": session.id, "notebook": session.notebook, "id": cell_id, "title": title}
        session.history.add({**record, **whose})

    def _stored(self, code: str, trace: str) -> StoredTrace | None:
        try:
            return next((t for t in self._session.store.traces(code) if t.id == trace and t.data is not None), None)
        except StoreError:
            return None


def _differences(record: dict[str, Any]) -> tuple[Difference, ...]:
    return tuple(Difference(*map(str, entry)) for entry in record["differences"])


def _roots(dependency: Dependency) -> set[Root]:
    """The names that a dependency on a value or a function begins at; nothing for other kinds."""
    return set(places_of(dependency)) if dependency.kind in (Kind.VALUE, Kind.CODE) else set()


def _own(outputs: dict[str, Any]) -> set[Root]:
    """The names that a run bound, deleted or changed in place."""
    names = {("", str(name)) for name in (*outputs["order"], *outputs["deleted"]) if name != RESULT}
    return names | {place_of(str(locator)) for group in outputs["groups"] for locator in group["patched"]}


def _referred(outputs: dict[str, Any]) -> set[Root]:
    """The names of inputs whose objects the outputs hold."""
    return {(str(r[0] or ""), str(r[1])) for group in outputs["groups"] for r in group.get("refers", [])}


def _mutable_inputs(closure: Closure) -> list[str]:
    """The locators of inputs that could share objects."""
    found = []
    for entry in closure.found.values():
        dependency, value = entry.dependency, entry.value
        plain = value is ABSENT or type(value) in ATOMS or isinstance(value, types.ModuleType)
        marked = dependency.locator.startswith((*_MARKERS, sharing.PREFIX)) or dependency.shown == "builtin"
        if dependency.kind is Kind.VALUE and dependency.fp and not plain and not marked:
            found.append(dependency.locator)
    return found


def _no_new_files(closure: Closure, attributes: set[str], recorded: dict[str, Dependency]) -> None:
    """Only running shows which files code opens: code that may open some, after a run that did not, is refused."""
    words = set(attributes)
    for code in closure.reached:
        words |= references(code).attributes
    words |= {"open"} if ("open" in {d.locator for d in closure.dependencies} and "open" not in recorded) else set()
    for word in sorted(words & _OPENERS):
        raise Refused(f"it may read files ({word}), and the saved run read none")


def _named_files(closure: Closure) -> list[tuple[str, str]]:
    """What exists under the paths that the strings of the code and its small inputs name, with its content."""
    names = set(closure.constants)
    for entry in closure.found.values():
        value = entry.value
        if isinstance(value, types.FunctionType):
            value = [value.__defaults__, value.__kwdefaults__, [_cell(c) for c in value.__closure__ or ()]]
        names |= _paths_in(value, 3)
    paths = sorted(n for n in names if 0 < len(n) < 1000 and _content(n) != "none")
    if len(paths) > _NAME_LIMIT:
        raise Refused("too many of its strings name files")
    return [(path, _content(path)) for path in paths]


def _paths_in(value: Any, depth: int) -> set[str]:
    """The strings and paths in a small plain value."""
    if type(value) is str:
        return {value}
    if isinstance(value, PurePath):
        return {str(value)}
    if depth and type(value) in (list, tuple, dict, set) and len(value) <= _NAME_LIMIT:
        parts = value.values() if type(value) is dict else value
        return set().union(*(_paths_in(part, depth - 1) for part in parts))
    return set()


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put there yet
        return None


def _content(path: str) -> str:
    """A fingerprint of the file, or of the listing of the folder, at a path."""
    try:
        if Path(path).is_dir():
            with os.scandir(path) as entries:
                listed = sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in entries)
            return bindings.describe(repr(listed), path).fp or ""
        return files.digest(path).hex() if Path(path).is_file() else "none"
    except (OSError, ValueError):
        return "none"
