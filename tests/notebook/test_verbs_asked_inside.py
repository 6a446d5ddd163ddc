"""A cell that asks incnb about its session depends on what nothing can compare: it is never saved, nor are its items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

ASKS = "it asks incnb about this session"


def not_saved(shell: Any) -> bool:
    return any(ASKS in reason for reason in shell.reasons)


@pytest.mark.parametrize(
    "asks",
    [
        "import incnb\nr = incnb.report().to_dict()",
        "from incnb import report\nr = len(repr(report()))",
        "from incnb import why as w\nr = str(w())",
        "import incnb\nr = incnb.stats().session.reused",
        "import incnb\nf = incnb.report\nr = repr(f())",
        "import incnb\nr = getattr(incnb, 'rep' + 'ort')().counts",
        "import incnb\ntry:\n    incnb.history('nobody')\nexcept incnb.IncnbError as error:\n    r = str(error)",
    ],
)
def test_a_cell_that_asks_is_never_saved(shells: Shells, asks: str) -> None:
    shell = shells()
    shell.cell("x = 1", "--name one")
    assert shell.cell(asks, "--name asks") == "executed" and not_saved(shell), shell.reasons
    assert shell.cell(asks, "--name asks") == "executed" and not_saved(shell), shell.reasons
    shell = shells()
    assert shell.cell(asks, "--name asks") == "executed"


def test_a_stale_report_is_not_brought_back(shells: Shells) -> None:
    shell = shells()
    asks = "import incnb\nn = len(incnb.report().rows)"
    shell.cell("x = 1", "--name one")
    shell.cell(asks, "--name asks")
    assert shell["n"] == 1
    shell.cell("y = 1", "--name two")
    shell.cell(asks, "--name asks")
    assert shell["n"] == 3


def test_a_helper_that_asks_makes_its_cell_unsaved(shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "work" / "asking.py").write_text("import incnb\n\ndef cells():\n    return len(incnb.report().rows)\n")
    shell = shells()
    shell.plain("import asking\ndef helper():\n    return asking.cells()")
    for _ in range(2):
        assert shell.cell("n = helper()") == "executed" and not_saved(shell), shell.reasons


def test_a_helper_that_asks_by_the_magic_makes_its_cell_unsaved(shells: Shells, tmp_path: Path) -> None:
    (tmp_path / "work" / "magical.py").write_text(
        "import IPython\n\ndef ask():\n    IPython.get_ipython().run_line_magic('incremental', 'report')\n    return 1\n"
    )
    shell = shells()
    shell.plain("import magical")
    for _ in range(2):
        assert shell.cell("n = magical.ask()") == "executed" and not_saved(shell), shell.reasons
    assert shell.cell("m = 1\n%incremental report") == "executed"
    assert shell.cell("m = 1\n%incremental report") == "executed"


def test_a_helper_that_might_ask_and_does_not_costs_nothing(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb\nask = False\ndef helper():\n    return len(incnb.report().rows) if ask else 0")
    shell.cell("n = helper()")
    assert shell.cell("n = helper()") == "reused"
    shell.plain("ask = True")
    assert shell.cell("n = helper()") == "executed" and not_saved(shell)
    assert shell.cell("n = helper()") == "executed"


def test_items_of_a_loop_that_ask_are_never_saved(shells: Shells) -> None:
    shell = shells()
    loop = (
        "import incnb\nout = []\nfor n in range(6):\n    if n % 2:\n        out.append(len(incnb.report().rows))\n"
        "    else:\n        out.append(n)"
    )
    shell.cell(loop, "--name loop")
    assert shell["out"] == [0, 0, 2, 0, 4, 0] and not_saved(shell), shell.reasons
    assert shell.cell(loop, "--name loop") == "executed"
    assert shell["out"] == [0, 1, 2, 1, 4, 1], "an item that asked was brought back"


def test_calls_of_map_that_ask_are_never_saved(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb\ndef ask(n):\n    return len(incnb.report().rows) if n % 2 else n")
    cell = "out = incnb.map(ask, range(4))"
    assert shell.cell(cell, "--name mapped") == "executed" and shell["out"] == [0, 0, 2, 0]
    shell.cell("x = 1")
    assert shell.cell(cell, "--name mapped") == "executed" and shell["out"] == [0, 2, 2, 2]
    shell.plain(cell)
    assert shell["out"] == [0, 2, 2, 2]
    shell.cell("y = 1")
    shell.plain(cell)
    assert shell["out"] == [0, 3, 2, 3], "in a cell that is not tracked as well"


def test_showing_an_answer_of_another_cell_is_an_ordinary_display(shells: Shells) -> None:
    shell = shells()
    shell.cell("x = 1", "--name one")
    shell.plain("import incnb\nanswer = incnb.why()")
    shows = "display(answer)\nz = 3"
    assert shell.cell(shows) == "executed"
    assert shell.cell(shows) == "reused", shell.reasons
    shell.cell("y = 1", "--name other")
    shell.plain("answer = incnb.why()")
    assert shell.cell(shows) == "executed", "another answer is another value"


def test_without_the_extension_there_is_one_clear_line() -> None:
    import subprocess
    import sys

    asks = "import incnb\nfor ask in (incnb.why, incnb.report, incnb.stats):\n    try:\n        ask()\n"
    asks += "    except incnb.IncnbError as error:\n        print(error)"
    told = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0] == "incnb.why() asks about a notebook: run %load_ext incnb in it first"
    assert len(told) == 3
