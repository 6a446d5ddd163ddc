"""incnb in terminal IPython: the same cells, reused by the next terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from kernel import ROOT

pexpect = pytest.importorskip("pexpect")
pytestmark = pytest.mark.kernel


def terminal(folder: Path) -> str:
    """Load incnb in a terminal, run one tracked cell, and give what was shown."""
    env = {
        **os.environ,
        "INCNB_STORE": str(folder / "store"),
        "INCNB_FOOTER": "all",
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
    }
    arguments = [
        "-m",
        "IPython",
        "--no-banner",
        "--simple-prompt",
        "--colors=NoColor",
        "--HistoryManager.enabled=False",
    ]
    child = pexpect.spawn(sys.executable, arguments, env=env, cwd=str(folder), encoding="utf-8", timeout=60)
    try:
        child.expect(r"In \[1\]: ")
        child.sendline("%load_ext incnb")
        child.expect(r"In \[2\]: ")
        child.sendline("%%incremental")
        child.expect(r"\.\.\.: ")
        child.sendline("n = 6 * 7; print('working')")
        child.expect(r"\.\.\.: ")
        child.sendline("n + 1")
        child.expect(r"\.\.\.: ")
        child.sendline("")  # as for any cell magic, a blank line of its own ends the cell
        child.expect(r"\.\.\.: ")
        child.sendline("")
        child.expect(r"In \[3\]: ")
        shown = str(child.before)
        child.sendline("n, _2, Out[2]")
        child.expect(r"In \[4\]: ")
        shown += str(child.before)
        child.sendline("exit")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "")


def test_a_cell_in_a_terminal_is_reused_by_the_next_terminal(tmp_path: Path) -> None:
    first, second = terminal(tmp_path), terminal(tmp_path)
    for shown in (first, second):
        assert "working" in shown and "Out[2]: 43" in shown and "(42, 43, 43)" in shown, shown
    assert "▲ ran" in first and "✓ reused" in second, second
