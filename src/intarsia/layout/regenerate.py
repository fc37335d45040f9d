"""Regenerate: objects are painted again at their places, with the looks that were learned. The method on one page.

1. Learn a token for each object and an update of the cross-attention (`train`), or take them from the cache.
2. Invert the photo with the prompt of the original (`inversion`).
3. Sample with the prompt of the objects' tokens. At each step the common background takes the inverted latents,
   then the latents go down the gradient of the layout loss (`guidance`), then the denoiser is guided by its text.
4. Paste the result back where the layout changes the photo.

The published method (preset paper) starts from noise alone. Ours starts from the source's own image and noise at
the objects' new places (`moved_source`), and holds the vacated region at an inpainted background.

Source: Zhang et al. 2023, "Continuous layout editing of single images", arXiv:2306.13078, sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.diffusion.attention_maps import AttentionRecorder, sharpen
from intarsia.diffusion.ddim import (
    Conditioned,
    Prediction,
    SamplingHook,
    Step,
    add_noise,
    blend,
    ddim_step,
    draw_noise,
    sample,
)
from intarsia.diffusion.loss_scale import LossScale
from intarsia.diffusion.sampling_hooks import ClassifierFreeGuidance, ReportProgress
from intarsia.imaging.cells import cell_coverage, touched_cells
from intarsia.imaging.crop import Crop
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import Mask, dilate, feather
from intarsia.imaging.photo import Picture
from intarsia.imaging.tensors import paste_crop
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.concepts import NO_ADDITIONS, Concepts, Phrases
from intarsia.layout.emptied import emptied_scene, repainted_transparency
from intarsia.layout.guidance import Goal, guidance_decay, guided_step, layout_losses, published_losses, refine
from intarsia.layout.inversion import Inversion, invert
from intarsia.layout.layout import Layout
from intarsia.layout.moved_source import MovedSource, changes, move_source
from intarsia.layout.padding import padded, padded_layout
from intarsia.layout.prompts import prompt_for, token_positions, with_additions, without_brackets
from intarsia.layout.scene import Scene
from intarsia.layout.train import learn, settings_of, training_data_of
from intarsia.layout.train_objective import TrainingData, checkpoint_gradients, gradient_checkpointing
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord, GuideSettings

PAPER = GuideSettings(
    scale=20.0,
    until=0.5,
    refine_at=(0, 10, 20),
    refine_to=(0.4, 0.3, 0.2),
    refine_most=40,
    blend_until=0.3,
    start_from_source=False,
)
"""The published choices."""

PAPER_STEPS = 50
PAPER_GUIDANCE = 5.0


def regenerate(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    seeds: Sequence[int],
    concepts: Concepts | None,
    cache: Cache,
    on_progress: OnProgress | None = None,
) -> tuple[list[EditedPhoto], Concepts]:
    """Paint a scene's objects again where the layout has them.

    Args:
        scene: the original photo and its objects.
        layout: of every object of the scene.
        record: `guide`, `learn`, `steps`, `guidance`, `preset`, the prompts.
        seeds: one an image, all painted in one batch.
        concepts: the objects' looks; learned first when None, and kept in the cache.
        cache: the inversion and the concepts of this photo are looked up in it.
        on_progress: called after every step; may raise `Cancelled`.

    Returns:
        One edited photo a seed; the concepts.

    Raises:
        LayoutError: the concepts are of other objects, or the prompt names others in brackets.
        EmptyMaskError: an object covers no latent cell.
        ModelError: the concepts are of another model.
    """
    if record.preset == "paper":
        record = replace(record, guide=PAPER, steps=PAPER_STEPS, guidance=PAPER_GUIDANCE)
    if concepts is not None:
        # Published prompts name objects by their tokens, and here those of another program lose their names.
        known_as, concepts = concepts.names, concepts.for_scene(scene)
        tokens = {} if set(scene.names) <= set(known_as) else dict(zip(known_as, scene.names, strict=True))
        record = replace(record, prompt=without_brackets(record.prompt, scene, tokens))
    data = training_data_of(scene, record, backbones.learner)
    if concepts is None:
        concepts = cached_concepts(scene, record, data, backbones, cache=cache, on_progress=on_progress)
    region = changed_region(scene, layout, record.compose.border)
    weight = feather(region, record.feather * scene.photo.size.short)
    if not region.any():
        return [EditedPhoto(photo=scene.photo, blend=weight, seed=seed) for seed in seeds], concepts

    with concepts.attached(backbones.learner) as phrases, torch.no_grad():
        known_by = key_of(backbones.cache_key, *concepts.updates.values())
        before = with_additions(prompt_for(record.prompt, scene, phrases, record.background), phrases.additions)
        inversion = invert(
            backbones.learner, data.clean, backbones.learner.encode_text([before]), record.steps,
            cache=cache, known_by=known_by, on_progress=on_progress,
        )  # fmt: skip
        noise = draw_noise(data.clean.shape, seeds).to(data.clean)
        emptied = None
        if record.guide.start_from_source:
            emptied = emptied_scene(scene, layout, record, backbones, cache=cache, on_progress=on_progress)
        images = _paint(layout, record, backbones, data, phrases, inversion, region, noise, emptied, on_progress)
    whole = Crop(Box(0, 0, data.scene.photo.size.width, data.scene.photo.size.height), data.size)
    alpha = repainted_transparency(scene, layout, record, weight)
    edited = [
        EditedPhoto(photo=replace(paste_crop(scene.photo, whole, image, weight), alpha=alpha), blend=weight, seed=seed)
        for image, seed in zip(images, seeds, strict=True)
    ]
    return edited, concepts


def _paint(
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    data: TrainingData,
    phrases: Phrases,
    inversion: Inversion,
    region: Mask,
    noise: Tensor,
    emptied: Picture | None,
    on_progress: OnProgress | None,
) -> Tensor:
    """Layout-guided sampling with the concepts attached, on the scene as it was padded for the models.

    Args:
        layout, region, emptied: of the photo as it is.
        phrases: the token of each object.
        region: (H, W) that changes.
        noise: (B, C, h, w).
        emptied: (H, W, 3) in levels, the image without the objects that change; None to start from noise alone.

    Returns:
        (B, 3, H, W) in [-1, 1], at the models' size.
    """
    diffusion, scene = backbones.learner, data.scene
    size = scene.photo.size
    layout = padded_layout(layout, size)
    changing = touched_cells(padded(region, size), *noise.shape[-2:]).to(noise)[None, None]
    if emptied is None:
        background = HeldBackground(inversion, changing, changing, None, record.guide.blend_until)
        timesteps = diffusion.timesteps(record.steps)
        latents = _sample(scene, layout, record, diffusion, phrases, background, noise, timesteps, on_progress)
        return diffusion.decode_latents(latents)

    skipped = round((1 - record.guide.start) * len(inversion.timesteps))
    timesteps = list(inversion.timesteps[skipped:])
    alpha = diffusion.alphas_cumprod[timesteps[0]].to(noise)
    inverted = (inversion.latents[skipped][None] - alpha.sqrt() * inversion.clean) / (1 - alpha).sqrt()
    source = move_source(scene, layout, padded(emptied, size), inverted, noise, diffusion, data.size)
    painted = changing * source.targets
    background = HeldBackground(inversion, changing, painted, source.latents, record.guide.blend_until)
    start = ddim_step(source.latents, alpha)
    latents = _sample(scene, layout, record, diffusion, phrases, background, start, timesteps, on_progress)
    return diffusion.decode_latents(latents) + _autoencoder_loss(source, painted, diffusion)


def _sample(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    diffusion: LatentDiffusion,
    phrases: Phrases,
    background: HeldBackground,
    latents: Tensor,
    timesteps: Sequence[int],
    on_progress: OnProgress | None,
) -> Tensor:
    """Sample with the background first, then the layout, then the text.

    In this order, so that what guidance moves is not overwritten before the denoiser is given it.

    Returns:
        (B, C, h, w), clean.
    """
    tokens = phrases.of(list(shown_masks(layout)))
    prompt = with_additions(prompt_for(record.prompt, scene, tokens, record.background), tokens.additions)
    limit = diffusion.text_encoder.config.max_position_embeddings
    conditional, negative = (
        diffusion.encode_text([prompt, record.negative_prompt]).repeat_interleave(len(latents), 0).chunk(2)
    )
    published = record.preset == "paper"
    guide = LayoutGuidance(
        diffusion=diffusion,
        recorder=AttentionRecorder(),
        loss_scale=LossScale.of(diffusion.unet.dtype),
        text=conditional,
        positions=token_positions(diffusion.tokenizer, prompt, list(tokens.values()), limit),
        chunk=limit,
        goal=goal_of(scene, layout, latents),
        settings=record.guide,
        published=published,
        where=None if published else background.painted,
        on_progress=on_progress,
    )
    hooks = [background, guide, ClassifierFreeGuidance(record.guidance), ReportProgress("painting", on_progress)]
    with gradient_checkpointing(diffusion.unet, False):
        return sample(Conditioned(diffusion, torch.cat([negative, conditional])), latents, timesteps, hooks)


@dataclass(frozen=True)
class HeldBackground(SamplingHook):
    """Holds cells that are not painted: at the inverted latents, and at the inpainted background where objects were.

    Attributes:
        inversion: of the original.
        changing: (1, 1, h, w), 1 in cells that the layout changes.
        painted: (1, 1, h, w), 1 in cells where objects are painted.
        inpainted: clean latents and noise of the cells that change but are not painted; as the inversion when None.
        until: share of the steps before which cells are held; from 1 on, after the last as well.

    Source: Zhang et al. 2023, arXiv:2306.13078, sec. 3.
    """

    inversion: Inversion
    changing: Tensor
    painted: Tensor
    inpainted: Prediction | None
    until: float

    def before_step(self, latents: Tensor, step: Step) -> Tensor:
        if step.index >= self.until * step.count or step.timestep not in self.inversion.timesteps:
            return latents
        inverted = self.inversion.latents[self.inversion.timesteps.index(step.timestep)]
        return blend(latents, self._background(inverted, step.alpha), self.painted)

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        if step.index < step.count - 1 or self.until < 1:
            return latents
        return blend(latents, self._background(self.inversion.clean, 1.0), self.painted)

    def _background(self, inverted: Tensor, alpha: float | Tensor) -> Tensor:
        if self.inpainted is None:
            return inverted
        return blend(add_noise(*self.inpainted, alpha), inverted, self.changing)


@dataclass(frozen=True, kw_only=True)
class LayoutGuidance(SamplingHook):
    """Moves latents down the gradient of the layout loss before each of the first steps.

    Attributes:
        recorder: of the maps that the losses are of.
        loss_scale: of the denoiser's precision.
        text: (B, L, D) states of the prompt.
        positions: of the objects' tokens in the prompt.
        chunk: tokens of each chunk in which it is read.
        goal: in latent cells.
        published: the published loss and stop, instead of ours.
        where: (1, 1, h, w) cells that may move; all when None.

    Source: Zhang et al. 2023, arXiv:2306.13078, sec. 3.3, eq. 6 and 7.
    """

    diffusion: LatentDiffusion
    recorder: AttentionRecorder
    loss_scale: LossScale
    text: Tensor
    positions: Sequence[int]
    chunk: int
    goal: Goal
    settings: GuideSettings
    published: bool
    where: Tensor | None
    on_progress: OnProgress | None

    def before_step(self, latents: Tensor, step: Step) -> Tensor:
        if step.index >= self.settings.until * step.count or not self.positions:
            return latents
        size = self.settings.scale * guidance_decay(step.index, step.count)
        thresholds = dict(zip(self.settings.refine_at, self.settings.refine_to, strict=True))

        def losses_of(latents: Tensor) -> Tensor:
            return self.losses(latents, step.timestep)

        def report() -> None:
            if self.on_progress is not None:
                self.on_progress(Progress(stage="painting", done=step.index, total=step.count))

        def refined() -> Tensor:
            return refine(
                losses_of,
                latents,
                size,
                enough=thresholds[step.index],
                most=self.settings.refine_most,
                together=self.published,
                where=self.where,
                scale=self.loss_scale,
                on_step=report,
            )

        moved = self._attempt(refined) if step.index in thresholds else latents
        return self._attempt(lambda: guided_step(losses_of, moved, size, where=self.where, scale=self.loss_scale)[0])

    def _attempt(self, work: Callable[[], Tensor]) -> Tensor:
        unet = self.diffusion.unet

        def recorded() -> Tensor:
            # Until the gradient is taken, which may compute activations a second time.
            with self.recorder.attached(unet):
                return work()

        return self.diffusion.memory.attempt(recorded, fewer=lambda: checkpoint_gradients(unet))

    def losses(self, latents: Tensor, timestep: int) -> Tensor:
        """(B, N) losses of the layout, differentiable in the latents."""
        maps = self.recorder.mean_alone(lambda: self.diffusion.predict(latents, timestep, self.text))
        # The evaluation ends, and the gradient begins, where attention was recorded: before the output that counts them.
        self.diffusion.counter.evaluations += len(latents)
        maps.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        grid = (self.recorder.rows, self.recorder.columns)
        goal = Goal(*(F.adaptive_avg_pool2d(part, grid) for part in self.goal))
        if self.published:
            return published_losses(sharpen(maps, self.chunk)[..., [position - 1 for position in self.positions]], goal)
        return layout_losses(maps[..., list(self.positions)], goal)

    def _count_backward(self, gradient: Tensor) -> None:
        self.diffusion.counter.backward += len(gradient)


def shown_masks(layout: Layout) -> dict[str, Mask]:
    """(H, W) the visible part of each object that can be seen, with its copies: they share its token."""
    sources = {placement.name: placement.source for placement in layout.placements}
    shown: dict[str, Mask] = {}
    for name, mask in layout.visible_masks().items():
        if mask.any():
            source = sources[name]
            shown[source] = shown[source] | mask if source in shown else mask
    return shown


def goal_of(scene: Scene, layout: Layout, latents: Tensor) -> Goal:
    """The visible part of each object's target, and the vacated region; in latent cells.

    In each map the most covered cell counts as 1, so that a small object has a target too.
    """
    visible = list(shown_masks(layout).values())
    nothing = np.zeros(scene.photo.pixels.shape[:2], np.bool_)
    vacated = np.any(list(scene.masks.values()), axis=0) & ~np.any([nothing, *visible], axis=0)

    def cells(mask: Mask) -> Tensor:
        coverage = cell_coverage(mask, *latents.shape[-2:], pooled=True)
        return (coverage / coverage.amax().clamp(min=1e-8)).to(latents.device)[None]

    left = cells(vacated)
    return Goal(torch.cat([left[:0], *map(cells, visible)]), left)


def changed_region(scene: Scene, layout: Layout, border: float) -> Mask:
    """(H, W): sources and targets of the objects that change, with their borders and shadows.

    The visible part of objects that stay is not in it: they keep their very pixels.

    Args:
        border: as a fraction of the short side.
    """
    sources = scene.masks
    region, kept = (np.zeros(scene.photo.pixels.shape[:2], np.bool_) for _ in range(2))
    for name in layout.removed:
        region |= sources[name]
    for placement in layout.placements:
        if changes(placement, sources[placement.source]):
            region |= placement.mask if placement.copy_of else sources[placement.source] | placement.mask
            kept &= ~placement.mask
        else:
            kept |= placement.mask
    return dilate(region, round(border * scene.photo.size.short)) & ~kept


def _autoencoder_loss(source: MovedSource, painted: Tensor, diffusion: LatentDiffusion) -> Tensor:
    """(1, 3, H, W) what the autoencoder loses of the image that sampling starts from, where nothing was painted."""
    lost = source.image - diffusion.decode_latents(source.latents.clean)
    return F.interpolate(1 - painted, lost.shape[-2:], mode="bilinear").to(lost) * lost


def cached_concepts(
    scene: Scene,
    record: ArrangeRecord,
    data: TrainingData,
    backbones: Backbones,
    *,
    cache: Cache,
    on_progress: OnProgress | None,
) -> Concepts:
    """The concepts of this photo and these settings: from the cache, else learned now."""
    settings = settings_of(record)
    about = (record.preset, record.prompt, record.background, record.seed, backbones.cache_key)
    key = key_of("concepts", data.clean, data.cells, scene.names, settings, *about)
    cached = cache.get(key)
    if cached is None:
        concepts = learn(scene, record, backbones, seed=record.seed, on_progress=on_progress)
        cache.put(key, to_values(embeddings=concepts.tokens, **concepts.updates))
        return concepts
    return Concepts(
        names=scene.names,
        words=tuple(obj.words for obj in scene.objects),
        embeddings=cached["embeddings"][: len(scene.objects)],
        additions=cached["embeddings"][len(scene.objects) :] if settings.additions else NO_ADDITIONS,
        updates={name: tensor for name, tensor in cached.items() if name != "embeddings"},
        model=backbones.learner.name,
        versions=dict(backbones.versions),
    )
