"""A picture as an editor gives it back: edited by a known amount, and shifted, zoomed, tinted and blurred besides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong beside the edit; by default nothing does.

    Attributes:
        right, down: shift of what is shown, in pixels of the source.
        zoom: of what is shown, about the middle.
        turn: in degrees.
        gain, offset: of each channel's levels.
        gamma: exponent of levels in [0, 1].
        saturation: how far colours are from grey.
        blur, noise: deviations in pixels and in levels.
        scale: pixels of the result for one of the source.
        shade: levels by which the left is darker and the right lighter.
    """

    right: float = 0.0
    down: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gamma: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    scale: float = 1.0
    shade: float = 0.0

    def moved(self, points: np.ndarray, height: int, width: int) -> np.ndarray:
        """(N, 2) positions (x, y) of the source -> where they are shown, at the source's size."""
        cos, sin = self.zoom * np.cos(np.radians(self.turn)), self.zoom * np.sin(np.radians(self.turn))
        middle = np.array([width / 2, height / 2])
        return (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle + [self.right, self.down]

    def __call__(self, picture: Bytes) -> Bytes:
        """(H, W, 3) levels -> (h, w, 3) levels."""
        height, width = picture.shape[:2]
        wide, high = round(width * self.scale), round(height * self.scale)
        # Where the middles of three pixels go; the rest follows.
        corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height]])
        there = self.moved(corners, height, width) * [wide / width, high / height]
        matrix = cv2.getAffineTransform((corners - 0.5).astype(np.float32), (there - 0.5).astype(np.float32))
        values = cv2.warpAffine(
            picture.astype(np.float32), matrix, (wide, high), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        return self.tinted(values)

    def tinted(self, values: np.ndarray) -> Bytes:
        """(h, w, 3) float levels -> levels in another tint."""
        shares = np.clip(values / 255, 0, 1) ** self.gamma
        grey = shares.mean(-1, keepdims=True)
        levels = 255 * (grey + self.saturation * (shares - grey)) * self.gain + self.offset
        levels += self.shade * np.linspace(-1, 1, values.shape[1])[None, :, None]
        if self.blur:
            levels = cv2.GaussianBlur(levels, (0, 0), self.blur)
        levels += self.noise * np.random.default_rng(3).normal(size=levels.shape)
        tinted: Bytes = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return tinted


def disc(shape: tuple[int, ...], y: float, x: float, radius: float) -> Mask:
    """(H, W), of which the centre and the radius are shares of the height, width and shorter side."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside: Mask = np.hypot(rows - y * shape[0], columns - x * shape[1]) < radius * min(shape[:2])
    return inside


def replaced(picture: Bytes, where: Mask) -> Bytes:
    """Something else stands there: stripes in colours that the picture hardly has."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    stripes = ((rows + columns) // 12 % 2)[..., None]
    new = np.where(stripes, np.array([40, 190, 90]), np.array([230, 230, 60]))
    return np.where(where[..., None], new, picture).astype(np.uint8)


def recoloured(picture: Bytes, where: Mask) -> Bytes:
    """The same in another hue."""
    hue = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hue[..., 0] = (hue[..., 0].astype(int) + 70) % 180
    hue[..., 1] = np.maximum(hue[..., 1], 150)
    return np.where(where[..., None], cv2.cvtColor(hue, cv2.COLOR_HSV2RGB), picture).astype(np.uint8)


def removed(picture: Bytes, where: Mask) -> Bytes:
    """What stands there is gone, and its surroundings go on."""
    return np.asarray(cv2.inpaint(picture, where.view(np.uint8), 5, cv2.INPAINT_TELEA), np.uint8)


def left(picture: Bytes, where: Mask) -> Bytes:
    """Nothing is edited."""
    assert where.shape == picture.shape[:2]
    return picture


EDITS = {"replaced": replaced, "recoloured": recoloured, "removed": removed}
