"""What being observed costs: the first run of a cell, beside the same cell executed plainly.

Each body runs in a shell of a fresh process, tracked on an empty store and plain, in turns; the time is that of the
whole `run_cell`, so deciding, observing, and saving are in it. Small bodies show what a cell pays at least, the
others what each kind of observation adds: calls of helpers, files opened, paths looked at, lines printed, a folder
listed, numbers drawn. What the example notebook pays as a whole is measured by `demo.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, machine, median, spread, table

FILES = 2000
OPEN = f"""
s = 0
for i in range({FILES}):
    with open(f'd/{{i}}') as f:
        s += len(f.read())
"""
FRAME = """
import numpy as np, pandas as pd
df = pd.DataFrame({'k': np.arange(1_000_000) % 1000, 'v': np.arange(1_000_000.)})
"""
HELPER = "def f(x):\n    return x + 1"
MATRIX = "import numpy as np\na = np.ones((500, 500))"
#: what is measured -> (cells before, the cell)
BODIES = {
    "nothing": ("", "x = 1"),
    "1,000,000 calls of a helper": (HELPER, "s = 0\nfor i in range(1_000_000):\n    s = f(s)"),
    "a loop without calls": ("", "s = 0\nfor i in range(5_000_000):\n    s += i"),
    f"{FILES:,} files opened and read": ("", OPEN),
    "20,000 looks at a path": ("import os", "s = sum(os.path.exists('d/1') for _ in range(20_000))"),
    f"a folder of {FILES:,} files listed": ("import os", "s = len(os.listdir('d'))"),
    "10,000 lines printed": ("", "for i in range(10_000):\n    print(i)"),
    "numpy, 10 products of 500 × 500": (MATRIX, "for _ in range(10):\n    b = a @ a"),
    "pandas, a group-by of 1,000,000 rows": (FRAME, "m = df.groupby('k')['v'].mean()"),
    "seed, and 1,000,000 numbers drawn": (MATRIX, "np.random.seed(1)\nx = np.random.rand(1_000_000).sum()"),
}
WORKER = """
import json, os, sys, time
from IPython.core.interactiveshell import InteractiveShell
before, body, tracked = json.loads(sys.stdin.read())
shell = InteractiveShell.instance()
out, sys.stdout = sys.stdout, open(os.devnull, "w")
if tracked:
    shell.run_line_magic("load_ext", "incnb")
    shell.run_cell("%%incremental\\nwarm = 1")
shell.run_cell(before or "pass")
started = time.perf_counter()
result = shell.run_cell(("%%incremental\\n" if tracked else "") + body)
seconds = time.perf_counter() - started
result.raise_error()
out.write(json.dumps(seconds))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each body three times instead of nine")
    repeats = 3 if parser.parse_args().quick else 9
    print(machine("ipython", "numpy", "pandas"))
    rows = []
    with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
        (Path(folder) / "d").mkdir()
        for number in range(FILES):
            (Path(folder) / "d" / str(number)).write_text("x" * 100)
        for name, (before, body) in BODIES.items():
            times: dict[bool, list[float]] = {False: [], True: []}
            for repeat in range(repeats):
                for tracked in (False, True):
                    times[tracked].append(run(folder, before, body, tracked, f"{len(rows)}-{repeat}"))
            plain, observed = median(times[False]), median(times[True])
            more = (observed - plain) * 1000
            shown = [f"{plain * 1000:.1f}", f"{observed * 1000:.1f}", spread(times[True], 1000, 1)]
            rows.append([name, *shown, f"{more:+.1f}", f"{observed / plain:.2f}"])
    table(["body, ms", "plain", "tracked, first run", "range", "more", "×"], rows)


def run(folder: str, before: str, body: str, tracked: bool, store: str) -> float:
    """Seconds of one `run_cell` in a process of its own."""
    env = dict(os.environ, INCNB_STORE=str(Path(folder) / f"store-{store}"), PYTHONPATH=str(ROOT), INCNB_FOOTER="off")
    job = json.dumps([before, body, tracked])
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(command, input=job, capture_output=True, text=True, cwd=folder, env=env, check=True)
    return float(json.loads(done.stdout))


if __name__ == "__main__":
    main()
