"""Editing with a pipeline of diffusers that is loaded already, as scripts and other programs have one."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intarsia.backbones.memory import Memory
    from intarsia.backbones.protocols import Backbones, Inpainter, LatentDiffusion
from intarsia.backbones.load import HelperFolders, load_helpers
from intarsia.backbones.placement import quiet_loading
from intarsia.errors import ModelError, Remedy, Setting

IN_PARTS = re.compile(r"StableDiffusion(Inpaint|Img2Img)?Pipeline|LatentConsistencyModel(Img2Img)?Pipeline")
"""Pipelines over the parts of a Stable Diffusion 1 or 2 and nothing else."""

NOWHERE = Path(os.devnull)
"""In place of a checkpoint's folder: it brings no helpers of its own."""


def from_pipe(
    pipe: Any,
    *,
    name: str | None = None,
    scorer: str | None = None,
    patches: str | None = None,
    segmenter: str | None = None,
) -> Backbones:
    """The networks that an edit needs, with those of a loaded pipeline of diffusers as what paints.

    The networks are shared, not copied: adapters that are loaded, precision, and where they lie are the pipeline's, and
    so is the scheduler. Calls of it count as work of the edit that is going on.

    Args:
        pipe: a pipeline of text to image, image to image or inpainting, on its device.
        name: what records call it; by default where it was loaded from.
        scorer, patches, segmenter: see `load_backbones`.

    Raises:
        ModelError: there is no inpainting over the parts of this pipeline, or a helper is not to be had.
    """
    import torch

    from intarsia.backbones.memory import Memory

    if not hasattr(pipe, "components"):
        raise ModelError(
            f"A {type(pipe).__name__} is no pipeline of diffusers",
            Remedy("pass one, e.g. StableDiffusionInpaintPipeline, or load a checkpoint with load_backbones"),
        )
    folders = HelperFolders.of(NOWHERE, scorer=scorer, patches=patches, segmenter=segmenter)
    name = name or str(getattr(pipe, "name_or_path", "") or type(pipe).__name__)
    device = pipe._execution_device
    memory = Memory(str(device))
    with quiet_loading():
        inpainter, diffusion = painters_of(pipe, name=name, memory=memory)
        return load_helpers(
            folders,
            name=name,
            inpainter=inpainter,
            diffusion=diffusion,
            versions={"inpainter": version_of_networks(pipe)},
            memory=memory,
            dtype=torch.float32,
        )


def painters_of(pipe: Any, *, name: str, memory: Memory) -> tuple[Inpainter, LatentDiffusion | None]:
    """What paints with the networks of a pipeline: a Stable Diffusion also in its parts, as `load_painters` says."""
    from intarsia.backbones import pipeline_loading, sd_inpainting, stable_diffusion_xl
    from intarsia.backbones.editor_inpainter import EditorInpainter
    from intarsia.backbones.pipeline_editor import EDITORS, PipelineEditor
    from intarsia.backbones.pipeline_inpainter import PipelineInpainter
    from intarsia.backbones.pipeline_placement import over_its_parts

    kind = type(pipe).__name__
    if IN_PARTS.fullmatch(kind):
        channels = pipe.unet.config.in_channels
        if channels not in (4, 9):
            raise ModelError(
                f"The denoiser of this {kind} reads {channels} channels, but inpainting needs 9 (or 4, text to image)",
                Remedy(Setting("models", "sd15", verb="try")),
            )
        own = sd_inpainting.assemble_pipeline(**{part: pipe.components[part] for part in sd_inpainting.PARTS})
        own.scheduler = own.own_scheduler
        inpainter = sd_inpainting.StableDiffusionInpainter(own, name=name, memory=memory)
        return inpainter, inpainter.parts
    if kind in EDITORS:
        return EditorInpainter(PipelineEditor(pipe, name=name, memory=memory)), None
    pipeline = over_its_parts(pipeline_loading.inpainting_class(kind), pipe)
    painter = PipelineInpainter(pipeline, name=name, memory=memory)
    return painter, stable_diffusion_xl.in_parts(painter.pipeline, name=name, memory=memory)


def version_of_networks(pipe: Any) -> str:
    """Which weights these are, for the record: the pipeline's class and a digest of the beginning of every tensor.

    Networks that lie in memory have no files to look at, and those of a layer that is offloaded count by their shape.
    """
    import torch

    digest = hashlib.sha256()
    for part, network in sorted(pipe.components.items()):
        if not isinstance(network, torch.nn.Module):
            continue
        weights = list(network.state_dict().items())
        digest.update(repr([(part, name, tuple(w.shape), str(w.dtype)) for name, w in weights]).encode())
        firsts = [w.detach().reshape(-1)[:1].float() for _, w in weights if w.numel() and not w.is_meta]
        if firsts:
            digest.update(torch.cat(firsts).cpu().numpy().tobytes())
    return f"{type(pipe).__name__}#{digest.hexdigest()[:12]}"
