"""Checkpoints in the hub's cache on this machine, and how they come there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from intarsia.backbones.catalog import painters
from intarsia.backbones.checkpoint_files import UNWANTED, WANTED, repository_fault
from intarsia.errors import Command, ModelError, Remedy, Setting

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


def fetch(repository: str, revision: str | None = None) -> Path:
    """The folder of a repository: from the hub's cache, else downloaded into it.

    Raises:
        ModelError: it is neither cached nor to be had.
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
        raise ModelError(f"The checkpoint {at} cannot be used: ", *fault)
    return folder


def fetch_snapshot(repository: str, revision: str | None, command: Command) -> Path:
    """Download what is needed of a repository.

    Raises:
        ModelError: the hub cannot be reached, or does not give it out.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
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


def converter_revision(repository: str) -> str | None:
    """The hub's own safetensors conversion of a repository, as a revision; None where there is none."""
    from huggingface_hub import HfApi

    for thread in HfApi().get_repo_discussions(repository, author="SFconvertbot", discussion_type="pull_request"):
        if "safetensors" in thread.title:
            return thread.git_reference
    return None
