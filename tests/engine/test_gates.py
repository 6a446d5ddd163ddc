"""The three gates before a source is read from a cursor: every combination, each by its name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import incnb
from incnb.engine.gates import decide
from incnb.model import Code, Reason
from incnb.store.cursors import Pass

CHANGED = Reason(Code.CODE, "code", "clean", "changed", ("features",))


class Table:
    def __init__(self, durable: Any = True, why: str | None = None):
        self.durable, self._why = durable, why

    def identity(self) -> str:
        return "table"

    def state(self) -> bytes:
        return b""

    def read(self, cursor: bytes | None) -> Iterator[tuple[Any, bytes]]:
        return iter(())

    def check(self, cursor: bytes) -> str | None:
        return self._why


def shut(*gates: Any) -> list[str]:
    return [gate.name for gate in gates[0] if not gate.passed]


@pytest.mark.parametrize(
    ("completed", "cursor", "durable", "why", "mismatch"),
    list(itertools.product([True, False], [b"7", None], [True, False], [None, "was cut"], [None, CHANGED])),
)
def test_only_when_all_three_are_open_the_scan_is_skipped(
    completed: bool, cursor: bytes | None, durable: bool, why: str | None, mismatch: Reason | None
) -> None:
    gates = decide(Table(durable, why), Pass("table", completed, cursor), mismatch)
    expected = []
    if not completed:
        expected.append("completed")
    if cursor is None or not durable or why is not None:
        expected.append("durable")
    if mismatch is not None:
        expected.append("contained")
    assert shut(gates) == expected
    assert gates.skip is (not expected)
    assert gates.start == (b"7" if not expected else None)
    assert [gate.name for gate in gates] == ["completed", "durable", "contained"]
    assert all(gate.sentence and "\n" not in gate.sentence for gate in gates)
    assert [(reason.code, reason.kind, reason.locator) for reason in gates.reasons] == [
        (Code.SOURCE, "source", "table") for _ in expected
    ]


@pytest.mark.parametrize("mismatch", [None, CHANGED])
def test_without_an_earlier_pass_everything_is_read(mismatch: Reason | None) -> None:
    gates = decide(Table(), None, mismatch)
    assert shut(gates) == ["completed", "durable", "contained"]
    assert gates.start is None
    assert gates.completed.sentence == "no earlier pass over it is known"


def test_a_damaged_record_is_said() -> None:
    gates = decide(Table(), Pass("table", False, None, problem="what is known of earlier passes is damaged (x)"), None)
    assert shut(gates) == ["completed", "durable", "contained"]
    assert (
        gates.reasons[0].detail
        == "is read from its start (not completed: what is known of earlier passes is damaged (x))"
    )


def test_the_change_that_shut_a_gate_is_named() -> None:
    gates = decide(Table(), Pass("table", True, b"7"), CHANGED)
    assert gates.contained.sentence == "clean() changed ← used by features()"
    assert gates.reasons[0].caused_by == ("clean", "features")
    assert decide(Table(why="was cut"), Pass("table", True, b"7"), None).durable.sentence == "it was cut"


def test_a_source_without_a_check_is_believed_and_a_broken_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Table, cursor: bytes) -> str | None:
        raise OSError("no\nconnection")

    earlier = Pass("table", True, b"7")
    monkeypatch.setattr(Table, "check", broken)
    gates = decide(incnb.source(Table()), earlier, None)
    assert gates.start is None
    assert gates.durable.sentence == "it cannot say whether it is what it was (OSError: no connection)"
    monkeypatch.delattr(Table, "check")
    assert decide(Table(), earlier, None).skip
    assert decide(incnb.source(Table()), earlier, None).skip
    assert not decide(Table(durable=1), earlier, None).skip


def test_an_interrupt_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Table, cursor: bytes) -> str | None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Table, "check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decide(Table(), Pass("table", True, b"7"), None)


def test_a_growing_file_is_read_on_and_a_truncated_one_anew(tmp_path: Path) -> None:
    file = tmp_path / "e.log"
    file.write_text("a\nb\n")
    source = incnb.source(file, mode="append")
    cursor = bytes([mark for _, mark in source.read(None)][-1])
    earlier = Pass(source.identity(), True, cursor)
    with file.open("a") as log:
        log.write("c\n")
    gates = decide(source, earlier, None)
    assert [item for item, _ in source.read(gates.start)] == ["c"]
    file.write_text("a\n")
    gates = decide(source, earlier, None)
    assert gates.start is None
    assert gates.durable.sentence == "it is shorter than it was (2 bytes instead of 4)"


def test_a_pattern_of_paths_is_always_listed(tmp_path: Path) -> None:
    gates = decide(incnb.source(str(tmp_path / "*.csv")), Pass("paths", True, b"x"), None)
    assert shut(gates) == ["durable"]
    assert gates.durable.sentence == "nothing tells which of its items are new"
