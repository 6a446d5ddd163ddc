"""Handlers for scipy.sparse: format, shape and the stored arrays.

What scipy remembers about them (sorted, canonical) is found out when it is first asked for, and means nothing.
"""

from __future__ import annotations

from typing import Any

from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state, raw_contents
from incnb.fingerprint.registry import handles

_REMEMBERED = frozenset({"_has_sorted_indices", "_has_canonical_format", "has_canonical_format", "maxprint"})


def _sparse(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("sparse")
    encode_class_of(encoder, value)
    encode_state(encoder, value, without=_REMEMBERED, ordered=False)
    raw_contents(encoder, value)


def install() -> None:
    """Register the handlers; called when the first scipy object is met."""
    try:
        from scipy.sparse._base import _spbase
    except ImportError:
        return
    handles(_spbase, _sparse, subclasses=True)
