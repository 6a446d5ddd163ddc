"""A whole notebook without a kernel: the executed notebook from the store, if a kernel would have reused every cell.

After a run in which every cell was reused or recorded, all that a warm run in a fresh kernel would rest upon is written
down as it is seen from outside: a manifest (`kept`). The next run looks whether all of that is still so (`answer`), and
if it is, the notebook is put together from what its cells showed. In any doubt a kernel starts.

Why that is sound. A warm run begins in a fresh kernel, whose state follows from the interpreter, its folders and
settings, the start folder and the environment; these are held here. From there on, by induction, each cell finds what
it found when the manifest was made: the cells before it left what they left then, and the rest of what it relied on
(files, variables, packages, modules) is held as well. So the same trace is found contained, since none was added or
taken away, and is reused. What only the kernel could know and what a trace does not tell is judged there at the end of
the run, and rules the fast path out: `against`, in `engine.union`.

Nothing is written where the run that is to be remembered raced with a change: what Python reads at its start and when
it imports must not be newer than the kernel process, and everything else is compared with the fingerprints in the
traces, which were taken when the cells read it.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any, Final

import incnb
from incnb.batch import outside
from incnb.batch.notebook_file import NotebookFile
from incnb.batch.orders import Orders, switched_off
from incnb.batch.rendered import rendered
from incnb.store import manifests, place

FORMAT: Final = 1
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OWN_WAYS: Final = frozenset({"skip-execution", "raises-exception"})
_FREE: Final = ("outputs", "execution_count", "id")
#: Cells that are not tracked since they only load or set up incnb itself.
OURS: Final = re.compile(r"\s*(#.*|%load_ext\s+incnb\s*|%incremental\s+(on\b.*|off)\s*)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """One run as it was asked for; `key` tells it from every other one, `places` are those of the cells that run."""

    root: Path
    key: str
    data: dict[str, Any]
    cwd: str
    kernel: str
    orders: Orders
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What a kernel would have left: the text of the executed notebook, the decision of each cell, and the union, which
    is the one that this was decided by."""

    text: str
    decisions: tuple[dict[str, Any], ...]
    union: dict[str, Any]


class Refused(Exception):
    """Why there is no fast path, in one line."""


def ask(notebook: NotebookFile, orders: Orders, kernel: str = "", extra: object = None) -> Asked:
    """A run of a notebook in its folder. `kernel`: in place of the one that it names; `extra`: whatever else decides,
    as JSON. Raises `Refused` where only a kernel will do, and `StoreError`."""
    data = notebook.data
    if switched_off():
        raise Refused("incnb is off")
    if orders.verify is not None:
        raise Refused("cells are to be verified")
    if data.get("nbformat_minor") != 5 or set(data) != {"cells", "metadata", "nbformat", "nbformat_minor"}:
        raise Refused("the notebook is not of nbformat 4.5")
    if "widgets" in data["metadata"]:
        raise Refused("the notebook holds the state of widgets")
    ids = [cell.id or "" for cell in notebook.cells]
    if len(set(ids)) < len(ids) or not all(map(_ID.fullmatch, ids)):
        raise Refused("cells have no proper ids")
    for cell in notebook.cells:
        if cell.type not in ("code", "markdown", "raw"):
            raise Refused("there is a cell of another kind")
        if cell.type == "code" and cell.tags & _OWN_WAYS:
            raise Refused("a cell has a tag that says how to execute it")
        if cell.type == "code" and not cell.text.strip() and data["cells"][cell.place].get("outputs"):
            raise Refused("an empty cell has outputs")
    kernel = kernel or notebook.kernel or "python3"
    cwd = str(notebook.path.parent)
    places = tuple(cell.place for cell in notebook.code)
    told: dict[str, Any] = {
        "format": [FORMAT, incnb.__version__, outside.interpreter()],
        "notebook": [orders.notebook, cwd, os.path.realpath(cwd)],
        "orders": [orders.options, kernel, extra],
        "metadata": {name: value for name, value in data["metadata"].items() if name != "language_info"},
        "code": [[cell.text, _decides(data["cells"][cell.place])] for cell in notebook.code],
        "rest": [_decides(data["cells"][cell.place]) for cell in notebook.cells if cell.place not in places],
    }
    told["rest"] = [one for one in told["rest"] if one != _PLAIN]
    key = outside.digest(dumps(told, sort_keys=True))
    return Asked(place.default_root(), key, data, cwd, kernel, orders, places)


_PLAIN: Final = {"cell_type": "markdown", "metadata": {}}


def _decides(cell: dict[str, Any]) -> dict[str, Any]:
    """What of a cell counts beside its text."""
    metadata = {name: value for name, value in cell["metadata"].items() if name != "execution"}
    return {**{name: value for name, value in cell.items() if name not in (*_FREE, "source")}, "metadata": metadata}


def answer(asked: Asked) -> Done:
    """The executed notebook, without a kernel. Raises `Refused` with what stands against it, and `StoreError`."""
    started = time.perf_counter()
    found = manifests.read(asked.root, asked.key)
    if found is None:
        raise Refused("nothing is known of a run of this notebook as it is")
    try:
        _compare(asked, found)
        outputs = manifests.blob(asked.root, *found["outputs"])
        if outputs is None:
            raise Refused("what the cells showed is not there any more")
        pieces = dict(zip(asked.places, outputs.decode("utf-8", "surrogatepass").split("\0"), strict=True))
        counts = dict(zip(asked.places, found["counts"], strict=True))
        text = rendered(asked.data, pieces, counts, found["language"], mark=asked.key, timed=found["timed"])
    except (KeyError, TypeError, ValueError, OSError, OverflowError, RecursionError) as error:
        raise Refused(f"it cannot be looked at from outside: {type(error).__name__}: {error}") from None
    traces = [(one["code"], one["trace"]) for one in found["traces"]]
    manifests.touch(asked.root, traces, [blob[0] for blob in (*found["blobs"], found["outputs"])], asked.key)
    session = os.urandom(6).hex()
    decisions = tuple(_decisions(found["decisions"], session, time.perf_counter() - started))
    with suppress(OSError, place.StoreError, KeyError, TypeError, ValueError):  # then the past does not have this run
        manifests.log(asked.root, [_run(*one) for one in zip(found["runs"], decisions, strict=True)])
    _report(decisions)
    return Done(text, decisions, found["union"])


def _compare(asked: Asked, found: dict[str, Any]) -> None:
    """Look at everything that a manifest holds. Raises `Refused` at the first thing that is another one."""
    environ = dict(os.environ)
    if outside.deciding(environ, found["packages"]) != found["deciding"]:
        raise Refused("variables of the environment changed")
    for name, fp in found["env"]:
        if outside.env_fp(found["given"].get(name, environ.get(name))) != fp:
            raise Refused(f"the variable {name} changed")
    if outside.settings(asked.cwd, environ) != found["settings"]:
        raise Refused("there are other files of settings")
    for record in manifests.logged_since(asked.root, found["log"], b'"mark"'):
        if record.get("type") == "mark" and record.get("notebook") == asked.orders.notebook:
            raise Refused("a cell is marked")
    for one in found["traces"]:
        if not manifests.has_trace(asked.root, one["code"], one["trace"], one["length"]):
            raise Refused(f"what was saved of {one['title']} is not there any more")
        if set(manifests.traces(asked.root, one["code"])) - set(one["known"]):
            raise Refused(f"{one['title']} was recorded again")
    for sha256, length in found["blobs"]:
        if not manifests.has_blob(asked.root, sha256, length):
            raise Refused("a saved value is not there any more")
    for folder, names in found["modules"].items():
        if outside.modules_in(folder) != names:
            raise Refused(f"there are other modules in {folder}")
    for folder, names in found["names"].items():
        if outside.names_in(folder) != names:
            raise Refused(f"there are other names in {folder}")
    for path, fp, stamp in found["held"]:
        if not outside.is_held(path, fp, stamp):
            raise Refused(f"{path} changed")
    for locator, fp in found["looks"]:
        if outside.file_fp(locator, asked.cwd) != fp:
            raise Refused(f"the {locator} changed")
    for folder in found["folders"]:
        if not os.path.isdir(folder):
            raise Refused(f"the folder {folder} is gone")


def _run(kept: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """The record of the log for one cell, as a kernel would have written it."""
    same = {name: decision[name] for name in ("session", "time", "status", "reasons", "seconds", "items")}
    return {**kept, **same, "saved": decision["saved_seconds"]}


def _decisions(kept: list[dict[str, Any]], session: str, took: float) -> list[dict[str, Any]]:
    """The decisions of a warm run; `took` seconds for all of them."""
    now, each = time.time(), took / max(1, len(kept))
    found = []
    for one in kept:
        seconds, told = one["seconds"], dict(one["decision"])
        told |= {"time": now, "session": session}
        told["seconds"] = {"decide": round(each, 6), "execute": 0.0, "restore": 0.0, "save": 0.0}
        told["saved_seconds"] = max(0.0, seconds - each) if isinstance(seconds, float) else None
        found.append(told)
    return found


def _report(decisions: tuple[dict[str, Any], ...]) -> None:
    """As `engine.report` does in a kernel."""
    path = os.environ.get("INCNB_REPORT")
    if path:
        lines = "".join(dumps(one, ensure_ascii=False) + "\n" for one in decisions)
        with suppress(OSError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, lines.encode("utf-8", "surrogatepass"))
            finally:
                os.close(handle)
