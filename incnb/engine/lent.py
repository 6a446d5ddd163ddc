"""Names in a cell that only say who runs the items of `incnb.map`: results do not depend on them."""

from __future__ import annotations

import ast
import concurrent.futures
import sys
from collections import Counter
from typing import Any


def lent(body: list[ast.stmt], namespace: dict[str, Any]) -> set[str]:
    """The names of executors, and of clients of Dask, that the cell uses for nothing but `executor=`."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    used = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    given: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.Call) and _is_map(node.func, namespace):
            for keyword in node.keywords:
                if keyword.arg == "executor" and isinstance(keyword.value, ast.Name):
                    given[keyword.value.id] += 1
    return {name for name, count in given.items() if used[name] == count and is_executor(namespace.get(name))}


def _is_map(function: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether what is called is `incnb.map`, by whatever name."""
    if isinstance(function, ast.Attribute) and function.attr == "map" and isinstance(function.value, ast.Name):
        owner = namespace.get(function.value.id)
        return owner is sys.modules["incnb"] or (owner is None and function.value.id == "incnb")
    found = namespace.get(function.id) if isinstance(function, ast.Name) else None
    return getattr(found, "__module__", None) == "incnb.engine.mapping"


def is_executor(value: Any) -> bool:
    """Whether something is an executor, or a client of Dask."""
    if isinstance(value, concurrent.futures.Executor):
        return True
    return any(c.__module__.startswith("distributed.") and c.__name__ == "Client" for c in type(value).__mro__)
