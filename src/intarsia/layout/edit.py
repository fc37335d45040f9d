"""Edit by layout: objects of a photo go to their places and keep their looks. The flow on one page."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from intarsia.backbones.fills import paints_size
from intarsia.backbones.protocols import Backbones, EvalCounter
from intarsia.backbones.tokens import without_warnings_of_cuts
from intarsia.errors import LayoutError, ModelError, Remedy, Setting
from intarsia.imaging.affine import apply
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected, with_protected
from intarsia.imaging.watermark import watermarked
from intarsia.layout.cache import Cache, MemoryCache
from intarsia.layout.compose import choose_fill, compose
from intarsia.layout.concepts import Concepts
from intarsia.layout.doubts import kept_notes
from intarsia.layout.layout import Layout
from intarsia.layout.prompt_notes import prompt_notes, texts_of
from intarsia.layout.regenerate import regenerate
from intarsia.layout.removal_notes import fill_notes
from intarsia.layout.scene import Scene
from intarsia.notes import collecting
from intarsia.progress import Cost, OnProgress, part_of, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord

CUT_OFF = 0.1
"""Share of an object's shorter side that must lie at the photo's border for it to count as cut off there."""

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
        versions: of the models, and of what filled the background.
        notes: what its user should know, a sentence each.
    """

    pictures: tuple[EditedPhoto, ...]
    scene: Scene
    layout: Layout
    mode: Literal["compose", "regenerate"]
    concepts: Concepts | None
    cost: Cost
    record: ArrangeRecord
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def photo(self) -> Photo:
        return self.pictures[0].photo

    @property
    def blend(self) -> np.ndarray:
        return self.pictures[0].blend


@collecting
@without_warnings_of_cuts()  # the notes say what was cut
def arrange(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones | None,
    *,
    concepts: Concepts | None = None,
    protected: Mask | None = None,
    cache: Cache | None = None,
    on_progress: OnProgress | None = None,
) -> ArrangeResult:
    """Rearrange a photo.

    Args:
        scene: the original photo and its objects; a chain of edits starts from it every time.
        layout: where the objects go.
        record: how.
        backbones: the pretrained networks, loaded once for many edits; None for an edit that `needs_networks` none.
        concepts: the objects' learned looks, for regenerate; learned first when None.
        protected: (H, W) what stays as it is, whatever is moved; read from the record's file when None.
        cache: what was computed for this photo before, and is used again; by default nothing.
        on_progress: called within every stage, and after every denoising or learning step; may raise `Cancelled`.

    Raises:
        LayoutError: scene and layout do not belong together.
        EmptyMaskError: an object is too small to be painted again.
    """
    started = time.monotonic()
    counter = EvalCounter() if backbones is None else backbones.painter.counter
    forward, backward = counter.evaluations, counter.backward
    cache = MemoryCache() if cache is None else cache
    check(scene, layout)
    protected = read_protected(record.protect, scene.photo) if protected is None else protected

    mode = choose_mode(layout, record)
    seeds = range(record.seed, record.seed + record.seeds)
    if mode == "compose":
        pictures = []
        for number, seed in enumerate(seeds):
            told = part_of(on_progress, number / len(seeds), (number + 1) / len(seeds))
            pictures.append(compose(scene, layout, record, backbones, seed=seed, cache=cache, on_progress=told))
        concepts = None
    else:
        if backbones is None:
            raise ModelError(
                "Objects are painted again by a checkpoint, but none is loaded",
                Remedy("load one"),
                Remedy(Setting("mode", "compose", verb="pass"), " to move them as they are"),
            )
        if backbones.diffusion is None or not backbones.diffusion.learns:
            raise ModelError(
                f"{backbones.name} cannot learn objects' looks, nor be guided by a layout to paint them again",
                Remedy(Setting("mode", "compose", verb="pass"), " to move them as they are"),
                Remedy(Setting("models", "sd15", verb="pass")),
            )
        pictures, concepts = regenerate(
            scene, layout, record, backbones, seeds=seeds, concepts=concepts, cache=cache, on_progress=on_progress
        )

    pictures = [marked(with_protected(picture, scene.photo, protected), record.watermark) for picture in pictures]
    fill = choose_fill(scene, record, backbones, None)  # what was loaded for it is kept
    own = {} if fill.name == "diffusion" else {"fill": fill.version}
    return ArrangeResult(
        pictures=tuple(pictures),
        scene=scene,
        layout=layout,
        mode=mode,
        concepts=concepts,
        cost=Cost(
            evaluations=counter.evaluations - forward,
            backward=counter.backward - backward,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb("cpu" if backbones is None else backbones.device),
        ),
        record=record if backbones is None else dataclasses.replace(record, models=backbones.name),
        versions={**({} if backbones is None else backbones.versions), **own},
        notes=(
            *kept_notes(scene.objects),
            *notes_on(scene, layout),
            *fill_notes(fill),
            *(() if backbones is None else prompt_notes(texts_of(record), backbones, record.embedding, brackets=True)),
        ),
    )


def marked(picture: EditedPhoto, text: str) -> EditedPhoto:
    """A picture with a watermark on what was changed."""
    return dataclasses.replace(picture, photo=watermarked(picture.photo, picture.blend, text)) if text else picture


def needs_networks(scene: Scene, layout: Layout, record: ArrangeRecord, native_side: int) -> bool:
    """Whether an edit asks a checkpoint anything.

    Args:
        native_side: of the checkpoint, in pixels: one that cannot paint such a photo is not asked.
    """
    if choose_mode(layout, record) == "regenerate" or record.fill == "diffusion":
        return True
    return paints_size(native_side, scene.photo.size)


def choose_mode(layout: Layout, record: ArrangeRecord) -> Literal["compose", "regenerate"]:
    """The record's mode; by default compose where every target is close to its source, moved as a whole."""
    if record.mode != "auto":
        return record.mode
    if record.preset == "paper":
        return "regenerate"
    return "compose" if all(p.fit >= CLOSE for p in layout.placements) else "regenerate"


def notes_on(scene: Scene, layout: Layout) -> tuple[str, ...]:
    """Which moved objects now show a side at which the photo had cut them off."""
    notes, size = [], scene.photo.size
    for placement in layout.placements:
        if not placement.moved:
            continue
        mask = scene.masks[placement.source]
        touched = {
            "left": [Point(0, float(y) + 0.5) for y in np.flatnonzero(mask[:, 0])],
            "right": [Point(size.width, float(y) + 0.5) for y in np.flatnonzero(mask[:, -1])],
            "upper": [Point(float(x) + 0.5, 0) for x in np.flatnonzero(mask[0])],
            "lower": [Point(float(x) + 0.5, size.height) for x in np.flatnonzero(mask[-1])],
        }
        # A few pixels are the rounding of a coarse mask.
        least = max(4, round(CUT_OFF * min(bounding_box(mask).width, bounding_box(mask).height)))
        shown = [
            side
            for side, places in touched.items()
            if sum(_well_inside(apply(placement.matrix, place), size) for place in places) >= least
        ]
        if shown:
            sides = " and ".join(shown) + (" side" if len(shown) == 1 else " sides")
            notes.append(f"{placement.name!r} now shows a straight edge: its {sides} had been outside the photo.")
    return tuple(notes)


def _well_inside(place: Point, size: Size) -> bool:
    return 1 < place.x < size.width - 1 and 1 < place.y < size.height - 1


def check(scene: Scene, layout: Layout) -> None:
    """Raise `LayoutError` unless every object of the scene is either placed or removed, once; copies are of these."""
    copies = {p.name: p.copy_of for p in layout.placements if p.copy_of is not None}
    named = [p.name for p in layout.placements if p.copy_of is None] + list(layout.removed)
    if not set(copies.values()) <= set(scene.names) or set(copies) & set(scene.names):
        raise LayoutError(
            f"The layout has copies {', '.join(copies)} of {', '.join(copies.values())}, but the scene has "
            f"{', '.join(scene.names) or 'no objects'}: copy one of these, and name each copy otherwise."
        )
    if sorted(named) != sorted(scene.names):
        raise LayoutError(
            f"The layout places or removes {', '.join(named) or 'nothing'}, but the scene has "
            f"{', '.join(scene.names) or 'no objects'}: name each object once."
        )
