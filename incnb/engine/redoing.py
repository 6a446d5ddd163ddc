"""Doing again what reused items did: to the live objects, in the order in which they did it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from incnb.analysis.loops import Loop
from incnb.engine.itemeffects import again, applier, fits
from incnb.engine.live import Live
from incnb.engine.order import Row
from incnb.engine.passes import Pass
from incnb.engine.payload import Packed
from incnb.engine.told import Telling
from incnb.outputs.events import replay as play

if TYPE_CHECKING:
    from incnb.engine.record import Run
    from incnb.engine.session import Session


class Redoing(Telling):
    """Replays the items of one loop."""

    def __init__(self, spec: Loop, session: Session, run: Run):
        super().__init__(spec, session.namespace)
        self.passed: Pass | None = None
        self._session = session
        self._run = run
        self._redone = False
        self._apply: list[Callable[..., Any]] = [applier(effect, session.namespace) for effect in spec.effects]
        self._needs_keys = any(effect.keyed and effect.op != "setitem" for effect in spec.effects)
        self._code = compile(_binding(spec.target), "<target>", "exec") if spec.kind == "for" else None

    def _put_back(self, live: Live) -> None:
        """What the items left that a source need not be read for."""
        assert self._run.watch is not None
        was = self._run.watch.turn(aside=True)
        try:
            found, live.found = live.found, []
            for done, one in enumerate(found):
                if isinstance(one, Row):
                    again(one, self.spec.effects, self._apply, self._namespace)
                elif isinstance(one, dict):
                    self._namespace.update(one)
                elif self._needs_keys and not fits(one.effects, self.spec.effects, self._namespace):
                    live.rewind(done)  # without rows, each is one item
                    return
                else:
                    if live.last is not None and live.tail is None and done == len(found) - 1:
                        self._bind(*live.last)
                    self._redo(one)
            if live.last is not None and live.tail is not None:
                self._bind(*live.last)
                self._namespace.update(live.tail)
        finally:
            self._run.watch.turn(aside=was)

    def _replay(self, item: Any, packed: Packed) -> bool:
        """Do what the item did; False if the first effect fails: the item runs then, and says so itself."""
        __tracebackhide__ = True
        self._bind(item)
        try:
            self._redo(packed)
        except Exception:
            if self._redone or self.passed is None:
                raise
            self.passed.unfit()
            return False
        return True

    def _redo(self, packed: Packed) -> None:
        __tracebackhide__ = True
        namespace = self._namespace
        self._redone = False
        for slot, operands in packed.effects:
            self._apply[slot](*operands)
            self._redone = True
        self._redone = True
        if packed.binds:
            namespace.update(packed.binds)
        for name in packed.deleted:
            namespace.pop(name, None)
        if packed.events:
            play(self._session.shell, packed.shown())

    def _bind(self, item: Any) -> None:
        names = self.spec.names
        if len(names) == 1 and self.spec.flat is None:
            self._namespace[names[0]] = item
        elif self._code is not None:
            scratch = {"item": item}
            exec(self._code, scratch)
            for name in names:
                self._namespace[name] = scratch[name]


def _binding(target: ast.expr) -> ast.Module:
    """`TARGET = item`."""
    statement = ast.Assign([target], ast.Name("item", ast.Load()))
    return ast.fix_missing_locations(ast.Module([ast.copy_location(statement, target)], []))
