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
"""


def test_a_function_made_from_its_source_is_the_one_that_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shadowed_one.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def code(value: Any) -> bytes:
        return code_token((value.method if isinstance(value, type) else value).__code__)

    names = ("by_module", "in_a_try", "with_its_own", "nested", "Plain")
    with Shadow() as shadow:
        shadow.load("shadowed_one")
        made = {name: code(shadow.modules["shadowed_one"].names[name]) for name in names}
    module = importlib.import_module("shadowed_one")
    assert made == {name: code(getattr(module, name)) for name in names}
