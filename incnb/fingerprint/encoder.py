"""Values to fingerprints: a canonical, typed, prefix-free encoding, digested with 128-bit xxh3.

Every value is written as a tag, a length or count, and its parts. Order is written where order means something (lists,
dicts, fields of an instance), sorted away where it does not (sets), so that the result is the same in another process
and under another hash seed. A *mutable* object met a second time is written as a reference to its first place: `[x, x]`
and `[x, copy(x)]` behave differently under mutation. Immutable values are written by value, shared or not.

Functions and classes of the notebook and of project modules are written with all that they would run: their code, their
defaults, closures and attributes, and every global that they read, by path, recursively. Where one is met only its
number is written; what it is follows at the end, in the order met, so that a long chain of helpers needs no deep stack.
Library code is written as its qualified name; its version is a dependency of its own, and `libraries` says which ones
were met.

What cannot be read completely (a generator, a socket, a lock) raises `Unfingerprintable` with the path to it.
"""

from __future__ import annotations

import marshal
import sys
import types
from collections import deque
from collections.abc import Callable
from itertools import chain, islice
from typing import Any

from incnb.config import Config
from incnb.fingerprint import origin
from incnb.fingerprint.code import Read, references
from incnb.fingerprint.reads import ABSENT, follow, render, take_step
from incnb.fingerprint.registry import Handler, find_handler, handles, lazily, register, register_parts
from incnb.fingerprint.writer import ATOMS, Unfingerprintable, Writer

__all__ = [
    "ABSENT", "ATOMS", "Encoder", "Handler", "Unfingerprintable", "find_handler", "follow", "handles", "lazily",
    "register", "register_parts", "render", "take_step",
]  # fmt: skip

_PLAIN = ATOMS | {tuple}


class Encoder(Writer):
    """Writes values into one digest. One encoder serves one fingerprint; references reach over all that it wrote."""

    def __init__(self, root: str = ""):
        super().__init__(root)
        self._seen: dict[int, int] = {}
        self._keep: list[Any] = []  # ids stay valid as long as their objects live
        self._later: deque[tuple[list[Any], Callable[[], None]]] = deque()
        self.tuples: dict[int, int] = {}  # how often a tuple with parts was written: they are written by value
        self.plans: dict[type, Any] = {}  # how instances of a class are written; classes stand still meanwhile
        self.arrays: dict[int, list[Any]] = {}  # arrays met, by the memory that they lie on
        self.libraries: set[str] = set()
        self.code: dict[str, Any] = {}  # notebook and project functions and classes met, by `module:qualname`
        self.hidden: list[Any] = []  # objects with state that cannot be read (functools caches)
        self.shared: dict[int, Any] = {}  # mutable objects met, by id
        self.configs: list[tuple[str, Read]] | None = None  # where code reads a Config, if that is told apart

    # -- what is put off

    def digest(self) -> bytes:
        """The 16 bytes of what was written so far, and of all that was put off."""
        self.settle()
        return super().digest()

    def later(self, write: Callable[[], None]) -> None:
        """Write something once everything before it is written: what code is, so that chains of code are not nested."""
        self._later.append((list(self._path), write))

    def settle(self) -> None:
        """Write all that was put off."""
        path, floor = self._path, self._floor
        while self._later:
            self._path, write = self._later.popleft()
            self._floor = len(self._path)
            write()
        self._path, self._floor = path, floor

    # -- values

    def encode(self, value: Any) -> None:
        """Write any value."""
        cls = type(value)
        if cls in ATOMS:
            self.write(b"a" + marshal.dumps(value, 2))
            return
        handler = find_handler(cls)
        if handler is not None:
            handler(self, value)
        else:
            from incnb.fingerprint import objects

            objects.encode_object(self, value)

    def met_before(self, value: Any) -> bool:
        """Write a back-reference if the object was met before."""
        number = self._seen.get(id(value))
        if number is None:
            return False
        self.write(b"&" + number.to_bytes(8, "little"))
        return True

    def first_time(self, value: Any) -> bool:
        """For mutable objects: note it and return True, or write a back-reference and return False."""
        if self.met_before(value):
            return False
        self._seen[id(value)] = len(self._seen)
        self._keep.append(value)
        self.shared[id(value)] = value
        return True

    def keep(self, value: Any) -> None:
        """Keep an object alive, so that its id means nothing else before the end."""
        self._keep.append(value)

    def note_code(self, name: str, value: Any) -> None:
        """Note a function or class of ours; a second one of the same name gets a name of its own."""
        number = 1
        key = name
        while self.code.setdefault(key, value) is not value:
            number += 1
            key = f"{name}.#{number}"

    # -- containers of Python itself

    def sequence(self, tag: str, items: Any) -> None:
        """Write an ordered run of values; a run of plain atoms, or of tuples of them, goes through `marshal`."""
        self.tag(tag)
        kinds = set(map(type, items))
        if kinds <= ATOMS or (kinds <= _PLAIN and _flat(items)):
            self.write(b"m" + marshal.dumps(list(items), 2))
            return
        self.write(b"n" + len(items).to_bytes(8, "little"))
        for i, item in enumerate(items):
            if type(item) in ATOMS:
                self.write(b"a" + marshal.dumps(item, 2))
            else:
                self.enter(i)
                self.encode(item)
                self.leave()

    def mapping(self, tag: str, value: dict[Any, Any]) -> None:
        """Write an exact dict in its order."""
        self.tag(tag)
        if set(map(type, value)) <= ATOMS and set(map(type, value.values())) <= ATOMS:
            self.write(b"m" + marshal.dumps([*value.keys(), *value.values()], 2))
            return
        self.write(b"n" + len(value).to_bytes(8, "little"))
        for key, item in value.items():
            self.enter(("key", key))
            self.encode(key)
            self.encode(item)
            self.leave()

    def unordered(self, tag: str, items: Any) -> None:
        """Write parts whose order means nothing: each is digested as if it came next, and the digests are sorted.

        What a part met first is then known by its number to all that follows, and what two parts share is told.
        """
        self.tag(tag)
        atoms = sorted(b"a" + marshal.dumps(item, 2) for item in items if type(item) in ATOMS)
        self.write(len(atoms).to_bytes(8, "little"))
        self.write(b"".join(len(part).to_bytes(8, "little") + part for part in atoms))
        rest = [item for item in items if type(item) not in ATOMS]
        self.write(len(rest).to_bytes(8, "little"))
        self._classes_of(rest)
        parts = []
        for item in rest:
            with self.at("{…}"):
                parts.append(self._apart(item))
        for digest, met in sorted(parts, key=lambda part: part[0]):
            self._adopt(digest, met)

    def _apart(self, value: Any) -> tuple[bytes, list[int]]:
        """The digest of one unordered part, and the ids of what it met that was new, which are forgotten again."""
        child = Encoder("")
        child._path, child._floor = list(self._path), self._floor
        child._seen, child._keep, child.plans, child.tuples = self._seen, self._keep, self.plans, self.tuples
        child.arrays = {memory: list(met) for memory, met in self.arrays.items()}
        child.libraries, child.code, child.hidden, child.shared = self.libraries, self.code, self.hidden, self.shared
        child.configs = self.configs
        before = len(self._seen)
        try:
            child.encode(value)
            digest = child.digest()
        finally:
            met = list(islice(self._seen, before, None))
            for ident in met:
                del self._seen[ident]
        return digest, met

    def _adopt(self, digest: bytes, met: list[int]) -> None:
        """Write a part that was digested apart; what it met is known from here on, or was known and is told."""
        self.write(digest)
        self.write(len(met).to_bytes(8, "little"))
        for ident in met:
            known = self._seen.get(ident)
            if known is None:
                self._seen[ident] = len(self._seen)
            self.write(b"+" if known is None else b"&" + known.to_bytes(8, "little"))

    def _classes_of(self, items: list[Any]) -> None:
        """Meet the classes of the parts first, or each part would bring the whole code of its class."""
        from incnb.fingerprint.classes import encode_class

        kinds = [cls for cls in set(map(type, items)) if find_handler(cls) is None]
        classes = {f"{origin.module_of(cls)}:{origin.qualname_of(cls)}": cls for cls in kinds}
        if len(classes) == len(kinds):  # else their order would be an accident
            for name in sorted(classes):
                encode_class(self, classes[name])

    def attributes(self, tag: str, state: dict[Any, Any], *, ordered: bool = True) -> None:
        """Write named state, in its order: `vars()` shows it."""
        self.tag(tag)
        self.write(len(state).to_bytes(8, "little"))
        for name in state if ordered else sorted(state, key=str):
            if type(name) is str:
                self.text(name)
            else:
                self.encode(name)
            self.enter(("name", name))
            self.encode(state[name])
            self.leave()

    # -- modules, functions and what they read

    def module(self, module: types.ModuleType) -> None:
        """Write a module: by name when it is a library's, with all that is in it when it is the project's."""
        name = str(module.__dict__.get("__name__", "?"))
        self.tag("module")
        self.text(name)
        kind = origin.object_module_origin(module)
        if kind == "library":
            self.libraries.add(origin.top_level(name))
        elif kind == "notebook":
            raise self.refuse("the whole notebook namespace")
        elif kind == "project" and self.first_time(module):
            members = {k: v for k, v in module.__dict__.items() if k not in _MODULE_BOOKKEEPING}
            self.later(lambda: self.attributes("members", members, ordered=False))

    def function(self, function: types.FunctionType, *, docs: bool = False) -> None:
        """Write a function; `docs`: it is handed on as a value, and whoever gets it may read its docstring."""
        kind = origin.function_origin(function)
        module = str(function.__globals__.get("__name__", "?"))
        ours = origin.is_ours(kind)
        if kind == "library":
            self.libraries.add(origin.top_level(module))
        if not ours:
            # attrs renames one function of its own for every class that it serves: the code knows its first name
            for name in (function.__code__.co_qualname, function.__qualname__):
                if origin.leads_to(function, module, name):
                    self.tag("library function")
                    self.text(f"{module}:{name}")
                    return
        if ours and docs:
            self.encode(function.__doc__)
        if not self.first_time(function):
            return
        self.tag("function")
        if ours:
            self.note_code(f"{module}:{function.__qualname__}", function)

        def write() -> None:
            self.own_function(function)
            if ours:
                self.reads(function)

        self.later(write)

    def own_function(self, function: types.FunctionType) -> None:
        """Write a function without the globals that it reads: code, defaults, closure, attributes."""
        from incnb.fingerprint import functions

        functions.own(self, function)

    def reads(self, function: types.FunctionType) -> None:
        """Write what a function reads from its globals, by path, and from the project modules that it imports."""
        found = references(function.__code__)
        self.tag("reads")
        for read in found.reads:
            self.read(function.__globals__, read)
        for name, members, level in found.imports:
            self._imported(function, name, members, level)

    def read(self, namespace: dict[str, Any], read: Read) -> None:
        """Write one read: the path as far as it can be followed, and what is there."""
        reached, steps, _ = follow(namespace, read)
        self.text(render(read.name, read.path[:steps]))
        if reached is ABSENT:
            self.tag("absent")
        elif steps == 0 and read.name not in namespace:
            self.builtin(read.name, reached)
        elif type(reached) is Config and self.configs is not None and _is_live(namespace):
            self.tag("a Config")  # which of its keys matter is seen when the code runs
            self.configs.append((namespace["__name__"], Read(read.name, read.path[:steps])))
        else:
            with self.at(f" → {render(read.name, read.path[:steps])}"):
                if steps and origin.is_library_module(namespace[read.name]) and not is_code(reached):
                    self._library_state(reached)
                else:
                    self._reached(reached)

    def _library_state(self, value: Any) -> None:
        """Write data of a library module: by value where it can be read; a stream, a lock is known by its path."""
        floor, path = self._floor, list(self._path)
        try:
            digest, met = self._apart(value)
        except Unfingerprintable:
            self._floor, self._path = floor, path
            self.tag("library state")
        else:
            self._adopt(digest, met)

    def _reached(self, value: Any) -> None:
        if type(value) is types.FunctionType:
            self.function(value)
        else:
            self.encode(value)

    def _imported(self, function: types.FunctionType, name: str, members: tuple[str, ...], level: int) -> None:
        """Write what an import statement inside a function takes from a project module that is loaded."""
        full = origin.absolute_name(name, level, function.__globals__)
        module = sys.modules.get(full)
        if not isinstance(module, types.ModuleType) or origin.object_module_origin(module) != "project":
            return
        with self.at(f" → import {full}"):
            if not members or "*" in members:
                self.module(module)
            for member in members:
                self.read(module.__dict__, Read(member))

    def builtin(self, name: str, value: Any) -> None:
        """Write a name of `builtins`: Python's own by name, what somebody put there by what it is."""
        from incnb.fingerprint import functions

        self.tag("builtin")
        self.text(f"{name} {type(value).__qualname__} {getattr(value, '__qualname__', '')}")
        if functions.is_ours(value) or type(value) in (*ATOMS, list, dict, set, tuple):
            self._reached(value)


#: What the import system keeps in a module; the rest, `__all__` and `__getattr__` included, is the module's own.
_MODULE_BOOKKEEPING = frozenset(
    {"__name__", "__loader__", "__spec__", "__file__", "__cached__", "__builtins__", "__package__", "__path__",
     "__annotations__", "__annotate__", "__warningregistry__", "__conditional_annotations__"}
)  # fmt: skip


def is_code(value: Any) -> bool:
    """Whether something is a function, a class or a module."""
    return issubclass(type(value), types.FunctionType | types.BuiltinFunctionType | types.ModuleType | type)


def _is_live(namespace: dict[str, Any]) -> bool:
    """Whether globals are those of a loaded module, so that what is read from them is found again by name."""
    return getattr(sys.modules.get(str(namespace.get("__name__"))), "__dict__", None) is namespace


def _flat(items: Any) -> bool:
    """Whether all tuples among `items` hold atoms only."""
    return set(map(type, chain.from_iterable(item for item in items if type(item) is tuple))) <= ATOMS
