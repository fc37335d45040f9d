"""A scene without the objects that a layout changes: its image, and its transparency with them at their new places."""

from __future__ import annotations

import numpy as np

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.masks import Blend
from intarsia.imaging.photo import Bytes, Picture
from intarsia.layout.cache import Cache
from intarsia.layout.compose import background_without, choose_fill, what_changes
from intarsia.layout.layout import Layout
from intarsia.layout.moved_source import changes
from intarsia.layout.scene import Scene
from intarsia.layout.transparency import is_clear_somewhere, moved_transparency
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord


def emptied_scene(
    scene: Scene,
    layout: Layout,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    cache: Cache,
    on_progress: OnProgress | None,
) -> Picture:
    """The image without the objects that change, (H, W, 3) in levels; shared with compose through the cache."""
    change = what_changes(scene, without_changed(scene, layout), record)
    fill = choose_fill(scene, record, backbones, on_progress)
    return background_without(scene, change, record, fill, seed=record.seed, cache=cache).astype(np.float32)


def repainted_transparency(scene: Scene, layout: Layout, record: ArrangeRecord, blend: Blend) -> Bytes | None:
    """(H, W) the photo's transparency, moved with the objects that are painted again; None where it has none.

    Args:
        blend: (H, W), above 0 in what changes.
    """
    if not is_clear_somewhere(scene):
        return scene.photo.alpha
    change = what_changes(scene, without_changed(scene, layout), record)
    return moved_transparency(scene, layout, change, blend, reshaped=True)


def without_changed(scene: Scene, layout: Layout) -> Layout:
    """The objects that stay as they are, the others removed."""
    kept = tuple(p for p in layout.placements if p.copy_of is None and not changes(p, scene.masks[p.name]))
    return Layout(placements=kept, removed=tuple(name for name in scene.names if name not in {p.name for p in kept}))
