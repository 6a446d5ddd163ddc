"""A notebook that knows nothing of incnb, executed with every cell tracked."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import NotebookNode, v4, write

from incnb.batch.orders import Orders
from incnb.batch.run import Outcome, execute

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def notebook(path: Path, *texts: str) -> Path:
    cells = [v4.new_code_cell(text, id=f"cell-{place}") for place, text in enumerate(texts)]
    write(v4.new_notebook(cells=cells), path)
    return path


def statuses(outcome: Outcome) -> dict[str, str]:
    return {one["cell"]["id"]: one["status"] for one in outcome.decisions}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_a_notebook_without_an_edit_is_reused_and_shows_nothing_of_ours(tmp_path: Path, store: Path) -> None:
    source = notebook(tmp_path / "nb.ipynb", "x = [1, 2]\nprint('hi')", "y = sum(x)\ny")
    told: list[str] = []
    orders = Orders(notebook=str(source))
    first = execute(source, tmp_path / "first.ipynb", orders)
    again = execute(source, tmp_path / "again.ipynb", orders, lambda one: told.append(one["status"]))
    assert statuses(first) == {"cell-0": "executed", "cell-1": "executed"}
    assert statuses(again) == {"cell-0": "reused", "cell-1": "reused"} and told == ["reused", "reused"]
    assert again.decisions[0]["notebook"] == str(source)
    assert seen(tmp_path / "first.ipynb") == seen(tmp_path / "again.ipynb")
    assert "incnb" not in (tmp_path / "again.ipynb").read_text()


def test_what_the_notebook_says_of_incnb_stands_below_the_run(tmp_path: Path, store: Path) -> None:
    source = notebook(tmp_path / "nb.ipynb", "%load_ext incnb\n%incremental off", "x = 1")
    assert statuses(execute(source, None, Orders())) == {"cell-1": "executed"}
    assert statuses(execute(source, None, Orders())) == {"cell-1": "reused"}
    assert statuses(execute(source, None, Orders(options="--force"))) == {"cell-1": "executed"}


def seen(path: Path) -> list[NotebookNode]:
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        cell.metadata.pop("execution", None)
    return list(cells)
