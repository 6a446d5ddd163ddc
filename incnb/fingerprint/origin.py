"""Whose code is it? The notebook's, the project's, or a library's.

Project code is followed function by function; library code is its distribution's name and version. A module is library
code when its file lies in the standard library or below a `site-packages` / `dist-packages` folder, or when it has no
file at all and is built in. Everything else, an editable install included, is project code. incnb itself counts as a
library wherever it lies, so that working on it does not change the user's fingerprints.
"""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
from functools import cache
from pathlib import PurePath
from types import FunctionType, GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any, Literal

Origin = Literal["notebook", "project", "library", "stdlib"]


@cache
def _stdlib_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    named = {paths["stdlib"], paths["platstdlib"], str(PurePath(os.__file__).parent)}
    return tuple(named | {os.path.realpath(folder) for folder in named})


@cache
def file_origin(path: str) -> Origin:
    """Whose code the file at `path` is."""
    parts = PurePath(path).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return "library"
    if path.startswith("<frozen "):
        return "stdlib"
    for folder in _stdlib_folders():
        if path.startswith(folder + "/") or path.startswith(folder + "\\"):
            return "stdlib"
    return "project"


def module_origin(name: str) -> Origin:
    """Whose code the module called `name` is, loaded or not; a module nobody knows counts as project code."""
    if name == "__main__":
        return "notebook"
    top = name.partition(".")[0]
    if top == "incnb":
        return "library"
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file is None or file_origin(file) != "project":
            return "stdlib"
        return "project"
    module = sys.modules.get(name)
    if not isinstance(module, ModuleType):
        return "project"
    return object_module_origin(module)


def object_module_origin(module: ModuleType) -> Origin:
    """Whose code a module object is."""
    name = getattr(module, "__name__", "")
    if name == "__main__":
        return "notebook"
    if name.partition(".")[0] == "incnb":
        return "library"
    file = module.__dict__.get("__file__")
    if isinstance(file, str):
        return file_origin(file)
    search = module.__dict__.get("__path__")  # a namespace package has folders and no file
    if search is not None:
        folders = [str(p) for p in search]
        return file_origin(folders[0] + "/__init__.py") if folders else "project"
    loader = getattr(module.__dict__.get("__spec__"), "loader", None)
    if name in sys.builtin_module_names or (loader is not None and not _is_custom(loader)):
        return "stdlib" if name.partition(".")[0] in sys.stdlib_module_names else "library"
    top = sys.modules.get(name.partition(".")[0])
    if top is not None and top is not module and isinstance(top.__dict__.get("__file__"), str):
        return file_origin(top.__dict__["__file__"])
    return "project"


def _is_custom(loader: Any) -> bool:
    """Whether a loader is none of Python's own."""
    cls = loader if isinstance(loader, type) else type(loader)
    return top_level(module_of(cls)) not in (
        "_frozen_importlib",
        "_frozen_importlib_external",
        "importlib",
        "zipimport",
    )


def is_library_module(value: Any) -> bool:
    """Whether something is a module of a library."""
    return issubclass(type(value), ModuleType) and not is_ours(object_module_origin(value))


def function_origin(function: FunctionType) -> Origin:
    """Whose code a function is: by its code's file and its globals, since wrappers borrow other modules' names."""
    filename = function.__code__.co_filename
    module = function.__globals__.get("__name__")
    if module is None:  # made by a library for a class, in globals of its own: attrs says whose it is
        module = function.__module__ or "__main__"
    if module == "__main__":
        # a library's exec'd helper (namedtuple, dataclass) keeps the globals of whom it serves
        return "notebook"
    if not isinstance(module, str) or module.partition(".")[0] == "incnb":
        return "library"
    if filename.startswith("<") and not filename.startswith("<frozen"):
        return module_origin(module)
    return file_origin(filename)


def class_origin(cls: type) -> Origin:
    """Whose code a class is, by the module that it names."""
    module = module_of(cls)
    if not isinstance(module, str):
        return "project"
    if module == "builtins":
        return "stdlib"
    if not cls.__flags__ & _HEAP_TYPE or module.startswith("_cython_"):  # made in C
        return "stdlib" if top_level(module) in sys.stdlib_module_names else "library"
    return module_origin(module)


_HEAP_TYPE = 1 << 9


def owned_by_name(value: Any, module: Any) -> bool:
    """Whether the qualified name of a function or class, looked up in its module, leads back to it."""
    return leads_to(value, module, _QUALNAME(value) if isinstance(value, type) else value.__qualname__)


def leads_to(value: Any, module: Any, qualname: str) -> bool:
    """Whether a qualified name, looked up in a module, leads to a function or class."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, "__dict__", {}).get(part)
        if isinstance(found, staticmethod | classmethod):
            found = found.__func__
    return found is value


# What a class says of itself: a metaclass or a property can lie about it, `type` itself cannot.

_MRO = type.__dict__["__mro__"].__get__
_DICT = type.__dict__["__dict__"].__get__
_MODULE = type.__dict__["__module__"].__get__
_QUALNAME = type.__dict__["__qualname__"].__get__


def mro(cls: type) -> tuple[type, ...]:
    """The bases of a class in order, itself first."""
    found: tuple[type, ...] = _MRO(cls)
    return found


def class_dict(cls: type) -> MappingProxyType[str, Any]:
    """The attributes of a class itself."""
    found: MappingProxyType[str, Any] = _DICT(cls)
    return found


def module_of(cls: type) -> Any:
    """The module that a class names; types of Cython keep that of their instances in its place."""
    try:
        found = _MODULE(cls)
        return cls.__module__ if type(found) in (MemberDescriptorType, GetSetDescriptorType) else found
    except AttributeError:
        return None


def qualname_of(cls: type) -> str:
    """The qualified name of a class."""
    return str(_QUALNAME(cls))


def fields(value: Any) -> dict[Any, Any]:
    """The instance dict of an object, past whatever its class says that `__dict__` is."""
    for base in _MRO(type(value)):
        door = _DICT(base).get("__dict__")
        if type(door) in (GetSetDescriptorType, MemberDescriptorType):
            found = door.__get__(value, type(value))
            if type(found) is dict:
                return found
            return dict(dict.items(found)) if isinstance(found, dict) else {}
    if type(value).__dictoffset__:
        raise TypeError("its class hides its fields")
    return {}


def is_ours(origin: Origin) -> bool:
    """Whether code of this origin is followed (the notebook's and the project's)."""
    return origin in ("notebook", "project")


def is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def top_level(module: Any) -> str:
    return str(module).partition(".")[0]


def absolute_name(name: str, level: int, namespace: dict[str, Any]) -> str:
    """The full name of a module that an import statement with `level` dots names."""
    if not level:
        return name
    package = str(namespace.get("__package__") or "")
    for _ in range(level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{name}" if name else package
