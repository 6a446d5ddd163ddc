"""Passes: up to where a loop has read a source, and all that its items relied on.

    items/<loop>/<sha256 of the source's identity>.cursor

One small file, replaced as a whole: whoever reads it sees one pass or the other. Of two writers the last one wins,
and that is sound because nothing is merged here. A `Pass` is complete in itself: a pass from the start makes a new one,
a pass from a cursor *adds to the very record that it began from*, and never to what lies in the store by then. So
whichever file stays, everything before its cursor was handled under what it says was relied on. A cursor that goes back
costs handling some items twice.

What is damaged, of another version or of another source is unknown, and says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from incnb.store import files, place
from incnb.store.place import StoreError, explain

FORMAT: Final = 1
LIMIT: Final = 64 << 20
_LOOP: Final = re.compile(r"[0-9a-f]{8,128}")
_FRAME: Final = re.compile(rb'\{"v": (\d{1,9}), "sha256": "([0-9a-f]{64})", "mac": null, "pass": (.*)\}\n', re.S)


@final
@dataclass(frozen=True, slots=True)
class Pass:
    """What is known of passes over one source.

    `completed`: one came to its end. `cursor`: up to where its items are saved. `relied`: the dependencies, as
    `Dependency.to_dict()`, of everything before the cursor. `created`: the time of the pass from the start.
    `order` names the files that tell which items there were, in their order (`orders.py`); `last` is the last of them,
    in whatever form the engine gives it. `allowed`: the effects that a person had allowed for them.
    `made` is the fingerprint of the code of the source. `problem`: why nothing is known, in one line; all else is empty
    then.
    """

    identity: str
    completed: bool
    cursor: bytes | None
    relied: tuple[dict[str, Any], ...] = ()
    created: float = 0.0
    problem: str = ""
    order: tuple[str, ...] = ()
    last: bytes = b""
    allowed: tuple[str, ...] = ()
    made: str = ""

    def adding(self, cursor: bytes | None, relied: tuple[dict[str, Any], ...]) -> Pass:
        """After a pass that began at this one's cursor: up to `cursor` (None: nothing was new), relying on more.

        Two fingerprints under one name both stay: they can never be found again together, so the next pass is a full
        one. Raises ValueError when this pass never came to its end: nobody may have begun from its cursor.
        """
        if self.problem or not self.completed or self.cursor is None:
            raise ValueError("a pass that did not come to its end cannot be added to")
        return replace(self, cursor=self.cursor if cursor is None else cursor, relied=united(self.relied, relied))


def full(
    identity: str,
    cursor: bytes | None,
    relied: tuple[dict[str, Any], ...],
    *,
    completed: bool,
    now: float | None = None,
) -> Pass:
    """What is known after a pass from the start, which replaces all that was known before."""
    return Pass(identity, completed, cursor, united((), relied), time.time() if now is None else now)


def united(first: tuple[dict[str, Any], ...], second: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Both in order, each kind, locator and fingerprint once."""
    found: dict[tuple[Any, Any, Any], dict[str, Any]] = {}
    for one in (*first, *second):
        found.setdefault((one["kind"], one["locator"], one["fp"]), one)
    return tuple(found.values())


@final
class Cursors:
    """The passes in the store at `root`. Raises StoreError when the store cannot be used; reading makes nothing."""

    def __init__(self, root: Path):
        self._root: Final = root

    def read(self, loop: str, identity: str) -> Pass | None:
        """What is known; None when nothing is, and a pass with a `problem` when it cannot be read."""
        path = self._path(loop, identity)
        if not place.inspect(self._root):
            return None
        try:
            raw = files.read_limited(path, LIMIT)
        except FileNotFoundError:
            return None
        except (OSError, MemoryError) as error:
            return _unknown(identity, str(explain("what is known of earlier passes cannot be read", path, error)))
        return _parse(raw, identity, path)

    def save(self, loop: str, known: Pass) -> None:
        """Replace what is known of this loop and source, once everything before the cursor is saved."""
        path = self._path(loop, known.identity)
        if known.problem:
            raise ValueError("a pass that is not known cannot be saved")
        data = {
            "identity": known.identity,
            "completed": known.completed,
            "cursor": None if known.cursor is None else base64.b64encode(known.cursor).decode(),
            "created": known.created,
            "order": list(known.order),
            "last": base64.b64encode(known.last).decode(),
            "allowed": list(known.allowed),
            "made": known.made,
            "relied": list(known.relied),
        }
        try:
            text = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError) as error:
            raise explain("what a loop relied on cannot be written as JSON", path, error) from error
        if len(text) > LIMIT - 256:
            raise StoreError(f"what a loop relied on is too long to be saved: {len(text)} bytes ({path})")
        head = f'{{"v": {FORMAT}, "sha256": "{hashlib.sha256(text).hexdigest()}", "mac": null, "pass": '
        place.prepare(self._root)
        try:
            place.make_private(path.parent)
            files.write_whole(path, b"".join((head.encode(), text, b"}\n")))
        except (OSError, MemoryError) as error:
            raise explain("the place up to which a source was read cannot be saved", path, error) from error

    def forget(self, loop: str, identity: str) -> None:
        """Know nothing any more of this loop and source."""
        path = self._path(loop, identity)
        if place.inspect(self._root):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise explain("what is known of earlier passes cannot be removed", path, error) from error

    def _path(self, loop: str, identity: str) -> Path:
        if not _LOOP.fullmatch(loop):
            raise StoreError("the name of a folder of items must be a digest in hexadecimal: this is a fault of incnb")
        name = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        return self._root / "items" / loop / f"{name}.cursor"


def _unknown(identity: str, problem: str) -> Pass:
    return Pass(identity, False, None, problem=problem)


def _parse(raw: bytes, identity: str, path: Path) -> Pass:
    damaged = _unknown(identity, f"what is known of earlier passes is damaged ({path})")
    frame = _FRAME.fullmatch(raw)
    if not frame:
        return damaged
    if int(frame[1]) != FORMAT:
        return _unknown(
            identity, f"what is known of earlier passes was written by another incnb (format {int(frame[1])})"
        )
    if hashlib.sha256(frame[3]).hexdigest() != frame[2].decode():
        return damaged
    try:
        data = json.loads(frame[3].decode("utf-8", "surrogatepass"))
        cursor = data["cursor"]
        known = Pass(
            data["identity"],
            data["completed"],
            None if cursor is None else base64.b64decode(cursor, validate=True),
            tuple(data["relied"]),
            float(data["created"]),
            "",
            tuple(data["order"]),
            base64.b64decode(data["last"], validate=True),
            tuple(data["allowed"]),
            data["made"],
        )
        good = known.identity == identity and type(known.completed) is bool
        good = good and all(type(text) is str for text in (*known.order, *known.allowed, known.made))
        good = good and all(isinstance(one[part], str) for one in known.relied for part in ("kind", "locator", "fp"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return damaged
    return known if good else damaged
