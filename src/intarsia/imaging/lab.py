"""Colours as the eye tells them apart."""

from __future__ import annotations

import cv2
import numpy as np

from intarsia.imaging.photo import Bytes, Floats, Picture


def lab_of(pixels: Bytes | Picture) -> Floats:
    """(H, W, 3) levels -> CIE Lab, float32: lightness of 0 to 100, a and b."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
