"""Compose: what is kept to the bit, what is moved, what lies behind, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled
from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import Size
from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.known_ground import cut_from_ground
from intarsia.imaging.masks import Mask, depth_inside, dilate
from intarsia.imaging.matting import warp
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.slices import whole
from intarsia.layout.background import detail_std, high_pass
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import CUTTING, FILLING, LAYING, compose, description, what_changes
from intarsia.layout.correspondence import correspondence
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord, ComposeSettings

QUICK = ComposeSettings(plates=2, plate_steps=5, plate_strength=0.4, refine_steps=8, strength=0.25)
RECORD = ArrangeRecord(photo="scene.png", compose=QUICK)
RIGHT: Matrix = (1.0, 0.0, 34.0, 0.0, 1.0, 2.0)


def disc(width: int, height: int, x: float, y: float, radius: float) -> Mask:
    ys, xs = np.mgrid[:height, :width] + 0.5
    return np.asarray((xs - x) ** 2 + (ys - y) ** 2 < radius**2)


def scene_of(width: int = 64, height: int = 64, *, alpha: np.ndarray | None = None) -> Scene:
    """A ball at the left and a cake at the lower right, on a sloping ground with stripes."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    ground = np.stack([90 + xs / 2 + 6 * (ys % 8 < 2), 150 - ys / 3, 70 + 0 * xs], -1)
    ball, cake = disc(width, height, 14, 16, 9), disc(width, height, width - 16, height - 14, 8)
    ground[dilate(ball, 2) & ~ball] *= 0.8
    pixels = np.where(ball[..., None], (200, 40, 30), np.where(cake[..., None], (240, 230, 220), ground))
    pixels = pixels + np.random.default_rng(0).normal(0, 2, pixels.shape)
    photo = photo_from_image(pixels.clip(0, 255).astype(np.uint8))
    return Scene(
        photo=replace(photo, alpha=alpha),
        objects=(
            SceneObject(name="ball 1", words="ball", mask=ball),
            SceneObject(name="cake", words="cake", mask=cake),
        ),
    )


def layout_of(scene: Scene, moves: Mapping[str, Matrix], removed: Sequence[str] = (), back: str = "ball 1") -> Layout:
    things = sorted(scene.objects, key=lambda thing: thing.name != back)
    return Layout(
        placements=tuple(
            Placement(name=t.name, matrix=m, mask=warp_mask(t.mask, m, scene.photo.size))
            for t in things
            if t.name not in removed
            for m in [moves.get(t.name, IDENTITY)]
        ),
        removed=tuple(removed),
    )


def composed(
    scene: Scene, layout: Layout, models: Backbones, record: ArrangeRecord = RECORD, seed: int = 0
) -> EditedPhoto:
    return compose(scene, layout, record, models, seed=seed, cache=MemoryCache(), on_progress=None)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of()


@pytest.fixture(scope="module")
def moved(scene: Scene, pocket: Backbones) -> EditedPhoto:
    return composed(scene, layout_of(scene, {"ball 1": RIGHT}), pocket)


def same(first: Photo, second: Photo) -> bool:
    return bool((first.pixels == second.pixels).all())


def test_a_layout_that_changes_nothing_gives_the_very_photo_back_at_no_cost(scene: Scene, pocket: Backbones) -> None:
    before = pocket.in_parts.counter.evaluations
    made = composed(scene, layout_of(scene, {}), pocket)
    assert made.photo is scene.photo and not made.blend.any()
    assert pocket.in_parts.counter.evaluations == before


def test_where_blend_is_zero_the_picture_is_the_input(scene: Scene, moved: EditedPhoto) -> None:
    kept = moved.blend == 0
    assert kept.mean() > 0.4
    assert (moved.photo.pixels[kept] == scene.photo.pixels[kept]).all()
    assert kept[scene.objects[1].mask].all()
    assert moved.blend.min() == 0 and moved.blend.max() == 1


def test_the_inside_of_an_object_moved_by_whole_pixels_is_copied(scene: Scene, moved: EditedPhoto) -> None:
    core = depth_inside(scene.objects[0].mask, 4) > 1.5
    there = np.roll(core, (2, 34), (0, 1))
    assert (moved.photo.pixels[there] == scene.photo.pixels[core]).all()


def test_what_is_left_behind_looks_like_the_ground(scene: Scene, moved: EditedPhoto) -> None:
    gone = scene.objects[0].mask
    ys, xs = np.nonzero(gone)
    truth = np.stack([90 + xs / 2 + 6 * (ys % 8 < 2), 150 - ys / 3, 70 + 0 * xs], -1)
    assert np.abs(moved.photo.pixels[gone] - truth).mean() < 8
    assert np.abs(scene.photo.pixels[gone] - truth).mean() > 60


def test_the_same_seed_gives_the_same_picture_and_another_another(
    scene: Scene, moved: EditedPhoto, pocket: Backbones
) -> None:
    layout = layout_of(scene, {"ball 1": RIGHT})
    assert same(composed(scene, layout, pocket).photo, moved.photo)
    assert not same(composed(scene, layout, pocket, seed=1).photo, moved.photo)


def test_the_second_layout_of_the_same_objects_pays_for_the_joining_alone(scene: Scene, pocket: Backbones) -> None:
    cache, costs, made = MemoryCache(), [], []
    record = replace(RECORD, fill="diffusion")
    for matrix in (RIGHT, (1.0, 0.0, 20.0, 0.0, 1.0, 30.0)):
        before = pocket.in_parts.counter.evaluations
        layout = layout_of(scene, {"ball 1": matrix})
        made.append(compose(scene, layout, record, pocket, seed=0, cache=cache, on_progress=None))
        costs.append(pocket.in_parts.counter.evaluations - before)
    assert costs == [2 * 2 * 2 + 2 * 3, 2 * 3]
    again = compose(scene, layout, record, pocket, seed=0, cache=MemoryCache(), on_progress=None)
    assert same(made[1].photo, again.photo)


def test_cancelling_leaves_the_models_as_they_were(scene: Scene, moved: EditedPhoto, pocket: Backbones) -> None:
    processors = dict(pocket.in_parts.unet.attn_processors)
    layout = layout_of(scene, {"ball 1": RIGHT})
    stages = []

    def stop(progress: Progress) -> None:
        if progress.stage not in stages:
            stages.append(progress.stage)
            raise Cancelled("stop")

    cache, record = MemoryCache(), replace(RECORD, fill="diffusion")
    for _ in range(5):
        with pytest.raises(Cancelled):
            compose(scene, layout, record, pocket, seed=0, cache=cache, on_progress=stop)
        assert dict(pocket.in_parts.unet.attn_processors) == processors
    painted = ["painting what lies behind", "joining the objects to the picture"]
    assert stages == [CUTTING, FILLING, painted[0], LAYING, painted[1]]
    assert same(compose(scene, layout, RECORD, pocket, seed=0, cache=cache, on_progress=stop).photo, moved.photo)


def test_an_object_in_front_hides_what_goes_behind_it(scene: Scene, tiny_backbones: Backbones) -> None:
    ball, cake = scene.objects
    onto: Matrix = (1.0, 0.0, 30.0, 0.0, 1.0, 30.0)
    core = depth_inside(cake.mask, 4) > 2.5
    overlap = core & warp_mask(depth_inside(ball.mask, 4) > 2.5, onto, scene.photo.size)
    assert overlap.sum() > 30
    behind = composed(scene, layout_of(scene, {"ball 1": onto}, back="ball 1"), tiny_backbones)
    before = composed(scene, layout_of(scene, {"ball 1": onto}, back="cake"), tiny_backbones)
    assert (behind.photo.pixels[core] == scene.photo.pixels[core]).all()
    assert not behind.blend[core].any()
    source = np.roll(overlap, (-30, -30), (0, 1))
    assert (before.photo.pixels[overlap] == scene.photo.pixels[source]).all()


@pytest.mark.parametrize(
    ("size", "moves", "removed"),
    [
        ((96, 64), {"ball 1": (1.0, 0.0, -10.0, 0.0, 1.0, 0.0)}, ()),  # partly out of the frame
        ((64, 90), {"ball 1": (0.7, -0.4, 20.5, 0.4, 0.7, 8.2), "cake": (1.3, 0.0, -18.0, 0.0, 1.3, -30.0)}, ()),
        ((150, 120), {}, ("ball 1", "cake")),
        ((64, 64), {"ball 1": (1.0, 0.0, 34.0, 0.0, 1.0, 34.0), "cake": (1.0, 0.0, -34.0, 0.0, 1.0, -34.0)}, ()),
        ((64, 64), {"cake": (-1.0, 0.0, 64.0, 0.0, 1.0, 0.0)}, ("ball 1",)),
        ((64, 64), {"ball 1": (0.05, 0.0, 10.0, 0.0, 0.05, 10.0)}, ()),  # a speck is left of it
        ((64, 64), {"ball 1": (1.0, 0.0, 200.0, 0.0, 1.0, 0.0)}, ()),  # nothing is
    ],
)
def test_any_layout_of_any_shape_keeps_what_it_does_not_change(
    size: tuple[int, int], moves: dict[str, Matrix], removed: tuple[str, ...], tiny_backbones: Backbones
) -> None:
    scene = scene_of(*size)
    made = composed(scene, layout_of(scene, moves, removed), tiny_backbones)
    kept = made.blend == 0
    assert made.photo.size == Size(*size)
    assert (made.photo.pixels[kept] == scene.photo.pixels[kept]).all()
    changed = {*moves, *removed}
    for thing in scene.objects:
        inside = depth_inside(thing.mask, 4) > 2.5
        share = (made.photo.pixels[inside] == scene.photo.pixels[inside]).all(1).mean()
        assert share < 0.2 if thing.name in changed else share == 1


def test_transparency_moves_with_the_object(tiny_backbones: Backbones) -> None:
    """A cut-out on nothing stays a cut-out on nothing."""
    plain = scene_of()
    ball, cake = (thing.mask for thing in plain.objects)
    scene = scene_of(alpha=np.where(ball | cake, 255, 0).astype(np.uint8))
    made = composed(scene, layout_of(scene, {"ball 1": RIGHT}), tiny_backbones).photo
    assert made.alpha is not None
    assert (made.alpha[np.roll(ball, (2, 34), (0, 1))] == 255).all()
    assert (made.alpha[ball] == 0).all()
    assert (made.alpha[cake] == 255).all()


def test_each_object_keeps_the_shadow_on_its_own_side(scene: Scene) -> None:
    ball, cake = (thing.mask for thing in scene.objects)
    change = what_changes(scene, layout_of(scene, {"ball 1": RIGHT}), RECORD)
    assert (change.changed == ball).all()
    assert change.vacated[ball].all() and not change.vacated[cake].any()
    assert (change.vacated <= dilate(ball, 4)).all() and change.vacated.sum() > ball.sum()
    near = replace(scene, objects=(scene.objects[0], replace(scene.objects[1], mask=np.roll(ball, 19, 1))))
    hole = what_changes(near, layout_of(near, {"ball 1": RIGHT}), RECORD).vacated
    assert hole[16, 22] and not hole[16, 24]


def test_what_the_prompt_says_by_default(scene: Scene) -> None:
    assert description(scene, layout_of(scene, {}), RECORD) == "ball, cake"
    assert description(scene, layout_of(scene, {}, ["cake"]), replace(RECORD, background="grass")) == "ball, grass"
    assert description(scene, layout_of(scene, {}), replace(RECORD, prompt="a party")) == "a party"


# ---- layers


def ground_and_picture() -> tuple[np.ndarray, np.ndarray, Mask, np.ndarray]:
    """A disc of colour with an antialiased rim and a shadow, on a known ground; and its true coverage."""
    ys, xs = np.mgrid[:48, :48] + 0.5
    coverage = (8.5 - np.hypot(xs - 24, ys - 24)).clip(0, 1)
    shade = 1 - 0.4 * np.exp(-(((np.hypot(xs - 24, ys - 25) - 8).clip(0, None) / 2) ** 2))
    ground = np.stack([120 + xs, 90 + ys, 60 + 0 * xs], -1).astype(np.float32)
    below = shade[..., None] * ground
    picture = (coverage[..., None] * np.array([230, 30, 160]) + (1 - coverage[..., None]) * below).astype(np.float32)
    return ground, picture, coverage >= 0.5, coverage


def test_a_layer_on_the_ground_that_it_was_cut_from_gives_the_picture_back() -> None:
    ground, picture, mask, _ = ground_and_picture()
    layer = cut_from_ground(picture, mask, ground, np.zeros_like(mask), edge=1.5, reach=6)
    assert np.abs(layer.over(ground) - picture)[dilate(mask, 1)].max() < 1e-3
    around = dilate(mask, 6) & ~dilate(mask, 1)
    missed, dark = (np.abs(laid - picture)[around].mean() for laid in (layer.over(ground), ground))
    assert missed < 0.3 * dark


def test_a_layer_leaves_the_old_ground_behind() -> None:
    ground, picture, mask, coverage = ground_and_picture()
    layer = cut_from_ground(picture, mask, ground, np.zeros_like(mask), edge=1.5, reach=6)
    assert np.abs(layer.seen_in(whole(mask.shape)).alpha - coverage).max() < 0.25
    other = np.full_like(ground, 240)
    shade = np.where(coverage == 0, (picture / ground).mean(-1), 0)
    ring = (coverage == 0) & dilate(mask, 4)
    laid = layer.over(other)
    wanted = shade[..., None] * other
    assert np.abs(laid - wanted)[ring].mean() < 0.4 * np.abs(other - wanted)[ring].mean()
    assert (laid[~dilate(mask, 8)] == 240).all()


def test_without_reach_the_shadow_stays_behind() -> None:
    ground, picture, mask, _ = ground_and_picture()
    layer = cut_from_ground(picture, mask, ground, np.zeros_like(mask), edge=1.5, reach=0)
    assert (layer.seen_in(whole(mask.shape)).transmittance[~dilate(mask, 2)] == 1).all()


def test_a_layer_moved_by_whole_pixels_keeps_its_numbers() -> None:
    ground, picture, mask, _ = ground_and_picture()
    layer = cut_from_ground(picture, mask, ground, np.zeros_like(mask), edge=1.5, reach=6)
    there = warp(layer, (1.0, 0.0, 5.0, 0.0, 1.0, -3.0), Size(48, 48)).seen_in(whole(mask.shape))
    layer = layer.seen_in(whole(mask.shape))
    assert (there.colour[2:40, 10:45] == layer.colour[5:43, 5:40]).all()
    assert np.allclose(there.transmittance[2:40, 10:45], layer.transmittance[5:43, 5:40], atol=1e-6)


# ---- fills


def test_a_smooth_fill_continues_a_slope_and_keeps_what_is_known() -> None:
    ys, xs = np.mgrid[:40, :50].astype(np.float32)
    picture = np.stack([xs, ys, xs + ys], -1)
    known = ~disc(50, 40, 24, 20, 10)
    filled = membrane_fill(np.where(known[..., None], picture, 999), known)
    assert (filled[known] == picture[known]).all()
    assert np.abs(filled - picture).max() < 1.5


# ---- details


def test_details_have_no_drift_and_are_no_livelier_than_the_picture() -> None:
    everywhere = torch.ones(1, 1, 64, 64)
    assert high_pass(torch.full((1, 3, 64, 64), 0.5), everywhere, 1.0).abs().max() < 1e-5
    noise = 0.05 * torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    assert detail_std(noise, everywhere) == pytest.approx(0.05, rel=0.1)
    assert high_pass(20 * noise, everywhere, 0.05).abs().max() < 0.11
    assert torch.allclose(high_pass(noise, everywhere, 10.0), noise, atol=0.02)


# ---- correspondence


def test_each_cell_is_given_what_the_layout_brings_there(scene: Scene) -> None:
    ball, cake = (thing.mask for thing in scene.objects)
    match = correspondence(scene, layout_of(scene, {"ball 1": (1.0, 0.0, 32.0, 0.0, 1.0, 4.0)}), 16, 16)
    index, known = match.index.reshape(16, 16), match.known.reshape(16, 16)
    assert index[5, 11] == 4 * 16 + 3 and known[5, 11]  # the ball's middle, eight cells left and one up
    assert not known[4, 3]  # where it was, there is nothing to be had
    assert index[12, 12] == 12 * 16 + 12 and known[12, 12]  # the cake has not moved
    assert index[15, 0] == 15 * 16 and known[15, 0]
    assert torch.allclose(match.labels.sum(1), torch.ones(256))
    assert match.labels.sum(0)[1] == pytest.approx(ball.sum() / 16) and match.labels.sum(0)[2] == cake.sum() / 16


def test_evaluations_keep_nothing_for_gradients_and_spoil_none_that_follow(
    scene: Scene, tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch
) -> None:
    inpainting = tiny_backbones.inpainter.parts  # type: ignore[attr-defined]
    models = replace(tiny_backbones, diffusion=inpainting)
    kind, without = type(inpainting), list[bool]()
    predict = kind.predict

    def watched(self: object, *asked: object) -> object:
        without.append(not torch.is_grad_enabled())
        return predict(self, *asked)

    monkeypatch.setattr(kind, "predict", watched)
    record = replace(RECORD, fill="diffusion", size=32)
    composed(scene, layout_of(scene, {"ball 1": RIGHT}), models, record)
    assert len(without) > 2 and all(without)

    latents = torch.zeros(1, 4, 8, 8).requires_grad_(True)  # as large as those before: what was kept for them serves
    inpainting.predict(latents, 500, inpainting.encode_text(["a cat"])).noise.square().sum().backward()
    assert latents.grad is not None and latents.grad.isfinite().all()
