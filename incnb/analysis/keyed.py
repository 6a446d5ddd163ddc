"""Reads at the item's own key: an item that reads `cfg[name]` relies on that entry and not on the whole of `cfg`."""

from __future__ import annotations

import ast

from incnb.fingerprint.code import Read

Keyed = tuple[ast.Subscript, Read, str]


def keyed_reads(
    parts: list[ast.AST], targets: frozenset[str], taken: frozenset[str], aside: set[int]
) -> tuple[Keyed, ...]:
    """The subscripts `base[x]` in `parts` whose `x` is one of `targets`, where no use of `base` is of another sort.

    `taken` are names that the body binds or changes, which are no bases. Each comes with the path of `base` and `x`.
    """
    return ()
