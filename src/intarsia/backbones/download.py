"""Fetch a checkpoint and what it is used with, once, so that everything then works offline."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from intarsia.backbones.catalog import CATALOG, HELPERS, Entry, entry_named
from intarsia.backbones.hub import cached, fetch, free_bytes, gigabytes, no_room
from intarsia.backbones.placement import choose_device, choose_dtype
from intarsia.backbones.resolve import resolve
from intarsia.backbones.transfer import OnBytes, bytes_here
from intarsia.backbones.weight_sets import Precision, precision_named

logger = logging.getLogger(__name__)

SLACK = 0.1
"""By how much an estimated size may be too large, as a share."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A repository that is to be on this machine.

    Attributes:
        repository: on the hub.
        revision: None for the newest.
        precision: in which its networks will work.
        entry: of the catalogue, where that is known.
    """

    repository: str
    revision: str | None
    precision: Precision
    entry: Entry | None

    @property
    def size(self) -> int:
        """Bytes of the weights that are fetched, about; 0 where it is not known before the hub is asked."""
        if self.entry is None:
            return 0
        half = self.entry.half_weights if self.precision == "half" else {}
        return sum((half or self.entry.weights).values())


def download(
    name: str, on_progress: Callable[[int, int], None] | None = None, *, on_bytes: OnBytes | None = None
) -> list[Path]:
    """Fetch a checkpoint and the helpers that it is used with, so that everything then works offline.

    A checkpoint comes in the precision in which this machine works by default: of half precision where it has a GPU of
    NVIDIA and the repository holds such files. Helpers work in full precision. How much is to be fetched, and how much
    room there is, is said before it begins; what an interrupted download has fetched is kept, and gone on with.

    Args:
        name: a catalogue name or a hub id owner/name, either with @revision.
        on_progress: called with repositories done, and how many there are.
        on_bytes: called with the bytes of a repository that have come, and how many it has; by default a bar on the
            terminal.

    Returns:
        The folders in the hub's cache; none for pocket, which ships with the package.

    Raises:
        ModelError: the name is unknown, the hub cannot be reached, it has no safetensors, or there is no room.
    """
    wanted = wanted_for(name)
    check_plan(name, wanted)
    folders = []
    for done, one in enumerate(wanted):
        if on_progress is not None:
            on_progress(done, len(wanted))
        folders.append(fetch(one.repository, one.revision, precision=one.precision, on_bytes=on_bytes))
    if on_progress is not None:
        on_progress(len(wanted), len(wanted))
    return folders


def wanted_for(name: str) -> list[Wanted]:
    """The repositories that a checkpoint needs, itself first.

    Raises:
        ModelError: the name is unknown.
    """
    entry = entry_named(name)
    if entry is not None and entry.repository and not entry.paints:
        revision = name.partition("@")[2] or entry.revision
        beside = [CATALOG[one] for one in entry.beside]
        return [
            Wanted(repository=entry.repository, revision=revision, precision="full", entry=entry),
            *(Wanted(repository=str(e.repository), revision=e.revision, precision="full", entry=e) for e in beside),
        ]
    source = resolve(name)
    if source.kind != "hub":
        return []
    precision = precision_named(str(choose_dtype("auto", choose_device("auto"))))
    known = next((one for one in CATALOG.values() if one.repository == source.location), None)
    helpers = [CATALOG[helper] for helper in HELPERS.values()]
    return [
        Wanted(repository=source.location, revision=source.revision, precision=precision, entry=known),
        *(Wanted(repository=str(e.repository), revision=e.revision, precision="full", entry=e) for e in helpers),
    ]


def check_plan(name: str, wanted: list[Wanted]) -> None:
    """Say how much is missing on this machine and how much room there is, before anything is fetched.

    Raises:
        ModelError: there is no room for it.
    """
    missing = [one for one in wanted if not cached(one.repository, one.revision)]
    if not missing or constants.HF_HUB_OFFLINE:
        return
    size = sum(one.size for one in missing)
    sure = sum(one.size * (1 - SLACK if one.entry and one.entry.estimated else 1) for one in missing)
    free = free_bytes()
    room = free + sum(bytes_here(one.repository) for one in missing)
    if sure > room:
        raise no_room(name, size, room)
    unknown = any(not one.size for one in missing)
    logger.info(
        "%s: %s%s to download from %d %s; %s are free at %s.",
        name, "at least " if unknown else "about ", gigabytes(size), len(missing),
        "repository" if len(missing) == 1 else "repositories", gigabytes(free), constants.HF_HUB_CACHE,
    )  # fmt: skip
