"""Regenerate: objects are painted anew at their places, in the looks that were learned. The flow on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import Backbones, LatentDiffusion, Prediction
from intarsia.diffusion.attention_maps import AttentionRecorder, sharpen
from intarsia.diffusion.ddim import add_noise, blend, cfg, ddim_step
from intarsia.imaging.affine import Matrix, apply, inverse_map, warp_picture
from intarsia.imaging.geometry import Grid, Size
from intarsia.imaging.infill import Picture
from intarsia.imaging.masks import Blend, Mask, dilate, feather
from intarsia.imaging.photo import Photo, paste_back, to_tensor
from intarsia.imaging.read import photo_from_image
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.compose import inpainted_background, what_changes
from intarsia.layout.concepts import Concepts, places_of, prompt_for, without_brackets
from intarsia.layout.guidance import Goal, guidance_decay, guided_step, layout_losses, published_losses, refine
from intarsia.layout.inversion import Inversion, invert
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene
from intarsia.layout.train import learn, settings_of, training_data_of
from intarsia.layout.train_objective import TrainingData
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

SAME_SHAPE = 0.9
"""Fit from which a target is the moved source but for its rim."""

PAPER_STEPS = 50
PAPER_GUIDANCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Regenerated:
    """One finished picture.

    Attributes:
        photo: of the input's size, profile and alpha.
        blend: (H, W) in [0, 1]; where it is 0 the picture equals the input bit for bit.
    """

    photo: Photo
    blend: Blend


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
) -> tuple[list[Regenerated], Concepts]:
    """Paint a scene's objects anew where the layout has them.

    Args:
        scene: the original picture and its objects.
        layout: of every object of the scene.
        record: `cfg`, `learn`, `steps`, `guidance`, `preset`, the prompts.
        seeds: one a picture, all painted in one batch.
        concepts: the objects' looks; learned first when None, and kept in the cache.
        cache: the inversion and the concepts of this picture are looked up in it.
        on_progress: called after every step; may raise `Cancelled`.

    Returns:
        One picture a seed; the concepts.

    Raises:
        LayoutError: the concepts are of other objects, or the prompt names others in brackets.
        EmptyMaskError: an object is smaller than the models see.
        ModelError: the concepts are of another model.
    """
    if record.preset == "paper":
        record = replace(record, guide=PAPER, steps=PAPER_STEPS, guidance=PAPER_GUIDANCE)
    diffusion = backbones.diffusion
    if concepts is not None:
        # Published prompts name objects by their tokens, and here those of another program lose their names.
        known_as, concepts = concepts.names, concepts.for_scene(scene)
        tokens = {} if set(scene.names) <= set(known_as) else dict(zip(known_as, scene.names, strict=True))
        record = replace(record, prompt=without_brackets(record.prompt, scene, tokens))
    lesson = training_data_of(scene, record, diffusion)
    if concepts is None:
        concepts = cached_start(scene, record, lesson, backbones, cache=cache, on_progress=on_progress)
    region = changed_region(scene, layout, record.compose.border)
    weight = feather(region, record.feather * scene.photo.size.short)
    if not region.any():
        return [Regenerated(photo=scene.photo, blend=weight) for _ in seeds], concepts

    with concepts.attached(diffusion) as phrases, torch.no_grad():
        there = {name: phrases[name] for name in visible_masks_of(layout)}
        before = prompt_for(record.prompt, scene, phrases, record.background)
        after = prompt_for(record.prompt, scene, there, record.background)
        text = diffusion.encode_text([after, record.negative_prompt])
        inversion = invert(
            diffusion,
            lesson.clean,
            diffusion.encode_text([before]),
            record.steps,
            cache=cache,
            known_by=key_of(backbones.identity, *concepts.updates.values()),
            on_progress=on_progress,
        )
        limit = diffusion.text_encoder.config.max_position_embeddings
        work = Work(
            diffusion=diffusion,
            record=record,
            text=text,
            places=places_of(diffusion.tokenizer, after, list(there.values()), limit),
            goal=goal_of(scene, layout, lesson),
            moving=reaches(region, lesson).to(diffusion.device),
            inversion=inversion,
        )
        noise = torch.cat(
            [torch.randn(lesson.clean.shape, generator=torch.Generator("cpu").manual_seed(s)) for s in seeds]
        )
        noise = noise.to(lesson.clean)
        if record.guide.start_from_source:
            plate = background_of(scene, layout, record, backbones, lesson, cache=cache, on_progress=on_progress)
            start = from_source(scene, layout, lesson, work, plate, noise)
        else:
            start = Start(latents=noise, timesteps=diffusion.timesteps(record.steps), free=work.moving)
        pictures = diffusion.decode_latents(sample(work, start, on_progress))
        if start.composite is not None and start.known is not None:
            # What the autoencoder loses of the plate comes back where nothing was painted.
            lost = start.composite - diffusion.decode_latents(start.known.clean)
            kept = F.interpolate(1 - start.free, lost.shape[-2:], mode="bilinear").to(lost)
            pictures = pictures + kept * lost
    return [Regenerated(photo=paste_back(scene.photo, p, weight), blend=weight) for p in pictures], concepts


@dataclass(frozen=True, kw_only=True)
class Work:
    """What sampling needs to know.

    Attributes:
        text: (2, L, D) states of the prompt and of the negative prompt.
        places: where in the prompt each object's token stands.
        goal: where they shall look, in latent cells.
        moving: (1, 1, h, w), 1 in cells that may change.
        inversion: of the original.
    """

    diffusion: LatentDiffusion
    record: ArrangeRecord
    text: Tensor
    places: list[int]
    goal: Goal
    moving: Tensor
    inversion: Inversion


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where sampling starts.

    Attributes:
        latents: (B, C, h, w) at the first timestep.
        timesteps: from noisy to clean.
        free: (1, 1, h, w), 1 in cells where objects are painted; others are held while blending.
        known: clean latents and noise of the cells that change but are not free, where they are known.
        composite: (1, 3, H, W) the picture that the known latents are of.
    """

    latents: Tensor
    timesteps: list[int]
    free: Tensor
    known: Prediction | None = None
    composite: Tensor | None = None


def cached_start(
    scene: Scene,
    record: ArrangeRecord,
    lesson: TrainingData,
    backbones: Backbones,
    *,
    cache: Cache,
    on_progress: OnProgress | None,
) -> Concepts:
    """The concepts of this picture and these settings: from the cache, else learned now."""
    settings = settings_of(record)
    about = (record.preset, record.prompt, record.background, record.seed, backbones.identity)
    key = key_of("concepts", lesson.clean, lesson.cells, scene.names, settings, *about)
    kept = cache.get(key)
    if kept is None:
        concepts = learn(scene, record, backbones, seed=record.seed, on_progress=on_progress)
        cache.put(key, to_values(embeddings=concepts.embeddings, **concepts.updates))
        return concepts
    updates = {name: tensor for name, tensor in kept.items() if name != "embeddings"}
    return Concepts(
        names=scene.names,
        words=tuple(t.words for t in scene.objects),
        embeddings=kept["embeddings"],
        updates=updates,
        model=backbones.diffusion.name,
        versions=dict(backbones.versions),
    )


def sample(work: Work, start: Start, on_progress: OnProgress | None) -> Tensor:
    """Guided sampling: at each step the background first, then the layout, then the denoiser.

    In this order, so that what guidance moves is not overwritten before the denoiser sees it.

    Returns:
        (B, C, h, w), clean.
    """
    settings, diffusion = work.record.guide, work.diffusion
    alphas = diffusion.alphas_cumprod
    original = dict(zip(work.inversion.timesteps, work.inversion.latents, strict=True))
    thresholds = dict(zip(settings.refine_at, settings.refine_to, strict=True))
    latents, timesteps = start.latents, start.timesteps
    count, steps = len(latents), len(timesteps)
    text = work.text.repeat_interleave(count, 0)
    recorder = AttentionRecorder()

    def tell(step: int) -> None:
        if on_progress is not None:
            on_progress(Progress(stage="painting", done=step, total=steps))

    with recorder.attached(diffusion.unet):
        for step, timestep in enumerate(timesteps):
            if step < settings.blend_until * steps and timestep in original:
                latents = blend(
                    latents, background_latents(start, work, original[timestep], alphas[timestep]), start.free
                )
            if step < settings.until * steps and work.places:
                look = layout_loss_fn(work, recorder, timestep, text[:count])
                size = settings.scale * guidance_decay(step, steps)
                where = None if work.record.preset == "paper" else start.free
                if step in thresholds:
                    latents = refine(
                        look,
                        latents,
                        size,
                        enough=thresholds[step],
                        most=settings.refine_most,
                        where=where,
                        on_step=lambda step=step: tell(step),  # type: ignore[misc]
                    )
                latents, _ = guided_step(look, latents, size, where=where)
            seen = diffusion.predict(torch.cat([latents, latents]), timestep, text)
            clean = cfg(seen.clean[count:], seen.clean[:count], work.record.guidance)
            noise = cfg(seen.noise[count:], seen.noise[:count], work.record.guidance)
            latents = ddim_step(clean, noise, alphas[timesteps[step + 1]]) if step + 1 < steps else clean
            tell(step + 1)
    if settings.blend_until >= 1:
        latents = blend(latents, background_latents(start, work, work.inversion.clean, torch.ones(())), start.free)
    return latents


def background_latents(start: Start, work: Work, original: Tensor, alpha: Tensor) -> Tensor:
    """What cells are held at: the common background at the original, what was vacated at its plate."""
    return original if start.known is None else blend(add_noise(*start.known, alpha), original, work.moving)


def layout_loss_fn(work: Work, recorder: AttentionRecorder, timestep: int, text: Tensor) -> Callable[[Tensor], Tensor]:
    """Latents -> (B, N) losses of the layout, for guidance."""

    def count(gradient: Tensor) -> None:
        work.diffusion.meter.backward += len(gradient)

    def look(latents: Tensor) -> Tensor:
        work.diffusion.predict(latents, timestep, text)
        maps = recorder.mean()
        # The gradient leaves the network where attention was recorded, before the answer that else counts it.
        maps.register_hook(count)  # type: ignore[no-untyped-call]
        goal = Goal(*(F.adaptive_avg_pool2d(part, (recorder.rows, recorder.columns)) for part in work.goal))
        if work.record.preset == "paper":
            return published_losses(sharpen(maps)[..., [place - 1 for place in work.places]], goal)
        return layout_losses(maps[..., work.places], goal)

    return look


def changed_region(scene: Scene, layout: Layout, border: float) -> Mask:
    """(H, W): where objects that change were and shall be, with their borders and shadows.

    What is seen of objects that stay is not part of it: they keep their very pixels.

    Args:
        border: as a fraction of the short side.
    """
    sources = {thing.name: thing.mask for thing in scene.objects}
    region, kept = empty(scene), empty(scene)
    for name in layout.removed:
        region |= sources[name]
    for placement in layout.placements:
        if changes(placement, sources[placement.name]):
            region |= sources[placement.name] | placement.mask
            kept &= ~placement.mask
        else:
            kept |= placement.mask
    return dilate(region, round(border * scene.photo.size.short)) & ~kept


def empty(scene: Scene) -> Mask:
    return np.zeros((scene.photo.size.height, scene.photo.size.width), dtype=np.bool_)


def changes(placement: Placement, source: Mask) -> bool:
    return placement.moved or not np.array_equal(placement.mask, source)


def goal_of(scene: Scene, layout: Layout, lesson: TrainingData) -> Goal:
    """Where each object shall be seen, nothing before it, and what was left; in latent cells."""
    places = list(visible_masks_of(layout).values())
    sources = np.any([thing.mask for thing in scene.objects], axis=0)
    left = cells(sources & ~np.any([empty(scene), *places], axis=0), lesson)[None]
    return Goal(torch.cat([left[:0], *(cells(mask, lesson)[None] for mask in places)]), left)


def visible_masks_of(layout: Layout) -> dict[str, Mask]:
    """(H, W) what is seen of each object behind those before it, from back to front; without those of which nothing is."""
    found: dict[str, Mask] = {}
    for index, placement in enumerate(layout.placements):
        mask = placement.mask.copy()
        for other in layout.placements[index + 1 :]:
            mask &= ~other.mask
        if mask.any():
            found[placement.name] = mask
    return found


def cells(mask: Mask, lesson: TrainingData) -> Tensor:
    """(h, w) coverage of the latent cells, the most covered one 1, so that a small object has a place too."""
    rows, columns = lesson.clean.shape[-2:]
    covered = fitted(mask, rows, columns)[0, 0]
    return (covered / covered.amax().clamp(min=1e-8)).to(lesson.clean.device)


def reaches(mask: Mask, lesson: TrainingData) -> Tensor:
    """(1, 1, h, w): 1 in each latent cell that the mask touches."""
    rows, columns = lesson.clean.shape[-2:]
    return F.adaptive_max_pool2d(torch.from_numpy(mask).float()[None, None], (rows, columns))


def background_of(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    lesson: TrainingData,
    *,
    cache: Cache,
    on_progress: OnProgress | None,
) -> Picture:
    """The picture without the objects that change, (H, W, 3) in levels; shared with compose through the cache."""
    sources = {thing.name: thing.mask for thing in scene.objects}
    still = tuple(p for p in layout.placements if not changes(p, sources[p.name]))
    gone = tuple(name for name in scene.names if name not in {p.name for p in still})
    bare = Layout(placements=still, removed=gone)
    change = what_changes(scene, bare, record)
    return inpainted_background(
        scene, change, record, backbones,
        size=lesson.size, seed=record.seed, cache=cache, on_progress=on_progress,
    )  # fmt: skip


def from_source(scene: Scene, layout: Layout, lesson: TrainingData, work: Work, plate: Picture, noise: Tensor) -> Start:
    """Latents to start from: each object's own at its new place, the background's around, the plate's in what was left.

    What the latents hold of the picture is moved in pixels and encoded again, and their noise is moved
    cell by cell: interpolating the latents themselves would blur the noise and with it the picture.

    Args:
        plate: (H, W, 3) the picture without the objects that change.
        noise: (B, C, h, w), fresh: for the plate, and where a target is not covered by the moved source.
    """
    inversion = work.inversion
    skipped = round((1 - work.record.guide.start) * len(inversion.timesteps))
    timesteps = list(inversion.timesteps[skipped:])
    alpha = work.diffusion.alphas_cumprod[timesteps[0]].to(noise)
    inverted = (inversion.latents[skipped][None] - alpha.sqrt() * inversion.clean) / (1 - alpha).sqrt()

    size, (rows, columns) = scene.photo.size, noise.shape[-2:]
    sources = {thing.name: thing.mask for thing in scene.objects}
    picture, targets = plate, empty(scene)
    emptied_cells = reaches((plate != scene.photo.pixels).any(2), lesson).to(noise)
    mixed = blend(noise, inverted, emptied_cells)
    for placement in layout.placements:
        if not changes(placement, sources[placement.name]):  # it stands before what was painted so far
            picture = np.where(placement.mask[..., None], scene.photo.pixels, picture)
            mixed = torch.where(fitted(placement.mask, rows, columns).to(noise) > 0.5, inverted, mixed)
            targets &= ~placement.mask
            continue
        colour, cover = warp_picture(scene.photo.pixels, placement.matrix, size, sources[placement.name])
        if placement.fit < SAME_SHAPE:
            cover = cover * placement.mask
        picture = picture + cover[..., None] * (colour - picture)
        shall, there = (fitted(mask, rows, columns).to(noise) > 0.5 for mask in (placement.mask, cover > 0.5))
        mixed = torch.where(there, moved_cells(inverted, placement.matrix, size), torch.where(shall, noise, mixed))
        targets |= placement.mask
    composite = to_tensor(photo_from_image((picture + 0.5).clip(0, 255).astype(np.uint8)), lesson.size)
    clean = work.diffusion.encode_picture(composite.to(noise.device)).to(noise)
    free = work.moving * reaches(targets, lesson).to(noise)
    return Start(
        latents=add_noise(clean, mixed, alpha),
        timesteps=timesteps,
        free=free,
        known=Prediction(clean, mixed),
        composite=composite,
    )


def fitted(mask: Mask, rows: int, columns: int) -> Tensor:
    """(1, 1, rows, columns) coverage."""
    return F.interpolate(torch.from_numpy(mask).float()[None, None], (rows, columns), mode="area")


def moved_cells(values: Tensor, matrix: Matrix, size: Size) -> Tensor:
    """Latent cells taken to their places whole: the mean of two cells' noise would be less noisy than either.

    Args:
        values: (B, C, h, w).
        matrix: in pixels of a photo of that size.

    Returns:
        (B, C, h, w); each cell is that which lies nearest to where it comes from.
    """
    rows, columns = values.shape[-2:]
    grid = Grid(size, rows, columns)
    back = inverse_map(matrix)
    origins = [apply(back, grid.center(row, column)) for row in range(rows) for column in range(columns)]
    places = torch.tensor([row * columns + column for row, column in map(grid.cell, origins)], device=values.device)
    return values.flatten(2)[..., places].reshape(values.shape)
