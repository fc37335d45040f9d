"""Infill without a network: a region of an image is filled with what continues its surroundings."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intarsia.imaging.masks import Mask, bounds_of, dilate
from intarsia.imaging.photo import Part, Picture

Pixel = TypeVar("Pixel", bound=np.generic)

Floats = npt.NDArray[np.float32]

SWEEPS = 24
"""Relaxations of a membrane on each level."""

SEARCH_SIDE = 96
"""Longest side of the small picture on which a transplant is searched everywhere, in pixels."""

TRANSPLANTS = 6
"""Most pieces that a hole is filled with."""

LEAST_PIECE = 0.03
"""Share of what is still to be filled below which another piece is not worth its seams."""

NOISE = 4.0
"""Squared levels by which a picture differs from itself a little further; smaller differences are no merit."""

PROBES = 4000
"""Pixels of the rim at which a transplant is compared."""


def patch_fill(picture: Picture, hole: Mask, known: Mask) -> Picture:
    """Fill a hole with pieces of the known picture that continue its rim, colours corrected so that no seam is left.

    The best piece is the part of the picture, taken from one direction and distance, whose surroundings
    are most like the hole's, but for their brightness. Where the picture has none, the fill is smooth.

    Args:
        picture: (H, W, 3).
        hole: (H, W) what is filled, none of it known.
        known: (H, W) what may be copied. The rest is filled smoothly.

    Source: the offsets, He & Sun 2012, "Statistics of patch offsets for image completion"; the correction,
    Perez et al. 2003, "Poisson image editing".
    """
    filled = membrane_fill(picture, known)
    have, left = known.copy(), hole & ~known
    for _ in range(TRANSPLANTS):
        offset = best_offset(filled, have, known, left)
        if offset is None:
            break
        right, down = offset
        piece, there = shift_image(picture, right, down), shift_image(known[..., None], right, down)[..., 0]
        chunk = left & there
        if not chunk.any():
            break
        # What is far away says little of the colours here: a part of the picture will do.
        part = crop_around(chunk, 8 + int(sum(np.ptp(side) for side in np.nonzero(chunk))) // 4)
        valid = have[part] & there[part]
        if valid.any():
            corrected = piece[part] + membrane_fill(filled[part] - piece[part], valid)
            filled[part] = np.where(chunk[part][..., None], corrected, filled[part])
        have, left = have | chunk, left & ~chunk
    return filled


def best_offset(filled: Picture, have: Mask, known: Mask, left: Mask) -> tuple[int, int] | None:
    """By how much (right, down) to move the known picture, so that it continues into what is left.

    Searched everywhere on a small picture, and made exact from level to level.

    Args:
        filled, have: the picture so far, and where it counts.
        known: what may be copied.
        left: what is to be filled.
    """
    if not left.any():
        return None
    levels = [(filled, have, known, left)]
    while max(left.shape) > SEARCH_SIDE:
        filled, have, known, left = levels[-1]
        small, seen = halve(filled, have)
        levels.append((small, seen, ~grow_half(~known), grow_half(left)))
        left = levels[-1][3]
    found = search_everywhere(*levels[-1])
    for level in reversed(levels[:-1]):
        if found is None:
            return None
        found = search_near((2 * found[0], 2 * found[1]), *level)
    return found


def search_everywhere(filled: Picture, have: Mask, known: Mask, left: Mask) -> tuple[int, int] | None:
    """The best of all offsets, from correlations."""
    rim = have & dilate(left, 3) & ~left
    shape = [2 * side for side in left.shape]

    def spectrum(values: npt.NDArray[np.generic]) -> npt.NDArray[np.complex128]:
        return np.fft.rfft2(values.astype(np.float64), shape)

    def correlation(here: npt.NDArray[np.complex128], there: npt.NDArray[np.complex128]) -> npt.NDArray[np.float64]:
        """For each offset, the sum over p of here(p) * there(p - offset)."""
        return np.fft.irfft2(here * there.conj(), shape)

    source, target, wanted = spectrum(known), spectrum(rim), spectrum(left)
    covered = correlation(wanted, source) / left.sum()
    compared = np.maximum(correlation(target, source), 0.5)
    spread = np.zeros(shape)
    for channel in np.moveaxis(filled - filled[rim].mean(0) if rim.any() else filled, -1, 0):
        here, there = rim * channel, known * channel
        first = correlation(spectrum(here), source) - correlation(target, spectrum(there))
        second = (
            correlation(spectrum(here * channel), source)
            + correlation(target, spectrum(there * channel))
            - 2 * correlation(spectrum(here), spectrum(there))
        )
        spread += np.maximum(second / compared - (first / compared) ** 2, 0)
    usable = (covered > LEAST_PIECE) & (compared > 0.4 * max(rim.sum(), 1))
    if not usable.any():
        return None
    merit = np.where(usable, (spread + NOISE) / np.maximum(covered, LEAST_PIECE) ** 2, np.inf)
    down, right = np.unravel_index(int(merit.argmin()), merit.shape)
    height, width = left.shape
    return int(right) - (2 * width if right >= width else 0), int(down) - (2 * height if down >= height else 0)


def search_near(guess: tuple[int, int], filled: Picture, have: Mask, known: Mask, left: Mask) -> tuple[int, int]:
    """The best offset within two pixels of a guess."""
    height, width = left.shape
    ys, xs = np.nonzero(have & dilate(left, 3) & ~left)
    if not len(ys):
        return guess
    every = max(len(ys) // PROBES, 1)
    ys, xs = ys[::every], xs[::every]
    best, least = guess, np.inf
    for down in range(guess[1] - 2, guess[1] + 3):
        for right in range(guess[0] - 2, guess[0] + 3):
            y, x = ys - down, xs - right
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            inside[inside] = known[y[inside], x[inside]]
            if inside.sum() < 0.3 * len(ys):
                continue
            spread = (filled[ys[inside], xs[inside]] - filled[y[inside], x[inside]]).var(0).sum()
            if spread < least:
                best, least = (right, down), spread
    return best


def shift_image(pixels: npt.NDArray[Pixel], right: int, down: int) -> npt.NDArray[Pixel]:
    """(H, W, C) moved by whole pixels, 0 where nothing was."""
    height, width = pixels.shape[:2]
    moved = np.zeros_like(pixels)
    to = (slice(max(down, 0), max(height + down, 0)), slice(max(right, 0), max(width + right, 0)))
    from_ = (slice(max(-down, 0), max(height - down, 0)), slice(max(-right, 0), max(width - right, 0)))
    moved[to] = pixels[from_]
    return moved


def crop_around(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The rows and columns of a mask that is not empty, and so many more to each side."""
    part = bounds_of(mask, margin)
    assert part is not None, "an empty mask lies nowhere"
    return part


def grow_half(mask: Mask) -> Mask:
    """At half the size, what a mask touches."""
    even = np.pad(mask, [(0, side % 2) for side in mask.shape])
    half: Mask = even[0::2, 0::2] | even[1::2, 0::2] | even[0::2, 1::2] | even[1::2, 1::2]
    return half


def membrane_fill(picture: Floats, known: Mask) -> Floats:
    """What is unknown, as smooth as a membrane that is held by what is known.

    Laplace's equation, solved from coarse to fine.

    Args:
        picture: (H, W, C).
        known: (H, W).
    """
    if known.all() or max(known.shape) == 1:
        return picture.astype(np.float32)
    rough = membrane_fill(*halve(picture, known)) if known.any() else np.zeros_like(picture[::2, ::2])
    filled, free = picture.astype(np.float32), ~known
    part = crop_around(free, 1)
    free = free[part]
    for channel in range(picture.shape[2]):
        plane, large = filled[(*part, channel)], twice(rough[..., channel], part)
        filled[(*part, channel)] = relaxed(np.where(free, large, plane), free)
    return filled


def twice(plane: Floats, part: Part) -> Floats:
    """A part of (H, W) at twice its size."""
    rows, columns = (side.start // 2 for side in part)
    ends = ((side.stop + 1) // 2 for side in part)
    large = plane[rows : next(ends), columns : next(ends)].repeat(2, 0).repeat(2, 1)
    top, left = (side.start % 2 for side in part)
    height, width = (side.stop - side.start for side in part)
    return large[top : top + height, left : left + width]


def relaxed(plane: Floats, free: Mask) -> Floats:
    """(H, W) after sweeps that put the mean of its four neighbours at each free pixel."""
    wide = np.pad(plane, 1)
    inside, mean = wide[1:-1, 1:-1], np.empty_like(plane)
    for _ in range(SWEEPS):
        wide[0], wide[-1] = wide[1], wide[-2]
        wide[:, 0], wide[:, -1] = wide[:, 1], wide[:, -2]
        np.add(wide[:-2, 1:-1], wide[2:, 1:-1], out=mean)
        mean += wide[1:-1, :-2]
        mean += wide[1:-1, 2:]
        mean *= 0.25
        np.copyto(inside, mean, where=free)
    return inside


def halve(picture: Floats, known: Mask) -> tuple[Floats, Mask]:
    """At half the size, each pixel the mean of those that are known of its four."""
    odd = [(0, side % 2) for side in known.shape]
    have = np.pad(known, odd)
    count = of_four(have.astype(np.float32))
    weight = np.maximum(count, 1)
    small = np.empty((*count.shape, picture.shape[2]), np.float32)
    for channel in range(picture.shape[2]):
        plane = np.where(have, np.pad(picture[..., channel], odd), 0)
        small[..., channel] = of_four(plane) / weight
    return small, count > 0


def of_four(plane: Floats) -> Floats:
    """The sums of a plane's (H, W) pixels, four and four."""
    sums: Floats = plane[0::2, 0::2] + plane[1::2, 0::2]
    sums += plane[0::2, 1::2]
    sums += plane[1::2, 1::2]
    return sums
