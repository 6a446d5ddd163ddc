"""Every kind of value: equal in another process, under another hash seed, and after saving and restoring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incnb.fingerprint import fingerprint
from incnb.store import dump, load

HERE = Path(__file__).parent
SCRIPT = """
import json, sys
from incnb.fingerprint import fingerprint
source = open(sys.argv[1], encoding="utf-8").read()
exec(compile(source, "/tmp/elsewhere.py", "exec"), globals())
def attempt(value):
    try:
        return fingerprint(value).hex()
    except Exception as error:
        return str(error)
print(json.dumps({name: attempt(value) for name, value in ZOO.items()}))
"""


def namespace() -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(compile((HERE / "zoo.py").read_text(encoding="utf-8"), "zoo", "exec", dont_inherit=True), made)
    return made


NOTEBOOK = namespace()
ZOO: dict[str, Any] = NOTEBOOK["ZOO"]
NOT_SAVED = {"stream"}


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", SCRIPT, str(HERE / "zoo.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ZOO)
def test_the_same_in_another_process_under_another_hash_seed(name: str, elsewhere: dict[str, str]) -> None:
    assert fingerprint(ZOO[name]).hex() == elsewhere[name]


@pytest.mark.parametrize("name", ZOO)
def test_the_same_when_asked_twice(name: str) -> None:
    assert fingerprint(ZOO[name]) == fingerprint(ZOO[name])


@pytest.mark.parametrize("name", [name for name in ZOO if name not in NOT_SAVED])
def test_the_same_after_saving_and_restoring(name: str) -> None:
    saved = dump(ZOO[name], namespace=NOTEBOOK)
    restored = load(saved.data, saved.buffers, namespace=NOTEBOOK)
    assert fingerprint(restored) == fingerprint(ZOO[name])


def test_all_values_are_told_apart() -> None:
    found = {name: fingerprint(value) for name, value in ZOO.items()}
    assert len(set(found.values())) == len(found)
    parts = [part for value in ZOO.values() if type(value) is list for part in value]
    distinct = {fingerprint(part) for part in parts}
    assert len(distinct) == len(parts)
