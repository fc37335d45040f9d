"""Compose: objects are moved as they are, and the image is healed around them. The method on one page."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.fills import PHOTOGRAPHIC, load_fill, paints_size
from intarsia.backbones.protocols import Backbones, BackgroundFill
from intarsia.diffusion.ddim import Conditioned, SamplingHook, add_noise, draw_noise, last_timesteps, sample
from intarsia.diffusion.sampling_hooks import BlendOutside, ClassifierFreeGuidance, InjectSource, ReportProgress
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.affine import warp_channels
from intarsia.imaging.cells import TRACE, touched_cells
from intarsia.imaging.crop import Crop
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.infill import crop_around, membrane_fill
from intarsia.imaging.known_ground import cut_from_ground
from intarsia.imaging.masks import Blend, Mask, bounds_of, depth_inside, dilate, feather
from intarsia.imaging.matting import SMALL, WHOLE, Layer, adapted, cut, warp
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.tensors import change_to_part, image_to_canvas
from intarsia.layout.background import DiffusionFill, detail_std, high_pass
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.correspondence import correspondence
from intarsia.layout.gaps import GROWTH, left_by
from intarsia.layout.layout import Layout
from intarsia.layout.prompts import without_brackets
from intarsia.layout.scene import Scene
from intarsia.layout.windows import one_of_many, windows_of
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a layout changes in an image, all masks (H, W) at the photo's size.

    Attributes:
        changed: the pixels of the objects that move or are removed.
        vacated: the region that they leave, with their soft borders and the shadows that were measured around them.
        objects: all objects, with their soft borders and shadows as far as they are known.
        layers: where they stand, of the objects that change and of those that stay beside them; in a small image none,
            since there they are cut out by the ground behind them.
    """

    changed: Mask
    vacated: Mask
    objects: Mask
    layers: Mapping[str, Layer]


def compose(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones | None,
    *,
    seed: int,
    cache: Cache,
    on_progress: OnProgress | None = None,
) -> EditedPhoto:
    """Take objects to their places as they are, and heal the image around them.

    Objects that stay keep their very pixels, and so does the inside of those that are moved by whole
    pixels. A layout that changes nothing gives the very photo back, and costs nothing. Transparency
    moves with the objects.

    Args:
        scene: the original photo and its objects.
        layout: where they go.
        record: how.
        backbones: the pretrained networks; without them, or where they cannot paint such a photo, objects are joined
            to it by their mattes alone.
        seed: of the noise, and of the search for a background.
        cache: keeps the background.
        on_progress: called after every denoising step; may raise `Cancelled`.
    """
    photo = scene.photo
    change = what_changes(scene, layout, record)
    if not change.changed.any():
        return EditedPhoto(photo=photo, blend=np.zeros(change.changed.shape, np.float32), seed=seed)

    background = background_without(
        scene, change, record, choose_fill(scene, record, backbones, on_progress), seed=seed, cache=cache
    )
    composite, region, alpha = _stack_layers(scene, layout, change, background, record)
    if backbones is not None and paints_size(backbones.diffusion.native_side, photo.size):
        windows = windows_of(region, record, backbones.diffusion)
        for number, crop in enumerate(windows):
            healing = _refine(
                scene, layout, composite, region, change, record, backbones,
                crop=crop, seed=seed, on_progress=one_of_many(on_progress, number, len(windows)),
            )  # fmt: skip
            # The denoised image shows in the vacated region and around the objects, never in them.
            part = crop.part(photo.size)
            soft = feather(region[part] & (alpha[part] == 0), record.feather * crop.short_side(photo.size))
            composite[part] += soft[..., None] * change_to_part(healing, crop, photo.size)

    pixels = np.where(region[..., None], levels_to_bytes(composite), photo.pixels)
    blend = region.astype(np.float32)
    transparency = _compose_transparency(scene, layout, change, blend)
    return EditedPhoto(photo=dataclasses.replace(photo, pixels=pixels, alpha=transparency), blend=blend, seed=seed)


def what_changes(scene: Scene, layout: Layout, record: ArrangeRecord) -> Change:
    """Which objects are moved or removed, and the region that they vacate."""
    names = {*layout.removed, *(p.name for p in layout.placements if p.moved)}
    if scene.photo.size.short < SMALL:
        return _change_by_distance(scene, names, record)
    return _change_by_mattes(scene, names, record)


def _change_by_distance(scene: Scene, names: Collection[str], record: ArrangeRecord) -> Change:
    """In a small image, shadows and soft borders lie within a few pixels of their objects."""
    shape = scene.photo.pixels.shape[:2]
    changed, kept = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for name, mask in scene.masks.items():
        union = changed if name in names else kept
        union |= mask
    border = round(record.compose.border * scene.photo.size.short)
    vacated = dilate(changed, border) & ~kept
    if kept.any():
        # Between two objects, each keeps the shadow on its own side.
        limit = border + 2
        if (part := bounds_of(vacated, limit)) is not None:
            vacated[part] &= changed[part] | (depth_inside(~changed[part], limit) <= depth_inside(~kept[part], limit))
    return Change(changed=changed, vacated=vacated, objects=dilate(changed | kept, border), layers={})


def _change_by_mattes(scene: Scene, names: Collection[str], record: ArrangeRecord) -> Change:
    """In a photograph, soft borders and shadows are measured."""
    image, short = scene.photo.pixels, scene.photo.size.short
    everything = np.logical_or.reduce(list(scene.masks.values()))
    changed, left = np.zeros_like(everything), np.zeros_like(everything)
    layers: dict[str, Layer] = {}
    settings = record.compose

    grains = {obj.name: obj.grain for obj in scene.objects}

    def cut_out(name: str) -> Layer:
        mask = scene.masks[name]
        reach = round(settings.border * short) if settings.shadows else 0
        return cut(
            image, mask, everything & ~mask, edge=max(1.0, settings.edge * short), grain=grains[name], reach=reach
        )

    for name in scene.names:
        if name in names:
            layers[name] = layer = cut_out(name)
            changed |= scene.masks[name]
            left |= left_by(scene.masks[name], layer)
    vacated = dilate(left, max(1, round(GROWTH * short)))
    objects = everything | vacated
    for name in scene.names:
        # What stays beside it keeps its own pixels; at its soft border the new ground shows.
        if name not in names and vacated[crop_around(scene.masks[name], 3)].any():
            layers[name] = layer = cut_out(name)
            objects |= layer.alpha > 0
            vacated &= layer.alpha < 1
    return Change(changed=changed, vacated=vacated, objects=objects, layers=layers)


def choose_fill(
    scene: Scene, record: ArrangeRecord, backbones: Backbones | None, on_progress: OnProgress | None
) -> BackgroundFill:
    """What fills the background: the record's choice; by default pieces of the image, unless the checkpoint was
    trained on photographs."""
    trained = backbones is not None and backbones.diffusion.native_side >= PHOTOGRAPHIC
    if record.fill != "diffusion" and not (record.fill == "auto" and trained):
        return load_fill(record.fill, record.fill_model)
    if backbones is None:
        raise ModelError(
            "The background is to be painted by a checkpoint, but none is loaded",
            Remedy(Setting("fill", "patch", verb="pass"), " to fill it from the image"),
        )
    words = list(dict.fromkeys(obj.words for obj in scene.objects))
    return DiffusionFill(words, record, backbones, on_progress)


def background_without(
    scene: Scene, change: Change, record: ArrangeRecord, fill: BackgroundFill, *, seed: int, cache: Cache
) -> Picture:
    """The image without the objects that move or are removed: made once for each set of them."""
    image = scene.photo.pixels
    key = key_of(
        "background", image, change.vacated, change.objects, fill.name, fill.version, fill.cache_key,
        record.fill_model, seed,
    )  # fmt: skip
    cached = cache.get(key)
    if cached is None:
        filled = fill.fill(image, change.vacated, change.objects & ~change.vacated, seed=seed)
        cached = to_values(plate=torch.from_numpy(filled))
        cache.put(key, cached)
    return cached["plate"].numpy().astype(np.float32)


def _stack_layers(
    scene: Scene, layout: Layout, change: Change, background: Picture, record: ArrangeRecord
) -> tuple[Picture, Mask, Blend]:
    """The background and the objects on it, from back to front.

    Returns:
        The composite, (H, W, 3); the region that changes in the image, (H, W); and the alpha of moved objects
        in it, (H, W) in [0, 1].
    """
    image = scene.photo.pixels
    composite, region = background.copy(), change.vacated.copy()
    alpha = np.zeros(region.shape, np.float32)
    small = scene.photo.size.short < SMALL
    for placement in layout.placements:
        name, mask = placement.name, scene.masks[placement.name]
        if placement.moved:
            standing = _cut_from(scene, mask, change, background, record) if small else change.layers[name]
            layer = warp(standing, placement.matrix)
            if record.compose.adapt:
                around = round(record.compose.border * scene.photo.size.short)
                beside = dilate(mask, around) & ~change.objects
                layer = adapted(layer, image[beside], composite, reach=around)
            part = layer.part
            composite[part] = layer.over(composite, part)
            region[part] |= layer.transmittance[part] < WHOLE
            alpha[part] = layer.alpha[part] + (1 - layer.alpha[part]) * alpha[part]
            continue
        near = crop_around(mask, 2)
        # Where something changed beneath its soft border, the new ground shows through.
        beneath = ((alpha > 0) if small else region)[near] & dilate(mask[near], 2)
        inside = mask[near]
        if beneath.any():
            layer = _layer_of_kept(scene, name, change, record)
            own = layer.alpha[near]
            beneath |= (own > 0) & (own < 1) & region[near]
            composite[near] = np.where(beneath[..., None], layer.over(composite, near), composite[near])
            alpha[near] = np.where(beneath, own + (1 - own) * alpha[near], alpha[near])
            inside = (inside & ~beneath) | (own == 1)
        composite[near] = np.where(inside[..., None], image[near], composite[near])
        region[near] &= ~inside
        alpha[near] = np.where(inside, np.float32(0), alpha[near])
    return composite, region, alpha


def _layer_of_kept(scene: Scene, name: str, change: Change, record: ArrangeRecord) -> Layer:
    """An object that stays, as a layer where it stands."""
    if scene.photo.size.short >= SMALL:
        return change.layers.get(name) or cut(scene.photo.pixels, scene.masks[name], change.objects)
    ground = membrane_fill(scene.photo.pixels.astype(np.float32), ~change.objects)
    return _cut_from(scene, scene.masks[name], change, ground, record)


def _cut_from(scene: Scene, mask: Mask, change: Change, ground: Picture, record: ArrangeRecord) -> Layer:
    """An object of a small image as a layer, where it stands."""
    settings, short = record.compose, scene.photo.size.short
    others = np.logical_or.reduce(list(scene.masks.values())) & ~mask
    return cut_from_ground(
        scene.photo.pixels,
        mask,
        ground,
        others,
        edge=max(1.5, settings.edge * short),
        reach=round(settings.border * short) if settings.shadows else 0,
    )


def _compose_transparency(scene: Scene, layout: Layout, change: Change, blend: Blend) -> Bytes | None:
    """The photo's transparency, moved with its objects; the vacated region is as clear as what is around it."""
    photo = scene.photo
    if photo.alpha is None or bool((photo.alpha == 255).all()):
        return photo.alpha
    source = photo.alpha.astype(np.float32)[..., None]
    composite = np.where(change.vacated[..., None], membrane_fill(source, ~change.objects), source)
    for placement in layout.placements:
        mask = scene.masks[placement.name][..., None].astype(np.float32)
        packed = np.concatenate([source * mask, mask], -1)
        own, coverage = np.split(warp_channels(packed, placement.matrix, photo.size), 2, -1)
        composite = own + (1 - coverage) * composite
    return np.where(blend > 0, levels_to_bytes(composite[..., 0]), photo.alpha)


@torch.no_grad()
def _refine(
    scene: Scene,
    layout: Layout,
    composite: Picture,
    region: Mask,
    change: Change,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    crop: Crop,
    seed: int,
    on_progress: OnProgress | None,
) -> Tensor:
    """Denoise a window of the composite from a middle step on, with the source's self-attention at the new places.

    Outside the region the composite's latents, which are the source's, are blended in at every step. What comes from
    outside of the window attends to itself alone.

    Returns:
        (3, h, w) by how much the composite changes on the crop's canvas, in [-1, 1].
    """
    settings, diffusion, size = record.compose, backbones.diffusion, crop.size
    image = image_to_canvas(scene.photo.pixels, crop)
    source = diffusion.encode_image(image)
    latents = diffusion.encode_image(image_to_canvas(composite, crop))
    noise = draw_noise(latents.shape, [seed]).to(latents)
    timesteps = last_timesteps(diffusion.timesteps(settings.refine_steps), settings.strength)
    prompt = description(scene, layout, record)
    guided = settings.guidance > 1
    text = diffusion.encode_text([prompt, record.negative_prompt, prompt] if guided else [prompt, prompt])

    hooks: list[SamplingHook] = [ClassifierFreeGuidance(settings.guidance)] if guided else []
    hooks += [
        InjectSource(
            unet=diffusion.unet,
            source=source,
            noise=noise,
            steps=round(settings.injection * len(timesteps)),
            correspondence=functools.cache(functools.partial(correspondence, scene, layout, crop=crop)),
        ),
        BlendOutside(
            latents, noise, touched_cells(region, *latents.shape[-2:], least=TRACE, crop=crop).to(latents)[None, None]
        ),
        ReportProgress("joining the objects to the picture", on_progress),
    ]
    noisy = add_noise(latents, noise, diffusion.alphas_cumprod[timesteps[0]])
    refined = sample(Conditioned(diffusion, text), noisy, timesteps, hooks)

    # What the denoiser changed, not what the autoencoder lost: both images went through it.
    changes = diffusion.decode_latents(refined) - diffusion.decode_latents(latents)
    objects, changing = (
        touched_cells(mask, size.height, size.width, least=TRACE, crop=crop)[None, None]
        for mask in (change.objects, region)
    )
    return high_pass(changes, changing, detail_std(image, 1 - objects))[0]


def description(scene: Scene, layout: Layout, record: ArrangeRecord) -> str:
    """The prompt for composing: the record's, else the objects that stay in the image, and the background."""
    if record.prompt:
        return without_brackets(record.prompt, scene)
    words = {obj.name: obj.words for obj in scene.objects}
    parts = [words[placement.name] for placement in layout.placements]
    return ", ".join([*parts, record.background] if record.background else parts)
