"""Loops in tracked cells, item by item: what the battery in `tests/loops` does not look at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebooks import Shell

import incnb

RAN: list[str] = []
sys.addaudithook(lambda event, args: RAN.append(args[0]) if event == "item.probe" else None)
F = """
import sys
def f(x):
    sys.audit("item.probe", repr(x))
    if x == BAD:
        raise ValueError(x)
    return x * 2
"""


class Session:
    """A shell that raises what a cell raises."""

    def __init__(self, shell: Shell):
        self.shell = shell
        self.user_ns: dict[str, Any] = shell.ip.user_ns

    def run(self, text: str) -> None:
        self.shell.ip.run_cell(text).raise_error()

    @property
    def decision(self) -> dict[str, Any]:
        return self.shell.decisions()[-1]


@pytest.fixture
def session(shells: Callable[[], Shell]) -> Callable[..., Session]:
    """A new shell with `f`, which fails for `bad`."""

    def new(bad: object = None, *cells: str) -> Session:
        shell = Session(shells())
        for cell in (f"BAD = {bad!r}", F, *cells):
            shell.run(cell)
        RAN.clear()
        return shell

    return new


def ran() -> list[str]:
    found = list(RAN)
    RAN.clear()
    return found


LOOP = "%%incremental --keep-going\nout = []\nfor x in [1, 2, 3, 4]:\n    out.append(f(x))"


def test_a_failing_item_leaves_a_hole_and_runs_again(session: Callable[..., Session]) -> None:
    shell = session(3)
    shell.run(LOOP)
    out = shell.user_ns["out"]
    assert [x for x in out if x] == [2, 4, 8] and isinstance(out[2], incnb.Failed)
    assert isinstance(out[2].error, ValueError) and "raise ValueError(x)" in out[2].traceback
    decision = shell.decision
    assert decision["items"]["failed"] == 1 and decision["items"]["executed"] == 3
    assert any(r["locator"] == "--keep-going" and "1 item failed" in r["detail"] for r in decision["reasons"])
    ran()
    shell = session(3)
    shell.run(LOOP)
    assert ran() == ["3"]  # neither its item nor its cell was recorded
    assert repr(shell.user_ns["out"][2]) == "<Failed: ValueError: 3 (item 3)>"


def test_holes_stand_in_dicts_and_comprehensions(session: Callable[..., Session]) -> None:
    shell = session(3)
    shell.run("%%incremental --keep-going\nd = {}\nfor x in [1, 3]:\n    d[x] = f(x)")
    assert d_of(shell) == {1: 2, 3: "hole"}
    shell.run("%%incremental --keep-going\nd = {x: f(x) for x in [1, 3]}")
    assert d_of(shell) == {1: 2, 3: "hole"}
    shell.run("%%incremental --keep-going\nd = [f(x) for x in [1, 3] if f(x)]")
    assert [bool(x) for x in shell.user_ns["d"]] == [True, False]


def d_of(shell: Session) -> dict[int, object]:
    return {k: "hole" if isinstance(v, incnb.Failed) else v for k, v in shell.user_ns["d"].items()}


def test_without_the_option_the_first_failure_ends_the_cell(session: Callable[..., Session]) -> None:
    shell = session(3)
    with pytest.raises(ValueError, match="3"):
        shell.run(LOOP.replace(" --keep-going", ""))
    assert shell.decision["status"] == "failed"
    assert shell.decision["items"]["failed"] == 1


def test_force_and_verify_execute_all_items(session: Callable[..., Session]) -> None:
    plain = LOOP.replace(" --keep-going", "")
    session().run(plain)
    for option in ("--force", "--verify"):
        ran()
        session().run(plain.replace("%%incremental", f"%%incremental {option}"))
        assert ran() == ["1", "2", "3", "4"], option


def test_items_older_than_ttl_execute(session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    plain = LOOP.replace(" --keep-going", " --ttl 1h")
    session().run(plain)
    ran()
    session().run(plain.replace("4]", "4, 5]"))
    assert ran() == ["5"]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 7200)
    session().run(plain.replace("4]", "4, 6]"))
    assert ran() == ["1", "2", "3", "4", "6"]


BIG = """%%incremental
import numpy as np
out = []
for x in ITEMS:
    a = np.full(100_000, x)
    out.append(f(int(a[0])))
last = int(a[0])"""


def test_a_large_value_that_the_next_item_binds_anew_costs_the_last_item_only(session: Callable[..., Session]) -> None:
    store = session()
    store.run(BIG.replace("ITEMS", "[1, 2, 3, 4]"))
    assert ran() == ["1", "2", "3", "4"]
    shell = session()
    shell.run(BIG.replace("ITEMS", "[0, 1, 2, 3, 4]"))
    assert ran() == ["0", "4"]
    assert shell.user_ns["out"] == [0, 2, 4, 6, 8] and shell.user_ns["last"] == 4


def test_a_lock_that_every_item_binds_keeps_no_item_from_being_saved(session: Callable[..., Session]) -> None:
    loop = (
        "%%incremental\nimport threading\nout = []\nfor x in ITEMS:\n    lock = threading.Lock()\n    out.append(f(x))"
    )
    session().run(loop.replace("ITEMS", "[1, 2, 3]"))
    ran()
    shell = session()
    shell.run(loop.replace("ITEMS", "[0, 1, 2, 3]"))
    assert ran() == ["0", "3"] and shell.user_ns["out"] == [0, 2, 4, 6]


def test_items_that_read_natively_rely_on_their_own_file(
    session: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    for n in range(3):
        pd.DataFrame({"a": [n + 1]}).to_parquet(f"{n}.parquet")
    loop = (
        "%%incremental\nout = []\nfor n in range(3):\n    out.append(f(int(pd.read_parquet(f'{n}.parquet').a.sum())))"
    )
    session(None, "import pandas as pd").run(loop)
    assert ran() == ["1", "2", "3"]
    pd.DataFrame({"a": [50]}).to_parquet("1.parquet")
    shell = session(None, "import pandas as pd")
    shell.run(loop)
    if shell.decision["items"]["reused"] == 0:
        pytest.skip("folders cannot be watched here")
    assert ran() == ["50"] and shell.user_ns["out"] == [2, 100, 6]


def test_a_setting_made_earlier_in_the_cell_counts(session: Callable[..., Session]) -> None:
    cell = """%%incremental
import pandas as pd
pd.Series.mean_of_two = lambda s: float(s.mean()) * 2
out = []
for x in [1, 2]:
    out.append(f(pd.Series([x]).mean_of_two()))"""
    session().run(cell)
    ran()
    shell = session()
    shell.run(cell.replace("* 2", "* 3"))
    shell.run("del pd.Series.mean_of_two")
    assert shell.user_ns["out"] == [6.0, 12.0]


def test_a_body_that_configures_a_library_is_one_unit(session: Callable[..., Session]) -> None:
    shell = session()
    shell.run("%%incremental\nimport pandas as pd\nfor x in [1, 2]:\n    pd.set_option('display.precision', f(x))")
    assert any(r["kind"] == "items" and "set_option" in r["detail"] for r in shell.decision["reasons"])


def test_an_open_figure_makes_the_loop_one_unit(session: Callable[..., Session]) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    shell = session(None, "import matplotlib.pyplot as plt")
    shell.run("%%incremental\nfor x in [1, 2]:\n    plt.plot([f(x)])")
    plt.close("all")
    assert any("figure is left open" in r["detail"] for r in shell.decision["reasons"])


def test_a_file_that_a_library_opened_for_itself_counts_for_all_items_after(
    session: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.txt").write_text("10\n20\n30\n")
    loop = "%%incremental\nout = []\nfor n in ITEMS:\n    out.append(f(int(linecache.getline('table.txt', n))))"
    import linecache

    linecache.clearcache()
    session(None, "import linecache").run(loop.replace("ITEMS", "[1, 2]"))
    Path("table.txt").write_text("100\n200\n300\n")
    linecache.clearcache()
    shell = session(None, "import linecache")
    shell.run(loop.replace("ITEMS", "[2, 1]"))
    assert shell.user_ns["out"] == [400, 200]


def test_the_line_of_a_decision_tells_items(session: Callable[..., Session]) -> None:
    from incnb.explain.words import items
    from incnb.model import Code, ItemCounts, Reason

    counts = ItemCounts(
        3, 997, 0, 0, ((Reason(Code.NEVER_RUN, "item"), 2), (Reason(Code.FILE, "file", "b.csv", "changed"), 1))
    )
    assert items(counts) == "3 of 1000 items (2 new, 1 changed: b.csv) · 997 reused"


@pytest.mark.parametrize(
    "around",
    [
        "b = io.StringIO()\nwith contextlib.redirect_stdout(b):\n{}\nshown = b.getvalue()",
        "with capture_output() as c:\n{}\nshown = c.stdout\ndel c",
        "with warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n{}\nshown = len(w)\ndel w",
    ],
)
def test_a_loop_whose_output_goes_elsewhere_is_one_unit(session: Callable[..., Session], around: str) -> None:
    loop = "    for x in ITEMS:\n        print(f(x))\n        warnings.warn(str(x))"
    setup = "import contextlib, io, warnings\nfrom IPython.utils.capture import capture_output"
    cell = around.format(loop)
    found = []
    for items in ("[1, 2]", "[1, 2, 3]"):
        shell = session(None, setup)
        shell.run("%%incremental\n" + cell.replace("ITEMS", items))
        found.append(shell.user_ns["shown"])
    assert found in (["2\n4\n", "2\n4\n6\n"], [2, 3])


ALIASES = {
    "a cell of a frame": ("pd.DataFrame({'t': [[n]]})", "out.append(x['t'].iloc[0])", "out[0] is xs[0]['t'].iloc[0]"),
    "a cell of an array": ("np.array([[n], 0], dtype=object)", "out.append(x[0])", "out[0] is xs[0][0]"),
    "the fields of an object": ("Plain(n)", "out.append(vars(x))", "out[0] is vars(xs[0])"),
    "attributes of a frame": ("framed(n)", "out.append(x.attrs)", "out[0] is xs[0].attrs"),
    "arguments of a partial": ("functools.partial(dict, a=n)", "out.append(x.keywords)", "out[0] is xs[0].keywords"),
}


@pytest.mark.parametrize("case", ALIASES)
def test_what_an_item_holds_in_any_way_stays_one_object(session: Callable[..., Session], case: str) -> None:
    made, body, same = ALIASES[case]
    setup = """import functools
import numpy as np, pandas as pd
class Plain:
    def __init__(self, n):
        self.n = n
def framed(n):
    frame = pd.DataFrame({'a': [n]})
    frame.attrs['k'] = n
    return frame"""
    for count in (1, 2):
        shell = session(None, setup, f"xs = [{made} for n in range({count})]")
        shell.run(f"%%incremental\nout = []\nfor x in xs:\n    {body}")
        shell.run(f"same = {same}")
        assert shell.user_ns["same"]


def test_a_starred_target_is_the_list_that_the_last_item_handed_over(session: Callable[..., Session]) -> None:
    for items in ("[(1, 2)]", "[(3, 4), (1, 2)]"):
        shell = session()
        shell.run(f"%%incremental\nout = []\nfor a, *b in {items}:\n    out.append(b)")
        assert shell.user_ns["out"][-1] is shell.user_ns["b"]


def test_an_item_goes_when_the_body_lets_it_go(
    session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    setup = """class Loud:
    def __init__(self, n):
        self.n = n
    def __del__(self):
        print('gone', self.n)
def some():
    for n in range(2):
        print('made', n)
        yield Loud(n)"""
    shell = session(None, setup)
    capsys.readouterr()
    shell.run("%%incremental --quiet\nfor x in some():\n    del x")
    assert capsys.readouterr().out.split("\n")[:4] == ["made 0", "gone 0", "made 1", "gone 1"]


@pytest.mark.measured
def test_telling_items_apart_ends_where_it_takes_far_longer_than_they_do(session: Callable[..., Session]) -> None:
    shell = session(None, "import pandas as pd\ndf = pd.DataFrame({'a': range(4000)})")
    shell.run("%%incremental\nout = []\nfor i, row in df.iterrows():\n    out.append(int(row['a']))")
    assert shell.user_ns["out"] == list(range(4000))
    assert any("takes longer than running them" in r["detail"] for r in shell.decision["reasons"])
