"""Rows as a table that needs no program to be read: HTML for a page, lines for a terminal.

The HTML is one `<div>` with its own `<style>`, light and dark; everything of the user's is escaped. It is what a
notebook keeps of a panel where no widget can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from incnb.explain.markup import text
from incnb.explain.rows import Row
from incnb.explain.totals import totals
from incnb.explain.unseen import visible
from incnb.explain.words import seconds, size

#: A table in a file is for reading: the rest of a long notebook is counted.
SHOWN_ROWS = 200

_STYLE = """
.incnb-static{color-scheme:light dark;font:13px/1.45 system-ui,sans-serif;overflow-x:auto;
--r:#166b2d;--c:#00666e;--e:#735600;--f:#b3261e;--b:#6a1b9a;--l:#d5d9de}
@media(prefers-color-scheme:dark){body:not([data-jp-theme-light=true]) .incnb-static{
--r:#6fdd8b;--c:#63d5e0;--e:#f0c14b;--f:#ff9b93;--b:#d7a8ff;--l:#4a4f55}}
[data-jp-theme-light=false] .incnb-static{--r:#6fdd8b;--c:#63d5e0;--e:#f0c14b;--f:#ff9b93;--b:#d7a8ff;--l:#4a4f55}
.incnb-static table{border-collapse:collapse;margin:.3em 0}
.incnb-static th,.incnb-static td{padding:.2em .7em .2em 0;text-align:left;vertical-align:top;
border-bottom:1px solid var(--l)}
.incnb-static td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.incnb-static td.s{white-space:nowrap;font-weight:600}
.incnb-static .reused{color:var(--r)}.incnb-static .cutoff{color:var(--c)}.incnb-static .executed{color:var(--e)}
.incnb-static .failed{color:var(--f)}.incnb-static .blocked{color:var(--b)}
@media print{.incnb-static{color-scheme:light;--r:#166b2d;--c:#00666e;--e:#735600;--f:#b3261e;--b:#6a1b9a}}
"""


def summary(rows: Sequence[Row]) -> str:
    """`12 cells: 8 ✓ reused, 4 ▲ executed · 1,000 items: … · saved: 41 s, measured · kept: 2.1 kB`."""
    return " · ".join(totals(rows).lines())


def table_text(rows: Sequence[Row]) -> str:
    """The summary, and a line for each cell."""
    lines = [summary(rows)]
    width = max((len(row.title) for row in rows[:SHOWN_ROWS]), default=0)
    for row in rows[:SHOWN_ROWS]:
        number = f"[{row.number}]" if row.number is not None else ""
        lines.append(f"{number:>5} {row.title:<{width}}  {row.line}")
    if len(rows) > SHOWN_ROWS:
        lines.append(f"and {len(rows) - SHOWN_ROWS} more cells")
    return visible("\n".join(lines))


def table_html(rows: Sequence[Row]) -> str:
    """The summary and a table, styled, in one element that can stand anywhere."""
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("", "", "cell", "why", "now", "recorded", "saved", "size")
    )
    body = "".join(_row(row) for row in rows[:SHOWN_ROWS])
    more = note_html(f"and {len(rows) - SHOWN_ROWS} more cells") if len(rows) > SHOWN_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f'<div class="incnb-static"><style>{_STYLE}</style>{note_html(summary(rows))}{table}{more}</div>'


def note_html(line: str) -> str:
    """One line of ours below or above a table."""
    return f"<div>{text(line)}</div>"


def _row(row: Row) -> str:
    status = row.status.value if row.status is not None else "not run"
    saved = row.decision.saved_seconds if row.decision is not None else None
    number = f"[{row.number}]" if row.number is not None else ""
    pinned = " (pinned)" if row.pinned else ""
    why = row.line.removeprefix(row.glyph).strip()
    return (
        f'<tr><td class="s {status.replace(" ", "-")}">{text(row.glyph)} {status}</td>'
        f'<td class="n">{number}</td><td>{text(row.title)}{pinned}</td><td>{text(why)}</td>'
        f'<td class="n">{_seconds(row.now)}</td><td class="n">{_seconds(row.recorded)}</td>'
        f'<td class="n">{_seconds(saved)}</td><td class="n">{size(row.bytes)}</td></tr>'
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else seconds(value)
