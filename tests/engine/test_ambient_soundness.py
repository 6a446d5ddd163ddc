"""Where ambient state could make a reuse stale, or leak, the cell executes."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from test_ambient_state import IMPORTS, SEED, Process, Shells, process

__all__ = ["process"]


def again(shells: Shells, process: Process, before: list[str], cell: str, after: list[str]) -> tuple[Any, str]:
    """The status of a cell after a restart in which other cells ran before it."""
    process.renew()
    first = shells()
    for code in before:
        first.plain(code)
    first.cell(cell)
    process.renew()
    second = shells()
    for code in after:
        second.plain(code)
    return second, second.cell(cell)


UNSEEDED = {
    "Python's generator": ("import random", "r = random.random()", "Python's"),
    "numpy's generator": (IMPORTS, "r = np.random.rand()", "numpy's"),
    "a sample": (IMPORTS, "r = pd.DataFrame({'a': range(9)}).sample(2)", "numpy's"),
    "a split": ("from sklearn.model_selection import train_test_split", "r = train_test_split([1, 2, 3, 4])", "numpy's"),
    "drawn before it is seeded": (IMPORTS, "r = np.random.rand()\nnp.random.seed(0)", "numpy's"),
    "drawn by the helper that seeds": (f"{IMPORTS}\ndef f(s):\n    print(np.random.rand())\n    np.random.seed(s)", "f(0)\nr = 1", "numpy's"),
    "drawn by a helper of the helper": (f"{IMPORTS}\nL = []\ndef g():\n    L.append(1 if np.random.rand() < 0.5 else 2)\ndef f(s):\n    g()\n    np.random.seed(s)", "f(0)\nr = 1", "numpy's"),
    "the other generator is seeded": (IMPORTS, "random.seed(0)\nr = np.random.rand()", "numpy's"),
    "a state that is asked for": (IMPORTS, "r = np.random.get_state()[1][0]", "numpy's"),
    "a state that is asked for before it is seeded": (IMPORTS, "s = random.getstate()\nrandom.seed(1)\nr = s[1][0]", "Python's"),
    "a helper that asks": (f"{IMPORTS}\ndef f():\n    return random.getstate()[1][0]", "random.seed(1)\nr = f()", "Python's"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSEEDED)
def test_a_generator_that_nobody_seeded_is_named_and_nothing_saved(shells: Shells, process: Process, what: str) -> None:
    before, cell, whose = UNSEEDED[what]
    shell, status = again(shells, process, [before], cell, [before])
    assert status == "executed"
    assert f"{whose} global random generator, which nobody seeded" in shell.reasons[-1], shell.reasons
    assert "seed(0)" in shell.reasons[-1]
    assert shell.decisions()[-1]["reasons"][-1]["locator"] == f"{whose} global random generator"


FRESH = {
    "seed without a number": "random.seed()\nr = random.random()",
    "seed with None": "random.seed(None)\nr = random.random()",
    "seed with None through a helper": "def f(s=None):\n    random.seed(s)\nf()\nr = random.random()",
    "numpy's seed without a number": "np.random.seed()\nr = np.random.rand()",
}


@pytest.mark.parametrize("what", FRESH)
def test_seeding_with_nothing_is_fresh_randomness(shells: Shells, process: Process, what: str) -> None:
    before = [IMPORTS, "random.seed(1)\nnp.random.seed(1)"]
    shell, status = again(shells, process, before, FRESH[what], before)
    assert status in ("executed", "blocked")
    assert any("fresh randomness" in reason or "nobody seeded" in reason for reason in shell.reasons), shell.reasons


EDITS = {
    "another seed": (["{imports}", "np.random.seed(1)"], "r = np.random.rand()", ["{imports}", "np.random.seed(2)"]),
    "another draw in between": (["{imports}", "random.seed(1)"], "r = random.random()", ["{imports}", "random.seed(1)\nrandom.random()"]),
    "another seed in a variable": (["{imports}", "S = 1"], "np.random.seed(S)\nr = np.random.rand()", ["{imports}", "S = 2"]),
    "another seed in the helper": (["{imports}\ndef f():\n    np.random.seed(1)"], "f()\nr = np.random.rand()", ["{imports}\ndef f():\n    np.random.seed(2)"]),
    "a helper that seeds only one": (["{imports}\n{seed}", "set_seed(9)"], "np.random.seed(9)\nr = random.random()", ["{imports}\n{seed}", "set_seed(8)"]),
    "a draw before the seed, from another state": (["{imports}", "np.random.seed(1)"], "x = np.random.rand()\nnp.random.seed(5)\nr = x", ["{imports}", "np.random.seed(2)"]),
    "a state that was as seeded already": (["{imports}\ndef f(s):\n    random.seed(s)", "np.random.seed(3)"], "f(3)\nr = np.random.rand()", ["{imports}\ndef f(s):\n    random.seed(s)", "np.random.seed(4)"]),
    "an option that is set before": (["{imports}", "pd.set_option('display.precision', 2)"], "r = repr(pd.Series([1.23456]))", ["{imports}", "pd.set_option('display.precision', 3)"]),
    "an option that the cell sets to what it was": (["{imports}", "pd.set_option('display.precision', 2)"], "pd.options.display.precision = 2\nr = 1", ["{imports}"]),
    "an option set by a helper": (["{imports}\ndef f(n):\n    pd.options.display.precision = n", "f(2)"], "r = repr(pd.Series([1.23456]))", ["{imports}\ndef f(n):\n    pd.options.display.precision = n", "f(3)"]),
    "numpy's error state": (["{imports}", "np.seterr(all='ignore')"], "a = np.array([1.0]) / 0\nr = a", ["{imports}", "np.seterr(all='warn')"]),
    "a broad filter of warnings by a helper": (["import warnings\ndef f(a):\n    warnings.simplefilter(a)", "f('ignore')"], "import warnings as w\nw.warn('careful')\nr = 1", ["import warnings\ndef f(a):\n    warnings.simplefilter(a)", "f('always')"]),
    "the search path that a cell changes": (["import sys"], "sys.path.append('x')\nr = 1", ["import sys\nsys.path.append('y')"]),
    "polars' options": (["import polars as pl"], "r = 1\nq = pl.__name__", ["import polars as pl\npl.Config.set_tbl_rows(3)"]),
    "the folder before it is changed": (["import os"], "os.chdir('..')\nr = 1", ["import os\nos.mkdir('deep'); os.chdir('deep')"]),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_other_state_before_the_cell_executes_it(shells: Shells, process: Process, what: str) -> None:
    before, cell, after = EDITS[what]
    cwd = Path.cwd()

    def filled(cells: list[str]) -> list[str]:
        return [c.replace("{imports}", IMPORTS).replace("{seed}", SEED) for c in cells]

    try:
        shell, status = again(shells, process, filled(before), cell, filled(after))
        assert status == "executed", shell.reasons
        got = repr(shell["r"])
        process.renew()
        os.chdir(cwd)
        plain = shells()
        for code in [*filled(after), cell] if what != "the folder before it is changed" else []:
            plain.plain(code)
            assert code != cell or repr(plain["r"]) == got
    finally:
        os.chdir(cwd)
        if "polars" in what:
            plain.plain("pl.Config.restore_defaults()")


def test_going_back_to_an_earlier_seed_is_a_hit_again(shells: Shells, process: Process) -> None:
    cell, found = "r = np.random.rand()", []
    for seed in (1, 2, 1, 2):
        process.renew()
        shell = shells()
        shell.plain(f"{IMPORTS}\nnp.random.seed({seed})")
        found.append((shell.cell(cell), shell["r"]))
    assert [status for status, _ in found] == ["executed", "executed", "reused", "reused"]
    assert found[0][1] == found[2][1] != found[1][1]


def test_a_seed_that_an_earlier_reused_cell_left_counts(shells: Shells, process: Process) -> None:
    for statuses in (["executed", "executed"], ["reused", "reused"]):
        process.renew()
        shell = shells()
        shell.plain(IMPORTS)
        assert [shell.cell("np.random.seed(4)\nx = np.random.rand()"), shell.cell("y = np.random.rand()")] == statuses
    assert shell["y"] != shell["x"]
    after = shell.plain("np.random.rand()")
    shell.plain("np.random.seed(4)\n_ = np.random.rand(2)\nz = np.random.rand()")
    assert after == shell["z"]


@pytest.mark.parametrize(
    "cell",
    [
        "import os\nos.environ['SOME_API_KEY'] = 'hushhush'\nr = 1",
        "r = 1\n%env SOME_TOKEN=hushhush",
        "import os\nos.environ.update({'DB_PASSWORD': 'hush' + 'hush'})\nr = 1",
    ],
)
def test_a_secret_is_never_written(shells: Shells, process: Process, cell: str, tmp_path: Path) -> None:
    for _ in range(2):
        process.renew()
        assert shells().cell(cell) == "executed"
    assert not any(b"hushhush" in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


REFUSED = {
    "a call that takes long": "import mylib, site_lib\nsite_lib.setup_slowly()\nr = 1",
    "a call that prints": "import site_lib\nsite_lib.setup_loudly()\nr = 1",
    "a call that opens a file": "import site_lib\nsite_lib.setup_from_file()\nr = 1",
    "a call with what the cell makes": "import site_lib\nn = [1]\nsite_lib.setup(n)\nr = 1",
    "a call with what the cell binds": "import site_lib\nn = 1\nsite_lib.setup(n)\nr = 1",
    "a last call that prints": "import site_lib\nr = 1\nsite_lib.setup_loudly()",
    "a variable set behind the back of os.environ": "import os\nos.putenv('MINE_X', '1')\nr = 1",
    "handlers of the root logger": "import logging\nif True:\n    logging.getLogger().addHandler(logging.NullHandler())\nr = 1",
}


@pytest.fixture
def site_lib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library, as far as anybody can tell."""
    import sys

    folder = tmp_path / "site-packages"
    folder.mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (folder / "site_lib.py").write_text(
        "import time\nSTATE = []\n\ndef setup(*a):\n    STATE.append(a)\n\ndef setup_slowly():\n    time.sleep(0.1)\n\n"
        f"def setup_loudly():\n    print('hello')\n\ndef setup_from_file():\n    open({str(tmp_path / 'notes.txt')!r}).close()\n"
    )
    Path("mylib.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    yield lambda: sys.modules.pop("site_lib", None)
    sys.modules.pop("site_lib", None)


@pytest.mark.parametrize("what", REFUSED)
def test_calls_that_must_not_run_again_unseen(shells: Shells, site_lib: Any, process: Process, what: str) -> None:
    for _ in range(2):
        site_lib()
        process.renew()
        shell = shells()
        assert shell.cell(REFUSED[what]) == "executed", shell.reasons
    assert any(reason.startswith(("not-saved", "effect")) for reason in shell.reasons), shell.reasons


def test_a_call_that_configures_runs_again_in_its_place(shells: Shells, site_lib: Any, process: Process) -> None:
    cell = (
        "import site_lib\nsite_lib.setup(1)\ndef f():\n    return 2\nx = f()\nsite_lib.setup(2, 'b')\nsite_lib.setup()"
    )
    for status in ("executed", "reused", "reused"):
        site_lib()
        process.renew()
        shell = shells()
        assert shell.cell(cell) == status, shell.reasons
        assert shell["site_lib"].STATE == [(1,), (2, "b"), ()] and shell["x"] == 2


def test_a_kind_of_state_that_this_version_does_not_know_executes(
    shells: Shells, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incnb.engine import states

    cell = "import pandas as pd\npd.options.display.precision = 3"
    assert shells().cell(cell) == "executed"
    process.renew()
    with monkeypatch.context() as older:
        older.delitem(states.WRITERS, "pandas options")
        shell = shells()
        assert shell.cell(cell) == "executed"
    assert "unrestorable" in shell.reason and "does not know" in shell.reasons[0]


def test_state_that_cannot_be_put_back_executes_from_where_the_cell_began(shells: Shells, process: Process) -> None:
    cell = "import os, decimal\ndecimal.getcontext().prec += 2\nos.environ['MINE_Q'] = 'x'\nimport json\nos.chdir('away')\nr = 1"
    cwd = Path.cwd()
    try:
        Path("away").mkdir()
        assert shells().cell(cell) == "executed"
        os.chdir(cwd)
        process.renew()
        Path("away").rmdir()
        shell = shells()
        shell.ip.run_cell(f"%%incremental\n{cell}")
        import decimal

        assert decimal.getcontext().prec == 30 and Path.cwd() == cwd
        Path("away").mkdir()
    finally:
        os.chdir(cwd)


def test_nobody_sees_the_check_points(shells: Shells, process: Process) -> None:
    shell = shells()
    shell.plain(IMPORTS)
    for cell in ("random.seed(1)\nr = '__incnb__' in globals()", "random.seed(1)\nr = '__incnb__' in dir()"):
        shell.cell(cell)
        assert shell["r"] is False
    shell.cell("random.seed(1)\nx = 1")
    assert "__incnb__" not in shell.ip.user_ns
    result = shell.ip.run_cell("%%incremental\nrandom.seed(1)\n1 / 0")
    assert result.error_in_exec is not None and "__incnb__" not in shell.ip.user_ns
    assert [f.lineno for f in _frames(result.error_in_exec)][-1] in (2, 3)


def _frames(error: BaseException) -> list[Any]:
    import traceback

    return list(traceback.extract_tb(error.__traceback__))


def test_below_time_a_seed_is_seen_too(shells: Shells, process: Process) -> None:
    for status in ("executed", "reused"):
        process.renew()
        shell = shells()
        shell.plain(IMPORTS)
        shell.ip.run_cell("%%incremental\n%%time\nrandom.seed(3)\nr = random.random()")
        assert shell.decisions()[-1]["status"] == status
        assert shell["r"] == random.Random(3).random()


def test_what_a_reused_cell_configured_counts_like_what_an_executed_one_did(shells: Shells, process: Process) -> None:
    cells = ["import pandas as pd\npd.set_option('display.precision', 2)\npd.set_option('display.width', 70)", "r = repr(pd.Series([1.23456]))"]  # fmt: skip
    for statuses in (["executed", "executed"], ["reused", "reused"]):
        process.renew()
        shell = shells()
        assert [shell.cell(cell) for cell in cells] == statuses, shell.reasons
    shell.plain("import pandas as pd\npd.set_option('display.precision', 4)")
    assert shell.cell(cells[1]) == "executed" and "1.2346" in shell["r"]


def test_traces_name_the_state_that_they_put_back(shells: Shells, process: Process, tmp_path: Path) -> None:
    shells().cell("import random\nrandom.seed(1)\nx = random.random()")
    traces = [json.loads(path.read_text()) for path in (tmp_path / "store" / "traces").rglob("*.json")]
    found = [entry["what"] for trace in traces for entry in trace["trace"]["outputs"]["ambient"]]
    assert found == ["state of Python's global random generator"]


TORCH = """
import random, numpy
_seed = [67280421310721]
_rng = random.Random(67280421310721)
float32, float64 = "torch.float32", "torch.float64"
_dtype = [float32]


class Tensor:
    def __init__(self, data): self.data = data
    def numpy(self): return numpy.frombuffer(self.data, "uint8")


class Generator:
    def __init__(self): self.rng = random.Random(0)
    def manual_seed(self, seed):
        self.rng.seed(seed)
        return self
    def get_state(self): return Tensor(repr(self.rng.getstate()).encode())


def manual_seed(seed):
    _seed[0] = seed
    _rng.seed(seed)


def initial_seed(): return _seed[0]
def get_rng_state(): return Tensor(repr(_rng.getstate()).encode())
def set_rng_state(state): _rng.setstate(eval(bytes(state.numpy())))
def from_numpy(array): return Tensor(array.tobytes())
def rand(): return _rng.random()
def get_default_dtype(): return _dtype[0]
def set_default_dtype(dtype): _dtype[0] = "torch." + dtype.rpartition(".")[2]
def is_grad_enabled(): return True
def are_deterministic_algorithms_enabled(): return False
"""


def test_a_generator_of_torch(
    shells: Shells, site_lib: Any, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (tmp_path / "site-packages" / "torch.py").write_text(TORCH)
    cells = [
        "import torch\ntorch.manual_seed(3)\na = torch.rand()",
        "torch.set_default_dtype(torch.float64)\nb = torch.rand()",
        "r = torch.rand(), str(torch.get_default_dtype()), a, b",
    ]
    found = []
    try:
        for _ in range(3):
            sys.modules.pop("torch", None)
            process.renew()
            shell = shells()
            found.append(([shell.cell(cell) for cell in cells], shell["r"]))
        assert found[1] == found[2] == (["reused"] * 3, found[0][1]), shell.reasons
        sys.modules.pop("torch", None)
        shell = shells()
        assert shell.cell("import torch\nr = torch.rand()") == "executed"
        assert "torch's global random generator, which nobody seeded" in shell.reasons[-1]
    finally:
        sys.modules.pop("torch", None)
