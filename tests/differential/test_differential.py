"""Notebooks under seeded random edits: what an incremental run shows and leaves is what a plain run does.

Every example walks through edited states, all on one store, so that a stale reuse could happen at any step; edits
accumulate and are sometimes taken back. Each state runs in a new process, once plainly and once with every cell
tracked; some of its cells run again out of order, as they are or as they were. Everything shown, every error and every
variable after every cell is compared.

INCNB_SEEDS=500 walks through so many states of each example (default 3), INCNB_FIRST_SEED sets where to begin, and
INCNB_EXAMPLES="text,files" picks some.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from edits import edit_data, edit_source
from example_notebooks import EXAMPLES, Example

SEEDS = int(os.environ.get("INCNB_SEEDS", "3"))
FIRST = int(os.environ.get("INCNB_FIRST_SEED", "0"))
LENGTH = 25  # states on one store
PICKED = [n for n in os.environ.get("INCNB_EXAMPLES", ",".join(EXAMPLES)).split(",") if n]
HERE = Path(__file__).resolve().parent


class Worker:
    def __init__(self, hash_seed: str):
        env = dict(
            os.environ,
            PYTHONHASHSEED=hash_seed,
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            PYTHONDONTWRITEBYTECODE="1",
        )
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parents[1]), env.get("PYTHONPATH", "")]))
        env.pop("INCNB", None)
        command = [sys.executable, "-W", "ignore", str(HERE / "worker.py")]
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


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    """Two, so that what one hash seed recorded is met under another."""
    both = [Worker("1"), Worker("2")]
    yield both
    for worker in both:
        worker.close()


@dataclass(frozen=True)
class Version:
    """One state of a notebook: its cells and its files."""

    cells: tuple[str, ...]
    files: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, example: Example) -> Version:
        return cls(example.cells, tuple(sorted(example.files.items())))

    def edited(self, example: Example, rng: random.Random) -> Version:
        cells, files = list(self.cells), dict(self.files)
        fixed = {example.cells[i] for i in example.fixed}
        for _ in range(20):
            dice = rng.random()
            if files and dice < 0.4:
                path = rng.choice(sorted(files))
                edit = edit_source if path.endswith(".py") else edit_data
                if path.endswith(".csv") and rng.random() < 0.15:
                    other = path.replace(".csv", "x.csv")
                    files.update({other: files[path]})
                    break
                new = edit(files[path], rng)
                if new is not None:
                    files[path] = new
                    break
            elif dice < 0.47:
                cell = cells.pop(rng.randrange(len(cells)))
                if rng.random() < 0.5:
                    cells.insert(rng.randrange(len(cells) + 1), cell)
                break
            else:
                at = rng.randrange(len(cells))
                new = edit_source(cells[at], rng) if cells[at] not in fixed else None
                if new is not None:
                    cells[at] = new
                    break
        return Version(tuple(cells), tuple(sorted(files.items())))

    def write(self, work: Path) -> None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for name, text in self.files:
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@dataclass
class Tally:
    states: int = 0
    cells: int = 0
    reused: int = 0


def compare(plain: Any, tracked: Any, cells: list[str], where: str) -> list[str]:
    """What differs between two runs of the same cells, the first cell that does."""
    if isinstance(plain, str) and isinstance(tracked, str):
        return []  # both ran out of time
    if isinstance(plain, str) or isinstance(tracked, str):
        return [f"{where}: {str(plain)[:900] if isinstance(plain, str) else str(tracked)[:900]}"]
    for number, (cell, one, other) in enumerate(zip(cells, plain, tracked, strict=True)):
        found = []
        for part in ("error", "shown"):
            if one[part] != other[part]:
                found.append(f"{part}: {str(other[part])[:1200]} instead of {str(one[part])[:1200]}")
        names = sorted(n for n in {*one["names"], *other["names"]} if one["names"].get(n) != other["names"].get(n))
        if names:
            found.append(f"variables: {names}")
        if found:
            return [f"{where}, cell {number} ({other['status']} {other['why']}):\n{cell}\n" + "\n".join(found)]
    return []


def walk(name: str, workers: list[Worker], folder: Path, tally: Tally, steps: int, number: int) -> list[str]:
    """One walk through states of an example, on a store of its own; the differences."""
    example = EXAMPLES[name]
    rng = random.Random(f"{name}-{number}")
    work, store = folder / "work", folder / "store"
    env = {"INCNB_STORE": str(store), "INCNB_REPORT": str(folder / "report.jsonl")}
    past = [Version.of(example)]
    version, problems = past[0], []
    for step in range(steps + 1):
        if step and rng.random() < 0.25:
            version = rng.choice(past)
        elif step:
            for _ in range(rng.choice((1, 1, 2))):
                version = version.edited(example, rng)
        cells = list(version.cells)
        if rng.random() < 0.3 and not example.slow:
            pool = [*version.cells, *rng.choice(past).cells]
            cells += [rng.choice(pool) for _ in range(rng.randrange(1, 6))]
        worker = rng.choice(workers)
        past.append(version)
        runs = []
        for incnb in (False, True):
            version.write(work)
            job = {"cells": cells, "work": str(work), "env": env, "incnb": incnb}
            runs.append(worker.run(job, folder / "job"))
        found = compare(*runs, cells, f"{name}, walk {number}, step {step}")
        if found and os.environ.get("INCNB_KEEP"):
            kept = Path(os.environ["INCNB_KEEP"]) / f"{name}-{number}-{step}".replace(" ", "_")
            shutil.copytree(folder, kept, dirs_exist_ok=True)
        problems += found
        tally.states += 1
        tally.cells += len(cells)
        if not isinstance(runs[1], str):
            tally.reused += sum(cell["status"] in ("reused", "cutoff") for cell in runs[1])
    return problems


def differences(name: str, workers: list[Worker], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally, problems, left, number = Tally(), [], SEEDS, FIRST
    while left > 0:
        folder = tmp_path / str(number)
        folder.mkdir()
        problems += walk(name, workers, folder, tally, min(left, LENGTH), number)
        shutil.rmtree(folder)
        left, number = left - LENGTH, number + 1
    with capsys.disabled():
        print(f"\n{name}: {tally.states} states, {tally.cells} cells compared, {tally.reused} of them reused", end=" ")
    assert tally.reused, "nothing was ever reused, so nothing was shown"
    assert not problems, f"{len(problems)} differences\n\n" + "\n\n".join(problems)


@pytest.mark.timeout(max(120, SEEDS * 30))
@pytest.mark.parametrize("name", [n for n in PICKED if not EXAMPLES[n].slow])
def test_edits_of_an_example(name: str, workers: list[Worker], tmp_path: Path, capsys: Any) -> None:
    differences(name, workers, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.timeout(max(600, SEEDS * 60))
@pytest.mark.parametrize("name", [n for n in PICKED if EXAMPLES[n].slow])
def test_edits_of_a_long_example(name: str, workers: list[Worker], tmp_path: Path, capsys: Any) -> None:
    differences(name, workers, tmp_path, capsys)
