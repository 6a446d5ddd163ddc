"""`why`: all reasons of one decision, with what was and what is, and the decisions that led to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from incnb.explain.answer import Answer, code, coloured, faint, folded, paragraph, table, then_and_now
from incnb.explain.markup import text as escaped
from incnb.explain.rows import Row
from incnb.explain.words import items, sentence
from incnb.model import Change, Reason

SHOWN = 12  # of the things that did not move, in a terminal


@dataclass(frozen=True, repr=False)
class Why(Answer):
    """Why a cell was decided as it was. `causes` are the cells that its reasons name, nearest first, and theirs."""

    row: Row
    causes: tuple[Row, ...] = ()
    note: str = ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return self.row.decision.reasons if self.row.decision is not None else ()

    def text(self) -> str:
        row, lines = self.row, [f"{heading(self.row)}: {self.row.line}"]
        lines += [f"  {self.note}"] if self.note else []
        if row.decision is not None and row.decision.items is not None:
            lines.append(f"  {items(row.decision.items)}")
        named = set[tuple[str, str]]()
        for number, reason in enumerate(self.reasons, 1):
            lines.append(f"  {number}. {sentence(reason)}")
            change = self.change(reason)
            if change is not None and (change.kind, change.locator) not in named:
                named.add((change.kind, change.locator))
                lines += [f"     {line}" for line in _about(change, sentence(reason))]
        told = [c for c in row.changes if c.was or c.now or c.moved]
        others = [c for c in told if c.moved and (c.kind, c.locator) not in named]
        if others:
            lines.append("  what else differs:")
            for change in others:
                lines.append(f"     {change.kind} {change.locator}")
                lines += [f"       {line}" for line in _about(change)]
        lines += [f"  ← caused by {heading(cause)}: {cause.line}" for cause in self.causes]
        same = [c for c in told if c.moved is False and (c.kind, c.locator) not in named]
        if same:
            lines.append(f"  relied on as it is, {len(same)} more: {_some([c.locator for c in same])}")
        if row.outputs:
            lines.append(f"  kept: {_some([kept.name for kept in row.outputs])}")
        return "\n".join(lines)

    def markup(self) -> str:
        row = self.row
        parts = [f"<div><b>{escaped(heading(row))}</b> {coloured(row.line, row.status)}</div>"]
        parts += [paragraph(self.note)] if self.note else []
        if row.decision is not None and row.decision.items is not None:
            parts.append(paragraph(items(row.decision.items)))
        listed = []
        for reason in self.reasons:
            change = self.change(reason)
            listed.append(f"<li>{escaped(sentence(reason))}{_more(change) if change is not None else ''}</li>")
        parts.append(f'<ol style="margin:.3em 0">{"".join(listed)}</ol>')
        parts += [paragraph(f"← caused by {heading(cause)}: {cause.line}") for cause in self.causes]
        if row.changes:
            rows = [
                (
                    escaped("moved" if change.moved else "as it was" if change.moved is False else "new"),
                    escaped(change.kind),
                    f"<code>{escaped(change.locator)}</code>",
                    escaped(then_and_now(change)) + ("<br>" + code(change.diff) if change.diff else ""),
                    faint(" · ".join(part for part in (change.via and f"used by {change.via}", change.place) if part)),
                )
                for change in row.changes
            ]
            about = table(("", "kind", "what", "was → is", ""), rows)
            parts.append(folded(f"what it relied on ({len(rows)})", about))
        if row.outputs:
            kept = table(("kept", ""), [(escaped(k.name), faint(k.shown or k.what)) for k in row.outputs])
            parts.append(folded(f"what is kept ({len(row.outputs)})", kept))
        return "".join(parts)

    def change(self, reason: Reason) -> Change | None:
        """What is known of the thing that a reason names."""
        if reason.change is not None:
            return reason.change
        return next((c for c in self.row.changes if (c.kind, c.locator) == (reason.kind, reason.locator)), None)

    def to_dict(self) -> dict[str, Any]:
        reasons = []
        for reason in self.reasons:
            change = self.change(reason)
            told = {**reason.to_dict(), "text": sentence(reason)}
            reasons.append({**told, "change": change.to_dict() if change is not None else None})
        causes = [cause.to_dict() for cause in self.causes]
        return {"cell": self.row.to_dict(), "reasons": reasons, "causes": causes, "note": self.note}

    def records(self) -> list[dict[str, Any]]:
        found = []
        for reason in self.reasons:
            change = self.change(reason)
            found.append(
                {
                    "cell": self.row.title,
                    "code": reason.code.value,
                    "kind": reason.kind,
                    "locator": reason.locator,
                    "text": sentence(reason),
                    "was": change.was if change is not None else None,
                    "now": change.now if change is not None else None,
                    "caused_by": " ← ".join(reason.caused_by),
                }
            )
        return found


@dataclass(frozen=True, repr=False)
class NothingYet(Answer):
    """There is nothing to tell; `why` says so."""

    why: str

    def text(self) -> str:
        return self.why

    def markup(self) -> str:
        return paragraph(self.why)

    def to_dict(self) -> dict[str, Any]:
        return {"cell": None, "note": self.why}

    def records(self) -> list[dict[str, Any]]:
        return []


def heading(row: Row) -> str:
    """The title of a cell with its number."""
    return row.title if row.number is None else f"{row.title} [{row.number}]"


def _about(change: Change, said: str = "") -> Iterator[str]:
    """What more is known of a change than was said already."""
    seen = then_and_now(change)
    seen = "" if seen in said else seen
    parts = (change.place, change.via and f"used by {change.via}")
    where = " · ".join(part for part in parts if part and part not in said)
    if seen or where:
        yield " · ".join(part for part in (seen, where) if part)
    yield from (part for part in change.parts if part not in said)
    yield from change.diff.splitlines()


def _more(change: Change) -> str:
    seen = " · ".join(part for part in (then_and_now(change), change.place) if part)
    parts = "".join(paragraph(part) for part in change.parts)
    return (f"<br>{faint(seen)}" if seen else "") + parts + (code(change.diff) if change.diff else "")


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
