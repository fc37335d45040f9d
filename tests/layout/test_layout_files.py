"""Target layouts: moves, boxes and drawn maps; and what affine maps make of pixels and masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from intarsia.errors import LayoutError
from intarsia.imaging.affine import (
    IDENTITY,
    compose_maps,
    rotation,
    scaling_map,
    translation,
    warp_mask,
)
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.layout.colour_map import colour_map, distinct_colours
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.registration import register_mask
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene
from intarsia.records.arrange import ArrangeRecord
from tests import paths
from tests.layout.ell_scene import SIZE, ell, iou

SAMPLES = paths.SAMPLES / "layout_editing"


def block(rows: slice, columns: slice, size: Size = SIZE) -> Mask:
    mask = np.zeros((size.height, size.width), np.bool_)
    mask[rows, columns] = True
    return mask


def scene_with(**masks: Mask) -> Scene:
    shape = next(iter(masks.values())).shape
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    named = {name.replace("_", " "): mask for name, mask in masks.items()}
    return Scene(
        photo=photo_from_image(pixels),
        objects=tuple(SceneObject(name=n, words=n.split()[0], mask=m) for n, m in named.items()),
    )


@pytest.fixture
def scene() -> Scene:
    return scene_with(cat=ell(), dog_1=block(slice(5, 15), slice(50, 60)), pot=block(slice(40, 56), slice(50, 74)))


def record(**values: object) -> ArrangeRecord:
    return ArrangeRecord(photo="photo.png", **values)  # type: ignore[arg-type]


def placed(layout: Layout, name: str) -> Placement:
    return next(p for p in layout.placements if p.name == name)


def test_moves_are_about_the_middle_of_each_object(scene: Scene) -> None:
    layout = read_layout(record(move=("cat=+20,-3", "dog 1=0,4"), scale=("pot=0.5",)), scene)
    assert placed(layout, "cat").matrix == translation(20, -3)
    assert (placed(layout, "cat").mask == np.roll(scene.objects[0].mask, (-3, 20), (0, 1))).all()
    assert placed(layout, "dog 1").mask[9:19, 50:60].all()
    assert (placed(layout, "pot").mask == block(slice(44, 52), slice(56, 68))).all()
    assert [p.name for p in layout.placements] == ["cat", "dog 1", "pot"]
    assert all(p.fit == 1 for p in layout.placements) and layout.removed == ()


def test_to_takes_the_middle_of_an_object_to_a_place_off_the_diagonal(scene: Scene) -> None:
    layout = read_layout(record(to=("dog 1=15,45",), scale=("dog 1=2",)), scene)
    box = bounding_box(placed(layout, "dog 1").mask)
    assert (box.center, box.width, box.height) == (Point(15, 45), 20, 20)


def test_scale_comes_before_rotate_and_flip_before_move(scene: Scene) -> None:
    layout = read_layout(record(move=("pot=-30,0",), rotate=("pot=90",), scale=("pot=0.5,1",)), scene)
    assert (placed(layout, "pot").mask == block(slice(42, 54), slice(24, 40))).all()
    layout = read_layout(record(flip=("cat",)), scene)
    assert placed(layout, "cat").mask[:, 10:28].tolist() == scene.objects[0].mask[:, 10:28][:, ::-1].tolist()
    assert placed(layout, "cat").moved and not placed(layout, "pot").moved


def test_objects_leave_the_frame_in_part_and_are_removed_as_a_whole(scene: Scene) -> None:
    layout = read_layout(record(move=("dog 1=25,0",), remove=("pot",)), scene)
    assert placed(layout, "dog 1").mask.sum() == 50
    assert layout.removed == ("pot",) and "pot" not in [p.name for p in layout.placements]


def test_front_and_back_give_the_order(scene: Scene) -> None:
    def order(**values: object) -> list[str]:
        return [p.name for p in read_layout(record(**values), scene).placements]

    assert order(front=("cat",)) == ["dog 1", "pot", "cat"]
    assert order(front=("cat", "dog 1")) == ["pot", "cat", "dog 1"]
    assert order(back=("pot",)) == ["pot", "cat", "dog 1"]
    assert order(back=("dog 1", "pot"), front=("dog 1",)) == ["pot", "cat", "dog 1"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Nothing says where the objects shall be: pass --move 'NAME="),
        ({"move": ("cat=120",)}, "--move cat=120 gives '120', but two numbers are needed: write --move cat=+120,0."),
        ({"move": ("dog 1=a,b",)}, "gives 'a,b', but two numbers are needed: write --move 'dog 1=+120,0'."),
        ({"move": ("cat 5,5",)}, "--move cat 5,5 has no '=', but two numbers are needed after the name"),
        ({"move": ("cat=nan,1",)}, "two numbers are needed"),
        ({"move": ("cta=1,1",)}, "--move names 'cta', but the scene has 'cat', 'dog 1', 'pot': give one of these."),
        ({"to": ("cat=1,2,3",)}, "--to cat=1,2,3 gives '1,2,3', but two numbers are needed"),
        ({"scale": ("cat=1,2,3",)}, "one or two numbers are needed"),
        ({"scale": ("cat=0",)}, "asks for 0 times the size, but 0.02 to 50 is possible"),
        ({"scale": ("cat=-1",)}, "use --flip to mirror and --remove cat to remove"),
        ({"rotate": ("cat=1,2",)}, "one number is needed"),
        ({"flip": ("bird",)}, "--flip names 'bird', but the scene has"),
        ({"remove": ("bird",)}, "--remove names 'bird'"),
        ({"front": ("bird",)}, "--front names 'bird'"),
        ({"remove": ("cat",), "move": ("cat=1,1",)}, "'cat' is removed and can have no --move as well"),
        ({"remove": ("cat",), "back": ("cat",)}, "'cat' is removed and can have no --back as well"),
        (
            {"move": ("dog 1=500,0",)},
            "'dog 1' would lie wholly outside the picture, around 555,10 of 80 x 60 pixels: move it less, or pass "
            "--remove 'dog 1' if it shall go.",
        ),
        ({"scale": ("dog 1=0.03",)}, "Nothing of 'dog 1' is left at 0.3 x 0.3 pixels in the picture: make it larger"),
    ],
)
def test_moves_that_make_no_sense_are_one_clear_sentence(scene: Scene, values: dict[str, object], message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        read_layout(record(**values), scene)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_may_hold_an_equals_sign() -> None:
    odd = Scene(photo=scene_with(a=ell()).photo, objects=(SceneObject(name="a=b", words="a", mask=ell()),))
    assert read_layout(record(move=("a=b=1,2",)), odd).placements[0].matrix == translation(1, 2)


def boxes(folder: Path, content: object) -> str:
    file = folder / "boxes.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def test_boxes_take_objects_to_them_and_null_removes(scene: Scene, tmp_path: Path) -> None:
    file = boxes(tmp_path, {"dog 1": [10, 30, 30, 40], "pot": None})
    layout = read_layout(record(boxes=file), scene)
    assert (placed(layout, "dog 1").mask == block(slice(30, 40), slice(10, 30))).all()
    assert placed(layout, "cat").matrix == IDENTITY and placed(layout, "cat").mask is scene.objects[0].mask
    assert layout.removed == ("pot",)
    moved = read_layout(record(boxes=file, move=("dog 1=2,0",)), scene)
    assert (placed(moved, "dog 1").mask == block(slice(30, 40), slice(12, 32))).all()


def test_the_box_that_an_object_has_does_not_move_it(scene: Scene, tmp_path: Path) -> None:
    layout = read_layout(record(boxes=boxes(tmp_path, {"cat": [10, 8, 28, 32]})), scene)
    assert placed(layout, "cat").matrix == IDENTITY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ({}, "names no object"),
        ({"cta": [1, 2, 3, 4]}, "names 'cta', but the scene has"),
        ({"cat": [1, 2, 3]}, "a box is [x0, y0, x1, y1] in pixels"),
        ({"cat": [1, 2, 1, 9]}, "with x1 > x0 and y1 > y0"),
        ({"cat": [1, 2, "3", 9]}, "a box is [x0, y0, x1, y1] in pixels"),
        ({"cat": 7}, "write null to remove the object"),
        ({"cat": [100, 10, 120, 30]}, "'cat' would lie wholly outside the picture"),
        ('{"cat": null, "cat": [1, 2, 3, 4]}', "has 'cat' twice"),
    ],
)
def test_boxes_that_cannot_be_used_are_one_clear_sentence(
    scene: Scene, tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(LayoutError) as caught:
        read_layout(record(boxes=boxes(tmp_path, content)), scene)
    assert message in str(caught.value)


def drawing(folder: Path, masks: dict[str, Mask], names: tuple[str, ...], size: Size | None = None) -> dict[str, str]:
    """The record's `layout` and `colours` of masks that are painted over each other."""
    colours = distinct_colours(names)
    picture = Image.fromarray(colour_map(masks, colours))
    if size is not None:
        picture = picture.resize((size.width, size.height), Image.Resampling.NEAREST)
    picture.save(folder / "layout.png")
    (folder / "colours.json").write_text(json.dumps(colours))
    return {"layout": str(folder / "layout.png"), "colours": str(folder / "colours.json")}


def test_a_drawing_of_the_scene_itself_moves_nothing(scene: Scene, tmp_path: Path) -> None:
    masks = {o.name: o.mask for o in scene.objects}
    layout = read_layout(record(**drawing(tmp_path, masks, scene.names)), scene)
    assert all(p.matrix == IDENTITY and p.fit == 1 for p in layout.placements)


def test_a_small_drawing_of_the_scene_itself_moves_nothing(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:256, :256]
    disc: Mask = (rows - 90.3) ** 2 + (columns - 71.7) ** 2 < 40.2**2
    scene = scene_with(cat=ell(Size(256, 256), left=133, top=101, unit=31), ball=disc)
    masks = {o.name: o.mask for o in scene.objects}
    layout = read_layout(record(**drawing(tmp_path, masks, scene.names, Size(32, 32))), scene)
    assert all(p.matrix == IDENTITY and p.fit == 1 for p in layout.placements)
    assert all((placed(layout, name).mask == mask).all() for name, mask in masks.items())


def test_what_moves_over_another_stands_before_it(scene: Scene, tmp_path: Path) -> None:
    cat, dog, pot = (o.mask for o in scene.objects)
    over = np.roll(dog, (37, 3), (0, 1))  # onto the pot
    layout = read_layout(record(**drawing(tmp_path, {"cat": cat, "dog 1": dog, "pot": pot}, scene.names)), scene)
    assert [p.name for p in layout.placements] == ["cat", "dog 1", "pot"]
    before = read_layout(record(**drawing(tmp_path, {"cat": cat, "pot": pot, "dog 1": over}, scene.names)), scene)
    assert placed(before, "dog 1").matrix == translation(3, 37) and placed(before, "pot").matrix == IDENTITY
    assert [p.name for p in before.placements] == ["cat", "pot", "dog 1"]
    assert (placed(before, "pot").mask == pot).all() and placed(before, "pot").fit == 1
    half = np.roll(dog, (30, 0), (0, 1))  # the pot covers its lower half
    behind = read_layout(record(**drawing(tmp_path, {"cat": cat, "dog 1": half, "pot": pot}, scene.names)), scene)
    assert placed(behind, "dog 1").matrix == translation(0, 30)
    assert (placed(behind, "dog 1").mask == half).all()
    assert [p.name for p in behind.placements] == ["cat", "dog 1", "pot"]


def test_a_drawing_and_moves_add_up(scene: Scene, tmp_path: Path) -> None:
    masks = {o.name: np.roll(o.mask, -3, 0) for o in scene.objects}
    layout = read_layout(
        record(**drawing(tmp_path, masks, scene.names), move=("cat=5,0",), remove=("pot",), front=("cat",)), scene
    )
    assert placed(layout, "cat").matrix == translation(5, -3)
    assert [p.name for p in layout.placements] == ["dog 1", "cat"] and layout.removed == ("pot",)


def test_drawings_with_missing_or_strange_objects_are_refused(scene: Scene, tmp_path: Path) -> None:
    masks = {o.name: o.mask for o in scene.objects if o.name == "cat"}
    files = drawing(tmp_path, masks, scene.names)
    with pytest.raises(LayoutError) as caught:
        read_layout(record(**files), scene)
    assert str(caught.value) == (
        "layout.png does not show 'dog 1', 'pot', which the scene has: paint them there, or pass --remove 'dog 1' pot "
        "if they shall go."
    )
    layout = read_layout(record(**files, remove=("dog 1", "pot")), scene)
    assert [p.name for p in layout.placements] == ["cat"] and layout.removed == ("dog 1", "pot")
    with pytest.raises(LayoutError, match=r"layout\.png shows 'bird', but the scene has 'cat', 'dog 1', 'pot' alone"):
        strange = {**{o.name: o.mask for o in scene.objects}, "bird": block(slice(0, 4), slice(0, 4))}
        read_layout(record(**drawing(tmp_path, strange, (*scene.names, "bird"))), scene)
    with pytest.raises(LayoutError, match="another shape"):
        read_layout(record(**drawing(tmp_path, masks, scene.names, Size(50, 50)), remove=("dog 1", "pot")), scene)


def test_another_shape_fits_badly_and_keeps_its_drawing(scene: Scene, tmp_path: Path) -> None:
    bar = block(slice(50, 53), slice(2, 45))
    masks = {**{o.name: o.mask for o in scene.objects}, "cat": bar}
    layout = read_layout(record(**drawing(tmp_path, masks, scene.names)), scene)
    assert placed(layout, "cat").fit < 0.5
    assert (placed(layout, "cat").mask == bar).all()


@settings(max_examples=10)
@given(
    st.floats(0.6, 1.6),
    st.floats(-60, 60),
    st.booleans(),
    st.floats(-25, 25),
    st.floats(-20, 20),
)
def test_a_similarity_is_found_again(scale: float, angle: float, mirrored: bool, x: float, y: float) -> None:
    size = Size(120, 120)
    mask = ell(size, left=40, top=30, unit=12)
    middle = bounding_box(mask).center
    known = compose_maps(scaling_map(middle, -scale if mirrored else scale, scale), rotation(middle, angle))
    known = compose_maps(known, translation(x, y))
    target = warp_mask(mask, known, size)
    assume(target.sum() > 0.8 * scale**2 * mask.sum())  # most of it is in the picture
    matrix, fit = register_mask(mask, target, np.zeros_like(mask))
    assert fit > 0.9
    assert iou(warp_mask(mask, matrix, size), target) == pytest.approx(fit)


def test_a_symmetric_object_is_neither_turned_nor_mirrored() -> None:
    size = Size(120, 120)
    rows, columns = np.mgrid[:120, :120]
    disc: Mask = (rows - 50) ** 2 + (columns - 40) ** 2 < 20**2
    larger: Mask = (rows - 70) ** 2 + (columns - 60) ** 2 < 30**2
    (a, b, _, d, e, _), fit = register_mask(disc, larger, np.zeros_like(disc))
    assert fit > 0.97 and b == d == 0
    assert a == e == pytest.approx(1.5, abs=0.04)
    square = block(slice(20, 60), slice(20, 60), size)
    assert register_mask(square, np.roll(square, 30, 1), np.zeros_like(square)) == (translation(30, 0), 1.0)


def test_a_mirror_that_is_meant_is_found_exactly() -> None:
    mask = ell(Size(120, 120), left=40, top=30, unit=12)
    matrix, fit = register_mask(mask, mask[:, ::-1], np.zeros_like(mask))
    assert fit == 1 and (warp_mask(mask, matrix, Size(120, 120)) == mask[:, ::-1]).all()
    assert (matrix[0], matrix[4]) == (-1, 1)


def test_an_object_goes_on_over_the_border_of_the_picture() -> None:
    mask = ell(Size(120, 120), left=40, top=30, unit=12)
    known = translation(60, 20)
    matrix, fit = register_mask(mask, warp_mask(mask, known, Size(120, 120)), np.zeros_like(mask))
    assert (matrix, fit) == (known, 1.0)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published sample pictures are not on this machine")
@pytest.mark.parametrize("name", ["layout1.png", "layout2.png"])
def test_the_published_layouts_are_read_as_they_are(name: str) -> None:
    given = record(
        mask=str(SAMPLES / "mask.png"),
        colours=str(SAMPLES / "semantic_dict.json"),
        layout=str(SAMPLES / "target_layout" / name),
    )
    scene = read_scene(given, read_photo(SAMPLES / "image.png"))
    layout = read_layout(given, scene)
    assert sorted(p.name for p in layout.placements) == ["cat", "plant", "pot"]
    for placement in layout.placements:
        a, b, _, d, e, _ = placement.matrix
        assert b == d == 0 and a > 0 and e > 0, "nothing is turned or mirrored in them"
        assert placement.fit > 0.45
    itself = read_layout(record(mask=given.mask, colours=given.colours, layout=given.mask), scene)
    assert all(p.matrix == IDENTITY and p.fit == 1 for p in itself.placements)
