"""What a run must have been like, so that the next one may do without a kernel: nothing is kept of any other.

One recorded run serves all tests; each pretends that one thing about it was otherwise.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fast_path import CELLS, NEEDS_LOOKS, Changed, Recorded

from incnb.batch import outside
from incnb.batch.keeping import keep
from incnb.batch.manifest import Refused
from incnb.dependencies import env, file
from incnb.store import Store

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.xdist_group("test_fast_path_kept")]


@pytest.fixture(scope="module")
def nb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with pytest.MonkeyPatch.context() as patch:
        texts = (*CELLS, "import random\nrandom.seed(7)", "r = random.random()")
        found = Recorded(tmp_path_factory.mktemp("kept"), patch, *texts)
        assert found.first.union is not None and not found.first.refused.startswith("it cannot")
        yield found


class Client:
    """What is left of the client of that run, to be changed."""

    def __init__(self, nb: Recorded) -> None:
        from jupyter_client.kernelspec import KernelSpecManager

        self.plainly = ""
        self.union: Any = json.loads(json.dumps(nb.first.union))
        self.decisions: Any = copy.deepcopy(list(nb.first.decisions))
        specs = KernelSpecManager()
        self.manager = SimpleNamespace(kernel_spec=specs.get_kernel_spec("mine"), kernel_spec_manager=specs)
        self.kernel["process"] = time.time() + 60  # what tests write is not newer, unless they say so
        self.text = nb.out.read_text()
        self.nb = nb

    @property
    def kernel(self) -> dict[str, Any]:
        return self.union["pins"]["kernel"]  # type: ignore[no-any-return]

    @property
    def relied(self) -> list[list[str]]:
        return self.union["pins"]["relied"]  # type: ignore[no-any-return]

    def keep(self) -> None:
        keep(self.nb.ask(), self, self.text)

    def refused(self) -> str:
        with pytest.raises(Refused) as told:
            self.keep()
        assert self.nb.refused().startswith("nothing is known"), "an older manifest must not stay"
        return str(told.value)


@pytest.fixture
def client(nb: Recorded) -> Iterator[Client]:
    yield Client(nb)
    Client(nb).keep()
    nb.done()


def test_a_run_of_which_nothing_is_known_is_not_kept(client: Client) -> None:
    client.union = None
    assert client.refused() == "the run left no union"


def test_a_kernel_without_incnb_is_not_kept(client: Client) -> None:
    client.plainly = "the kernel has no incnb"
    assert client.refused() == client.plainly


def test_what_rules_it_out_in_the_kernel_is_told(client: Client) -> None:
    client.union["against"] = ["a cell was blocked"]
    assert client.refused() == "a cell was blocked"


def test_what_ran_before_the_first_cell_rules_it_out(client: Client) -> None:
    client.kernel["against"] = ["there are startup files"]
    assert client.refused() == "there are startup files"


@pytest.mark.parametrize("place", range(4))
def test_another_interpreter_is_not_kept(client: Client, place: int) -> None:
    client.kernel["interpreter"][place] += "?"
    assert "interpreter" in client.refused()


def test_a_kernel_of_unknown_age_is_not_kept(client: Client) -> None:
    client.kernel["process"] = None
    assert "when the kernel began" in client.refused()


@pytest.mark.parametrize("which", ["kernel", "union"])
def test_another_folder_is_not_kept(client: Client, which: str) -> None:
    (client.kernel if which == "kernel" else client.union)["cwd"] = "/"
    assert "folder" in client.refused()


@pytest.mark.parametrize("status", ["failed", "blocked"])
def test_a_cell_that_did_not_come_to_be_saved_is_not_kept(client: Client, status: str) -> None:
    client.decisions[1]["status"] = status
    assert status in client.refused()


@pytest.mark.parametrize("what", ["less", "twice", "order", "cells"])
def test_cells_that_were_not_decided_once_and_in_order_are_not_kept(client: Client, what: str) -> None:
    if what == "less":
        client.decisions.pop()
    elif what == "twice":
        client.decisions.append(client.decisions[0])
    elif what == "order":
        client.decisions.reverse()
    else:
        client.union["pins"]["cells"].pop()
    assert "once and in order" in client.refused()


def test_a_trace_of_somebody_elses_meanwhile_is_not_kept(client: Client) -> None:
    cell = client.union["pins"]["cells"][0]
    path = client.nb.root / "store" / "traces" / cell["code"] / f"{int(cell['trace'][:12]) + 1:012d}-{'0' * 16}.json"
    with Changed(path, ""):
        assert "recorded elsewhere" in client.refused()
        cell["executed"] = False  # it was reused, and that trace was looked at before it
        client.keep()
        client.kernel["process"] = path.stat().st_mtime - 1
        assert "recorded elsewhere" in client.refused()


def test_variables_put_together_by_the_specification_are_not_kept(client: Client) -> None:
    client.manager.kernel_spec.env["X"] = "${HOME}/x"
    assert "puts variables together" in client.refused()


def test_another_specification_than_the_one_that_was_started_is_not_kept(client: Client) -> None:
    client.manager.kernel_spec.argv.append("--other")
    assert "specification changed" in client.refused()


def test_a_kernel_elsewhere_is_not_kept(client: Client) -> None:
    client.manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "remote"}
    assert "process" in client.refused()


def test_a_notebook_that_cannot_be_put_together_again_is_not_kept(client: Client) -> None:
    client.text = client.text.replace("# A title", "# Another")
    assert "is not the notebook" in client.refused()
    client.text = client.text.replace("\n ", "\n  ", 1)
    assert "put together" in client.refused()


def test_what_shows_something_of_ours_is_not_kept(client: Client) -> None:
    data = json.loads(client.text)
    shown = next(cell for cell in data["cells"] if cell.get("outputs"))
    shown["outputs"][0]["metadata"] = {"incnb": {}}
    client.text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False)
    assert "shows something of incnb's" in client.refused()


def test_state_of_widgets_is_not_kept(client: Client) -> None:
    data = json.loads(client.text)
    data["metadata"]["widgets"] = {}
    client.text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False)
    assert "put together" in client.refused()


@pytest.mark.parametrize(
    "start", ["a.txt", "listing of ", "glob of ", pytest.param("existence of ", marks=NEEDS_LOOKS), "WHO"]
)
def test_what_a_cell_found_otherwise_than_it_is_now_is_not_kept(client: Client, start: str) -> None:
    one = next(one for one in client.relied if one[1].startswith(start))
    one[2:] = ["0" * 32, ""]
    assert client.refused() == f"{one[1]} is not what a cell found"


@pytest.mark.parametrize("name", ["helper.py", "pkg/inner.py"])
def test_a_module_that_changed_since_the_kernel_began_is_not_kept(client: Client, name: str) -> None:
    path = client.nb.work / name
    os.utime(path)
    client.kernel["process"] = path.stat().st_ctime - 1
    assert "changed while the notebook ran" in client.refused()


@pytest.mark.parametrize("what", ["record", "settings", "matplotlib"])
def test_what_the_kernel_started_with_and_changed_since_is_not_kept(client: Client, what: str) -> None:
    nb = client.nb
    (nb.root / "ipython" / "profile_default").mkdir(exist_ok=True, parents=True)
    path = {
        "record": nb.site / "lib-1.0.dist-info" / "RECORD",
        "settings": nb.root / "ipython" / "profile_default" / "ipython_config.json",
        "matplotlib": nb.work / "matplotlibrc",
    }[what]
    with Changed(path, path.read_text() if path.exists() else "{}"):
        client.kernel["process"] = path.stat().st_ctime - 0.001
        assert str(path) in client.refused()


def test_a_source_that_grew_since_is_not_kept(client: Client) -> None:
    path = client.nb.work / "first.txt"
    client.union["sources"] = [str(path)]
    client.union["time"] = path.stat().st_ctime - 1
    assert "first.txt changed" in client.refused()


def test_a_library_without_a_record_is_not_kept(client: Client) -> None:
    client.union["pins"]["records"]["lib"] = ""
    assert "record" in client.refused()


@pytest.mark.parametrize(
    ("folder", "name"), [("work", "new.py"), ("work/pkg", "new.py"), ("lib/site-packages", "new.pth")]
)
def test_what_can_be_imported_only_since_the_kernel_began_is_not_kept(client: Client, folder: str, name: str) -> None:
    with Changed(client.nb.root / folder / name, ""):
        assert "while the notebook ran" in client.refused()


def test_what_can_be_imported_from_a_folder_that_a_cell_added_is_not_kept_if_it_changed(client: Client) -> None:
    client.kernel["extra"] = {str(client.nb.root / "config"): ["other.py"]}
    assert "config changed" in client.refused()
    client.kernel["extra"] = {str(client.nb.root / "config"): []}
    client.keep()
    client.kernel["process"] = (client.nb.root / "config").stat().st_mtime - 1
    assert "changed" in client.refused()


def test_a_folder_that_a_cell_made_is_no_module_of_somebody_elses(client: Client) -> None:
    made = client.nb.work / "somebodys"
    made.mkdir()
    assert "came or went" in client.refused()
    client.union["written"].append(str(made))
    client.keep()
    made.rmdir()
    assert "folder" in client.nb.refused() or "modules" in client.nb.refused()


def test_a_written_file_that_somebody_changed_is_not_kept(client: Client) -> None:
    with Changed(client.nb.work / "made" / "result.txt", "else"):
        assert "not what its cell wrote" in client.refused()


def test_a_mark_made_meanwhile_is_not_kept(client: Client) -> None:
    store = Store()
    mark = {"type": "mark", "mark": "1", "mode": "hard", "code": "", "id": "c1", "title": "t", "seq": 10**6}
    store.log({**mark, "notebook": str(client.nb.path)})
    log = sorted((client.nb.root / "store" / "log").iterdir(), key=lambda path: path.stat().st_mtime_ns)[-1]
    assert client.refused() == "a cell is marked"
    store.close()
    log.unlink()


def test_a_generator_that_a_cell_seeded_rules_nothing_out(nb: Recorded) -> None:
    assert nb.first.union is not None and list(nb.first.union["against"]) == []


# -- the two ways of looking


def test_looks_from_outside_are_those_of_the_dependencies(nb: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nb.work)
    full = str(nb.work / "a.txt")
    paths = ["a.txt", full, "data", "missing", "link.txt", "data/one", ".", "..", str(nb.work)]
    looks = [f"{prefix}{path}" for prefix in (file.LISTING, *file.LOOKS.values()) for path in paths]
    globs = [
        file.globbing(pattern, marks)
        for pattern in ("*", "*.csv", "**/*", f"{nb.work}/*")
        for marks in ("", "r", "h", "rh")
    ]
    below = [
        file.searching(root, f"{verb} *")
        for root in (".", "data", "pkg", "..", str(nb.work))
        for verb in ("glob", "rglob")
    ]
    for locator in [*paths, *looks, *globs, *below, file.content("listing of x")]:
        assert outside.file_fp(locator, str(nb.work)) == file.resolve(locator).fp, locator
    for value in ("", "some", None):
        assert outside.env_fp(value) == env.of("X", value).fp
    assert outside.PREFIXES == file.PREFIXES
