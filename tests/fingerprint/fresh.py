"""Notebooks for tests: a namespace that calls itself `__main__`, into which sources are run."""

from __future__ import annotations

import textwrap
import types
from typing import Any


def run(source: str, name: str = "__main__", **names: Any) -> types.SimpleNamespace:
    """What a fresh notebook holds after running `source`."""
    namespace: dict[str, Any] = {"__name__": name, **names}
    exec(compile(textwrap.dedent(source), "<cell>", "exec", dont_inherit=True), namespace)
    return types.SimpleNamespace(**{k: v for k, v in namespace.items() if k != "__builtins__"}, namespace=namespace)
