"""A headless Chromium, if there is one: skipped with the reason where not, failed where `INCNB_REQUIRE_BROWSER` is set."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage"]
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def skip(reason: str) -> None:
    if os.environ.get("INCNB_REQUIRE_BROWSER"):
        pytest.fail(f"{reason}, and INCNB_REQUIRE_BROWSER is set")
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            # one worker for all of them: two browsers and two servers at a time are too much for two cores
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    found = os.environ.get("INCNB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        skip("no Chromium is installed (Debian: apt-get install chromium fonts-dejavu-core)")
    return str(found)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("playwright is not installed (pip install 'incnb[browser]')")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()
