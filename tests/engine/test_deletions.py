"""What a cell deletes is gone after it, whether it was there before or not when the cell was recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]

CELLS = {
    "bound and deleted": "x = 2\ny = x\ndel x",
    "the name of an exception": "try:\n    1 / 0\nexcept ZeroDivisionError as x:\n    y = 2",
    "deleted in a branch": "y = 2\nif y:\n    x = 1\n    del x",
    "deleted after a loop": "for x in range(2):\n    y = x\ndel x",
    "an import": "import json as x\ny = x.dumps(1)\ndel x",
    "a function": "def x():\n    return 1\ny = x()\ndel x",
    "a helper that binds and deletes": "y = work()",
    "with": "import contextlib\nwith contextlib.nullcontext(3) as x:\n    y = x\ndel x",
    "an unpacked tuple": "(x, y), z = (1, 2), 3\ndel x, z",
}
HELPER = "def work():\n    global x\n    x = 1\n    y = x\n    del x\n    return y"


@pytest.mark.parametrize("how", CELLS)
def test_a_name_that_a_reused_cell_binds_and_deletes_is_gone_afterwards(shells: Shells, how: str) -> None:
    shell = shells()
    shell.plain(HELPER)
    shell.cell(CELLS[how])
    assert "x" not in shell.ip.user_ns
    shell = shells()
    shell.plain(HELPER)
    shell.plain("x = 'older'")
    shell.cell(CELLS[how])
    assert "x" not in shell.ip.user_ns
    shell = shells()
    shell.plain(HELPER)
    assert shell.cell(CELLS[how]) == "reused"
    assert "x" not in shell.ip.user_ns


def test_a_name_in_a_branch_not_taken_stays(shells: Shells) -> None:
    cell = "y = 0\nif y:\n    x = 1\n    del x"
    shells().cell(cell)
    shell = shells()
    shell.plain("x = 'older'")
    shell.cell(cell)
    assert shell["x"] == "older"
