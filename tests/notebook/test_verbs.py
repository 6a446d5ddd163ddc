"""What a person asks with `%incremental VERB`: one answer, or one line that says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]
Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run `%incremental LINE` in a shell and give what was shown."""

    def run(shell: Any, line: str) -> str:
        capsys.readouterr()
        shell.ip.run_cell(f"%incremental {line}", store_history=True)
        shown = capsys.readouterr()
        return re.sub(r"\x1b\[[0-9;]*m", "", shown.out + shown.err).strip()

    return run


def log(folder: Path) -> list[dict[str, Any]]:
    found = [line for path in (folder / "store" / "log").iterdir() for line in path.read_text().splitlines()]
    return sorted((json.loads(line) for line in found), key=lambda record: record["seq"])


# -- naming a cell


def test_a_cell_is_named_by_name_number_or_the_start_of_its_title(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.cell("x = 1", "--name 'sum of squares'")
    shell.cell("# fit the model\ny = 2")
    number = shell.ip.execution_count - 1
    for name in ("sum of squares", "'sum of squares'", "sum", "'sum of'"):
        assert say(shell, f"history {name}").startswith("sum of squares: 1 run recorded, newest first"), name
    for name in ("fit the model", "fit", f"[{number}]"):
        assert say(shell, f"history {name}").startswith("fit the model: 1 run"), name


def test_an_unknown_or_ambiguous_name_is_one_line_with_candidates(shells: Shells, say: Say) -> None:
    shell = shells()
    assert say(shell, "history fit") == (
        "UsageError: incnb: there is no cell 'fit': no tracked cell of this notebook has run yet"
    )
    shell.cell("# fit trees\nx = 1")
    shell.cell("# fit lines\ny = 1")
    first, second = shell.ip.execution_count - 2, shell.ip.execution_count - 1
    both = f"'fit lines' ([{second}]); 'fit trees' ([{first}])"
    assert say(shell, "history fit") == f"UsageError: incnb: 'fit' could be 2 cells: {both}"
    assert say(shell, "mark plot --hard") == f"UsageError: incnb: there is no cell 'plot'; there are {both}"
    assert say(shell, "history [99]").startswith("UsageError: incnb: there is no cell '[99]'; there are 'fit lines'")


def test_a_cell_keeps_its_past_across_edits_when_the_front_end_sends_its_id(shells: Shells) -> None:
    from incnb.engine.naming import cells, find

    runs = [
        {"id": "a", "title": "x = 1", "n": 1, "session": "s", "seq": 1},
        {"id": "b", "title": "x = 1", "n": 2, "session": "s", "seq": 2},
        {"id": "a", "title": "x = 2", "n": 3, "session": "s", "seq": 3},
        {"id": None, "title": "x = 2", "n": 1, "session": "later", "seq": 4},
    ]
    known = cells(runs, "later")
    assert [len(cell.runs) for cell in known] == [1, 3]
    assert find("a", known, "later").title == "x = 2"
    assert find("x = 1", known, "later").id == "b", "an old title names nothing any more"
    assert find("[1]", known, "later").id == "a" and find("[2]", known, "later").id == "b"


# -- history and statistics


def test_history_shows_time_decision_reason_and_seconds_newest_first(shells: Shells, say: Say) -> None:
    first = shells()
    first.plain("k = 1")
    first.cell("r = k + 1", "--name add")
    second = shells()
    second.plain("k = 1")
    second.cell("r = k + 1", "--name add")
    second.plain("k = 2")
    second.cell("r = k + 1", "--name add")
    lines = say(second, "history add").splitlines()
    assert lines[0] == "add: 3 runs recorded, newest first"
    when, took = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\d+(\.\d)? (ms|s)"
    assert re.fullmatch(rf"{when}  ▲ executed  {took} +k: 1 → 2", lines[1]), lines
    assert re.fullmatch(
        rf"{when}  ✓ reused    {took} +everything it relied on is as it was \(k and \d+ more\)", lines[2]
    ), lines
    assert re.fullmatch(rf"{when}  ▲ executed  {took} +nothing is saved of add yet", lines[3]), lines
    assert say(second, "history add --keep 1").splitlines()[0] == "add: 3 runs recorded, the latest 1, newest first"
    assert len(say(second, "history add --keep=2").splitlines()) == 3


def test_what_was_not_recorded_is_shown_as_unknown(shells: Shells, say: Say, tmp_path: Path) -> None:
    shells().cell("r = 1", "--name old")
    (path,) = (tmp_path / "store" / "log").iterdir()
    record = json.loads(path.read_text())
    for key in ("seconds", "reasons", "saved", "bytes", "host", "name", "n"):
        record.pop(key)
    record["status"] = "reused"
    path.write_text(json.dumps(record) + "\n")
    shell = shells()
    assert say(shell, "history old").splitlines()[1].endswith("✓ reused  unknown  reason unknown")
    assert "decide and restore, mean  unknown       unknown" in say(shell, "stats")


def test_statistics_count_and_measure_this_session_and_all_sessions(shells: Shells, say: Say) -> None:
    shell = shells()
    assert re.search(r"hit rate +unknown +unknown", say(shell, "stats"))
    shell.cell("import time\ntime.sleep(0.12)\nr = 1")
    shell = shells()
    shell.cell("import time\ntime.sleep(0.12)\nr = 1")
    shell.cell("s = 2")
    shown = say(shell, "stats")
    assert re.search(r"cells reused +1 +1\n", shown) and re.search(r"cells executed +1 +2\n", shown)
    assert re.search(r"hit rate +50% +33%\n", shown)
    assert re.search(r"items reused +- +-\n", shown)
    assert re.search(r"decide and restore, last +\d+\.\d ms +\d+\.\d ms\n", shown)
    assert re.search(r"decide and restore, p95 +\d+\.\d ms", shown)
    assert re.search(r"seconds saved, measured +0\.1 s +0\.1 s", shown)


def test_the_95th_percentile_is_a_measured_value() -> None:
    from incnb.engine.statistics import percentile

    assert percentile([], 95) is None and percentile([3.0], 95) == 3.0
    assert percentile(map(float, range(1, 101)), 95) == 95.0 and percentile([1.0, 9.0], 95) == 9.0


def test_loading_the_extension_and_asking_nothing_reads_no_log(shells: Shells, monkeypatch: Any) -> None:
    from incnb.store import Store

    read: list[int] = []
    original = Store.history
    monkeypatch.setattr(Store, "history", lambda self: read.append(1) or original(self))
    shell = shells()
    shell.plain("x = 1")
    shell.ip.run_cell("%incremental")
    assert not read
    shell.cell("y = x")
    shell.cell("z = x")
    shell.ip.run_cell("%incremental stats")
    assert read == [1], "once per session"


# -- marks


def test_a_hard_mark_executes_once_and_its_reason_is_recorded(shells: Shells, say: Say, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("r = 1", "--name one")
    assert shell.cell("r = 1", "--name one") == "reused"
    assert say(shell, "mark one --hard --reason 'the sensor was off'") == "one: executes next time (hard)"
    shell = shells()
    assert shell.cell("r = 1", "--name one") == "executed"
    assert shell.reasons == ["marked one hard, the sensor was off"]
    assert shell.cell("r = 1", "--name one") == "reused"
    kinds = [record["type"] for record in log(tmp_path)]
    assert kinds == ["run", "run", "mark", "run", "run"]
    marked = log(tmp_path)[3]
    assert marked["reasons"][0]["detail"] == "hard, the sensor was off" and marked["cleared"] == [
        log(tmp_path)[2]["mark"]
    ]
    assert shells().cell("r = 1", "--name one") == "reused", "what is cleared stays cleared"


def test_a_soft_mark_decides_afresh_and_says_so(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.cell("r = 1", "--name one")
    assert say(shell, "mark one --soft") == "one: will be decided afresh next time (soft, 1 pending)"
    assert shell.cell("r = 1", "--name one") == "reused"
    assert [reason.split("  ")[0] for reason in shell.reasons] == ["contained", "marked one soft"]
    assert shell.cell("r = 1", "--name one") == "reused"
    assert [reason.split("  ")[0] for reason in shell.reasons] == ["contained"]


def test_a_soft_mark_forgets_what_was_remembered(shells: Shells, say: Say, monkeypatch: Any) -> None:
    from incnb.dependencies import remembered

    forgotten: list[int] = []
    monkeypatch.setattr(remembered, "FORGET", [lambda: forgotten.append(1)])
    shell = shells()
    shell.cell("r = 1", "--name one")
    shell.cell("r = 1", "--name one")
    assert not forgotten
    say(shell, "mark one --soft")
    shell.cell("r = 1", "--name one")
    assert forgotten == [1]


def test_ten_soft_marks_make_a_hard_one(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.cell("r = 1", "--name one")
    for _ in range(9):
        say(shell, "mark one --soft --reason doubt")
    assert say(shell, "mark one --soft") == "one: executes next time (10 soft marks make a hard one)"
    assert shell.cell("r = 1", "--name one") == "executed" and shell.reasons == ["marked one 10 times soft, doubt"]
    assert shell.cell("r = 1", "--name one") == "reused"


def test_a_failed_run_keeps_the_mark(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.plain("n = 1")
    shell.cell("r = 1 / n", "--name divide")
    say(shell, "mark divide --hard")
    shell.plain("n = 0")
    with pytest.raises(ZeroDivisionError):
        shell.cell("r = 1 / n", "--name divide")
    shell = shells()
    shell.plain("n = 1")
    assert shell.cell("r = 1 / n", "--name divide") == "executed" and shell.reasons == ["marked divide hard"]


def test_a_mark_of_another_kernel_is_not_cleared_by_a_run_that_did_not_know_it(shells: Shells, tmp_path: Path) -> None:
    from incnb.engine.history import History
    from incnb.engine.marks import mark
    from incnb.store import Store

    shell = shells()
    shell.cell("r = 1", "--name one")
    other = History(Store(tmp_path / "store"))
    mark(other, "", None, "one", hard=True, reason="")
    assert shell.cell("r = 1", "--name one") == "reused", "the log is read once a session"
    shell = shells()
    assert shell.cell("r = 1", "--name one") == "executed" and shell.reason == "marked one"


def test_a_mark_that_cannot_be_recorded_says_so(shells: Shells, say: Say, monkeypatch: Any) -> None:
    from incnb.store import Store, StoreError

    shell = shells()
    shell.cell("r = 1", "--name one")

    def full(self: Any, record: Any) -> None:
        raise StoreError("the log cannot be written: no space left on device (/x)")

    monkeypatch.setattr(Store, "log", full)
    assert "the log cannot be written: no space left" in say(shell, "mark one --hard")
    assert shell.cell("r = 1", "--name one") == "reused"


def test_a_mark_is_kept_where_its_run_cannot_be_recorded(shells: Shells, say: Say, monkeypatch: Any) -> None:
    from incnb.store import Store, StoreError

    shell = shells()
    shell.cell("r = 1", "--name one")
    say(shell, "mark one --hard")

    def full(self: Any, record: Any) -> None:
        raise StoreError("the log cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "log", full)
        assert shell.cell("r = 1", "--name one") == "executed"
    assert shell.cell("r = 1", "--name one") == "executed" and shell.reason == "marked one"
    assert shell.cell("r = 1", "--name one") == "reused"


# -- refresh


def test_refresh_decides_every_cell_and_runs_nothing(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.plain("k = 1\nran = []")
    shell.cell("a = k + 1", "--name plus")
    shell.cell("b = a * 2", "--name twice")
    before = dict(shell.ip.user_ns)
    shown = say(shell, "refresh").splitlines()
    assert re.fullmatch(
        r"\[\d+\]  plus   ✓ would reuse  \d+\.\d ms  ← everything it relied on is as it was \(k and \d+ more\)",
        shown[0],
    )
    assert re.fullmatch(r"\[\d+\]  twice  ✓ would reuse  .*", shown[1])
    assert re.match(r"2 cells decided as things are now in \d+\.\d ms \(log \d", shown[2])
    assert shown[2].endswith("target p95 under 100 ms for 100 cells")
    own = {"_i", "_ii", "_iii", "In", "_ih"}
    for name in before.keys() - own:
        assert shell.ip.user_ns[name] is before[name]
    shell.plain("k = 2")
    shown = say(shell, "refresh plus").splitlines()
    assert "▲ would run" in shown[0] and shown[0].endswith("← k: 1 → 2") and len(shown) == 2


def test_refresh_uses_the_last_text_and_knows_marks_and_cells_that_are_not_saved(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    shell.cell("a = 2", "--name one")
    shell.cell("import time\nt = time.time()", "--name clock")
    say(shell, "mark one --hard --reason again")
    shown = say(shell, "refresh").splitlines()
    assert len(shown) == 3
    assert shown[0].endswith("← one was marked: hard, again")
    assert "clock" in shown[1] and "▲ would run" in shown[1] and "time.time" in shown[1]


def test_refresh_takes_no_mark_and_no_accept_away(shells: Shells, say: Say) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    say(shell, "mark one --hard")
    say(shell, "refresh")
    assert shell.cell("a = 1", "--name one") == "executed"


# -- lines that cannot be followed


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("mark one", "say either --soft or --hard: %incremental mark CELL --soft|--hard [--reason TEXT]"),
        ("mark one --soft --hard", "say either --soft or --hard: %incremental mark CELL --soft|--hard [--reason TEXT]"),
        ("mark --hard", "mark wants a CELL (its --name, [7], id, or the start of its title): mark CELL --soft|--hard"),
        ("mark one --loud", "%incremental mark has no option --loud: %incremental mark CELL --soft|--hard"),
        ("history one --keep many", "--keep wants a number of runs, not 'many': %incremental history CELL [--keep N]"),
        ("history don't", '%incremental history "don\'t" cannot be read: No closing quotation'),
        ("accept one", 'accept wants a reason, which is kept and shown: %incremental accept CELL --reason "TEXT"'),
        ("accept one --reason", "accept wants a reason, which is kept and shown"),
        ("stats now", "stats takes nothing more: %incremental stats"),
        ("report all", "report takes nothing more: %incremental report"),
        ("why --loud", "%incremental why has no option --loud: %incremental why [CELL]"),
        ("panel x", "panel takes nothing more"),
        (
            "dance",
            "there is no %incremental dance; there are on, off, why, report, plan, history, stats, mark, accept, "
            "refresh, forget, store, wait, panel, refresher",
        ),
    ],
)
def test_a_line_that_cannot_be_followed_is_one_clear_line(shells: Shells, say: Say, line: str, says: str) -> None:
    shell = shells()
    shell.cell("a = 1", "--name one")
    shown = say(shell, line)
    assert shown.startswith(f"UsageError: incnb: {says}") and "\n" not in shown, shown


def test_wait_returns_at_once_and_says_so(shells: Shells, say: Say) -> None:
    assert say(shells(), "wait") == "nothing works in the background"


def test_the_help_of_the_magic_names_every_verb(shells: Shells) -> None:
    from incnb.notebook.magics import VERBS, IncMagics

    text = IncMagics.incremental_line.__doc__ or ""
    assert all(f"%incremental {verb}" in text for verb in VERBS)


# -- the same inputs failed before


def test_the_same_inputs_failed_last_time(shells: Shells) -> None:
    shell = shells()
    for n, reasons in ((1, ["never-run"]), (0, ["value"]), (0, ["last-failed", "value"]), (2, ["value"])):
        shell.plain(f"n = {n}")
        if n:
            shell.cell("r = 1 / n")
        else:
            with pytest.raises(ZeroDivisionError):
                shell.cell("r = 1 / n")
        assert [reason.split()[0] for reason in shell.reasons] == reasons, n
    shell.plain("n = 0")
    with pytest.raises(ZeroDivisionError):
        shell.cell("r = 1 / n")
    assert shell.reasons[0].startswith("value"), "the last run did not fail"


def test_a_failure_whose_inputs_are_not_all_known_claims_nothing(shells: Shells) -> None:
    shell = shells()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            shell.cell("if id(object()):\n    raise ValueError('no')")
    assert not any(reason.startswith("last-failed") for reason in shell.reasons)
