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

from incnb.analysis import CellAnalysis, analyse, mentions
from incnb.dependencies import Environment, Resolved
from incnb.dependencies.bindings import notebook_name
from incnb.engine import decide
from incnb.engine.asked import ask, title_of
from incnb.engine.configured import Configured
from incnb.engine.hidden import HiddenState
from incnb.engine.history import History
from incnb.engine.native import Native
from incnb.engine.options import Options
from incnb.engine.record import Relied, Run
from incnb.engine.replay import HOOK, Replay
from incnb.engine.report import write_report
from incnb.model import Cell, Code, Decision, IncnbError, Kind, Reason, Seconds, Status, shorten
from incnb.outputs import leftovers
from incnb.outputs.effects import know_kernel_threads
from incnb.outputs.pending import Lost, Pending
from incnb.store import Store, StoreError

FAULT_LIMIT = 3


@dataclass(slots=True)
class Tracked:
    """A tracked cell between its decision and its end."""

    cell: Cell
    options: Options
    analysis: CellAnalysis | None
    reasons: list[Reason]
    started: float
    decide: float = 0.0
    run: Run | None = None
    replay: Replay | None = None
    saved: float | None = None
    cutoff: bool = False
    nested: bool = False
    value: Any = None
    ended: bool = False
    asked: dict[str, Resolved] = field(default_factory=dict)  # by `--config`


@dataclass(slots=True)
class Producer:
    """The cell that last bound a name in this session."""

    title: str
    time: float
    executed: bool


@dataclass
class Session:
    """Decides, records and replays the cells of one shell. `tell` shows a decision, `say` one line of ours."""

    shell: Any
    tell: Callable[[Decision, Options], None] = lambda decision, options: None
    say: Callable[[str], None] = lambda line: None
    lazy: bool = False
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
        self._trees: list[ast.AST] = []
        self._said: set[str] = set()
        self.current: Tracked | None = None
        self.raw_cell = ""
        self.faults = 0
        self.off = False
        self._index = 0
        self._producers: dict[str, Producer] = {}
        know_kernel_threads()

    @property
    def notebook(self) -> str:
        """The path of the notebook, as far as the front end told the kernel."""
        for name in ("__vsc_ipynb_file__", "__session__"):
            if isinstance(self.namespace.get(name), str):
                return str(self.namespace[name])
        return os.environ.get("JPY_SESSION_NAME", "")

    # -- doors

    def untracked(self, tree: ast.AST) -> None:
        """A cell that is not ours is about to execute: load what it may need. Raises `Lost`."""
        self._trees.append(tree)
        self.pending.notebook_words |= _nested_words(tree)
        if self.pending:
            self.pending.before_cell(mentions(tree))

    def ran(self) -> None:
        """A cell, ours or not, has run: note what it configured."""
        trees, self._trees = self._trees, []
        for tree in trees:
            self.configured.take(tree)

    def _configuration(self, top: str) -> tuple[str, str]:
        return self.configured.digest(top), self.configured.shown(top)

    def transform(self, tree: ast.Module, options: Options, cell_id: str | None, *, nested: bool) -> ast.Module:
        """The tree to run for a tracked cell. Raises nothing but `Lost`."""
        title = title_of(tree, options, self.raw_cell)
        tracked = Tracked(Cell(self._index, title, cell_id), options, None, [], time.perf_counter(), nested=nested)
        self._index += 1
        self._trees.append(tree)
        self.current = tracked
        try:
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

    def finish(self, success: bool, value: Any) -> Decision | None:
        """IPython reports that the cell has run."""
        tracked, self.current = self.current, None
        self.namespace.pop(HOOK, None)
        if tracked is None:
            return None
        try:
            decision = self._finish(tracked, success, value)
        except BaseException as error:
            self._fault(error, tracked)
            decision = self._decision(tracked, Status.EXECUTED if success else Status.FAILED)
        if tracked.run is not None:
            tracked.run.release()
        try:
            self.hidden.look(list(self.namespace.values()))
        except BaseException as error:
            self._fault(error, tracked)
        self.decisions.append(decision)
        problem = write_report(decision)
        if problem and problem not in self._said:
            self._said.add(problem)
            self.say(problem)
        self.tell(decision, tracked.options)
        return decision

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

    # -- deciding

    def _transform(self, tree: ast.Module, tracked: Tracked) -> ast.Module:
        options = tracked.options
        if options.off:
            tracked.reasons = [Reason(Code.OFF, "", "--off", "")]
            self.untracked(tree)
            return tree
        compiler = getattr(self.shell.compile, "flags", 0)
        interactivity = getattr(self.shell, "ast_node_interactivity", "last_expr")
        analysis = tracked.analysis = analyse(tree, (compiler, interactivity))
        tracked.asked = ask(options.config, self.namespace, self.pending, self.say)
        reasons: list[Reason] = []
        if options.force:
            reasons = [Reason(Code.FORCED, "", "--force", "")]
        elif interactivity != "last_expr":
            reasons = [Reason(Code.UNSAFE, "", "ast_node_interactivity", "only 'last_expr' is understood")]
        else:
            hit, reasons = self._look_up(tree, tracked, analysis)
            if hit is not None:
                return hit
        tracked.reasons = reasons
        words = mentions(tree)
        self.pending.notebook_words |= _nested_words(tree)
        self.pending.before_cell(words, binds=frozenset(analysis.sure - {read.name for read in analysis.reads}))
        environment = Environment(
            self.namespace,
            load=self.pending.bring_in,
            load_all=self.pending.bring_in_all,
            configured=self._configuration,
        )
        environment.asked = tracked.asked
        run = Run(self.shell, environment, analysis, tree.body, options, self.hidden, self.native)
        if interactivity != "last_expr":
            run.problems.append(reasons[0])
            tracked.reasons = []
        tracked.run = run
        run.start()
        tracked.decide = time.perf_counter() - tracked.started
        self._name_latest_failure(tracked, run)
        if not tracked.nested:
            return tree
        run.nested = True
        self.namespace[HOOK] = self
        return self._noting_the_end(tree)

    def _look_up(
        self, tree: ast.Module, tracked: Tracked, analysis: CellAnalysis
    ) -> tuple[ast.Module | None, list[Reason]]:
        environment = Environment(
            self.namespace,
            peek=self.pending.peek,
            load=self.pending.bring_in,
            alone=self.pending.alone,
            configured=self._configuration,
            is_pending=self.pending.groups.__contains__,
            asked=tracked.asked,
        )
        if _awaits(tree) and leftovers.users_tasks():
            return None, [Reason(Code.NOT_SAVED, "", "await", "other tasks of yours run while it waits")]
        answer = decide.look_up(self.store, analysis.code, environment, tracked.options, self._producer)
        if answer.trace is None:
            return None, answer.reasons or [self._never(tracked, analysis)]
        unknown = self.hidden.unknown(environment.hidden())
        if unknown:
            return None, [Reason(Code.NOT_SAVED, "", name, "has cached results from other code") for name in unknown]
        replay = Replay(self.shell, self.store, answer.trace, self.pending, lazy=self.lazy, title=tracked.cell.title)
        replay.native = tracked.nested
        against = replay.check(analysis.code)
        if against is not None:
            return None, [against]
        self._before_redefining(tree, replay)
        tracked.replay = replay
        tracked.reasons = self._cutoff(tracked, answer)
        tracked.decide = time.perf_counter() - tracked.started
        self.namespace[HOOK] = replay
        replay.enter()
        return ast.Module(replay.tree(tree.body), tree.type_ignores), []

    def _before_redefining(self, tree: ast.Module, replay: Replay) -> None:
        """Values whose classes the cell defines again belong to the old classes: load them first."""
        if not self.pending:
            return
        again = [tree.body[i] for i in replay.outputs["rerun"]]
        names = {n for s in again for n in mentions(s)}
        self.pending.before_request(frozenset(names))

    def _cutoff(self, tracked: Tracked, answer: decide.Answer) -> list[Reason]:
        created = float((answer.trace.data or {}).get("created", 0.0)) if answer.trace else 0.0
        for dependency in decide.dependencies(answer.trace) if answer.trace else []:
            if dependency.kind not in (Kind.VALUE, Kind.CODE, Kind.CONFIG):
                continue
            producer = self._producers.get(notebook_name(dependency.locator) or "")
            if producer is not None and producer.executed and producer.time > created:
                tracked.cutoff = True
                detail = f"{producer.title} ran again and {dependency.locator} came out the same"
                return [Reason(Code.CUTOFF, dependency.kind.value, dependency.locator, detail, (producer.title,))]
        return answer.reasons

    def _never(self, tracked: Tracked, analysis: CellAnalysis) -> Reason:
        past = self.history.of(self.notebook, tracked.cell.id, tracked.cell.title)
        if past is not None and past.code != analysis.code:
            return Reason(Code.CODE, "code", tracked.cell.title, "the cell was edited")
        return Reason(Code.NEVER_RUN, "", tracked.cell.title, "" if past is None else "nothing was saved of it")

    def _name_latest_failure(self, tracked: Tracked, run: Run) -> None:
        if tracked.reasons and tracked.reasons[0].code is Code.NEVER_RUN and tracked.analysis is not None:
            past = self.history.failed(tracked.analysis.code)
            if past is not None and past.attempt == run.attempt and run.still(past.relied):
                tracked.reasons = [Reason(Code.LAST_FAILED, "", tracked.cell.title, "it failed on the same inputs")]

    def _producer(self, locator: str) -> list[str]:
        producer = self._producers.get(notebook_name(locator) or "")
        return [producer.title] if producer is not None else []

    @staticmethod
    def _noting_the_end(tree: ast.Module) -> ast.Module:
        """Below `%%time` nobody reports success: the body itself says that it has come to its end."""
        body = list(tree.body)
        last = body[-1]
        call = ast.parse(f"{HOOK}.done(None)").body[0]
        assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
        for node in ast.walk(call):
            if isinstance(node, ast.expr | ast.stmt):
                ast.copy_location(node, last)
        if isinstance(last, ast.Expr):
            call.value.args = [last.value]
            body[-1] = call
        else:
            body.append(call)
        return ast.Module(body, tree.type_ignores)

    # -- finishing

    def _finish(self, tracked: Tracked, success: bool, value: Any) -> Decision:
        replay, run = tracked.replay, tracked.run
        if replay is not None:
            replay.finish()
            return self._finish_reuse(tracked, replay, success)
        if run is None:
            return self._decision(tracked, Status.EXECUTED if success else Status.FAILED)
        run.stop()
        if tracked.nested:
            success, value = success and tracked.ended, tracked.value
        bound = (tracked.analysis.stores if tracked.analysis else set()) | run.closure.stores
        if not success:
            self._produced(bound, tracked, executed=True)
            self._remember(tracked, None, Status.FAILED, run.attempt, run.relied)
            return self._decision(tracked, Status.FAILED)
        started = time.perf_counter()
        kept = run.keep(self.store, value, {"code": run.analysis.code, "title": tracked.cell.title})
        save = time.perf_counter() - started
        status = Status.BLOCKED if run.effects else Status.EXECUTED
        tracked.reasons = [*tracked.reasons, *run.effects, *run.problems]
        self._produced(bound, tracked, executed=True)
        self._remember(tracked, kept[0] if kept else None, status)
        return self._decision(tracked, status, save=save, size=kept[1] if kept else 0)

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
        self._produced(bound, tracked, executed=False)
        status = Status.CUTOFF if tracked.cutoff else Status.REUSED
        self._remember(tracked, replay.stored.id, status)
        return self._decision(tracked, status if success else Status.FAILED)

    def _produced(self, names: set[str], tracked: Tracked, *, executed: bool) -> None:
        now = time.time()
        for name in names:
            self._producers[name] = Producer(tracked.cell.title, now, executed)

    def _remember(
        self, tracked: Tracked, trace: str | None, status: Status, attempt: str = "", relied: Relied = ()
    ) -> None:
        record = {
            "session": self.id,
            "notebook": self.notebook,
            "id": tracked.cell.id,
            "title": tracked.cell.title,
            "code": tracked.analysis.code if tracked.analysis else "",
            "trace": trace,
            "status": status.value,
            "attempt": attempt,
            "relied": relied,
        }
        try:
            self.history.add(record)
        except StoreError as error:
            tracked.reasons.append(Reason(Code.NOT_SAVED, "store", "log", str(error)))

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
        if _is_ours(error):
            self.faults += 1
        what = error if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"
        tracked.reasons = [Reason(Code.NOT_SAVED, "", "incnb", shorten(f"a fault of incnb: {what}"))]
        if os.environ.get("INCNB_DEBUG"):
            import traceback

            traceback.print_exception(error)
        if self.faults >= FAULT_LIMIT and not self.off:
            self.off = True
            self.say(f"incnb switched itself off after {FAULT_LIMIT} faults of its own; the last was {what}")


def _awaits(tree: ast.Module) -> bool:
    """Whether the cell gives way to other tasks (functions that it only defines do not)."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return False


def _is_ours(error: BaseException) -> bool:
    """Whether an error was raised by our code, and not by a method of the user's that we asked."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(name).partition(".")[0] == "incnb" or not str(name)


def _nested_words(tree: ast.AST) -> set[str]:
    """What functions, classes and lambdas of a cell mention: it may be needed when no cell runs."""
    nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return {word for node in ast.walk(tree) if isinstance(node, nested) for word in mentions(node)}
