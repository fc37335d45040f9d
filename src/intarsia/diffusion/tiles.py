"""Overlapping tiles: a denoiser that sees a large latent image in pieces of the size that it was trained at.

At every step its predictions are averaged where tiles overlap, so that all tiles go on from common latents.

Source: Bar-Tal et al. 2023, "MultiDiffusion", arXiv:2302.08113, eq. 5.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OVERLAP = 0.5
"""Share of a tile's side that it has in common with the next one, at the least."""


def tile_starts(length: int, side: int, overlap: float = OVERLAP) -> list[int]:
    """Where tiles begin on a line: evenly spread, the first at its beginning and the last at its end.

    Args:
        length: of the line, in cells.
        side: of a tile, in cells; a shorter line has one tile.
        overlap: share of the side, in [0, 1).
    """
    if length <= side:
        return [0]
    gaps = -(-(length - side) // max(int(side * (1 - overlap)), 1))
    return [round(k * (length - side) / gaps) for k in range(gaps + 1)]


def tent(rows: int, columns: int) -> Tensor:
    """(rows, columns) weights, 1 in the middle, falling linearly to above 0 at the borders."""
    down, across = (1 - (2 * torch.arange(n) + 1 - n).abs() / (n + 1) for n in (rows, columns))
    return torch.minimum(down[:, None], across[None])


class TiledDenoiser:
    """A denoising network that is called as the whole one is, and asks it tile by tile.

    Args:
        unet: the network.
        side: of a tile, in latent cells.
        wanted: (B, 1, h, w), above 0 where an answer is wanted; tiles without such a cell are left out.
        batch: latents that the network is given at once, at most.
    """

    def __init__(self, unet: Any, side: int, wanted: Tensor, batch: int, overlap: float = OVERLAP) -> None:
        self.unet, self.config, self.dtype = unet, unet.config, unet.dtype
        self.batch = batch
        any_wanted = (wanted > 0).any(0)[0]
        rows, columns = any_wanted.shape
        tiles = [
            (slice(top, top + side), slice(left, left + side))
            for top in tile_starts(rows, side, overlap)
            for left in tile_starts(columns, side, overlap)
        ]
        self.tiles = [tile for tile in tiles if any_wanted[tile].any()]
        self.weight = torch.zeros(rows, columns)
        for tile in self.tiles:
            self.weight[tile] += tent(*self.weight[tile].shape)

    @property
    def answered(self) -> Tensor:
        """(h, w) bool: the cells of the tiles that are not left out."""
        return self.weight > 0

    def __call__(
        self, sample: Tensor, timestep: Any, *, encoder_hidden_states: Tensor, return_dict: bool = False, **rest: Any
    ) -> tuple[Tensor]:
        """(B, C, h, w) latents and what is told with them -> a tuple of (B, C, h, w), 0 where no tile is.

        Args:
            encoder_hidden_states: (B, L, D) states of the text encoder.
            rest: what the network is given besides, the same for all tiles.
        """
        assert not return_dict, "a tuple is all that is returned"
        count = len(sample)
        total: Tensor | None = None
        at_once = max(self.batch // count, 1)
        for start in range(0, len(self.tiles), at_once):
            tiles = self.tiles[start : start + at_once]
            pieces = torch.cat([sample[:, :, rows, columns] for rows, columns in tiles])
            text = encoder_hidden_states.repeat(len(tiles), 1, 1)
            answers = self.unet(pieces, timestep, encoder_hidden_states=text, return_dict=False, **rest)[0]
            if total is None:
                total = answers.new_zeros(count, answers.shape[1], *sample.shape[-2:], dtype=torch.float32)
            for (rows, columns), answer in zip(tiles, answers.split(count), strict=True):
                total[:, :, rows, columns] += answer.float() * tent(*answer.shape[-2:]).to(answer.device)
        assert total is not None, "no tile is wanted"
        return ((total / self.weight.clamp(min=1e-6).to(total.device)).to(sample.dtype),)
