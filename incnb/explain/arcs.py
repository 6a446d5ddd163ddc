"""Who reads whose results, as arcs beside a vertical list: which lane each arc takes.

All arcs that leave one cell share a lane, as one trunk with a branch to each reader: what overlaps then means the same
thing. Trunks that meet anywhere, ends included, lie in different lanes, the shorter ones nearer to the list, so that
they nest. A list with very many trunks at one place has no more than `LANES` lanes; those left over share the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LANES: Final = 24


@dataclass(frozen=True, slots=True)
class Arc:
    """From the cell that made a result to one that reads it, both by their place in the list; lane 0 is nearest."""

    source: int
    reader: int
    lane: int


def arcs(reads: Iterable[tuple[int, int]], lanes: int = LANES) -> list[Arc]:
    """The arcs of pairs (source, reader), by source and reader. A pair that comes twice is one arc, a loop is none."""
    pairs = sorted({(source, reader) for source, reader in reads if source != reader})
    spans: dict[int, tuple[int, int]] = {}
    for source, reader in pairs:
        first, last = spans.get(source, (source, source))
        spans[source] = min(first, reader), max(last, reader)
    taken: list[list[tuple[int, int]]] = []
    lane_of: dict[int, int] = {}
    for source, (first, last) in sorted(spans.items(), key=lambda item: (item[1][1] - item[1][0], item[0])):
        free = (n for n, lane in enumerate(taken) if all(last < a or b < first for a, b in lane))
        lane = next(free, min(len(taken), lanes - 1))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((first, last))
        lane_of[source] = lane
    return [Arc(source, reader, lane_of[source]) for source, reader in pairs]
