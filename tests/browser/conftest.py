"""A headless Chromium for the tests in this folder, one for all of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            # one worker for all of them: two browsers and two servers at a time are too much for two cores
            item.add_marker(pytest.mark.xdist_group("browser"))


_playwrights: list[Any] = []  # the one that is started, if it is


def _its_loop_runs(yes: bool) -> None:
    """Playwright's loop counts as running in this thread for as long as it is there: so nobody else could run one."""
    asyncio._set_running_loop(_playwrights[0]._loop if yes and _playwrights else None)


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Playwright's loop is there for the tests in this folder and for no others."""
    _its_loop_runs(True)
    yield
    _its_loop_runs(False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    chromium.need("playwright")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=90_000)  # nothing waits that long where all is well
    with sync_playwright() as playwright:
        _playwrights.append(playwright)
        running = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield running
        _its_loop_runs(True)
        _playwrights.clear()
        running.close()
