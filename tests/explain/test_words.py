"""Every reason has words, they name the very thing, and they are what the golden files say.

`python tests/explain/reasons.py` writes the golden files again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reasons import DECISIONS, GOLDEN, REASONS, decisions, sentences

from incnb.explain import describe, sentence
from incnb.explain.words import GLYPHS, is_about_items, objection, seconds
from incnb.model import Cell, Code, Decision, ItemCounts, Reason, Seconds, Status


@pytest.mark.parametrize("code", Code)
def test_the_sentences_of_a_code_are_the_golden_ones(code: Code) -> None:
    assert sentences(code) == (GOLDEN / f"{code.value}.txt").read_text(encoding="utf-8")


def test_the_lines_of_decisions_are_the_golden_ones() -> None:
    assert decisions() == (GOLDEN / "decisions.txt").read_text(encoding="utf-8")


def test_every_code_has_variants_and_every_file_a_code() -> None:
    assert set(REASONS) == set(Code) and all(REASONS.values())
    assert {path.stem for path in GOLDEN.iterdir()} == {code.value for code in Code} | {"decisions"}
    assert all(reason.code is code for code, reasons in REASONS.items() for reason in reasons)


def test_every_code_has_a_line_in_the_docs_and_no_other_has() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reasons.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [code.value for code in Code]
    assert all(len(means.strip()) > 20 and len(to_do.strip()) >= len("Nothing.") for _, means, to_do in rows)


@pytest.mark.parametrize("reason", [r for reasons in REASONS.values() for r in reasons], ids=sentence)
def test_a_sentence_names_its_locator_and_holds_no_code_word(reason: Reason) -> None:
    text = sentence(reason)
    name = reason.locator.rpartition(":")[2].removesuffix(" (file)")
    plain = Code.CONTAINED, Code.CUTOFF, Code.ACCEPTED, Code.NEVER_RUN, Code.UNRESTORABLE, Code.PYTHON, Code.EFFECT
    assert name.lower() in text.lower() or (reason.code in plain and reason.detail)
    assert text == text.strip() and "  " not in text and "not-yet-run" not in text and "()()" not in text
    assert not text.endswith((":", "←", "()  ")) and "None" not in text


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize(("locator", "detail"), [("", ""), ("thing", ""), ("", "so it is"), ("thing", "so it is")])
def test_whatever_a_reason_lacks_its_sentence_reads(code: Code, locator: str, detail: str) -> None:
    text = sentence(Reason(code, "", locator, detail))
    assert text and text == text.strip() and "()" not in text and "{" not in text and ": :" not in text


def test_a_reason_about_items_never_says_that_the_cell_is_not_saved() -> None:
    about = [reason for reason in REASONS[Code.NOT_SAVED] if is_about_items(reason)]
    assert len(about) == 2
    for reason in about:
        assert "not saved" not in sentence(reason) and not objection(reason)


def test_an_objection_is_what_speaks_against_saving() -> None:
    assert objection(REASONS[Code.EFFECT][0]) == "it ran a subprocess (!ls); --allow subprocess"
    assert objection(REASONS[Code.NOT_SAVED][0]) == "a figure is left open"
    assert objection(REASONS[Code.VALUE][0]) == "" == objection(REASONS[Code.CONTAINED][0])


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("reason", [r for reasons in REASONS.values() for r in reasons], ids=sentence)
@pytest.mark.parametrize("items", [None, ItemCounts(2, 3)])
def test_no_decision_is_shown_without_a_reason(status: Status, reason: Reason, items: ItemCounts | None) -> None:
    line = describe(Decision(Cell(0, "fit"), status, (reason,), seconds=Seconds(1, 1, 1), items=items))
    assert line.startswith(f"{GLYPHS[status]} ") and sentence(reason) in line and "\n" not in line


def test_where_items_tell_why_the_reason_of_the_cell_is_left_out() -> None:
    assert "←" not in describe(DECISIONS["some items"])
    assert " ← " in describe(DECISIONS["items, none new"])


@pytest.mark.parametrize(
    ("took", "said"),
    [(0.00012, "0.1 ms"), (0.0123, "12 ms"), (12.44, "12.4 s"), (41.0, "41 s"), (59.97, "1 min 0 s"), (119.7, "2 min 0 s")],
)  # fmt: skip
def test_durations_as_people_say_them(took: float, said: str) -> None:
    assert seconds(took) == said
