"""Ambient state in real kernels: libraries are loaded by the cells themselves, and nothing was seeded before."""

from __future__ import annotations

from typing import Any

from notebooks import Notebook, Session

CELLS = [
    "try:\n    import numpy as np\nexcept ImportError:\n    np = None\nN = 5\nfirst = [int(n) for n in np.arange(N)]\nfirst",
    "import random, logging, warnings\nimport numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\n%matplotlib inline\n"
    "warnings.filterwarnings('ignore')\nnp.set_printoptions(precision=3)\npd.set_option('display.max_rows', 10)\n"
    "plt.style.use('ggplot')\nplt.rcParams['figure.figsize'] = (4, 3)\nlogging.basicConfig(level='INFO')",
    "def set_seed(s):\n    random.seed(s)\n    np.random.seed(s)\nset_seed(42)",
    "X = np.random.rand(30, 3)\nX[:2]",
    "plt.plot(X[:, 0]);",
    "df = pd.DataFrame(X).sample(12)\ndf",
    "%env MINE_A=1\nimport decimal\ndecimal.getcontext().prec = 4\nrandom.random()",
    "from tqdm.auto import tqdm\ntqdm.pandas()",
    "random.random(), np.random.rand(), np.array([1.23456789]), decimal.Decimal(1) / 3, hasattr(df, 'progress_apply')",
]


def shown(session: Session, cell: str) -> list[Any]:
    messages = session.run(cell).messages
    kept = [(kind, content) for kind, content in messages if kind in ("stream", "display_data", "execute_result")]
    return [(kind, content.get("data") or content.get("text")) for kind, content in kept]


def test_three_kernels_show_the_same_and_the_last_reuses_everything(notebook: Notebook) -> None:
    found = []
    for tracked in (False, True, True):
        with notebook.kernel() as session:
            if tracked:
                session.run("%incremental on")
            found.append([shown(session, cell) for cell in CELLS])
            if tracked:
                session.run("%incremental off")
            found[-1].append(
                shown(session, "random.random(), np.random.rand(), logging.root.level, logging.root.handlers")
            )
    decisions = notebook.decisions()[len(CELLS) :]
    assert [d["status"] for d in decisions] == ["reused"] * len(CELLS), [d["reasons"] for d in decisions]
    for plain, cold, warm in zip(*found, strict=True):
        assert plain == cold == warm


LATE = """def lazy(n):
    import numpy as np
    return int(np.arange(n).sum())
def draws(n):
    import numpy as np
    return np.random.rand(n).sum()
def chooses(n):
    import numpy as np
    from numpy.random import set_bit_generator
    set_bit_generator(np.random.MT19937(2**100 + n))"""


def test_a_function_that_loads_numpy_draws_nothing_by_that(notebook: Notebook) -> None:
    for call, again in (("x = lazy(5)", "reused"), ("x = draws(5)", "executed"), ("chooses(5)", "executed")):
        for wanted in ("executed", again):
            with notebook.kernel() as session:
                session.run(LATE)
                assert session.status(f"%%incremental\n{call}") == wanted, session.decision
