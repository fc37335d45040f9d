"""Compose: objects are moved as they are, and the image is healed around them. The method on one page."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.ddim import Conditioned, SamplingHook, add_noise, draw_noise, last_timesteps, sample
from intarsia.diffusion.sampling_hooks import BlendOutside, ClassifierFreeGuidance, InjectSource, ReportProgress
from intarsia.imaging.affine import warp_channels
from intarsia.imaging.cells import TRACE, touched_cells
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import Size, working_size
from intarsia.imaging.infill import crop_around, membrane_fill
from intarsia.imaging.masks import Blend, Mask, bounds_of, depth_inside, dilate, feather
from intarsia.imaging.matting import WHOLE, Layer, cut, warp
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.tensors import change_to_image, image_to_tensor
from intarsia.layout.background import detail_std, high_pass, paint_background
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.correspondence import correspondence
from intarsia.layout.layout import Layout
from intarsia.layout.prompts import without_brackets
from intarsia.layout.scene import Scene
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a layout changes in an image, all (H, W) at the photo's size.

    Attributes:
        changed: the pixels of the objects that move or are removed.
        kept: the pixels of those that stay.
        vacated: the region that the former leave, their shadows and soft borders included.
        objects: all objects, with their shadows and soft borders.
    """

    changed: Mask
    kept: Mask
    vacated: Mask
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
) -> EditedPhoto:
    """Take objects to their places as they are, and heal the image around them.

    Objects that stay keep their very pixels, and so does the inside of those that are moved by whole
    pixels. A layout that changes nothing gives the very photo back, and costs nothing. Transparency
    moves with the objects.

    Args:
        scene: the original photo and its objects.
        layout: where they go.
        record: how.
        backbones: the pretrained networks.
        seed: of the noise.
        cache: keeps the inpainted background.
        on_progress: called after every denoising step; may raise `Cancelled`.
    """
    photo = scene.photo
    change = what_changes(scene, layout, record)
    if not change.changed.any():
        return EditedPhoto(photo=photo, blend=np.zeros(change.changed.shape, np.float32), seed=seed)
    size = working_size(photo.size, record.size or backbones.diffusion.native_side, backbones.diffusion.stride)

    background = inpainted_background(
        scene, change, record, backbones, size=size, seed=seed, cache=cache, on_progress=on_progress
    )
    composite, region, alpha = _stack_layers(scene, layout, change, background, record)
    healing = _refine(
        scene, layout, composite, region, change, record, backbones, size=size, seed=seed, on_progress=on_progress
    )

    # The denoised image shows in the vacated region and around the objects, never in them.
    width = record.feather * photo.size.short
    blend = np.where(alpha == 1, np.float32(1), feather(region, width))
    pixels = photo.pixels.copy()
    if (part := bounds_of(blend > 0)) is not None:
        soft = feather(region & (alpha == 0), width)[part]
        healed = composite[part] + soft[..., None] * change_to_image(healing, photo.size, part)
        old = photo.pixels[part]
        mixed = levels_to_bytes(old + blend[part][..., None] * (healed - old))
        pixels[part] = np.where((blend[part] > 0)[..., None], mixed, old)
    transparency = _compose_transparency(scene, layout, change, blend)
    return EditedPhoto(photo=dataclasses.replace(photo, pixels=pixels, alpha=transparency), blend=blend, seed=seed)


def what_changes(scene: Scene, layout: Layout, record: ArrangeRecord) -> Change:
    """Which objects are moved or removed, and the region that they vacate."""
    names = {*layout.removed, *(p.name for p in layout.placements if p.moved)}
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
    return Change(changed=changed, kept=kept, vacated=vacated, objects=dilate(changed | kept, border))


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
    """The image without the objects that move or are removed: painted once for each set of them."""
    words = list(dict.fromkeys(obj.words for obj in scene.objects))
    settings = record.compose
    key = key_of(
        "plate", scene.photo.pixels, change.vacated, change.objects, words, record.background, record.negative_prompt,
        settings.plates, settings.plate_steps, settings.plate_strength, settings.plate_guidance, record.feather,
        backbones.cache_key, size, seed,
    )  # fmt: skip
    cached = cache.get(key)
    if cached is None:
        image = scene.photo.pixels.astype(np.float32)
        painted = paint_background(
            image, change.vacated, change.objects, words, record, backbones,
            size=size, seed=seed, on_progress=on_progress,
        )  # fmt: skip
        levels = scene.photo.pixels.copy()
        if (part := bounds_of(change.vacated)) is not None:
            levels[part] = levels_to_bytes(painted[part])
        cached = to_values(plate=torch.from_numpy(levels))
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
    membrane: Picture | None = None
    for placement in layout.placements:
        mask = scene.masks[placement.name]
        if placement.moved:
            layer = warp(_cut_out(scene, mask, change, background, record), placement.matrix)
            part = layer.part
            composite[part] = layer.over(composite, part)
            region[part] |= layer.transmittance[part] < WHOLE
            alpha[part] = layer.alpha[part] + (1 - layer.alpha[part]) * alpha[part]
            continue
        part = crop_around(mask, 2)
        inside = mask[part]
        behind = (alpha[part] > 0) & dilate(inside, 2)
        if behind.any():
            # Something went behind this object: it shows at the object's soft edge instead of the old ground.
            if membrane is None:
                membrane = membrane_fill(image.astype(np.float32), ~change.objects)
            layer = _cut_out(scene, mask, change, membrane, record)
            own = layer.alpha[part]
            composite[part] = np.where(behind[..., None], layer.over(composite, part), composite[part])
            alpha[part] = np.where(behind, own + (1 - own) * alpha[part], alpha[part])
            inside = inside & (~behind | (own == 1))
        composite[part] = np.where(inside[..., None], image[part], composite[part])
        region[part] &= ~inside
        alpha[part] = np.where(inside, np.float32(0), alpha[part])
    return composite, region, alpha


def _cut_out(scene: Scene, mask: Mask, change: Change, ground: Picture, record: ArrangeRecord) -> Layer:
    """An object of the image as a layer, where it stands."""
    settings, short = record.compose, scene.photo.size.short
    return cut(
        scene.photo.pixels,
        mask,
        ground,
        (change.changed | change.kept) & ~mask,
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
    image = image_to_tensor(scene.photo.pixels, size)
    source = diffusion.encode_image(image)
    latents = diffusion.encode_image(image_to_tensor(composite, size))
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
            correspondence=functools.cache(functools.partial(correspondence, scene, layout)),
        ),
        BlendOutside(latents, noise, touched_cells(region, *latents.shape[-2:], least=TRACE).to(latents)[None, None]),
        ReportProgress("joining the objects to the picture", on_progress),
    ]
    noisy = add_noise(latents, noise, diffusion.alphas_cumprod[timesteps[0]])
    refined = sample(Conditioned(diffusion, text), noisy, timesteps, hooks)

    # What the denoiser changed, not what the autoencoder lost: both images went through it.
    changes = diffusion.decode_latents(refined) - diffusion.decode_latents(latents)
    objects, changing = (
        touched_cells(mask, size.height, size.width, least=TRACE)[None, None] for mask in (change.objects, region)
    )
    return high_pass(changes, changing, detail_std(image, 1 - objects))[0]


def description(scene: Scene, layout: Layout, record: ArrangeRecord) -> str:
    """The prompt for composing: the record's, else the objects that stay in the image, and the background."""
    if record.prompt:
        return without_brackets(record.prompt, scene)
    words = {obj.name: obj.words for obj in scene.objects}
    parts = [words[placement.name] for placement in layout.placements]
    return ", ".join([*parts, record.background] if record.background else parts)
