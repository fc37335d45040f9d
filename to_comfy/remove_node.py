"""The node that removes."""

from __future__ import annotations

import dataclasses
import json

import torch
from torch import Tensor

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.layout.remove import RemoveResult
from intarsia.records.choices import Fill
from intarsia.records.remove import RemoveRecord
from intarsia.results.document import now, remove_json
from intarsia.tasks.remove import paint

from .host import at_work, make_room, stop_if_cancelled, watch
from .scenes import finder, with_mask
from .tensors import levels_of, mask_of, photo_of, picture_of, pictures_of
from .texts import lines, names
from .widgets import CATEGORY, LARGEST_SEED, MODELS, SIDE, InputTypes, setting, socket, text

FILLS = ("auto", "patch", "diffusion", "membrane")
"""Without networks of the user's own: their files are programs, and graphs come from strangers."""


class Remove:
    """Take objects out of a picture. Every pixel outside the gap stays as it was, bit for bit."""

    DESCRIPTION = "Takes what a mask covers, or what is found or marked, out of a picture; needs no models unless words are to be found."
    CATEGORY = CATEGORY
    FUNCTION = "remove"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "mask", "record")
    OUTPUT_TOOLTIPS = (
        "The pictures without what was removed.",
        "1 where a picture was replaced. Where it is 0, the picture is what it was, bit for bit.",
        "The record of each picture as a line of JSON: settings, objects, notes, cost, versions.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> InputTypes:
        return {
            "required": {"image": socket("IMAGE", "The picture; of a batch, each is edited as it would be alone.")},
            "optional": {
                "mask": socket("MASK", "1 what is removed, with its soft border and its shadow."),
                "models": socket(MODELS, "For “find”, and for the fill diffusion."),
                "find": text("Objects to find by their names, and to remove: dog, dog 2. Commas between them."),
                "box": text("Boxes that are replaced as a whole: x0,y0,x1,y1 in pixels, one on each line."),
                "object": text("Objects that are outlined first: cat=x0,y0,x1,y1 or cat@x,y, one on each line."),
                "prompt": setting(RemoveRecord, "prompt", "STRING"),
                "fill": setting(
                    RemoveRecord, "fill", FILLS, tooltip="What fills the gap: patch (pieces of the surroundings), "
                    "diffusion (the models paint it), membrane (smooth); auto is patch.",
                ),
                "shadows": setting(RemoveRecord, "shadows", "BOOLEAN"),
                "seed": setting(RemoveRecord, "seed", "INT", min=0, max=LARGEST_SEED, control_after_generate=True),
                "size": setting(RemoveRecord, "size", "INT", "0: that size.", **SIDE),
            },
        }  # fmt: skip

    @at_work()
    def remove(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        models: Backbones | None = None,
        find: str = "",
        box: str = "",
        object: str = "",
        prompt: str = "",
        fill: Fill = "auto",
        shadows: bool = True,
        seed: int = 0,
        size: int = 0,
    ) -> tuple[Tensor, Tensor, str]:
        record = ia.RemoveRecord(
            photo="IMAGE", find=names(find), box=lines(box), object=lines(object), prompt=prompt, fill=fill,
            shadows=shadows, seed=seed, size=size or None, models="auto" if models is None else models.name,
        )  # fmt: skip
        pictures = pictures_of(image)
        regions = levels_of(mask, len(pictures))
        if models is not None and (record.find or fill == "diffusion"):
            make_room(models.device)
        images, blends, documents = [], [], []
        for number, (picture, region) in enumerate(zip(pictures, regions, strict=True), 1):
            stop_if_cancelled()
            photo = photo_of(picture)
            named = dataclasses.replace(record, photo=f"IMAGE {number} of {len(pictures)}")
            result = removed(photo, named, mask_of(region, photo.size), models)
            images.append(picture_of(result.photo, result.blend, picture))
            blends.append(torch.from_numpy(result.blend))
            documents.append(json.dumps(remove_json(result, now(), picture="")))
        return torch.stack(images), torch.stack(blends), "\n".join(documents)


def removed(photo: Photo, record: RemoveRecord, mask: Mask | None, models: Backbones | None) -> RemoveResult:
    """A photo without what its record names and a mask covers."""
    marked = record.find or record.box or record.object
    scene = None
    if marked or mask is None:  # where nothing is marked at all, this says so
        segmenter, side = finder(models, record.find)
        scene = ia.read_removal(record, photo, segmenter, native_side=side)
    scene = with_mask(photo, scene, mask)
    if record.fill != "diffusion":
        return ia.remove(scene, record, on_progress=watch())
    if models is None:
        raise ModelError(
            "The gap is to be painted by models, but none are connected",
            Remedy("connect ", Setting("models")),
            Remedy(Setting("fill", "patch", verb="pass")),
        )
    return paint(scene, record, models, None, watch())
