"""Statements that configure a library: what they changed may be seen by nothing but later results.

`sns.set_theme()`, `pd.Series.mean = mine`, `%config InlineBackend.figure_format = 'svg'`: a later cell stays contained
in everything it reads by name, and would come out differently. So every statement of this sort that ran, in tracked
cells and others, is kept per package, in order, each at its latest place; the digest of the list is a dependency of
every cell that reaches the package. What configures Python itself (warnings, logging) counts for all.

Functions and classes of ours that were handed over may be called by the library at any time. They are kept, and are
looked at as they are when somebody asks: what they call may have been edited since.
"""

from __future__ import annotations

import ast
import os
import types
from collections.abc import Iterable
from typing import Any

import xxhash

from incnb.analysis.records import read_of
from incnb.dependencies import libraries
from incnb.fingerprint import ABSENT, Unfingerprintable, fingerprint, origin
from incnb.fingerprint.code import Read
from incnb.fingerprint.encoder import follow

EVERYTHING = "python"
_FOR_ALL = frozenset({"warnings", "logging", "locale", "decimal", "sys", "builtins", "codecs", "copyreg"})


class Configured:
    """The configuring statements that ran in one session."""

    def __init__(self, namespace: dict[str, Any]):
        self._namespace = namespace
        self.own = ""  # a statement of a loop's body that configures something
        self._statements: dict[str, dict[str, tuple[str, list[Any]]]] = {}

    def take(self, tree: ast.AST) -> None:
        """Note the statements of a cell that has just run."""
        body = tree.body if isinstance(tree, ast.Module) else []
        last = body[-1] if body else None
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._call(node.value, shown=node is last)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and self._code_in(node.value.args):
                self._call(node.value, shown=True)
            if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._shell(node)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
                targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Attribute | ast.Subscript):
                        self._store(target)

    def after(self, body: list[ast.stmt], line: int, inside: ast.Module) -> Configured:
        """What is configured when a loop in this line of a cell begins; `own`: by its body, `inside`."""
        found = Configured(self._namespace)
        found.take(ast.Module([*inside.body, ast.Pass()], []))
        found.own = next((statement for noted in found._statements.values() for statement in noted), "")
        found._statements = {top: dict(noted) for top, noted in self._statements.items()}
        before = [statement for statement in body if (statement.end_lineno or 0) < line]
        found.take(ast.Module([*before, ast.Pass()], []))
        return found

    def digest(self, top: str) -> str:
        """The fingerprint of what was configured in a package, 32 hexadecimal digits."""
        said = [
            (statement, value, [_fingerprint(part) for part in code])
            for statement, (value, code) in self._statements.get(top, {}).items()
        ]
        return xxhash.xxh3_128(repr(said).encode()).hexdigest()

    def count(self, top: str) -> int:
        """How many statements have configured a package."""
        return len(self._statements.get(top, {}))

    def of(self, top: str) -> tuple[str, str]:
        """The digest of what configured a package, and the same in words."""
        return self.digest(top), self.shown(top)

    def shown(self, top: str) -> str:
        return "; ".join(self._statements.get(top, {})) or "nothing"

    def _note(self, top: str, statement: str, value: str, code: list[Any]) -> None:
        known = self._statements.setdefault(EVERYTHING if top in _FOR_ALL else top, {})
        known.pop(statement, None)
        known[statement] = value, code

    def _shell(self, statement: ast.stmt) -> None:
        """Whatever else is done with the shell itself (`get_ipython().display_formatter...`)."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
                function = node.value.func
                shell = isinstance(function, ast.Name) and function.id == "get_ipython"
                if shell and node.attr not in ("run_line_magic", "run_cell_magic", "system", "getoutput", "user_ns"):
                    self._note(EVERYTHING, ast.unparse(statement), "", self._code_in([statement]))

    def _call(self, call: ast.Call, *, shown: bool) -> None:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr == "run_line_magic":
            words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if words[:1] in (["matplotlib"], ["config"], ["precision"]):
                drawing = words[0] == "matplotlib" or words[-1].startswith("InlineBackend")
                self._note("matplotlib" if drawing else EVERYTHING, "%" + " ".join(words), "", [])
            return
        read = read_of(function)
        if read is None:
            return
        if read.name in ("setattr", "delattr") and call.args:
            target = read_of(call.args[0])
            owner = follow(self._namespace, target)[0] if target is not None else ABSENT
            self._owned(owner, ast.unparse(call), call.args[-1])
            return
        value = follow(self._namespace, read)[0]
        root = self._namespace.get(read.name)
        if isinstance(root, types.ModuleType):
            module: Any = root.__name__
        elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            module = value.__module__
        elif read.path and type(follow(self._namespace, Read(read.name))[0]).__module__ == "logging":
            module = "logging"  # a logger is known by its name; what hangs on it is not in it
        else:
            return  # a method of an object: what it changes is in the object
        if not isinstance(module, str) or origin.is_ours(origin.module_origin(module)):
            return
        top = origin.top_level(module)
        text = ast.unparse(function)
        path = text if "." in text else f"{module}.{text}"
        named = libraries.configures_by_name(path)
        if text.endswith("seed") or not (named or (not shown and libraries.may_configure(path, value, top))):
            return
        arguments = [*call.args, *(k.value for k in call.keywords)]
        self._note(top, ast.unparse(call), " ".join(map(self._value, arguments)), self._code_in(arguments))

    def _store(self, target: ast.Attribute | ast.Subscript) -> None:
        base = read_of(target.value)
        if base is None:
            return
        owner = follow(self._namespace, base)[0]
        if owner is os.environ:
            return  # which is followed by name
        if isinstance(target, ast.Subscript):
            root = self._namespace.get(base.name)
            if not isinstance(root, types.ModuleType):
                return  # an object of the notebook's, which is compared by content
            owner = root
        self._owned(owner, ast.unparse(target), target)

    def _owned(self, owner: Any, statement: str, value: ast.expr) -> None:
        if isinstance(owner, types.ModuleType):
            module = owner.__name__
        elif isinstance(owner, type):
            module = owner.__module__
        else:
            return
        if not origin.is_ours(origin.module_origin(module)):
            self._note(origin.top_level(module), statement, self._value(value), self._code_in([value]))

    def _code_in(self, nodes: Iterable[ast.AST]) -> list[Any]:
        """The functions and classes of ours that are named, or whose instances are."""
        found: dict[int, Any] = {}
        for part in (part for node in nodes for part in ast.walk(node)):
            if isinstance(part, ast.Name | ast.Attribute):
                value = self._at(part)
                for code in (value, getattr(value, "__func__", None), type(value)):
                    if _is_ours(code):
                        found[id(code)] = code
        return list(found.values())

    def _at(self, node: ast.expr) -> Any:
        read = read_of(node)
        if read is None:
            return ABSENT
        value = follow(self._namespace, read)[0]
        for kind, key in read.path[len(read.path) - 1 :]:
            fields = getattr(value, "__dict__", None) if value is not ABSENT else None
            if kind == "attr" and isinstance(fields, dict | types.MappingProxyType):
                value = fields.get(key, value)
        return value

    def _value(self, node: ast.expr) -> str:
        """What an argument is now, as far as it can be told without running anything."""
        if isinstance(node, ast.Constant):
            return repr(node.value)
        if read_of(node) is None:
            return ast.dump(node)
        value = self._at(node)
        return value.__qualname__ if _is_ours(value) else _fingerprint(value)


def _is_ours(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return origin.is_ours(origin.function_origin(value))
    return isinstance(value, type) and origin.is_ours(origin.class_origin(value))


def _fingerprint(value: Any) -> str:
    try:
        return fingerprint(value).hex()
    except Unfingerprintable:
        return type(value).__qualname__
