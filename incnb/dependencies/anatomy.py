"""What a larger value is made of, noted beside its fingerprint, so that a later difference can be told in words.

A fingerprint says that something differs and nothing more. The anatomy of a frame is its columns with their dtypes, how
many rows there are, and of each column a *sketch*: 24-bit hashes of at most a thousand equal stretches of its values.
A column of a thousand values has one hash for each, and two sketches tell how many values differ; of a longer one they
tell between which rows. Mappings are their keys, each with the fingerprint of its value and a short text.

Nothing is decided by any of this. It is bounded: values beyond 64 MiB, or beyond 100,000 objects, have no sketch, and
then it cannot be told what in them changed. Only exact types of Python, numpy and pandas are looked into, so that no
code of the user's runs, and texts of what secrets go by are left out.
"""

from __future__ import annotations

import argparse
import base64
import marshal
import math
import sys
import types
from typing import Any

import xxhash

from incnb.config import Config, contents
from incnb.dependencies import bindings
from incnb.fingerprint import origin
from incnb.fingerprint.encoder import ATOMS
from incnb.fingerprint.pandas_column import Column

Anatomy = dict[str, Any]

STRETCHES = 1024  # of one array, at most
ALL_STRETCHES = 8192  # of all columns of a frame
LARGEST = 1 << 26  # bytes
OBJECTS = 100_000
KEYS = 200
COLUMNS = 200
_SHOWN = 60
_WIDTHS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


def anatomy(value: Any) -> Anatomy | None:
    """What a value is made of, as JSON; None for what has no parts that could be told apart."""
    cls = type(value)
    if cls is dict or cls is Config or _has_fields(cls):
        return _keys(value)
    if cls in (list, tuple):
        sketch = _objects(list(value), STRETCHES) if len(value) <= OBJECTS else ""
        return {"is": cls.__name__, "items": len(value), "sketch": sketch}
    if cls in (set, frozenset):
        return {"is": cls.__name__, "items": len(value)}
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and cls is numpy.ndarray:
        return {
            "is": "ndarray",
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "sketch": _values(value, STRETCHES)[1],
        }
    pandas: Any = sys.modules.get("pandas")
    if pandas is None:
        return None
    if cls is pandas.DataFrame:
        return _frame(value)
    if cls is pandas.Series:
        return _rows(value, [["", *_values(value.array, STRETCHES)]])
    if cls is Column and type(value.frame) is pandas.DataFrame:
        place = value.frame.columns.get_loc(value.label)
        return _rows(value.frame, [["", *_values(_column(value.frame, place), STRETCHES)]])
    return None


# -- mappings, and objects that are told by their fields


def _has_fields(cls: type) -> bool:
    if cls in (types.SimpleNamespace, argparse.Namespace):
        return True
    return "__dataclass_fields__" in origin.class_dict(cls) and type(cls) is type


def _keys(value: Any) -> Anatomy | None:
    """The ends of all paths through nested mappings, each with its fingerprint and a short text."""
    if _members(value) is None:
        return None
    found: dict[str, list[str]] = {}
    todo: list[tuple[str, Any, int]] = [("", value, 0)]
    while todo:
        path, part, depth = todo.pop(0)
        inner = _members(part) if depth < 6 else None
        if inner is None:
            fp = bindings.describe(part, "").fp if _weight(part) <= LARGEST else None
            found[path] = [fp or "", shown(path, part)]
        else:
            todo[:0] = [(f"{path}{step}", member, depth + 1) for step, member in inner]
        if len(found) + len(todo) > KEYS:
            return None
    return {"is": type(value).__name__, "keys": found}


def _members(part: Any) -> list[tuple[str, Any]] | None:
    cls = type(part)
    if cls is dict or cls is Config:
        members = part if cls is dict else contents(part)
        if members and len(members) <= KEYS and all(type(key) in (str, int) for key in members):
            return [(f"[{key!r}]", member) for key, member in members.items()]
    elif _has_fields(cls):
        fields = origin.fields(part)
        if fields and len(fields) <= KEYS:
            return [(f".{key}", member) for key, member in fields.items()]
    return None


def shown(name: str, value: Any) -> str:
    """A short text of a value that goes by a name; nothing of what may be a secret."""
    text = bindings.show_as(name, value)
    return text if len(text) <= _SHOWN else ""


# -- rows and columns


def _frame(frame: Any) -> Anatomy | None:
    labels = list(frame.columns)
    if len(labels) > COLUMNS or not all(map(_is_plain, labels)) or len(set(map(repr, labels))) < len(labels):
        return None
    share = max(1, len(labels))
    most = min(STRETCHES, ALL_STRETCHES // share) if _weight(frame) <= 4 * LARGEST else 0
    objects = max(most, 2 * OBJECTS // share)
    return _rows(frame, [[repr(label), *_values(_column(frame, i), most, objects)] for i, label in enumerate(labels)])


def _weight(value: Any) -> int:
    """Bytes of the buffers of an array or a frame; 0 for anything else."""
    if type(value).__name__ == "DataFrame" and origin.top_level(origin.module_of(type(value))) == "pandas":
        return sum(int(getattr(_column(value, i), "nbytes", 0)) for i in range(value.shape[1]))
    numpy: Any = sys.modules.get("numpy")
    return int(value.nbytes) if numpy is not None and type(value) is numpy.ndarray else 0


def _is_plain(label: Any) -> bool:
    return all(map(_is_plain, label)) if type(label) is tuple else type(label) in ATOMS


def _rows(value: Any, columns: list[list[str]]) -> Anatomy:
    return {"is": type(value).__name__, "rows": len(value), "columns": columns, "index": _index(value.index)}


def _column(frame: Any, place: int) -> Any:
    take = getattr(frame, "_get_column_array", None)  # no Series is built; absent from some versions
    return take(place) if take is not None else frame.iloc[:, place].array


def _index(index: Any) -> str:
    pandas: Any = sys.modules["pandas"]
    if type(index) is pandas.RangeIndex:
        return f"{index.start}:{index.stop}:{index.step}"
    return "" if type(index) not in (pandas.Index, pandas.DatetimeIndex) else _values(index.array, 1)[1]


# -- sketches


def _values(array: Any, most: int, objects: int = OBJECTS) -> tuple[str, str]:
    """The dtype and the sketch of an array of numpy or pandas; empty where there is none."""
    numpy: Any = sys.modules["numpy"]
    tops = {origin.top_level(origin.module_of(cls)) for cls in (type(array), type(array.dtype))}
    if not tops <= {"numpy", "pandas"}:
        return "", ""
    name = str(array.dtype)
    if not most:
        return name, ""
    if type(array).__name__ in ("NumpyExtensionArray", "PandasArray"):
        array = numpy.asarray(array)
    if type(array) is numpy.ndarray:
        if array.dtype.kind == "O" or array.dtype.char == "T":
            return name, _objects(array.ravel().tolist(), most) if array.size <= objects else ""
        if array.dtype.kind not in "biufcmMSU" or array.dtype.char in "gG":
            return name, ""  # with padding inside
        return name, _bytes(array, most)
    if getattr(array.dtype, "kind", "") in ("m", "M"):
        return name, _bytes(numpy.asarray(array.asi8), most)
    if hasattr(array, "_mask") and hasattr(array, "_data"):
        data = array._data.copy()
        data[array._mask] = data.dtype.type()  # what lies under the mask means nothing
        rows = [numpy.ascontiguousarray(part).view("u1").reshape(len(data), -1) for part in (data, array._mask)]
        return name, _bytes(numpy.concatenate(rows, axis=1), most, len(data)) if len(data) else ""
    if len(array) > objects:
        return name, ""
    absent: Any = sys.modules["pandas"].NA
    return name, _objects([None if v is absent else v for v in array.to_numpy(dtype=object).tolist()], most)


def _bytes(array: Any, most: int, count: int = 0) -> str:
    """The sketch of an array whose bytes say it all; `count`: how many values that is, if not one for each element."""
    numpy: Any = sys.modules["numpy"]
    count = count or array.size
    if not count or array.nbytes > LARGEST:
        return ""
    flat = numpy.ascontiguousarray(array).reshape(-1)
    width = array.nbytes // count
    if count <= most and width in _WIDTHS:
        mixed = flat.view(_WIDTHS[width]).astype("u8")
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> numpy.uint64(shift))) * numpy.uint64(factor)
        hashes = numpy.ascontiguousarray(mixed.astype(">u8")).view("u1").reshape(-1, 8)[:, :3]
        return base64.b64encode(hashes.tobytes()).decode()
    step = math.ceil(count / most) * width
    view = memoryview(flat.view("u1"))
    stretches = (xxhash.xxh3_64_digest(view[at : at + step])[:3] for at in range(0, len(view), step))
    return base64.b64encode(b"".join(stretches)).decode()


def _objects(values: list[Any], most: int) -> str:
    if not values or len(values) > OBJECTS or not ATOMS.issuperset(map(type, values)):
        return ""
    step = math.ceil(len(values) / most)
    stretches = (xxhash.xxh3_64_digest(_text(values[at : at + step]))[:3] for at in range(0, len(values), step))
    return base64.b64encode(b"".join(stretches)).decode()


def _text(values: list[Any]) -> bytes:
    return marshal.dumps(values, 2)  # no references in it: equal values give equal bytes
