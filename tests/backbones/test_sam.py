"""Segment Anything as segmenter: SAM and SAM 2 outline what words find, SAM 3 finds by words; tiny random networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import (
    Sam2Model,
    Sam3Model,
    SamModel,
    SamProcessor,
)
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from intarsia.backbones import CATALOG, helpers, load_backbones, placement
from intarsia.backbones.clipseg import ClipSegSegmenter
from intarsia.backbones.protocols import MaskRefiner
from intarsia.backbones.sam import Sam3Segmenter, SamMaskRefiner, prepare
from intarsia.backbones.segmenters import RefinedSegmenter, load_segmenter
from intarsia.errors import ModelError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.tensors import to_tensor
from tests.backbones.sam_networks import DEVIATION, MEAN, SIDE, SIDE3, noise

SIZES = [(48, 96), (90, 40), (64, 64)]
"""Heights and widths of photos: broad, high, square."""


def picture_of(height: int, width: int) -> Tensor:
    photo = noise(height, width)
    return to_tensor(photo, photo.size)


BOXES = [Box(4, 6, 30, 28), Box(10, 12, 36, 40)]


POINTS = [Point(12.5, 14.5), Point(20.5, 30.5)]


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

    monkeypatch.setattr(helpers, "fetch", fetch)
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
