"""The node that moves objects."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import torch
from torch import Tensor

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.errors import LayoutError, Remedy, Setting
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.layout.edit import ArrangeResult, needs_networks
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import Fill, Mode
from intarsia.results.document import arrange_json, now

from .host import at_work, make_room, stop_if_cancelled, watch
from .remove_node import FILLS
from .scenes import finder, with_mask
from .tensors import levels_of, mask_of, photo_of, picture_of, pictures_of
from .texts import lines, moves, names
from .widgets import CATEGORY, LARGEST_SEED, MODELS, SIDE, InputTypes, setting, socket, text


class Arrange:
    """Move, scale, turn, mirror, remove and restack objects. What nothing touches stays as it was, bit for bit."""

    DESCRIPTION = "Moves, scales, turns, mirrors, removes and restacks the objects of a picture, and fills the gaps."
    CATEGORY = CATEGORY
    FUNCTION = "arrange"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "mask", "record")
    OUTPUT_TOOLTIPS = (
        "The rearranged pictures.",
        "What changed, between 0 and 1. Where it is 0, the picture is what it was, bit for bit.",
        "The record of each picture as a line of JSON: settings, objects, placements, notes, cost, versions.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> InputTypes:
        return {
            "required": {
                "image": socket("IMAGE", "The picture; of a batch, each is edited as it would be alone."),
                "moves": text(
                    "What goes where, as on the command line: --move cat=+120,0 --scale 'potted plant=1.5' --to, "
                    "--rotate, --flip, --remove, --front, --back.",
                    placeholder="--move cat=+120,0 --scale 'potted plant=1.5'",
                ),
            },
            "optional": {
                "models": socket(MODELS, "For “find”, and for what they paint."),
                "find": text("The objects by their names, to be found: cat, potted plant. Commas between them."),
                "object": text("The objects by a box or points each: cat=x0,y0,x1,y1 or cat@x,y, one on each line."),
                "mask": socket("MASK", "One more object, which the moves call mask."),
                "background": setting(ArrangeRecord, "background", "STRING"),
                "fill": setting(
                    ArrangeRecord, "fill", FILLS, tooltip="What fills the gaps: patch (pieces of the surroundings), "
                    "diffusion (the models paint them), membrane (smooth); auto: diffusion by models that were trained "
                    "on photographs, else patch.",
                ),
                "mode": setting(ArrangeRecord, "mode", get_args(Mode)),
                "seed": setting(ArrangeRecord, "seed", "INT", min=0, max=LARGEST_SEED, control_after_generate=True),
                "size": setting(ArrangeRecord, "size", "INT", "0: that size.", **SIDE),
            },
        }  # fmt: skip

    @at_work()
    def arrange(
        self,
        image: Tensor,
        moves: str,
        models: Backbones | None = None,
        find: str = "",
        object: str = "",
        mask: Tensor | None = None,
        background: str = "",
        fill: Fill = "auto",
        mode: Mode = "auto",
        seed: int = 0,
        size: int = 0,
    ) -> tuple[Tensor, Tensor, str]:
        record = record_of(
            moves, find=names(find), object=lines(object), background=background, fill=fill, mode=mode, seed=seed,
            size=size or None, models="auto" if models is None else models.name,
        )  # fmt: skip
        pictures = pictures_of(image)
        regions = levels_of(mask, len(pictures))
        if models is not None:
            make_room(models.device)
        images, blends, documents = [], [], []
        for number, (picture, region) in enumerate(zip(pictures, regions, strict=True), 1):
            stop_if_cancelled()
            photo = photo_of(picture)
            named = dataclasses.replace(record, photo=f"IMAGE {number} of {len(pictures)}")
            result = arranged(photo, named, mask_of(region, photo.size), models)
            images.append(picture_of(result.photo, result.blend, picture))
            blends.append(torch.from_numpy(result.blend))
            documents.append(json.dumps(arrange_json(result, 0, now())))
        return torch.stack(images), torch.stack(blends), "\n".join(documents)


def record_of(told: str, **settings: Any) -> ArrangeRecord:
    """The record of an arrangement.

    Args:
        told: its moves as they are typed in a terminal.
    """
    return ia.ArrangeRecord(photo="IMAGE", **{**moves(told), **settings})


def arranged(photo: Photo, record: ArrangeRecord, mask: Mask | None, models: Backbones | None) -> ArrangeResult:
    """A photo of which the objects that its record names, and what a mask covers, are where the record wants them."""
    scene = None
    if record.find or record.object:
        segmenter, side = finder(models, record.find)
        scene = ia.read_scene(record, photo, segmenter, native_side=side)
    elif mask is None:
        raise LayoutError(
            "Nothing says which objects the picture has",
            Remedy("give ", Setting("find"), " their names, ", Setting("object"), " a box or points each, or a ", Setting("mask")),
        )  # fmt: skip
    scene = with_mask(photo, scene, mask)
    layout = ia.read_layout(record, scene)
    asked = models is not None and needs_networks(scene, layout, record, models.painter.native_side)
    return ia.arrange(scene, layout, record, models if asked else None, on_progress=watch())
