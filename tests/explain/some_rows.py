"""Rows of a session in which everything happened that a page shows."""

from __future__ import annotations

from incnb.explain.rows import Kept, Row
from incnb.model import Cell, Change, Code, Decision, ItemCounts, Reason, Seconds, Status

DIFF = "@@ -1,2 +1,2 @@\n def clean(df):\n-    return df.dropna()\n+    return df.dropna(subset=['a'])"
NEVER, CONTAINED = Reason(Code.NEVER_RUN), Reason(Code.CONTAINED)


def decision(
    title: str, status: Status, *reasons: Reason, seconds: Seconds | None = None, saved: float | None = None,
    items: ItemCounts | None = None,
) -> Decision:  # fmt: skip
    took = seconds or Seconds(0.01, 0.3)
    return Decision(Cell(0, title), status, reasons, 1.0, "s", "nb.ipynb", took, saved, 0, items)


def session() -> list[Row]:
    """Seven cells, one of each status, with changes of several kinds."""
    file = Reason(Code.FILE, "file", "data/b.csv", "changed")
    code = Reason(Code.CODE, "code", "clean", "changed (utils.py:14, 2 lines)", ("features()",))
    value = Reason(Code.VALUE, "value", "df", "changed", ("load flights",))
    still = [Change("value", f"x{number}", str(number), str(number)) for number in range(12)]
    return [
        Row(
            "id load", "load flights", 3, "load",
            decision("load flights", Status.EXECUTED, file, seconds=Seconds(0.01, 2.4)), 2.4, 12_400_000,
            changes=(Change("file", "data/b.csv", "1,200 bytes", "1,350 bytes", True), *still),
            outputs=(Kept("variable", "df", "DataFrame (336776, 19)", 12_000_000), Kept("output", "1 output")),
        ),
        Row(
            "id features", "features", 4, "features",
            decision(
                "features", Status.EXECUTED, code, value, seconds=Seconds(0.01, 12.4),
                items=ItemCounts(3, 997, 0, 1, ((NEVER, 2), (file, 1))),
            ),
            12.4, 2_000_000,
            changes=(
                Change("code", "clean", "clean(df)", "clean(df)", True, "features", "utils.py:14", DIFF),
                Change("config", "cfg['lr']", "0.01", "0.02", True),
                Change("value", "df", "DataFrame (9, 3)", "DataFrame (9, 3)", True, parts=("column 'b' changed",)),
                Change("package", "pandas", "", "3.1.1", None),
            ),
            reads=(("id load", ("df",)),), blamed=("id load",),
        ),
        Row(
            "id split", "split by season", 5, "split",
            decision(
                "split by season", Status.CUTOFF,
                Reason(Code.CUTOFF, "value", "features", "features [4] ran again and features came out the same"),
                seconds=Seconds(0.01, 0, 0.02), saved=4.2,
            ),
            4.3, 1000, reads=(("id features", ("features",)),),
        ),
        Row(
            "id fit", "grow the forest", 6, "fit",
            decision("grow the forest", Status.REUSED, CONTAINED, seconds=Seconds(0.01, 0, 0.2), saved=41.0),
            41.3, 55_000_000, pinned=True, asked=("force",), reads=(("id split", ("train", "seen")),),
        ),
        Row(
            "id publish", "publish", 7, "publish",
            decision("publish", Status.BLOCKED, Reason(Code.EFFECT, "effect", "network", "it talked to the network")),
            reads=(("id fit", ("forest",)), ("id load", ("df",))),
        ),
        Row(
            "id summary", "summary", 8, "summary", decision("summary", Status.FAILED, value),
            reads=(("id features", ("features",)), ("id load", ("df",))), blamed=("id features",),
        ),
        Row("id later", "not yet", None, "later"),
    ]  # fmt: skip


def many(count: int) -> list[Row]:
    """A large session: each cell relies on 25 things and reads three earlier cells."""
    out = []
    for number in range(count):
        ran = number % 10 == 0
        reasons = [
            Reason(Code.CODE, "code", f"step_{number}", "changed", (f"cell {number - 1}",)) if ran else CONTAINED
        ]
        changes = [
            Change("value", f"name_{number}_{n}", f"DataFrame ({n}, 12)", f"DataFrame ({n}, 12)") for n in range(25)
        ]
        if ran:
            changes.insert(0, Change("code", f"step_{number}", "", "", True, diff=DIFF * 3))
        out.append(
            Row(
                f"id {number}", f"the cell number {number} of a long notebook", number, str(number),
                decision(f"cell {number}", Status.EXECUTED if ran else Status.REUSED, *reasons, saved=None if ran else 1.5),
                1.5, 10_000 * number, changes=tuple(changes), outputs=tuple(Kept("variable", f"v{n}", bytes=n) for n in range(4)),
                reads=tuple((f"id {n}", (f"v{n}",)) for n in range(max(0, number - 40), number, 15)),
            )
        )  # fmt: skip
    return out
