"""SigLIP and SigLIP 2: pictures and texts in one space, trained pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, SiglipModel

from intarsia.backbones.clip import ClipScorer
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.preprocessing import read_preprocessing
from intarsia.backbones.tokens import tokenize


class SiglipScorer(ClipScorer):
    """An `ImageTextScorer` over a SiglipModel (Zhai et al. 2023, arXiv:2303.15343; Tschannen et al. 2025,
    arXiv:2502.14786).

    Its cosines of pictures and texts are much smaller than CLIP's, so that numbers that were chosen for CLIP do not
    carry over; orders and differences do. It has no [CLS]: where one is asked for, the mean of the patches stands.
    """

    def embed_images(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, D) unit vectors on the CPU; differentiable in the pictures."""
        pooled: Tensor = self.memory.attempt(lambda: self._see(pictures)).pooler_output
        return functional.normalize(pooled.float(), dim=-1).cpu()

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """T texts -> (T, D) unit vectors on the CPU. Texts longer than the model reads are cut, with a warning."""
        # Trained on lower case, on texts that are padded to the end and read without a mask.
        tokens = tokenize(self.tokenizer, [text.lower() for text in texts], self.text_limit, whole=True)
        ids = tokens["input_ids"].to(self.memory.device)
        pooled: Tensor = self.memory.attempt(lambda: self.model.text_model(input_ids=ids)).pooler_output
        return functional.normalize(pooled.float(), dim=-1).cpu()

    def patch_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, N, D) tokens of the last layer, on the CPU; differentiable."""
        tokens: Tensor = self.memory.attempt(lambda: self._see(pictures)).last_hidden_state
        return tokens.float().cpu()

    def inner_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1 + N, D) tokens before the last block, their mean first, on the CPU;
        differentiable."""
        seen = self.memory.attempt(lambda: self._see(pictures, output_hidden_states=True))
        tokens: Tensor = seen.hidden_states[-2].float()
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1).cpu()


def load_siglip(
    folder: Path, *, device: str = "cpu", memory: Memory | None = None, dtype: torch.dtype = torch.float32
) -> SiglipScorer:
    """Load a SigLIP checkpoint from a folder; by default in float32.

    Args:
        memory: of the device, where other networks share it.
    """
    memory = memory or Memory(device)
    model = memory.offloader.admit(load_network(SiglipModel, folder, dtype=dtype), finest="low")
    tokenizer = load_tokenizer(AutoTokenizer, folder)
    # Some of its tokenizers leave the mask out, which `tokenize` counts on.
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return SiglipScorer(model, tokenizer, read_preprocessing(folder), memory=memory)
