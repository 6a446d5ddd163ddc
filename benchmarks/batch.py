"""The example notebook executed by tools of batch runs: `incnb run` beside jupyter-cache, papermill and nbconvert.

Each run is a process of its own, from its start to the written file, so the start of the tool and of its kernel and all
imports are in it. The notebook is examples/flights.ipynb, and for the tools that want no edit to the notebook a copy of
it without a word of incnb. Three states of it are measured, in turns, all ways in each turn:

*unchanged*: nothing stale from a run before. jupyter-cache is asked as MyST-NB and Jupyter Book ask it: execute what
is not in its cache, then merge the cached outputs into the notebook (benchmarks/with_jupyter_cache.py).
*a comment*: a line of comment more in the first cell that computes.
*a late cell*: the last cell prints one line more.
*a helper*: a function of `flightlib.py` that the last third of the notebook uses gets another body.

Each turn has an edit of its own, so nothing is found that was made in a turn before. nbconvert
and papermill alone execute everything whatever was edited, and are measured once a turn. A way that did not see an edit
is called stale: it shows what the unchanged notebook shows. Each way has a store of its own.

Beside the wall times stands that of `python -c pass`: what is left of the fast path without it is the time after the
interpreter's start. First runs on empty stores and caches are measured once, before the turns.

    pip install -e '.[bench]'
    python benchmarks/batch.py           # three turns: 12 minutes where the notebook takes 35 s; --quick: one turn
    python benchmarks/batch.py --small   # a tenth of the notebook's own computations
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common import ROOT, machine, median, spread, table

HERE: Final = Path(__file__).resolve().parent
PYTHON: Final = sys.executable
TO_NOTEBOOK: Final = ["--to", "notebook", "--log-level", "ERROR"]
PREPROCESSOR: Final = "--Exporter.preprocessors=incnb.batch.IncrementalExecutePreprocessor"
STATES: Final = ("unchanged", "a comment", "a late cell", "a helper")
SHOWN: Final = STATES[2:]  # they show something else than the unchanged notebook
SMALL: Final = {"n_estimators=100": "n_estimators=10", "n_repeats=5": "n_repeats=1", "rounds=300": "rounds=30"}
RESULT: Final = 'return rate.reindex(keys).fillna(train["late"].mean()).to_numpy()'  # of a helper


@dataclass(frozen=True, slots=True)
class Way:
    """One tool. `edited`: whether what was edited makes a difference to its time; `marked`: it gets the notebook with
    `%load_ext incnb` and `%%incremental`."""

    command: Callable[[str, str], list[str]]  # of the notebook and the file to write
    edited: bool = True
    marked: bool = False


WAYS: Final = {
    "nbconvert --execute": Way(
        lambda source, out: [PYTHON, "-m", "nbconvert", *TO_NOTEBOOK, "--execute", source, "--output", out], False
    ),
    "papermill": Way(
        lambda source, out: [PYTHON, "-m", "papermill", source, out, "--no-progress-bar", "--log-level", "ERROR"], False
    ),
    "jupyter-cache": Way(lambda source, out: [PYTHON, str(HERE / "with_jupyter_cache.py"), source, out]),
    "incnb run": Way(lambda source, out: [PYTHON, "-m", "incnb", "run", source, "-o", out]),
    "nbconvert, the preprocessor of incnb": Way(
        lambda source, out: [PYTHON, "-m", "nbconvert", *TO_NOTEBOOK, PREPROCESSOR, source, "--output", out]
    ),
    "nbconvert --execute, %load_ext incnb in the notebook": Way(
        lambda source, out: [PYTHON, "-m", "nbconvert", *TO_NOTEBOOK, "--execute", source, "--output", out], marked=True
    ),
    "papermill --engine incnb": Way(
        lambda source, out: [
            *(PYTHON, "-m", "papermill", source, out, "--engine", "incnb"),
            *("--no-progress-bar", "--log-level", "ERROR"),
        ]
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one turn instead of three")
    parser.add_argument("--small", action="store_true", help="a tenth of the trees, repeats and rounds")
    parser.add_argument("--only", nargs="+", metavar="WAY", choices=WAYS, default=list(WAYS), help="some of the ways")
    chosen = parser.parse_args()
    turns = 1 if chosen.quick else 3
    print(machine("nbclient", "nbconvert", "papermill", "jupyter-cache", "ipykernel", "pandas", "scikit-learn"))
    subprocess.run([PYTHON, "-c", "import nbconvert, papermill, matplotlib.pyplot, sklearn.ensemble"], check=True)
    with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
        bench = Bench(Path(folder), SMALL if chosen.small else {})
        first = {name: bench.run(name, "unchanged", 0) for name in chosen.only}
        found: dict[tuple[str, str], list[float]] = {}
        starts: list[float] = []
        stale: set[tuple[str, str]] = set()
        shown = {name: bench.read(name) for name in chosen.only}
        for turn in range(1, turns + 1):
            for state in STATES:
                starts.append(timed([PYTHON, "-c", "pass"], {}, Path(folder)))
                bench.edit(state, turn)
                for name in chosen.only:
                    if not WAYS[name].edited and state != "unchanged":
                        continue
                    found.setdefault((name, state), []).append(bench.run(name, state, turn))
                    if state in SHOWN and bench.read(name) == shown[name]:
                        stale.add((name, state))
    show(first, found, starts, stale, chosen.only)


class Bench:
    """A folder with the notebook, a store of incnb for each way, and a cache of jupyter-cache."""

    def __init__(self, folder: Path, changes: dict[str, str]):
        self.folder = folder / "work"  # nothing but the notebook: a new folder beside it may be a module
        self.folder.mkdir()
        shutil.copy(ROOT / "examples" / "flightlib.py", self.folder)
        text = (ROOT / "examples" / "flights.ipynb").read_text("utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        self.original = json.loads(text)
        self.library = (self.folder / "flightlib.py").read_text("utf-8")
        self.edit("unchanged", 0)
        env = {name: value for name, value in os.environ.items() if not name.startswith("INCNB")}
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            env[name] = str(folder / name.lower())
        env["JUPYTERCACHE"] = str(folder / "cache")
        env |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        env["PATH"] = os.pathsep.join([str(Path(PYTHON).parent), os.environ.get("PATH", "")])
        self.env = env

    def edit(self, state: str, turn: int) -> None:
        """Write the notebook and its module as they are in a state."""
        library = self.library
        if state == "a helper":
            library = library.replace(RESULT, f"{RESULT} * {1 - turn / 100}", 1)
            assert library != self.library
        (self.folder / "flightlib.py").write_text(library, "utf-8")
        for marked in (False, True):
            notebook = json.loads(json.dumps(self.original))
            for cell in notebook["cells"]:
                text = "".join(cell["source"])
                if cell.get("id") == "features" and state == "a comment":
                    text += f"\n# turn {turn}"
                if cell.get("id") == "summary" and state == "a late cell":
                    text += f"\nprint('turn', {turn})"
                cell["source"] = text if marked else plain(text)
            if not marked:
                notebook["cells"] = [cell for cell in notebook["cells"] if cell["source"]]
            path = self.folder / ("marked.ipynb" if marked else "plain.ipynb")
            path.write_text(json.dumps(notebook), "utf-8")

    def run(self, name: str, state: str, turn: int) -> float:
        """The seconds of one run."""
        way = WAYS[name]
        source, out = "marked.ipynb" if way.marked else "plain.ipynb", self.out(name)
        Path(out).unlink(missing_ok=True)
        store = {"INCNB_STORE": str(self.folder.parent / f"store-{list(WAYS).index(name)}")}
        seconds = timed(way.command(source, out), self.env | store, self.folder)
        if not Path(out).exists():
            sys.exit(f"{name} wrote no {out} ({state}, turn {turn})")
        return seconds

    def out(self, name: str) -> str:
        return str(self.folder.parent / f"{list(WAYS).index(name)}.out.ipynb")

    def read(self, name: str) -> list[Any]:
        """The texts that the cells of an executed notebook show."""
        cells = json.loads(Path(self.out(name)).read_text("utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ()) if cell.get("id") != "load"]
        texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
        return ["".join(text) for text in texts]


def plain(text: str) -> str:
    """A cell without a word of incnb; empty where nothing else is in it."""
    lines = [line for line in text.splitlines() if not line.startswith(("%%incremental", "%load_ext incnb"))]
    return "\n".join(lines)


def timed(command: list[str], env: dict[str, str], folder: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=env or None, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return seconds


def show(
    first: dict[str, float],
    found: dict[tuple[str, str], list[float]],
    starts: list[float],
    stale: set[tuple[str, str]],
    ways: list[str],
) -> None:
    """One row for each way: the first run, each state, and how often plain nbconvert would have run meanwhile."""
    full = median(found["nbconvert --execute", "unchanged"]) if "nbconvert --execute" in ways else float("nan")
    rows = []
    for name in ways:
        row = [name, f"{first[name]:.1f}" if name in first else ""]
        for state in STATES:
            times = found.get((name, state)) or found[name, "unchanged"]
            mark = " **stale**" if (name, state) in stale else ""
            row.append(f"{seconds(median(times))} ({spread(times, 1, 2)}){mark}")
        rows.append([*row, f"{median(found[name, 'unchanged']) / full:.4f}"])
    turns = max(map(len, found.values()))
    print(f"flights.ipynb, s, median of {turns} and range")
    table(["", "first run", *STATES, "unchanged, × nbconvert"], rows)
    print(f"python -c pass: {median(starts) * 1000:.0f} ms ({spread(starts, 1000, 0)})")
    if ("incnb run", "unchanged") in found:
        left = median(found["incnb run", "unchanged"]) - median(starts)
        print(f"incnb run of the unchanged notebook after the interpreter's start: {left * 1000:.0f} ms")


def seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    main()
