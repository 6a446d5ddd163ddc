"""Notebooks for tests: a namespace that calls itself `__main__`, into which sources are run."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[[str], types.SimpleNamespace]


def run(source: str, name: str = "__main__", **names: Any) -> types.SimpleNamespace:
    """What a fresh notebook holds after running `source`."""
    namespace: dict[str, Any] = {"__name__": name, **names}
    exec(compile(textwrap.dedent(source), "<cell>", "exec", dont_inherit=True), namespace)
    return types.SimpleNamespace(**{k: v for k, v in namespace.items() if k != "__builtins__"}, namespace=namespace)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], types.ModuleType]]:
    """Writes a project module and imports it, afresh each time."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made: set[str] = set()

    def make(name: str, source: str) -> types.ModuleType:
        import importlib

        file = tmp_path / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(source))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        made.add(name)
        return importlib.import_module(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)
