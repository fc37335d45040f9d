"""Protected areas in removals and edits by layout: their pixels are the photo's own, bit for bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from intarsia.errors import RegionError
from intarsia.imaging.read import read_photo
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.remove import remove
from intarsia.layout.scene import Scene, scene_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from tests.layout.test_copies import SIDE, block, grassland
from tests.slow import mostly_slow


def test_a_gap_is_filled_but_for_what_is_protected() -> None:
    scene = grassland()
    protected = block(SIDE, 40, 40, 60)
    result = remove(scene, RemoveRecord(photo="photo.png"), protected=protected)
    cat, before = scene.masks["cat"], scene.photo.pixels
    assert (result.photo.pixels[protected] == before[protected]).all() and not result.blend[protected].any()
    gone = cat & ~protected
    assert gone.any() and result.photo.pixels[gone][:, 0].mean() < 60, "the rest of the cat is not copied from"


def test_nothing_is_left_to_remove_where_all_is_protected() -> None:
    scene = grassland()
    with pytest.raises(RegionError, match=r"All that is to be removed is protected.*leave out --protect"):
        remove(scene, RemoveRecord(photo="photo.png"), protected=np.ones((SIDE, SIDE), np.bool_))


@pytest.mark.parametrize(
    "asked",
    mostly_slow(
        [{"move": ("cat=50,50",)}, {"copy": ("cat=50,50",)}, {"remove": ("cat",)}], pushed=[{"copy": ("cat=50,50",)}]
    ),
)
def test_what_is_arranged_leaves_protected_pixels_alone(asked: dict[str, tuple[str, ...]]) -> None:
    scene = grassland()
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[scene.masks["cat"]] = 100
    scene = dataclasses.replace(scene, photo=dataclasses.replace(scene.photo, alpha=alpha))
    record = ArrangeRecord(photo="photo.png", **asked)  # type: ignore[arg-type]
    protected = block(SIDE, 50, 30, 50)
    result = arrange(scene, read_layout(record, scene), record, None, protected=protected)
    assert (result.photo.pixels[protected] == scene.photo.pixels[protected]).all()
    assert result.photo.alpha is not None and (result.photo.alpha[protected] == alpha[protected]).all()
    assert not result.blend[protected].any() and result.blend.any()
    free = arrange(scene, read_layout(record, scene), record, None)
    assert (free.photo.pixels[~protected] == result.photo.pixels[~protected]).all()


def turned(folder: Path) -> tuple[Scene, str]:
    """A photo on its side and a mask that was painted over it as it is stored."""
    exif = Image.Exif()
    exif[Base.Orientation] = 8
    scene = grassland()
    Image.fromarray(scene.photo.pixels[:120]).save(folder / "turned.png", exif=exif)
    stored = np.zeros((120, SIDE), np.uint8)
    stored[40:60, 20:60] = 255
    Image.fromarray(stored).save(folder / "stored.png")
    photo = read_photo(folder / "turned.png")
    cat = np.rot90(scene.masks["cat"][:120]).copy()
    return scene_of(photo, {"cat": cat}), str(folder / "stored.png")


def test_a_mask_over_a_photo_on_its_side_is_turned_with_it(tmp_path: Path) -> None:
    scene, file = turned(tmp_path)
    upright = np.zeros((SIDE, 120), np.bool_)
    upright[SIDE - 60 : SIDE - 20, 40:60] = True
    assert (upright & scene.masks["cat"]).sum() == 20 * 40
    removal = remove(scene, RemoveRecord(photo=str(tmp_path / "turned.png"), protect=file))
    record = ArrangeRecord(photo=str(tmp_path / "turned.png"), move=("cat=20,-30",), protect=file)
    arrangement = arrange(scene, read_layout(record, scene), record, None)
    for result in (removal, arrangement):
        assert (result.photo.pixels[upright] == scene.photo.pixels[upright]).all()
        rest = scene.masks["cat"] & ~upright
        assert (result.photo.pixels[rest] != scene.photo.pixels[rest]).any()
