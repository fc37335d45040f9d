"""Features of pixels: what copies of an image are compared by along their seams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from intarsia.imaging.photo import Bytes, Picture

Floats = npt.NDArray[np.float32]

Integers = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What copies are compared by: colours, and how the brightness changes across and down.

    Attributes:
        picture: (H, W, 3) in levels.
        across, down: (H, W) four times the change of brightness from one pixel to the next.
    """

    picture: Picture | Bytes
    across: npt.NDArray[np.int16]
    down: npt.NDArray[np.int16]

    @classmethod
    def of(cls, picture: Picture | Bytes) -> Features:
        levels = picture if picture.dtype == np.uint8 else picture.clip(0, 255).astype(np.uint8)
        grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
        across, down = (np.asarray(cv2.Sobel(grey, cv2.CV_16S, *step, ksize=3), np.int16) for step in ((1, 0), (0, 1)))
        return cls(picture=picture, across=across, down=down)

    def at(self, rows: Integers, columns: Integers) -> Floats:
        """(n, 5) at n places, the nearest ones where they lie outside."""
        height, width = self.across.shape
        here = rows.clip(0, height - 1), columns.clip(0, width - 1)
        return _scaled(self.picture[here], self.across[here], self.down[here])


def features_of(picture: Picture) -> Floats:
    """(H, W, 5) the features of every pixel."""
    features = Features.of(picture)
    return _scaled(picture, features.across, features.down)


def _scaled(colours: Picture | Bytes, across: npt.NDArray[np.int16], down: npt.NDArray[np.int16]) -> Floats:
    """(..., 5) of colours (..., 3) and changes of brightness (...)."""
    steps = (plane[..., None].astype(np.float32) / 4 for plane in (across, down))
    return np.concatenate([colours / np.sqrt(np.float32(3)), *steps], -1).astype(np.float32)
