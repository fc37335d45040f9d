"""How one word of the user becomes the place of a checkpoint; nothing is loaded and no network is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from intarsia.backbones.catalog import CATALOG, HELPERS, POCKET, REDIRECTS, entry_named, painters
from intarsia.backbones.checkpoint_files import PICKLES, config_folder, pipeline_fault
from intarsia.backbones.denoiser_files import check_denoiser_file, split_denoiser
from intarsia.backbones.fills import PHOTOGRAPHIC
from intarsia.backbones.hub import cached
from intarsia.backbones.weight_headers import PICKLE, SOMETHING, foreign_file, read_headers, shards_of
from intarsia.backbones.wrong_kinds import check_file
from intarsia.errors import Command, ModelError, Remedy, Setting
from intarsia.notes import note

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where a checkpoint is to be had, before anything is loaded.

    Attributes:
        name: for records and messages: catalogue name, hub id (with @revision) or path.
        kind: hub (a repository), folder (diffusers layout) or file (one .safetensors).
        location: the repository's id, or the path.
        revision: of the repository; None for the newest.
        denoiser: file that takes the place of the checkpoint's own; None for that.
    """

    name: str
    kind: Literal["hub", "folder", "file"]
    location: str
    revision: str | None = None
    denoiser: Path | None = None


def resolve(models: str, *, quiet: bool = False, own_denoiser: bool = True) -> ModelSource:
    """Find out what the user means by --models; loads nothing and asks no network.

    A hub id that is gone stands for the one where its files live on, which is said once.

    Args:
        models: pocket, auto, a catalogue name or a hub id owner/name, either with @revision, a folder in diffusers
            layout, or a single .safetensors file; all but the last may have a plus sign and the file of another
            denoiser behind them.
        quiet: whether to leave unsaid that auto means the pocket models, where nothing may be asked of them.
        own_denoiser: whether a folder has to hold the weights of a denoiser.

    Raises:
        ModelError: it is none of these, or is incomplete.
    """
    models = models.strip()
    checkpoint, denoiser = split_denoiser(models)
    if denoiser is not None:
        check_denoiser_file(denoiser)
        source = resolve(checkpoint, quiet=quiet, own_denoiser=False)
        if source.kind == "file":
            raise ModelError(
                f"{checkpoint} is one file, whose denoiser cannot be replaced",
                Remedy("pass the folder or hub id of a checkpoint in diffusers layout in its place"),
            )
        return replace(source, name=f"{source.name}+{denoiser}", denoiser=denoiser)
    if models == "auto":
        return resolve(best_cached(quiet=quiet))
    if models == "pocket":
        return folder_source(POCKET, name="pocket")
    repository, _, revision = models.partition("@")
    path = Path(models).expanduser()
    entry = entry_named(models) if models in CATALOG or (revision and not path.exists()) else None
    if entry is not None and entry.repository is not None:
        if not entry.paints:
            raise ModelError(
                f"{models} ({entry.repository}) {entry.purpose}, but cannot paint: choose one of {', '.join(painters())}."
            )
        return ModelSource(name=models, kind="hub", location=entry.repository, revision=revision or entry.revision)
    if repository in REDIRECTS and not path.exists():
        note_redirect(repository)
        models = models.replace(repository, REDIRECTS[repository], 1)
        repository = REDIRECTS[repository]
    if models and path.is_dir():
        return folder_source(path, name=models, own_denoiser=own_denoiser)
    if path.is_file() or (path.is_symlink() and not path.exists()):
        return file_source(path, name=models)
    if path.suffix.lower() in (".safetensors", *PICKLES):
        raise ModelError(
            f"There is no file {path}", Remedy("check the path, or ", Setting("models", "pocket", verb="try"))
        )
    if HUB_ID.fullmatch(repository) and not models.startswith((".", "~")):
        return ModelSource(name=models, kind="hub", location=repository, revision=revision or None)
    raise ModelError(
        f"{models!r} is no known checkpoint. Pass one of auto, {', '.join(painters())}, a hub id such as owner/name, "
        "a folder in diffusers layout, or a .safetensors file."
    )


def expected_side(source: ModelSource) -> int:
    """Native side of a checkpoint before it is loaded, in pixels; of one that the catalogue does not know, that of
    checkpoints for photographs."""
    entry = entry_named(source.name)
    return PHOTOGRAPHIC if entry is None else entry.native_side


def note_redirect(gone: str) -> None:
    """Say that a repository is gone and what is taken instead."""
    note(f"{gone} is gone from the hub: {REDIRECTS[gone]}, which holds the same files, was taken.")


def best_cached(*, quiet: bool = False) -> str:
    """The first inpainting checkpoint of the catalogue that is complete on this machine, else pocket, saying so."""
    helpers = [CATALOG[name] for name in HELPERS.values()]
    for name, entry in CATALOG.items():
        if entry.repository is None or entry.part != "inpainter":
            continue
        if all(e.repository and cached(e.repository, e.revision) for e in (entry, *helpers)):
            return name
    if not quiet:
        note(
            "No inpainting checkpoint is on this machine: the small pocket models were used, which know only a toy world",
            Remedy("for photographs, run ", Command("models download", "sd15")),
        )
    return "pocket"


def folder_source(folder: Path, *, name: str, own_denoiser: bool = True) -> ModelSource:
    """A folder in diffusers layout, checked; see `pipeline_fault`.

    Raises:
        ModelError: it lacks a part, or is of another family of models.
    """
    fault = pipeline_fault(folder, own_denoiser=own_denoiser)
    if fault:
        raise ModelError(f"The checkpoint in {folder} cannot be used: ", *fault)
    return ModelSource(name=name, kind="folder", location=str(folder))


def file_source(file: Path, *, name: str) -> ModelSource:
    """A single-file checkpoint, checked by its header alone.

    Raises:
        ModelError: it is a pickle, no safetensors file, a part of one, or of another kind of model.
    """
    foreign = foreign_file(file)
    if foreign in (PICKLE, SOMETHING) and file.suffix.lower() in PICKLES:
        raise ModelError(
            f"{file} is a pickle, which can run any code when it is opened. Convert it to .safetensors, "
            "or download that version of the checkpoint."
        )
    if foreign is None and file.suffix.lower() != ".safetensors":
        raise ModelError(f"{file} may be a safetensors file, but does not end so", Remedy("rename it to .safetensors"))
    shards = shards_of(file)
    absent = [shard for shard in shards if not shard.is_file()]
    if absent:
        raise ModelError(
            f"{file} is one of {len(shards)} parts, and {absent[0].name} is missing beside it",
            Remedy("download the whole checkpoint again"),
        )
    check_file(file, read_headers(shards, placed=False), configured=config_folder(file) is not None)
    read_headers(shards)
    if len(shards) > 1:
        raise ModelError(
            f"{file} is one of {len(shards)} parts, which are not read one by one",
            Remedy("pass the folder of the whole checkpoint, or its version in one file"),
        )
    return ModelSource(name=name, kind="file", location=str(file))
