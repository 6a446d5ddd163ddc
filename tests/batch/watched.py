"""A folder with a notebook in it, and a refresher for it, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOUND = 60.0


class Place:
    """A notebook `a.ipynb` in a folder of its own, and a store that is this test's alone."""

    def __init__(self, folder: Path, *cells: str):
        self.folder, self.store = folder / "work", folder / "store"
        self.folder.mkdir()
        self.path = self.folder / "a.ipynb"
        self.env = {
            **{
                name: value for name, value in os.environ.items() if name not in ("INCNB_REPORT", "PYTEST_CURRENT_TEST")
            },
            "INCNB_STORE": str(self.store),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        self.notebook = nbformat.v4.new_notebook()
        self.write(*cells)

    def write(self, *cells: str) -> None:
        """The notebook with these cells; a cell keeps its id at its place."""
        old = [cell.id for cell in self.notebook.cells]
        self.notebook.cells = [nbformat.v4.new_code_cell(text) for text in cells]
        for cell, known in zip(self.notebook.cells, old, strict=False):
            cell.id = known
        nbformat.write(self.notebook, self.path)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self) -> list[str]:
        """A run by a person, as by `incnb run`; what became of the cells."""
        code = (
            "import json, sys; from pathlib import Path; from incnb.batch.run import execute;"
            "from incnb.batch.orders import Orders; path = Path(sys.argv[1]);"
            "done = execute(path, None, Orders(notebook=str(path)));"
            "print('\\n' + json.dumps([d['status'] for d in done.decisions] + [done.error][:bool(done.error)]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(self.path)], env=self.env, capture_output=True, text=True, timeout=BOUND
        )
        assert done.returncode == 0, done.stderr
        found: list[str] = json.loads(done.stdout.splitlines()[-1])
        return found

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "incnb", *words]

    def watch(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`incnb watch` until it ends by itself."""
        return subprocess.run(
            self.command("watch", str(self.path), *words), env=self.env, capture_output=True, text=True, timeout=BOUND
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`incnb watch`, which goes on."""
        return subprocess.Popen(
            self.command("watch", str(self.path), *words),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """All processes that know of this store."""
        mark, found = f"INCNB_STORE={self.store}".encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes().split(b"\0")
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if mark in environment and state != "Z":
                    found.append(int(entry.name))
        return found

    def listing(self) -> dict[str, bytes]:
        """All files beside the notebook, but what Python compiled."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }


def until(what: Callable[[], Any], bound: float = BOUND) -> Any:
    """Wait until something is so, and give that."""
    deadline = time.monotonic() + bound
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {bound:g} s: {what}")
