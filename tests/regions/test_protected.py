"""Protected areas in edits by words: nothing is proposed, painted or changed there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from intarsia.backbones.protocols import Backbones
from intarsia.errors import EmptyMaskError, RegionError
from intarsia.imaging.geometry import Box
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected
from intarsia.imaging.read import read_photo
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.records.inputs import input_files
from intarsia.regions.edit import edit
from tests.paths import SCENES

QUICK = SearchSettings(preview_steps=(1,), survivors=(1,), enough=1)
FEW = SearchSettings(anchors=2, proposals=3, preview_steps=(1,), survivors=(1,))


def scene(number: int = 0) -> tuple[Photo, list[dict[str, Any]], EditRecord]:
    fact = json.loads((SCENES / "scenes.json").read_text())[number]
    record = EditRecord(
        photo=str(SCENES / fact["image"]),
        source=fact["objects"][0]["name"],
        prompt="a house",
        models="pocket",
        steps=2,
        search=QUICK,
    )
    return read_photo(SCENES / fact["image"]), fact["objects"], record


def half(photo: Photo, *, right: bool) -> np.ndarray:
    mask = np.zeros(photo.pixels.shape[:2], np.bool_)
    middle = photo.size.width // 2
    mask[:, middle:] = right
    mask[:, :middle] = not right
    return mask


def area_of(thing: dict[str, Any], photo: Photo, margin: int = 2) -> np.ndarray:
    x0, y0, x1, y1 = Box(*thing["box"]).expanded(margin).clipped(photo.size).rounded().as_tuple()
    mask = np.zeros(photo.pixels.shape[:2], np.bool_)
    mask[int(y0) : int(y1), int(x0) : int(x1)] = True
    return mask


def unchanged(photo: Photo, changed: Photo, protected: np.ndarray) -> bool:
    return bool((photo.pixels[protected] == changed.pixels[protected]).all())


@pytest.mark.parametrize("given", ["box", "mask"])
def test_of_a_box_or_a_mask_what_is_protected_stays(pocket: Backbones, given: str) -> None:
    photo, _, record = scene()
    protected = half(photo, right=True)
    box = (8.0, 8.0, photo.size.width - 8.0, photo.size.height - 8.0)
    mask = None
    if given == "mask":
        mask = np.zeros_like(protected)
        mask[8:-8, 8:-8] = True
    else:
        record = dataclasses.replace(record, box=box)
    result = edit(photo, record, pocket, mask=mask, protected=protected)
    assert unchanged(photo, result.photo, protected) and not result.blend[protected].any()
    assert not unchanged(photo, result.photo, ~protected)


def test_a_box_beside_what_is_protected_is_edited_as_ever(pocket: Backbones) -> None:
    photo, _, record = scene()
    record = dataclasses.replace(record, box=(4, 4, 28, 28))
    protected = half(photo, right=True)
    free, beside = edit(photo, record, pocket), edit(photo, record, pocket, protected=protected)
    assert (free.photo.pixels == beside.photo.pixels).all()


def test_where_nothing_is_left_an_error_says_so(pocket: Backbones) -> None:
    photo, _, record = scene()
    protected = half(photo, right=False)
    with pytest.raises(RegionError, match=r"All of the box is protected.*leave out --protect"):
        edit(photo, dataclasses.replace(record, box=(2, 2, 20, 20)), pocket, protected=protected)
    with pytest.raises(RegionError, match="All of the mask is protected"):
        edit(photo, record, pocket, mask=protected, protected=protected)
    for preset in ("default", "paper"):
        with pytest.raises(RegionError, match="All of the picture is protected"):
            edit(photo, EditRecord(**words(record), preset=preset), pocket, protected=np.ones_like(protected))


def words(record: EditRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("photo", "source", "prompt", "models", "steps")}


def test_a_protected_thing_is_not_what_the_words_mean(pocket: Backbones) -> None:
    photo, things, record = scene(2)
    with pytest.raises(RegionError, match="that the source words name is protected"):
        edit(photo, record, pocket, protected=area_of(things[0], photo))
    other = edit(photo, record, pocket, protected=area_of(things[1], photo))
    assert unchanged(photo, other.photo, area_of(things[1], photo)) and other.blend.any()


@pytest.mark.parametrize("prompt", ["a house on the left", "a house", "at night"])
def test_a_search_proposes_nothing_that_is_protected(pocket: Backbones, prompt: str) -> None:
    photo, _, record = scene()
    protected = half(photo, right=True)
    record = dataclasses.replace(record, source="", prompt=prompt)
    result = edit(photo, record, pocket, protected=protected)
    assert unchanged(photo, result.photo, protected)
    assert result.blend.any() and not result.blend[protected].any()
    middle = photo.size.width // 2
    assert all(candidate.box.x0 < middle for candidate in result.candidates)


def test_a_new_background_goes_over_into_what_is_protected(pocket: Backbones) -> None:
    photo, _, record = scene()
    protected = half(photo, right=True)
    record = dataclasses.replace(record, source="the background", prompt="the beach")
    result = edit(photo, record, pocket, protected=protected)
    assert unchanged(photo, result.photo, protected) and result.blend.any()
    same = result.blend == 0
    assert (photo.pixels[same] == result.photo.pixels[same]).all()


@pytest.mark.parametrize("preset", ["paper", "released", "exhaustive"])
def test_other_presets_leave_it_out_too(pocket: Backbones, preset: str) -> None:
    photo, _, record = scene()
    protected = half(photo, right=True)
    record = EditRecord(**words(record), preset=preset, search=FEW, fit=FitSettings(rounds=1))  # type: ignore[arg-type]
    result = edit(photo, record, pocket, protected=protected)
    assert unchanged(photo, result.photo, protected) and not unchanged(photo, result.photo, ~protected)
    assert all(anchor.x < photo.size.width / 2 + 4 for anchor in result.anchors)


# Files


def test_a_file_is_read_over_the_upright_photo_and_a_turned_one_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    photo = read_photo(tmp_path / "turned.jpg")
    assert (photo.size.width, photo.size.height) == (48, 64)
    upright = np.zeros((64, 48), np.uint8)
    upright[:10] = 255
    Image.fromarray(upright).save(tmp_path / "upright.png")
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "stored.png")
    for name in ("upright.png", "stored.png"):
        protected = read_protected(str(tmp_path / name), photo)
        assert protected is not None and protected[:10].all() and not protected[10:].any()
    Image.fromarray(np.zeros((64, 48), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(EmptyMaskError, match="nothing would be protected: paint white"):
        read_protected(str(tmp_path / "black.png"), photo)
    assert read_protected(None, photo) is None


def test_the_file_is_an_input_of_the_record() -> None:
    assert input_files(EditRecord(photo="a.png", prompt="b", protect="c.png")) == {"photo": "a.png", "protect": "c.png"}
