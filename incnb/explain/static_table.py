"""Rows as a table that needs no program to be read: HTML for a page, lines for a terminal.

The HTML is one `<div>` with its own `<style>`, light and dark; everything of the user's is escaped. It is what a
notebook keeps of a panel where no widget can be.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from incnb.explain.rows import Row
from incnb.explain.words import seconds

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
    """`12 cells: 8 reused, 4 executed · 997 of 1000 items reused · saved 41 s, measured`."""
    if not rows:
        return "No tracked cell has run in this session yet."
    counts: dict[str, int] = {}
    for row in rows:
        name = row.status.value if row.status is not None else "not run"
        counts[name] = counts.get(name, 0) + 1
    parts = [f"{len(rows)} cell{'s' if len(rows) != 1 else ''}: "
             + ", ".join(f"{count} {name}" for name, count in counts.items())]  # fmt: skip
    items = [row.decision.items for row in rows if row.decision is not None and row.decision.items is not None]
    ran = sum(item.executed + item.failed for item in items)
    reused = sum(item.reused for item in items)
    if ran + reused:
        parts.append(f"{reused} of {ran + reused} items reused")
    saved = [row.decision.saved_seconds for row in rows if row.decision is not None]
    known = [value for value in saved if value is not None]
    parts.append(f"saved {seconds(sum(known))}, measured" if known else "seconds saved unknown")
    return " · ".join(parts)


def table_text(rows: Sequence[Row]) -> str:
    """The summary, and a line for each cell."""
    lines = [summary(rows)]
    width = max((len(row.title) for row in rows[:SHOWN_ROWS]), default=0)
    for row in rows[:SHOWN_ROWS]:
        number = f"[{row.number}]" if row.number is not None else ""
        lines.append(f"{number:>5} {row.title:<{width}}  {row.line}")
    if len(rows) > SHOWN_ROWS:
        lines.append(f"and {len(rows) - SHOWN_ROWS} more cells")
    return "\n".join(lines)


def table_html(rows: Sequence[Row]) -> str:
    """The summary and a table, styled, in one element that can stand anywhere."""
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("", "", "cell", "why", "now", "recorded", "saved", "size")
    )
    body = "".join(_row(row) for row in rows[:SHOWN_ROWS])
    more = note_html(f"and {len(rows) - SHOWN_ROWS} more cells") if len(rows) > SHOWN_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f'<div class="incnb-static"><style>{_STYLE}</style>{note_html(summary(rows))}{table}{more}</div>'


def note_html(text: str) -> str:
    """One line of ours below or above a table."""
    return f"<div>{html.escape(text)}</div>"


def size(count: int | None) -> str:
    """Bytes as people say them."""
    if not count:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _row(row: Row) -> str:
    status = row.status.value if row.status is not None else "not run"
    saved = row.decision.saved_seconds if row.decision is not None else None
    number = f"[{row.number}]" if row.number is not None else ""
    pinned = " (pinned)" if row.pinned else ""
    why = row.line.removeprefix(row.glyph).strip()
    return (
        f'<tr><td class="s {status.replace(" ", "-")}">{html.escape(row.glyph)} {status}</td>'
        f'<td class="n">{number}</td><td>{html.escape(row.title)}{pinned}</td><td>{html.escape(why)}</td>'
        f'<td class="n">{_seconds(row.now)}</td><td class="n">{_seconds(row.recorded)}</td>'
        f'<td class="n">{_seconds(saved)}</td><td class="n">{size(row.bytes)}</td></tr>'
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else seconds(value)
