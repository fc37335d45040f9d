"""Prior images: the model's own images of a class, so that learning an object keeps the class word as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.diffusion.ddim import Conditioned, SamplingHook, Step, draw_noise, sample
from intarsia.diffusion.sampling_hooks import ClassifierFreeGuidance
from intarsia.errors import Command, RecordError, Remedy, Setting
from intarsia.imaging.geometry import Size, working_size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.tensors import resize_to_photo, to_tensor
from intarsia.layout.prompts import sentence
from intarsia.progress import OnProgress, Progress

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def read_prior(folder: Path, diffusion: LatentDiffusion) -> list[tuple[str, Tensor]]:
    """Pictures of classes: `cat/0001.png`, or `cat-0001.png` in the folder itself.

    Returns:
        The words of each and its (1, C, h, w) latents, aspect ratio kept.

    Raises:
        RecordError: the folder holds no pictures.
        PictureError: a picture cannot be read.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise RecordError(
            f"The folder of prior pictures {folder} holds no pictures.",
            Remedy(
                "make some with ",
                Command("prior", "WORDS", out=folder),
                page=("leave ", Setting("learn.prior"), " out"),
            ),
        )
    pictures = []
    for file in files:
        words = file.parent.name if file.parent != folder else re.sub(r"[-_ ]*\d*$", "", file.stem)
        photo = read_photo(file)
        size = working_size(photo.size, diffusion.native_side, diffusion.stride)
        latents = diffusion.encode_image(to_tensor(photo, size).to(diffusion.device)).float()
        pictures.append((words.replace("_", " ") or "thing", latents))
    return pictures


@torch.no_grad()
def prior(
    words: str,
    count: int,
    backbones: Backbones,
    *,
    seed: int,
    steps: int = 50,
    guidance: float = 5.0,
    batch: int = 4,
    begin: int = 0,
    on_progress: OnProgress | None = None,
) -> Iterator[Photo]:
    """Pictures of a class by the model itself, which keep its word as it was while an object is learned.

    Args:
        words: the class, e.g. "potted plant".
        count: how many.
        seed: of the first; picture k has seed + k, whatever the batch.
        batch: painted at once.
        begin: how many of the first pictures are there already. Batches are cut as if none was, so that
            the others come out to the last bit as without an interruption.

    Yields:
        Photos of the model's native size, as they get ready.
    """
    diffusion = backbones.in_parts
    text = diffusion.encode_text(["", sentence([words])])
    side = diffusion.native_side
    shape = diffusion.encode_image(torch.zeros(1, 3, side, side)).shape[1:]
    for first in range(begin - begin % batch if begin < count else count, count, batch):
        seeds = [seed + k for k in range(first, min(first + batch, count))]
        noise = draw_noise(shape, seeds).to(diffusion.device)
        model = Conditioned(diffusion, text.repeat_interleave(len(seeds), 0))
        report = _ReportBatch(f"painting {words}", first, len(seeds), count, on_progress)
        latents = sample(model, noise, diffusion.timesteps(steps), [ClassifierFreeGuidance(guidance), report])
        for image in diffusion.decode_latents(latents)[max(begin - first, 0) :]:
            yield photo_from_image(resize_to_photo(image, Size(side, side)))


@dataclass(frozen=True)
class _ReportBatch(SamplingHook):
    """Reports the steps of one batch as steps of all images, of which `first` are done."""

    stage: str
    first: int
    batch: int
    count: int
    on_progress: OnProgress | None

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        if self.on_progress is not None:
            done = self.first * step.count + (step.index + 1) * self.batch
            self.on_progress(Progress(stage=self.stage, done=done, total=self.count * step.count))
        return latents
