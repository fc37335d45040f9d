"""A scene of two shapes that show turns and mirrors."""

from __future__ import annotations

import numpy as np

from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask

SIZE = Size(80, 60)


def ell(size: Size = SIZE, left: int = 10, top: int = 8, unit: int = 6) -> Mask:
    """A shape without any symmetry."""
    mask = np.zeros((size.height, size.width), np.bool_)
    mask[top : top + 4 * unit, left : left + unit] = True
    mask[top + 3 * unit : top + 4 * unit, left : left + 3 * unit] = True
    mask[top : top + unit // 2, left : left + 2 * unit] = True
    return mask


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())
