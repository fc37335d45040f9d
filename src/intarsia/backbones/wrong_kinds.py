"""What is said of a file or folder that is no checkpoint that can be used: what it is, and what to pass instead."""

from __future__ import annotations

import json
import re
from pathlib import Path

from intarsia.backbones.checkpoint_kind import UNKNOWN, Kind, kind_of
from intarsia.backbones.pipeline_index import OWN_LOOP
from intarsia.backbones.weight_headers import WeightHeader, read_header
from intarsia.errors import Message, ModelError, Remedy, Setting

USABLE_FILES = frozenset({"sd1", "sd2", "sdxl", ""})
"""Families of which single files load; one of a size of its own ("") with its configuration beside it."""

EXAMPLE = Setting("models", "sd15")
ONLY = Remedy("of single files only Stable Diffusion 1, 2 and XL can be used, e.g. ", EXAMPLE)
WHOLE = Remedy("pass the whole checkpoint, e.g. ", EXAMPLE)
PARTS = {"vae": "autoencoder", "text_encoder": "text encoder"}

REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "lora": (Remedy("pass the checkpoint that it was made for, e.g. ", EXAMPLE, ", and this with ", Setting("lora")),),
    "embedding": (
        Remedy("pass the checkpoint that it was made for, e.g. ", EXAMPLE, ", and this with ", Setting("embedding")),
    ),
    "vae": (Remedy("pass the checkpoint that it belongs to, e.g. ", EXAMPLE),),
    "controlnet": (Remedy("pass the checkpoint that it steers, e.g. ", EXAMPLE),),
    "adapter": (Remedy("pass the checkpoint that it adds to, e.g. ", EXAMPLE),),
    "upscaler": (Remedy("pass a checkpoint that paints by words, e.g. ", EXAMPLE),),
    "text-encoder": (WHOLE,),
    "unet": (Remedy("pass it behind the checkpoint that has its other parts, e.g. ", Setting("models", "sd15+FILE")),),
    "scorer": (Remedy("pass a checkpoint that paints, e.g. ", EXAMPLE),),
    "patches": (Remedy("pass a checkpoint that paints, e.g. ", EXAMPLE),),
    "segmenter": (Remedy("pass a checkpoint that paints, e.g. ", EXAMPLE),),
    "concepts": (Remedy("pass it with ", Setting("concepts"), ", beside the checkpoint that it was learned with"),),
    "regions": (Remedy("pass it with ", Setting("regions"), ", beside a checkpoint"),),
    "transformer": (
        Remedy(
            "pass it behind the checkpoint that has its other parts, e.g. ",
            Setting("models", "CHECKPOINT+FILE"),
        ),
    ),
    "other": (Remedy("pass a checkpoint that repaints by words, e.g. ", EXAMPLE),),
    "unknown": (Remedy("check that it is the right file, or ", Setting("models", "pocket", verb="try")),),
}


def file_refusal(kind: Kind) -> tuple[str, tuple[Remedy, ...]] | None:
    """What a single file is that cannot be used, and what helps; None where it can be.

    Returns:
        the end of a sentence that begins "it is ", and remedies.
    """
    if kind.group != "checkpoint":
        return kind.what, REMEDIES[kind.group]
    if kind.family not in USABLE_FILES:
        return kind.what, (ONLY,)
    if kind.lacks:
        lacking = " and its ".join(PARTS[part] for part in kind.lacks)
        return f"{kind.what} without its {lacking}", (
            Remedy("take the whole checkpoint (often called full), e.g. ", EXAMPLE),
        )
    if kind.channels not in (4, 9):
        return (
            f"{kind.what} whose denoiser reads {kind.channels} channels, but inpainting needs 9 (or 4, text to image)",
            (Remedy(Setting("models", "sd15", verb="try")),),
        )
    return None


def check_file(file: Path, header: WeightHeader, *, configured: bool) -> Kind:
    """The kind of a single-file checkpoint.

    Args:
        header: of the file.
        configured: whether a diffusers configuration lies beside it; a file of no known kind may then still load.

    Raises:
        ModelError: it is no checkpoint that can be used.
    """
    kind = kind_of(header)
    if kind == UNKNOWN and configured:
        return kind
    refusal = file_refusal(kind)
    if refusal is not None:
        what, remedies = refusal
        raise ModelError(f"{file} could not be loaded as a Stable Diffusion checkpoint, since it is {what}", *remedies)
    if not kind.family and not configured:
        raise ModelError(
            f"{file} is {kind.what}, of which no configuration is at hand",
            Remedy(f"put the checkpoint's diffusers configuration and tokenizer into {file.with_suffix('')}"),
            Remedy(Setting("models", "pocket", verb="try")),
        )
    return kind


# Classes of networks as their configurations name them; the first that fits.
NETWORKS: tuple[tuple[str, str, str], ...] = (
    (r"ControlNet", "controlnet", "a ControlNet"),
    (r"T2IAdapter|MultiAdapter", "adapter", "a T2I-Adapter"),
    (r"MotionAdapter", "adapter", "a motion module (AnimateDiff)"),
    (r"Autoencoder|VQModel|AsymmetricAutoencoder", "vae", "an autoencoder (VAE) alone"),
    (r"UNet\w*Model|\w*Transformer\w*Model", "unet", "a denoiser alone"),
)
# Pipelines that do not edit pictures by words.
OTHERS: tuple[tuple[str, str, str], ...] = (
    (r"StableDiffusion(Latent)?Upscale", "upscaler", "the upscaler of Stable Diffusion"),
    (r"StableDiffusion(Depth2Img|InstructPix2Pix)", "other", "a Stable Diffusion of another task"),
    (r"StableVideo|Video|Wan|LTX|CogVideo|Mochi|AnimateDiff|I2VGen|Cosmos", "other", "a checkpoint that makes videos"),
    (r"Audio|Music", "other", "a checkpoint that makes sound"),
)
# Families that load from folders, through their pipelines.
THROUGH_PIPELINES = re.compile(r"StableDiffusion(XL|3)|Flux|QwenImage|ZImage|Chroma")
MODEL_TYPES: tuple[tuple[str, str, str], ...] = (
    (r"clipseg", "segmenter", "a CLIPSeg, which finds in a picture what words name"),
    (r"grounding", "segmenter", "an object detector, which finds in a picture what words name"),
    (r"clip_text_model|t5|umt5|qwen|llama|gemma|mistral", "text-encoder", "a text encoder alone"),
    (r"clip|siglip", "scorer", "a CLIP, which scores pictures against texts"),
    (r"sam", "segmenter", "a SAM, which outlines what is in a picture"),
    (r"vit|dino", "patches", "a DINO or another vision transformer, which describes pictures"),
)
BESIDE = ("scorer", "patches", "segmenter")
"""Groups of networks that are used beside a checkpoint."""
LORA_FILES = ("adapter_config.json", "pytorch_lora_weights.safetensors", "adapter_model.safetensors")


def folder_kind(folder: Path) -> Kind | None:
    """What a folder is by its files' names and its configuration; None for a checkpoint, and where nothing tells.

    No more than names, configurations and headers are read, so that it can be asked of a repository of which
    only the small files are here.
    """
    index = settings_of(folder / "model_index.json")
    if index is not None:
        name = index.get("_class_name", "")
        if isinstance(name, list):
            own = ".".join(map(str, name))
            return Kind(group="other", what=f"a checkpoint with code of its own ({own}), which is never run")
        return pipeline_kind(str(name))
    if (folder / "unet").is_dir() or (folder / "transformer").is_dir():
        return None
    if any((folder / name).is_file() for name in LORA_FILES):
        return Kind(group="lora", what="a LoRA")
    settings = settings_of(folder / "config.json")
    if settings is not None:
        kind = by_name(NETWORKS, str(settings.get("_class_name", "")))
        return kind or by_name(MODEL_TYPES, str(settings.get("model_type", "")))
    return None


def pipeline_kind(name: str) -> Kind | None:
    """The kind of a folder whose model_index.json names this pipeline; None of those that load, and of no name."""
    kind = by_name(OTHERS, name)
    if kind is not None or not name or OWN_LOOP.match(name) or THROUGH_PIPELINES.search(name):
        return kind
    return Kind(group="other", what=f"a checkpoint of the kind {name.removesuffix('Pipeline')}")


def by_name(table: tuple[tuple[str, str, str], ...], name: str) -> Kind | None:
    found = next((row for row in table if re.search(row[0], name)), None) if name else None
    return None if found is None else Kind(group=found[1], what=found[2])


def settings_of(file: Path) -> dict[str, object] | None:
    """What a configuration says; None where it is missing or cannot be read."""
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def folder_refusal(folder: Path, *, painter: bool = True) -> Message | None:
    """What a folder is that holds no checkpoint of ours, as a sentence that begins "it is"; None where it may hold one.

    Args:
        painter: whether a network that is used beside a checkpoint is refused too.
    """
    kind = folder_kind(folder)
    if kind is None:
        return loose_files(folder)
    if kind.group in BESIDE and not painter:
        return None
    return (f"it is {kind.what}.", *REMEDIES[kind.group])


def loose_files(folder: Path) -> Message | None:
    """A folder that is none of a checkpoint's but holds a single-file one, as people keep them; None otherwise."""
    if any((folder / name).exists() for name in ("model_index.json", "config.json", "unet", "vae", "transformer")):
        return None
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return None
    try:
        kind = kind_of(read_header(files[0]))
    except (ModelError, OSError):
        return None
    if file_refusal(kind) is None:
        return (
            f"it is no folder in diffusers layout, but holds {files[0].name}, {kind.what}.",
            Remedy("pass that file with ", Setting("models", files[0])),
        )
    return (f"it holds {files[0].name}, {kind.what}.", *REMEDIES.get(kind.group, (ONLY,)))


def files_refusal(names: list[str]) -> Message | None:
    """What a repository is by its files' names alone; None where it may be a checkpoint, or a single network."""
    if any(name in LORA_FILES for name in names) and "model_index.json" not in names:
        return ("it is a LoRA.", *REMEDIES["lora"])
    if not {"model_index.json", "config.json"} & set(names) and not any(n.startswith("unet/") for n in names):
        single = [name for name in names if "/" not in name and name.endswith((".safetensors", ".gguf"))]
        if single:
            return (
                f"it is no folder in diffusers layout, but holds single files such as {single[0]}.",
                Remedy("download the one that you want, and pass that file"),
            )
    return None
