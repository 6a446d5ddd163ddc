"""What a cell costs in a real kernel: untracked, executed and recorded, reused; and what its large results cost.

Every time is the client's: from sending the cell to the last of its reply and its idle status, as a front end sees it.
Beside it stand incnb's own seconds of the same cells, from the lines of INCNB_REPORT (decide, execute, restore, save).

*Tiny cell*: one addition and one print. Two kernels are alive, one without incnb and one with it, and the four ways to
run the cell are taken in turns. The first decisions of a new kernel come from the kernels of the second part.

*100 MB*: a cell that makes a numpy array, and one that makes a DataFrame, by a function of a module beside the
notebook. In each repeat one new kernel computes and saves, and a second new kernel gets the result back; both start
with the peers (plain execution, pickle protocol 5 to and from a file, joblib.Memory with the same function, and
joblib.Memory with mmap_mode="c") and go on with incnb, on an empty store. What was written stays in the page cache;
between two measurements dirty pages are written out. "First use" is a second cell that reads every value: a reused
large value is loaded no earlier than that. Only incnb waits for the disk when it saves (fsync), and checks the content
of what it loads.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from common import Kernel, machine, median, spread, table

MODULE = '''
import numpy as np
import pandas as pd


def make_array(megabytes: int):
    return np.random.default_rng(0).random(megabytes * 125_000)


def make_frame(megabytes: int):
    """Eight columns of floats and two of integers."""
    rng = np.random.default_rng(0)
    rows = megabytes * 12_500
    columns = {f"f{i}": rng.random(rows) for i in range(8)} | {f"i{i}": rng.integers(0, 1000, rows) for i in range(2)}
    return pd.DataFrame(columns)


# joblib remembers a function for one Memory only
def make_array_mapped(megabytes: int):
    return make_array(megabytes)


def make_frame_mapped(megabytes: int):
    return make_frame(megabytes)
'''
USE = {"array": "used = float(value.sum())", "frame": "used = float(value.to_numpy().sum())"}
TINY = "tiny = start + 1\nprint(tiny)"
STEPS = ("decide", "execute", "restore", "save")

Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 MB instead of 100, and few repeats")
    quick = parser.parse_args().quick
    print(machine("ipykernel", "numpy", "pandas", "joblib"))
    with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
        base = Path(folder)
        work = base / "work"
        work.mkdir()
        (work / "makers.py").write_text(MODULE, "utf-8")
        times: Times = defaultdict(list)
        tiny_cells(base, work, 10 if quick else 100, times)
        megabytes = 10 if quick else 100
        for repeat in range(2 if quick else 7):
            large_results(base, work / f"{repeat}", megabytes, times)
        show_tiny(times)
        for kind in USE:
            show_large(kind, megabytes, times)


# -- the tiny cell


def tiny_cells(base: Path, work: Path, repeats: int, times: Times) -> None:
    """The four ways to run a tiny cell, in turns."""
    with Kernel(base / "home", base / "none", work) as plain, Kernel(base / "home", base / "tiny", work) as ours:
        plain.cell("start = 1")
        ours.cell("%load_ext incnb\nstart = 1")
        ours.tracked("%%incremental\n" + TINY, "executed")
        for repeat in range(-3, repeats):
            found = {
                "plain": (plain.cell(TINY), None),
                "loaded": (ours.cell(TINY), None),
                "executed": ours.tracked("%%incremental --force\n" + TINY, "executed"),
                "reused": ours.tracked("%%incremental\n" + TINY, "reused"),
            }
            for name, (seconds, steps) in found.items() if repeat >= 0 else ():
                note(times, f"tiny {name}", seconds, steps)


def show_tiny(times: Times) -> None:
    labels = {
        "tiny plain": "untracked, incnb not loaded",
        "tiny loaded": "untracked, incnb loaded",
        "tiny executed": "tracked, executed and saved (--force)",
        "tiny reused": "tracked, reused",
        "tiny first executed": "first tracked cell of a kernel, executed and saved",
        "tiny first reused": "first tracked cell of a kernel, reused",
        "load": "%load_ext incnb",
    }
    print("A tiny cell, ms (median)")
    rows = []
    for name, label in labels.items():
        found = times[name]
        steps = [f"{median(times[f'{name} {s}']) * 1e3:.1f}" if times[f"{name} {s}"] else "" for s in STEPS]
        share = f"{median(found) / median(times['tiny plain']):.1f}"
        rows.append([label, f"{median(found) * 1e3:.1f}", spread(found, 1e3, 1), share, *steps, str(len(found))])
    table(["", "client", "range", "× not loaded", *STEPS, "repeats"], rows)


# -- large results


def large_results(base: Path, work: Path, megabytes: int, times: Times) -> None:
    """One repeat: a kernel that computes and saves, and a kernel that gets everything back."""
    store = work / "store"
    work.mkdir()
    shutil.copy(work.parent / "makers.py", work)
    imports = "import pickle, joblib, numpy as np, pandas as pd, makers"
    memories = "\n".join(
        f"cached_{name} = joblib.Memory({folder!r}, mmap_mode={mode!r}, verbose=0).cache"
        for name, folder, mode in (("plain", "joblib", None), ("mapped", "mapped", "c"))
    )
    warm_up = "np.zeros(10).sum(); pd.DataFrame({'a': [1.0]}).to_numpy().sum(); start = 1"
    with Kernel(base / "home", store, work) as kernel:
        kernel.cell(f"{imports}\n{memories}\n{warm_up}")

        def step(name: str, code: str) -> None:
            os.sync()
            times[name].append(kernel.cell(code))

        for kind in USE:
            make = f"makers.make_{kind}"
            step(f"{kind} plain", f"value = {make}({megabytes})")
            step(f"{kind} plain use", USE[kind])
            dump = f"with open('{kind}.pickle', 'wb') as file: pickle.dump(value, file, protocol=5)"
            step(f"{kind} pickle first", f"value = {make}({megabytes})\n{dump}")
            step(f"{kind} joblib first", f"value = cached_plain({make})({megabytes})")
            step(f"{kind} mapped first", f"value = cached_mapped({make}_mapped)({megabytes})")
            kernel.cell("del value")
        times["load"].append(kernel.cell("%load_ext incnb"))
        note(times, "tiny first executed", *kernel.tracked("%%incremental\n" + TINY, "executed"))
        for kind in USE:
            os.sync()
            code = f"%%incremental\nvalue = makers.make_{kind}({megabytes})"
            note(times, f"{kind} incnb first", *kernel.tracked(code, "executed"))
            kernel.cell("del value")

    with Kernel(base / "home", store, work) as kernel:
        kernel.cell(f"{imports}\n{memories}\n{warm_up}")
        os.sync()
        for kind in USE:
            ways = {"pickle": f"with open('{kind}.pickle', 'rb') as file: value = pickle.load(file)"}
            for name in ("plain", "mapped"):
                call = f"cached_{name}(makers.make_{kind}{'_mapped' if name == 'mapped' else ''})"
                kernel.cell(f"assert {call}.check_call_in_cache({megabytes})")
                ways["joblib" if name == "plain" else name] = f"value = {call}({megabytes})"
            for name, code in ways.items():
                times[f"{kind} {name} again"].append(kernel.cell(code))
                times[f"{kind} {name} use"].append(kernel.cell(USE[kind]))
                kernel.cell("del value")
        times["load"].append(kernel.cell("%load_ext incnb"))
        note(times, "tiny first reused", *kernel.tracked("%%incremental\n" + TINY, "reused"))
        for kind in USE:
            code = f"%%incremental\nvalue = makers.make_{kind}({megabytes})"
            note(times, f"{kind} incnb again", *kernel.tracked(code, "reused"))
            times[f"{kind} incnb use"].append(kernel.cell(USE[kind]))
            kernel.cell("del value")
    for path in sorted(work.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()


def show_large(kind: str, megabytes: int, times: Times) -> None:
    print(f"A {megabytes} MB {kind}, ms (median of {len(times[f'{kind} plain'])})")
    ways = {
        "incnb": "incnb",
        "pickle": "pickle 5, a file",
        "joblib": "joblib.Memory",
        "mapped": 'joblib.Memory, mmap_mode="c"',
    }
    plain, use = median(times[f"{kind} plain"]), median(times[f"{kind} plain use"])
    rows = [["plain execution", f"{plain * 1e3:.0f}", "", "", f"{use * 1e3:.0f}", ""]]
    for name, label in ways.items():
        first, again, used = (times[f"{kind} {name} {step}"] for step in ("first", "again", "use"))
        both = [a + b for a, b in zip(again, used, strict=True)]
        medians = [f"{median(v) * 1e3:.0f}" for v in (first, again, used, both)]
        rows.append([label, medians[0], spread(first, 1e3, 0), *medians[1:]])
    table(["", "first run", "range", "again", "first use", "again + first use"], rows)
    steps = ("first", "again")
    rows = [[s, *(f"{median(times[f'{kind} incnb {s} {part}']) * 1e3:.1f}" for part in STEPS)] for s in steps]
    table(["incnb's own seconds, ms", *STEPS], rows)


def note(times: Times, name: str, seconds: float, steps: dict[str, float] | None) -> None:
    """Keep a wall time and incnb's own seconds of the same cell."""
    times[name].append(seconds)
    for step, value in (steps or {}).items():
        times[f"{name} {step}"].append(value)


if __name__ == "__main__":
    main()
