"""The node that puts an edit of any other node back into its original."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from intarsia.errors import PictureError
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Blend, feather, fits
from intarsia.imaging.tensors import paste_back

from .host import at_work, stop_if_cancelled
from .tensors import alike, at_size, levels_of, photo_of, picture_of, pictures_of
from .widgets import CATEGORY, InputTypes, socket


class KeepTheRest:
    """Put an edited picture into its original within a mask. All other pixels are the original's, bit for bit."""

    DESCRIPTION = (
        "Takes an edit of any node, of any size, back into the original: within the mask it is the edit, outside of it "
        "every pixel is the original's, bit for bit."
    )
    CATEGORY = CATEGORY
    FUNCTION = "keep"
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    OUTPUT_TOOLTIPS = (
        "The original with the edit in it, at the original's size.",
        "The share of the edit in each pixel. Where it is 0, the picture is the original, bit for bit.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> InputTypes:
        return {
            "required": {
                "original": socket("IMAGE", "The picture before."),
                "edited": socket("IMAGE", "The picture after, of the original's proportions; another size is resampled."),
                "mask": socket("MASK", "How much of the edit is taken: 1 all of it, 0 none."),
            },
            "optional": {
                "feather": (
                    "FLOAT",
                    {
                        "default": 0.0, "min": 0.0, "max": 0.5, "step": 0.005,
                        "tooltip": "Width of a soft edge within the mask, as a fraction of the picture's short side.",
                    },
                ),
            },
        }  # fmt: skip

    @at_work()
    def keep(self, original: Tensor, edited: Tensor, mask: Tensor, feather: float = 0.0) -> tuple[Tensor, Tensor]:
        before, after = pictures_of(original, "original"), pictures_of(edited, "edited")
        count = max(len(before), len(after))
        before, after = alike(before, count, "original"), alike(after, count, "edited")
        images, blends = [], []
        for old, new, levels in zip(before, after, levels_of(mask, count), strict=True):
            stop_if_cancelled()
            size = Size(old.shape[1], old.shape[0])
            check_proportions(Size(new.shape[1], new.shape[0]), size)
            blend = share_of(levels, size, feather)
            pasted = paste_back(photo_of(old), new[..., :3].permute(2, 0, 1) * 2 - 1, blend)
            images.append(picture_of(pasted, blend, old))
            blends.append(torch.from_numpy(blend))
        return torch.stack(images), torch.stack(blends)


def share_of(levels: Blend | None, size: Size, width: float) -> Blend:
    """(H, W) how much of an edit is taken: as much as a mask (h, w) says, at most what its soft edge lets through.

    Args:
        width: of the soft edge, as a fraction of the picture's short side.
    """
    if levels is None:
        return np.zeros((size.height, size.width), np.float32)
    soft = at_size(levels, size)
    return np.minimum(soft, feather(soft > 0, width * size.short))


def check_proportions(edited: Size, original: Size) -> None:
    """Raise `PictureError` where an edit cannot be laid over its original."""
    if not fits(edited, original):
        raise PictureError(
            f"The edited picture has {edited} pixels, but the original has {original}, another shape: bring the edit to "
            "the original's proportions, without cropping."
        )
