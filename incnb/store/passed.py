"""Which items a loop went over last: only to say how many of them are gone now.

    items/<loop>/last.keys      BLAKE2b-128 of the rest, then 16 bytes for each item, sorted

A file that is missing or damaged says nothing, and one that a crash left behind half written is damaged.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from incnb.store import files
from incnb.store.disk import Store
from incnb.store.place import StoreError

NAME: Final = "last.keys"
LIMIT: Final = 200_000  # items; of larger collections it is not said
_DIGEST: Final = 16


def removed(store: Store, loop: str, keys: Collection[bytes]) -> int:
    """How many items of the last complete pass are not among these; these are kept as the last. Never raises."""
    if len(keys) > LIMIT:
        return 0
    try:
        before = _read(store, loop)
        now = set(keys)
        gone = len(before - now)
        if now != before:
            body = b"".join(sorted(now))
            data = blake2b(body, digest_size=_DIGEST).digest() + body
            folder = store.make_items(loop)
            temp = folder / f"{files.TEMP_PREFIX}{os.getpid():x}-{NAME}"
            temp.write_bytes(data)
            temp.replace(folder / NAME)
    except (OSError, StoreError):
        return 0
    return gone


def _read(store: Store, loop: str) -> set[bytes]:
    folder = store.find_items(loop)
    if folder is None or not (folder / NAME).is_file():
        return set()
    data = files.read_limited(folder / NAME, _DIGEST * (LIMIT + 1))
    body = data[_DIGEST:]
    if blake2b(body, digest_size=_DIGEST).digest() != data[:_DIGEST]:
        return set()
    return {body[at : at + _DIGEST] for at in range(0, len(body), _DIGEST)}
