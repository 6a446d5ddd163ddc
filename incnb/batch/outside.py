"""The world as it is seen from outside of a kernel: files, folders, variables, each as a short text that is compared.

What a cell relied on is looked at in the ways of `dependencies`, to the same fingerprints: the command takes nothing
for given that it cannot see again itself, so where the two ways would differ there is no fast path. These looks are
written here once more, because the rooms of the engine take longer to import than an unchanged notebook may take; a
test holds them together.

A file is first looked at by its identity (device, inode, size, both times), and read only where that is another one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import xxhash

from incnb.fingerprint import files

LISTING = "listing of "
GLOB = "glob of "
PATH_GLOB = "search below "
LOOKS = {
    "existence": "existence of ",
    "is file": "being a file: ",
    "is folder": "being a folder: ",
    "size": "size of ",
    "times": "times of ",
    "status": "status of ",
    "link status": "link status of ",
    "real path": "real path of ",
}
PREFIXES = (LISTING, GLOB, PATH_GLOB, *LOOKS.values())
_SUFFIXES = (".py", ".pyc", ".so", ".pyd")
_DEEP = 500  # folders of packages in one folder of a project
#: Variables that decide how a kernel starts and what libraries make of their defaults, by their beginnings.
_DECIDING = (
    "PYTHON", "TZ", "LANG", "LC_", "MPL", "MATPLOTLIB", "INCNB", "IPYTHON", "JUPYTER", "HOME", "XDG_CONFIG", "XDG_DATA",
    "XDG_CACHE", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_", "DYLD_", "POLARS_", "PANDAS_", "NUMPY_", "NPY_", "SKLEARN_",
    "SOURCE_DATE_EPOCH", "ACCESSIBLE_OUTPUT", "NO_COLOR", "FORCE_COLOR",
)  # fmt: skip
#: They say where something is told to, and nothing of what runs.
_TELLING = frozenset({"INCNB_REPORT", "INCNB_DEBUG", "INCNB_STORE", "JUPYTER_RUNTIME_DIR"})


def digest(text: str | bytes) -> str:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return xxhash.xxh3_128(data).hexdigest()


# -- files, as `dependencies.file` sees them


def file_fp(locator: str, folder: str) -> str:
    """The fingerprint of what a locator of a file stands for, seen from a folder. Raises `OSError`."""
    if locator.startswith(LISTING):
        return _names(files.listing(_full(locator[len(LISTING) :], folder)))
    if locator.startswith(GLOB):
        pattern, marks = _marks(locator[len(GLOB) :])
        return _names(files.globbed(pattern, recursive="r" in marks, root=folder, hidden="h" in marks))
    if locator.startswith(PATH_GLOB):
        root, _, rest = locator[len(PATH_GLOB) :].rpartition(": ")
        verb, _, pattern = rest.partition(" ")
        found = files.path_globbed(_full(root, folder), pattern, recursive=verb == "rglob")
        if not os.path.isabs(root):
            found = tuple(path.removeprefix(folder.rstrip(os.sep) + os.sep) for path in found)
        return _names(found)
    for op, prefix in LOOKS.items():
        if locator.startswith(prefix):
            seen = files.look(op, _full(locator[len(prefix) :], folder))
            return _text(f"{op}\0{seen}")
    return content_fp(_full(locator, folder))


def content_fp(path: str) -> str:
    """The fingerprint of the content of a file, or of what is there instead. Raises `OSError`."""
    state = files.existence(path)
    return files.digest(path).hex() if state == "file" else _text(state)


def env_fp(value: str | None) -> str:
    """The fingerprint of the value of a variable."""
    if value is None:
        return digest(b"not set")
    return digest(b"=" + value.encode("utf-8", "surrogateescape"))


def _full(path: str, folder: str) -> str:
    return os.path.join(folder, path)


def _names(names: tuple[str, ...] | None) -> str:
    return _text("no folder") if names is None else _text("\0".join(names) + f"\0{len(names)}")


def _marks(text: str) -> tuple[str, str]:
    head, space, tail = text.rpartition(" (")
    return (head, tail[:-1]) if space and tail in ("r)", "h)", "rh)") else (text, "")


def _text(text: str) -> str:
    return digest(text.encode("utf-8", "surrogateescape"))


# -- files that are held to their content


def stamp(path: str) -> str:
    """The identity of a file as text; empty for one that was written so lately that it would not tell of one more."""
    identity = files.identity(path)
    return "" if identity is None or files.is_young(identity) else ":".join(map(str, identity))


def held(path: str, fp: str = "", was: str = "") -> list[str]:
    """A path with its content and its identity, to be looked at again by `is_held`; what was known of it is taken over
    while its identity stands. Raises `OSError`."""
    before = stamp(path)
    if fp and was and before == was:
        return [path, fp, was]
    return [path, content_fp(path), before if before == stamp(path) else ""]


def is_held(path: str, fp: str, was: str) -> bool:
    """Whether at a path there is what was there."""
    if was and stamp(path) == was:
        return True
    try:
        return content_fp(path) == fp
    except OSError:
        return False


def changed_after(path: str, moment: float) -> bool:
    """Whether a file, if there is one, was written or moved after a moment, as far as the file system tells."""
    identity = files.identity(path)
    return identity is not None and max(identity[3], identity[4]) / 1e9 >= moment


# -- folders that modules are found in


def modules_in(folder: str) -> list[str]:
    """What can be imported from a folder of a project, packages with what is in them; empty for what is no folder.

    Raises `OverflowError` where there are too many packages to look at.
    """
    found: list[str] = []
    todo, looked = [("", folder)], 0
    while todo:
        prefix, place = todo.pop()
        looked += 1
        if looked > _DEEP:
            raise OverflowError(folder)
        for name, is_folder in _entries(place):
            if is_folder:
                if name.isidentifier() and name != "__pycache__":
                    inside = os.path.join(place, name)
                    package = os.path.isfile(os.path.join(inside, "__init__.py"))
                    found.append(f"{prefix}{name}/" + ("" if package else "?"))
                    if package:
                        todo.append((f"{prefix}{name}/", inside))
            elif name.endswith(_SUFFIXES):
                found.append(prefix + name)
    return sorted(found)


def names_in(folder: str) -> list[str]:
    """All names in a folder, but for what Python keeps of its own."""
    return sorted(name for name, _ in _entries(folder) if name != "__pycache__")


def _entries(folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries]
    except OSError:
        return []


def is_library(folder: str) -> bool:
    """Whether a folder of `sys.path` holds installed libraries, or those of Python itself."""
    return is_installed(folder) or any(folder == own or folder.startswith(own + os.sep) for own in _own_folders())


def is_installed(folder: str) -> bool:
    """Whether a folder of `sys.path` holds libraries that somebody installed."""
    parts = folder.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts


def _own_folders() -> set[str]:
    own = os.path.dirname(os.__file__)
    return {own, os.path.realpath(own)}


def path_settings(folder: str) -> list[str]:
    """The files of a folder of `sys.path` that change that path or run at the start of Python, there or not."""
    found = [os.path.join(folder, name) for name in names_in(folder) if name.endswith((".pth", ".egg-link"))]
    return [*found, *(os.path.join(folder, name) for name in ("sitecustomize.py", "usercustomize.py"))]


# -- variables


def deciding(environ: dict[str, str], tops: Iterable[str] = ()) -> dict[str, str]:
    """The variables that decide, with their fingerprints; `tops`: the libraries that are reached, by their modules."""
    starts = (*_DECIDING, *(f"{top.upper()}_" for top in tops))
    return {
        name: env_fp(value)
        for name, value in sorted(environ.items())
        if name.startswith(starts) and name not in _TELLING
    }


# -- settings of libraries


def settings(cwd: str, environ: dict[str, str]) -> list[str]:
    """Files that may set up matplotlib and incnb, and the time zone of the machine, whether they are there or not."""
    home = os.path.expanduser("~")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found = [os.path.join(cwd, "matplotlibrc"), "/etc/localtime", os.path.join(config, "incnb", "config.toml")]
    told = environ.get("MATPLOTLIBRC")
    found += [told, os.path.join(told, "matplotlibrc")] if told else []
    for folder in (environ.get("MPLCONFIGDIR"), os.path.join(config, "matplotlib"), os.path.join(home, ".matplotlib")):
        if folder:
            found.append(os.path.join(folder, "matplotlibrc"))
            styles = os.path.join(folder, "stylelib")
            found += [os.path.join(styles, name) for name in names_in(styles)]
    return [os.path.join(cwd, path) for path in dict.fromkeys(found)]


def interpreter() -> list[str]:
    """This interpreter."""
    return [sys.executable, sys.prefix, sys.base_prefix, sys.version]
