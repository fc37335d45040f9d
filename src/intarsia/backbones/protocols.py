"""What the methods ask of pretrained networks.

Pictures are (B, 3, H, W) float tensors in [-1, 1], masks (B, 1, H, W) in [0, 1] with 1 = repaint,
embeddings unit vectors. Every network stands behind one of these protocols, real or pocket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

OnStep = Callable[[int, int], None]  # (steps done, steps in all) of one call; may raise Cancelled


@dataclass
class Meter:
    """Counts what the denoiser was asked: one sample-evaluation is one latent through it once.

    Guidance doubles the count. The figure is the same on every machine.
    """

    evaluations: int = 0


class Inpainter(Protocol):
    """A frozen text-guided inpainting model."""

    name: str
    native_side: int
    """Short side of the pictures that it was trained on, pixels."""
    stride: int
    """Sides of its pictures must be multiples of this, pixels."""
    meter: Meter

    def inpaint(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Repaint one picture inside each of B masks.

        Candidate b starts from the noise of seeds[b], whatever the batch around it: equal seeds give
        equal noise (common random numbers).

        Args:
            picture: (1, 3, H, W).
            masks: (B, 1, H, W), binary.
            prompts: B texts.
            seeds: B seeds.

        Returns:
            (B, 3, H, W) on the CPU, float32, not yet pasted back.
        """
        ...


class ImageTextScorer(Protocol):
    """A CLIP-like model: pictures and texts in one space."""

    def embed_images(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D) unit vectors; differentiable in the pictures."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """B texts -> (B, D) unit vectors. Texts longer than the model reads are cut, with a warning."""
        ...

    def patch_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, D) last visual tokens of the patches, not normalised."""
        ...


@dataclass(frozen=True, kw_only=True)
class PatchFeatures:
    """A picture as its patches.

    Attributes:
        features: (D, rows, columns).
        saliency: (rows, columns), the [CLS] token's attention in the last layer, mean over heads, sums to 1.
    """

    features: Tensor
    saliency: Tensor


class PatchEncoder(Protocol):
    """A self-supervised ViT (DINO)."""

    def encode(self, picture: Tensor) -> PatchFeatures:
        """(1, 3, H, W) -> features and saliency on the patch grid of the whole picture, aspect ratio kept."""
        ...


class Segmenter(Protocol):
    """Finds by words."""

    def heat(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W), T texts -> (T, H, W) probability in [0, 1] that a pixel shows the text."""
        ...


@dataclass(frozen=True, kw_only=True)
class Backbones:
    """All the pretrained networks that an edit needs, loaded once and shared.

    Attributes:
        name: what the user asked for, after `auto` was resolved.
        versions: repository and revision of each part, for the record.
    """

    name: str
    inpainter: Inpainter
    scorer: ImageTextScorer
    patches: PatchEncoder
    segmenter: Segmenter
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
