"""Segment Anything as segmenter: SAM and SAM 2 outline what words find, SAM 3 finds by words; tiny random networks."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import (
    Sam2Config,
    Sam2Model,
    Sam3Config,
    Sam3Model,
    SamConfig,
    SamModel,
    SamProcessor,
)
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from intarsia.backbones import CATALOG, POCKET, helpers, hub, load_backbones, placement
from intarsia.backbones.clipseg import ClipSegSegmenter
from intarsia.backbones.protocols import Backbones, MaskProposals, MaskRefiner
from intarsia.backbones.sam import Sam3Segmenter, SamMaskRefiner, load_mask_refiner, load_sam3, prepare
from intarsia.backbones.segmenters import RefinedSegmenter, load_segmenter
from intarsia.cli.main import main
from intarsia.errors import LayoutError, ModelError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo, to_tensor
from intarsia.imaging.read import photo_from_image
from intarsia.layout.detect import find_masks, iou, refine_masks, surest_point
from intarsia.layout.scene_files import read_scene, read_scene_folder
from intarsia.records.arrange import ArrangeRecord
from tests import tiny
from tests.paths import SCENES

SIDE, WIDTH = 64, 16
SIDE3 = 56
ATTENTION = {"hidden_size": WIDTH, "num_attention_heads": 2}
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZES = [(48, 96), (90, 40), (64, 64)]
"""Heights and widths of photos: broad, high, square."""


def sam_config() -> SamConfig:
    return SamConfig(
        vision_config={
            **ATTENTION,
            "output_channels": WIDTH,
            "num_hidden_layers": 1,
            "image_size": SIDE,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [0],
            "num_pos_feats": WIDTH // 2,
            "mlp_dim": WIDTH,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH,
            "image_size": SIDE,
            "patch_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config=decoder(),
    )


def sam2_config() -> Sam2Config:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "blocks_per_stage": [1, 1, 2, 1],
        "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3],
    }
    return Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [32, 24, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": WIDTH,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH,
            "image_size": SIDE,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config=decoder(),
    )


def decoder() -> dict[str, int]:
    return {**ATTENTION, "mlp_dim": WIDTH, "iou_head_hidden_dim": WIDTH, "num_hidden_layers": 1}


def sam3_config(text: dict[str, object]) -> Sam3Config:
    layers = {**ATTENTION, "num_layers": 1, "intermediate_size": WIDTH}
    backbone = {
        **ATTENTION,
        "model_type": "sam3_vit_model",
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "image_size": SIDE3,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [0],
        "pretrain_image_size": SIDE3,
    }
    return Sam3Config(
        vision_config={
            "model_type": "sam3_vision_model",
            "backbone_config": backbone,
            "fpn_hidden_size": WIDTH,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={"model_type": "clip_text_model", **text},
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 5},
        mask_decoder_config=ATTENTION,
    )


def save_preparation(folder: Path, **size: object) -> None:
    settings = {"image_mean": MEAN, "image_std": DEVIATION, **size}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@pytest.fixture(scope="session")
def sams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sam/, sam2/ and sam3/ of random weights, in the files that the real ones have."""
    folder = tmp_path_factory.mktemp("sams")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        SamModel(sam_config()).save_pretrained(folder / "sam")
        Sam2Model(sam2_config()).save_pretrained(folder / "sam2")
        tokenizer = tiny.save_tokenizer(folder / "sam3")
        Sam3Model(sam3_config(tiny.text_settings(tokenizer))).save_pretrained(folder / "sam3")
    longest = {"size": {"longest_edge": SIDE}, "pad_size": {"height": SIDE, "width": SIDE}}
    save_preparation(folder / "sam", **longest)
    save_preparation(folder / "sam2", size={"height": SIDE, "width": SIDE})
    save_preparation(folder / "sam3", size={"height": SIDE3, "width": SIDE3})
    return folder


@pytest.fixture(scope="session")
def outliners(sams: Path) -> dict[str, SamMaskRefiner]:
    return {kind: load_mask_refiner(sams / kind, kind, device="cpu") for kind in ("sam", "sam2")}


@pytest.fixture(scope="session")
def sam3(sams: Path) -> Sam3Segmenter:
    return load_sam3(sams / "sam3", device="cpu")


def noise(height: int, width: int) -> Photo:
    pixels = np.random.default_rng(height).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return photo_from_image(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def picture_of(height: int, width: int) -> Tensor:
    photo = noise(height, width)
    return to_tensor(photo, photo.size)


BOXES = [Box(4, 6, 30, 28), Box(10, 12, 36, 40)]
POINTS = [Point(12.5, 14.5), Point(20.5, 30.5)]


# The networks


@pytest.mark.parametrize("size", SIZES)
def test_sam_gets_and_gives_what_transformers_own_processor_makes_of_it(
    outliners: dict[str, SamMaskRefiner], sams: Path, size: tuple[int, int]
) -> None:
    height, width = size
    processor = SamProcessor(
        SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    )
    given = processor(
        images=noise(height, width).as_image(),
        input_points=[[[[p.x, p.y]] for p in POINTS]],
        input_boxes=[[list(box.as_tuple()) for box in BOXES]],
        return_tensors="pt",
    )
    ours = outliners["sam"]
    rows, columns = ours.shape(height, width)
    assert given["reshaped_input_sizes"].tolist() == [[rows, columns]]
    prepared = prepare(picture_of(height, width), (rows, columns), ours.preparation)
    # The processor rounds to whole levels after it resized.
    assert (prepared - given["pixel_values"][..., :rows, :columns]).abs().max() < 1.5 / 255 / min(DEVIATION)

    model = SamModel.from_pretrained(sams / "sam").eval()
    with torch.no_grad():
        output = model(
            pixel_values=functional.pad(prepared, (0, SIDE - columns, 0, SIDE - rows)),
            input_points=given["input_points"].float(),
            input_boxes=given["input_boxes"].float(),
        )
    theirs = processor.post_process_masks(output.pred_masks, given["original_sizes"], given["reshaped_input_sizes"])[0]
    outlines = ours.refine_masks(picture_of(height, width), BOXES, POINTS)
    assert outlines.masks.shape == (2, 3, height, width) and outlines.masks.dtype == torch.bool
    assert (outlines.masks == theirs).float().mean() > 0.999
    assert 0 < outlines.masks.float().mean() < 1
    assert torch.allclose(outlines.scores, output.iou_scores[0], atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_sam2_stretches_the_picture_and_its_prompts_to_its_square(
    outliners: dict[str, SamMaskRefiner], sams: Path, size: tuple[int, int]
) -> None:
    height, width = size
    ours = outliners["sam2"]
    assert ours.shape(height, width) == (SIDE, SIDE)
    square = functional.interpolate(picture_of(height, width), (SIDE, SIDE), mode="bilinear", antialias=True)
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    model = Sam2Model.from_pretrained(sams / "sam2").eval()
    across, down = SIDE / width, SIDE / height
    with torch.no_grad():
        output = model(
            pixel_values=((square + 1) / 2 - mean) / deviation,
            input_points=torch.tensor([[[[p.x * across, p.y * down]] for p in POINTS]]),
            input_boxes=torch.tensor([[[b.x0 * across, b.y0 * down, b.x1 * across, b.y1 * down] for b in BOXES]]),
        )
    theirs = functional.interpolate(output.pred_masks[0], (height, width), mode="bilinear") > 0
    outlines = ours.refine_masks(picture_of(height, width), BOXES, POINTS)
    assert outlines.masks.shape == (2, 3, height, width)
    assert (outlines.masks == theirs).float().mean() > 0.999
    assert 0 < outlines.masks.float().mean() < 1
    assert torch.allclose(outlines.scores, output.iou_scores[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_an_outline_does_not_depend_on_the_other_objects(outliners: dict[str, SamMaskRefiner], kind: str) -> None:
    both = outliners[kind].refine_masks(picture_of(48, 96), BOXES, POINTS)
    alone = outliners[kind].refine_masks(picture_of(48, 96), BOXES[1:], POINTS[1:])
    assert torch.allclose(both.scores[1:], alone.scores, atol=1e-4)
    assert (both.masks[1:] == alone.masks).float().mean() > 0.999
    assert not torch.allclose(both.scores[0], both.scores[1], atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_sam3_says_of_each_pixel_how_likely_an_instance_is_there(
    sam3: Sam3Segmenter, sams: Path, size: tuple[int, int]
) -> None:
    texts = ["cat", "potted plant"]
    picture = picture_of(*size)
    ours = sam3.predict_masks(picture, texts)
    model = Sam3Model.from_pretrained(sams / "sam3").eval()
    tokens = sam3.tokenizer(texts, padding="max_length", max_length=sam3.text_limit, return_tensors="pt")
    prepared = prepare(picture, (SIDE3, SIDE3), sam3.preparation)
    with torch.no_grad():
        output = model(
            pixel_values=prepared.expand(2, -1, -1, -1),
            input_ids=tokens.input_ids,
            attention_mask=tokens.attention_mask,
        )
    scores = output.pred_logits.sigmoid() * output.presence_logits.sigmoid()
    theirs = (scores[..., None, None] * output.pred_masks.sigmoid()).amax(1, keepdim=True)
    theirs = functional.interpolate(theirs, size, mode="bilinear")[:, 0]
    assert ours.shape == (2, *size)
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(ours[0], ours[1], atol=1e-5)


def test_sam3_honours_that_nothing_of_the_kind_is_there(sam3: Sam3Segmenter) -> None:
    class Fake:
        """Two instances on halves of the picture, the second less likely; the second text is not there at all."""

        device, dtype = torch.device("cpu"), torch.float32
        config = sam3.model.config

        def __init__(self) -> None:
            self.looked, self.asked = 0, 0

        def get_vision_features(self, prepared: Tensor) -> Tensor:
            self.looked += 1
            return prepared

        def __call__(self, **_: Tensor) -> SimpleNamespace:
            self.asked += 1
            masks = torch.full((1, 2, 4, 4), -20.0)
            masks[0, 0, :, :2], masks[0, 1, :, 2:] = 20.0, 20.0
            return SimpleNamespace(
                pred_logits=torch.logit(torch.tensor([[0.9, 0.6]])),
                presence_logits=torch.tensor([[20.0 if self.asked == 1 else -20.0]]),
                pred_masks=masks,
            )

    model = Fake()
    heat = Sam3Segmenter(model, sam3.tokenizer, sam3.preparation).predict_masks(torch.zeros(1, 3, 4, 4), ["cat", "dog"])
    assert torch.allclose(heat[0, :, 0], torch.tensor(0.9), atol=1e-4)
    assert torch.allclose(heat[0, :, 3], torch.tensor(0.6), atol=1e-4)
    assert heat[1].max() < 1e-6
    assert model.looked == 1


# Loading


def test_the_kind_of_checkpoint_says_what_is_loaded(sams: Path, tiny_models: Path) -> None:
    words = tiny_models / "clipseg"
    assert helpers.segmenter_folders(None, tiny_models) == (words, None)
    assert helpers.segmenter_folders(str(words), tiny_models) == (words, None)
    assert helpers.segmenter_folders(str(sams / "sam"), tiny_models) == (words, sams / "sam")
    assert helpers.segmenter_folders(str(sams / "sam2"), tiny_models) == (words, sams / "sam2")
    assert helpers.segmenter_folders(str(sams / "sam3"), tiny_models) == (sams / "sam3", None)
    assert isinstance(load_segmenter(words, device="cpu"), ClipSegSegmenter)
    assert isinstance(load_segmenter(sams / "sam3", device="cpu"), Sam3Segmenter)
    both = load_segmenter(words, sams / "sam2", device="cpu")
    assert isinstance(both, RefinedSegmenter) and isinstance(both, MaskRefiner)
    assert not isinstance(both.words, MaskRefiner)


def test_catalogue_names_of_segmenters_are_taken(
    sams: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fetch(repository: str, revision: str | None) -> Path:
        asked.append(repository)
        return sams / "sam2"

    monkeypatch.setattr(hub, "fetch", fetch)
    assert helpers.segmenter_folders("sam2", tiny_models) == (tiny_models / "clipseg", sams / "sam2")
    assert asked == ["facebook/sam2.1-hiera-small"]
    with pytest.raises(ModelError, match="nor known by name: clipseg, sam, sam2, sam3"):
        helpers.segmenter_folders("dino", tiny_models)
    assert {CATALOG[name].part for name in ("sam", "sam2", "sam3")} == {"segmenter"}


def test_other_kinds_are_refused_in_a_sentence(tiny_models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="kind 'clip', which finds no objects: pass a checkpoint of CLIPSeg, SAM"):
        helpers.segmenter_folders(str(tiny_models / "clip"), tiny_models)
    shutil.copytree(tiny_models / "clip", tmp_path / "clip")
    for damaged in ("{", "[]"):
        (tmp_path / "clip" / "config.json").write_text(damaged)
        with pytest.raises(ModelError, match=r"config.json is damaged"):
            helpers.segmenter_folders(str(tmp_path / "clip"), tiny_models)


def test_the_video_checkpoints_of_the_hub_are_read(
    sams: Path, outliners: dict[str, SamMaskRefiner], sam3: Sam3Segmenter, tmp_path: Path, tiny_models: Path
) -> None:
    """Those of SAM 2 hold its weights beside those of a memory, those of SAM 3 theirs inside `detector_model`."""
    for kind in ("sam2", "sam3"):
        place = shutil.copytree(sams / kind, tmp_path / kind)
        config = json.loads((place / "config.json").read_text())
        weights = load_file(place / "model.safetensors")
        video = {"model_type": f"{kind}_video", "architectures": [f"{kind.title()}VideoModel"]}
        if kind == "sam2":
            config.update(video)
            weights["memory_attention.layer_norm.weight"] = torch.ones(4)
        else:
            config = {**video, "detector_config": config, "tracker_config": {"model_type": "sam3_tracker_video"}}
            weights = {f"detector_model.{name}": weight for name, weight in weights.items()}
            weights["tracker_model.mask_decoder.iou_token.weight"] = torch.ones(1, 4)
        (place / "config.json").write_text(json.dumps(config))
        save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    words, refiner = helpers.segmenter_folders(str(tmp_path / "sam2"), tiny_models)
    with placement.quiet_loading():
        ours = load_segmenter(words, refiner, device="cpu")
        texts = load_segmenter(tmp_path / "sam3", device="cpu")
    assert isinstance(ours, RefinedSegmenter)
    picture = picture_of(48, 96)
    assert torch.equal(
        ours.refine_masks(picture, BOXES, POINTS).masks, outliners["sam2"].refine_masks(picture, BOXES, POINTS).masks
    )
    assert torch.equal(texts.predict_masks(picture, ["cat"]), sam3.predict_masks(picture, ["cat"]))


def test_loaded_backbones_carry_the_outlines_and_record_both_weights(sams: Path, tiny_models: Path) -> None:
    loaded = load_backbones(str(tiny_models), device="cpu", segmenter=str(sams / "sam"))
    assert isinstance(loaded.segmenter, RefinedSegmenter)
    assert loaded.versions["segmenter"].startswith("clipseg#") and loaded.versions["outliner"].startswith("sam#")
    assert loaded.segmenter.predict_masks(torch.zeros(1, 3, 20, 30), ["cat"]).shape == (1, 20, 30)


# Finding with outlines


def box(rows: slice, columns: slice, size: tuple[int, int] = (64, 64)) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[rows, columns] = True
    return mask


class Spots:
    """A segmenter that sees rounded blobs where the objects are."""

    side = 64

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
    fixed = SimpleNamespace(outline=lambda picture, boxes, points: outlines)
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


# The command line


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
    assert "finds no objects: pass a checkpoint of CLIPSeg, SAM, SAM 2 or SAM 3." in capsys.readouterr().err


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
    def initialise(self: Sam3Segmenter, *parts: object) -> None:
        init(self, *parts)
        self.side = side

    return initialise


def test_a_text_that_sam3_does_not_see_is_named(sam3: Sam3Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam3.model.dot_product_scoring, "forward", lambda **_: torch.full((1, 1, 5, 1), -9.0))
    with pytest.raises(LayoutError, match="'unicorn' was not found in the picture"):
        read_scene(ArrangeRecord(photo="p", find=("unicorn",)), GREY, sam3, native_side=64)
