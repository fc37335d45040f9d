"""Refinement of what was painted small, on the pocket models and on painters that say what they were asked."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import edit
from intarsia.regions.notes import setting_messages
from intarsia.regions.refine import BLURRED, LARGEST, levels, on_canvas
from intarsia.regions.region import Region
from intarsia.regions.sight import Thing

BOX = (30.0, 20.0, 170.0, 150.0)


def noise_photo(side: int = 192) -> Photo:
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return photo_from_image(Image.fromarray(pixels))


def record(**changes: Any) -> EditRecord:
    base = EditRecord(photo="photo.png", prompt="a house", models="pocket", steps=4, box=BOX, context=1.2, seed=5)
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize(
    ("window", "sides"),
    [(64, []), (83, []), (84, [128]), (166, [128]), (167, [128, 192]), (256, [128, 256]), (320, [128, 256]),
     (384, [128, 192, 320]), (512, [128, 256, 448]), (9999, [128, 256, 512])],
)  # fmt: skip
def test_levels_at_most_double_and_end_near_the_photo(window: int, sides: list[int]) -> None:
    crop = Crop(Box(0, 0, window, window), Size(64, 64))
    finer = levels(crop)
    assert [c.size for c in finer] == [Size(side, side) for side in sides]
    assert all(c.window == crop.window for c in finer)
    scales = [c.scale for c in (crop, *finer)]
    assert all(later <= 2 * earlier for earlier, later in itertools.pairwise(scales))
    assert 1 / scales[-1] <= BLURRED or sides[-1] == LARGEST * 64


def test_a_region_keeps_its_place_and_spares_things_in_their_own_detail() -> None:
    crop = Crop(Box(0, 0, 256, 256), Size(64, 64))
    mask = torch.ones(64, 64, dtype=torch.bool)
    mask[8:16, 8:16] = False
    fine = np.zeros((64, 64), np.bool_)
    fine[::2] = True  # stripes that the coarse mask knows nothing of
    close = Crop(Box(128, 128, 192, 192), Size(64, 64))
    thing = Thing(crop=close, mask=fine, seen=fine.astype(np.float32), box=close.window, sureness=1.0)
    region = Region(box=Box(0, 0, 64, 64), seed=1, crop=crop, mask=mask, spares=(thing,))
    finest = on_canvas(region, levels(crop)[-1])
    assert finest.mask is not None and finest.mask.shape == (256, 256)
    assert finest.box == Box(0, 0, 256, 256)
    assert not finest.mask[36:60, 36:60].any() and finest.mask[:28].all()
    assert not finest.mask[128:192, 128:192].any()  # stripes, grown by a pixel
    assert finest.mask[200:, :].all()


def test_the_painting_goes_on_at_the_photos_resolution(pocket: Backbones, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def paint(picture: Tensor, masks: Tensor, words: list[str], **settings: Any) -> Tensor:
        asked.append({"picture": picture, "mask": masks, "words": words, **settings})
        return torch.full((len(masks), 3, *picture.shape[-2:]), -0.5 + 0.25 * len(asked))

    monkeypatch.setattr(pocket.inpainter, "inpaint", paint)
    photo = noise_photo()
    result = edit(photo, record(refine=True), pocket)
    first, *others = asked
    assert "strength" not in first and [a["picture"].shape[-1] // 64 for a in others] == [2, 3]
    for before, call in zip(asked, others, strict=False):
        assert 0 < call["strength"] < 1 and call["tile"] == 64 and call["seeds"] == [5] and call["words"] == ["a house"]
        inside = call["mask"][0, 0] > 0.5
        assert (call["picture"][0, :, inside] - (-0.5 + 0.25 * asked.index(before) + 0.25)).abs().max() < 1e-4
    finest = others[-1]
    outside = (finest["mask"][0, 0] == 0)[: photo.size.height]
    assert outside.any() and finest["picture"][0, :, outside].std() > 0.3  # the photo's own grain, not a blurred one
    full = result.blend == 1
    assert full.any() and (np.abs(result.photo.pixels[full].astype(float) - (0.25 + 1) * 127.5) <= 1).all()
    assert (photo.pixels[result.blend == 0] == result.photo.pixels[result.blend == 0]).all()


def test_a_refined_edit_repeats_counts_and_leaves_the_rest_alone(pocket: Backbones) -> None:
    photo, seen = noise_photo(), list[Progress]()
    plain = edit(photo, record(), pocket)
    refined = edit(photo, record(refine=True), pocket, on_progress=seen.append)
    again = edit(photo, record(refine=True), pocket)
    assert (refined.photo.pixels == again.photo.pixels).all()
    assert (refined.photo.pixels != plain.photo.pixels).any()
    assert (photo.pixels[refined.blend == 0] == refined.photo.pixels[refined.blend == 0]).all()
    assert refined.cost.evaluations == again.cost.evaluations
    more = refined.cost.evaluations - plain.cost.evaluations
    assert more > 0 and more % (2 * 2) == 0  # tiles, two steps of four, guidance
    assert {p.stage for p in seen[1:]} >= {"refinement, level 1 of 2", "refinement, level 2 of 2"}


def test_what_was_painted_at_full_size_stays_as_it_was(pocket: Backbones) -> None:
    photo = noise_photo(64)
    small = record(box=(10.0, 10.0, 40.0, 40.0))
    plain, refined = edit(photo, small, pocket), edit(photo, dataclasses.replace(small, refine=True), pocket)
    assert (plain.photo.pixels == refined.photo.pixels).all()
    assert plain.cost.evaluations == refined.cost.evaluations


def test_only_the_best_of_several_pictures_is_refined(pocket: Backbones) -> None:
    photo = noise_photo()
    plain = edit(photo, record(keep=2), pocket)
    refined = edit(photo, record(keep=2, refine=True), pocket)
    (one, two), (fine, other) = plain.candidates, refined.candidates
    assert one.photo and two.photo and fine.photo and other.photo
    assert (one.photo.pixels != fine.photo.pixels).any() and (two.photo.pixels == other.photo.pixels).all()
    assert one.scores == fine.scores


def test_a_preset_on_the_whole_picture_says_that_it_refines_nothing() -> None:
    whole = record(box=None, preset="released", refine=True)
    (message,) = setting_messages(whole, 8, given=False)
    assert "'released'" in str(message) and "refined" in str(message)
    assert setting_messages(record(box=None, refine=True), 8, given=False) == []
