"""A report as a page of its own: one HTML file that needs nothing else, to be read, searched, printed and kept.

    head      what the session comes to: cells and items by what became of them, seconds saved, bytes kept
    cells     a table, two lines for each cell: what it took, and the reason; the reason opens to everything known
    readers   the cells once more, with an arc from each to those that read its results

The page is read without a script; the one that is there only filters the table, and opens what is folded before
printing where the browser does not do so by itself. Nothing is loaded from anywhere: the policy in the page's head
forbids it, and names by their digests the one style sheet and the one script that count. So what slipped through the
escaping could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from functools import cache
from importlib import resources

from incnb.explain.details import details
from incnb.explain.markup import tag, text
from incnb.explain.readers import readers
from incnb.explain.rows import Row
from incnb.explain.totals import REUSED, Totals, totals
from incnb.explain.words import GLYPHS, amount, seconds, size
from incnb.model import Decision, ItemCounts, Status

_MEANING = {
    Status.REUSED: "nothing that it relied on had changed",
    Status.CUTOFF: "something before it ran again, and what it reads came out the same",
    Status.EXECUTED: "it ran",
    Status.FAILED: "it ran and failed",
    Status.BLOCKED: "it ran, and cannot be reused",
}
_COLUMNS = ("Status", "No.", "Cell", "Now", "Recorded", "Saved", "Size", "Items")
_BAR = 64


def page(rows: Sequence[Row], *, title: str, notebook: str = "", created: float | None = None) -> str:
    """The page, as one text to be written in UTF-8. `created` in seconds since the epoch."""
    style, script = _asset("page.css"), _asset("page.js")
    allowed = f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">',
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>",
        _head(rows, title, notebook, created),
        "<main>",
        _table(rows),
        readers(rows),
        "</main>",
        _legend(),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _head(rows: Sequence[Row], title: str, notebook: str, created: float | None) -> str:
    found = totals(rows)
    about = [tag("span", text(notebook))] if notebook else []
    if created is not None:
        moment = time.localtime(created)
        shown = time.strftime("%Y-%m-%d %H:%M:%S", moment)
        about.append(tag("time", shown, datetime=time.strftime("%Y-%m-%dT%H:%M:%S%z", moment)))
    facts = [
        _fact("cells", f"{len(rows):,}", _by_status(found)),
        _fact("items", *_of_items(found)),
        _fact("saved", *_saved(found)),
        _fact("kept", size(found.bytes), ""),
    ]
    parts = [tag("h1", text(title)), tag("p", " · ".join(about), class_="about") if about else "", tag("dl", *facts)]
    return tag("header", *parts)


def _fact(name: str, value: str, more: str) -> str:
    return f"<div><dt>{name}</dt><dd><strong>{value}</strong>{f' <span>{more}</span>' if more else ''}</dd></div>"


def _by_status(found: Totals) -> str:
    told = [(status, number) for status, number in found.cells.items() if number]
    return " · ".join(f'<span class="{s.value}">{GLYPHS[s]} {number:,} {s.value}</span>' for s, number in told)


def _of_items(found: Totals) -> tuple[str, str]:
    told = {name: number for name, number in found.items.items() if number}
    if not told:
        return "–", ""
    return f"{sum(told.values()):,}", " · ".join(f"{number:,} {name}" for name, number in told.items())


def _saved(found: Totals) -> tuple[str, str]:
    more = f"{amount(found.unmeasured, 'reuse')} not measured" if found.unmeasured else ""
    if found.saved is None:
        reused = any(found.cells[status] for status in REUSED)
        return "unknown", more if reused else "nothing was reused"
    return seconds(found.saved), more or "measured"


def _table(rows: Sequence[Row]) -> str:
    heads = "".join(tag("th", name, scope="col") for name in _COLUMNS)
    keys = {row.key: number for number, row in enumerate(rows, 1)}
    body = "\n".join(_row(row, number, keys, rows) for number, row in enumerate(rows, 1))
    table = f'<table class="cells"><thead><tr>{heads}</tr></thead>\n{body}\n</table>'
    empty = "" if rows else '<p class="none">No cell of this session is recorded.</p>'
    return f'<section aria-labelledby="cells"><h2 id="cells">Cells</h2>\n{_filter(rows)}\n{table}{empty}</section>'


def _filter(rows: Sequence[Row]) -> str:
    """Shown by the script, which is what makes it work."""
    there = [status for status in Status if any(row.status is status for row in rows)]
    choices = "".join(f'<option value="{s.value}">{GLYPHS[s]} {s.value}</option>' for s in there)
    return (
        '<form role="search" hidden><label>Find <input type="search" autocomplete="off"></label> '
        f'<label>Status <select><option value="">all</option>{choices}</select></label> '
        '<output aria-live="polite"></output></form>'
    )


def _row(row: Row, number: int, keys: dict[str, int], rows: Sequence[Row]) -> str:
    status = row.status.value if row.status is not None else "unseen"
    word = row.status.value if row.status is not None else "not run"
    decision = row.decision
    cells = [
        f'<td class="status"><span aria-hidden="true">{row.glyph}</span> {word}</td>',
        f"<td>{f'[{row.number}]' if row.number is not None else '–'}</td>",
        f'<th scope="row">{text(row.title)}{_said(row)}</th>',
        f"<td>{_time(row.now)}</td><td>{_time(row.recorded)}</td>",
        f"<td>{_time(decision.saved_seconds if decision is not None else None)}</td>",
        f"<td>{size(row.bytes) if row.bytes else '–'}</td>",
        f"<td>{_items(decision)}</td>",
    ]
    known = details(row, keys, rows)
    why = f"<details><summary>{text(row.line)}</summary>\n{known}</details>" if known else text(row.line)
    return (
        f'<tbody id="cell-{number}" class="{status}"><tr>{"".join(cells)}</tr>\n'
        f'<tr class="why"><td colspan="{len(_COLUMNS)}">{why}</td></tr></tbody>'
    )


def _said(row: Row) -> str:
    asked = [f"{what} asked for" for what in row.asked]
    return "".join(f" <small>{text(word)}</small>" for word in (*(["pinned"] if row.pinned else []), *asked))


def _time(value: float | None) -> str:
    return "–" if value is None else seconds(value)


def _items(decision: Decision | None) -> str:
    counts = decision.items if decision is not None else None
    if counts is None:
        return "–"
    ran = counts.executed + counts.failed
    total = ran + counts.reused
    return f"{_bar(counts, total)}<span>{ran:,} of {total:,} ran</span>"


def _bar(counts: ItemCounts, total: int) -> str:
    """Reused items, then executed ones, then failed ones; what is there at all is wide enough to be seen."""
    at, shown = 0.0, []
    for name, number in (("reused", counts.reused), ("executed", counts.executed), ("failed", counts.failed)):
        if number:
            wide = max(2.0, _BAR * number / total)
            at = min(at, _BAR - wide)
            shown.append(f'<rect class="{name}" x="{at:.1f}" width="{wide:.1f}" height="8"/>')
            at += wide
    return f'<svg class="bar" width="{_BAR}" height="8" aria-hidden="true">{"".join(shown)}</svg> '


def _legend() -> str:
    meaning = "".join(
        f'<div><dt class="{s.value}">{GLYPHS[s]} {s.value}</dt><dd>{words}</dd></div>' for s, words in _MEANING.items()
    )
    note = "Saved is the time of the recorded run less the time of restoring, measured on this machine; – is unknown."
    return f"<footer><h2>Signs</h2><dl>{meaning}</dl><p>← is “caused by”. {note}</p></footer>"


@cache
def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
