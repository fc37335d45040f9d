"""Loading an inpainting pipeline of diffusers from a folder, part by part, whole or not at all."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from intarsia.backbones.additions import NOTHING, Additions
from intarsia.backbones.checkpoint_files import DENOISERS, UNUSED, part_fault, short_reason
from intarsia.backbones.denoiser_files import load_denoiser_file
from intarsia.backbones.editor_inpainter import EditorInpainter
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network
from intarsia.backbones.pipeline_editor import PipelineEditor
from intarsia.backbones.pipeline_index import INDEX, LIBRARIES, PipelineIndex
from intarsia.backbones.pipeline_inpainter import PipelineInpainter, pipeline_fault
from intarsia.backbones.pipeline_placement import placed
from intarsia.backbones.qwen_processor import QwenProcessor
from intarsia.backbones.sd_inpainting import load_scheduler
from intarsia.backbones.single_files import read_single_file
from intarsia.errors import ModelError, Remedy, Setting

BY_NAME = {
    "FluxKontextPipeline": "FluxKontextInpaintPipeline",
    "ChromaPipeline": "ChromaInpaintPipeline",
    "Flux2KleinPipeline": "Flux2KleinInpaintPipeline",
}
"""Inpainting pipelines over the parts of others, which diffusers does not list as theirs."""


def load_pipeline_inpainter(
    folder: Path,
    index: PipelineIndex,
    *,
    name: str,
    memory: Memory,
    dtype: torch.dtype,
    additions: Additions = NOTHING,
) -> PipelineInpainter:
    """Load a checkpoint that is used through its pipeline.

    Args:
        folder: in diffusers layout.
        index: of the folder.
        name: what the record calls this checkpoint.
        memory: takes the networks in.
        additions: to the networks.

    Raises:
        ModelError: a part cannot be read, an addition does not fit, or there is no inpainting pipeline over these parts.
    """
    pipeline = assembled(inpainting_class(index.pipeline), folder, index, dtype, additions)
    return PipelineInpainter(pipeline, name=name, max_batch=placed(pipeline, memory), memory=memory)


def load_editor(
    folder: Path,
    index: PipelineIndex,
    *,
    name: str,
    memory: Memory,
    dtype: torch.dtype,
    additions: Additions = NOTHING,
) -> EditorInpainter:
    """Load a checkpoint that edits by instructions alone, as those of `EDITORS` do; arguments as above.

    Raises:
        ModelError: a part cannot be read, or an addition does not fit.
    """
    pipeline = assembled(getattr(diffusers, index.pipeline), folder, index, dtype, additions)
    placed(pipeline, memory)
    return EditorInpainter(PipelineEditor(pipeline, name=name, memory=memory))


def assembled(kind: Any, folder: Path, index: PipelineIndex, dtype: torch.dtype, additions: Additions) -> Any:
    """A pipeline of a class, of the parts in a folder, with what is added to them.

    Raises:
        ModelError: a part cannot be read, or an addition does not fit.
    """
    wanted = own_parameters(kind)
    used = {part: names for part in wanted if part not in UNUSED and (names := index.parts.get(part))}
    kinds = {part: class_of(folder / part, *names) for part, names in used.items()}
    parts: dict[str, Any] = {}
    # What takes no time comes first: its faults need not wait for the networks.
    for part in sorted(wanted, key=lambda part: part in kinds and issubclass(kinds[part], torch.nn.Module)):
        if additions.denoiser is not None and part in DENOISERS and part in kinds:
            parts[part] = load_denoiser_file(kinds[part], additions.denoiser, folder / part, dtype=dtype)
        else:
            parts[part] = load_wanted(part, wanted[part], folder, index, dtype)
    pipeline = kind(**parts)
    additions.add_to(pipeline)
    return pipeline


def load_single_file_pipeline(
    file: Path,
    config: Path | None,
    *,
    name: str,
    memory: Memory,
    dtype: torch.dtype,
    additions: Additions = NOTHING,
) -> PipelineInpainter:
    """Load a Stable Diffusion XL from one .safetensors file of its first layout.

    Args:
        config: see `read_single_file`.
        name: what the record calls this checkpoint.
        memory: takes the networks in.
        additions: to the networks.

    Raises:
        ModelError: as there, or an addition does not fit.
    """
    kind = diffusers.StableDiffusionXLInpaintPipeline
    pipeline = read_single_file(file, config, kind, dtype=dtype, add_watermarker=False)
    additions.add_to(pipeline)
    return PipelineInpainter(pipeline, name=name, max_batch=placed(pipeline, memory), memory=memory)


def inpainting_class(name: str) -> Any:
    """The class of the inpainting pipeline over the parts of a pipeline.

    Args:
        name: of the pipeline that a checkpoint is saved as: of inpainting, text to image or image to image.

    Raises:
        ModelError: the installed diffusers has none.
    """
    own: Any = getattr(diffusers, BY_NAME.get(name, name), None)
    if not (isinstance(own, type) and issubclass(own, diffusers.DiffusionPipeline)):
        own = None
    elif not pipeline_fault(own):
        return own
    from diffusers.pipelines import auto_pipeline

    lists = (auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING, auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING)
    families = [family for known in lists for family, kind in known.items() if kind.__name__ == name]
    for family in families:
        mapped = auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING.get(family)
        if mapped is not None and not pipeline_fault(mapped):
            return mapped
    no_inpainting = "for which diffusers has no inpainting by words and a mask alone"
    raise ModelError(
        f"The checkpoint is a {name}, {'which the installed diffusers does not have' if own is None else no_inpainting}",
        Remedy(Setting("models", "sd15", verb="try")),
    )


def own_parameters(kind: Any) -> dict[str, inspect.Parameter]:
    """Parts and settings that a pipeline is made of, by name."""
    return {name: p for name, p in inspect.signature(kind.__init__).parameters.items() if name != "self"}


def load_wanted(name: str, wanted: inspect.Parameter, folder: Path, index: PipelineIndex, dtype: torch.dtype) -> Any:
    """A part or a setting of a pipeline, of its folder; None of a part that the checkpoint leaves out.

    Raises:
        ModelError: it is needed, and is not there or cannot be read.
    """
    if name in ("requires_safety_checker", "add_watermarker"):
        return False
    if name in UNUSED:
        return None
    if name in index.parts:
        kind = index.parts[name]
        return None if kind is None else load_part(folder / name, *kind, dtype=dtype)
    if name in index.settings:
        return index.settings[name]
    if wanted.default is inspect.Parameter.empty:
        raise ModelError(
            f"{folder / INDEX} names no {name}, which a {index.pipeline} needs: download the checkpoint again."
        )
    return wanted.default


def load_part(place: Path, library: str, name: str, *, dtype: torch.dtype) -> Any:
    """A network, scheduler or tokenizer of a checkpoint.

    Raises:
        ModelError: its class is unknown, or its files cannot be read.
    """
    kind = class_of(place, library, name)
    if issubclass(kind, diffusers.SchedulerMixin):
        return load_scheduler(place)
    if issubclass(kind, torch.nn.Module):
        return load_network(kind, place, dtype=dtype)
    if name == "Qwen2VLProcessor" and importlib.util.find_spec("torchvision") is None:
        kind = QwenProcessor
    try:
        return kind.from_pretrained(place, local_files_only=True)
    # A damaged or missing file shows as almost any exception.
    except Exception as fault:
        damaged = part_fault(place, library, name) or (f"{short_reason(fault)}: download the checkpoint again.",)
        raise ModelError(f"{place} could not be loaded as {name}, since ", *damaged) from fault


def class_of(place: Path, library: str, name: str) -> Any:
    """The class of a checkpoint's part.

    Raises:
        ModelError: there is none of this name in a library that checkpoints may name.
    """
    kind: Any = getattr({"diffusers": diffusers, "transformers": transformers}.get(library), name, None)
    if library not in LIBRARIES or not isinstance(kind, type):
        raise ModelError(
            f"{place.parent / INDEX} names {library}.{name} as its {place.name}, which the installed {library} does "
            "not have: upgrade it, or take a checkpoint that runs no code of its own."
        )
    return kind
