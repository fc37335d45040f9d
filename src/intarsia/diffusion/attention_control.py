"""Self-attention control: cells attend to a source image as well, or are kept from attending to some cells.

    injection = SourceInjection(diffusion.unet, rows, columns, correspondence)
    with injection.attached():
        diffusion.predict(torch.cat([noisy_source, noisy]), timestep, text)  # the first row is the source

    with mask_self_attention(diffusion.unet, hidden):
        diffusion.predict(noisy, timestep, text)

Inside the block the network's self-attention answers differently, afterwards it is as it was. Nothing is
kept between evaluations: the source goes through the network in the same batch as what it is given to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

FIRMNESS = 6.0
"""By how much, before the softmax, a cell prefers the source's cells of its own object over those of others."""

NEVER = -1e4
"""Added before the softmax where a cell may not attend; finite, and within half precision."""

FUSED_WIDTH = 8
"""Fused attention kernels take heads whose width is a multiple of this; others are left to a matrix of all scores."""


@dataclass(frozen=True, kw_only=True)
class Correspondence:
    """Which cell of the source belongs at each cell, on one grid of n cells, row by row.

    Attributes:
        index: (n,) the source's cell that belongs at each cell.
        known: (n,) whether there is one; no cell attends to the others.
        labels: (n, L) how far each cell belongs to each object, or to the background; adds up to at most 1.
        source_labels: (n, L) the same of the source's cell at `index`.
    """

    index: Tensor
    known: Tensor
    labels: Tensor
    source_labels: Tensor


class SourceInjection:
    """Gives the self-attention of a batch the keys and values of its first row, each at its new place.

    The first row, the source, answers as always. The others attend to their own cells and, as much, to the
    source's: softly kept to those of the same object, so that an object's looks come from that object.

    What does not depend on the step of sampling is computed once, however often it is attached.

    Args:
        unet: a UNet2DConditionModel.
        rows, columns: of the latents that it will be given.
        correspondence: of the grid of so many rows and columns; asked once for each resolution.

    Source: mutual self-attention, Cao et al. 2023, arXiv:2304.08465, eq. 3; here with own and source keys
    side by side, the source's moved with its objects.
    """

    def __init__(
        self, unet: Any, rows: int, columns: int, correspondence: Callable[[int, int], Correspondence]
    ) -> None:
        self.unet, self.rows, self.columns, self.correspondence = unet, rows, columns, correspondence
        self._matches: dict[int, Correspondence] = {}
        self._channels: dict[tuple[int, int, torch.device, torch.dtype], _Channels] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Inject inside the block; afterwards the network is as it was."""
        with replaced_processors(self.unet, lambda answering: InjectSelfAttention(answering, self._channels_of)):
            yield

    def _channels_of(self, states: Tensor) -> _Channels:
        """What is added to queries and keys, (B, heads, n, d), of a layer."""
        cells, width = states.shape[-2:]
        key = (cells, width, states.device, states.dtype)
        if key not in self._channels:
            if cells not in self._matches:
                self._matches[cells] = self.correspondence(*grid_of(cells, self.rows, self.columns))
            self._channels[key] = _channels_for(self._matches[cells], width, states)
        return self._channels[key]


@dataclass(frozen=True)
class _Channels:
    """Channels that are added to the queries and keys of one layer, (n, e) each, and how it finds its source.

    The preference for the own object is a product of labels: it fits into the product of queries and keys as
    further channels, which spares a matrix of all cells against all cells. Channels of zeros, which change no
    product, fill the width up to one that fused kernels take.

    Attributes:
        index: (n,) the source's cell that belongs at each cell.
        queries: of all rows but the source's.
        own, source: of a cell's keys, own and the source's.
    """

    index: Tensor
    queries: Tensor
    own: Tensor
    source: Tensor


def _channels_for(match: Correspondence, width: int, like: Tensor) -> _Channels:
    """The channels of layers whose heads are `width` wide, on the device and in the precision of `like`."""
    offset = torch.where(match.known, -FIRMNESS, NEVER)[:, None]
    queries = torch.cat([FIRMNESS * match.labels, torch.ones_like(offset)], 1)
    source = torch.cat([match.source_labels, offset], 1)
    padding = (0, -(width + queries.shape[1]) % FUSED_WIDTH)
    queries, source = (F.pad(part, padding).to(like.device, like.dtype) for part in (queries, source))
    return _Channels(match.index.to(like.device), queries, torch.zeros_like(source), source)


@contextmanager
def mask_self_attention(unet: Any, hidden: Tensor) -> Iterator[None]:
    """Let no cell attend to those that are hidden, so that what is painted there follows from the rest.

    Args:
        unet: a UNet2DConditionModel.
        hidden: (rows, columns) share of each latent cell in [0, 1] that is hidden; a cell counts from a half.
            On a coarser grid where nothing would be left to attend to, nothing is hidden.

    Source: attention suppression for the removal of objects, Sun et al. 2024, arXiv:2412.12974, sec. 3.2.
    """
    rows, columns = hidden.shape
    found: dict[tuple[int, int], Tensor] = {}

    def bias(cells: int) -> Tensor:
        grid = grid_of(cells, rows, columns)
        if grid not in found:
            gone = F.adaptive_avg_pool2d(hidden.float()[None], grid).flatten() >= 0.5
            found[grid] = torch.where(gone & ~gone.all(), NEVER, 0.0)
        return found[grid]

    with replaced_processors(unet, lambda answering: MaskSelfAttention(answering, bias)):
        yield


@contextmanager
def replaced_processors(unet: Any, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """Wrap the processors of all layers of self-attention, and put the old ones back."""
    original: Mapping[str, Any] = dict(unet.attn_processors)
    try:
        unet.set_attn_processor({n: wrap(p) if n.endswith("attn1.processor") else p for n, p in original.items()})
        yield
    finally:
        unet.set_attn_processor(dict(original))  # a copy: the call empties the dictionary it is given


class InjectSelfAttention:
    """An attention processor: see `SourceInjection`."""

    def __init__(self, answering: Any, channels_of: Callable[[Tensor], _Channels]) -> None:
        self.answering, self.channels_of = answering, channels_of

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if encoder_hidden_states is not None or attention_mask is not None or len(hidden_states) < 2:
            return default_attention(self, attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        query, key, value = split_heads(attn, hidden_states)
        added = self.channels_of(query)
        others, width = len(query) - 1, query.shape[-1]
        scaled = extend_features(query[1:] * attn.scale, added.queries)
        own, source = (
            extend_features(key[1:], added.own),
            extend_features(key[:1, :, added.index], added.source),
        )
        keys = torch.cat([own, source.expand(others, -1, -1, -1)], 2)
        values = torch.cat([value[1:], value[:1, :, added.index].expand(others, -1, -1, -1)], 2)
        # Fused kernels want values as wide as the keys; what is added is zero, and cut off again.
        values = F.pad(values, (0, keys.shape[-1] - width))
        moved = F.scaled_dot_product_attention(scaled, keys, values, scale=1.0)[..., :width]
        first = F.scaled_dot_product_attention(query[:1], key[:1], value[:1], scale=attn.scale)
        return join_heads(attn, torch.cat([first, moved]))


class MaskSelfAttention:
    """An attention processor: see `mask_self_attention`."""

    def __init__(self, answering: Any, bias: Callable[[int], Tensor]) -> None:
        self.answering, self.bias = answering, bias

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if encoder_hidden_states is not None or attention_mask is not None:
            return default_attention(self, attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        query, key, value = split_heads(attn, hidden_states)
        bias = self.bias(hidden_states.shape[1]).to(query.device, query.dtype)
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None, None, None], scale=attn.scale)
        return join_heads(attn, answer)


def default_attention(
    processor: InjectSelfAttention | MaskSelfAttention,
    attn: Any,
    hidden_states: Tensor,
    encoder_hidden_states: Tensor | None,
    attention_mask: Tensor | None,
    temb: Tensor | None,
) -> Tensor:
    """The answer of the network's own processor."""
    answer: Tensor = processor.answering(
        attn, hidden_states, encoder_hidden_states=encoder_hidden_states, attention_mask=attention_mask, temb=temb
    )
    return answer


def split_heads(attn: Any, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, n, D) states of a layer -> its queries, keys and values, (B, heads, n, d) each."""
    query, key, value = (
        project(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for project in (attn.to_q, attn.to_k, attn.to_v)
    )
    return query, key, value


def join_heads(attn: Any, answer: Tensor) -> Tensor:
    """(B, heads, n, d) -> (B, n, D), through the layer's output."""
    states: Tensor = answer.transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        states = layer(states)
    return states


def extend_features(states: Tensor, channels: Tensor) -> Tensor:
    """(B, heads, n, d) and (n, e) -> (B, heads, n, d + e)."""
    return torch.cat([states, channels.expand(*states.shape[:2], -1, -1)], -1)


def grid_of(cells: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a layer with so many cells, in a network that halves latents of rows x columns."""
    factor = 1
    while True:
        grid = math.ceil(rows / factor), math.ceil(columns / factor)
        if grid[0] * grid[1] <= cells:
            assert grid[0] * grid[1] == cells, f"{cells} cells from latents of {rows} x {columns}"
            return grid
        factor *= 2
