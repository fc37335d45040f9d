"""Connected parts of masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.imaging.masks import Mask

SPECK = 0.1
"""Parts smaller than this share of an object's largest part are noise."""


def tidy_mask(mask: Mask) -> Mask:
    """A mask without specks, and without holes that are as small."""
    labels, areas = components(mask)
    if not areas.size:
        return mask
    least = SPECK * areas.max()
    kept = of_parts(labels, areas >= least)
    holes, sizes = components(~kept)
    small = sizes < least
    edge = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    small[edge[edge > 0] - 1] = False
    whole: Mask = kept | of_parts(holes, small)
    return whole


def of_parts(labels: npt.NDArray[np.int32], chosen: npt.NDArray[np.bool_]) -> Mask:
    """(H, W) the pixels of some parts, as `components` numbers them."""
    looked_up: Mask = np.concatenate([[False], chosen])[labels]
    return looked_up


def components(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The connected parts of a mask; pixels touch at their sides, not at their corners.

    Returns:
        (H, W) number of each pixel's part, from 1, 0 outside; areas in pixels by number less one.
    """
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, output=labels)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
