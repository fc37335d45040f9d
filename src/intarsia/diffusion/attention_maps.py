"""Cross-attention as probability maps, one a token of the prompt, recorded while the denoiser works.

    recorder = AttentionRecorder()
    with recorder.attached(diffusion.unet):
        diffusion.predict(noisy, timestep, text)
        maps = recorder.mean()  # (B, rows, columns, tokens)

    maps = recorder.mean_of(diffusion.unet, lambda: diffusion.predict(noisy, timestep, text))  # and nothing else

Recording changes no output: the network's own attention processors still answer, and the probabilities
are computed beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MAP_SIDE = 16
"""Cells of a map's short side where objects are told apart best (Hertz et al. 2022, arXiv:2208.01626)."""

SLACK = 0.8
"""Of those cells, so many will do before finer maps are taken."""

SHARPNESS = 100.0
"""Factor before the published softmax over tokens."""


class AttentionRecorder:
    """Keeps the cross-attention of a denoiser's last evaluation, differentiably.

    Only the layers of one resolution are recorded: the coarsest that have about as many cells as asked
    for, whatever the picture's size and aspect ratio. Coarser ones hardly tell objects apart.

    Args:
        side: the asked number of cells of a map's short side.

    Attributes:
        maps: one (B, heads, rows * columns, tokens) a layer, probabilities over tokens.
        rows, columns: of the maps; 0 before the first evaluation.
    """

    def __init__(self, side: int = MAP_SIDE) -> None:
        self.side = side
        self.maps: list[Tensor] = []
        self.rows = self.columns = 0
        self._level = self._layers = 0
        self._only_maps = False

    @contextmanager
    def attached(self, unet: Any) -> Iterator[AttentionRecorder]:
        """Record every evaluation of the network inside the block; afterwards it is as it was.

        Args:
            unet: a UNet2DConditionModel; each evaluation replaces the maps of the one before.
        """
        original = dict(unet.attn_processors)
        levels = {name: level_of(name, len(unet.config.block_out_channels)) for name in original if is_cross(name)}

        def begin(_network: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            noisy = positional[0] if positional else named["sample"]
            self._begin(noisy.shape[-2:], sorted(levels.values()))

        wrapped = {
            name: Recording(processor, self, levels[name]) if name in levels else processor
            for name, processor in original.items()
        }
        hook = unet.register_forward_pre_hook(begin, with_kwargs=True)
        try:
            unet.set_attn_processor(wrapped)
            yield self
        finally:
            hook.remove()
            unet.set_attn_processor(dict(original))  # a copy: the call empties the dictionary it is given
            self.maps = []

    def mean_of(self, unet: Any, evaluate: Callable[[], object]) -> Tensor:
        """The maps of one evaluation that is asked for nothing else; see `mean_alone`.

        The network is left as it was: where it computes activations twice for gradients, the recorder must stay
        attached until the gradient is taken, and `mean_alone` serves instead.
        """
        with self.attached(unet):
            return self.mean_alone(evaluate)

    def mean_alone(self, evaluate: Callable[[], object]) -> Tensor:
        """The maps of one evaluation of the attached network, which ends at the last layer that is recorded.

        Args:
            evaluate: evaluates it, and returns nothing that is needed; hooks that follow the evaluation do not run.

        Returns:
            As `mean`.
        """
        self._only_maps = True
        try:
            evaluate()
        except _LastRecordedError:
            pass
        finally:
            self._only_maps = False
        return self.mean()

    def mean(self) -> Tensor:
        """Mean over layers and heads of the last evaluation.

        Returns:
            (B, rows, columns, tokens), which adds up to 1 over tokens.
        """
        assert self.maps, "nothing was recorded: evaluate the attached network first"
        mean = torch.stack([layer.float().mean(1) for layer in self.maps]).mean(0)
        return mean.reshape(len(mean), self.rows, self.columns, -1)

    def _begin(self, latents: tuple[int, int], levels: list[int]) -> None:
        # A level halves both sides; a side that is odd is rounded up by the strided convolution.
        sides = {n: tuple(math.ceil(side / 2**n) for side in latents) for n in levels}
        self._level = max((n for n in levels if min(sides[n]) >= SLACK * self.side), default=min(levels))
        self._layers = levels.count(self._level)
        self.rows, self.columns = sides[self._level]
        self.maps = []

    def _record(self, level: int, attention: Any, states: Tensor, text: Tensor, mask: Tensor | None) -> None:
        if level != self._level:
            return
        query, key = (
            side.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            for side in (attention.to_q(states), attention.to_k(text))
        )
        scores = query @ key.transpose(-1, -2) * attention.scale
        if mask is not None:
            prepared = attention.prepare_attention_mask(mask, text.shape[1], len(states))
            scores = scores + prepared.reshape(len(states), attention.heads, -1, text.shape[1])
        self.maps.append(scores.softmax(-1))
        if self._only_maps and len(self.maps) == self._layers:
            raise _LastRecordedError


class _LastRecordedError(Exception):
    """Leaves a network of which nothing but its maps is wanted; never seen outside."""


class Recording:
    """An attention processor that records beside the one that answers."""

    def __init__(self, answering: Any, recorder: AttentionRecorder, level: int) -> None:
        self.answering, self.recorder, self.level = answering, recorder, level

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        assert encoder_hidden_states is not None, "cross-attention without a text"
        self.recorder._record(self.level, attn, hidden_states, encoder_hidden_states, attention_mask)
        answer: Tensor = self.answering(
            attn,
            hidden_states,
            encoder_hidden_states=encoder_hidden_states,
            attention_mask=attention_mask,
            temb=temb,
        )
        return answer


def is_cross(name: str) -> bool:
    """Whether a processor's name is that of a layer that reads the text."""
    return name.endswith("attn2.processor")


def level_of(name: str, levels: int) -> int:
    """How often the latents were halved where a layer of a UNet2DConditionModel works."""
    block, index = name.split(".")[:2]
    if block == "down_blocks":
        return int(index)
    return levels - 1 - (int(index) if block == "up_blocks" else 0)


def sharpen(maps: Tensor, chunk: int | None = None) -> Tensor:
    """The published variant: a softmax over tokens, the begin token left out, which makes tokens compete for a cell.

    Args:
        maps: (B, rows, columns, tokens) mean probabilities, the begin token first.
        chunk: tokens of each chunk of a prompt, all of which begin with that token; by default it is read at once.

    Returns:
        (B, rows, columns, tokens - 1) in [0, 1].

    Source: Zhang et al. 2023, arXiv:2306.13078, sec. 3.3, after Chefer et al. 2023, arXiv:2301.13826.
    """
    scores = SHARPNESS * maps[..., 1:]
    if chunk is not None:
        scores[..., chunk - 1 :: chunk] = -torch.inf
    return F.softmax(scores, dim=-1)
