"""The guided filter: values that follow the colours of a picture.

Source: He, Sun & Tang 2013, "Guided image filtering"; its coefficients at another size, He & Sun 2015, "Fast guided
filter".
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.floating[Any]]


class GuidedFilter:
    """Smooths values over a picture within its edges (guided filter)."""

    def __init__(self, picture: Values, reach: int = 4, evenness: float = 0.002) -> None:
        """Prepare for a picture (h, w, 3) in [0, 1]; differences below the root of `evenness` are no edges."""
        self.picture, self.sides = picture.astype(np.float32), (2 * reach + 1, 2 * reach + 1)
        self.mean = self.blurred(self.picture)
        products = np.stack([self.blurred(self.picture * self.picture[..., k : k + 1]) for k in range(3)], -1)
        spread = products - self.mean[..., None] * self.mean[..., None, :]
        self.inverse = np.linalg.inv(spread + evenness * np.eye(3, dtype=np.float32))

    def blurred(self, values: Values) -> Values:
        return np.asarray(cv2.blur(values, self.sides), np.float32)

    def coefficients(self, values: Values) -> tuple[Values, Values]:
        """(h, w, 3) and (h, w): the linear function of the picture's colours that is nearest to the values."""
        mean = self.blurred(values)
        covariance = self.blurred(self.picture * values[..., None]) - self.mean * mean[..., None]
        slope = (self.inverse @ covariance[..., None])[..., 0]
        return self.blurred(slope), self.blurred(mean - (slope * self.mean).sum(-1))

    def smooth(self, values: Values) -> Values:
        slope, offset = self.coefficients(values)
        smoothed: Values = (slope * self.picture).sum(-1) + offset
        return smoothed
