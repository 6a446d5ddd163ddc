"""One notebook that was run once with a kernel, for tests of what rules out doing without one the next time."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from incnb.batch import run
from incnb.batch.manifest import Asked, Done, Refused, answer, ask
from incnb.batch.notebook_file import parse
from incnb.batch.orders import Orders

ROOT = Path(__file__).resolve().parents[2]
LOOKS = hasattr(sys, "monitoring")  # before that a cell that looks at paths is not recorded
NEEDS_LOOKS = pytest.mark.skipif(not LOOKS, reason="this Python does not tell who looks at paths")
LOOK = "there = Path('maybe').exists()" if LOOKS else "there = False"
CELLS = (
    "import os, glob\nfrom pathlib import Path\nimport helper, pkg, lib",
    "t = open('a.txt').read()\nlinked = open('link.txt').read()\nnames = sorted(os.listdir('data'))\n"
    f"found = glob.glob('*.csv')\n{LOOK}\nwho = os.environ.get('WHO')",
    "out = helper.twice(t) + pkg.value()\nout",
    "os.makedirs('made', exist_ok=True)\nos.makedirs('../elsewhere', exist_ok=True)\n"
    "with open('made/result.txt', 'w') as file:\n    file.write(out)",
    "big = list(range(100000))",
    "from IPython.display import HTML, display\nprint('shown: é\\n\\u2028 here')\ndisplay(HTML('<b>bold</b>\\n'))\nlib.answer()",
)


def cells(*texts: str) -> list[dict[str, Any]]:
    return [v4.new_code_cell(text, id=f"c{place}") for place, text in enumerate(texts)]


class Recorded:
    """The notebook, its folders, and what is asked of it."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, *texts: str) -> None:
        self.root = root
        self.work, self.site, self.jupyter = root / "work", root / "lib" / "site-packages", root / "jupyter"
        for folder in (
            self.work / "data",
            self.work / "pkg",
            self.site / "lib-1.0.dist-info",
            root / "ipython",
            root / "config",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        self.write("helper.py", "def twice(text): return text * 2\n")
        self.write("pkg/__init__.py", "from pkg.inner import value\n")
        self.write("pkg/inner.py", "def value(): return 'v'\n")
        self.write("a.txt", "hello")
        self.write("data/one", "1")
        self.write("x.csv", "1")
        self.write("first.txt", "linked")
        self.write("second.txt", "other")
        (self.work / "link.txt").symlink_to("first.txt")
        (self.site / "lib.py").write_text("def answer(): return 42\n")
        (self.site / "lib-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n")
        (self.site / "lib-1.0.dist-info" / "RECORD").write_text("lib.py,,\nlib-1.0.dist-info/RECORD,,\n")
        spec = self.jupyter / "late" / "kernels" / "mine"
        spec.mkdir(parents=True)
        (self.jupyter / "early" / "kernels").mkdir(parents=True)
        argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.spec = spec / "kernel.json"
        self.spec.write_text(
            json.dumps({"argv": argv, "display_name": "Mine", "language": "python", "env": {"GIVEN": "1"}})
        )
        for name, value in {
            "INCNB_STORE": root / "store",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{self.site}",
            "JUPYTER_PATH": f"{self.jupyter / 'early'}{os.pathsep}{self.jupyter / 'late'}",
            "IPYTHONDIR": root / "ipython",
            "XDG_CONFIG_HOME": root / "config",
            "PYTHONDONTWRITEBYTECODE": "1",
            "WHO": "me",
        }.items():
            patch.setenv(name, str(value))
        patch.delenv("INCNB", raising=False)
        patch.delenv("INCNB_REPORT", raising=False)
        self.data = dict(
            v4.new_notebook(
                cells=[v4.new_markdown_cell("# A title\ntext", id="title"), *cells(*(texts or CELLS))],
                metadata={"kernelspec": {"name": "mine", "display_name": "Mine", "language": "python"}},
            )
        )
        self.path, self.out = self.work / "nb.ipynb", self.root / "out.ipynb"
        self.path.write_text(json.dumps(self.data))
        self.orders = Orders(notebook=str(self.path))
        time.sleep(0.1)  # what is as young as the kernel may have been changed while it began
        self.first = self.run()

    def write(self, name: str, text: str) -> Path:
        path = self.work / name
        path.write_text(text)
        return path

    def run(self, orders: Orders | None = None) -> run.Outcome:
        outcome = run.execute(self.path, self.out, orders or self.orders)
        assert not outcome.error, outcome
        return outcome

    def notebook(self) -> dict[str, Any]:
        """Its JSON, to be changed."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def ask(self, data: dict[str, Any] | None = None, orders: Orders | None = None, kernel: str = "") -> Asked:
        raw = json.dumps(data).encode() if data is not None else self.path.read_bytes()
        return ask(parse(self.path, raw), orders or self.orders, kernel, {})

    def done(self, data: dict[str, Any] | None = None, **asked: Any) -> Done:
        return answer(self.ask(data, **asked))

    def refused(self, data: dict[str, Any] | None = None, **asked: Any) -> str:
        """Why a kernel is needed."""
        with pytest.raises(Refused) as told:
            self.done(data, **asked)
        return str(told.value)


def without_times(text: str) -> str:
    """The text of an executed notebook without the times of its cells."""
    data = json.loads(text)
    for cell in data["cells"]:
        cell["metadata"].pop("execution", None)
    return json.dumps(data, indent=1, sort_keys=True)


@dataclass
class Changed:
    """A file with another content (None: gone) for as long as a test looks."""

    path: Path
    content: str | None

    def __enter__(self) -> None:
        self.was = self.path.read_bytes() if self.path.exists() else None
        self.path.unlink(missing_ok=True)
        if self.content is not None:
            self.path.write_text(self.content)

    def __exit__(self, *error: object) -> None:
        self.path.unlink(missing_ok=True)
        if self.was is not None:
            self.path.write_bytes(self.was)
