"""Images of PIL: mode, size, palette, info and pixels; looking at one that is not read yet leaves it unread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from incnb.fingerprint import Unfingerprintable, fingerprint

Image = pytest.importorskip("PIL.Image")


def made(mode: str = "RGB", size: tuple[int, int] = (3, 2), colour: Any = 1, **info: Any) -> Any:
    image = Image.new(mode, size, colour)
    image.info.update(info)
    return image


def test_what_an_image_is() -> None:
    changed = made()
    changed.putpixel((1, 1), (9, 9, 9))
    palette = made("P")
    palette.putpalette([1, 2, 3, 4, 5, 6])
    clear = made("P")
    clear.putpalette([1, 2, 3, 9, 4, 5, 6, 9], "RGBA")
    images = [
        made(),
        changed,
        made(size=(2, 3)),
        made("L"),
        made("F"),
        made("P"),
        palette,
        clear,
        made(dpi=(72, 72)),
        made(size=(0, 3)),
        made(size=(0, 2)),
    ]
    assert len({fingerprint(image) for image in images}) == len(images)
    assert fingerprint(made()) == fingerprint(made()) == fingerprint(made().copy())


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "gif"])
def test_an_image_that_is_not_read_yet_is_its_pixels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    made().save(path)
    image = Image.open(path)
    before = fingerprint(image)
    assert image.tile and image.fp is not None
    image.verify() if suffix == "png" else None
    image = Image.open(path)
    assert fingerprint(image) == before
    image.load()
    assert fingerprint(image) == before
    made(colour=(50, 100, 150)).save(path)
    assert fingerprint(Image.open(path)) != before
    memory = Image.open(io.BytesIO(path.read_bytes()))
    assert fingerprint(memory) == fingerprint(Image.open(path))


def test_an_image_that_cannot_be_opened_again_is_refused(tmp_path: Path) -> None:
    made().save(tmp_path / "x.png")
    made(colour=9).save(tmp_path / "y.png")
    image = Image.open(tmp_path / "x.png")
    (tmp_path / "y.png").replace(tmp_path / "x.png")
    with pytest.raises(Unfingerprintable, match="replaced"):
        fingerprint([image])
    made().save(tmp_path / "x.jpg")
    draft = Image.open(tmp_path / "x.jpg")
    draft.draft("L", None)
    with pytest.raises(Unfingerprintable, match="another way"):
        fingerprint([draft])


def test_every_frame_counts(tmp_path: Path) -> None:
    def animated(*colours: int) -> Any:
        first, *rest = [made("L", colour=colour) for colour in colours]
        first.save(tmp_path / "x.gif", save_all=True, append_images=rest)
        return Image.open(tmp_path / "x.gif")

    image = animated(1, 2, 3)
    before = fingerprint(image)
    image.seek(1)
    assert fingerprint(image) != before
    image.seek(0)
    assert fingerprint(image) == before
    assert fingerprint(animated(1, 2, 4)) != before
