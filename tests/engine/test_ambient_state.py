"""Ambient state is an input and an output: whole notebooks give the same plain, recorded and reused, in every kernel."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incnb.engine import states
from incnb.outputs import ambient

Shells = Callable[[], Any]


class Process:
    """The state that a new kernel would have: what the tests began with, and generators that nobody seeded."""

    def __init__(self) -> None:
        import matplotlib as mpl
        import numpy  # noqa: F401  loaded, so that their state can be put back
        import pandas  # noqa: F401
        import sklearn  # noqa: F401

        mpl.rcdefaults()
        self.states = states.read()
        self.environ = dict(os.environ)
        self.handlers = list(logging.root.handlers)

    def renew(self) -> None:
        import numpy as np

        for name in [name for name in os.environ if name not in self.environ]:
            del os.environ[name]
        os.environ.update(self.environ)
        logging.root.handlers[:] = self.handlers
        ambient.apply(states.difference(states.read(), self.states))
        random.seed()
        np.random.seed()


@pytest.fixture
def process() -> Iterator[Process]:
    now = Process()
    yield now
    now.renew()


def run(shell: Any, cells: list[str], *, tracked: bool) -> tuple[str, list[str]]:
    before = len(shell.decisions())
    if tracked:
        shell.plain("%incremental on")
    for cell in cells:
        shell.plain(cell)
    if tracked:
        shell.plain("%incremental off")
    return repr(shell["r"]), [d["status"] for d in shell.decisions()[before:]]


SEED = "def set_seed(s):\n    random.seed(s)\n    np.random.seed(s)"
IMPORTS = "import random\nimport numpy as np\nimport pandas as pd"

#: Cells; every one of them is reused in a second kernel.
NOTEBOOKS: dict[str, list[str]] = {
    "seed and use in one cell": ["import numpy as np\nnp.random.seed(42)\nx = np.random.rand(5)", "r = x.tolist()"],
    "seed, then draw in later cells": [IMPORTS, "np.random.seed(3)", "a = np.random.rand()", "b = np.random.rand()", "r = a, b"],
    "Python's generator": ["import random\nrandom.seed(0)", "a = random.random()", "b = random.gauss(0, 1)", "r = a, b, random.gauss(0, 1)"],
    "a seed from a variable": [IMPORTS, "SEED = 7", "random.seed(SEED)\nnp.random.seed(SEED)\nr = random.random(), np.random.rand()"],
    "a seed bound in the same cell": ["import random\nSEED = 11\nrandom.seed(SEED)\nr = random.random()"],
    "a helper that seeds": [IMPORTS, SEED, "set_seed(42)", "a = random.random(), np.random.rand()", "r = a, random.random(), np.random.rand()"],
    "a helper that seeds in the cell that defines it": [f"{IMPORTS}\n{SEED}\nset_seed(42)\nx = np.random.rand()", "r = x, random.random()"],
    "a helper with a default": ["import random, os\ndef fix(seed=123):\n    random.seed(seed)\nfix()\na = random.random()", "r = a"],
    "a string seed": ["import random\nrandom.seed('abc')\nr = random.random()"],
    "an array seed": ["import numpy as np\nnp.random.seed([1, 2, 3])\na = np.random.rand()", "r = a"],
    "a state that is put back": ["import random\nrandom.seed(1)", "s = random.getstate()", "a = random.random()", "random.setstate(s)\nb = random.random()", "r = a == b, a"],
    "a split and a sample": [IMPORTS, "np.random.seed(0)", "from sklearn.model_selection import train_test_split\ntr, te = train_test_split(list(range(20)))", "d = pd.DataFrame({'a': range(9)}).sample(4)", "r = tr, te, d.a.tolist(), np.random.rand()"],
    "a generator object": ["import numpy as np, random\nrng = np.random.default_rng(7)\nrs = np.random.RandomState(7)\np = random.Random(7)\nalias = rng", "a = rng.random(), rs.rand(), p.random()", "b = alias.random(), rs.rand(), p.random()", "r = a, b"],
    "pandas options": ["import pandas as pd", "pd.set_option('display.precision', 2)", "s = pd.Series([1.23456])", "r = repr(s), pd.get_option('display.precision')"],
    "an option that is assigned": ["import pandas as pd", "pd.options.display.width = 77\nr = 1", "r = pd.get_option('display.width')"],
    "an option from a variable of the cell": ["import pandas as pd", "n = 7\npd.set_option('display.max_rows', n)", "r = pd.get_option('display.max_rows')"],
    "an option that is reset": ["import pandas as pd\npd.set_option('display.precision', 2)", "pd.reset_option('display.precision')", "r = pd.get_option('display.precision')"],
    "a format that is a function": ["import pandas as pd\npd.options.display.float_format = '{:.1f}'.format", "r = repr(pd.Series([1.234]))"],
    "a format that is a lambda": ["import pandas as pd\nk = 1\npd.options.display.float_format = lambda v: f'<{v:.1f}>'", "r = repr(pd.Series([1.234]))"],
    "numpy's print options": ["import numpy as np\nnp.set_printoptions(precision=3)", "a = np.array([1.23456789])", "r = repr(a)"],
    "numpy's error state": ["import numpy as np\nold = np.seterr(all='ignore')", "r = np.geterr(), old"],
    "rcParams": ["import matplotlib as mpl\nmpl.use('Agg')\nimport matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = (3, 2)", "plt.style.use('ggplot')", "plt.rcParams.update({'font.size': 7})", "r = list(mpl.rcParams['figure.figsize']), mpl.rcParams['axes.facecolor'], mpl.rcParams['font.size'], repr(mpl.rcParams['axes.prop_cycle'])"],
    "the decimal context": ["import decimal\ndecimal.getcontext().prec = 5", "r = str(decimal.Decimal(1) / decimal.Decimal(3))"],
    "the root logger": ["import logging\nlogging.getLogger().setLevel(logging.DEBUG)", "r = logging.getLogger().level"],
    "logging set up": ["import logging\nlogging.basicConfig(level='INFO')", "r = logging.root.level, len(logging.root.handlers)"],
    "a logger of a library": ["import logging\nlogging.getLogger('matplotlib').setLevel(logging.ERROR)", "r = logging.getLogger('matplotlib').level"],
    "a warnings filter": ["import warnings\nwarnings.filterwarnings('ignore')", "r = [f[0] for f in warnings.filters][:1]"],
    "a warnings filter in a branch": ["import warnings\nif True:\n    warnings.simplefilter('ignore')", "r = warnings.filters[0][0]"],
    "sklearn's config": ["import sklearn\nsklearn.set_config(assume_finite=True)", "r = sklearn.get_config()['assume_finite']"],
    "tqdm for pandas": ["import pandas as pd\nfrom tqdm.auto import tqdm\ntqdm.pandas()", "r = hasattr(pd.Series, 'progress_apply')"],
    "a variable of the environment": ["import os\nos.environ['MINE_A'] = '1'\nos.environ['MINE_B'] = 'x' * 2", "import sys\nr = [k for k in sys.modules['os'].environ if k.startswith('MINE_')]"],
    "a variable before an import": ["import os\nos.environ['MINE_MODE'] = 'fast'\nimport modes", "r = modes.MODE"],
    "sys.path before an import": ["import sys\nsys.path.insert(0, 'there')\nimport hidden_away", "r = hidden_away.X"],
    "an option before an import": ["import decimal\ndecimal.getcontext().prec = 5\nimport precise", "r = precise.P"],
    "changing the folder": ["import os\nos.chdir('there')", "import subprocess\nr = 1"],
    "cd": ["%cd there\nx = 1", "r = x"],
    "env": ["%env MINE_A=1\nx = 1", "r = x"],
    "a cell that sets everything up": ["import random\nimport numpy as np\nimport pandas as pd\nimport warnings, decimal\nwarnings.filterwarnings('ignore')\nnp.set_printoptions(precision=3)\npd.set_option('display.max_rows', 10)\nrandom.seed(1)\ndef f():\n    return 1\npd.set_option('display.precision', 3)\nimport json\ndecimal.getcontext().prec = 5\nprint('ready')\nnp.random.seed(2)\nnp.set_printoptions(suppress=True)\nf()", "a = random.random(), np.random.rand()", "r = a, repr(np.array([1.23456])), pd.get_option('display.max_rows'), pd.get_option('display.precision')"],
    "a helper that sets everything up": [f"{IMPORTS}\nimport os\ndef setup(n, s=4):\n    pd.set_option('display.precision', n)\n    pd.options.display.width = 70 + n\n    os.environ['MINE_H'] = 'h'\n    random.seed(s)\n    np.random.seed(s)\nsetup(2)", "setup(3)", "r = repr(pd.Series([1.23456])), np.random.rand(), random.random()"],
    "a decorator that sets something up before an import": ["import os\ndef deco(f):\n    os.environ['MINE_MODE'] = 'slow'\n    return f", "import json\n@deco\ndef f(): pass\nimport modes", "r = modes.MODE"],
    "an import that may fail": ["try:\n    import numpy as np\nexcept ImportError:\n    np = None\nx = int(np.arange(3).sum())", "r = x"],
    "definitions in between": ["import random\nx = 1\ndef f():\n    return x\ny = 2\nclass A:\n    pass\nrandom.seed(4)\ndef g():\n    return random.random()\nr = g(), f(), y"],
    "the locale": ["import locale\nlocale.setlocale(locale.LC_ALL, 'C')", "r = locale.setlocale(locale.LC_ALL)"],
    "the time zone": ["import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()", "r = time.tzname"],
    "an await between": ["import asyncio, random\nrandom.seed(5)\nawait asyncio.sleep(0)\na = random.random()", "r = a"],
}  # fmt: skip
#: Cells of which some may execute again.
EXECUTED = {
    "a decorator that sets something up before an import": 1,
    "a variable before an import": 1,
    "sys.path before an import": 1,
    "a format that is a lambda": 1,
    "a variable of the environment": 1,
}


def why(shell: Any, number: int) -> list[list[str]]:
    reasons = [d["reasons"] for d in shell.decisions()[-number:]]
    return [[f"{r['code']} {r['locator']} {r['detail']}" for r in of] for of in reasons]


def look() -> Any:
    return Path.cwd(), {k: v for k, v in os.environ.items() if k.startswith(("MINE", "TZ"))}, list(sys.path)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_that_moves_ambient_state(shells: Shells, name: str, process: Process) -> None:
    Path("there").mkdir()
    Path("modes.py").write_text("import os\nMODE = os.environ.get('MINE_MODE')\n")
    Path("precise.py").write_text("import decimal\nP = decimal.getcontext().prec\n")
    Path("there/hidden_away.py").write_text("X = 5\n")
    cells = NOTEBOOKS[name]
    shells()  # a shell brings a filter of its own
    process.states["warning filters"] = states.read()["warning filters"]
    process.states["working directory"] = states.read()["working directory"]
    process.states["sys.path"] = states.read()["sys.path"]
    process.renew()
    truth, _ = run(shells(), cells, tracked=False)
    after = look(), states.read()
    for turn in range(3):
        process.renew()
        with contextlib.suppress(KeyError):
            del sys.modules["hidden_away"]
        shell = shells()
        process.renew()
        got, statuses = run(shell, cells, tracked=True)
        assert got == truth, (turn, statuses)
        now = look(), states.read()
        assert now[0] == after[0]
        for locator in after[1]:
            if locator in ("state of Python's global random generator", "state of numpy's global random generator"):
                seeded = "seed" in "".join(cells)
                if not seeded or locator.split("'")[0].rpartition(" ")[2] not in _seeded(cells):
                    continue
            if locator == "how IPython displays things":
                continue  # a number of each shell
            assert states.same(now[1], after[1], locator), (locator, turn, statuses)
        if turn:
            many = statuses.count("executed") + statuses.count("blocked")
            assert many <= EXECUTED.get(name, 0), why(shell, len(cells))


def _seeded(cells: list[str]) -> set[str]:
    text = "\n".join(cells)
    found = {"Python"} if "random.seed(" in text.replace("np.random.seed(", "") else set()
    return found | ({"numpy"} if "np.random.seed(" in text else set())
