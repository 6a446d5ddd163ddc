"""What is known of libraries: which of their functions answer differently each time, and which state they hide.

This is the list of what cannot be seen otherwise: clocks, identities of the process and of objects, entropy, native
readers and writers that no audit event tells of. Whatever is on it makes a cell execute, unrecorded.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import types
import typing
from typing import Any

from incnb.analysis.findings import Finding
from incnb.fingerprint import origin
from incnb.fingerprint.code import references

_CLOCKS = [time.time, time.time_ns, time.localtime, time.gmtime, time.ctime, time.asctime]
_PROCESS = [os.getpid, os.getppid, os.urandom, os.getlogin, os.times, os.getcwd, os.getcwdb, id, hash]
_LOOKS = [os.stat, os.lstat, os.access, os.readlink, os.path.exists, os.path.lexists, os.path.isfile, os.path.isdir]
_LOOKS += [os.path.islink, os.path.getsize, os.path.getmtime, os.path.getatime, os.path.getctime, os.path.samefile]
_LOOKS += [os.path.realpath, os.path.abspath, os.path.expanduser, shutil.which, shutil.disk_usage]
_UNTRACKED_CALLS = {id(f): f for f in [*_CLOCKS, *_PROCESS, *_LOOKS]}

#: Top-level modules whose functions read what nothing here follows.
_UNTRACKED_MODULES = {
    name: why
    for why, names in {
        "fresh randomness": "secrets uuid",
        "the state of the machine": "psutil",
        "the machine": "platform",
        "the user or a password": "getpass",
        "the state of the process": "resource tracemalloc",
        "the garbage collector": "gc",
        "native code": "ctypes cffi",
        "frames and sources": "inspect",
        "imports by name": "importlib pkgutil",
        "code by name": "runpy",
        "frames": "traceback",
        "the network": "socket",
        "a mapped file": "mmap",
        "a file read by native code": "shelve dbm h5py tables netCDF4 pyarrow polars xarray zarr cv2 rasterio fiona "
        "pyogrio geopandas osgeo deltalake lance",
        "files": "linecache",
        "native file access": "fcntl",
        "names and files read by native code": "duckdb",
        "another process": "pyspark",
        "other processes": "dask distributed ray",
        "state that is not followed": "tensorflow jax",
        "names in formulas": "patsy formulaic statsmodels",
        "names in strings": "numexpr",
        "work in other processes": "multiprocessing",
        "threads": "threading",
        "object lifetimes": "weakref",
        "widgets": "ipywidgets",
        "what happens at exit": "atexit",
        "signals": "signal faulthandler",
    }.items()
    for name in names.split()
}

#: Modules that can tell that somebody else holds an object, or how many there are.
_NOTICING = frozenset({"gc", "weakref", "tracemalloc", "resource", "psutil", "ctypes", "cffi", "inspect", "traceback"})

_SYS_ALLOWED = frozenset(
    [
        "audit",
        "version",
        "version_info",
        "maxsize",
        "getsizeof",
        "stdout",
        "stderr",
        "float_info",
        "int_info",
        "platform",
        "byteorder",
        "executable",
        "prefix",
        "exc_info",
        "intern",
        "maxunicode",
        "hash_info",
        "implementation",
        "path",
        "getdefaultencoding",
        "getfilesystemencoding",
        "float_repr_style",
        "hexversion",
        "argv",
        "getrecursionlimit",
    ]
)
_CONFIGURES = re.compile(
    r"^(set(?!default|diff|xor)|reset_|use$|config|init$|initialize|enable|disable|register|unregister|seed$|filterwarnings$|simplefilter$|"
    r"ion$|ioff$|switch_backend$|install|load_|setup|basicConfig$|addHandler$|setLevel$|getcontext$|setcontext$|chdir$|"
    r"putenv$|umask$|setlocale$|tzset$|manual_seed|pandas$|patch|mock|add_|append$|insert$)"
)
#: Modules whose functions may be called for nothing but what they return, print, draw or change in their arguments.
_INNOCENT = frozenset(
    [
        "builtins",
        "sys",
        "numpy",
        "heapq",
        "bisect",
        "random",
        "time",
        "gc",
        "math",
        "json",
        "operator",
        "copy",
        "collections",
        "IPython",
        "pprint",
        "itertools",
        "functools",
        "statistics",
        "csv",
        "pickle",
        "textwrap",
        "re",
        "asyncio",
        "shutil",
    ]
)


def object_findings(path: str, value: Any) -> list[Finding]:
    """What reaching one object of a library tells; `path` is how it is named."""
    name = path.strip(".")
    if _UNTRACKED_CALLS.get(id(value)) is value:
        what = "looks at files" if value in _LOOKS else "answers differently each time"
        return [Finding("untracked", f"{name}() {what}")]
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    top = origin.top_level(module) if isinstance(module, str) else ""
    for candidate in (top, origin.top_level(name)):
        if candidate in _UNTRACKED_MODULES:
            why = f"{name} reads {_UNTRACKED_MODULES[candidate]}"
            return [Finding("untracked", why, notices=candidate in _NOTICING)]
    if value is typing.get_type_hints:
        return [Finding("unsafe", "get_type_hints")]  # annotations in strings name whatever they like
    parts = name.split(".")
    if parts[0] == "sys" and len(parts) > 1 and parts[1] not in _SYS_ALLOWED:
        return [Finding("unsafe", f"sys.{parts[1]}", notices=True)]
    return []


def attribute_findings(module: str, name: str) -> list[Finding]:
    """What reading an attribute that a library module does not have (yet) tells."""
    return object_findings(f"{module}.{name}", None)


def library_findings(top: str) -> list[Finding]:
    """What reaching a library at all tells."""
    why = _UNTRACKED_MODULES.get(top)
    return [Finding("untracked", f"{top} reads {why}", notices=top in _NOTICING)] if why else []


def is_data(value: Any) -> bool:
    """Whether an attribute of a library module is data that somebody could change."""
    if isinstance(value, type | types.ModuleType) or callable(value):
        return False
    return type(value).__qualname__ not in ("_Environ", "TextIOWrapper", "OutStream", "_Feature")


def configures_by_name(path: str) -> bool:
    """Whether a function is named as one that sets something up."""
    return bool(_CONFIGURES.match(path.rpartition(".")[2]))


def may_configure(path: str, value: Any, top: str) -> bool:
    """Whether a library call whose value is dropped may have changed state of the library that nothing here sees."""
    last = path.rpartition(".")[2]
    if _CONFIGURES.match(last):
        return True
    if top in _INNOCENT or last in ("warn", "debug", "info", "warning", "error", "exception", "critical", "log"):
        return False
    if top in ("matplotlib", "pylab", "mpl_toolkits"):
        return "pyplot" not in str(getattr(value, "__module__", "")) and "pyplot" not in path
    return not (top in ("seaborn",) and last.endswith(("plot", "map", "grid")))


def configuring(function: types.FunctionType) -> list[Finding]:
    """Calls in a function of ours that configure a library, told by their names: `pd.set_option`, `plt.style.use`."""
    out = []
    for read in references(function.__code__).reads:
        if not read.path or read.path[-1][0] != "attr":
            continue
        root = function.__globals__.get(read.name)
        if isinstance(root, types.ModuleType) and origin.object_module_origin(root) in ("library", "stdlib"):
            last = str(read.path[-1][1])
            if last == "Random" and root.__name__ == "random":
                out.append(Finding("untracked", f"fresh randomness ({function.__qualname__}() makes a Random)"))
            if _CONFIGURES.match(last) and last not in ("add_", "append", "insert"):
                out.append(Finding("untracked", f"{function.__qualname__}() may configure {root.__name__} ({last})"))
    return out
