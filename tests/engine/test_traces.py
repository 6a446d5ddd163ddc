"""What a trace holds: full records of dependencies, from which explanations are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Shells = Callable[[], Any]


def trace(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "store" / "traces").glob("*/*.json")
    return dict(json.loads(path.read_text())["trace"])


def test_a_trace_records_what_was_shown_the_source_the_parts_and_the_way(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.plain("import pandas as pd\ncfg = {'lr': 0.1, 'n': 3}\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})")
    shell.plain("def clean(x):\n    return x * 2\ndef features(x):\n    return clean(x)")
    assert shell.cell("r = features(len(cfg) + len(df))") == "executed"
    found = {d["locator"]: d for d in trace(tmp_path)["dependencies"]}
    assert found["clean"]["kind"] == "code" and found["clean"]["via"] == "features"
    assert found["clean"]["source"] == "def clean(x):\n    return x * 2\n"
    assert found["cfg"]["shown"] == "{'lr': 0.1, 'n': 3}" and set(found["cfg"]["made"]["keys"]) == {"['lr']", "['n']"}
    assert found["df"]["shown"] == "DataFrame 2 × 2" and found["df"]["made"]["rows"] == 2
    assert [name for name, _, _ in found["df"]["made"]["columns"]] == ["'a'", "'b'"]
    assert found["pandas"]["kind"] == "package" and found["pandas"]["shown"].startswith("pandas ")
    assert found["python"]["kind"] == "python" and found["len"]["shown"] == "builtin"


def test_the_order_is_the_order_in_which_things_were_found(shells: Shells, tmp_path: Path) -> None:
    shell = shells()
    shell.plain("k = 1\ndef g():\n    return k\ndef f():\n    return g()")
    shell.cell("r = f()")
    order = [d["locator"] for d in trace(tmp_path)["dependencies"]]
    assert order.index("python") < order.index("f") < order.index("g") < order.index("k")


def test_a_trace_is_readable_and_private(shells: Shells, tmp_path: Path) -> None:
    shells().cell("r = 1")
    (path,) = (tmp_path / "store" / "traces").glob("*/*.json")
    assert path.stat().st_mode & 0o777 == 0o600 and (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert '\n "title": "r = 1"' in path.read_text()
