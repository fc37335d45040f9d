"""The node that loads models."""

from __future__ import annotations

from typing import get_args

import intarsia as ia
from intarsia.backbones.offload import Vram
from intarsia.backbones.protocols import Backbones
from intarsia.records.edit import EditRecord
from intarsia.tasks.options import Machine

from .host import at_work, make_room, stop_if_cancelled
from .widgets import CATEGORY, MODELS, InputTypes, setting


class LoadModels:
    """Load every network that the other nodes need, once."""

    DESCRIPTION = "Loads every network that Intarsia's other nodes need. Removing and moving what a mask or a box marks needs none."
    CATEGORY = CATEGORY
    FUNCTION = "load"
    RETURN_TYPES = (MODELS,)
    RETURN_NAMES = ("models",)

    @classmethod
    def INPUT_TYPES(cls) -> InputTypes:
        named = {"default": "", "tooltip": "Hub id or folder of another one; empty for the checkpoint's own."}
        return {
            "required": {"models": setting(EditRecord, "models", "STRING")},
            "optional": {
                "device": setting(Machine, "device", "STRING"),
                "dtype": setting(Machine, "dtype", ("auto", "float32", "bfloat16", "float16")),
                "vram": setting(Machine, "vram", get_args(Vram)),
                "scorer": ("STRING", named),
                "patches": ("STRING", named),
                "segmenter": ("STRING", named),
            },
        }

    @at_work()
    def load(
        self,
        models: str,
        device: str = "auto",
        dtype: str = "auto",
        vram: Vram = "auto",
        scorer: str = "",
        patches: str = "",
        segmenter: str = "",
    ) -> tuple[Backbones]:
        stop_if_cancelled()
        make_room(device)
        loaded = ia.load_backbones(
            models.strip() or "auto",
            device=device.strip() or "auto",
            dtype=dtype,
            vram=vram,
            scorer=scorer.strip() or None,
            patches=patches.strip() or None,
            segmenter=segmenter.strip() or None,
        )
        return (loaded,)
