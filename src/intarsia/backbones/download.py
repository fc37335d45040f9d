"""Fetch a checkpoint and what it is used with, once, so that everything then works offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from intarsia.backbones.catalog import CATALOG, HELPERS
from intarsia.backbones.hub import fetch
from intarsia.backbones.placement import choose_device, choose_dtype
from intarsia.backbones.resolve import resolve
from intarsia.backbones.weight_sets import Precision, precision_named


def download(name: str, on_progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Fetch a checkpoint and the helpers that it is used with, so that everything then works offline.

    A checkpoint comes in the precision in which this machine works by default: of half precision where it has a GPU of
    NVIDIA and the repository holds such files. Helpers work in full precision.

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
        wanted: list[tuple[str, str | None, Precision]] = [(str(entry.repository), entry.revision, "full")]
    else:
        source = resolve(name)
        if source.kind != "hub":
            return []
        helpers = [CATALOG[helper] for helper in HELPERS.values()]
        precision = precision_named(str(choose_dtype("auto", choose_device("auto"))))
        wanted = [
            (source.location, source.revision, precision),
            *((str(entry.repository), entry.revision, "full") for entry in helpers),
        ]
    folders = []
    for done, (repository, revision, precision) in enumerate(wanted):
        if on_progress is not None:
            on_progress(done, len(wanted))
        folders.append(fetch(repository, revision, precision=precision))
    if on_progress is not None:
        on_progress(len(wanted), len(wanted))
    return folders
