"""Figures in real kernels: the first one makes IPython show figures as images, whether its cell executes or is reused."""

from __future__ import annotations

from typing import Any

import pytest
from notebooks import Notebook, Session

pytestmark = pytest.mark.kernel

FIRST = ["import matplotlib.pyplot as plt", "fig, ax = plt.subplots(figsize=(2, 2))\nax.plot([1, 2])\nplt.close()"]
LAST = {
    "fig": "ax.set_title('x'); fig",
    "display": "ax.set_title('x')\ndisplay(fig)",
    "show": "plt.plot([1, 2])\nplt.show()",
    "settings": "sorted((k, repr(v)) for k, v in plt.rcParams.items() if k != 'backend_fallback')",
    "formatters": "[k for k, f in get_ipython().display_formatter.formatters.items() if type(fig) in f.type_printers]",
    "hooks": "[f.__name__ for f in get_ipython().events.callbacks['post_execute']]",
}


def shown(session: Session, cells: list[str]) -> list[Any]:
    found = []
    for cell in cells:
        messages = session.run(cell).messages
        kept = [content.get("data") or content.get("text") for kind, content in messages if kind != "execute_input"]
        found.append([sorted(one) if isinstance(one, dict) and "image/png" in one else one for one in kept])
    return found


@pytest.mark.parametrize("magic", ["", "%matplotlib inline", "%matplotlib agg"])
def test_figures_of_reused_cells_are_shown_as_after_executing(notebook: Notebook, magic: str) -> None:
    cells = [*FIRST, *LAST.values()]
    cells[0] += f"\n{magic}"
    with notebook.kernel() as session:
        plain = shown(session, cells)
    with notebook.kernel() as session:
        session.run("%incremental on")
        assert shown(session, cells) == plain
    with notebook.kernel() as session:
        session.run("%incremental on")
        found = shown(session, cells[:2])
        assert {d["status"] for d in notebook.decisions()[-2:]} == {"reused"}
        session.run("%incremental off")
        assert found + shown(session, cells[2:]) == plain


def test_a_large_figure_that_waits_to_be_loaded_is_shown_as_an_image(notebook: Notebook) -> None:
    large = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot(range(200_000))\nplt.close()"
    for last in ("fig", "fig", "ax.set_title('x'); fig"):
        with notebook.kernel() as session:
            session.run("%incremental on")
            session.run(large)
            result = session.run(last).result
            assert result is not None and "image/png" in result


def test_another_backend_executes_the_cell_that_draws(notebook: Notebook) -> None:
    for backend in ("module://matplotlib_inline.backend_inline", "svg"):
        with notebook.kernel(MPLBACKEND=backend) as session:
            session.run("%incremental on")
            session.run(FIRST[0])
            session.run(FIRST[1])
            assert session.decision["status"] == "executed"
            session.run("%incremental off")
            assert session.run("plt.get_backend()").result == {"text/plain": repr(backend)}


HELPER = """from IPython.core.interactiveshell import InteractiveShell
from matplotlib_inline.backend_inline import set_matplotlib_formats as formats
def shows(cls):
    InteractiveShell.instance().display_formatter.formatters['text/plain'].for_type(cls, lambda c, p, _: p.text('mine'))
"""


@pytest.mark.parametrize("call", ["shows(C)", "formats('svg')", "plt.switch_backend('agg')"])
def test_a_cell_that_changes_how_things_are_displayed_is_not_saved(notebook: Notebook, call: str) -> None:
    notebook.write("helper.py", HELPER)
    with notebook.kernel() as session:
        session.run("%incremental on")
        session.run("from helper import shows, formats\nimport matplotlib.pyplot as plt\nclass C: pass")
        session.run("x = plt.subplots()[0].number\nplt.close()")
        assert "not-saved" not in str(session.decision)
        session.run(f"def go():\n    {call}\ny = [go()]")
        assert "not-saved" in str(session.decision), session.decision


def test_formats_that_were_set_where_the_first_figure_is_made_execute_the_cell(notebook: Notebook) -> None:
    notebook.write("helper.py", HELPER)
    cell = "import matplotlib.pyplot as plt\nfrom helper import formats\nfig, ax = plt.subplots()\nplt.close()\n"
    found = []
    for tracked in (False, True, True):
        with notebook.kernel() as session:
            if tracked:
                session.run("%incremental on")
            session.run(cell + "x = [formats('svg')]")
            session.run("%incremental off")
            result = session.run("fig").result
            found.append((result is not None and sorted(result), session.run("plt.isinteractive()").result))
    assert found == [(["image/svg+xml", "text/plain"], {"text/plain": "True"})] * 3
