"""The fixture `walk`: a case of the battery, run in every state, plainly and with incnb."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_states import ALL, ANY, FIRST, NEW, NONE, Case, Notebook, Step, Walked

HERE = Path(__file__).resolve().parent


class Worker:
    def __init__(self, hash_seed: str):
        drop = ("INCNB", "INCNB_STORE", "INCNB_REPORT", "LOOP_PROBES")
        env = {name: value for name, value in os.environ.items() if name not in drop}
        env |= {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "INCNB_DEBUG": "1"}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parents[1]), env.get("PYTHONPATH", "")]))
        command = [sys.executable, "-W", "ignore", str(HERE / "loop_worker.py")]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line("READY")

    def _line(self, wanted: str) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line == wanted, f"the worker said {line!r}"

    def run(self, job: dict[str, Any], path: Path) -> Any:
        path.write_bytes(pickle.dumps(job))
        assert self.process.stdin is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        self._line("DONE")
        answer = path.with_suffix(".answer")
        return pickle.loads(answer.read_bytes()) if answer.exists() else "the run died or took too long"

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="session")
def workers() -> Iterator[list[Worker]]:
    """Two, so that what one hash seed recorded is met under another."""
    both = [Worker("1"), Worker("2")]
    yield both
    for worker in both:
        worker.close()


def surround(work: Path, notebook: Notebook) -> None:
    """The files of a state, and no others; one that does not change is not touched."""
    wanted = dict(notebook.files)
    for path in sorted(work.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(work)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def differing(plain: Any, tracked: Any, cells: list[str]) -> list[str]:
    """What is not as after a plain run."""
    if isinstance(plain, str) or isinstance(tracked, str):
        return [f"a run ended badly: {plain if isinstance(plain, str) else tracked}"]
    found = []
    for part in ("raised", "shown"):
        for number, (is_now, truth) in enumerate(zip(tracked[part], plain[part], strict=True)):
            if is_now != truth:
                found.append(f"{part} by {cells[number]!r:.60}: {is_now!s:.1500} instead of {truth!s:.1500}")
    for part in ("variables", "modules", "surroundings", "files"):
        for name in sorted({*plain[part], *tracked[part]}):
            is_now, truth = tracked[part].get(name, "nothing"), plain[part].get(name, "nothing")
            if is_now != truth:
                found.append(f"{part}: {name} = {is_now:.700} instead of {truth:.700}")
    return found


def without(items: list[str], others: Any) -> list[str]:
    """`items` less `others`, counting repeats."""
    left = list(items)
    for item in others:
        if item in left:
            left.remove(item)
    return left


def wanted_of(step: Step, every: list[str], seen: set[str]) -> list[str] | None:
    if step.expect == ANY:
        return None
    if step.expect == ALL:
        return every
    if step.expect == NONE:
        return []
    if step.expect == NEW:
        return [item for item in every if item not in seen]
    assert not without(list(step.expect), every), f"a plain run does not execute {step.expect} but {every}"
    return list(step.expect)


def told(decision: dict[str, Any]) -> str:
    reasons = [f"{r['code']} {r['locator']} {r['detail']}" for r in decision.get("reasons", [])]
    return f"{decision.get('status')} {reasons} items {decision.get('items')}"


@pytest.fixture
def walk(workers: list[Worker], tmp_path: Path) -> Callable[[Case], Walked]:
    """Walk through the states of a case on one store, each in a new process, and compare with plain runs."""

    def through(case: Case) -> Walked:
        work, folder = tmp_path / "work", tmp_path / "ours"
        work.mkdir()
        folder.mkdir()
        found, seen = Walked(), set[str]()
        for number, step in enumerate((FIRST, *case.steps)):
            notebook = step.of(case.base)
            worker = workers[number % 2]
            own = {"INCNB_STORE": str(folder / "store"), "INCNB_REPORT": str(folder / "report.jsonl")}
            job = {"work": str(work), "number": number, "env": {**dict(notebook.env), **own}}
            runs = []
            for incnb in (False, True):
                cells = notebook.cells(marked=incnb)
                surround(work, notebook)
                runs.append(worker.run({**job, "cells": cells, "incnb": incnb}, folder / "job"))
            plain, tracked = runs
            if isinstance(tracked, str) or isinstance(plain, str):
                found.differences += [f"{step.name}: {line}" for line in differing(plain, tracked, cells)]
                continue
            decision = tracked["decisions"][-1] if tracked["decisions"] else {}
            where = f"{step.name} ({told(decision)})"
            found.differences += [f"{where}: {line}" for line in differing(plain, tracked, cells)]
            wanted = wanted_of(step, plain["probes"], seen)
            if wanted is not None:
                if without(wanted, tracked["probes"]):
                    found.differences.append(f"{where}: did not execute {without(wanted, tracked['probes'])}")
                if without(tracked["probes"], wanted):
                    found.needless.append(f"{where}: executed {without(tracked['probes'], wanted)}")
            elif without(tracked["probes"], plain["probes"]):
                found.differences.append(f"{where}: executed {tracked['probes']}, plainly {plain['probes']}")
            seen |= set(plain["probes"])
        shutil.rmtree(work)
        return found

    return through
