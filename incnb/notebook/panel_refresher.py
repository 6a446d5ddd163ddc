"""The line of the panel that tells of the refresher: live while it runs, and as it was in what stands still."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from incnb.explain import static_table
from incnb.explain.unseen import visible

if TYPE_CHECKING:
    from incnb.notebook.extension import Extension


def with_refresher(shown: dict[str, Any], line: str) -> dict[str, Any]:
    """A table and a text, with the state of the refresher below, if there is one."""
    if not line:
        return shown
    said = f"refresher: {visible(line)}"
    return {
        "text/plain": f"{shown['text/plain']}\n{said}",
        "text/html": shown["text/html"] + static_table.note_html(said),
    }


def tell(extension: Extension) -> None:
    """Show its state in the open panels; called on its own thread, and followed on the main one between cells."""
    loop = getattr(getattr(extension.shell, "kernel", None), "io_loop", None)
    if loop is None:
        return

    def step() -> None:
        line = extension.refresher.line()
        if line != extension.panels.refresher:
            extension.panels.refresher = line
            extension.panels.tell({"do": "refresher", "line": line})

    with suppress(Exception):  # the loop may be closed already
        loop.add_callback(step)
