"""The log: one writer a file, torn lines skipped, everything merged."""

import os
import time
from pathlib import Path

import pytest

from incnb.store import Store, StoreError


def logs(store: Store) -> list[Path]:
    return sorted((store.root / "log").glob("*.jsonl"))


def test_records_come_back_in_order(store: Store) -> None:
    records = [{"n": n, "text": "é\ud800\n"} for n in range(5)]
    for record in records:
        store.log(record)
    assert store.history() == Store(store.root).history() == records
    assert len(logs(store)) == 1


def test_records_of_several_processes_are_merged_by_their_number(store: Store) -> None:
    other = Store(store.root)
    for writer, seq in ((store, 1), (other, 2), (store, 3), (other, 5), (store, 4)):
        writer.log({"seq": seq})
    assert [record["seq"] for record in store.history()] == [1, 2, 3, 4, 5]
    assert len(logs(store)) == 2


def test_a_record_without_a_number_stays_behind_the_one_before_it(store: Store) -> None:
    other = Store(store.root)
    for writer, record in ((store, {"seq": 5}), (store, {"mark": 1}), (other, {"seq": 6}), (other, {"seq": 1})):
        writer.log(record)
    assert store.history() == [{"seq": 1}, {"seq": 5}, {"mark": 1}, {"seq": 6}]


def test_torn_and_bad_lines_are_skipped(store: Store) -> None:
    store.log({"n": 1})
    (path,) = logs(store)
    with path.open("ab") as file:
        file.write(b'nonsense\n[1]\n\xff\xfe\n\n"text"\n{"n": 2}\n{"n": 12345')
    assert store.history() == [{"n": 1}, {"n": 2}]


def test_a_line_taken_in_part_does_not_spoil_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.log({"n": 1})
    writing = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: writing(fd, data[:5]))
    with pytest.raises(StoreError, match="part of the line"):
        store.log({"n": 2})
    monkeypatch.undo()
    store.log({"n": 3})
    assert store.history() == [{"n": 1}, {"n": 3}]


def test_a_forked_child_writes_a_log_of_its_own(store: Store) -> None:
    store.log({"who": "parent"})
    (mine,) = logs(store)
    before = mine.read_bytes()
    child = os.fork()
    if child == 0:
        try:
            store.log({"who": "child"})
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert mine.read_bytes() == before
    assert len(logs(store)) == 2
    store.log({"who": "parent"})
    assert sorted(record["who"] for record in store.history()) == ["child", "parent", "parent"]


def test_no_log_no_history(store: Store) -> None:
    assert store.history() == []


def test_a_fifo_among_the_logs_does_not_hang(store: Store) -> None:
    store.log({"n": 1})
    os.mkfifo(store.root / "log" / "host-1-1.jsonl")
    (store.root / "log" / "host-1-2.jsonl").mkdir()
    assert store.history() == [{"n": 1}]


def test_what_is_no_json_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        store.log({"x": object()})


def test_thousands_of_records_are_read_quickly(store: Store) -> None:
    for n in range(5000):
        store.log({"seq": n, "cell": {"index": n, "title": "x" * 40}, "status": "reused", "reasons": []})
    started = time.perf_counter()
    assert len(store.history()) == 5000
    assert time.perf_counter() - started < 1
