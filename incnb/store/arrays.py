"""Arrays and figures: what plain pickle would bring back a little different.

A small array owns its memory when it comes back, because arrays that do not own it refuse `resize`; a big one lies on
a buffer of its own. A locked array comes back locked. A view of an array whose memory other parts of the value share
comes back as a view of that array, so that writing through one still shows in the other. An array on a mapped file or
on shared memory is refused: it would come back cut off from what it stands for.

numpy and matplotlib are never imported: no value of theirs exists while they are not loaded.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from typing import Any, Final

from incnb.store import rebuild
from incnb.store.byvalue import Reduction, Refused
from incnb.store.files import CopyOnWriteMap

OUT_OF_BAND: Final = 1 << 20


def array(obj: Any, shares: Callable[[object], bool] | None) -> Reduction:
    """An exact ndarray."""
    base = _base(obj)
    if shares is not None and base is not obj and not obj.dtype.hasobject and _can_hold_views(base) and shares(base):
        offset = obj.__array_interface__["data"][0] - base.__array_interface__["data"][0] if obj.size else 0
        low, high = _reach(obj)
        if offset + low < 0 or offset + high > base.nbytes:
            raise Refused(obj, "an array that reaches beyond the memory of its base")
        return rebuild.view, (base, obj.dtype, obj.shape, obj.strides, offset, obj.flags.writeable)
    reduction: Reduction
    if obj.nbytes >= OUT_OF_BAND:
        reduction = obj.__reduce_ex__(5)
    elif obj.dtype.hasobject:
        reduction = obj.__reduce__()
    else:
        # numpy's own way would bring it back in the byte order of the machine, and from 1000 bytes on as a view of
        # the pickled bytes, which cannot be resized.
        order = "F" if obj.flags.fnc else "C"
        reduction = rebuild.foreign_order, (obj.dtype, obj.shape, order, obj.tobytes(order))
    if obj.flags.writeable:
        return reduction
    if len(reduction) == 2:
        return *reduction, True, None, None, rebuild.lock
    return *reduction, None, None, rebuild.set_read_only


def _base(obj: Any) -> Any:
    """The array whose memory it is; refused when that memory is a file's or another process's."""
    exact = type(obj)
    memory = below = obj
    while isinstance(below, exact):
        memory, below = below, below.base
        if type(below).__name__ == "DummyArray":  # What as_strided and sliding windows put in between.
            below = below.base
    while type(below) is memoryview:
        below = below.obj
    if isinstance(below, mmap.mmap) and not isinstance(below, CopyOnWriteMap):
        raise Refused(obj, "an array on a mapped file or on shared memory")
    return memory


def _reach(obj: Any) -> tuple[int, int]:
    """The first byte that an array touches and the one behind the last, counted from its first element."""
    steps = [(length - 1) * stride for length, stride in zip(obj.shape, obj.strides, strict=True)] if obj.size else []
    low, high = sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)
    return low, high + (obj.itemsize if obj.size else 0)


def _can_hold_views(base: Any) -> bool:
    numpy = sys.modules["numpy"]
    return type(base) is numpy.ndarray and not base.dtype.hasobject and base.flags.forc


def figure(obj: Any) -> Reduction:
    """A figure of matplotlib, without the mark that makes pyplot show it again."""
    reduction: Reduction = obj.__reduce_ex__(5)
    if len(reduction) > 2 and type(reduction[2]) is dict and "_restore_to_pylab" in reduction[2]:
        state = {key: value for key, value in reduction[2].items() if key != "_restore_to_pylab"}
        reduction = (*reduction[:2], state, *reduction[3:])
    return reduction


def pyplot_figures() -> dict[Any, Any]:
    """The figures that pyplot would show, its own dict; empty when it is not loaded."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    found = getattr(getattr(helpers, "Gcf", None), "figs", None)
    return found if isinstance(found, dict) else {}
