"""Every identifier that a piece of source mentions, in strings too: what a pending name is looked up in.

Deliberately wide. A name that is mentioned and not used costs one load; one that is used and not seen would be a
`NameError` that executing would not have raised.
"""

from __future__ import annotations

import ast
import re
import unicodedata

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CHAIN = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")


def mentions(tree: ast.AST) -> frozenset[str]:
    """The identifiers in names, attributes, imports, keywords and string constants of `tree`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                found.update(_IDENTIFIER.findall(node.value))
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
            found.add(node.asname or "")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.keyword | ast.arg):
            found.add(node.arg or "")
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
    return frozenset(found)


def identifiers(text: str) -> frozenset[str]:
    """The identifiers in a piece of text, source or not, written as Python would take them."""
    return frozenset(_IDENTIFIER.findall(text if text.isascii() else unicodedata.normalize("NFKC", text)))


def chains(text: str) -> list[tuple[str, ...]]:
    """The names in a piece of text with the attributes that follow each: `np.random.rand(n)` has two."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return [tuple(_IDENTIFIER.findall(chain)) for chain in _CHAIN.findall(plain)]
