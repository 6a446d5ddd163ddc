"""What a loop's body does to objects outside, in ways that can be done again: which, to what, and how.

Doing it again is the same operation on the live object, with the recorded operands. So it needs no knowledge of how the
object got there; it needs that the object changes in no other way, and tells the body nothing.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from incnb.analysis.items import Effect
from incnb.engine.order import Row
from incnb.fingerprint.encoder import ATOMS

#: Methods that take the content of an operand over, as it is at that moment.
CONTENT = frozenset({"extend", "extendleft", "update", "difference_update", "intersection_update", "aug"})
CONTENT |= {"symmetric_difference_update"}
_PLACES: tuple[str, ...] = ("builtins.list", "builtins.dict", "builtins.set", "builtins.bytearray", "collections.deque")
_PLACES += ("collections.defaultdict", "collections.OrderedDict", "collections.Counter", "numpy.ndarray")
_SUMS = frozenset({"builtins", "numpy", "pandas", "decimal", "fractions", "datetime", "collections"})
_FACTORIES = (list, dict, set, int, float, str, tuple, bool, type(None))
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd, "Sub": operator.isub, "Mult": operator.imul, "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv, "Mod": operator.imod, "Pow": operator.ipow, "MatMult": operator.imatmul,
    "BitAnd": operator.iand, "BitOr": operator.ior, "BitXor": operator.ixor, "LShift": operator.ilshift,
    "RShift": operator.irshift,
}  # fmt: skip


def unfit(effect: Effect, namespace: dict[str, Any]) -> str | None:
    """Why an effect cannot be done again on what its name is bound to; None if it can."""
    if effect.target not in namespace:
        return f"`{effect.target}` is not bound yet"
    value = namespace[effect.target]
    cls = type(value)
    full = f"{cls.__module__}.{cls.__qualname__}"
    sums = effect.op == "aug" and not effect.keyed and cls.__module__.partition(".")[0] in _SUMS
    if full not in _PLACES and not sums:
        return f"`{effect.text}` (line {effect.line}) changes a {cls.__qualname__}"
    if effect.default and cls is not dict:
        return f"`{effect.text}` (line {effect.line}) changes a {cls.__qualname__}"
    if effect.caught and not _never_fails(effect, value):
        return f"`{effect.text}` (line {effect.line}) may fail by what is there already, and the item goes on"
    if cls.__name__ == "defaultdict" and value.default_factory not in (*_FACTORIES, None):
        return f"`{effect.target}` fills itself by a function"
    return None


def _never_fails(effect: Effect, value: Any) -> bool:
    """Whether an effect succeeds whatever its target holds already."""
    cls = type(value)
    if effect.op == "setitem":
        return cls in (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)
    if effect.keyed:
        return (
            bool(effect.default)
            or cls is collections.Counter
            or (cls is collections.defaultdict and value.default_factory is not None)
        )
    return effect.op != "aug" or cls in (int, float, complex, str)


def fits(effects: Iterable[tuple[int, tuple[Any, ...]]], slots: Sequence[Effect], namespace: dict[str, Any]) -> bool:
    """Whether what recorded effects change is there; where a key is missing, the item runs and says so itself."""
    made: set[tuple[str, Any]] = set()
    for slot, operands in effects:
        effect = slots[slot]
        if effect.op in ("setitem", "setdefault"):
            made.add((effect.target, operands[max(effect.key_at, 0)]))
        elif effect.keyed and not effect.default:
            place, key = namespace[effect.target], operands[effect.key_at]
            there = not isinstance(place, dict) or key in place or getattr(place, "default_factory", None) is not None
            if not (there or isinstance(place, collections.Counter) or (effect.target, key) in made):
                return False
    return True


def is_inside(effect: Effect, operands: list[Any], told: list[tuple[int, tuple[Any, ...]]], place: Any) -> bool:
    """Whether what changed is an object that the item has handed over itself: it is saved as it is at the end."""
    if effect.op == "setitem" or not isinstance(place, dict):
        return False
    changed = dict.get(place, operands[effect.key_at])
    if changed is None or type(changed) in ATOMS:
        return False
    return any(changed is operand for _, given in told for operand in given)


def fill(effect: Effect, namespace: dict[str, Any], names: Collection[str], hole: object) -> None:
    """Put a hole where an effect of an item that failed would have put something, if that place is known."""
    place = namespace.get(effect.target)
    if effect.op in ("append", "appendleft", "add") and not effect.keyed:
        getattr(place, effect.op)(hole)
    elif effect.op == "setitem" and isinstance(place, dict):
        with contextlib.suppress(SyntaxError):  # the text may be cut
            statement = ast.parse(effect.text).body[0]
            at = statement.targets[0] if isinstance(statement, ast.Assign) else None
            if isinstance(at, ast.Subscript) and isinstance(at.slice, ast.Name) and at.slice.id in names:
                place[namespace[at.slice.id]] = hole


def applier(effect: Effect, namespace: dict[str, Any]) -> Callable[..., Any]:
    """What does an effect again, on whatever its name is bound to then."""
    name = effect.target
    if effect.op == "setitem":

        def assign(value: Any, key: Any) -> None:
            namespace[name][key] = value

        return assign
    if effect.op == "aug":
        change = _OPERATORS[effect.operator]
        if effect.keyed:

            def change_at(key: Any, value: Any) -> None:
                place = namespace[name]
                place[key] = change(place[key], value)

            return change_at

        def add(value: Any) -> None:
            namespace[name] = change(namespace[name], value)

        return add
    method = effect.op
    if effect.default:
        make = {"list": list, "dict": dict}[effect.default]

        def call_filled(key: Any, *operands: Any) -> None:
            getattr(namespace[name].setdefault(key, make()), method)(*operands)

        return call_filled
    if effect.keyed:
        at = effect.key_at

        def call_at(*operands: Any) -> None:
            rest = operands[:at] + operands[at + 1 :]
            getattr(namespace[name][operands[at]], method)(*rest)

        return call_at

    def call(*operands: Any) -> None:
        getattr(namespace[name], method)(*operands)

    return call


def again(row: Row, slots: Sequence[Effect], apply: Sequence[Callable[..., Any]], namespace: dict[str, Any]) -> None:
    """Do the effects of a row of items again."""
    values, shape = row.operands, row.shape
    if len(shape) == 1 and shape[0][1] == 1:
        effect = slots[shape[0][0]]
        place = namespace[effect.target]
        if effect.op == "append" and not effect.keyed and type(place) is list:
            place.extend(values)
            return
    if len(shape) == 1:
        do, count = apply[shape[0][0]], shape[0][1]
        if count == 1:
            for value in values:
                do(value)
            return
    at = 0
    while at < len(values):
        for slot, count in shape:
            apply[slot](*values[at : at + count])
            at += count
