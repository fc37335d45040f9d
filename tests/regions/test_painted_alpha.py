"""Edits of pictures that are partly transparent: what is painted shows where it should, and nothing else changes."""

import dataclasses
import re

import numpy as np
import pytest

from intarsia.imaging.masks import feather
from intarsia.imaging.painted_alpha import shown_share, with_painted_alpha
from intarsia.imaging.photo import Photo, levels_to_bytes
from intarsia.records.edit import EditRecord
from intarsia.regions.showing import alpha_notes, completed
from tests.imaging.image_files import noise

SIZE = (48, 64)
PAINT = np.array([20.0, 180.0, 40.0], np.float32)


def cutout(*, soft: bool = False) -> Photo:
    """Opaque on the right, clear on the left, where black is hidden; with soft, half opaque in between."""
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, 32:] = 255
    if soft:
        alpha[:, 24:40] = np.linspace(0, 255, 16, dtype=np.uint8)
    pixels = noise(64, 48).copy()
    pixels[alpha == 0] = 0
    return Photo(pixels=pixels, alpha=alpha)


def edited(photo: Photo, blend: np.ndarray) -> Photo:
    """Mixed as an edit is, hidden colours too."""
    share = blend[..., None]
    return dataclasses.replace(photo, pixels=levels_to_bytes(photo.pixels * (1 - share) + PAINT * share))


def region(left: int, right: int, width: float = 4) -> np.ndarray:
    mask = np.zeros(SIZE, np.bool_)
    mask[8:40, left:right] = True
    return feather(mask, width)


def record(alpha: str = "auto") -> EditRecord:
    return EditRecord(photo="p.png", prompt="grass", alpha=alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("width", [0, 4, 30])
@pytest.mark.parametrize(("left", "right"), [(4, 32), (4, 20), (0, 64), (10, 50), (32, 60)])
def test_paint_is_opaque_where_the_edit_is_and_the_rest_stays(left: int, right: int, width: float, soft: bool) -> None:
    photo, blend = cutout(soft=soft), region(left, right, width)
    plain = edited(photo, blend)
    done = with_painted_alpha(photo, plain, blend)
    assert photo.alpha is not None and done.alpha is not None
    kept = (blend == 0) | (photo.alpha == 255)
    assert np.array_equal(done.pixels[kept], plain.pixels[kept]) and np.array_equal(done.alpha[kept], photo.alpha[kept])
    assert (done.alpha >= photo.alpha).all() and (done.alpha >= np.floor(255 * blend)).all()
    fully = blend == 1
    assert (done.alpha[fully] == 255).all() and np.abs(done.pixels[fully] - PAINT).max() < 1


def test_no_seam_of_clear_or_hidden_colours_lies_beside_what_is_opaque() -> None:
    photo, blend = cutout(), region(4, 32, 8)
    done = with_painted_alpha(photo, edited(photo, blend), blend)
    assert done.alpha is not None
    assert (done.alpha[16:32, 28:36] == 255).all()  # opaque across the border
    edge = done.pixels[16:32, 31].astype(float)  # nearly all of the neighbour's colour, none of the black beneath
    beside = photo.pixels[16:32, 32].astype(float)
    assert np.abs(edge - (beside + (PAINT - beside) * blend[16:32, 31, None])).max() < 2
    outer = done.pixels[16:32, 5].astype(float)  # beside what is clear: the paint's own colour, faint
    assert np.abs(outer - PAINT).max() < 6 and (done.alpha[16:32, 5] < 80).all()


def test_a_picture_that_is_clear_everywhere_gets_visible_paint() -> None:
    photo = Photo(pixels=np.zeros((*SIZE, 3), np.uint8), alpha=np.zeros(SIZE, np.uint8))
    for blend in (np.ones(SIZE, np.float32), region(10, 50)):
        done = with_painted_alpha(photo, edited(photo, blend), blend)
        assert done.alpha is not None and np.array_equal(done.alpha == 0, blend == 0)
        assert np.abs(done.pixels[done.alpha > 60] - PAINT).max() < 4


@pytest.mark.parametrize(
    ("alpha", "left", "right", "painted", "said"),
    [
        ("auto", 4, 30, True, "nothing would show: the paint is opaque there. Keep .*--alpha keep[.]$"),
        ("auto", 4, 33, True, "nothing would show"),
        ("auto", 20, 50, False, "[0-9]% of what was painted does not show.*--alpha paint[.]$"),
        ("auto", 33, 60, False, ""),
        ("keep", 4, 30, False, "^All of what was painted does not show"),
        ("keep", 33, 60, False, ""),
        ("paint", 4, 30, True, ""),
        ("paint", 20, 50, True, ""),
        ("paint", 33, 60, False, ""),
    ],
)
def test_nothing_stays_invisible_in_silence(alpha: str, left: int, right: int, painted: bool, said: str) -> None:
    photo, blend = cutout(), region(left, right)
    done = completed(photo, edited(photo, blend), blend, record(alpha))
    assert photo.alpha is not None and done.alpha is not None
    assert (done.alpha > photo.alpha).any() == painted
    notes = alpha_notes(photo, blend, record(alpha))
    assert len(notes) == bool(said) and all(re.search(said, note) for note in notes)


def test_opaque_pictures_are_left_alone() -> None:
    opaque = Photo(pixels=noise(64, 48), alpha=np.full(SIZE, 255, np.uint8))
    for photo in (opaque, dataclasses.replace(opaque, alpha=None)):
        plain, blend = edited(photo, region(4, 30)), region(4, 30)
        for alpha in ("auto", "keep", "paint"):
            assert completed(photo, plain, blend, record(alpha)) is plain
            assert alpha_notes(photo, blend, record(alpha)) == ()
        assert shown_share(photo, blend) == pytest.approx(1)
    assert shown_share(opaque, np.zeros(SIZE, np.float32)) == 1
