"""Things cut out of a photo and laid over a new ground."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from intarsia.imaging.crop import whole_crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from intarsia.regions.ground import Outline, outline_of, over_new_ground
from intarsia.regions.sight import Thing

CANVAS = whole_crop(Size(128, 128), 64, 16)


def disc_photo(colour: tuple[int, int, int] = (200, 40, 40)) -> tuple[Photo, np.ndarray]:
    """A disc with a soft border and a thin leg, on a smooth grey ground; and how far it covers each pixel."""
    rows, columns = np.mgrid[:128, :128] + 0.5
    cover = np.clip(30.5 - np.hypot(columns - 64, rows - 54), 0, 1)
    cover = np.maximum(cover, ((abs(columns - 64) < 3) & (rows > 54) & (rows < 104)).astype(float))
    ground = 120 + 20 * columns / 128
    pixels = ground[..., None] * (1 - cover[..., None]) + np.array(colour) * cover[..., None]
    return photo_from_image(Image.fromarray(pixels.round().astype(np.uint8))), cover


def disc_thing(radius: float = 28.0) -> Thing:
    """The disc as a segmenter sees it: coarse, too small, without the leg."""
    rows, columns = np.mgrid[:64, :64] * 2 + 1.0
    seen = np.clip((radius + 8 - np.hypot(columns - 64, rows - 54)) / 16, 0, 1).astype(np.float32)
    return Thing(crop=CANVAS, mask=seen >= 0.5, seen=seen, box=Box(36, 26, 92, 82), sureness=0.9, phrase="a disc")


def test_an_outline_goes_on_where_the_colours_do() -> None:
    photo, cover = disc_photo()
    outline = outline_of(disc_thing(), [], photo)
    mask = outline.on((slice(0, 128), slice(0, 128)))
    assert (mask & (cover > 0.5)).sum() / (mask | (cover > 0.5)).sum() > 0.95
    assert mask[87, 62:66].all() and not mask[87, 50], "the leg, as far as the segmenter sees a little of it"


def test_another_things_pixels_are_not_its_own() -> None:
    photo, _ = disc_photo()
    right = np.zeros((64, 64), np.bool_)
    right[:, 33:] = True
    other = Thing(crop=CANVAS, mask=right, seen=right.astype(np.float32), box=Box(66, 0, 128, 128), sureness=0.9)
    thing = disc_thing()
    left = Thing(crop=CANVAS, mask=thing.mask & ~right, seen=thing.seen, box=Box(36, 26, 66, 82), sureness=0.9)
    mask = outline_of(left, [other], photo).on((slice(0, 128), slice(0, 128)))
    assert mask[54, 40:60].all() and mask[:, 72:].mean() < 0.05


def test_on_a_new_ground_nothing_of_the_old_one_is_left() -> None:
    photo, cover = disc_photo()
    new = torch.tensor([-0.8, -0.2, 0.9])[:, None, None].expand(3, 64, 64)
    level = np.round((new[:, 0, 0].numpy() + 1) * 127.5)
    edited, blend = over_new_ground(photo, CANVAS, new, [disc_thing()])
    assert (edited.pixels[blend == 0] == photo.pixels[blend == 0]).all() and (blend == 0).sum() > 2000
    wanted = level * (1 - cover[..., None]) + np.array((200, 40, 40)) * cover[..., None]
    off = np.abs(edited.pixels - wanted).mean(-1)
    rim = (cover < 1) & (np.hypot(*(np.mgrid[:128, :128] - np.array([53.5, 63.5])[:, None, None])) < 36)
    assert off[rim].mean() < 12 and np.percentile(off, 99) < 40
    assert (edited.pixels[:10] == level).all()


def test_without_things_it_is_the_ground_alone() -> None:
    photo, _ = disc_photo()
    edited, blend = over_new_ground(photo, CANVAS, torch.zeros(3, 64, 64), [])
    assert (blend == 1).all() and (edited.pixels == 128).all()


@pytest.mark.parametrize("window", [(0, 8, 0, 8), (4, 12, 6, 20), (0, 30, 0, 30), (20, 30, 20, 30)])
def test_an_outline_is_seen_in_any_window(window: tuple[int, int, int, int]) -> None:
    mask = np.random.default_rng(0).random((6, 9)) < 0.5
    whole = np.zeros((30, 30), np.bool_)
    whole[5:11, 7:16] = mask
    outline = Outline(part=(slice(5, 11), slice(7, 16)), mask=mask, grain=1.0)
    top, bottom, left, right = window
    assert (outline.on((slice(top, bottom), slice(left, right))) == whole[top:bottom, left:right]).all()
