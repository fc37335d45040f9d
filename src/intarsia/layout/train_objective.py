"""The objective of learning: batches of noisy copies of the photo, and the noise and attention losses of a stage."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import LatentDiffusion
from intarsia.diffusion.attention_maps import AttentionRecorder
from intarsia.diffusion.ddim import Conditioned, add_noise, draw_noise, last_timesteps, masked_noise_loss, sample
from intarsia.diffusion.loss_scale import LossScale
from intarsia.diffusion.sampling_hooks import ClassifierFreeGuidance
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import resize_to_photo
from intarsia.layout.cache import key_of
from intarsia.layout.concepts import Phrases, weights_updated
from intarsia.layout.prompts import prompt_for, sentence, token_positions, with_additions
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ArrangeRecord, LearnSettings

MOST_EMPHASIS = 5.0
"""Most that the error at a noisy timestep weighs over that at a clean one; see `emphasis`."""

HALF_SCALE = 1024.0
"""Factor with which losses begin in half precision: less than for guidance, since an update that overflows is lost."""

SAMPLE_STEPS = 12
"""Denoising steps of a whole schedule: enough to see what is painted."""

SAMPLE_STRENGTH = 0.5
"""Part of the schedule that one runs: objects stay at their places, and finer looks must come from what was learned."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One round of learning.

    Attributes:
        label: what is learned, for progress and trackers.
        objects: indices of the objects whose tokens learn; empty where keys and values do.
        steps: updates.
        rate: of learning.
        batch: noisy copies of the photo in each.
    """

    label: str
    objects: tuple[int, ...]
    steps: int
    rate: float
    batch: int


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A scene as the denoiser is given it.

    Attributes:
        prompt, background: of the record.
        clean: (1, C, h, w) latents of the photo.
        cells: (N, 1, h, w) coverage of each object.
        size: at which the models work on the photo.
    """

    scene: Scene
    prompt: str
    background: str
    clean: Tensor
    cells: Tensor
    size: Size


class TrainingPrompt(NamedTuple):
    """A prompt and the objects that learn from it.

    Attributes:
        positions: where in the prompt the token of each object stands, by the object's index.
    """

    text: str
    positions: dict[int, int]


class ConceptTrainer:
    """One stage of learning: its parameters, its batches, its losses.

    Args:
        learned: the tokens as "embeddings" and the updates of `Concepts.updates`, changed in place.
        prior: (words, (1, C, h, w) latents) of images that keep the class words as they were.
        phrases: the token of each object.
        published: learn from the noise loss alone, and keys and values from the whole image alone.
    """

    def __init__(
        self,
        diffusion: LatentDiffusion,
        data: TrainingData,
        learned: dict[str, Tensor],
        stage: Stage,
        settings: LearnSettings,
        prior: Sequence[tuple[str, Tensor]],
        phrases: Phrases,
        *,
        published: bool,
    ) -> None:
        self.diffusion, self.data, self.stage, self.settings = diffusion, data, stage, settings
        self.published = published
        self.limit: int = diffusion.text_encoder.config.max_position_embeddings
        self.updates = {} if stage.objects else {n: t for n, t in learned.items() if n != "embeddings"}
        self.embeddings = learned["embeddings"]
        # Tokens that are no object's learn beside keys and values, while those of the objects stay.
        self.held = len(data.scene.objects) if self.updates and phrases.additions else 0
        self.parameters = dict(self.updates)
        if not self.updates or self.held:
            self.parameters["embeddings"] = self.embeddings
        self.prior = [] if stage.objects else list(prior)
        self.recorder = AttentionRecorder()
        self.optimizer = torch.optim.Adam(
            {"params": [tensor], "lr": self._rate(name, tensor)} for name, tensor in self.parameters.items()
        )
        self.loss_scale = LossScale.of(diffusion.unet.dtype, HALF_SCALE)
        self.scene_prompt, *self.object_prompts = self._prompts(phrases)

    def _rate(self, name: str, tensor: Tensor) -> float:
        """The learning rate of a parameter; the published stages have one for all."""
        if name.endswith(".down"):  # what comes out of it is of unit size in any network, and so is what it moves by
            return self.stage.rate / math.sqrt(tensor.shape[1])
        if self.held and name == "embeddings" and not self.published:
            return self.settings.token_rate * float(tensor.detach().square().mean().sqrt())
        return self.stage.rate

    def _prompts(self, phrases: Phrases) -> list[TrainingPrompt]:
        """The sentence of the whole scene, and one for each object whose token stands in it."""
        objects = self.data.scene.objects
        shown = self.stage.objects or tuple(range(len(objects)))
        names = {obj.name: phrases[obj.name] if i in shown else obj.words or obj.name for i, obj in enumerate(objects)}
        whole = prompt_for(self.data.prompt, self.data.scene, names, self.data.background)
        texts = [with_additions(whole, () if self.stage.objects else phrases.additions)]
        texts += [f"a photo of a {phrases[objects[i].name]}" for i in shown]
        prompts = []
        for text, indices in zip(texts, [shown, *((i,) for i in shown)], strict=True):
            tokens = [phrases[objects[i].name] for i in indices]
            positions = token_positions(self.diffusion.tokenizer, text, tokens, self.limit)
            prompts.append(TrainingPrompt(text, dict(zip(indices, positions, strict=True))))
        return prompts

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """The model as the stage needs it, with gradients for the stage's parameters alone."""
        with contextlib.ExitStack() as attached:
            for tensor in self.parameters.values():
                tensor.requires_grad_(True)
                attached.callback(tensor.requires_grad_, False)
            if not self.published:
                attached.enter_context(self.recorder.attached(self.diffusion.unet))
            attached.enter_context(weights_updated(self.diffusion.unet, self.updates, hold_begin=self.limit))
            yield

    def update(self, seed: int) -> float:
        """One update; returns the loss before it."""
        unet = self.diffusion.unet
        return self.diffusion.memory.attempt(lambda: self._update(seed), fewer=lambda: checkpoint_gradients(unet))

    def _update(self, seed: int) -> float:
        self.optimizer.zero_grad()  # of an attempt that ended halfway
        mean_loss = 0.0
        for part in range(self.settings.accumulate):
            generator = torch.Generator("cpu").manual_seed(seed_of(seed, part))
            loss = self.loss(generator) / self.settings.accumulate
            (loss * self.loss_scale.value).backward()  # type: ignore[no-untyped-call]
            mean_loss += float(loss.detach())
        if self.held and self.embeddings.grad is not None:
            self.embeddings.grad[: self.held] = 0
        gradients = [tensor.grad for tensor in self.parameters.values() if tensor.grad is not None]
        for gradient in gradients:
            gradient /= self.loss_scale.value
        finite = [gradient.isfinite().all() for gradient in gradients]
        if not finite or bool(torch.stack(finite).all()):
            self.optimizer.step()
        else:  # half precision overflowed: this update is left out, the next ones are scaled less
            self.loss_scale.halve()
        self.optimizer.zero_grad()
        return mean_loss

    def loss(self, generator: torch.Generator) -> Tensor:
        """The loss of one batch of noisy copies of the photo, and of as many prior images.

        Source: the noise loss inside the objects' masks, Zhang et al. 2023, arXiv:2306.13078, sec. 3.
        """
        prompts = self._draw_prompts(generator)
        timesteps = spread_timesteps(len(prompts), len(self.diffusion.alphas_cumprod), generator)
        predicted, noise, alpha = self._predict_noise(self.data.clean, [p.text for p in prompts], timesteps, generator)
        weight = torch.ones_like(alpha) if self.published else emphasis(alpha).to(alpha.device)

        masked = []
        for b, prompt in enumerate(prompts):
            cells = self.data.cells[list(prompt.positions)]  # (n, 1, h, w)
            shape = (len(cells), -1, -1, -1)
            masked.append(masked_noise_loss(predicted[b].expand(shape), noise[b].expand(shape), cells).mean())
        objects = (weight * torch.stack(masked)).mean()
        whole = (weight * (predicted - noise).square().mean((1, 2, 3))).mean()
        # Where the published keys and values learn from the whole image, a small object hardly counts.
        loss = objects if self.stage.objects else whole if self.published else (objects + whole) / 2

        if not self.published:
            loss = loss + self.settings.attention_weight * self._attention_loss(prompts)
        if self.prior:
            loss = loss + self.settings.prior_weight * self._prior_loss(len(prompts), generator)
        return loss

    def _draw_prompts(self, generator: torch.Generator) -> list[TrainingPrompt]:
        """A batch: tokens learn by turns from the scene's sentence and alone, keys and values from the sentence."""
        if not self.stage.objects:
            return [self.scene_prompt] * self.stage.batch
        count = len(self.object_prompts)
        first = int(torch.randint(2 * count, (), generator=generator))
        turns = range(first, first + self.stage.batch)
        return [self.object_prompts[turn // 2 % count] if turn % 2 else self.scene_prompt for turn in turns]

    def _predict_noise(
        self, clean: Tensor, prompts: list[str], timesteps: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, h, w) the denoiser's noise and the noise that was added; (B,) the signal power of each timestep."""
        clean = clean.expand(len(prompts), -1, -1, -1)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        alpha = self.diffusion.alphas_cumprod[timesteps].to(clean)
        noisy = add_noise(clean, noise, alpha.reshape(-1, 1, 1, 1))
        with torch.set_grad_enabled("embeddings" in self.parameters):
            text = self.diffusion.encode_text(prompts)
        return self.diffusion.predict(noisy, timesteps, text).noise, noise, alpha

    def _attention_loss(self, prompts: Sequence[TrainingPrompt]) -> Tensor:
        """A loss that keeps each token's attention, scaled to at most 1, on its own object.

        Source: Avrahami et al. 2023, arXiv:2305.16311, eq. 3.
        """
        maps = self.recorder.mean()
        targets = F.adaptive_avg_pool2d(self.data.cells, (self.recorder.rows, self.recorder.columns))[:, 0]
        parts = []
        for b, prompt in enumerate(prompts):
            for index, position in prompt.positions.items():
                attention, target = maps[b, ..., position], targets[index]
                parts.append((attention / attention.amax() - target / target.amax()).square().mean())
        return torch.stack(parts).mean()

    def _prior_loss(self, count: int, generator: torch.Generator) -> Tensor:
        """Noise error on images of the classes, named by their class words.

        Source: Ruiz et al. 2023, arXiv:2208.12242, sec. 3.3.
        """
        timesteps = spread_timesteps(count, len(self.diffusion.alphas_cumprod), generator)
        chosen = torch.randint(len(self.prior), (count,), generator=generator)
        parts = []
        for timestep, index in zip(timesteps, chosen, strict=True):  # of any sizes, so one at a time
            words, clean = self.prior[int(index)]
            predicted, noise, alpha = self._predict_noise(clean, [sentence([words])], timestep[None], generator)
            weight = 1.0 if self.published else float(emphasis(alpha))
            parts.append(weight * (predicted - noise).square().mean())
        return torch.stack(parts).mean()

    @torch.no_grad()
    def sample(self, record: ArrangeRecord, seed: int) -> Photo:
        """The photo, half noised and painted again with what is learned so far."""
        timesteps = last_timesteps(self.diffusion.timesteps(SAMPLE_STEPS), SAMPLE_STRENGTH)
        clean = self.data.clean
        noise = draw_noise(clean.shape, [seed]).to(clean)
        latents = add_noise(clean, noise, self.diffusion.alphas_cumprod[timesteps[0]])
        text = self.diffusion.encode_text([record.negative_prompt, self.scene_prompt.text])
        latents = sample(
            Conditioned(self.diffusion, text), latents, timesteps, [ClassifierFreeGuidance(record.guidance)]
        )
        return photo_from_image(resize_to_photo(self.diffusion.decode_latents(latents)[0], self.data.size))

    def moments(self) -> dict[str, Tensor]:
        """The optimiser's state, for a checkpoint."""
        return {
            f"{name}:{kind}": value
            for name, tensor in self.parameters.items()
            for kind, value in self.optimizer.state[tensor].items()
        }

    def restore(self, moments: dict[str, Tensor]) -> None:
        """Set the optimiser's state from what `moments` returned."""
        for name, tensor in self.parameters.items():
            state = {k.removeprefix(f"{name}:"): v for k, v in moments.items() if k.startswith(f"{name}:")}
            self.optimizer.state[tensor] = {k: v if k == "step" else v.to(tensor.device) for k, v in state.items()}


@contextlib.contextmanager
def gradient_checkpointing(unet: Any, wanted: bool) -> Iterator[None]:
    """Activations computed twice instead of kept, where it is wanted; afterwards the network is as it was."""
    before = bool(unet.is_gradient_checkpointing)
    try:
        if wanted:
            unet.enable_gradient_checkpointing()
        yield
    finally:
        if unet.is_gradient_checkpointing and not before:
            unet.disable_gradient_checkpointing()


def checkpoint_gradients(unet: Any) -> str | None:
    """Compute activations twice instead of keeping them, where memory is short; says so, or None where it is done already."""
    if unet.is_gradient_checkpointing:
        return None
    unet.enable_gradient_checkpointing()
    return "activations are computed twice"


def seed_of(*numbers: int) -> int:
    """One seed from several: each update draws its own chances, so that a resumed one draws the same."""
    return int(key_of(*numbers)[:15], 16)


def spread_timesteps(count: int, total: int, generator: torch.Generator) -> Tensor:
    """(count,) timesteps, each drawn from its own part of 0 .. total - 1, in random order.

    A batch of two then never has clean latents alone, which would make the next update undo the last.
    """
    places = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    return (places * total / count).long().clamp(max=total - 1)


def emphasis(alpha: Tensor) -> Tensor:
    """Weight of the noise error at a signal power: 1 at clean latents, up to `MOST_EMPHASIS` at noisy ones.

    An error in the clean latents shows 1 / alpha times smaller in the noise, and it is at noisy timesteps
    that a token decides about shapes and colours. Cut off as in Hang et al. 2023, arXiv:2303.09556.
    """
    return (1 / alpha.clamp(min=1e-8)).clamp(max=MOST_EMPHASIS)
