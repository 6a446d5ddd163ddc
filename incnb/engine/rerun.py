"""Which statements of a cell run again when it is reused, instead of having what they bound restored."""

from __future__ import annotations

from typing import Any

from incnb.analysis import CellAnalysis
from incnb.dependencies import libraries
from incnb.fingerprint import ABSENT
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import follow
from incnb.outputs.variables import NotSaved

ALLOWED_DECORATORS = frozenset({"dataclasses", "functools", "contextlib", "enum", "abc", "typing", "builtins"})


def statements_to_run_again(analysis: CellAnalysis, namespace: dict[str, Any]) -> tuple[list[int], set[str]]:
    """Indexes of the statements to run again on reuse, and the names that they bind for good."""
    indexes: list[int] = []
    bound: set[str] = set()
    definitions = {d.index: d for d in analysis.definitions}
    other = analysis.bound_by_others
    for index, definition in definitions.items():
        needs = {r.name for r in definition.uses} | {r.name for r in definition.decorators}
        own = analysis.stores - bound
        if definition.binds & other or needs & own - definition.binds:
            continue
        for decorator in definition.decorators:
            last = str(decorator.path[-1][1]) if decorator.path else decorator.name
            if not _innocent(decorator, namespace) and libraries.configures_by_name(last):
                raise NotSaved(f"@{last} makes a library know what it decorates")
        if all(_innocent(decorator, namespace) for decorator in definition.decorators):
            indexes.append(index)
            bound |= definition.binds
    return indexes, bound


def _innocent(decorator: Read, namespace: dict[str, Any]) -> bool:
    value, taken, _ = follow(namespace, decorator)
    if value is ABSENT or taken < len(decorator.path):
        return decorator.path[-1:] and decorator.path[-1][1] in ("setter", "getter", "deleter")  # type: ignore[return-value]
    return str(getattr(value, "__module__", "")).partition(".")[0] in ALLOWED_DECORATORS
