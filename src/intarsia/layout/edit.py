"""Edit by layout: objects of a picture are taken to their places, with their looks kept. The flow on one page."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from intarsia.backbones.protocols import Backbones
from intarsia.errors import LayoutError
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
class Arranged:
    """One finished picture.

    Attributes:
        photo: of the input's size, profile and alpha.
        blend: (H, W) in [0, 1]; where it is 0 the picture equals the input bit for bit.
        seed: of its noise.
    """

    photo: Photo
    blend: np.ndarray
    seed: int


@dataclass(frozen=True, kw_only=True)
class ArrangeResult:
    """A rearranged picture and how it came about.

    Attributes:
        pictures: one a seed.
        scene, layout: what was there, and what was asked for.
        mode: the way that was taken.
        concepts: the looks that it was painted from; None for compose.
        record: replays the edit.
        versions: of the models.
    """

    pictures: tuple[Arranged, ...]
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
    """Rearrange a picture.

    Args:
        scene: the original picture and its objects; a chain of edits starts from it every time.
        layout: where the objects shall be.
        record: how.
        backbones: the pretrained networks, loaded once for many edits.
        concepts: the objects' learned looks, for regenerate; learned first when None.
        cache: what was computed for this picture before, and is used again; by default nothing.
        on_progress: called after every denoising or learning step; may raise `Cancelled`.

    Raises:
        LayoutError: scene and layout do not belong together.
        EmptyMaskError: an object is too small to be painted anew.
    """
    started = time.monotonic()
    meter = backbones.diffusion.meter
    forward, backward = meter.evaluations, meter.backward
    cache = MemoryCache() if cache is None else cache
    check(scene, layout)

    mode = way(layout, record)
    seeds = range(record.seed, record.seed + record.seeds)
    if mode == "compose":
        pictures = [
            Arranged(photo=made.photo, blend=made.blend, seed=seed)
            for seed in seeds
            for made in [compose(scene, layout, record, backbones, seed=seed, cache=cache, on_progress=on_progress)]
        ]
        concepts = None
    else:
        made_anew, concepts = regenerate(
            scene, layout, record, backbones, seeds=seeds, concepts=concepts, cache=cache, on_progress=on_progress
        )
        pictures = [Arranged(photo=m.photo, blend=m.blend, seed=seed) for m, seed in zip(made_anew, seeds, strict=True)]

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


def way(layout: Layout, record: ArrangeRecord) -> Literal["compose", "regenerate"]:
    """What the record asks for; else compose where every target is close to its source, moved as a whole."""
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
