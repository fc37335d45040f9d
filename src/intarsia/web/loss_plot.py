"""The plot of learning: losses as lines, and below them pictures that were painted meanwhile."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LINE_COLOURS = ("#3b82f6", "#ea580c", "#16a34a", "#a855f7")
"""Colours of the lines, visible on white and on black."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss of one update."""

    stage: str
    step: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A picture painted after `done` of `total` updates, as a URL."""

    done: int
    total: int
    url: str


class PageTracker:
    """A tracker that sends each loss to the page as an intermediate result."""

    def __init__(self, on_intermediate: Callable[[Any], None]) -> None:
        self.on_intermediate = on_intermediate

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        for name, value in values.items():
            self.on_intermediate(Loss(stage=name.removeprefix("loss/"), step=step or 0, value=float(value)))


def loss_plot_html(losses: Sequence[Loss], painted: Sequence[Painted]) -> str:
    """The losses, and below them the pictures; empty without any."""
    return loss_plot(losses) + pictures_row(painted)


def pictures_row(painted: Sequence[Painted]) -> str:
    cards = "".join(
        f'<li><img src="{html.escape(each.url)}" alt=""><span>update {each.done} of {each.total}</span></li>'
        for each in painted
    )
    return f'<ol class="layout-painted" aria-label="Painted from what is learned so far">{cards}</ol>' if cards else ""


def loss_plot(losses: Sequence[Loss], *, width: int = 320, height: int = 140) -> str:
    """The losses as lines in SVG, each stage in its colour; empty without any."""
    if not losses:
        return ""
    left, top, right, bottom = 34, 18, width - 8, height - 18
    last, highest = max(max(each.step for each in losses), 2), max(max(each.value for each in losses), 1e-9)
    stages = list(dict.fromkeys(each.stage for each in losses))

    def point(step: float, value: float) -> str:
        return f"{left + (right - left) * (step - 1) / (last - 1):.1f},{bottom - (bottom - top) * value / highest:.1f}"

    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity="0.3"/>']
    for column, stage in enumerate(stages):
        own = [each for each in losses if each.stage == stage]
        colour = LINE_COLOURS[column % len(LINE_COLOURS)]
        raw = " ".join(point(each.step, each.value) for each in own)
        smooth = " ".join(point(each.step, value) for each, value in zip(own, smoothed(own), strict=True))
        parts += [
            f'<polyline points="{raw}" fill="none" stroke="{colour}" stroke-opacity="0.35"/>',
            f'<polyline points="{smooth}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{left + 4 + 110 * column}" y="11" style="fill:{colour}">{html.escape(stage)}</text>',
        ]
    parts += [
        f'<text x="{left - 4}" y="{top + 8}" text-anchor="end">{highest:.2g}</text>',
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{height - 5}" text-anchor="end">update {last}</text>',
    ]
    return (
        f'<div class="layout-loss"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Loss of {len(losses)} updates">{"".join(parts)}</svg></div>'
    )


def smoothed(losses: Sequence[Loss]) -> Iterator[float]:
    """The exponential running mean of the losses, with a weight of a fifth for a new one."""
    mean = losses[0].value
    for each in losses:
        mean += (each.value - mean) / 5
        yield mean
