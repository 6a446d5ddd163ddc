"""A store of its own for every test."""

from pathlib import Path

import pytest

from incnb.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root)
