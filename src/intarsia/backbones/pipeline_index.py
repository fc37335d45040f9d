"""What a folder's model_index.json says: which pipeline its networks make together. Nothing is loaded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")
"""Where the classes of a checkpoint's parts may come from: a name of another library would be imported, and run."""

OWN_LOOP = re.compile(r"StableDiffusion(?!XL|3)|LatentConsistency")
"""Pipelines over the parts of a Stable Diffusion 1 or 2, which are used without their pipeline."""


@dataclass(frozen=True, kw_only=True)
class PipelineIndex:
    """The contents of a model_index.json.

    Attributes:
        pipeline: name of the pipeline's class.
        parts: library and class of each part, by its name, which is its folder's too; None of one that is left out,
            as Stable Diffusion 3 may be saved without its T5.
        settings: values that the pipeline itself takes.
    """

    pipeline: str
    parts: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def read_index(folder: Path) -> PipelineIndex | None:
    """The index of a folder in diffusers layout; None where there is none that can be read."""
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        name = content["_class_name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    lists = {part: value for part, value in content.items() if isinstance(value, list) and len(value) == 2}
    return PipelineIndex(
        pipeline=str(name),
        parts={part: None if value[1] is None else (str(value[0]), str(value[1])) for part, value in lists.items()},
        settings={part: value for part, value in content.items() if part[0] != "_" and part not in lists},
    )


def other_pipeline(folder: Path) -> PipelineIndex | None:
    """The index of a checkpoint that is used through its pipeline; None for Stable Diffusion 1 and 2, and where none is."""
    index = read_index(folder)
    return None if index is None or OWN_LOOP.match(index.pipeline) else index
