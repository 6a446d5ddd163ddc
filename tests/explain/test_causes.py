"""Which cell, module or error is named as the cause of a decision, when there are several that might be."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell

from incnb.explain.words import describe
from incnb.model import Decision

Shells = Callable[[], Shell]


def decision(shell: Shell) -> Decision:
    from incnb.notebook.extension import extension_of

    extension = extension_of(shell.ip)
    assert extension is not None
    return extension.session.decisions[-1]


def causes(shell: Shell) -> tuple[str, ...]:
    return tuple(decision(shell).reasons[0].caused_by)


def fails(shell: Shell, code: str, options: str = "") -> None:
    with contextlib.suppress(Exception):
        shell.cell(code, options)
    assert decision(shell).status.value == "failed"


def test_a_name_bound_anew_by_a_cell_that_is_not_tracked_has_no_cause(shells: Shells) -> None:
    shell = shells()
    shell.cell("k = 1", "--name settings")
    shell.cell("r = k + 1", "--name use")
    shell.plain("k = 2")
    assert shell.cell("r = k + 1", "--name use") == "executed"
    assert causes(shell) == () and decision(shell).reasons[0].locator == "k"


@pytest.mark.parametrize(
    "rebinding",
    [
        "def k(): return 2",
        "class k: pass",
        "import json as k",
        "for k in [2]: pass",
        "with open(__import__('os').devnull) as k: pass",
        "(k := 2)",
    ],
)
def test_so_has_a_name_bound_anew_in_whatever_way(shells: Shells, rebinding: str) -> None:
    shell = shells()
    shell.cell("k = 1", "--name settings")
    shell.cell("r = str(type(k))", "--name use")
    shell.plain(rebinding)
    shell.cell("r = str(type(k))", "--name use")
    assert "settings" not in causes(shell)


def test_a_failed_cell_is_the_cause_of_what_it_bound_and_of_nothing_else(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = 1\nb = 1", "--name good")
    shell.cell("r = a + 1", "--name reads-a")
    shell.cell("s = b + 1", "--name reads-b")
    fails(shell, "a = 2\n1 / 0\nb = 2", "--name bad")
    assert shell.cell("r = a + 1", "--name reads-a") == "executed"
    assert causes(shell) == ("bad",)
    shell.cell("b = 3", "--name last")
    fails(shell, "1 / 0\nb = 4", "--name worse")
    assert shell.cell("s = b + 1", "--name reads-b") == "executed"
    assert causes(shell) == ("last",), "the failed cell did not come to binding b"


def test_a_cell_that_changes_a_value_in_place_is_its_cause(shells: Shells) -> None:
    shell = shells()
    shell.cell("xs = [1]", "--name makes")
    shell.cell("n = len(xs)", "--name counts")
    shell.cell("xs.append(2)", "--name appends")
    assert shell.cell("n = len(xs)", "--name counts") == "executed"
    assert causes(shell) == ("appends",)


def test_what_an_untracked_cell_bound_anew_did_not_come_out_the_same(shells: Shells) -> None:
    shell = shells()
    shell.cell("k = 1", "--name settings")
    shell.cell("r = k + 1", "--name use")
    time.sleep(0.01)
    shell.cell("k = int('1')", "--name settings")
    shell.plain("k = 1")
    assert shell.cell("r = k + 1", "--name use") == "reused", "no tracked cell made this k"


# -- modules


def write(name: str, text: str) -> None:
    Path(f"{name}.py").write_text(text)
    os.utime(f"{name}.py", (time.time(), time.time() + len(text)))


def test_a_module_that_changed_and_is_loaded_by_now_is_said_to_have_changed(shells: Shells) -> None:
    write("causing", "LIMIT = 1\n")
    assert shells().cell("import causing\nr = causing.LIMIT", "--name use") == "executed"
    write("causing", "LIMIT = 10\n")
    shell = shells()
    shell.plain("import causing")
    assert shell.cell("import causing\nr = causing.LIMIT", "--name use") == "executed"
    assert "module causing changed" in describe(decision(shell)), describe(decision(shell))


def test_a_module_that_is_only_loaded_by_now_is_not_said_to_have_changed(shells: Shells) -> None:
    write("causing", "LIMIT = 1\n")
    assert shells().cell("import causing\nr = causing.LIMIT", "--name use") == "executed"
    shell = shells()
    shell.plain("import causing")
    assert shell.cell("import causing\nr = causing.LIMIT", "--name use") == "executed"
    told = describe(decision(shell))
    assert "changed" not in told and "is loaded now" in told, told


def test_the_text_of_a_function_whose_file_is_another_by_now_is_not_shown(shells: Shells) -> None:
    from incnb.dependencies.bindings import source_of

    write("causing", "def f(x):\n    return x\n")
    shell = shells()
    shell.plain("import causing")
    assert source_of(sys.modules["causing"].f)[0] == "def f(x):\n    return x\n"
    write("causing", "A = [\n    1,\n]\nB = 2\n")
    assert source_of(sys.modules["causing"].f) == (None, "")


# -- failures


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("{}['k']", "KeyError: k"),
        ("raise ValueError", "ValueError"),
        ("raise ValueError(1, 2)", "ValueError"),
        ("raise Exception('x' * 500)", "Exception: xxx"),
    ],
)
def test_a_failed_cell_says_with_what(shells: Shells, code: str, words: str) -> None:
    shell = shells()
    fails(shell, code, "--name bad")
    told = describe(decision(shell))
    assert "failed after" in told and f" with {words}" in told and len(told) < 300, told


def test_an_error_is_not_asked_for_its_text(shells: Shells) -> None:
    shell = shells()
    shell.plain(
        "asked = []\nclass Odd(Exception):\n    def __str__(self):\n        asked.append(1)\n        return 'odd'"
    )
    fails(shell, "raise Odd(asked)", "--name bad")
    once = len(shell["asked"])
    with contextlib.suppress(Exception):
        shell.plain("raise Odd(asked)")
    assert len(shell["asked"]) == 2 * once, "as often as plain IPython asks"
    assert " with Odd" in describe(decision(shell))


def test_the_log_knows_what_a_cell_failed_with(shells: Shells) -> None:
    from incnb.engine.recorded import latest, rows, sound
    from incnb.store import Store

    shell = shells()
    fails(shell, "1 / 0", "--name bad")
    shell.close()
    store = Store()
    session = latest([sound(run) for run in store.history()])
    assert session is not None
    (row,) = rows(store, session)
    assert row.decision is not None and row.decision.error == "ZeroDivisionError: division by zero"


def test_the_edit_of_a_cell_is_told_from_the_log_alone(shells: Shells) -> None:
    from incnb.engine.recorded import latest, rows, sound
    from incnb.store import Store

    shells().cell("# fit\nlr = 0.1\nn = 3", "--name fit")
    shell = shells()
    shell.cell("# fit\nlr = 0.2\nn = 3", "--name fit")
    shell.close()
    store = Store()
    session = latest([sound(run) for run in store.history()])
    assert session is not None
    (row,) = rows(store, session)
    assert [line for line in row.changes[0].diff.splitlines() if line[0] in "+-"] == ["-lr = 0.1", "+lr = 0.2"]


# -- what was saved


def test_the_seconds_that_reused_items_saved_count_in_stats() -> None:
    from incnb.engine.statistics import statistics

    by_items = {"status": "executed", "saved": 2.0, "seconds": {"execute": 1.0}}
    reused = {"status": "reused", "seconds": {"decide": 0.1, "restore": 0.1}}
    told = statistics([by_items, {**reused, "saved": 3.0}, reused])
    assert told.saved == 5.0 and told.unmeasured == 1
    assert statistics([by_items]).saved == 2.0 and statistics([by_items]).unmeasured == 0


def test_the_seconds_of_a_loop_that_reused_items_are_in_the_answer(shells: Shells) -> None:
    import incnb

    loop = "import time\nout = []\nfor n in range({}):\n    time.sleep(0.05)\n    out.append(n)"
    shell = shells()
    shell.cell(loop.format(4), "--name loop")
    assert shell.cell(loop.format(5), "--name loop") == "executed"
    saved = incnb.stats().session.saved
    assert saved is not None and 0.1 < saved < 0.4
