"""What all answers to a person's questions can do: text for a terminal, HTML for a notebook, JSON, a data frame.

An answer is a frozen record. Its `repr` is the text; a notebook shows the HTML, which is readable in light and dark:
its colours are the current one, more or less opaque, and those that Jupyter gives to its themes. What comes from the
user is escaped; there is no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from incnb.explain.markup import text as escaped
from incnb.explain.unseen import visible
from incnb.model import Change, IncnbError, Status

#: What a status is coloured by: a variable of Jupyter's themes, else as the text.
_COLOURS = {
    Status.REUSED: "var(--jp-success-color1, currentColor)",
    Status.CUTOFF: "var(--jp-info-color1, currentColor)",
    Status.EXECUTED: "var(--jp-warn-color1, currentColor)",
    Status.FAILED: "var(--jp-error-color1, currentColor)",
    Status.BLOCKED: "var(--jp-brand-color1, currentColor)",
}
_LINE = "1px solid var(--jp-border-color2, rgba(128, 128, 128, .4))"
_CELL = f"text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border-bottom:{_LINE};color:currentColor"


class Answer:
    """One answer. A kind of answer says what it is made of by the methods below."""

    __slots__ = ()

    def text(self) -> str:
        """What a terminal shows."""
        raise NotImplementedError

    def markup(self) -> str:
        """What a notebook shows, inside a frame that is the same for all."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        raise NotImplementedError

    def records(self) -> list[dict[str, Any]]:
        """One flat record for each row of the data frame."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """A data frame of pandas, one row for each thing. Raises `IncnbError` where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise IncnbError("to_frame() needs pandas, which is not installed here; to_dict() does not") from None
        return pandas.DataFrame(self.records())

    def __repr__(self) -> str:
        return visible(self.text())

    def _repr_html_(self) -> str:
        style = "font-family:var(--jp-ui-font-family, sans-serif);color:currentColor;overflow-x:auto"
        return f'<div class="incnb-answer" style="{style}">{self.markup()}</div>'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def coloured(text: str, status: Status | None) -> str:
    """A glyph in the colour of its status."""
    return (
        f'<span style="color:{_COLOURS.get(status, "currentColor")}">{escaped(text)}</span>'
        if status
        else escaped(text)
    )


def faint(text: str) -> str:
    """Something that is beside the point."""
    return f'<span style="opacity:.7">{escaped(text)}</span>'


def paragraph(text: str) -> str:
    """One line; the text is escaped."""
    return f'<div style="margin:.3em 0">{escaped(text)}</div>'


def code(text: str) -> str:
    """A text in which every space counts, as a diff."""
    style = "margin:.2em 0 .4em;font-family:var(--jp-code-font-family, monospace);font-size:90%;line-height:1.3"
    lines = []
    for line in text.splitlines():
        moved = line.startswith(("+", "-"))
        lines.append(f'<span style="opacity:{1 if moved else 0.7}">{escaped(line)}</span>')
    return f'<pre style="{style};color:currentColor;background:transparent">' + "\n".join(lines) + "</pre>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML already, the head is text."""
    heads = "".join(f'<th style="{_CELL};opacity:.7;font-weight:normal">{escaped(title)}</th>' for title in head)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    style = "border-collapse:collapse;color:currentColor;background:transparent;font-size:90%"
    return f'<table style="{style}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def folded(summary: str, inside: str) -> str:
    """HTML that is shown when a person opens it; `summary` is text."""
    return f'<details><summary style="cursor:pointer;opacity:.8">{escaped(summary)}</summary>{inside}</details>'


def then_and_now(change: Change) -> str:
    """What something was and what it is, as short as it was taken down: `0.01 → 0.02`."""
    if change.was and change.now and change.was != change.now:
        return f"{change.was} → {change.now}"
    if change.moved is False:
        return change.now or change.was
    return change.now or (f"was {change.was}" if change.was else "")
