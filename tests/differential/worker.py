"""A process that runs notebooks, each in a child forked for it: imports are paid once, and runs share nothing.

One line of standard input names a file with a pickled job: `{cells, work, env, incnb}`. The child writes its answer
beside it, a list with what every cell gave: `{shown, error, names, status, why}`. `shown` is everything printed and
displayed in order, `names` a digest of every variable, and sharing of objects between variables counts.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import io
import json
import os
import pickle
import signal
import sys
import types
import warnings
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).with_name("site-packages")))
from recorder import Shown, Stream, shell_of, steady

SECONDS = 60  # for one notebook

# -- what a cell leaves


def _words(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_told(kind: type) -> bool:
    """Whether objects of the class are what they hold: those of the notebook, of its modules and a few libraries."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return (
        kind.__module__ == "__main__"
        or file.startswith(str(Path.cwd()))
        or name_of(kind).startswith(("sklearn.", "incnb."))
    )


def name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class Walk:
    """A canonical text of every variable, made without running any code of the notebook."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.alive: list[Any] = []

    def text(self, value: Any, place: str, depth: int = 0) -> str:
        import numpy as np
        import pandas as pd

        kind = type(value)
        name = name_of(kind)
        if value is None or kind in (bool, int, float, complex, str, bytes, range, slice, type(...)):
            return f"{name} {steady(value) if kind is str else value!r}"
        if depth > 40:
            return "deep"
        if isinstance(value, np.generic):
            return f"{name} {value.dtype} {value.tobytes() if value.dtype != object else ''}"
        if kind in (types.ModuleType, types.BuiltinFunctionType):
            return f"{name} {value.__name__}"
        if kind is types.CodeType:
            consts = [self.text(c, place, depth + 1) for c in value.co_consts]
            return f"code {value.co_code!r} {value.co_names} {value.co_varnames} {consts}"
        if kind in (tuple, frozenset, set):
            items = [self.text(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]
            return f"{name}{sorted(items) if kind is not tuple else items}"
        if id(value) in self.seen:
            return f"same as {self.seen[id(value)]}"
        self.seen[id(value)] = place
        self.alive.append(value)

        def inner(part: Any, at: str) -> str:
            return self.text(part, f"{place}{at}", depth + 1)

        if isinstance(value, dict) and "__builtins__" not in value:
            return f"{name}{[(inner(k, '.key'), inner(v, f'[{k!r:.40}]')) for k, v in dict.items(value)]}"
        if isinstance(value, list):
            return f"{name}{[inner(v, f'[{i}]') for i, v in enumerate(list.__iter__(value))]}"
        if isinstance(value, np.ndarray):
            held = [inner(v, f"[{i}]") for i, v in enumerate(value.ravel().tolist())] if value.dtype == object else 0
            digest = "" if value.dtype == object else hashlib.sha1(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"{name} {value.dtype} {value.shape} {digest} {held} {value.flags.writeable}"
        if isinstance(value, pd.DataFrame):
            columns = [inner(value.iloc[:, i], f".{i}") for i in range(value.shape[1])]
            return f"{name} {self.text(value.columns, place, depth + 1)} {columns} {inner(value.attrs, '.attrs')}"
        if isinstance(value, pd.Series):
            return f"{name} {value.dtype} {value.name!r} {self.index(value.index)} {self.array(value.array)}"
        if isinstance(value, pd.Index):
            return self.index(value)
        if isinstance(value, types.FunctionType):
            cells = [c.cell_contents if c != types.CellType() else "empty" for c in value.__closure__ or ()]
            parts = (value.__code__, value.__defaults__, value.__kwdefaults__, value.__dict__, cells)
            return f"{name} {value.__qualname__} {[inner(p, f'.{i}') for i, p in enumerate(parts)]}"
        if isinstance(value, type):
            if value.__module__ != "__main__":
                return f"class {name} {value.__module__}.{value.__qualname__}"
            held = {
                k: v
                for k, v in vars(value).items()
                if k not in ("__dict__", "__weakref__", "__firstlineno__", "_abc_impl", "__slotnames__")
            }
            return f"class {value.__qualname__} {value.__mro__[1:]!r} {[(k, inner(v, f'.{k}')) for k, v in sorted(held.items())]}"
        if isinstance(value, (property, staticmethod, classmethod)):
            return f"{name} {inner(getattr(value, '__func__', None) or value.fget, '.func')}"
        if isinstance(value, types.MethodType):
            return f"method {inner(value.__func__, '.func')} {inner(value.__self__, '.self')}"
        if isinstance(value, functools.partial):
            return (
                f"{name} {inner(value.func, '.func')} {inner(value.args, '.args')} {inner(value.keywords, '.keywords')}"
            )
        if isinstance(value, collections.deque):
            return f"{name} {value.maxlen} {[inner(v, f'[{i}]') for i, v in enumerate(value)]}"
        if isinstance(value, types.GeneratorType):
            return f"generator {value.__qualname__} {value.gi_frame is None or value.gi_frame.f_lasti}"
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            state = (
                value.bit_generator.state if isinstance(value, np.random.Generator) else value.get_state(legacy=False)
            )
            return f"{name} {inner(state, '.state')}"
        if _is_told(kind):
            slots = [s for c in kind.__mro__ for s in _words(vars(c).get("__slots__", ())) if not s.startswith("__")]
            fields = {**getattr(value, "__dict__", {}), **{s: getattr(value, s) for s in slots if hasattr(value, s)}}
            return f"{name} {[(k, inner(v, f'.{k}')) for k, v in sorted(fields.items())]}"
        if kind.__module__.partition(".")[0] not in sys.stdlib_module_names:
            return f"{name} opaque"
        try:
            buffer = io.BytesIO()
            pickler = pickle.Pickler(buffer, 4)
            pickler.fast = True  # else it tells which equal strings are one object
            pickler.dump(value)
            return f"{name} {hashlib.sha1(buffer.getvalue()).hexdigest()}"
        except Exception:
            return f"{name} opaque"

    def array(self, values: Any) -> str:
        return f"{values.dtype!r} {[repr(v) for v in values]}"

    def index(self, index: Any) -> str:
        return f"{type(index).__name__} {index.dtype} {list(index.names)} {[repr(v) for v in index]}"


def names_of(namespace: dict[str, Any], hidden: set[str]) -> dict[str, str]:
    walk = Walk()
    out = {}
    for name in sorted(namespace):
        if name in hidden or (name.startswith("_") and name != "_"):
            continue
        out[name] = hashlib.sha1(steady(walk.text(namespace[name], name)).encode()).hexdigest()
        if os.environ.get("DIFFERENTIAL_FULL"):
            out[name] = steady(Walk().text(namespace[name], name))
    return out


# -- a run


def run(job: dict[str, Any]) -> list[dict[str, Any]]:
    work = Path(job["work"])
    os.chdir(work)
    os.environ.update(job["env"], MPLBACKEND="Agg")
    sys.path.insert(0, str(work))
    sys.dont_write_bytecode = True
    warnings.resetwarnings()
    warnings.simplefilter("always")
    shown = Shown()
    sys.stdout, sys.stderr = Stream(shown, "stdout"), Stream(shown, "stderr")
    shell = shell_of(shown)
    report = Path(os.environ["INCNB_REPORT"])
    report.unlink(missing_ok=True)
    if job["incnb"]:
        shell.run_line_magic("load_ext", "incnb")
    shell.run_cell("%incremental on" if job["incnb"] else "None", store_history=True)
    shown.take()
    hidden = {*shell.user_ns_hidden, "In", "Out", "exit", "quit", "get_ipython"}
    answer = []
    for cell in job["cells"]:
        result = shell.run_cell(cell, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        line = {}
        if job["incnb"]:
            lines = report.read_text().splitlines() if report.exists() else []
            line = json.loads(lines[-1]) if lines else {}
        answer.append(
            {
                "shown": shown.take(),
                "error": f"{type(error).__name__}: {steady(str(error))}" if error is not None else "",
                "names": names_of(shell.user_ns, hidden),
                "status": line.get("status", ""),
                "why": [f"{r['code']} {r['locator']} {r['detail']}" for r in line.get("reasons", [])],
            }
        )
    return answer


def main() -> None:
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.model_selection  # noqa: F401

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
            except BaseException as error:
                import traceback

                found = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            answer.write_bytes(pickle.dumps(found))
            os._exit(0)
        os.waitpid(child, 0)
        print("DONE", flush=True)


if __name__ == "__main__":
    main()
