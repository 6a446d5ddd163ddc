"""What magics mean: the tree of a cell with the magics that are understood replaced by what they amount to.

`%time expr` is the expression; `%run -i FILE` the statements of the file; `%run FILE` binds what the file binds, and
does what the file does, in a namespace of its own; `!cmd` and `%%bash` read the variables in their text and start a
process; `%%writefile` writes a file, which is seen; `%%html` shows a constant. The tree is for analysis and is never
run. It has as many statements at its top as the cell, so that their places mean the same. Whatever is not understood
stays as it is, and makes the cell execute.

Pure: the shell's own transformation of text and the reading of scripts are handed in.
"""

from __future__ import annotations

import ast
import copy
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from string import Formatter

from incnb.analysis.definitions import RERUN_MAGICS, is_shell
from incnb.analysis.findings import Finding

_SHELL_METHODS = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})
_DISPLAYS = frozenset({"html", "markdown", "latex", "javascript", "js", "svg", "SVG", "HTML"})
_SCRIPTS = frozenset({"bash", "sh", "script", "perl", "ruby", "pypy", "python", "python2", "python3"})
_PROCESSES = frozenset({"pip", "conda", "mamba", "micromamba", "uv"})
_WRITERS = frozenset({"writefile", "file"})
#: `%autoreload` without a mode reloads there and then.
_MODES = frozenset(["0", "1", "2", "3", "off", "explicit", "all", "complete"])
_PATH = r"""(?:"([^"${}\\*?\[]+)"|'([^'${}\\*?\[]+)'|([^\s'"${}\\*?\[#;-][^\s'"${}\\*?\[;]*))"""
_RUN = re.compile(rf"\s*(-i\s+)?{_PATH}\s*")
_WRITE = re.compile(r"""\s*(?:(?:-a|--append)\s+)?([^\s'"${}\\-][^\s'"${}\\]*)(?:\s+(?:-a|--append))?\s*""")
_SCRIPT_OPTIONS = re.compile(r"\s*(?:--(?:out|err)[ =]\w+\s*|--no-raise-error\s*)*")
_TARGET = re.compile(r"--(?:out|err)[ =](\w+)")
_DOLLAR = re.compile(r"\$\$?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
#: What `%run` binds beside what the script binds.
MODULE_NAMES = ("__doc__", "__package__", "__loader__", "__spec__")


@dataclass(frozen=True, slots=True)
class Script:
    """A file that `%run` runs: as it is named, where it is, its content, and how it was found in a few words.

    `problem` says why its imports or itself cannot be followed.
    """

    given: str
    path: str
    content: bytes
    problem: str = ""


@dataclass(slots=True)
class Meaning:
    """A cell with its magics understood: `fresh` are the scripts that run in a namespace of their own."""

    tree: ast.Module
    findings: list[Finding] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    fresh: list[tuple[Script, ast.Module]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shell:
    """What is asked of the shell: its transformation of text, scripts by name, whether a magic is IPython's own."""

    transform: Callable[[str], str]
    script: Callable[[str], Script | None]
    knows: Callable[[str, str], bool]  # "line" or "cell", and the name


def meaning(tree: ast.Module, shell: Shell, outline: Callable[[ast.Module], tuple[set[str], set[str]]]) -> Meaning:
    """Understand the magics of a cell; the very same tree when there are none.

    `outline` gives the names that a script binds for sure and those that it may bind.
    """
    if not _has_magics(tree):
        return Meaning(tree)
    result = Meaning(copy.deepcopy(tree))
    _Reader(result, shell, outline).visit(result.tree)
    ast.fix_missing_locations(result.tree)
    return result


def whole(tree: ast.Module) -> ast.Module:
    """A script whose functions are all handed on when it ends: to the notebook, which may call any of them."""
    names = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    end = ast.Expr(ast.List([ast.Name(name, ast.Load()) for name in names], ast.Load()))
    return ast.fix_missing_locations(ast.Module([*tree.body, end], tree.type_ignores))


def _has_magics(tree: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr in _SHELL_METHODS for n in ast.walk(tree))


class _Reader(ast.NodeTransformer):
    def __init__(
        self, result: Meaning, shell: Shell, outline: Callable[[ast.Module], tuple[set[str], set[str]]]
    ) -> None:
        self.result = result
        self.shell = shell
        self.outline = outline
        words = {n.attr for n in ast.walk(result.tree) if isinstance(n, ast.Attribute)}
        words |= {n.args[0].value for n in ast.walk(result.tree) if _is_line_magic(n)}  # type: ignore[attr-defined]
        self.moves = bool(words & {"chdir", "cd", "pushd", "popd", "bookmark"})

    # what a function does, it does when it is called: its magics are not followed

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        found = self._shell_call(node.value)
        if found is None:
            return self.generic_visit(node)
        body = self._statement(*found, node.lineno)
        if body is None:
            return node
        if len(body) == 1 and isinstance(body[0], ast.Expr):
            return ast.copy_location(body[0], node)
        return ast.copy_location(ast.With([], body or [ast.Pass()]), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        found = self._shell_call(node)
        if found is None:
            return self.generic_visit(node)
        value = self._value(*found, node.lineno)
        return node if value is None else ast.copy_location(value, node)

    @staticmethod
    def _shell_call(node: ast.AST) -> tuple[str, list[str]] | None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_shell(node.func.value)):
            return None
        words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if node.func.attr not in _SHELL_METHODS or node.keywords or len(words) != len(node.args) or not words:
            return None
        return node.func.attr, words

    # -- as a statement: None = not understood

    def _statement(self, method: str, words: list[str], line: int) -> list[ast.stmt] | None:
        if method == "run_line_magic" and len(words) == 2:
            return self._line_magic(words[0], words[1], line)
        if method == "run_cell_magic" and len(words) == 3:
            return self._cell_magic(words[0], words[1], words[2], line)
        if method == "system":
            return self._process(f"!{words[0]}", words[0], line, ("_exit_code",))
        if method == "getoutput":
            return self._process(f"!{words[0]}", words[0], line)
        return None

    def _line_magic(self, name: str, rest: str, line: int) -> list[ast.stmt] | None:
        if name in RERUN_MAGICS:
            if not self.shell.knows("line", name) and name not in ("autoreload", "aimport"):
                self._unsafe(f"%{name}, which is not IPython's own", line)
            elif "{" in rest or "$" in rest:
                self._unsafe(f"%{name} with a variable", line)
            elif name == "autoreload" and not set(rest.split()[:1]) & _MODES:
                self._unsafe(f"%{name} that reloads at once", line)
            return None
        if not self.shell.knows("line", name):
            return None
        if name == "time":
            return self._timed(rest)
        if name == "run":
            return self._run(rest, line)
        if name in ("system", "sx"):
            return self._process(f"%{name} {rest}", rest, line)
        if name in _PROCESSES:
            return self._process(f"%{name} {rest}", rest, line, ("_exit_code",))
        return None

    def _cell_magic(self, name: str, rest: str, body: str, line: int) -> list[ast.stmt] | None:
        if not self.shell.knows("cell", name) or "{" in rest or "$" in rest:
            return None
        if name in _DISPLAYS:
            return []
        if name in _SCRIPTS and _SCRIPT_OPTIONS.fullmatch(rest if name != "script" else ""):
            return self._process(f"%%{name}", None, line, tuple(_TARGET.findall(rest)))
        if name == "script" and rest.strip() and not rest.lstrip().startswith("-"):
            return self._process(f"%%{name} {rest}", None, line)
        if name in ("system", "sx", "!"):
            return self._process(f"%%{name}", f"{rest}\n{body}", line)
        if name in _WRITERS:
            target = _WRITE.fullmatch(rest)
            if target is None:
                return None
            self.result.written.append(os.path.expanduser(target[1]))
            return []
        return None

    def _timed(self, text: str) -> list[ast.stmt] | None:
        if not text.strip() or text.lstrip().startswith("--") or ("  " in text and ("'" in text or '"' in text)):
            return None
        try:
            inner = ast.parse(self.shell.transform(text))
        except SyntaxError:
            return None
        seen = [self.visit(statement) for statement in inner.body]
        return [s for s in seen if isinstance(s, ast.stmt)]

    def _run(self, text: str, line: int) -> list[ast.stmt] | None:
        found = _RUN.fullmatch(text)
        if found is None or self.moves:
            return None
        script = self.shell.script(next(g for g in found.groups()[1:] if g))
        if script is None:
            return None
        try:
            tree = ast.parse(script.content)
        except (SyntaxError, ValueError):
            return None
        if script.problem:
            self._unsafe(f"%run {script.given} {script.problem}", line)
        self.result.scripts.append(script)
        if found[1]:
            return [*tree.body, _assign("__file__")]
        self.result.fresh.append((script, tree))
        sure, maybe = self.outline(tree)
        body: list[ast.stmt] = [_assign(name) for name in sorted(sure.union(MODULE_NAMES))]
        if maybe - sure:
            body.append(ast.If(ast.Constant(True), [_assign(name) for name in sorted(maybe - sure)], []))
        return body

    def _process(self, what: str, text: str | None, line: int, binds: tuple[str, ...] = ()) -> list[ast.stmt] | None:
        reads = [] if text is None else variables(text)
        if reads is None:
            return None
        shown = " ".join(what.split())[:48]
        self.result.findings.append(Finding("effect", f"it ran a subprocess ({shown})", line, "subprocess"))
        return [*(ast.Expr(read) for read in reads), *(_assign(name) for name in binds)] or [ast.Pass()]

    # -- as a part of an expression

    def _value(self, method: str, words: list[str], line: int) -> ast.expr | None:
        if method == "run_line_magic" and len(words) == 2 and words[0] in RERUN_MAGICS:
            return None
        before = copy.copy(self.result.findings), list(self.result.scripts), list(self.result.fresh)
        body = self._statement(method, words, line)
        if body is not None and all(isinstance(s, ast.Expr | ast.Pass) for s in body):
            values = [s.value for s in body if isinstance(s, ast.Expr)]
            return values[0] if len(values) == 1 else ast.Tuple(values, ast.Load())
        self.result.findings, self.result.scripts, self.result.fresh = before
        return None

    def _unsafe(self, what: str, line: int) -> None:
        self.result.findings.append(Finding("unsafe", what, line))


def variables(text: str) -> list[ast.expr] | None:
    """The expressions that IPython puts into a command: `{expr}` and `$name`; None when they cannot be told."""
    found: list[ast.expr] = []
    try:
        for literal, expression, form, _ in Formatter().parse(text):
            for name in _DOLLAR.findall(literal):
                found.append(ast.parse(name, mode="eval").body)
            if expression is not None:
                if form:
                    return None
                found.append(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        # IPython leaves such a text as it is, but for the dollars
        if "{" in text and re.search(r"\{[^{}]*[A-Za-z_]", text):
            return None
        found = [ast.parse(name, mode="eval").body for name in _DOLLAR.findall(text)]
    return found


def _assign(name: str) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None))


def _is_line_magic(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
        return False
    first = node.args[0]
    return node.func.attr == "run_line_magic" and isinstance(first, ast.Constant) and isinstance(first.value, str)
