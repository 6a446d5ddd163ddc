"""How a tracked cell runs: as itself, by IPython.

An input transformer turns the line `%%incremental --opts` into a string literal on the same line, so that line numbers,
syntax errors, top-level `await`, `%` and `!` lines, the displayed last expression and the execution count stay
IPython's own business. An AST transformer recognises the literal, asks the session, and hands back the body or a
replay. What does not work, and why: a cell magic that calls `run_cell` or `exec` loses `await`, tracebacks or `Out`; an
exception inside an AST transformer makes IPython drop it for good, so this one lets nothing out but `InputRejected`.

Below `%%time` and `%%capture` a body passes through the same transformers without events of its own: the marker in the
AST, not the event, says what is ours.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from IPython.core.error import InputRejected

from incnb.engine.naming import cell_key, title_of
from incnb.engine.options import OptionError, Options, parse
from incnb.engine.session import Session
from incnb.outputs.pending import Lost

MARK = "%%incremental"
_LINE = re.compile(r"^%%incremental(?![\w?])")
_TRANSPARENT = ("time", "capture")
#: They run a body many times, or take it apart: nothing of it could be reused.
_REPEATING = ("timeit", "prun", "debug")


class NotStarted(InputRejected):
    """A cell cannot start, since a value that it needs is lost; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class InputMarker:
    """Replaces the `%%incremental` line by a literal; pure and idempotent, since ipykernel transforms twice."""

    has_side_effects = True  # else the terminal submits the cell after its first line

    def __init__(self, shell: Any):
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        at = next((i for i, line in enumerate(lines) if line.strip()), None)
        if at is None or not _LINE.match(lines[at]):
            return lines
        literal = repr(lines[at].rstrip("\n")) + "\n"
        rest = lines[at + 1 :]
        first = next((line for line in rest if line.strip()), "")
        if first.startswith("%%"):
            # while that magic is still on its first line
            blank = 0
            while not rest[blank].strip():
                blank += 1
            rest = rest[:blank] + self._shell.transform_cell("".join(rest[blank:])).splitlines(keepends=True)
        return [*lines[:at], literal, *rest]


class Tracker(ast.NodeTransformer):
    """Recognises tracked cells in their ASTs and swaps bodies for replays."""

    def __init__(
        self,
        session: Session,
        say: Callable[[str], None],
        begun: Callable[[str, str], None] = lambda key, title: None,
    ):
        """`begun` is told the key and the title of a tracked cell before it is decided."""
        self.session = session
        self._begun = begun
        self.auto: Options | None = None
        self.enabled = True
        self._say = say
        self._cells: list[Any] = []
        self._visited = 0
        self._handed_down: Options | None = None

    @property
    def inside(self) -> bool:
        """Whether a cell runs, tracked or not."""
        return bool(self._cells)

    # -- events

    def pre_run_cell(self, info: Any = None) -> None:
        self._cells.append(info)
        if len(self._cells) == 1 and not getattr(info, "silent", False):
            self.session.ledger.ran(getattr(info, "cell_id", None), getattr(info, "raw_cell", "") or "")
        self._visited = 0
        if len(self._cells) == 1:
            self._handed_down = None

    def post_run_cell(self, result: Any = None) -> None:
        if self._cells:
            self._cells.pop()
        self._visited = 1
        if not self._cells:
            self.session.ran()
        tracked = self.session.current
        if tracked is None or (self._cells and not tracked.ended and tracked.replay is None and tracked.nested):
            return
        success = bool(getattr(result, "success", True))
        error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
        number = getattr(result, "execution_count", None)
        if self._cells and number is not None and getattr(self._cells[0], "store_history", False):
            number -= 1  # within a cell, IPython has counted on already
        self.session.finish(success, getattr(result, "result", None), number, error)

    # -- the tree

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.Module):
            return node
        try:
            return self._module(node)
        except Lost as lost:
            raise NotStarted(f"incnb: {lost}") from None
        except KeyboardInterrupt:
            interrupt = KeyboardInterrupt()
            interrupt._render_traceback_ = lambda: ["KeyboardInterrupt: "]  # type: ignore[attr-defined]
            raise interrupt from None
        except InputRejected:
            raise
        except Exception as error:  # anything else would take this transformer off the shell for good
            self.session.item_fault(error)
            self._say(f"incnb: a fault of its own, the cell runs as usual: {type(error).__name__}")
            return marker(node)[1]

    def _module(self, tree: ast.Module) -> ast.Module:
        self._visited += 1
        nested = self._visited > 1
        info = self._cells[-1] if self._cells else None
        line, body = marker(tree)
        if not self.enabled:
            return body
        if self.session.off:
            self.session.untracked(body)
            return body
        if self.session.current is not None:
            self.session.untracked(body)
            return body  # below a magic of a cell that is already observed
        above = around_marker(body)
        if above:
            raise NotStarted(f"incnb: %%incremental cannot stand below %%{above}; remove one of the two")
        options = self._options(line, body, info)
        if options is None or not body.body or self._is_subshell():
            self.session.untracked(body)
            return body
        if transparent(body):
            self._handed_down = options
            self.session.pending.before_cell(frozenset({"globals"}))
            return body
        self.session.raw_cell = getattr(info, "raw_cell", "") or ""
        cell_id, title = getattr(info, "cell_id", None), title_of(body, options, self.session.raw_cell)
        self._begun(cell_key(cell_id, title), title)
        return self.session.transform(body, options, cell_id, nested=nested and not self._inner_cell())

    def _inner_cell(self) -> bool:
        """Whether the tree belongs to a `run_cell` of its own (as below `%%capture`), which reports its end."""
        return self._visited == 1

    def _options(self, line: str | None, body: ast.Module, info: Any) -> Options | None:
        handed, self._handed_down = self._handed_down, None
        if line is not None:
            try:
                return parse(line, self.auto)
            except OptionError as error:
                self._say(f"incnb: {error}. The cell runs as usual and nothing is saved.")
                return None
        if handed is not None:
            return handed
        if self.auto is None or info is None or getattr(info, "silent", False) or self._visited > 1:
            return None
        raw = getattr(info, "raw_cell", "") or ""
        if re.search(r"^\s*%(incremental\b|(re|un)?load_ext\s+incnb)", raw, re.M) or re.match(
            r"\s*(reload|load)_ext", raw
        ):
            return None
        return self.auto

    def _is_subshell(self) -> bool:
        kernel = getattr(self.session.shell, "kernel", None)
        get = getattr(kernel, "get_parent", None)
        try:
            parent = get("shell") if get is not None else {}
        except Exception:  # a kernel without such a channel
            return False
        return bool((parent or {}).get("header", {}).get("subshell_id"))


def marker(tree: ast.Module) -> tuple[str | None, ast.Module]:
    """The options line of a marked cell (None: not marked) and the tree without the marker."""
    if tree.body and isinstance(tree.body[0], ast.Expr):
        value = tree.body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and _LINE.match(value.value):
            return value.value[len(MARK) :].strip(), ast.Module(tree.body[1:], tree.type_ignores)
    return None, tree


def transparent(tree: ast.Module) -> bool:
    """Whether the whole cell is one `%%time` or `%%capture`, whose body comes by on its own."""
    return any(name in _TRANSPARENT for name in _cell_magic(tree)[:1])


def around_marker(tree: ast.Module) -> str:
    """The magic that would run the body of a marked cell many times."""
    words = _cell_magic(tree)
    if len(words) != 3 or words[0] not in _REPEATING:
        return ""
    first = next((line for line in words[2].splitlines() if line.strip()), "")
    return words[0] if _LINE.match(first) else ""


def _cell_magic(tree: ast.Module) -> list[str]:
    """Name, line and body of the cell magic that is the whole cell."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return []
    call = tree.body[0].value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run_cell_magic"):
        return []
    return [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
