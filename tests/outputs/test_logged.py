"""Lines of a log that hold the time or the process are others in each run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handlers, level, converter = list(logging.root.handlers), logging.root.level, logging.Formatter.converter
    logging.root.handlers[:] = []
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    assert logging.Formatter.converter is converter


def logs(fmt: str, style: str = "%") -> str:
    return f"import logging, sys\nlogging.basicConfig(format={fmt!r}, style={style!r}, level='INFO', force=True, stream=sys.stdout)"


@pytest.mark.parametrize(
    ("fmt", "style"),
    [("%(asctime)s %(message)s", "%"), ("{asctime} {message}", "{"), ("$asctime $message", "$")],
)
def test_a_line_with_the_time_is_no_result_to_be_reused(shells: Shells, fmt: str, style: str) -> None:
    shell = shells()
    shell.plain(logs(fmt, style))
    for _ in range(2):
        assert shell.cell("logging.info('here')") == "blocked"
        assert "asctime" in shell.reasons[-1]


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="which functions start is not told here")
@pytest.mark.parametrize("field", ["process", "thread", "relativeCreated", "lineno"])
def test_a_line_with_the_process_is_none_either(shells: Shells, field: str) -> None:
    shell = shells()
    shell.plain(logs(f"%({field})d %(message)s"))
    assert shell.cell("logging.info('here')") == "blocked"


def test_other_lines_are_reused_and_what_is_not_shown_does_not_count(shells: Shells) -> None:
    shell = shells()
    shell.plain(logs("%(levelname)s %(message)s"))
    assert [shell.cell("logging.info('here')") for _ in range(2)] == ["executed", "reused"]
    shell.plain("logging.root.handlers.clear()\n" + logs("%(asctime)s %(message)s"))
    assert [shell.cell("logging.debug('here')") for _ in range(2)] == ["executed", "reused"]
    assert [shell.cell("print('no log')") for _ in range(2)] == ["executed", "reused"]


@pytest.mark.parametrize(
    "call",
    ["import gzip\nx = gzip.compress(b'x')", "import ssl\nx = ssl.RAND_bytes(3)", "import tempfile\nx = tempfile.mktemp()",
     "import os\nx = os.getloadavg()"],
)  # fmt: skip
def test_library_functions_that_read_the_clock_or_draw_entropy_block(shells: Shells, call: str) -> None:
    assert shells().cell(call) == "blocked"


def test_a_figure_file_that_holds_the_time_blocks_and_others_do_not(
    shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell = shells()
    shell.plain("import matplotlib\nmatplotlib.use('agg')\nfrom matplotlib.figure import Figure")
    draw = "figure = Figure()\nfigure.subplots().plot([1, 2])\n"
    assert shell.cell(f"{draw}figure.savefig('made.pdf')") == "blocked"
    assert "made.pdf" in shell.reasons[-1]
    assert shell.cell(f"{draw}figure.savefig('made.pdf', metadata={{'CreationDate': None}})") == "executed"
    assert shell.cell(f"{draw}figure.savefig('made.png')") == "executed"
