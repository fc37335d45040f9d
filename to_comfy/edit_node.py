"""The node that edits by words."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import torch
from torch import Tensor

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.layout.removal_files import read_box
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord
from intarsia.results.document import edit_json, now

from .host import at_work, make_room, stop_if_cancelled, watch
from .tensors import check_one_region, levels_of, mask_of, photo_of, picture_of, pictures_of
from .widgets import CATEGORY, LARGEST_SEED, MODELS, SIDE, InputTypes, setting, socket


class EditByWords:
    """Find where to edit, repaint there, rank the candidates. Every other pixel stays as it was, bit for bit."""

    DESCRIPTION = "Finds where to edit by words, or takes a mask or a box; repaints there, and leaves every other pixel as it was."
    CATEGORY = CATEGORY
    FUNCTION = "edit"
    RETURN_TYPES = ("IMAGE", "IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "candidates", "mask", "record")
    OUTPUT_TOOLTIPS = (
        "The best candidate of each picture.",
        "The best candidates of all pictures, as many as “keep” of each.",
        "What was repainted, between 0 and 1 at its soft edge. Where it is 0, the picture is what it was, bit for bit.",
        "The record of each picture as a line of JSON: settings, boxes, scores, notes, cost, versions.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> InputTypes:
        return {
            "required": {
                "models": socket(MODELS, "From Load Models (Intarsia)."),
                "image": socket("IMAGE", "The picture; of a batch, each is edited as it would be alone."),
                "prompt": setting(EditRecord, "prompt", "STRING", multiline=True, default=""),
            },
            "optional": {
                "source": setting(EditRecord, "source", "STRING"),
                "mask": socket(
                    "MASK", "Edit exactly where it is 1, instead of searching. An empty one counts as none."
                ),
                "box": setting(EditRecord, "box", "STRING", default=""),
                "negative_prompt": setting(EditRecord, "negative_prompt", "STRING", multiline=True),
                "seed": setting(EditRecord, "seed", "INT", min=0, max=LARGEST_SEED, control_after_generate=True),
                "steps": setting(EditRecord, "steps", "INT", "0: as the preset has it.", default=0, min=0, max=1000),
                "guidance": setting(
                    EditRecord,
                    "guidance",
                    "FLOAT",
                    "0: as the preset has it.",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                ),
                "preset": setting(EditRecord, "preset", get_args(Preset)),
                "size": setting(EditRecord, "size", "INT", "0: that size.", **SIDE),
                "keep": setting(EditRecord, "keep", "INT", min=1, max=100),
                "feather": setting(EditRecord, "feather", "FLOAT", min=0.0, max=0.5, step=0.005),
                "context": setting(EditRecord, "context", "FLOAT", min=1.0, max=1000.0, step=0.1),
                "refine": setting(EditRecord, "refine", "BOOLEAN"),
            },
        }

    @at_work()
    def edit(
        self,
        models: Backbones,
        image: Tensor,
        prompt: str,
        source: str = "",
        mask: Tensor | None = None,
        box: str = "",
        negative_prompt: str = "",
        seed: int = 0,
        steps: int = 0,
        guidance: float = 0.0,
        preset: Preset = "default",
        size: int = 0,
        keep: int = 1,
        feather: float = 0.03,
        context: float = 1.6,
        refine: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor, str]:
        # A preset fills in what is not said.
        said: dict[str, Any] = {"steps": steps, "guidance": guidance, "size": size}
        record = ia.EditRecord(
            photo="IMAGE", prompt=prompt, source=source, negative_prompt=negative_prompt, models=models.name,
            box=read_box(box).as_tuple() if box.strip() else None, seed=seed, preset=preset, keep=keep,
            feather=feather, context=context, refine=refine, **{name: value for name, value in said.items() if value},
        )  # fmt: skip
        pictures = pictures_of(image)
        regions = levels_of(mask, len(pictures))
        check_one_region(regions, box)
        make_room(models.device)
        best, candidates, blends, documents = [], [], [], []
        for number, (picture, region) in enumerate(zip(pictures, regions, strict=True), 1):
            stop_if_cancelled()
            photo = photo_of(picture)
            result = ia.edit(
                photo,
                dataclasses.replace(record, photo=f"IMAGE {number} of {len(pictures)}"),
                models,
                mask=mask_of(region, photo.size),
                on_progress=watch(),
            )
            finished = [
                picture_of(c.photo, c.blend, picture)
                for c in result.candidates[:keep]
                if c.photo is not None and c.blend is not None
            ]
            best.append(finished[0])
            candidates += finished
            blends.append(torch.from_numpy(result.blend))
            documents.append(json.dumps(edit_json(result, result.chosen, now())))
        return torch.stack(best), torch.stack(candidates), torch.stack(blends), "\n".join(documents)
