"""Drawings of a scene and a layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.affine import IDENTITY
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.layout import Layout, Placement
from intarsia.results import overlay_arrange
from intarsia.results.drawing import drawing_on, plate
from intarsia.results.overlay_arrange import PALETTE, change, colours_of, draw_scene, draw_wish, notes_on


def block(x0: int, y0: int, x1: int, y1: int) -> Mask:
    mask = np.zeros((60, 90), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


GREY = photo_from_image(np.full((60, 90, 3), 128, np.uint8))


def test_the_palette_is_far_apart_and_names_never_share_a_colour() -> None:
    for place, colour in enumerate(PALETTE):
        others = PALETTE[:place] + PALETTE[place + 1 :]
        assert min(max(abs(a - b) for a, b in zip(colour, other, strict=True)) for other in others) > 64
    many = colours_of([f"dog {k}" for k in range(40)])
    assert len(set(many.values())) == 40


def test_outlines_lie_on_the_borders_of_objects() -> None:
    drawing = np.asarray(draw_scene(GREY, {"cat": block(20, 30, 60, 55)}, {"cat": (255, 0, 0)}, side=240)).astype(int)
    red = (drawing[..., 0] > 200) & (drawing[..., 1] < 80)
    scale = 240 / 60
    assert red[round(42 * scale), round(20 * scale) : round(23 * scale)].any()
    assert not red[round(42 * scale), round(30 * scale) : round(50 * scale)].any()
    assert not red[round(5 * scale) :][: round(8 * scale), : round(15 * scale)].any()


def test_a_wish_shows_the_place_the_way_and_what_goes() -> None:
    before = {"cat": block(5, 30, 25, 50), "pot": block(60, 5, 80, 25)}
    after = {"cat": block(55, 35, 75, 55)}
    colours = {"cat": (255, 0, 255), "pot": (0, 255, 0)}
    drawing = np.asarray(draw_wish(GREY, before, after, colours, {"cat": "moved", "pot": "removed"}, side=240)).astype(
        int
    )
    purple = (drawing[..., 0] - drawing[..., 1] > 50) & (drawing[..., 2] - drawing[..., 1] > 50)
    scale = 4
    assert purple[36 * scale : 38 * scale, 57 * scale : 59 * scale].all()  # filled at its place
    assert purple[38 * scale : 46 * scale, 40 * scale].any()  # the arrow on its way
    red = (drawing[..., 0] > 200) & (drawing[..., 1] < 100) & (drawing[..., 2] < 100)
    assert red[10 * scale : 20 * scale, 65 * scale : 75 * scale].any()  # the cross


def test_names_do_not_cover_each_other() -> None:
    plates = []
    for masks in ({"a": block(5, 5, 85, 20), "b": block(5, 21, 85, 40), "c": block(5, 41, 85, 60)},):
        drawing = drawing_on(GREY, 240)
        for name, mask in masks.items():
            plate(drawing, mask, f"object {name}", (255, 0, 0), overlay_arrange.others(masks, name))
        plates = drawing.plates
    for k, (x0, y0, x1, y1) in enumerate(plates):
        assert 0 <= x0 < x1 <= drawing.image.width and 0 <= y0 < y1 <= drawing.image.height
        for a0, b0, a1, b1 in plates[:k]:
            assert x0 >= a1 or a0 >= x1 or y0 >= b1 or b0 >= y1


def test_what_stands_in_front_covers_what_is_behind() -> None:
    behind, front = block(10, 10, 50, 50), block(30, 10, 80, 50)
    shows = Layout(
        placements=(
            Placement(name="behind", matrix=IDENTITY, mask=behind),
            Placement(name="front", matrix=IDENTITY, mask=front),
        )
    ).visible_masks()
    assert list(shows) == ["behind", "front"]
    assert (shows["front"] == front).all() and (shows["behind"] == (behind & ~front)).all()


@pytest.mark.parametrize(
    ("matrix", "note"),
    [
        (IDENTITY, ""),
        ((1, 0, 9, 0, 1, 0), "moved"),
        ((1.5, 0, 0, 0, 1.5, 0), "1.5x"),
        ((2, 0, 0, 0, 1, 0), "2x wide, 1x high"),
        ((-1, 0, 40, 0, 1, 0), "mirrored"),
        ((0, -1, 0, 1, 0, 0), "turned 90°"),
        ((0, 1, 0, 1, 0, 0), "turned -90°, mirrored"),
    ],
)
def test_a_map_is_told_in_words(matrix: Any, note: str) -> None:
    assert change(matrix) == note


def test_a_target_of_another_shape_is_noted() -> None:
    placements = (
        Placement(name="cat", matrix=(1, 0, 5, 0, 1, 0), mask=block(1, 1, 9, 9), fit=0.3),
        Placement(name="dog", matrix=IDENTITY, mask=block(20, 1, 29, 9)),
    )
    assert notes_on(Layout(placements=placements, removed=("pot",))) == {"cat": "new shape", "pot": "removed"}


def test_a_very_wide_picture_is_shown_from_top_to_bottom() -> None:
    wide, square = Image.new("RGB", (900, 200)), Image.new("RGB", (300, 300))
    tall = overlay_arrange.captioned([wide] * 3, overlay_arrange.CAPTIONS)
    flat = overlay_arrange.captioned([square] * 3, overlay_arrange.CAPTIONS)
    assert tall.height > 600 and tall.width < 1000 and flat.width > 900 and flat.height < 400
