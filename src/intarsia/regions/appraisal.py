"""How well an edit of a part of a photo did what its words ask, so that the search knows when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import ImageTextScorer
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box
from intarsia.records.edit import ScoreSettings
from intarsia.regions.families import Job, named
from intarsia.regions.intent import head
from intarsia.regions.region import Region
from intarsia.regions.scoring import Scores, crops
from intarsia.regions.sight import Sight, Thing

TENTH = 0.1
"""Share of a region's pixels that shows something new best, by which it counts as shown."""


class Appraiser:
    """Scores regions of a photo, each on the canvas of its crop.

    Args:
        sight: of the photo.
        job: the part of the edit that is judged.
        scorer: likeness of pictures and words.
        settings: weights.
    """

    def __init__(self, sight: Sight, job: Job, scorer: ImageTextScorer, settings: ScoreSettings) -> None:
        self.sight, self.job, self.scorer, self.settings = sight, job, scorer, settings
        intent = job.intent
        self.targets = [k for t in named(intent.targets) if (k := sight.known(f"a {t}", head(t)))]
        if intent.change == "background":  # a segmenter may know grounds that are none of its nouns
            self.targets = [(f"the {head(t)}",) for t in intent.targets]
        self.gone = job.things if intent.change == "replace" else ()
        broad = intent.change in ("background", "whole", "resize")
        self.stays = [t for t in sight.things() if all(t.box.iou(o.box) < 0.3 for o in job.things)] if broad else []
        self.before: dict[tuple[Crop | None, Box], float] = {}
        with torch.no_grad():
            self.words = scorer.embed_texts([intent.painted])[0]

    def picture_of(self, region: Region) -> Tensor:
        """(1, 3, h, w) the canvas of the region's crop."""
        assert region.crop is not None
        return self.sight.canvas(region.crop)

    @torch.no_grad()
    def score_regions(self, pictures: Sequence[Tensor], regions: Sequence[Region]) -> list[Scores]:
        """Score edited canvases.

        Args:
            pictures: (3, h, w) in [-1, 1] each, unedited pixels pasted back.
            regions: where each was repainted.
        """
        return [self.score_one(p, r) for p, r in zip(pictures, regions, strict=True)]

    def score_one(self, picture: Tensor, region: Region) -> Scores:
        """The terms of one region's score and the chance of success that they amount to."""
        assert region.crop is not None
        before, spared = self.picture_of(region), region.spared(region.crop.size)
        after = torch.where(torch.from_numpy(spared).to(before.device), before, picture[None].to(before))
        inside = region.shape(region.crop.size) & ~spared
        asked = list(dict.fromkeys([p for t in self.targets for p in t] + [t.phrase for t in self.gone]))
        seen = self.sight.segmenter.predict_masks(after, asked).float().cpu().numpy() if asked else np.zeros((0, 1, 1))
        maps = dict(zip(asked, seen, strict=True))
        shown = min((self.best_tenth(np.max([maps[p] for p in t], 0), inside) for t in self.targets), default=0.5)
        left = max((self.mean_on(maps[t.phrase], t, region.crop) for t in self.gone), default=0.0)
        covered = [(inside & where).sum() / where.sum() for t in self.stays if (where := t.on(region.crop)).any()]
        lost = float(max(covered, default=0.0))
        was, text = self.likeness_before(region), self.likeness(after, region)
        gain = text - was
        weights = self.settings
        logit = weights.bias + weights.shown * shown - weights.left * left - weights.lost * lost + weights.gain * gain
        return Scores(
            total=1 / (1 + math.exp(-logit)), text=text, crop=gain, image=0.0, direction=0.0, relevance=0.0,
            shown=shown, left=left, lost=lost,
        )  # fmt: skip

    def likeness(self, canvas: Tensor, region: Region) -> float:
        """Cosine of the words and the region, with a little around it, on a canvas (1, 3, h, w)."""
        assert region.crop is not None
        close = crops(canvas, [region.box], region.crop.size.short)
        return float(self.scorer.embed_images(close)[0] @ self.words)

    def likeness_before(self, region: Region) -> float:
        """The same before the edit; it is encoded once, whatever is painted there."""
        place = (region.crop, region.box)
        if place not in self.before:
            self.before[place] = self.likeness(self.picture_of(region), region)
        return self.before[place]

    @staticmethod
    def mean_on(seen: np.ndarray, thing: Thing, crop: Crop) -> float:
        """Mean relevance where a thing is; that of the thing itself where it is not in the crop."""
        where = thing.on(crop)
        return float(seen[where].mean()) if where.any() else thing.sureness

    @staticmethod
    def best_tenth(seen: np.ndarray, inside: np.ndarray) -> float:
        """Mean relevance of the region's tenth that shows the words best."""
        values = np.sort(seen[inside])
        return float(values[-max(1, round(TENTH * len(values))) :].mean()) if len(values) else 0.0
