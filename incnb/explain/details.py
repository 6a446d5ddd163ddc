"""What a row of the page opens to: all reasons, what it relied on then and now, what it reads of whom, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from incnb.explain.markup import code, tag, text
from incnb.explain.rows import Row
from incnb.explain.words import amount, sentence, size
from incnb.model import Change

LISTED = 200  # unchanged dependencies of one cell that are named; the rest is counted
_SHOWN = 60


def details(row: Row, keys: dict[str, int], rows: Sequence[Row]) -> str:
    """The parts that there are, each below a heading. `keys`: the number in the page of each cell."""
    parts = [_reasons(row), _moved(row), _still(row), _reads(row, keys, rows), _kept(row)]
    return "\n".join(part for part in parts if part)


def _part(name: str, content: str) -> str:
    return f"<section><h3>{name}</h3>{content}</section>" if content else ""


def _reasons(row: Row) -> str:
    if row.decision is None:
        return ""
    told = [f"<li>{text(sentence(r))} <code>{r.code.value}</code></li>" for r in row.decision.reasons]
    return _part("Reasons", f"<ul>{''.join(told)}</ul>")


def _moved(row: Row) -> str:
    moved = [change for change in row.changes if change.moved]
    if not moved:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Kind", "What", "Recorded → now"))
    lines = "".join(_change(change) for change in moved)
    return _part(
        f"Changed: {amount(len(moved), 'dependency', 'dependencies')}",
        f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>",
    )


def _change(change: Change) -> str:
    led = [text(change.place)] if change.place else []
    led += [f"used by {code(change.via)}"] if change.via else []
    where = f"<small>{' · '.join(led)}</small>" if led else ""
    then = ""
    if change.was != change.now:
        then = f"<p><del>{text(change.was) or 'not there'}</del> → <ins>{text(change.now) or 'not there'}</ins></p>"
    elif not change.diff and not change.parts:
        then = f"<p>{text(change.now)} (changed)</p>" if change.now else "<p>changed</p>"
    parts = f"<ul>{''.join(f'<li>{text(part)}</li>' for part in change.parts)}</ul>" if change.parts else ""
    return (
        f'<tr><td>{text(change.kind)}</td><th scope="row">{code(change.locator)}{where}</th>'
        f"<td>{then}{parts}{_diff(change.diff)}</td></tr>"
    )


def _diff(diff: str) -> str:
    """Signs and colours; a screen reader says insertion and deletion."""
    if not diff:
        return ""
    tags = {"+": "ins", "-": "del", "@": "i"}
    lines = ((tags.get(line[:1], ""), text(line)) for line in diff.splitlines())
    shown = "\n".join(f"<{name}>{line}</{name}>" if name else line for name, line in lines)
    return f'<pre class="diff" tabindex="0" role="region" aria-label="difference">{shown}</pre>'


def _still(row: Row) -> str:
    """What did not move, and what there is nothing to compare with, folded behind its count."""
    still = [change for change in row.changes if change.moved is False]
    alone = [change for change in row.changes if change.moved is None]
    folds = _fold(f"{amount(len(still), 'dependency', 'dependencies')} unchanged", still) if still else ""
    if alone:
        folds += _fold(
            f"{amount(len(alone), 'dependency', 'dependencies')} without a recorded run to compare with", alone
        )
    return f"<section>{folds}</section>" if folds else ""


def _fold(name: str, changes: list[Change]) -> str:
    listed = sorted(changes[:LISTED], key=lambda change: change.kind)
    kinds = groupby(listed, key=lambda change: change.kind)
    lists = "".join(f"<dt>{text(kind)}</dt><dd>{', '.join(map(_brief, found))}</dd>" for kind, found in kinds)
    left = len(changes) - len(listed)
    more = f"<p>and {left:,} more</p>" if left else ""
    return f"<details><summary>{name}</summary><dl>{lists}</dl>{more}</details>"


def _brief(change: Change) -> str:
    shown = " ".join((change.now or change.was).split())
    if not shown or shown == change.locator:
        return code(change.locator)
    return f"{code(change.locator)} {text(shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…')}"


def _reads(row: Row, keys: dict[str, int], rows: Sequence[Row]) -> str:
    told = [
        f'<li>{", ".join(map(code, names))} of <a href="#cell-{keys[key]}">{text(rows[keys[key] - 1].title)}</a>'
        f"{' <small>← a cause</small>' if key in row.blamed else ''}</li>"
        for key, names in row.reads
        if key in keys
    ]
    return _part("Reads", f"<ul>{''.join(told)}</ul>" if told else "")


def _kept(row: Row) -> str:
    told = []
    for output in row.outputs:
        shown = f" {text(output.shown)}" if output.shown else ""
        name = text(output.name) if output.what == "output" else f"{text(output.what)} {code(output.name)}"
        told.append(f"<li>{name}{shown}{_size(output.bytes)}</li>")
    return _part("Kept", f'<ul class="kept">{"".join(told)}</ul>' if told else "")


def _size(count: int | None) -> str:
    return "" if count is None else f" {tag('small', size(count))}"
