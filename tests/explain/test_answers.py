"""Answers as text, HTML, JSON and data frames. Pure: nothing runs."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from incnb.explain.answer import Answer, then_and_now
from incnb.explain.kept import Forgotten, Share, Usage
from incnb.explain.markup import text as escaped
from incnb.explain.past import CellHistory, Stats
from incnb.explain.plan import Plan
from incnb.explain.report import Report, because
from incnb.explain.rows import Kept, Row
from incnb.explain.why import NothingYet, Why
from incnb.explain.words import size
from incnb.model import (
    Cell,
    Change,
    Code,
    Decision,
    IncnbError,
    ItemCounts,
    Outlook,
    PastRun,
    Reason,
    Seconds,
    Statistics,
    Status,
)

EVIL = "<script>alert('x')</script>"
REASON = Reason(Code.CODE, "code", "utils:clean", "changed", ("features",))
DIFF = "@@ -1,2 +1,2 @@\n def clean(x):\n-    return x\n+    return x + 1"
CHANGE = Change("code", "utils:clean", moved=True, via="features", place="utils.py:14", diff=DIFF)
LR = Change("config", "cfg['lr']", "0.01", "0.02", moved=True, parts=("lr changed",))
SAME = Change("value", EVIL, "3", "3", moved=False)


def decided(status: Status, *reasons: Reason, title: str = "fit", **more: Any) -> Decision:
    return Decision(Cell(0, title), status, reasons or (REASON,), 1.0, seconds=Seconds(0.1, 12.4, 0.2), **more)


ITEMS = ItemCounts(3, 997, 0, 0, ((Reason(Code.NEVER_RUN), 3),))
RAN = Row("a", "fit", 7, "x1", decided(Status.EXECUTED), 11.0, 2_500_000, changes=(CHANGE, LR, SAME), blamed=("b",),
          outputs=(Kept("variable", "model", bytes=10), Kept("file", EVIL)))  # fmt: skip
REUSED = Row("b", EVIL, 3, None, decided(Status.REUSED, Reason(Code.CONTAINED), title=EVIL, saved_seconds=41.0), 41.2)
LOOP = Row("c", "loop", 4, None, decided(Status.EXECUTED, items=ITEMS, title="loop"))
RUN = PastRun(1e9, Status.EXECUTED, (REASON,), 3.0, ITEMS)
OUTLOOKS = (
    Outlook("load", 3, True, (Reason(Code.CONTAINED),), 1.0, 41.0),
    Outlook("clean", 4, False, (REASON,), 1.0, 12.0),
    Outlook(EVIL, 5, None, (Reason(Code.VALUE, "value", "df", "x"),), 1.0, None, "depends on clean [4], which would run"),
)  # fmt: skip
ANSWERS: list[Answer] = [
    Why(RAN, (REUSED,), EVIL),
    Why(LOOP),
    Why(Row("d", EVIL)),
    NothingYet(EVIL),
    Report((RAN, REUSED, LOOP), f"/tmp/{EVIL}.ipynb"),
    Report(()),
    Plan(OUTLOOKS, "nb.ipynb", "the saved file", (f"never run: {EVIL}",), 2),
    Plan(()),
    CellHistory(EVIL, (RUN, PastRun(None, None, None, None)), 9),
    Stats(Statistics(1, 2, 0, 3.0, 3.0, 3.0, 4.0, 0, 997, 3), Statistics(0, 0, 0, None, None, None, None, 0)),
    Usage("/store", (Share(EVIL, "/a/nb.ipynb", 2, 4000, 3_000_000, 1_000_000, 0),), 4_000_000, 7, 9, complete=False),
    Usage("/store", (), 0, 0, 0),
    Forgotten(EVIL, 2, 1, 3_000_000, ("1 value that others refer to stay",)),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_every_answer_is_text_html_json_and_a_frame(answer: Answer) -> None:
    text, markup = repr(answer), answer._repr_html_()
    assert text and text == answer.text() and str(answer) == text
    assert "<script" not in markup and markup.count("<div") == markup.count("</div")
    assert json.loads(json.dumps(answer.to_dict())) == answer.to_dict()
    assert all(isinstance(record, dict) for record in answer.records())
    pandas = pytest.importorskip("pandas")
    frame = answer.to_frame()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(answer.records())


def test_a_frame_without_pandas_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pandas":
            raise ImportError
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(IncnbError, match="to_frame\\(\\) needs pandas, which is not installed here"):
        Report(()).to_frame()


def test_why_tells_all_reasons_what_was_and_is_the_diff_and_the_causes() -> None:
    text = repr(Why(RAN, (REUSED,)))
    lines = text.splitlines()
    assert lines[0].startswith("fit [7]: ▲ ran 12.4 s")
    assert any("used by features" in line for line in lines) and any(line.strip() == "utils.py:14" for line in lines)
    assert "     -    return x" in lines and "     +    return x + 1" in lines
    assert "what else differs" in text and "config cfg['lr']" in text and "0.01 → 0.02" in text and "lr changed" in text
    assert "← caused by" in text and "relied on as it is, 1 more" in text and "kept: model" in text
    told = Why(RAN, (REUSED,)).to_dict()
    assert told["reasons"][0]["change"]["diff"] == DIFF and told["causes"][0]["key"] == "b"


def test_a_reason_that_knows_its_change_is_believed_first() -> None:
    reason = Reason(Code.CONFIG, "config", "cfg['lr']", "changed", (), Change("config", "cfg['lr']", "1", "2"))
    assert "1 → 2" in repr(Why(Row("a", "fit", decision=decided(Status.EXECUTED, reason))))


def test_a_report_counts_cells_and_items_and_says_what_is_unknown() -> None:
    report = Report((RAN, REUSED, LOOP))
    assert report.summary() == [
        "3 cells: 1 ✓ reused, 2 ▲ executed",
        "1,000 items: 997 reused, 3 executed",
        "saved: 41 s, measured · kept: 2.5 MB",
    ]
    assert Report((RAN,)).summary()[-1].startswith("saved: unknown")
    lines = repr(report).splitlines()
    assert lines[1].split()[:4] == ["▲", "executed", "[7]", "fit"] and "12.4 s" in lines[1] and "11 s" in lines[1]
    assert report.to_dict()["cells"] == {"reused": 1, "cutoff": 0, "executed": 2, "failed": 0, "blocked": 0}
    assert report.to_dict()["rows"][0] == RAN.to_dict()
    assert "3 of 1000 items" in lines[3]


def test_a_report_says_why_something_is_not_saved() -> None:
    new, effect = Reason(Code.NEVER_RUN), Reason(Code.EFFECT, "", "clock", "it reads the clock")
    unsaved = Reason(Code.NOT_SAVED, "", "x", "a socket")
    assert because(Row("a", "a", decision=decided(Status.BLOCKED, new, effect))) == "not reusable: it reads the clock"
    told = because(Row("a", "a", decision=decided(Status.EXECUTED, new, unsaved)))
    assert told == "nothing is saved of it yet · not saved: a socket (x)"


def test_a_plan_says_what_would_happen_and_what_is_not_known() -> None:
    plan = Plan(OUTLOOKS, differs=("edited in the saved file since they ran: clean",), others=1)
    assert plan.summary() == [
        "3 cells: 1 would be reused, 1 would run (took 12 s last time), 1 not known; nothing was run",
        "1 cell that is not tracked would run as well",
        "edited in the saved file since they ran: clean",
    ]
    lines = repr(plan).splitlines()
    assert "✓ would be reused" in lines[0] and "▲ would run" in lines[1]
    assert "? not known" in lines[2] and lines[2].endswith("depends on clean [4], which would run")


def test_history_shows_items_where_there_were_any() -> None:
    assert "997 of 1000 items reused" in repr(CellHistory("loop", (RUN,), 1))
    assert "items" not in repr(CellHistory("fit", (PastRun(1.0, Status.REUSED, (Reason(Code.CONTAINED),), 1.0),), 1))


def test_a_report_can_be_a_page_of_its_own(tmp_path: Any) -> None:
    report = Report((RAN,), notebook="/a/nb.ipynb")
    assert report.to_html(tmp_path / "r.html") is None
    text = (tmp_path / "r.html").read_text()
    assert text.startswith("<!doctype html>") and "nb.ipynb" in text and escaped(RAN.title) in text
    assert report.to_html() is not None


def test_small_words() -> None:
    assert [size(n) for n in (0, 999, 1000, 152_000, 2_500_000, 7_000_000_000, None)] == [
        "0 B", "999 B", "1.0 kB", "152 kB", "2.5 MB", "7.0 GB", "unknown",
    ]  # fmt: skip
    assert then_and_now(LR) == "0.01 → 0.02" and then_and_now(SAME) == "3"
