"""Detection with SAM: masks refined, and the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from intarsia.backbones import POCKET
from intarsia.backbones.protocols import Backbones, MaskProposals
from intarsia.backbones.sam import Sam3Segmenter, SamMaskRefiner
from intarsia.backbones.segmenters import RefinedSegmenter
from intarsia.cli.main import main
from intarsia.errors import LayoutError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.detect import find_masks, iou, refine_masks, surest_point
from intarsia.layout.scene_files import read_scene, read_scene_folder
from intarsia.records.arrange import ArrangeRecord
from tests.backbones.sam_networks import box, noise
from tests.paths import SCENES


class Spots:
    """A segmenter that sees rounded blobs where the objects are."""

    side = 64
    text_limit = 77

    def __init__(self, shapes: dict[str, Mask]) -> None:
        self.shapes = shapes

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        shapes = torch.stack([torch.from_numpy(self.shapes[text]).float() for text in texts])
        blurred = functional.avg_pool2d(shapes[:, None], 9, 1, 4)
        return 0.9 * functional.interpolate(blurred, picture.shape[-2:], mode="bilinear")[:, 0]


@dataclasses.dataclass
class Known:
    """An refiner that proposes what it was told, best first, to every object whose point lies on a proposal."""

    shapes: list[Mask]
    scores: list[float]
    boxes: list[Box] = dataclasses.field(default_factory=list)
    points: list[Point] = dataclasses.field(default_factory=list)
    sizes: list[tuple[int, ...]] = dataclasses.field(default_factory=list)

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        self.boxes, self.points = list(boxes), list(points)
        self.sizes.append(tuple(picture.shape))
        shapes = torch.from_numpy(np.stack(self.shapes))
        return MaskProposals(
            masks=shapes[None].repeat(len(boxes), 1, 1, 1), scores=torch.tensor(self.scores).repeat(len(boxes), 1)
        )


GREY = photo_from_image(np.full((64, 64, 3), 120, np.uint8))


BLOB = box(slice(16, 44), slice(20, 48))


CORNERED = BLOB | box(slice(44, 50), slice(22, 26)) | box(slice(44, 50), slice(40, 44))


def test_an_outline_that_agrees_makes_the_mask_exact() -> None:
    refiner = Known([CORNERED], [0.9])
    coarse = find_masks(GREY, ["cow"], Spots({"cow": BLOB}), side=64)["cow"]
    exact = find_masks(GREY, ["cow"], Spots({"cow": BLOB}), side=64, refiner=refiner)["cow"]
    assert iou(coarse, CORNERED) < 0.95
    assert (exact == CORNERED).all()
    (found,), (point,) = refiner.boxes, refiner.points
    rows, columns = np.nonzero(coarse)
    assert found.as_tuple() == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert abs(point.x - 34) < 4 and abs(point.y - 30) < 4


def test_a_segmenter_that_outlines_is_its_own_outliner() -> None:
    both = RefinedSegmenter(Spots({"cow": BLOB}), Known([CORNERED], [0.9]))  # type: ignore[arg-type]
    assert (find_masks(GREY, ["cow"], both, side=64)["cow"] == CORNERED).all()


def test_an_outline_that_disagrees_is_left_alone() -> None:
    elsewhere, part = box(slice(0, 10), slice(0, 64)), box(slice(18, 24), slice(24, 40))
    whole = np.ones((64, 64), np.bool_)
    refiner = Known([elsewhere, part, whole], [0.99, 0.98, 0.97])
    coarse = find_masks(GREY, ["cow"], Spots({"cow": BLOB}), side=64)["cow"]
    assert (find_masks(GREY, ["cow"], Spots({"cow": BLOB}), side=64, refiner=refiner)["cow"] == coarse).all()


def test_the_best_of_the_outlines_that_agree_is_taken() -> None:
    wide = box(slice(14, 46), slice(18, 50))
    refiner = Known([box(slice(0, 10), slice(0, 9)), wide, CORNERED], [0.99, 0.5, 0.8])
    found = find_masks(GREY, ["cow"], Spots({"cow": BLOB}), side=64, refiner=refiner)["cow"]
    assert (found == CORNERED).all()


def test_two_dogs_stay_two_and_the_outliner_sees_the_photo_at_its_own_size() -> None:
    small = {"dog": box(slice(8, 28), slice(6, 26)) | box(slice(30, 56), slice(36, 58))}
    left, right = (
        box(slice(22, 90), slice(16, 78), (192, 192)),
        box(slice(88, 170), slice(106, 176), (192, 192)),
    )
    photo = photo_from_image(np.full((192, 192, 3), 90, np.uint8))
    refiner = Known([left, right], [0.7, 0.9])
    found = find_masks(photo, ["dog 2", "dog 1"], Spots(small), side=64, refiner=refiner)
    assert list(found) == ["dog 2", "dog 1"]
    assert (found["dog 1"] == left).all() and (found["dog 2"] == right).all()
    assert refiner.sizes == [(1, 3, 192, 192)]


def test_outlines_that_overlap_are_parted_and_what_was_found_stays_with_its_object() -> None:
    left, right = box(slice(10, 50), slice(4, 28)), box(slice(10, 50), slice(36, 60))
    both = [box(slice(10, 50), slice(4, 40)), box(slice(10, 50), slice(24, 60))]
    outlines = MaskProposals(
        masks=torch.from_numpy(np.stack([[both[0], both[1]], [both[0], both[1]]])),
        scores=torch.tensor([[0.9, 0.1], [0.1, 0.6]]),
    )
    fixed = SimpleNamespace(refine_masks=lambda picture, boxes, points: outlines)
    one, other = refine_masks(GREY, [left, right], [Point(10, 20), Point(50, 20)], fixed)
    assert not (one & other).any()
    assert (one | other == both[0] | both[1]).all()
    assert (one & left == left).all() and (other & right == right).all()
    assert one[20, 32] and not other[20, 32]  # between them, the outline with the higher score


def test_a_ring_is_shown_by_a_point_that_lies_on_it() -> None:
    ring = box(slice(4, 60), slice(4, 60)) & ~box(slice(14, 56), slice(14, 56))
    point = surest_point(ring, ring.astype(np.float32))
    assert ring[int(point.y), int(point.x)]
    line = box(slice(3, 4), slice(0, 700), (9, 700))
    point = surest_point(line, line.astype(np.float32))
    assert line[int(point.y), int(point.x)]


@pytest.mark.parametrize("kind", ["sam", "sam2"])
@pytest.mark.parametrize("size", [(48, 96), (90, 40)])
def test_masks_come_at_the_photos_size_apart_and_not_empty(
    outliners: dict[str, SamMaskRefiner], kind: str, size: tuple[int, int]
) -> None:
    height, width = size
    cat, dog = box(slice(2, 20), slice(2, 18), size), box(slice(24, 44), slice(20, 38), size)
    found = find_masks(noise(*size), ["dog", "cat"], Spots({"cat": cat, "dog": dog}), side=40, refiner=outliners[kind])
    assert list(found) == ["dog", "cat"]
    assert all(mask.shape == (height, width) and mask.any() for mask in found.values())
    assert not (found["dog"] & found["cat"]).any()


POCKET_IS_THERE = pytest.mark.skipif(not (POCKET / "clipseg").is_dir(), reason="the pocket is not trained yet")


SCENE = SCENES / "0003.png"


@POCKET_IS_THERE
@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_objects_takes_a_folder_of_sam(
    kind: str, sams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[int] = []
    whole = SamMaskRefiner.refine_masks

    def outline(self: SamMaskRefiner, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        asked.append(len(boxes))
        return whole(self, picture, boxes, points)

    monkeypatch.setattr(SamMaskRefiner, "refine_masks", outline)
    flags = ["--find", "car", "ball", "--models", "pocket", "--segmenter", str(sams / kind), "--device", "cpu"]
    assert main(["objects", str(SCENE), *flags, "--json"]) == 0
    found = {thing["name"] for thing in json.loads(capsys.readouterr().out)["objects"]}
    assert found == {"car", "ball"} and asked == [2]
    assert read_scene_folder(Path("out/0003.scene")).names == ("car", "ball")


@POCKET_IS_THERE
def test_objects_refuses_what_is_no_segmenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--find", "car", "--models", "pocket", "--segmenter", str(POCKET / "clip"), "--device", "cpu"]
    assert main(["objects", str(SCENE), *flags]) == 2
    assert (
        "finds no objects: pass a checkpoint of CLIPSeg, SAM, SAM 2, SAM 3 or Grounding DINO."
        in capsys.readouterr().err
    )


@POCKET_IS_THERE
def test_sam3_looks_at_its_own_size(
    sams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pocket: Backbones
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes: list[tuple[int, ...]] = []

    def heat(self: Sam3Segmenter, picture: Tensor, texts: Sequence[str]) -> Tensor:
        sizes.append(tuple(picture.shape[-2:]))
        return functional.interpolate(
            pocket.segmenter.predict_masks(functional.interpolate(picture, (64, 64)), texts)[None], picture.shape[-2:]
        )[0]

    monkeypatch.setattr(Sam3Segmenter, "predict_masks", heat)
    monkeypatch.setattr(Sam3Segmenter, "__init__", told_side(Sam3Segmenter.__init__, 96))
    flags = ["--find", "car", "ball", "--models", "pocket", "--segmenter", str(sams / "sam3"), "--device", "cpu"]
    assert main(["objects", str(SCENE), *flags, "--json"]) == 0
    assert sizes == [(96, 96)]


def told_side(init, side: int):
    def initialise(self: Sam3Segmenter, *parts: object, **named: object) -> None:
        init(self, *parts, **named)
        self.side = side

    return initialise


def test_a_text_that_sam3_does_not_see_is_named(sam3: Sam3Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam3.model.dot_product_scoring, "forward", lambda **_: torch.full((1, 1, 5, 1), -9.0))
    with pytest.raises(LayoutError, match="'unicorn' was not found in the picture"):
        read_scene(ArrangeRecord(photo="p", find=("unicorn",)), GREY, sam3, native_side=64)
