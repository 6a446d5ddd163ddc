"""What a session leaves behind in the process when it is over: nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the descriptors of a process cannot be counted here")
def test_sessions_leave_no_descriptors_and_no_threads(shells: Callable[[], Shell]) -> None:
    Path("n.txt").write_text("1")
    cell = "import pandas as pd\nr = open('n.txt').read()\npd.DataFrame({'a': [1]}).to_csv('out.csv')"

    def session() -> None:
        shell = shells()
        shell.cell(cell)
        shell.cell("import numpy as np\nx = np.arange(10)")

    for _ in range(2):
        session()
    before, threads = sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()
    for _ in range(5):
        session()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= before
    assert threading.active_count() <= threads
