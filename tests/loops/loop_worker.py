"""A process that runs small notebooks, each in a child forked for it: imports are paid once, and runs share nothing.

One line of standard input names a file with a pickled job, `{cells, env, work, number, incnb}`; the child writes its answer
beside it: what every cell showed and raised, and what is there in the end, as text that can be compared: every variable
(objects that two places share count), the project's modules, files, the state of the process, and the probes.
"""

from __future__ import annotations

import collections
import copy
import hashlib
import importlib
import json
import os
import pickle
import random
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Neighbours are found here, and this folder itself is not: what a notebook imports is its own.
DIFFERENTIAL = HERE.parent / "differential"
sys.path[:] = [p for p in sys.path if p != str(HERE)]
sys.path += [str(HERE / "site-packages"), str(DIFFERENTIAL / "site-packages"), str(DIFFERENTIAL)]

import loop_probe  # noqa: E402
from recorder import Shown, Stream, shell_of, steady  # noqa: E402
from worker import Walk  # noqa: E402

SECONDS = 60  # for one notebook
PANDAS = ("display.precision", "display.max_rows", "display.max_columns")


class Told(Walk):
    """Texts of values. An iterator is what it has left; an index, which never changes, may be shared or not."""

    def text(self, value: Any, place: str, depth: int = 0) -> str:
        import pandas as pd

        if isinstance(value, pd.Index):
            return self.index(value)
        if type(value).__name__.endswith("_iterator") and type(value).__module__ == "builtins":
            return f"{type(value).__name__} {super().text(list(copy.copy(value)), place, depth)}"
        told = super().text(value, place, depth)
        if isinstance(value, collections.defaultdict) and not told.startswith("same as"):
            told += f" of {getattr(value.default_factory, '__qualname__', None)}"
        return told


def variables(namespace: dict[str, Any], hidden: set[str]) -> dict[str, str]:
    """Every variable; in one walk, so that `a is b` between any two places is told."""
    walk = Told()
    return {
        name: steady(walk.text(namespace[name], name))
        for name in sorted(namespace)
        if name not in hidden and (name == "_" or not name.startswith("_"))
    }


def modules(work: Path) -> dict[str, str]:
    """What the modules of the project hold."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(f"{work}/"):
            hidden = {n for n in vars(module) if n.startswith("__")}
            found |= {f"{name}.{n}": t for n, t in variables(vars(module), hidden).items()}
    return found


def digest(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def surroundings(work: Path) -> dict[str, str]:
    """State of the process that cells can change."""
    import numpy as np
    import pandas as pd

    found = {f"environ {name}": value for name, value in os.environ.items() if not name.startswith("INCNB_")}
    found["directory"] = str(Path.cwd().relative_to(work))
    found["random"] = digest(repr(random.getstate()))
    found["numpy.random"] = digest(Told().text(np.random.get_state(legacy=False), "state"))
    found["numpy"] = repr((np.geterr(), sorted(np.get_printoptions().items())))
    found |= {name: repr(pd.get_option(name)) for name in PANDAS}
    found["warnings"] = repr([f[:1] + f[2:] if f[1] is None else str(f) for f in warnings.filters])
    found["sys.path"] = repr(sys.path)
    return found


def files(work: Path) -> dict[str, str]:
    return {
        str(path.relative_to(work)): path.read_bytes().decode(errors="replace")
        for path in sorted(work.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def raised(error: BaseException | None) -> str:
    """An error with the lines it came by; a frame of ours among them would be a difference."""
    if error is None:
        return ""
    frames = [f"{frame.f_code.co_name} {line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    return steady(
        f"{type(error).__name__}: {error}\n{frames}\ncause {error.__cause__!r}, context {error.__context__!r}"
    )


def run(job: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    work = Path(job["work"])
    os.chdir(work)
    os.environ.update(job["env"])
    sys.path.insert(0, str(work))
    sys.dont_write_bytecode = True
    # A process starts with generators of its own; the plain and the tracked run of a state with the same.
    random.seed(job["number"])
    np.random.seed(job["number"])
    importlib.invalidate_caches()
    warnings.resetwarnings()
    warnings.simplefilter("always")
    shown = Shown()
    sys.stdout, sys.stderr = Stream(shown, "stdout"), Stream(shown, "stderr")
    shell = shell_of(shown)
    report = Path(os.environ["INCNB_REPORT"])
    report.unlink(missing_ok=True)
    if job["incnb"]:
        shell.run_line_magic("load_ext", "incnb")
    shown.take()
    hidden = {*shell.user_ns_hidden, "In", "Out", "exit", "quit", "get_ipython"}
    loop_probe.watch()
    answer: dict[str, Any] = {"shown": [], "raised": []}
    for cell in job["cells"]:
        result = shell.run_cell(cell, store_history=True)
        answer["raised"].append(raised(result.error_before_exec or result.error_in_exec))
        answer["shown"].append(shown.take())
    answer["probes"] = list(loop_probe.probes)
    answer["variables"] = variables(shell.user_ns, hidden)
    answer["modules"] = modules(work)
    answer["surroundings"] = surroundings(work)
    answer["files"] = files(work)
    answer["decisions"] = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    return answer


def main() -> None:
    import numpy  # noqa: F401
    import pandas  # noqa: F401

    import incnb.notebook.extension  # noqa: F401

    print("READY", flush=True)
    for line in sys.stdin:
        path = Path(line.strip())
        answer = path.with_suffix(".answer")
        answer.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            signal.alarm(SECONDS)
            try:
                found: Any = run(pickle.loads(path.read_bytes()))
            except BaseException:
                found = traceback.format_exc()
            answer.write_bytes(pickle.dumps(found))
            os._exit(0)
        os.waitpid(child, 0)
        print("DONE", flush=True)


if __name__ == "__main__":
    main()
