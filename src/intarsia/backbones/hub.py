"""Checkpoints in the hub's cache on this machine, and how they come there."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from intarsia.backbones.catalog import painters
from intarsia.backbones.checkpoint_files import repository_fault, settings_fault
from intarsia.backbones.repository_files import SETTINGS, UNWANTED, WANTED, parts_of, wanted_files
from intarsia.backbones.weight_sets import Precision
from intarsia.backbones.wrong_kinds import files_refusal
from intarsia.errors import Command, Message, ModelError, Remedy, Setting

logger = logging.getLogger(__name__)


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


def fetch(
    repository: str, revision: str | None = None, *, precision: Precision = "full", painter: bool = False
) -> Path:
    """The folder of a repository: from the hub's cache, else downloaded into it.

    Args:
        precision: in which its networks will work; half takes weights of half precision where there are some. What is
            cached already does for every precision.
        painter: whether it has to be a checkpoint that paints, and not one of the networks beside it.

    Raises:
        ModelError: it is neither cached nor to be had, or of a kind that cannot be used.
    """
    found = cached_folder(repository, revision)
    if found is not None:
        return found
    at = f"{repository}@{revision}" if revision else repository
    command = Command("download", repository, program="hf", revision=revision)
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{at} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            Remedy("run ", command, " with HF_HUB_OFFLINE=0 where there is a network"),
            Remedy(Setting("models", "pocket", verb="try")),
        )
    folder = fetch_snapshot(repository, revision, command, precision=precision, painter=painter)
    fault = repository_fault(folder)
    if fault and revision is None:
        # The hub's own converter offers safetensors as a pull request where the owner never merged them.
        converted = converter_revision(repository)
        if converted is not None:
            folder = fetch_snapshot(repository, converted, command, precision=precision, painter=painter)
            fault = repository_fault(folder)
    if fault:
        raise ModelError(f"The checkpoint {at} cannot be used: ", *fault)
    return folder


def fetch_snapshot(
    repository: str, revision: str | None, command: Command, *, precision: Precision = "full", painter: bool = False
) -> Path:
    """Download what is needed of a repository: first what says of which kind it is, then its weights.

    Raises:
        ModelError: the hub cannot be reached, or does not give it out; it is of a kind that cannot be used, or larger
            than the disk has room for.
    """
    from huggingface_hub import errors, snapshot_download

    sizes = listed_files(repository, revision)
    try:
        refuse(repository, files_refusal(list(sizes or ())))
        settings = Path(snapshot_download(repository, revision=revision, allow_patterns=SETTINGS))
        refuse(repository, settings_fault(settings, painter=painter))
        if sizes is None:
            logger.warning("Downloading %s to %s.", repository, constants.HF_HUB_CACHE)
            folder = snapshot_download(repository, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
        else:
            wanted = wanted_files(sizes, parts_of(settings), precision)
            size = sum(sizes[name] for name in wanted) / 1e9
            check_room(repository, size)
            logger.warning("Downloading %s (%.1f GB) to %s.", repository, size, constants.HF_HUB_CACHE)
            folder = snapshot_download(repository, revision=revision, allow_patterns=wanted)
    except ModelError:
        raise
    except errors.GatedRepoError as fault:
        raise ModelError(
            f"{repository} is given out only to those who accepted its terms",
            Remedy(f"do so at https://huggingface.co/{repository}, then run ", Command("auth login", program="hf")),
        ) from fault
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as fault:
        missing = f"{repository} (revision {revision})" if revision else repository
        raise ModelError(
            f"The hub has no {missing}: check the spelling, or choose one of {', '.join(painters())}."
        ) from fault
    # Whatever the network layer raises means the same to the user.
    except Exception as fault:
        raise ModelError(
            f"{repository} is not on this machine and could not be fetched ({type(fault).__name__})",
            Remedy("run ", command, " where there is a network"),
            Remedy(Setting("models", "pocket", verb="try")),
        ) from fault
    return Path(folder)


def listed_files(repository: str, revision: str | None) -> dict[str, int] | None:
    """The files of a repository and their sizes in bytes; None where it cannot be listed.

    Why it cannot is said by the download that follows.
    """
    from huggingface_hub import HfApi

    try:
        listed = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings or []
    # Whatever the network layer raises.
    except Exception as fault:
        logger.debug("%s cannot be listed (%s).", repository, type(fault).__name__)
        return None
    return {file.rfilename: file.size or 0 for file in listed}


def refuse(repository: str, fault: Message | None) -> None:
    """Stop where a repository is known to be of a kind that cannot be used.

    Raises:
        ModelError: it is.
    """
    if fault:
        raise ModelError(f"The checkpoint {repository} cannot be used: ", *fault)


def check_room(repository: str, gigabytes: float) -> None:
    """Stop before a download that the disk has no room for; what an earlier one left there counts as done.

    Raises:
        ModelError: it has none.
    """
    place = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    blobs = place / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    done = sum(blob.stat().st_size for blob in blobs.iterdir()) / 1e9 if blobs.is_dir() else 0.0
    free = shutil.disk_usage(there).free / 1e9 + done
    if gigabytes > free:
        raise ModelError(
            f"{repository} needs {gigabytes:.1f} GB, but {constants.HF_HUB_CACHE} has room for {free:.1f} GB",
            Remedy("make room there, or name another folder in HF_HUB_CACHE"),
        )


def converter_revision(repository: str) -> str | None:
    """The hub's own safetensors conversion of a repository, as a revision; None where there is none."""
    from huggingface_hub import HfApi

    for thread in HfApi().get_repo_discussions(repository, author="SFconvertbot", discussion_type="pull_request"):
        if "safetensors" in thread.title:
            return thread.git_reference
    return None
