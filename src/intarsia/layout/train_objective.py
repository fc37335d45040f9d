"""What learning pays for: batches of the picture, and the noise and attention losses of a stage."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import LatentDiffusion
from intarsia.diffusion.attention_maps import AttentionRecorder
from intarsia.diffusion.ddim import add_noise, cfg, ddim_step, masked_noise_loss
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import Photo, resize_to_photo
from intarsia.imaging.read import photo_from_image
from intarsia.layout.cache import key_of
from intarsia.layout.concepts import (
    places_of,
    prompt_for,
    sentence,
    weights_updated,
)
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ArrangeRecord, LearnSettings

EMPHASIS = 5.0
"""Most that the error at a noisy timestep weighs over that at a clean one; see `emphasis`."""

HALF_SCALE = 1024.0
"""What losses are multiplied by where networks work in half precision, whose smallest gradients would vanish."""

SAMPLE_STEPS = 12
"""Denoising steps of a whole schedule: enough to see what is painted."""

SAMPLE_STRENGTH = 0.5
"""Part of the schedule that one runs: objects stay at their places, and finer looks must come from what was learned."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One round of learning.

    Attributes:
        label: what is learned, for progress and trackers.
        things: the objects whose tokens learn; empty where keys and values do.
        steps: updates.
        rate: of learning.
        batch: noisy copies of the picture in each.
    """

    label: str
    things: tuple[int, ...]
    steps: int
    rate: float
    batch: int


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """All that learning looks at.

    Attributes:
        clean: (1, C, h, w) latents of the picture.
        cells: (N, 1, h, w) coverage of each object.
        size: at which the models work on the picture.
    """

    scene: Scene
    prompt: str
    background: str
    clean: Tensor
    cells: Tensor
    size: Size


class Said(NamedTuple):
    """A prompt and the objects that pay for it: where in the prompt the token of each stands."""

    prompt: str
    places: dict[int, int]


class ConceptTrainer:
    """One stage of learning: what it updates, how its batches look, what it pays for.

    Args:
        learned: the tokens as "embeddings" and the updates of `Concepts.updates`, changed in place.
        prior: (words, (1, C, h, w) latents) of pictures that keep the class words as they were.
        phrases: the token of each object.
        published: pay for the noise alone, and with keys and values for the whole picture alone.
    """

    def __init__(
        self,
        diffusion: LatentDiffusion,
        lesson: TrainingData,
        learned: dict[str, Tensor],
        stage: Stage,
        settings: LearnSettings,
        prior: Sequence[tuple[str, Tensor]],
        phrases: dict[str, str],
        *,
        published: bool,
    ) -> None:
        self.diffusion, self.lesson, self.stage, self.settings = diffusion, lesson, stage, settings
        self.published = published
        self.updates = {} if stage.things else {n: t for n, t in learned.items() if n != "embeddings"}
        self.learning = self.updates or {"embeddings": learned["embeddings"]}
        self.prior = [] if stage.things else list(prior)
        self.recorder = AttentionRecorder()
        # What comes out of `.down` is of unit size in any network, and so is what its rate moves it by.
        self.optimizer = torch.optim.Adam(
            {
                "params": [tensor],
                "lr": stage.rate / math.sqrt(tensor.shape[1]) if name.endswith(".down") else stage.rate,
            }
            for name, tensor in self.learning.items()
        )
        self.scale = HALF_SCALE if diffusion.unet.dtype == torch.float16 else 1.0
        self.whole, self.alone = self.prompts(phrases)

    def prompts(self, phrases: dict[str, str]) -> tuple[Said, list[Said]]:
        """The full sentence, and one for each object that is taught."""
        things = self.lesson.scene.objects
        taught = self.stage.things or tuple(range(len(things)))
        said = {t.name: phrases[t.name] if i in taught else t.words or t.name for i, t in enumerate(things)}
        texts = [prompt_for(self.lesson.prompt, self.lesson.scene, said, self.lesson.background)]
        texts += [f"a photo of a {phrases[things[i].name]}" for i in taught]
        limit = self.diffusion.text_encoder.config.max_position_embeddings
        found = []
        for text, shown in zip(texts, [taught, *((i,) for i in taught)], strict=True):
            tokens = [phrases[things[i].name] for i in shown]
            places = places_of(self.diffusion.tokenizer, text, tokens, limit)
            found.append(Said(text, dict(zip(shown, places, strict=True))))
        return found[0], found[1:]

    def update(self, seed: int) -> float:
        """One update; the loss before it."""
        told = 0.0
        for part in range(self.settings.accumulate):
            generator = torch.Generator("cpu").manual_seed(seed_of(seed, part))
            loss = self.loss(generator) / self.settings.accumulate
            (loss * self.scale).backward()  # type: ignore[no-untyped-call]
            told += float(loss.detach())
        gradients = [tensor.grad for tensor in self.learning.values() if tensor.grad is not None]
        for gradient in gradients:
            gradient /= self.scale
        if all(bool(gradient.isfinite().all()) for gradient in gradients):  # half precision overflows now and then
            self.optimizer.step()
        self.optimizer.zero_grad()
        return told

    def loss(self, generator: torch.Generator) -> Tensor:
        """Of one batch of noisy copies of the picture, and as many prior pictures."""
        batch = self.draw(generator)
        timesteps = spread_timesteps(len(batch), len(self.diffusion.alphas_cumprod), generator)
        predicted, noise, alpha = self.predict(self.lesson.clean, [s.prompt for s in batch], timesteps, generator)
        weight = torch.ones_like(alpha) if self.published else emphasis(alpha).to(alpha.device)

        masked = []
        for b, said in enumerate(batch):
            cells = self.lesson.cells[list(said.places)]
            shape = (len(cells), -1, -1, -1)
            masked.append(masked_noise_loss(predicted[b].expand(shape), noise[b].expand(shape), cells).mean())
        objects = (weight * torch.stack(masked)).mean()
        whole = (weight * (predicted - noise).square().mean((1, 2, 3))).mean()
        # Where the published keys and values learn from the whole picture, a small object hardly counts.
        loss = objects if self.stage.things else whole if self.published else (objects + whole) / 2

        if not self.published:
            loss = loss + self.settings.attention_weight * self.attention_loss(batch)
        if self.prior:
            loss = loss + self.settings.prior_weight * self.prior_loss(len(batch), generator)
        return loss

    def draw(self, generator: torch.Generator) -> list[Said]:
        """A batch: tokens learn by turns from the full sentence and alone, keys and values from the sentence."""
        if not self.stage.things:
            return [self.whole] * self.stage.batch
        first = int(torch.randint(2 * len(self.alone), (), generator=generator))
        turns = range(first, first + self.stage.batch)
        return [self.alone[turn // 2 % len(self.alone)] if turn % 2 else self.whole for turn in turns]

    def predict(
        self, clean: Tensor, prompts: list[str], timesteps: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The denoiser's noise, the noise that was added, and the signal power of each timestep."""
        clean = clean.expand(len(prompts), -1, -1, -1)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        alpha = self.diffusion.alphas_cumprod[timesteps].to(clean)
        noisy = add_noise(clean, noise, alpha.reshape(-1, 1, 1, 1))
        with torch.set_grad_enabled(bool(self.stage.things)):
            text = self.diffusion.encode_text(prompts)
        return self.diffusion.predict(noisy, timesteps, text).noise, noise, alpha

    def attention_loss(self, batch: Sequence[Said]) -> Tensor:
        """How far each token's attention, scaled to at most 1, is from its object's mask.

        Source: Avrahami et al. 2023, arXiv:2305.16311, eq. 3.
        """
        maps = self.recorder.mean()
        targets = F.adaptive_avg_pool2d(self.lesson.cells, (self.recorder.rows, self.recorder.columns))[:, 0]
        parts = []
        for b, said in enumerate(batch):
            for thing, place in said.places.items():
                seen, target = maps[b, ..., place], targets[thing]
                parts.append((seen / seen.amax() - target / target.amax()).square().mean())
        return torch.stack(parts).mean()

    def prior_loss(self, count: int, generator: torch.Generator) -> Tensor:
        """Noise error on pictures of the classes, named by their class words.

        Source: Ruiz et al. 2023, arXiv:2208.12242, sec. 3.3.
        """
        timesteps = spread_timesteps(count, len(self.diffusion.alphas_cumprod), generator)
        chosen = torch.randint(len(self.prior), (count,), generator=generator)
        parts = []
        for timestep, index in zip(timesteps, chosen, strict=True):  # of any sizes, so one at a time
            words, clean = self.prior[int(index)]
            predicted, noise, alpha = self.predict(clean, [sentence([words])], timestep[None], generator)
            weight = 1.0 if self.published else float(emphasis(alpha))
            parts.append(weight * (predicted - noise).square().mean())
        return torch.stack(parts).mean()

    @torch.no_grad()
    def sample(self, record: ArrangeRecord, seed: int) -> Photo:
        """The picture painted anew with what is learned so far, the objects about where they are."""
        timesteps = self.diffusion.timesteps(SAMPLE_STEPS)[round((1 - SAMPLE_STRENGTH) * SAMPLE_STEPS) :]
        clean = self.lesson.clean
        noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(clean)
        latents = add_noise(clean, noise, self.diffusion.alphas_cumprod[timesteps[0]])
        text = self.diffusion.encode_text([record.negative_prompt, self.whole.prompt])
        latents = denoised(self.diffusion, latents, timesteps, text, record.guidance)
        return photo_from_image(resize_to_photo(self.diffusion.decode_latents(latents)[0], self.lesson.size))

    def moments(self) -> dict[str, Tensor]:
        """What the optimiser remembers."""
        return {
            f"{name}:{kind}": value
            for name, tensor in self.learning.items()
            for kind, value in self.optimizer.state[tensor].items()
        }

    def restore(self, moments: dict[str, Tensor]) -> None:
        """Go on with what the optimiser remembered."""
        for name, tensor in self.learning.items():
            kept = {k.removeprefix(f"{name}:"): v for k, v in moments.items() if k.startswith(f"{name}:")}
            self.optimizer.state[tensor] = {k: v if k == "step" else v.to(tensor.device) for k, v in kept.items()}


@contextlib.contextmanager
def recording_attention(pupil: ConceptTrainer) -> Iterator[ConceptTrainer]:
    """The model as a stage needs it, and gradients for what is learned in it alone."""
    with contextlib.ExitStack() as attached:
        for tensor in pupil.learning.values():
            tensor.requires_grad_(True)
            attached.callback(tensor.requires_grad_, False)
        if not pupil.published:
            attached.enter_context(pupil.recorder.attached(pupil.diffusion.unet))
        attached.enter_context(weights_updated(pupil.diffusion.unet, pupil.updates, hold_begin=True))
        yield pupil


@contextlib.contextmanager
def checkpointing(unet: Any, settings: LearnSettings) -> Iterator[None]:
    """Activations computed twice instead of kept, where the settings ask for it."""
    before = bool(unet.is_gradient_checkpointing)
    try:
        if settings.checkpointing:
            unet.enable_gradient_checkpointing()
        yield
    finally:
        if settings.checkpointing and not before:
            unet.disable_gradient_checkpointing()


def seed_of(*numbers: int) -> int:
    """One seed from several: each update draws its own chances, so that a resumed one draws the same."""
    return int(key_of(*numbers)[:15], 16)


def spread_timesteps(count: int, total: int, generator: torch.Generator) -> Tensor:
    """(count,) timesteps, each drawn from its own part of 0 .. total - 1, in random order.

    A batch of two then never looks at clean latents alone, which would make the next update undo the last.
    """
    places = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    return (places * total / count).long().clamp(max=total - 1)


def emphasis(alpha: Tensor) -> Tensor:
    """How much the noise error at a signal power counts: 1 at clean latents, up to `EMPHASIS` at noisy ones.

    An error in the clean latents shows 1 / alpha times smaller in the noise, and it is at noisy timesteps
    that a token decides about shapes and colours. Cut off as in Hang et al. 2023, arXiv:2303.09556.
    """
    return (1 / alpha.clamp(min=1e-8)).clamp(max=EMPHASIS)


def denoised(
    diffusion: LatentDiffusion,
    latents: Tensor,
    timesteps: Sequence[int],
    text: Tensor,
    guidance: float,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """(B, C, h, w) clean latents from noisy ones.

    Args:
        latents: (B, C, h, w) at the first timestep.
        timesteps: from noisy to clean.
        text: (2, L, D) states of the negative prompt and of the prompt.
        on_step: told the steps done after each.
    """
    count, steps = len(latents), len(timesteps)
    twice = text.repeat_interleave(count, 0)
    for step, timestep in enumerate(timesteps):
        seen = diffusion.predict(torch.cat([latents, latents]), timestep, twice)
        clean, noise = (cfg(part[:count], part[count:], guidance) for part in seen)
        alpha = diffusion.alphas_cumprod[timesteps[step + 1]] if step + 1 < steps else torch.tensor(1.0)
        latents = ddim_step(clean, noise, alpha)
        if on_step is not None:
            on_step(step + 1)
    return latents
