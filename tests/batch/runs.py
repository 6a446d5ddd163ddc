"""`incnb run` for tests: followed in this process, with kernels that find the incnb that is tested."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, write

import incnb
from incnb.batch.command import main

HOME = str(Path(incnb.__file__).resolve().parents[1])


@dataclass
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, str]:
        """The decision on each cell of the first notebook, by its id."""
        return {one["cell"]["id"]: one["status"] for one in self.report["notebooks"][0]["cells"]}


@dataclass
class Runs:
    """Runs in one folder on one store."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def notebook(self, name: str, *texts: str, tags: dict[int, str] | None = None, **metadata: Any) -> Path:
        cells = [v4.new_code_cell(text, id=f"c{place}") for place, text in enumerate(texts)]
        for place, tag in (tags or {}).items():
            cells[place].metadata["tags"] = [tag]
        path = self.folder / name
        write(v4.new_notebook(cells=cells, metadata=metadata), path)
        return path

    def kernel(self, name: str, language: str = "python", command: list[str] | None = None, **env: str) -> None:
        """Install a kernel: the one of this Python, with these variables, or any command."""
        import sys

        folder = self.folder / "data" / "kernels" / name
        folder.mkdir(parents=True)
        argv = command or [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": name, "language": language, "env": env}
        (folder / "kernel.json").write_text(json.dumps(spec))

    def __call__(self, *words: str | Path) -> Ran:
        """Follow `incnb run`, with a report."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        self.capsys.readouterr()
        try:
            status = main(["run", *map(str, words), "--report", str(report)])
        except SystemExit as stopped:  # of argparse
            status = int(stopped.code or 0)
        told = self.capsys.readouterr()
        assert "Traceback (most recent call last)\n  File" not in told.err
        return Ran(status, told.out, told.err, json.loads(report.read_text()) if report.exists() else {})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runs:
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PYTHONPATH", HOME)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    return Runs(tmp_path, capsys)


def outputs(path: Path) -> list[Any]:
    """What the cells of a file show, in order."""
    return [cell.get("outputs") for cell in json.loads(path.read_text())["cells"]]
