"""Notebooks for tests: cells run in real kernels, or in plain shells, that share one store."""

from __future__ import annotations

import atexit
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernel import Kernel, Run


class Notebook:
    """Cells run in kernels that share one store: `with notebook.kernel() as nb: nb.run(...)` is one kernel's life."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.report = folder / "report.jsonl"
        self.env = {
            "INCNB_STORE": str(folder / "store"),
            "INCNB_REPORT": str(self.report),
            "JPY_SESSION_NAME": str(folder / "work" / "nb.ipynb"),
            "INCNB_DEBUG": "1",
        }
        self.work = folder / "work"
        self.work.mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> None:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @contextlib.contextmanager
    def kernel(self, first: str | None = "%load_ext incnb", **env: str) -> Iterator[Session]:
        with Kernel(env={**self.env, **env}, cwd=self.work) as kernel:
            session = Session(self, kernel)
            if first:
                session.run(first)
            yield session

    def decisions(self) -> list[dict[str, Any]]:
        if not self.report.exists():
            return []
        return [json.loads(line) for line in self.report.read_text().splitlines()]


class Session:
    """One kernel of a notebook."""

    def __init__(self, notebook: Notebook, kernel: Kernel):
        self.notebook = notebook
        self.kernel = kernel
        self.decision: dict[str, Any] = {}

    def run(self, code: str, **options: Any) -> Run:
        before = len(self.notebook.decisions())
        result = self.kernel.run(code, **options)
        new = self.notebook.decisions()[before:]
        self.decision = new[-1] if new else {}
        return result

    def status(self, code: str, **options: Any) -> str:
        """Run a cell and give the status of its decision ('' = it was not tracked)."""
        self.run(code, **options)
        return str(self.decision.get("status", ""))

    @property
    def reason(self) -> str:
        """The first reason of the latest decision: code and locator."""
        reasons = self.decision.get("reasons", [])
        return f"{reasons[0]['code']} {reasons[0]['locator']}".strip() if reasons else ""

    @property
    def reasons(self) -> list[str]:
        return [f"{r['code']} {r['locator']}" for r in self.decision.get("reasons", [])]


class Shell:
    """A plain InteractiveShell with incnb, on a store that outlives it: quick, for everything that needs no kernel."""

    def __init__(self, folder: Path):
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        InteractiveShell.clear_instance()
        self.ip = InteractiveShell.instance(config=config)
        self.folder = folder
        self.report = folder / "report.jsonl"
        self.ip.run_line_magic("load_ext", "incnb")

    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.report.read_text().splitlines()] if self.report.exists() else []

    def plain(self, code: str) -> Any:
        """Run an untracked cell."""
        result = self.ip.run_cell(code, store_history=True)
        result.raise_error()
        return result.result

    def cell(self, code: str, options: str = "") -> str:
        """Run a tracked cell and give the status of its decision."""
        self.ip.run_cell(f"%%incremental {options}\n{code}", store_history=True).raise_error()
        return str(self.decisions()[-1]["status"])

    @property
    def reason(self) -> str:
        first = self.decisions()[-1]["reasons"][0]
        return f"{first['code']} {first['locator']}".strip()

    @property
    def reasons(self) -> list[str]:
        return [f"{r['code']} {r['locator']} {r['detail']}" for r in self.decisions()[-1]["reasons"]]

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]

    def close(self) -> None:
        self.ip.run_line_magic("unload_ext", "incnb")
        atexit.unregister(self.ip.atexit_operations)  # a collection for each of a thousand shells takes minutes
