"""Sources: what they give, what their cursors know, and whom they refuse."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import random
import sqlite3
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from notebooks import Shell

import incnb
from incnb import sources
from incnb.fingerprint import fingerprint
from incnb.sources import lines as growing


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def end(source: Any, cursor: bytes | None = None) -> bytes:
    """The cursor behind the last item."""
    return bytes([mark for _, mark in source.read(cursor)][-1])


def after(source: Any, cursor: bytes) -> list[Any]:
    return [item for item, _ in source.read(cursor)]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last write of every file was a while ago."""
    monkeypatch.setattr(growing, "YOUNG", float("-inf"))


def long_file(path: Path) -> Any:
    """A file of which not all is compared."""
    path.write_text("".join(f"line {i}\n" for i in range(20_000)))
    return incnb.source(str(path), mode="append")


# -- paths


def test_paths_come_sorted_and_as_the_pattern_is() -> None:
    Path("data/deep").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "c.txt", ".hidden.csv", "deep/d.csv"):
        Path("data", name).write_text("")
    assert list(incnb.source("data/*.csv")) == ["data/a.csv", "data/b.csv"]
    assert list(incnb.source(Path("data") / "**" / "*.csv")) == ["data/a.csv", "data/b.csv", "data/deep/d.csv"]
    assert list(incnb.source("nowhere/*")) == []
    assert [item for item, _ in incnb.source("data/*.csv").read(b"anything")] == ["data/a.csv", "data/b.csv"]


def test_paths_are_not_durable_and_their_state_is_the_listing() -> None:
    Path("a.csv").write_text("1")
    source = incnb.source("*.csv")
    state = source.state()
    Path("a.csv").write_text("2")
    assert source.state() == state
    Path("b.csv").write_text("2")
    assert source.state() != state
    assert source.durable is False
    assert source.check(b"") == "is listed anew each time"


def test_a_folder_without_a_pattern_is_told() -> None:
    Path("data").mkdir()
    with pytest.raises(sources.SourceError, match=r"data is a folder: write incnb.source\('data/\*'\)"):
        list(incnb.source("data"))


# -- lines


def test_only_complete_lines_are_given() -> None:
    file = Path("e.log")
    file.write_bytes(b"one\n\ntwo\r\nhal")
    source = incnb.source("e.log", mode="append")
    assert list(source) == ["one", "", "two"]
    mark = end(source)
    assert after(source, mark) == []
    with file.open("ab") as log:
        log.write(b"f\nthree\n")
    assert after(source, mark) == ["half", "three"]
    assert list(source) == ["one", "", "two", "half", "three"]


def test_other_line_breaks_are_part_of_the_line() -> None:
    Path("e.log").write_bytes("a\rb\x0bc\u2028d\n".encode())
    assert list(incnb.source("e.log", mode="append")) == ["a\rb\x0bc\u2028d"]


def test_every_cursor_gives_what_comes_after_it(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "BLOCK", 7)
    monkeypatch.setattr(growing, "KEPT", 5)
    rng = random.Random(1)
    lines = ["x" * rng.choice([0, 1, 3, 8, 40]) + str(i) for i in range(60)]
    Path("e.log").write_text("".join(line + "\n" for line in lines) + "rest")
    source = incnb.source("e.log", mode="append")
    found = [(line, bytes(mark)) for line, mark in source.read(None)]
    assert [line for line, _ in found] == lines
    for number, (_, mark) in enumerate(found):
        assert source.check(mark) is None
        again = [(line, bytes(mark)) for line, mark in source.read(mark)]
        assert again == found[number + 1 :]


def test_a_line_longer_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "BLOCK", 16)
    Path("e.log").write_text("a" * 5000 + "\nb\n" + "c" * 3000)
    source = incnb.source("e.log", mode="append")
    assert [len(line) for line in source] == [5000, 1]
    assert source.check(end(source)) is None


def test_what_is_appended_while_it_is_read_belongs_to_the_next_pass() -> None:
    Path("e.log").write_text("a\nb\n")
    source = incnb.source("e.log", mode="append")
    seen: list[Any] = []
    for pair in source.read(None):
        seen.append(pair)
        line = pair[0]
        with Path("e.log").open("a") as log:
            log.write(f"after {line}\n")
    assert [line for line, _ in seen] == ["a", "b"]
    assert after(source, bytes(seen[-1][1])) == ["after a", "after b"]


def test_a_cursor_is_of_what_was_read_and_not_of_what_is_there_when_it_is_asked() -> None:
    Path("e.log").write_text("a\nb\n")
    source = incnb.source("e.log", mode="append")
    marks = [mark for _, mark in source.read(None)]
    with Path("e.log").open("r+") as log:
        log.write("x")
    assert source.check(bytes(marks[-1])) == "was changed before the place where the last pass ended"


def test_a_truncated_file_is_noticed() -> None:
    Path("e.log").write_text("a\nb\n")
    source = incnb.source("e.log", mode="append")
    mark = end(source)
    os.truncate("e.log", 2)
    assert source.check(mark) == "is shorter than it was (2 bytes instead of 4)"
    with pytest.raises(sources.SourceError, match="shorter"):
        after(source, mark)


def test_an_incomplete_line_that_was_taken_back_is_noticed() -> None:
    Path("e.log").write_text("a\nb")
    source = incnb.source("e.log", mode="append")
    mark = end(source)
    os.truncate("e.log", 2)
    assert source.check(mark) == "is shorter than it was (2 bytes instead of 3)"


def test_a_file_that_was_truncated_and_grew_again_is_noticed() -> None:
    Path("e.log").write_text("a\nb\n")
    source = incnb.source("e.log", mode="append")
    mark = end(source)
    Path("e.log").write_text("c\nd\ne\n")
    assert source.check(mark) == "was changed before the place where the last pass ended"


def test_a_rotated_file_is_noticed_though_it_reads_the_same() -> None:
    Path("e.log").write_text("a\n")
    source = incnb.source("e.log", mode="append")
    mark = end(source)
    Path("e.log").rename("e.log.1")
    Path("e.log").write_text("a\nb\n")
    assert source.check(mark) == "is another file than it was"
    Path("e.log").unlink()
    assert source.check(mark) == "is gone"
    assert source.state() == b"nothing"
    Path("e.log").mkdir()
    assert source.check(mark) == "is not a regular file"


def test_a_line_changed_in_place_shortly_before_the_cursor_is_noticed_however_the_file_grew() -> None:
    source = long_file(Path("e.log"))
    mark = end(source)
    with Path("e.log").open("r+b") as log:
        log.seek(-growing.KEPT + 10, os.SEEK_END)
        log.write(b"X")
        log.seek(0, os.SEEK_END)
        log.write(b"more\n")
    assert source.check(mark) == "was changed before the place where the last pass ended"


def test_a_line_changed_in_place_long_before_the_cursor_is_noticed_when_the_file_did_not_grow(settled: None) -> None:
    source = long_file(Path("e.log"))
    mark = end(source)
    assert source.check(mark) is None
    with Path("e.log").open("r+b") as log:
        log.write(b"X")
    assert source.check(mark) == "was written to and did not grow"


def test_a_file_read_a_moment_after_it_was_written_is_in_doubt_until_it_grows() -> None:
    source = long_file(Path("e.log"))
    with Path("e.log").open("a") as log:
        log.write("new\n")
    mark = end(source)
    assert source.check(mark) == "was written to a moment before it was read, and may have been since"
    with Path("e.log").open("a") as log:
        log.write("newer\n")
    assert source.check(mark) is None
    assert after(source, mark) == ["newer"]


def test_a_short_file_that_was_only_touched_is_as_it_was() -> None:
    Path("e.log").write_text("a\n")
    source = incnb.source("e.log", mode="append")
    mark = end(source)
    os.utime("e.log", (1e9, 1e9))
    assert source.check(mark) is None


@pytest.mark.parametrize(
    "change",
    [
        {"offset": -1}, {"offset": 1e3}, {"offset": 10**9}, {"offset": True}, {"v": 2}, {"tail": "0"}, {"tail": 3},
        {"young": 1}, {"dev": None}, {"size": "4"}, {"times": [1, "2"]},
    ],
)  # fmt: skip
def test_a_damaged_cursor_is_no_cursor(change: dict[str, Any]) -> None:
    Path("e.log").write_text("a\nb\n")
    source = incnb.source("e.log", mode="append")
    mark = json.loads(end(source))
    assert "damaged" in str(source.check(json.dumps({**mark, **change}).encode()))
    del mark[next(iter(change))]
    assert "damaged" in str(source.check(json.dumps(mark).encode()))


@pytest.mark.parametrize("cursor", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_cursor_at_all_is_told(cursor: bytes) -> None:
    Path("e.log").write_text("a\n")
    assert "damaged" in str(incnb.source("e.log", mode="append").check(cursor))


def test_the_state_of_lines_is_the_lines() -> None:
    file = Path("e.log")
    file.write_text("a\n")
    source = incnb.source("e.log", mode="append")
    state = source.state()
    os.utime(file, (1e9, 1e9))
    assert source.state() == state
    with file.open("a") as log:
        log.write("x" * 100_000)
    assert source.state() == state
    with file.open("a") as log:
        log.write("\n")
    assert source.state() != state


def test_encodings() -> None:
    Path("e.log").write_bytes("ä\n".encode("latin-1"))
    assert list(incnb.source("e.log", mode="append", encoding="latin1")) == ["ä"]
    assert list(incnb.source("e.log", mode="append", errors="replace")) == ["\ufffd"]
    with pytest.raises(sources.SourceError, match=r"the line at byte 0 of e.log is not utf-8 \(.*\): set encoding="):
        list(incnb.source("e.log", mode="append"))
    Path("e.log").write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")
    assert list(incnb.source("e.log", mode="append", encoding="utf-8-sig")) == ["a", "\ufeffb"]
    assert list(incnb.source("e.log", mode="append")) == ["\ufeffa", "\ufeffb"]


def test_a_missing_file_is_missing_as_in_plain_python() -> None:
    with pytest.raises(FileNotFoundError, match=r"e.log"):
        list(incnb.source("e.log", mode="append"))


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe")
    with pytest.raises(sources.SourceError, match="pipe is not a regular file"):
        list(incnb.source("pipe", mode="append"))


# -- one's own


def documented() -> type:
    """The class of the docstring, as it stands there."""
    lines = inspect.getdoc(sources.Source).splitlines()  # type: ignore[union-attr]
    first = next(i for i, line in enumerate(lines) if line.strip().startswith("class"))
    last = next(i for i, line in enumerate(lines) if line.strip().startswith("for row in incnb"))
    namespace: dict[str, Any] = {"sqlite3": sqlite3}
    exec(textwrap.dedent("\n".join(lines[first:last])), namespace)
    found: type = namespace["Rows"]
    return found


def test_the_documented_source_works() -> None:
    with sqlite3.connect("shop.db") as db:
        db.execute("create table orders (id integer primary key, what text)")
        db.executemany("insert into orders (what) values (?)", [("a",), ("b",)])
    rows = documented()("shop.db", "orders")
    assert isinstance(rows, incnb.Source)
    source = incnb.source(rows)
    assert list(source) == [(1, "a"), (2, "b")]
    mark, state = end(source), source.state()
    assert source.check(mark) is None
    with sqlite3.connect("shop.db") as db:
        db.execute("insert into orders (what) values ('c')")
    assert after(source, mark) == [(3, "c")]
    assert source.state() != state
    assert source.identity() == "shop.db:orders"


class Listed:
    """A source over a list."""

    durable: Any = True

    def __init__(self, *items: Any):
        self.items = list(items)

    def identity(self) -> Any:
        return "listed"

    def state(self) -> Any:
        return str(len(self.items)).encode()

    def read(self, cursor: bytes | None) -> Iterator[Any]:
        for number, item in enumerate(self.items):
            if cursor is None or number > int(cursor):
                yield item, str(number).encode()

    def __repr__(self) -> str:
        return f"Listed({', '.join(map(repr, self.items))})"


def test_what_a_source_says_of_its_cursor_is_asked() -> None:
    class Checked(Listed):
        def check(self, cursor: bytes) -> Any:
            return self.items[0]

    assert incnb.source(Checked(None)).check(b"0") is None
    assert incnb.source(Checked("was cut")).check(b"0") == "was cut"
    assert incnb.source(Checked("")).check(b"0") == "is not what it was"
    with pytest.raises(sources.SourceError, match=r"check\(\) of .*Checked must be None or a text"):
        incnb.source(Checked(False)).check(b"0")


def test_only_true_is_durable() -> None:
    own = Listed()
    for value, durable in ((True, True), (False, False), (1, False), ("no", False), (None, False)):
        own.durable = value
        assert incnb.source(own).durable is durable


def test_answers_of_the_wrong_kind_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = incnb.source(Listed(1))
    monkeypatch.setattr(Listed, "identity", lambda self: "")
    with pytest.raises(sources.SourceError, match=r"identity\(\) of Listed must be a text that is not empty, not ''"):
        source.identity()
    monkeypatch.setattr(Listed, "state", lambda self: 3)
    with pytest.raises(sources.SourceError, match=r"state\(\) of Listed must be bytes, not int"):
        source.state()
    for pair in (1, "ab", (1, 2), (1, 2, 3), [1, b""]):
        monkeypatch.setattr(Listed, "read", lambda self, cursor, pair=pair: iter([pair]))
        with pytest.raises(sources.SourceError, match=r"read\(\) of Listed must give pairs"):
            list(source)


# -- all of them


def test_reprs_say_how_they_were_made() -> None:
    assert repr(incnb.source("data/*.csv")) == "incnb.source('data/*.csv')"
    assert repr(incnb.source("e.log", mode="append")) == "incnb.source('e.log', mode='append')"
    assert (
        repr(incnb.source("e.log", mode="append", encoding="latin-1", errors="ignore"))
        == "incnb.source('e.log', mode='append', encoding='iso8859-1', errors='ignore')"
    )
    assert repr(incnb.source(Listed(1))) == "incnb.source(Listed(1))"
    assert incnb.source(incnb.source(Listed(1))).own.__class__ is Listed  # type: ignore[union-attr]


def test_identities_differ_where_items_would() -> None:
    made = [
        incnb.source("e.log"),
        incnb.source("*.log"),
        incnb.source("e.log", mode="append"),
        incnb.source("f.log", mode="append"),
        incnb.source("e.log", mode="append", encoding="latin-1"),
        incnb.source("e.log", mode="append", errors="ignore"),
        incnb.source("e.log, errors='ignore'", mode="paths"),
    ]
    assert len({source.identity() for source in made}) == len(made)
    assert len({fingerprint(source) for source in made}) == len(made)
    same = incnb.source("e.log", mode="append", encoding="UTF8")
    assert fingerprint(same) == fingerprint(incnb.source("e.log", mode="append"))
    assert all(isinstance(source, incnb.Source) for source in made)
    assert [pickle.loads(pickle.dumps(source)) for source in made] == made


def test_the_fingerprint_of_ones_own_source_knows_what_is_there() -> None:
    one = fingerprint(incnb.source(Listed(1)))
    assert one == fingerprint(incnb.source(Listed(1)))
    assert one != fingerprint(incnb.source(Listed(1, 2)))
    assert one != fingerprint(Listed(1))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: incnb.source(3), "takes a pattern of paths, a file .* or an object .*; not int"),  # type: ignore[call-overload]
        (lambda: incnb.source(int), "not the class int"),  # type: ignore[call-overload]
        (lambda: incnb.source(Listed), r"takes an instance, not the class: write incnb.source\(Listed\(...\)\)"),  # type: ignore[call-overload]
        (lambda: incnb.source(b"x"), "not bytes"),  # type: ignore[call-overload]
        (lambda: incnb.source(Path()), None),
        (lambda: incnb.source(""), "cannot take ''"),
        (lambda: incnb.source("a\0b"), "this is no path"),
        (lambda: incnb.source("a", mode="tail"), "knows the modes 'paths' and 'append', not 'tail'"),  # type: ignore[call-overload]
        (lambda: incnb.source("a", encoding="utf-8"), "encoding= means nothing for a source of paths"),
        (lambda: incnb.source(Listed(), mode="append"), "mode= means nothing for a source of your own"),
        (lambda: incnb.source("a", mode="append", encoding="klingon"), "there is no text encoding 'klingon'"),
        (lambda: incnb.source("a", mode="append", encoding="base64"), "there is no text encoding 'base64'"),
        (lambda: incnb.source("a", mode="append", encoding="utf-16"), "lines of utf-16 cannot be told apart"),
        (lambda: incnb.source("a", mode="append", encoding="utf-7"), "lines of utf-7 cannot be told apart"),
        (lambda: incnb.source("a", mode="append", encoding="cp037"), "lines of cp037 cannot be told apart"),
        (lambda: incnb.source("a", mode="append", errors="nicely"), "there is no way 'nicely' to treat errors"),
    ],
)
def test_bad_arguments_give_one_clear_line(make: Callable[[], Any], told: str | None) -> None:
    if told is None:
        make()
        return
    with pytest.raises(sources.SourceError, match=told) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, incnb.IncnbError)


def test_an_object_that_lacks_something_is_told_what() -> None:
    class Half:
        durable = True

        def identity(self) -> str:
            return "half"

    with pytest.raises(sources.SourceError, match="Half is no source: it has no state and no read"):
        incnb.source(Half())  # type: ignore[call-overload]


def test_the_function_stays_a_function_when_its_module_is_imported() -> None:
    import importlib

    importlib.import_module("incnb.sources")
    assert callable(incnb.source)


# -- in cells that are one unit


def test_a_cell_that_goes_over_paths_executes_when_there_is_a_new_one(shells: Callable[[], Shell]) -> None:
    shell = shells()
    Path("a.csv").write_text("1")
    code = "found = list(incnb.source('*.csv'))"
    shell.plain("import incnb")
    assert shell.cell(code) == "executed"
    shell = shells()
    shell.plain("import incnb")
    assert shell.cell(code) == "reused", shell.reasons
    assert shell["found"] == ["a.csv"]
    Path("b.csv").write_text("1")
    assert shell.cell(code) == "executed"
    assert shell["found"] == ["a.csv", "b.csv"]


def test_a_cell_that_goes_over_a_source_of_an_earlier_cell_sees_what_is_new(shells: Callable[[], Shell]) -> None:
    shell = shells()
    Path("a.csv").write_text("1")
    Path("e.log").write_text("1\n")
    shell.plain(
        "import incnb\npaths = incnb.source('*.csv')\nlines = incnb.source('e.log', mode='append')\n"
        "class Rows:\n    durable = True\n    items = []\n    def identity(self): return 'rows'\n"
        "    def state(self): return str(len(self.items)).encode()\n"
        "    def read(self, cursor):\n        for i, item in enumerate(self.items): yield item, b''\n"
        "own = Rows()\nrows = incnb.source(own)"
    )
    cells = {"paths": "p = list(paths)", "lines": "l = list(lines)", "rows": "r = list(rows)"}
    for code in cells.values():
        assert shell.cell(code) == "executed"
        assert shell.cell(code) == "reused", shell.reasons
    Path("b.csv").write_text("1")
    with Path("e.log").open("a") as log:
        log.write("2\n")
    shell.plain("own.items.append(5)")
    for code in cells.values():
        assert shell.cell(code) == "executed", code
    assert (shell["p"], shell["l"], shell["r"]) == (["a.csv", "b.csv"], ["1", "2"], [5])


def test_a_source_made_by_a_cell_is_restored(shells: Callable[[], Shell]) -> None:
    Path("e.log").write_text("1\n")
    code = "import incnb\nlines = incnb.source('e.log', mode='append')"
    assert shells().cell(code) == "executed"
    shell = shells()
    assert shell.cell(code) == "reused", shell.reasons
    assert isinstance(shell["lines"], incnb.Source)
    assert shell.plain("lines.identity()") == "append:e.log"
