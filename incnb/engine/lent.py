"""Names in a cell that only say who runs the items of `incnb.map`: results do not depend on them."""

from __future__ import annotations

import ast
import concurrent.futures
from collections import Counter
from typing import Any


def lent(body: list[ast.stmt], namespace: dict[str, Any]) -> set[str]:
    """The names of executors, and of clients of Dask, that the cell uses for nothing but `executor=`."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    used = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    given: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            for keyword in node.keywords:
                if name == "map" and keyword.arg == "executor" and isinstance(keyword.value, ast.Name):
                    given[keyword.value.id] += 1
    return {name for name, count in given.items() if used[name] == count and is_executor(namespace.get(name))}


def is_executor(value: Any) -> bool:
    """Whether something is an executor, or a client of Dask."""
    if isinstance(value, concurrent.futures.Executor):
        return True
    return any(c.__module__.startswith("distributed.") and c.__name__ == "Client" for c in type(value).__mro__)
