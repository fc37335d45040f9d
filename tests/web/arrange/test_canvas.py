"""The canvas: its geometry, moves, and cut-outs."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.arrange.yard_scene import BASE, NAMES, YARD, moved

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.errors import RecordError
from intarsia.imaging.affine import apply, warp_mask
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Photo
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene_folder
from intarsia.web.canvas import (
    MAX_CANVAS_SIDE,
    Move,
    canvas_matrix,
    canvas_value,
    identity_moves,
    mask_at_size,
    parse_canvas_value,
    read_moves,
    record_from_moves,
    split_layers,
    stacking_changes,
)


@pytest.fixture(scope="module")
def yard() -> Scene:
    return read_scene_folder(YARD)


def as_browsers_do(move: Move, box: Box, point: Point) -> Point:
    """translate(middle + move) rotate(turn) scale(wide, high) translate(-middle), the right one first."""
    middle, angle = box.center, math.radians(move.turn)
    x, y = (point.x - middle.x) * move.wide * (-1 if move.flip else 1), (point.y - middle.y) * move.high
    x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return Point(x + middle.x + move.x, y + middle.y + move.y)


WISHES = [
    {"x": 40.0, "y": -25.0},
    {"wide": 1.3, "high": 0.6},
    {"turn": 33.5},
    {"flip": True},
    {"x": -30.0, "y": 8.0, "wide": 0.7, "high": 1.4, "turn": -70.0},
    {"x": 12.0, "y": -9.0, "wide": 1.25, "high": 1.25, "turn": 20.0, "flip": True},
    {"x": 5.5, "wide": 0.8, "high": 1.3, "turn": -135.0, "flip": True},
]


@pytest.mark.parametrize("wish", WISHES)
def test_the_canvas_shows_what_a_browser_makes_of_the_same_words(wish: dict[str, Any]) -> None:
    move, box = Move(name="dog", **wish), Box(100, 60, 180, 200)
    for point in (Point(100, 60), Point(171, 133), Point(-5, 9)):
        here, there = apply(canvas_matrix(move, box), point), as_browsers_do(move, box, point)
        assert (here.x, here.y) == pytest.approx((there.x, there.y))


@pytest.mark.parametrize("wish", WISHES)
def test_the_record_puts_an_object_where_the_canvas_shows_it(yard: Scene, wish: dict[str, Any]) -> None:
    moves = moved(**wish)
    placed = {p.name: p for p in read_layout(record_from_moves(moves, NAMES, BASE), yard).placements}
    mask = yard.objects[2].mask
    matrix = canvas_matrix(moves[2], bounding_box(mask))
    assert placed["dog"].matrix == pytest.approx(matrix, abs=1e-3)
    expected = warp_mask(mask, matrix, yard.photo.size)
    both, either = (placed["dog"].mask & expected).sum(), (placed["dog"].mask | expected).sum()
    assert both / either > 0.999
    assert not placed["house"].moved and not placed["tree"].moved


def test_a_drag_by_whole_pixels_is_said_in_whole_pixels() -> None:
    record = record_from_moves(moved(x=40.0, y=-3.0), NAMES, BASE)
    assert record.move == ("dog=+40,-3",)
    assert (record.scale, record.rotate, record.flip, record.front, record.back) == ((), (), (), (), ())


def test_nothing_moved_leaves_the_record_as_it_was() -> None:
    assert record_from_moves(moved(), NAMES, BASE) == BASE


def test_a_flipped_object_turns_the_other_way_in_the_record() -> None:
    record = record_from_moves(moved(turn=20.0, flip=True), NAMES, BASE)
    assert (record.rotate, record.flip) == (("dog=-20",), ("dog",))


def test_what_is_off_the_canvas_is_removed_and_nothing_else_is_said_of_it() -> None:
    record = record_from_moves(moved(x=4.0, turn=9.0, gone=True), NAMES, BASE)
    assert record == dataclasses.replace(BASE, remove=("dog",))


@pytest.mark.parametrize(
    ("after", "back", "front"),
    [
        ("abcd", "", ""),
        ("bcda", "", "a"),
        ("dabc", "d", ""),
        ("acdb", "", "b"),
        ("dcba", "dcb"[::-1], ""),
        ("cadb", "", "adb"),
    ],
)
def test_any_order_is_said_by_few_names(after: str, back: str, front: str) -> None:
    said = stacking_changes("abcd", after)
    order = list("abcd")
    for name in said[0]:
        order.remove(name)
        order.insert(0, name)
    for name in said[1]:
        order.remove(name)
        order.append(name)
    assert "".join(order) == after
    assert len(said[0]) + len(said[1]) == len(back) + len(front)


def test_the_order_on_the_canvas_is_the_order_in_the_picture(yard: Scene) -> None:
    moves = (Move(name="dog"), Move(name="tree", gone=True), Move(name="house"))
    layout = read_layout(record_from_moves(moves, NAMES, BASE), yard)
    assert [p.name for p in layout.placements] == ["dog", "house"]
    assert layout.removed == ("tree",)


def test_moves_are_read_and_what_is_not_named_stays() -> None:
    moves = read_moves([{"name": "dog", "x": 3, "flip": True}], NAMES)
    assert [m.name for m in moves] == ["house", "tree", "dog"]
    assert moves[2] == Move(name="dog", x=3.0, flip=True)


def test_a_copy_is_placed_and_stacked_as_the_canvas_shows_it(yard: Scene) -> None:
    wish = {"x": 12.0, "y": -9.0, "wide": 1.25, "high": 1.25, "turn": 20.0, "flip": True}
    given = [
        {"name": "pup", "copy_of": "dog", **wish},
        {"name": "house"},
        {"name": "tree 2", "copy_of": "tree", "gone": True},
        {"name": "dog", "gone": True},
        {"name": "tree"},
        {"name": "dog 2", "copy_of": "dog", "x": 5},
    ]
    moves = read_moves(given, NAMES)
    assert moves[0] == Move(name="pup", copy_of="dog", **wish)  # type: ignore[arg-type]
    assert read_moves([dataclasses.asdict(move) for move in moves], NAMES) == moves
    record = record_from_moves(moves, NAMES, BASE)
    assert (record.copy, record.remove) == (("dog:pup", "dog:dog 2"), ("dog",))
    layout = read_layout(record, yard)
    assert [p.name for p in layout.placements] == ["pup", "house", "tree", "dog 2"] and layout.removed == ("dog",)
    matrix = canvas_matrix(moves[0], bounding_box(yard.masks["dog"]))
    assert layout.placements[0].matrix == pytest.approx(matrix, abs=1e-3)


def test_a_copy_alone_is_in_front_of_all_others(yard: Scene) -> None:
    moves = read_moves([{"name": "house 2", "copy_of": "house", "x": 9}], NAMES)
    assert [m.name for m in moves] == [*NAMES, "house 2"]
    layout = read_layout(record_from_moves(moves, NAMES, BASE), yard)
    assert [p.name for p in layout.placements] == [*NAMES, "house 2"]


@pytest.mark.parametrize(
    "given",
    [
        "dog",
        [{"name": "pup", "copy_of": "cat"}],
        [{"name": "pup", "copy_of": 3}],
        [{"name": "dog", "copy_of": "dog"}],
        [{"copy_of": "dog"}],
        [{"name": " ", "copy_of": "dog"}],
        [{"name": "a:b", "copy_of": "dog"}],
        [{"name": "a=b", "copy_of": "dog"}],
        [{"name": "p" * 101, "copy_of": "dog"}],
        [{"name": "Background", "copy_of": "dog"}],
        [{"name": "pup", "copy_of": "dog"}, {"name": "pup", "copy_of": "tree"}],
        [{"name": "cat"}],
        [{"name": ["dog"]}],
        [3],
        [{"name": "dog"}, {"name": "dog"}],
        [{"name": "dog", "x": "3"}],
        [{"name": "dog", "x": True}],
        [{"name": "dog", "x": float("nan")}],
        [{"name": "dog", "y": 1e9}],
        [{"name": "dog", "wide": 0}],
        [{"name": "dog", "high": -1}],
        [{"name": "dog", "flip": 1}],
        [{"name": "dog", "z": 1}],
    ],
)
def test_moves_that_are_none_are_refused_with_a_sentence(given: Any) -> None:
    with pytest.raises(RecordError, match=r"[:.]"):
        read_moves(given, NAMES)


def test_ground_and_cut_outs_are_the_picture_again(yard: Scene) -> None:
    picture = yard.photo.pixels.astype(np.float32)
    ground, layers = split_layers(picture, {o.name: o.mask for o in yard.objects})
    again = ground
    for layer in layers.values():
        again = layer.over(again)
    for thing in yard.objects:
        assert np.abs(again - picture)[thing.mask].mean() < 0.5
        assert np.abs(ground - picture)[thing.mask].mean() > 20


def test_the_canvas_gets_cut_outs_at_their_places(yard: Scene) -> None:
    value = canvas_value(yard, "scene-0001")
    assert (value["width"], value["height"]) == (320, 240)
    assert [o["name"] for o in value["objects"]] == list(NAMES)
    dog = value["objects"][2]
    assert dog["box"] == list(bounding_box(yard.objects[2].mask).as_tuple())
    image = Image.open(io.BytesIO(base64.b64decode(dog["picture"].partition(",")[2])))
    x0, y0, x1, y1 = dog["around"]
    assert image.mode == "RGBA" and image.size == (x1 - x0, y1 - y0)
    middle = bounding_box(yard.objects[2].mask).center
    column, row = int(middle.x), int(middle.y)
    pixel = image.getpixel((column - int(x0), row - int(y0)))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 255
    assert pixel[:3] == pytest.approx(list(map(int, yard.photo.pixels[row, column])), abs=1)
    assert value["moves"] == [dataclasses.asdict(m) for m in identity_moves(yard)]
    json.dumps(value)


def test_a_large_photo_is_shown_smaller_and_measured_in_its_own_pixels() -> None:
    mask = np.zeros((1000, 1600), np.bool_)
    mask[400:800, 600:1200] = True
    pixels = np.full((1000, 1600, 3), 200, np.uint8)
    pixels[mask] = (200, 20, 20)
    scene = Scene(photo=Photo(pixels=pixels), objects=(SceneObject(name="box", words="box", mask=mask),))
    value = canvas_value(scene, "scene-0001")
    ground = Image.open(io.BytesIO(base64.b64decode(value["ground"].partition(",")[2])))
    assert max(ground.size) == MAX_CANVAS_SIDE and (value["width"], value["height"]) == (1600, 1000)
    thing = value["objects"][0]
    assert thing["box"] == [600, 400, 1200, 800]
    assert thing["around"] == pytest.approx([600, 400, 1200, 800], abs=8)


def test_a_speck_does_not_vanish_from_the_canvas() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[50, 50] = True
    assert mask_at_size(mask, Size(10, 10)).any()


def test_what_a_browser_says_may_be_anything() -> None:
    assert parse_canvas_value(None) == ("", [])
    assert parse_canvas_value([1]) == ("", [])
    assert parse_canvas_value({"id": 3, "moves": None}) == ("3", [])
