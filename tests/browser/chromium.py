"""Where the browser is, how it is started, and what happens where there is none.

A test is skipped with the reason; with `INCNB_REQUIRE_BROWSER` set, as in `.ci/run`, the skip is a failure.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage"]
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def need(*modules: str) -> None:
    """Skip where one of these is not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        skip(f"{', '.join(missing)} is not installed (pip install 'incnb[browser]')")


def find() -> str:
    """The path of the browser, or a skip."""
    found = os.environ.get("INCNB_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        skip("no Chromium is installed (Debian: apt-get install chromium fonts-dejavu-core)")
    return str(found)


def skip(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get("INCNB_REQUIRE_BROWSER"):
        pytest.fail(f"{reason}, and INCNB_REQUIRE_BROWSER is set")
    pytest.skip(reason)
