"""What a checkpoint's files say: whether they are complete, of which family, and of which version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from intarsia.backbones.catalog import SEGMENTERS, SegmenterKind
from intarsia.backbones.pipeline_index import PipelineIndex, other_pipeline
from intarsia.backbones.weight_headers import text_fault, weights_fault
from intarsia.backbones.weight_sets import folder_weights
from intarsia.backbones.wrong_kinds import folder_refusal
from intarsia.errors import Message, ModelError, Remedy, Setting

PIPELINE = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Parts of a Stable Diffusion 1 or 2."""
MORE_PARTS = ("transformer", "text_encoder_2", "text_encoder_3")
"""Networks that pipelines of other families have besides."""
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
INDEX = "model_index.json"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
DENOISERS = ("unet", "transformer")
"""Folders of what may be published alone, in one file."""

UNUSED = ("safety_checker", "feature_extractor", "watermarker")
"""Parts of pipelines that are never loaded."""

AGAIN = "Download the whole checkpoint again."


def pipeline_fault(folder: Path, *, own_denoiser: bool = True) -> Message | None:
    """What keeps a folder from being a checkpoint that can be used, as a sentence; None when it is one.

    Args:
        own_denoiser: whether the weights of its denoiser are used, and not those of another file.
    """
    fault: Message | None
    refusal = folder_refusal(folder)
    if refusal:
        return refusal
    if (folder / INDEX).is_file() and (fault := texts_fault(folder, [INDEX])):
        return fault
    index = other_pipeline(folder)
    if index is not None:
        return parts_fault(folder, index, own_denoiser=own_denoiser)
    for part in PIPELINE:
        place = folder / (unet_part(folder) if part == "unet" else part)
        if not place.is_dir():
            known = ", ".join(PIPELINE)
            return (f"the part {part}/ is missing (a diffusers folder has {known}). {AGAIN}",)
        if part == "scheduler":
            there = (place / "scheduler_config.json").is_file()
            fault = None if there else ("scheduler/scheduler_config.json is missing.",)
            fault = fault or texts_fault(place, ["scheduler_config.json"])
        elif part == "tokenizer":
            fault = tokenizer_fault(place)
        elif part == "unet" and not own_denoiser:
            fault = settings_missing(place)
        else:
            fault = network_fault(place)
        if fault:
            return fault
    return family_fault(folder / unet_part(folder) / "config.json")


def settings_fault(folder: Path, *, painter: bool) -> Message | None:
    """Why a repository cannot be used, from its configurations alone, before its weights are fetched; else None.

    Args:
        folder: with the repository's configurations and nothing else.
        painter: whether it has to be a checkpoint that paints, and not one of the networks beside it.
    """
    unet = folder / "unet" / "config.json"
    in_parts = unet.is_file() and other_pipeline(folder) is None
    return folder_refusal(folder, painter=painter) or (family_fault(unet) if in_parts else None)


def tokenizer_fault(folder: Path) -> Message | None:
    """What keeps a folder's tokenizer from being read, as a sentence; None where nothing does."""
    if not (folder / "tokenizer.json").is_file():
        if not (folder / "vocab.json").is_file():
            return (f"{folder.name}/ has neither vocab.json nor tokenizer.json.",)
        if not (folder / "merges.txt").is_file():
            return (f"{folder.name}/merges.txt is missing, which belongs to vocab.json. {AGAIN}",)
    return texts_fault(folder, TOKENIZER_FILES)


def texts_fault(folder: Path, names: Iterable[str]) -> Message | None:
    """The first of these small files that is there and cannot be read, and why; None where all can."""
    for name in names:
        if (folder / name).is_file() and (cause := text_fault(folder / name)):
            shown = name if name == INDEX else f"{folder.name}/{name}"
            return (f"{shown} {cause}. {AGAIN}",)
    return None


def parts_fault(folder: Path, index: PipelineIndex, *, own_denoiser: bool = True) -> Message | None:
    """What a pipeline's folder lacks of the parts that its index names, as a sentence; None when all are there."""
    for part, kind in index.parts.items():
        place = folder / part
        if kind is None or part in UNUSED:
            continue
        if not place.is_dir():
            return (f"the part {part}/ is missing, which {INDEX} names. {AGAIN}",)
        if part in DENOISERS and not own_denoiser:
            fault = settings_missing(place)
        else:
            fault = network_fault(place) if (place / "config.json").is_file() else None
        if fault:
            return fault
    return None


def settings_missing(folder: Path) -> Message | None:
    """That a network's folder has no configuration, as a sentence; None when it has one."""
    return None if (folder / "config.json").is_file() else (f"{folder.name}/config.json is missing. {AGAIN}",)


def network_fault(folder: Path) -> Message | None:
    """What keeps a network's folder from being loaded, as a sentence that names the file; None when it can be."""
    if missing := settings_missing(folder):
        return missing
    found = sorted(file.name for file in folder.iterdir() if file.is_file())
    indexes = [name for name in found if name.endswith(".safetensors.index.json")]
    fault = texts_fault(folder, ["config.json", "preprocessor_config.json", *TOKENIZER_FILES, *indexes])
    if fault:
        return fault
    if not any(name.endswith(".safetensors") for name in found):
        pickles = [name for name in found if name.endswith(PICKLES)]
        if pickles:
            return (
                f"{folder.name}/{pickles[0]} is a pickle, which can run any code when it is opened. "
                "Convert it to .safetensors, or take a revision that has them.",
            )
        return (f"{folder.name}/ has no .safetensors weights. {AGAIN}",)
    try:
        weights = folder_weights(folder)
    except ValueError as problem:
        return (f"{folder.name}/ has an index that cannot be read ({problem}). {AGAIN}",)
    if weights is None:
        others = [name for name in found if name.endswith(".safetensors")]
        return (f"{folder.name}/ holds {others[0]} and others, of which none is named as weights are. {AGAIN}",)
    if weights.absent:
        return (f"{folder.name}/{weights.absent[0]} is missing. {AGAIN}",)
    faults = (weights_fault(folder / name, f"{folder.name}/{name}") for name in weights.files)
    return next((fault for fault in faults if fault), None)


def family_fault(config: Path) -> Message | None:
    """Why a denoiser of this configuration is of another family, as a sentence; None when it is of ours."""
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return (f"{config.parent.name}/config.json is damaged. {AGAIN}",)
    if settings.get("addition_embed_type"):
        return (
            f"it is a Stable Diffusion XL, which its {INDEX} must say to be used.",
            Remedy("download the whole checkpoint again"),
            Remedy(Setting("models", "sd15", verb="try")),
        )
    channels = settings.get("in_channels", 4)
    if channels not in (4, 9):
        return (
            f"its denoiser reads {channels} channels, but inpainting needs 9 (or 4, text to image).",
            Remedy(Setting("models", "sd15", verb="try")),
        )
    return None


def repository_fault(folder: Path, *, own_denoiser: bool = True) -> Message | None:
    """What a snapshot lacks, be it a pipeline or a single network; see `pipeline_fault`."""
    if (folder / INDEX).is_file() or (folder / "unet").is_dir():
        return pipeline_fault(folder, own_denoiser=own_denoiser)
    return network_fault(folder)


def segmenter_kind(folder: Path) -> SegmenterKind:
    """What a segmenter's configuration says that it is.

    Raises:
        ModelError: it is something else, or its configuration is damaged.
    """
    try:
        name = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError):
        raise ModelError(f"{folder / 'config.json'} is damaged: download the checkpoint again.") from None
    if name not in SEGMENTERS:
        raise ModelError(
            f"{folder} holds a model of the kind {name!r}, which finds no objects: pass a checkpoint of CLIPSeg, SAM, "
            "SAM 2, SAM 3 or Grounding DINO."
        )
    return SEGMENTERS[name]


def config_folder(file: Path) -> Path | None:
    """The diffusers configuration beside a single-file checkpoint: in a folder of its name, or around it."""
    for folder in (file.with_suffix(""), file.parent):
        if (folder / "model_index.json").is_file() and (folder / "unet" / "config.json").is_file():
            return folder
    return None


def version_of(location: Path) -> str:
    """Which weights these are, for the record: repository@commit, or name#digest of files that have no commit.

    The digest covers each file's place, size and both ends: whole checkpoints take too long to read for it.
    A pipeline's covers the networks that paint, not helpers that lie beside them.
    """
    if location.parent.name == "snapshots":
        repository = location.parent.parent.name.removeprefix("models--").replace("--", "/")
        return f"{repository}@{location.name[:12]}"
    parts = (unet_part(location), "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
    folders = [location / part for part in parts if (location / part).is_dir()]
    files = (
        [location]
        if location.is_file()
        else [f for d in folders or [location] for f in sorted(d.glob("*.safetensors"))]
    )
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(location).as_posix()} {size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(2**20))
            stream.seek(max(0, size - 2**20))
            digest.update(stream.read())
    return f"{location.name}#{digest.hexdigest()[:12]}"


def unet_part(folder: Path) -> str:
    """The subfolder of the denoiser that repaints: a checkpoint may hold one that only paints beside it."""
    return "inpainting_unet" if (folder / "inpainting_unet").is_dir() else "unet"


def short_reason(fault: BaseException) -> str:
    """The first line of an exception, short enough to stand inside a sentence."""
    lines = str(fault).strip().splitlines()
    return f"{type(fault).__name__}: {lines[0].strip().rstrip('.:')[:160]}" if lines else type(fault).__name__
