"""Copies: an object is duplicated, the original stays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from intarsia.errors import LayoutError
from intarsia.imaging.affine import IDENTITY, translation
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import compose
from intarsia.layout.copies import read_copies
from intarsia.layout.edit import arrange, check
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.regenerate import changed_region, goal_of, shown_masks
from intarsia.layout.scene import Scene, scene_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.document import arrange_json, describe, now
from intarsia.results.overlay_arrange import layout_sheet, notes_on

SIDE = 160
"""Short side of a photograph in which soft borders are measured."""


def record(**values: object) -> ArrangeRecord:
    return ArrangeRecord(photo="photo.png", **values)  # type: ignore[arg-type]


def block(side: int, y: int, x: int, size: int) -> Mask:
    mask = np.zeros((side, side), np.bool_)
    mask[y : y + size, x : x + size] = True
    return mask


def grassland(side: int = SIDE) -> Scene:
    """A noisy green ground with a red block, the cat, and a blue one, the pot."""
    pixels = np.random.default_rng(0).integers(0, 12, (side, side, 3)).astype(np.uint8)
    pixels[..., 1] += 120
    unit = side // 8
    cat, pot = block(side, 2 * unit, unit, 2 * unit), block(side, 2 * unit, 5 * unit, unit)
    pixels[cat] = pixels[cat] // 4 + np.array([200, 20, 20], np.uint8)
    pixels[pot] = (20, 20, 230)
    return scene_of(photo_from_image(pixels), {"cat": cat, "pot": pot})


def composed(scene: Scene, asked: ArrangeRecord) -> np.ndarray:
    layout = read_layout(asked, scene)
    return compose(scene, layout, asked, None, seed=0, cache=MemoryCache()).photo.pixels


# What is asked for


def test_a_copy_is_named_moved_and_lies_in_front_of_its_object() -> None:
    scene = grassland()
    layout = read_layout(record(copy=("cat=+60,5", "cat:kitten", "pot=0,30"), move=("kitten=3,40",)), scene)
    assert [(p.name, p.copy_of) for p in layout.placements] == [
        ("cat", None), ("cat 2", "cat"), ("kitten", "cat"), ("pot", None), ("pot 2", "pot"),
    ]  # fmt: skip
    matrices = {p.name: p.matrix for p in layout.placements}
    assert matrices["cat"] == IDENTITY and matrices["cat 2"] == translation(60, 5)
    assert matrices["kitten"] == translation(3, 40)
    assert (layout.placements[1].mask == np.roll(scene.masks["cat"], (5, 60), (0, 1))).all()
    assert layout.vacating == set() and layout.copied == {"cat", "pot"}


def test_every_move_applies_to_a_copy_by_its_name() -> None:
    scene = grassland()
    asked = record(
        copy=("cat:kitten=+60,40",),
        scale=("kitten=0.5",), rotate=("kitten=90",), flip=("kitten",), back=("kitten",), front=("cat",),
    )  # fmt: skip
    layout = read_layout(asked, scene)
    assert [p.name for p in layout.placements] == ["kitten", "pot", "cat"]
    kitten = layout.placements[0]
    cat = scene.masks["cat"]
    assert kitten.mask.sum() == pytest.approx(cat.sum() / 4, rel=0.05)
    assert not layout.placements[2].moved
    to = read_layout(record(copy=("cat",), to=("cat 2=100,120",)), scene)
    rows, columns = np.nonzero(next(p.mask for p in to.placements if p.copy_of))
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (120, 100)


def test_copies_get_numbers_that_are_free() -> None:
    scene = scene_of(grassland().photo, {"dog 1": block(SIDE, 0, 0, 9), "dog 2": block(SIDE, 20, 20, 9)})
    names = [copy.name for copy in read_copies(("dog 1=5,5", "dog 2=9,9", "dog 1:pup"), scene)]
    assert names == ["dog 3", "dog 4", "pup"]


def test_names_with_equals_signs_and_colons_can_be_copied() -> None:
    scene = scene_of(grassland().photo, {"a=b": block(SIDE, 0, 0, 9), "c:d": block(SIDE, 20, 20, 9)})
    copies = read_copies(("a=b=5,-6", "a=b", "c:d", "c:d:e=1,2"), scene)
    assert [(c.of, c.name, c.matrix) for c in copies] == [
        ("a=b", "a=b 2", translation(5, -6)),
        ("a=b", "a=b 3", IDENTITY),
        ("c:d", "c:d 2", IDENTITY),
        ("c:d", "e", translation(1, 2)),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"copy": ("bird=+5,5",)}, "--copy bird=\\+5,5 names 'bird', but the scene has 'cat', 'pot'"),
        ({"copy": ("bird",)}, "--copy bird names 'bird'"),
        ({"copy": ("cat=5",)}, "gives '5', but two numbers are needed: write --copy 'cat=\\+120,0'"),
        ({"copy": ("cat=nan,0",)}, "two numbers are needed"),
        ({"copy": ("cat:pot=1,1",)}, "the name 'pot', which is taken: give it another, such as --copy 'cat:cat 2'"),
        ({"copy": ("cat:a=1,1", "cat:a=2,2")}, "the name 'a', which is taken"),
        ({"copy": ("cat:Background",)}, "the name 'Background', which is taken"),
        ({"copy": ("cat=900,0",)}, "'cat 2' would lie wholly outside the picture.*leave out its --copy"),
        ({"copy": ("cat=9,9",), "remove": ("cat 2",)}, "--remove names 'cat 2', but the scene has 'cat', 'pot'"),
        ({"move": ("cat 2=9,9",)}, "--move names 'cat 2', but the scene has 'cat', 'pot'"),
    ],
)
def test_copies_that_cannot_be_made_are_refused(values: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        read_layout(record(**values), grassland())


def test_a_copy_stays_in_the_order_of_an_original_that_goes() -> None:
    layout = read_layout(record(copy=("cat=60,60",), remove=("cat",)), grassland())
    assert [p.name for p in layout.placements] == ["cat 2", "pot"] and layout.removed == ("cat",)
    assert layout.vacating == {"cat"}


def test_a_layout_with_copies_is_checked() -> None:
    scene = grassland()
    cat, pot = (Placement(name=n, matrix=IDENTITY, mask=m) for n, m in scene.masks.items())
    check(scene, Layout(placements=(cat, pot, dataclasses.replace(cat, name="two", copy_of="cat"))))
    for wrong in (dataclasses.replace(cat, name="two", copy_of="bird"), dataclasses.replace(cat, copy_of="cat")):
        with pytest.raises(LayoutError, match="copy one of these"):
            check(scene, Layout(placements=(cat, pot, wrong)))
    two = dataclasses.replace(cat, name="two", copy_of="cat")
    with pytest.raises(LayoutError, match="each object once"):
        check(scene, Layout(placements=(pot, two)))


# Pictures


@pytest.mark.parametrize("side", [64, SIDE])
def test_a_copy_shows_the_object_twice_and_fills_nothing(side: int) -> None:
    scene = grassland(side)
    unit = side // 8
    pixels = composed(scene, record(copy=(f"cat={3 * unit},{3 * unit}",)))
    cat, before = scene.masks["cat"], scene.photo.pixels
    assert (pixels[cat] == before[cat]).all()
    there = np.roll(cat, (3 * unit, 3 * unit), (0, 1))
    inner = ~(np.lib.stride_tricks.sliding_window_view(np.pad(~there, 3), (7, 7)).any((2, 3)))
    moved = np.roll(before, (3 * unit, 3 * unit), (0, 1))
    assert inner.any() and (pixels[inner] == moved[inner]).all()
    far = np.ones_like(cat)
    far[4 * unit :, 3 * unit :] = False
    assert (pixels[far] == before[far]).all(), "the place of the original is no gap"


@pytest.mark.parametrize("side", [64, SIDE])
def test_a_copy_in_the_place_of_an_object_that_is_moved_is_the_object_itself(side: int) -> None:
    scene = grassland(side)
    unit = side // 8
    pixels = composed(scene, record(copy=("cat",), move=(f"cat={3 * unit},{3 * unit}",)))
    cat = scene.masks["cat"]
    assert (pixels[cat] == scene.photo.pixels[cat]).all()
    there = (5 * unit + unit // 2, 4 * unit + unit // 2)
    assert pixels[there][0] > 150 and pixels[there][1] < 150


def test_a_copy_in_its_objects_own_place_changes_nothing() -> None:
    scene = grassland()
    assert (composed(scene, record(copy=("cat",), front=("cat 2",))) == scene.photo.pixels).all()


def test_a_removed_original_and_its_copy_are_a_move() -> None:
    scene = grassland()
    copied = composed(scene, record(copy=("cat=60,60",), remove=("cat",)))
    assert (copied == composed(scene, record(move=("cat=60,60",)))).all()


def test_transparency_is_copied_with_its_object() -> None:
    scene = grassland()
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[scene.masks["cat"]] = 128
    clear = dataclasses.replace(scene, photo=dataclasses.replace(scene.photo, alpha=alpha))
    asked = record(copy=("cat=60,60",))
    made = compose(clear, read_layout(asked, clear), asked, None, seed=0, cache=MemoryCache()).photo
    assert made.alpha is not None
    assert (made.alpha[scene.masks["cat"]] == 128).all() and made.alpha[120, 100] == 128 and made.alpha[10, 150] == 255


# Regenerate


def test_what_is_painted_again_leaves_the_original_alone() -> None:
    scene = grassland()
    layout = read_layout(record(copy=("cat=60,60",)), scene)
    region = changed_region(scene, layout, 0.02)
    assert not (region & scene.masks["cat"]).any() and region[np.roll(scene.masks["cat"], (60, 60), (0, 1))].all()


def test_an_object_and_its_copies_share_a_target() -> None:
    torch = pytest.importorskip("torch")
    scene = grassland()
    layout = read_layout(record(copy=("cat=60,60",)), scene)
    shown = shown_masks(layout)
    assert list(shown) == ["cat", "pot"]
    assert (shown["cat"] == (scene.masks["cat"] | np.roll(scene.masks["cat"], (60, 60), (0, 1)))).all()
    goal = goal_of(scene, layout, torch.zeros(1, 4, 20, 20))
    assert goal[0].shape[0] == 2 and goal[0][0, 5, 5] == 1 and goal[0][0, 14, 14] == 1 and goal[1].max() == 0


# Files


def test_the_documents_list_copies_as_objects() -> None:
    scene = grassland()
    asked = record(copy=("cat:kitten=60,60",))
    layout = read_layout(asked, scene)
    result = arrange(scene, layout, asked, None)
    placements = arrange_json(result, 0, now())["placements"]
    assert [(p["name"], p.get("copy_of")) for p in placements] == [("cat", None), ("kitten", "cat"), ("pot", None)]
    assert placements[1]["box"] == [80, 100, 120, 140] and "copy_of" not in placements[0]
    assert describe({"copy": ["cat:kitten=60,60"], "flip": ["kitten"]}) == "cat:kitten=60,60 copied; kitten mirrored"
    assert notes_on(layout) == {"kitten": "copy"}
    sheet = layout_sheet(scene, layout, result.photo, {"cat": (255, 196, 0), "pot": (0, 164, 255)})
    assert isinstance(sheet, Image.Image)
