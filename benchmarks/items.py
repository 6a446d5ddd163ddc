"""What an item of a loop costs: executed and recorded, reused, and as part of an unchanged loop; beside other caches.

The body is as small as one gets, `out.append(f(x))` over ints, so that the figures are all overhead. Each run is a
process of its own: the first on an empty store, then one in which one item of the collection has changed (so that the
cell as a whole is not reused, and all other items are), then one in which nothing has. The time is that of the whole
cell, so deciding, fingerprinting the collection, and saving the cell's own results are in the time per item.

Beside it the same loop over a function cached by `joblib.Memory`, `diskcache`, `marimo.persistent_cache` (on disk) and
by a bare `dict` (in memory, filled before: the least that is possible), in turns with it. A library that cannot be
imported is left out, and a line says so. joblib and marimo write files for every item, so that they are asked for few
items only, unless `--full` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import ROOT, machine, median, spread, table

BAR_REUSED, BAR_EXECUTED = 10, 30  # microseconds
FEW, MANY, MILLION = 2_000, 100_000, 1_000_000
PEERS = {
    "joblib": ("joblib.Memory", FEW),
    "diskcache": ("diskcache", MANY),
    "marimo": ("marimo.persistent_cache", FEW),
    "dict": ("a dict in memory", MANY),
}
SMALL = """
def f(x):
    return x + 1


def with_marimo(store):
    import marimo

    def defined():  # it looks for a caller of the caller
        @marimo.persistent_cache(save_path=store)
        def f(x):
            return x + 1

        return f

    return defined()
"""
LOOP = "out = []\nfor x in items:\n    out.append(f(x))"
WORKER = """
import json, os, resource, sys, time
job = json.loads(sys.stdin.read())
items = list(range(job["number"]))
if job["changed"] is not None:
    items[job["changed"]] = -1 - job["changed"]
way, store, found = job["way"], job["store"], {}
sys.path.insert(0, os.getcwd())
LOOP = job["loop"]


def timed(run):
    started = time.perf_counter()
    run()
    found["seconds"] = time.perf_counter() - started


if way in ("incnb", "plain"):
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    out, sys.stdout = sys.stdout, open(os.devnull, "w")
    if way == "incnb":
        shell.run_line_magic("load_ext", "incnb")
        shell.run_cell("%%incremental\\nwarm = 1")
    shell.user_ns["items"] = items
    shell.run_cell("from small import f")
    mark = "%%incremental\\n" if way == "incnb" else ""
    timed(lambda: shell.run_cell(mark + LOOP).raise_error())
    namespace = shell.user_ns
    if way == "incnb":
        with open(os.environ["INCNB_REPORT"]) as file:
            found["decision"] = json.loads(file.readlines()[-1])
    sys.stdout = out
else:
    from small import f
    namespace = {"items": items}
    if way == "joblib":
        import joblib
        namespace["f"] = joblib.Memory(store, verbose=0).cache(f)
    elif way == "diskcache":
        import diskcache
        namespace["f"] = diskcache.Cache(store, size_limit=2**36).memoize()(f)
    elif way == "marimo":
        from small import with_marimo
        namespace["f"] = with_marimo(store)
    else:
        memo = {x: f(x) for x in (range(job["number"]) if job["again"] else ())}

        def kept(x):
            if x in memo:
                return memo[x]
            memo[x] = value = f(x)
            return value

        namespace["f"] = kept
    timed(lambda: exec(compile(LOOP, "loop", "exec"), namespace))
assert namespace["out"] == [x + 1 for x in items]
found["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(found))
"""

Runs = dict[str, list[dict[str, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, and no loop of a million items")
    parser.add_argument("--full", action="store_true", help="joblib and marimo for many items as well")
    options = parser.parse_args()
    print(machine("ipython"))
    peers = [name for name in PEERS if name == "dict" or importable(name)]
    for number, repeats in ((FEW, 1 if options.quick else 5), (MANY, 1 if options.quick else 3)):
        ways = ["plain", "incnb", *(name for name in peers if options.full or number <= PEERS[name][1])]
        show(number, measured(number, ways, repeats), ways)
    if not options.quick:
        million(measured(MILLION, ["plain", "incnb"], 1))


def importable(name: str) -> bool:
    try:
        version = subprocess.run(
            [sys.executable, "-c", f"import {name}; print({name}.__version__)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except subprocess.CalledProcessError:
        print(f"{name} cannot be imported, and is left out")
        return False
    print(f"{name} {version.strip()}")
    return True


def measured(number: int, ways: list[str], repeats: int) -> Runs:
    """Every way's first run, its run with one other item, and its unchanged run, in turns, on stores of their own."""
    runs: Runs = defaultdict(list)
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="incnb-bench-") as folder:
            (Path(folder) / "small.py").write_text(SMALL, "utf-8")
            for step, changed in (("first", None), ("changed", number // 2 + repeat), ("unchanged", None)):
                for way in ways:
                    if way != "plain" or step == "first":
                        runs[f"{way} {step}"].append(run(Path(folder), way, number, changed, step))
    return runs


def run(folder: Path, way: str, number: int, changed: int | None, step: str) -> dict[str, Any]:
    store = folder / way
    env = {name: value for name, value in os.environ.items() if not name.startswith("INCNB")}
    env |= {"INCNB_STORE": str(store), "INCNB_REPORT": str(folder / "report.jsonl"), "INCNB_FOOTER": "off"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    job = {
        "way": way,
        "number": number,
        "changed": changed,
        "again": step != "first",
        "store": str(store),
        "loop": LOOP,
    }
    command = [sys.executable, "-W", "ignore", "-c", WORKER]
    done = subprocess.run(
        command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, cwd=folder, env=env, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    files = [path.stat() for path in store.rglob("*") if path.is_file()]
    return {**found, "files": len(files), "bytes": sum(file.st_size for file in files)}


def per_item(runs: list[dict[str, Any]], number: int, less: float = 0) -> list[float]:
    return [(found["seconds"] - less) * 1e6 / number for found in runs]


def show(number: int, runs: Runs, ways: list[str]) -> None:
    plain = median(found["seconds"] for found in runs["plain first"])
    each = f"a plain one takes {plain * 1e6 / number:.2f}"
    print(f"\n{number:,} items, µs for each (median of {len(runs['plain first'])}); {each}")
    ours = median(per_item(runs["incnb changed"], number))
    rows = []
    for way in ways[1:]:
        label = "incnb" if way == "incnb" else PEERS[way][0]
        first = per_item(runs[f"{way} first"], number, plain)
        changed, unchanged = (per_item(runs[f"{way} {step}"], number) for step in ("changed", "unchanged"))
        cells = [f"{median(first):.1f}", spread(first, 1, 1), f"{median(changed):.1f}", spread(changed, 1, 1)]
        last = runs[f"{way} unchanged"][-1]
        cells += [f"{median(changed) / ours:.2f}", f"{median(unchanged):.2f}"]
        rows.append([label, *cells, f"{last['files']:,}", f"{last['bytes'] / number:.0f}"])
    heading = [
        "",
        "executed, − plain",
        "range",
        "reused, but one",
        "range",
        "× incnb",
        "unchanged",
        "files",
        "bytes each",
    ]
    table(heading, rows)
    judge(runs, number, median(per_item(runs["incnb first"], number, plain)), ours)


def judge(runs: Runs, number: int, executed: float, reused: float) -> None:
    """The bars. What incnb itself says decides whether a figure is one of items at all."""
    changed, unchanged = runs["incnb changed"][-1]["decision"], runs["incnb unchanged"][-1]["decision"]
    items = changed["items"] or {}
    by_item = (items.get("executed"), items.get("reused")) == (1, number - 1)
    for what, microseconds, bar in (("executed", executed, BAR_EXECUTED), ("reused", reused, BAR_REUSED)):
        verdict = ("met" if microseconds <= bar else "MISSED") if by_item else "NOT MEASURED"
        print(f"{what}, {number:,} items: {microseconds:.1f} µs, bar {bar} µs: {verdict}")
    if not by_item:
        print(f"the loop was not reused item by item: {changed['status']}, {changed['items']}, {changed['reasons']}")
    if unchanged["status"] != "reused":
        print(f"the unchanged loop was NOT reused: {unchanged['status']}, {unchanged['reasons']}")
    for step in ("first", "changed", "unchanged"):
        seconds = runs[f"incnb {step}"][-1]["decision"]["seconds"]
        print(f"incnb's own seconds, {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in seconds.items()))


def million(runs: Runs) -> None:
    print(f"\n{MILLION:,} items")
    plain = runs["plain first"][0]
    rows = []
    for name, (found,) in runs.items():
        cells = [f"{found['seconds']:.2f}", f"{found['seconds'] * 1e6 / MILLION:.2f}", f"{found['rss'] / 2**20:.0f}"]
        cells += [f"{(found['rss'] - plain['rss']) / 2**20:+.0f}", f"{found['bytes'] / 2**20:.1f}"]
        rows.append([name, *cells, f"{found['files']:,}"])
    table(["", "s", "µs an item", "peak RSS, MiB", "− plain", "disk, MiB", "files"], rows)
    first = (runs["incnb first"][0]["seconds"] - plain["seconds"]) * 1e6 / MILLION
    judge(runs, MILLION, first, runs["incnb changed"][0]["seconds"] * 1e6 / MILLION)


if __name__ == "__main__":
    main()
