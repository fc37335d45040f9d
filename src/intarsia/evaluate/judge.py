"""The judge: a small segmenter of the pocket world's objects, for evaluation only.

It was trained apart from every network that edits (another architecture, seed and set of scenes)
and no editing method may ask it, so that what it says about an edit is independent of how the edit
was chosen. It was taught to call ruined, blurred and scrambled objects background.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from intarsia.errors import ModelError, RecordError
from intarsia.imaging.geometry import Box

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SIDE = 64  # pixels of the short side of the pictures that it was trained on
STRIDE = 8  # sides that it works on are multiples of this
SURE = 0.5  # an object's pixel counts when its probability is at least this
FRAME_SHARE = 0.02  # an object is in the picture when it covers at least this share of it
BOX_SHARE = 0.10  # an object is in a box when it covers at least this share of the box


class Block(nn.Module):
    """Two 3x3 convolutions."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.norm_first = nn.BatchNorm2d(outer)
        self.second = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.norm_second = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm_first(self.first(x)))
        return functional.relu(self.norm_second(self.second(x)))


class UNet(nn.Module):
    """A plain U-Net of three levels, half the picture's resolution at its finest.

    Args:
        classes: how many labels it tells apart, background included.
        widths: channels at a half, a quarter and an eighth of the resolution.
    """

    def __init__(self, classes: int, widths: tuple[int, int, int] = (48, 96, 144)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.down_fine = Block(12, fine)
        self.down_middle = Block(fine, middle)
        self.bottom = Block(middle, coarse)
        self.up_middle = Block(coarse + middle, middle)
        self.up_fine = Block(middle + fine, fine)
        self.head = nn.Conv2d(fine, 4 * classes, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, classes, H, W) logits; H and W multiples of 8."""
        fine = self.down_fine(functional.pixel_unshuffle(pictures, 2))
        middle = self.down_middle(functional.max_pool2d(fine, 2))
        coarse = self.bottom(functional.max_pool2d(middle, 2))
        middle = self.up_middle(torch.cat([functional.interpolate(coarse, scale_factor=2.0), middle], 1))
        fine = self.up_fine(torch.cat([functional.interpolate(middle, scale_factor=2.0), fine], 1))
        return functional.pixel_shuffle(self.head(fine), 2)


class Judge:
    """Says what a picture of the pocket world shows, and where.

    Attributes:
        names: the class words; label i + 1 is names[i], label 0 is background.
    """

    def __init__(self, network: UNet, names: Sequence[str]) -> None:
        self.network = network.eval()
        self.names = tuple(names)

    @torch.no_grad()
    def segment(self, pictures: Tensor) -> Tensor:
        """Label each pixel; an object that it is not sure of is background.

        Args:
            pictures: (B, 3, H, W) in [-1, 1], any size.

        Returns:
            (B, H, W) long, 0 for background, else 1 + index in `names`, on the CPU.
        """
        height, width = pictures.shape[-2:]
        scale = SIDE / min(height, width)
        inner = [max(SIDE, STRIDE * round(side * scale / STRIDE)) for side in (height, width)]
        small = pictures.float().cpu()
        if inner != [height, width]:
            small = functional.interpolate(small, size=inner, mode="bilinear", antialias=True)
        logits = torch.cat([self.network(part) for part in torch.split(small, 50)])
        if inner != [height, width]:
            logits = functional.interpolate(logits, size=(height, width), mode="bilinear")
        sureness, labels = logits.softmax(1).max(1)
        return torch.where(sureness >= SURE, labels, 0)

    def present(self, pictures: Tensor, name: str, boxes: Sequence[Box | None]) -> Tensor:
        """Whether the object is in each picture, or in a box of it.

        In a whole picture it has to cover 2 % of the frame. In a box it has to cover 10 % of the box
        and more of it than any other object does, so that a remnant of the old object beside a
        speck of the new one is no success.

        Args:
            pictures: (B, 3, H, W) in [-1, 1].
            name: a class word, one of `names`.
            boxes: where to look, in pixels of the pictures; None for the whole picture.

        Returns:
            (B,) bool.

        Raises:
            RecordError: the judge does not know the name.
        """
        if name not in self.names:
            raise RecordError(f"The judge does not know {name!r}; it knows {', '.join(self.names)}.")
        label = 1 + self.names.index(name)
        found = []
        for labels, box in zip(self.segment(pictures), boxes, strict=True):
            if box is None:
                found.append(bool((labels == label).float().mean() >= FRAME_SHARE))
                continue
            x0, y0, x1, y1 = (round(v) for v in (box.x0, box.y0, box.x1, box.y1))
            inside = labels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
            areas = torch.bincount(inside.flatten(), minlength=1 + len(self.names))[1:]
            enough = bool(areas[label - 1] >= max(1.0, BOX_SHARE * inside.numel()))
            found.append(enough and int(areas.argmax()) == label - 1)
        return torch.tensor(found, dtype=torch.bool)


@functools.cache
def load_judge() -> Judge:
    """The judge that ships with the package.

    Raises:
        ModelError: its weights are not in the installed package.
    """
    if not WEIGHTS.exists():
        raise ModelError(
            f"The judge's weights are missing: {WEIGHTS} is not there. Install the package again, "
            "or train them in a clone with: python -m training.judge"
        )
    with safe_open(WEIGHTS, framework="pt") as file:
        names = json.loads(file.metadata()["names"])
        weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a dictionary
    network = UNet(1 + len(names))
    network.load_state_dict(weights)
    return Judge(network, names)
