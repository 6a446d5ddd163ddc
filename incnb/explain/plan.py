"""`plan`: what each cell would do if the notebook ran now, and why; nothing has run for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from incnb.explain.answer import Answer, coloured, faint, paragraph, table
from incnb.explain.markup import text as escaped
from incnb.explain.tables import columns
from incnb.explain.words import amount, seconds, sentence
from incnb.model import Outlook, Status, shorten

FILE = "the file"  # the order of a notebook that is read, and has no session
WIDE = 110  # characters of a reason in a terminal
_WOULD = {True: "✓ would be reused", False: "▲ would run", None: "? not known"}
_LIKE = {True: Status.REUSED, False: Status.EXECUTED, None: None}


@dataclass(frozen=True, repr=False)
class Plan(Answer):
    """The outlooks in the order of the notebook. `differs` says, one line each, where the saved file is another one;
    `others` are the cells that are not tracked, which are taken to do what they did.
    """

    outlooks: tuple[Outlook, ...]
    notebook: str = ""
    order: str = "first execution"
    differs: tuple[str, ...] = ()
    others: int = 0

    def summary(self) -> list[str]:
        """The counts, and what else a person should know."""
        if not self.outlooks:
            return [f"{self._nothing()}: there is nothing to plan", *self.differs]
        reuse = sum(o.reuse is True for o in self.outlooks)
        runs = [o for o in self.outlooks if o.reuse is False]
        open_ = len(self.outlooks) - reuse - len(runs)
        told = [o.seconds for o in runs if o.seconds is not None]
        last = f" (took {seconds(sum(told))} last time)" if told else ""
        parts = [f"{reuse} would be reused", f"{len(runs)} would run{last}"]
        parts += [f"{open_} not known"] if open_ else []
        counts = f"{amount(len(self.outlooks), 'cell')}: {', '.join(parts)}; nothing was run"
        others = (
            f"{amount(self.others, 'cell')} that {'is' if self.others == 1 else 'are'} not tracked would run as well"
        )
        return [counts, *([others] if self.others else []), *self.differs]

    def _nothing(self) -> str:
        if self.order != FILE:
            return "no tracked cell has run in this session"
        return "no cell of the notebook is tracked" if self.others else "the notebook has no cell of code"

    def text(self) -> str:
        rows = [
            (_number(o), o.title, _WOULD[o.reuse], shorten(because(o), WIDE) + (f" ({o.note})" if o.note else ""))
            for o in self.outlooks
        ]
        return "\n".join([*columns(rows), *self.summary()])

    def markup(self) -> str:
        rows = [
            (
                faint(_number(o)),
                escaped(o.title),
                coloured(escaped(_WOULD[o.reuse]), None)
                if o.reuse is None
                else coloured(_WOULD[o.reuse], _LIKE[o.reuse]),
                escaped(because(o)),
                faint(o.note),
            )
            for o in self.outlooks
        ]
        told = table(("", "cell", "now", "why", ""), rows) if rows else ""
        return told + "".join(map(paragraph, self.summary()))

    def to_dict(self) -> dict[str, Any]:
        return {
            "notebook": self.notebook,
            "order": self.order,
            "differs": list(self.differs),
            "untracked": self.others,
            "cells": [{**outlook.to_dict(), "text": because(outlook)} for outlook in self.outlooks],
        }

    def records(self) -> list[dict[str, Any]]:
        return [
            {
                "number": o.number,
                "title": o.title,
                "reuse": o.reuse,
                "why": because(o),
                "seconds": o.seconds,
                "note": o.note,
            }
            for o in self.outlooks
        ]


def because(outlook: Outlook) -> str:
    """Why, in one line."""
    return outlook.depends or "; ".join(sentence(reason) for reason in outlook.reasons[:1])


def _number(outlook: Outlook) -> str:
    return "" if outlook.number is None else f"[{outlook.number}]"
