"""The page of a report: what it holds, that it holds nothing else, and that nothing in it means anything by accident."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from some_rows import decision, many, session

from incnb.explain.page import page
from incnb.explain.rows import Kept, Row
from incnb.explain.totals import size, totals
from incnb.model import Change, Code, Reason, Status

VOID = {"meta", "input", "br", "rect", "path"}


class Page(HTMLParser):
    """What a page consists of; fails where tags do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class Outline(HTMLParser):
    """The elements of a page with what they are to the style sheet and to screen readers; no texts."""

    TOLD = ("class", "id", "role", "scope", "aria-labelledby", "aria-hidden", "http-equiv", "href", "colspan")

    def __init__(self, html: str):
        super().__init__()
        self.lines: list[str] = []
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = "".join(f" {name}={value}" for name, value in attrs if name in self.TOLD)
        self.lines.append(f"{' ' * self._depth}{tag}{told}")
        self._depth += tag not in VOID

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= 1


def test_the_structure_is_the_golden_one() -> None:
    """`INCNB_GOLDEN=1` writes it anew; look at the difference before you keep it."""
    found = "\n".join(Outline(page(session()[:3], title="t", notebook="n", created=0.0)).lines) + "\n"
    golden = Path(__file__).parent / "golden-page" / "page.outline"
    if os.environ.get("INCNB_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


def words(page: Page) -> str:
    return " ".join(page.text.split())


def test_a_page_has_the_head_the_cells_and_the_readers() -> None:
    found = Page(page(session(), title="Will it be late?", notebook="flights.ipynb", created=1.7e9))
    text = words(found)
    assert "Will it be late?flights.ipynb · 2023-11-1" in text
    assert "cells7 ✓ 1 reused · ✂ 1 cutoff · ▲ 2 executed · ✗ 1 failed · ■ 1 blocked" in text
    assert "items1,000 997 reused · 3 executed" in text
    assert "saved45.2 s measured" in text
    assert "kept69.4 MB" in text
    names = [name for name, _ in found.tags]
    assert [names.count(name) for name in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    bodies = [body for body in found.named("tbody") if "id" in body]
    assert [body["class"] for body in bodies] == [
        "executed", "executed", "cutoff", "reused", "blocked", "failed", "unseen"
    ]  # fmt: skip
    assert len([head for head in found.named("th") if head.get("scope") == "row"]) >= len(bodies)
    assert len([path for path in found.named("path") if "cause" in str(path["class"])]) == 2


def test_a_row_opens_to_what_changed_and_folds_the_rest() -> None:
    text = words(Page(page(session(), title="t")))
    assert "▲ ran 2.4 s ← data/b.csv changed" in text
    assert "filedata/b.csv 1,200 bytes → 1,350 bytes".replace(" ", "") in text.replace(" ", "")
    assert "12 dependencies unchanged" in text
    assert "1 dependency without a recorded run to compare with" in text
    assert "-    return df.dropna()" in Page(page(session(), title="t")).text
    assert "utils.py:14 · used by features" in text
    assert "cfg['lr']" in text and "0.01 → 0.02" in text
    assert "column 'b' changed" in text
    assert "df of load flights ← a cause" in text
    assert "variable df DataFrame (336776, 19) 12.0 MB" in text
    assert "grow the forest pinned force asked for" in text


def test_what_was_not_measured_is_unknown() -> None:
    row = Row("k", "t", 1, None, decision("t", Status.REUSED, Reason(Code.CONTAINED)))
    text = words(Page(page([row], title="t")))
    assert "savedunknown 1 reuse not measured" in text
    assert "items–" in text
    assert totals([row]).saved is None
    assert totals([row]).to_dict()["saved_seconds"] is None


def test_a_session_without_cells_is_a_page() -> None:
    text = words(Page(page([], title="nothing")))
    assert "No cell of this session is recorded." in text
    assert "Who reads" not in text


HOSTILE = "</script></style></title><img src=x onerror=alert(1)>\"'><script>alert(2)</script>&lt;\x00\ud800\u202e"


def test_texts_of_the_user_mean_nothing() -> None:
    reason = Reason(Code.FILE, "file", HOSTILE, HOSTILE, (HOSTILE,))
    row = Row(
        HOSTILE, HOSTILE, 1, HOSTILE, decision(HOSTILE, Status.EXECUTED, reason),
        changes=(
            Change(HOSTILE, HOSTILE, HOSTILE, HOSTILE + "1", True, HOSTILE, HOSTILE, f"+{HOSTILE}\n-{HOSTILE}\n@{HOSTILE}", (HOSTILE,)),
            Change(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
            Change(HOSTILE, HOSTILE, HOSTILE, "", None),
        ),
        outputs=(Kept(HOSTILE, HOSTILE, HOSTILE),), asked=(HOSTILE,), reads=(("other", (HOSTILE,)),), blamed=("other",),
    )  # fmt: skip
    other = replace(row, key="other", reads=((HOSTILE, (HOSTILE,)),), blamed=(HOSTILE,))
    html = page([row, other], title=HOSTILE, notebook=HOSTILE)
    html.encode("utf-8")
    found = Page(html)
    plain = Page(page(session(), title="t", notebook="n"))
    assert {name for name, _ in found.tags} <= {name for name, _ in plain.tags}
    allowed = {(name, key) for name, attributes in plain.tags for key in attributes}
    assert {(name, key) for name, attributes in found.tags for key in attributes} <= allowed
    assert len(found.named("script")) == 1
    assert found.text.count("<script>alert(2)</script>") > 10
    assert not re.search("[\x00\u202e]", html)
    assert "\\x00\\ud800\\u202e" in found.text


def test_the_policy_of_the_page_names_its_style_and_script_and_nothing_else() -> None:
    html = page(session(), title="t")
    policy = next(meta for meta in Page(html).named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(maxsplit=1) for rule in str(policy["content"]).split("; "))
    assert rules.pop("default-src") == "'none'"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inside]
        assert rules.pop(name) == f"'sha256-{digests[0]}'" and len(digests) == 1
    assert rules == {"base-uri": "'none'", "form-action": "'none'"}
    assert not re.search(r"""(src|style)=|url\(|@import|https?:""", html)


def test_the_page_of_500_cells_is_small_and_quick() -> None:
    rows = many(500)
    started = time.process_time()
    html = page(rows, title="t")
    assert len(html.encode()) < 2_500_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (123_456, "123 kB"), (999_999, "1.0 MB"),
     (5_000_000_000, "5.0 GB"), (7_000_000_000_000_000, "7000 TB")],
)  # fmt: skip
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_of_text_can_be_read_on_every_ground() -> None:
    style = (resources.files("incnb.explain") / "page.css").read_text("utf-8")
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)]
    assert len(themes) == 3, "light, dark and print"
    texts = ("text", "faint", "link", "reused", "cutoff", "executed", "failed", "blocked", "unseen")
    pairs = [(text, ground) for text in texts for ground in ("back", "raised")]
    for theme in themes:
        for text, ground in [*pairs, ("come-text", "come"), ("gone-text", "gone")]:
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground, theme)
