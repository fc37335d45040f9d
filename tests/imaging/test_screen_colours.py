"""Photos in sRGB for the networks, and back in their own colours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import ImageCms

from intarsia.imaging.containers import profiles
from intarsia.imaging.photo import Photo
from intarsia.imaging.screen_colours import in_own_colours, in_srgb
from tests.imaging.metadata_files import DISPLAY_P3, pixels

LINEAR = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, (1.0,), "linear")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OWN_SRGB = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, profiles.SRGB_CURVE, "sRGB")


@pytest.mark.parametrize("icc", [None, SRGB, OWN_SRGB, b"no profile"])
def test_numbers_of_srgb_are_left_alone(icc: bytes | None) -> None:
    photo = Photo(pixels=pixels(), icc=icc)
    assert in_srgb(photo) is photo


@pytest.mark.parametrize("icc", [DISPLAY_P3, LINEAR])
def test_only_what_was_edited_changes_and_colours_come_back(icc: bytes) -> None:
    photo = Photo(pixels=pixels(), icc=icc, dpi=(300, 300))
    seen = in_srgb(photo)
    assert seen.icc is None and (seen.pixels != photo.pixels).any()
    assert (in_own_colours(photo, seen, seen, np.ones((24, 40), np.float32)).pixels == photo.pixels).all()
    new = seen.pixels.copy()
    new[5:9, 10:20] = (200, 90, 40)
    blend = np.zeros((24, 40), np.float32)
    blend[5:9, 10:20] = 1
    edited = in_own_colours(photo, seen, dataclasses.replace(seen, pixels=new), blend)
    assert edited.icc == icc and edited.dpi == photo.dpi
    assert (edited.pixels[blend == 0] == photo.pixels[blend == 0]).all()
    assert np.abs(in_srgb(edited).pixels[6, 12].astype(int) - (200, 90, 40)).max() <= 3


def test_colours_that_srgb_lacks_fade_with_the_blend() -> None:
    red = np.zeros((16, 32, 3), np.uint8)
    red[..., 0] = 255
    photo = Photo(pixels=red, icc=DISPLAY_P3)
    seen = in_srgb(photo)
    blend = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (16, 1))
    new = np.floor(seen.pixels * (1 - blend[..., None]) + 100 * blend[..., None] + 0.5).astype(np.uint8)
    row = in_own_colours(photo, seen, dataclasses.replace(seen, pixels=new), blend).pixels[8].astype(int)
    assert (
        (np.abs(np.diff(row, axis=0)) < 14).all() and (row[0] == (255, 0, 0)).all() and np.abs(row[-1] - 100).max() <= 2
    )
