"""Nothing in an executed file differs from that of a full run, but for what is marked as incnb's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tools import PREPROCESSOR, Done, Tools
from zoo import LOADED, differences, seen, zoo

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.xdist_group("same file")]

RUN = """
import sys
from pathlib import Path
from incnb.batch.orders import Orders
from incnb.batch.run import execute
done = execute(Path(sys.argv[1]), Path(sys.argv[2]), Orders(notebook=sys.argv[1]))
print("incnb: " + ", ".join(f"1 {one['status']}" for one in done.decisions))
print("a kernel:", done.kernel, done.refused)
assert not done.plainly and not done.error, done
"""


@dataclass
class Runs:
    """One run of each kind; the files of all are compared with the plain one."""

    plain: dict[str, Any]
    files: dict[str, Path]
    done: dict[str, Done]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("zoo")
    bare, loaded = Tools(folder / "bare"), Tools(folder / "loaded")
    plain_nb, loaded_nb = zoo(folder / "plain.ipynb"), zoo(folder / "loaded.ipynb", LOADED)
    files = {name: folder / f"{name.replace(' ', '-')}.ipynb" for name in NAMES}
    done = {
        "plain": bare.nbclient(plain_nb, files["plain"]),
        "nbconvert cold": loaded.nbconvert(loaded_nb, "--execute", "--to", "notebook", "--output", str(files["nbconvert cold"])),
        "papermill warm": loaded.papermill(loaded_nb, files["papermill warm"], cwd=folder, status=1),
        "preprocessor cold": bare.nbconvert(plain_nb, "--to", "notebook", PREPROCESSOR, "--output", str(files["preprocessor cold"])),
        "preprocessor warm": bare.nbconvert(plain_nb, "--to", "notebook", PREPROCESSOR, "--output", str(files["preprocessor warm"])),
        "engine warm": bare.papermill(plain_nb, files["engine warm"], "--engine", "incnb", cwd=folder, status=1),
        "run warm": bare.run("-c", RUN, plain_nb, files["run warm"], cwd=folder),
    }  # fmt: skip
    return Runs(seen(files["plain"]), files, done)


NAMES = (
    "plain",
    "nbconvert cold",
    "papermill warm",
    "preprocessor cold",
    "preprocessor warm",
    "engine warm",
    "run warm",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES[1:])
def test_the_file_is_that_of_a_full_run(runs: Runs, name: str) -> None:
    expected = runs.plain
    if name in ("papermill warm", "engine warm"):
        # papermill takes out what cells that are not run showed before
        cleared = {one: {**expected[one], "outputs": [], "execution_count": None} for one in ("skipped", "empty")}
        expected = {**expected, **cleared}
    final = name == "run warm"  # `incnb run` leaves overwritten lines out, as front ends do
    if final:
        expected = seen(runs.files["plain"], final=True)
    assert differences(expected, seen(runs.files[name], final=final)) == []


@pytest.mark.timeout(600)
def test_most_cells_of_it_are_reused(runs: Runs) -> None:
    for name in ("preprocessor warm", "engine warm"):
        counts = runs.done[name].counts
        assert counts["reused"] + counts.get("cutoff", 0) >= 45, counts
    assert runs.done["run warm"].text.count("reused") >= 45


@pytest.mark.timeout(600)
def test_the_file_that_is_written_without_a_kernel_is_that_of_a_full_run(tmp_path: Path) -> None:
    tools, path = Tools(tmp_path / "home"), zoo(tmp_path / "quiet.ipynb", quiet=True)
    tools.nbclient(path, tmp_path / "plain.ipynb")
    for name, kernel in (("cold", True), ("fast", False)):
        done = tools.run("-c", RUN, path, tmp_path / f"{name}.ipynb", cwd=tmp_path)
        assert f"a kernel: {kernel}" in done.text, done.text
        expected = seen(tmp_path / "plain.ipynb", final=True)
        assert differences(expected, seen(tmp_path / f"{name}.ipynb", final=True)) == []
