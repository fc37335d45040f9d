"""How good an edited picture is: raw cosines, weighed and added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import ImageTextScorer
from intarsia.imaging.geometry import Box, Grid
from intarsia.records.edit import ScoreSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.proposals import coverage
from intarsia.regions.region import Region

CONTEXT = 0.15  # let out around the box when its crop is read, as a fraction of its longer side


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The terms of one candidate's score and their weighed sum; each is a cosine or a fraction.

    Attributes:
        total: the weighed sum, which ranks.
        text: cos(whole edited picture, prompt).
        crop: cos(edited crop, prompt).
        image: likeness of the visual tokens before and after, but for those in the box that show the source words.
        direction: cos(change of the crop, change of the words); 0 without source words.
        relevance: how well the box covers what the source words name; 0 without.
        shown: how well a tenth of the region shows what it was to become, as a segmenter sees it.
        left: how much of what was to go is still seen.
        lost: how much the region covers of what was to stay.
    """

    total: float
    text: float
    crop: float
    image: float
    direction: float
    relevance: float
    shown: float = 0.0
    left: float = 0.0
    lost: float = 0.0


def crops(pictures: Tensor, boxes: Sequence[Box], side: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, side, side), each box with a little context."""
    height, width = pictures.shape[-2:]
    cut = []
    for picture, box in zip(pictures, boxes, strict=True):
        wide = box.expanded(CONTEXT * max(box.width, box.height))
        x0, y0 = max(0, int(wide.x0)), max(0, int(wide.y0))
        x1, y1 = min(width, int(wide.x1 + 0.999)), min(height, int(wide.y1 + 0.999))
        part = picture[None, :, y0:y1, x0:x1]
        cut.append(F.interpolate(part, size=(side, side), mode="bicubic", align_corners=False, antialias=True))
    return torch.cat(cut).clamp(-1, 1)


class Ranker:
    """Scores candidates of one picture; the picture and the words are encoded once."""

    def __init__(self, analysis: ImageAnalysis, scorer: ImageTextScorer, settings: ScoreSettings) -> None:
        self.analysis, self.scorer, self.settings = analysis, scorer, settings
        with torch.no_grad():
            self.tokens = scorer.patch_tokens(analysis.picture)[0]

    def picture_of(self, region: Region) -> Tensor:
        """(1, 3, h, w) the whole picture, whatever the region."""
        return self.analysis.picture

    def score_regions(self, pictures: Sequence[Tensor], regions: Sequence[Region]) -> list[Scores]:
        """Score edited pictures (3, h, w), each repainted in its region."""
        return self.score(torch.stack(list(pictures)).to(self.analysis.picture.device), [r.box for r in regions])

    @torch.no_grad()
    def score(self, pictures: Tensor, boxes: Sequence[Box]) -> list[Scores]:
        """Score B edited pictures, each repainted in its box.

        Args:
            pictures: (B, 3, H, W) in [-1, 1], unedited pixels pasted back.
            boxes: B boxes in pixels of the analysis.
        """
        analysis, weight = self.analysis, self.settings
        side = min(analysis.size.width, analysis.size.height)
        original = analysis.picture.expand(len(boxes), -1, -1, -1)
        whole = self.scorer.embed_images(pictures)
        after, before = (self.scorer.embed_images(crops(p, boxes, side)) for p in (pictures, original))
        text, crop = whole @ analysis.prompt, after @ analysis.prompt
        if analysis.has_text_relevance:
            direction = F.cosine_similarity(after - before, (analysis.prompt - analysis.source)[None], dim=-1)
            relevance = coverage(analysis.relevance, boxes).to(text)
        else:
            direction = relevance = torch.zeros_like(text)
        kept = self.kept_likeness(pictures, boxes)
        total = (
            weight.text * text
            + weight.crop * crop
            + weight.image * kept
            + weight.direction * direction
            + weight.relevance * relevance
        )
        columns = {
            "total": total, "text": text, "crop": crop, "image": kept, "direction": direction, "relevance": relevance
        }  # fmt: skip
        return [Scores(**{k: float(v[i]) for k, v in columns.items()}) for i in range(len(boxes))]

    def kept_likeness(self, pictures: Tensor, boxes: Sequence[Box]) -> Tensor:
        """(B,) mean cosine of the visual tokens that should stay with their likes in the original, in [-1, 1].

        A token in the box may change as far as it shows what the source words name: a neighbour that the
        box swallows is a loss. Without source words everything in the box may change.
        """
        tokens = self.scorer.patch_tokens(pictures)
        likeness = F.cosine_similarity(tokens, self.tokens[None], dim=-1)
        side = round(tokens.shape[1] ** 0.5)  # scorers read a square, whatever the picture's shape
        grid = Grid(size=self.analysis.size, rows=side, columns=side)
        free = self.may_change(side).to(likeness)
        stays = torch.ones_like(likeness)
        for row, box in enumerate(boxes):
            inside = torch.tensor([[box.contains(grid.center(r, c)) for c in range(side)] for r in range(side)])
            stays[row] = 1 - inside.flatten().to(likeness) * free
        return (likeness * stays).sum(1) / stays.sum(1).clamp_min(1)

    def may_change(self, side: int) -> Tensor:
        """(side * side,) in [0, 1], how far each token may change if it lies in the box."""
        if not self.analysis.has_text_relevance:
            return torch.ones(side * side)
        # A token sees a little beyond its own patch, so the object's whole neighbourhood may change.
        relevance = F.adaptive_max_pool2d(self.analysis.relevance[None, None].float(), (side, side))
        near = F.max_pool2d(relevance, 3, 1, 1) / relevance.max().clamp_min(1e-8)
        return near.flatten().cpu()
