"""Moves as pages and programs send them: what the record makes of them, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tests.web.arrange.yard_scene import BASE, NAMES, YARD, moved

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.errors import RecordError
from intarsia.imaging.affine import Matrix, apply, compose_maps, rotation, scaling_map, translation, warp_mask
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import bounding_box
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import read_scene_folder
from intarsia.web.arrange_moves import Move, read_moves, record_from_moves, stacking_changes


@pytest.fixture(scope="module")
def yard() -> Scene:
    return read_scene_folder(YARD)


def canvas_matrix(move: Move, box: Box) -> Matrix:
    """The map of a cut-out on the canvas, as its style says: translate, rotate, scale, about the middle of a box."""
    middle = box.center
    sized = scaling_map(middle, -move.wide if move.flip else move.wide, move.high)
    return compose_maps(compose_maps(sized, rotation(middle, move.turn)), translation(move.x, move.y))


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
