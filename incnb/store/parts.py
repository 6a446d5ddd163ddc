"""Where inside a value the offending part is, as a person would write it: `model.steps[0]['f']`.

A pickler that fails knows the object at which it failed, not the way to it. The way is found afterwards, by walking the
value breadth first (so the shortest way wins) through what usually holds things: containers, attributes, slots,
closures, columns. The walk is bounded and survives cycles. It looks at stored fields only and runs no code of the user.
"""

from __future__ import annotations

import collections
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

NODES: Final = 100_000
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), range})


def find(value: object, root: str, wanted: Callable[[object], bool]) -> str | None:
    """The shortest path to a part that is `wanted`. An empty `root` means that the keys of the value are names."""
    if wanted(value):
        return root or "value"
    seen = {id(value)}
    # The objects are kept alive: the identity of a temporary one could be given to another.
    queue: collections.deque[tuple[object, str]] = collections.deque([(value, root)])
    kept: list[object] = []
    while queue and len(seen) < NODES:
        holder, path = queue.popleft()
        for step, part in children(holder):
            if type(part) in _ATOMS or id(part) in seen:
                continue
            here = join(path, step)
            if wanted(part):
                return here
            seen.add(id(part))
            kept.append(part)
            queue.append((part, here))
            if len(seen) >= NODES:
                break
    return None


def descend(value: object, root: str, fails: Callable[[object], bool], tries: int = 200) -> str:
    """The path to the deepest part that fails by itself: for what comes into being only while it is pickled."""
    path, seen = root, {id(value)}
    going = True
    while going:
        going = False
        for step, part in children(value):
            if type(part) in _ATOMS or id(part) in seen:
                continue
            tries -= 1
            if tries < 0:
                break
            seen.add(id(part))
            if fails(part):
                value, path, going = part, join(path, step), True
                break
    return path or "value"


def join(path: str, step: str) -> str:
    if path:
        return path + step
    # The top level of a group of variables: ['x'] is the variable x.
    return step[2:-2] if step.startswith("['") and step.endswith("']") else "value" + step


def _key(key: object) -> str:
    if type(key) in _ATOMS:
        text = repr(key)
        return f"[{text}]" if len(text) <= 40 else f"[{text[:39]}…]"
    return f"[<{type(key).__name__}>]"


def children(holder: Any) -> Iterator[tuple[str, object]]:
    """The parts of one object with the step that leads to each."""
    cls = type(holder)
    if issubclass(cls, dict):
        for key, item in list(dict.items(holder)):
            yield _key(key), item
        for key in list(dict.keys(holder)):
            yield f".keys(){_key(key)}", key
    elif issubclass(cls, list):
        for index, item in enumerate(list.__iter__(holder)):
            yield f"[{index}]", item
    elif issubclass(cls, tuple):
        names = getattr(cls, "_fields", ())
        for index, item in enumerate(tuple.__iter__(holder)):
            named = isinstance(names, tuple) and index < len(names)
            yield f".{names[index]}" if named else f"[{index}]", item
    elif issubclass(cls, collections.deque):
        for index, item in enumerate(list(collections.deque.__iter__(holder))):
            yield f"[{index}]", item
    elif issubclass(cls, (set, frozenset)):
        for item in list(set.__iter__(holder) if issubclass(cls, set) else frozenset.__iter__(holder)):
            yield f"{{{type(item).__name__}}}", item
    elif cls is types.FunctionType:
        yield from _of_function(holder)
    elif cls is types.MethodType:
        yield ".__self__", holder.__self__
        yield ".__func__", holder.__func__
    elif cls is types.MappingProxyType:
        for key, item in list(holder.items()):
            yield _key(key), item
    elif issubclass(cls, functools.partial):
        yield ".func", holder.func
        yield ".args", holder.args
        yield ".keywords", holder.keywords
    elif cls is property:
        yield from ((f".{name}", getattr(holder, name)) for name in ("fget", "fset", "fdel"))
    elif cls is staticmethod or cls is classmethod:
        yield ".__func__", holder.__func__
    else:
        yield from _of_frame(holder)
    yield from _of_attributes(holder, cls)


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, held in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f".<closure {name}>", held.cell_contents
        except ValueError:
            continue
    for index, default in enumerate(function.__defaults__ or ()):
        yield f".__defaults__[{index}]", default
    for name, default in (function.__kwdefaults__ or {}).items():
        yield f".__kwdefaults__{_key(name)}", default


def _of_frame(holder: Any) -> Iterator[tuple[str, object]]:
    """Elements of object arrays and columns, which are no attributes."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and type(holder) is numpy.ndarray and holder.dtype.hasobject:
        for place, item in zip(numpy.ndindex(holder.shape), holder.flat, strict=False):
            yield f"[{', '.join(map(str, place))}]", item
    elif pandas is not None and type(holder) is pandas.DataFrame:
        for position, name in enumerate(holder.columns):
            if holder.dtypes.iloc[position] == "object":
                yield _key(name), holder.iloc[:, position]
    elif pandas is not None and type(holder) is pandas.Series and holder.dtype == "object":
        for index, item in zip(holder.index, holder.array, strict=False):
            yield _key(index), item


def _of_attributes(holder: Any, cls: type) -> Iterator[tuple[str, object]]:
    if issubclass(cls, (types.ModuleType, type(sys.flags))):
        return
    try:
        fields = object.__getattribute__(holder, "__dict__")
    except (AttributeError, TypeError):
        fields = None
    if type(fields) is dict or issubclass(cls, type):
        for name, item in list(fields.items()) if fields else ():
            yield f".{name}", item
    for base in cls.__mro__:
        for name, slot in list(vars(base).items()):
            if type(slot) is types.MemberDescriptorType and base.__flags__ & _HEAP_TYPE and name != "__weakref__":
                try:
                    yield f".{name}", slot.__get__(holder, cls)
                except AttributeError:
                    continue


_HEAP_TYPE: Final = 1 << 9
