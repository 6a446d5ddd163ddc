"""Doing without a kernel, with notebooks of other kinds: what must rule it out in the kernel itself, and what must not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fast_path import Recorded

from incnb.batch.orders import Orders
from incnb.batch.run import Outcome, execute

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

AGAINST = (
    ("%load_ext incnb\nplain = 1", "a cell was not tracked: %load_ext incnb"),
    ("open('log.txt', 'a').write('x')\nopen('a.txt', 'a').write('x')", "open('log.txt', 'a').write('x') ran and was not saved"),
    ("import subprocess\nsubprocess.run(['true'])", "import subprocess was blocked"),
    ("%%incremental --ttl 1d\nttl = 1", "ttl = 1 has --ttl"),
    ("%%incremental --when False\nwhen = 1", "when = 1 has --when"),
    ("%%incremental --config plain\nconfig = 1", "config = 1 has --config"),
    ("%%incremental --force\nforce = 1", "force = 1 has --force"),
    ("%%incremental --verify\nverify = 1", "verify = 1 has --verify"),
    ("%%incremental --off\nimport random\nrandom.seed(3)", "import random ran and was not saved"),
    ("r = random.random()", "r = random.random() relies on the state of Python's global random generator, which no cell set"),
    ("t = open('first.txt').read()", ""),
    ("n = open('first.txt', 'w').write('linked')", "is read by one cell and written by a later one"),
    ("import os\nos.chdir('data')", "import os changes the working directory"),
)  # fmt: skip


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def twice(nb: Recorded) -> Outcome:
    """The second run; the first one told why there would be no fast path, if there is none."""
    again = nb.run()
    assert not again.kernel, (nb.first.refused, again.refused)
    return again


def test_what_only_a_kernel_knows_rules_it_out(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    nb = Recorded(tmp_path / "nb", patch, *(text for text, _ in AGAINST))
    assert nb.first.union is not None
    told = nb.first.union["against"]
    for _, line in AGAINST:
        assert not line or any(line in one for one in told), (line, told)
    assert nb.first.refused == told[0] and nb.refused().startswith("nothing is known")


def test_code_that_ran_before_the_first_cell_rules_it_out(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "00.py").write_text("started = 1")
    (profile / "ipython_config.json").write_text(json.dumps({"InteractiveShellApp": {"exec_lines": ["lined = 2"]}}))
    (tmp_path / "python_startup.py").write_text("")
    patch.setenv("PYTHONSTARTUP", str(tmp_path / "python_startup.py"))
    (tmp_path / "nb").mkdir()
    (tmp_path / "nb" / "ipython").symlink_to(tmp_path / "ipython")
    nb = Recorded(tmp_path / "nb", patch, "x = 1")
    assert nb.first.union is not None
    told = nb.first.union["pins"]["kernel"]["against"]
    for word in ("there are startup files", "exec_lines", "PYTHONSTARTUP"):
        assert any(word in line for line in told), (word, told)
    assert nb.first.refused == told[0]


def test_a_cell_that_raises_leaves_no_way_without_a_kernel(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    nb = Recorded(tmp_path / "nb", patch, "x = 1")
    data = nb.notebook()
    data["cells"][1]["source"] = "1 / 0"
    nb.path.write_text(json.dumps(data))
    assert all(execute(nb.path, nb.out, nb.orders).error for _ in range(2))


def test_lines_that_only_load_incnb_need_no_kernel(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    twice(Recorded(tmp_path / "nb", patch, "%load_ext incnb", "# on\n%incremental on --quiet", "x = 1", "# nothing"))


def test_a_limit_of_time_for_all_cells_needs_a_kernel(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    nb = Recorded(tmp_path / "nb", patch, "%load_ext incnb\n%incremental on --ttl 1h", "x = 1")
    assert nb.first.refused == "x = 1 has --ttl" and nb.run().kernel


def test_over_itself_and_with_loops_and_seeds(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    texts = (
        "import random\nrandom.seed(1)",
        "out = []\nfor i in [1, 2, 3]:\n    out.append(open('a.txt').read() * i)",
        "random.random(), out",
    )
    nb = Recorded(tmp_path / "nb", patch, *texts)
    nb.out = nb.path
    assert not nb.run().kernel and not nb.run().kernel
    nb.write("a.txt", "changed")
    again = nb.run()
    assert again.kernel and [one["status"] for one in again.decisions] == ["reused", "executed", "executed"]
    assert not nb.run().kernel


def test_a_module_that_a_cell_writes_is_held_from_the_second_run_on(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    nb = Recorded(tmp_path / "nb", patch, "n = open('late.py', 'w').write('x = 1\\n')", "import late\nlate.x")
    assert nb.first.kernel and "late" in nb.first.refused
    assert nb.run().kernel
    twice(nb)
    nb.write("late.py", "x = 2\n")
    assert nb.run().kernel


def test_a_folder_that_a_cell_searches_for_modules_is_held(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "elsewhere.py").write_text("x = 1\n")
    nb = Recorded(
        tmp_path / "nb",
        patch,
        f"import sys\nsys.path.insert(0, {str(other)!r})",
        "import elsewhere\nelsewhere.x",
        "import helper",
    )
    twice(nb)
    (other / "helper.py").write_text("")
    assert "other modules" in nb.refused()


def test_a_growing_source_is_held(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    text = "import incnb\nlines = []\nfor line in incnb.source('events.jsonl', mode='append'):\n    lines.append(line)\nlines"
    (tmp_path / "nb" / "work").mkdir(parents=True)
    (tmp_path / "nb" / "work" / "events.jsonl").write_text("1\n2\n")
    nb = Recorded(tmp_path / "nb", patch, text)
    twice(nb)
    with (nb.work / "events.jsonl").open("a") as file:
        file.write("3\n")
    again = nb.run()
    assert again.kernel and "3" in nb.out.read_text()


def test_parameters_are_part_of_what_is_asked_for(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    nb = Recorded(tmp_path / "nb", patch, "year = 1", "year * 2", "other = 3")
    data = nb.notebook()
    data["cells"][1]["metadata"]["tags"] = ["parameters"]
    nb.path.write_text(json.dumps(data))
    run = [execute(nb.path, nb.out, Orders(notebook=str(nb.path)), parameters={"year": y}) for y in (5, 5, 6)]
    assert [one.kernel for one in run] == [True, False, True]
    assert [one["status"] for one in run[2].decisions] == ["reused", "executed", "executed", "reused"]
    assert '"12"' in nb.out.read_text()
