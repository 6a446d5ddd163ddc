"""Functions made from the source of a module that is not imported are those that its import would make."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from incnb.engine.shadow import Shadow
from incnb.fingerprint.code import code_token

MODULE = """
from __future__ import annotations
import json, os.path as paths
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from pathlib import Path
try:
    import textwrap
except ImportError:
    textwrap = None
if True:
    import string as words

def by_module(x): return json.dumps(x) + paths.join(x) + Path(x).name
def in_a_try(x): return textwrap.dedent(x) + words.capwords(x)
def with_its_own(x):
    import random
    return random.random() + json.loads(x)
def nested(x):
    def inner(y): return json.dumps(y)
    return [inner(part) for part in x] + [json.dumps(part) for part in x]
class Plain:
    limit = 3
    def method(self) -> int: return json.loads(self.text)
if TYPE_CHECKING:
    import decimal as money
def by_type_checking(x): return money.Decimal(x) + abc.ABC(x)
class Decorated:
    @staticmethod
    def method(x): return json.dumps(x) + money.abs(x)
    @property
    def other(self): return json.dumps(self)
@contextmanager
def managed(x):
    yield json.dumps(x)
@dataclass
class Data:
    a: int = 3
    def method(self): return json.dumps(self.a)
for number in range(1):
    import abc
with open(__file__):
    import enum
def by_blocks(x): return abc.get(x) + enum.get(x)
def rebinds(x):
    global signal
    import signal
    return signal.get(x)
def by_global(x): return signal.get(x)
"""


def test_a_function_made_from_its_source_is_the_one_that_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shadowed_one.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def code(value: Any) -> bytes:
        value = value.method if isinstance(value, type) else value
        return code_token(getattr(value, "__wrapped__", value).__code__)

    names = ("by_module", "in_a_try", "with_its_own", "nested", "Plain", "by_type_checking", "Decorated", "managed", "Data",
             "by_blocks", "rebinds", "by_global")  # fmt: skip
    with Shadow() as shadow:
        shadow.load("shadowed_one")
        made = {name: code(shadow.modules["shadowed_one"].names[name]) for name in names}
    module = importlib.import_module("shadowed_one")
    assert made == {name: code(getattr(module, name)) for name in names}
