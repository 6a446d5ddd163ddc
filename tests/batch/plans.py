"""Notebooks, edits of them, and what comes of a plan beside what comes of the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incnb.engine.history import History
from incnb.engine.marks import mark
from incnb.store import Store

ROOT = Path(__file__).resolve().parents[2]
Edit = Callable[["Work"], None]

_RUN = """
import json, sys
from pathlib import Path
from incnb.batch.orders import Orders
from incnb.batch.run import execute
from incnb.batch.parameters import read
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
done = execute(Path(sys.argv[1]), None, Orders(notebook=sys.argv[1]), parameters=read(given.items()))
assert not done.plainly, done.plainly
print(json.dumps({"decisions": done.decisions, "error": done.error[-300:]}))
"""


@dataclass
class Work:
    """A folder with one notebook, a store, and the environment of its runs."""

    folder: Path
    store: Path
    env: dict[str, str] = field(default_factory=dict)
    parameters: list[tuple[str, str]] = field(default_factory=list)

    @property
    def notebook(self) -> Path:
        return self.folder / "nb.ipynb"

    def write(self, cells: Sequence[str | tuple[str, str]], files: dict[str, str]) -> None:
        """Cells are texts, or a text and a tag."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.save([_cell(i, *((c, "") if isinstance(c, str) else c)) for i, c in enumerate(cells)])

    def save(self, cells: list[dict[str, Any]]) -> None:
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        data = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
        self.notebook.write_text(json.dumps(data))

    @property
    def cells(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.notebook.read_text())["cells"]
        return found

    def replace(self, place: int, old: str, new: str) -> None:
        cells = self.cells
        assert old in cells[place]["source"], (old, cells[place]["source"])
        cells[place]["source"] = cells[place]["source"].replace(old, new)
        self.save(cells)

    def file(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def mark(self, cell_id: str, title: str) -> None:
        """What `%incremental mark CELL --hard` leaves in the log."""
        history = History(Store(self.store))
        mark(history, str(self.notebook), cell_id, title, hard=True, reason="doubts")

    def python(self, *arguments: str) -> str:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "INCNB_STORE": str(self.store), **self.env}
        for name in ("PYTEST_CURRENT_TEST", "JPY_SESSION_NAME", "INCNB_REPORT"):
            env.pop(name, None)
        done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def run(self) -> list[dict[str, Any]]:
        """The decisions of a real run."""
        given = [word for pair in self.parameters for word in pair]
        told = json.loads(self.python("-c", _RUN, str(self.notebook), *given).splitlines()[-1])
        decisions: list[dict[str, Any]] = told["decisions"]
        return decisions

    def plan(self) -> list[dict[str, Any]]:
        given = [word for pair in self.parameters for word in ("-p", *pair)]
        told: dict[str, Any] = json.loads(self.python("-m", "incnb", "plan", str(self.notebook), "--json", *given))
        cells: list[dict[str, Any]] = told["cells"]
        return cells


def _cell(place: int, text: str, tag: str) -> dict[str, Any]:
    metadata = {"tags": [tag]} if tag else {}
    return {"cell_type": "code", "id": f"cell{place}", "metadata": metadata, "outputs": [], "execution_count": None,
            "source": text}  # fmt: skip


def compared(work: Work) -> list[str]:
    """Plan, then run: one line for each cell, that begins with `WRONG` where the plan said what was not so."""
    plan, ran = work.plan(), work.run()
    lines = []
    for outlook, decision in zip(plan, ran, strict=False):
        status = decision["status"]
        reused = status in ("reused", "cutoff")
        said = {True: "reuse", False: "run", None: "?"}[outlook["reuse"]]
        wrong = outlook["reuse"] is not None and outlook["reuse"] != reused
        reason = decision["reasons"][0]
        lines.append(
            f"{'WRONG' if wrong else 'ok'} {said:5} {status:8} {outlook['title'][:30]:30} | {outlook['text'][:70]}"
            f" | {reason['code']} {reason['locator']} {reason['detail'][:50]}"
        )
    return lines
