"""Grounding DINO finds boxes by words and SAM 2 outlines them: tiny random networks of the real classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from intarsia.backbones import grounding, helpers
from intarsia.backbones.catalog import CATALOG, OUTLINER
from intarsia.backbones.download import wanted_for
from intarsia.backbones.grounding import GroundedSegmenter
from intarsia.backbones.preprocessing import Preprocessing
from intarsia.backbones.protocols import MaskProposals, MaskRefiner
from intarsia.backbones.sam import prepare
from intarsia.backbones.segmenters import load_segmenter
from intarsia.imaging.geometry import Box, Point
from tests import tiny

LETTERS = "abcdefghijklmnopqrstuvwxyz."


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the files that the real one has."""
    folder = tmp_path_factory.mktemp("grounding")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = transformers.BertTokenizer(vocab={token: place for place, token in enumerate(tokens)})
    tokenizer.save_pretrained(folder)
    stages: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"], "depths": [1] * 4, "num_heads": [1] * 4}
    vision = transformers.SwinConfig(image_size=64, patch_size=4, embed_dim=8, window_size=2, **stages)
    text = transformers.BertConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32,
    )  # fmt: skip
    small = {"layers": 2, "attention_heads": 2, "ffn_dim": 16}
    halves: dict[str, Any] = {f"{half}_{name}": n for half in ("encoder", "decoder") for name, n in small.items()}
    settings = transformers.GroundingDinoConfig(
        backbone_config=vision, text_config=text, d_model=32, num_queries=10, max_text_len=32, **halves
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)
        transformers.GroundingDinoForObjectDetection(settings).save_pretrained(folder)
    tiny.save_preparation(folder, 0.45, 0.22)
    file = folder / "preprocessor_config.json"
    size = {"size": {"shortest_edge": 64, "longest_edge": 128}}
    file.write_text(json.dumps(json.loads(file.read_text()) | size))
    return folder


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, 48, 72, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_boxes_are_those_of_transformers_own_processing(
    detector: Path, sams: Path, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grounding, "SCORE", 0.0)
    found = load_segmenter(detector, sams / "sam2", device="cpu")
    assert isinstance(found, GroundedSegmenter) and isinstance(found, MaskRefiner) and found.side == 64
    boxes, scores = found.find_boxes(picture, "A Cat")
    prepared = prepare(picture, (64, 96), found.preparation)
    tokens = found.tokenizer(["a cat."], return_tensors="pt")
    with torch.no_grad():
        output = found.model(pixel_values=prepared, **tokens)
    processor = transformers.GroundingDinoProcessor.__new__(transformers.GroundingDinoProcessor)
    monkeypatch.setattr(processor, "batch_decode", lambda ids: [""] * len(ids), raising=False)
    expected = processor.post_process_grounded_object_detection(
        output, tokens.input_ids, threshold=0.0, target_sizes=[(48, 72)]
    )[0]
    order = expected["scores"].sort(descending=True, stable=True).indices
    theirs = expected["boxes"][order].clamp(min=0).minimum(torch.tensor([72.0, 48.0, 72.0, 48.0]))
    assert len(boxes) == len(scores) == 10 and scores == sorted(scores, reverse=True)
    torch.testing.assert_close(torch.tensor([box.as_tuple() for box in boxes]), theirs, atol=1e-3, rtol=0)


def test_it_finds_as_a_segmenter_does(
    detector: Path, sams: Path, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_segmenter(detector, sams / "sam2", device="cpu")
    monkeypatch.setattr(grounding, "SCORE", 0.0)
    heats = found.predict_masks(picture, ["a cat", "a dog"])
    assert heats.shape == (2, 48, 72) and 0 <= heats.min() <= heats.max() <= 1 and heats.max() > 0
    monkeypatch.setattr(grounding, "SCORE", 1.0)
    assert found.predict_masks(picture, ["a cat"]).abs().max() == 0


class Rectangles:
    """An outliner that gives the box itself, and proposes all of the picture with a lower score."""

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        masks = torch.zeros(len(boxes), 2, *picture.shape[-2:], dtype=torch.bool)
        masks[:, 1] = True
        for place, box in enumerate(boxes):
            x0, y0, x1, y1 = (round(edge) for edge in box.as_tuple())
            masks[place, 0, y0:y1, x0:x1] = True
            assert points[place] == Point((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        return MaskProposals(masks=masks, scores=torch.tensor([[0.9, 0.2]]).expand(len(boxes), -1))


class Detected:
    """What a detector says of boxes that are known: centre and size as shares of the picture."""

    def __init__(self, boxes: list[list[float]], scores: list[float]) -> None:
        self.pred_boxes, self.logits = torch.tensor([boxes]), torch.tensor([[[s, -9.0] for s in scores]]).logit(1e-6)
        self.config: Any = type("Config", (), {"max_text_len": 8})
        self.dtype = torch.float32

    def __call__(self, **_: Any) -> Detected:
        return self


def test_a_pixel_has_the_score_of_its_likeliest_box(detector: Path, picture: Tensor) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(detector)
    preparation = Preprocessing(mean=(0.5,) * 3, deviation=(0.5,) * 3, side=64)
    boxes = [[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 1.5, 0.5], [0.5, 0.5, 1, 1]]
    found = GroundedSegmenter(Detected(boxes, [0.5, 0.75, 0.1]), tokenizer, preparation, Rectangles())
    [heat] = found.predict_masks(picture, ["cat"])
    assert heat[0, 0] == pytest.approx(0.5) and heat[0, 60] == 0
    assert heat[24, 0] == heat[24, 71] == pytest.approx(0.75)
    assert found.find_boxes(picture, "cat")[0][0] == Box(0, 12, 72, 36)


def test_downloading_it_brings_what_outlines_its_boxes() -> None:
    wanted = wanted_for("grounding-dino@main")
    assert [one.repository for one in wanted] == [CATALOG[n].repository for n in ("grounding-dino", OUTLINER)]
    assert [one.revision for one in wanted] == ["main", CATALOG[OUTLINER].revision]


def test_sam_2_stands_beside_it(detector: Path, sams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {str(CATALOG["grounding-dino"].repository): detector, str(CATALOG[OUTLINER].repository): sams / "sam2"}
    monkeypatch.setattr(helpers, "fetch", lambda repository, *_, **__: places[repository])
    assert helpers.segmenter_folders("grounding-dino", tmp_path) == (detector, sams / "sam2")
    assert helpers.segmenter_folders(str(detector), tmp_path) == (detector, sams / "sam2")
