"""What a cell would rely on, found before it runs: the static closure.

The reads of the cell are followed: a function of ours is a dependency and brings in what it reads; so does every class
of ours; a value is a dependency with the code of the classes and functions inside it; a library is its distribution.
Dependencies are kept in the order found, callees before the values that only hold them, so that the first one that
differs is the thing that changed. What the words of a reached function tell (`exec`, frames, clocks) is collected too.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from incnb.analysis.findings import SAMPLING, Finding, function_findings
from incnb.analysis.records import CellAnalysis
from incnb.config import Config
from incnb.dependencies import ambient, bindings, config, libraries, module, seeders, sharing
from incnb.dependencies.bindings import Resolved
from incnb.dependencies.collected import MOMENTS, Collected
from incnb.dependencies.named import follow_strings
from incnb.dependencies.ways import Gate, code_key
from incnb.fingerprint import ABSENT, origin
from incnb.fingerprint.classes import class_functions
from incnb.fingerprint.code import Read, references
from incnb.fingerprint.encoder import follow
from incnb.model import Dependency, Kind

SEEDLESS = "sample without a seed"
_IMMUTABLE_TYPE = 1 << 8  # made in C: nobody sets an attribute of it


class Closure(Collected):
    """Follows reads from a cell and collects dependencies, findings and the objects met."""

    # -- doors

    def cell(self, analysis: CellAnalysis) -> None:
        """Follow everything that a cell reads."""
        self.add(Kind.PYTHON, "python")
        self._rebound |= analysis.stores
        self.settled = frozenset(analysis.settled)
        self.words |= analysis.attributes
        if analysis.seedless:
            self.words.add(SEEDLESS)
        self._files |= analysis.scripts.keys()
        self._said(analysis.strings)
        for finding in analysis.findings:
            self._find(finding)
        for imported in analysis.imports:
            self.imported(imported.module, imported.attribute)
        for name, read in analysis.module_reads:
            self.through_module(name, read, called=read is not None and (name, read.place) in analysis.module_calls)
        for read in analysis.reads:
            if read.name not in self.ignore:
                self.read(None, read, called=read.place in analysis.called)
        for name in sorted(analysis.deleted):
            self.add(Kind.VALUE, bindings.PRESENCE + name)
        for read in sorted(analysis.escaping, key=str):
            self._docstring(read)

    def finish(self) -> None:
        """Add what depends on everything reached: names in strings, packages, and the state of their libraries."""
        follow_strings(self)
        for top in sorted(self._libraries):
            with self._ways.into(("library", top)):
                if top not in sys.stdlib_module_names and top != "incnb":
                    self.add(Kind.PACKAGE, top)
                    for finding in libraries.library_findings(top):
                        self._find(finding)
        if self._libraries & {"pandas", "numpy"}:
            for moment in sorted(self._strings & MOMENTS):
                with self._ways.into(("string", moment)):
                    self._find(Finding("effect", f"it reads the clock ({moment!r})", 0, "clock"))
        if "matplotlib" in self._libraries and self.words & {"savefig", "PdfPages", "imsave"}:
            for text in sorted(filter(libraries.is_dated, self._strings)):
                if not self.constants & {"CreationDate", "SOURCE_DATE_EPOCH"}:
                    self._find(Finding("effect", f"the figure file holds the time it was made ({text!r})", 0, "clock"))
        if "polars" in self._libraries and SEEDLESS in self.words:
            self._find(Finding("effect", "polars may draw fresh randomness (pass seed)", 0, "random"))
        if self._libraries & {"sqlite3", "duckdb", "sqlalchemy"}:
            for text in sorted(self._strings - MOMENTS):  # those that may be queries
                with self._ways.into(("string", text)):
                    for finding in libraries.query_findings(text):
                        self._find(finding)
        if "duckdb" in self._libraries and self.words & libraries.RELATION_NAMES:
            self._find(Finding("effect", "it reads the name of a relation, which is random", 0, "random"))
        for top in sorted(self._libraries & {"sysconfig", "site"}):
            with self._ways.into(("library", top)):  # which installation this is
                self.add(Kind.VALUE, "sys:prefix")
        always = set(ambient.reached(set()))
        for name in ambient.reached(self._libraries):
            if name in always:
                self.add(Kind.AMBIENT, name)
            else:
                for top in sorted(self._libraries):
                    if name in ambient.reached({top}):
                        with self._ways.into(("library", top)):
                            self.add(Kind.AMBIENT, name)

    def again(self, dependency: Dependency) -> None:
        """Follow what another closure found, wherever it leads now."""
        kind, locator = dependency.kind, dependency.locator
        if kind is Kind.VERSION or locator.startswith(sharing.PREFIX):
            return
        if kind is Kind.MODULE and locator.endswith(" (file)"):
            self.imported(locator.removesuffix(" (file)"), None)
        marked = locator.startswith((bindings.DOCSTRING, bindings.PRESENCE, bindings.SIGNATURE))
        if kind in (Kind.VALUE, Kind.CODE) and not marked:
            module_name, read = bindings.parse(locator)
            self.read(module_name, read)
        self.met(self.add(kind, locator))

    def given(self, locator: str) -> None:
        """Follow something that was handed over to be called; the environment knows its locator."""
        resolved = self.environment.resolve(Kind.VALUE, locator)
        value = resolved.value
        if isinstance(value, types.FunctionType) and resolved.kind is Kind.CODE:
            self.keep(locator, resolved)
            self.met(resolved)
            self._function(value, locator, calls=self.watched is not None and self.watched(value.__code__))
            return
        self._via.append(locator)
        self.met(resolved)
        self._via.pop()
        self.keep(locator, resolved)
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if isinstance(name, str):
            self._library_object(f"{getattr(value, '__module__', '')}.{name}", value)

    # -- reads

    def read(self, module_name: str | None, read: Read, *, called: bool = False) -> None:
        """Follow one read of a global name of the notebook (`module_name` None) or of a loaded module.

        `called`: whoever reads it does nothing with it but call it.
        """
        read = read.place
        with self._ways.into(("read", module_name, read, called)) as first:
            if first:
                self._read(module_name, read, called)

    def _read(self, module_name: str | None, read: Read, called: bool) -> None:
        namespace = self._namespace(module_name, read.name)
        if namespace is None:
            return
        self.seeds = self.seeds or seeders.seeded_through(namespace, read) != set()
        value, taken, _ = follow(namespace, Read(read.name))
        if isinstance(value, types.ModuleType):
            self.add(Kind.VALUE, bindings.locator(module_name, Read(read.name)))
            self._in_module(value, read.path, called)
            return
        value, taken, _ = follow(namespace, read)
        if read.path[taken : taken + 1] == (("attr", "resize"),) and type(value).__name__ == "ndarray":
            self.resizes = True
        short = Read(read.name, read.path[:taken])
        if type(value) is Config:
            self._config(config.Place(module_name, short), value)
        else:
            self._object(module_name, short, namespace, called and not read.path)

    def _config(self, place: config.Place, value: Config) -> None:
        """A Config is there: which of its keys count is seen while the cell runs, the code in it may run."""
        known = (Kind.CONFIG, config.TYPE + place.locator) in self.found
        self.add(Kind.CONFIG, config.TYPE + place.locator)
        whole = bindings.describe(value, place.locator)
        if not known:
            self.configs.append((place, value))
            self.configs_before.append(f"{place.locator} {whole.fp}")
            if whole.fp is None:
                self.missing.append(((Kind.CONFIG, config.TYPE + place.locator), whole.detail))
        self._via.append(place.locator)
        self.met(whole)
        self._via.pop()

    def _namespace(self, module_name: str | None, name: str) -> dict[str, Any] | None:
        if module_name is None:
            if name not in self.environment.namespace:
                self.environment.binding(None, Read(name), "")  # brings a pending value in
            return self.environment.namespace
        loaded = sys.modules.get(module_name)
        return loaded.__dict__ if isinstance(loaded, types.ModuleType) else None

    def _in_module(self, value: types.ModuleType, path: tuple[tuple[str, Any], ...], called: bool = False) -> None:
        """Follow a path that begins at a module object."""
        name = value.__name__
        kind = origin.object_module_origin(value)
        if kind == "notebook":
            self._find(Finding("unsafe", "the notebook's own namespace as a module"))
        elif kind == "project":
            if path and path[0][0] == "attr" and sys.modules.get(name) is value:
                first = str(path[0][1])
                if first not in value.__dict__ and "__getattr__" in value.__dict__:
                    self._whole_module(value)
                else:
                    self.read(name, Read(first, path[1:]), called=called)
            else:
                self._whole_module(value)
        else:
            self._in_library(value, path)

    def _in_library(self, value: types.ModuleType, path: tuple[tuple[str, Any], ...]) -> None:
        name = value.__name__
        self._library(origin.top_level(name))
        if not path:
            self._library_object(name, value)
            return
        first = str(path[0][1])
        part = value.__dict__.get(first, ABSENT)
        if isinstance(part, types.ModuleType):
            self._in_module(part, path[1:])
        elif part is ABSENT:
            for finding in libraries.attribute_findings(name, first):
                self._find(finding)
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
        self.words.add(path.rpartition(".")[2])
        for finding in libraries.object_findings(path, value):
            self._find(finding)

    def _whole_module(self, value: types.ModuleType) -> None:
        resolved = self.environment.resolve(Kind.MODULE, value.__name__)
        self.met(resolved)
        self.keep(value.__name__, resolved)
        for name, part in list(value.__dict__.items()):
            if type(part) is Config:  # part of the whole; what is read of it is heard as well
                self._config(config.Place(value.__name__, Read(name)), part)

    def _object(self, module_name: str | None, read: Read, namespace: dict[str, Any], called: bool = False) -> None:
        locator = bindings.locator(module_name, read)
        resolved = self.environment.binding(module_name, read, locator)
        value = resolved.value
        if isinstance(value, types.FunctionType) and resolved.kind is Kind.CODE:
            gate = None
            if called and self.watched is not None and self.watched(value.__code__) and bindings.owns_globals(value):
                gate = Gate(code_key(value.__code__), read.name if module_name is None else None)
                self._signature(resolved, locator)
            with self._ways.into((locator, id(value), gate), locator, gate) as first:
                if first:
                    self.keep(locator, resolved)
                    self.met(resolved)
                    self._function(value, locator, calls=gate is not None)
            return
        with self._ways.into((locator, id(value)), locator) as first:
            if first:
                self._via.append(locator)
                if isinstance(value, type) and resolved.kind is Kind.CODE:
                    self._class(value)
                self.met(resolved)
                self._via.pop()
                self.keep(locator, resolved)
                if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
                    self._library_object(f"{value.__module__}.{value.__qualname__}", value)

    def _signature(self, resolved: Resolved, locator: str) -> None:
        """What a caller can see of a function that it does not get to run."""
        seen = bindings.signature(resolved)
        via = self._via[-1] if self._via else ""
        key = (resolved.kind, locator)
        text = bindings.SIGNATURE + locator
        self._signatures.setdefault(key, Dependency(seen.kind, text, seen.fp or "", seen.shown, None, None, via))
        self._ways.note(("signature", key))

    def _function(self, function: types.FunctionType, locator: str, *, calls: bool = False) -> None:
        """Follow the body of a function. `calls`: it is seen whether it runs, and so it is of what it only calls."""
        with self._ways.into(("body", id(function), calls), locator) as first:
            if not first:
                return
            self._words(function)
            if not bindings.owns_globals(function):
                return  # what it reads is in its own fingerprint
            self._via.append(locator)
            name = str(function.__globals__["__name__"])
            found = references(function.__code__)
            for read in found.reads:
                called = calls and read.place not in found.values
                self.read(None if name == "__main__" else name, read, called=called)
            self._via.pop()

    def _words(self, function: types.FunctionType) -> None:
        found = references(function.__code__)
        self._expected.append((self._ways.here, function.__code__))
        self.words |= found.attributes | {read.name for read in found.reads}
        self.words |= {name for _, names, _ in found.imports for name in names}
        if found.attributes & SAMPLING and "seed" not in found.strings:
            self.words.add(SEEDLESS)
        name = str(function.__globals__.get("__name__"))
        self._said(found.strings - {function.__doc__ or ""}, None if name == "__main__" else name)
        if found.attribute_stores:
            for read in found.reads:
                owner = function.__globals__.get(read.name)
                fixed = isinstance(owner, type) and owner.__flags__ & _IMMUTABLE_TYPE
                if not read.path and isinstance(owner, types.ModuleType | type) and not fixed:
                    what = f"{function.__qualname__}() may set attributes of {read.name}"
                    self._find(Finding("untracked", what))
        for finding in function_findings(found):
            self._find(finding)
        for finding in libraries.configuring(function):
            self._find(finding)
        if found.stores:
            if function.__globals__ is self.environment.namespace:
                self._stores |= found.stores
                for name in found.stores:
                    self._ways.note(("store", name))
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

    def met(self, resolved: Resolved) -> None:
        """Take over what was met inside a value: libraries, hidden state, functions and classes of ours."""
        met = resolved.met
        if met is None:
            return
        for name, read in met.configs or ():
            self.read(None if name == "__main__" else name, read)
        for top in sorted(met.libraries):
            self._library(top)
        for value in met.hidden:
            self.hidden[id(value)] = value
            self._ways.note(("hidden", id(value)))
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
            elif isinstance(value, types.FunctionType):
                with self._ways.into(("words", id(value))) as first:
                    if first:
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
                    for library in module.library_imports(part):
                        self._library(library)
                    for loaded, taken in module.loaded_reads(part):
                        self._in_module(loaded, () if taken is None else (("attr", taken),))
            if attribute is not None and f"{name}.{attribute}" not in sys.modules:
                self.imported(f"{name}.{attribute}", None, maybe=True)
            return
        if maybe:
            return
        if top in sys.stdlib_module_names:
            self._library(top)
            self._library_object(name, sys.modules.get(name))
            return
        if top in sys.modules or module.find(top) is not None:
            self._library(top)
        else:
            self.add(Kind.MODULE, f"{name} (file)")

    def through_module(self, name: str, read: Read | None, *, called: bool = False) -> None:
        """Follow a read through a module that the cell imports itself."""
        loaded = sys.modules.get(name)
        if not isinstance(loaded, types.ModuleType):
            return  # compared by its file
        if read is None:
            self._in_module(loaded, ())
        else:
            self.seeds = self.seeds or seeders.seeded_through(vars(loaded), read) != set()
            self._in_module(loaded, (("attr", read.name), *read.path), called)
