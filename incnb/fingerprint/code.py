"""Code objects: what they are, and what they read from outside.

`code_token` is a canonical form of the code object in memory, which is what would really run; the file may differ.
Positions, file names and the names of plain locals are not in it; neither is the docstring, which no instruction loads:
constants are numbered by first use in the bytecode instead of by their place in `co_consts`.

`references` lists what the code reads from its globals, by path: `utils.clean`, `cfg["lr"]`. A path is followed as long
as the bytecode itself follows it with constant steps; whatever happens next happens to the whole object at its end.
"""

from __future__ import annotations

import dis
import marshal
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, TypeVar

#: A function that mentions one of these may read its own locals by name, so the names count.
FRAME_READERS = frozenset(
    """
    locals vars dir eval exec query evaluate _getframe currentframe stack globals ols glm wls gls logit probit poisson
    mixedlm from_formula dmatrix dmatrices model_matrix sql execute executemany from_query query_df filter project
    aggregate order table view SQLContext bmat r_ c_
    """.split()  # noqa: SIM905  one a line would be a page
)
_HAS_CONST = frozenset(dis.hasconst)

Step = tuple[str, Any]  # ("attr", name) or ("item", constant)


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a global name, followed along constant steps; `line` is where."""

    name: str
    path: tuple[Step, ...] = ()
    line: int = 0

    @property
    def place(self) -> Read:
        """What is read, wherever that is."""
        return Read(self.name, self.path)


@dataclass(frozen=True, slots=True)
class References:
    """What one code object, with all code nested in it, does to the world outside its locals."""

    reads: tuple[Read, ...]
    stores: frozenset[str]  # global names that it binds or deletes
    attributes: frozenset[str]  # every attribute name that it loads, of whatever object
    attribute_stores: frozenset[str]
    imports: tuple[tuple[str, tuple[str, ...], int], ...]  # module, names, level
    strings: frozenset[str]
    values: frozenset[Read] = frozenset()  # reads for more than a call that the code itself makes, without lines


def _token(code: CodeType) -> bytes:
    constants, instructions, handlers = _canonical(code)
    names = code.co_varnames
    parameters = code.co_argcount + code.co_kwonlyargcount
    parameters += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    kept = names if holds_locals(code) else names[:parameters]
    flags = code.co_flags & ~0x04000000  # CO_HAS_DOCSTRING
    parts = [
        marshal.dumps((instructions, handlers), 2),
        marshal.dumps(
            (
                code.co_name,
                code.co_qualname,
                code.co_argcount,
                code.co_posonlyargcount,
                code.co_kwonlyargcount,
                flags,
                code.co_names,
                kept,
                code.co_cellvars,
                code.co_freevars,
            ),
            2,
        ),
        *(_constant_token(c) for c in constants),
    ]
    return b"".join(len(p).to_bytes(8, "little") + p for p in parts)


def holds_locals(code: CodeType) -> bool:
    """Whether the names of all locals are in the fingerprint of `code`: it may read them by name."""
    return not FRAME_READERS.isdisjoint(code.co_names)


def _canonical(code: CodeType) -> tuple[list[Any], list[int], list[tuple[int, ...]]]:
    """Constants in the order of their first use, instructions, and ranges of exception handlers.

    Where a line breaks shows in the bytecode: as NOP, and in which neighbours were made one instruction. Both are
    undone; jumps and ranges are told by the number of an instruction, not by its offset.
    """
    constants: list[Any] = []
    numbers: dict[int, int] = {}
    places: dict[int, int] = {}  # offset -> number of the instruction there, or of the next one
    found: list[tuple[int, int, bool]] = []
    for op in dis.get_instructions(code):
        places[op.offset] = len(found)
        arg = op.arg if op.arg is not None else 0
        if op.opname in _NO_MEANING:
            continue
        if op.opcode in _HAS_CONST:
            if arg not in numbers:
                numbers[arg] = len(constants)
                constants.append(code.co_consts[arg])
            found.append((op.opcode, numbers[arg], False))
        elif op.opname in _PAIRS:
            first, second = _PAIRS[op.opname]
            found += [(dis.opmap[first], arg >> 4, False), (dis.opmap[second], arg & 15, False)]
        elif op.opcode in _JUMPS:
            found.append((op.opcode, op.argval, True))
        else:
            found.append((op.opcode, arg, False))
    places[len(code.co_code)] = len(found)
    instructions = [part for op, arg, jumps in found for part in (op, places[arg] if jumps else arg)]
    entries = dis._parse_exception_table(code)  # type: ignore[attr-defined]
    ranges: list[tuple[int, ...]] = [
        (places[e.start], places[e.end], places[e.target], e.depth, int(e.lasti)) for e in entries
    ]
    return constants, instructions, _joined(ranges)


def _joined(ranges: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Ranges without the empty ones, and with neighbours of one handler joined, which NOPs had kept apart."""
    out: list[tuple[int, ...]] = []
    for start, end, *rest in ranges:
        if start == end:
            continue
        if out and out[-1][1] == start and list(out[-1][2:]) == rest:
            start = out.pop()[0]
        out.append((start, end, *rest))
    return out


_NO_MEANING = frozenset({"NOP", "EXTENDED_ARG", "CACHE", "NOT_TAKEN"})
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})


def _constant_token(value: Any) -> bytes:
    if isinstance(value, CodeType):
        return b"C" + code_token(value)
    if isinstance(value, tuple):
        inner = [_constant_token(v) for v in value]
        return b"T" + b"".join(len(p).to_bytes(8, "little") + p for p in inner)
    if isinstance(value, frozenset):
        inner = sorted(_constant_token(v) for v in value)
        return b"S" + b"".join(len(p).to_bytes(8, "little") + p for p in inner)
    if isinstance(value, slice):
        return b"L" + _constant_token((value.start, value.stop, value.step))
    return b"V" + marshal.dumps(value, 2)


_Found = TypeVar("_Found")
_Memory = dict[int, tuple["weakref.ref[CodeType]", _Found]]
_tokens: _Memory[bytes] = {}
_references: _Memory[References] = {}


def _remembered(memory: _Memory[_Found], code: CodeType, find: Callable[[CodeType], _Found]) -> _Found:
    """What was found for a code object, which never changes; by identity, since equal code may be told apart."""
    known = memory.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    ident = id(code)
    found = find(code)
    memory[ident] = (weakref.ref(code, lambda _: memory.pop(ident, None)), found)
    return found


def code_token(code: CodeType) -> bytes:
    """A canonical byte string of `code` and all code nested in it: equal exactly when they would run alike."""
    return _remembered(_tokens, code, _token)


def references(code: CodeType) -> References:
    """What `code` and the code nested in it read, bind and import, found in the bytecode."""
    return _remembered(_references, code, _find)


def _find(code: CodeType) -> References:
    found = _Finder()
    found.visit(code)
    return References(
        tuple(dict.fromkeys(found.reads)),
        frozenset(found.stores),
        frozenset(found.attributes),
        frozenset(found.attribute_stores),
        tuple(dict.fromkeys(found.imports)),
        frozenset(found.strings),
        frozenset(found.values),
    )


_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ATTRS = {"LOAD_ATTR", "LOAD_METHOD"}
_CONSTS = {"LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL"}
_SKIP = {"EXTENDED_ARG", "NOP", "CACHE", "PUSH_NULL", "PRECALL", "RESUME", "NOT_TAKEN"}


class _Finder:
    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.stores: set[str] = set()
        self.attributes: set[str] = set()
        self.attribute_stores: set[str] = set()
        self.imports: list[tuple[str, tuple[str, ...], int]] = []
        self.strings: set[str] = set()
        self.values: set[Read] = set()

    def visit(self, code: CodeType, *, direct: bool = True) -> None:
        """`direct`: the code runs where and when its caller does, as opposed to a function that is made here."""
        line = code.co_firstlineno
        every = list(dis.get_instructions(code))
        ops = [i for i in every if i.opname not in _SKIP]
        calls = _Calls(every) if direct else None
        own: set[str] = set()  # names of a class body, as long as it is sure that they are bound
        straight = True
        for position, op in enumerate(ops):
            name = op.opname
            straight = straight and op.opcode not in _JUMPS and not (position and op.is_jump_target)
            if name in _LOADS:
                if not (name == "LOAD_NAME" and op.argval in own):
                    path = _path_after(ops, position)
                    self.reads.append(Read(op.argval, path, line))
                    if calls is None or not calls.calls(op, path):
                        self.values.add(Read(op.argval, path))
            elif name == "STORE_NAME" and straight:
                own.add(op.argval)
            elif name == "DELETE_NAME":
                own.discard(op.argval)
            elif name == "SETUP_ANNOTATIONS":
                own.add("__annotations__")
            elif name in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                self.stores.add(op.argval)
            elif name in _ATTRS or name.startswith("LOAD_SUPER"):
                self.attributes.add(op.argval)
            elif name in ("STORE_ATTR", "DELETE_ATTR"):
                self.attribute_stores.add(op.argval)
            elif name == "IMPORT_NAME":
                self.imports.append(_import_at(ops, position))
        for constant in code.co_consts:
            self._constant(constant, direct=direct)

    def _constant(self, constant: Any, *, direct: bool = False) -> None:
        if isinstance(constant, CodeType):
            self.visit(constant, direct=direct and constant.co_name in _IN_PLACE)
        elif isinstance(constant, str):
            self.strings.add(constant)
        elif isinstance(constant, tuple | frozenset):
            for part in constant:
                self._constant(part)


#: Code that runs where it stands; a generator cannot be shipped to another process either.
_IN_PLACE = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})


class _Calls:
    """Which loads of a global name are there to be called at once.

    Two signs must agree: some call begins at the very column where the name begins, and the instructions have the NULL
    that goes below or above a callable. Either alone has exceptions: `(c and f)(x)` may carry the NULL on `c`, and
    generated code may have one position for everything. Without positions nothing counts as a call.
    """

    def __init__(self, every: list[Any]):
        self._every = every
        self._places = {op.offset: index for index, op in enumerate(every)}
        self._starts = {
            (op.positions.lineno, op.positions.col_offset)
            for op in every
            if op.opname.startswith("CALL") and "INTRINSIC" not in op.opname and op.positions is not None
        }

    def calls(self, load: Any, path: tuple[Step, ...]) -> bool:
        at = load.positions
        if load.opname != "LOAD_GLOBAL" or any(kind != "attr" for kind, _ in path):
            return False
        if at is None or at.lineno is None or at.col_offset is None or (at.lineno, at.col_offset) not in self._starts:
            return False
        index = self._places[load.offset]
        before = [op for op in self._every[max(0, index - 3) : index] if op.opname not in _FILLING]
        after = [op for op in self._every[index + 1 : index + 8 + 4 * len(path)] if op.opname not in _FILLING]
        last = after[len(path) - 1] if 0 < len(path) <= len(after) else load
        return bool(
            load.arg & 1
            or (path and last.arg & 1)
            or (before and before[-1].opname == "PUSH_NULL")
            or (len(after) > len(path) and after[len(path)].opname == "PUSH_NULL")
        )


_FILLING = frozenset({"EXTENDED_ARG", "NOP", "CACHE", "NOT_TAKEN"})


def _path_after(ops: list[Any], position: int) -> tuple[Step, ...]:
    path: list[Step] = []
    at = position + 1
    while at < len(ops):
        op = ops[at]
        if op.opname in _ATTRS:
            path.append(("attr", op.argval))
            at += 1
        elif op.opname in _CONSTS and at + 1 < len(ops) and _is_subscript(ops[at + 1]) and _is_key(op.argval):
            path.append(("item", op.argval))
            at += 2
        else:
            break
    return tuple(path)


def _is_subscript(op: Any) -> bool:
    return bool(op.opname == "BINARY_SUBSCR") or bool(op.opname == "BINARY_OP" and op.argrepr == "[]")


def _is_key(value: Any) -> bool:
    return type(value) in (str, int)


def _import_at(ops: list[Any], position: int) -> tuple[str, tuple[str, ...], int]:
    names: tuple[str, ...] = ()
    level = 0
    if position >= 1 and isinstance(ops[position - 1].argval, tuple):
        names = ops[position - 1].argval
    if position >= 2 and isinstance(ops[position - 2].argval, int):
        level = ops[position - 2].argval
    return ops[position].argval, names, level
