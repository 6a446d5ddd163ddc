"""Lanes of the arcs between cells that read each other."""

from __future__ import annotations

import random

from incnb.explain.arcs import LANES, Arc, arcs


def spans(found: list[Arc]) -> dict[int, tuple[int, int, int]]:
    """Of each source: its lane, and the first and last place that its trunk touches."""
    out: dict[int, tuple[int, int, int]] = {}
    for arc in found:
        lane, first, last = out.get(arc.source, (arc.lane, arc.source, arc.source))
        assert lane == arc.lane, "the arcs of one source share a lane"
        out[arc.source] = lane, min(first, arc.reader), max(last, arc.reader)
    return out


def test_no_reads_no_arcs() -> None:
    assert arcs([]) == []
    assert arcs([(2, 2)]) == []


def test_a_chain_needs_two_lanes() -> None:
    assert [arc.lane for arc in arcs([(0, 1), (1, 2), (2, 3), (3, 4)])] == [0, 1, 0, 1]


def test_arcs_nest_with_the_short_one_inside() -> None:
    assert arcs([(0, 5), (1, 2)]) == [Arc(0, 5, 1), Arc(1, 2, 0)]


def test_one_source_is_one_trunk_and_a_pair_is_drawn_once() -> None:
    assert arcs([(0, 1), (0, 3), (0, 2), (0, 3)]) == [Arc(0, 1, 0), Arc(0, 2, 0), Arc(0, 3, 0)]


def test_a_reader_may_stand_above_its_source() -> None:
    assert arcs([(4, 1)]) == [Arc(4, 1, 0)]


def test_trunks_that_meet_lie_in_different_lanes() -> None:
    rng = random.Random(5)
    for _ in range(200):
        pairs = [(rng.randrange(12), rng.randrange(12)) for _ in range(rng.randrange(12))]
        found = arcs(pairs)
        assert {(a.source, a.reader) for a in found} == {pair for pair in pairs if pair[0] != pair[1]}
        assert found == arcs(reversed(pairs))
        trunks = list(spans(found).values())
        for number, (lane, first, last) in enumerate(trunks):
            for other, start, end in trunks[number + 1 :]:
                assert lane != other or last < start or end < first


def test_the_lanes_of_many_crossing_arcs_are_bounded() -> None:
    found = arcs([(source, 500 - source) for source in range(250)])
    assert max(arc.lane for arc in found) == LANES - 1
