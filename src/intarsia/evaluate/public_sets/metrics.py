"""The figures of public sets, as the sets' own code takes them where it can be done here.

From `evaluation/matrics_calculator.py` of github.com/cure-lab/PnPInversion (PIE-Bench), and from
`scripts/evaluate_metrics.py` of github.com/LiyaoJiang1998/PixelMan. Both black out the rest of both pictures and then
compare them whole, so that a small region is averaged over all pixels: MSE is small and PSNR high by that. So here.

All pixels are (H, W, 3) uint8, all regions (H, W) bool, of one size.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from intarsia.backbones.protocols import EncodesKeys, ImageTextScorer, PatchEncoder
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Blend, Mask
from intarsia.imaging.photo import Bytes
from intarsia.imaging.tensors import image_to_tensor

Levels = npt.NDArray[np.float64]

SSIM_DEVIATION = 1.5
SSIM_RADIUS = 5
"""Of the Gaussian window of 11 x 11 pixels (Wang et al. 2004); so many at the border have no whole window."""
SSIM_CONSTANTS = (0.01**2, 0.03**2)


def only(pixels: Bytes, region: Mask | None) -> Levels:
    """Levels in [0, 1], black outside a region."""
    levels: Levels = pixels.astype(np.float64) / 255
    return levels if region is None else levels * region[..., None]


def mse(before: Bytes, after: Bytes, region: Mask | None = None) -> float:
    """Mean squared difference of levels in [0, 1], over all pixels of pictures that are black outside a region."""
    return float(((only(before, region) - only(after, region)) ** 2).mean())


def psnr(before: Bytes, after: Bytes, region: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB, of the same error; infinite where nothing differs."""
    error = mse(before, after, region)
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(before: Bytes, after: Bytes, region: Mask | None = None) -> float:
    """Structural similarity (Wang et al. 2004), at most 1, of pictures that are black outside a region.

    A Gaussian window of 11 x 11 pixels; the mean over the channels and over the pixels that have a whole window.
    Pictures must be larger than the window.
    """
    x, y = only(before, region), only(after, region)
    mean_x, mean_y = _windowed(x), _windowed(y)
    both = _windowed(x * y) - mean_x * mean_y
    spread = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
    first, second = SSIM_CONSTANTS
    likeness = (2 * mean_x * mean_y + first) * (2 * both + second)
    likeness /= (mean_x**2 + mean_y**2 + first) * (spread + second)
    inner = slice(SSIM_RADIUS, -SSIM_RADIUS)
    return float(likeness[inner, inner].mean())


def _windowed(values: Levels) -> Levels:
    smooth: Levels = ndimage.gaussian_filter(
        values, (SSIM_DEVIATION, SSIM_DEVIATION, 0), radius=(SSIM_RADIUS, SSIM_RADIUS, 0)
    )
    return smooth


def whole_tensor(pixels: Bytes) -> Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    height, width = pixels.shape[:2]
    return image_to_tensor(pixels, Size(width, height))


@torch.no_grad()
def clip_text(scorer: ImageTextScorer, pixels: Bytes, text: str, region: Mask | None = None, *, device: str) -> float:
    """CLIP similarity of a picture, black outside a region, and a text: 100 times their cosine, at least 0.

    PIE-Bench asks openai/clip-vit-large-patch14; another scorer gives other figures. Here the whole picture is
    squashed to the network's square, there its middle is cut out; for square pictures that is the same.
    """
    shown = pixels if region is None else pixels * region[..., None]
    seen = scorer.embed_images(whole_tensor(shown).to(device))
    return max(0.0, 100 * float((seen * scorer.embed_texts([text])).sum()))


@torch.no_grad()
def clip_image(scorer: ImageTextScorer, before: Bytes, after: Bytes, *, device: str) -> float:
    """100 times the cosine of two pictures, as CLIP embeds them."""
    first, second = (scorer.embed_images(whole_tensor(pixels).to(device)) for pixels in (before, after))
    return 100 * float((first * second).sum())


def structure_distance(encoder: PatchEncoder, before: Bytes, after: Bytes) -> float:
    """Mean squared difference of two pictures' self-similarity: the cosines of all pairs of an encoder's tokens.

    PIE-Bench takes the keys of the last layer of facebook/dino-vitb8 at a short side of 224 pixels, and so does this
    where that is the loaded encoder. Another encoder of ours gives its own keys, or, where it does not show them, its
    features, without [CLS]. What differs in any case: the published code hands its network levels of 0 to 255 that
    are normalised as if they lay in 0 to 1, which is not copied; and it enlarges bilinearly. So the figures compare
    methods that were measured here with one encoder, and not with published tables.
    Source: Tumanyan et al., "Splicing ViT Features", CVPR 2022, arXiv:2201.00424, eq. 2.
    """
    first, second = (_self_similarity(_tokens(encoder, pixels)) for pixels in (before, after))
    return float(((first - second) ** 2).mean())


def _tokens(encoder: PatchEncoder, pixels: Bytes) -> Tensor:
    """(T, D)."""
    if isinstance(encoder, EncodesKeys):
        return encoder.encode_keys(whole_tensor(pixels))
    return encoder.encode(whole_tensor(pixels)).features.flatten(1).T


def _self_similarity(tokens: Tensor) -> Tensor:
    """(T, D) -> (T, T) cosines."""
    unit = torch.nn.functional.normalize(tokens.double(), dim=-1)
    return unit @ unit.T


def outside_exact(before: Bytes, after: Bytes, blend: Blend) -> bool:
    """Whether every pixel that an edit says it left alone is the input's, bit for bit."""
    alone = blend == 0
    return bool((before[alone] == after[alone]).all())


def changed_share(before: Bytes, after: Bytes, region: Mask) -> float | None:
    """The share of a region's pixels that differ at all; None for an empty region."""
    return float((before[region] != after[region]).any(-1).mean()) if region.any() else None


def shifted(mask: Mask, dx: int, dy: int) -> Mask:
    """A mask moved to the right and down; what leaves the picture is gone."""
    moved: Mask = np.zeros_like(mask)
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    inside = (rows + dy >= 0) & (rows + dy < height) & (columns + dx >= 0) & (columns + dx < width)
    moved[rows[inside] + dy, columns[inside] + dx] = True
    return moved


def shifted_pixels(pixels: Bytes, dx: int, dy: int) -> Bytes:
    """A picture moved to the right and down, around its borders."""
    rolled: Bytes = np.roll(pixels, (dy, dx), axis=(0, 1))
    return rolled
