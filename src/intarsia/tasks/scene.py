"""The scene of a record, and the segmenter that finds its objects where they must be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from intarsia.backbones import ModelSource, helpers, placement
from intarsia.backbones.catalog import entry_named
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.resolve import resolve
from intarsia.imaging.photo import Photo
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import read_scene
from intarsia.notes import note
from intarsia.records.added_files import ADDED
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.inputs import Record

if TYPE_CHECKING:
    from intarsia.backbones.segmenters import LoadedSegmenter

WORDS = {"prompt": "the prompt", "negative_prompt": "the negative prompt", "background": "the background's words"}
"""What a checkpoint is told, as notes call it."""

LoadBackbones = Callable[..., Backbones]
"""Loads the networks of a checkpoint by its name, with what is added to it by keyword; asked once a task."""

LoadSegmenter = Callable[[ModelSource], "LoadedSegmenter"]
"""Loads the segmenter that belongs to a checkpoint."""


def networks_of(record: Record, load: LoadBackbones, *, models: str | None = None) -> Backbones:
    """The networks that a record names.

    Args:
        models: what its checkpoint is called, where more is known than the record says.
    """
    added = {setting: files for setting in ADDED if (files := getattr(record, setting))}
    return load(models or record.models, **added)


def tell_unused(record: Record) -> None:
    """Say that what a record adds to a checkpoint, and tells it, is not used, where none paints."""
    if any(getattr(record, setting) for setting in ADDED):
        note("No checkpoint painted here, so that LoRAs and textual inversions had no effect.")
    words = [called for setting, called in WORDS.items() if getattr(record, setting, "")]
    if words:
        note(f"No checkpoint painted here, so that {' and '.join(words)} had no effect.")


def load_scene(record: ArrangeRecord, photo: Photo, load_segmenter: LoadSegmenter) -> Scene:
    """The scene of a record. Only objects that must be found by words need a network, and then a small one."""
    if not record.find:
        return read_scene(record, photo)
    segmenter, side = segmenter_and_side(record.models, load_segmenter)
    return read_scene(record, photo, segmenter, native_side=side)


def segmenter_and_side(models: str, load_segmenter: LoadSegmenter) -> tuple[LoadedSegmenter, int]:
    """The segmenter that belongs to a checkpoint, and the short side at which it looks, in pixels."""
    source = resolve(models)
    entry = entry_named(source.name)
    side = 512 if entry is None else entry.native_side
    segmenter = load_segmenter(source)
    # The smallest painters work on less than a segmenter can see.
    return segmenter, max(side, segmenter.side)


def load_segmenter(source: ModelSource, device: str, segmenter: str | None = None) -> LoadedSegmenter:
    """The segmenter that `load_backbones` would load, alone: finding objects needs no painting networks.

    Args:
        source: the checkpoint that it is used with.
        device: as for `load_backbones`.
        segmenter: catalogue name, hub id or folder of another one.

    Raises:
        ModelError: it is incomplete, not to be had, or of a kind that finds nothing.
    """
    # A repository of the hub has no segmenter of its own; a folder may.
    words, refiner = helpers.segmenter_folders(segmenter, Path("" if source.kind == "hub" else source.location))
    device = placement.choose_device(device)
    with placement.quiet_loading():
        from intarsia.backbones import segmenters

        return segmenters.load_segmenter(words, refiner, device=device)
