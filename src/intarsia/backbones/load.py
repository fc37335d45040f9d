"""Load every network that an edit needs: the checkpoint that the user names, and what it is used with.

Torch is imported by `load_backbones` alone, so that importing this module is quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from intarsia.backbones.memory import Memory
    from intarsia.backbones.offload import Vram
    from intarsia.backbones.protocols import Backbones, Inpainter, LatentDiffusion
from intarsia.backbones.additions import NOTHING, Additions, read_additions
from intarsia.backbones.checkpoint_files import config_folder, unet_part, version_of
from intarsia.backbones.helpers import helper_folder, patches_side, segmenter_folders
from intarsia.backbones.hub import fetch
from intarsia.backbones.pipeline_index import other_pipeline
from intarsia.backbones.placement import (
    advise_precision,
    choose_device,
    choose_dtype,
    choose_helper_dtype,
    quiet_loading,
)
from intarsia.backbones.resolve import ModelSource, resolve
from intarsia.backbones.weight_sets import precision_named


def load_backbones(
    models: str = "auto",
    *,
    lora: Sequence[str] = (),
    embedding: Sequence[str] = (),
    device: str = "auto",
    dtype: str = "auto",
    vram: Vram = "auto",
    scorer: str | None = None,
    patches: str | None = None,
    segmenter: str | None = None,
) -> Backbones:
    """Load every network that an edit needs, once.

    A checkpoint folder may bring helpers of its own in clip/, dino/ and clipseg/, as the pocket models
    do; else those of the catalogue are used. Helpers work in float32, but on an accelerator in the precision that is
    asked for.

    Args:
        models: see `resolve`.
        lora: files or folders of LoRAs that change the checkpoint, each with its weight behind a colon or with 1.
        embedding: files of textual inversions, each with its word behind a colon or with the file's own.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: of the painting networks: auto (on CUDA float16, of a transformer bfloat16; else float32), float32,
            bfloat16 or float16.
        vram: how hard to save the memory of an accelerator: low moves whole networks in and out, min single layers;
            auto as little of it as will do.
        scorer: catalogue name, hub id or folder of another CLIP, or of a SigLIP.
        patches: catalogue name, hub id or folder of another DINO, DINOv2 or DINOv3.
        segmenter: catalogue name, hub id or folder of another one: see `segmenter_folders`.

    Raises:
        ModelError: a checkpoint is unknown, incomplete, not to be had or too large; the device is not there; a LoRA
            or a textual inversion is none, or was made for another family.
    """
    source = resolve(models)
    additions = read_additions(lora, embedding, denoiser=source.denoiser, model=source.name)
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    folder = Path(source.location)
    if source.kind == "hub":
        folder = fetch(
            source.location,
            source.revision,
            precision=precision_named(str(chosen_dtype)),
            painter=True,
            own_denoiser=source.denoiser is None,
        )
    if dtype == "auto" and chosen_device.startswith("cuda") and (folder / "transformer").is_dir():
        # That in which they were trained: float16 overflows in them and in their text encoders.
        chosen_dtype = choose_dtype("bfloat16", chosen_device)
    additions.check(folder)
    # Before the networks are loaded: a missing helper should be told at once.
    folders = HelperFolders.of(folder, scorer=scorer, patches=patches, segmenter=segmenter)
    helper_dtype = choose_helper_dtype(dtype, chosen_device)
    with quiet_loading():
        from intarsia.backbones.memory import Memory
        from intarsia.backbones.memory_needs import choose_vram, needs_of

        needs = needs_of(folder, folders.all, dtype=chosen_dtype, helper_dtype=helper_dtype, denoiser=source.denoiser)
        advise_precision(dtype, chosen_dtype, chosen_device, sum(needs.networks))
        memory = Memory(chosen_device, choose_vram(vram, chosen_device, needs, source.name))
        inpainter, diffusion = load_painters(source, folder, memory=memory, dtype=chosen_dtype, additions=additions)
        return load_helpers(
            folders,
            name=source.name,
            inpainter=inpainter,
            diffusion=diffusion,
            versions={"inpainter": version_of(folder), **additions.versions},
            memory=memory,
            dtype=helper_dtype,
        )


@dataclass(frozen=True, kw_only=True)
class HelperFolders:
    """Where the networks lie that look and judge.

    Attributes:
        refiner: that outlines what the segmenter finds; None where it does so itself.
        patches_side: short side of the pictures for the patch encoder, pixels; None for its own.
    """

    scorer: Path
    patches: Path
    segmenter: Path
    refiner: Path | None
    patches_side: int | None

    @classmethod
    def of(cls, checkpoint: Path, *, scorer: str | None, patches: str | None, segmenter: str | None) -> HelperFolders:
        """Those asked for, else the checkpoint's own, else the catalogue's; see `load_backbones`.

        Raises:
            ModelError: one is incomplete or not to be had.
        """
        patches_folder = helper_folder("dino", patches, checkpoint)
        finder, refiner = segmenter_folders(segmenter, checkpoint)
        own = patches_folder == checkpoint / "dino"
        return cls(
            scorer=helper_folder("clip", scorer, checkpoint),
            patches=patches_folder,
            segmenter=finder,
            refiner=refiner,
            patches_side=None if own else patches_side(patches),
        )

    @property
    def all(self) -> list[Path]:
        """Folders of the networks."""
        return [f for f in (self.scorer, self.patches, self.segmenter, self.refiner) if f is not None]


def load_helpers(
    folders: HelperFolders,
    *,
    name: str,
    inpainter: Inpainter,
    diffusion: LatentDiffusion | None,
    versions: dict[str, str],
    memory: Memory,
    dtype: torch.dtype,
) -> Backbones:
    """All networks of an edit, of which those that paint are loaded.

    Args:
        versions: of what paints, for the record.
        memory: takes the networks in.
        dtype: of the helpers.

    Raises:
        ModelError: one cannot be read.
    """
    from intarsia.backbones import dino, scorers, segmenters
    from intarsia.backbones.pipeline_editor import editor_of
    from intarsia.backbones.protocols import Backbones

    refiner = folders.refiner
    return Backbones(
        name=name,
        inpainter=inpainter,
        diffusion=diffusion,
        editor=editor_of(inpainter),
        scorer=scorers.load_any_scorer(folders.scorer, memory=memory, dtype=dtype),
        patches=dino.load_patch_encoder(folders.patches, memory=memory, dtype=dtype, side=folders.patches_side),
        segmenter=segmenters.load_segmenter(folders.segmenter, refiner, memory=memory, dtype=dtype),
        device=str(memory.device),
        versions={
            **versions,
            "scorer": version_of(folders.scorer),
            "patches": version_of(folders.patches),
            "segmenter": version_of(folders.segmenter),
            **({"outliner": version_of(refiner)} if refiner else {}),
        },
    )


def load_painters(
    source: ModelSource, folder: Path, *, memory: Memory, dtype: torch.dtype, additions: Additions = NOTHING
) -> tuple[Inpainter, LatentDiffusion | None]:
    """What paints: a Stable Diffusion also in its parts; any other checkpoint through its pipeline alone.

    Args:
        folder: of the checkpoint, or its one file.
        memory: takes the networks in.
        additions: to the checkpoint.

    Raises:
        ModelError: a part cannot be read, or an addition does not fit.
    """
    from intarsia.backbones import pipeline_loading, sd_inpainting, stable_diffusion, stable_diffusion_xl
    from intarsia.backbones.pipeline_editor import EDITORS
    from intarsia.backbones.single_files import is_xl

    single = source.kind == "file"
    index = None if single else other_pipeline(folder)
    if index is not None and index.pipeline in EDITORS:
        editor = pipeline_loading.load_editor(
            folder, index, name=source.name, memory=memory, dtype=dtype, additions=additions
        )
        return editor, None
    if index is not None or (single and is_xl(folder)):
        if index is None:
            painter = pipeline_loading.load_single_file_pipeline(
                folder, config_folder(folder), name=source.name, memory=memory, dtype=dtype, additions=additions
            )
        else:
            painter = pipeline_loading.load_pipeline_inpainter(
                folder, index, name=source.name, memory=memory, dtype=dtype, additions=additions
            )
        return painter, stable_diffusion_xl.in_parts(painter.pipeline, name=source.name, memory=memory)
    if single:
        inpainter = sd_inpainting.load_single_file(
            folder, config_folder(folder), name=source.name, memory=memory, dtype=dtype, additions=additions
        )
    else:
        inpainter = sd_inpainting.load_inpainter(
            folder, unet=unet_part(folder), name=source.name, memory=memory, dtype=dtype, additions=additions
        )
    return inpainter, stable_diffusion.load_text_to_image(inpainter.parts, folder, dtype=dtype, additions=additions)
