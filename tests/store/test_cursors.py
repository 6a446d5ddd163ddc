"""Passes over sources in the store: kept whole, told apart, and unknown when damaged."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from incnb.store import StoreError
from incnb.store.cursors import Cursors, Pass, full, united

LOOP = "0123456789abcdef" * 2


def dependency(locator: str, fp: str = "00") -> dict[str, Any]:
    return {"kind": "code", "locator": locator, "fp": fp, "shown": ""}


@pytest.fixture
def cursors(tmp_path: Path) -> Cursors:
    return Cursors(tmp_path / "store")


def path_of(cursors: Cursors, identity: str = "s") -> Path:
    return cursors._path(LOOP, identity)


def test_a_pass_comes_back_as_it_was(cursors: Cursors) -> None:
    identity = "append:caf\udce9.log"
    known = full(identity, b"\x00cursor\xff", (dependency("clean"),), completed=True, now=12.5)
    assert cursors.read(LOOP, identity) is None
    cursors.save(LOOP, known)
    assert cursors.read(LOOP, identity) == known
    assert path_of(cursors, identity).parent.parent.name == "items"
    assert path_of(cursors, identity).stat().st_mode & 0o777 == 0o600
    none = full(identity, None, (), completed=False, now=1)
    cursors.save(LOOP, none)
    assert cursors.read(LOOP, identity) == none


def test_reading_makes_nothing(cursors: Cursors, tmp_path: Path) -> None:
    assert cursors.read(LOOP, "s") is None
    cursors.forget(LOOP, "s")
    assert list(tmp_path.iterdir()) == []


def test_loops_and_sources_are_told_apart(cursors: Cursors) -> None:
    cursors.save(LOOP, full("s", b"1", (), completed=True, now=0))
    cursors.save(LOOP, full("t", b"2", (), completed=True, now=0))
    cursors.save("ff" * 8, full("s", b"3", (), completed=True, now=0))
    found = [cursors.read(LOOP, "s"), cursors.read(LOOP, "t"), cursors.read("ff" * 8, "s")]
    assert [known and known.cursor for known in found] == [b"1", b"2", b"3"]
    cursors.forget(LOOP, "s")
    assert cursors.read(LOOP, "s") is None
    assert cursors.read(LOOP, "t") is not None


def test_a_full_pass_replaces_the_union_and_a_partial_one_adds() -> None:
    first = full("s", b"1", (dependency("clean"), dependency("clean")), completed=True, now=1)
    assert first.relied == (dependency("clean"),)
    more = first.adding(b"2", (dependency("clean"), dependency("rare")))
    assert (more.cursor, more.completed, more.created) == (b"2", True, 1)
    assert more.relied == (dependency("clean"), dependency("rare"))
    assert more.adding(None, ()) == more
    assert full("s", b"3", (dependency("other"),), completed=True).relied == (dependency("other"),)


def test_two_fingerprints_under_one_name_both_stay() -> None:
    both = united((dependency("clean", "00"),), (dependency("clean", "11"), dependency("clean", "00")))
    assert both == (dependency("clean", "00"), dependency("clean", "11"))


@pytest.mark.parametrize(
    "base",
    [
        Pass("s", False, b"1"),
        Pass("s", True, None),
        Pass("s", False, None, problem="what is known of earlier passes is damaged (x)"),
    ],
)
def test_nothing_is_added_to_a_pass_that_nobody_may_have_begun_from(base: Pass) -> None:
    with pytest.raises(ValueError, match="cannot be added to"):
        base.adding(b"2", ())


def test_every_damage_makes_it_unknown(cursors: Cursors) -> None:
    cursors.save(LOOP, full("s", b"1", (dependency("clean"),), completed=True, now=0))
    path = path_of(cursors)
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        found = cursors.read(LOOP, "s")
        assert found is not None and found.problem, good[at:]
        assert (found.completed, found.cursor, found.relied) == (False, None, ())
        path.write_bytes(good[:at])
        found = cursors.read(LOOP, "s")
        assert found is not None and "damaged" in found.problem
    path.write_bytes(good + b"\n")
    assert cursors.read(LOOP, "s").problem  # type: ignore[union-attr]
    path.write_bytes(good)
    assert cursors.read(LOOP, "s").completed  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "t"}, {"completed": 1}, {"cursor": "?"}, {"cursor": 3}, {"relied": [3]}, {"relied": {"a": 1}},
        {"relied": [{"kind": "code"}]}, {"relied": [{"kind": "code", "locator": [], "fp": ""}]}, {"created": "then"},
        {"relied": None},
    ],
)  # fmt: skip
def test_a_whole_file_that_says_something_else_is_unknown(cursors: Cursors, change: dict[str, Any]) -> None:
    cursors.save(LOOP, full("s", b"1", (), completed=True, now=0))
    path = path_of(cursors)
    data = json.loads(path.read_bytes())
    text = json.dumps({**data["pass"], **change})
    digest = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(f'{{"v": 1, "sha256": "{digest}", "mac": null, "pass": {text}}}\n')
    assert "damaged" in cursors.read(LOOP, "s").problem  # type: ignore[union-attr]


def test_another_format_is_left_alone_and_said(cursors: Cursors) -> None:
    cursors.save(LOOP, full("s", b"1", (), completed=True, now=0))
    path = path_of(cursors)
    path.write_bytes(path.read_bytes().replace(b'{"v": 1,', b'{"v": 2,', 1))
    assert "another incnb (format 2)" in cursors.read(LOOP, "s").problem  # type: ignore[union-attr]


def test_what_bears_the_name_and_is_no_file_is_unknown(cursors: Cursors, tmp_path: Path) -> None:
    cursors.save(LOOP, full("s", b"1", (), completed=True, now=0))
    path = path_of(cursors)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in cursors.read(LOOP, "s").problem  # type: ignore[union-attr]
    path.unlink()
    os.mkfifo(path)
    assert "cannot be read" in cursors.read(LOOP, "s").problem  # type: ignore[union-attr]


def test_of_two_writers_one_stays_whole(cursors: Cursors, tmp_path: Path) -> None:
    base = full("s", b"0", (dependency("base"),), completed=True, now=0)
    cursors.save(LOOP, base)
    written = [base.adding(str(i).encode() * 1000, (dependency(f"d{i}"),)) for i in range(60)]

    def write(known: Pass) -> None:
        Cursors(tmp_path / "store").save(LOOP, known)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(write, known) for known in written]
        while not all(one.done() for one in work):
            assert cursors.read(LOOP, "s") in [base, *written]
        for one in work:
            one.result()
    assert cursors.read(LOOP, "s") in written
    assert [path.name for path in path_of(cursors).parent.iterdir()] == [path_of(cursors).name]


def test_what_a_pass_began_from_is_added_to_and_not_what_is_there_by_then(cursors: Cursors) -> None:
    cursors.save(LOOP, full("s", b"100", (dependency("clean", "v1"),), completed=True, now=0))
    begun = cursors.read(LOOP, "s")
    assert begun is not None
    cursors.save(LOOP, full("s", b"300", (dependency("clean", "v2"),), completed=True, now=1))
    cursors.save(LOOP, begun.adding(b"200", (dependency("rare"),)))
    found = cursors.read(LOOP, "s")
    assert found is not None and found.cursor == b"200"
    assert found.relied == (dependency("clean", "v1"), dependency("rare"))


def test_faults_of_ours_and_of_the_disk_are_one_line(cursors: Cursors, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a fault of incnb"):
        cursors.read("../x", "s")
    with pytest.raises(StoreError, match="cannot be written as JSON"):
        cursors.save(LOOP, Pass("s", True, b"", ({"kind": "code", "locator": "x", "fp": object()},)))
    with pytest.raises(ValueError, match="not known"):
        cursors.save(LOOP, Pass("s", False, None, problem="damaged"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Cursors(tmp_path / "file").save(LOOP, Pass("s", True, b""))
