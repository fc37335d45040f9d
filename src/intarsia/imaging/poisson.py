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
from scipy.sparse.linalg import cg, splu

from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Picture

Integers = npt.NDArray[np.int64]

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
        cls, picture: Picture, hole: Mask, known: Mask, offsets: npt.NDArray[np.int64], screen: float = SCREEN
    ) -> CopyBlend:
        """Set up the equations.

        Args:
            picture: (H, W, C) in levels.
            hole: (H, W).
            known: (H, W) what the fill joins on to; beside other pixels it ends freely.
            offsets: (n, 2) right and down, where each of the hole's pixels is copied from, in row order.
            screen: weight of the colours beside the gradients.
        """
        height, width = hole.shape
        rows, columns = np.nonzero(hole)
        count = len(rows)
        number = np.full(hole.shape, -1, np.int64)
        number[rows, columns] = np.arange(count)
        from_rows, from_columns = rows + offsets[:, 1], columns + offsets[:, 0]
        copied = picture[from_rows, from_columns].astype(np.float32)
        diagonal = np.full(count, screen)
        right = screen * copied.astype(np.float64)
        tails, heads = [], []
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            there_row, there_column = rows + down, columns + across
            inside = (there_row >= 0) & (there_row < height) & (there_column >= 0) & (there_column < width)
            here = np.flatnonzero(inside)
            there_row, there_column = there_row[here], there_column[here]
            there = number[there_row, there_column]
            joined = (there >= 0) | known[there_row, there_column]
            here, there = here[joined], there[joined]
            there_row, there_column = there_row[joined], there_column[joined]
            gradient = copied[here] - _at(picture, from_rows[here] + down, from_columns[here] + across, copied[here])
            seam = np.flatnonzero((there >= 0) & (offsets[here] != offsets[there]).any(1))
            other = there[seam]
            seen = _at(picture, from_rows[other] - down, from_columns[other] - across, copied[other]) - copied[other]
            gradient[seam] = 0.5 * (gradient[seam] + seen)
            diagonal[here] += 1
            right[here] += gradient
            free = there >= 0
            right[here[~free]] += picture[there_row[~free], there_column[~free]]
            tails.append(here[free])
            heads.append(there[free])
        tail, head = np.concatenate(tails), np.concatenate(heads)
        places = np.arange(count)
        matrix = sparse.csr_matrix(
            (
                np.concatenate([diagonal, np.full(len(tail), -1.0)]),
                (np.concatenate([places, tail]), np.concatenate([places, head])),
            ),
            shape=(count, count),
        )
        return cls(matrix=matrix, right=right, copied=copied)

    def solved(self) -> npt.NDArray[np.float64]:
        """(n, C) the solution, directly: for some ten thousands of pixels at most."""
        factors = splu(self.matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        solution: npt.NDArray[np.float64] = factors.solve(self.right)
        return solution

    def improved(self, guess: npt.NDArray[np.floating[Any]], rounds: int) -> npt.NDArray[np.float64]:
        """(n, C) nearer to the solution than a guess whose errors are short, by conjugate gradients."""
        channels = range(guess.shape[1])
        return np.stack(
            [cg(self.matrix, self.right[:, k], guess[:, k], rtol=0, maxiter=rounds)[0] for k in channels], 1
        )


def _at(picture: Picture, rows: Integers, columns: Integers, otherwise: Picture) -> Picture:
    """(n, C) the picture at n places; where one lies outside, something else."""
    height, width = picture.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    values = otherwise.copy()
    values[inside] = picture[rows[inside], columns[inside]]
    return values
