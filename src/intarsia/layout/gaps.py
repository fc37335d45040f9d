"""The gap that an object leaves: its pixels, its soft border and the shadow that was measured around it."""

from __future__ import annotations

from intarsia.imaging.masks import Mask
from intarsia.imaging.matting import Layer

GROWTH = 0.004
"""How far a gap is grown beyond what was measured, as a share of the short side: compression rings there."""

SHADOW = 0.06
"""How far around an object its shadow is looked for, as a share of the short side."""

FAINT = 0.97
"""Share of the ground's light from which a shadow is not worth replacing."""


def left_by(mask: Mask, layer: Layer) -> Mask:
    """What is to be replaced where an object (H, W) was cut out, in the layer's part: there is nothing beyond it."""
    left: Mask = mask[layer.part] | (layer.alpha > 0) | (layer.transmittance < FAINT)
    return left
