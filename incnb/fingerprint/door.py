"""The one door: `fingerprint(value)`, and `encode(value)` for those who also want to know what was met on the way."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from incnb.fingerprint import containers, python_values, registry
from incnb.fingerprint.encoder import Encoder, Unfingerprintable

python_values.install()
containers.install()


#: Top-level module of a class -> the room of its handlers. None is imported before an object of the library is met.
_ROOMS = {
    "numpy": "numpy_values",
    "pandas": "pandas_values",
    "scipy": "scipy_values",
    "polars": "polars_values",
    "pyarrow": "arrow_values",
}


def _open(top: str) -> None:
    if top in ("pandas", "scipy"):
        registry.load_now("numpy")
    importlib.import_module(f"incnb.fingerprint.{_ROOMS[top]}").install()


for _top in _ROOMS:
    registry.lazily(_top, partial(_open, _top))


def encode(value: Any, name: str = "", *, configs: bool = False) -> Encoder:
    """Encode `value`, called `name` in messages; the encoder has the digest and what was met.

    With `configs`, an `incnb.Config` that code in it reads by a global name is not part of the digest: the encoder says
    where they are, and the caller follows their keys.

    Raises `Unfingerprintable`, also where the state of an object raises while it is read.
    """
    if type(value) is types.FunctionType:
        return encode_with(lambda encoder: encoder.function(value), name, configs=configs)
    return encode_with(lambda encoder: encoder.encode(value), name, configs=configs)


def encode_with(write: Callable[[Encoder], None], name: str = "", *, configs: bool = False) -> Encoder:
    """The encoder after `write(encoder)`; the same errors as `encode`."""
    encoder = Encoder(name)
    encoder.configs = [] if configs else None
    try:
        write(encoder)
        encoder.settle()
    except Unfingerprintable:
        raise
    except RecursionError as error:
        raise encoder.refuse("it is too deeply nested") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise encoder.refuse(f"{type(error).__name__} while it was read{_said(error)}") from error
    return encoder


def _said(error: BaseException) -> str:
    try:
        return f": {error}"
    except Exception:  # the user's own __str__
        return ""


def fingerprint(value: Any) -> bytes:
    """The 16 bytes of a value, function or class: equal for equal values in any process, different otherwise.

    Raises `Unfingerprintable` with the path to what cannot be read (a generator, a socket, a lock).
    """
    return encode(value).digest()
