"""What explanations cost: the report, the plan and the page, and what noting things for them adds to saving.

*Asking*: notebooks of 100, 200 and 500 tracked cells that read each other's results run in a shell of a fresh process
on an empty store. Then each question is asked several times: `incnb.report()` as text and as the page, `incnb.plan()`,
`why` of the last cell; and in processes of their own, start-up included, `incnb report` and `incnb report --html`.

*Recording*: with a trace are kept the text of the cell and of the functions that it reaches, and what its inputs are
made of (keys, columns, sketches of arrays), so that a later difference can be told. A cell that reads one value of the
shapes below is executed and saved with that and, in turns, without: the texts of functions and what inputs are made of
are then replaced by nothing. "more" is what a first run pays for it; a reuse pays nothing of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, machine, median, spread, table

FUNCTIONS = "\n".join(f"def f{i}(x):\n    return {f'f{i - 1}(x)' if i else 'x'} + 1" for i in range(20))
#: what the cell reads -> what makes it, where that is not a value read whole: what calls it
VALUES = {
    "20 functions that call each other": FUNCTIONS,
    "an int": "value = 1",
    "a dict of 200 numbers": "value = {f'k{i}': i for i in range(200)}",
    "a list of 100,000 texts": "value = [f'text {i}' for i in range(100_000)]",
    "an array of 8 MB": "import numpy as np\nvalue = np.arange(1_000_000.0)",
    "a frame of 1,000 × 8": "import numpy as np, pandas as pd\n"
    "value = pd.DataFrame({f'c{i}': np.arange(1000.0) + i for i in range(8)})",
    "a frame of 1,000,000 × 8": "import numpy as np, pandas as pd\n"
    "value = pd.DataFrame({f'c{i}': np.arange(1_000_000.0) + i for i in range(8)})",
}
PREPARE = """
import json, os, sys, time
from IPython.core.interactiveshell import InteractiveShell
job = json.loads(sys.stdin.read())
shell = InteractiveShell.instance()
out, sys.stdout = sys.stdout, open(os.devnull, "w")
shell.run_line_magic("load_ext", "incnb")

def run(code):
    started = time.perf_counter()
    shell.run_cell(code).raise_error()
    return time.perf_counter() - started

def seconds(ask):
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started

import incnb
"""
ASKING = (
    PREPARE
    + """
run("def helper(x):\\n    return x + 1")
for i in range(job["cells"]):
    before = f"v{i - 1}" if i else "0"
    run(f"%%incremental --name 'cell {i}'\\n# the {i}th\\nv{i} = helper({before})\\nprint(v{i})")
questions = {
    "report, text": lambda: incnb.report().text(),
    "report, page": lambda: incnb.report().to_html(),
    "plan": lambda: incnb.plan().text(),
    "why": lambda: incnb.why(f"cell {job['cells'] - 1}").text(),
}
out.write(json.dumps({name: [seconds(ask) for _ in range(job["repeats"])] for name, ask in questions.items()}))
"""
)
RECORDING = (
    PREPARE
    + """
from incnb.dependencies import bindings
from incnb.engine import record
run(job["value"])
run("%%incremental\\nwarm = 1")
noted = {"with": (record.anatomy, bindings.source_of), "without": (lambda value: None, lambda value: (None, ""))}
found = {way: [] for way in noted}
for i in range(-2, job["repeats"]):
    for way in noted:
        record.anatomy, bindings.source_of = noted[way]
        seconds = run(f"%%incremental --name {way}\\nused = {job['use']}, {i}, '{way}'")
        if i >= 0:
            found[way].append(seconds)
out.write(json.dumps(found))
"""
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each thing three times instead of nine")
    repeats = 3 if parser.parse_args().quick else 9
    print(machine("ipython", "numpy", "pandas"))
    with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
        asking(Path(folder), repeats)
        recording(Path(folder), repeats)


def asking(folder: Path, repeats: int) -> None:
    rows = []
    for cells in (100, 200, 500):
        store = folder / f"asking-{cells}"
        found = worker(ASKING, {"cells": cells, "repeats": repeats}, store, folder)
        page = folder / "page.html"
        for name, words in (("incnb report", []), ("incnb report --html", ["--html", str(page)])):
            command = [sys.executable, "-m", "incnb", "report", *words]
            found[name] = [timed(command, store, folder) for _ in range(repeats)]
        shown = [f"{median(times) * 1000:.0f} ({spread(times, 1000, 0)})" for times in found.values()]
        rows.append([f"{cells} cells", *shown, f"{page.stat().st_size / 1e6:.2f} MB"])
    table(["ms, median and range", *found, "page"], rows)


def recording(folder: Path, repeats: int) -> None:
    rows = []
    for number, (name, value) in enumerate(VALUES.items()):
        use = "f19(1)" if value is FUNCTIONS else "type(value).__name__"
        job = {"value": value, "use": use, "repeats": repeats}
        found = worker(RECORDING, job, folder / f"recording-{number}", folder)
        noted, without = median(found["with"]), median(found["without"])
        shown = [f"{without * 1000:.1f}", f"{noted * 1000:.1f}", spread(found["with"], 1000, 1)]
        rows.append([name, *shown, f"{(noted - without) * 1000:+.1f}", f"{noted / without:.2f}"])
    table(["a cell that reads, ms", "without", "with", "range", "more", "×"], rows)


def worker(code: str, job: dict[str, Any], store: Path, folder: Path) -> dict[str, list[float]]:
    """What a fresh process measured."""
    command = [sys.executable, "-c", code]
    text = json.dumps(job)
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, cwd=folder, env=environment(store), check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout))


def timed(command: list[str], store: Path, folder: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(store), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return seconds


def environment(store: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("INCNB")}
    env |= {"INCNB_STORE": str(store), "IPYTHONDIR": f"{store}-ipython"}
    return env | {"PYTHONPATH": str(ROOT), "INCNB_FOOTER": "off"}


if __name__ == "__main__":
    main()
