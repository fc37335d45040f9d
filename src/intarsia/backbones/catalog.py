"""The catalogue: which checkpoints are known to work, and how they are found by name and by repository."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from intarsia.backbones.catalog_entry import Entry
from intarsia.backbones.known_checkpoints import CATALOG, REDIRECTS

__all__ = [
    "CATALOG",
    "HELPERS",
    "OUTLINER",
    "POCKET",
    "REDIRECTS",
    "SEGMENTERS",
    "Entry",
    "SegmenterKind",
    "entry_named",
    "painters",
]

POCKET = Path(__file__).parent / "pocket"

SegmenterKind = Literal["clipseg", "sam", "sam2", "sam3", "grounding"]

# The helpers that a checkpoint without its own is joined with: subfolder -> catalogue name.
HELPERS = {"clip": "clip", "dino": "dino", "clipseg": "clipseg"}
OUTLINER = "sam2"
"""What outlines the boxes of a segmenter that finds no more than boxes."""
# How configurations name the segmenters; the hub has SAM 2 and SAM 3 as the video models that contain them.
SEGMENTERS: dict[str, SegmenterKind] = {
    "clipseg": "clipseg",
    "sam": "sam",
    "sam2": "sam2",
    "sam2_video": "sam2",
    "sam3": "sam3",
    "sam3_video": "sam3",
    "grounding-dino": "grounding",
}


def painters() -> list[str]:
    """Catalogue names that --models takes."""
    return [name for name, entry in CATALOG.items() if entry.paints]


def entry_named(name: str) -> Entry | None:
    """The entry of a catalogue name, with or without @revision and +denoiser; None where it has none."""
    return CATALOG.get(name.partition("+")[0].partition("@")[0])


def pinned_revision(repository: str) -> str | None:
    """The commit of a repository that the catalogue names; None where it names none."""
    return next((entry.revision for entry in CATALOG.values() if entry.repository == repository), None)


def mirrors_of(repository: str) -> tuple[str, ...]:
    """Other repositories of the same files, the first to be tried first."""
    return next((entry.mirrors for entry in CATALOG.values() if entry.repository == repository), ())


def former_names(repository: str) -> tuple[str, ...]:
    """Repositories that are gone from the hub whose files it holds, as caches may still have them."""
    return tuple(gone for gone, here in REDIRECTS.items() if here == repository)
