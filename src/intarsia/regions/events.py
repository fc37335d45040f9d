"""What an edit tells while it goes on: the analysis of the image, and the candidates of every round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from intarsia.imaging.geometry import Box, Point, Size
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.search import Evaluation, best_first


@dataclass(frozen=True, kw_only=True)
class AnalysisEvent:
    """What is known of an image before anything is repainted.

    Attributes:
        saliency: (rows, columns), sums to 1.
        relevance: (h, w) in [0, 1] at working size; None without source words.
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


def round_listener(observer: Observer, size: Size, full: Size) -> Callable[[Sequence[Evaluation]], None]:
    """Tells an observer of the evaluations of a round, best first, as copies.

    Args:
        size: working size, in whose pixels the regions are.
        full: size of the user's picture.
    """

    def tell(evaluations: Sequence[Evaluation]) -> None:
        observer.on_round(
            tuple(
                Preview(
                    box=e.region.box.scaled(size, full).clipped(full),
                    picture=e.picture.clone(),
                    score=e.scores.total,
                    steps=e.steps,
                )
                for e in best_first(evaluations)
            )
        )

    return tell


def analysis_event(analysis: ImageAnalysis, anchors: Sequence[Point], full: Size) -> AnalysisEvent:
    """What an observer is told of an analysis, as copies.

    Args:
        anchors: in pixels of the working size.
        full: size of the user's picture.
    """
    return AnalysisEvent(
        saliency=analysis.saliency.float().cpu().numpy().copy(),
        relevance=analysis.relevance.float().cpu().numpy().copy() if analysis.has_text_relevance else None,
        anchors=tuple(anchor.scaled(analysis.size, full) for anchor in anchors),
    )
