"""What the page shows while looks are learned: the losses as lines, and pictures painted from what is learned so far."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SHADES = ("#3b82f6", "#ea580c", "#16a34a", "#a855f7")
"""Colours of the lines, which are seen on white and on black."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss of one update of learning."""

    stage: str
    step: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A picture painted after `done` of `total` updates, as an address."""

    done: int
    total: int
    url: str


class PageTracker:
    """A tracker that tells each loss to the page."""

    def __init__(self, show: Callable[[Any], None]) -> None:
        self.show = show

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        for name, value in values.items():
            self.show(Loss(stage=name.removeprefix("loss/"), step=step or 0, value=float(value)))


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
    """The losses as lines, each stage in its colour, as a drawing for the page; empty without any."""
    if not losses:
        return ""
    left, top, right, bottom = 34, 18, width - 8, height - 18
    last, highest = max(max(each.step for each in losses), 2), max(max(each.value for each in losses), 1e-9)
    stages = list(dict.fromkeys(each.stage for each in losses))

    def place(step: float, value: float) -> str:
        return f"{left + (right - left) * (step - 1) / (last - 1):.1f},{bottom - (bottom - top) * value / highest:.1f}"

    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity="0.3"/>']
    for place_, stage in enumerate(stages):
        own = [each for each in losses if each.stage == stage]
        shade = SHADES[place_ % len(SHADES)]
        raw = " ".join(place(each.step, each.value) for each in own)
        smooth = " ".join(place(each.step, value) for each, value in zip(own, smoothed(own), strict=True))
        parts += [
            f'<polyline points="{raw}" fill="none" stroke="{shade}" stroke-opacity="0.35"/>',
            f'<polyline points="{smooth}" fill="none" stroke="{shade}" stroke-width="2"/>',
            f'<text x="{left + 4 + 110 * place_}" y="11" style="fill:{shade}">{html.escape(stage)}</text>',
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
    """The losses as a running mean, in which a new one counts a fifth."""
    mean = losses[0].value
    for each in losses:
        mean += (each.value - mean) / 5
        yield mean
