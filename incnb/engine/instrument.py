"""The loops of a cell that is about to execute, rewritten so that they ask and tell; and comprehensions."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from incnb.analysis.loops import loops_of
from incnb.analysis.rewrite import rewritten
from incnb.engine.live import Live
from incnb.engine.loops import ItemLoop
from incnb.engine.order import Row
from incnb.engine.payload import Packed
from incnb.engine.replay import HOOK
from incnb.outputs.events import replay as play

if TYPE_CHECKING:
    from incnb.engine.record import Run
    from incnb.engine.session import Session


class ItemComprehension(ItemLoop):
    """The hook of a comprehension: every item is handed out, and an element is computed or taken in its place."""

    _keeps = True
    _stored: tuple[Any, ...] = ()

    def start(self, slot: int, value: Any) -> Any:
        if self._active:
            self._effects.append((slot, (value,)))
        return value

    def keep(self, condition: Any) -> bool:
        """The conditions of the comprehension."""
        return True if self._failed is not None else bool(condition)

    def kept(self) -> bool:
        """Whether the reused item passed the conditions."""
        return bool(self._stored)

    def stored(self, slot: int) -> Any:
        """The element of the reused item, or its key (0) and value (1)."""
        return self._stored[slot]

    def _each(self, iterator: Iterator[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        assert self._run.watch is not None and self.passed is not None
        turn = self._run.watch.turn
        touched, plain = self._run.watch.started.touched, self._plain
        progress, tally = self._progress, self._tally
        count, elsewhere = 0, 0.0
        try:
            if self.live is not None:
                yield from self._all_put_back(self.live)
            while self._active:
                touched()
                asked = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    turn(aside=True)
                    self.close(complete=True)
                    return
                if not plain and touched() is not False:
                    self.passed.dirty()
                elsewhere += time.perf_counter() - asked
                turn(aside=True)
                count += 1
                if not count & 63:
                    self.passed.weigh(elsewhere)
                    if not self.passed.on:
                        self._active = self.hit = False
                        turn(aside=False)
                        yield item
                        break
                self.hit = self._reused(item)
                key = self._key_now
                if progress is not None:
                    progress.step(tally.executed, tally.reused)
                turn(aside=False)
                if self.hit:
                    yield item
                    continue
                began = self._item_begins()
                yield item
                seconds = time.perf_counter() - began
                turn(aside=True)
                self._item_ended(key, seconds)
                turn(aside=False)
        finally:
            if progress is not None:
                progress.close()
            self.hit = False
            turn(aside=False)
        yield from self._holding(iterator)

    def _all_put_back(self, live: Live) -> Iterator[Any]:
        """What the items left that a source need not be read for."""
        assert self._run.watch is not None
        found, live.found = live.found, []
        self.hit = True
        for one in found:
            if isinstance(one, Row):
                width = len(one.shape)
                values = one.operands
                for at in range(0, len(values), width):
                    self._stored = tuple(values[at : at + width])
                    yield live.blank
            elif isinstance(one, dict):
                self._namespace.update(one)
            else:
                was = self._run.watch.turn(aside=True)
                self._replay(None, one)
                self._run.watch.turn(aside=was)
                yield live.blank
        self.hit = False

    def _replay(self, item: Any, packed: Packed) -> bool:
        self._stored = tuple(operands[0] for _, operands in packed.effects)
        self._namespace.update(packed.binds)
        if packed.events:
            play(self._session.shell, packed.shown())
        return True


def instrumented(
    tree: ast.Module, session: Session, run: Run, *, reuse: bool
) -> tuple[ast.Module, dict[int, ItemLoop]]:
    """The body of a cell with its loops rewritten, and their hooks by number. `reuse`: not if all must execute."""
    loops = loops_of(tree)
    run.units = [spec for spec in loops if spec.why is not None]
    if "resize" in run.analysis.attributes:
        return tree, {}  # nobody else may hold the array
    if any(finding.kind == "unsafe" for finding in run.analysis.findings):
        return tree, {}
    hooks: dict[int, ItemLoop] = {}
    for spec in loops:
        if spec.why is None:
            cls = ItemLoop if spec.kind == "for" else ItemComprehension
            hooks[spec.index] = cls(spec, session, run, reuse=reuse)
    if not hooks:
        return tree, {}
    run.loops = list(hooks.values())
    tree = rewritten(tree, loops, _hook, holes=run.options.keep_going)
    return ast.Module([_clean(statement) for statement in tree.body], tree.type_ignores), hooks


def _clean(statement: ast.stmt) -> ast.stmt:
    """A loop whose errors are shown without us: our frames are taken out of the traceback on their way.

    Of an expression whose value is displayed nothing may be made but an expression; there our frames are only hidden.
    """
    if isinstance(statement, ast.Expr) or not any(_is_hook(node) for node in ast.walk(statement)):
        return statement
    tried = ast.parse(f"try: pass\nexcept BaseException:\n    {HOOK}.clean()\n    raise").body[0]
    assert isinstance(tried, ast.Try)
    for node in ast.walk(tried):
        if isinstance(node, ast.stmt | ast.expr | ast.ExceptHandler):
            ast.copy_location(node, statement)
    tried.body = [statement]
    return tried


def _is_hook(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == HOOK


def _hook(index: int) -> ast.expr:
    return ast.parse(f"{HOOK}.loops[{index}]", mode="eval").body
