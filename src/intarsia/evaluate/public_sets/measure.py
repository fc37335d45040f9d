"""One item of a public set: edit it, and take its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, get_args

from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError, Remedy, Setting
from intarsia.evaluate.layout import IDENTICAL
from intarsia.evaluate.public_sets.items import MoveCase, WordsCase
from intarsia.evaluate.public_sets.metrics import (
    changed_share,
    clip_image,
    clip_text,
    mse,
    outside_exact,
    psnr,
    shifted,
    shifted_pixels,
    ssim,
    structure_distance,
)
from intarsia.evaluate.public_sets.perceptual import Distance
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Photo
from intarsia.layout.cache import MemoryCache
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import scene_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import LayoutPreset, Preset
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import edit

Figures: TypeAlias = dict[str, float | int | bool]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """How every item is edited.

    Attributes:
        seed: of the noise, the same for every item, whatever their order.
        given_masks: repaint in the set's own masks, instead of searching.
    """

    seed: int = 0
    preset: Preset = "default"
    given_masks: bool = False


def check_layout_preset(preset: Preset) -> LayoutPreset:
    """The preset of moves, or `RecordError` where there is none of this name."""
    for known in get_args(LayoutPreset):
        if preset == known:
            return preset  # type: ignore[return-value]
    names = " and ".join(get_args(LayoutPreset))
    raise RecordError(
        f"Moves of objects have the presets {names}, but not {preset}",
        Remedy("choose one of them"),
        Remedy("leave out ", Setting("res")),
    )


def measure_words(
    name: str, case: WordsCase, settings: BenchSettings, backbones: Backbones, lpips: Distance | None
) -> tuple[Photo, Figures]:
    """Edit by words, and the figures of PIE-Bench.

    A figure of the unedited part is left out where the mask leaves nothing of it, as there.
    """
    record = EditRecord(photo=name, source=case.source, prompt=case.prompt, preset=settings.preset, seed=settings.seed)
    result = edit(case.photo, record, backbones, mask=case.mask if settings.given_masks else None)
    before, after = case.photo.pixels, result.photo.pixels
    figures: Figures = {"structure_distance": structure_distance(backbones.patches, before, after)}
    figures |= likeness(before, after, ~case.mask, lpips)
    figures["clip_whole"] = clip_text(backbones.scorer, after, case.prompt, device=backbones.device)
    figures["clip_edited"] = clip_text(backbones.scorer, after, case.prompt, case.mask, device=backbones.device)
    if case.reference is not None:
        figures["psnr_reference"] = min(IDENTICAL, psnr(case.reference.pixels, after, case.mask))
    return result.photo, figures | {
        "outside_exact": outside_exact(before, after, result.blend),
        "evaluations": result.cost.evaluations,
        "seconds": round(result.cost.seconds, 3),
    }


def measure_move(
    name: str, case: MoveCase, settings: BenchSettings, backbones: Backbones, lpips: Distance | None
) -> tuple[Photo, Figures]:
    """Move an object, and those figures of PixelMan's that need no further network.

    Its masks are made on a coarser grid, here they are the object's own. What stood for quality without a reference
    (TOPIQ, MUSIQ, LIQE) and for captions (BLIP) is left out.
    """
    dx, dy = case.move
    scene = scene_of(case.photo, {case.name: case.mask})
    record = ArrangeRecord(
        photo=name,
        prompt=case.prompt,
        preset=check_layout_preset(settings.preset),
        seed=settings.seed,
        move=(f"{case.name}={dx},{dy}",),
    )
    result = arrange(scene, read_layout(record, scene), record, backbones, cache=MemoryCache())
    before, after = case.photo.pixels, result.photo.pixels
    target = shifted(case.mask, dx, dy)
    vacated = case.mask & ~target
    moved = shifted_pixels(before, dx, dy)
    figures: Figures = {"psnr_object": min(IDENTICAL, psnr(moved, after, target))}
    if vacated.any():
        figures["psnr_vacated"] = min(IDENTICAL, psnr(before, after, vacated))
    figures |= likeness(before, after, ~(case.mask | target), lpips)
    figures["clip_image"] = clip_image(backbones.scorer, before, after, device=backbones.device)
    return result.photo, figures | {
        "outside_exact": outside_exact(before, after, result.blend),
        "evaluations": result.cost.evaluations,
        "seconds": round(result.cost.seconds, 3),
    }


def likeness(before: Bytes, after: Bytes, region: Mask, lpips: Distance | None) -> Figures:
    """How much of a region stayed as it was; nothing for an empty one."""
    changed = changed_share(before, after, region)
    if changed is None:
        return {}
    figures: Figures = {
        "psnr": min(IDENTICAL, psnr(before, after, region)),
        "ssim": ssim(before, after, region),
        "mse": mse(before, after, region),
    }
    if lpips is not None:
        figures["lpips"] = lpips(before, after, region)
    return figures | {"changed_outside": changed}
