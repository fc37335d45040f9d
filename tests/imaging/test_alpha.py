"""Mattes: near the truth at soft edges, much nearer than the mask that they come from."""

from __future__ import annotations

import numpy as np
import pytest

from intarsia.imaging.alpha import grain_of, matte_of
from intarsia.imaging.matting import adapted, cut
from intarsia.imaging.shadows import measure_shadow
from intarsia.imaging.slices import whole as everywhere

NOTHING = np.zeros((160, 200), np.bool_)


def scene(width: float = 3.0, scale: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured disc with a soft edge on a textured ground; its coverage, and its own colours."""
    rng = np.random.default_rng(0)
    shape = 160 * scale, 200 * scale
    ys, xs = np.mgrid[: shape[0], : shape[1]] / scale
    alpha = ((45 - np.hypot(xs - 100, ys - 80)) / width + 0.5).clip(0, 1)
    own = np.stack([200 + 20 * np.sin(xs / 5), 120 + 0 * xs, 60 + 20 * np.cos(ys / 6)], -1) + rng.normal(
        0, 3, (*shape, 3)
    )
    ground = np.stack([60 + xs / 5, 90 + ys / 4, 140 + 0 * xs], -1) + rng.normal(0, 3, (*shape, 3))
    image = alpha[..., None] * own + (1 - alpha[..., None]) * ground
    return image.round().clip(0, 255).astype(np.uint8), alpha, own


def whole(image: np.ndarray, mask: np.ndarray, **settings) -> np.ndarray:
    matte = matte_of(image, mask, np.zeros_like(mask), **settings)
    alpha = np.zeros(mask.shape, np.float32)
    alpha[matte.part] = matte.alpha
    return alpha


@pytest.mark.parametrize("width", [1.0, 3.0, 5.0])
def test_a_matte_is_nearer_to_the_truth_than_its_mask(width: float) -> None:
    image, alpha, _ = scene(width)
    mask = alpha > 0.5
    missed = np.abs(whole(image, mask, edge=3.0) - alpha).sum()
    assert missed < 0.5 * np.abs(mask - alpha).sum()


def test_a_coarse_mask_finds_the_edge_that_it_missed() -> None:
    image, alpha, _ = scene(2.0)
    blocks = alpha.reshape(20, 8, 25, 8).mean((1, 3)) > 0.3
    mask = blocks.repeat(8, 0).repeat(8, 1)
    assert grain_of(mask) == 8
    assert np.abs(whole(image, mask) - alpha).sum() < 0.4 * np.abs(mask - alpha).sum()


def test_a_large_border_is_solved_at_a_reduced_size(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha, _ = scene(3.0, scale=2)
    mask = alpha > 0.5
    exact = whole(image, mask, edge=6.0)
    monkeypatch.setattr("intarsia.imaging.alpha.MOST_UNKNOWN", 2000)
    quick = whole(image, mask, edge=6.0)
    assert np.abs(quick - alpha).sum() < 0.6 * np.abs(mask - alpha).sum()
    assert np.abs(quick - exact)[(alpha > 0) & (alpha < 1)].mean() < 0.12


def test_colours_at_the_edge_are_the_objects_own() -> None:
    image, alpha, own = scene(4.0)
    matte = matte_of(image, alpha > 0.5, NOTHING, edge=3.0)
    edge = (alpha > 0.3) & (alpha < 0.9)
    before = np.abs(image.astype(float) - own)[edge].mean()
    after = np.abs(matte.colour - own[matte.part])[edge[matte.part]].mean()
    assert after < 0.5 * before


def test_a_layer_brings_none_of_the_old_ground_along() -> None:
    image, alpha, own = scene(3.0)
    layer = cut(image, alpha > 0.5, NOTHING, edge=3.0)
    white = np.full((*alpha.shape, 3), 255.0, np.float32)
    truth = alpha[..., None] * own + (1 - alpha[..., None]) * 255
    pasted = np.where((alpha > 0.5)[..., None], image, 255.0)
    edge = (alpha > 0) & (alpha < 1)
    assert np.abs(layer.over(white) - truth)[edge].mean() < 0.5 * np.abs(pasted - truth)[edge].mean()
    inside = alpha == 1
    core = inside & (layer.seen_in(everywhere(alpha.shape)).alpha == 1)
    assert core.sum() > 0.85 * inside.sum() and (layer.over(white)[core] == image[core]).all()


def test_an_object_adapts_to_a_darker_place() -> None:
    image, alpha, _ = scene(3.0)
    layer = cut(image, alpha > 0.5, NOTHING, edge=3.0).seen_in(everywhere(alpha.shape))
    around = image[(alpha == 0)].astype(np.float32)
    dark = (image * 0.6).astype(np.float32)
    there = adapted(layer, around, dark, reach=10)
    core, rim = (
        np.hypot(*(np.mgrid[:160, :200] - np.array([80, 100])[:, None, None])) < 20,
        (alpha > 0.2) & (alpha < 0.8),
    )
    whole, edge = (there.colour[where].mean() / layer.colour[where].mean() for where in (core, rim))
    assert 0.6 < edge < whole < 0.9
    same = adapted(layer, around, np.broadcast_to(around.mean(0), image.shape).astype(np.float32), reach=10)
    assert np.abs(same.colour - layer.colour).max() < 1


@pytest.mark.parametrize(
    ("mask", "grain"),
    [
        (np.pad(np.ones((40, 60), np.bool_), 20), 1),  # a box says nothing of a resolution
        (np.zeros((20, 20), np.bool_), 1),
        (np.hypot(*(np.mgrid[:99, :99] - 49.0)) < 30, 1),
        ((np.hypot(*(np.mgrid[:16, :16] - 7.5)) < 6).repeat(5, 0).repeat(5, 1), 5),
    ],
)
def test_the_grain_of_a_mask(mask: np.ndarray, grain: int) -> None:
    assert grain_of(mask) == grain


def test_a_hair_thin_object_keeps_its_middle() -> None:
    image = np.full((60, 60, 3), 40, np.uint8)
    mask = np.zeros((60, 60), np.bool_)
    mask[10:50, 30] = True
    image[mask] = 220
    assert whole(image, mask)[20:40, 30].min() > 0.5


# Shadows


def shaded(depth: float, busy: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A disc on a plain ground with a soft shadow below it."""
    ys, xs = np.mgrid[:200, :260].astype(float)
    shadow = depth * np.exp(-((((xs - 130) / 45) ** 2 + ((ys - 128) / 10) ** 2) ** 2))
    ground = 150 + busy * np.sin(xs / 9) * np.cos(ys / 7)
    image = np.stack([ground, ground * 0.9, ground * 0.8], -1) * (1 - shadow[..., None])
    disc = np.hypot(xs - 130, ys - 90) < 34
    image[disc] = (200, 40, 40)
    return image.round().astype(np.uint8), disc, shadow


def test_a_shadow_below_an_object_is_measured() -> None:
    image, disc, shadow = shaded(0.4)
    light = measure_shadow(image, disc, np.zeros_like(disc), 40)
    seen = (shadow > 0.12) & ~disc
    assert (light[seen] < 0.97).mean() > 0.8
    assert np.abs((1 - light) - shadow)[seen].mean() < 0.1
    assert (light[(shadow < 0.005) & ~disc] > 0.9).all()


@pytest.mark.parametrize("busy", [0.0, 40.0])
def test_where_there_is_none_no_shadow_is_found(busy: float) -> None:
    image, disc, _ = shaded(0.0, busy)
    assert (measure_shadow(image, disc, np.zeros_like(disc), 40) == 1).mean() > 0.99


def test_something_dark_behind_an_object_is_no_shadow() -> None:
    image, disc, _ = shaded(0.0)
    image[40:90, 150:240] = np.where(disc[40:90, 150:240, None], image[40:90, 150:240], 60)
    assert (measure_shadow(image, disc, np.zeros_like(disc), 40) == 1).all()
