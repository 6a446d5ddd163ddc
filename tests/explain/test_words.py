"""Every reason has words, and they name the very thing."""

from __future__ import annotations

import pytest

from incnb.explain import describe, sentence
from incnb.model import Cell, Code, Decision, Reason, Seconds, Status

GOLDEN = {
    Code.OFF: "incnb is off for this cell (THING)",
    Code.FORCED: "THING: so",
    Code.MARKED: "it was marked: so",
    Code.STORE_UNREADABLE: "the store cannot be read: so",
    Code.NEWER_FORMAT: "what is saved was written by a newer incnb (THING)",
    Code.NEVER_RUN: "nothing is saved for it yet",
    Code.LAST_FAILED: "it failed last time on the same inputs",
    Code.UNSAFE: "not saved: what THING reads cannot be bounded",
    Code.CONFIG: "THING so",
    Code.CODE: "THING so",
    Code.VALUE: "THING so",
    Code.CUTOFF: "so",
    Code.FILE: "THING so",
    Code.ENV: "environment variable THING so",
    Code.PACKAGE: "package THING so",
    Code.MODULE: "module THING so",
    Code.AMBIENT: "THING so",
    Code.PYTHON: "Python so",
    Code.SOURCE: "THING so",
    Code.VERSION: "THING so",
    Code.EXPIRED: "it expired: so",
    Code.UNTRUSTED: "what is saved was signed by another key",
    Code.UNRESTORABLE: "what is saved cannot be restored: so (THING)",
    Code.CONTAINED: "everything it relied on is as it was",
    Code.ACCEPTED: "accepted: so",
    Code.EFFECT: "not reusable: so",
    Code.NOT_SAVED: "not saved: so (THING)",
}


def test_there_is_a_sentence_for_every_code() -> None:
    assert set(GOLDEN) == set(Code)


@pytest.mark.parametrize("code", GOLDEN)
def test_the_sentence_of_a_code(code: Code) -> None:
    assert sentence(Reason(code, "", "THING", "so")) == GOLDEN[code]


def test_a_chain_of_causes_is_nearest_first() -> None:
    reason = Reason(Code.CODE, "code", "clean", "changed", ("features", "build the table"))
    assert sentence(reason) == "clean() changed ← used by features ← build the table"


def test_a_decision_is_one_line_with_glyph_time_and_reason() -> None:
    cell = Cell(0, "fit")
    changed = Reason(Code.VALUE, "value", "cfg['lr']", "changed: 0.01 → 0.02", ("settings",))
    ran = Decision(cell, Status.EXECUTED, (changed,), seconds=Seconds(execute=12.44))
    assert describe(ran) == "▲ ran 12.4 s ← cfg['lr'] changed: 0.01 → 0.02 ← settings"
    contained = Reason(Code.CONTAINED)
    reused = Decision(cell, Status.REUSED, (contained,), saved_seconds=41.0)
    assert describe(reused) == "✓ reused ← everything it relied on is as it was · saved 41.0 s"
    for status in Status:
        assert describe(Decision(cell, status, (contained,)))[0] in "✓✂▲✗■"
