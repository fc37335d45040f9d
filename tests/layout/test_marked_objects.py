"""Objects that are marked by a box or by points."""

from __future__ import annotations

import numpy as np
import pytest

from intarsia.errors import LayoutError, RegionError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.photo import Photo
from intarsia.layout.marked_objects import MarkedObject, parse_marked
from intarsia.layout.scene_files import read_scene
from intarsia.records.arrange import ArrangeRecord


def two_discs() -> Photo:
    """A red disc and a blue one that covers some of it, on grey, 120 x 90."""
    y, x = np.mgrid[:90, :120]
    pixels = np.full((90, 120, 3), 150, np.uint8) + np.random.default_rng(1).integers(0, 9, (90, 120, 3), np.uint8)
    pixels[(x - 45) ** 2 + (y - 45) ** 2 < 20**2] = (200, 40, 30)
    pixels[(x - 70) ** 2 + (y - 45) ** 2 < 18**2] = (30, 60, 190)
    return Photo(pixels=pixels)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("cat=1,2,30,40", MarkedObject(name="cat", box=Box(1, 2, 30, 40))),
        (" cat 2 = 1.5, 2,30,40", MarkedObject(name="cat 2", box=Box(1.5, 2, 30, 40))),
        ("cat@3,4", MarkedObject(name="cat", points=(Point(3, 4),))),
        ("cat@3,4@5.5,6", MarkedObject(name="cat", points=(Point(3, 4), Point(5.5, 6)))),
        ("a@b=1,2,30,40", MarkedObject(name="a@b", box=Box(1, 2, 30, 40))),
    ],
)
def test_a_mark_is_read(text: str, mark: MarkedObject) -> None:
    assert parse_marked([text]) == (mark,)


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["=1,2,3,4"], LayoutError, "has no name"),
        (["@1,2"], LayoutError, "has no name"),
        (["cat"], LayoutError, "says not where it is"),
        ([""], LayoutError, "has no name"),
        (["cat=1,2,3"], LayoutError, "has '1,2,3' where 4 numbers belong"),
        (["cat=1,2,3,4,5"], LayoutError, "where 4 numbers belong"),
        (["cat=1,2,3,nan"], LayoutError, "where 4 numbers belong"),
        (["cat=a,b,c,d"], LayoutError, "has 'a,b,c,d' where numbers belong"),
        (["cat="], LayoutError, "where numbers belong"),
        (["cat@1"], LayoutError, "has '1' where 2 numbers belong"),
        (["cat@1,2@"], LayoutError, "where numbers belong"),
        (["cat@1,2,3"], LayoutError, "where 2 numbers belong"),
        (["cat=9,2,3,4"], RegionError, "ends before it begins"),
        (["cat@1,2", "cat@5,6"], LayoutError, "number them, 'cat 1' and 'cat 2'"),
    ],
)
def test_what_is_no_mark_is_refused(texts: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_marked(texts)


def test_boxes_and_points_become_a_scene_without_a_network() -> None:
    photo = two_discs()
    scene = read_scene(ArrangeRecord(photo="p", object=("red=24,24,66,66", "blue 1@75,45")), photo)
    assert scene.names == ("red", "blue 1") and scene.objects[1].words == "blue"
    red, blue = (scene.masks[name] for name in scene.names)
    assert not (red & blue).any()
    y, x = np.mgrid[:90, :120]
    for mask, truth in (
        (blue, (x - 70) ** 2 + (y - 45) ** 2 < 18**2),
        (red, ((x - 45) ** 2 + (y - 45) ** 2 < 20**2) & ((x - 70) ** 2 + (y - 45) ** 2 >= 18**2)),
    ):
        assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_what_is_wrong_with_a_mark_is_said_with_its_name() -> None:
    with pytest.raises(RegionError, match=r"'red' was not outlined\. The point 500,3 lies outside the picture"):
        read_scene(ArrangeRecord(photo="p", object=("blue=50,25,90,65", "red@500,3")), two_discs())
