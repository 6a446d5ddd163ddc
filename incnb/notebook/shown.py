"""How an answer is shown to whoever asked for it with a magic: as a display in a notebook, as text in a terminal."""

from __future__ import annotations

from typing import Any

from incnb.explain.answer import Answer


def show(shell: Any, answer: Answer | str) -> None:
    """Show an answer; a text is printed. In batch runs too: it is the person's own line that asks."""
    if isinstance(answer, str):
        print(answer)
    elif getattr(shell, "kernel", None) is None:
        print(answer.text())
    else:
        data = {"text/plain": answer.text(), "text/html": answer._repr_html_()}
        shell.display_pub.publish(data=data, metadata={"incnb": {"answer": type(answer).__name__}})
