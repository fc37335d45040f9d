"""Checkpoints in the hub's cache on this machine, and how they come there."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from intarsia.backbones.catalog import former_names, mirrors_of, painters, pinned_revision
from intarsia.backbones.checkpoint_files import DENOISERS, repository_fault, settings_fault
from intarsia.backbones.repository_files import SETTINGS, UNWANTED, WANTED, parts_of, wanted_files
from intarsia.backbones.transfer import Listing, OnBytes, bytes_here, cache_folder, fetch_large, hub_tools
from intarsia.backbones.weight_sets import Precision
from intarsia.backbones.wrong_kinds import files_refusal
from intarsia.errors import Cancelled, Command, Message, ModelError, Remedy, Setting
from intarsia.notes import note

logger = logging.getLogger(__name__)


class NotServed(ModelError):
    """A repository that cannot be had, though it may be of the right kind: another place may have its files."""


def cached(repository: str, revision: str | None = None) -> bool:
    """Whether a repository's needed files are complete in the hub's cache on this machine."""
    return cached_folder(repository, revision) is not None


def cached_folder(repository: str, revision: str | None = None, *, own_denoiser: bool = True) -> Path | None:
    """The complete snapshot of a repository in the hub's cache (HF_HOME, HF_HUB_CACHE), or None.

    Without a revision, or with the one of the catalogue, any complete snapshot will do when that is not: the newest
    may have no safetensors. So will one of a mirror, or of a repository's former name.
    """
    places = [(repository, revision), *((former, revision) for former in former_names(repository))]
    if revision in (None, pinned_revision(repository)):
        others = (repository, *former_names(repository), *mirrors_of(repository))
        places += [(place, None) for place in others]
    for place, wanted in places:
        for snapshot in snapshots(cache_folder(place), wanted):
            if snapshot.is_dir() and repository_fault(snapshot, own_denoiser=own_denoiser) is None:
                return snapshot
    return None


def damaged_snapshot(repository: str, revision: str | None, *, own_denoiser: bool) -> tuple[Path, Message] | None:
    """The first snapshot of a repository in the hub's cache, and what keeps it from being used; None where it has none."""
    for snapshot in snapshots(cache_folder(repository), revision):
        if snapshot.is_dir() and (fault := repository_fault(snapshot, own_denoiser=own_denoiser)):
            return snapshot, fault
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
    repository: str,
    revision: str | None = None,
    *,
    precision: Precision = "full",
    painter: bool = False,
    own_denoiser: bool = True,
    on_bytes: OnBytes | None = None,
) -> Path:
    """The folder of a repository: from the hub's cache, else downloaded into it.

    A repository of the catalogue that cannot be had is looked for at its newest revision and at its mirrors, and which
    of them served is said.

    Args:
        precision: in which its networks will work; half takes weights of half precision where there are some. What is
            cached already does for every precision.
        painter: whether it has to be a checkpoint that paints, and not one of the networks beside it.
        own_denoiser: whether the weights of its denoiser are needed.
        on_bytes: told of the bytes that have come; by default a bar on the terminal.

    Raises:
        ModelError: it is neither cached nor to be had, or of a kind that cannot be used.
    """
    found = cached_folder(repository, revision, own_denoiser=own_denoiser)
    if found is not None:
        return found
    # The commit of the catalogue is nobody's wish: another will do.
    asked = None if revision == pinned_revision(repository) else revision
    at = f"{repository}@{asked}" if asked else repository
    command = Command("download", repository, program="hf", revision=asked)
    if constants.HF_HUB_OFFLINE:
        damaged = damaged_snapshot(repository, revision, own_denoiser=own_denoiser)
        if damaged is not None:
            snapshot, cause = damaged
            raise ModelError(f"{at} is on this machine, in {snapshot}, but cannot be used, since ", *cause)
        raise ModelError(
            f"{at} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            Remedy("run ", command, " with HF_HUB_OFFLINE=0 where there is a network"),
            Remedy(Setting("models", "pocket", verb="try")),
        )
    places = [(repository, revision)]
    if asked is None:
        places += [(repository, None)] if revision else []
        places += [(mirror, None) for mirror in mirrors_of(repository)]
    first: NotServed | None = None
    for place, wanted in places:
        try:
            folder = fetch_usable(
                place,
                wanted,
                command,
                precision=precision,
                painter=painter,
                own_denoiser=own_denoiser,
                on_bytes=on_bytes,
            )
        except NotServed as fault:
            logger.debug("%s was not served: %s", place, fault)
            first = first or fault
            continue
        if (place, wanted) != places[0]:
            if place == repository:
                note(f"{at} has no commit {str(revision)[:12]}: its newest was taken instead.")
            else:
                note(f"{at} could not be fetched: {place}, a copy of it that others keep, was taken instead.")
        return folder
    assert first is not None
    raise first


def fetch_usable(
    repository: str,
    revision: str | None,
    command: Command,
    *,
    precision: Precision,
    painter: bool,
    own_denoiser: bool,
    on_bytes: OnBytes | None,
) -> Path:
    """A repository's snapshot, downloaded and found to be complete.

    Raises:
        ModelError: it is not to be had, or of a kind that cannot be used.
    """
    fetched = partial(
        fetch_snapshot,
        repository,
        command=command,
        precision=precision,
        painter=painter,
        own_denoiser=own_denoiser,
        on_bytes=on_bytes,
    )
    folder = fetched(revision)
    fault = repository_fault(folder, own_denoiser=own_denoiser)
    if fault and revision is None:
        # The hub's own converter offers safetensors as a pull request where the owner never merged them.
        converted = converter_revision(repository)
        if converted is not None:
            folder = fetched(converted)
            fault = repository_fault(folder, own_denoiser=own_denoiser)
    if fault:
        at = f"{repository}@{revision}" if revision else repository
        raise ModelError(f"The checkpoint {at} cannot be used: ", *fault)
    return folder


def fetch_snapshot(
    repository: str,
    revision: str | None,
    command: Command,
    *,
    precision: Precision = "full",
    painter: bool = False,
    own_denoiser: bool = True,
    on_bytes: OnBytes | None = None,
) -> Path:
    """Download what is needed of a repository: first what says of which kind it is, then its weights.

    Raises:
        ModelError: the hub cannot be reached, or does not give it out; it is of a kind that cannot be used, or larger
            than the disk has room for.
    """
    from huggingface_hub import errors, snapshot_download

    listing = listed_files(repository, revision)
    try:
        refuse(repository, files_refusal(list(listing.sizes if listing else ())))
        settings = Path(snapshot_download(repository, revision=revision, allow_patterns=SETTINGS, tqdm_class=no_bar()))
        refuse(repository, settings_fault(settings, painter=painter))
        if listing is None:
            logger.warning("Downloading %s to %s.", repository, constants.HF_HUB_CACHE)
            lent = [] if own_denoiser else [f"{part}/*.safetensors" for part in DENOISERS]
            folder = snapshot_download(
                repository, revision=revision, allow_patterns=WANTED, ignore_patterns=[*UNWANTED, *lent]
            )
        else:
            wanted = wanted_files(
                listing.sizes, parts_of(settings), precision, without=() if own_denoiser else DENOISERS
            )
            size = sum(listing.sizes[name] for name in wanted)
            free = check_room(repository, size)
            logger.warning(
                "Downloading %s (%s) to %s, where %s are free.",
                repository, gigabytes(size), constants.HF_HUB_CACHE, gigabytes(free),
            )  # fmt: skip
            fetch_large(repository, listing, wanted, on_bytes)
            folder = snapshot_download(
                repository, revision=revision, allow_patterns=wanted, tqdm_class=no_bar() if listing.commit else None
            )
    except (ModelError, Cancelled):
        raise
    except errors.GatedRepoError as fault:
        raise NotServed(
            f"{repository} is given out only to those who accepted its terms",
            Remedy(f"do so at https://huggingface.co/{repository}, then run ", Command("auth login", program="hf")),
        ) from fault
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as fault:
        missing = f"{repository} (revision {revision})" if revision else repository
        raise NotServed(
            f"The hub has no {missing}: check the spelling, or choose one of {', '.join(painters())}."
        ) from fault
    # Whatever the network layer raises means the same to the user.
    except Exception as fault:
        raise NotServed(
            f"{repository} is not on this machine and could not be fetched ({type(fault).__name__})",
            Remedy("run ", command, " where there is a network"),
            Remedy(Setting("models", "pocket", verb="try")),
        ) from fault
    return Path(folder)


def listed_files(repository: str, revision: str | None) -> Listing | None:
    """The files of a repository; None where it cannot be listed.

    Why it cannot is said by the download that follows.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    # Whatever the network layer raises.
    except Exception as fault:
        logger.debug("%s cannot be listed (%s).", repository, type(fault).__name__)
        return None
    files = info.siblings or []
    return Listing(
        sizes={file.rfilename: file.size or 0 for file in files},
        digests={file.rfilename: file.lfs.sha256 for file in files if file.lfs},
        commit=info.sha or "",
    )


def no_bar() -> Any:
    """A progress bar that is not drawn: for small files, and for what is there already."""
    bar = hub_tools().tqdm

    def silenced(self: Any, *arguments: Any, **settings: Any) -> None:
        bar.__init__(self, *arguments, **{**settings, "disable": True})

    return type("Silent", (bar,), {"__init__": silenced})


def refuse(repository: str, fault: Message | None) -> None:
    """Stop where a repository is known to be of a kind that cannot be used.

    Raises:
        ModelError: it is.
    """
    if fault:
        raise ModelError(f"The checkpoint {repository} cannot be used: ", *fault)


def check_room(repository: str, size: int) -> int:
    """Stop before a download that the disk has no room for; what an earlier one left there counts as done.

    Args:
        size: bytes of all files that are wanted.

    Returns:
        The bytes that are free.

    Raises:
        ModelError: it has no room.
    """
    free = free_bytes()
    if size > free + bytes_here(repository):
        raise no_room(repository, size, free + bytes_here(repository))
    return free


def no_room(name: str, size: float, room: int) -> ModelError:
    """The error for a download of more bytes than the disk has room for."""
    return ModelError(
        f"{name} needs {gigabytes(size)}, but {constants.HF_HUB_CACHE} has room for {gigabytes(room)}",
        Remedy("make room there, or name another folder in HF_HUB_CACHE"),
    )


def free_bytes() -> int:
    """Bytes that are free where the hub's cache lies, or will."""
    place = Path(constants.HF_HUB_CACHE)
    return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free


def gigabytes(size: float) -> str:
    """A number of bytes as people say it: 0.3 GB, 12 GB."""
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:.0f} GB"


def converter_revision(repository: str) -> str | None:
    """The hub's own safetensors conversion of a repository, as a revision; None where there is none."""
    from huggingface_hub import HfApi

    for thread in HfApi().get_repo_discussions(repository, author="SFconvertbot", discussion_type="pull_request"):
        if "safetensors" in thread.title:
            return thread.git_reference
    return None
