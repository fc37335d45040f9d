"""What the methods ask of pretrained networks.

Pictures are (B, 3, H, W) float tensors in [-1, 1], masks (B, 1, H, W) in [0, 1] with 1 = repaint,
embeddings unit vectors. Every network stands behind one of these protocols, real or pocket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes
from intarsia.records.choices import Sampler

if TYPE_CHECKING:  # what fills a background on a plain CPU needs no torch
    import torch
    from torch import Tensor

    from intarsia.backbones.memory import Memory
    from intarsia.diffusion.ddim import Prediction

OnStep = Callable[[int, int], None]  # (steps done, steps in all) of one call; may raise Cancelled


@dataclass
class EvalCounter:
    """Counts what the denoiser was asked: one sample-evaluation is one latent through it once.

    Guidance doubles the count. The figure is the same on every machine.

    Attributes:
        evaluations: forward.
        backward: of them, those through which a gradient was taken.
    """

    evaluations: int = 0
    backward: int = 0


class Inpainter(Protocol):
    """A frozen text-guided inpainting model."""

    name: str
    native_side: int
    """Short side of the pictures that it was trained on, pixels."""
    stride: int
    """Sides of its pictures must be multiples of this, pixels."""
    cell: int
    """Pixels of a latent cell's side."""
    counter: EvalCounter
    tokenizer: Any
    """Of the text encoder that reads most of a prompt."""
    text_limit: int
    """Tokens that it reads, begin and end included; at once, where it reads longer prompts in chunks."""
    dtype: torch.dtype
    """Precision of the denoiser."""

    def with_own_scheduler(self) -> Inpainter:
        """The same model, stepping as its checkpoint's own scheduler does; its name tells it from this one."""
        ...

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
        strength: float = 1.0,
        tile: int | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Repaint a picture inside each of B masks.

        Candidate b starts from the noise of seeds[b], whatever the batch around it: equal seeds give
        equal noise (common random numbers).

        Args:
            picture: (1, 3, H, W), one for all masks, or (B, 3, H, W), one a mask.
            masks: (B, 1, H, W) in [0, 1]. Grey says how far a place may change: it stays the original's for
                the first steps, and takes part in that share of them, 1 from the first step on. In a soft mask 0
                never changes, but for what the autoencoder loses.
            prompts: B texts.
            seeds: B seeds.
            strength: share of the schedule that is done, in (0, 1]. Below 1 it begins with the picture, also within
                the masks, as noisy as its last floor(strength * steps) steps take it, at least one.
            tile: side in pixels, a multiple of `stride`, of overlapping tiles in which a larger picture is denoised;
                tiles that no mask touches are left out. By default it is denoised as a whole.

        Returns:
            (B, 3, H, W) on the CPU, float32, not yet pasted back.
        """
        ...


@runtime_checkable
class StepsBySamplers(Protocol):
    """An inpainter whose steps may be those of several samplers.

    Attributes:
        own_scheduler: the checkpoint's, which says what its denoiser predicts and how noisy a timestep is.
    """

    own_scheduler: Any

    def with_sampler(self, sampler: Sampler) -> Inpainter:
        """The same model, stepping by a sampler over its checkpoint's schedule of noise; its name tells it from this one.

        Raises:
            ModelError: the sampler is not made for its schedule.
        """
        ...


@runtime_checkable
class WeighsWords(Protocol):
    """An inpainter whose text encoders may heed weights of words, and read longer prompts in chunks.

    Attributes:
        reads_weights: whether they do.
    """

    reads_weights: bool


@dataclass(frozen=True, kw_only=True)
class InpaintingStage:
    """A candidate after some steps of its schedule.

    Attributes:
        picture: (3, H, W) on the CPU, float32, not yet pasted back: what the clean latents show that its last step
            predicted; of a finished one, the picture.
        done: steps done.
        steps: of the whole schedule.
        state: what its inpainter goes on from, a few latents of memory; None once finished.
    """

    picture: Tensor
    done: int
    steps: int
    state: Any = None


@runtime_checkable
class PaintsInStages(Protocol):
    """An inpainter that can pause within a schedule, to let its candidates be judged, and go on with some of them.

    What it finishes is what `Inpainter.inpaint` paints in a single go, at the same evaluations in all.
    """

    def begin_inpainting(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        until: int,
        on_step: OnStep | None = None,
    ) -> list[InpaintingStage]:
        """Do the first `until` of `steps` steps, from 1 on, of B candidates; else as `Inpainter.inpaint`."""
        ...

    def continue_inpainting(
        self, stages: Sequence[InpaintingStage], *, until: int, on_step: OnStep | None = None
    ) -> list[InpaintingStage]:
        """Do the next steps of candidates, whatever became of those that began with them.

        Args:
            stages: unfinished, of one size, number of steps done and schedule; none is used up.
            until: steps that are done then, in all; more than now.
            on_step: told of the steps of this call.
        """
        ...


class InstructionEditor(Protocol):
    """A frozen model that edits a whole picture as it is told, without a mask.

    What it gives back is shifted, zoomed and tinted a little beside the edit: see `imaging.undo_drift`. The attributes
    are those of `Inpainter`.
    """

    name: str
    native_side: int
    stride: int
    cell: int
    counter: EvalCounter
    tokenizer: Any
    text_limit: int
    dtype: torch.dtype

    def edits(
        self,
        pictures: Sequence[Tensor],
        instructions: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        on_step: OnStep | None = None,
    ) -> list[Tensor]:
        """Edit B pictures, each from the noise of its seed, whatever the others.

        Args:
            pictures: (3, H, W) in [-1, 1], of any sizes.
            instructions: B texts, e.g. "Change the tree to a palm".
            seeds: B seeds.

        Returns:
            (3, h, w) each, at a size of the model's own and nearly the picture's aspect ratio; on the CPU, float32.
        """
        ...


class LatentDiffusion(Protocol):
    """A text-to-image model in its parts, for methods that run the sampling loop themselves.

    Latents are (B, C, h, w), scaled to about unit deviation; a latent cell is `vae_scale_factor` pixels wide.
    Timesteps are those of the training schedule: 0 is almost clean, the last is (almost) noise alone.
    """

    name: str
    native_side: int
    """Short side of the pictures that it was trained on, pixels."""
    stride: int
    """Sides of its pictures must be multiples of this, pixels."""
    vae_scale_factor: int
    """Pixels of a latent cell's side."""
    counter: EvalCounter
    alphas_cumprod: Tensor
    """(T,) signal power of each timestep, on the CPU, falling."""
    unet: Any
    """The denoising network, for what attaches to its attention; frozen."""
    tokenizer: Any
    text_encoder: Any
    memory: Memory
    """Of its device; what takes gradients through it is attempted there."""
    learns: bool
    """Whether it can learn words for objects, and paint them at the places of a layout."""

    @property
    def device(self) -> str: ...

    def timesteps(self, steps: int) -> list[int]:
        """The timesteps of a schedule of so many steps, from noise to clean."""
        ...

    def predict(self, noisy: Tensor, timestep: int | Tensor, text: Tensor) -> Prediction:
        """Noise and clean latents; differentiable in `noisy` and `text`, and counted.

        Args:
            noisy: (B, C, h, w).
            timestep: one for all, or (B,).
            text: (B, L, D) states of the text encoder.
        """
        ...

    def encode_text(self, texts: Sequence[str], *, beside: Sequence[str] = ()) -> Tensor:
        """B texts -> (B, K * L, D), differentiable in the token embeddings.

        L is the text encoder's whole length, and K the number of chunks that the longest text needs. Words may be
        weighted: see `parse_weights`.

        Args:
            beside: other texts that must come out as long, since the denoiser is told both in one batch.
        """
        ...

    def encode_image(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, h, w), the mode of the autoencoder's posterior."""
        ...

    def decode_latents(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) in [-1, 1], float32 on the CPU."""
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

    def inner_tokens(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + N, D) visual tokens before the last block, [CLS] first, not normalised."""
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


@runtime_checkable
class EncodesKeys(Protocol):
    """A patch encoder whose self-attention can be looked into."""

    def encode_keys(self, picture: Tensor) -> Tensor:
        """(1, 3, H, W) -> (T, D) keys of the last layer's self-attention, [CLS] first, then the patches."""
        ...


class Segmenter(Protocol):
    """Segmentation by words."""

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W), T texts -> (T, H, W) probability in [0, 1] that a pixel shows the text."""
        ...


@runtime_checkable
class KnowsNouns(Protocol):
    """What reads few words alone.

    Attributes:
        nouns: all that it knows; empty where they are not counted.
    """

    nouns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MaskProposals:
    """What a mask refiner proposes: several masks for each object, since a place may mean a thing or a part of it.

    Attributes:
        masks: (N, P, H, W) bool, P proposals for each of N objects, at the picture's size.
        scores: (N, P) how well each fits the object, as the network expects it, about 0 to 1.
    """

    masks: Tensor
    scores: Tensor


@runtime_checkable
class MaskRefiner(Protocol):
    """Exact masks of objects that boxes and points show; it reads no words."""

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        """(1, 3, H, W), for each of N objects a box around it and a point on it, in pixels -> masks of them."""
        ...


class BackgroundFill(Protocol):
    """Fills a region of an image with what may lie behind the objects that stand there."""

    name: str
    """As settings have it: patch, membrane, diffusion, lama, migan."""
    version: str
    """Of the library or the file that does it, for the record."""

    @property
    def cache_key(self) -> tuple[object, ...]:
        """What its fills depend on besides the name, the version and the image."""
        ...

    def fill(self, image: Bytes, hole: Mask, others: Mask, *, seed: int = 0) -> Bytes:
        """Fill a hole.

        Args:
            image: (H, W, 3) levels, at the photo's own size.
            hole: (H, W) what is filled.
            others: (H, W) other objects: neither copied from nor joined on to.
            seed: of the search, or of the noise.

        Returns:
            (H, W, 3); equal to the image outside the hole.

        Raises:
            RegionError: there is nothing left to fill the hole from.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Backbones:
    """All the pretrained networks that an edit needs, loaded once and shared.

    Attributes:
        name: what the user asked for, after `auto` was resolved.
        diffusion: paints from text alone, in its parts; shares networks with the inpainter where it can. None where
            the checkpoint is not used in its parts.
        editor: the checkpoint as what edits by instructions; None where it does not.
        versions: repository and revision of each part, for the record.
    """

    name: str
    inpainter: Inpainter
    diffusion: LatentDiffusion | None
    scorer: ImageTextScorer
    patches: PatchEncoder
    segmenter: Segmenter
    editor: InstructionEditor | None = None
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def in_parts(self) -> LatentDiffusion:
        """The checkpoint in its parts, for what guides its sampling step by step.

        Raises:
            ModelError: it is not used in its parts.
        """
        if self.diffusion is None:
            raise ModelError(
                f"{self.name} repaints regions, but its sampling cannot be guided step by step",
                Remedy(Setting("models", "sd15", verb="pass")),
            )
        return self.diffusion

    @property
    def learner(self) -> LatentDiffusion:
        """The checkpoint in its parts, for what learns words for objects and paints them at the places of a layout.

        Raises:
            ModelError: it does not learn any.
        """
        if self.diffusion is None or not self.diffusion.learns:
            raise ModelError(
                f"{self.name} cannot learn objects' looks, nor be guided by a layout to paint them again",
                Remedy(Setting("models", "sd15", verb="pass")),
            )
        return self.diffusion

    @property
    def painter(self) -> LatentDiffusion | Inpainter:
        """What a layout's regions are painted with: the checkpoint in its parts where it is used so."""
        return self.inpainter if self.diffusion is None else self.diffusion

    @property
    def cache_key(self) -> tuple[str, ...]:
        """All that a computed value depends on beside its inputs: weights, device and precision."""
        weights = [f"{part}={version}" for part, version in sorted(self.versions.items())]
        return (self.name, self.painter.name, *weights, self.device, str(self.inpainter.dtype))
