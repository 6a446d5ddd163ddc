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


#: Module of a class, or its top level -> what registers its handlers. None is imported before an object is met.
_DOORS = {
    "numpy": "numpy_values:install",
    "pandas": "pandas_values:install",
    "scipy": "scipy_values:install",
    "polars": "polars_values:install",
    "pyarrow": "arrow_values:install",
    "pyarrow._dataset": "stored_arrays:install_dataset",
    "sqlite3": "sqlite_values:install",
    "h5py": "stored_arrays:install_h5py",
    "zarr": "stored_arrays:install_zarr",
    "xarray": "stored_arrays:install_xarray",
    "torch": "torch_values:install",
    "PIL": "image_values:install",
}
_STAND_ON_NUMPY = ("pandas", "scipy", "xarray")


def _open(module: str) -> None:
    if module in _STAND_ON_NUMPY:
        registry.load_now("numpy")
    room, _, install = _DOORS[module].partition(":")
    getattr(importlib.import_module(f"incnb.fingerprint.{room}"), install)()


for _module in _DOORS:
    registry.lazily(_module, partial(_open, _module))


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
