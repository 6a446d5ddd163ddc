"""`df[label]` as a thing of its own: the part of a frame that reading one column depends on."""

from __future__ import annotations

from typing import Any


class Column:
    """One column of a frame, as far as reading `df[label]` can see it."""

    __slots__ = ("frame", "label")

    def __init__(self, frame: Any, label: Any):
        self.frame = frame
        self.label = label


def frame_of(value: Any) -> Any:
    """The frame that a column belongs to; None for anything that is no `Column`."""
    return value.frame if type(value) is Column else None
