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

from incnb.analysis.findings import NATIVE_READERS, NATIVE_WRITERS, STRING_LIBRARIES, STRING_WORDS, Finding, FindingKind
from incnb.dependencies import seeders
from incnb.fingerprint import origin
from incnb.fingerprint.code import references
from incnb.model import shorten

_CLOCKS: list[Any] = [time.time, time.time_ns, time.localtime, time.gmtime, time.ctime, time.asctime, time.strftime]
_CLOCKS += [getattr(time, name) for name in ("clock_gettime", "clock_gettime_ns") if hasattr(time, name)]
_PROCESS = [os.getpid, os.getppid, os.getlogin, os.times, id, hash]
#: Looks that no watch sees, and those that one may see.
_BLIND = [os.stat, os.lstat, os.access, os.readlink, shutil.which, shutil.disk_usage]
_LOOKS: list[Any] = [os.path.exists, os.path.lexists, os.path.isfile, os.path.isdir, os.path.islink, os.path.getsize]
_LOOKS += [os.path.getmtime, os.path.getatime, os.path.getctime, os.path.samefile, os.path.realpath]
_CWD = [os.getcwd, os.getcwdb, os.path.abspath, os.path.realpath, os.path.relpath]
_SPECIAL: dict[int, tuple[Any, list[tuple[FindingKind, str, str]]]] = {}

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
        "a database of its own": "shelve dbm",
        "files": "linecache",
        "native file access": "fcntl",
        "another process": "pyspark",
        "other processes": "dask distributed ray",
        "state that is not followed": "tensorflow jax",
        "work in other processes": "multiprocessing",
        "object lifetimes": "weakref",
        "widgets": "ipywidgets",
        "what happens at exit": "atexit",
        "signals": "signal faulthandler",
    }.items()
    for name in names.split()
}

#: What a person may allow, by the word for it.
_PERMITS = {
    "secrets": "random",
    "uuid": "random",
    "getpass": "input",
    "socket": "network",
    "multiprocessing": "subprocess",
    "ipywidgets": "widgets",
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
_FILE_CALLS = frozenset(
    """
    makedirs mkdir remove unlink rename renames replace rmdir removedirs rmtree copy copy2 copyfile copytree move utime
    chmod link symlink truncate close write copyfileobj make_archive unpack_archive
    """.split()  # noqa: SIM905  one a line would be a page
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


def _special(functions: list[Any], kind: FindingKind, what: str, permit: str = "") -> None:
    for function in functions:
        _SPECIAL.setdefault(id(function), (function, []))[1].append((kind, what, permit))


_special(_CLOCKS, "effect", "reads the clock", "clock")
_special([os.urandom], "effect", "draws fresh randomness", "random")
_special(_PROCESS, "untracked", "answers differently each time")
_special(_BLIND, "untracked", "looks at files")
_special([os.umask], "untracked", "sets what files may be read by whom")
_special(_LOOKS, "looks", "")
_special(_CWD, "cwd", "")


#: By name, so that nothing is imported to recognise them.
_NAMED = {
    "email.utils.formatdate": Finding("effect", "email.utils.formatdate() reads the clock", 0, "clock"),
    "email.utils.localtime": Finding("effect", "email.utils.localtime() reads the clock", 0, "clock"),
    "gzip.compress": Finding("effect", "gzip.compress() writes the time into what it compresses", 0, "clock"),
    "http.cookiejar.time2isoz": Finding("effect", "http.cookiejar.time2isoz() reads the clock", 0, "clock"),
    "http.cookiejar.time2netscape": Finding("effect", "http.cookiejar.time2netscape() reads the clock", 0, "clock"),
    "os.getloadavg": Finding("effect", "os.getloadavg() reads the load of the machine", 0, "clock"),
    "ssl.RAND_bytes": Finding("effect", "ssl.RAND_bytes() draws fresh randomness", 0, "random"),
    "ssl.RAND_pseudo_bytes": Finding("effect", "ssl.RAND_pseudo_bytes() draws fresh randomness", 0, "random"),
    "tempfile.mktemp": Finding("effect", "tempfile.mktemp() draws fresh randomness", 0, "random"),
    "pyarrow.compute.random": Finding("effect", "pyarrow.compute.random() draws fresh randomness", 0, "random"),
    "polars.set_random_seed": Finding("effect", "polars.set_random_seed() is not followed", 0, "random"),
}


def object_findings(path: str, value: Any) -> list[Finding]:
    """What reaching one object of a library tells; `path` is how it is named."""
    name = path.strip(".")
    last = name.rpartition(".")[2]
    if last in NATIVE_READERS or last in NATIVE_WRITERS:
        return [Finding("native", f".{last}")]
    if last in STRING_WORDS and value is not eval:
        return [Finding("strings", f".{last}")]
    special = _SPECIAL.get(id(value))
    if special is not None and special[0] is value:
        return [
            Finding(kind, f"{name}() {what}" if what else f"{name}()", 0, permit) for kind, what, permit in special[1]
        ]
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    top = origin.top_level(module) if isinstance(module, str) else ""
    for candidate in (top, origin.top_level(name)):
        if candidate in _UNTRACKED_MODULES:
            return [_untracked(name, candidate)]
    if top == "torch" and name.endswith(".seed") and module == "torch.random":
        return [Finding("effect", f"{name}() seeds with fresh randomness", 0, "random")]
    if value is typing.get_type_hints:
        return [Finding("unsafe", "get_type_hints")]  # annotations in strings name whatever they like
    for known in (name, f"{module}.{getattr(value, '__name__', '')}"):
        if known in _NAMED:
            return [_NAMED[known]]
    parts = name.split(".")
    if parts[0] == "sys" and len(parts) > 1 and parts[1] not in _SYS_ALLOWED:
        return [Finding("unsafe", f"sys.{parts[1]}", notices=True)]
    return []


def attribute_findings(module: str, name: str) -> list[Finding]:
    """What reading an attribute that a library module does not have (yet) tells."""
    if module == "incnb":
        return []  # public names that are imported on first use
    return object_findings(f"{module}.{name}", None)


def library_findings(top: str) -> list[Finding]:
    """What reaching a library at all tells."""
    strings = [Finding("strings", top)] if top in STRING_LIBRARIES else []
    if top in _NATIVE:
        return [*strings, Finding("native", top)]
    if strings:
        return strings
    return [_untracked(top, top)] if top in _UNTRACKED_MODULES else []


#: Libraries whose own code opens files where Python does not see it.
_NATIVE = frozenset(
    """
    h5py tables netCDF4 pyarrow fastparquet polars xarray zarr cv2 rasterio fiona pyogrio geopandas osgeo deltalake
    lance datasets soundfile vaex pyreadr pyreadstat safetensors duckdb
    """.split()  # noqa: SIM905  one a line would be a page
)


#: What tells the random names that duckdb gives to relations.
RELATION_NAMES = frozenset({"alias", "sql_query", "explain"})


def _untracked(name: str, module: str) -> Finding:
    permit = _PERMITS.get(module, "")
    kind: FindingKind = "effect" if permit else "untracked"
    return Finding(kind, f"{name} reads {_UNTRACKED_MODULES[module]}", 0, permit, module in _NOTICING)


_SQL_CLOCK = re.compile(r"'now'|\bcurrent_(time|date|timestamp)\b|\bnow\s*\(|\bgetdate\s*\(", re.IGNORECASE)
_SQL_RANDOM = re.compile(
    r"\b(random|rand|randomblob|uuid|gen_random_uuid)\s*\(|\b(table|using\s+)sample\b", re.IGNORECASE
)


def query_findings(text: str) -> list[Finding]:
    """What a string that may be a query to a database tells: it may ask for the clock, or for randomness."""
    out = []
    if _SQL_CLOCK.search(text):
        out.append(Finding("effect", f"a query reads the clock ({shorten(text, 40)})", 0, "clock"))
    if _SQL_RANDOM.search(text):
        out.append(Finding("effect", f"a query draws fresh randomness ({shorten(text, 40)})", 0, "random"))
    return out


def is_dated(text: str) -> bool:
    """Whether a string names a file, or a format, into which matplotlib writes the time."""
    return text.lower().rpartition(".")[2] in ("pdf", "ps", "eps") and len(text) < 1000


def is_data(value: Any) -> bool:
    """Whether an attribute of a library module is data that somebody could change."""
    if isinstance(value, type | types.ModuleType) or callable(value):
        return False
    return type(value).__qualname__ not in (
        "_Environ",
        "TextIOWrapper",
        "OutStream",
        "_Feature",
        "RcParams",
        "DictWrapper",
    )


def configures_by_name(path: str) -> bool:
    """Whether a function is named as one that sets something up."""
    return bool(_CONFIGURES.match(path.rpartition(".")[2]))


def may_configure(path: str, value: Any, top: str) -> bool:
    """Whether a library call whose value is dropped may have changed state of the library that nothing here sees."""
    last = path.rpartition(".")[2]
    if top in ("os", "posix", "shutil", "pathlib") and last in _FILE_CALLS:
        return False  # files are watched
    if last in NATIVE_READERS or last in NATIVE_WRITERS:
        return False
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
            if seeders.is_followed(seeders.reach(function.__globals__, read)[0]):
                continue
            last = str(read.path[-1][1])
            if last == "Random" and root.__name__ == "random":
                what = f"it draws fresh randomness ({function.__qualname__}() makes a Random)"
                out.append(Finding("effect", what, 0, "random"))
            if _CONFIGURES.match(last) and last not in ("add_", "append", "insert"):
                out.append(Finding("untracked", f"{function.__qualname__}() may configure {root.__name__} ({last})"))
    return out
