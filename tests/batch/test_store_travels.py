"""A store is as good where it is unpacked as where it was made: what a cache of continuous integration does to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell

CELLS = (
    "import travelling\nrows = [travelling.row(line) for line in open('data/rows.txt')]",
    "import numpy as np\nlarge = np.arange(300_000) + len(rows)",
    "from pathlib import Path\nPath('made.txt').write_text(str(rows))\nprint(rows, large.sum())",
    "import glob\nnames = sorted(glob.glob('data/*.txt'))",
)


def project(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "travelling.py").write_text("def row(line):\n    return int(line) * 2\n")
    (folder / "data" / "rows.txt").write_text("1\n2\n3\n")


@pytest.mark.skipif(sys.platform == "win32", reason="tar")
@pytest.mark.parametrize("moved", [False, True], ids=["the project stays", "the project is elsewhere"])
def test_a_store_that_was_packed_and_unpacked_elsewhere(
    shells: Callable[[], Shell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    sys.modules.pop("travelling", None)
    project(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.syspath_prepend(str(tmp_path / "checkout"))
    shell = shells()
    assert [shell.cell(cell) for cell in CELLS] == ["executed"] * 4
    expected = shell["rows"], int(shell["large"].sum())
    sys.modules.pop("travelling", None)

    # as actions/cache does it; the checkout is new, with new files
    subprocess.run(["tar", "-C", str(tmp_path), "-czf", str(tmp_path / "packed.tgz"), "store"], check=True)
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-C", str(tmp_path / "unpacked"), "-xzf", str(tmp_path / "packed.tgz")], check=True)
    shutil.rmtree(tmp_path / "checkout")
    shutil.rmtree(tmp_path / "store")
    here = tmp_path / ("workspace" if moved else "checkout")
    project(here)
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "unpacked" / "store"))

    shell = shells()
    for cell in CELLS:
        assert shell.cell(cell) in ("reused", "cutoff"), shell.reasons
    assert (shell["rows"], int(shell["large"].sum())) == expected
    assert Path("made.txt").read_text() == str(expected[0])
    sys.modules.pop("travelling", None)
    Path("data/rows.txt").write_text("1\n2\n4\n")
    shell = shells()
    assert shell.cell(CELLS[0]) == "executed" and "rows.txt" in shell.reason
    sys.modules.pop("travelling", None)
