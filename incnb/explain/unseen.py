"""Texts of users may hold what cannot be seen, and what does something instead of showing something.

Control characters move the cursor of a terminal, halves of surrogate pairs fit into no file in UTF-8, and signs that
turn the direction of writing make code look like other code. All of them are shown as their escapes.
"""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The text with escapes in place of what cannot be seen; tabs and line feeds stay."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)
