"""How fast values are fingerprinted: `incnb.fingerprint.fingerprint` beside other ways to hash the same value.

In one process, each way in turns, medians; every way is called once before. Nothing is remembered between calls. The
peers do less: raw xxh3 and memcpy see bytes only, without dtype and shape; pickle's bytes differ for equal values when
other objects are shared, `hash_pandas_object` leaves column names out and gives 8 bytes a row, and dill
does not promise the same bytes in every process. They show what the memory, C and pure Python allow.
"""

from __future__ import annotations

import argparse
import io
import pickle
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import dill
import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import xxhash
from common import ROOT, interleaved, machine, median, spread, table

sys.path.insert(0, str(ROOT))
from incnb.fingerprint import fingerprint

HELPERS = 10
SOURCE = "\n".join(
    f'''
def helper_{i}(rows, *, limit={i}):
    """Keep some rows."""
    kept = [row for row in rows if len(row) > limit and row[0] not in ("", "none", {i})]
    total = sum(float(row[-1]) for row in kept) * SCALE
    {f"kept = helper_{i - 1}(kept)" if i else "kept.sort()"}
    return kept if total > {i} else rows
'''
    for i in range(HELPERS)
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, and few repeats")
    quick = parser.parse_args().quick
    print(machine("xxhash", "numpy", "pandas", "joblib", "dill"))
    shrink, repeats = (10, 3) if quick else (1, 9)
    array(200 // shrink, repeats)
    frame(300_000 // shrink, min(repeats, 5))
    integers(1_000_000 // shrink, min(repeats, 5))
    function(20 if quick else 200)


def array(megabytes: int, repeats: int) -> None:
    value = np.random.default_rng(0).random(megabytes * 125_000)
    target = np.empty_like(value)
    calls: dict[str, Callable[[], object]] = {
        "incnb": lambda: fingerprint(value),
        "xxhash.xxh3_128 of the memory": lambda: xxhash.xxh3_128_digest(value.data),
        "memcpy (np.copyto)": lambda: np.copyto(target, value),
        "joblib.hash (md5)": lambda: joblib.hash(value),
    }
    found = interleaved(calls, repeats)
    print(f"float64 array of {megabytes} MB")
    rows = [
        [name, f"{value.nbytes / median(t) / 1e9:.1f}", f"{median(t) * 1e3:.0f}", spread(t, 1e3, 0), ratio(found, name)]
        for name, t in found.items()
    ]
    table(["", "GB/s", "ms", "range", "time × incnb's"], rows)


def frame(rows: int, repeats: int) -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"carrier {i}" for i in range(16)], dtype=object)
    value = pd.DataFrame(
        {f"number{i}": rng.random(rows) for i in range(6)}
        | {f"count{i}": rng.integers(0, 1000, rows) for i in range(2)}
        | {f"few{i}": names[rng.integers(0, len(names), rows)] for i in range(2)}
        | {f"many{i}": [f"N{n}" for n in rng.integers(0, 10**6, rows)] for i in range(2)}
    )
    print(f"frame of {rows:,} rows: 8 columns of numbers, 4 of {value['few0'].dtype} ({storage(value['few0'])})")
    milliseconds(
        {
            "incnb": lambda: fingerprint(value),
            "joblib.hash": lambda: joblib.hash(value),
            "pandas.util.hash_pandas_object": lambda: pd.util.hash_pandas_object(value),
            "pickle 5 + xxh3": lambda: pickled(value),
        },
        repeats,
    )
    numbers = value.select_dtypes("number").copy()
    print("the same without the columns of strings")
    milliseconds(
        {
            "incnb": lambda: fingerprint(numbers),
            "joblib.hash": lambda: joblib.hash(numbers),
            "pandas.util.hash_pandas_object": lambda: pd.util.hash_pandas_object(numbers),
            "pickle 5 + xxh3": lambda: pickled(numbers),
        },
        repeats,
    )


def storage(column: pd.Series[str]) -> str:
    return f"{getattr(column.dtype, 'storage', 'object')} storage"


def integers(count: int, repeats: int) -> None:
    value = [int(n) for n in np.random.default_rng(0).integers(0, 2**40, count)]
    print(f"list of {count:,} ints")
    milliseconds(
        {
            "incnb": lambda: fingerprint(value),
            "pickle 5 (C) + xxh3": lambda: pickled(value),
            "joblib.hash": lambda: joblib.hash(value),
        },
        repeats,
    )


def function(repeats: int) -> None:
    """A chain of ten helpers, as a notebook has them."""

    def top() -> FunctionType:
        scope: dict[str, Any] = {"__name__": "__main__", "SCALE": 2.5}
        exec(compile(SOURCE, "<cell>", "exec"), scope)
        made: FunctionType = scope[f"helper_{HELPERS - 1}"]
        return made

    value = top()
    print(f"function that reaches {HELPERS} functions")
    milliseconds(
        {"incnb": lambda: fingerprint(value), "dill (recurse) + xxh3": lambda: dilled(value)}, repeats, unit="µs"
    )


def milliseconds(calls: dict[str, Callable[[], object]], repeats: int, unit: str = "ms") -> None:
    found = interleaved(calls, repeats)
    scale = {"ms": 1e3, "µs": 1e6}[unit]
    rows = [[name, f"{median(t) * scale:.0f}", spread(t, scale, 0), ratio(found, name)] for name, t in found.items()]
    table(["", unit, "range", "time × incnb's"], rows)


def ratio(found: dict[str, list[float]], name: str) -> str:
    return f"{median(found[name]) / median(found['incnb']):.2f}"


def pickled(value: object) -> bytes:
    return xxhash.xxh3_128_digest(pickle.dumps(value, protocol=5))


def dilled(value: object) -> bytes:
    file = io.BytesIO()
    dill.dump(value, file, recurse=True)
    return xxhash.xxh3_128_digest(file.getbuffer())


if __name__ == "__main__":
    main()
