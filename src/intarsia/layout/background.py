"""What lies behind objects: the plate on which a picture is put together anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.attention_control import mask_self_attention
from intarsia.diffusion.ddim import add_noise, blend, cfg, ddim_step
from intarsia.imaging.geometry import Size
from intarsia.imaging.infill import Picture, patch_fill
from intarsia.imaging.masks import Mask, Part, bounds_of, feather, overlap_matrix
from intarsia.imaging.matting import EVERYWHERE
from intarsia.imaging.photo import Bytes
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord

DRIFT = 0.08
"""Reach of the mean that counts as a drift of colour, as a fraction of the picture's short side."""

LIVELIEST = 2.0
"""Deviations of the picture's own details that a painted detail may reach."""


def paint_background(
    picture: Picture,
    hole: Mask,
    objects: Mask,
    words: Sequence[str],
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    size: Size,
    seed: int,
    on_progress: OnProgress | None,
) -> Picture:
    """Paint what objects leave behind.

    An inpainting model that starts from noise alone likes to paint another object. Here the hole is first
    filled with what continues its surroundings, and denoised from a middle step on while no cell may look
    at an object: there is nothing that an object could grow from. Of several paintings, that with least of the
    objects' words in it is kept.

    Args:
        picture: (H, W, 3) at the photo's size.
        hole: (H, W) what is to be painted.
        objects: (H, W) all objects and their shadows, so that none of them bleeds into it.
        words: what shall not be there.
        size: at which the models work.

    Returns:
        (H, W, 3) the picture with the hole painted; elsewhere as it was.
    """
    settings, diffusion = record.compose, backbones.diffusion
    fill = patch_fill(picture, hole, ~(objects | hole))
    start = image_to_tensor(fill, size)
    latents = diffusion.encode_picture(start)
    rows, columns = latents.shape[-2:]
    cells = to_cells(hole, rows, columns).to(latents)
    painted = denoise(
        latents,
        cells,
        backbones,
        hidden=share_of_cells(objects | hole, rows, columns),
        prompt=record.background,
        negative_prompt=", ".join([*words, record.negative_prompt] if record.negative_prompt else words),
        guidance=settings.plate_guidance,
        steps=settings.plate_steps,
        strength=settings.plate_strength,
        seeds=range(seed, seed + settings.plates),
        on_progress=on_progress,
    )
    # What the denoiser changed, not what the autoencoder lost: both pictures went through it.
    where = to_cells(hole, size.height, size.width)
    ground = 1 - to_cells(objects | hole, size.height, size.width)
    changes = diffusion.decode_latents(painted) - diffusion.decode_latents(latents)
    changes = high_pass(changes, where, detail_std(start, ground))
    best = least_like_the_objects(start + changes, where, words, backbones)
    soft = feather(hole, record.feather * min(hole.shape))
    whole = picture.astype(np.float32)
    if (part := bounds_of(hole)) is not None:
        there = fill[part] + soft[part][..., None] * to_image_change(changes[best], hole.shape, part)
        whole[part] = np.where(hole[part][..., None], there, whole[part])
    return whole


@torch.no_grad()
def denoise(
    latents: Tensor,
    cells: Tensor,
    backbones: Backbones,
    *,
    hidden: Tensor,
    prompt: str,
    negative_prompt: str,
    guidance: float,
    steps: int,
    strength: float,
    seeds: Sequence[int],
    on_progress: OnProgress | None,
) -> Tensor:
    """Latents noised to a middle step and denoised again inside `cells`, one picture a seed.

    Args:
        latents: (1, C, h, w).
        cells: (1, 1, h, w) where they may change.
        hidden: (h, w) what nobody may look at.

    Returns:
        (B, C, h, w).
    """
    diffusion = backbones.diffusion
    timesteps = last_timesteps(diffusion.timesteps(steps), strength)
    powers = [float(diffusion.alphas_cumprod[t]) for t in timesteps] + [1.0]
    noise = draw_noise(latents, seeds)
    text = diffusion.encode_text([prompt])
    if guidance > 1:
        text = torch.cat([diffusion.encode_text([negative_prompt]), text])
    text = text.repeat_interleave(len(seeds), 0)
    noisy = add_noise(latents, noise, powers[0])
    with mask_self_attention(diffusion.unet, hidden):
        for done, timestep in enumerate(timesteps):
            seen = diffusion.predict(torch.cat([noisy] * (len(text) // len(noisy))), timestep, text)
            clean, left = (apply_guidance(part, guidance) for part in seen) if guidance > 1 else seen
            moved = ddim_step(clean, left, powers[done + 1])
            noisy = blend(moved, add_noise(latents, noise, powers[done + 1]), cells)
            if on_progress is not None:
                on_progress(Progress(stage="painting what lies behind", done=done + 1, total=len(timesteps)))
    return noisy


def apply_guidance(answers: Tensor, scale: float) -> Tensor:
    """Guidance over a batch whose first half is the unconditional answer, (2 B, C, h, w) -> (B, C, h, w)."""
    unconditional, conditional = answers.chunk(2)
    return cfg(unconditional, conditional, scale)


def least_like_the_objects(pictures: Tensor, hole: Tensor, words: Sequence[str], backbones: Backbones) -> int:
    """Which of B pictures shows least of the words inside the hole, (1, 1, H, W)."""
    if len(pictures) == 1 or not words:
        return 0
    heats = [float((backbones.segmenter.heat(picture[None], words).amax(0) * hole[0, 0]).sum()) for picture in pictures]
    return int(np.argmin(heats))


def high_pass(changes: Tensor, region: Tensor, liveliness: float) -> Tensor:
    """Changes of a picture without their slow part, and no stronger than the details that it has already.

    A denoiser that is asked for a part of a picture drifts in colour, which would show as a patch, and
    paints a stain where it should continue a plain ground. Light and colours stay as they were.

    Args:
        changes: (B, 3, H, W) differences of pictures in [-1, 1].
        region: (1, 1, H, W) of 0 and 1, where they count.
        liveliness: the deviation of the picture's own details.
    """
    most = LIVELIEST * liveliness + 1 / 127.5
    return most * torch.tanh(without_mean(changes, region) / most)


def detail_std(picture: Tensor, ground: Tensor) -> float:
    """The deviation of the details of a picture (1, 3, H, W), in [-1, 1], where its ground (1, 1, H, W) is to be seen."""
    found = without_mean(picture, ground)
    return float((found.square().sum() / (3 * ground.sum()).clamp(min=1)).sqrt())


def without_mean(pictures: Tensor, region: Tensor) -> Tensor:
    """(B, 3, H, W) less the mean around each pixel over the region, (1, 1, H, W) of 0 and 1; 0 outside it."""
    radius = max(round(DRIFT * min(pictures.shape[-2:])), 1)
    mean = pictures * region
    for _ in range(2):
        total, weight = (F.avg_pool2d(part, 2 * radius + 1, stride=1, padding=radius) for part in (mean, region))
        mean = total / weight.clamp(min=1e-6) * region
    return (pictures - mean) * region


def last_timesteps(timesteps: list[int], strength: float) -> list[int]:
    """The last part of a schedule, at least one step."""
    return timesteps[len(timesteps) - max(1, round(strength * len(timesteps))) :]


def draw_noise(latents: Tensor, seeds: Sequence[int]) -> Tensor:
    """(B, C, h, w) noise, one drawing a seed, the same on every device."""
    shape = (1, *latents.shape[1:])
    drawn = [torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds]
    return torch.cat(drawn).to(latents)


def image_to_tensor(picture: Picture | Bytes, size: Size) -> Tensor:
    """(H, W, 3) in levels -> (1, 3, h, w) in [-1, 1] at the models' size, antialiased."""
    channels = [
        np.asarray(
            Image.fromarray(picture[..., k].astype(np.float32)).resize(
                (size.width, size.height), Image.Resampling.LANCZOS
            )
        )
        for k in range(3)
    ]
    return torch.from_numpy(np.stack(channels)).clamp(0, 255)[None] / 127.5 - 1


def to_image_change(change: Tensor, shape: tuple[int, ...], part: Part = EVERYWHERE) -> Picture:
    """(3, h, w), a difference of pictures in [-1, 1] -> (H, W, 3) in levels at the photo's size, or a part of it."""
    height, width = shape[:2]
    if change.shape[-2:] != (height, width):
        change = F.interpolate(change[None].float(), (height, width), mode="bicubic", align_corners=False)[0]
    levels: Picture = (change[(slice(None), *part)] * 127.5).permute(1, 2, 0).contiguous().numpy()
    return levels


def share_of_cells(mask: Mask | npt.NDArray[np.floating], rows: int, columns: int) -> Tensor:
    """(rows, columns) share of each cell that a mask (H, W) covers."""
    height, width = mask.shape
    values = torch.from_numpy(mask.astype(np.float32))
    return overlap_matrix(rows, height) @ values @ overlap_matrix(columns, width).T


def to_cells(mask: Mask, rows: int, columns: int) -> Tensor:
    """(1, 1, rows, columns) of 1 where a mask (H, W) touches a cell, else 0."""
    return (share_of_cells(mask, rows, columns) > 1e-4).float()[None, None]
