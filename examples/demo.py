"""Execute `flights.ipynb` twice, in two processes, and show what incnb did with every cell.

Both runs are plain `jupyter nbconvert --to notebook --execute`, on a store of their own that is emptied first; nothing
but the environment variables INCNB_STORE and INCNB_REPORT differs from what a person would type. With `--plain` a third
run executes everything with INCNB=off. Then the executed notebooks are compared, output by output, figures included:
every stream as text and every bundle of displayed data byte for byte, because a reused cell must show what executing
it would have shown.

With `--verify` a last run executes what would have been reused (`%%incremental --verify`), and compares every variable,
display and file with what was saved.

The exit status is 1 when outputs or values differ, or when a slow cell was executed again in the second run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incnb.explain import sentence
from incnb.model import Code, Reason

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE / "flights.ipynb"

GLYPHS = {"reused": "✓", "cutoff": "✂", "executed": "▲", "failed": "✗", "blocked": "■"}
REUSED = ("reused", "cutoff")

SLOW_SECONDS = 1.0
"""A cell that took this long in the first run has no business executing in the second."""


@dataclass(frozen=True)
class Run:
    """One execution of the notebook: its wall time, its decisions, and the outputs of each code cell by its id."""

    name: str
    seconds: float
    decisions: list[dict[str, Any]]
    outputs: dict[str, list[Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="also run without incnb, and compare with that")
    parser.add_argument("--work", type=Path, default=Path(".demo"), help="folder for the store and the results")
    parser.add_argument("--verify", action="store_true", help="also execute what would be reused, and compare")
    args = parser.parse_args()

    work = args.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    cold = execute(work, "run1", "first run, nothing stored")
    warm = execute(work, "run2", "second run, another process")
    runs = [cold, warm]
    if args.plain:
        runs.append(execute(work, "plain", "plain run, INCNB=off", off=True))

    print("\nWall times: " + ", ".join(f"{run.name} {run.seconds:.1f} s" for run in runs))
    problems = executed_again(cold, warm)
    problems += differences(cold, warm)
    if args.plain:
        problems += differences(runs[2], cold) + differences(runs[2], warm)
    if args.verify:
        problems += verified(execute(work, "verify", "executing what would be reused", notebook=verifying(work)))
    for problem in problems:
        print(f"✗ {problem}")
    return 1 if problems else 0


def verifying(work: Path) -> Path:
    """A copy of the notebook in which every tracked cell says `--verify`, with the modules that lie beside it."""
    for module in HERE.glob("*lib.py"):
        shutil.copy(module, work)
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = joined(cell["source"]).replace("%%incremental", "%%incremental --verify", 1)
    path = work / "verifying.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def verified(run: Run) -> list[str]:
    """The cells whose execution gave something else than what was saved; says so in a line when there are none."""
    compared, problems = 0, []
    for decision in run.decisions:
        for reason in decision["reasons"]:
            if reason["locator"] == "--verify":
                compared += 1
                if reason["detail"] != "the same as what was saved":
                    problems.append(f"{decision['cell']['title']!r}: {reason['detail']}")
    if not compared:
        return [f"nothing was compared in {run.name}"]
    if not problems:
        print(f"✓ {compared} cells were executed again and gave what was saved")
    return problems


def execute(work: Path, name: str, heading: str, *, off: bool = False, notebook: Path = NOTEBOOK) -> Run:
    """One run of the notebook in a process of its own, told as it was decided."""
    report, log = work / f"{name}.jsonl", work / f"{name}.log"
    env = dict(os.environ, INCNB_STORE=str(work / "store"), INCNB_REPORT=str(report))
    env.pop("INCNB", None)
    if off:
        env["INCNB"] = "off"
    bin_folder = Path(sys.executable).parent
    env["PATH"] = f"{bin_folder}{os.pathsep}{env.get('PATH', '')}"
    env["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one the user registered elsewhere
    command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", str(notebook), "--log-level", "WARN"]
    command += ["--output-dir", str(work), "--output", f"{name}.ipynb"]
    print(f"\n{name}: {heading}", flush=True)
    start = time.perf_counter()
    with log.open("wb") as stderr:
        done = subprocess.run(command, env=env, stderr=stderr, check=False)
    seconds = time.perf_counter() - start
    decisions = [json.loads(line) for line in report.read_text("utf-8").splitlines()] if report.exists() else []
    for decision in [] if off else decisions:
        print("  " + tell(decision))
    if done.returncode:
        print(log.read_text("utf-8", "replace"))
        sys.exit(f"✗ {name} failed: jupyter nbconvert ended with status {done.returncode}, see above")
    if not decisions and not off:
        sys.exit(f"✗ {name}: no decision was reported, so incnb did not work in this kernel")
    return Run(name, seconds, decisions, outputs_by_cell(work / f"{name}.ipynb"))


def tell(decision: dict[str, Any]) -> str:
    """One line: glyph, title, seconds, reason in words."""
    status, seconds = decision["status"], decision["seconds"]
    spent = seconds["decide"] + seconds["restore"] if status in REUSED else seconds["execute"]
    reasons = decision["reasons"]
    why = " · ".join(in_words(reason) for reason in reasons[:2])
    more = f" · and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return f"{GLYPHS.get(status, '?')} {decision['cell']['title']:26} {spent:7.2f} s  {why}{more}"


def in_words(reason: dict[str, Any]) -> str:
    """One reason as incnb itself says it."""
    return sentence(
        Reason(Code(reason["code"]), reason["kind"], reason["locator"], reason["detail"], tuple(reason["caused_by"]))
    )


def outputs_by_cell(path: Path) -> dict[str, list[Any]]:
    """What each code cell shows, without what rightly differs between runs: prompt numbers, timing, incnb's own lines.

    Neighbouring pieces of one stream are joined: where a stream is cut is up to the clock.
    """
    shown: dict[str, list[Any]] = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        outputs: list[Any] = []
        for output in cell["outputs"]:
            if "incnb" in output.get("metadata", {}):
                continue
            if output["output_type"] == "stream":
                text = "".join(output["text"])
                if outputs and outputs[-1][:2] == ["stream", output["name"]]:
                    outputs[-1][2] += text
                else:
                    outputs.append(["stream", output["name"], text])
            else:
                data = {mime: joined(value) for mime, value in output.get("data", {}).items()}
                outputs.append([output["output_type"], data, output.get("metadata", {})])
        shown[cell["id"]] = outputs
    return shown


def joined(value: Any) -> Any:
    """Notebook files may hold a text as a list of lines."""
    return "".join(value) if isinstance(value, list) else value


def executed_again(cold: Run, warm: Run) -> list[str]:
    """The slow cells of the first run that were not reused in the second."""
    slow = [decision["cell"]["title"] for decision in cold.decisions if decision["seconds"]["execute"] >= SLOW_SECONDS]
    if not slow:
        return [f"no slow cell executed in {cold.name}, so nothing was shown"]
    status = {decision["cell"]["title"]: decision["status"] for decision in warm.decisions}
    return [
        f"{title!r} is slow and was {status.get(title, 'not decided')} in {warm.name}, not reused"
        for title in slow
        if status.get(title) not in REUSED
    ]


def differences(first: Run, second: Run) -> list[str]:
    """The cells that show something else in the second run; says so in a line when there are none."""
    cells = first.outputs.keys() | second.outputs.keys()
    differing = sorted(cell for cell in cells if first.outputs.get(cell) != second.outputs.get(cell))
    if not differing:
        figures = sum("image/png" in output[1] for outputs in first.outputs.values() for output in outputs)
        print(f"✓ {first.name} and {second.name} show the same: {len(cells)} cells, {figures} figures included")
    return [f"cell {cell} shows something else in {second.name} than in {first.name}" for cell in differing]


if __name__ == "__main__":
    sys.exit(main())
