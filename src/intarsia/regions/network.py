"""Region networks: which box to repaint, from the picture's patches and the words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.backbones.own_files import read_own
from intarsia.errors import Command, ModelError, Remedy, Setting
from intarsia.files import write_bytes_atomically
from intarsia.imaging.geometry import Box, Size
from intarsia.regions.analysis import ImageAnalysis

ROI = 7
HIDDEN = 64
GEOMETRY = 7


def roi_align(maps: Tensor, boxes: Sequence[Box], size: Size, out: int = ROI) -> Tensor:
    """Average of bilinear samples in out x out bins of each box.

    Boxes are in pixels of the picture and converted once, here: no spatial scale besides.

    Args:
        maps: (C, rows, columns) on the whole picture.
        boxes: N boxes in pixels.
        size: the picture's size in those pixels.

    Returns:
        (N, C, out, out). Source: He et al. 2017, Mask R-CNN, sec. 3 (two samples a bin and axis).
    """
    fine = 2 * out
    offsets = (torch.arange(fine, dtype=maps.dtype, device=maps.device) + 0.5) / fine
    corners = torch.tensor([b.as_tuple() for b in boxes], dtype=maps.dtype, device=maps.device)
    xs = (corners[:, 0:1] + (corners[:, 2:3] - corners[:, 0:1]) * offsets) / size.width * 2 - 1
    ys = (corners[:, 1:2] + (corners[:, 3:4] - corners[:, 1:2]) * offsets) / size.height * 2 - 1
    grid = torch.stack([xs[:, None, :].expand(-1, fine, -1), ys[:, :, None].expand(-1, -1, fine)], -1)
    sampled = F.grid_sample(maps[None].expand(len(boxes), -1, -1, -1), grid, padding_mode="border", align_corners=False)
    return F.avg_pool2d(sampled, 2)


def geometry(boxes: Sequence[Box], size: Size) -> Tensor:
    """(N, 7) where each box lies and how large it is, in fractions of the picture."""
    rows = []
    for b in boxes:
        w, h = b.width / size.width, b.height / size.height
        rows.append((b.x0 / size.width, b.y0 / size.height, b.x1 / size.width, b.y1 / size.height, w, h, w * h))
    return torch.tensor(rows)


FITTED = Remedy("pass what ", Command("regions fit"), " wrote")
"""Where a file of a region network comes from."""


class RegionNetwork(nn.Module):
    """A logit for each box, given the picture's patches, the map of relevance and the words.

    Boxes are read one by one with shared weights, so that any number of them, of any shape, can be
    compared, and the network can be fitted over many pictures and used on new ones.

    Args:
        patch_width: channels D of the patch encoder.
        text_width: width E of the text embeddings.
    """

    def __init__(self, patch_width: int, text_width: int) -> None:
        super().__init__()
        self.patch_width, self.text_width = patch_width, text_width
        self.squeeze = nn.Conv2d(patch_width + 2, HIDDEN, 1)
        self.inner = nn.Conv2d(2 * HIDDEN, HIDDEN, 3, padding=1)
        self.words = nn.Linear(2 * text_width, 2 * HIDDEN)
        self.head = nn.Sequential(
            nn.Linear(2 * HIDDEN + GEOMETRY, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, analysis: ImageAnalysis, boxes: Sequence[Box]) -> Tensor:
        """(N,) logits of N boxes in pixels of the analysis."""
        rows, columns = analysis.saliency.shape
        relevance = F.adaptive_avg_pool2d(analysis.relevance[None, None], (rows, columns))[0]
        saliency = analysis.saliency[None] / analysis.saliency.max()
        features = F.normalize(analysis.features, dim=0) * analysis.features.shape[0] ** 0.5
        maps = self.squeeze(torch.cat([features, relevance, saliency])[None])[0]
        # What lies just around a box tells as much as what lies in it: a cut object shows there.
        around = [b.expanded(0.25 * max(b.width, b.height)) for b in boxes]
        inside, context = roi_align(maps, boxes, analysis.size), roi_align(maps, around, analysis.size)
        gain, shift = self.words(torch.cat([analysis.source, analysis.prompt])).chunk(2)
        seen = F.gelu(self.inner(F.gelu(torch.cat([inside, context], 1))))
        seen = seen * (1 + gain[None, :, None, None]) + shift[None, :, None, None]
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)
        where = geometry(boxes, analysis.size).to(pooled)
        logits: Tensor = self.head(torch.cat([pooled, where], 1))[:, 0]
        return logits

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the network alone, as safetensors; the frozen encoders are not part of it."""
        about = {"kind": "RegionNetwork", "shape": json.dumps([self.patch_width, self.text_width])}
        weights = {k: v.contiguous() for k, v in self.state_dict().items()}
        write_bytes_atomically(path, safetensors.torch.save(weights, metadata=about), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> RegionNetwork:
        """Read what `save` wrote.

        Raises:
            ModelError: the file is missing, no safetensors file, or holds something else.
        """
        if not path.is_file():
            raise ModelError(
                f"The region network {path} does not exist.",
                Remedy("fit one with ", Command("regions fit", "JOBS", out=path)),
            )
        about, weights = read_own(path, FITTED)
        if about.get("kind") != "RegionNetwork":
            raise ModelError(f"{path} holds other weights than a region network.", FITTED)
        try:
            patch_width, text_width = json.loads(about["shape"])
            with torch.device("meta"):  # a header that lies of its widths costs no memory
                network = cls(patch_width, text_width)
            network.load_state_dict(weights, assign=True)
        except (ValueError, TypeError, LookupError, RuntimeError, OverflowError, RecursionError):
            raise ModelError(
                f"{path} is damaged, since its weights are not those of a region network.", FITTED
            ) from None
        return network.eval()

    def check(self, analysis: ImageAnalysis) -> None:
        """Raise `ModelError` if the network was fitted on other backbones than the analysis was made with."""
        have = (analysis.features.shape[0], analysis.prompt.shape[0])
        if have != (self.patch_width, self.text_width):
            raise ModelError(
                f"The region network was fitted on features of widths {self.patch_width} and {self.text_width}, but these "
                f"models give {have[0]} and {have[1]}.",
                Remedy("fit one for them with ", Command("regions fit")),
                Remedy("leave ", Setting("regions"), " out"),
            )


class PublishedNetwork(nn.Module):
    """The published region network: the M boxes of an anchor concatenated on channels, two convolutions, two layers.

    It reads no words, so it is fitted again for every picture.

    Source: arXiv:2311.16432, sec. 3.2.
    """

    def __init__(self, patch_width: int, boxes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(patch_width * boxes, HIDDEN, 3), nn.ReLU(), nn.Conv2d(HIDDEN, HIDDEN, 3), nn.ReLU()
        )
        self.layers = nn.Sequential(nn.Linear(HIDDEN * (ROI - 4) ** 2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, boxes))

    def forward(self, analysis: ImageAnalysis, boxes: Sequence[Sequence[Box]]) -> Tensor:
        """(K, M) logits of the M boxes of each of K anchors."""
        flat = [b for row in boxes for b in row]
        regions = roi_align(analysis.features, flat, analysis.size)
        stacked = regions.reshape(len(boxes), -1, ROI, ROI)
        logits: Tensor = self.layers(self.convolutions(stacked).flatten(1))
        return logits


def choose(logits: Tensor, generator: torch.Generator, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Straight-through Gumbel-softmax choice (Jang et al. 2017, arXiv:1611.01144).

    Args:
        logits: (K, M).

    Returns:
        (K,) chosen columns; (K, M) one-hot choice whose gradient is the soft choice's.
    """
    uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-9)
    soft = ((logits - (-uniform.log()).log()) / temperature).softmax(-1)
    choices = soft.argmax(-1)
    hard = F.one_hot(choices, logits.shape[-1]).to(soft)
    return choices, hard + soft - soft.detach()
