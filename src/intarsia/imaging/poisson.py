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
        cls, picture: Picture | Bytes, hole: Mask, known: Mask, offsets: npt.NDArray[np.int64], screen: float = SCREEN
    ) -> CopyBlend:
        """Set up the equations.

        Args:
            picture: (H, W, C) in levels.
            hole: (H, W), not empty.
            known: (H, W) what the fill joins on to; beside other pixels it ends freely.
            offsets: (n, 2) right and down, where each of the hole's pixels is copied from, in row order.
            screen: weight of the colours beside the gradients.
        """
        rows, columns = np.nonzero(hole)
        from_rows, from_columns = rows + offsets[:, 1], columns + offsets[:, 0]
        copied = picture[from_rows, from_columns].astype(np.float32)
        code = offsets[:, 1] * (4 * hole.shape[1]) + offsets[:, 0]  # one number an offset
        next_to = _neighbours(hole)
        right = screen * copied.astype(np.float64)
        joins = np.zeros(len(rows), np.int8)
        for step, there in next_to.items():
            down, across = step
            # Where the neighbour is copied from beside it, its copy is what lies there in the image.
            gradient = copied - copied[there]
            edge = np.flatnonzero((there < 0) | (code[there] != code))
            outer = edge[there[edge] < 0]
            met = _known_at(known, rows[outer] + down, columns[outer] + across)
            joins += 1
            joins[outer[~met]] -= 1
            beside = _at(picture, from_rows[edge] + down, from_columns[edge] + across, copied[edge])
            gradient[edge] = copied[edge] - beside
            gradient[outer[~met]] = 0
            seam = edge[there[edge] >= 0]
            other = there[seam]
            seen = _at(picture, from_rows[other] - down, from_columns[other] - across, copied[other]) - copied[other]
            gradient[seam] = 0.5 * (gradient[seam] + seen)
            right += gradient
            right[outer[met]] += picture[rows[outer[met]] + down, columns[outer[met]] + across]
        return cls(matrix=_matrix_of(next_to, joins, screen), right=right, copied=copied)

    def solved(self) -> npt.NDArray[np.float64]:
        """(n, C) the solution, directly: for some ten thousands of pixels at most."""
        factors = splu(self.matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        solution: npt.NDArray[np.float64] = factors.solve(self.right)
        return solution

    def improved(self, guess: npt.NDArray[np.floating[Any]], rounds: int) -> npt.NDArray[np.float64]:
        """(n, C) nearer to the solution than a guess whose errors are short, by conjugate gradients."""
        return np.stack([self._improved(k, guess[:, k].astype(np.float64), rounds) for k in range(guess.shape[1])], 1)

    def _improved(self, channel: int, solution: npt.NDArray[np.float64], rounds: int) -> npt.NDArray[np.float64]:
        """(n,) the same of one channel; the guess itself is changed, since a large hole's vectors are large."""
        left = self.right[:, channel] - self.matrix @ solution
        direction, step = left.copy(), np.empty_like(left)
        squares = left @ left
        for _ in range(rounds):
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


def _neighbours(hole: Mask) -> dict[tuple[int, int], Integers]:
    """For each step (down, right), the number (n,) of the neighbour of each of a hole's n pixels; -1 outside."""
    part = bounds_of(hole)
    assert part is not None, "an empty hole has no equations"
    inside = hole[part]
    number = np.full((inside.shape[0] + 2, inside.shape[1] + 2), -1, np.int32)
    number[1:-1, 1:-1][inside] = np.arange(np.count_nonzero(inside), dtype=np.int32)
    height, width = inside.shape
    return {
        (down, right): number[1 + down : 1 + down + height, 1 + right : 1 + right + width][inside]
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
    }


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
