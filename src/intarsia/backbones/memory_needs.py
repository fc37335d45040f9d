"""How much memory networks need: of weights, from the headers of their files; of work, from the networks' own widths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from intarsia.backbones.checkpoint_files import UNUSED, unet_part
from intarsia.backbones.checkpoint_kind import kind_of
from intarsia.backbones.memory import free_memory
from intarsia.backbones.offload import LEVELS, Vram
from intarsia.backbones.pipeline_index import read_index
from intarsia.backbones.shipped_configs import family_settings
from intarsia.backbones.single_files import FAMILIES
from intarsia.backbones.weight_headers import is_gguf, read_header
from intarsia.backbones.weight_sets import folder_weights
from intarsia.backbones.wrong_kinds import settings_of
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.notes import note

# Numbers that a denoiser holds at its peak beside its weights, for each latent cell and each channel of its first
# level. Measured on a CPU in float32 with random weights of Stable Diffusion 1.5's size: a batch of 1 at 512 px
# (4,096 cells, 320 channels) took 146 MiB, one of 2 took 263 MiB. The difference is 29,950 bytes a cell, 23.4 numbers
# a channel; what they have in common are weights that the CPU's convolution reorders. Doubled for accelerators, whose
# convolutions take a workspace.
DENOISER_NUMBERS = 2 * 24
# The same of an autoencoder that decodes, for each pixel and each channel of its last level.
DECODER_NUMBERS = 2 * 6
LATENTS_A_PICTURE = 2
"""A picture is denoised twice, with its words and without."""

RESERVE = 512 * 2**20
"""Bytes that are left to the driver, its libraries, and what else shows on the screen."""

USUAL_WIDTH = 3072
"""Channels of a transformer's tokens where its configuration does not say it."""

TRAINING_STATE = "model_ema."
"""What single files hold besides weights that are loaded begins with this."""


def denoiser_bytes(width: int, dtype: torch.dtype) -> int:
    """Bytes that a denoiser needs for each latent cell of a picture, guidance included.

    Args:
        width: channels of its first level.
    """
    return LATENTS_A_PICTURE * DENOISER_NUMBERS * width * dtype.itemsize


def width_of(denoiser: Mapping[str, Any]) -> int:
    """Channels that a denoiser holds for each latent cell.

    Args:
        denoiser: its configuration: of a UNet, whose first level counts, or of a transformer, whose tokens stand for
            2 x 2 cells each.
    """
    levels = denoiser.get("block_out_channels")
    if levels:
        return int(levels[0])
    heads, width = denoiser.get("num_attention_heads"), denoiser.get("attention_head_dim")
    return -(-(int(heads * width) if heads and width else int(denoiser.get("dim", USUAL_WIDTH))) // 4)


def decoder_bytes(width: int, dtype: torch.dtype) -> int:
    """Bytes that an autoencoder needs for each pixel of a picture that it decodes.

    Args:
        width: channels of its last level.
    """
    return DECODER_NUMBERS * width * dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a checkpoint needs, bytes.

    Attributes:
        networks: weights of each network that paints.
        helpers: weights of each network besides.
        layer: weights of the largest layer.
        work: of painting one picture.
    """

    networks: Sequence[int]
    helpers: Sequence[int]
    layer: int
    work: int

    def at(self, level: Vram) -> int:
        """With so much offloading."""
        if level == "auto":
            return sum(self.networks) + sum(self.helpers) + self.work
        if level == "low":
            return max(*self.networks, *self.helpers) + self.work
        # Helpers move as wholes, when nothing is painted.
        return max(self.layer + self.work, *self.helpers)


def weights_in(file: Path) -> list[int]:
    """Numbers of elements of the tensors in a safetensors file, read from its header alone."""
    shapes = read_header(file).shapes
    return [math.prod(shape) for name, shape in shapes.items() if not name.startswith(TRAINING_STATE)]


def weights_of(folder: Path) -> list[int]:
    """The same of the files of one network, of the set that is loaded in full precision."""
    chosen = folder_weights(folder)
    return [] if chosen is None else [count for name in chosen.files for count in weights_in(folder / name)]


def painting_folders(checkpoint: Path) -> list[str]:
    """Names of the folders of the networks that paint, the denoiser's first: as its index says, else of Stable Diffusion."""
    first = "transformer" if (checkpoint / "transformer").is_dir() else unet_part(checkpoint)
    index = read_index(checkpoint)
    named = [] if index is None else [name for name, kind in index.parts.items() if kind and name not in UNUSED]
    names = dict.fromkeys((first, "unet", "vae", "text_encoder", *named))
    return [first, *(name for name in names if name != first and any((checkpoint / name).glob("*.safetensors")))]


def needs_of(
    checkpoint: Path,
    helpers: Iterable[Path],
    *,
    dtype: torch.dtype,
    helper_dtype: torch.dtype,
    denoiser: Path | None = None,
) -> Needs:
    """What a checkpoint and its helpers need, by their files, for pictures of the size that the denoiser was trained at.

    Args:
        checkpoint: folder in diffusers layout, or one file.
        helpers: folders.
        dtype, helper_dtype: that they are loaded in.
        denoiser: file of another one than the checkpoint's.
    """
    if checkpoint.is_file():
        parts = [weights_in(checkpoint)]
        settings = family_settings(FAMILIES.get(kind_of(read_header(checkpoint)).family, "sd1"))
        unet, vae = settings["unet"], settings["vae"]
    else:
        own = painting_folders(checkpoint)
        parts = [weights_of(checkpoint / name) for name in own]
        if denoiser is not None:
            # Quantised weights stay so: as many numbers of `dtype` as the file has bytes for.
            parts[0] = [denoiser.stat().st_size // dtype.itemsize] if is_gguf(denoiser) else weights_in(denoiser)
        unet, vae = (settings_of(checkpoint / name / "config.json") or {} for name in (own[0], "vae"))
    others = [weights_of(folder) for folder in helpers]
    levels = vae.get("block_out_channels", [128, 256, 512, 512])
    factor = 2 ** (len(levels) - 1)
    cells = unet.get("sample_size") or (64 if "block_out_channels" in unet else 128)
    side = factor * (cells if isinstance(cells, int) else min(cells))
    work = max(
        (side // factor) ** 2 * denoiser_bytes(width_of(unet), dtype),
        side**2 * decoder_bytes(levels[0], dtype),
    )
    return Needs(
        networks=[sum(part) * dtype.itemsize for part in parts],
        helpers=[sum(part) * helper_dtype.itemsize for part in others],
        layer=max(max(part, default=0) for part in parts) * dtype.itemsize,
        work=work,
    )


def choose_vram(vram: Vram, device: str, needs: Needs, name: str) -> Vram:
    """How hard to save an accelerator's memory: as asked for, or for auto as little as will do.

    Raises:
        ModelError: the checkpoint does not fit, whatever is saved.
    """
    free = free_memory(device)
    if free is None:
        return vram
    room = free - RESERVE
    if needs.at("min") > room:
        raise ModelError(
            f"{name} needs about {needs.at('min') / 2**30:.1f} GB of the memory of {device} even where all is saved, but "
            f"{max(room, 0) / 2**30:.1f} GB are free",
            Remedy("close other programs that use it"),
            Remedy(Setting("device", "cpu", verb="pass")),
            Remedy("choose smaller ", Setting("models")),
        )
    if vram != "auto":
        return vram
    level = next(level for level in LEVELS if needs.at(level) <= room or level == "min")
    if level != "auto":
        note(
            f"{name} and its helpers need about {needs.at('auto') / 2**30:.1f} GB of the memory of {device}, of which "
            f"{room / 2**30:.1f} GB are free: memory was saved as with vram {level}, which is slower."
        )
    return level
