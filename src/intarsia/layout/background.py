"""The inpainted background: a photo without some of its objects, on which the others are put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.fills import PatchFill
from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.attention_control import mask_self_attention
from intarsia.diffusion.ddim import Conditioned, SamplingHook, add_noise, draw_noise, last_timesteps, sample
from intarsia.diffusion.sampling_hooks import BlendOutside, ClassifierFreeGuidance, ReportProgress
from intarsia.imaging.cells import TRACE, cell_coverage, touched_cells
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, feather
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.tensors import change_to_part, image_to_canvas
from intarsia.layout.windows import one_of_many, windows_of
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord

DRIFT = 0.08
"""Reach of the mean that counts as a drift of colour, as a fraction of the image's short side."""

MOST_DETAIL = 2.0
"""Deviations of the image's own details that a painted detail may reach."""


class DiffusionFill:
    """A checkpoint paints what lies behind the objects.

    One that is used in its parts may attend to no object meanwhile; any other repaints the region, told the background.

    Args:
        words: the objects' words, which are unwanted there.
        record: how.
        backbones: the pretrained networks.
        on_progress: called after every denoising step; may raise `Cancelled`.
    """

    name = "diffusion"

    def __init__(
        self, words: Sequence[str], record: ArrangeRecord, backbones: Backbones, on_progress: OnProgress | None = None
    ) -> None:
        self.words, self.record, self.backbones, self.on_progress = words, record, backbones, on_progress
        self.version = backbones.versions.get("inpainter", backbones.name)

    @property
    def cache_key(self) -> tuple[object, ...]:
        settings = self.record.compose
        return (
            *self.words, self.record.background, self.record.negative_prompt, settings.plates, settings.plate_steps,
            settings.plate_strength, settings.plate_guidance, settings.context, self.record.feather, self.record.size,
            *self.backbones.cache_key,
        )  # fmt: skip

    def fill(self, image: Bytes, hole: Mask, others: Mask, *, seed: int = 0) -> Bytes:
        """See `BackgroundFill`."""
        start = PatchFill().fill(image, hole, others, seed=seed)
        windows = windows_of(hole, self.record, self.backbones.painter)
        photo, objects, filled = Size(hole.shape[1], hole.shape[0]), hole | others, start.copy()
        for number, crop in enumerate(windows):
            painted = paint_background(
                start, hole, objects, self.words, self.record, self.backbones,
                crop=crop, seed=seed, on_progress=one_of_many(self.on_progress, number, len(windows)),
            )  # fmt: skip
            filled[crop.part(photo)] = levels_to_bytes(painted)
        return filled


def paint_background(
    fill: Bytes,
    vacated: Mask,
    objects: Mask,
    words: Sequence[str],
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    crop: Crop,
    seed: int,
    on_progress: OnProgress | None,
) -> Picture:
    """Paint the background where objects were, in one window.

    An inpainting model that starts from noise alone likes to paint another object. Here the vacated region is
    first filled with what continues its surroundings, and denoised from a middle step on while no cell may
    attend to an object: there is nothing that an object could grow from. Of several paintings, that with least
    of the objects' words in it is kept.

    Args:
        fill: (H, W, 3) at the photo's size, the region filled with what continues its surroundings.
        vacated: (H, W) the region that is painted; no connected part of it lies across the window's border.
        objects: (H, W) all objects and their shadows, so that none of them bleeds into it.
        words: the objects' words, which are unwanted there.
        crop: the window.

    Returns:
        (h, w, 3) the part of the image that the window touches, with the vacated region painted; elsewhere as it was.
    """
    size = crop.size
    start = image_to_canvas(fill, crop)
    region, surroundings = (
        touched_cells(mask, size.height, size.width, least=TRACE, crop=crop)[None, None]
        for mask in (vacated, objects | vacated)
    )
    seeds = range(seed, seed + record.compose.plates)
    if backbones.diffusion is None:
        changes = _repainted(start, region, words, record, backbones, seeds=seeds, on_progress=on_progress) - start
    else:
        latents = backbones.diffusion.encode_image(start)
        rows, columns = latents.shape[-2:]
        painted = _denoise(
            latents,
            touched_cells(vacated, rows, columns, least=TRACE, crop=crop).to(latents)[None, None],
            cell_coverage(objects | vacated, rows, columns, crop=crop),
            words,
            record,
            backbones,
            seeds=seeds,
            on_progress=on_progress,
        )
        # What the denoiser changed, not what the autoencoder lost: both images went through it.
        # One by one: the autoencoder takes more memory than the denoiser, and no less time for a batch.
        decoded = torch.cat([backbones.diffusion.decode_latents(one) for one in painted[:, None]])
        changes = decoded - backbones.diffusion.decode_latents(latents)
    changes = high_pass(changes, region, detail_std(start, 1 - surroundings))
    best = _least_like_the_objects(start + changes, region, words, backbones)
    photo = Size(vacated.shape[1], vacated.shape[0])
    part = crop.part(photo)
    alpha = feather(vacated[part], record.feather * crop.short_side(photo))
    change = change_to_part(changes[best], crop, photo)
    painted_part: Picture = fill[part] + alpha[..., None] * change
    return painted_part


@torch.no_grad()
def _denoise(
    latents: Tensor,
    region: Tensor,
    hidden: Tensor,
    words: Sequence[str],
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    seeds: Sequence[int],
    on_progress: OnProgress | None,
) -> Tensor:
    """Latents noised to a middle step and denoised again inside a region, one image a seed.

    Args:
        latents: (1, C, h, w).
        region: (1, 1, h, w), 1 in cells that may change.
        hidden: (h, w) share of each cell that no cell may attend to.
        words: what is unwanted, besides the record's negative prompt.

    Returns:
        (B, C, h, w).
    """
    settings, diffusion = record.compose, backbones.in_parts
    timesteps = last_timesteps(diffusion.timesteps(settings.plate_steps), settings.plate_strength)
    noise = draw_noise(latents.shape, seeds).to(latents)
    unwanted = [_unwanted(words, record)] if settings.plate_guidance > 1 else []
    text = diffusion.encode_text([record.background], beside=unwanted)
    hooks: list[SamplingHook] = [
        BlendOutside(latents, noise, region),
        ReportProgress("painting what lies behind", on_progress),
    ]
    if unwanted:
        text = torch.cat([diffusion.encode_text(unwanted, beside=[record.background]), text])
        hooks.append(ClassifierFreeGuidance(settings.plate_guidance))
    model = Conditioned(diffusion, text.repeat_interleave(len(seeds), 0))
    noisy = add_noise(latents, noise, diffusion.alphas_cumprod[timesteps[0]])
    with torch.no_grad(), mask_self_attention(diffusion.unet, hidden):
        return sample(model, noisy, timesteps, hooks)


def _repainted(
    start: Tensor,
    region: Tensor,
    words: Sequence[str],
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    seeds: Sequence[int],
    on_progress: OnProgress | None,
) -> Tensor:
    """An image (1, 3, H, W) repainted inside a region, (1, 1, H, W), from a middle step on -> (B, 3, H, W), one a seed."""
    settings = record.compose

    def on_step(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(Progress(stage="painting what lies behind", done=done, total=total))

    return backbones.inpainter.inpaint(
        start.to(backbones.device),
        region.expand(len(seeds), -1, -1, -1),
        [record.background] * len(seeds),
        negative_prompt=_unwanted(words, record),
        seeds=seeds,
        steps=settings.plate_steps,
        guidance=settings.plate_guidance,
        strength=settings.plate_strength,
        on_step=on_step,
    )


def _unwanted(words: Sequence[str], record: ArrangeRecord) -> str:
    """What a background is painted away from: the objects' words, and the record's negative prompt."""
    return ", ".join([*words, record.negative_prompt] if record.negative_prompt else words)


def _least_like_the_objects(images: Tensor, region: Tensor, words: Sequence[str], backbones: Backbones) -> int:
    """Index of the one of B images (B, 3, H, W) that shows least of the words inside a region, (1, 1, H, W)."""
    if len(images) == 1 or not words:
        return 0
    heats = [
        float((backbones.segmenter.predict_masks(image[None], words).amax(0) * region[0, 0]).sum()) for image in images
    ]
    return int(np.argmin(heats))


def high_pass(changes: Tensor, region: Tensor, detail: float) -> Tensor:
    """Changes of an image without their slow part, and no stronger than the details that it has already.

    A denoiser that is asked for a part of an image drifts in colour, which would show as a patch, and
    paints a stain where it should continue a plain ground. Light and colours stay as they were.

    Args:
        changes: (B, 3, H, W) differences of images in [-1, 1].
        region: (1, 1, H, W) of 0 and 1, where they count.
        detail: deviation of the image's own details; see `detail_std`.
    """
    most = MOST_DETAIL * detail + 1 / 127.5
    return most * torch.tanh(_without_local_mean(changes, region) / most)


def detail_std(image: Tensor, ground: Tensor) -> float:
    """Deviation of the details of an image (1, 3, H, W), in [-1, 1], over its ground, (1, 1, H, W) of 0 and 1."""
    details = _without_local_mean(image, ground)
    return float((details.square().sum() / (3 * ground.sum()).clamp(min=1)).sqrt())


def _without_local_mean(images: Tensor, region: Tensor) -> Tensor:
    """(B, 3, H, W) less the mean around each pixel over the region, (1, 1, H, W) of 0 and 1; 0 outside it."""
    radius = max(round(DRIFT * min(images.shape[-2:])), 1)
    mean = images * region
    for _ in range(2):
        total, weight = (_local_mean(part, radius) for part in (mean, region))
        mean = total / weight.clamp(min=1e-6) * region
    return (images - mean) * region


def _local_mean(images: Tensor, radius: int) -> Tensor:
    """(B, C, H, W) -> mean over squares, along one side and then the other: the square's cost would be its area."""
    side = 2 * radius + 1
    along = F.avg_pool2d(images, (1, side), stride=1, padding=(0, radius))
    return F.avg_pool2d(along, (side, 1), stride=1, padding=(radius, 0))
