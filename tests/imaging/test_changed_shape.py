"""The changed shape: kept whole where an edit is new, left out where the background was only painted again."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from intarsia.imaging.changed_shape import changed_blend, tint_of
from intarsia.imaging.masks import Mask, feather
from intarsia.imaging.photo import Bytes

SIDE = 96
BOX = np.zeros((SIDE, SIDE), bool)
BOX[12:84, 12:84] = True
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def disc(y: float, x: float, radius: float) -> Mask:
    inside: Mask = (ROWS - y) ** 2 + (COLUMNS - x) ** 2 <= radius**2
    return inside


def square(top: int, left: int, bottom: int, right: int) -> Mask:
    inside = np.zeros((SIDE, SIDE), bool)
    inside[top:bottom, left:right] = True
    return inside


def ground(texture: float) -> Bytes:
    """A coloured slope with texture of so many levels."""
    noise = np.random.default_rng(1).normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    slope = np.stack([90 + ROWS * 0.5, 130 - COLUMNS * 0.3, 80 + COLUMNS * 0.4], -1)
    return np.clip(slope + texture * cv2.GaussianBlur(noise, (0, 0), 0.7), 0, 255).astype(np.uint8)


def with_object(picture: Bytes, shape: Mask, colour: tuple[int, int, int]) -> Bytes:
    made = picture.copy()
    made[shape] = colour
    return made


def repainted(
    picture: Bytes, *, blur: float = 0.8, tint: tuple[int, int, int] = (0, 0, 0), noise: float = 1.0
) -> Bytes:
    """As an autoencoder gives a picture back, in another tint."""
    rough = np.random.default_rng(2).normal(0, noise, picture.shape)
    soft = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), blur) + np.asarray(tint) + rough
    return np.clip(soft, 0, 255).astype(np.uint8)


OLD, NEW = disc(40, 40, 12), square(40, 36, 66, 62)
RED, BLUE = (200, 60, 50), (50, 70, 190)


@pytest.mark.parametrize("texture", [0, 6])
@pytest.mark.parametrize("tint", [(0, 0, 0), (9, -6, 10)])
@pytest.mark.parametrize("hard", [False, True])
def test_a_replaced_object_is_whole_and_the_corners_are_the_photos(
    texture: float, tint: tuple[int, int, int], hard: bool
) -> None:
    original = with_object(ground(texture), OLD, RED)
    painted = repainted(with_object(ground(texture), NEW, BLUE), tint=tint)
    if hard:  # as a search hands it on: the original outside the region
        painted = np.where(BOX[..., None], painted, original)
    blend = changed_blend(original, painted, feather(BOX, 2))
    assert (blend[OLD | NEW] == 1).all()
    far = BOX & (cv2.distanceTransform((~(OLD | NEW)).astype(np.uint8), cv2.DIST_L2, 5) > 12)
    assert (blend[far] == 0).mean() > 0.95
    assert blend.dtype == np.float32 and (blend <= feather(BOX, 2)).all() and blend.min() == 0


@pytest.mark.parametrize(
    "shape",
    [square(20, 47, 76, 48), square(47, 20, 48, 76), np.abs(ROWS - COLUMNS) * BOX + ~BOX * 9 < 2],
    ids=["upright", "level", "slanting"],
)
def test_thin_objects_are_not_lost(shape: Mask) -> None:
    painted = repainted(with_object(ground(4), shape, (20, 20, 20)), blur=0.6)
    assert (changed_blend(ground(4), painted, BOX.astype(np.float32))[shape] == 1).all()


def test_a_shadow_belongs_to_the_object() -> None:
    shadow = disc(70, 48, 10)
    dark = (ground(3) * np.where(shadow, 0.65, 1)[..., None]).astype(np.uint8)
    blend = changed_blend(with_object(dark, OLD, RED), repainted(ground(3)), feather(BOX, 2))
    assert (blend[shadow & OLD] == 1).all() and (blend[shadow] > 0).all() and (blend[shadow] == 1).mean() > 0.9


def test_what_an_object_encloses_belongs_to_it() -> None:
    ring = disc(48, 48, 20) & ~disc(48, 48, 8)
    blend = changed_blend(ground(3), repainted(with_object(ground(3), ring, BLUE)), feather(BOX, 2))
    assert (blend[disc(48, 48, 20)] == 1).all()


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        (lambda p: repainted(p), False),
        (lambda p: repainted(p, tint=(2, 2, 2)), False),
        (lambda p: repainted(p, tint=(25, 0, -25)), True),
        (lambda p: repainted(255 - p), True),
        (lambda p: repainted(np.random.default_rng(5).integers(0, 255, p.shape).astype(np.uint8)), True),
    ],
    ids=["blur", "faint tint", "tint", "negative", "noise"],
)
def test_all_or_nothing(change: Callable[[Bytes], Bytes], whole: bool) -> None:
    region = feather(BOX, 2)
    blend = changed_blend(ground(4), change(ground(4)), region)
    assert np.array_equal(blend, region) if whole else not blend.any()


def test_lengths_grow_with_the_photo() -> None:
    def larger(picture: Bytes) -> Bytes:
        return np.repeat(np.repeat(picture, 3, 0), 3, 1)

    original, painted = with_object(ground(3), OLD, RED), repainted(with_object(ground(3), NEW, BLUE))
    small = changed_blend(original, painted, BOX.astype(np.float32))
    large = changed_blend(larger(original), larger(painted), larger(BOX).astype(np.float32), grain=3)
    assert np.abs(large[1::3, 1::3] - small).mean() < 0.03


def test_nothing_to_repaint_stays_nothing() -> None:
    assert not changed_blend(ground(0), 255 - ground(0), np.zeros((SIDE, SIDE))).any()


def test_the_tint_is_that_of_the_unchanged_pixels() -> None:
    rough = np.random.default_rng(3).normal(0, 1, (400, 3)).astype(np.float32)
    rough[:, 0] += 5
    rough[:100] += 60
    assert np.allclose(tint_of(rough), (5, 0, 0), atol=0.3)
    assert (tint_of(rough[:100]) == 0).all()
