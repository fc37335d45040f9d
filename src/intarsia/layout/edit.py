"""Edit by layout: objects of a photo go to their places and keep their looks. The flow on one page."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from intarsia.backbones.protocols import Backbones
from intarsia.errors import LayoutError
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.photo import Photo
from intarsia.layout.cache import Cache, MemoryCache
from intarsia.layout.compose import compose
from intarsia.layout.concepts import Concepts
from intarsia.layout.layout import Layout
from intarsia.layout.regenerate import regenerate
from intarsia.layout.scene import Scene
from intarsia.progress import Cost, OnProgress, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord

CLOSE = 0.6
"""IoU from which a target counts as the source, moved, scaled or turned."""


@dataclass(frozen=True, kw_only=True)
class ArrangeResult:
    """A rearranged photo and how it came about.

    Attributes:
        pictures: the edited photos, one a seed.
        scene, layout: of the original, and what was asked for.
        mode: the method that was used.
        concepts: the learned looks that objects were painted from; None for compose.
        record: replays the edit.
        versions: of the models.
    """

    pictures: tuple[EditedPhoto, ...]
    scene: Scene
    layout: Layout
    mode: Literal["compose", "regenerate"]
    concepts: Concepts | None
    cost: Cost
    record: ArrangeRecord
    versions: dict[str, str]

    @property
    def photo(self) -> Photo:
        return self.pictures[0].photo

    @property
    def blend(self) -> np.ndarray:
        return self.pictures[0].blend


def arrange(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    concepts: Concepts | None = None,
    cache: Cache | None = None,
    on_progress: OnProgress | None = None,
) -> ArrangeResult:
    """Rearrange a photo.

    Args:
        scene: the original photo and its objects; a chain of edits starts from it every time.
        layout: where the objects go.
        record: how.
        backbones: the pretrained networks, loaded once for many edits.
        concepts: the objects' learned looks, for regenerate; learned first when None.
        cache: what was computed for this photo before, and is used again; by default nothing.
        on_progress: called after every denoising or learning step; may raise `Cancelled`.

    Raises:
        LayoutError: scene and layout do not belong together.
        EmptyMaskError: an object is too small to be painted again.
    """
    started = time.monotonic()
    meter = backbones.diffusion.meter
    forward, backward = meter.evaluations, meter.backward
    cache = MemoryCache() if cache is None else cache
    check(scene, layout)

    mode = choose_mode(layout, record)
    seeds = range(record.seed, record.seed + record.seeds)
    if mode == "compose":
        pictures = [
            compose(scene, layout, record, backbones, seed=seed, cache=cache, on_progress=on_progress) for seed in seeds
        ]
        concepts = None
    else:
        pictures, concepts = regenerate(
            scene, layout, record, backbones, seeds=seeds, concepts=concepts, cache=cache, on_progress=on_progress
        )

    return ArrangeResult(
        pictures=tuple(pictures),
        scene=scene,
        layout=layout,
        mode=mode,
        concepts=concepts,
        cost=Cost(
            evaluations=meter.evaluations - forward,
            backward=meter.backward - backward,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(backbones.device),
        ),
        record=dataclasses.replace(record, models=backbones.name),
        versions=dict(backbones.versions),
    )


def choose_mode(layout: Layout, record: ArrangeRecord) -> Literal["compose", "regenerate"]:
    """The record's mode; by default compose where every target is close to its source, moved as a whole."""
    if record.mode != "auto":
        return record.mode
    if record.preset == "paper":
        return "regenerate"
    return "compose" if all(p.fit >= CLOSE for p in layout.placements) else "regenerate"


def check(scene: Scene, layout: Layout) -> None:
    """Raise `LayoutError` unless every object of the scene is either placed or removed, once."""
    named = [p.name for p in layout.placements] + list(layout.removed)
    if sorted(named) != sorted(scene.names):
        raise LayoutError(
            f"The layout places or removes {', '.join(named) or 'nothing'}, but the scene has "
            f"{', '.join(scene.names) or 'no objects'}: name each object once."
        )
