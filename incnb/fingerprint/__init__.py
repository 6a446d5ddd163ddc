"""Fingerprints: value to 16 bytes, function and class with all that they would run to 16 bytes.

What is named here is imported when it is asked for: who only compares files needs none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incnb.fingerprint.door import fingerprint
    from incnb.fingerprint.encoder import ABSENT, Encoder, Unfingerprintable, register

__all__ = ["ABSENT", "Encoder", "Unfingerprintable", "fingerprint", "register"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from incnb.fingerprint import door, encoder

    setattr(door.fingerprint, "register", encoder.register)  # noqa: B010  `fingerprint.register` is the door for users
    found = {one: getattr(encoder, one, None) or getattr(door, one) for one in __all__}
    globals().update(found)
    return found[name]
