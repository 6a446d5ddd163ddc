"""What of a larger value differs, in words, told by what it was made of and what it is made of now.

Both sides are notes that the engine took of a value (`dependencies.anatomy`): keys with fingerprints, columns with
dtypes, and sketches, which are hashes of equal stretches of values. Where the notes do not tell, nothing is said.
"""

from __future__ import annotations

import base64
from typing import Any

SHOWN = 4
_HASH = 3  # bytes

Anatomy = dict[str, Any]


def told(was: Anatomy, now: Anatomy) -> tuple[str, ...]:
    """What differs, the weightiest first and at most some of it; empty where that cannot be told."""
    if was.get("is") != now.get("is"):
        return ()
    if "keys" in was:
        found = _keys(was["keys"], now["keys"])
    elif "columns" in was:
        found = _frame(was, now)
    elif "shape" in was:
        found = _array(was, now)
    else:
        found = _items(was, now)
    more = len(found) - SHOWN
    return tuple(found if more <= 0 else [*found[:SHOWN], f"and {more} more"])


def _keys(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    found = []
    for path in [*was, *(path for path in now if path not in was)]:
        if path not in now:
            found.append(f"{path} is gone")
        elif path not in was:
            text = now[path][1]
            found.append(f"{path} is new" + (f": {text}" if text else ""))
        elif was[path][0] and now[path][0] and was[path][0] != now[path][0]:
            old, new = was[path][1], now[path][1]
            found.append(f"{path}: {old} → {new}" if old and new and old != new else f"{path} changed")
    return found


def _frame(was: Anatomy, now: Anatomy) -> list[str]:
    before = {name: (dtype, sketch) for name, dtype, sketch in was["columns"]}
    after = {name: (dtype, sketch) for name, dtype, sketch in now["columns"]}
    found = [f"column {name} is gone" for name in before if name not in after]
    found += [f"column {name} is new" for name in after if name not in before]
    common = [name for name in before if name in after]
    for name in common:
        old, new = before[name][0], after[name][0]
        if old and new and old != new:
            found.append(f"dtype of {name}: {old} → {new}" if name else f"dtype: {old} → {new}")
    if not found and list(before) != list(after):
        found.append("its columns stand in another order")
    rows = was["rows"]
    if rows != now["rows"]:
        return [_count("row", rows, now["rows"]), *found]
    for name in common:
        if before[name][0] == after[name][0]:
            values = _values(before[name][1], after[name][1], rows, "rows")
            if values:
                found.append(f"column {name} changed ({values})" if name else f"{values} changed")
    if was["index"] and now["index"] and was["index"] != now["index"]:
        found.append("its index changed")
    return found


def _array(was: Anatomy, now: Anatomy) -> list[str]:
    found = []
    if was["shape"] != now["shape"]:
        found.append(f"shape: {_shape(was['shape'])} → {_shape(now['shape'])}")
    if was["dtype"] != now["dtype"]:
        found.append(f"dtype: {was['dtype']} → {now['dtype']}")
    if not found:
        size = 1
        for length in was["shape"]:
            size *= length
        values = _values(was["sketch"], now["sketch"], size, "places")
        found += [f"{values} changed"] if values else []
    return found


def _items(was: Anatomy, now: Anatomy) -> list[str]:
    if was["items"] != now["items"]:
        return [_count("item", was["items"], now["items"])]
    values = _values(was.get("sketch", ""), now.get("sketch", ""), was["items"], "items")
    return [f"{values} changed"] if values else []


def _values(was: str, now: str, count: int, what: str) -> str:
    """`2 of 1000 values`, or between which of them, told by two sketches of as many values; empty if it cannot be."""
    old, new = base64.b64decode(was), base64.b64decode(now)
    stretches = len(old) // _HASH
    if not old or len(old) != len(new) or old == new:
        return ""
    differ = [i for i in range(stretches) if old[_HASH * i : _HASH * i + _HASH] != new[_HASH * i : _HASH * i + _HASH]]
    if stretches == count:
        return f"{len(differ)} of {count} value{'s' if count != 1 else ''}"
    step = -(-count // stretches)
    return f"values among {what} {differ[0] * step}–{min(count, (differ[-1] + 1) * step) - 1} of {count}"


def _count(what: str, old: int, new: int) -> str:
    by = abs(new - old)
    return f"{by} {what}{'s' if by != 1 else ''} {'more' if new > old else 'fewer'} ({old} → {new})"


def _shape(shape: list[int]) -> str:
    return " × ".join(map(str, shape)) or "()"
