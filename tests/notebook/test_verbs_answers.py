"""What `why`, `report` and `stats` tell of cells that really ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shells = Callable[[], Any]


def ask(shell: Any) -> Any:
    from incnb.notebook.extension import _loaded

    return _loaded[id(shell.ip)].enquiries


def test_why_names_the_code_that_changed_with_its_diff(shells: Shells) -> None:
    shell = shells()
    shell.plain("def clean(x):\n    return x + 1")
    shell.cell("r = clean(1)", "--name fit")
    shell.plain("def clean(x):\n    return x + 2")
    shell.cell("r = clean(1)", "--name fit")
    told = repr(ask(shell).why("fit"))
    assert "clean() changed" in told and "-    return x + 1" in told and "+    return x + 2" in told, told
    assert "<span" in ask(shell).why()._repr_html_()


def test_why_follows_the_causes(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    for text, name in (("a = k + 1", "one"), ("b = a + 1", "two"), ("c = b + 1", "three")):
        shell.cell(text, f"--name {name}")
    shell.plain("k = 5")
    for text, name in (("a = k + 1", "one"), ("b = a + 1", "two"), ("c = b + 1", "three")):
        shell.cell(text, f"--name {name}")
    answer = ask(shell).why("three")
    assert [cause.title for cause in answer.causes] == ["two", "one"]
    assert "← caused by one" in repr(answer) and "1 → 5" in repr(answer)
    assert ask(shell).why("[8]") == answer and ask(shell).why() == answer


def test_why_of_a_cell_that_ran_before_this_session(shells: Shells) -> None:
    shells().cell("r = 1", "--name old")
    shell = shells()
    told = repr(ask(shell).why("old"))
    assert "it has not run in this session" in told and "nothing is saved of old yet" in told
    assert repr(ask(shell).why()) == "incnb: nothing was decided in this session yet"


def test_items_count_in_stats_history_and_report(shells: Shells) -> None:
    loop = "out = []\nfor n in range({}):\n    print(n)\n    out.append(n)"
    shell = shells()
    shell.cell(loop.format(5), "--name loop")
    shell.cell(loop.format(8), "--name loop")
    shell.cell(loop.format(8), "--name loop")
    stats = ask(shell).stats()
    assert (stats.session.items_reused, stats.session.items_executed) == (13, 8)
    enquiries = ask(shell)
    runs = enquiries.history(enquiries.cell("loop")).runs
    assert [(r.items.reused, r.items.executed) for r in runs if r.items] == [(8, 0), (5, 3), (0, 5)]
    assert enquiries.report().items.reused == 8
    shell = shells()
    assert (ask(shell).stats().everything.items_reused, ask(shell).stats().session.items_reused) == (13, None)


def test_a_report_of_a_session(shells: Shells) -> None:
    shells().cell("import time\ntime.sleep(0.1)\na = 1", "--name one")
    shell = shells()
    shell.cell("import time\ntime.sleep(0.1)\na = 1", "--name one")
    shell.cell("b = a", "--name two")
    with pytest.raises(ZeroDivisionError):
        shell.cell("1 / 0", "--name bad")
    report = ask(shell).report()
    assert report.counts == {"reused": 1, "cutoff": 0, "executed": 1, "failed": 1, "blocked": 0}
    assert report.saved is not None and 0.05 < report.saved < 0.2 and report.unmeasured == 0
    assert [row.glyph for row in report.rows] == ["✓", "▲", "✗"] and report.bytes > 0


def test_functions_take_a_number_a_name_or_nothing(shells: Shells) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    shell.plain("import incnb")
    assert shell.plain("incnb.why(1)") == shell.plain("incnb.why('one')") == shell.plain("incnb.why()")
    assert shell.plain("len(incnb.history('one', keep=1).runs)") == 1
    assert shell.plain("incnb.mark('one', hard=True, reason='x')") == "one: executes next time (hard)"
    assert shell.plain("incnb.plan().outlooks[0].reuse") is False
    assert shell.plain("incnb.refresh().outlooks[0].reuse") is False
    assert list(shell.plain("incnb.report().to_frame()")["title"]) == ["one"]
    for wrong, says in (("why('nobody')", "there is no cell 'nobody'"), ("history('one', 0)", "keep wants a number"),
                        ("accept('one', ' ')", "accept wants a reason")):  # fmt: skip
        result = shell.ip.run_cell(f"incnb.{wrong}")
        assert type(result.error_in_exec).__name__ == "IncnbError" and says in str(result.error_in_exec)
