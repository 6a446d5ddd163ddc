"""The page of a report in a real browser: light, dark and printed, without a request, a complaint or a script."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "explain"))

from some_rows import many, session

from incnb.explain.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Shown = Callable[..., "Page"]


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    """Shows a page; at the end nothing was asked of anybody and nothing complained."""
    complaints: list[str] = []
    requests: list[str] = []
    contexts = []
    file = tmp_path / "report.html"

    def show(html: str, **options: Any) -> Page:
        file.write_text(html, "utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        found = context.new_page()
        found.on("console", lambda message: complaints.append(message.text))
        found.on("pageerror", lambda error: complaints.append(str(error)))
        found.on("request", lambda request: requests.append(request.url))
        found.goto(file.as_uri())
        return found

    yield show
    for context in contexts:
        context.close()
    assert set(requests) <= {file.as_uri()}
    assert not complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_in_light_and_dark(shown: Shown, scheme: str) -> None:
    page_ = shown(page(session(), title="Will it be late?"), color_scheme=scheme)
    back = page_.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert back == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]
    assert page_.locator(".readers path").count() == 7
    assert page_.locator(".cells > tbody").count() == 7
    for width in (1280, 400):
        page_.set_viewport_size({"width": width, "height": 800})
        assert page_.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_a_row_opens_and_a_link_opens_another(shown: Shown) -> None:
    page_ = shown(page(session(), title="t"))
    diff = page_.locator("#cell-2 .diff")
    assert not diff.is_visible()
    page_.locator("#cell-2 summary").first.click()
    assert diff.is_visible()
    colours = diff.evaluate(
        "one => [...one.querySelectorAll('ins, del')].map(x => getComputedStyle(x).backgroundColor)"
    )
    assert len(set(colours)) == 2
    page_.locator(".readers a", has_text="load flights").click()
    page_.locator("#cell-1 h3").first.wait_for(state="visible")


def test_the_keyboard_opens_a_row(shown: Shown) -> None:
    page_ = shown(page(session(), title="t"))
    page_.locator("#cell-2 summary").first.focus()
    page_.keyboard.press("Enter")
    assert page_.locator("#cell-2 .diff").is_visible()


def test_the_table_is_filtered_by_status_and_words(shown: Shown) -> None:
    page_ = shown(page(session(), title="t"))
    rows = page_.locator(".cells > tbody:visible")
    page_.get_by_label("Status").select_option("executed")
    assert rows.count() == 2
    page_.get_by_label("Find").fill("subset dropna")
    assert rows.count() == 1
    assert page_.locator("form output").text_content() == "1 of 7 cells"
    page_.get_by_label("Find").fill("")
    page_.get_by_label("Status").select_option("")
    assert rows.count() == 7


def test_everything_is_there_without_a_script(shown: Shown) -> None:
    page_ = shown(page(session(), title="t"), java_script_enabled=False)
    assert not page_.locator("form").is_visible()
    page_.locator("#cell-2 summary").first.click()
    assert page_.locator("#cell-2 .diff").is_visible()


def test_print_opens_what_is_folded_on_a_light_ground(shown: Shown, tmp_path: Path) -> None:
    page_ = shown(page(session(), title="t"), color_scheme="dark")
    assert not page_.locator("#cell-2 .diff").is_visible()
    screen = tmp_path / "print.pdf"
    page_.emulate_media(media="print")
    assert page_.locator("#cell-2 .diff").is_visible()
    assert page_.locator("#cell-1 details details dl").is_visible()
    assert not page_.locator("form").is_visible()
    assert page_.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    page_.pdf(path=screen)
    assert screen.read_bytes().count(b"/Type /Page\n") >= 2, "the arcs begin a page of their own"


def test_a_script_that_slipped_through_would_not_run(browser: Browser) -> None:
    broken = page(session(), title="t").replace("</main>", "<script>document.title = 'got you'</script></main>")
    said: list[str] = []
    with browser.new_context() as context:
        page_ = context.new_page()
        page_.on("console", lambda message: said.append(message.text))
        page_.set_content(broken)
        assert page_.title() == "t"
    assert len(said) == 1 and "Content Security Policy" in said[0]


def test_500_cells_open_and_filter_at_once(shown: Shown) -> None:
    page_ = shown(page(many(500), title="t"))
    assert page_.locator(".cells > tbody").count() == 500
    page_.get_by_label("Find").fill("number 499")
    assert page_.locator(".cells > tbody:visible").count() == 1
