"""The fixture `room`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notebooks import Shell
from rooms import Room


@pytest.fixture
def room(shells: Callable[[], Shell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a cached file of the same second and size would be taken
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "work" / "site-packages")])
    before = dict(os.environ)
    room = Room(tmp_path, shells)
    yield room
    room._env = before
    room.reset()
