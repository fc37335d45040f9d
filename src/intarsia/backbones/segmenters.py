"""Segmentation by words, alone or followed by exact outlines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from intarsia.backbones import sam
from intarsia.backbones.checkpoint_files import segmenter_kind
from intarsia.backbones.clipseg import ClipSegSegmenter
from intarsia.backbones.confidence import SURE_FROM, Calibration, read_calibration
from intarsia.backbones.grounding import GroundedSegmenter, load_grounded_segmenter
from intarsia.backbones.helpers import nouns_of
from intarsia.backbones.mapped_weights import give_back_after_use
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.preprocessing import read_preprocessing
from intarsia.backbones.protocols import MaskProposals, MaskRefiner
from intarsia.imaging.geometry import Box, Point


class RefinedSegmenter:
    """A `Segmenter` that is an `MaskRefiner`, too: one network knows words, the other where things end."""

    def __init__(self, words: ClipSegSegmenter | sam.Sam3Segmenter, refiner: MaskRefiner) -> None:
        self.words = words
        self.refiner = refiner
        self.side: int = words.side
        self.nouns: tuple[str, ...] = getattr(words, "nouns", ())
        self.calibration: Calibration | None = getattr(words, "calibration", None)
        self.sure_from: float = getattr(words, "sure_from", SURE_FROM)
        self.text_limit: int = words.text_limit

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """As the network that knows words says it."""
        return self.words.predict_masks(picture, texts)

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        """As the network that knows outlines says it."""
        return self.refiner.refine_masks(picture, boxes, points)


LoadedSegmenter = ClipSegSegmenter | sam.Sam3Segmenter | RefinedSegmenter | GroundedSegmenter


def load_segmenter(
    words: Path,
    refiner: Path | None = None,
    *,
    device: str = "cpu",
    memory: Memory | None = None,
    dtype: torch.dtype = torch.float32,
) -> LoadedSegmenter:
    """Load a segmenter.

    Args:
        words: folder of a checkpoint that finds by words: CLIPSeg, SAM 3 or Grounding DINO.
        refiner: folder of one that outlines what was found: SAM or SAM 2.
        device: where it works.
        memory: of the device, where other networks share it.

    Raises:
        ModelError: a checkpoint is of another kind, or damaged.
    """
    memory = memory or Memory(device)
    if segmenter_kind(words) == "grounding":
        assert refiner is not None, f"{words} outlines nothing"
        return load_grounded_segmenter(words, load_outliner(refiner, memory, dtype), memory=memory, dtype=dtype)
    by_words = load_word_segmenter(words, memory=memory, dtype=dtype)
    if refiner is None:
        return by_words
    return RefinedSegmenter(by_words, load_outliner(refiner, memory, dtype))


def load_outliner(folder: Path, memory: Memory, dtype: torch.dtype) -> sam.SamMaskRefiner:
    """Load a SAM or SAM 2 checkpoint from a folder."""
    kind = segmenter_kind(folder)
    assert kind in ("sam", "sam2"), f"{folder} outlines nothing"
    return sam.load_mask_refiner(folder, kind, memory=memory, dtype=dtype)


def load_word_segmenter(
    folder: Path, *, memory: Memory, dtype: torch.dtype = torch.float32
) -> ClipSegSegmenter | sam.Sam3Segmenter:
    """Load a CLIPSeg or SAM 3 checkpoint from a folder."""
    if segmenter_kind(folder) == "sam3":
        return sam.load_sam3(folder, memory=memory, dtype=dtype)
    model = load_network(CLIPSegForImageSegmentation, folder, dtype=dtype)
    if memory.device.type == "cpu":
        give_back_after_use(model.clip.vision_model, model.clip.text_model)
    memory.offloader.admit(model, finest="low")
    tokenizer = load_tokenizer(CLIPTokenizer, folder)
    return ClipSegSegmenter(
        model,
        tokenizer,
        read_preprocessing(folder),
        nouns_of(folder),
        calibration=read_calibration(folder),
        memory=memory,
    )
