"""Where the networks lie that a checkpoint is used with: its own, or those of the catalogue."""

from __future__ import annotations

from pathlib import Path

from intarsia.backbones.catalog import CATALOG, HELPERS, OUTLINER
from intarsia.backbones.checkpoint_files import helper_fault, segmenter_kind
from intarsia.backbones.hub import fetch
from intarsia.backbones.resolve import HUB_ID
from intarsia.backbones.text_files import read_json
from intarsia.errors import ModelError

NAMES_FILE = "names.json"
"""Beside a segmenter's weights: the nouns that it knows, where they are few."""


def helper_folder(kind: str, asked: str | None, checkpoint: Path) -> Path:
    """Where a helper lies: what the user asked for, the checkpoint's own subfolder, or the catalogue's.

    Args:
        kind: clip, dino or clipseg, the name of the subfolder.
        asked: catalogue name, hub id owner/name[@revision] or folder, None for the default.
        checkpoint: folder or file of the painting networks.

    Raises:
        ModelError: it is incomplete or not to be had.
    """
    folder = helper_place(kind, asked, checkpoint)
    fault = helper_fault(folder)
    if fault:
        raise ModelError(f"The checkpoint in {folder} cannot be used: ", *fault)
    return folder


def helper_place(kind: str, asked: str | None, checkpoint: Path) -> Path:
    """See `helper_folder`; what lies there is not looked at."""
    names = [name for name, entry in CATALOG.items() if entry.part == CATALOG[HELPERS[kind]].part]
    if asked is None:
        own = checkpoint / kind
        entry = CATALOG[HELPERS[kind]]
        return own if own.is_dir() else fetch(str(entry.repository), entry.revision)
    if asked in names:
        return fetch(str(CATALOG[asked].repository), CATALOG[asked].revision)
    if Path(asked).expanduser().is_dir():
        return Path(asked).expanduser()
    if HUB_ID.fullmatch(asked.partition("@")[0]):
        repository, _, revision = asked.partition("@")
        return fetch(repository, revision or None)
    raise ModelError(
        f"{asked!r} is neither a folder nor a hub id such as {CATALOG[HELPERS[kind]].repository}, nor known by "
        f"name: {', '.join(names)}."
    )


def patches_side(asked: str | None) -> int | None:
    """Working size in pixels of the encoder of patches that was asked for; None of one that only its files know."""
    if asked is None:
        return CATALOG[HELPERS["dino"]].native_side
    return CATALOG[asked].native_side if asked in CATALOG else None


def nouns_of(folder: Path) -> tuple[str, ...]:
    """The nouns that a segmenter in a folder knows, where it lists them; else none."""
    own = folder / NAMES_FILE
    return tuple(read_json(own)) if own.exists() else ()


def segmenter_folders(asked: str | None, checkpoint: Path) -> tuple[Path, Path | None]:
    """Where the segmenter lies that finds by words, and the one that outlines what it finds, if one does.

    Args:
        asked: catalogue name, hub id owner/name[@revision] or folder; SAM and SAM 2 know no words, so that the
            default stays beside them; Grounding DINO knows no outlines, so that SAM 2 does. None for the default alone.
        checkpoint: folder or file of the painting networks.

    Raises:
        ModelError: one is incomplete, not to be had, or of a kind that finds nothing.
    """
    folder = helper_folder("clipseg", asked, checkpoint)
    kind = segmenter_kind(folder)
    if kind == "grounding":
        return folder, helper_folder("clipseg", OUTLINER, checkpoint)
    if kind in ("clipseg", "sam3"):
        return folder, None
    return helper_folder("clipseg", None, checkpoint), folder
