"""Loops over sources: what is read, what runs, what is put back; and every gate shut, one at a time."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from notebooks import Notebook, Shell

from incnb.sources import lines as lines_module

Shells = Callable[[], Shell]
LOOP = """out = []
for line in incnb.source("e.log", mode="append"):
    out.append(f(line))
"""
TWICE = "def f(x):\n    return x * 2\n"
THRICE = "def f(x):\n    return x * 3\n"
READ_ON = "is read on from where the last pass ended (completed, durable, contained)"


def grow(*more: str, file: str = "e.log") -> None:
    with Path(file).open("a") as log:
        log.writelines(line + "\n" for line in more)


def of(nb: Shell) -> tuple[int, int]:
    """How many items ran, and how many were reused."""
    items = nb.decisions()[-1]["items"]
    return (items["executed"], items["reused"])


def gates(nb: Shell) -> list[str]:
    """What the decision says of the source."""
    return [r["detail"] for r in nb.decisions()[-1]["reasons"] if r["code"] == "source" and " read " in r["detail"]]


def shut(nb: Shell) -> list[str]:
    """The names of the gates that were shut."""
    return [told.partition("(not ")[2].partition(":")[0] for told in gates(nb) if told != READ_ON]


@pytest.fixture
def nb(shells: Shells) -> Shell:
    shell = shells()
    shell.plain("import incnb")
    shell.plain(TWICE)
    grow("a", "b", "c")
    return shell


class Bytes:
    """Counts the bytes that are read of growing files, by where they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.places: list[tuple[int, int]] = []
        counter = self

        class Counting(io.FileIO):
            def read(self, size: Any = -1) -> Any:
                at = self.tell()
                data = super().read(size)
                counter.places.append((at, len(data)))
                return data

        monkeypatch.setattr(lines_module, "io", SimpleNamespace(FileIO=Counting))

    def before(self, offset: int) -> int:
        """How many of the bytes before `offset` were read at least once."""
        seen = sorted((at, min(at + size, offset)) for at, size in self.places if at < offset)
        total = end = 0
        for start, stop in seen:
            total += max(0, stop - max(start, end))
            end = max(end, stop)
        return total


def test_an_unchanged_file_is_one_look_up(nb: Shell) -> None:
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (3, 0)
    assert nb.cell(LOOP) == "reused"
    assert nb["out"] == ["aa", "bb", "cc"]


def test_of_a_grown_file_only_the_new_lines_run(nb: Shell, shells: Shells) -> None:
    nb.cell(LOOP)
    assert shut(nb) == ["completed", "durable", "contained"]
    grow("d", "e")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (2, 3)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == ["aa", "bb", "cc", "dd", "ee"]
    assert nb["line"] == "e"
    assert nb.cell(LOOP) == "reused"
    grow("f")
    again = shells()
    again.plain("import incnb\n" + TWICE)
    assert again.cell(LOOP) == "executed"
    assert of(again) == (1, 5)
    assert gates(again) == [READ_ON]
    assert again["out"] == ["aa", "bb", "cc", "dd", "ee", "ff"]


@pytest.mark.usefixtures("aged")
def test_of_a_skipped_scan_nothing_is_read_but_the_last_64_kib(nb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(*(f"{n:099d}" for n in range(20_000)))
    size = Path("e.log").stat().st_size
    assert nb.cell(LOOP) == "executed"
    grow("x", "y")
    counted = Bytes(monkeypatch)
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (2, 20_003)
    assert 0 < counted.before(size) <= lines_module.KEPT
    assert nb["out"][:3] == ["aa", "bb", "cc"]
    assert nb["out"][-2:] == ["xx", "yy"]
    assert nb["out"][1000] == f"{997:099d}" * 2
    assert len(nb["out"]) == 20_005
    monkeypatch.setattr(lines_module, "io", io)
    grow("z")
    nb.cell(LOOP)  # what counts is code of ours, and the cell that ran it was not saved
    counted = Bytes(monkeypatch)
    assert nb.cell(LOOP) == "reused"
    assert counted.before(size) <= lines_module.KEPT


def test_an_incomplete_last_line_waits(nb: Shell) -> None:
    nb.cell(LOOP)
    with Path("e.log").open("a") as log:
        log.write("d")
    assert nb.cell(LOOP) == "reused"
    with Path("e.log").open("a") as log:
        log.write("d\n")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 3)
    assert nb["out"][-1] == "dddd"


def test_a_truncated_file_is_scanned(nb: Shell) -> None:
    grow("d")
    nb.cell(LOOP)
    os.truncate("e.log", 4)
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (0, 2)
    assert shut(nb) == ["durable"]
    assert nb["out"] == ["aa", "bb"]
    assert nb["line"] == "b"


def test_a_replaced_file_is_scanned_and_what_is_known_is_reused(nb: Shell) -> None:
    nb.cell(LOOP)
    Path("new.log").write_text("a\nB\nc\n")
    Path("new.log").replace("e.log")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 2)
    assert shut(nb) == ["durable"]
    assert nb["out"] == ["aa", "BB", "cc"]


def test_a_line_edited_in_the_middle_is_one_that_runs(nb: Shell) -> None:
    nb.cell(LOOP)
    with Path("e.log").open("r+") as log:
        log.seek(2)
        log.write("B")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 2)
    assert shut(nb) == ["durable"]
    assert nb["out"] == ["aa", "BB", "cc"]


@pytest.mark.usefixtures("aged")
def test_a_line_edited_far_from_the_end_is_seen_by_the_times(nb: Shell) -> None:
    grow(*(f"{n:099d}" for n in range(2_000)))
    nb.cell(LOOP)
    with Path("e.log").open("r+") as log:
        log.seek(2)
        log.write("B")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 2002)
    assert shut(nb) == ["durable"]
    assert nb["out"][:3] == ["aa", "BB", "cc"]


def test_a_body_that_is_edited_runs_for_all(nb: Shell) -> None:
    nb.cell(LOOP)
    assert nb.cell(LOOP.replace("f(line)", "f(line) + '!'")) == "executed"
    assert of(nb) == (3, 0)
    assert "completed" in shut(nb)
    assert nb["out"] == ["aa!", "bb!", "cc!"]
    grow("d")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == ["aa", "bb", "cc", "dd"]


def test_a_helper_that_is_edited_shuts_the_gate_and_the_old_one_runs_nothing(nb: Shell) -> None:
    nb.cell(LOOP)
    nb.plain(THRICE)
    grow("d")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (4, 0)
    assert shut(nb) == ["contained"]
    assert "f() changed" in gates(nb)[0]
    assert nb["out"] == ["aaa", "bbb", "ccc", "ddd"]
    nb.plain(TWICE)
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 3)
    assert shut(nb) == ["contained"]
    assert nb["out"] == ["aa", "bb", "cc", "dd"]
    nb.plain(THRICE)
    assert nb.cell(LOOP) == "reused"
    nb.plain(TWICE)
    assert nb.cell(LOOP) == "reused"
    assert nb["out"] == ["aa", "bb", "cc", "dd"]


def test_only_one_helper_of_two_counts_for_a_line_but_both_for_the_gate(nb: Shell) -> None:
    nb.plain("def g(x):\n    return x.upper()\n")
    loop = LOOP.replace("f(line)", "g(line) if line == 'b' else f(line)")
    nb.cell(loop)
    nb.plain("def g(x):\n    return x.upper() + '!'\n")
    grow("d")
    assert nb.cell(loop) == "executed"
    assert of(nb) == ((2, 2) if hasattr(sys, "monitoring") else (4, 0))  # which functions a line ran is seen, or not
    assert shut(nb) == ["contained"]
    assert nb["out"] == ["aa", "B!", "cc", "dd"]
    grow("e")
    assert nb.cell(loop) == "executed"
    assert of(nb) == (1, 4)
    assert gates(nb) == [READ_ON]
    nb.plain("def g(x):\n    return x.upper()\n")  # what a line relied on that was put back, not read, counts still
    grow("f")
    assert nb.cell(loop) == "executed"
    assert shut(nb) == ["contained"]
    assert nb["out"] == ["aa", "B", "cc", "dd", "ee", "ff"]


def test_a_pass_that_was_cut_short_does_not_move_the_cursor(nb: Shell) -> None:
    nb.cell(LOOP)
    nb.plain("def f(x):\n    if x == 'e':\n        raise KeyboardInterrupt\n    return x * 2\n")
    grow("d", "e", "g")
    with pytest.raises(KeyboardInterrupt):
        nb.cell(LOOP)
    nb.plain(TWICE)
    assert nb.cell(LOOP) == "executed"
    assert gates(nb) == [READ_ON]
    assert of(nb) == (3, 3)
    assert nb["out"] == ["aa", "bb", "cc", "dd", "ee", "gg"]


def test_what_was_saved_before_an_interruption_is_reused(nb: Shell) -> None:
    nb.plain("import time\ndef f(x):\n    time.sleep(1.5 if x == 'e' else 0.02)\n    return x * 2\n")
    nb.cell(LOOP)
    grow("d", "e", "g")

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.7)
    try:
        with pytest.raises(KeyboardInterrupt):
            nb.cell(LOOP)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert nb["out"] == ["aa", "bb", "cc", "dd"]
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (2, 4)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == ["aa", "bb", "cc", "dd", "ee", "gg"]


def test_a_missing_item_means_a_scan(nb: Shell, shells: Shells, tmp_path: Path) -> None:
    loop = LOOP + "    print(line)\n"  # what is shown is kept with the item only
    nb.cell(loop)
    for file in (tmp_path / "store" / "items").rglob("*.items"):
        file.unlink()
    grow("d")
    again = shells()
    again.plain("import incnb\n" + TWICE)
    assert again.cell(loop) == "executed"
    assert of(again) == (4, 0)
    assert "an item is not in the store" in gates(again)[0]
    assert again["out"] == ["aa", "bb", "cc", "dd"]


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"x" * 24)])
def test_without_the_order_of_items_there_is_a_scan(nb: Shell, damage: Callable[[Path], Any], tmp_path: Path) -> None:
    nb.cell(LOOP)
    for file in (tmp_path / "store" / "items").rglob("*.order"):
        damage(file)
    grow("d")
    assert nb.cell(LOOP) == "executed"
    assert of(nb) == (1, 3)
    assert "what the last pass left cannot be put back" in gates(nb)[0]
    assert nb["out"] == ["aa", "bb", "cc", "dd"]


def test_a_source_made_in_another_cell(nb: Shell) -> None:
    assert nb.cell("src = incnb.source('e.log', mode='append')") == "executed"
    loop = "out = []\nfor line in src:\n    out.append(f(line))\n"
    nb.cell(loop)
    assert nb.cell(loop) == "reused"
    grow("d")
    assert nb.cell(loop) == "executed"
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == ["aa", "bb", "cc", "dd"]
    nb.plain("src = incnb.source('other.log', mode='append')")
    grow("a", "z", file="other.log")
    assert nb.cell(loop) == "executed"
    assert nb["out"] == ["aa", "zz"]


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("out = [f(x) for x in S if x != 'b']", ["aa", "cc"], ["aa", "cc", "dd"]),
        ("out = {f(x) for x in S}", {"aa", "bb", "cc"}, {"aa", "bb", "cc", "dd"}),
        ("out = {x: f(x) for x in S}", {"a": "aa", "b": "bb", "c": "cc"}, {"a": "aa", "b": "bb", "c": "cc", "d": "dd"}),
        ("out = {}\nfor x in S:\n    out[x] = f(x)\n", {"a": "aa", "b": "bb", "c": "cc"}, None),
        ("out = ''\nfor x in S:\n    out += f(x)\n", "aabbcc", "aabbccdd"),
        ("out = 'none'\nfor x in S:\n    if x < 'c':\n        out = f(x)\n", "bb", "bb"),
    ],
)
def test_every_sort_of_loop_is_put_back(nb: Shell, code: str, first: Any, second: Any) -> None:
    code = code.replace("S", "incnb.source('e.log', mode='append')")
    nb.cell(code)
    assert nb["out"] == first
    grow("d")
    assert nb.cell(code) == "executed"
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == (second if second is not None else {**first, "d": "dd"})


def test_names_and_prints_are_as_if_all_had_run(nb: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    code = LOOP + "    n = len(line)\n    print(line)\n    if line == 'b':\n        rare = line\n"
    nb.cell(code)
    nb.plain("del out, n, line, rare")
    grow("d" * 7)
    capsys.readouterr()
    nb.cell(code)
    assert capsys.readouterr().out.splitlines()[:4] == ["a", "b", "c", "d" * 7]
    assert (nb["n"], nb["line"], nb["rare"]) == (7, "d" * 7, "b")
    nb.plain("del out, n, line, rare")
    other = code + "x = 1\n"  # another cell with the same loop, and nothing new in the file
    nb.cell(other)
    assert of(nb) == (0, 4)
    assert gates(nb) == [READ_ON]
    assert (nb["n"], nb["line"], nb["rare"]) == (7, "d" * 7, "b")


def test_names_that_the_body_gives_to_the_items_own_names(nb: Shell) -> None:
    code = "out = []\nfor line in S:\n    if line == 'b':\n        line = f(line)\n    out.append(line)\n"
    code = code.replace("S", "incnb.source('e.log', mode='append')")
    for number, more in enumerate(("b", "x", "b", "y")):
        nb.cell(code)
        grow(more)
        nb.cell(code)
        assert gates(nb) == [READ_ON]
        nb.cell(code + f"{number}\n")
        assert of(nb) == (0, 4 + number)
        assert gates(nb) == [READ_ON]
        assert nb["line"] == ("bb" if more == "b" else more)
        assert nb["out"][:3] == ["a", "bb", "c"]


def test_items_of_all_sorts_in_one_order(nb: Shell) -> None:
    nb.plain("def g(x):\n    return [x] if x in 'bd' else (len(x), x)\n")
    code = LOOP.replace("out.append(f(line))", "if line != 'c':\n        out.append(g(line))\n        n = line")
    nb.cell(code)
    grow("d", "e")
    nb.cell(code)
    assert gates(nb) == [READ_ON]
    grow("c")
    nb.cell(code)
    nb.plain("del out, n, line")
    nb.cell(code + "0\n")
    assert of(nb) == (0, 6)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == [(1, "a"), ["b"], ["d"], (1, "e")]
    assert (nb["n"], nb["line"]) == ("e", "c")


def test_files_that_lines_name_are_among_what_the_gate_asks(nb: Shell) -> None:
    for name in "abcd":
        Path(name).write_text(name)
    code = LOOP.replace("f(line)", "open(line).read()")
    nb.cell(code)
    grow("d")
    nb.cell(code)
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]
    Path("b").write_text("new")
    assert nb.cell(code) == "executed"
    assert of(nb) == (1, 3)
    assert shut(nb) == ["contained"]
    assert nb["out"] == ["a", "new", "c", "d"]
    Path("b").write_text("b")
    grow("a")
    nb.cell(code)
    assert nb["out"] == ["a", "b", "c", "d", "a"]


def test_what_is_looked_up_by_a_line_counts(nb: Shell) -> None:
    nb.plain("prices = {'a': 1, 'b': 2, 'c': 3, 'd': 4}")
    code = LOOP.replace("f(line)", "prices[line]")
    nb.cell(code)
    grow("d")
    nb.cell(code)
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]
    nb.plain("prices = {'a': 1, 'b': 20, 'c': 3, 'd': 4}")
    nb.cell(code)
    assert of(nb) == (1, 3)
    assert shut(nb) == ["contained"]
    assert nb["out"] == [1, 20, 3, 4]


def test_what_was_there_to_change_and_is_not_fails_as_it_would(nb: Shell) -> None:
    nb.plain("counts = {'a': 0, 'b': 0, 'c': 0, 'd': 0}")
    code = "for line in incnb.source('e.log', mode='append'):\n    counts[line] += len(f(line))\n"
    nb.cell(code)
    assert nb["counts"] == {"a": 2, "b": 2, "c": 2, "d": 0}
    nb.plain("counts = {'a': 0, 'b': 0, 'd': 0}")
    grow("d")
    with pytest.raises(KeyError, match="c"):
        nb.cell(code)
    assert nb["counts"] == {"a": 2, "b": 2, "d": 0}
    assert nb["line"] == "c"
    nb.plain("counts = {'a': 0, 'b': 0, 'c': 1, 'd': 0}")
    nb.cell(code)
    assert gates(nb) == [READ_ON]
    assert nb["counts"] == {"a": 2, "b": 2, "c": 3, "d": 2}


def test_forced_items_all_run_and_the_cursor_stands_after_them(nb: Shell) -> None:
    nb.cell(LOOP)
    nb.cell(LOOP, "--force")
    assert of(nb) == (3, 0)
    grow("d")
    nb.cell(LOOP)
    assert of(nb) == (1, 3)
    assert gates(nb) == [READ_ON]


def test_an_item_that_cannot_be_saved_keeps_the_cursor_where_it_is(nb: Shell) -> None:
    nb.plain("def f(x):\n    return (y for y in x) if x == 'b' else x * 2\n")
    nb.cell(LOOP)
    grow("d")
    nb.cell(LOOP)
    assert "completed" in shut(nb)
    assert len(nb["out"]) == 4


@pytest.mark.usefixtures("aged")
def test_paths_are_listed_and_only_what_is_new_or_changed_runs(nb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1", "3", "5"):
        Path(f"{name}.csv").write_text(name)
    code = "out = {}\nfor p in incnb.source('*.csv'):\n    with open(p) as file:\n        out[p] = file.read()\n"
    nb.cell(code)
    assert shut(nb) == ["durable"]
    assert nb.cell(code) == "reused"
    from incnb.fingerprint import files

    hashed: list[str] = []
    digest = files.digest
    monkeypatch.setattr(files, "digest", lambda path: hashed.append(Path(path).name) or digest(path))
    Path("2.csv").write_text("2")
    nb.cell(code)
    assert of(nb) == (1, 3)
    assert set(hashed) == {"2.csv"}
    assert nb["out"] == {"1.csv": "1", "2.csv": "2", "3.csv": "3", "5.csv": "5"}
    hashed.clear()
    Path("3.csv").write_text("three")
    nb.cell(code)
    assert of(nb) == (1, 3)
    assert "1.csv" not in hashed and "5.csv" not in hashed
    Path("1.csv").unlink()
    nb.cell(code)
    assert of(nb) == (0, 3)
    assert nb["out"] == {"2.csv": "2", "3.csv": "three", "5.csv": "5"}


ROWS = """
import sqlite3
class Rows:
    durable = True
    def __init__(self, file):
        self.file = file
    def identity(self):
        return self.file
    def state(self):
        with sqlite3.connect(self.file) as db:
            return str(db.execute("select max(id) from t").fetchone()[0]).encode()
    def read(self, cursor):
        after = -1 if cursor is None else int(cursor)
        with sqlite3.connect(self.file) as db:
            for row in db.execute("select * from t where id > ? order by id", (after,)):
                yield (row[0], row[1]), str(row[0]).encode()
"""


def insert(*names: str) -> None:
    db = sqlite3.connect("t.db")
    with db:
        db.execute("create table if not exists t(id integer primary key, name text)")
        db.executemany("insert into t(name) values(?)", [(name,) for name in names])
    db.close()


@pytest.mark.parametrize("apart", [True, False])
def test_a_table_is_read_on_from_its_last_id(nb: Shell, apart: bool) -> None:
    insert("a", "b")
    nb.plain(ROWS + "src = incnb.source(Rows('t.db'))\n")
    source = "src" if apart else "incnb.source(Rows('t.db'))"
    code = f"out = []\nfor id, name in {source}:\n    out.append((id, f(name)))\n"
    assert nb.cell(code) == "executed"
    assert nb.cell(code) == "reused"
    insert("c")
    assert nb.cell(code) == "executed"
    assert of(nb) == (1, 2)
    assert gates(nb) == [READ_ON]
    assert nb["out"] == [(1, "aa"), (2, "bb"), (3, "cc")]
    assert (nb["id"], nb["name"]) == (3, "c")
    assert nb.cell(code) == "reused"


def test_a_source_that_reads_otherwise_is_read_from_its_start(nb: Shell) -> None:
    insert("a", "b")
    nb.plain(ROWS)
    code = "out = []\nfor id, name in incnb.source(Rows('t.db')):\n    out.append((id, f(name)))\n"
    nb.cell(code)
    nb.plain(ROWS.replace("row[1])", "row[1].upper())"))
    insert("c")
    assert nb.cell(code) == "executed"
    assert of(nb) == (3, 0)
    assert shut(nb) == ["contained"]
    assert nb["out"] == [(1, "AA"), (2, "BB"), (3, "CC")]


def test_a_global_that_a_source_reads_is_a_part_of_it(nb: Shell) -> None:
    insert("a", "b")
    nb.plain("times = 1\n" + ROWS.replace("row[1])", "row[1] * times)"))
    code = "out = []\nfor id, name in incnb.source(Rows('t.db')):\n    out.append((id, f(name)))\n"
    nb.cell(code)
    nb.plain("times = 2")
    insert("c")
    assert nb.cell(code) == "executed"
    assert shut(nb) == ["contained"]
    assert nb["out"] == [(1, "aaaa"), (2, "bbbb"), (3, "cccc")]


def test_rows_that_can_change_are_never_made_up(nb: Shell) -> None:
    insert("a", "b")
    nb.plain(ROWS.replace("(row[0], row[1])", "{'id': row[0], 'name': row[1]}"))
    for kept in ("f(row['name'])", "row"):
        code = f"out = []\nfor row in incnb.source(Rows('t.db')):\n    out.append({kept})\n"
        nb.cell(code)
        insert("c")
        nb.cell(code)
        assert of(nb)[0] == 1
        first = nb["out"][-1]
        assert (first is nb["row"]) == (kept == "row")
        nb.cell(code + "0\n")  # nothing is new, and what the loop leaves bound is such a row
        assert "is read from its start: " in gates(nb)[0]
        assert nb["row"]["name"] == "c"
        assert (nb["out"][-1] is nb["row"]) == (kept == "row")
        assert of(nb)[0] == 0


def test_a_table_that_is_not_durable_is_read_whole_and_its_rows_are_reused(nb: Shell) -> None:
    insert("a", "b")
    nb.plain(ROWS.replace("durable = True", "durable = False"))
    code = "out = [(id, f(name)) for id, name in incnb.source(Rows('t.db'))]"
    nb.cell(code)
    insert("c")
    nb.cell(code)
    assert of(nb) == (1, 2)
    assert shut(nb) == ["durable"]
    assert nb["out"] == [(1, "aa"), (2, "bb"), (3, "cc")]


def test_a_source_that_answers_nonsense_fails_as_it_would(nb: Shell) -> None:
    nb.plain(ROWS.replace("return self.file\n", "return 3\n"))
    insert("a")
    assert nb.cell("out = [f(name) for id, name in incnb.source(Rows('t.db'))]") == "executed"
    assert nb["out"] == ["aa"]


def test_a_kernel_that_is_killed_goes_on_where_items_were_saved(notebook: Notebook) -> None:
    body = "import time\ndef f(x):\n    time.sleep(2.5 if x == 'k' else 0.02)\n    return x * 2\n"
    file = notebook.work / "e.log"
    file.write_text("a\nb\n")
    with notebook.kernel() as nb:
        nb.run("import incnb\n" + body)
        assert nb.status("%%incremental\n" + LOOP) == "executed"
        with file.open("a") as log:
            log.write("c\nd\nk\ne\n")
        nb.kernel.start("%%incremental\n" + LOOP)
        time.sleep(1.5)
        nb.kernel.manager.provisioner.process.kill()  # type: ignore[attr-defined, union-attr]
    with notebook.kernel() as nb:
        nb.run("import incnb\n" + body)
        assert nb.status("%%incremental\n" + LOOP) == "executed"
        assert nb.decision["items"]["executed"] == 2
        assert nb.decision["items"]["reused"] == 4
        assert READ_ON in [r["detail"] for r in nb.decision["reasons"]]
        assert nb.run("out").result == {"text/plain": "['aa', 'bb', 'cc', 'dd', 'kk', 'ee']"}
        assert nb.status("%%incremental\n" + LOOP) == "reused"


def test_a_file_that_grows_between_runs_of_a_kernel(notebook: Notebook) -> None:
    file = notebook.work / "e.log"
    code = "%%incremental\n" + LOOP + "    print(line)\nlen(out)"
    file.write_text("0\n")
    with notebook.kernel() as nb:
        nb.run("import incnb\n" + TWICE)
        for n in range(1, 4):
            assert nb.status(code) == "executed"
            assert nb.decision["items"]["executed"] == 1
            assert nb.decision["items"]["reused"] == n - 1
            again = nb.run(code)
            assert nb.decision["status"] == "reused"
            assert again.stdout.split("\n")[:n] == [str(m) for m in range(n)]
            assert again.result == {"text/plain": str(n)}
            with file.open("a") as log:
                log.write(f"{n}\n")


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no file had been written a moment ago."""
    monkeypatch.setattr(lines_module, "YOUNG", 0.0)
    monkeypatch.setattr("incnb.fingerprint.files.YOUNG", 0.0)
