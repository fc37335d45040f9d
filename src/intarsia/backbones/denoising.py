"""The denoising loop of inpainting, which may pause after any step and go on from there.

Each step is that of diffusers' StableDiffusionInpaintPipeline, so that a picture painted in several goes is the one
painted in a single go. What pauses holds all that the next step needs: latents, the scheduler with its memory of
earlier steps, generators, and what the denoiser is told.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.batches import seeded
from intarsia.backbones.protocols import OnStep
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.diffusion.soft_masks import ROUNDING, cell_freedom, held_cells, told_masks

PER_CANDIDATE = 4
"""Dimensions by which a tensor of a scheduler's memory is known to hold a row a candidate: (B, C, h, w)."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the steps of B candidates are told beside the latents, the same from the first to the last.

    Attributes:
        text: (B, L, D) states of the text encoder.
        unwanted: (B, L, D), of the negative prompt; None without guidance.
        mask: (B, 1, h, w) of 0 and 1, what the denoiser is told is hidden, or what is blended in.
        hidden: (B, C, h, w) latents of the picture without what is hidden.
        original: (B, C, h, w) latents of the picture.
        noise: (B, C, h, w) that a candidate started from.
        freedom: (B, 1, h, w) share of the steps in which a cell changes.
    """

    text: Tensor
    unwanted: Tensor | None
    mask: Tensor
    hidden: Tensor
    original: Tensor
    noise: Tensor
    freedom: Tensor


@dataclass(kw_only=True)
class Denoising:
    """B candidates somewhere in their schedule.

    Attributes:
        conditions: what the steps are told.
        to_clean: reads clean latents off (noisy latents, the denoiser's answer, timestep).
        generators: B, of schedulers that add noise.
        scheduler: its own copy, which remembers these candidates' steps.
        timesteps: (T,) those of the part of the schedule that is done.
        guidance: classifier-free guidance scale; not used where it is no more than 1.
        latents: (B, C, h, w), those of the next step.
        done: steps done, of T.
    """

    conditions: Conditions
    to_clean: Callable[[Tensor, Tensor, Tensor], Tensor]
    generators: list[torch.Generator]
    scheduler: Any
    timesteps: Tensor
    guidance: float
    latents: Tensor
    done: int = 0

    @torch.no_grad()
    def run(self, unet: Any, until: int, *, on_step: OnStep | None = None) -> Tensor:
        """Do the next steps, one at least.

        Args:
            unet: the denoiser.
            until: how many steps are done then, in all.
            on_step: called after each step with those of this call; what it raises stops the work.

        Returns:
            (B, C, h, w) the clean latents that the last of them predicts.
        """
        assert self.done < until <= len(self.timesteps), f"{until} steps of {len(self.timesteps)}"
        told, count, first = self.conditions, len(self.timesteps), self.done
        inside = unet.config.in_channels != self.latents.shape[1]
        # A denoiser that was distilled from guided ones reads the scale itself.
        distilled = getattr(unet.config, "time_cond_proj_dim", None)
        unwanted = told.unwanted if distilled is None else None
        guided = unwanted is not None
        text = told.text if unwanted is None else torch.cat([unwanted, told.text])
        more = torch.cat([told.mask, told.hidden], 1)
        more = torch.cat([more] * 2) if guided else more
        rest: dict[str, Any] = {}
        if distilled is not None:
            rest["timestep_cond"] = scale_embedding(self.guidance, distilled).to(self.latents).expand(len(text), -1)
        extra = step_arguments(self.scheduler, self.generators)
        soft = bool((told.freedom < 1).any())
        while self.done < until:
            index = self.done
            timestep = self.timesteps[index]
            seen = self.scheduler.scale_model_input(torch.cat([self.latents] * 2) if guided else self.latents, timestep)
            noisy = seen[: len(self.latents)]
            seen = torch.cat([seen, more], 1) if inside else seen
            answer = unet(seen, timestep, encoder_hidden_states=text, return_dict=False, **rest)[0]
            if guided:
                without, wanted = answer.chunk(2)
                answer = without + self.guidance * (wanted - without)
            self.latents = self.scheduler.step(answer, timestep, self.latents, **extra, return_dict=False)[0]
            self.done += 1
            if not inside:
                self.latents = (1 - told.mask) * self.noised(self.done) + told.mask * self.latents
            if soft:
                held = held_cells(told.freedom, index, count)
                self.latents = torch.where(held, self.noised(self.done), self.latents)
            if on_step is not None:
                on_step(self.done - first, until - first)
        return self._as_it_ends(self.to_clean(noisy, answer, timestep), blended=not inside)

    def _as_it_ends(self, clean: Tensor, *, blended: bool) -> Tensor:
        """Clean latents with the original where the last step will put it back."""
        told, count = self.conditions, len(self.timesteps)
        clean = clean.to(self.latents.dtype)
        if blended:
            clean = (1 - told.mask) * told.original + told.mask * clean
        return torch.where(held_cells(told.freedom, count - 1, count), told.original, clean)

    def noised(self, index: int) -> Tensor:
        """(B, C, h, w) the original's latents, as noisy as those that step `index` starts from; clean after the last."""
        told = self.conditions
        if index == len(self.timesteps):
            return told.original
        noised: Tensor = self.scheduler.add_noise(told.original, told.noise, self.timesteps[index : index + 1])
        return noised

    def candidates(self) -> list[Denoising]:
        """Each candidate alone, to go on independently of the others."""
        return [join([self], [row]) for row in range(len(self.latents))]


@torch.no_grad()
def begin(
    parts: StableDiffusion,
    scheduler: Any,
    picture: Tensor,
    masks: Tensor,
    prompts: Sequence[str],
    *,
    negative_prompt: str,
    seeds: Sequence[int],
    steps: int,
    guidance: float,
    strength: float = 1.0,
    answered: Tensor | None = None,
) -> Denoising:
    """Candidates before their first step; see `Inpainter.inpaint` for what is not said here.

    Args:
        parts: the networks.
        scheduler: whose settings are used; it stays as it is.
        answered: (h, w) bool, the latent cells that a denoiser in tiles answers for; by default all.
    """
    masks, cells = masks.to(picture), [side // parts.vae_scale_factor for side in masks.shape[-2:]]
    device, text = parts.device, parts.encode_text(prompts, beside=[negative_prompt] if guidance > 1 else ())
    generators, strength = seeded(seeds), whole_strength(strength, steps, rounds_down=True)
    # Drawn on the CPU and one by one: the same on every device and in every batch. Where it begins with the picture
    # diffusers draws the noise in the networks' precision.
    drawn = torch.float32 if strength == 1 else text.dtype
    shape = (1, parts.vae.config.latent_channels, *cells)
    noise = torch.cat([torch.randn(shape, generator=generator, dtype=drawn) for generator in generators])
    noise = noise.to(device, text.dtype)
    told = told_masks(masks) if parts.hides_masked else (masks > 0).to(masks)
    freedom = cell_freedom(masks, *cells).to(device)
    if answered is not None:
        freedom = torch.where(answered.to(device), freedom, 0.0)
    blends = strength < 1 or bool((freedom < 1).any())
    original, hidden = (part.to(device, text.dtype) for part in encoded(parts, picture, told, blends=blends))
    original = original.expand(len(masks), -1, -1, -1)
    scheduler = copy.deepcopy(scheduler)
    scheduler.set_timesteps(steps)  # on the host: schedulers compare them, and would wait for the device
    left_out = (steps - int(steps * strength)) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(left_out)
    denoising = Denoising(
        conditions=Conditions(
            text=text,
            unwanted=parts.encode_text([negative_prompt] * len(prompts), beside=prompts) if guidance > 1 else None,
            mask=F.interpolate(told, cells).to(device, text.dtype),
            hidden=hidden,
            original=original,
            noise=noise,
            freedom=freedom,
        ),
        to_clean=parts.clean_latents,
        generators=generators,
        scheduler=scheduler,
        timesteps=scheduler.timesteps[left_out:],
        guidance=guidance,
        latents=noise * scheduler.init_noise_sigma,
    )
    if strength < 1:
        denoising.latents = denoising.noised(0)
    return denoising


def encoded(parts: StableDiffusion, picture: Tensor, told: Tensor, *, blends: bool) -> tuple[Tensor, Tensor]:
    """(B, C, h, w) latents of a picture, and of what is shown of it; without meaning where nobody uses them.

    A denoiser that is told what is hidden has no use for the rest, unless the picture is blended in.

    Args:
        told: (B, 1, H, W) of 0 and 1, what the denoiser is told is hidden.
        blends: whether the latents of the picture come in besides.
    """

    def encode(pictures: Tensor) -> Tensor:  # one by one, since networks round otherwise in a batch
        return torch.cat([parts.encode_image(one[None]) for one in pictures])

    if not parts.hides_masked:
        original = encode(picture)
        return original, original.expand(len(told), -1, -1, -1)
    shown = encode(picture * (1 - told))
    return encode(picture) if blends else torch.zeros_like(shown[: len(picture)]), shown


def whole_strength(strength: float, steps: int, *, rounds_down: bool) -> float:
    """A strength that does whole steps of a schedule, at least one: 0.7 of 10 are 7, however a loop rounds.

    Args:
        rounds_down: whether the loop does floor(steps * strength) steps, as this one and diffusers' over a UNet, or
            leaves floor(steps - steps * strength) out, as those over a transformer.
    """
    done = max(int(steps * strength + ROUNDING), 1)
    return 1.0 if done >= steps else (done + (0.5 if rounds_down else -0.5)) / steps


def scale_embedding(guidance: float, width: int) -> Tensor:
    """(1, width) sines and cosines of the guidance scale, as denoisers that were distilled from guided ones read it.

    Source: Luo et al. 2023, "Latent consistency models", arXiv:2310.04378, sec. 4.2.
    """
    half = width // 2
    falling = torch.exp(torch.arange(half) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = 1000 * (guidance - 1) * falling
    return F.pad(torch.cat([angles.sin(), angles.cos()]), (0, width % 2))[None]


def join(parts: Sequence[Denoising], rows: Sequence[int] | None = None) -> Denoising:
    """Candidates that stand at the same step of the same schedule, as one batch; the parts stay as they are.

    Args:
        parts: of one size, guidance and scheduler.
        rows: of all of them, one after another, which are taken; by default all.
    """
    first = parts[0]
    assert all(p.done == first.done and len(p.timesteps) == len(first.timesteps) for p in parts), "other steps"

    def take(values: Sequence[Any]) -> Any:
        head = values[0]
        if isinstance(head, Tensor):
            together = torch.cat(list(values))
            return together if rows is None else together[list(rows)]
        return head

    def remembered(values: Sequence[Any]) -> Any:
        head = values[0]
        if isinstance(head, Tensor) and head.ndim == PER_CANDIDATE:
            return take(values)
        if isinstance(head, list):
            return [remembered(entries) for entries in zip(*values, strict=True)]
        return head

    scheduler = copy.copy(first.scheduler)
    for name in vars(scheduler):
        setattr(scheduler, name, remembered([getattr(p.scheduler, name) for p in parts]))
    generators = [g for p in parts for g in p.generators]
    told = [f.name for f in dataclasses.fields(Conditions)]
    return dataclasses.replace(
        first,
        conditions=Conditions(**{name: take([getattr(p.conditions, name) for p in parts]) for name in told}),
        generators=[g.clone_state() for g in (generators if rows is None else [generators[r] for r in rows])],
        scheduler=scheduler,
        latents=take([p.latents for p in parts]),
    )


def step_arguments(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """What a scheduler's step takes beside the answer, the timestep and the latents."""
    taken = inspect.signature(scheduler.step).parameters
    return {name: value for name, value in (("eta", 0.0), ("generator", generators)) if name in taken}
