"""Kind `module`: project modules that are not loaded when the decision is taken, and modules used whole.

A cell that begins with `import utils` must be decided before anything is imported. Such a module is compared by the
code compiled from its file, without running it, and so is every project module that it imports in turn. A module that
is loaded is what is in memory, compared through the names that are read in it, or as a whole.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
import types
import zipimport
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import xxhash

from incnb.dependencies import bindings
from incnb.dependencies.bindings import Resolved
from incnb.fingerprint import archives, origin
from incnb.fingerprint.code import code_token
from incnb.model import Dependency, Kind


def resolve(locator: str) -> Resolved:
    """A locator `lib` is the loaded module as a whole, `lib (file)` the code in its file while it is not loaded."""
    name, space, _ = locator.partition(" ")
    module = sys.modules.get(name)
    if not space:
        if isinstance(module, types.ModuleType):
            return bindings.whole_module(module)
        return Resolved(Kind.MODULE, None, "not imported yet")
    if isinstance(module, types.ModuleType):
        return Resolved(Kind.MODULE, None, "is loaded now")
    path = find(name)
    if path is None:
        return Resolved(Kind.MODULE, nowhere(), "", "not found")
    found = from_file(path)
    why = "cannot be compiled" if path.endswith(".py") else "has no source that can be compared"
    return Resolved(Kind.MODULE, None if found is None else found[0], why, path)


def nowhere() -> str:
    """What is compared of a module that is not found."""
    return xxhash.xxh3_128(b"no such module").hexdigest()


def has_moved(was: Dependency) -> bool:
    """Whether a module that was compared by its file has another one now, loaded or not."""
    name, space, _ = was.locator.partition(" ")
    if was.kind is not Kind.MODULE or not space:
        return False
    try:
        path = find(name)
        found = from_file(path) if path is not None else None
    except Exception:  # it is for people only
        return False
    return found is not None and found[0] != was.fp


#: What stands behind the place of a module whose loader nobody here knows.
UNKNOWN = " (unknown loader)"
_LOADERS = {
    type(None), importlib.machinery.SourceFileLoader, importlib.machinery.SourcelessFileLoader,
    importlib.machinery.ExtensionFileLoader, importlib.machinery.NamespaceLoader, zipimport.zipimporter,
}  # fmt: skip
_BUILTIN = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)


def _found(name: str, search: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    """What an import would find, by whoever finds it; what is built into Python is not looked for."""
    for finder in [f for f in sys.meta_path if f not in _BUILTIN]:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec(name, search, None) if find_spec is not None else None
        if spec is not None:
            found: importlib.machinery.ModuleSpec = spec
            return found
    return None


def find(name: str) -> str | None:
    """The file of a module that is not loaded, found without importing its parents; None if there is none."""
    search: list[str] | None = None
    spec = None
    for end in range(1, name.count(".") + 2):
        part = ".".join(name.split(".")[:end])
        try:
            spec = _found(part, search)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    if spec is None:
        return None
    if type(spec.loader) not in _LOADERS:
        return f"{spec.origin or ''}{UNKNOWN}"
    if spec.origin is None and search:
        return search[0] + "/__init__.py"
    return spec.origin


def is_project(name: str) -> bool:
    """Whether a module, loaded or not, is project code that lies in a file."""
    top = name.partition(".")[0]
    if top in ("__main__", "incnb") or top in sys.builtin_module_names:
        return False
    if name in sys.modules:
        return origin.is_ours(origin.module_origin(name))
    if top in sys.stdlib_module_names and top not in sys.modules:
        path = find(top)
        return path is not None and path not in ("built-in", "frozen") and origin.file_origin(path) == "project"
    path = find(name)
    if path is not None and path.endswith(UNKNOWN) and "." in name:
        return is_project(top)  # a library may make modules of its own
    return path is not None and path not in ("built-in", "frozen") and origin.file_origin(path) == "project"


@lru_cache(256)
def _compiled(path: str, stamp: tuple[int, int, int]) -> tuple[str, tuple[str, ...]] | None:
    try:
        data = archives.read(path)
        tree = ast.parse(data)
        code = compile(tree, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None
    return xxhash.xxh3_128(code_token(code)).hexdigest(), tuple(imported_by(tree))


def forget() -> None:
    """Compile files again that were compiled before."""
    _compiled.cache_clear()


def from_file(path: str) -> tuple[str, tuple[str, ...]] | None:
    """The fingerprint of the code in a file, and the modules that it imports (`.x` = relative).

    The file may lie in an archive. None for what has no source that can be compiled, and for what nobody can read.
    """
    if not path.endswith(".py"):
        if not path.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
            return None
        try:
            return xxhash.xxh3_128(Path(path).read_bytes()).hexdigest(), ()
        except OSError:
            return nowhere(), ()
    stamp = archives.stamp(path)
    if stamp is None or (path.endswith("__init__.py") and not _exists(path)):
        return xxhash.xxh3_128(b"namespace package").hexdigest(), ()
    return _compiled(path, stamp)


def _exists(path: str) -> bool:
    if Path(path).exists():
        return True
    try:
        return archives.archive_of(path) is not None and archives.read(path) is not None
    except OSError:
        return False


def imported_by(tree: ast.AST) -> Iterator[str]:
    """The modules that a module's source names in import statements, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            for alias in node.names:
                yield base + ("" if base.endswith(".") else ".") + alias.name


def unloaded_closure(name: str) -> Iterator[str]:
    """A module that is not loaded and all project modules reachable from its source that are not loaded either."""
    todo, seen = [name], set()
    while todo:
        current = todo.pop(0)
        if current in seen or current in sys.modules or not is_project(current):
            continue
        seen.add(current)
        parent = current.rpartition(".")[0]
        if parent:
            todo.append(parent)
        yield current
        path = find(current)
        found = from_file(path) if path else None
        for other in found[1] if found else ():
            todo.append(_absolute(other, current, path or ""))


def library_imports(name: str) -> set[str]:
    """Top-level library modules that an unloaded project module imports."""
    path = find(name)
    found = from_file(path) if path else None
    tops = {_absolute(m, name, path or "").partition(".")[0] for m in (found[1] if found else ())}
    return {t for t in tops if t and t not in sys.stdlib_module_names and not is_project(t)}


def loaded_reads(name: str) -> Iterator[tuple[types.ModuleType, str | None]]:
    """What a module that is not loaded takes from project modules that are: the module, and the name (None: any)."""
    path = find(name) or ""
    stamp = archives.stamp(path) if path.endswith(".py") else None
    if stamp is None:
        return
    for base, attribute in _taken(path, stamp):
        full = _absolute(base, name, path)
        others: list[tuple[str, str | None]] = [(full, attribute)]
        others += [(f"{full}.{attribute}", None)] if attribute is not None else [(full.partition(".")[0], None)]
        for other, taken in dict.fromkeys(others):
            loaded = sys.modules.get(other)
            if isinstance(loaded, types.ModuleType) and is_project(other):
                yield loaded, taken


@lru_cache(256)
def _taken(path: str, stamp: tuple[int, int, int]) -> tuple[tuple[str, str | None], ...]:
    try:
        tree = ast.parse(archives.read(path))
    except (OSError, SyntaxError, ValueError):
        return ()
    found: dict[tuple[str, str | None], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, None): None for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {(base, None if alias.name == "*" else alias.name): None for alias in node.names}
    return tuple(found)


def _absolute(name: str, importer: str, path: str) -> str:
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    package = importer if path.endswith("__init__.py") else importer.rpartition(".")[0]
    for _ in range(level - 1):
        package = package.rpartition(".")[0]
    rest = name.lstrip(".")
    return f"{package}.{rest}" if package and rest else package or rest
