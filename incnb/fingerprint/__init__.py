"""Fingerprints: value to 16 bytes, function and class with all that they would run to 16 bytes."""

from incnb.fingerprint.door import fingerprint
from incnb.fingerprint.encoder import ABSENT, Encoder, Unfingerprintable, register

setattr(fingerprint, "register", register)  # noqa: B010  `fingerprint.register(type, function)` is the door for users

__all__ = ["ABSENT", "Encoder", "Unfingerprintable", "fingerprint", "register"]
