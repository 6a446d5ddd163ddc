"""Handlers for PIL: an image is its mode, size, palette, info and pixels.

An image that was opened and not read yet is its pixels too, taken through a second opening of the same file, so that
the user's image stays unread: reading it closes the file and makes `verify` and `draft` impossible. An image with
several frames shows whatever its file holds: it is the frame that it stands at, and the content of the file.
"""

from __future__ import annotations

import io
import os
from typing import Any

from PIL import Image, ImagePalette

from incnb.fingerprint import files
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of
from incnb.fingerprint.registry import handles


def _image(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.libraries.add("PIL")
    encoder.tag("image")
    encode_class_of(encoder, value)
    frames = bool(getattr(value, "is_animated", False))
    encoder.encode(value.tell() if frames else 0)
    plain = value
    if getattr(value, "tile", None) and getattr(value, "fp", None) is not None:
        plain = _again(encoder, value)
    if frames:
        source = _source(encoder, getattr(value, "_fp", None) or value.fp, value)
        encoder.write(files.digest(source) if isinstance(source, str) else source.getvalue())
    encoder.encode((plain.mode, plain.size))
    with encoder.at(".info"):
        encoder.attributes("info", dict(value.info), ordered=False)
    _pixels(encoder, plain)


def _pixels(encoder: Encoder, value: Any) -> None:
    if value.mode in ("P", "PA"):
        colours = bytes(value.getpalette("RGBA") or b"") if value.palette is not None else b""
        encoder.encode((value.palette.mode if colours else None, colours))
    encoder.raw(value.tobytes() if 0 not in value.size else b"")


def _again(encoder: Encoder, value: Any) -> Any:
    """The same image, opened and read apart."""
    source = _source(encoder, value.fp, value)
    other = Image.open(source if isinstance(source, str) else io.BytesIO(source.getvalue()), formats=[value.format])
    if getattr(value, "is_animated", False):
        other.seek(value.tell())
    if (other.mode, other.size) != (value.mode, value.size):
        raise encoder.refuse("an image that is set up to be read in another way; load() it")
    other.load()
    return other


def _source(encoder: Encoder, file: Any, value: Any) -> Any:
    """Where an opened image is read from: the path of its file, or a file in memory."""
    if isinstance(file, io.BytesIO):
        return file
    path = getattr(value, "filename", "")
    try:
        opened, named = os.fstat(file.fileno()), files.identity(path)
    except (OSError, AttributeError, ValueError):
        named = None
    if named is None:
        raise encoder.refuse("an image that is not read yet, from a file that cannot be found; load() it")
    if (opened.st_dev, opened.st_ino) != named[:2]:
        raise encoder.refuse("an image that is not read yet, from a file that was replaced; load() it")
    return os.fspath(path)


def _palette(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("palette")
        encoder.encode((value.mode, value.rawmode, bytes(value.palette or b"")))


def install() -> None:
    """Register the handlers; called when the first object of PIL is met."""
    handles(Image.Image, _image, subclasses=True)
    handles(ImagePalette.ImagePalette, _palette)
