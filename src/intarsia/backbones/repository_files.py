"""Which files of a repository are fetched: a hub's checkpoint often holds the same weights many times over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from intarsia.backbones.catalog import HELPERS
from intarsia.backbones.checkpoint_files import INDEX, MORE_PARTS, PIPELINE, UNUSED
from intarsia.backbones.weight_sets import Precision, choose_weights, weight_sets

SETTINGS = [INDEX, "*config.json", "*.safetensors.index*.json"]
"""The files that say what a repository holds, some kilobytes."""
SMALL = (".json", ".txt", ".model", ".jinja")
"""Endings of configurations, tokenizers and templates."""
# What is fetched of a repository that cannot be listed: plain weights, in no other form.
WANTED = ["*.json", "*.txt", *(f"{part}/*.safetensors" for part in (*PIPELINE, *MORE_PARTS)), "model*.safetensors"]
UNWANTED = ["*.fp16.*", "*non_ema*", *(f"{part}/*" for part in UNUSED)]


def parts_of(folder: Path) -> tuple[str, ...]:
    """The subfolders whose networks and tokenizers are used, as the checkpoint's model_index.json lists them."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        listed = [part for part, value in index.items() if isinstance(value, list) and len(value) == 2 and value[1]]
    except (OSError, ValueError, AttributeError, RecursionError):
        listed = []
    own = ["inpainting_unet", *HELPERS]
    return tuple(part for part in dict.fromkeys([*(listed or PIPELINE), *own]) if part not in UNUSED)


def wanted_files(
    names: Collection[str], parts: Iterable[str], precision: Precision, *, without: Collection[str] = ()
) -> list[str]:
    """The files to fetch: of each network the one set of weights that suits a precision, and all that is small.

    Args:
        names: of the repository's files, with their folders.
        parts: folders that are used.
        precision: half takes *.fp16.safetensors where a network has them, which are half as large.
        without: parts whose weights are not needed.
    """
    used = {"", *parts}
    small = [name for name in names if name.endswith(SMALL) and folder_of(name) in used]
    weights = []
    for part in sorted(used.difference(without)):
        if part == "" and INDEX in names:
            continue  # whole checkpoints in one file, beside the folders that are read
        within = {name.rpartition("/")[2]: name for name in names if folder_of(name) == part}
        chosen = choose_weights(weight_sets(within), precision)
        weights += [within[name] for name in chosen.files if name in within] if chosen else []
    return [*small, *weights]


def folder_of(name: str) -> str:
    """The folder of a file in a repository; empty at its root."""
    return name.rpartition("/")[0]
