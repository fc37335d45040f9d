"""Exact borders of what a coarse map shows: the image's colours say exactly where.

A segmenter's map rounds off corners and loses legs and tails. So each object's colours and those of the ground around
it are learned from where the map is sure, and decide where it is not.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.imaging.masks import bounding_box

EDGE = 0.5
"""Share of an object's highest probability that is as good for it as against it."""

SURE, GROUND = 0.55, 0.12
"""Shares from which a pixel surely shows the object, and up to which it surely does not."""

REACH = 0.6
"""How far an object may go on beyond where it is surely, in widths and heights of that."""

KERNEL = 0.09
"""Width of the kernel with which colours are learned, of the range of a channel."""

STRANGE_OBJECT, STRANGE_GROUND = 0.3, 0.03
"""How often an object and its ground have a colour that was not seen where they are sure. Objects have
parts of other colours, such as legs and eyes; the ground is known all around."""

STRANGE = 0.02
"""Density of such a colour, of a kernel's highest."""

MOST_EVIDENCE = 4.0
"""Logarithm of the odds that a colour can count for or against an object."""

SAMPLES = 200
"""Pixels from which colours are learned."""

ROUNDS = 2


def settle_masks(picture: Tensor, heat: Tensor) -> Tensor:
    """Probability of each object at each pixel, by the segmenter and by its colour together (Bayes' rule).

    Args:
        picture: (3, h, w) in [0, 1].
        heat: (T, h, w), 1 at each object's most probable pixel.

    Returns:
        (T, h, w) in [0, 1].
    """
    count, height, width = heat.shape
    colours = picture.flatten(1).T
    result = torch.zeros_like(heat)
    for place in range(count):
        own = heat[place].flatten()
        others = torch.cat([heat[:place], heat[place + 1 :], torch.zeros_like(heat[:1])]).amax(0).flatten()
        sure = (own >= SURE) & (own >= others)
        if not sure.any():
            sure = own >= SURE
        near = neighbourhood(sure.view(height, width)).flatten()
        ground = near & (own < GROUND) & (others < GROUND)
        share = own.clamp(0.003, 0.99)
        prior = torch.log(share / (1 - share)) - math.log(EDGE / (1 - EDGE))
        if not ground.any():  # it fills the picture: nothing is known of any ground
            result[place] = torch.sigmoid(prior).view(height, width)
            continue
        seen, shown, odds = colours[near], sure, torch.zeros_like(own)
        for _ in range(ROUNDS):
            ours = (1 - STRANGE_OBJECT) * density(seen, colours[shown]) + STRANGE_OBJECT * STRANGE
            theirs = (1 - STRANGE_GROUND) * density(seen, colours[ground]) + STRANGE_GROUND * STRANGE
            evidence = torch.log(ours / theirs).clamp(-MOST_EVIDENCE, MOST_EVIDENCE)
            odds[near] = torch.sigmoid(prior[near] + evidence)
            # Neighbours mostly belong together.
            smooth = F.avg_pool2d(odds.view(1, height, width), 3, 1, 1, count_include_pad=False).flatten()
            odds = (odds + smooth) / 2
            shown = (odds > 0.7) & near
            if not shown.any():
                shown = sure
        result[place] = odds.view(height, width)
    return result


def neighbourhood(sure: Tensor) -> Tensor:
    """(h, w) the box about what is sure, and how far the object may go on beyond it."""
    near = torch.zeros_like(sure)
    edges = []
    for part, side in zip(bounding_box(sure.numpy()).slices(), sure.shape, strict=True):
        reach = math.ceil(REACH * (part.stop - part.start)) + max(side // 12, 1)
        edges.append(slice(max(part.start - reach, 0), part.stop + reach))
    near[edges[0], edges[1]] = True
    return near


def density(colours: Tensor, seen: Tensor) -> Tensor:
    """(N, 3), (M, 3) -> (N,) how usual colours are among those that were seen, of a kernel's highest."""
    chosen = seen[torch.linspace(0, len(seen) - 1, min(SAMPLES, len(seen))).long()]
    parts = [
        torch.exp(torch.cdist(part, chosen).square() / (-2 * KERNEL**2)).mean(1)
        for part in torch.split(colours, 1 << 16)
    ]
    return torch.cat(parts)
