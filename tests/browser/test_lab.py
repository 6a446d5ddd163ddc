"""The panel in a real JupyterLab and a real Notebook 7: what a person sees, and what the kernel does about it.

A session in an earlier kernel has left its results; then a function was edited and data came in. The notebook is run
from the menu. In its middle stands a cell that waits until the test lets it go, so that "while it runs" is no race.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import flights_demo as demo
import pytest
from chromium import need
from kernel import Kernel
from lab import Opened, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(400)]

GATE = 'while not Path("go").exists():\n    time.sleep(0.02)'
READ_BACK = '%incremental history "read the airports" --keep 3'
CELLS = [*demo.CELLS, READ_BACK]
CELLS.insert(CELLS.index(demo.FEATURES), GATE)
PANEL, AIRPORTS, GATED, LAST = (CELLS.index(cell) + 1 for cell in (demo.PANEL, demo.AIRPORTS, GATE, READ_BACK))


def recorded(server: Server, folder: Path) -> None:
    """A session of the notebook in a kernel that is gone, and what happened since."""
    demo.lay_out(server.work)
    path = server.save("flights.ipynb", CELLS)
    env = {"INCNB_STORE": str(folder / "store"), "JPY_SESSION_NAME": str(path)}
    with Kernel(env=env, cwd=server.work) as kernel:
        for cell in CELLS:
            if cell not in (demo.PANEL, GATE, READ_BACK):
                kernel.run(cell)
    demo.happened(server.work)


@pytest.fixture(params=["lab", "notebook"])
def opened(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    app = str(request.param)
    need("anywidget", {"lab": "jupyterlab", "notebook": "notebook"}[app])
    server = Server(tmp_path, app)
    recorded(server, tmp_path)
    size = {"width": 1280, "height": 1000}
    with server, server.opened(browser, "flights.ipynb", viewport=size) as found:
        yield found
        assert not found.elsewhere, "nothing is asked of another machine"
        ours = [complaint for complaint in found.complaints if "blob:" in complaint or "incnb" in complaint]
        assert not ours


def row(opened: Opened, title: str) -> Locator:
    return opened.page.locator(".incnb-row[data-key]", has=opened.page.get_by_text(title, exact=True))


def test_rows_fill_open_and_are_obeyed(opened: Opened) -> None:
    from playwright.sync_api import expect

    page = opened.page
    rows = page.locator(".incnb-row[data-key]")
    opened.run_all()

    # live: the cells before the gate are told while the kernel is busy
    expect(rows).to_have_count(2)
    expect(opened.prompt(GATED)).to_have_text("[*]:")
    expect(row(opened, "read the airports")).to_contain_text("reused")
    expect(row(opened, "read the days")).to_contain_text("23/25")

    # an action while the kernel is busy is marked at once, and waits
    row(opened, "read the airports").click()
    force = page.get_by_role("button", name="Run next time")
    force.click()
    expect(row(opened, "read the airports")).to_contain_text("queued: run next time")
    expect(opened.prompt(GATED)).to_have_text("[*]:")
    row(opened, "read the airports").click()  # closes it

    (opened.server.work / "go").touch()
    opened.wait_for(LAST, LAST)
    expect(rows).to_have_count(len(demo.TRACKED))
    assert rows.locator(".incnb-name").all_text_contents() == demo.TRACKED
    expect(row(opened, "read the airports")).to_contain_text("runs next time")
    expect(row(opened, "read the airports")).not_to_contain_text("queued")

    # a row opens to the difference of the code
    features = row(opened, "build the features")
    expect(features).to_contain_text("clean")
    features.click()
    expect(features).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".incnb-diff .is-gone")).to_have_text(re.compile(r'^-.*\["dep_delay"\]\)'))
    expect(page.locator(".incnb-diff .is-add").last).to_have_text(re.compile(r'^\+.*"arr_delay"\]\)'))
    page.keyboard.press("Escape")
    expect(features).to_have_attribute("aria-expanded", "false")
    expect(row(opened, "grow the forest")).to_contain_text("busy came out the same")

    # who reads whom
    page.get_by_role("button", name="Who reads whom").click()
    expect(page.locator(".incnb-svg path").first).to_be_attached()
    page.get_by_role("button", name="Cells", exact=True).click()

    # the next run does what was asked for: seen in the panel, and read back in the kernel
    before = opened.output(LAST)
    assert "executed" in before and "reused" in before
    opened.run_all()
    opened.wait_for(LAST, 2 * len(CELLS))
    panel = opened.cell(PANEL)
    expect(panel.locator(".incnb-row.is-executed .incnb-name", has_text="read the airports")).to_be_visible()
    told = panel.locator(".incnb-row[data-key]", has=page.get_by_text("read the airports", exact=True))
    expect(told).not_to_contain_text("runs next time")
    expect(told).to_contain_text("marked")
    runs = [line for line in opened.output(LAST).splitlines() if "executed" in line or "reused" in line]
    assert "executed" in runs[0] and "marked" in runs[0], runs
    assert "reused" in runs[1], runs
