"""An edit by words of a photo whose numbers are not sRGB's."""

from __future__ import annotations

import dataclasses

import numpy as np

import intarsia
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.screen_colours import in_srgb
from tests.imaging.metadata_files import DISPLAY_P3
from tests.paths import SCENES


def test_networks_see_srgb_and_the_result_has_the_photo_s_own_colours(tiny_backbones: Backbones) -> None:
    scene = SCENES / "0000.png"
    plain = intarsia.read_photo(scene)
    photo = dataclasses.replace(plain, icc=DISPLAY_P3)
    record = intarsia.EditRecord(photo=str(scene), prompt="a dog", box=(20, 20, 70, 70), steps=2)
    result = intarsia.edit(photo, record, tiny_backbones)
    seen = intarsia.edit(in_srgb(photo), record, tiny_backbones)
    assert result.photo.icc == DISPLAY_P3 and result.original is photo and result.candidates[0].photo is result.photo
    assert (result.photo.pixels[result.blend == 0] == photo.pixels[result.blend == 0]).all()
    assert (result.blend == seen.blend).all() and (result.photo.pixels != photo.pixels).any()
    middle = result.blend == 1
    change = np.abs(in_srgb(result.photo).pixels[middle].astype(int) - seen.photo.pixels[middle])
    assert change.mean() < 0.5 and change.max() <= 8, "what is left is rounding, which is coarse where it is dark"
    assert intarsia.edit(plain, record, tiny_backbones).original is plain
