"""The footer: one small display below a cell that says what was decided and why. Plain HTML and text, no widget."""

from __future__ import annotations

import html
import os
from typing import Any

from incnb.explain import describe
from incnb.model import Decision, Status

_COLOURS = {
    Status.REUSED: "#2e7d32",
    Status.CUTOFF: "#00838f",
    Status.EXECUTED: "#8d6e00",
    Status.FAILED: "#c62828",
    Status.BLOCKED: "#6a1b9a",
}


def mode(shell: Any, *, unattended: bool = False) -> str:
    """`off`, `changes` or `all`: as `INCNB_FOOTER` says, else all where a person looks on and off in a batch run.

    `unattended`: it is known that nobody does, whatever the front end sends.
    """
    asked = os.environ.get("INCNB_FOOTER", "").strip().lower()
    if asked in ("off", "changes", "all"):
        return asked
    if getattr(shell, "kernel", None) is None:
        return "all" if getattr(shell, "pt_app", None) is not None else "off"
    return "all" if not unattended and attended(shell) else "off"


def attended(shell: Any) -> bool:
    """Whether a person sits at a notebook: their front ends send the id of the cell; nbclient, nbconvert and papermill
    send none by themselves.
    """
    try:
        parent = shell.kernel.get_parent("shell")
    except (AttributeError, LookupError, TypeError):
        return False
    return bool((parent or {}).get("metadata", {}).get("cellId"))


def show(shell: Any, decision: Decision, *, quiet: bool, unattended: bool = False) -> None:
    """Display the footer of one decision, if it is wanted."""
    wanted = mode(shell, unattended=unattended)
    reused = decision.status in (Status.REUSED, Status.CUTOFF)
    if quiet or wanted == "off" or (wanted == "changes" and reused):
        return
    text = describe(decision)
    colour = _COLOURS[decision.status]
    style = f"font-size:85%;opacity:.85;border-left:3px solid {colour};padding-left:.5em"
    markup = f'<div style="{style}">{html.escape(text)}</div>'
    shell.display_pub.publish(data={"text/plain": text, "text/html": markup}, metadata={"incnb": decision.to_dict()})


def line(shell: Any, text: str) -> None:
    """One line of ours that is no decision."""
    markup = f'<div style="font-size:85%;opacity:.85">{html.escape(text)}</div>'
    if getattr(shell, "kernel", None) is None:
        print(text)
        return
    shell.display_pub.publish(data={"text/plain": text, "text/html": markup}, metadata={"incnb": {"line": text}})
