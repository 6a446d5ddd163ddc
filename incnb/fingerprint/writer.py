"""What is written goes into one digest; where it stands inside the value is kept, for messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import xxhash

from incnb.model import IncnbError

ATOMS: frozenset[type] = frozenset({int, float, complex, str, bytes, bool, type(None)})
DEPTH_LIMIT = 100  # nesting; each level costs some five Python frames

#: A text as it is, a place in a sequence, or a key or the name of an attribute.
Step = str | int | tuple[str, Any]


class Unfingerprintable(IncnbError):
    """A value holds something whose state cannot be read; `path` says where inside the value."""

    def __init__(self, path: str, why: str):
        super().__init__(f"{path}: {why}" if path else why)
        self.path = path
        self.why = why


class Writer:
    """One digest, and the way to what is being written."""

    def __init__(self, root: str = ""):
        self._hash = xxhash.xxh3_128()
        self._buffer = bytearray()
        self._path: list[Step] = [root]
        self._floor = 0  # length of the path where the code that is being written was met

    # -- the digest

    def write(self, data: bytes) -> None:
        self._buffer += len(data).to_bytes(8, "little")
        self._buffer += data
        if len(self._buffer) > 1 << 16:
            self._flush()

    def tag(self, name: str) -> None:
        self.write(b"#" + name.encode("utf-8", "surrogatepass"))

    def text(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogatepass"))

    def raw(self, buffer: Any) -> None:
        """Write the digest of a large contiguous buffer, without copying it."""
        self.write(xxhash.xxh3_128(buffer).digest())

    def digest(self) -> bytes:
        """The 16 bytes of what was written so far."""
        self._flush()
        return self._hash.digest()

    def _flush(self) -> None:
        self._hash.update(bytes(self._buffer))
        self._buffer.clear()

    # -- the way

    def enter(self, step: Step) -> None:
        """Go down one step; after an error nobody comes up again: the path says where it happened."""
        self._path.append(step)
        if len(self._path) - self._floor > DEPTH_LIMIT:
            raise self.refuse("it is too deeply nested")

    def leave(self) -> None:
        self._path.pop()

    @contextmanager
    def at(self, step: str) -> Iterator[None]:
        self.enter(step)
        yield
        self._path.pop()

    @property
    def at_root(self) -> bool:
        """Whether what is being written is the value itself, not a part of it."""
        return len(self._path) == 1

    def refuse(self, why: str) -> Unfingerprintable:
        steps = self._path if len(self._path) < 24 else [*self._path[:12], "…", *self._path[-8:]]
        return Unfingerprintable("".join(map(_shown, steps)), why)


def _shown(step: Step) -> str:
    if isinstance(step, str):
        return step
    if isinstance(step, int):
        return f"[{step}]"
    kind, key = step
    if kind == "name" and type(key) is str:
        return f".{key}"
    return f"[{key!r}]" if type(key) in ATOMS else "[…]"
