"""What a cell would rely on, found before it runs: the static closure.

The reads of the cell are followed: a function of ours is a dependency and brings in what it reads; so does every class
of ours; a value is a dependency with the code of the classes and functions inside it; a library is its distribution.
Dependencies are kept in the order found, callees before the values that only hold them, so that the first one that
differs is the thing that changed. What the words of a reached function tell (`exec`, frames, clocks) is collected too.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incnb.analysis.findings import Finding, function_findings
from incnb.analysis.records import CellAnalysis
from incnb.config import Config
from incnb.dependencies import ambient, bindings, config, libraries, module
from incnb.dependencies.bindings import Resolved
from incnb.dependencies.environment import Environment
from incnb.fingerprint import ABSENT, origin
from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import Read, references
from incnb.fingerprint.encoder import follow
from incnb.model import Dependency, Kind


def code_key(code: types.CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


_IMMUTABLE_TYPE = 1 << 8  # made in C: nobody sets an attribute of it


@dataclass(frozen=True, slots=True)
class Found:
    """A dependency with the object that it was found at."""

    dependency: Dependency
    value: Any


class Closure:
    """Follows reads from a cell and collects dependencies, findings and the objects met."""

    def __init__(self, environment: Environment, ignore: Iterable[str] = ()):
        self.environment = environment
        self.ignore = frozenset(ignore)
        self.found: dict[tuple[Kind, str], Found] = {}
        self.findings: dict[Finding, None] = {}
        self.libraries: set[str] = set()
        self.hidden: list[Any] = []
        self.stores: set[str] = set()  # notebook names that reached functions bind (`global`)
        self.missing: list[tuple[str, str]] = []  # what cannot be fingerprinted: locator, why
        self.configs: list[tuple[config.Place, Config]] = []  # followed by key, while the cell runs
        self.configs_before: list[str] = []  # their locators and fingerprints as a whole
        self._via: list[str] = []
        self._strings: set[str] = set()
        self._done: set[tuple[str | None, Read]] = set()
        self._codes: set[int] = set()
        self._expected: list[types.CodeType] = []
        self._nested: set[tuple[str, str, int]] = set()
        self._files: set[str] = set()  # of project modules that are compared as a whole

    # -- doors

    def cell(self, analysis: CellAnalysis) -> None:
        """Follow everything that a cell reads."""
        self.add(Kind.PYTHON, "python")
        self._strings |= analysis.strings
        for finding in analysis.findings:
            self.findings[finding] = None
        for imported in analysis.imports:
            self.imported(imported.module, imported.attribute)
        for name, read in analysis.module_reads:
            self.through_module(name, read)
        for read in analysis.reads:
            if read.name not in self.ignore:
                self.read(None, read)
        for name in sorted(analysis.deleted):
            self.add(Kind.VALUE, bindings.PRESENCE + name)
        for read in sorted(analysis.escaping, key=str):
            self._docstring(read)

    def finish(self) -> None:
        """Add what depends on everything reached: packages, and the state of their libraries."""
        for top in sorted(self.libraries):
            if top not in sys.stdlib_module_names and top != "incnb":
                self.add(Kind.PACKAGE, top)
                for finding in libraries.library_findings(top):
                    self.findings[finding] = None
        moments = self._strings & {"now", "today"}
        if moments and self.libraries & {"pandas", "numpy"}:
            self.findings[Finding("untracked", f"the clock ({min(moments)!r})")] = None
        for name in ambient.reached(self.libraries):
            self.add(Kind.AMBIENT, name)

    @property
    def dependencies(self) -> list[Dependency]:
        return [found.dependency for found in self.found.values()]

    # -- one dependency

    def add(self, kind: Kind, locator: str) -> Resolved:
        resolved = self.environment.resolve(kind, locator)
        self.keep(locator, resolved)
        return resolved

    def keep(self, locator: str, resolved: Resolved) -> None:
        kind = resolved.kind
        if (kind, locator) in self.found:
            return
        if resolved.fp is None:
            self.missing.append((locator, resolved.detail))
        value = resolved.value
        shown = resolved.shown or bindings.show(value)
        via = self._via[-1] if self._via else ""
        source = bindings.source_of(value) if kind is Kind.CODE else None
        dependency = Dependency(kind, locator, resolved.fp or "", shown, source, None, via)
        self.found[kind, locator] = Found(dependency, value)

    def knows(self, code: types.CodeType) -> bool:
        """Whether a function that ran is one that the closure expected, or code nested in one."""
        if not self._nested:
            todo = list(self._expected)
            while todo:
                current = todo.pop()
                self._nested.add(code_key(current))
                todo += [c for c in current.co_consts if isinstance(c, types.CodeType)]
        return code_key(code) in self._nested or code.co_filename in self._files

    # -- reads

    def read(self, module_name: str | None, read: Read) -> None:
        """Follow one read of a global name of the notebook (`module_name` None) or of a loaded module."""
        read = Read(read.name, read.path)
        if (module_name, read) in self._done:
            return
        self._done.add((module_name, read))
        namespace = self._namespace(module_name, read.name)
        if namespace is None:
            return
        value, taken, _ = follow(namespace, Read(read.name))
        if isinstance(value, types.ModuleType):
            self.add(Kind.VALUE, bindings.locator(module_name, Read(read.name)))
            self._in_module(value, read.path)
            return
        value, taken, _ = follow(namespace, read)
        short = Read(read.name, read.path[:taken])
        if type(value) is Config:
            self._config(config.Place(module_name, short), value)
        else:
            self._object(module_name, short, namespace)

    def _config(self, place: config.Place, value: Config) -> None:
        """A Config is there: which of its keys count is seen while the cell runs, the code in it may run."""
        if (Kind.CONFIG, config.TYPE + place.locator) in self.found:
            return
        self.add(Kind.CONFIG, config.TYPE + place.locator)
        self.configs.append((place, value))
        whole = bindings.describe(value, place.locator)
        self.configs_before.append(f"{place.locator} {whole.fp}")
        if whole.fp is None:
            self.missing.append((place.locator, whole.detail))
        self._via.append(place.locator)
        self._met(whole)
        self._via.pop()

    def _namespace(self, module_name: str | None, name: str) -> dict[str, Any] | None:
        if module_name is None:
            if name not in self.environment.namespace:
                self.environment.binding(None, Read(name), "")  # brings a pending value in
            return self.environment.namespace
        loaded = sys.modules.get(module_name)
        return loaded.__dict__ if isinstance(loaded, types.ModuleType) else None

    def _in_module(self, value: types.ModuleType, path: tuple[tuple[str, Any], ...]) -> None:
        """Follow a path that begins at a module object."""
        name = value.__name__
        kind = origin.object_module_origin(value)
        if kind == "notebook":
            self.findings[Finding("unsafe", "the notebook's own namespace as a module")] = None
        elif kind == "project":
            if path and path[0][0] == "attr" and sys.modules.get(name) is value:
                first = str(path[0][1])
                if first not in value.__dict__ and "__getattr__" in value.__dict__:
                    self._whole_module(value)
                else:
                    self.read(name, Read(first, path[1:]))
            else:
                self._whole_module(value)
        else:
            self._in_library(value, path)

    def _in_library(self, value: types.ModuleType, path: tuple[tuple[str, Any], ...]) -> None:
        name = value.__name__
        self.libraries.add(origin.top_level(name))
        if not path:
            self._library_object(name, value)
            return
        first = str(path[0][1])
        part = value.__dict__.get(first, ABSENT)
        if isinstance(part, types.ModuleType):
            self._in_module(part, path[1:])
        elif part is ABSENT:
            for finding in libraries.attribute_findings(name, first):
                self.findings[finding] = None
        else:
            self._library_object(f"{name}.{first}", part)
            if libraries.is_data(part) and sys.modules.get(name) is value:
                resolved = self.environment.resolve(Kind.VALUE, bindings.locator(name, Read(first)))
                if resolved.fp is not None:
                    self.keep(bindings.locator(name, Read(first)), resolved)
            elif self._is_ours(part):
                self._object(name, Read(first), value.__dict__)

    @staticmethod
    def _is_ours(value: Any) -> bool:
        if isinstance(value, types.FunctionType):
            return origin.is_ours(origin.function_origin(value))
        return isinstance(value, type) and origin.is_ours(origin.class_origin(value))

    def _library_object(self, path: str, value: Any) -> None:
        for finding in libraries.object_findings(path, value):
            self.findings[finding] = None

    def _whole_module(self, value: types.ModuleType) -> None:
        resolved = self.environment.resolve(Kind.MODULE, value.__name__)
        self._met(resolved)
        self.keep(value.__name__, resolved)
        for name, part in list(value.__dict__.items()):
            if type(part) is Config:  # part of the whole; what is read of it is heard as well
                self._config(config.Place(value.__name__, Read(name)), part)

    def _object(self, module_name: str | None, read: Read, namespace: dict[str, Any]) -> None:
        locator = bindings.locator(module_name, read)
        resolved = self.environment.binding(module_name, read, locator)
        value = resolved.value
        if isinstance(value, types.FunctionType) and resolved.kind is Kind.CODE:
            self.keep(locator, resolved)
            self._met(resolved)
            self._function(value, locator)
            return
        self._via.append(locator)
        if isinstance(value, type) and resolved.kind is Kind.CODE:
            self._class(value)
        self._met(resolved)
        self._via.pop()
        self.keep(locator, resolved)
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            self._library_object(f"{value.__module__}.{value.__qualname__}", value)

    def _function(self, function: types.FunctionType, locator: str) -> None:
        if id(function.__code__) in self._codes and bindings.owns_globals(function):
            return
        self._codes.add(id(function.__code__))
        self._words(function)
        if not bindings.owns_globals(function):
            return  # what it reads is in its own fingerprint
        self._via.append(locator)
        name = str(function.__globals__["__name__"])
        for read in references(function.__code__).reads:
            self.read(None if name == "__main__" else name, read)
        self._via.pop()

    def _words(self, function: types.FunctionType) -> None:
        found = references(function.__code__)
        self._expected.append(function.__code__)
        self._strings |= found.strings
        if found.attribute_stores:
            for read in found.reads:
                owner = function.__globals__.get(read.name)
                fixed = isinstance(owner, type) and owner.__flags__ & _IMMUTABLE_TYPE
                if not read.path and isinstance(owner, types.ModuleType | type) and not fixed:
                    what = f"{function.__qualname__}() may set attributes of {read.name}"
                    self.findings[Finding("untracked", what)] = None
        for finding in function_findings(found):
            self.findings[finding] = None
        for path in libraries.configuring(function):
            self.findings[path] = None
        if found.stores:
            if function.__globals__ is self.environment.namespace:
                self.stores |= found.stores
            else:
                name = str(function.__globals__.get("__name__"))
                for stored in sorted(found.stores):
                    self.read(name, Read(stored))
        for imported, names, level in found.imports:
            base = imported
            if level:
                package = str(function.__globals__.get("__package__") or "")
                for _ in range(level - 1):
                    package = package.rpartition(".")[0]
                base = f"{package}.{imported}" if imported else package
            self.imported(base, None)
            for name in names or ():
                self.imported(f"{base}.{name}", None, maybe=True)
            self.through_module(base, None)

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if not origin.is_ours(origin.class_origin(base)):
                continue
            for function in class_functions(base):
                if origin.is_ours(origin.function_origin(function)):
                    self._function(function, function.__qualname__)

    def _met(self, resolved: Resolved) -> None:
        """Take over what was met inside a value: libraries, hidden state, functions and classes of ours."""
        met = resolved.met
        if met is None:
            return
        self.libraries |= met.libraries
        self.hidden += met.hidden
        for name, read in met.configs or ():
            self.read(None if name == "__main__" else name, read)
        for name, value in met.code.items():
            if value is resolved.value:
                continue
            module_name, _, qualname = name.partition(":")
            top = qualname.partition(".")[0]
            owner = (
                self.environment.namespace
                if module_name == "__main__"
                else getattr(sys.modules.get(module_name), "__dict__", {})
            )
            if qualname == top and owner.get(top) is value:
                self.read(None if module_name == "__main__" else module_name, Read(top))
            elif isinstance(value, types.FunctionType) and id(value.__code__) not in self._codes:
                self._codes.add(id(value.__code__))
                self._words(value)

    def _docstring(self, read: Read) -> None:
        """A function of ours that escapes as a value takes its docstring along; `f.__doc__` reads it."""
        if read.name not in self.environment.namespace:
            return
        value, taken, _ = follow(self.environment.namespace, read)
        if self._is_ours(value) and not isinstance(value, type):
            self.add(Kind.VALUE, bindings.DOCSTRING + bindings.locator(None, Read(read.name, read.path[:taken])))

    # -- imports

    def imported(self, name: str, attribute: str | None, *, maybe: bool = False) -> None:
        """Note that a module is imported: libraries by package, project modules that are not loaded by their files."""
        top = name.partition(".")[0]
        if not top or top == "incnb":
            return
        if module.is_project(name):
            if name not in sys.modules:
                for part in module.unloaded_closure(name):
                    self.add(Kind.MODULE, f"{part} (file)")
                    self._files.add(module.find(part) or "")
                    self.libraries |= module.library_imports(part)
                    for loaded, taken in module.loaded_reads(part):
                        self._in_module(loaded, () if taken is None else (("attr", taken),))
            if attribute is not None and f"{name}.{attribute}" not in sys.modules:
                self.imported(f"{name}.{attribute}", None, maybe=True)
            return
        if maybe:
            return
        if top in sys.stdlib_module_names:
            self.libraries.add(top)
            self._library_object(name, sys.modules.get(name))
            return
        if top in sys.modules or module.find(top) is not None:
            self.libraries.add(top)
        else:
            self.add(Kind.MODULE, f"{name} (file)")

    def through_module(self, name: str, read: Read | None) -> None:
        """Follow a read through a module that the cell imports itself."""
        loaded = sys.modules.get(name)
        if not isinstance(loaded, types.ModuleType):
            return  # compared by its file
        if read is None:
            self._in_module(loaded, ())
        else:
            self._in_module(loaded, (("attr", read.name), *read.path))
