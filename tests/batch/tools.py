"""The tools of Jupyter in processes of their own, with nothing of the person's own set-up around them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREPROCESSOR = "--Exporter.preprocessors=incnb.batch.IncrementalExecutePreprocessor"
NBCLIENT = """
import sys, nbformat, nbclient
nb = nbformat.read(sys.argv[1], as_version=4)
nbclient.execute(nb, cwd=sys.argv[3])
nbformat.write(nb, sys.argv[2])
"""


@dataclass
class Done:
    """What became of a process."""

    status: int
    text: str  # of both streams

    @property
    def counts(self) -> dict[str, int]:
        """What the line of incnb counted in it."""
        line = re.findall(r"incnb: (\d+ \w+(?:, \d+ \w+)*)\s*$", self.text, re.M)
        return {name: int(count) for count, name in (one.split() for one in line[-1].split(", "))} if line else {}


@dataclass
class Tools:
    """Processes that share one home and, unless told otherwise, one store."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        unwanted = ("PYTEST_CURRENT_TEST", "PYTHONSTARTUP", "MPLBACKEND", "INCNB", "INCNB_REPORT")
        env = {name: value for name, value in os.environ.items() if name not in unwanted}
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME"):
            env[name] = str(self.home / name.lower())
        env["HOME"] = str(self.home)
        env.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / f"test-matplotlib-{os.getuid()}"))
        env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        env["JUPYTER_PLATFORM_DIRS"] = "1"
        paths = [str(ROOT), str(self._installed()), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {**env, "PYTHONPATH": os.pathsep.join(paths), "INCNB_STORE": str(self.home / "store"), **self.env}

    def _installed(self) -> Path:
        """A folder that says of the package what an installation would: its entry points."""
        site = self.home / "site"
        info = site / "incnb-0.1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
        lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in those.items()) for group, those in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: incnb\nVersion: 0.1.0\n")
        return site

    def start(self, *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=cwd,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None, status: int | None = 0) -> Done:
        """Run to its end. Fails with all that was said if the status is another than `status` (None: any)."""
        for _ in range(3):
            process = self.start(*words, cwd=cwd, env=env)
            text, _ = process.communicate(timeout=110)
            # ports are chosen before a kernel takes them, and on a busy machine others may be faster
            if "Kernel died before replying to kernel_info" not in text or "Address already in use" not in text:
                break
        assert status is None or process.returncode == status, text
        return Done(process.returncode, text)

    def nbconvert(
        self, notebook: Path, *words: str, env: Mapping[str, str] | None = None, status: int | None = 0
    ) -> Done:
        return self.run("-m", "nbconvert", notebook, *words, cwd=notebook.parent, env=env, status=status)

    def papermill(
        self,
        notebook: Path | str,
        target: Path,
        *words: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        status: int | None = 0,
    ) -> Done:
        words = ("--no-progress-bar", *words)
        return self.run("-m", "papermill", notebook, target, *words, cwd=cwd, env=env, status=status)

    def nbclient(self, notebook: Path, target: Path, *, env: Mapping[str, str] | None = None) -> Done:
        return self.run("-c", NBCLIENT, notebook, target, notebook.parent, cwd=notebook.parent, env=env)
