"""What a reused cell leaves behind is what executing would have left: values, sharing, in-place changes, lazily."""

from __future__ import annotations

import pytest
from notebooks import Notebook

pytestmark = pytest.mark.kernel

MARK = "%%incremental\n"
BIG = "import numpy as np\n"
MAKE = MARK + "big = np.arange(1_000_000, dtype=float)\nother = np.ones(400_000)\nname = 'small'"
PENDING = "sorted(__import__('incnb.notebook.extension', fromlist=['x'])._loaded.popitem()[1].session.pending.groups)"


def pending_names(nb: object) -> str:
    """Which names are pending, asked without mentioning any of them."""
    code = (
        "import incnb.notebook.extension as _e\n"
        "print('pending', sorted(next(iter(_e._loaded.values())).session.pending.groups))"
    )
    return nb.run(code).stdout  # type: ignore[attr-defined]


WAYS = {
    "a cell that mentions it": ("print(big.sum())", "499999500000.0"),
    "a string token": ("print(eval('big.sum()'))", "499999500000.0"),
    "the main module": ("import __main__\nprint(__main__.big.sum())", "499999500000.0"),
    "getattr on the main module": (
        "import sys\nm = sys.modules['__ma' + 'in__']\nprint(getattr(m, 'b' + 'ig').sum())",
        "499999500000.0",
    ),
    "user_ns": ("print(get_ipython().user_ns['big'].sum())", "499999500000.0"),
    "in globals": ("print('big' in globals())", "True"),
    "computed name in globals": ("print(globals()['b' + 'ig'].sum())", "499999500000.0"),
    "del": ("del big\nprint('big' in globals())", "False"),
    "who": ("%who", "big"),
    "whos": ("%whos", "big"),
    "a shell line": ("x = !echo $name\nprint(x[0])", "small"),
    "a function of the session": ("print(use())", "499999500000.0"),
    "a class of the session": ("print(User().use())", "499999500000.0"),
    "a callback": ("print(list(map(later, [1]))[0])", "499999500000.0"),
    "a helper by cloudpickle": (
        "import cloudpickle, pickle\nprint(pickle.loads(cloudpickle.dumps(use))())",
        "499999500000.0",
    ),
    "a thread": (
        "import threading\nt = threading.Thread(target=lambda: print(use()))\nt.start(); t.join()",
        "499999500000.0",
    ),
    "a stored lambda in a dict": ("print(table['f']())", "499999500000.0"),
    "a frame reader": ("import pandas as pd\nprint(pd.eval('bi' + 'g').sum())", "499999500000.0"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    notebook = Notebook(tmp_path_factory.mktemp("lazy"))
    with notebook.kernel() as nb:
        nb.run(BIG)
        assert nb.status(MAKE) == "executed", nb.decision
    return notebook


SESSION = """
import numpy as np
def use():
    return big.sum()
class User:
    def use(self):
        return big.sum()
later = lambda _: big.sum()
table = {'f': lambda: big.sum()}
"""


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_needing_a_pending_name_brings_it_in(filled: Notebook, way: str) -> None:
    code, expected = WAYS[way]
    with filled.kernel() as nb:
        nb.run(SESSION)
        assert nb.status(MAKE) == "reused"
        if hasattr(__import__("sys"), "monitoring"):
            pass
        run = nb.run(code)
        assert expected in run.stdout, run


def test_a_reused_notebook_loads_nothing_large(filled: Notebook) -> None:
    with filled.kernel() as nb:
        nb.run(BIG)
        assert nb.status(MAKE) == "reused"
        assert nb.status(MARK + "total = 1") in ("executed", "reused")
        follow = MARK + "total = float(big.sum())"
        first = nb.status(follow)
    with filled.kernel() as nb:
        nb.run(BIG)
        assert nb.status(MAKE) == "reused"
        assert nb.status(follow) == "reused", (first, nb.decision)
        seen = nb.kernel.run("", user_expressions={}, silent=True)
        assert seen.error is None
        code = "import gc as g\nprint(sum(a.nbytes for a in g.get_objects() if type(a).__name__ == 'ndarray') < 1e6)"
        assert nb.run("total", user_expressions={"t": "total"}).expressions == {"t": "499999500000.0"}, code


def test_user_expressions_completion_and_inspection_see_pending_names(filled: Notebook) -> None:
    with filled.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
        assert nb.run("", user_expressions={"n": "big.shape"}).expressions == {"n": "(1000000,)"}
    with filled.kernel() as nb:
        nb.run(BIG)
        run = nb.run(MAKE, user_expressions={"n": "big.shape"})
        assert run.expressions == {"n": "(1000000,)"}
    with filled.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
        assert nb.kernel.inspect("big", 3)["found"]
    with filled.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
        assert "big" in nb.kernel.complete("bi", 2)["matches"]
    with filled.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
        assert "sum" in " ".join(nb.kernel.complete("big.su", 6)["matches"])


def test_a_silent_request_sees_pending_names(filled: Notebook) -> None:
    with filled.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
        run = nb.run("print(big.shape)", silent=True)
        assert "(1000000,)" in run.stdout


def test_a_restored_big_array_is_writable_and_the_store_is_not_changed(filled: Notebook) -> None:
    for _ in range(2):
        with filled.kernel() as nb:
            nb.run(BIG)
            assert nb.status(MAKE) == "reused"
            assert (
                nb.run("print(big[:3])\nbig[:] = -1\nother.sort()\nprint(big[:3])").stdout
                == "[0. 1. 2.]\n[-1. -1. -1.]\n"
            )


def test_a_lost_blob_is_a_miss_before_and_one_clear_line_after(notebook: Notebook) -> None:
    import shutil

    with notebook.kernel() as nb:
        nb.run(BIG)
        nb.run(MAKE)
    with notebook.kernel() as nb:
        nb.run(BIG)
        assert nb.status(MAKE) == "reused"
        shutil.rmtree(notebook.folder / "store" / "blobs")
        run = nb.run("print(big)", allow_error=True)
        assert run.error is not None and "run the cell" in run.error[1] + run.error[2] and "print" not in run.stdout
        assert nb.status(MAKE) == "executed"
        assert nb.reason.startswith("unrestorable")
        assert nb.run("print(big[1])").stdout == "1.0\n"


def test_aliases_between_names_and_with_an_input_survive_a_restart(notebook: Notebook) -> None:
    cells = [
        "given = {'rows': [1, 2], 'more': {'deep': []}}",
        MARK + "a = [1, 2]\nb = a\nc = {'inner': a}\nd = given['rows']\ne = given\nf = [given['more']['deep']]",
    ]
    check = "print(a is b, c['inner'] is a, d is given['rows'], e is given, f[0] is given['more']['deep'])"
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run(cells[0])
            assert nb.status(cells[1]) == expected, nb.decision
            assert nb.run(check).stdout == "True True True True True\n"


def test_views_and_their_bases_share_memory_after_a_restart(notebook: Notebook) -> None:
    cells = [
        "import numpy as np\nbase = np.zeros(10)",
        MARK + "x = np.arange(10)\ny = x[2:5]\nz = base[3:]",
    ]
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run(cells[0])
            assert nb.status(cells[1]) == expected, nb.decision
            assert nb.run("y[0] = 99\nz[0] = 7\nprint(x[2], base[3])").stdout == "99 7.0\n"


def test_in_place_changes_reach_everybody_who_holds_the_object(notebook: Notebook) -> None:
    cells = [
        "import numpy as np, pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
        "items = [1]\nalias = items\ntable = pd.DataFrame({'a': [1.0, 2.0, 3.0]})\nsame = table\nmodel = LinearRegression()\n"
        "held = {'m': model}\nrng = np.random.default_rng(3)\narr = np.zeros(3)\nclass Box: pass\nbox = Box(); also = box",
        MARK + "items.append(2)\ntable['b'] = table['a'] * 2\nmodel.fit(table[['a']], table['b'])\n"
        "draw = float(rng.random())\narr += 1\nbox.value = items\n",
    ]
    check = (
        "print(alias, alias is items, list(same.columns), same is table, round(held['m'].coef_[0], 6), arr.tolist(), "
        "also.value is items, round(float(rng.random()), 6))"
    )
    seen = []
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run(cells[0])
            assert nb.status(cells[1]) == expected, nb.decision
            seen.append(nb.run(check).stdout)
    assert seen[0] == seen[1] and "[1, 2] True ['a', 'b'] True 2.0 [1.0, 1.0, 1.0] True" in seen[0]


def test_a_later_mutation_does_not_poison_what_is_saved(notebook: Notebook) -> None:
    cell = MARK + "values = [1, 2, 3]\nimport numpy as np\nbig = np.zeros(300_000)"
    with notebook.kernel() as nb:
        nb.run(cell)
        nb.run("values.append(4)\nbig[0] = 5")
        assert nb.status(cell) == "reused"
        assert nb.run("print(values, big[0])").stdout == "[1, 2, 3] 0.0\n"


def test_deleted_names_are_deleted_again(notebook: Notebook) -> None:
    cells = ["temporary = 1", MARK + "result = temporary + 1\ndel temporary"]
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run(cells[0])
            assert nb.status(cells[1]) == expected, nb.decision
            assert nb.run("print('temporary' in globals(), result)").stdout == "False 2\n"


def test_definitions_live_in_the_live_namespace(notebook: Notebook) -> None:
    cell = MARK + (
        "import dataclasses\nfactor = 2\ndef scale(x):\n    return factor * x\ntwice = lambda x: factor * x\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int = 0\n    def double(self):\n        return Point(scale(self.x))\n"
        "p = Point(4)\npoints = [p, Point(5)]"
    )
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            assert nb.status(cell) == expected, nb.decision
            nb.run("factor = 10")
            out = nb.run(
                "print(scale(1), twice(1), p.double(), points[0] is p, isinstance(points[1], Point), scale.__globals__ is globals())"
            )
            assert out.stdout == "10 10 Point(x=40) True True True\n"


def test_figures_are_shown_again_and_do_not_come_back_later(notebook: Notebook) -> None:
    cells = [
        "%matplotlib inline\nimport matplotlib.pyplot as plt",
        MARK + "fig, ax = plt.subplots()\nax.plot([1, 3, 2])\nax.set_title('once');",
    ]
    shown = []
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            nb.run(cells[0])
            run = nb.run(cells[1])
            assert nb.decision["status"] == expected, nb.decision
            shown.append(run.shown)
            assert len(run.displays) == 1 and "image/png" in run.displays[0]
            assert nb.run("1 + 1").displays == []
            assert nb.run("ax.get_title(), plt.get_fignums()").result == {"text/plain": "('once', [])"}
    assert shown[0] == shown[1]


def test_what_cannot_be_saved_is_named_with_its_path_and_runs_again(notebook: Notebook) -> None:
    cell = MARK + "import threading\nbag = {'ok': 1, 'parts': [0, {'gen': (i for i in range(3))}]}"
    for _ in range(2):
        with notebook.kernel() as nb:
            assert nb.status(cell) == "executed"
            text = str(nb.decision["reasons"])
            assert "not-saved" in text
    cell = MARK + "bag = {'ok': 1, 'parts': [0, {'gen': (i for i in range(3))}]}"
    with notebook.kernel() as nb:
        assert nb.status(cell) == "executed"
        assert "bag['parts'][1]['gen']" in str(nb.decision["reasons"]), nb.decision
