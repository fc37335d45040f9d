"""Where edits may be made: families of regions, as the words ask for them."""

from __future__ import annotations

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import depth_inside, dilate
from intarsia.imaging.photo import Photo
from intarsia.regions.edit import edit
from intarsia.regions.families import Family, Job, Proposer, jobs_of
from intarsia.regions.intent import read_intent
from intarsia.regions.region import Region
from intarsia.regions.sight import Sight
from tests.regions.test_edit import record, scene, untouched_equal
from tests.regions.test_sight import moved, seen, small_scene_in_large


def proposed(photo: Photo, backbones: Backbones, source: str, prompt: str) -> tuple[Sight, list[Job], list[Family]]:
    sight = seen(photo, backbones)
    jobs = jobs_of(read_intent(source, prompt), sight)
    return sight, jobs, Proposer(sight, record(source=source, prompt=prompt)).families(jobs[0])


def place(region: Region) -> Box:
    """A region's bounds in the photo."""
    assert region.crop is not None
    return region.crop.to_photo(region.box)


PICTURES = [(0, False), (1, False), (0, True)]


def picture(number: int, large: bool) -> tuple[Photo, list[tuple[str, Box]]]:
    photo, fact = scene(number)
    corner = (120, 150) if large else (0, 0)
    things = [(thing["name"], moved(thing["box"], corner)) for thing in fact["objects"]]
    return (small_scene_in_large(number), things) if large else (photo, things)


@pytest.mark.parametrize(("number", "large"), PICTURES)
def test_every_region_lies_on_its_canvas_and_in_the_photo(pocket: Backbones, number: int, large: bool) -> None:
    photo, things = picture(number, large)
    name = things[0][0]
    for source, prompt in [
        (name, "a house"), (name, f"a big {name} in the center"), (name, f"a small {name}"), ("", "a ball"),
        ("", f"a ball next to the {name}"), ("unicorn", "a house"), ("background", "snow"), ("", "in winter"),
    ]:  # fmt: skip
        _, _, families = proposed(photo, pocket, source, prompt)
        assert families and all(family.regions for family in families)
        for region in (r for family in families for r in family.regions):
            assert region.crop is not None and region.words
            assert region.box.clipped(region.crop.size) == region.box and region.box.area > 0
            assert region.mask is None or (region.mask.any() and region.mask.shape == (
                region.crop.size.height, region.crop.size.width))  # fmt: skip
            assert place(region).intersection(Box(0, 0, photo.size.width, photo.size.height)) > 0


@pytest.mark.parametrize(("number", "large"), PICTURES)
def test_what_is_replaced_is_covered_first(pocket: Backbones, number: int, large: bool) -> None:
    photo, things = picture(number, large)
    for name, box in things:
        _, _, families = proposed(photo, pocket, name, "a house")
        assert families[0].name == "what the words name" and len(families[0].regions) == 1
        where = place(families[0].regions[0])
        assert where.iou(box) >= 0.4 and where.intersection(box) >= 0.8 * box.area


@pytest.mark.parametrize(("number", "large"), PICTURES)
def test_something_new_comes_where_nothing_is(pocket: Backbones, number: int, large: bool) -> None:
    photo, things = picture(number, large)
    _, _, families = proposed(photo, pocket, "", "a ball")
    assert families[0].name == "the largest free place"
    for region in families[0].regions:
        assert sum(place(region).intersection(box) for _, box in things) <= 0.25 * place(region).area


@pytest.mark.parametrize(("number", "large"), PICTURES)
@pytest.mark.parametrize(
    ("words", "dx", "dy"), [("to the left of", -1, 0), ("to the right of", 1, 0), ("above", 0, -1)]
)
def test_something_beside_a_thing_stands_on_the_asked_side(
    pocket: Backbones, number: int, large: bool, words: str, dx: int, dy: int
) -> None:
    photo, things = picture(number, large)
    for name, box in things:
        _, _, families = proposed(photo, pocket, "", f"a ball {words} the {name}")
        if families[0].name != "beside what the words name":
            continue  # there is no room on that side
        (region,) = families[0].regions
        there = place(region).center
        assert (there.x - box.center.x) * dx + (there.y - box.center.y) * dy > 0.4 * max(
            box.width * abs(dx), box.height * abs(dy)
        )


def test_a_larger_thing_has_a_larger_place_in_the_middle(pocket: Backbones) -> None:
    photo, things = picture(0, True)
    name, box = things[0]
    _, _, families = proposed(photo, pocket, name, f"a big {name} in the center")
    where = place(families[0].regions[0])
    assert where.contains(box.center) and where.contains(Box(0, 0, 256, 256).center)
    assert where.area > 2 * box.area


def test_each_thing_of_a_list_is_a_job(pocket: Backbones) -> None:
    photo, things = picture(2, False)
    (first, a), (second, b) = things[:2]
    _, jobs, _ = proposed(photo, pocket, f"{first}, {second}", "a house, a ball")
    assert [job.intent.targets for job in jobs] == [("a house",), ("a ball",)]
    assert [job.things[0].box.iou(box) >= 0.4 for job, box in zip(jobs, (a, b), strict=True)] == [True, True]


@pytest.mark.parametrize(("number", "large"), PICTURES)
def test_a_new_background_spares_things_bit_for_bit_and_leaves_no_rim_of_the_old_one(
    pocket: Backbones, number: int, large: bool
) -> None:
    photo, things = picture(number, large)
    result = edit(photo, record(source="background", prompt="snow", steps=2), pocket)
    assert untouched_equal(photo, result)
    changed = (result.photo.pixels != photo.pixels).any(-1)
    assert changed.mean() > 0.3
    there = seen(photo, pocket).things()
    found = [t for t in there if any(t.box.iou(box) >= 0.4 for _, box in things)]
    assert found
    shapes = []
    for thing in there:
        shape = np.zeros(changed.shape, np.bool_)
        levels = thing.crop.put(thing.mask.astype(np.uint8) * 255, photo.size)
        shape[thing.crop.part(photo.size)] = levels > 127
        shapes.append(shape)
    cell = photo.size.short // 16
    for thing in found:
        shape = shapes[there.index(thing)]
        deep = depth_inside(shape, 999)
        assert not changed[deep > 0.7 * deep.max()].any()
        rim = dilate(shape, cell) & ~dilate(np.any(shapes, axis=0), cell // 2)
        assert (result.blend[rim] >= 0.5).mean() > 0.9, thing.phrase
