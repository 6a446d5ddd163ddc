"""What goes wrong while saving and loading is told in one line that names the place, and crashes nothing."""

import collections
import functools
import pickle
import random
import subprocess
import sys
import typing
from typing import Any

import pytest

from incnb.store import LoadError, dump, load

from . import values
from .values import Point, Slotted, again, refusal


class Model:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Trouble:
    error: typing.ClassVar[BaseException] = ValueError("boom")
    calls: typing.ClassVar[int] = 0

    def __reduce__(self) -> Any:
        Trouble.calls += 1
        raise Trouble.error


class LoadTrouble:
    error: typing.ClassVar[BaseException] = ValueError("boom")

    def __getstate__(self) -> Any:
        return {"x": 1}

    def __setstate__(self, state: Any) -> None:
        raise LoadTrouble.error


class Unsaid(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Stop(KeyboardInterrupt):
    pass


errors = [
    *(ValueError("boom"), SystemExit(1), GeneratorExit(), MemoryError()),
    *(Unsaid(), Stop(), ImportError("x"), pickle.PicklingError("no")),
]


@pytest.mark.parametrize("error", errors, ids=lambda error: type(error).__name__)
def test_what_a_value_raises_while_saved_is_told(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trouble, "error", error)
    found = refusal({"a": [Trouble()]})
    if not isinstance(error, MemoryError):
        assert found.path == "value['a'][0]" and type(error).__name__ in found.why


def test_a_value_that_fails_is_dumped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trouble, "calls", 0)
    refusal([Trouble()])
    assert Trouble.calls == 1


@pytest.mark.parametrize("error", errors, ids=lambda error: type(error).__name__)
def test_what_a_value_raises_while_loaded_is_told(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = dump([LoadTrouble()])
    monkeypatch.setattr(LoadTrouble, "error", error)
    with pytest.raises(LoadError, match=type(error).__name__):
        load(pickled.data)


def test_a_real_interrupt_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = dump([LoadTrouble()])
    monkeypatch.setattr(LoadTrouble, "error", KeyboardInterrupt())
    monkeypatch.setattr(Trouble, "error", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load(pickled.data)
    with pytest.raises(KeyboardInterrupt):
        dump(Trouble())


@pytest.mark.parametrize("damage", [b"", b"\x80", b"nonsense", b"\x80\x05cnowhere\nnothing\n."])
def test_bytes_that_are_no_pickle_are_told(damage: bytes) -> None:
    with pytest.raises(LoadError):
        load(damage)


def test_a_vanished_class_of_a_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = dump([Slotted()])
    monkeypatch.delattr(values, "Slotted")
    with pytest.raises(LoadError, match="Slotted"):
        load(pickled.data)


def test_code_of_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = dump(lambda: 1)
    monkeypatch.setattr("importlib.util.MAGIC_NUMBER", b"\0\0\0\0")
    with pytest.raises(LoadError, match="another version of Python"):
        load(pickled.data)


def test_the_way_to_the_offending_part_is_named() -> None:
    part = (n for n in ())
    slotted = Slotted()
    slotted.a = part
    cases = {
        "model.steps[0]['f']": ("model", Model(steps=[{"f": part}])),
        "x['k'].conn": ("x", {"k": Model(conn=part)}),
        "x.a": ("x", slotted),
        "x[1][0]": ("x", collections.deque([0, (part,)])),
        "p.keywords['key']": ("p", functools.partial(max, key=part)),
        "f.<closure part>": ("f", lambda: part),
        "f.__defaults__[0]": ("f", lambda x=part: x),
        "point.x": ("point", Point(part)),  # type: ignore[arg-type]
        "x.y[1]": ("x", Point(0, [1, part])),  # type: ignore[list-item]
        "value": ("value", part),
    }
    for path, (root, value) in cases.items():
        found = refusal(value, root)
        assert found.path == path
        assert str(found) == f"{path} cannot be saved: a running generator"
    assert refusal({"model": Model(a=part), "y": 1}, root="").path == "model.a"


def test_a_part_that_appears_only_while_it_is_saved_names_its_holder() -> None:
    class_ = type("Maker", (), {"__module__": __name__, "__qualname__": "Maker"})
    class_.__reduce__ = lambda self: (list, ((n for n in ()),))  # type: ignore[assignment]
    globals()["Maker"] = class_
    try:
        assert refusal({"a": [1, Model(inner=class_())]}).path == "value['a'][1].inner"
    finally:
        del globals()["Maker"]


def test_a_cyclic_value_with_a_bad_part_is_walked_once() -> None:
    loop: list[Any] = []
    loop += [loop, {"x": loop}, (n for n in ())]
    assert refusal(loop).path == "value[2]"


def test_deep_nesting_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    assert refusal(deep).why == "too deeply nested"
    head: Any = None
    for _ in range(100_000):
        head = Model(next=head)
    assert refusal(head).why == "too deeply nested"
    while head is not None:
        head = head.next


DEEP = """
import os, sys, threading
from incnb.store import Unpicklable, dump
class Node: pass
def deep(kind):
    head = None
    for _ in range(200_000):
        if kind == "object":
            node = Node()
            node.next = head
            head = node
        else:
            head = [head] if kind == "list" else (lambda x: lambda: x)(head)
    return head
def attempt():
    for kind in ("list", "object", "closure"):
        try:
            dump(deep(kind))
        except Unpicklable as error:
            print(error.why)
sys.setrecursionlimit(int(sys.argv[1]))
attempt()
thread = threading.Thread(target=attempt)
thread.start()
thread.join()
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("limit", [20_000, 1_000_000])
def test_a_raised_recursion_limit_crashes_nothing(limit: int) -> None:
    done = subprocess.run([sys.executable, "-c", DEEP, str(limit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert all("too deeply nested" in line or "setrecursionlimit" in line for line in lines)


def test_a_pickler_keeps_nothing_alive() -> None:
    import gc
    import weakref

    gc.disable()
    try:
        model = Model(x=1)
        watch = weakref.ref(model)
        dump([model], refer=lambda obj: None)
        del model
        assert watch() is None
    finally:
        gc.enable()


def test_random_state_comes_back() -> None:
    generator = random.Random(5)
    restored = again(generator)
    assert restored.random() == generator.random()
