"""What stands in the place of a result that an item failed to give (`--keep-going`, `on_error="hole"`)."""

from __future__ import annotations

import pickle
import traceback
from typing import Any, final


@final
class Failed:
    """A hole: `error` is what the item raised, `item` a short text that shows the item, `traceback` the text of it,
    `position` which of the items it was, from 0, where that is known.

    A hole is false, so that `[r for r in results if r]` leaves it out; it is never recorded, and its item runs again.
    """

    __slots__ = ("error", "item", "position", "traceback")

    def __init__(self, error: BaseException, item: str = "", text: str | None = None, position: int | None = None):
        self.error = error
        self.item = item
        self.position = position
        self.traceback = "".join(traceback.format_exception(error)) if text is None else text

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        said = traceback.format_exception_only(self.error)[-1].strip()
        place = f"{self.position}: {self.item}" if self.position is not None else self.item
        return f"<Failed: {said}{f' (item {place})' if place else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an error of the user's own may be anything
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return Failed, (error, self.item, self.traceback, self.position)
