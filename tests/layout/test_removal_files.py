"""What a record removes, read as a scene, and the notes of a removal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import intarsia as ia
from intarsia.backbones.fills import MembraneFill, PatchFill
from intarsia.imaging.masks import Mask
from intarsia.layout.removal_files import read_avoid
from intarsia.layout.removal_notes import border_notes, removal_notes
from intarsia.layout.scene import scene_of


@pytest.fixture
def photo() -> ia.Photo:
    return ia.Photo(pixels=np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


def box(x0: int, y0: int, x1: int, y1: int) -> Mask:
    mask = np.zeros((40, 60), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def test_what_two_cover_belongs_to_the_first_and_what_is_covered_wholly_is_left_out(
    photo: ia.Photo, tmp_path: Path
) -> None:
    Image.fromarray(box(0, 0, 60, 20)).convert("L").save(tmp_path / "mask.png")
    record = ia.RemoveRecord(
        photo="p.png", box=("2,3,20,30", "10.4,3,30,30", "4,4,9,9"), mask=str(tmp_path / "mask.png")
    )
    scene = ia.read_removal(record, photo)
    assert scene.names == ("box 1", "box 2", "mask")
    one, two, mask = scene.masks.values()
    assert (one == box(2, 3, 20, 30)).all() and (two == box(20, 3, 30, 30)).all()
    assert (mask == (box(0, 0, 60, 20) & ~one & ~two)).all()


def test_a_mask_may_be_black_on_white(photo: ia.Photo, tmp_path: Path) -> None:
    Image.fromarray(~box(5, 5, 20, 20)).convert("L").save(tmp_path / "mask.png")
    record = ia.RemoveRecord(photo="p.png", mask=str(tmp_path / "mask.png"), invert_mask=True)
    assert (ia.read_removal(record, photo).masks["mask"] == box(5, 5, 20, 20)).all()


def test_names_need_a_segmenter(photo: ia.Photo) -> None:
    with pytest.raises(ia.RecordError, match="no segmenter was given"):
        ia.read_removal(ia.RemoveRecord(photo="p.png", find=("cat",)), photo)


def test_masks_of_a_program_are_removed_without_a_file(photo: ia.Photo) -> None:
    avoid = box(40, 0, 60, 40)
    scene = scene_of(photo, {"person": box(10, 10, 20, 30)})
    result = ia.remove(scene, ia.RemoveRecord(photo="p.png", shadows=False, grow=0), avoid=avoid)
    assert ((result.blend > 0) == box(10, 10, 20, 30)).all()
    assert (result.photo.pixels[result.blend == 0] == photo.pixels[result.blend == 0]).all()
    assert result.record.fill == "patch"


def test_what_a_record_avoids_is_read_with_its_photo(photo: ia.Photo, tmp_path: Path) -> None:
    Image.fromarray(box(30, 0, 60, 40)).convert("L").save(tmp_path / "avoid.png")
    record = ia.RemoveRecord(photo="p.png", box=("1,1,30,39",), avoid=str(tmp_path / "avoid.png"))
    avoid = read_avoid(record, photo)
    assert avoid is not None and (avoid == box(30, 0, 60, 40)).all()
    with pytest.raises(ia.RegionError, match="no background is left"):
        ia.remove(photo, ia.RemoveRecord(photo="p.png", box=("0,0,30,40",), avoid=record.avoid))


def test_a_checkpoint_must_be_given(photo: ia.Photo) -> None:
    with pytest.raises(ia.RecordError, match="but none was given"):
        ia.remove(photo, ia.RemoveRecord(photo="p.png", box=("1,1,9,9",), fill="diffusion"))


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (box(5, 5, 9, 9), None),
        (box(0, 5, 9, 9), "the picture's left border:"),
        (box(50, 30, 60, 40), "right and bottom borders:"),
        (box(0, 0, 60, 9), "left, top and right borders:"),
    ],
)
def test_objects_at_the_border_are_named(mask: Mask, said: str | None, photo: ia.Photo) -> None:
    notes = border_notes(scene_of(photo, {"dog": mask}))
    assert len(notes) == (said is not None)
    assert all("'dog' reaches" in note and said is not None and said in note for note in notes)


def test_what_is_made_up_or_filled_less_surely_is_said(photo: ia.Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, record = scene_of(photo, {"dog": box(5, 5, 9, 9)}), ia.RemoveRecord(photo="p.png")
    assert removal_notes(scene, box(1, 1, 20, 39), record, MembraneFill()) == ()
    (made_up,) = removal_notes(scene, box(1, 1, 50, 39), record, MembraneFill())
    assert made_up.startswith("The gap covers 78% of the picture")
    monkeypatch.setattr("intarsia.backbones.fills._patchmatch_version", lambda: None)
    (unguided,) = removal_notes(scene, box(1, 1, 20, 39), record, PatchFill())
    assert "PatchMatch (pypatchmatch) is not installed" in unguided
