"""What is written down after a run with a kernel, so that the next one may do without: see `manifest`.

Everything is looked at from outside, and must be what the cells found: what differs, or was changed since the kernel
began, is nothing that a later run can be compared with. Raises `Refused` with the first thing that stands against it;
then there is no manifest, an older one neither.
"""

from __future__ import annotations

import os
from json import loads
from typing import Any

from incnb.batch import outside
from incnb.batch.manifest import OURS, Asked, Refused
from incnb.batch.rendered import piece, rendered, text_of
from incnb.store import Store, StoreError, manifests

MARGIN = 0.012  # seconds: clocks of file systems tick
_REUSABLE = ("reused", "cutoff", "executed")


def keep(asked: Asked, client: Any, text: str) -> None:
    """Write the manifest of a run that `client` has just ended; `text` is the executed notebook as it was written.

    Raises `Refused`, and `StoreError` where the store cannot be written.
    """
    manifests.remove(asked.root, asked.key)
    if client.plainly or client.union is None:
        raise Refused(client.plainly or "the run left no union")
    try:
        manifests.write(asked.root, asked.key, _manifest(asked, client, text))
    except (KeyError, TypeError, ValueError, IndexError, OSError, OverflowError) as error:
        raise Refused(f"it cannot be looked at from outside: {type(error).__name__}: {error}") from None


def _manifest(asked: Asked, client: Any, text: str) -> dict[str, Any]:
    union: dict[str, Any] = client.union
    pins = union["pins"]
    kernel = pins["kernel"]
    for line in (*union["against"], *kernel["against"]):
        raise Refused(line)
    if kernel["interpreter"] != outside.interpreter():
        raise Refused("the kernel's interpreter is not the command's own")
    if kernel["process"] is None:
        raise Refused("it is not known when the kernel began")
    if kernel["cwd"] != os.path.realpath(asked.cwd) or union["cwd"] != kernel["cwd"]:
        raise Refused("the kernel did not stay in the folder of the notebook")
    decisions = _all_decided(asked, client.decisions, pins["cells"])
    traces = _traces(asked, pins["cells"], kernel["process"])
    given, spec = _kernel_spec(asked, client)
    outputs, counts, language, timed = _outputs(asked, text)
    held, looks, env = _relied(asked, pins, given)
    packages = [locator for kind, locator, *_ in pins["relied"] if kind == "package"]
    held += [outside.held(path) for path in spec]
    lasting = [*kernel["config"], *kernel["customs"], *(pins["records"][top] for top in packages)]
    lasting += [*union["modules"], *outside.settings(asked.cwd, dict(os.environ)), *_python(kernel["path"])]
    for path in dict.fromkeys(lasting):
        if not path:
            raise Refused("a library has no record of its files")
        held.append(_unchanged(path, kernel["process"]))
    held += [_unchanged(path, union["time"] - MARGIN) for path in union["sources"]]
    modules = _modules(kernel, {*union["written"], str(asked.root)})
    names = dict(kernel["names"])
    for folder, before in names.items():
        if outside.names_in(folder) != before:
            raise Refused(f"{folder} changed while the notebook ran")
    names |= {folder: outside.names_in(folder) for folder in _kernel_folders(client)}
    written, folders = _written(union["written"], pins["left"])
    for record in manifests.logged_since(asked.root, kernel["log"], b'"mark"'):
        if record.get("type") == "mark" and record.get("notebook") == asked.orders.notebook:
            raise Refused("a cell is marked")
    reference = Store(asked.root).put_blob("\0".join(outputs).encode("utf-8", "surrogatepass"))
    return {
        "deciding": outside.deciding(dict(os.environ), packages),
        "packages": packages,
        "given": given,
        "env": env,
        "settings": outside.settings(asked.cwd, dict(os.environ)),
        "log": kernel["log"],
        "traces": traces,
        "blobs": [list(one) for one in dict.fromkeys(tuple(b) for cell in pins["cells"] for b in cell["blobs"])],
        "modules": modules,
        "names": names,
        "held": [*held, *written],
        "looks": looks,
        "folders": folders,
        "outputs": [reference.sha256, reference.length],
        "counts": counts,
        "language": language,
        "timed": timed,
        "decisions": decisions,
        "runs": _runs(asked, union["session"], [one["decision"]["cell"]["index"] for one in decisions]),
        "union": {**union, "pins": {}},
    }


def _all_decided(asked: Asked, decisions: list[dict[str, Any]], cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each cell that is not ours was decided once, in order, and is there to be reused; the decisions of a warm run."""
    wanted = []
    for at in asked.places:
        cell = asked.data["cells"][at]
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        if not all(map(OURS.fullmatch, source.splitlines())):
            wanted.append(cell["id"])
    if [one["cell"]["id"] for one in decisions] != wanted or [one["id"] for one in cells] != wanted:
        raise Refused("not every cell was decided once and in order")
    found = []
    for one, cell in zip(decisions, cells, strict=True):
        if one["status"] not in _REUSABLE:
            raise Refused(f"{one['cell']['title']} is {one['status']}")
        reason = {"code": "contained", "kind": "", "locator": "", "detail": cell["contained"], "caused_by": []}
        items = one.get("items")
        if isinstance(items, dict):
            reused = items.get("executed", 0) + items.get("reused", 0)
            items = {**items, "executed": 0, "reused": reused, "failed": 0, "removed": 0, "why": []}
        told = {**one, "status": "reused", "reasons": [reason], "items": items, "bytes_saved": 0}
        found.append({"decision": told, "seconds": cell["seconds"]})
    return found


def _runs(asked: Asked, session: str, indices: list[int]) -> list[dict[str, Any]]:
    """What the log has of the cells of this session, but for what is another one in each run."""
    records = [one for one in Store(asked.root).history() if one.get("type") == "run"]
    found = {one.get("index"): one for one in records if one.get("session") == session}
    if not all(index in found for index in indices):
        raise Refused("the log does not have this run")
    last = max(one["seq"] for one in records if type(one.get("seq")) is int)
    fixed: dict[str, Any] = {"error": "", "attempt": "", "relied": [], "cleared": []}
    runs = [{**found[index], **fixed, "seq": last + 1 + at} for at, index in enumerate(indices)]
    for run in runs:
        run.pop("loads", None)
    return runs


def _traces(asked: Asked, cells: list[dict[str, Any]], began: float) -> list[dict[str, Any]]:
    """Where each cell ended, with all traces of its code: one that is new would be looked at before it."""
    found = []
    for cell in cells:
        code, trace = cell["code"], cell["trace"]
        known = manifests.traces(asked.root, code)
        for other in known[known.index(trace) + 1 :]:
            path = asked.root / "traces" / code / f"{other}.json"
            if cell["executed"] or outside.changed_after(str(path), began):
                raise Refused(f"{cell['title']} was recorded elsewhere meanwhile")
        length = manifests.trace_length(asked.root, code, trace)
        found.append({"code": code, "trace": trace, "title": cell["title"], "length": length, "known": known})
    return found


def _kernel_folders(client: Any) -> list[str]:
    return [os.path.abspath(folder) for folder in client.manager.kernel_spec_manager.kernel_dirs]


def _kernel_spec(asked: Asked, client: Any) -> tuple[dict[str, str], list[str]]:
    """The variables that the kernel's specification sets, and every place where a specification of its name may lie."""
    spec = client.manager.kernel_spec
    if any("$" in str(value) for value in spec.env.values()):
        raise Refused("the kernel's specification puts variables together")
    if (spec.metadata or {}).get("kernel_provisioner"):
        raise Refused("the kernel is not started as a process of this machine")
    now = client.manager.kernel_spec_manager.get_kernel_spec(asked.kernel)
    if now.to_dict() != spec.to_dict() or now.resource_dir != spec.resource_dir:
        raise Refused("the kernel's specification changed while the notebook ran")
    found = [os.path.join(folder, asked.kernel, "kernel.json") for folder in _kernel_folders(client)]
    return dict(spec.env), [*found, os.path.join(spec.resource_dir, "kernel.json")]


def _outputs(asked: Asked, text: str) -> tuple[list[str], list[int], dict[str, Any], bool]:
    """What the cells showed, as pieces of text that give the very notebook that was written when put together."""
    whole = loads(text)
    if text_of(whole) != text.removesuffix("\n") or "widgets" in whole["metadata"]:
        raise Refused("the executed notebook holds what cannot be put together again")
    cells = [whole["cells"][at] for at in asked.places]
    outputs, counts = [piece(cell["outputs"]) for cell in cells], [cell["execution_count"] for cell in cells]
    if any("incnb" in output.get("metadata", {}) for cell in cells for output in cell["outputs"]):
        raise Refused("the executed notebook shows something of incnb's")
    timed = all("execution" in cell["metadata"] for cell in cells) and bool(cells)
    language = whole["metadata"]["language_info"]
    for cell in cells:
        cell["metadata"].pop("execution", None)
    pieces, at = dict(zip(asked.places, outputs, strict=True)), dict(zip(asked.places, counts, strict=True))
    bare = [_without_times(cell, number in pieces) for number, cell in enumerate(asked.data["cells"])]
    again = rendered({**asked.data, "cells": bare}, pieces, at, language, mark=asked.key, timed=False)
    if again != text_of(whole) + "\n":
        raise Refused("the executed notebook is not the notebook with its outputs")
    return outputs, counts, language, timed


def _without_times(cell: dict[str, Any], executed: bool) -> dict[str, Any]:
    metadata = {name: value for name, value in cell["metadata"].items() if name != "execution" or not executed}
    return {**cell, "metadata": metadata}


def _relied(
    asked: Asked, pins: dict[str, Any], given: dict[str, str]
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """Files that are held, looks at paths, and variables, each as the cells found it."""
    held, looks, env = [], [], []
    for kind, locator, fp, stamp in pins["relied"]:
        if kind == "file" and locator.startswith(outside.PREFIXES):
            now = outside.file_fp(locator, asked.cwd)
            looks.append([locator, fp])
        elif kind == "file":
            one = outside.held(os.path.join(asked.cwd, locator), fp, stamp)
            now = one[1]
            held.append(one)
        elif kind == "env":
            now = outside.env_fp(given.get(locator, os.environ.get(locator)))
            env.append([locator, fp])
        else:
            continue
        if now != fp:
            raise Refused(f"{locator} is not what a cell found")
    return held, looks, env


def _python(path: list[str]) -> list[str]:
    """The files that Python itself reads when it starts."""
    import sys

    found = [os.path.join(prefix, "pyvenv.cfg") for prefix in (sys.prefix, os.path.dirname(sys.executable))]
    for folder in path:
        found += [folder] if os.path.isfile(folder) else outside.path_settings(folder)
    return found


def _unchanged(path: str, began: float) -> list[str]:
    if outside.changed_after(path, began):
        raise Refused(f"{path} changed while the notebook ran")
    return outside.held(path)


def _modules(kernel: dict[str, Any], written: set[str]) -> dict[str, list[str]]:
    """What can be imported from the project's folders: as when the kernel began, but for folders that cells made."""
    found: dict[str, list[str]] = {}
    for folder, before in kernel["modules"].items():
        now = found[folder] = outside.modules_in(folder)
        for name in set(now) ^ set(before):
            made = os.path.join(os.path.realpath(folder), name.removesuffix("?").rstrip("/"))
            if not name.endswith("?") or name in before or made not in {os.path.realpath(one) for one in written}:
                raise Refused(f"{name.rstrip('?/')} came or went in {folder} while the notebook ran")
    for folder, before in kernel["extra"].items():
        if outside.changed_after(folder, kernel["process"]) or outside.modules_in(folder) != before:
            raise Refused(f"{folder} changed while the notebook ran")
        found[folder] = before
    return found


def _written(paths: list[str], left: list[dict[str, Any]]) -> tuple[list[list[str]], list[str]]:
    """The files that cells left, each as it was left, and the folders."""
    held = []
    for one in left:
        found = outside.held(one["path"], one["digest"], one["stamp"])
        if found[1] != one["digest"]:
            raise Refused(f"{one['path']} is not what its cell wrote")
        held.append(found)
    files = {one["path"] for one in left}
    return held, [path for path in paths if path not in files]


__all__ = ["Refused", "StoreError", "keep"]
