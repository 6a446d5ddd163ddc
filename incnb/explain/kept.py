"""`store` and `forget`: what is kept for whom, and what was taken out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from incnb.explain.answer import Answer, faint, paragraph, table
from incnb.explain.markup import text as escaped
from incnb.explain.tables import columns
from incnb.explain.words import amount, size

SHOWN = 40  # cells in a terminal


@dataclass(frozen=True, slots=True)
class Share:
    """What is kept for one cell; bytes. `shared` is the part of `blobs` that other cells refer to as well."""

    title: str
    notebook: str
    traces: int
    trace_bytes: int
    blobs: int
    shared: int
    items: int

    @property
    def bytes(self) -> int:
        return self.trace_bytes + self.blobs + self.items

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "notebook": self.notebook,
            "traces": self.traces,
            "trace_bytes": self.trace_bytes,
            "blob_bytes": self.blobs,
            "shared_bytes": self.shared,
            "item_bytes": self.items,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, repr=False)
class Usage(Answer):
    """What a store holds, by cell, largest first. `rest`: bytes that belong to no cell that is known, `log`: those of
    the history. `complete` False: it is too much to look at all of it.
    """

    path: str
    cells: tuple[Share, ...]
    total: int
    rest: int
    log: int
    complete: bool = True

    def summary(self) -> list[str]:
        """The sums."""
        lines = [f"{self.path}: {size(self.total)} in all, of it {size(self.log)} history"
                 f" and {size(self.rest)} that belong to no known cell"]  # fmt: skip
        if any(cell.shared for cell in self.cells):
            lines.append("what several cells share is counted for each of them")
        if not self.complete:
            lines.append("there is more than could be looked at: blobs are not told by cell for all of it")
        return lines

    def text(self) -> str:
        rows = [_cells(cell) for cell in self.cells[:SHOWN]]
        more = len(self.cells) - len(rows)
        head = ("cell", "notebook", "traces", "values", "shared", "items", "in all")
        told = columns([head, *rows]) if rows else ["nothing is kept of any cell"]
        return "\n".join([*told, *([f"and {amount(more, 'cell')} more"] if more else []), *self.summary()])

    def markup(self) -> str:
        rows = [
            (escaped(title), faint(notebook), *map(escaped, rest)) for title, notebook, *rest in map(_cells, self.cells)
        ]
        head = ("cell", "notebook", "traces", "values", "shared", "items", "in all")
        return (table(head, rows) if rows else "") + "".join(map(paragraph, self.summary()))

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "total": self.total,
            "rest": self.rest,
            "log": self.log,
            "complete": self.complete,
            "cells": [cell.to_dict() for cell in self.cells],
        }

    def records(self) -> list[dict[str, Any]]:
        return [cell.to_dict() for cell in self.cells]


@dataclass(frozen=True, repr=False)
class Forgotten(Answer):
    """What was taken out for a cell. `kept`: what stays, since others refer to it, in words."""

    title: str
    traces: int
    loops: int
    bytes: int
    kept: tuple[str, ...] = ()

    def text(self) -> str:
        if not self.traces and not self.loops:
            return "; ".join([f"{self.title}: nothing was saved of it", *self.kept])
        what = [amount(self.traces, "saved result")] if self.traces else []
        what += [f"the items of {amount(self.loops, 'loop')}"] if self.loops else []
        head = f"{self.title}: forgot {' and '.join(what)}, {size(self.bytes)}; it executes next time"
        return "; ".join([head, *self.kept])

    def markup(self) -> str:
        return paragraph(self.text())

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "traces": self.traces,
            "loops": self.loops,
            "bytes": self.bytes,
            "kept": list(self.kept),
        }

    def records(self) -> list[dict[str, Any]]:
        return [self.to_dict()]


def _cells(cell: Share) -> tuple[str, ...]:
    held = f"{cell.traces} ({size(cell.trace_bytes)})"
    sizes = (size(n) if n else "-" for n in (cell.blobs, cell.shared, cell.items))
    return (cell.title, PurePath(cell.notebook).name or "-", held, *sizes, size(cell.bytes))
