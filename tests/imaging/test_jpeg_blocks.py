"""A JPEG that is edited stays the file it was wherever the edit changed nothing: its blocks, tables and orientation."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from intarsia.imaging import jpeg_blocks
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.native_prints import without_libjpegs_words
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from tests.imaging.known_figures import picture
from tests.imaging.test_photo_files import grey_profile

BESIDE = 16
"""Pixels beside a changed one that share a block of colours with it."""


def shot(file: Path, size: tuple[int, int], *, orientation: int = 1, mode: str = "RGB", **options: Any) -> Path:
    """A JPEG as a camera writes it."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    Image.fromarray(picture()).resize(size).convert(mode).save(file, exif=exif, **{"quality": 85, **options})
    return file


def edited(photo: Photo) -> tuple[Photo, Mask]:
    """A photo with a rectangle turned to its negative, and (H, W) whether a pixel lies far from it."""
    pixels = photo.pixels.copy()
    height, width = pixels.shape[:2]
    rows, columns = slice(height // 2, height // 2 + 9), slice(width // 2, width // 2 + 11)
    pixels[rows, columns] = 255 - pixels[rows, columns]
    near = np.zeros((height, width), np.bool_)
    near[max(rows.start - BESIDE, 0) : rows.stop + BESIDE, max(columns.start - BESIDE, 0) : columns.stop + BESIDE] = (
        True
    )
    return dataclasses.replace(photo, pixels=pixels), ~near


KINDS: dict[str, dict[str, Any]] = {
    **{f"turned {n}": {"orientation": n, "subsampling": 2} for n in range(1, 9)},
    "full colour, turned": {"orientation": 6, "subsampling": 0},
    "half colour across, turned": {"orientation": 8, "subsampling": 1},
    "progressive": {"progressive": True},
    "progressive, turned": {"progressive": True, "orientation": 5},
    "coarse": {"quality": 20},
    "fine": {"quality": 100, "subsampling": 0},
    "grey": {"mode": "L"},
    "grey, turned": {"mode": "L", "orientation": 6},
    "restart markers": {"restart_marker_blocks": 3},
    "tables of its own": {"qtables": [list(range(1, 65)), list(range(64, 0, -1))], "orientation": 7},
}


@pytest.mark.parametrize("size", [(96, 64), (101, 75)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_pixel_away_from_the_edit_stays(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    original = shot(tmp_path / "shot.jpg", size, **KINDS[kind])
    after, far = edited(read_photo(original))
    written = write_photo(after, tmp_path / "out.jpg", original=original)
    back = read_photo(written)
    assert far.any() and (back.pixels == after.pixels)[far].all()
    assert back.orientation == KINDS[kind].get("orientation", 1)
    with Image.open(original) as before, Image.open(written) as now:
        assert (
            now.size == before.size
            and now.mode == before.mode
            and vars(now)["quantization"] == vars(before)["quantization"]
        )
    assert written.stat().st_size < 1.3 * original.stat().st_size + 500


def test_colour_in_a_grey_photo_leaves_the_rest_grey(tmp_path: Path) -> None:
    original = shot(tmp_path / "shot.jpg", (101, 75), orientation=6, mode="L")
    after, far = edited(read_photo(original))
    pixels = after.pixels.copy()
    pixels[~far, 0] //= 2
    after = dataclasses.replace(after, pixels=pixels)
    back = read_photo(write_photo(after, tmp_path / "out.jpg", original=original))
    beyond = ~dilate(~far, BESIDE)
    assert (back.pixels == after.pixels)[beyond].all() and back.orientation == 6


def test_nothing_changed_gives_the_same_pixels(tmp_path: Path) -> None:
    original = shot(tmp_path / "shot.jpg", (101, 75), orientation=6, subsampling=2)
    photo = read_photo(original)
    again = read_photo(write_photo(photo, tmp_path / "out.jpg", original=original))
    assert (again.pixels == photo.pixels).all()


def test_ten_edits_one_after_the_other_leave_the_rest_as_it_was(tmp_path: Path) -> None:
    first = shot(tmp_path / "0.jpg", (101, 75), orientation=6, subsampling=2)
    start, file = read_photo(first), first
    for number in range(1, 11):
        after, far = edited(read_photo(file))
        file = write_photo(after, tmp_path / f"{number}.jpg", original=file)
    assert (read_photo(file).pixels == start.pixels)[far].all()


@pytest.mark.parametrize(
    "kind",
    [
        {"mode": "CMYK"},
        {"mode": "L", "icc_profile": grey_profile(1.0)},
        {"quality": 85, "other": "png"},
        {"quality": 85, "gone": True},
        {"quality": 85, "smaller": True},
    ],
    ids=["CMYK", "a grey profile", "of a PNG", "the original is gone", "a smaller original"],
)
def test_where_blocks_do_not_fit_it_is_encoded_upright(kind: dict[str, Any], tmp_path: Path) -> None:
    wanted = {name: value for name, value in kind.items() if name not in ("other", "gone", "smaller")}
    original = shot(tmp_path / "shot.jpg", (96, 64), orientation=6, **wanted)
    photo = read_photo(original)
    if kind.get("smaller"):
        photo = dataclasses.replace(photo, pixels=photo.pixels[:32, :32].copy())
    if kind.get("gone"):
        original.unlink()
    if kind.get("other"):
        Image.fromarray(photo.pixels).save(original, "PNG")
    back = read_photo(write_photo(photo, tmp_path / "out.jpg", original=original))
    assert back.size == photo.size and back.orientation == 1
    assert np.abs(back.pixels.astype(int) - photo.pixels).mean() < 4


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: whole[: (m := whole.index(b"\xff\xda") + 300)] + b"\xff\x00noise" * 9 + whole[m:],
        lambda whole: whole[:2] + b"\xff\xe0\0\x08JFXX\0\0" * 60 + whole[2:],
        lambda whole: whole[:-2] + b"\0" * 30 + whole[-2:],
    ],
    ids=["noise in its pixels", "many markers", "bytes at its end"],
)
def test_damage_that_libjpeg_tells_of_is_not_printed(
    damaged: Callable[[bytes], bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    original = shot(tmp_path / "shot.jpg", (96, 64))
    whole = original.read_bytes()
    original.write_bytes(damaged(whole))
    photo = read_photo(original)
    after, far = edited(photo)
    again = read_photo(write_photo(after, tmp_path / "out.jpg", original=original))
    assert (again.pixels == photo.pixels)[far].all()
    assert capfd.readouterr().err == ""


def test_what_others_print_beside_libjpeg_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    with without_libjpegs_words():
        os.write(2, b"Corrupt JPEG data: 3 extraneous bytes before marker 0xd9\nanother thread's line\n")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "another thread's line\nlater\n"


def test_without_the_library_it_is_encoded_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_blocks, "blocks_are_kept", lambda: False)
    original = shot(tmp_path / "shot.jpg", (96, 64), orientation=6)
    photo = read_photo(original)
    assert read_photo(write_photo(photo, tmp_path / "out.jpg", original=original)).orientation == 1


def test_a_file_that_the_library_refuses_is_encoded_upright(tmp_path: Path) -> None:
    original = shot(tmp_path / "shot.jpg", (96, 64))
    whole = original.read_bytes()
    original.write_bytes(whole[: len(whole) // 2])
    same = np.ones((64, 96), np.bool_)
    assert jpeg_blocks.with_original_blocks(whole, tmp_path / "missing.jpg", same) is None
    assert jpeg_blocks.with_original_blocks(whole[:40], original, same) is None
