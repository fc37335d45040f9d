"""Registration of an edited picture with its source: how an editor shifted, zoomed and turned what it gave back.

Models that edit by an instruction paint the whole picture again, and what they meant to keep lies a few pixels off. The
similarity is found from what both pictures still share: matched tiles vote for it, so that the edited part is
outvoted, and robust least squares on the pixels make it exact.

Source: tiles and votes, Fischler & Bolles 1981, "Random sample consensus"; least squares on pixels, Evangelidis & Psarakis
2008, "Parametric image alignment using enhanced correlation coefficient maximization", sec. 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from intarsia.imaging.affine import Matrix, compose_maps, inverse_map, scaling_map
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Floats

COARSE, FINEST = 256, 1536
"""Longer sides, in pixels, of the pictures in which tiles are matched, and of the finest that are compared."""

TILE, STEP, REACH = 32, 12, 20
"""Side of a tile, distance of tiles, and how far off one is looked for, in pixels of the coarse picture."""

ALIKE, SAME = 0.6, 0.8
"""Correlations from which a tile may show the same as another, and from which a place does show the same in both pictures."""

LEAST_CONTRAST = 3.0
"""Levels of deviation, in its neighbourhood, from which a place has a structure to compare."""

MOST_ZOOM, MOST_TURN, MOST_SHIFT = 0.12, 0.08, 0.08
"""The largest drift that an editor is believed: a share, radians, and a share of the longer side."""

FEWEST = 6
"""Tiles that must agree on a similarity for it to be taken as a start."""

SHARED = 0.12
"""Share of the places with structure that show the same, below which the picture was painted as a whole."""

STILL = 0.03
"""Drift in pixels, at the corners, below which there is none: the pixels are taken as they are."""

UNIT = 20.0
"""Levels of brightness that count as one deviation, where pictures have the same colours."""

ROUNDS, SETTLED = 24, 0.003
"""Rounds of least squares at most, and the step in pixels at which they end."""

TUKEY = 4.685
"""Deviations from which a pixel has no say."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A similarity from the source's positions to those of the edited picture at the source's size, about its middle.

    Attributes:
        zoom: of what is shown, less 1.
        turn: in radians, clockwise as seen.
        right, down: pixels by which the middle moved.
        size: of the source, in pixels.
    """

    size: Size
    zoom: float = 0.0
    turn: float = 0.0
    right: float = 0.0
    down: float = 0.0

    @property
    def matrix(self) -> Matrix:
        """As a map of positions."""
        x, y, a, b = self.size.width / 2, self.size.height / 2, 1 + self.zoom, self.turn
        return a, -b, x + self.right - a * x + b * y, b, a, y + self.down - b * x - a * y

    def at(self, size: Size) -> Drift:
        """The same of a source at another size."""
        return replace(
            self,
            size=size,
            right=self.right * size.width / self.size.width,
            down=self.down * size.height / self.size.height,
        )

    def moved(self, step: Floats) -> Drift:
        """With more of zoom, turn, right and down."""
        zoom, turn, right, down = (float(v) for v in step)
        return replace(
            self, zoom=self.zoom + zoom, turn=self.turn + turn, right=self.right + right, down=self.down + down
        )

    @property
    def farthest(self) -> float:
        """How far it takes a corner at most, in pixels."""
        reach = np.hypot(self.size.width, self.size.height) / 2
        return float(np.hypot(self.right, self.down) + reach * np.hypot(self.zoom, self.turn))

    @property
    def believable(self) -> bool:
        far = max(abs(self.right), abs(self.down)) <= MOST_SHIFT * self.size.long
        return bool(far and abs(self.zoom) <= MOST_ZOOM and abs(self.turn) <= MOST_TURN)


@dataclass(frozen=True, kw_only=True, eq=False)
class Registration:
    """How an edited picture lies over its source.

    Attributes:
        drift: none where the pictures share too little.
        shared: share of the places with structure that show the same in both, in [0, 1]; 1 where none has any.
        same: (H, W) of the source, the places that do; those without structure do not count.
        found: whether the pictures share enough to be registered.
    """

    drift: Drift
    shared: float
    same: Mask
    found: bool

    def to_source(self, edited: Size) -> Matrix:
        """From positions of the edited picture, at its own size, to those of the source."""
        size = self.drift.size
        wide, high = size.width / edited.width, size.height / edited.height
        scaled = scaling_map(Point(0, 0), wide, high)
        if self.drift == Drift(size=size):
            return scaled
        return compose_maps(scaled, inverse_map(self.drift.matrix))


def register_edit(source: Bytes, edited: Bytes) -> Registration:
    """Find how an edited picture is shifted, zoomed and turned against its source.

    Args:
        source: (H, W, 3) levels.
        edited: (h, w, 3) levels, of nearly the same aspect ratio at any size.
    """
    size = Size(source.shape[1], source.shape[0])
    drift = voted_drift(*(structure(scaled_grey(p, level_of(size, COARSE))) for p in (source, edited)))
    for side in (COARSE, 2 * COARSE, FINEST):
        level = level_of(size, side)
        drift = fitted_drift(
            structure(scaled_grey(source, level)), structure(scaled_grey(edited, level)), drift.at(level)
        )
        if level == size:
            break
    drift = drift.at(size)
    if drift.farthest < STILL or not drift.believable:
        drift = Drift(size=size)
    shared, same = shared_structure(source, edited, drift)
    found = shared >= SHARED
    return Registration(drift=drift if found else Drift(size=size), shared=shared, same=same, found=found)


def level_of(size: Size, side: int) -> Size:
    """A size with a longer side of so many pixels at most."""
    factor = min(1.0, side / size.long)
    return Size(max(round(size.width * factor), 1), max(round(size.height * factor), 1))


def scaled_grey(picture: Bytes, size: Size) -> Floats:
    """(h, w) float32 brightness in levels, at another size; averaged where it shrinks."""
    return scaled(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32), size)


def scaled(plane: Floats, size: Size) -> Floats:
    """(h, w) float32 at another size; averaged where it shrinks."""
    how = cv2.INTER_AREA if size.width < plane.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(plane, (size.width, size.height), interpolation=how), np.float32)


def structure(grey: Floats) -> Floats:
    """(h, w) the picture without its slow changes, each place in deviations of its neighbourhood: no tint is left."""
    mean, deviation = local_moments(grey)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    return np.asarray((smooth - mean) / np.hypot(deviation, LEAST_CONTRAST), np.float32)


def local_moments(grey: Floats) -> tuple[Floats, Floats]:
    """(h, w) mean and deviation of each place's neighbourhood, in levels."""
    mean = np.asarray(cv2.GaussianBlur(grey, (0, 0), 6.0), np.float32)
    squares = np.asarray(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), 6.0), np.float32)
    return mean, np.sqrt(squares)


def voted_drift(source: Floats, edited: Floats) -> Drift:
    """The similarity that most tiles of a source's structure agree on; none where too few do.

    Args:
        source, edited: (h, w) structures of one size.
    """
    height, width = source.shape
    none = Drift(size=Size(width, height))
    wide = np.pad(edited, REACH)
    here, there = [], []
    for top in range(0, height - TILE + 1, STEP):
        for left in range(0, width - TILE + 1, STEP):
            tile = source[top : top + TILE, left : left + TILE]
            if float(tile.std()) < ALIKE:
                continue
            around = wide[top : top + TILE + 2 * REACH, left : left + TILE + 2 * REACH]
            values = cv2.matchTemplate(around, tile, cv2.TM_CCOEFF_NORMED)
            _, best, _, (x, y) = cv2.minMaxLoc(values)
            if best < ALIKE:
                continue
            middle = (left + (TILE - 1) / 2, top + (TILE - 1) / 2)
            here.append(middle)
            there.append((middle[0] + x - REACH, middle[1] + y - REACH))
    if len(here) < FEWEST:
        return none
    found, agree = cv2.estimateAffinePartial2D(
        np.array(here, np.float32),
        np.array(there, np.float32),
        method=cv2.RANSAC,
        ransacReprojThreshold=1.5,
        maxIters=4000,
    )
    if found is None or int(agree.sum()) < FEWEST:
        return none
    x, y = (width - 1) / 2, (height - 1) / 2
    a, b = float(found[0, 0]), float(found[1, 0])
    drift = Drift(
        size=none.size,
        zoom=a - 1,
        turn=b,
        right=float(found[0] @ (x, y, 1)) - x,
        down=float(found[1] @ (x, y, 1)) - y,
    )
    return drift if drift.believable else none


def warped_by(edited: Floats, drift: Drift, border: int = cv2.BORDER_REPLICATE) -> Floats:
    """(h, w) of a picture at the source's size: what lies over each pixel of the source."""
    a, b, c, d, e, f = drift.matrix
    # From the middles of pixels, which positions count from their corners.
    back = np.array([[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (drift.size.width, drift.size.height)
    return np.asarray(cv2.warpAffine(edited, back, size, flags=flags, borderMode=border), np.float32)


def fitted_drift(source: Floats, edited: Floats, start: Drift, trusted: Mask | None = None) -> Drift:
    """The similarity with the least squares of what differs; pixels that differ much have no say.

    Args:
        source, edited: (h, w) of the size that the start has: structures, or brightness in units of some levels.
        trusted: (h, w) the pixels that may have a say; by default all.
    """
    height, width = source.shape
    columns = np.arange(width, dtype=np.float32)[None] - (width - 1) / 2
    rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    drift, reach = start, np.hypot(height, width) / 2
    for _ in range(ROUNDS):
        there = warped_by(edited, drift)
        inside = warped_by(np.ones_like(edited), drift, cv2.BORDER_CONSTANT) > 0.999
        if trusted is not None:
            inside &= trusted
        # The mean of both slopes takes larger steps well (efficient second-order minimisation).
        both = (there + source) / 2
        across, down = (cv2.Sobel(both, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))
        slopes = np.stack([across * columns + down * rows, down * columns - across * rows, across, down])
        difference = source - there
        weights = tukey_weights(difference, inside) * inside
        weighted = (slopes * weights).reshape(4, -1)
        matrix = weighted @ slopes.reshape(4, -1).T
        right = weighted @ difference.ravel()
        # Where nothing says otherwise nothing moves: as if some pixels had seen that it does not.
        matrix += np.diag([reach**2, reach**2, 1.0, 1.0]) * (1e-3 + 1e-6 * matrix[2, 2])
        step = np.linalg.solve(matrix.astype(np.float64), right.astype(np.float64))
        drift = drift.moved(step)
        if not drift.believable:
            return start
        if np.hypot(step[2], step[3]) + reach * np.hypot(step[0], step[1]) < SETTLED:
            break
    return drift


def tukey_weights(difference: Floats, inside: Mask) -> Floats:
    """(h, w) in [0, 1]: 1 for pixels that differ as most do, 0 for those that differ much."""
    sizes = np.abs(difference[inside])
    if not sizes.size:
        return np.zeros_like(difference)
    scale = TUKEY * max(1.4826 * float(np.median(sizes)), 0.02)
    return np.asarray(np.clip(1 - (difference / scale) ** 2, 0, None) ** 2, np.float32)


def refitted(source: Floats, edited: Floats, before: Registration, unchanged: Mask) -> Registration:
    """A registration made exact by what is known to be unchanged, where the pictures have the same colours too.

    Args:
        source: (H, W) brightness in levels.
        edited: (h, w) brightness at the editor's size, of the same channels, in the source's colours.
        unchanged: (H, W).
    """
    size = before.drift.size
    level = level_of(size, FINEST)
    one, other = (cv2.GaussianBlur(scaled(p, level), (0, 0), 1.0) / UNIT for p in (source, edited))
    small = (level.width, level.height)
    trusted = cv2.resize(unchanged.view(np.uint8), small, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    drift = fitted_drift(np.asarray(one), np.asarray(other), before.drift.at(level), trusted).at(size)
    return replace(before, drift=drift if drift.farthest >= STILL else Drift(size=size))


def shared_structure(source: Bytes, edited: Bytes, drift: Drift) -> tuple[float, Mask]:
    """Share of the places with structure that show the same in both pictures, and (H, W) where they do."""
    size = drift.size
    level = level_of(size, 2 * COARSE)
    one, other = scaled_grey(source, level), warped_by(scaled_grey(edited, level), drift.at(level))
    contrast = np.maximum(local_moments(one)[1], local_moments(other)[1])
    has = contrast > LEAST_CONTRAST
    first, second = (structure(grey) for grey in (one, other))
    mixed, own, theirs = (cv2.GaussianBlur(p, (0, 0), 4.0) for p in (first * second, first**2, second**2))
    same = (mixed > SAME * np.sqrt(own * theirs) + 1e-6) & has
    shared = float(same.sum() / has.sum()) if has.any() else 1.0
    larger = cv2.resize(same.view(np.uint8), (size.width, size.height), interpolation=cv2.INTER_NEAREST)
    return shared, larger.astype(np.bool_)
