"""Lazy frames of polars: the plan, and the content of every file that it reads.

The plan is what polars itself serializes, as JSON. It is searched whole, at any depth and without trusting a list of
node types: every `Scan` must read plain local files, or bytes that stand in the plan; a glob, a folder, a URL or hive
partitions name files that cannot all be known now. Bytes anywhere else are a pickled Python function, which says
nothing about the code that it would run. In doubt the plan is refused.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from incnb.fingerprint import files
from incnb.fingerprint.encoder import Encoder

_OPAQUE = re.compile("python|anonymous|opaque|plugin|sink|callback|dataset|iceberg|delta", re.IGNORECASE)
_FORMATS = frozenset({"Csv", "Parquet", "Ipc", "NDJson", "Lines"})
_DATA = frozenset({"df", "Series", "Buffers"})  # bytes that are data, in the format of Arrow or of a file
_ARROW = [255] * 4  # what a stream of Arrow starts with: a list or a series of literals
_LARGE = 32 << 20
_SOME = 8  # so many small numbers in a row are bytes


def expression(encoder: Encoder, value: Any) -> str:
    """The serialized text of an expression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = value.meta.serialize(format="json")
    for _ in _scans(encoder, json.loads(text)):
        raise encoder.refuse("a polars expression over files")
    return text


def lazy_frame(encoder: Encoder, value: Any) -> None:
    """Write the plan of a lazy frame and the content of its files."""
    if _data_in(value) > _LARGE:
        raise encoder.refuse("a lazy frame over large data in memory; collect() it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = value.serialize(format="json")
    plan = _as_made(json.loads(text))
    encoder.raw(json.dumps(plan).encode())
    read = []
    for scan in _scans(encoder, plan):
        read += _paths(encoder, scan)
    for path in dict.fromkeys(read):
        encoder.text(path)
        encoder.write(files.digest(path))


def _data_in(value: Any) -> int:
    """How many bytes of frames a plan holds: serialized they take a second for ten megabytes, and memory by the way.

    Raises what polars raises where a file of the plan is not there.
    """
    if not re.search(r"^\s*DF \[", value.explain(optimized=False), re.MULTILINE):
        return 0
    size, nodes = 0, value._ldf.visit()
    todo = [nodes.get_node()]
    while todo:
        nodes.set_node(todo.pop())
        node = nodes.view_current_node()
        if type(node).__name__ == "DataFrameScan":
            size += sys.modules["polars"].DataFrame._from_pydf(node.df).estimated_size()
        todo += nodes.get_inputs()
    return size


def _as_made(plan: Any) -> Any:
    """The plan as it was before somebody asked for its schema: polars remembers the answer around each part."""
    if isinstance(plan, dict):
        if set(plan) == {"IR"} and isinstance(plan["IR"], dict) and "dsl" in plan["IR"]:
            return _as_made(plan["IR"]["dsl"])
        return {key: _as_made(part) for key, part in plan.items()}
    return list(map(_as_made, plan)) if isinstance(plan, list) and not (plan and type(plan[0]) is int) else plan


def _scans(encoder: Encoder, plan: Any) -> Any:
    """Every scan anywhere in a plan."""
    todo = [("", plan)]
    while todo:
        at, part = todo.pop()
        if isinstance(part, dict):
            for key, below in part.items():
                # A flag or an option that is not set is no sign of anything.
                if _OPAQUE.search(key) and below not in (None, False, [], {}):
                    raise encoder.refuse(f"a polars plan with a Python function or another unreadable part ({key})")
                if key == "Scan":
                    yield below
                todo.append((key, below))
        elif isinstance(part, list) and at not in _DATA:
            if part[:4] == _ARROW:
                continue
            if len(part) >= _SOME and all(type(number) is int and 0 <= number < 256 for number in part):
                raise encoder.refuse(f"a polars plan with a Python function or other bytes in it ({at})")
            todo.extend((at, below) for below in part)


def _paths(encoder: Encoder, scan: Any) -> list[str]:
    """The files that one scan reads; refused when they cannot all be named."""
    try:
        sources, arguments, (kind,) = scan["sources"], scan["unified_scan_args"], scan["scan_type"]
        expands, hive, deleted = arguments["glob"], arguments["hive_options"]["enabled"], arguments["deletion_files"]
        found = [source["inner"] for source in sources["Paths"]] if "Paths" in sources else []
        known = len(sources) == 1 and ("Paths" in sources or "Buffers" in sources) and kind in _FORMATS
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise encoder.refuse("a polars scan of a kind that is not known")
    if hive or deleted:
        raise encoder.refuse("a polars scan of a partitioned data set; collect() it")
    for path in found:
        if type(path) is not str or "://" in path or (expands and re.search(r"[*?\[]", path)):
            raise encoder.refuse(f"a polars scan of {path!r}, whose files cannot all be known; collect() it")
        if not Path(path).is_file():
            raise encoder.refuse(f"a polars scan of {path!r}, which is no file; collect() it")
    return found
