"""What a checkpoint's files say: whether they are complete, of which family, and of which version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from intarsia.backbones.catalog import SEGMENTERS, SegmenterKind
from intarsia.backbones.downloads import AGAIN as REMEDY
from intarsia.backbones.downloads import no_file, refused
from intarsia.backbones.pipeline_index import LIBRARIES, PipelineIndex, other_pipeline
from intarsia.backbones.text_files import SENTENCEPIECE, read_json, text_fault
from intarsia.backbones.weight_headers import read_headers, weights_fault
from intarsia.backbones.weight_sets import WeightSet, folder_weights
from intarsia.backbones.wrong_kinds import folder_refusal
from intarsia.errors import Message, ModelError, Remedy, Setting

PIPELINE = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Parts of a Stable Diffusion 1 or 2."""
MORE_PARTS = ("transformer", "text_encoder_2", "text_encoder_3")
"""Networks that pipelines of other families have besides."""
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
CONFIG = "config.json"
PREPROCESSING_FILES = ("preprocessor_config.json", "processor_config.json")
INDEX = "model_index.json"
SCHEDULER = "scheduler_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    *SENTENCEPIECE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
WHOLE_TOKENIZERS = ("tokenizer.json", "vocab.txt", *SENTENCEPIECE)
"""Files of which each is a tokenizer by itself."""
DENOISERS = ("unet", "transformer")
"""Folders of what may be published alone, in one file."""

READERS = ("clip", "siglip", "grounding-dino", "sam3")
"""Beginnings of what configurations call the networks that are used beside a checkpoint and read words."""

UNUSED = ("safety_checker", "feature_extractor", "watermarker")
"""Parts of pipelines that are never loaded."""

AGAIN = "Download the whole checkpoint again."


def pipeline_fault(folder: Path, *, own_denoiser: bool = True) -> Message | None:
    """What keeps a folder from being a checkpoint that can be used, as a sentence; None when it is one.

    Args:
        own_denoiser: whether the weights of its denoiser are used, and not those of another file.
    """
    try:
        return _pipeline_fault(folder, own_denoiser=own_denoiser)
    except OSError as problem:  # a folder that may not be entered, or a disk that fails
        fact, remedy = refused(problem)
        return (f"{problem.filename or folder.name} {fact}.", remedy)


def _pipeline_fault(folder: Path, *, own_denoiser: bool) -> Message | None:
    fault: Message | None
    refusal = folder_refusal(folder)
    if refusal:
        return refusal
    if fault := texts_fault(folder, [INDEX]):
        return fault
    if (folder / "transformer").is_dir() and not (folder / INDEX).exists():
        return (f"{INDEX} is missing, which names the parts of a checkpoint that has a transformer/.", REMEDY)
    index = other_pipeline(folder)
    if index is not None:
        return parts_fault(folder, index, own_denoiser=own_denoiser)
    for part in PIPELINE:
        place = folder / (unet_part(folder) if part == "unet" else part)
        if not place.is_dir():
            known = ", ".join(PIPELINE)
            return (f"the part {part}/ is missing (a diffusers folder has {known}). {AGAIN}",)
        if part == "scheduler":
            fault = texts_fault(place, needed=[SCHEDULER])
        elif part == "tokenizer":
            fault = tokenizer_fault(place)
        elif part == "unet" and not own_denoiser:
            fault = settings_missing(place)
        else:
            fault = network_fault(place)
        if fault:
            return fault
    painter = folder / "unet"
    if own_denoiser and painter.is_dir() and unet_part(folder) != "unet" and (fault := network_fault(painter)):
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
    """What keeps a folder's tokenizer from being read, as a sentence that names the file; None where nothing does.

    Without its vocabulary the libraries make a tokenizer that knows no word, and say nothing.
    """
    if not any(lies(folder / name) for name in WHOLE_TOKENIZERS):
        if not lies(folder / "vocab.json"):
            return missing_fault(folder, "vocab.json", " as is tokenizer.json, so that no word can be read")
        if not lies(folder / "merges.txt"):
            return missing_fault(folder, "merges.txt", " which belongs to vocab.json")
    return texts_fault(folder, TOKENIZER_FILES)


def lies(file: Path) -> bool:
    """Whether there is something at a path, be it a link that leads nowhere."""
    return file.exists() or file.is_symlink()


def missing_fault(folder: Path, name: str, more: str = "") -> Message:
    """That a file is not in a folder, as a sentence."""
    fact, remedy = no_file(folder / name) or ("is missing", REMEDY)
    return (f"{folder.name}/{name} {fact}{',' * bool(more)}{more}.", remedy)


def texts_fault(folder: Path, names: Iterable[str] = (), *, needed: Iterable[str] = ()) -> Message | None:
    """The first of these small files that cannot be read, and why; None where all can.

    Args:
        names: of files that may be missing.
        needed: names of files that may not.
    """
    needed = tuple(needed)
    for name in (*needed, *names):
        if (name in needed or lies(folder / name)) and (fault := text_fault(folder / name)):
            fact, remedy = fault
            return (f"{name if name == INDEX else f'{folder.name}/{name}'} {fact}.", remedy)
    return None


def parts_fault(folder: Path, index: PipelineIndex, *, own_denoiser: bool = True) -> Message | None:
    """What a pipeline's folder lacks of the parts that its index names, as a sentence; None when all are there."""
    for part, kind in index.parts.items():
        place = folder / part
        if kind is None or part in UNUSED:
            continue
        if not place.is_dir():
            return (f"the part {part}/ is missing, which {INDEX} names. {AGAIN}",)
        lent = part in DENOISERS and not own_denoiser
        fault = settings_missing(place) if lent else part_fault(place, *kind)
        if fault and "Tokenizer" in kind[1]:
            return (f"{part} could not be loaded as {kind[1]}, since ", *fault)
        if fault:
            return fault
    return None


def part_fault(place: Path, library: str, kind: str) -> Message | None:
    """What keeps a part from being loaded, as a sentence that names the file; None when it can be.

    Args:
        library: that has its class, as the index names it.
        kind: name of its class.
    """
    if library not in LIBRARIES:
        return (
            f"{INDEX} names {library}.{kind} as its {place.name}, which is code of the checkpoint's own and never run.",
            Remedy("take a checkpoint that runs no code of its own"),
        )
    if kind.endswith("Scheduler"):
        return texts_fault(place, needed=[SCHEDULER])
    if "Tokenizer" in kind:
        return tokenizer_fault(place)
    if "Processor" in kind or "Extractor" in kind:
        tokenizes = not kind.endswith(("ImageProcessor", "ImageProcessorFast", "Extractor"))
        return preprocessing_fault(place) or (tokenizer_fault(place) if tokenizes else None)
    return network_fault(place)


def helper_fault(folder: Path) -> Message | None:
    """What keeps a network that looks or judges from being loaded, with what it is used with; None when it can be."""
    try:
        fault = network_fault(folder) or preprocessing_fault(folder)
    except OSError as problem:
        fact, remedy = refused(problem)
        return (f"{problem.filename or folder.name} {fact}.", remedy)
    if fault:
        return fault
    kind = str(read_json(folder / CONFIG).get("model_type", ""))
    return tokenizer_fault(folder) if kind.startswith(READERS) else None


def preprocessing_fault(folder: Path) -> Message | None:
    """What keeps a folder from saying how a network wants its pictures, as a sentence; None where nothing does."""
    there = [name for name in PREPROCESSING_FILES if lies(folder / name)]
    return texts_fault(folder, needed=there or PREPROCESSING_FILES[:1])


def settings_missing(folder: Path) -> Message | None:
    """That a network's folder has no configuration, as a sentence; None when it has one."""
    return None if (folder / CONFIG).is_file() else missing_fault(folder, CONFIG)


def network_fault(folder: Path) -> Message | None:
    """What keeps a network's folder from being loaded, as a sentence that names the file; None when it can be."""
    try:
        found = sorted(file.name for file in folder.iterdir())
    except OSError as problem:
        fact, remedy = refused(problem)
        return (f"{folder.name}/ {fact}.", remedy)
    indexes = [name for name in found if ".safetensors.index" in name and name.endswith(".json")]
    fault = texts_fault(folder, [*PREPROCESSING_FILES, *TOKENIZER_FILES, *indexes], needed=[CONFIG])
    return fault or weights_missing(folder, found)


def weights_missing(folder: Path, found: list[str]) -> Message | None:
    """What a network's weights lack, as a sentence that names the file; None when they are whole.

    Args:
        found: names of all that is in the folder.
    """
    files = [name for name in found if name.endswith(".safetensors") and (folder / name).is_file()]
    broken = [name for name in found if name.endswith(".safetensors") and name not in files]
    if not files:
        pickles = [name for name in found if name.endswith(PICKLES)]
        if pickles and not broken:
            return (
                f"{folder.name}/{pickles[0]} is a pickle, which can run any code when it is opened. "
                "Convert it to .safetensors, or take a revision that has them.",
            )
        fact, remedy = missing_fault(folder, (broken or [weights_name(folder)])[0])
        return (f"{folder.name}/ has no .safetensors weights, since {fact}", remedy)
    try:
        weights = folder_weights(folder)
    except ValueError as problem:
        return (f"{folder.name}/ has an index that cannot be read ({problem}). {AGAIN}",)
    if weights is None:
        return (f"{folder.name}/ holds {files[0]} and others, of which none is named as weights are. {AGAIN}",)
    if weights.absent:
        return missing_fault(folder, weights.absent[0])
    faults = (weights_fault(folder / name, f"{folder.name}/{name}") for name in weights.files)
    return next((fault for fault in faults if fault), None) or (index_fault(folder, weights) if weights.index else None)


def weights_name(folder: Path) -> str:
    """How the weights of a network are called by the library of which it is."""
    of_diffusers = "_class_name" in read_json(folder / CONFIG)
    return f"{'diffusion_pytorch_model' if of_diffusers else 'model'}.safetensors"


def index_fault(folder: Path, weights: WeightSet) -> Message | None:
    """What the shards of a network lack of the tensors that their index lists, as a sentence; None where nothing."""
    listed: dict[str, str] = read_json(folder / weights.index)["weight_map"]
    there = read_headers(folder / name for name in weights.files).shapes
    lacking = sorted(name for name in listed if name not in there)
    if not lacking:
        return None
    shard = listed[lacking[0]]
    return (
        f"{folder.name}/{shard} does not hold {lacking[0]}, which {weights.index} lists there"
        f"{f', as {len(lacking) - 1:,} more' if len(lacking) > 1 else ''}.",
        REMEDY,
    )


def family_fault(config: Path) -> Message | None:
    """Why a denoiser of this configuration is of another family, as a sentence; None when it is of ours."""
    if fault := texts_fault(config.parent, needed=[config.name]):
        return fault
    settings = read_json(config)
    if settings.get("addition_embed_type") and not (config.parents[1] / INDEX).exists():
        return (f"{INDEX} is missing, without which it cannot be used, since it is a Stable Diffusion XL.", REMEDY)
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
    name = read_json(folder / CONFIG).get("model_type")
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
    """The first line of what a library says, short enough to stand inside a sentence; of classes the name alone."""
    lines = str(fault).strip().splitlines()
    said = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", lines[0]).strip().rstrip(".:")[:160] if lines else ""
    if isinstance(fault, TypeError):  # numbers of a configuration that are words, lists that are numbers
        return "a value in its files is of another kind than belongs there"
    if not said or isinstance(fault, AttributeError) or "NoneType" in said or "__" in said:  # of the library's own code
        return "the library that reads it does not say why"
    return said
