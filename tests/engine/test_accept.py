"""`%incremental accept`: exactly what a person said, for exactly as long as nothing else moves."""

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
def accept(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run `%incremental accept CELL --reason same` and give what was shown."""

    def run(shell: Any, cell: str, reason: str = "same") -> str:
        capsys.readouterr()
        shell.ip.run_cell(f"%incremental accept {cell} --reason '{reason}'", store_history=True)
        shown = capsys.readouterr()
        return re.sub(r"\x1b\[[0-9;]*m", "", shown.out + shown.err).strip()

    return run


def records(folder: Path, kind: str = "accept") -> list[dict[str, Any]]:
    found = [line for path in (folder / "store" / "log").iterdir() for line in path.read_text().splitlines()]
    return [r for r in sorted(map(json.loads, found), key=lambda r: r["seq"]) if r["type"] == kind]


HELPER = "def clean(x):\n    return x + 1"
EDITED = "def clean(x):\n    y = x + 1\n    return y"
TOTAL = ("total = clean(k)", "--name total")


def recorded(shells: Shells, *before: str, cell: tuple[str, str] = TOTAL) -> Any:
    """A shell in which these cells ran, and then the tracked one."""
    shell = shells()
    for code in before:
        shell.plain(code)
    assert shell.cell(*cell) == "executed", shell.reasons
    return shell


# -- (a) an edited helper, a changed value


def test_an_edited_helper_is_accepted_and_shown_with_the_reason(shells: Shells, accept: Say, tmp_path: Path) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    shown = accept(shell, "total", "only a name for the sum")
    assert re.fullmatch(
        r"total: the run of [-0-9 :]+ is accepted for clean changed \(2 lines\)\. "
        r"Whatever moves after this makes it execute again",
        shown,
    ), shown
    assert shell.cell(*TOTAL) == "reused" and shell["total"] == 2
    assert shell.reasons == ["accepted  only a name for the sum"]
    assert shell.decisions()[-1]["reasons"][0]["caused_by"] == ["clean"]
    shell = shells()
    shell.plain("k = 1")
    shell.plain(EDITED)
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "accepted", "kept over a restart"
    (kept,) = records(tmp_path)
    (difference,) = kept["differences"]
    assert difference[:2] == ["code", "clean"] and difference[2] != difference[3] and kept["reason"]


def test_nothing_is_accepted_that_nobody_accepted(shells: Shells) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    assert shell.cell(*TOTAL) == "executed" and shell.reason == "code clean"


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ("k = 2", "value k"),
        (EDITED.replace("+ 1", "+ 2"), "code clean"),
        ("clean = len", "code clean"),
    ],
)
def test_what_moves_after_an_accept_is_hard_again(shells: Shells, accept: Say, moves: str, reason: str) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    shell.plain("k = [5]" if moves == "clean = len" else "0")
    shell.plain(moves)
    assert shell.cell(*TOTAL) == "executed"
    assert shell.reason == reason or moves == "clean = len", shell.reasons


def test_going_back_after_an_accept_is_the_old_trace_and_forward_again_the_accept(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    shell.plain(HELPER)
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "contained"
    shell.plain(EDITED)
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "accepted"


def test_an_accept_holds_for_all_it_covers_together_or_not_at_all(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    shell.plain("k = 1.0")
    assert "accepted for clean changed (2 lines); k changed: 1 → 1.0" in accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "accepted"
    shell.plain("k = 1")
    assert shell.cell(*TOTAL) == "executed", "clean is new and k is old: nobody said that"


def test_a_helper_that_the_edited_helper_calls_first_now_counts(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", "def more(x):\n    return x + 1", HELPER)
    shell.plain("def clean(x):\n    return more(x)")
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused" and shell["total"] == 2
    shell.plain("def more(x):\n    return x + 100")
    assert shell.cell(*TOTAL) == "executed" and shell["total"] == 101
    assert shell.reason == "code more"


def test_a_value_that_the_edited_helper_reads_first_now_counts(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\nstep = 1", HELPER)
    shell.plain("def clean(x):\n    return x + step")
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused"
    shell.plain("step = 5")
    assert shell.cell(*TOTAL) == "executed" and shell["total"] == 6 and shell.reason == "value step"


def test_a_module_edited_between_two_kernels_is_accepted(shells: Shells, accept: Say, tmp_path: Path) -> None:
    (tmp_path / "work" / "lib_accept.py").write_text(HELPER)
    shell = recorded(shells, "import lib_accept", "k = 1", cell=("total = lib_accept.clean(k)", "--name total"))
    (tmp_path / "work" / "lib_accept.py").write_text(EDITED + "  # longer")
    shell = shells()
    shell.plain("import lib_accept")
    shell.plain("k = 1")
    assert "accepted for lib_accept:clean changed" in accept(shell, "total")
    assert shell.cell("total = lib_accept.clean(k)", "--name total") == "reused" and shell.reason == "accepted"


def test_an_accept_of_an_accepted_cell_keeps_what_the_first_relied_on(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\nstep = 1", HELPER)
    shell.plain("def clean(x):\n    return x + step")
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused"
    shell.plain("def clean(x):\n    return step + x")
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "accepted"
    shell.plain("step = 5")
    assert shell.cell(*TOTAL) == "executed" and shell["total"] == 6


def test_what_the_cell_itself_bound_is_no_edit(shells: Shells, accept: Say) -> None:
    cell = ("n = clean(n)", "--name count")
    shell = recorded(shells, "n = 1", HELPER, cell=cell)
    shell.plain(EDITED)
    assert "accepted for clean changed (2 lines)." in accept(shell, "count")
    assert shell.cell(*cell) == "executed" and shell["n"] == 3, "n is 2 now, and was 1"
    shell = shells()
    shell.plain("n = 1")
    shell.plain(EDITED)
    assert shell.cell(*cell) == "reused" and shell["n"] == 2 and shell.reason == "accepted"


def test_what_the_cell_changed_in_place_is_no_edit(shells: Shells, accept: Say) -> None:
    cell = ("xs.append(clean(0))", "--name grow")
    shell = recorded(shells, "xs = []", HELPER, cell=cell)
    shell.plain(EDITED)
    assert "accepted for clean changed (2 lines)." in accept(shell, "grow")
    assert shell.cell(*cell) == "executed" and shell["xs"] == [1, 1]
    shell = shells()
    shell.plain("xs = []")
    shell.plain(EDITED)
    assert shell.cell(*cell) == "reused" and shell["xs"] == [1]


def test_what_outputs_hold_themselves_cannot_differ(shells: Shells, accept: Say) -> None:
    cell = ("pair = [xs, len(xs)]", "--name pair")
    shell = recorded(shells, "xs = [1, 2]", cell=cell)
    shell.plain("xs = [1, 3]")
    assert accept(shell, "pair").endswith("pair cannot be accepted: what is saved holds xs itself, which differs now")
    assert shell.cell(*cell) == "executed"


@pytest.mark.parametrize(
    ("helper", "why"),
    [
        ("import time\ndef clean(x):\n    return x + 1 + 0 * time.time()", "time"),
        ("def clean(x):\n    return x + eval('1')", "eval"),
        ("def clean(x):\n    return x + len(open('n.txt').read())", "open"),
        ("import pathlib\ndef clean(x, p='n.txt'):\n    return x + len(pathlib.Path(p).read_text())", "read_text"),
        ("clean = lambda x, g=(i for i in ()): x + 1", "cannot be fingerprinted"),
    ],
)
def test_an_edit_that_cannot_be_followed_cannot_be_accepted(
    shells: Shells, accept: Say, tmp_path: Path, helper: str, why: str
) -> None:
    (tmp_path / "work" / "n.txt").write_text("")
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(helper)
    shown = accept(shell, "total")
    assert "total cannot be accepted: " in shown and why in shown, shown
    assert shell.cell(*TOTAL) in ("executed", "blocked")


@pytest.mark.parametrize(
    "helper",
    [
        "def clean(x, source='n.txt'):\n    return x + len(source) // 5",
        "def clean(x):\n    return x + len('n.txt') // 5",
        "sources = [{'first': 'n.txt'}]\ndef clean(x):\n    return x + len(sources)",
        "from pathlib import Path\np = Path('n.txt')\ndef clean(x):\n    return x + len(p.suffix) // 4",
    ],
)
def test_a_file_named_in_the_edited_code_counts(shells: Shells, accept: Say, tmp_path: Path, helper: str) -> None:
    (tmp_path / "work" / "n.txt").write_text("1")
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(helper)
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused"
    (tmp_path / "work" / "n.txt").write_text("22")
    assert shell.cell(*TOTAL) == "executed" and shell.reason == "file n.txt"


def test_names_that_are_not_there_are_not_accepted_as_gone(shells: Shells, accept: Say) -> None:
    recorded(shells, "k = 1", HELPER)
    shell = shells()
    shell.plain("k = 1")
    assert accept(shell, "total").endswith("clean is not defined now: run the cell that defines it first")


def test_a_version_of_the_cell_is_never_covered(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    assert shell.cell(TOTAL[0], "--name total --version 2") == "executed" and shell.reason == "version --version"


def test_a_hard_mark_beats_an_accept(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    shell.ip.run_cell("%incremental mark total --hard")
    assert shell.cell(*TOTAL) == "executed" and shell.reason == "marked total"
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "contained", "what ran is better than what was said"


def test_refresh_knows_what_was_accepted(shells: Shells, accept: Say, capsys: pytest.CaptureFixture[str]) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    shell.ip.run_cell("%incremental refresh")
    assert "✓ would reuse" in (shown := capsys.readouterr().out) and "accepted for clean: same" in shown


# -- (b) an edited cell


def test_the_next_text_of_a_cell_is_accepted_once(shells: Shells, accept: Say, tmp_path: Path) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    assert accept(shell, "total").endswith(
        "if you edited its text, the next run of it in this session, and only that one, is accepted"
    )
    assert not records(tmp_path)
    edited = ("total = clean(x=k)", "--name total")
    assert shell.cell(*edited) == "reused" and shell.reasons == ["accepted  same"] and shell["total"] == 2
    assert shell.decisions()[-1]["reasons"][0]["caused_by"] == ["the cell"]
    assert shell.cell("total = clean(k + 0)", "--name total") == "executed" and shell.reason == "code total"
    shell = shells()
    shell.plain("k = 1")
    shell.plain(HELPER)
    assert shell.cell(*edited) == "reused" and shell.reason == "accepted", "kept over a restart"
    shell.plain("k = 5")
    assert shell.cell(*edited) == "executed" and shell["total"] == 6 and shell.reason == "value k"


def test_a_text_that_ran_and_failed_is_accepted_now(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain("slow = True")
    edited = ("if slow: raise KeyboardInterrupt\ntotal = clean(k)", "--name total")
    with pytest.raises(KeyboardInterrupt):
        shell.cell(*edited)
    assert "is accepted for the cell was edited." in accept(shell, "total")
    assert shell.cell(*edited) == "reused" and shell["total"] == 2
    shell.plain("slow = False")
    assert shell.cell(*edited) == "executed" and shell.reason == "value slow"


def test_an_accept_does_not_wait_beyond_the_next_run(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused" and shell.reason == "contained"
    assert shell.cell("total = clean(x=k)", "--name total") == "executed"


def test_an_accept_that_waits_is_void_when_anything_moves_before(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    accept(shell, "total")
    shell.plain("k = 2")
    assert shell.cell("total = clean(x=k)", "--name total") == "executed" and shell["total"] == 3
    assert "k moved since" in shell.reasons[0]


def test_what_the_edited_cell_reads_first_now_counts(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\nz = 0", HELPER)
    accept(shell, "total")
    edited = ("total = clean(k) + z", "--name total")
    assert shell.cell(*edited) == "reused"
    shell.plain("z = 9")
    assert shell.cell(*edited) == "executed" and shell["total"] == 11


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("r = clean(k)", "r = clean(k)\ns = 1", "does not bind the same names (s)"),
        ("r = clean(k)\ns = 1", "r = clean(k)", "does not bind the same names (s)"),
        ("r = clean(k)", "import json\nr = clean(k)", "does not bind the same names (json)"),
        ("import json\nr = clean(k)", "import json as js\nr = clean(k)", "an import or a definition"),
        ("def f():\n    return 1\nr = clean(k)", "def f():\n    return 2\nr = clean(k)", "an import or a definition"),
        ("r = clean(k)", "r = clean(k)\nr", "displays a last value"),
        ("r = clean(k)\nr", "r = clean(k)", "displays a last value"),
        ("r = clean(k)", "tmp = 1\nr = clean(k)\ndel tmp", "does not bind the same names"),
        ("r = clean(k)", "import time\nr = clean(k)\ndel time", "does not bind the same names"),
        ("r = clean(k)", "r = clean(k) + 0 * len(open('x').read())", "it may read files (open)"),
        ("r = clean(k)", "r = clean(k) + eval('0')", "cannot be bounded"),
    ],
)
def test_an_edit_that_leaves_something_else_behind_executes(
    shells: Shells, accept: Say, tmp_path: Path, old: str, new: str, why: str
) -> None:
    (tmp_path / "work" / "x").write_text("")
    shell = recorded(shells, "k = 1", HELPER, cell=(old, "--name cell"))
    accept(shell, "cell")
    assert shell.cell(new, "--name cell") in ("executed", "blocked")
    assert "that cannot be accepted" in shell.reasons[0] and why in shell.reasons[0], shell.reasons


def test_imports_and_definitions_of_an_edited_cell_run_again_in_their_new_places(shells: Shells, accept: Say) -> None:
    old = "import math\ndef f(x):\n    return math.floor(x)\nr = f(2.5)\nr"
    new = "x0 = 2.5\nimport math\ndef f(x):\n    return math.floor(x)\nr = f(x0)\nr"
    shell = recorded(shells, cell=(old, "--name floor"))
    accept(shell, "floor")
    assert shell.cell(new, "--name floor") == "executed", "x0 is bound by the new text alone"
    new = "import math\n\n\ndef f(x):\n    return math.floor(x)\nr = f(2.5 + 0)\nr"
    accept(shell, "floor")
    shell = recorded(shells, cell=(old.replace("2.5", "3.5"), "--name ceil"))
    accept(shell, "ceil")
    assert shell.cell(new, "--name ceil") == "reused"
    assert shell["f"](7.9) == 7 and shell["r"] == 3 and shell["math"].pi > 3


def test_an_accept_that_cannot_be_recorded_is_no_accept(shells: Shells, accept: Say, monkeypatch: Any) -> None:
    from incnb.store import Store, StoreError

    def full(self: Any, record: Any) -> None:
        raise StoreError("the log cannot be written: no space")

    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "log", full)
        assert "the log cannot be written" in accept(shell, "total")
    assert shell.cell(*TOTAL) == "executed" and shell.reason == "code clean"


def test_a_damaged_accept_counts_for_nothing(shells: Shells, accept: Say, tmp_path: Path) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(EDITED)
    accept(shell, "total")
    for path in (tmp_path / "store" / "log").iterdir():
        path.write_text(path.read_text().replace('"relies":[', '"relies":[7,'))
    shell = shells()
    shell.plain("k = 1")
    shell.plain(EDITED)
    assert shell.cell(*TOTAL) == "executed" and shell.reason == "code clean"


# -- what an accept must know beyond the trace


def test_what_only_an_accepted_text_reads_counts_in_later_accepts(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\nz = 0", HELPER)
    accept(shell, "total")
    edited = ("total = clean(k) + z", "--name total")
    assert shell.cell(*edited) == "reused"
    shell.plain(EDITED)
    assert "accepted for clean changed (2 lines)." in accept(shell, "total")
    assert shell.cell(*edited) == "reused" and shell.reason == "accepted"
    shell.plain("z = 9")
    assert shell.cell(*edited) == "executed" and shell["total"] == 11


def test_what_the_edited_helper_shares_first_now_counts(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\na = [1]\nb = [1]", HELPER)
    shell.plain("def clean(x):\n    return x + 1 if a is not b else 0")
    accept(shell, "total")
    assert shell.cell(*TOTAL) == "reused"
    shell.plain("b = a")
    assert shell.cell(*TOTAL) == "executed" and shell["total"] == 0


def test_an_edited_helper_cannot_read_what_the_cell_binds(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain("def clean(x):\n    return x + 1 if total else 0")
    assert accept(shell, "total").endswith("the edited code reads total, which the cell itself binds or changes")


def test_what_the_edited_helper_reads_first_now_must_be_comparable(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1\ng = (i for i in ())", HELPER)
    shell.plain("def clean(x):\n    return x + 1 if g else 0")
    assert "total cannot be accepted: g cannot be fingerprinted" in accept(shell, "total")


def test_an_edited_helper_with_unknown_cached_results_cannot_be_accepted(shells: Shells, accept: Say) -> None:
    shell = recorded(shells, "k = 1", HELPER)
    shell.plain(
        "from functools import lru_cache\ndef g(x):\n    return x\n@lru_cache\ndef h(x):\n    return g(x)\nh(1)"
    )
    shell.plain("def g(x):\n    return x + 5")
    shell.plain("def clean(x):\n    return h(x) + 1")
    assert "cached results from other code" in accept(shell, "total")
