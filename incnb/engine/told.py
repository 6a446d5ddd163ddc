"""What the rewritten body of a loop tells while an item runs: operands, effects, names bound, failures."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import Any

from incnb.analysis.loops import Loop
from incnb.engine.itemeffects import CONTENT, fill, is_inside
from incnb.engine.payload import snapshot
from incnb.failed import Failed
from incnb.outputs.variables import NotSaved


class Telling:
    """Listens to the body of one loop. The methods without an underscore are called by it."""

    def __init__(self, spec: Loop, namespace: dict[str, Any]):
        self.spec = spec
        self.holes: list[Failed] = []
        self._namespace = namespace
        self._active = False  # whether items are told apart
        self._begun = False  # an effect whose operands were told, and that has not happened yet
        self._operands: list[Any] = []
        self._effects: list[tuple[int, tuple[Any, ...]]] = []
        self._bound: dict[str, bool] = {}
        self._unsaved = ""
        self._failed: Failed | None = None
        self._done: list[int] = []  # the effects of the item, while items are not told apart
        self._copied = [effect.op in CONTENT for effect in spec.effects]
        self._is_key = [e.key_at >= 0 or e.op in ("add", "discard", "setdefault", "pop") for e in spec.effects]
        self._sure = sorted(spec.sure)
        stars = (
            [node.value for node in ast.walk(spec.target) if isinstance(node, ast.Starred)]
            if spec.kind == "for"
            else []
        )
        self._starred = [node.id for node in stars if isinstance(node, ast.Name)]  # a list of its own in each item

    def _item(self) -> str:
        """The item that runs, as a short text."""
        return ""

    def _afresh(self) -> None:
        """An item begins."""
        self._effects = []
        self._begun = False
        if self._bound:
            self._bound = {}
        self._unsaved = ""
        self._failed = None

    def start(self, slot: int, value: Any) -> Any:
        """The first operand of an effect."""
        if self._begun:
            self._unsaved = self._unsaved or f"`{self.spec.effects[slot].text}` was begun and not ended"
        self._begun = True
        self._operands = [value]
        return value

    def more(self, slot: int, value: Any) -> Any:
        """A further operand."""
        self._operands.append(value)
        return value

    slice = slice  # what `a[i:j]` means, whatever the user calls so

    def did(self, slot: int) -> None:
        """The effect whose operands were told has happened."""
        if not self._active:
            self._done.append(slot)
            return
        self._begun = False
        operands = self._operands
        effect = self.spec.effects[slot]
        if self._copied[slot] or effect.keyed:
            try:
                place = self._namespace.get(effect.target)
                if effect.keyed and is_inside(effect, operands, self._effects, place):
                    return
                if self._copied[slot] or _is_array(place):
                    operands = [snapshot(value) for value in operands]
            except NotSaved as error:
                self._unsaved = str(error)
            except Exception as error:
                self._unsaved = f"{effect.text} cannot be followed ({type(error).__name__})"
        if self._is_key[slot] and any(value != value for value in operands if type(value) is float):
            self._unsaved = f"`{effect.text}`: a key that is not a number is told by its identity"
        self._effects.append((slot, tuple(operands)))

    def bound(self, name: str) -> None:
        """A name was bound that not every item binds."""
        self._bound[name] = True

    def unbound(self, name: str) -> None:
        """A name was deleted."""
        self._bound[name] = False

    def saw(self, name: str, value: Any) -> Any:
        """A name is bound inside an expression."""
        self._bound[name] = True
        return value

    def failed(self) -> None:
        """The body has failed, and the loop shall go on: holes stand where the item's results would be."""
        error = sys.exc_info()[1]
        if error is None:
            return
        self._failed = hole = Failed(error, self._item())
        self.holes.append(hole)
        done = {slot for slot, _ in self._effects} if self._active else set(self._done)
        for slot, effect in enumerate(self.spec.effects):
            if effect.sure and slot not in done:
                fill(effect, self._namespace, self.spec.names, hole)

    def guarded(self, part: Callable[[], Any]) -> Any:
        """A part of a comprehension, or a hole if it fails."""
        __tracebackhide__ = True
        if self._failed is not None:
            return self._failed
        try:
            return part()
        except Exception:
            self.failed()
            return self._failed

    def _bindings(self) -> tuple[dict[str, Any], list[str]]:
        """The names that the item bound, and those that it deleted."""
        namespace = self._namespace
        binds: dict[str, Any] = {name: namespace[name] for name in self._starred if name in namespace}
        deleted: list[str] = []
        for name in self._sure:
            if name in namespace:
                binds[name] = namespace[name]
            else:
                deleted.append(name)
        for name, there in self._bound.items():
            if there and name in namespace:
                binds[name] = namespace[name]
            else:
                deleted.append(name)
        return binds, deleted


def _is_array(value: Any) -> bool:
    return type(value).__name__ == "ndarray"
