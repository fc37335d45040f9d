"""CLIP: pictures and texts in one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPModel, CLIPTokenizer

from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.preprocessing import Preprocessing, read_preprocessing
from intarsia.backbones.tokens import tokenize


class ClipScorer:
    """An `ImageTextScorer` over a CLIPModel.

    The whole picture is squashed to the model's square: cropping would hide edits near the border.

    Args:
        memory: of the device on which it works, where the model was taken in; by default the CPU's.
    """

    def __init__(self, model: Any, tokenizer: Any, preparation: Preprocessing, *, memory: Memory | None = None) -> None:
        self.model = model
        self.memory = memory or Memory()
        self.tokenizer = tokenizer
        self.preparation = preparation
        self.side: int = model.config.vision_config.image_size
        self.text_limit: int = model.config.text_config.max_position_embeddings

    def embed_images(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, D) unit vectors on the CPU; differentiable in the pictures."""

        def embed() -> Tensor:
            projected: Tensor = self.model.visual_projection(self._see(pictures).pooler_output)
            return projected

        return functional.normalize(self.memory.attempt(embed).float(), dim=-1).cpu()

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """T texts -> (T, D) unit vectors on the CPU. Texts longer than the model reads are cut, with a warning."""
        tokens = tokenize(self.tokenizer, texts, self.text_limit)
        tokens = {name: ids.to(self.memory.device) for name, ids in tokens.items()}

        def embed() -> Tensor:
            projected: Tensor = self.model.text_projection(self.model.text_model(**tokens).pooler_output)
            return projected

        return functional.normalize(self.memory.attempt(embed).float(), dim=-1).cpu()

    def patch_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, N, D) tokens of the last layer without [CLS], on the CPU; differentiable."""
        tokens: Tensor = self.memory.attempt(lambda: self._see(pictures)).last_hidden_state
        return tokens[:, 1:].float().cpu()

    def inner_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1 + N, D) tokens before the last block, [CLS] first, on the CPU; differentiable."""
        seen = self.memory.attempt(lambda: self._see(pictures, output_hidden_states=True))
        tokens: Tensor = seen.hidden_states[-2]
        return tokens.float().cpu()

    def _see(self, pictures: Tensor, **wanted: bool) -> Any:
        prepared = self.preparation(pictures.to(self.memory.device), (self.side, self.side))
        return self.model.vision_model(pixel_values=prepared.to(self.model.dtype), **wanted)


def load_scorer(
    folder: Path, *, device: str = "cpu", memory: Memory | None = None, dtype: torch.dtype = torch.float32
) -> ClipScorer:
    """Load a CLIP checkpoint from a folder; by default in float32: cosines of near-equal pictures need the digits.

    Args:
        memory: of the device, where other networks share it.
    """
    memory = memory or Memory(device)
    model = memory.offloader.admit(load_network(CLIPModel, folder, dtype=dtype), finest="low")
    tokenizer = load_tokenizer(CLIPTokenizer, folder)
    return ClipScorer(model, tokenizer, read_preprocessing(folder), memory=memory)
