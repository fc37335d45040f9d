"""What an edit tells while it goes on: the analysis of the image, and the candidates of every round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.search import Evaluation, best_first


@dataclass(frozen=True, kw_only=True)
class AnalysisEvent:
    """What is known of an image before anything is repainted.

    Attributes:
        saliency: (rows, columns), sums to 1.
        relevance: (h, w) in [0, 1] over the whole picture; None without source words.
        anchors: in pixels of the user's picture; none where the user said where to repaint.
    """

    saliency: np.ndarray
    relevance: np.ndarray | None
    anchors: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A candidate as one round painted it.

    Attributes:
        box: in pixels of the user's picture.
        picture: (3, h, w) in [-1, 1] at working size.
        score: the higher the better; compares within a round alone.
        steps: denoising steps that it had.
    """

    box: Box
    picture: Tensor
    score: float
    steps: int


class Observer(Protocol):
    """Told of an edit while it goes on; nothing that it does changes a pixel."""

    def on_analysis(self, event: AnalysisEvent) -> None:
        """The image was analysed, and nothing is painted yet."""

    def on_round(self, previews: Sequence[Preview]) -> None:
        """A round is over; its candidates, best first."""


def round_listener(observer: Observer, analysis: ImageAnalysis, full: Size) -> Callable[[Sequence[Evaluation]], None]:
    """Tells an observer of the evaluations of a round, best first, as copies of the whole picture.

    Args:
        analysis: of the whole picture, at working size.
        full: size of the user's picture.
    """

    def preview(evaluation: Evaluation) -> Preview:
        region = evaluation.region
        if region.crop is None:
            box, picture = region.box.scaled(analysis.size, full), evaluation.picture.clone()
        else:
            box = region.crop.to_photo(region.box)
            picture = with_crop(analysis.picture[0], region.crop, evaluation.picture, full)
        return Preview(box=box.clipped(full), picture=picture, score=evaluation.scores.total, steps=evaluation.steps)

    def tell(evaluations: Sequence[Evaluation]) -> None:
        observer.on_round(tuple(preview(e) for e in best_first(evaluations)))

    return tell


def with_crop(whole: Tensor, crop: Crop, canvas: Tensor, full: Size) -> Tensor:
    """A picture at working size with an edited crop in it.

    Args:
        whole: (3, H, W).
        crop: of the user's picture.
        canvas: (3, h, w) of the crop, edited.
        full: size of the user's picture.
    """
    picture = whole.cpu().clone()
    size = Size(picture.shape[2], picture.shape[1])
    place = crop.window.scaled(full, size)
    x0, y0 = round(place.x0), round(place.y0)
    width, height = max(round(place.x1) - x0, 1), max(round(place.y1) - y0, 1)
    small = F.interpolate(canvas[None].cpu(), (height, width), mode="bilinear", antialias=True, align_corners=False)[0]
    room = picture[:, y0 : y0 + height, x0 : x0 + width]
    room.copy_(small[:, : room.shape[1], : room.shape[2]])
    return picture


def analysis_event(analysis: ImageAnalysis, anchors: Sequence[Point]) -> AnalysisEvent:
    """What an observer is told of an analysis, as copies.

    Args:
        anchors: in pixels of the user's picture.
    """
    return AnalysisEvent(
        saliency=analysis.saliency.float().cpu().numpy().copy(),
        relevance=analysis.relevance.float().cpu().numpy().copy() if analysis.has_text_relevance else None,
        anchors=tuple(anchors),
    )
