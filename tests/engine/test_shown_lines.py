"""Warnings name the file and the line that they come from, and repeat the line: comments move them."""

from __future__ import annotations

import pytest
from notebooks import Notebook

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def test_a_cell_that_shows_a_warning_is_reused_for_its_own_text_only(notebook: Notebook) -> None:
    text = "%%incremental\nimport warnings\nwarnings.warn('old')  # {}\nx = 1"
    for word, wanted in (("one", "executed"), ("one", "reused"), ("two", "executed"), ("two", "reused")):
        with notebook.kernel() as session:
            result = session.run(text.format(word))
            assert session.decision["status"] == wanted, session.decision
            if wanted == "executed" and word == "two":
                assert "names lines of it" in session.decision["reasons"][0]["detail"]
            assert f"warnings.warn('old')  # {word}" in "".join(
                str(content.get("text")) for kind, content in result.messages if kind == "stream"
            )


def test_what_shows_no_lines_is_reused_whatever_the_comments(notebook: Notebook) -> None:
    with notebook.kernel() as session:
        found = [session.status(f"%%incremental\ny = 1  # {word}") for word in ("one", "two")]
    assert found == ["executed", "reused"]


def test_a_module_whose_line_a_warning_shows_counts_with_its_comments(notebook: Notebook) -> None:
    module = "import warnings\ndef f():\n    warnings.warn('old')\n    return 1\n"
    cell = "%%incremental\nimport warner\nx = warner.f()"
    for text, wanted in ((module, "executed"), (module, "reused"), (f"# a comment\n{module}", "executed")):
        notebook.write("warner.py", text)
        with notebook.kernel() as session:
            assert session.status(cell) == wanted, session.decision
    assert "warner.py" in session.reason


def test_a_cell_that_asks_where_code_stands_is_not_saved(notebook: Notebook) -> None:
    with notebook.kernel() as session:
        session.run("def f(): pass\ndef where(): return f.__code__.co_firstlineno")
        for cell in ("x = f.__code__.co_firstlineno", "x = where()"):
            assert [session.status(f"%%incremental\n{cell}") for _ in range(2)] == ["executed"] * 2
