"""Fixtures that every room may use: notebooks in real kernels, and plain shells where a kernel is not the point."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from notebooks import Notebook, Shell


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path)


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long items take to be told apart ends nothing here, however busy the machine is; `measured` tests excepted."""
    if request.node.get_closest_marker("measured") is None:
        monkeypatch.setattr("incnb.engine.passes.WORTH", (1e9, 1e9, 1e9))
        monkeypatch.setattr("incnb.engine.passes.LONG", (1e9, 1e9))


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """What cells of a shell set of the process is as before when they are gone."""
    import decimal
    import warnings

    import numpy as np
    import pandas as pd

    printed, filters, context = np.get_printoptions(), list(warnings.filters), decimal.getcontext().copy()
    options = {name: pd.get_option(name) for name in ("display.precision", "display.width", "display.max_rows")}
    yield
    np.set_printoptions(**printed)
    warnings.filters[:] = filters  # type: ignore[index]
    decimal.setcontext(context)
    for name, value in options.items():
        pd.set_option(name, value)


@pytest.fixture
def shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_it_was: None) -> Iterator[Callable[[], Shell]]:
    """Calling it ends the shell before and starts a new one on the same store, as after a restart of the kernel."""
    from IPython.core.interactiveshell import InteractiveShell

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("INCNB_REPORT", str(tmp_path / "report.jsonl"))
    monkeypatch.setenv("INCNB_DEBUG", "1")
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", [str(work), *sys.path])
    main, modules, running = sys.modules["__main__"], set(sys.modules), list[Shell]()

    def forget() -> None:
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if isinstance(file, str) and file.startswith(str(work)):
                del sys.modules[name]

    def restart() -> Shell:
        while running:
            running.pop().close()
        forget()
        running.append(Shell(tmp_path))
        return running[-1]

    yield restart
    while running:
        running.pop().close()
    forget()
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    assert not os.environ.get("INCNB")
