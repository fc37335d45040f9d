"""What the region methods see of a picture before anything is repainted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Grid, Size
from intarsia.records.weighted_prompt import without_weights


@dataclass(frozen=True, kw_only=True)
class ImageAnalysis:
    """One picture at working size, looked at once.

    Attributes:
        picture: (1, 3, H, W) in [-1, 1].
        size: working size in pixels; all points and boxes of the region methods are in these pixels.
        features: (D, rows, columns) of the patch encoder.
        saliency: (rows, columns), sums to 1.
        relevance: (H, W) in [0, 1], how much a pixel shows what the source words name; the saliency
            scaled to a peak of 1 where no source words were given or they name nothing in the picture.
        has_text_relevance: whether `relevance` comes from the source words.
        source: (E,) unit text embedding of the source words (of the empty text without them).
        prompt: (E,) unit text embedding of the prompt.
    """

    picture: Tensor
    size: Size
    features: Tensor
    saliency: Tensor
    relevance: Tensor
    has_text_relevance: bool
    source: Tensor
    prompt: Tensor

    @property
    def grid(self) -> Grid:
        rows, columns = self.saliency.shape
        return Grid(size=self.size, rows=rows, columns=columns)

    @property
    def anchor_map(self) -> Tensor:
        """(rows, columns) saliency x relevance, peak 1: where an anchor is worth trying."""
        rows, columns = self.saliency.shape
        relevance = F.adaptive_avg_pool2d(self.relevance[None, None], (rows, columns))[0, 0]
        # The root keeps an object that the words name alive where the saliency prefers another.
        both = self.saliency.clamp_min(1e-8).sqrt() * relevance if self.has_text_relevance else self.saliency
        return both / both.max().clamp_min(1e-8)


# Below this peak the words are taken to name nothing in the picture.
LEAST_RELEVANCE = 0.2


def analyze(picture: Tensor, source: str, prompt: str, backbones: Backbones) -> ImageAnalysis:
    """Encode a picture with the frozen networks.

    Args:
        picture: (1, 3, H, W) in [-1, 1].
        source: what may change; empty for anywhere.
        prompt: what it should become. Weights of words are the painter's alone.
        backbones: the pretrained networks.
    """
    source, prompt = without_weights(source), without_weights(prompt)
    size = Size(width=picture.shape[-1], height=picture.shape[-2])
    with torch.no_grad():
        patches = backbones.patches.encode(picture)
        texts = backbones.scorer.embed_texts([source, prompt])
        relevance = backbones.segmenter.predict_masks(picture, [source])[0] if source.strip() else None
    has_text_relevance = relevance is not None and float(relevance.max()) >= LEAST_RELEVANCE
    if relevance is None or not has_text_relevance:
        spread = F.interpolate(
            patches.saliency[None, None], size=(size.height, size.width), mode="bilinear", align_corners=False
        )[0, 0]
        relevance = spread / spread.max().clamp_min(1e-8)
    return ImageAnalysis(
        picture=picture,
        size=size,
        features=patches.features,
        saliency=patches.saliency,
        relevance=relevance,
        has_text_relevance=has_text_relevance,
        source=texts[0],
        prompt=texts[1],
    )
