"""Random notebooks: what a plan says would be reused is reused, when the notebook then runs from top to bottom."""

from __future__ import annotations

import decimal
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

NAMES = "abcd"
MAKE = (
    "{n} = [k, {i}]", "{n} = {{'x': [k], 'y': {i}}}", "{n} = [{i}]", "{n} = list({m})", "{n} = {m}", "{n} = f({m})",
    "{n} = [{m}, {i}]", "{n} = k + {i}", "{n} = len({m})", "{n} = str({m})",
)  # fmt: skip
CHANGE = (
    "{n}.append(k)", "{n}.append({i})", "{n}['x'] = k", "g({n})", "{n} += [k]", "{n}.extend({m})", "{n}['x'].append(k)",
    "{n}[0].append({i})", "del {n}", "for q in list({n}):\n    {m}.append(q)",
)  # fmt: skip
LOOK = (
    "print({n})", "r{i} = sum(map(len, map(str, {n})))", "r{i} = f({n})", "{n}", "r{i} = ({n}, {m})",
    "with open('o{j}', 'w') as h:\n    h.write(str(k))", "r{i} = open('o{j}').read()",
    "import os\nr{i} = [p for p in os.listdir('.') if p.startswith('o')]", "import random\nrandom.seed(k)",
    "import random\nr{i} = random.random()", "r{i} = h({i})",
)  # fmt: skip
STATE = (
    "import os\nos.environ['ZQ'] = str({i})", "import os\nos.environ['ZQ'] = str(k)", "%env ZQ={i}",
    "import decimal\ndecimal.getcontext().prec = {i} + 3", "import warnings\nwarnings.simplefilter('ignore')",
    "import warnings\nwarnings.simplefilter('always')", "import settings\nsettings.put({i})",
    "import settings\nsettings.OPT = k", "with open('o{j}', 'w') as h:\n    h.write(str({i}))",
    "import os\nos.path.exists('o{j}') and os.remove('o{j}')", "r{i} = str({n})", "g({n})",
)  # fmt: skip
ASK = (
    "import os\nr{i} = os.environ.get('ZQ')", "import decimal\nr{i} = decimal.getcontext().prec",
    "import settings\nr{i} = settings.OPT", "import settings\nr{i} = settings.get({i})", "r{i} = k + {i}",
    "import os\nr{i} = os.path.exists('o{j}')", "import os\nr{i} = sorted(os.listdir('.'))",
    "import os\nr{i} = open('o{j}').read() if os.path.exists('o{j}') else ''",
    "with open('o{j}', 'w') as h:\n    h.write(str(k))", "import os\nos.environ['ZQ'] = str(k)",
    "import os\nif os.path.exists('o{j}'): os.remove('o{j}')",
)  # fmt: skip
SETTINGS = "OPT = 1\ndef put(k):\n    global OPT\n    OPT = k\ndef get(k):\n    return k + OPT\n"
FIRST = (
    "k = 1",
    "def f(v):\n    return [str(v), len(str(v))]",
    "def g(v):\n    v.append(k)\ndef h(v):\n    return [v, a]",
)
EDITS = (
    "k = 2", "def f(v):\n    return [str(v)]", "def g(v):\n    v.append(k)\n    v.append(0)\ndef h(v):\n    return [v, a]",
    "def f(v):\n    v.append(1) if isinstance(v, list) else 0\n    return [str(v), len(str(v))]",
)  # fmt: skip


def cells(dice: random.Random, count: int) -> list[tuple[str, bool]]:
    found = [(f"{name} = [{number}]", dice.random() < 0.7) for number, name in enumerate(NAMES)]
    for number in range(count):
        kind = dice.choice((MAKE, MAKE, CHANGE, LOOK, LOOK))
        n, m = dice.sample(NAMES, 2)
        text = dice.choice(kind).format(n=n, m=m, i=number, j=dice.randrange(2))
        found.append((f"# cell {number}\n{text}", dice.random() < 0.8))
    return found


def stateful(dice: random.Random, count: int) -> list[tuple[str, bool]]:
    """Cells that are not tracked and set state or write files, between tracked ones that ask for it."""
    found = [(f"{name} = [{number}]", dice.random() < 0.5) for number, name in enumerate(NAMES)]
    for number in range(count):
        tracked = dice.random() < 0.6
        n, m = dice.sample(NAMES, 2)
        text = dice.choice(ASK if tracked else STATE).format(n=n, m=m, i=number, j=dice.randrange(2))
        found.append((f"# cell {number}\n{text}", tracked))
    return found


def run(shell: Any, number: int, text: str, *, tracked: bool) -> str:
    """The status of a cell; empty for one that is not tracked, `stop` where it failed."""
    before = len(shell.decisions())
    mark = f"%%incremental --name c{number}\n" if tracked else ""
    result = shell.ip.run_cell(mark + text, store_history=True, cell_id=f"id{number}")
    if not result.success:
        return "stop"
    return str(shell.decisions()[-1]["status"]) if tracked and len(shell.decisions()) > before else ""


def disturb(dice: random.Random, shell: Any, notebook: list[tuple[str, bool]]) -> None:
    """Edit a tracked cell and run it alone; now and then a file changes, or goes."""
    if dice.random() < 0.4:
        time.sleep(0.02)
        path = Path(f"o{dice.randrange(2)}")
        path.unlink(missing_ok=True) if dice.random() < 0.5 else path.write_text("other")
    for at in dice.sample(range(3, len(notebook)), 2):
        text, tracked = notebook[at]
        if tracked and text.startswith("# cell") and dice.random() < 0.8:
            notebook[at] = f"{text}\nz{at} = 'edited'", tracked
            run(shell, at, notebook[at][0], tracked=True)


def check(shells: Shells, seed: int, told: Counter[str], make: Any = cells) -> None:
    from incnb.notebook.extension import _loaded

    dice = random.Random(seed)
    shell = shells()
    notebook = [(text, False) for text in FIRST] + make(dice, 9)
    at = 0
    while at < len(notebook):  # a cell that fails is taken out, as a person would do
        text, tracked = notebook[at]
        if run(shell, at, text, tracked=tracked) == "stop":
            notebook[at] = "pass", False
        at += 1
    for _ in range(dice.randrange(3)):  # and some run once more, in any order
        at = dice.randrange(3, len(notebook))
        run(shell, at, notebook[at][0], tracked=notebook[at][1])
    for _ in range(dice.randrange(2)):
        for number, (text, tracked) in enumerate(notebook):
            if run(shell, number, text, tracked=tracked) == "stop":
                break
    if make is stateful:
        disturb(dice, shell, notebook)
    if dice.random() < 0.7:
        edit = dice.choice(EDITS)
        at = 0 if edit.startswith("k") else 1 if edit.startswith("def f") else 2
        notebook[at] = edit, False
        run(shell, at, edit, tracked=False)
    plan = {o.title: o for o in _loaded[id(shell.ip)].enquiries.plan().outlooks}
    for number, (text, tracked) in enumerate(notebook):
        status = run(shell, number, text, tracked=tracked)
        if status == "stop":
            if tracked:
                assert plan[f"c{number}"].reuse is not True, (seed, number, text, "failed")
            return
        outlook = plan.get(f"c{number}") if tracked else None
        if outlook is not None:
            told[f"{outlook.reuse} {status}"] += 1
            if outlook.reuse is False and make is stateful:
                assert status not in ("reused", "cutoff"), (seed, number, text, outlook, notebook)
            if outlook.reuse:
                assert status in ("reused", "cutoff"), (seed, number, text, shell.reasons, notebook)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_what_a_plan_says_would_be_reused_is_reused(shells: Shells, first: int, tmp_path: Any) -> None:
    told = Counter[str]()
    for seed in range(first, first + 10):
        for path in (tmp_path / "work").iterdir():
            path.unlink()
        check(shells, seed, told)
    assert told["True reused"] > 10, told


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_what_a_plan_says_holds_where_cells_that_are_not_tracked_set_state(
    shells: Shells, first: int, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "work" / "settings.py").write_text(SETTINGS)
    told = Counter[str]()
    for seed in range(first, first + 10):
        for path in (tmp_path / "work").glob("o*"):
            path.unlink()
        sys.modules.pop("settings", None)
        monkeypatch.delenv("ZQ", raising=False)
        with decimal.localcontext(), warnings.catch_warnings():
            check(shells, seed, told, stateful)
    assert told["True reused"] > 10, told
