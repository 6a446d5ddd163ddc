"""Ways to a wrong result that were found by trying, each in the cells that showed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]


def test_a_semicolon_at_the_end_is_part_of_the_cell(shells: Shells) -> None:
    shell = shells()
    shell.plain("x = 5")
    assert shell.cell("x;") == "executed"
    assert shell.cell("x  # ;") == "executed"
    assert 5 in shell["Out"].values()


LOADER = "from functools import lru_cache\n@lru_cache\ndef load(p):\n    return open(p).read()"


def test_a_cached_loader_in_two_cells_and_the_file_changes(shells: Shells) -> None:
    for content in ("one", "twooo"):
        Path("c").write_text(content)
        for _ in range(2):
            shell = shells()
            shell.plain(LOADER)
            shell.cell("a = load('c')")
            shell.cell("b = load('c').upper()")
            assert (shell["a"], shell["b"]) == (content, content.upper())


def test_a_cached_loader_and_the_same_cell_twice(shells: Shells) -> None:
    Path("c").write_text("one")
    shell = shells()
    shell.plain(LOADER)
    for cell in ("a = load('c')", "with open('c', 'w') as f:\n    _ = f.write('two')", "a = load('c')"):
        shell.cell(cell)
    assert shell["a"] == "one"
    shell = shells()
    shell.plain(LOADER)
    shell.cell("a = load('c')")
    assert shell["a"] == "two"


def test_a_pure_cached_helper_is_reused_in_two_cells(shells: Shells) -> None:
    for expected in ("executed", "reused"):
        shell = shells()
        shell.plain("from functools import lru_cache\n@lru_cache\ndef f(x):\n    return x + 1")
        assert shell.cell("a = f(1)") == expected
        assert shell.cell("b = f(1)") == expected


@pytest.mark.parametrize(
    "cell", ["import time\nr = time.strftime('%S')", "from email.utils import formatdate\nr = formatdate()"]
)
def test_clocks_by_other_names(shells: Shells, cell: str) -> None:
    for _ in range(2):
        assert shells().cell(cell) == "blocked"


@pytest.mark.parametrize("draw", ["d.sample(3)", "d['a'].shuffle()", "d.select(pl.col('a').sample(2))", "draw(d)"])
def test_polars_draws_from_a_generator_of_its_own(shells: Shells, draw: str) -> None:
    pytest.importorskip("polars")
    for _ in range(2):
        shell = shells()
        shell.plain(
            "import polars as pl\nd = pl.DataFrame({'a': range(100)})\ndef draw(d):\n    return d.sample(fraction=1.0)"
        )
        assert shell.cell(f"r = {draw}") == "blocked"


def test_polars_with_a_seed_is_reused(shells: Shells) -> None:
    pytest.importorskip("polars")
    for expected in ("executed", "reused"):
        shell = shells()
        shell.plain(
            "import polars as pl\nd = pl.DataFrame({'a': range(100)})\ndef draw(d):\n    return d.sample(3, seed=1)"
        )
        assert shell.cell("r = d.sample(3, seed=1), draw(d)") == expected


def test_a_folder_that_is_made_and_entered_is_made_once(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = "import os\nos.makedirs('out', exist_ok=True)\nos.chdir('out')"
    here = Path.cwd()
    for _ in range(3):
        monkeypatch.chdir(here)
        shell = shells()
        shell.cell(cell)
        assert Path.cwd() == here / "out"
        assert not (here / "out" / "out").exists()


def test_what_a_decorator_registers_is_registered_again(shells: Shells) -> None:
    for _ in range(2):
        shell = shells()
        shell.cell(
            "from IPython.core.magic import register_line_magic\n@register_line_magic\ndef hello(line):\n    return 'hi ' + line"
        )
        shell.plain("x = %hello bob")
        assert shell["x"] == "hi bob"


def test_nobody_sees_the_classes_that_a_check_makes(shells: Shells) -> None:
    shell = shells()
    shell.cell("class P:\n    pass")
    shell.cell("class Q(P):\n    pass")
    shell.plain("r = [c.__name__ for c in P.__subclasses__()]")
    assert shell["r"] == ["Q"]


def test_a_base_that_registers_what_is_derived_from_it_does_so_once(shells: Shells) -> None:
    for _ in range(2):
        shell = shells()
        shell.plain("known = []\nclass Base:\n    def __init_subclass__(cls):\n        known.append(cls.__name__)")
        shell.cell("class A(Base):\n    pass")
        assert shell["known"] == ["A"]


def test_a_cached_loader_keeps_what_it_loaded_when_the_file_is_written(shells: Shells) -> None:
    for _ in range(3):
        Path("c").write_text("one")
        shell = shells()
        shell.plain(LOADER)
        shell.cell("a = load('c')")
        shell.cell("with open('c', 'w') as f:\n    _ = f.write('two')")
        shell.cell("b = load('c')")
        assert (shell["a"], shell["b"]) == ("one", "one")


def test_an_object_in_a_cache_that_a_cell_changed(shells: Shells) -> None:
    for change, expected in (("load().append(9)", 3), ("z = 0", 2)):
        shell = shells()
        shell.plain("from functools import lru_cache\n@lru_cache\ndef load():\n    return [1, 2]")
        shell.cell("s = sum(load())")
        shell.cell(change)
        shell.cell("n = len(load())")
        assert shell["n"] == expected


@pytest.mark.parametrize("cell", ["d = vars(x)", "d = x.__dict__", "d = fields(x)"])
def test_the_fields_of_an_object_as_a_dict_stay_its_own(shells: Shells, cell: str) -> None:
    for _ in range(2):
        shell = shells()
        shell.plain(
            "class P:\n    def __init__(self):\n        self.n = [1]\ndef fields(o):\n    return o.__dict__\nx = P()"
        )
        shell.cell(cell)
        assert shell["d"] is vars(shell["x"])


@pytest.mark.parametrize(
    ("cell", "draw"),
    [
        ("random.seed(3)", "random.random()"),
        ("np.random.seed(3)", "float(np.random.rand())"),
        ("seeds(3)", "(random.random(), float(np.random.rand()))"),
    ],
)
def test_a_cell_that_seeds_anew_what_stands_at_that_seed_seeds_elsewhere_too(
    shells: Shells, cell: str, draw: str
) -> None:
    setup = "import random\nimport numpy as np\ndef seeds(k):\n    random.seed(k)\n    np.random.seed(k)"
    shell = shells()
    shell.plain(setup)
    shell.cell(f"print('one')\n{cell}")
    assert shell.cell(f"print('two')\n{cell}") == "executed"
    expected = shell.plain(draw)
    for _ in range(2):
        shell = shells()
        shell.plain(f"{setup}\nrandom.seed(99)\nnp.random.seed(99)")
        shell.cell(f"print('two')\n{cell}")
        assert shell.plain(draw) == expected


def test_a_cell_that_seeds_and_draws_and_was_edited_seeds_after_a_restart(shells: Shells) -> None:
    cell = "import numpy as np\nnp.random.seed(0)\nx = float(np.random.rand())"
    shell = shells()
    shell.cell(cell)
    shell.cell(f"{cell} * 2")
    expected = shell.plain("float(np.random.rand())")
    for _ in range(2):
        shell = shells()
        shell.plain("import numpy as np\nnp.random.seed(99)")
        shell.cell(f"{cell} * 2")
        assert shell.plain("float(np.random.rand())") == expected


def test_items_that_seed_are_not_put_back_without_it(shells: Shells) -> None:
    cell = "o = []\nfor i in [1, 2, 3]:\n    random.seed(i)\n    o.append(random.random(){})"
    shell = shells()
    shell.plain("import random")
    shell.cell(cell.format(""))
    shell.cell(cell.format(" * 2"))
    expected = shell.plain("random.random()")
    shell = shells()
    shell.plain("import random\nrandom.seed(99)")
    shell.cell(cell.format(" * 2"))
    assert shell.plain("random.random()") == expected


def test_a_folder_that_was_not_there_to_be_removed_counts(shells: Shells) -> None:
    cell = "import os, shutil\nshutil.rmtree('out', ignore_errors=True)\nos.makedirs('out', exist_ok=True)"
    shell = shells()
    shell.cell(cell)
    Path("out/old").write_text("x")
    shell = shells()
    shell.cell(cell)
    assert list(Path("out").iterdir()) == []


def test_the_counts_of_a_memo_are_asked_each_time(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb\n@incnb.memo\ndef f(x):\n    return x + 1\n_ = f(1)")
    for _ in range(2):
        assert shell.cell("r = f.info()") == "executed"


def test_a_very_long_integer_is_no_fault(shells: Shells) -> None:
    shell = shells()
    shell.plain("import math\nx = math.factorial(2000)\nxs = [x]")
    for _ in range(2):
        assert shell.cell("y = x + 1") in ("executed", "reused")
        assert shell.cell("z = xs[0]") in ("executed", "reused")
        assert shell.cell("n = len(xs)") in ("executed", "reused")
    assert shell.cell("y = x + 1") == "reused" and shell.cell("n = len(xs)") == "reused"


@pytest.mark.parametrize(
    "seeding", ["random.seed(5)", "__import__('random').seed(5)", "seed_it()", "np.random.seed(5)", "helper.seed_all()"]
)
def test_items_that_seed_what_stands_at_that_seed_seed_elsewhere_too(shells: Shells, seeding: str) -> None:
    Path("helper.py").write_text("import random\ndef seed_all():\n    random.seed(5)\n")
    setup = "import random, helper\nimport numpy as np\ndef seed_it():\n    random.seed(5)"
    cell = f"o = []\nfor i in {{}}:\n    {seeding}\n    o.append(i)"
    shell = shells()
    shell.plain(f"{setup}\nrandom.seed(5)\nnp.random.seed(5)")
    shell.cell(cell.format("[1, 2, 3]"))
    shell = shells()
    shell.plain(f"{setup}\nrandom.seed(99)\nnp.random.seed(99)")
    shell.cell(cell.format("[1, 2]"))
    drawn = shell.plain("random.random(), float(np.random.rand())")
    plain = shells()
    plain.plain(f"{setup}\nrandom.seed(99)\nnp.random.seed(99)\n{cell.format('[1, 2]')}")
    assert drawn == plain.plain("random.random(), float(np.random.rand())")


@pytest.mark.parametrize(
    "setting",
    [
        "os.environ['MINE_SAME'] = 'a'",
        "os.environ.update(MINE_SAME='a')",
        "os.environ.setdefault('MINE_SAME', 'a')",
        "os.putenv('MINE_SAME', 'a'); os.environ['MINE_SAME'] = 'a'",
        "setting()",
    ],
)
def test_a_variable_that_is_set_to_what_it_is_already_is_set_elsewhere_too(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    define = "import os\ndef setting(): os.environ['MINE_SAME'] = 'a'"
    monkeypatch.setenv("MINE_SAME", "a")
    shell = shells()
    shell.plain(define)
    shell.cell(f"{setting}\nr = 1")
    for other in ("b", None):
        monkeypatch.setenv("MINE_SAME", "b") if other else monkeypatch.delenv("MINE_SAME")
        shell = shells()
        shell.plain(define)
        for _ in range(2):
            shell.cell(f"{setting}\nr = 1")
        expected = "b" if other and "setdefault" in setting else "a"
        assert shell.plain("os.environ.get('MINE_SAME')") == expected
        monkeypatch.setenv("MINE_SAME", "a")
