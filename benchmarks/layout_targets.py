"""Harder targets of the benchmark of edit by layout, as users give them: drawn blobs, turns, large scales, occlusion,
objects cut by the border, and masks with noise.

The true picture is the world's own ground with the objects' own pixels laid on it at their places, from back to front:
without their shadows, so that `around_psnr` compares columns but is no measure of what is reached. What is judged is the layout that
was meant, and not the noise or the brush that it was given with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from benchmarks.layout_cases import EDITS, SIDE, Case, Target, draw_case, place, render_ground
from intarsia.imaging.affine import IDENTITY, Matrix, compose_maps, rotation, scaling_map, translation, warp_picture
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, centroid, dilate
from intarsia.imaging.photo import levels_to_bytes
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.registration import register_mask
from intarsia.layout.scene import Scene, scene_of

TRIES = 400
LEAST_SEEN = 0.3
"""Share of an object that must stay visible."""

Draw = Callable[[np.random.Generator, Mask], Matrix]


def moved_to(rng: np.random.Generator, mask: Mask, low: float = 0.2, high: float = 0.8) -> Matrix:
    """A move of an object's middle to anywhere between these shares of the frame."""
    here, there = centroid(mask), rng.uniform(low, high, 2) * SIDE
    return translation(round(float(there[0]) - here.x), round(float(there[1]) - here.y))


def turned(rng: np.random.Generator, mask: Mask) -> Matrix:
    degrees = float(rng.uniform(15, 90) * rng.choice((-1, 1)))
    return compose_maps(rotation(centroid(mask), degrees), moved_to(rng, mask))


def scaled(rng: np.random.Generator, mask: Mask) -> Matrix:
    scale = float(2 ** rng.uniform(-1, 1))
    return compose_maps(scaling_map(centroid(mask), scale, scale), moved_to(rng, mask))


def to_border(rng: np.random.Generator, mask: Mask) -> Matrix:
    """The object's middle comes to lie within an eighth of the frame from one of its sides."""
    here, along, across = centroid(mask), rng.uniform(0.2, 0.8) * SIDE, rng.uniform(0, 0.12) * SIDE
    across = across if rng.random() < 0.5 else SIDE - across
    x, y = (across, along) if rng.random() < 0.5 else (along, across)
    return translation(round(float(x) - here.x), round(float(y) - here.y))


def blob(rng: np.random.Generator, mask: Mask) -> Mask:
    """An object as someone draws it with a broad brush: its corners round, its outline unsteady."""
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 2.5, mode="nearest")
    waves = ndimage.gaussian_filter(rng.normal(0, 1, mask.shape), 3)
    drawn: Mask = soft + 0.15 * waves / waves.std() > 0.45
    return drawn if drawn.any() else mask


def noisy(rng: np.random.Generator, mask: Mask) -> Mask:
    """A mask as networks give it: its rim off by a pixel here and there, holes in it and specks beside it."""
    rim = dilate(mask, 1) & dilate(~mask, 1)
    holes = ndimage.binary_opening(rng.random(mask.shape) < 0.5) & (rng.random(mask.shape) < 0.3) & dilate(mask, 3)
    found: Mask = mask ^ ((rim & (rng.random(mask.shape) < 0.4)) | holes)
    return found if found.any() else mask


DRAWS: dict[str, Draw] = {
    "blobs": moved_to,
    "rotation": turned,
    "scale": scaled,
    "occlusion": moved_to,
    "border": to_border,
    "noisy": moved_to,
}
"""The kinds of targets, and how an object is moved in each."""


def draw_hard_case(kind: str, seed: int, number: int) -> Case:
    """A scene of `draw_case`, of which one object goes to a place of this kind, three times."""
    plain = draw_case(seed, number)
    rng = np.random.default_rng((seed, number, sorted(DRAWS).index(kind)))
    scene, masks = plain.scene, list(plain.scene.masks.values())
    given = scene
    if kind == "noisy":
        given = scene_of(scene.photo, _apart({name: noisy(rng, mask) for name, mask in scene.masks.items()}))
    ground = render_ground(seed, number)
    targets: list[Target] = []
    for _ in range(TRIES):
        mover = int(rng.integers(len(masks)))
        placements = [place(scene, i, IDENTITY) for i in range(len(masks)) if i != mover]
        placements.append(place(scene, mover, DRAWS[kind](rng, masks[mover])))
        if not _as_asked(kind, placements, masks[mover]):
            continue
        layout = Layout(placements=tuple(placements))
        asked = Layout(placements=tuple(_given(kind, given, p, placements[:-1], rng) for p in placements))
        targets.append(Target(layout=layout, truth=_laid(ground, scene, placements), given=asked))
        if len(targets) == EDITS:
            return Case(scene=scene, background=plain.background, targets=tuple(targets), seed=plain.seed, given=given)
    raise AssertionError(f"case {number} of seed {seed} has no room for three targets of the kind {kind}")


def _as_asked(kind: str, placements: Sequence[Placement], source: Mask) -> bool:
    """Whether the last object, the one that moves, goes where its kind of target has it, and all are still seen."""
    mover = placements[-1]
    others = np.any([p.mask for p in placements[:-1]], axis=0)
    area = abs(mover.matrix[0] * mover.matrix[4] - mover.matrix[1] * mover.matrix[3]) * source.sum()
    inside = mover.mask.sum() / area
    hidden = max(float((p.mask & mover.mask).sum() / p.mask.sum()) for p in placements[:-1])
    seen = (LEAST_SEEN <= inside <= 0.85) if kind == "border" else inside >= 0.97
    over = 0.1 <= hidden <= 1 - LEAST_SEEN if kind == "occlusion" else not (mover.mask & others).any()
    return bool(seen and over and mover.moved)


def _given(
    kind: str, given: Scene, meant: Placement, others: Sequence[Placement], rng: np.random.Generator
) -> Placement:
    """A placement as the method gets it."""
    index = given.names.index(meant.name)
    if kind != "blobs" or not meant.moved:
        return place(given, index, meant.matrix)
    hidden = np.any([p.mask for p in others], axis=0)
    drawn = blob(rng, meant.mask) & ~hidden
    matrix, fit = register_mask(given.objects[index].mask, drawn, hidden)
    return Placement(name=meant.name, matrix=matrix, mask=drawn, fit=fit)


def _laid(ground: np.ndarray, scene: Scene, placements: Sequence[Placement]) -> np.ndarray:
    """The true picture."""
    image = ground.astype(np.float32)
    for p in placements:
        colour, alpha = warp_picture(scene.photo.pixels, p.matrix, Size(SIDE, SIDE), scene.masks[p.name])
        image += alpha[..., None] * (colour - image)
    return levels_to_bytes(image)


def _apart(masks: dict[str, Mask]) -> dict[str, Mask]:
    """Each pixel is the first object's that claims it."""
    taken = np.zeros((SIDE, SIDE), np.bool_)
    for name, mask in masks.items():
        masks[name] = mask & ~taken
        taken |= mask
    return masks
