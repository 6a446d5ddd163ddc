"""No decision is taken without a reason that names something concrete, whatever befalls the cells of a notebook."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incnb.engine import session as sessions
from incnb.explain import describe, sentence
from incnb.explain.words import is_about_items
from incnb.model import Code, Decision, Status
from incnb.notebook import extension

Shells = Callable[[], Any]

#: The cells of a notebook by name, each in several versions.
CELLS = {
    "settings": ["cfg = {'lr': 0.1, 'n': 3}", "cfg = {'lr': 0.2, 'n': 3}", "cfg = incnb.Config({'lr': 0.1, 'n': 3})"],
    "helpers": ["def clean(x):\n    return x\ndef features(x):\n    return clean(x)", "def clean(x):\n    return x + 1\ndef features(x):\n    return clean(x)"],
    "frame": ["df = pd.DataFrame({'a': [1, 2, 3]})", "df = pd.DataFrame({'a': [1, 2, 4]})", "df = pd.DataFrame({'a': [1, 2, 3]}) "],
    "use": ["r = features(cfg['lr'])", "r = features(cfg['lr']) + 1"],
    "whole": ["s = str(cfg)"],
    "describe": ["d = df.describe()"],
    "loop": ["out = []\nfor x in [1, 2, 3]:\n    out.append(features(x))", "out = []\nfor x in [1, 2, 3, 4]:\n    out.append(features(x))"],
    "unit": ["t = 0\nfor x in df['a']:\n    if x > 2:\n        break\n    t += x"],
    "file": ["n = len(open('data.csv').read())"],
    "env": ["import os\ne = os.environ.get('REASONS')"],
    "module": ["import lib_reasons\nm = lib_reasons.f(1)"],
    "random": ["import random\nz = random.random()"],
    "clock": ["import time\nz = time.time()"],
    "exec": ["exec('q = 1')"],
    "shell": ["!true"],
    "lock": ["import threading\nlock = threading.Lock()"],
    "fails": ["1 / 0", "raise KeyError(len(df))"],
    "absent": ["v = not_there"],
    "options": ["pd.set_option('display.width', 70)"],
    "await": ["import asyncio\nawait asyncio.sleep(0)"],
    "nothing": ["pass"],
    "grow": ["cfg = dict(cfg); cfg['n'] += 1"],
}  # fmt: skip
OPTIONS = ["", "", "", "", "", "--force", "--off", "--verify", "--version 2", "--ttl 1h", "--when True", "--config 1+1", "--file data.csv", "--allow clock"]  # fmt: skip
BETWEEN = [
    "k = 1", "df.loc[0, 'a'] = 9", "cfg = {'lr': 0.3}", "del r", "clean = len", "import os; os.environ['REASONS'] = '2'",
    "open('data.csv', 'a').write('x')", "import os; os.path.exists('data.csv') and os.unlink('data.csv')",
    "open('data.csv', 'w').write('1')", "open('lib_reasons.py', 'a').write('\\nq = 1')", "%incremental mark use --hard",
    "%incremental mark whole --soft", "%incremental accept use --reason same",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.thorough) for n in (2, 3))])
def test_every_decision_names_something(shells: Shells, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    Path("data.csv").write_text("1")
    Path("lib_reasons.py").write_text("def f(x):\n    return x\n")
    monkeypatch.setenv("REASONS", "1")
    monkeypatch.delenv("INCNB_DEBUG", raising=False)
    seen: set[Code] = set()
    statuses: set[Status] = set()
    for _ in range(3):
        shell = shells()
        shell.ip.run_cell("import incnb, pandas as pd", silent=True)
        shell.ip.showtraceback = lambda *args, **kwargs: None
        session = extension._loaded[id(shell.ip)].session
        for name in ("settings", "helpers", "frame", *chance.choices(list(CELLS), k=50)):
            if chance.random() < 0.4:
                shell.ip.run_cell(chance.choice(BETWEEN))
            before = len(session.decisions)
            options = chance.choice(OPTIONS)
            shell.ip.run_cell(
                f"%%incremental --name {name} {options}\n{chance.choice(CELLS[name])}", store_history=True
            )
            assert len(session.decisions) == before + 1 or options.startswith("--config"), name
            for decision in session.decisions[before:]:
                check(decision, {*CELLS, *(n for n in shell.ip.user_ns if n not in shell.ip.user_ns_hidden)})
                seen |= {reason.code for reason in decision.reasons}
                statuses.add(decision.status)
    assert len(seen) > 10 and statuses >= set(Status) - {Status.CUTOFF}, (seen, statuses)


OURS = r"--\w+|Python \d|pandas|incnb|data\.csv|lib_reasons|REASONS|line \d|exec|!true|forkpty|random|clock|time"


def check(decision: Decision, names: set[str]) -> None:
    assert decision.reasons
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if len(name) > 1)
    for reason in decision.reasons:
        text = sentence(reason)
        assert text and re.search(rf"(?<!\w)(?:{known})(?!\w)|{OURS}", text), (decision.cell.title, reason)
        assert "no reason was found" not in text
        if is_about_items(reason):
            assert "not saved" not in text
    shown = describe(decision)
    told = [reason for reason in decision.reasons if sentence(reason) in shown]
    assert told or (decision.items is not None and decision.items.why), (decision, shown)


@pytest.mark.parametrize("where", ["_look_up", "_finish", "environment"])
def test_a_fault_of_ours_is_a_reason_too(shells: Shells, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def fault(*_: Any, **__: Any) -> None:
        raise RuntimeError("of ours")

    monkeypatch.delenv("INCNB_DEBUG")
    shell = shells()
    monkeypatch.setattr(sessions.Session, where, fault)
    assert shell.cell("x = 1", "--name one") == "executed" and shell["x"] == 1
    decision = extension._loaded[id(shell.ip)].session.decisions[-1]
    assert "a fault of incnb: RuntimeError: of ours" in describe(decision)


def test_a_store_that_cannot_be_used_is_a_reason_too(shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    shell = shells()
    assert shell.cell("x = 1", "--name one") == "executed"
    decision = extension._loaded[id(shell.ip)].session.decisions[-1]
    check(decision, {str(tmp_path / "store")})


def test_a_damaged_trace_and_one_of_a_newer_incnb_are_reasons_too(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("x = 1", "--name one")
    (path,) = (tmp_path / "store" / "traces").glob("*/*.json")
    text = path.read_text()
    for edited, code in ((text[:-9], Code.STORE_UNREADABLE), (text.replace('{"v": ', '{"v": 9', 1), Code.NEWER_FORMAT)):
        for other in (tmp_path / "store" / "traces").glob("*/*.json"):
            other.unlink()
        path.write_text(edited)
        shell = shells()
        assert shell.cell("x = 1", "--name one") == "executed"
        decision = extension._loaded[id(shell.ip)].session.decisions[-1]
        assert code in {reason.code for reason in decision.reasons}
        check(decision, {path.stem, "one"})
