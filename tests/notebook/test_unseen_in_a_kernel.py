"""Never in the way: what a tracked cell shows and leaves is what it shows and leaves without incnb."""

from __future__ import annotations

import re

import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel

CELLS = {
    "a future statement": ["from __future__ import annotations\nx = 1\ndef f(a: int): pass", "x, f.__annotations__"],
    "dunder names": ["__version__ = '1.0'\n__all__ = ['a']", "__version__, __all__"],
    "underscores": ["_, y = (1, 2)", "_ + y", "for _ in range(3): pass", "y"],
    "shadowed names": ["open = 3", "open"],
    "a figure and a result": ["%matplotlib inline\nimport matplotlib.pyplot as plt", "plt.plot([3, 2])[0].get_xdata()", "print('x'); plt.bar([1], [2])\nplt.title('t').get_text()"],
    "missing environment variables": ["import os", "os.environ['NOPE_NOPE']"],
    "missing files": ["import os\nfrom pathlib import Path", "os.stat('/no')", "Path('/no').stat()"],
    "a symlink that is copied": ["import os, shutil, tempfile\nd = tempfile.mkdtemp()\nos.symlink('/no', d + '/a')", "shutil.copy2(d + '/a', d + '/b', follow_symlinks=False) == d + '/b'"],
    "names taken from os": ["from os import stat, getcwd, environ", "stat.__module__, getcwd.__name__"],
    "warnings from one place": ["import warnings\ndef f():\n    warnings.warn('from f')", "f()", "f(); z = 1"],
    "a class that prints while it is pickled": ["class P:\n    def __getstate__(self):\n        print('PRINTED')\n        return {}\np = P()", "q = p"],
    "rebound builtins": ["__builtins__ = __builtins__", "print(1)"],
    "an exception group": ["raise ExceptionGroup('g', [ValueError('a')])", "1"],
}  # fmt: skip
#: What does not touch what stands beside it shares its kernels.
ALONE = ("a future statement", "rebound builtins")
NAMES = ("dunder names", "shadowed names", "underscores")
TOGETHER = {
    "names": NAMES,
    **{what: (what,) for what in ALONE},
    "everything else": tuple(what for what in CELLS if what not in (*NAMES, *ALONE)),
}


def steady(shown: object) -> str:
    """What was shown, without the number of the kernel's process."""
    return re.sub(r"ipykernel_\d+", "ipykernel", repr(shown))


@pytest.mark.parametrize("group", TOGETHER)
def test_cold_and_warm_show_what_plain_shows(notebook: Notebook, group: str) -> None:
    runs = []
    cells = [cell for what in TOGETHER[group] for cell in CELLS[what]]
    for mode in ("off", "on", "on"):
        with notebook.kernel(INCNB=mode) as nb:
            nb.run("%incremental on")
            runs.append([nb.run(cell, allow_error=True) for cell in cells])
    for plain, cold, warm in zip(*runs, strict=True):
        if plain.error is not None:
            for run in (cold, warm):
                assert run.error is not None and run.error[:2] == plain.error[:2], run.code
                assert "incnb" not in run.error[2] and run.error[2].count("\n") == plain.error[2].count("\n"), (
                    run.error[2]
                )
        else:
            for run in (cold, warm):
                assert steady(run.shown) == steady(plain.shown), run.code


def test_a_large_displayed_result_is_there_when_it_is_asked_for(notebook: Notebook) -> None:
    cell = (
        "%%incremental\nimport pandas as pd, numpy as np\nbig = pd.DataFrame(np.arange(900000.0).reshape(-1, 3))\nbig"
    )
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run("import pandas, numpy")
            assert nb.status(cell) == expected
            assert nb.run("_.shape").result == {"text/plain": "(300000, 3)"}
            assert nb.run("Out[3].shape, _3.shape, _3 is big").result == {
                "text/plain": "((300000, 3), (300000, 3), True)"
            }
            assert "<result>" not in nb.run("%whos").stdout


def test_waiting_is_not_skipped_while_other_tasks_run(notebook: Notebook) -> None:
    for _ in range(2):
        with notebook.kernel() as nb:
            nb.run("import asyncio\nasync def bg():\n    await asyncio.sleep(0.1)\nt = asyncio.ensure_future(bg())")
            assert nb.status("%%incremental\nawait asyncio.sleep(0.4)") in ("executed", "blocked")
            assert nb.run("t.done()").result == {"text/plain": "True"}
