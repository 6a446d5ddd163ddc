"""A hook that records what the items of a loop do, and does it again for some of them, in memory and without any check."""

from __future__ import annotations

import ast
import collections
import contextlib
import copy
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from incnb.analysis.loops import Loop, loops_of
from incnb.analysis.rewrite import rewritten


class GONE:
    """What a name is bound to that the item has deleted."""


OPERATORS = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "Mod": operator.imod,
}


@dataclass
class Item:
    effects: list[tuple[int, list[Any]]] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    kept: bool = True
    elements: dict[int, Any] = field(default_factory=dict)
    failed: bool = False


class Hook:
    def __init__(self, loop: Loop, namespace: dict[str, Any], known: dict[str, Item], reuse: Callable[[str], bool]):
        self.loop, self.namespace, self.known, self.reuse = loop, namespace, known, reuse
        self.records: dict[str, Item] = {}
        self.hit = False
        self.now = Item()
        self.pending: dict[int, list[Any]] = {}

    def items(self, iterable: Iterable[Any]) -> Iterator[Any]:
        for item in iterable:
            key = self.key(item)
            self.hit = key in self.known and self.reuse(key)
            if self.hit:
                self.now = copy.deepcopy(self.known[key])
                if self.loop.kind == "for":
                    self.bind_target(item)
                    for slot, operands in self.now.effects:
                        self.apply(slot, operands)
                self.bind(self.now.names)
                if self.loop.kind == "for":
                    continue
            else:
                self.now, self.pending = Item(), {}
            yield item
            if not self.hit and not self.now.failed and self.can_record():
                for name in self.loop.sure:
                    self.now.names[name] = self.namespace[name]
                with contextlib.suppress(TypeError):  # modules and the like are not copied, so not recorded
                    self.records[key] = copy.deepcopy(self.now)

    def key(self, item: Any) -> str:
        if self.loop.flat is None or not isinstance(item, tuple):
            return repr(item)
        return repr([part for at, part in enumerate(item) if at not in self.loop.unread])

    def bind_target(self, item: Any) -> None:
        value = ast.copy_location(ast.Name("__item", ast.Load()), self.loop.target)
        statement = ast.copy_location(ast.Assign([self.loop.target], value), self.loop.target)
        self.namespace["__item"] = item
        exec(compile(ast.Module([statement], []), "<target>", "exec"), self.namespace)
        del self.namespace["__item"]

    def bind(self, names: dict[str, Any]) -> None:
        for name, value in names.items():
            if value is GONE:
                self.namespace.pop(name, None)
            else:
                self.namespace[name] = value

    def apply(self, slot: int, operands: list[Any]) -> None:
        effect = self.loop.effects[slot]
        operands = list(operands)
        target = self.namespace[effect.target]
        key = operands.pop(effect.key_at) if effect.key_at >= 0 else None
        if effect.op == "setitem":
            target[key] = operands[0]
        elif effect.op == "aug" and effect.keyed:
            target[key] = OPERATORS[effect.operator](target[key], operands[0])
        elif effect.op == "aug":
            self.namespace[effect.target] = OPERATORS[effect.operator](target, operands[0])
        else:
            getattr(target[key] if effect.keyed else target, effect.op)(*operands)

    def can_record(self) -> bool:
        """Whether no effect may fail by what is there already, where the item would go on."""
        for effect in self.loop.effects:
            target = self.namespace[effect.target]
            if effect.caught and effect.keyed and effect.op == "setitem":
                if not isinstance(target, dict):
                    return False
            elif (
                effect.caught and effect.keyed and not isinstance(target, collections.defaultdict | collections.Counter)
            ):
                return False
        return True

    def start(self, slot: int, value: Any) -> Any:
        self.pending[slot] = [value]
        if self.loop.kind != "for":
            self.now.elements[slot] = value
        return value

    def more(self, slot: int, value: Any) -> Any:
        self.pending[slot].append(value)
        return value

    def did(self, slot: int) -> None:
        operands = self.pending.pop(slot)
        assert len(operands) == self.loop.effects[slot].operands
        self.now.effects.append((slot, operands))

    def bound(self, name: str) -> None:
        self.now.names[name] = self.namespace[name]

    def unbound(self, name: str) -> None:
        self.now.names[name] = GONE

    def saw(self, name: str, value: Any) -> Any:
        self.now.names[name] = value
        return value

    def stored(self, slot: int) -> Any:
        return self.now.elements[slot]

    def kept(self) -> bool:
        return self.now.kept

    def keep(self, value: Any) -> bool:
        self.now.kept = bool(value)
        return self.now.kept

    def guarded(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Exception as error:
            self.now.failed = True
            return f"hole: {error}"

    def failed(self) -> None:
        self.now.failed = True

    def __deepcopy__(self, memo: Any) -> Hook:
        return self


def hook_name(index: int) -> ast.expr:
    return ast.Name(f"__incnb_{index}", ast.Load())


def run(
    source: str,
    known: dict[int, dict[str, Item]] | None = None,
    reuse: Callable[[str], bool] = lambda key: False,
    *,
    setup: str = "",
    holes: bool = False,
) -> tuple[dict[str, Any], dict[int, dict[str, Item]], BaseException | None]:
    """Run rewritten `source`: the namespace it leaves, what its items did by loop and item, and what it raised."""
    tree = ast.parse(source)
    before = ast.dump(tree, include_attributes=True)
    loops = loops_of(tree)
    module = rewritten(tree, loops, hook_name, holes=holes)
    assert ast.dump(tree, include_attributes=True) == before
    ast.parse(ast.unparse(module))
    namespace: dict[str, Any] = {}
    exec(setup, namespace)
    hooks = {i: Hook(loop, namespace, (known or {}).get(i, {}), reuse) for i, loop in enumerate(loops)}
    namespace.update({f"__incnb_{index}": hook for index, hook in hooks.items()})
    error = execute(module, namespace)
    return visible(namespace), {index: hook.records for index, hook in hooks.items()}, error


def plain(source: str, *, setup: str = "") -> tuple[dict[str, Any], BaseException | None]:
    namespace: dict[str, Any] = {}
    exec(setup, namespace)
    error = execute(ast.parse(source), namespace)
    return visible(namespace), error


def execute(module: ast.Module, namespace: dict[str, Any]) -> BaseException | None:
    code = compile(module, "<cell>", "exec")
    try:
        exec(code, namespace)
    except Exception as error:
        return error
    return None


def visible(namespace: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in namespace.items() if not name.startswith("__")}


def lines(error: BaseException | None) -> list[int | None]:
    """The lines of the cell in a traceback, outermost first."""
    found = []
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<cell>":
            found.append(trace.tb_lineno)
        trace = trace.tb_next
    return found
