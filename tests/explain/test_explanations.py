"""What a miss is explained by: the text of code then and now, where it lies, and what of a larger value differs."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incnb.engine import differences
from incnb.explain import describe, sentence
from incnb.explain.diffs import LIMIT, MORE, WHOLE, moved_lines, unified
from incnb.model import Change, Code, Decision, Reason
from incnb.notebook import extension

Shells = Callable[[], Any]


def decision(shell: Any) -> Decision:
    latest: Decision = extension._loaded[id(shell.ip)].session.decisions[-1]
    return latest


def reason(shell: Any) -> Reason:
    return decision(shell).reasons[0]


def change(shell: Any) -> Change:
    told = reason(shell).change
    assert told is not None
    return told


def line(shell: Any) -> str:
    return describe(decision(shell)).partition(" ← ")[2]


def module(name: str, text: str) -> None:
    """Write a project module, and load it anew if it is loaded."""
    Path(f"{name}.py").write_text(text)
    os.utime(f"{name}.py", (time.time(), time.time() + len(text)))
    if name in sys.modules:
        importlib.reload(sys.modules[name])


UTILS = "LIMIT = 3\n\ndef clean(x):\n    y = x\n    return y\n\ndef features(x):\n    return clean(x) + LIMIT\n"


# -- code


def test_an_edited_helper_of_a_helper_is_told_with_place_lines_and_chain(shells: Shells) -> None:
    shell = shells()
    module("utils", UTILS)
    shell.plain("import utils")
    assert shell.cell("r = utils.features(1)", "--name fit") == "executed"
    module("utils", UTILS.replace("    return y\n", "    y += 1\n    return y * 2\n"))
    assert shell.cell("r = utils.features(1)", "--name fit") == "executed"
    assert line(shell) == "clean() changed (utils.py:3, 2 lines) ← used by utils.features()"
    assert reason(shell).detail == "changed (utils.py:3, 2 lines)" and reason(shell).locator == "utils:clean"
    assert change(shell).place == "utils.py:3"
    assert change(shell).diff.splitlines()[1:] == [
        " def clean(x):",
        "     y = x",
        "-    return y",
        "+    y += 1",
        "+    return y * 2",
    ]


def test_a_function_of_the_notebook_has_its_cell_for_a_place(shells: Shells) -> None:
    shell = shells()
    define = "def clean(x):\n    return x\ndef features(x):\n    return clean(x)"
    shell.cell(define, "--name helpers")
    shell.cell("r = features(1)", "--name use")
    shell.cell(define.replace("return x\n", "return x + 1\n"), "--name helpers")
    number = shell.ip.execution_count - 1
    assert shell.cell("r = features(1)", "--name use") == "executed"
    assert line(shell) == f"clean() changed (helpers [{number}], 1 line) ← used by features()"
    assert reason(shell).caused_by == ("features", "helpers")
    assert sentence(Reason(**{**_plain(reason(shell))})) == line(shell), "a line of the log reads the same"


def _plain(told: Reason) -> dict[str, Any]:
    data = told.to_dict()
    return {**data, "code": Code(data["code"]), "caused_by": tuple(data["caused_by"])}


def test_a_class_is_called_a_class(shells: Shells) -> None:
    shell = shells()
    module("nets", "class Model:\n    def run(self):\n        return 1\n")
    shell.plain("import nets")
    shell.cell("r = nets.Model().run()")
    module("nets", "class Model:\n    def run(self):\n        return 2\n")
    assert shell.cell("r = nets.Model().run()") == "executed"
    assert line(shell) == "class Model changed (nets.py:1, 1 line)"


def test_a_function_with_another_default_value_and_the_same_text_counts_no_lines(shells: Shells) -> None:
    shell = shells()
    define = "def make(k):\n    def inner(x):\n        return x + k\n    return inner"
    shell.plain(f"{define}\nf = make(1)")
    shell.cell("r = f(1)", "--name use")
    shell.plain("f = make(2)")
    assert shell.cell("r = f(1)", "--name use") == "executed"
    assert line(shell).startswith("f() changed") and "0 lines" not in line(shell) and not change(shell).diff


def test_an_edited_cell_is_told_with_the_lines_that_differ(shells: Shells) -> None:
    shell = shells()
    shell.cell("# fit the model\nlr = 0.1\nn = 3")
    shell = shells()
    assert shell.cell("# fit the model\nlr = 0.2\nn = 3", "--version 1") == "executed"
    assert line(shell) == "the cell was edited (1 line): fit the model"
    assert [text for text in change(shell).diff.splitlines() if text[0] in "+-"] == ["-lr = 0.1", "+lr = 0.2"]
    assert reason(shell).detail.startswith("the cell was edited") and reason(shell).code is Code.CODE


def test_an_edited_cell_that_was_never_saved_is_compared_with_its_text_in_this_session(shells: Shells) -> None:
    shell = shells()
    shell.ip.run_cell("%%incremental\n# fit\nx = 1 / 0")
    shell.cell("# fit\nx = 1 / 1")
    assert [text for text in change(shell).diff.splitlines() if text[0] in "+-"] == ["-x = 1 / 0", "+x = 1 / 1"]


# -- values


def test_small_values_are_shown_as_they_were_and_are(shells: Shells) -> None:
    shell = shells()
    shell.cell("cfg = {'lr': 0.01, 'n': 3}", "--name settings")
    shell.cell("r = cfg['lr']", "--name rate")
    shell.cell("r2 = sorted(cfg)", "--name keys")
    shell.cell("cfg = {'lr': 0.02, 'n': 3}", "--name settings")
    number = shell.ip.execution_count - 1
    for name, cell in (("rate", "r = cfg['lr']"), ("keys", "r2 = sorted(cfg)")):
        assert shell.cell(cell, f"--name {name}") == "executed"
        assert line(shell) == f"cfg['lr']: 0.01 → 0.02 ← settings [{number}]"
    assert change(shell).parts == ("['lr']: 0.01 → 0.02",)


FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': range(1000), 'b': [f'x{i}' for i in range(1000)]})"


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        ("df.loc[3:4, 'b'] = 'y'", ["column 'b' changed (2 of 1000 values)"]),
        ("df.loc[3, 'a'] = 7", ["column 'a' changed (1 of 1000 values)"]),
        ("df['a'] = df['a'].astype(float)", ["dtype of 'a': int64 → float64"]),
        ("df['c'] = 1; del df['b']", ["column 'b' is gone", "column 'c' is new"]),
        ("df = df[['b', 'a']]", ["its columns stand in another order"]),
        ("df = pd.concat([df, df[:3]])", ["3 rows more (1000 → 1003)"]),
        ("df = df[:-1]", ["1 row fewer (1000 → 999)"]),
        ("df.index = df.index + 1", ["its index changed"]),
        ("df.attrs['x'] = 1", []),
        ("df = df.rename(columns={'a': 1})", ["column 'a' is gone", "column 1 is new"]),
    ],
)
def test_what_of_a_frame_differs(shells: Shells, edit: str, parts: list[str]) -> None:
    shell = shells()
    shell.plain(FRAME)
    shell.cell("r = len(df.describe())")
    shell.plain(edit)
    assert shell.cell("r = len(df.describe())") == "executed"
    assert change(shell).parts == tuple(parts)
    assert line(shell) == (f"df: {'; '.join(parts)}" if parts else "df changed")


def test_a_small_collection_is_shown_whole(shells: Shells) -> None:
    shell = shells()
    shell.plain("xs = [1, 2]")
    shell.cell("r = sum(xs)")
    shell.plain("xs = [1, 3]")
    shell.cell("r = sum(xs)")
    assert line(shell) == "xs: [1, 2] → [1, 3]" and reason(shell).detail == "changed: [1, 2] → [1, 3]"


@pytest.mark.parametrize(
    ("make", "edit", "parts"),
    [
        ("np.arange(1000)", "x[5:7] = 0", ["2 of 1000 values changed"]),
        ("np.arange(1000.)[::2]", "x[0] = 5", ["1 of 500 values changed"]),
        ("np.arange(12).reshape(3, 4)", "x = np.arange(16).reshape(4, 4)", ["shape: 3 × 4 → 4 × 4"]),
        ("np.arange(4)", "x = x.astype('f4')", ["dtype: int64 → float32"]),
        ("np.arange(1_000_000)", "x[500_000] = 1", ["values among places 499247–500223 of 1000000 changed"]),
        ("np.array(['a', None, 1.5], dtype=object)", "x[0] = 'b'", ["1 of 3 values changed"]),
        ("np.zeros(3, dtype=[('a', int)])", "x['a'] = 1", []),
        ("np.array([object], dtype=object)", "x = np.array([int], dtype=object)", []),
        ("np.arange(4)", "x.flags.writeable = False", []),
        ("pd.Series([1, None, 3], dtype='Int64')", "x[1] = 2", ["1 of 3 values changed"]),
        ("pd.Series(['a', 'b'], dtype='category')", "x = x.cat.rename_categories(['a', 'c'])", ["1 of 2 values changed"]),
        ("pd.Series(pd.date_range('2020', periods=9))", "x[4] = pd.Timestamp('1999')", ["1 of 9 values changed"]),
        ("pd.Series([1, 2])", "x = x.astype('int32')", ["dtype: int64 → int32"]),
        ("[1, 2, 3] * 20", "x[0] = 9", ["1 of 60 values changed"]),
        ("[1, 2, 3] * 20", "x.append(9)", ["1 item more (60 → 61)"]),
        ("set(range(50))", "x.clear()", ["50 items fewer (50 → 0)"]),
        ("{'a': {'b': 1, 'c': 2}, 'd': 3}", "x['a']['b'] = 5", ["['a']['b']: 1 → 5"]),
        ("{'a': 1, 'b': 2}", "x.pop('a'); x['c'] = 3", ["['a'] is gone", "['c'] is new: 3"]),
        ("{'a': np.arange(3)}", "x['a'][0] = 5", ["['a'] changed"]),
        ("SimpleNamespace(lr=0.1, n=3)", "x.lr = 0.2", [".lr: 0.1 → 0.2"]),
        ("{'password': 'hunter22'}", "x['password'] = 'hunter33'", ["['password'] changed"]),
        ("list('ab')", "x = tuple(x)", []),
    ],
)  # fmt: skip
def test_what_of_a_value_differs(shells: Shells, make: str, edit: str, parts: list[str]) -> None:
    shell = shells()
    shell.plain(f"import numpy as np, pandas as pd\nfrom types import SimpleNamespace\nx = {make}")
    shell.cell("r = str(x)")
    shell.plain(edit)
    assert shell.cell("r = str(x)") == "executed"
    assert change(shell).parts == tuple(parts)
    assert "hunter" not in line(shell)


def test_a_value_that_the_cell_itself_changes_is_noted_as_it_was_found(shells: Shells) -> None:
    shell = shells()
    shell.plain("xs = [1, 2, 3]")
    shell.cell("xs.append(len(xs))")
    shell.plain("xs = [1, 2, 9]")
    assert shell.cell("xs.append(len(xs))") == "executed"
    assert change(shell).parts == (), "what the list was made of before it grew is not known"


def test_a_class_of_ones_own_is_asked_nothing(shells: Shells) -> None:
    shell = shells()
    shell.plain(
        "import pandas as pd, numpy as np\nasked = []\n"
        "class Odd(dict):\n    def __repr__(self): asked.append('repr'); return ''\n"
        "    def keys(self): asked.append('keys'); return dict.keys(self)\n"
        "    @property\n    def shape(self): asked.append('shape'); return (1,)\n"
        "    def __len__(self): asked.append('len'); return 1\n"
        "odd = Odd(a=1)"
    )
    cell = "r = str(type(odd)) + str(dict.get(odd, 'a'))"
    shell.cell(cell)
    shell.plain("dict.__setitem__(odd, 'a', 2)\nasked.clear()")
    assert shell.cell(cell) == "executed" and shell["asked"] == []
    assert line(shell).startswith("odd changed")


# -- whose last run


def test_each_notebook_gets_reasons_about_its_own_last_run(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(notebook: str, k: int) -> str:
        monkeypatch.setenv("JPY_SESSION_NAME", notebook)
        shell = shells()
        shell.plain(f"k = {k}")
        shell.cell("r = k", "--name same")
        return line(shell)

    run("one.ipynb", 1)
    assert run("two.ipynb", 2) == "k: 1 → 2", "of its own there is nothing yet: the latest of the same text"
    assert run("one.ipynb", 3) == "k: 1 → 3"
    assert run("two.ipynb", 4) == "k: 2 → 4"
    assert run("one.ipynb", 2).startswith("everything it relied on is as it was"), "whoever ran it"
    assert run("one.ipynb", 9) == "k: 2 → 9", "what was brought back is the latest of the notebook as well"


def test_a_cell_that_got_the_text_of_another_notebooks_cell_was_edited(
    shells: Shells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "one.ipynb")
    shell = shells()
    shell.plain("k = 1")
    shell.cell("r = k + 1", "--name same")
    monkeypatch.setenv("JPY_SESSION_NAME", "two.ipynb")
    shell = shells()
    shell.plain("k = 2")
    shell.cell("r = k", "--name same")
    assert shell.cell("r = k + 1", "--name same") == "executed"
    assert line(shell) == "the cell was edited (1 line): same"


def test_going_back_to_a_former_text_compares_with_what_this_notebook_saved_of_it(shells: Shells) -> None:
    shell = shells()
    shell.plain("k = 1")
    shell.cell("r = k", "--name same")
    shell.cell("r = k + 1", "--name same")
    shell.plain("k = 2")
    shell.cell("r = k", "--name same")
    assert line(shell) == "k: 1 → 2"


def test_why_nothing_was_saved_last_time_is_said(shells: Shells) -> None:
    shell = shells()
    cell = "import time\nt = time.time()"
    shell.cell(cell, "--name clock")
    against = sentence(next(r for r in decision(shell).reasons if r.code is Code.EFFECT))
    shell = shells()
    shell.cell(cell, "--name clock")
    assert reason(shell).code is Code.NEVER_RUN
    assert sentence(reason(shell)) == f"nothing was saved of clock last time: {against.removeprefix('not reusable: ')}"
    shell.ip.run_cell("%%incremental --name fails\nimport time; 1 / 0")
    shell.plain("j = 2")
    shell.ip.run_cell("%%incremental --name fails\nimport time; 1 / 0")
    assert "fails failed" in sentence(reason(shell))


def test_what_was_saved_and_is_gone_is_said(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.cell("x = 1", "--name one")
    shutil.rmtree(tmp_path / "store" / "traces")
    shell = shells()
    assert shell.cell("x = 1", "--name one") == "executed"
    assert line(shell) == "what was saved of one is not there any more"


def test_a_loop_that_is_one_unit_does_not_count_as_not_saved(shells: Shells) -> None:
    shell = shells()
    cell = "total = 0\nfor x in [1, 2, 3]:\n    if x > 2:\n        break\n    total += x"
    assert shell.cell(cell, "--name sum") == "executed"
    told = [r for r in decision(shell).reasons if r.kind == "items"]
    assert told and "one unit" in sentence(told[0]) and "not saved" not in sentence(told[0])
    assert shell.cell(cell, "--name sum") == "reused"


def test_what_came_out_the_same_names_its_cell_with_the_number(shells: Shells) -> None:
    shell = shells()
    shell.cell("df = [1, 2]", "--name 'load flights'")
    shell.cell("n = len(df)", "--name count")
    shell.cell("df = [1] + [2]", "--name 'load flights'")
    number = shell.ip.execution_count - 1
    assert shell.cell("n = len(df)", "--name count") == "cutoff"
    told = f"✂ reused: load flights [{number}] ran again and df came out the same"
    assert describe(decision(shell)).startswith(told)
    assert reason(shell).caused_by == ("load flights",)


# -- never in the way


@pytest.mark.parametrize("broken", ["change", "found_now", "edited", "anatomy"])
def test_a_fault_in_explaining_is_no_fault_of_the_cell(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fault(*_: Any) -> None:
        raise RuntimeError("explaining")

    from incnb.engine import tracked

    monkeypatch.setattr(tracked if broken == "edited" else differences, broken, fault)
    shell = shells()
    shell.plain("k = [1]")
    shell.cell("r = sum(k)", "--name same")
    shell.plain("k = [2]")
    assert shell.cell("r = sum(k)", "--name same") == "executed" and shell["r"] == 2
    assert sentence(reason(shell)) == ("k: [1] → [2]" if broken == "edited" else "k changed")
    assert shell.cell("r = sum(k) + 1", "--name same") == "executed"
    assert "the cell was edited" in line(shell)
    assert extension._loaded[id(shell.ip)].session.faults == 0


def test_a_fault_in_noting_what_values_are_made_of_saves_all_the_same(
    shells: Shells, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(value: Any) -> None:
        raise RuntimeError("noting")

    from incnb.engine import record

    monkeypatch.setattr(record, "anatomy", fault)
    shell = shells()
    shell.plain("k = [1]")
    shell.cell("r = len(k)")
    assert shell.cell("r = len(k)") == "reused"


def test_no_secret_is_written_down_or_told(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    define = "def connect(n):\n    password = 'hunter22'\n    return len(password) + n"
    shell.plain(f"{define}\npassword = 'hunter22'\ncfg = {{'api_key': 'hunter22', 'n': 1}}")
    cell = "# connect\npassword_here = 'hunter22'\nr = connect(1) + len(password) + len(cfg)"
    assert shell.cell(cell) == "executed"
    shell.plain("password = 'hunter33'\ncfg['api_key'] = 'hunter33'")
    shell.cell(cell)
    assert reason(shell).locator == "password" and "hunter" not in str(reason(shell).change)
    shell.plain("password = 'hunter22'")
    shell.cell(cell)
    assert reason(shell).change and "hunter" not in line(shell)
    shell.plain(define.replace("22", "44"))
    shell.cell(cell)
    shell.cell(cell.replace("hunter22", "hunter55"))
    assert "edited" in line(shell) and "hunter" not in json.dumps(change(shell).to_dict())
    for path in (tmp_path / "store").rglob("*.json*"):
        assert "hunter" not in path.read_text(), path


# -- diffs


def test_equal_texts_have_no_diff() -> None:
    assert unified("a\nb", "a\nb") == "" and moved_lines("") == 0


def test_lines_that_are_others_now_count_once_in_every_place() -> None:
    old = [str(i) for i in range(40)]
    new = [*old[:5], "x", "y", *old[6:30], *old[32:], "z"]
    diff = unified("\n".join(old), "\n".join(new))
    assert diff.count("@@") == 6 and moved_lines(diff) == 2 + 2 + 1
    assert diff.splitlines()[0] == "@@ -3,7 +3,8 @@"


def test_lines_that_look_like_those_of_a_diff_are_counted_once() -> None:
    assert moved_lines(unified("--a\n++b", "--a\n++c")) == 1


def test_a_long_diff_is_cut_and_counts_no_lines() -> None:
    diff = unified("\n".join(map(str, range(1000))), "\n".join(map(str, range(1000, 2000))))
    assert len(diff.splitlines()) == LIMIT + 1 and diff.endswith(MORE) and moved_lines(diff) is None


def test_texts_that_are_not_compared_line_by_line_count_no_lines() -> None:
    diff = unified("a\n" * 200 + "b\n" * 150, "b\n" * 150 + "a\n" * 200)
    assert diff.endswith((MORE, WHOLE)) and moved_lines(diff) is None
    diff = unified("a\n" * 170 + "c", "b\n" + "a\n" * 170)
    assert diff.endswith(WHOLE) and moved_lines(diff) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n" * 20_000, "\n" * 10_000 + "x" + "\n" * 9_000),
        ("a\nb\n" * 5_000, "b\na\nc\n" * 3_300),
        ("a\nb\n" * 150, "b\na\nc\n" * 100),
        ("\n".join(map(str, range(6000))), "\n".join(map(str, range(6000, 0, -1)))),
    ],
)
def test_a_diff_takes_little_time_whatever_the_texts_are(old: str, new: str) -> None:
    began = time.perf_counter()
    unified(old, new)
    assert time.perf_counter() - began < 1.0


def test_another_cell_of_the_same_title_is_not_taken_for_an_earlier_text(shells: Shells) -> None:
    shell = shells()
    shell.ip.run_cell("%%incremental\n# plot\na = 1", cell_id="first")
    shell.ip.run_cell("%%incremental\n# plot\nb = 2", cell_id="second")
    assert reason(shell).code is Code.NEVER_RUN
    shell.ip.run_cell("%%incremental\n# plot\nb = 3", cell_id="second")
    assert line(shell).startswith("the cell was edited (1 line)")
