"""Watermarks: readable on what was changed, and nowhere else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError
from intarsia.imaging.masks import feather
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.watermark import TOY, parts_of, text_over, watermarked
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import edit
from tests.paths import SCENES


def plain(level: int, side: int = 300) -> Photo:
    return photo_from_image(np.full((side, side, 3), level, np.uint8))


def region(side: int = 300, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((side, side), np.bool_)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
def test_it_can_be_read_on_light_and_on_dark_and_what_is_below_shines_through(level: int) -> None:
    photo, mask = plain(level), region(300, (40, 60, 260, 220))
    made = watermarked(photo, mask.astype(np.float32), TOY).pixels.astype(int)
    assert (made[~mask] == level).all()
    inside = made[mask].astype(int)
    assert inside.max() - inside.min() >= 60, "letters and their outlines differ"
    assert (inside == level).mean() > 0.4, "most of what was painted can be seen"
    assert (np.abs(inside - level).max(1) > 25).mean() > 0.03
    colour = photo_from_image(np.dstack([np.full((300, 300), v, np.uint8) for v in (level, 30, 220)]))
    tinted = watermarked(colour, mask.astype(np.float32), TOY).pixels[mask]
    assert len(np.unique(tinted, axis=0)) > 10, "translucent"


def test_outside_the_region_every_pixel_stays_and_the_text_fades_with_the_soft_edge() -> None:
    rng = np.random.default_rng(0)
    photo = photo_from_image(rng.integers(0, 256, (300, 300, 3), np.uint8))
    blend = feather(region(300, (30, 30, 270, 150)), 20)
    made = watermarked(photo, blend, TOY)
    assert (made.pixels[blend == 0] == photo.pixels[blend == 0]).all()
    change = np.abs(made.pixels.astype(int) - photo.pixels).max(2)
    rim = (blend > 0) & (blend < 0.1)
    assert change[rim].mean() < 0.3 * change[blend == 1].mean()


def test_parts_that_lie_apart_each_get_their_own_text() -> None:
    mask = region(300, (10, 10, 120, 90), (180, 200, 290, 290))
    mask[12, 130] = True  # a speck beside the first
    parts = parts_of(mask)
    assert [(rows.start, columns.start) for rows, columns in parts] == [(10, 10), (200, 180)]
    made = watermarked(plain(120), mask.astype(np.float32), TOY).pixels
    for rows, columns in parts:
        assert (made[rows, columns] != 120).any()


def test_letters_grow_with_the_region_and_small_ones_still_hold_the_text() -> None:
    def height_of(width: int, height: int) -> int:
        letters, _ = text_over("toy", width, height)
        rows = np.flatnonzero(letters.any(1))
        middle = rows[np.abs(rows - height // 2).argsort()]
        block = [middle[0]]
        for step in (1, -1):
            row = middle[0] + step
            while 0 <= row < height and letters[row].any():
                block.append(row)
                row += step
        return len(block)

    assert height_of(80, 60) < height_of(300, 200) < height_of(1500, 1000)
    letters, _ = text_over(TOY, 60, 30)
    middle = letters[8:22]
    assert middle.any() and not middle[:, 0].any() and not middle[:, -1].any(), "the whole text fits"
    for width, height in ((1, 1), (3, 200), (400, 2)):
        assert text_over(TOY, width, height)[0].shape == (height, width)


def test_nothing_to_write_leaves_the_photo_as_it_was() -> None:
    photo, mask = plain(90), region(300, (0, 0, 300, 300)).astype(np.float32)
    assert watermarked(photo, mask, "  ") is photo and watermarked(photo, 0 * mask, TOY) is photo


def test_an_edit_draws_it_last_and_a_replay_too(pocket: Backbones) -> None:
    photo = read_photo(SCENES / "0000.png")
    record = EditRecord(photo="a.png", prompt="a house", box=(8, 8, 40, 40), steps=2, keep=2, models="pocket")
    usual = edit(photo, record, pocket)
    marked = edit(photo, dataclasses.replace(record, watermark=TOY), pocket)
    again = edit(photo, dataclasses.replace(record, watermark=TOY), pocket)
    for before, after, same in zip(usual.candidates, marked.candidates, again.candidates, strict=True):
        assert before.photo is not None and after.photo is not None and same.photo is not None
        assert before.blend is not None and before.scores == after.scores
        expected = watermarked(before.photo, before.blend, TOY)
        assert (after.photo.pixels == expected.pixels).all() and (same.photo.pixels == expected.pixels).all()
        assert (after.photo.pixels != before.photo.pixels).any()
        assert (after.photo.pixels[before.blend == 0] == photo.pixels[before.blend == 0]).all()
    assert marked.photo is marked.candidates[0].photo
    with pytest.raises(RecordError, match="The watermark has 61 characters"):
        dataclasses.replace(record, watermark="x" * 61)
