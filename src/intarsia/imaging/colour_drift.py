"""Colour drift: by how much an editor gave back all of a picture in other colours, and the way back.

Each channel goes through a small matrix and a curve, which covers gains, offsets, saturation and what gamma and contrast do
to the middle tones. The ends of the range are moved by the matrix alone, so that colours that only the edit brought in
are taken back sensibly too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Floats, Picture

CELL = 4
"""Pixels of a side of the cells whose means are compared: blur and noise count less there."""

CUT_OFF = (3, 252)
"""Levels beyond which a channel may have been cut off: nothing is learned there."""

PRIORS = {"offset": 0.1, "own": 0.2, "others": 0.06, "curve": 0.25, "lean": 0.15, "shade": 0.05}
"""How far each coefficient is expected to be from 0, of the range of a channel."""

NOISE = 1 / 255
"""Deviation of a cell that is not changed at least, of the range of a channel."""

NEIGHBOURS = 16
"""Cells that say the same as each other, where noise is counted."""

FEWEST = 24
"""Cells from which anything is learned."""

TUKEY = 4.685
"""Deviations from which a cell has no say."""

ROUNDS = 10

FIRST = 24 / 255
"""Deviation that is allowed in the first round, of the range of a channel; half of it in the next."""

UNEVEN = 12.0
"""Most levels by which the drift of a place may differ from that of the whole picture."""

SPAN = 1 / 24
"""Side of the places whose drift is compared with that of the whole, of the picture's longer side."""


MOST, DARK = 0.22, 0.08
"""Share of its brightness by which the usual place changes, from which the colours are not a fault but what was asked for, as
of a picture by night; and what is added to all brightness, of its range."""

SLACK = 4.0
"""Levels by which colours that were not seen unchanged are moved more than those that were, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ColourDrift:
    """The way back from an edited picture's colours to its source's.

    Attributes:
        weights: (6, 3) of `terms`, what is added to each channel, of its range.
        slopes: (2, 3) what is added besides at the right and the lower border, and taken at the others.
        least, most: (3,) bounds of what is added for a colour.
    """

    weights: npt.NDArray[np.float64]
    slopes: npt.NDArray[np.float64]
    least: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]

    def undone(self, levels: Picture) -> Picture:
        """(H, W, 3) levels as their colours are taken back, wherever they are; not cut off at 0 and 255."""
        shares = levels.astype(np.float32) / 255
        undone = np.empty_like(shares)
        for channel in range(3):
            added = terms(shares, channel) @ self.weights[:, channel].astype(np.float32)
            undone[..., channel] = shares[..., channel] + added.clip(self.least[channel], self.most[channel])
        return np.asarray(undone * 255, np.float32)

    def shade(self, height: int, width: int) -> Picture:
        """(H, W, 3) levels to add besides, by the place."""
        across, down = ramps(height, width)
        shade = across[..., None] * self.slopes[0] + down[..., None] * self.slopes[1]
        return np.asarray(255 * shade, np.float32)


NONE = np.zeros(3)
NO_DRIFT = ColourDrift(weights=np.zeros((6, 3)), slopes=np.zeros((2, 3)), least=NONE, most=NONE)


def terms(shares: Floats, channel: int) -> Floats:
    """(..., 3) -> (..., 6): 1, the channel itself, the other two less it, and two curves that leave 0 and 1 in place."""
    own = shares[..., channel]
    first, second = (shares[..., other] - own for other in range(3) if other != channel)
    inside = own.clip(0, 1)
    curve = inside * (1 - inside)
    return np.stack([np.ones_like(own), own, first, second, curve, curve * (1 - 2 * inside)], -1)


def ramps(height: int, width: int) -> tuple[Floats, Floats]:
    """(H, W) from -1 to 1 across and down."""
    across, down = ((np.arange(length, dtype=np.float32) + 0.5) * 2 / length - 1 for length in (width, height))
    return np.broadcast_to(across, (height, width)), np.broadcast_to(down[:, None], (height, width))


def colour_drift(source: Bytes, edited: Picture, unchanged: Mask) -> ColourDrift:
    """What takes an edited picture's colours back to its source's.

    Args:
        source: (H, W, 3) levels.
        edited: (H, W, 3) levels, registered with the source.
        unchanged: (H, W) where both are expected to show the same; places that differ otherwise than most have no say.
    """
    height, width = (max(side // CELL, 1) for side in unchanged.shape)
    whole = as_cells(unchanged.astype(np.float32), width, height) > 0.999
    if int(whole.sum()) < FEWEST:
        return NO_DRIFT
    wanted, given = (as_cells(p.astype(np.float32), width, height)[whole] / 255 for p in (source, edited))
    ratios = np.abs(wanted - given) / (np.maximum(wanted, given) + DARK)
    if float(np.median(ratios.mean(1))) > MOST:
        return NO_DRIFT
    seen = np.all([as_cells(within_range(p), width, height)[whole] > 0.999 for p in (source, edited)], axis=0)
    places = np.stack([ramp[whole] for ramp in ramps(height, width)], -1)
    rare = rarity(wanted)
    weights, slopes, bounds = np.zeros((6, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for channel in range(3):
        here = seen[:, channel]
        if int(here.sum()) < FEWEST:
            return NO_DRIFT
        phi = np.hstack([terms(given, channel), places])[here].astype(np.float64)
        found, trust = robust_fit(phi, (wanted - given)[here, channel].astype(np.float64), rare[here])
        weights[:, channel], slopes[:, channel] = found[:6], found[6:]
        added = phi[trust > 0, :6] @ found[:6]
        bounds[:, channel] = (added.min(), added.max()) if added.size else (0, 0)
    return ColourDrift(weights=weights, slopes=slopes, least=bounds[0] - SLACK / 255, most=bounds[1] + SLACK / 255)


def as_cells(plane: Floats, width: int, height: int) -> Floats:
    """(H, W, ...) as means of cells."""
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def within_range(picture: Bytes | Picture) -> Floats:
    """(H, W, 3) of 0 and 1: the channels that were not cut off."""
    return ((picture > CUT_OFF[0]) & (picture < CUT_OFF[1])).astype(np.float32)


def rarity(colours: Floats) -> Floats:
    """(N, 3) in [0, 1] -> (N,) weights with a mean of 1: rare colours count more than their share of the picture."""
    bins = (colours * 7.999).clip(0, 7).astype(int) @ np.array([64, 8, 1])
    weights = 1 / np.sqrt(np.bincount(bins, minlength=512)[bins])
    return np.asarray(weights / weights.mean())


def robust_fit(phi: Floats, missing: Floats, rare: Floats) -> tuple[Floats, Floats]:
    """The coefficients that explain what is missing, with their priors, and how far each cell is trusted.

    What differs otherwise than most has no say in the end, but everything has one at first: colours of which there are
    few would be left out by those of which there are many.

    Args:
        phi: (N, 8) terms and places of cells.
        missing: (N,) of the range of a channel.
        rare: (N,) weights.
    """
    order = ("offset", "own", "others", "others", "curve", "lean", "shade", "shade")
    prior = np.diag([1 / PRIORS[name] ** 2 for name in order])
    found: Floats = np.zeros(8)
    trust, left = np.zeros_like(missing), missing - np.median(missing)
    for number in range(ROUNDS):
        spread = max(1.4826 * float(np.median(np.abs(left))), NOISE, FIRST * 0.5**number)
        trust = rare * np.clip(1 - (left / (TUKEY * spread)) ** 2, 0, None) ** 2 / (spread**2 * NEIGHBOURS)
        weighted = phi * trust[:, None]
        found = np.linalg.solve(weighted.T @ phi + prior, weighted.T @ missing)
        left = missing - phi @ found
    return found, trust


def unevenness(source: Bytes, edited: Picture, unchanged: Mask) -> Picture:
    """(H, W, 3) levels to add, for what is left of a drift that differs from place to place.

    What differs around a change goes on into it as smooth as a membrane.

    Args:
        source: (H, W, 3) levels.
        edited: (H, W, 3) levels, registered with the source and in its colours.
        unchanged: (H, W) where both show the same.
    """
    height, width = unchanged.shape
    span = max(SPAN * max(height, width), 2.0)
    small = (max(round(width / span * 2), 2), max(round(height / span * 2), 2))
    weight = cv2.resize(unchanged.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    known = weight > 0.25
    if not known.any():
        return np.zeros_like(edited)
    missing = (source.astype(np.float32) - edited).clip(-UNEVEN, UNEVEN) * unchanged[..., None]
    means = cv2.resize(missing, small, interpolation=cv2.INTER_AREA) / np.maximum(weight, 1e-3)[..., None]
    spread = membrane_fill(np.where(known[..., None], means, 0).astype(np.float32), known)
    return np.asarray(cv2.resize(spread, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
