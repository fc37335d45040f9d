"""Edit by words, end to end on the pocket models."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled, RegionError
from intarsia.imaging.geometry import Box
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.tensors import to_tensor
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.records.serialize import from_json, to_json
from intarsia.regions.analysis import analyze
from intarsia.regions.edit import EditResult, advised_box, edit, fitted_network
from intarsia.regions.network import RegionNetwork
from intarsia.regions.train import fit
from tests import paths
from tests.paths import SCENES

SAMPLES = paths.SAMPLES / "learnable_regions"
QUICK = SearchSettings(preview_steps=(1,), survivors=(1,))
NEVER_ENOUGH = dataclasses.replace(QUICK, enough=1)


def scene(number: int) -> tuple[Photo, dict]:
    fact = json.loads((SCENES / "scenes.json").read_text())[number]
    return read_photo(SCENES / fact["image"]), fact


def record(**changes: Any) -> EditRecord:
    first = json.loads((SCENES / "scenes.json").read_text())[0]
    base = EditRecord(
        photo=str(SCENES / first["image"]),
        source=first["objects"][0]["name"],
        prompt="a house",
        models="pocket",
        steps=3,
        search=QUICK,
    )
    return dataclasses.replace(base, **changes)


def untouched_equal(before: Photo, result: EditResult) -> bool:
    same = result.blend == 0
    return bool(same.any() and (before.pixels[same] == result.photo.pixels[same]).all())


def test_an_edit_changes_its_region_alone_and_counts_its_cost(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(), pocket)
    assert untouched_equal(photo, result)
    assert (photo.pixels != result.photo.pixels).any()
    assert result.cost.evaluations == 2 * 3, "the likeliest region, and none besides as it was good enough"
    (best,) = result.candidates
    assert best.photo is result.photo and best.steps == 3
    assert best.scores.total >= record().search.enough
    assert result.record.models == "pocket"


def test_where_the_likeliest_region_is_not_good_enough_previews_of_others_compete(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(search=NEVER_ENOUGH), pocket)
    assert untouched_equal(photo, result)
    best, second, *others = result.candidates
    # The likeliest region with the whole schedule; a preview of each other; the best of these with the whole schedule.
    assert result.cost.evaluations == 2 * (3 + (len(others) + 1) * 1 + 1 * 3)
    assert best.photo is result.photo and best.steps == second.steps == 3
    assert best.scores.total >= second.scores.total
    assert others and [c.steps for c in others] == [1] * len(others)
    totals = [c.scores.total for c in others]
    assert totals == sorted(totals, reverse=True)
    assert second.photo is not None and all(c.photo is None for c in others)


def test_as_many_pictures_are_finished_as_are_kept(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(keep=3), pocket)
    assert result.cost.evaluations == 2 * 3 * 3
    assert len(result.candidates) == 3 and all(c.photo is not None for c in result.candidates)
    assert {c.seed for c in result.candidates} == {0, 1, 2} and len({c.box for c in result.candidates}) == 1
    totals = [c.scores.total for c in result.candidates]
    assert totals == sorted(totals, reverse=True)


def test_the_same_record_gives_the_same_picture(pocket: Backbones) -> None:
    photo, _ = scene(0)
    again = from_json(EditRecord, json.loads(json.dumps(to_json(record()))))
    assert again == record()
    first, second = edit(photo, record(), pocket), edit(photo, again, pocket)
    assert np.array_equal(first.photo.pixels, second.photo.pixels)
    other = edit(photo, record(seed=5), pocket)
    assert not np.array_equal(first.photo.pixels, other.photo.pixels)


@pytest.mark.parametrize("number", range(6))
def test_the_box_lies_on_what_the_source_words_name(pocket: Backbones, number: int) -> None:
    photo, fact = scene(number)
    for thing in fact["objects"]:
        result = edit(photo, record(source=thing["name"], steps=1), pocket)
        assert result.candidates[0].box.iou(Box(*thing["box"])) >= 0.4


def test_a_larger_picture_keeps_its_size_and_its_pixels_outside(pocket: Backbones) -> None:
    small, _ = scene(0)
    large = photo_from_image(small.as_image().resize((301, 223), Image.Resampling.BICUBIC))
    result = edit(large, record(), pocket)
    assert result.photo.size == large.size
    assert result.blend.shape == (223, 301)
    assert untouched_equal(large, result)
    assert all(c.box.clipped(large.size) == c.box for c in result.candidates)


def test_transparency_comes_back(pocket: Backbones) -> None:
    small, _ = scene(0)
    alpha = Image.linear_gradient("L").resize((64, 64))
    picture = small.as_image()
    picture.putalpha(alpha)
    result = edit(photo_from_image(picture), record(), pocket)
    assert result.photo.alpha is not None
    assert np.array_equal(result.photo.alpha, np.asarray(alpha))


def test_a_given_box_is_kept_to(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(box=(8.0, 16.0, 40.0, 60.0), keep=2), pocket)
    changed = (photo.pixels != result.photo.pixels).any(-1)
    ys, xs = np.nonzero(changed)
    assert xs.min() >= 8 and xs.max() < 40 and ys.min() >= 16 and ys.max() < 60
    assert len(result.candidates) == 2 and all(c.photo is not None for c in result.candidates)
    assert {c.seed for c in result.candidates} == {0, 1}


@pytest.mark.parametrize("factor", [1, 3])
def test_a_sharpened_edit_keeps_what_only_was_painted_again(
    pocket: Backbones, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    small, _ = scene(0)
    photo = photo_from_image(small.as_image().resize((64 * factor, 64 * factor), Image.Resampling.BICUBIC))
    box = tuple(edge * factor for edge in (4.0, 4.0, 60.0, 60.0))

    def paint(picture: Tensor, masks: Tensor, *_words: object, **_settings: object) -> Tensor:
        painted = (picture.expand(len(masks), -1, -1, -1) + 0.02).clone()
        painted[..., 24:40, 24:40] = torch.tensor([0.9, -0.9, 0.9]).reshape(3, 1, 1)
        return painted

    monkeypatch.setattr(pocket.inpainter, "inpaint", paint)
    whole, sharpened = (edit(photo, record(box=box, sharpen=on), pocket) for on in (False, True))
    assert (sharpened.blend <= whole.blend).all() and 0 < sharpened.blend.sum() < whole.blend.sum() / 2
    assert untouched_equal(photo, sharpened)
    full = sharpened.blend == 1
    assert (sharpened.photo.pixels[full] == whole.photo.pixels[full]).all()


def test_a_given_mask_is_kept_to(pocket: Backbones) -> None:
    photo, _ = scene(0)
    mask = np.zeros((64, 64), bool)
    mask[20:50, 10:30] = mask[30:40, 10:60] = True
    result = edit(photo, record(), pocket, mask=mask)
    assert not (photo.pixels != result.photo.pixels).any(-1)[~mask].any()
    assert result.candidates[0].box == Box(10, 20, 60, 50)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((70, 70, 90, 90), "64 x 64"),
        ((30, 30, 10, 50), "ends before it begins"),
        ((30, 30, 30, 50), "no area"),
        ((62, 0, 64, 64), "less than 4 pixels"),
    ],
)
def test_an_unusable_box_is_refused(pocket: Backbones, box: tuple[float, ...], words: str) -> None:
    photo, _ = scene(0)
    with pytest.raises(RegionError, match=words):
        edit(photo, record(box=tuple(map(float, box))), pocket)


def test_without_source_words_the_edit_may_go_anywhere(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(source=""), pocket)
    assert result.relevance is None
    assert untouched_equal(photo, result)
    assert result.candidates[0].scores.relevance == 0


@pytest.mark.parametrize("preset", ["paper", "released", "exhaustive"])
def test_presets_run_at_their_announced_cost(pocket: Backbones, preset: str) -> None:
    photo, _ = scene(0)
    search = SearchSettings(anchors=2, proposals=4)
    result = edit(photo, record(preset=preset, steps=1, search=search, fit=FitSettings(rounds=2)), pocket)
    assert untouched_equal(photo, result)
    if preset == "exhaustive":
        assert result.cost.evaluations == 2 * 4
    elif preset == "released":
        assert result.cost.evaluations == 2 * 2 * 3
    else:  # a box that is drawn again is not painted again
        assert 2 * 2 <= result.cost.evaluations <= 2 * 2 * 3


def test_progress_is_told_and_a_cancel_stops_within_a_step(pocket: Backbones) -> None:
    photo, _ = scene(0)
    seen: list[Progress] = []
    edit(photo, record(), pocket, on_progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    result = edit(photo, record(search=NEVER_ENOUGH), pocket, on_progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(1, 3), (2, 3), (3, 3), (1, 1), (1, 3), (2, 3), (3, 3)]
    assert seen[3].stage == f"{len(result.candidates) - 1} previews of 1 steps"
    before = pocket.inpainter.counter.evaluations

    def stop(progress: Progress) -> None:
        raise Cancelled("stopped on request")

    with pytest.raises(Cancelled):
        edit(photo, record(), pocket, on_progress=stop)
    assert pocket.inpainter.counter.evaluations - before == 2 * 1


def test_a_cache_spares_a_second_edit_its_previews(pocket: Backbones) -> None:
    photo, _ = scene(0)
    cache: dict = {}
    first = edit(photo, record(), pocket, cache=cache)
    second = edit(photo, record(), pocket, cache=cache)
    assert second.cost.evaluations == 0 < first.cost.evaluations
    assert np.array_equal(first.photo.pixels, second.photo.pixels)


def test_fit_over_pictures_writes_a_network_that_edit_uses(pocket: Backbones, tmp_path: Path) -> None:
    out = tmp_path / "regions.safetensors"
    jobs = [record(photo=str(SCENES / f"{i:04d}.png"), source=scene(i)[1]["objects"][0]["name"]) for i in range(3)]
    fitted = fit(jobs, pocket, FitSettings(boxes=4, steps=1, epochs=15, accumulate=1), out)
    assert fitted.last_loss < fitted.first_loss
    assert fitted.last_loss >= fitted.best_loss
    assert fitted.evaluations == 3 * 4 * 2
    assert out.stat().st_size < 2_000_000
    RegionNetwork.load(out)
    # Fifteen epochs end elsewhere on another machine: the network may well want the whole picture.
    photo, _ = scene(0)
    asked = record(regions=str(out))
    analysis = analyze(to_tensor(photo, photo.size), asked.source, asked.prompt, pocket)
    choice = advised_box(analysis, asked, RegionNetwork.load(out), photo.size)
    result = edit(photo, asked, pocket)
    same = result.blend == 0
    assert (photo.pixels[same] == result.photo.pixels[same]).all()
    assert any(c.box.intersection(choice) == pytest.approx(choice.area) for c in result.candidates)


def test_a_region_network_that_is_asked_for_proposes_first(pocket: Backbones) -> None:
    photo, _ = scene(0)
    asked = record(search=dataclasses.replace(QUICK, enough=0.0))  # whatever is painted first is good enough
    network = fitted_network(record(preset="exhaustive"), pocket)
    assert network is not None
    analysis = analyze(to_tensor(photo, photo.size), asked.source, asked.prompt, pocket)
    choice = advised_box(analysis, asked, network, photo.size)
    with_it, without = (edit(photo, asked, pocket, network=n) for n in (network, None))
    assert with_it.cost.evaluations == without.cost.evaluations == 2 * 3
    assert with_it.candidates[0].box.intersection(choice) == pytest.approx(choice.area)  # it has a soft edge besides
    assert with_it.candidates[0].box != without.candidates[0].box


def test_several_parts_are_put_together_as_often_as_asked(pocket: Backbones) -> None:
    photo, fact = next(
        (p, f) for p, f in map(scene, range(6)) if len({o["name"] for o in f["objects"]}) == len(f["objects"]) > 1
    )
    first, second = (o["name"] for o in fact["objects"][:2])
    search = dataclasses.replace(QUICK, enough=0.0)
    asked = record(source=f"{first} and {second}", prompt="a house and a ball", keep=2, search=search)
    result = edit(photo, asked, pocket)
    assert result.cost.evaluations == 2 * 3 * 4
    assert len(result.candidates) == 2 and all(c.photo is not None for c in result.candidates)
    assert untouched_equal(photo, result)
    for thing in fact["objects"][:2]:
        x0, y0, x1, y1 = thing["box"]
        assert (result.blend[y0:y1, x0:x1] == 1).mean() > 0.5


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published sample pictures are not on this machine")
def test_the_published_samples_run(pocket: Backbones) -> None:
    listing = json.loads((SAMPLES / "images.json").read_text())
    assert len(listing) == 3
    for name, (source, prompt) in listing.items():
        photo = read_photo(SAMPLES / name)
        result = edit(photo, record(photo=str(SAMPLES / name), source=source, prompt=prompt), pocket)
        assert result.photo.size == photo.size
        assert untouched_equal(photo, result)
