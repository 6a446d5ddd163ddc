"""Whether code may change, in place, an object that it was handed: told by its words alone.

What is seen: stores into items and attributes, augmented assignments, methods and functions that are known to change
what they are called on, `inplace=True`, `out=`. A name that is bound to nothing but new objects in this code may be
changed as it likes: nobody else holds them. What a library does to its arguments without such a word is not seen.
"""

from __future__ import annotations

import ast
from typing import Final

_METHODS: Final = frozenset(
    """
    append appendleft extend extendleft insert remove pop popleft popitem clear sort reverse rotate add discard update
    setdefault intersection_update difference_update symmetric_difference_update subtract move_to_end fill put itemset
    resize partition setflags byteswap setitem insert_column replace_column set_index_inplace add_ copy_ zero_ fill_
    mul_ sub_ div_ write writelines seek read readline readlines truncate send close fit partial_fit step backward
    load_state_dict zero_grad to_sql execute executemany commit shuffle setLevel addHandler
    """.split()  # noqa: SIM905  one a line would be a page
)
_FUNCTIONS: Final = frozenset(
    """
    setattr delattr next exec eval shuffle heappush heappop heapify heapreplace heappushpop insort insort_left
    insort_right copyto place putmask fill_diagonal put put_along_axis
    """.split()  # noqa: SIM905
)
_NEW: Final = (
    *(ast.List, ast.Dict, ast.Set, ast.Tuple, ast.ListComp, ast.DictComp, ast.SetComp, ast.Constant, ast.JoinedStr),
    *(ast.BinOp, ast.UnaryOp, ast.Compare),
)
_MAKERS: Final = frozenset(
    """
    list dict set tuple int float str bytearray defaultdict Counter OrderedDict deque zeros ones empty full arange
    zeros_like ones_like copy deepcopy sorted range len sum
    """.split()  # noqa: SIM905
)


def may_change(tree: ast.AST) -> bool:
    """Whether the code may change an object that is not its own."""
    fresh = _fresh(tree)
    own = {arg for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for arg in _itself(node)}
    return any(_changes(node, fresh, own) for node in ast.walk(tree))


def changed_names(tree: ast.AST) -> set[str] | None:
    """The names whose objects the code itself may change in place; None: any that it mentions."""
    fresh = _fresh(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        if not _changes(node, fresh, set()):
            continue
        if isinstance(node, ast.Subscript | ast.Attribute):
            parts: list[ast.expr] = [node.value]
        elif isinstance(node, ast.AugAssign):
            parts = [node.target]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_it = isinstance(node.func, ast.Attribute) and name in _METHODS and name not in _FUNCTIONS
            parts = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            parts += [] if of_it else [*node.args, *(keyword.value for keyword in node.keywords)]
        for part in parts:
            root: ast.AST = part
            while isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                found.add(root.id)
            elif not isinstance(root, ast.Constant):
                return None
    return found


def _changes(node: ast.AST, fresh: set[str], own: set[int]) -> bool:
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return not (isinstance(node.value, ast.Name) and (node.value.id in fresh or id(node.value) in own))
    if isinstance(node, ast.AugAssign):
        return isinstance(node.target, ast.Name) and node.target.id not in fresh
    if not isinstance(node, ast.Call):
        return False
    for keyword in node.keywords:
        plain = isinstance(keyword.value, ast.Constant) and not keyword.value.value
        if keyword.arg in ("inplace", "out") and not plain:
            return True
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in _FUNCTIONS:
        return True
    if isinstance(function, ast.Attribute) and name in _METHODS:
        return not (isinstance(function.value, ast.Name) and function.value.id in fresh)
    return False


def _fresh(tree: ast.AST) -> set[str]:
    """The names that are bound to nothing but new objects."""
    new: set[str] = set()
    given: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None and _is_new(node.value):
                    new.add(target.id)
                else:
                    given |= _bound(target)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            given |= _bound(node.target)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.NamedExpr):
            given.add(node.target.id)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            given |= _bound(node.optional_vars)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            given |= set(node.names)
    return new - given


def _bound(target: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _is_new(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _MAKERS
    return isinstance(value, _NEW)


def _itself(function: ast.FunctionDef) -> list[int]:
    """Where an object that is just being made sets its own attributes."""
    arguments = function.args.args
    if function.name != "__init__" or not arguments:
        return []
    me = arguments[0].arg
    return [id(node) for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == me]
