"""The session: one shell, its decisions in order, and what holds them together.

A cell comes in as an AST and goes out as the AST that IPython shall run: the same body, observed, or a replay. The
outcome comes back when IPython reports that the cell has run. Every fault of ours on the way ends in the plain
execution of the cell and one line; after three the session switches itself off.
"""

from __future__ import annotations

import ast
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from incnb.analysis import CellAnalysis, mentions
from incnb.dependencies import Environment
from incnb.dependencies.bindings import notebook_name
from incnb.engine import meaning
from incnb.engine.accepted import Accepted
from incnb.engine.asked import ask, when
from incnb.engine.checkpoints import with_check_points
from incnb.engine.configured import Configured
from incnb.engine.faults import FAULT_LIMIT, is_ours
from incnb.engine.generators import Seeded
from incnb.engine.hidden import HiddenState
from incnb.engine.history import History, run_record
from incnb.engine.instrument import instrumented
from incnb.engine.ledger import Ledger, TraceName
from incnb.engine.marks import decide_afresh, pending_marks
from incnb.engine.naming import cell_key, notebook_path, title_of
from incnb.engine.native import Native
from incnb.engine.options import Options
from incnb.engine.policy import why_not_to_save
from incnb.engine.record import Relied, Run
from incnb.engine.replay import HOOK, Replay
from incnb.engine.report import write_report
from incnb.engine.tallies import counted, counts, one_unit, saved
from incnb.engine.tracked import Producer, Text, Tracked, cutoff, look_up, meta, name_latest_failure, named_error
from incnb.engine.trees import awaits, hides_result, is_ours_alone, names_bound, nested_words
from incnb.engine.verify import Verification
from incnb.model import Cell, Code, Decision, IncnbError, Reason, Seconds, Status, shorten
from incnb.outputs import leftovers
from incnb.outputs.effects import know_kernel_threads
from incnb.outputs.pending import Lost, Pending
from incnb.store import Store, StoreError
from incnb.store.items import Items


@dataclass
class Session:
    """Decides, records and replays the cells of one shell. `tell` shows a decision, `say` one line of ours."""

    shell: Any
    tell: Callable[[Decision, Options], None] = lambda decision, options: None
    say: Callable[[str], None] = lambda line: None
    lazy: bool = False
    progress: Callable[[bool], Callable[[str, bool], None] | None] = lambda quiet: None  # what shows how far a loop is
    verify: Callable[[str], bool] = lambda key: False  # whether a cell that could be reused is to be compared
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.namespace: dict[str, Any] = self.shell.user_ns
        self.store = Store()
        self.history = History(self.store)
        self.pending = Pending(self.namespace)
        self.hidden = HiddenState()
        self.native = Native()
        self.configured = Configured(self.namespace)
        self.seeded = Seeded(self.namespace)
        self._trees: list[ast.AST] = []
        self._said: set[str] = set()
        self.path = self.report_to = ""  # as a batch run tells: the notebook, and a file for the decisions
        self.current: Tracked | None = None
        self.raw_cell, self.off, self.faults = "", False, 0
        self._index = 0
        self._producers: dict[str, Producer] = {}
        self.items: dict[str, Items] = {}
        self.texts: dict[str, Text] = {}
        self.accepted = Accepted(self)
        self.ledger = Ledger(self.namespace)
        know_kernel_threads()

    @property
    def notebook(self) -> str:
        return self.path or notebook_path(self.namespace)

    # -- doors

    def untracked(self, tree: ast.AST) -> None:
        """A cell that is not ours is about to execute: load what it may need. Raises `Lost`."""
        meant = meaning.inlined(self.shell, tree) if isinstance(tree, ast.Module) else tree
        self._trees.append(meant)
        self.seeded.before(meant)
        try:
            self.ledger.provenance.untracked(meant)
        except Exception as error:  # plans know less, and that is all
            self.item_fault(error)
        for name in names_bound(meant):
            self._producers.pop(name, None)
        self.pending.notebook_words |= nested_words(meant)
        if self.pending and not is_ours_alone(tree):
            self.pending.before_cell(mentions(tree))

    def ran(self) -> None:
        """A cell, ours or not, has run: note what it configured."""
        self.seeded.after()
        trees, self._trees = self._trees, []
        for tree in trees:
            self.configured.take(tree)

    def transform(self, tree: ast.Module, options: Options, cell_id: str | None, *, nested: bool) -> ast.Module:
        """The tree to run for a tracked cell. Raises nothing but `Lost`."""
        title = title_of(tree, options, self.raw_cell)
        tracked = Tracked(Cell(self._index, title, cell_id), options, None, [], time.perf_counter(), nested=nested)
        self._index += 1
        self.current = tracked
        try:
            self._trees.append(meaning.inlined(self.shell, tree))
            self.seeded.before(self._trees[-1])
            return self._transform(tree, tracked)
        except (Lost, KeyboardInterrupt):
            self.abandon()
            raise
        except BaseException as error:
            self._fault(error, tracked)
            self.untracked(tree)
            return tree

    def done(self, value: Any = None) -> Any:
        """The body of a cell below `%%time` has ended."""
        tracked = self.current
        if tracked is not None and tracked.run is not None:
            tracked.run.stop()
            tracked.ended = True
            tracked.value = value
        return value

    def finish(
        self, success: bool, value: Any, number: int | None = None, error: BaseException | None = None
    ) -> Decision | None:
        """IPython reports that the cell has run, as `[number]`."""
        tracked, self.current = self.current, None
        self.namespace.pop(HOOK, None)
        if tracked is None:
            return None
        tracked.number, tracked.error = number, named_error(error)
        producers = {name: producer.key for name, producer in self._producers.items()}
        try:
            decision = self._finish(tracked, success, value)
        except BaseException as error:
            self._fault(error, tracked)
            decision = self._decision(tracked, Status.EXECUTED if success else Status.FAILED)
        try:
            self.ledger.take(tracked, decision, self.raw_cell, producers)
            if tracked.run is not None:
                tracked.run.release()
            self.hidden.look(list(self.namespace.values()))
        except BaseException as error:
            self._fault(error, tracked)
        self.decisions.append(decision)
        problem = write_report(decision, self.report_to)
        if problem and problem not in self._said:
            self._said.add(problem)
            self.say(problem)
        self.tell(decision, tracked.options)
        return decision

    def items_of(self, loop: str) -> Items:
        """What is known of the items of a loop."""
        return self.items.setdefault(loop, Items(self.store, loop))

    def item_fault(self, error: BaseException) -> None:
        """A fault of ours in a loop: it has gone on without us."""
        if is_ours(error):
            self.faults += 1

    def abandon(self) -> None:
        """The shell goes on without a report for the current cell (it never started)."""
        tracked, self.current = self.current, None
        if tracked is not None and tracked.run is not None:
            tracked.run.stop()

    def close(self) -> None:
        """Leave the shell: load what is pending, undo every hook."""
        self.abandon()
        self.namespace.pop(HOOK, None)
        self.pending.close()
        self.native.close()
        self.store.close()

    # -- deciding

    def _transform(self, tree: ast.Module, tracked: Tracked) -> ast.Module:
        options = tracked.options
        if options.off:
            tracked.reasons = [Reason(Code.OFF, "", "--off", "")]
            self.untracked(tree)
            return tree
        compiler = getattr(self.shell.compile, "flags", 0)
        interactivity = getattr(self.shell, "ast_node_interactivity", "last_expr")
        extra = (compiler, interactivity, hides_result(self.raw_cell))
        analysis = tracked.analysis = meaning.analysed(self.shell, tree, extra)
        tracked.asked = ask(options.config, self.namespace, self.pending, self.say)
        tracked.past = self.history.of(self.notebook, tracked.cell.id, tracked.cell.title)
        tracked.earlier, tracked.raw = self.texts.get(tracked.key), self.raw_cell
        self.texts[tracked.key] = Text(tracked.cell, tree, options, analysis, raw=self.raw_cell)
        marks = tracked.marks = pending_marks(self.history, self.notebook, tracked.cell)
        tracked.armed = self.accepted.armed(tracked.cell.id, tracked.cell.title)
        wanted = when(options.when, self.namespace, self.pending)
        if options.force:
            reasons = [Reason(Code.FORCED, "", "--force", "")]
        elif marks.must_execute:
            reasons = [marks.reason(tracked.cell.title)]
        elif wanted is not None:
            reasons = [wanted]
        elif interactivity != "last_expr":
            reasons = [Reason(Code.UNSAFE, "", "ast_node_interactivity", "only 'last_expr' is understood")]
        else:
            if marks:
                decide_afresh()
            hit, reasons = self._look_up(tree, tracked, analysis)
            asked = [marks.reason(tracked.cell.title)] if marks else []
            if hit is not None:
                tracked.reasons = [*tracked.reasons, *asked]
                return hit
            reasons = [*reasons, *asked]
        tracked.reasons = reasons
        self.before_reading(tree, analysis)
        environment = self.environment()
        environment.asked = tracked.asked
        seeded = frozenset(self.seeded.known)
        run = Run(self.shell, environment, analysis, tree.body, options, self.hidden, self.native, seeded)
        run.too_slow = lambda size, seconds: why_not_to_save(self.history, self.notebook, tracked, size, seconds)
        if interactivity != "last_expr":
            run.problems.append(reasons[0])
            tracked.reasons = []
        tracked.run = run
        wanted_afresh = options.force or marks.must_execute or wanted or options.verify or tracked.verification
        tree, hooks = instrumented(tree, self, run, reuse=not wanted_afresh)
        run.start()
        tracked.decide = time.perf_counter() - tracked.started
        name_latest_failure(self.history, tracked, run)
        run.nested = tracked.nested
        observed, hook = with_check_points(tree, run.marks, self.done, hooks, nested=run.nested)
        if hook is not None:
            self.namespace[HOOK] = hook
        return observed

    def before_reading(self, tree: ast.Module, analysis: CellAnalysis) -> None:
        """Load what a cell that is about to execute may need. Raises `Lost`."""
        self.pending.notebook_words |= nested_words(self._trees[-1] if self._trees else tree)
        binds = frozenset(analysis.sure - {read.name for read in analysis.reads})
        self.pending.before_cell(mentions(tree), binds=binds)

    def environment(
        self,
        *,
        peek: bool = False,
        load: Callable[[str], None] | None = None,
        configured: Callable[[str], tuple[str, str]] | None = None,
    ) -> Environment:
        """What everything is now. `peek`: by the fingerprints of values that are not loaded, where they tell."""
        configured = configured or self.configured.of
        pending = self.pending
        load = load or pending.bring_in
        if not peek:
            return Environment(self.namespace, load=load, load_all=pending.bring_in_all, configured=configured)
        return Environment(
            self.namespace,
            peek=pending.peek,
            load=load,
            alone=pending.alone,
            configured=configured,
            is_pending=pending.groups.__contains__,
        )

    def text_of(self, cell_id: str | None, title: str) -> Text | None:
        """The text of a cell that was decided last in this session."""
        return self.texts.get(cell_key(cell_id, title)) or self.texts.get(cell_key(None, title))

    def _look_up(
        self, tree: ast.Module, tracked: Tracked, analysis: CellAnalysis
    ) -> tuple[ast.Module | None, list[Reason]]:
        environment = self.environment(peek=True)
        environment.asked = tracked.asked
        if awaits(tree) and leftovers.users_tasks():
            return None, [Reason(Code.NOT_SAVED, "", "await", "other tasks of yours run while it waits")]
        answer = look_up(self, tracked, environment)
        if answer.trace is None:
            answer = self.accepted.instead(answer, tree, tracked, analysis, environment)
        if answer.trace is None:
            return None, answer.reasons
        unknown = self.hidden.unknown(environment.hidden())
        if unknown:
            return None, [Reason(Code.NOT_SAVED, "", name, "has cached results from other code") for name in unknown]
        replay = Replay(self.shell, self.store, answer.trace, self.pending, lazy=self.lazy, title=tracked.cell.title)
        replay.native = tracked.nested
        replay.loaded = lambda seconds: self.history.loaded(tracked.cell.index, seconds)
        against = replay.check()
        if against is not None:
            return None, [against]
        if tracked.options.verify or self.verify(tracked.key):
            tracked.verification = Verification(replay)
            return None, []
        self._before_redefining(tree, replay)
        tracked.replay = replay
        tracked.reasons = cutoff(tracked, answer, self._producers)
        tracked.decide = time.perf_counter() - tracked.started
        self.namespace[HOOK] = replay
        replay.enter()
        return ast.Module(replay.tree(tree.body), tree.type_ignores), []

    def _before_redefining(self, tree: ast.Module, replay: Replay) -> None:
        """Values whose classes the cell defines again belong to the old classes: load them first."""
        if self.pending:
            again = (tree.body[i] for i in replay.outputs["rerun"])
            self.pending.before_request(frozenset(name for statement in again for name in mentions(statement)))

    def producer(self, locator: str) -> list[Producer]:
        """The cell that bound the name at the beginning of a locator last in this session."""
        producer = self._producers.get(notebook_name(locator) or "")
        return [producer] if producer is not None else []

    # -- finishing

    def _finish(self, tracked: Tracked, success: bool, value: Any) -> Decision:
        replay, run = tracked.replay, tracked.run
        if replay is not None:
            replay.finish()
            self.seeded.known |= replay.generators()
            return self._finish_reuse(tracked, replay, success)
        if run is None:
            return self._decision(tracked, Status.EXECUTED if success else Status.FAILED)
        run.stop()
        if tracked.nested:
            success, value = success and tracked.ended, tracked.value
        bound = (tracked.analysis.stores if tracked.analysis else set()) | run.closure.stores
        tracked.items = counts(run, success=success)
        if tracked.items is not None and tracked.items.reused:
            tracked.saved = saved(run)
        if not success:
            self._produced(run.rebound(bound), tracked, executed=True)
            # what is not tracked may be other inputs next time; showing the traceback opens sources, and is output
            known = all(reason.locator.endswith((".py", "output")) for reason in (*run.problems, *run.effects))
            failed = self._decision(tracked, Status.FAILED)
            attempt = run.attempt if known else ""
            return self._remember(tracked, failed, None, attempt=attempt, relied=run.relied)
        started = time.perf_counter()
        kept = run.keep(self.store, value, meta(tracked, run.analysis.code))
        save = time.perf_counter() - started
        if tracked.verification is not None:
            tracked.reasons = tracked.verification.reasons(run, value)
        status = Status.BLOCKED if run.effects else Status.EXECUTED
        tracked.reasons = [*tracked.reasons, *run.effects, *run.problems, *one_unit(run)]
        if kept is not None:
            tracked.trace = TraceName(run.analysis.code, kept[0])
        self._produced(bound | run.changed, tracked, executed=True)
        decision = self._decision(tracked, status, save=save, size=kept[1] if kept else 0)
        return self._remember(tracked, decision, kept[0] if kept else None)

    def _finish_reuse(self, tracked: Tracked, replay: Replay, success: bool) -> Decision:
        bound = tracked.analysis.stores if tracked.analysis else set()
        if not replay.restored:
            status = Status.EXECUTED if success else Status.FAILED
            if replay.problem:
                tracked.reasons = [Reason(Code.UNRESTORABLE, "store", replay.stored.id, replay.problem)]
            self._produced(bound, tracked, executed=True)
            return self._decision(tracked, status)
        data = replay.stored.data or {}
        if data.get("host") == os.uname().nodename and isinstance(data.get("seconds"), float):
            tracked.saved = max(0.0, data["seconds"] - replay.seconds - tracked.decide)
        tracked.items, tracked.trace = counted(data), TraceName(str(data.get("code", "")), replay.stored.id)
        self._produced(bound, tracked, executed=False)
        status = Status.CUTOFF if tracked.cutoff else Status.REUSED
        decision = self._decision(tracked, status if success else Status.FAILED)
        return self._remember(tracked, decision, replay.stored.id)

    def _produced(self, names: set[str], tracked: Tracked, *, executed: bool) -> None:
        now, which = time.time(), (tracked.key, tracked.trace, tracked.number)
        for name in names:
            self._producers[name] = Producer(tracked.cell.title, now, executed, *which)

    def _remember(
        self, tracked: Tracked, decision: Decision, trace: str | None, *, attempt: str = "", relied: Relied = ()
    ) -> Decision:
        """Write the run into the log, with the marks that it honoured if it was a success."""
        data = (tracked.replay.stored.data or {}) if tracked.replay is not None else {}
        record = run_record(
            decision,
            name=tracked.options.name,
            number=tracked.number,
            code=tracked.analysis.code if tracked.analysis else "",
            trace=trace,
            trace_code=str(data.get("code", "")),
            attempt=attempt,
            relied=relied,
            size=int(data["outputs"]["bytes"]) if data else decision.bytes_saved,
            cleared=tracked.marks.ids if decision.status is not Status.FAILED else [],
        )
        text = self.texts.get(tracked.key)
        if text is not None:
            text.number, text.reasons = tracked.number, decision.reasons
        try:
            self.history.add(record)
        except StoreError as error:
            return decision.but(reasons=(*decision.reasons, Reason(Code.NOT_SAVED, "store", "log", str(error))))
        return decision

    def _decision(self, tracked: Tracked, status: Status, *, save: float = 0.0, size: int = 0) -> Decision:
        execute = tracked.run.seconds if tracked.run is not None else 0.0
        restore = tracked.replay.seconds if tracked.replay is not None and tracked.replay.restored else 0.0
        reasons = tuple(tracked.reasons) or (Reason(Code.NOT_SAVED, "", "incnb", "no reason was found"),)
        return Decision(
            tracked.cell,
            status,
            reasons,
            time.time(),
            self.id,
            self.notebook,
            Seconds(tracked.decide, execute, restore, save),
            tracked.saved,
            size,
            tracked.items,
            tracked.error if status is Status.FAILED else "",
        )

    def _fault(self, error: BaseException, tracked: Tracked) -> None:
        """A fault of ours: say it once, run plainly, and give up after the third."""
        if tracked.run is not None:
            try:
                tracked.run.stop()
            except BaseException as again:
                error = again
        tracked.run = tracked.replay = None
        self.namespace.pop(HOOK, None)
        if is_ours(error):
            self.faults += 1
        what = error if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"
        tracked.reasons = [Reason(Code.NOT_SAVED, "", "incnb", shorten(f"a fault of incnb: {what}"))]
        if os.environ.get("INCNB_DEBUG"):
            import traceback

            traceback.print_exception(error)
        if self.faults >= FAULT_LIMIT and not self.off:
            self.off = True
            self.say(f"incnb switched itself off after {FAULT_LIMIT} faults of its own; the last was {what}")
