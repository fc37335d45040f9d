"""Gradient-domain blending: copies joined so that their gradients stay and their seams go.

Source: Perez et al. 2003, "Poisson image editing"; screened, Bhat et al. 2008, "Fourier analysis of the 2D screened
Poisson equation for gradient domain problems".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.photo import Bytes, Picture
from intarsia.progress import span, tick

Integers = npt.NDArray[np.signedinteger[Any]]

SCREEN = 2e-3
"""Weight of the copied colours themselves beside their gradients: colours may drift over some 20 pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CopyBlend:
    """The equations of a hole whose n pixels are copied from elsewhere.

    Attributes:
        matrix: (n, n) sparse, symmetric and positive definite.
        right: (n, C) right-hand sides, one a channel.
        copied: (n, C) the plain copies.
    """

    matrix: sparse.csr_matrix
    right: npt.NDArray[np.float64]
    copied: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        picture: Picture | Bytes,
        hole: Mask,
        known: Mask,
        offsets: npt.NDArray[np.int64],
        screen: float = SCREEN,
        *,
        free: Integers | None = None,
        guess: Picture | None = None,
    ) -> CopyBlend:
        """Set up the equations.

        Args:
            picture: (H, W, C) in levels.
            hole: (H, W), not empty.
            known: (H, W) what the fill joins on to; beside other pixels it ends freely.
            offsets: (n, 2) right and down, where each of the hole's pixels is copied from, in row order.
            screen: weight of the colours beside the gradients.
            free: (m,) which of the pixels are solved for, rising; by default all. The equations are theirs alone.
            guess: (n, C) what the others are held at.
        """
        rows, columns = np.nonzero(hole)
        if free is not None:
            rows, columns = rows[free], columns[free]
        own = slice(None) if free is None else free
        from_rows, from_columns = rows + offsets[own, 1], columns + offsets[own, 0]
        copied = picture[from_rows, from_columns].astype(np.float32)
        code = offsets[:, 1] * (4 * hole.shape[1]) + offsets[:, 0]  # one number an offset
        next_to = _neighbours(hole, free)
        number = _numbers(len(code), free)
        right = screen * copied.astype(np.float64)
        joins = np.zeros(len(rows), np.int8)
        for step, there in next_to.items():
            down, across = step
            # Where the neighbour is copied from beside it, its copy is what lies there in the image.
            alike = (there >= 0) & (code[there] == code[own])
            edge = np.flatnonzero(~alike)
            gradient = copied - _at(picture, from_rows + down, from_columns + across, copied)
            outer = edge[there[edge] < 0]
            met = _known_at(known, rows[outer] + down, columns[outer] + across)
            joins += 1
            joins[outer[~met]] -= 1
            gradient[outer[~met]] = 0
            seam = edge[there[edge] >= 0]
            other = there[seam]
            other_rows, other_columns = (
                rows[seam] + down + offsets[other, 1],
                columns[seam] + across + offsets[other, 0],
            )
            others = picture[other_rows, other_columns].astype(np.float32)
            seen = _at(picture, other_rows - down, other_columns - across, others) - others
            gradient[seam] = 0.5 * (gradient[seam] + seen)
            right += gradient
            right[outer[met]] += picture[rows[outer[met]] + down, columns[outer[met]] + across]
            if guess is not None:
                held = np.flatnonzero((there >= 0) & (number[there] < 0))
                right[held] += guess[there[held]]
                there[:] = np.where(there >= 0, number[there], -1)
        return cls(matrix=_matrix_of(next_to, joins, screen), right=right, copied=copied)

    def solved(self) -> npt.NDArray[np.float64]:
        """(n, C) the solution, directly: for some ten thousands of pixels at most."""
        factors = splu(self.matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        solution: npt.NDArray[np.float64] = factors.solve(self.right)
        return solution

    def improved(self, guess: npt.NDArray[np.floating[Any]], rounds: int) -> npt.NDArray[np.float64]:
        """(n, C) nearer to the solution than a guess whose errors are short, by conjugate gradients."""
        better, count = [], guess.shape[1]
        for k in range(count):
            with span(k / count, (k + 1) / count):
                better.append(self._improved(k, guess[:, k].astype(np.float64), rounds))
        return np.stack(better, 1)

    def _improved(self, channel: int, solution: npt.NDArray[np.float64], rounds: int) -> npt.NDArray[np.float64]:
        """(n,) the same of one channel; the guess itself is changed, since a large hole's vectors are large."""
        left = self.right[:, channel] - self.matrix @ solution
        direction, step = left.copy(), np.empty_like(left)
        squares = left @ left
        for done in range(rounds):
            tick(done / rounds)
            if squares == 0:
                break
            image = self.matrix @ direction
            length = squares / (direction @ image)
            np.multiply(direction, length, out=step)
            solution += step
            np.multiply(image, length, out=step)
            left -= step
            before, squares = squares, left @ left
            direction *= squares / before
            direction += left
        return solution


def _neighbours(hole: Mask, free: Integers | None = None) -> dict[tuple[int, int], Integers]:
    """For each step (down, right), the number (m,) of the neighbour of each free pixel of a hole, by default of all its
    n; -1 outside."""
    part = bounds_of(hole)
    assert part is not None, "an empty hole has no equations"
    inside = hole[part]
    number = np.full((inside.shape[0] + 2, inside.shape[1] + 2), -1, np.int32)
    number[1:-1, 1:-1][inside] = np.arange(np.count_nonzero(inside), dtype=np.int32)
    rows, columns = np.nonzero(inside)
    if free is not None:
        rows, columns = rows[free], columns[free]
    return {
        (down, right): number[rows + (1 + down), columns + (1 + right)]
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
    }


def _numbers(count: int, free: Integers | None) -> Integers:
    """(n,) the place of each of so many pixels among the free ones; -1 for the others."""
    if free is None:
        return np.arange(count, dtype=np.int32)
    number = np.full(count, -1, np.int32)
    number[free] = np.arange(len(free), dtype=np.int32)
    return number


def _matrix_of(next_to: dict[tuple[int, int], Integers], joins: Integers, screen: float) -> sparse.csr_matrix:
    """The sparse matrix of n pixels: as many joins as each has, and the screen, less what its neighbours are."""
    weights = [screen]
    for _ in range(4):
        weights.append(weights[-1] + 1)
    places = np.arange(len(joins), dtype=np.int32)
    columns = np.stack([next_to[-1, 0], next_to[0, -1], places, next_to[0, 1], next_to[1, 0]], 1)  # in their order
    there = columns >= 0
    ends = np.concatenate([[0], np.cumsum(there.sum(1))]).astype(np.int32)
    values = np.full(ends[-1], -1.0)
    values[ends[:-1] + there[:, 0] + there[:, 1]] = np.array(weights)[joins]
    return sparse.csr_matrix((values, columns[there], ends), shape=(len(joins), len(joins)))


def _known_at(known: Mask, rows: Integers, columns: Integers) -> Mask:
    """(n,) whether n places are known; those outside of the image are not."""
    height, width = known.shape
    inside: Mask = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    inside[inside] = known[rows[inside], columns[inside]]
    return inside


def _at(picture: Picture | Bytes, rows: Integers, columns: Integers, otherwise: Picture) -> Picture:
    """(n, C) the picture at n places; where one lies outside, something else."""
    height, width = picture.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    values = otherwise.copy()
    values[inside] = picture[rows[inside], columns[inside]]
    return values
