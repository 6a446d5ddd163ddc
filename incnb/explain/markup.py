"""HTML out of texts that nobody has looked at: what people wrote is shown as they wrote it, and never means anything.

Escaping is not enough for what cannot be seen; see `unseen`.
"""

from __future__ import annotations

from html import escape

from incnb.explain.unseen import visible


def text(value: object) -> str:
    """A text of the user's, for content and for quoted attributes."""
    return escape(visible(str(value)))


def code(value: object) -> str:
    """The same as code."""
    return f"<code>{text(value)}</code>"


def tag(name: str, *content: str, **attributes: str | int) -> str:
    """An element; the content is HTML, the attributes are texts. `class_` and `for_` lose their underscore."""
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return f"<{name}{shown}>{''.join(content)}</{name}>"
