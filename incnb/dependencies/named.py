"""Names that are read through strings: `df.query('a > @limit')`, formulas, `numexpr.evaluate`, SQL over variables.

When a cell reaches something that looks up variables by name, every identifier in the strings of the cell and of the
functions that it reaches, and in the texts that it reads, is followed as if it were read whole, in the globals that the
string's code has. What is followed brings in functions with strings of their own, and so on until nothing is new. This
may follow too little, for strings that are put together at run time; what a library really looks up is compared with
what was followed when it asks for our frame (`engine.named`).

duckdb looks up names in native code, and nobody is told: a cell that reaches it depends on every variable that it
could scan.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from incnb.analysis.findings import HIDDEN_NAMES, STRING_LIBRARIES, attribute_findings
from incnb.analysis.mentions import chains
from incnb.dependencies import bindings, libraries
from incnb.dependencies.collected import STRINGS
from incnb.fingerprint import origin
from incnb.fingerprint.code import Read
from incnb.model import Kind

if TYPE_CHECKING:
    from incnb.dependencies.closure import Closure

_LONGEST = 20_000
_SCANNED = frozenset({"pandas", "polars", "pyarrow", "duckdb", "_duckdb"})
_SCANNED_CLASSES = frozenset(
    "DataFrame Series LazyFrame RecordBatchReader Dataset Scanner DuckDBPyRelation Relation".split()  # noqa: SIM905
)
_TABLES = re.compile(r"\b(?:from|join)\s+\"?([^\W\d]\w*)", re.IGNORECASE)


def follow_strings(closure: Closure) -> None:
    """Read what the strings of everything reached name, to a fixpoint."""
    done: set[tuple[str | None, str]] = set()
    while True:
        for top in sorted(closure._libraries & STRING_LIBRARIES):
            with closure._ways.into(("library", top)):
                closure._find(libraries.library_findings(top)[0])
        if not any(finding.kind == "strings" for finding in closure._findings):
            return
        todo = [said for said in _texts(closure) if said not in done]
        before = len(closure.found)
        here, closure._ways.here = closure._ways.here, STRINGS
        try:
            for module_name, text in todo:
                done.add((module_name, text))
                _read(closure, module_name, text)
            if "duckdb" in closure._libraries:
                _scanned(closure)
        finally:
            closure._ways.here = here
        if not todo and len(closure.found) == before:
            return


def _texts(closure: Closure) -> Iterator[tuple[str | None, str]]:
    for module_name, said in list(closure._said_in.items()):
        for text in list(said):
            if len(text) <= _LONGEST:
                yield module_name, text
    values = [found.value for found in closure.found.values() if found.dependency.kind is Kind.VALUE]
    values += [part for _, value in closure.configs for part in value.to_dict().values()]
    for value in values:
        if type(value) is str and len(value) <= _LONGEST:
            yield None, value


def is_hidden(name: str, value: Any) -> bool:
    """Whether a name in the notebook is IPython's and not the user's."""
    return bool(HIDDEN_NAMES.match(name)) and (name != "open" or getattr(value, "__name__", "") == "_modified_open")


def _read(closure: Closure, module_name: str | None, text: str) -> None:
    if "duckdb" in closure._libraries:
        for name in _TABLES.findall(text):
            closure.read(module_name, Read(name))  # where nothing is called so, that is what is relied on
    for chain in chains(text):
        for name in chain:
            namespace = closure._namespace(module_name, name)
            if namespace is None or name not in namespace or name in closure.ignore:
                continue
            if is_hidden(name, namespace[name]) or (module_name is None and name in closure.settled):
                continue
            closure.read(module_name, Read(name))
            if name is chain[0] and len(chain) > 1:
                if isinstance(namespace[name], types.ModuleType):
                    closure.read(module_name, Read(name, tuple(("attr", part) for part in chain[1:])))
                for part in chain[1:]:
                    for finding in attribute_findings(part):
                        closure._find(finding)


def _scanned(closure: Closure) -> None:
    closure.environment.load_all()
    for module_name in list(closure._said_in):
        namespace: dict[str, Any] = closure.environment.namespace
        if module_name is not None:
            loaded = sys.modules.get(module_name)
            if not isinstance(loaded, types.ModuleType) or not origin.is_ours(origin.module_origin(module_name)):
                continue
            namespace = loaded.__dict__
        for name, value in list(namespace.items()):
            if is_scanned(value) and name not in closure.ignore and not is_hidden(name, value):
                closure.read(module_name, Read(name))


def is_scanned(value: Any) -> bool:
    """Whether duckdb can scan a value: frames, tables, arrays, relations, and dicts and lists of arrays."""
    cls = type(value)
    if isinstance(value, type | types.ModuleType | types.FunctionType):
        return False
    if issubclass(cls, dict | list):
        parts = list(dict.values(value)) if issubclass(cls, dict) else list.copy(value)
        return bool(parts) and all(_is_array(type(part)) for part in parts)
    tops = {base.__module__.partition(".")[0] for base in cls.__mro__}
    names = {base.__name__ for base in cls.__mro__}
    known = not tops.isdisjoint(_SCANNED) and not names.isdisjoint(_SCANNED_CLASSES)
    return known or _is_array(cls) or hasattr(cls, "__arrow_c_stream__") or hasattr(cls, "__arrow_c_array__")


def _is_array(cls: type) -> bool:
    return any(base.__name__ == "ndarray" for base in cls.__mro__)


def is_followed(closure: Closure, module_name: str | None, name: str) -> bool:
    """Whether a name was read whole before the run, and is left after it."""
    locator = bindings.locator(module_name, Read(name))
    return any(
        (kind, locator) in closure.found and closure.is_left((kind, locator)) for kind in (Kind.VALUE, Kind.CODE)
    )
