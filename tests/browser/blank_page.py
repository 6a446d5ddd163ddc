"""The module of the panel in an empty page, below a model of a few lines, for tests that need no server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

STATIC: Final = Path(__file__).resolve().parents[2] / "incnb" / "notebook" / "static"

#: As much of a widget model as the panel uses; `sent` is what went to the kernel, `tell` what comes from it.
_MODEL = """
(async ({module, state}) => {
  const handlers = {};
  window.sent = [];
  window.model = {
    state,
    get: (name) => name === "uid" ? "test" : window.model.state,
    on: (name, handler) => (handlers[name] ??= []).push(handler),
    off: (name, handler) => { handlers[name] = (handlers[name] ?? []).filter((other) => other !== handler); },
    send: (content) => window.sent.push(content),
  };
  window.tell = (content, event = "msg:custom") => (handlers[event] ?? []).forEach((handler) => handler(content));
  window.listeners = () => Object.values(handlers).flat().length;
  window.panel = (await import(module)).default;
  window.panel.initialize({model: window.model});
  window.show = (el) => window.panel.render({model: window.model, el});
  window.done = window.show(document.querySelector("#here"));
})
"""


def row(key: str, title: str, status: str | None = "executed", **more: Any) -> dict[str, Any]:
    """A row as the kernel tells it."""
    glyphs = {"reused": "✓", "cutoff": "✂", "executed": "▲", "failed": "✗", "blocked": "■", None: "·"}
    return {
        "key": key,
        "title": title,
        "number": None,
        "id": key,
        "status": status,
        "glyph": glyphs[status],
        "line": f"{glyphs[status]} {status}",
        "reasons": [],
        "seconds": {"now": 0.5, "recorded": 1.5, "saved": None},
        "bytes": 0,
        "items": None,
        "pinned": False,
        "asked": [],
        "changes": [],
        "outputs": [],
        "reads": [],
        "blamed": [],
        **more,
    }


def reason(code: str, text: str, locator: str = "") -> dict[str, Any]:
    """A reason as a row has it."""
    return {"code": code, "kind": code, "locator": locator, "detail": "changed", "caused_by": [], "text": text}


def open_panel(page: Any, rows: list[dict[str, Any]], *, html: str = "", body: str = "", **more: Any) -> None:
    """Show the panel with these rows in an empty page; `html` and `body` are attributes, `more` is told beside the rows."""
    page.set_content(
        f"<!doctype html><html {html}><head><style>body{{margin:12px}}</style>"
        f"<style>{(STATIC / 'panel.css').read_text()}</style></head><body {body}>"
        '<button id="before">before</button><div id="here"></div></body></html>'
    )
    module = base64.b64encode((STATIC / "panel.js").read_bytes()).decode()
    state = {"seq": 1, "time": 1_700_000_000.0, "rows": rows, "running": None, **more}
    page.evaluate(_MODEL, {"module": f"data:text/javascript;base64,{module}", "state": state})
    frame(page)  # rows have no text before they are drawn once (`content-visibility`)


def tell_rows(page: Any, seq: int, rows: list[dict[str, Any]], order: list[str] | None = None) -> None:
    """The kernel tells of changed rows; waits until they are drawn."""
    message = {"do": "rows", "seq": seq, "time": 1_700_000_001.0, "rows": rows, "order": order}
    page.evaluate("(message) => window.tell(message)", message)
    frame(page)


def frame(page: Any) -> None:
    """Wait until what has changed is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


DEMO: Final = [
    row("a", "load flights", "reused", number=3, bytes=104_200_000, seconds={"now": 0.04, "recorded": 12.4, "saved": 12.3},
        reasons=[reason("contained", "everything it relied on is as it was")],
        outputs=[{"what": "variable", "name": "flights", "shown": "336776 × 19", "bytes": 104_200_000}],
        changes=[{"kind": "file", "locator": "data/flights.csv", "moved": False, "was": "31.5 MB"}] * 3),
    row("b", "clean", "executed", number=4, seconds={"now": 12.4, "recorded": 12.4, "saved": None}, bytes=81_000_000,
        reasons=[reason("code", "clean() changed ← used by features()", "clean"), reason("config", "cfg['lr'] 0.01 → 0.02", "cfg['lr']")],
        reads=[{"key": "a", "names": ["flights"]}], pinned=True, asked=["force"],
        changes=[
            {"kind": "file", "locator": "data/b.csv", "moved": False},
            {"kind": "value", "locator": "flights", "moved": False, "was": "DataFrame 336776 × 19"},
            {"kind": "config", "locator": "cfg['lr']", "moved": True, "was": "0.01", "now": "0.02"},
            {"kind": "code", "locator": "clean", "moved": True, "place": "utils.py:14", "via": "features",
             "diff": "@@ -14,4 +14,4 @@\n def clean(df):\n-    return df.dropna()\n+    return df.dropna(subset=['dep_delay'])\n "},
            {"kind": "package", "locator": "pandas", "moved": None},
        ],
        outputs=[{"what": "variable", "name": "df", "shown": "", "bytes": 81_000_000}, {"what": "file", "name": "clean.parquet", "shown": "", "bytes": None}]),
    row("c", "features of each carrier, one item a carrier", "executed", number=5,
        items={"executed": 3, "reused": 997, "failed": 0, "removed": 0, "why": [{"code": "never-run", "kind": "", "locator": "", "detail": "", "items": 2}]},
        reasons=[reason("value", "df changed ← clean", "df")], reads=[{"key": "b", "names": ["df"]}], blamed=["b"],
        seconds={"now": 0.41, "recorded": 0.41, "saved": 41.0}),
    row("d", "train", "cutoff", number=6, reasons=[reason("cutoff", "features ran again and X came out the same", "X")],
        reads=[{"key": "c", "names": ["X", "y"]}, {"key": "a", "names": ["flights"]}], seconds={"now": 0.01, "recorded": 63.0, "saved": 63.0}, bytes=1200),
    row("e", "download prices", "blocked", number=7, reasons=[reason("effect", "not reusable: it used the network; --allow network or --ttl 1d")]),
    row("f", "plot", "failed", number=8, reasons=[reason("last-failed", "it failed last time on the same inputs"), reason("value", "model changed ← train")],
        reads=[{"key": "d", "names": ["model"]}], blamed=["c"]),
]  # fmt: skip
