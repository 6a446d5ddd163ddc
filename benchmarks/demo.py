"""The example notebook through nbconvert: the first run on an empty store, the second run on it, and a run without.

Each of the three is a process of its own, `jupyter nbconvert --execute`, on a copy of examples/flights.ipynb and its
module, taken in turns: INCNB=off, an empty store, the same store again. The wall time is that of the whole process,
start-up of nbconvert and of the kernel and all imports included; CPU is the processor time of all processes of the run,
which other people's work on the machine disturbs less. Beside them stand the sums of incnb's own seconds from
INCNB_REPORT, and how many cells were executed and reused. Most of the time goes into the notebook's own computations:
three repeats take 3 to 6 minutes, depending on the machine, and --quick a third of that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, machine, median, spread, table

STEPS = ("decide", "execute", "restore", "save")
REUSED = ("reused", "cutoff")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each run once instead of three times")
    repeats = 1 if parser.parse_args().quick else 3
    print(machine("nbconvert", "ipykernel", "numpy", "pandas", "scikit-learn", "matplotlib"))
    found: dict[str, list[float]] = {"plain": [], "first": [], "second": []}
    spent: dict[str, list[float]] = {name: [] for name in found}
    decisions: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
        base = Path(folder)
        for name in ("flights.ipynb", "flightlib.py"):
            shutil.copy(ROOT / "examples" / name, base)
        warm_up()
        for repeat in range(repeats):
            for name in found:
                store = base / f"store{repeat}"
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds, decisions[name] = execute(base, store, off=name == "plain")
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                found[name].append(seconds)
                spent[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
                os.sync()
            shutil.rmtree(base / f"store{repeat}")
    labels = {"plain": "INCNB=off", "first": "first run, empty store", "second": "second run"}
    rows = []
    for name, label in labels.items():
        times, cells = found[name], decisions[name]
        reused = sum(cell["status"] in REUSED for cell in cells)
        counts = f"{len(cells) - reused} / {reused}" if cells else ""
        steps = [f"{sum(cell['seconds'][step] for cell in cells):.2f}" if cells else "" for step in STEPS]
        wall = [f"{median(times):.1f}", spread(times, 1, 1), f"{median(times) / median(found['plain']):.2f}"]
        cpu = [f"{median(spent[name]):.1f}", f"{median(spent[name]) / median(spent['plain']):.2f}"]
        rows.append([label, *wall, *cpu, counts, *steps])
    print(f"flights.ipynb, s (median of {repeats}; incnb's own seconds are those of the last)")
    table(["", "wall", "range", "× off", "CPU", "× off", "executed / reused", *STEPS], rows)
    print("Cells that executed again:", ", ".join(executed(decisions["second"])) or "none")


def warm_up() -> None:
    """Byte code, the list of fonts and the page cache are nobody's merit."""
    imports = "import nbconvert, ipykernel, matplotlib.pyplot, sklearn.ensemble, sklearn.inspection"
    subprocess.run([sys.executable, "-c", imports], check=True)


def execute(base: Path, store: Path, *, off: bool = False) -> tuple[float, list[dict[str, Any]]]:
    """One run of the notebook: its wall time and its decisions."""
    report = base / f"{time.time_ns()}.jsonl"
    env = {name: value for name, value in os.environ.items() if not name.startswith("INCNB")}
    env |= {"INCNB_STORE": str(store), "INCNB_REPORT": str(report), "IPYTHONDIR": str(base / "ipython")}
    env["JUPYTER_DATA_DIR"] = str(base / "jupyter")
    env["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one registered elsewhere
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if off:
        env["INCNB"] = "off"
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(base / "flights.ipynb")]
    command += ["--output", "executed.ipynb", "--log-level", "WARN"]
    start = time.perf_counter()
    done = subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"nbconvert ended with status {done.returncode}:\n{done.stderr}")
    lines = report.read_text("utf-8").splitlines() if report.exists() else []
    decisions: list[dict[str, Any]] = [json.loads(line) for line in lines]
    if not off and not decisions:
        sys.exit("no decision was reported, so incnb did not work in this kernel")
    return seconds, [] if off else decisions


def executed(cells: list[dict[str, Any]]) -> list[str]:
    return [cell["cell"]["title"] for cell in cells if cell["status"] not in REUSED]


if __name__ == "__main__":
    main()
