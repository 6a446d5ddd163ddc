"""Who reads whose results, drawn: the cells as a list, an arc from each to those that read what it made.

An arc has the colour of what became of the reader, and another stroke for each; where the reader ran because of the
cell that it reads, the arc is thick. Beside each cell the same is said in words, for those who do not see the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from incnb.explain.arcs import Arc, arcs
from incnb.explain.markup import code, text
from incnb.explain.rows import Row

LINE = 28  # pixels that a cell takes; the style sheet knows it too
_LANE = 10
_ROUND = 8


def readers(rows: Sequence[Row]) -> str:
    """The section of the page; empty where no cell reads another one."""
    places = {row.key: place for place, row in enumerate(rows)}
    reads = {(places[key], place) for place, row in enumerate(rows) for key, _ in row.reads if key in places}
    causes = {(places[key], place) for place, row in enumerate(rows) for key in row.blamed if key in places}
    drawn = arcs(reads | causes)
    if not drawn:
        return ""
    wide = (max(arc.lane for arc in drawn) + 1) * _LANE + _ROUND + 6
    drawn.sort(key=lambda arc: (arc.source, arc.reader) in causes)  # what counts lies on top
    paths = "".join(_path(arc, rows, wide, (arc.source, arc.reader) in causes) for arc in drawn)
    svg = f'<svg width="{wide}" height="{LINE * len(rows)}" aria-hidden="true">{paths}</svg>'
    lines = "".join(_line(row, rows, places) for row in rows)
    return (
        '<section aria-labelledby="readers"><h2 id="readers">Who reads whose results</h2>\n'
        "<p>An arc leads from a cell to those that read what it made; a thick one says why the reader ran.</p>\n"
        f'<div class="readers">{svg}<ol>{lines}</ol></div></section>'
    )


def _path(arc: Arc, rows: Sequence[Row], wide: int, cause: bool) -> str:
    status = rows[arc.reader].status
    middle = LINE // 2
    leaves, comes = (5, -4) if arc.reader > arc.source else (-4, 5)  # what goes out and what comes in stay apart
    above, below = LINE * arc.source + middle + leaves, LINE * arc.reader + middle + comes
    x = wide - 6 - _ROUND - arc.lane * _LANE
    turn = _ROUND if below > above else -_ROUND
    out, bend = f"M{wide} {above}H{x + _ROUND}", f"Q{x} {above} {x} {above + turn}"
    way = f"{out}{bend}V{below - turn}Q{x} {below} {x + _ROUND} {below}H{wide - 1}"
    names = f"{status.value if status is not None else 'unseen'}{' cause' if cause else ''}"
    return f'<path class="{names}" d="{way}m-5 -3l4 3l-4 3"/>'


def _line(row: Row, rows: Sequence[Row], places: dict[str, int]) -> str:
    told = [
        f"{', '.join(map(code, names))} of {text(rows[places[key]].title)}" for key, names in row.reads if key in places
    ]
    causes = [text(rows[places[key]].title) for key in row.blamed if key in places]
    reads = f" <small>reads {'; '.join(told)}</small>" if told else ""
    because = f" <em>← {', '.join(causes)}</em>" if causes else ""
    status = row.status.value if row.status is not None else "unseen"
    word = row.status.value if row.status is not None else "not run"
    return (
        f'<li class="{status}"><b aria-hidden="true">{row.glyph}</b><span class="unseen-word">{word}</span> '
        f'<a href="#cell-{places[row.key] + 1}">{text(row.title)}</a>{because}{reads}</li>'
    )
