"""Compose: objects are moved as they are, and the picture is healed around them. The method on one page."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.attention_control import Correspondence, inject_self_attention
from intarsia.diffusion.ddim import add_noise, blend, cfg, ddim_step
from intarsia.imaging.affine import IDENTITY, Matrix, inverse_map, warp_channels
from intarsia.imaging.geometry import Size, working_size
from intarsia.imaging.infill import Picture, crop_around, membrane_fill
from intarsia.imaging.masks import Blend, Mask, bounds_of, depth_inside, dilate, feather
from intarsia.imaging.matting import WHOLE, Layer, cut, warp
from intarsia.imaging.photo import Bytes, Photo
from intarsia.layout.background import (
    detail_std,
    draw_noise,
    high_pass,
    image_to_tensor,
    last_timesteps,
    paint_background,
    share_of_cells,
    to_cells,
    to_image_change,
)
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.concepts import without_brackets
from intarsia.layout.layout import Layout
from intarsia.layout.layout_files import visible
from intarsia.layout.scene import Scene
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord

KNOWN = 0.25
"""Share of agreement from which a source's cell counts as the one that belongs at a cell."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A picture put together anew.

    Attributes:
        photo: of the input's size and profile; its transparency has moved with the objects.
        blend: (H, W) in [0, 1]; where it is 0 the picture equals the input bit for bit.
    """

    photo: Photo
    blend: Blend


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a layout changes in a picture, all (H, W) at the photo's size.

    Attributes:
        gone: the pixels of the objects that move or go.
        still: the pixels of those that stay, which are kept.
        hole: what the former leave behind, their shadows and soft borders included.
        objects: all objects, with their shadows and soft borders.
    """

    gone: Mask
    still: Mask
    hole: Mask
    objects: Mask


def compose(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    seed: int,
    cache: Cache,
    on_progress: OnProgress | None = None,
) -> Composed:
    """Take objects to their places as they are, and heal the picture around them.

    Objects that stay keep their very pixels, and so does the inside of those that are moved by whole
    pixels. A layout that changes nothing gives the very photo back, and costs nothing.

    Args:
        scene: the original picture and its objects.
        layout: where they shall be.
        record: how.
        backbones: the pretrained networks.
        seed: of the noise.
        cache: keeps what was painted behind the objects.
        on_progress: called after every denoising step; may raise `Cancelled`.
    """
    photo = scene.photo
    change = what_changes(scene, layout, record)
    if not change.gone.any():
        return Composed(photo=photo, blend=np.zeros(change.gone.shape, np.float32))
    size = working_size(photo.size, record.size or backbones.diffusion.native_side, backbones.diffusion.stride)
    plate = inpainted_background(
        scene, change, record, backbones, size=size, seed=seed, cache=cache, on_progress=on_progress
    )
    composite, region, cover = stack_layers(scene, layout, change, plate, record)
    healing = refine(
        scene, layout, composite, region, change, record, backbones, size=size, seed=seed, on_progress=on_progress
    )

    # The denoised picture shows in what was vacated and around the objects, never in them.
    width = record.feather * photo.size.short
    share = np.where(cover == 1, np.float32(1), feather(region, width))
    pixels = photo.pixels.copy()
    if (part := bounds_of(share > 0)) is not None:
        soft = feather(region & (cover == 0), width)[part]
        healed = composite[part] + soft[..., None] * to_image_change(healing, share.shape, part)
        old = photo.pixels[part]
        mixed = np.floor(old + share[part][..., None] * (healed - old) + 0.5).clip(0, 255).astype(np.uint8)
        pixels[part] = np.where((share[part] > 0)[..., None], mixed, old)
    alpha = compose_alpha(scene, layout, change, share)
    return Composed(photo=dataclasses.replace(photo, pixels=pixels, alpha=alpha), blend=share)


def what_changes(scene: Scene, layout: Layout, record: ArrangeRecord) -> Change:
    """Which objects are moved or removed, and what they leave behind."""
    changed = {*layout.removed, *(p.name for p in layout.placements if p.moved)}
    shape = scene.photo.pixels.shape[:2]
    gone, still = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for thing in scene.objects:
        side = gone if thing.name in changed else still
        side |= thing.mask
    border = round(record.compose.border * scene.photo.size.short)
    hole = dilate(gone, border) & ~still
    if still.any():
        # Between two objects, each keeps the shadow on its own side.
        limit = border + 2
        part = bounds_of(hole, limit)
        if part is not None:
            hole[part] &= gone[part] | (depth_inside(~gone[part], limit) <= depth_inside(~still[part], limit))
    return Change(gone=gone, still=still, hole=hole, objects=dilate(gone | still, border))


def inpainted_background(
    scene: Scene,
    change: Change,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    size: Size,
    seed: int,
    cache: Cache,
    on_progress: OnProgress | None,
) -> Picture:
    """The picture without the objects that move or go: painted once for each set of them."""
    words = list(dict.fromkeys(thing.words for thing in scene.objects))
    settings = record.compose
    key = key_of(
        "plate", scene.photo.pixels, change.hole, change.objects, words, record.background, record.negative_prompt,
        settings.plates, settings.plate_steps, settings.plate_strength, settings.plate_guidance, record.feather,
        backbones.identity, size, seed,
    )  # fmt: skip
    kept = cache.get(key)
    if kept is None:
        painted = paint_background(
            scene.photo.pixels.astype(np.float32),
            change.hole,
            change.objects,
            words,
            record,
            backbones,
            size=size,
            seed=seed,
            on_progress=on_progress,
        )
        levels = scene.photo.pixels.copy()
        if (part := bounds_of(change.hole)) is not None:
            levels[part] = np.floor(painted[part] + 0.5).clip(0, 255).astype(np.uint8)
        kept = to_values(plate=torch.from_numpy(levels))
        cache.put(key, kept)
    return kept["plate"].numpy().astype(np.float32)


def stack_layers(
    scene: Scene, layout: Layout, change: Change, plate: Picture, record: ArrangeRecord
) -> tuple[Picture, Mask, Blend]:
    """The plate and the objects on it, from back to front.

    Returns:
        The composite, (H, W, 3); what changes in the picture, (H, W); and how far an object's own pixels
        show in that, (H, W) in [0, 1].
    """
    picture = scene.photo.pixels
    masks = {thing.name: thing.mask for thing in scene.objects}
    composite, region, cover = plate.copy(), change.hole.copy(), np.zeros(change.hole.shape, np.float32)
    ground: Picture | None = None
    for placement in layout.placements:
        mask = masks[placement.name]
        if placement.moved:
            layer = warp(cut_out(scene, mask, change, plate, record), placement.matrix)
            part = layer.part
            composite[part] = layer.over(composite, part)
            region[part] |= layer.through[part] < WHOLE
            cover[part] = layer.cover[part] + (1 - layer.cover[part]) * cover[part]
            continue
        part = crop_around(mask, 2)
        mask = mask[part]
        behind = (cover[part] > 0) & dilate(mask, 2)
        if behind.any():
            # Something went behind this object: at its edge that is to be seen, and no longer the old ground.
            if ground is None:
                ground = membrane_fill(picture.astype(np.float32), ~change.objects)
            layer = cut_out(scene, masks[placement.name], change, ground, record)
            own = layer.cover[part]
            composite[part] = np.where(behind[..., None], layer.over(composite, part), composite[part])
            cover[part] = np.where(behind, own + (1 - own) * cover[part], cover[part])
            mask = mask & (~behind | (own == 1))
        composite[part] = np.where(mask[..., None], picture[part], composite[part])
        region[part] &= ~mask
        cover[part] = np.where(mask, np.float32(0), cover[part])
    return composite, region, cover


def cut_out(scene: Scene, mask: Mask, change: Change, ground: Picture, record: ArrangeRecord) -> Layer:
    """An object of the picture as a layer, where it stands."""
    settings, short = record.compose, scene.photo.size.short
    return cut(
        scene.photo.pixels,
        mask,
        ground,
        (change.gone | change.still) & ~mask,
        edge=max(1.5, settings.edge * short),
        reach=round(settings.border * short) if settings.shadows else 0,
    )


def compose_alpha(scene: Scene, layout: Layout, change: Change, share: Blend) -> Bytes | None:
    """The photo's transparency, moved with its objects; what they leave behind is as clear as what is around it."""
    photo = scene.photo
    if photo.alpha is None or bool((photo.alpha == 255).all()):
        return photo.alpha
    opaque = photo.alpha.astype(np.float32)[..., None]
    laid = np.where(change.hole[..., None], membrane_fill(opaque, ~change.objects), opaque)
    masks = {thing.name: thing.mask[..., None].astype(np.float32) for thing in scene.objects}
    for placement in layout.placements:
        mask = masks[placement.name]
        packed = np.concatenate([opaque * mask, mask], -1)
        own, cover = np.split(warp_channels(packed, placement.matrix, photo.size), 2, -1)
        laid = own + (1 - cover) * laid
    levels = np.floor(laid[..., 0] + 0.5).clip(0, 255).astype(np.uint8)
    return np.where(share > 0, levels, photo.alpha)


@torch.no_grad()
def refine(
    scene: Scene,
    layout: Layout,
    composite: Picture,
    region: Mask,
    change: Change,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    size: Size,
    seed: int,
    on_progress: OnProgress | None,
) -> Tensor:
    """Denoise the composite from a middle step on, with the source's self-attention at the new places.

    Outside the region the composite's latents, which are the source's, are blended in at every step.

    Returns:
        (3, h, w) by how much the composite changes, in [-1, 1], at the models' size.
    """
    settings, diffusion = record.compose, backbones.diffusion
    photo = image_to_tensor(scene.photo.pixels, size)
    source = diffusion.encode_picture(photo)
    latents = diffusion.encode_picture(image_to_tensor(composite, size))
    rows, columns = latents.shape[-2:]
    cells = to_cells(region, rows, columns).to(latents)
    timesteps = last_timesteps(diffusion.timesteps(settings.refine_steps), settings.strength)
    powers = [float(diffusion.alphas_cumprod[t]) for t in timesteps] + [1.0]
    noise = draw_noise(latents, [seed])
    prompt = description(scene, layout, record)
    guided = settings.guidance > 1
    text = diffusion.encode_text([prompt, record.negative_prompt, prompt] if guided else [prompt, prompt])
    injected = round(settings.injection * len(timesteps))
    belonging = correspondences(scene, layout)

    noisy = add_noise(latents, noise, powers[0])
    for done, timestep in enumerate(timesteps):
        batch = torch.cat([add_noise(source, noise, powers[done]), *[noisy] * (len(text) - 1)])
        given = inject_self_attention(diffusion.unet, rows, columns, belonging)
        with given if done < injected else nullcontext():
            seen = diffusion.predict(batch, timestep, text)
        clean, left = (cfg(p[1:2], p[2:3], settings.guidance) if guided else p[1:2] for p in seen)
        moved = ddim_step(clean, left, powers[done + 1])
        noisy = blend(moved, add_noise(latents, noise, powers[done + 1]), cells)
        if on_progress is not None:
            on_progress(Progress(stage="joining the objects to the picture", done=done + 1, total=len(timesteps)))
    # What the denoiser changed, not what the autoencoder lost: both pictures went through it.
    changes = diffusion.decode_latents(noisy) - diffusion.decode_latents(latents)
    ground = 1 - to_cells(change.objects, size.height, size.width)
    lively = detail_std(photo, ground)
    return high_pass(changes, to_cells(region, size.height, size.width), lively)[0]


def description(scene: Scene, layout: Layout, record: ArrangeRecord) -> str:
    """What the record says the picture shows, else the objects that stay in it, and the background."""
    if record.prompt:
        return without_brackets(record.prompt, scene)
    words = {thing.name: thing.words for thing in scene.objects}
    parts = [words[placement.name] for placement in layout.placements]
    return ", ".join([*parts, record.background] if record.background else parts)


def correspondences(scene: Scene, layout: Layout) -> Callable[[int, int], Correspondence]:
    """Where each cell's part of the source picture is, for any grid: moved with its object, or in its place."""
    masks = {thing.name: thing.mask for thing in scene.objects}
    free = np.ones(scene.photo.pixels.shape[:2], np.bool_)
    for placement in layout.placements:
        free &= ~placement.mask
    shown = [free, *visible(layout).values()]
    were = [~np.logical_or.reduce(list(masks.values())), *(masks[p.name] for p in layout.placements)]
    matrices = [IDENTITY, *(p.matrix for p in layout.placements)]

    @functools.cache
    def on(rows: int, columns: int) -> Correspondence:
        labels, source_labels = (
            torch.stack([share_of_cells(mask, rows, columns).flatten() for mask in side], 1) for side in (shown, were)
        )
        index, inside = source_cells(labels.argmax(1), matrices, scene.photo.size, rows, columns)
        source_labels = source_labels[index]
        known = inside & ((labels * source_labels).sum(1) >= KNOWN)
        return Correspondence(index=index, known=known, labels=labels, source_labels=source_labels)

    return on


def source_cells(
    owner: Tensor, matrices: Sequence[Matrix], size: Size, rows: int, columns: int
) -> tuple[Tensor, Tensor]:
    """For each cell of a grid, the cell from which the matrix of its owner brings the picture here.

    Args:
        owner: (rows * columns,) which of the matrices.

    Returns:
        (rows * columns,) the cells, and whether they lie in the picture.
    """
    y, x = torch.meshgrid(
        (torch.arange(rows, dtype=torch.float64) + 0.5) * size.height / rows,
        (torch.arange(columns, dtype=torch.float64) + 0.5) * size.width / columns,
        indexing="ij",
    )
    places = torch.stack([x.flatten(), y.flatten(), torch.ones(rows * columns, dtype=torch.float64)], 1)
    back = torch.tensor([inverse_map(m) for m in matrices], dtype=torch.float64).reshape(-1, 2, 3)
    was = torch.einsum("nij,nj->ni", back[owner], places)
    column, row = (was[:, 0] / size.width * columns).floor().long(), (was[:, 1] / size.height * rows).floor().long()
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1), inside
