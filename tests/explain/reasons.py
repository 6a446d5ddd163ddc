"""Reasons and decisions as they really come about: the variants of every code whose words are kept in golden files.

`python tests/explain/reasons.py` writes the files again.
"""

from __future__ import annotations

from pathlib import Path

from incnb.explain import describe, sentence
from incnb.model import Cell, Change, Code, Decision, ItemCounts, Reason, Seconds, Status

GOLDEN = Path(__file__).parent / "golden"


def _reason(
    code: Code, kind: str, locator: str, detail: str = "", *causes: str, chain: tuple[str, ...] | None = None
) -> Reason:
    told = None if chain is None else Change(kind, locator, moved=True, chain=chain)
    return Reason(code, kind, locator, detail, causes, told)


REASONS: dict[Code, list[Reason]] = {
    Code.OFF: [_reason(Code.OFF, "", "--off")],
    Code.FORCED: [
        _reason(Code.FORCED, "", "--force"),
        _reason(Code.FORCED, "", "--when stale", "it is true"),
        _reason(Code.FORCED, "", "--when x", "cannot be evaluated: NameError(\"name 'x' is not defined\")"),
        _reason(Code.FORCED, "", "--verify", "not what was saved: df: 3 values differ"),
    ],
    Code.MARKED: [
        _reason(Code.MARKED, "", "fit the model", "hard, the sensor was off"),
        _reason(Code.MARKED, "", "fit the model", "soft"),
    ],
    Code.STORE_UNREADABLE: [
        _reason(Code.STORE_UNREADABLE, "store", "", "the store cannot be used (store): it is a file"),
        _reason(Code.STORE_UNREADABLE, "store", "000000000003-0f", "it belongs to another cell"),
    ],
    Code.NEWER_FORMAT: [_reason(Code.NEWER_FORMAT, "store", "000000000003-0f", "written by a newer incnb (format 9)")],
    Code.NEVER_RUN: [
        _reason(Code.NEVER_RUN, "", "fit the model"),
        _reason(Code.NEVER_RUN, "", "fit the model", "it failed when it ran last"),
        _reason(Code.NEVER_RUN, "", "fit the model", "nothing was saved of it"),
        _reason(Code.NEVER_RUN, "", "fit the model", "nothing was saved of it last time: it reads the clock (time)"),
        _reason(Code.NEVER_RUN, "", "fit the model", "what was saved of it is not there any more"),
        _reason(Code.NEVER_RUN, "item", "", "new"),
    ],
    Code.LAST_FAILED: [_reason(Code.LAST_FAILED, "", "fit the model", "it failed on the same inputs")],
    Code.UNSAFE: [
        _reason(Code.UNSAFE, "", "exec()", "what it reads cannot be bounded, line 3"),
        _reason(Code.UNSAFE, "", "ast_node_interactivity", "only 'last_expr' is understood"),
        _reason(Code.UNSAFE, "", "a library looked at the frames below it", "a library looked at the frames below it"),
    ],
    Code.CONFIG: [
        _reason(Code.CONFIG, "config", "cfg['lr']", "changed: 0.01 → 0.02"),
        _reason(Code.CONFIG, "config", "cfg['lr']", "changed: 0.01 → 0.02", "settings", chain=("settings [2]",)),
        _reason(Code.CONFIG, "config", "cfg", "changed: ['model']['lr']: 0.01 → 0.02"),
        _reason(Code.CONFIG, "config", "presence of cfg['x']", "changed: absent → present"),
        _reason(Code.CONFIG, "config", "--config k['a']", "changed: 1 → 5"),
        _reason(Code.CONFIG, "config", "cfg", "not-yet-run"),
    ],
    Code.CODE: [
        _reason(Code.CODE, "code", "utils:clean", "changed (utils.py:14, 2 lines)", "utils:features", chain=("features()",)),
        _reason(Code.CODE, "code", "utils:clean", "changed (utils.py:14, 2 lines)", "utils:features"),
        _reason(Code.CODE, "code", "clean", "changed (helpers [3], 1 line)", "features", "helpers"),
        _reason(Code.CODE, "code", "clean", "changed", "features", "build the table"),
        _reason(Code.CODE, "code", "nets:Model", "changed (class, nets.py:3, 12 lines)", "main", chain=("main()",)),
        _reason(Code.CODE, "code", "clean", "deleted"),
        _reason(Code.CODE, "code", "clean", "not-yet-run"),
        _reason(Code.CODE, "code", "fit the model", "the cell was edited (2 lines)", chain=()),
        _reason(Code.CODE, "code", "fit the model", "the cell was edited, and that cannot be accepted: y moved since"),
    ],
    Code.VALUE: [
        _reason(Code.VALUE, "value", "k", "changed: 1 → 2", "settings"),
        _reason(Code.VALUE, "value", "cfg", "changed: ['lr']: 0.01 → 0.02", "settings", chain=("settings [2]",)),
        _reason(Code.VALUE, "value", "cfg", "changed: ['lr']: 0.01 → 0.02; ['n'] is new: 3"),
        _reason(Code.VALUE, "value", "xs", "changed: [1, 2] → [1, 3]"),
        _reason(Code.VALUE, "value", "df", "changed: 3 rows more (100 → 103)", "load flights", chain=("load flights [3]",)),
        _reason(Code.VALUE, "value", "df", "changed: column 'b' changed (2 of 1000 values); dtype of 'a': int64 → float64"),
        _reason(Code.VALUE, "value", "a", "changed: 2 of 1000 values changed"),
        _reason(Code.VALUE, "value", "utils:LIMIT", "changed: 3 → 4", "utils:features", chain=("features()",)),
        _reason(Code.VALUE, "value", "token", "changed"),
        _reason(Code.VALUE, "value", "df", "deleted"),
        _reason(Code.VALUE, "value", "df", "not-yet-run"),
        _reason(Code.VALUE, "value", "conn", "cannot be fingerprinted: a socket at .sock"),
        _reason(Code.VALUE, "value", "utils:LIMIT", "its module is not imported yet"),
        _reason(Code.VALUE, "value", "signature of clean", "changed: clean(x) → clean(x, y)"),
    ],
    Code.CUTOFF: [
        _reason(Code.CUTOFF, "value", "df", "load flights [3] ran again and df came out the same", "load flights"),
    ],
    Code.FILE: [
        _reason(Code.FILE, "file", "data/b.csv", "changed: 12 bytes → 1.4 kB"),
        _reason(Code.FILE, "file", "data/b.csv", "changed"),
        _reason(Code.FILE, "file", "data/b.csv", "deleted"),
        _reason(Code.FILE, "file", "listing of data", "changed: a.csv → a.csv, b.csv"),
        _reason(Code.FILE, "file", "data/b.csv", "cannot be read: Permission denied"),
    ],
    Code.ENV: [
        _reason(Code.ENV, "env", "LANG", "changed: 'C' → 'de'"),
        _reason(Code.ENV, "env", "API_TOKEN", "changed"),
        _reason(Code.ENV, "env", "LANG", "deleted"),
    ],
    Code.PACKAGE: [
        _reason(Code.PACKAGE, "package", "pandas", "changed: pandas 2.2.0 → pandas 3.1.1"),
        _reason(Code.PACKAGE, "package", "PIL", "changed: pillow 10.0 → pillow 11.0"),
    ],
    Code.MODULE: [
        _reason(Code.MODULE, "module", "utils (file)", "changed"),
        _reason(Code.MODULE, "module", "utils (file)", "is loaded now"),
        _reason(Code.MODULE, "module", "utils", "not imported yet"),
    ],
    Code.AMBIENT: [
        _reason(Code.AMBIENT, "ambient", "working directory", "changed: /a → /b"),
        _reason(Code.AMBIENT, "ambient", "numpy's generator", "changed"),
        _reason(Code.AMBIENT, "ambient", "configuration of pandas", "changed: nothing → pd.set_option"),
    ],
    Code.PYTHON: [_reason(Code.PYTHON, "python", "python", "changed: 3.11 → 3.12")],
    Code.SOURCE: [
        _reason(Code.SOURCE, "source", "lines of log.txt", "has grown: 12 bytes → 40 bytes"),
        _reason(Code.SOURCE, "source", "table", "is read from its start (not durable: it was cut)"),
        _reason(Code.SOURCE, "source", "table", "is read on from where the last pass ended (completed, durable, contained)"),
    ],
    Code.VERSION: [
        _reason(Code.VERSION, "version", "--version", "changed: 1 → 2"),
        _reason(Code.VERSION, "version", "--file", "changed: not given → data/*.csv"),
    ],
    Code.EXPIRED: [
        _reason(Code.EXPIRED, "", "--ttl", "saved 30.0 hours ago, --ttl is 24.0 hours"),
        _reason(Code.EXPIRED, "item", "--ttl", "it was saved too long ago"),
    ],
    Code.UNTRUSTED: [_reason(Code.UNTRUSTED, "store", "000000000003-0f")],
    Code.UNRESTORABLE: [
        _reason(Code.UNRESTORABLE, "store", "000000000003-0f", "a blob is missing (store/blobs/00)"),
        _reason(Code.UNRESTORABLE, "item", "", "what it changed is not there"),
    ],
    Code.CONTAINED: [_reason(Code.CONTAINED, "", "", "df, clean(), cfg['lr'] and 9 more")],
    Code.ACCEPTED: [_reason(Code.ACCEPTED, "", "", "only renamed", "clean", "k")],
    Code.EFFECT: [
        _reason(Code.EFFECT, "", "it ran a subprocess (!ls)", "it ran a subprocess (!ls); --allow subprocess"),
        _reason(Code.EFFECT, "", "network", "it was saved under --allow network, which is not given now"),
    ],
    Code.NOT_SAVED: [
        _reason(Code.NOT_SAVED, "", "fig", "a figure is left open"),
        _reason(Code.NOT_SAVED, "", "clean", "has cached results from other code"),
        _reason(Code.NOT_SAVED, "store", "store", "a trace cannot be saved (store): No space left on device"),
        _reason(Code.NOT_SAVED, "", "incnb", "a fault of incnb: RuntimeError: x"),
        _reason(Code.NOT_SAVED, "items", "the loop in line 3", "`break` in line 5 ends the loop early"),
        _reason(Code.NOT_SAVED, "items", "the loop in line 3", "2 items could not be saved: a lock cannot be pickled"),
    ],
}  # fmt: skip

_CELL = Cell(0, "fit the model")
_ITEMS = ItemCounts(
    3, 997, 0, 2, ((Reason(Code.NEVER_RUN, "item", "", "new"), 2), (Reason(Code.FILE, "file", "data/b.csv", "changed: 1 byte → 2 bytes"), 1)),
)  # fmt: skip


def _ran(status: Status, *reasons: Reason, took: float = 12.44, **more: object) -> Decision:
    seconds = Seconds(restore=took) if status in (Status.REUSED, Status.CUTOFF) else Seconds(execute=took)
    return Decision(_CELL, status, reasons, seconds=seconds, **more)  # type: ignore[arg-type]


def _of(code: Code, number: int = 0) -> Reason:
    return REASONS[code][number]


DECISIONS: dict[str, Decision] = {
    "a helper of a helper changed": _ran(Status.EXECUTED, _of(Code.CODE)),
    "for the first time": _ran(Status.EXECUTED, _of(Code.NEVER_RUN), took=0.0123),
    "reused": _ran(Status.REUSED, _of(Code.CONTAINED), saved_seconds=41.0),
    "cut off": _ran(Status.CUTOFF, _of(Code.CUTOFF), saved_seconds=0.01),
    "cut off, and worth it": _ran(Status.CUTOFF, _of(Code.CUTOFF), saved_seconds=119.96),
    "accepted": _ran(Status.REUSED, _of(Code.ACCEPTED)),
    "some items": _ran(Status.EXECUTED, _of(Code.VALUE), items=_ITEMS, saved_seconds=41.0),
    "items, none new": _ran(Status.EXECUTED, _of(Code.CODE, 7), items=ItemCounts(0, 7)),
    "items, some failed": _ran(Status.FAILED, _of(Code.VALUE), items=ItemCounts(1, 7, 1, why=((Reason(Code.CONFIG, "config", "cfg['lr']", "changed: 1 → 2"), 2),))),
    "items, and not saved": _ran(Status.EXECUTED, _of(Code.VALUE), _of(Code.NOT_SAVED), items=_ITEMS),
    "failed": _ran(Status.FAILED, _of(Code.LAST_FAILED), _of(Code.VALUE)),
    "blocked": _ran(Status.BLOCKED, _of(Code.NEVER_RUN), _of(Code.EFFECT)),
    "blocked, and it would have run anyhow": _ran(Status.BLOCKED, _of(Code.VALUE), _of(Code.EFFECT)),
    "not saved": _ran(Status.EXECUTED, _of(Code.NEVER_RUN, 3), _of(Code.NOT_SAVED)),
    "a slow loop that is one unit": _ran(Status.EXECUTED, _of(Code.VALUE), _of(Code.NOT_SAVED, 4)),
    "a quick loop that is one unit": _ran(Status.EXECUTED, _of(Code.VALUE), _of(Code.NOT_SAVED, 4), took=0.5),
    "nothing to tell but of a loop": _ran(Status.EXECUTED, _of(Code.NOT_SAVED, 4), took=0.5),
    "edited": _ran(Status.EXECUTED, _of(Code.CODE, 7), took=59.97),
    "off": _ran(Status.EXECUTED, _of(Code.OFF), took=0.0),
    "verified": _ran(Status.EXECUTED, Reason(Code.FORCED, "", "--verify", "the same as what was saved")),
}  # fmt: skip


def sentences(code: Code) -> str:
    """The words of all variants of a code."""
    return "".join(f"{sentence(reason)}\n" for reason in REASONS[code])


def decisions() -> str:
    """The lines of all decisions."""
    return "".join(f"{name}:\n    {describe(decision)}\n" for name, decision in DECISIONS.items())


if __name__ == "__main__":
    for code in Code:
        (GOLDEN / f"{code.value}.txt").write_text(sentences(code), encoding="utf-8")
    (GOLDEN / "decisions.txt").write_text(decisions(), encoding="utf-8")
