"""HTML out of texts that nobody has looked at: what people wrote is shown as they wrote it, and never means anything.

Escaping is not enough for what cannot be seen: control characters, halves of surrogate pairs (which no file in UTF-8
can hold) and signs that turn the direction of writing, which make code look like other code, are shown as their
escapes.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def text(value: object) -> str:
    """A text of the user's, for content and for quoted attributes."""
    return escape(_UNSEEN.sub(lambda found: ascii(found[0])[1:-1], str(value)))


def code(value: object) -> str:
    """The same as code."""
    return f"<code>{text(value)}</code>"


def tag(name: str, *content: str, **attributes: str | int) -> str:
    """An element; the content is HTML, the attributes are texts. `class_` and `for_` lose their underscore."""
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return f"<{name}{shown}>{''.join(content)}</{name}>"


def count(number: int, one: str, many: str = "") -> str:
    """`1 cell`, `2 cells`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
