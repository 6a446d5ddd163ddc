"""How the kernel of a batch run began: what a later command must find as it was, to do without a kernel.

What user code could do before the first cell (startup files, lines of a configuration that execute) is not followed by
any trace: where there is some, a run without a kernel is ruled out.
"""

from __future__ import annotations

import os
import site
import sys
import time
import types
from pathlib import Path
from typing import Any

from incnb.batch import outside
from incnb.engine.union import Union
from incnb.fingerprint import files
from incnb.store import manifests

MARGIN = 0.012  # seconds
_EXECUTED = ("exec_lines", "exec_files", "code_to_run", "file_to_run", "module_to_run")


def begun(shell: Any, root: Path) -> dict[str, Any]:
    """To be asked before the first cell; plain data. `root` is that of the store."""
    cwd = files.here()
    path = [os.path.join(cwd, folder) if folder else cwd for folder in sys.path]
    against, config, names = _set_up(shell)
    users = sorted(name for name in shell.user_ns if name not in shell.user_ns_hidden and not name.startswith("_"))
    if users:
        against.append(f"{users[0]} was defined before the first cell")
    libraries = [*filter(outside.is_installed, path), *site.getsitepackages(), site.getusersitepackages()]
    names |= {folder: outside.names_in(folder) for folder in libraries}
    modules: dict[str, list[str]] = {}
    try:
        modules = {folder: outside.modules_in(folder) for folder in path if not outside.is_library(folder)}
    except OverflowError:
        against.append("there are too many modules of yours to look at")
    return {
        "process": _started(),
        "interpreter": outside.interpreter(),
        "cwd": cwd,
        "path": list(dict.fromkeys(path)),
        "modules": modules,
        "config": config,
        "names": names,
        "log": manifests.log_lengths(root),
        "against": against,
    }


def ended(begin: dict[str, Any], union: Union) -> dict[str, Any]:
    """The same after the last cell, with what was loaded from elsewhere."""
    against = list(begin["against"])
    extra: dict[str, list[str]] = {}
    for path in union.modules:
        folder = os.path.dirname(path)
        if not _walked(folder, begin["modules"]):
            extra[folder] = outside.modules_in(folder)
    for folder in {os.path.join(begin["cwd"], folder) if folder else begin["cwd"] for folder in sys.path}:
        if folder in begin["path"]:
            continue
        if outside.is_installed(folder):
            against.append(f"{folder} was put on sys.path by a cell")
        elif not outside.is_library(folder) and not _walked(folder, begin["modules"]):
            extra[folder] = outside.modules_in(folder)
    customs = [_file(sys.modules.get(name)) for name in ("sitecustomize", "usercustomize")]
    customs += [os.path.join(begin["cwd"], archive) for archive in sys.path if os.path.isfile(archive)]
    return {**begin, "against": against, "extra": extra, "customs": [path for path in customs if path]}


def _walked(folder: str, modules: dict[str, list[str]]) -> bool:
    """Whether the names in a folder are among those that were looked at."""
    for root in modules:
        if folder == root:
            return True
        inside = folder.removeprefix(root.rstrip(os.sep) + os.sep)
        if inside != folder and f"{inside}/" in modules[root]:
            return True
    return False


def _file(module: types.ModuleType | None) -> str:
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) else ""


def _started() -> float | None:
    """When this process began at the latest, in seconds since 1970; None where that cannot be told.

    Clocks tick, those of file systems too: a little earlier is said than is known.
    """
    try:
        now = time.time()  # first: what passes until the next line makes it earlier
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return now - age - MARGIN
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _set_up(shell: Any) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """What rules a run without this kernel out, the files that may configure it, and the folders with startup files."""
    from IPython.paths import get_ipython_dir
    from traitlets.config import Application

    app: Any = Application.instance() if Application.initialized() else None
    if app is None or not hasattr(app, "config_file_paths"):
        return ["it is not known how the kernel was configured"], [], {}
    against = [f"the kernel executes its {word}" for word in _EXECUTED if getattr(app, word, None)]
    if os.environ.get("PYTHONSTARTUP") and getattr(app, "exec_PYTHONSTARTUP", True):
        against.append("PYTHONSTARTUP is executed before the first cell")
    folders = [*app.config_file_paths, os.path.join(get_ipython_dir(), "profile_default")]
    names = [f"{name.replace('-', '_')}_config.{end}" for name in (app.name, "ipython") for end in ("py", "json")]
    config = [os.path.abspath(os.path.join(folder, name)) for folder in folders for name in names]
    starts = dict.fromkeys(os.path.join(folder, "startup") for folder in folders)
    found = {folder: outside.names_in(folder) for folder in starts}
    if any(name.endswith((".py", ".ipy")) for inside in found.values() for name in inside):
        against.append("there are startup files")
    return against, list(dict.fromkeys(config)), found
