"""A room in which every shell starts as in a new process, with or without incnb."""

from __future__ import annotations

import contextlib
import decimal
import importlib
import io
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from notebooks import Shell
from states import State

from incnb.dependencies import package

PANDAS = ("display.precision", "display.max_rows")
REUSED = ("reused", "cutoff")


class Room:
    """One store, one folder; `shell()` is a restart with incnb, `shell(incnb=False)` one without it."""

    def __init__(self, folder: Path, restart: Callable[[], Shell]):
        self.folder = folder
        self.work = folder / "work"
        self._restart = restart
        self._numpy = np.get_printoptions()
        self._decimal = decimal.getcontext().copy()
        self._pandas = {name: pd.get_option(name) for name in PANDAS}
        self._env = dict(os.environ)

    def store(self, name: str) -> None:
        self._env["INCNB_STORE"] = str(self.folder / name)

    def reset(self) -> None:
        """What a new process finds: nothing that an earlier one configured."""
        os.environ.clear()
        os.environ.update(self._env)
        os.chdir(self.work)
        np.set_printoptions(**self._numpy)
        decimal.setcontext(self._decimal.copy())
        for name, value in self._pandas.items():
            pd.set_option(name, value)
        random.seed()
        np.random.seed()
        package._distribution.cache_clear()
        importlib.invalidate_caches()

    def shell(self, *, incnb: bool = True) -> Shell:
        self.reset()
        shell = self._restart()
        if not incnb:
            shell.close()
        return shell

    def surround(self, state: State, *, clean: bool = True) -> None:
        """Files and environment as the state says. What does not change is not touched."""
        for path in sorted(self.work.rglob("*"), reverse=True) if clean else []:
            name = str(path.relative_to(self.work))
            if path.is_dir() and not any(path.iterdir()) and not any(f.startswith(name + "/") for f in state.files):
                path.rmdir()
            elif not path.is_dir() and name not in state.files:
                path.unlink()
        for name, text in state.files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
        importlib.invalidate_caches()
        os.environ.update(state.env)

    def remove(self) -> None:
        shutil.rmtree(self.work)
        self.work.mkdir()


def run(shell: Shell, code: str) -> tuple[Any, ...]:
    """How a cell ends: its error, or the value of `r`, with what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        result = shell.ip.run_cell(code, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        where = str(shell.folder)  # of this test, and named in messages about files
        return "error", type(error).__name__, str(error).replace(where, "")
    return "value", repr(shell.ip.user_ns.get("r")), out.getvalue()


def setup(shell: Shell, state: State) -> None:
    for cell in state.setup:
        run(shell, cell)
