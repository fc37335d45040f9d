"""What who removed something should know of the result, a sentence each."""

from __future__ import annotations

from intarsia.backbones.fills import UNGUIDED, PatchFill
from intarsia.backbones.protocols import BackgroundFill
from intarsia.imaging.compression import lossy_notes
from intarsia.imaging.masks import Mask
from intarsia.layout.doubts import kept_notes
from intarsia.layout.scene import Scene
from intarsia.records.remove import RemoveRecord

LARGE = 0.4
"""Share of the picture from which a gap is mostly made up."""


def removal_notes(scene: Scene, gap: Mask, record: RemoveRecord, fill: BackgroundFill) -> tuple[str, ...]:
    """The notes of a removal.

    Args:
        gap: (H, W) what was replaced.
        fill: what replaced it.
    """
    return (
        *kept_notes(scene.objects),
        *border_notes(scene),
        *gap_notes(gap),
        *fill_notes(fill),
        *format_notes(scene, record),
    )


def border_notes(scene: Scene) -> tuple[str, ...]:
    """Of objects that the picture's border cuts: what is behind them is known from fewer sides."""
    notes = []
    for obj in scene.objects:
        lines = {"left": obj.mask[:, 0], "top": obj.mask[0], "right": obj.mask[:, -1], "bottom": obj.mask[-1]}
        sides = [side for side, line in lines.items() if line.any()]
        if sides:
            where = " and ".join((", ".join(sides[:-1]), sides[-1])) if len(sides) > 1 else sides[0]
            borders = "borders" if len(sides) > 1 else "border"
            notes.append(
                f"{obj.name!r} reaches the picture's {where} {borders}: there, what comes back is guessed from the "
                "other sides alone."
            )
    return tuple(notes)


def gap_notes(gap: Mask) -> tuple[str, ...]:
    share = gap.mean()
    if share <= LARGE:
        return ()
    return (f"The gap covers {share:.0%} of the picture: most of what comes back in it is made up.",)


def fill_notes(fill: BackgroundFill) -> tuple[str, ...]:
    if not isinstance(fill, PatchFill) or fill.guided:
        return ()
    return (UNGUIDED,)


def format_notes(scene: Scene, record: RemoveRecord) -> tuple[str, ...]:
    return lossy_notes(record.format, record.quality, scene.photo, "gap")
