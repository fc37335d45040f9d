"""Compose: objects are moved as they are, and the image is healed around them. The method on one page."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.fills import PHOTOGRAPHIC, load_fill, paints_size
from intarsia.backbones.protocols import Backbones, BackgroundFill
from intarsia.diffusion.ddim import Conditioned, SamplingHook, add_noise, draw_noise, last_timesteps, sample
from intarsia.diffusion.sampling_hooks import BlendOutside, ClassifierFreeGuidance, InjectSource, ReportProgress
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.cells import TRACE, touched_cells
from intarsia.imaging.crop import Crop
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.infill import crop_around
from intarsia.imaging.masks import bounds_of, depth_inside, dilate, feather
from intarsia.imaging.matting import SMALL, Layer, cut
from intarsia.imaging.photo import Bytes, levels_to_bytes
from intarsia.imaging.tensors import change_to_part, image_to_canvas
from intarsia.layout.background import DiffusionFill, detail_std, high_pass
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.layout.correspondence import correspondence
from intarsia.layout.gaps import GROWTH, left_by
from intarsia.layout.layout import Layout
from intarsia.layout.prompts import without_brackets
from intarsia.layout.scene import Scene
from intarsia.layout.stack import Change, Stack, stack_layers
from intarsia.layout.transparency import moved_transparency
from intarsia.layout.windows import one_of_many, windows_of
from intarsia.notes import note
from intarsia.progress import OnProgress, Stages, span
from intarsia.records.arrange import ArrangeRecord

CUTTING, FILLING, LAYING = "cutting the objects out", "filling the gaps", "laying the objects down"
"""Stages, as progress names them."""

CUTTING_COST, FILLING_COST, LAYING_COST = 0.8, 4.5, 0.7
"""What they cost beside each other, the first one an object: seconds of a core for a photograph of 12 megapixels."""


def compose(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones | None,
    *,
    seed: int,
    cache: Cache,
    fill: BackgroundFill | None = None,
    effort: float = 1.0,
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
        fill: what fills the background; by default what the record names.
        effort: at cutting objects out; see `cut`.
        on_progress: called within every stage, and after every denoising step; may raise `Cancelled`.
    """
    photo, count = scene.photo, len(scene.objects)
    stages = Stages(on_progress, {CUTTING: count * CUTTING_COST, FILLING: FILLING_COST, LAYING: LAYING_COST})
    with stages.stage(CUTTING):
        change = what_changes(scene, layout, record, effort)
    if not change.changed.any() and not layout.copied:
        return EditedPhoto(photo=photo, blend=np.zeros(change.changed.shape, np.float32), seed=seed)

    with stages.stage(FILLING):
        fill = choose_fill(scene, record, backbones, on_progress) if fill is None else fill
        background = background_without(scene, change, record, fill, seed=seed, cache=cache)
    with stages.stage(LAYING):
        stack = stack_layers(scene, layout, change, background, record)
    blend = np.zeros(change.changed.shape, np.float32)
    blend[stack.part] = stack.region
    diffusion = None if backbones is None else backbones.diffusion  # None: its attention cannot be looked into
    if backbones is not None and diffusion is not None and paints_size(diffusion.native_side, photo.size):
        windows = windows_of(blend > 0, record, diffusion)
        for number, crop in enumerate(windows):
            seen = stack.seen_in(crop.part(photo.size), photo.pixels)
            healing = _refine(
                scene, layout, seen, change, record, backbones,
                crop=crop, seed=seed, on_progress=one_of_many(on_progress, number, len(windows)),
            )  # fmt: skip
            # The denoised image shows in the vacated region and around the objects, never in them.
            soft = feather(seen.region & (seen.alpha == 0), record.feather * crop.short_side(photo.size))
            seen.picture[...] += soft[..., None] * change_to_part(healing, crop, photo.size)
            stack.put(seen)

    if backbones is not None and diffusion is None:
        note(f"{backbones.name} is used through its pipeline alone: objects were laid as they are, and not refined.")
    pixels = photo.pixels.copy()
    pixels[stack.part][stack.region] = levels_to_bytes(stack.picture[stack.region])
    transparency = moved_transparency(scene, layout, change, blend)
    return EditedPhoto(photo=dataclasses.replace(photo, pixels=pixels, alpha=transparency), blend=blend, seed=seed)


def what_changes(scene: Scene, layout: Layout, record: ArrangeRecord, effort: float = 1.0) -> Change:
    """Which objects are moved or removed, and the region that they vacate."""
    if scene.photo.size.short < SMALL:
        return _change_by_distance(scene, layout.vacating, record)
    return _change_by_mattes(scene, layout.vacating, layout.copied, record, effort)


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


def _change_by_mattes(
    scene: Scene, names: Collection[str], copied: Collection[str], record: ArrangeRecord, effort: float
) -> Change:
    """In a photograph, soft borders and shadows are measured.

    Args:
        names: of the objects that leave their places.
        copied: of those that are cut out to be laid elsewhere, too.
    """
    image, short = scene.photo.pixels, scene.photo.size.short
    everything = np.logical_or.reduce(list(scene.masks.values()))
    changed, left = np.zeros_like(everything), np.zeros_like(everything)
    layers: dict[str, Layer] = {}
    settings = record.compose

    grains = {obj.name: obj.grain for obj in scene.objects}

    def cut_out(name: str) -> Layer:
        reach = round(settings.border * short) if settings.shadows else 0
        edge = max(1.0, settings.edge * short)
        return cut(image, scene.masks[name], everything, edge=edge, grain=grains[name], reach=reach, effort=effort)

    for number, name in enumerate(scene.names):
        if name in names:
            with span(number / len(scene.names), (number + 1) / len(scene.names)):
                layers[name] = layer = cut_out(name)
            changed[layer.part] |= scene.masks[name][layer.part]
            left[layer.part] |= left_by(scene.masks[name], layer)
        elif name in copied:
            layers[name] = cut_out(name)
    vacated = dilate(left, max(1, round(GROWTH * short)))
    objects = everything | vacated
    for name in scene.names:
        # What stays beside it keeps its own pixels; at its soft border the new ground shows.
        if name not in names and vacated[crop_around(scene.masks[name], 3)].any():
            layers[name] = layer = layers.get(name) or cut_out(name)
            objects[layer.part] |= layer.alpha > 0
            vacated[layer.part] &= layer.alpha < 1
    return Change(changed=changed, vacated=vacated, objects=objects, layers=layers)


def choose_fill(
    scene: Scene, record: ArrangeRecord, backbones: Backbones | None, on_progress: OnProgress | None
) -> BackgroundFill:
    """What fills the background: the record's choice; by default pieces of the image, unless the checkpoint was
    trained on photographs."""
    trained = backbones is not None and backbones.painter.native_side >= PHOTOGRAPHIC
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
) -> Bytes:
    """The image without the objects that move or are removed, (H, W, 3): made once for each set of them."""
    image, part = scene.photo.pixels, bounds_of(change.vacated)
    if part is None:
        return image
    key = key_of(
        "vacated", image, change.vacated, change.objects, fill.name, fill.version, fill.cache_key,
        record.fill_model, seed,
    )  # fmt: skip
    cached = cache.get(key)
    if cached is None:
        filled = fill.fill(image, change.vacated, change.objects & ~change.vacated, seed=seed)
        cached = to_values(plate=torch.from_numpy(filled[part].copy()))
        cache.put(key, cached)
    background = image.copy()
    background[part] = cached["plate"].numpy()
    return background


@torch.no_grad()
def _refine(
    scene: Scene,
    layout: Layout,
    stack: Stack,
    change: Change,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    crop: Crop,
    seed: int,
    on_progress: OnProgress | None,
) -> Tensor:
    """Denoise a window of the composite from a middle step on, with the source's self-attention at the new places.

    Outside the stack's region the composite's latents, which are the source's, are blended in at every step. What comes from
    outside of the window attends to itself alone.

    Args:
        stack: in the part of the photo that the crop's window touches.

    Returns:
        (3, h, w) by how much the composite changes on the crop's canvas, in [-1, 1].
    """
    settings, diffusion, size = record.compose, backbones.in_parts, crop.size
    image = image_to_canvas(scene.photo.pixels, crop)
    source = diffusion.encode_image(image)
    latents = diffusion.encode_image(image_to_canvas(stack.picture, crop, stack.part))
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
            correspondence=functools.partial(correspondence, scene, layout, crop=crop),
        ),
        BlendOutside(
            latents,
            noise,
            touched_cells(stack.region, *latents.shape[-2:], least=TRACE, crop=crop, at=stack.part).to(latents)[
                None, None
            ],
        ),
        ReportProgress("joining the objects to the picture", on_progress),
    ]
    noisy = add_noise(latents, noise, diffusion.alphas_cumprod[timesteps[0]])
    with torch.no_grad():
        refined = sample(Conditioned(diffusion, text), noisy, timesteps, hooks)

    # What the denoiser changed, not what the autoencoder lost: both images went through it.
    changes = diffusion.decode_latents(refined) - diffusion.decode_latents(latents)
    objects, changing = (
        touched_cells(mask, size.height, size.width, least=TRACE, crop=crop, at=stack.part)[None, None]
        for mask in (change.objects[stack.part], stack.region)
    )
    return high_pass(changes, changing, detail_std(image, 1 - objects))[0]


def description(scene: Scene, layout: Layout, record: ArrangeRecord) -> str:
    """The prompt for composing: the record's, else the objects that stay in the image, and the background."""
    if record.prompt:
        return without_brackets(record.prompt, scene)
    words = {obj.name: obj.words for obj in scene.objects}
    parts = [words[placement.source] for placement in layout.placements]
    return ", ".join([*parts, record.background] if record.background else parts)
