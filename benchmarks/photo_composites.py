"""Composites with a known truth: an object of one photograph, laid on another one with a soft edge and a shadow.

The photographs are those that scikit-image and scikit-learn ship, and those of any folder. A composite is

    image = (1 - alpha) * (1 - shadow) * truth + alpha * foreground

and every term of it is kept, so that what a tool makes of the image can be compared pixel by pixel: with the truth
where the object is removed, and with the same sum at another place where it is moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.photo_outlines import OUTLINES, SUBJECTS, Points, blob_outline, smooth
from intarsia.imaging.masks import Blend, Mask, bounds_of
from intarsia.imaging.photo import Bytes, Picture
from intarsia.imaging.read import read_photo

Edge = Literal["soft", "hairy", "leafy"]

Places = Literal["anywhere", "ground"]
"""Where objects are laid: anywhere, or where they hide little of what a photograph is of, which nobody could guess."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")

AREAS = (0.02, 0.12)
"""Share of the photograph that an object covers, from least to most."""

WIDTHS = (0.5, 3.0)
"""Width of an object's soft edge, from 10 to 90 %, in pixels."""

FINER = 4
"""Outlines are drawn at so many times the size."""

COARSE = 64
"""Cells along the short side of a coarse mask, as published masks have them on 512 pixels."""

HIDDEN = 0.05
"""Share of an object that may lie on a photograph's subject where it is laid on the ground."""

FAINTEST = 1 / 255
"""Share of a pixel below which an object or a shadow counts as not there at all: it changes no level."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Composite:
    """A photograph with a foreign object on it, and all that is true of it.

    Attributes:
        name: its photograph, its object and its number, e.g. "03 cup on rocket".
        image: (H, W, 3) what a tool is given.
        truth: (H, W, 3) the photograph without object and shadow.
        moved: (H, W, 3) the photograph with both at the other place.
        alpha: (H, W) in [0, 1] how far the object covers a pixel.
        foreground: (H, W, 3) in levels, the object's own colours wherever alpha is above 0.
        shadow: (H, W) in [0, 1) share of the photograph's light that the object's shadow takes.
        mask: (H, W) what a tool is told of the object: alpha above a half, of whole cells where it is `coarse`.
        move: by how many pixels the object is moved, right and down; the whole of it stays in the picture.
        edge: what its border is like.
        coarse: whether the mask is as coarse as those that are published.
        hides: share of the object that lies on a subject of the photograph; 0 where no subjects are known.
        seed: for tools that draw.
    """

    name: str
    image: Bytes
    truth: Bytes
    moved: Bytes
    alpha: Blend
    foreground: Picture
    shadow: Blend
    mask: Mask
    move: tuple[int, int]
    edge: Edge
    coarse: bool
    hides: float
    seed: int

    @property
    def hole(self) -> Mask:
        """(H, W) where the photograph must be painted: under the mask, and wherever the object is."""
        hole: Mask = self.mask | (self.alpha >= FAINTEST)
        return hole

    @property
    def shaded(self) -> Mask:
        """(H, W) where the shadow lies beside the hole."""
        shaded: Mask = (self.shadow >= FAINTEST) & ~self.hole
        return shaded


def photographs(folder: Path | None = None) -> dict[str, Bytes]:
    """(H, W, 3) colour photographs by name, those of a folder after those of the packages.

    Raises:
        SystemExit: scikit-image or scikit-learn is not installed.
        PictureError: a picture of the folder cannot be read.
    """
    try:
        import skimage.data as pictures
        from sklearn.datasets import load_sample_image
    except ImportError as error:
        raise SystemExit(
            f"{error.name} is not installed, whose photographs are measured on: pip install scikit-image scikit-learn."
        ) from None
    found: dict[str, Bytes] = {
        "astronaut": pictures.astronaut(),
        "cat": pictures.chelsea(),
        "coffee": pictures.coffee(),
        "rocket": pictures.rocket(),
        "motorcycle": pictures.stereo_motorcycle()[0],
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
    }
    for path in sorted(folder.iterdir()) if folder is not None else ():
        if path.suffix.lower() in SUFFIXES:
            found[path.stem if path.stem not in found else path.name] = read_photo(path).pixels
    return found


def composites(
    seed: int, count: int, folder: Path | None = None, side: int = 512, places: Places = "anywhere"
) -> Iterator[Composite]:
    """Composites of a seed, the same for the same arguments; each photograph is drawn on about equally often.

    Args:
        folder: of further photographs.
        side: of the pictures, in pixels along the short side; smaller photographs stay as they are.
        places: where the objects are laid; the objects themselves are the same for all.
    """
    found = photographs(folder)
    names = list(found)
    order: list[str] = []
    for number in range(count):
        if not order:
            order = [names[k] for k in np.random.default_rng([seed, number, 1]).permutation(len(names))]
        yield draw_composite(found, order.pop(), seed, number, side, places)


def draw_composite(photos: dict[str, Bytes], name: str, seed: int, number: int, side: int, places: Places) -> Composite:
    """One composite on a named photograph; its object comes from another one."""
    rng = np.random.default_rng([seed, number])
    truth = scaled_down(photos[name], side)
    thing, colours, outline = draw_object(photos, name, rng)
    edge: Edge = ("soft", "soft", "hairy", "leafy")[rng.integers(4)]  # half of all borders are plain
    body, fringe, own = cut_out(colours, outline, truth.shape[:2], edge, rng)
    subject = subject_of(name, truth.shape[:2])
    avoid = subject if places == "ground" else None
    alpha, foreground, move = put_down(body, fringe, own, subject.shape, avoid, rng)
    shadow = draw_shadow(alpha, rng) if rng.random() < 0.5 else np.zeros_like(alpha)
    coarse = bool(rng.random() < 0.25)
    return Composite(
        name=f"{number:02} {thing} on {name}",
        image=compose(truth, alpha, foreground, shadow),
        truth=truth,
        moved=compose(truth, *(shifted(term, *move) for term in (alpha, foreground, shadow))),
        alpha=alpha,
        foreground=foreground,
        shadow=shadow,
        mask=coarsened(alpha > 0.5) if coarse else alpha > 0.5,
        move=move,
        edge=edge,
        coarse=coarse,
        hides=round(float(alpha[subject].sum() / alpha.sum()), 4),
        seed=seed + number,
    )


def compose(truth: Bytes, alpha: Blend, foreground: Picture, shadow: Blend) -> Bytes:
    """A picture of an object and its shadow on a photograph, in whole levels."""
    seen = alpha[..., None]
    lit = (1 - seen) * (1 - shadow[..., None]) * truth + seen * foreground
    return np.floor(lit.clip(0, 255) + 0.5).astype(np.uint8)


def shifted(values: npt.NDArray[np.float32], right: int, down: int) -> npt.NDArray[np.float32]:
    """(H, W, ...) moved by whole pixels, 0 where nothing was."""
    height, width = values.shape[:2]
    moved = np.zeros_like(values)
    to = (slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0)))
    origin = (slice(max(-down, 0), height + min(-down, 0)), slice(max(-right, 0), width + min(-right, 0)))
    moved[to] = values[origin]
    return moved


def scaled_down(pixels: Bytes, side: int) -> Bytes:
    """A photograph at most so large along its short side."""
    height, width = pixels.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return pixels.copy()
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def coarsened(mask: Mask) -> Mask:
    """A mask in square cells, those that it covers for the larger part."""
    height, width = mask.shape
    cell = min(height, width) / COARSE
    rows, columns = math.ceil(height / cell), math.ceil(width / cell)
    small = Image.fromarray(mask).convert("L").resize((columns, rows), Image.Resampling.BOX)
    covered = np.asarray(small) >= 128
    down = np.minimum(np.arange(height) * rows // height, rows - 1)
    right = np.minimum(np.arange(width) * columns // width, columns - 1)
    whole: Mask = covered[down[:, None], right]
    return whole if whole.any() else mask


# Objects


def draw_object(photos: dict[str, Bytes], ground: str, rng: np.random.Generator) -> tuple[str, Bytes, Points]:
    """A named object of a photograph other than the ground: by its drawn outline, or a part with a wavy one.

    Returns:
        The object's name, its photograph (H, W, 3), and its outline in pixels of it, (N, 2).
    """
    drawn = [(thing, home) for thing, (home, _) in OUTLINES.items() if home != ground]
    if rng.random() < 0.65:
        thing, home = drawn[rng.integers(len(drawn))]
        outline = smooth(OUTLINES[thing][1])
    else:
        homes = [name for name in photos if name != ground]
        home = homes[rng.integers(len(homes))]
        thing, outline = f"part of {home}", blob_outline(rng, *photos[home].shape[:2])
    height, width = photos[home].shape[:2]
    colours = photos[home]
    outline = outline * (width, height)
    if rng.random() < 0.5:
        colours, outline = colours[:, ::-1], (width, 0) + outline * (-1, 1)
    return thing, colours, outline


def cut_out(
    colours: Bytes, outline: Points, shape: tuple[int, ...], edge: Edge, rng: np.random.Generator
) -> tuple[Blend, Blend, Picture]:
    """An object at the size that it gets on a photograph, its border beside it.

    Args:
        colours: (H, W, 3) the object's photograph.
        outline: (N, 2) in pixels of it.
        shape: of the photograph that it is laid on.
        edge: what its border is like.

    Returns:
        The soft body (h, w), the hairs or leaves that stand out from it (h, w), and their colours (h, w, 3).
    """
    share = math.exp(rng.uniform(*np.log(AREAS)))
    extent = np.ptp(outline, axis=0)
    scale = math.sqrt(share * shape[0] * shape[1] / area_of(outline))
    scale = min(scale, 0.75 * shape[1] / extent[0], 0.75 * shape[0] / extent[1])
    margin = 6 + round(0.04 * min(shape[:2]))  # room for the border
    left, top = np.floor(outline.min(0)) - math.ceil(margin / scale)
    wide, high = (math.ceil(length * scale) + 2 * margin for length in extent)
    box = (left, top, left + wide / scale, top + high / scale)
    picture = Image.fromarray(colours).transform(
        (FINER * wide, FINER * high), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC
    )
    own = np.asarray(picture.reduce(FINER), np.float32) * np.float32(rng.uniform(0.85, 1.1))
    points = (outline - (left, top)) * scale
    solid = drawn((high, wide), [(points, 1.0)])
    body = ndimage.gaussian_filter(solid, rng.uniform(*WIDTHS) / 2.56)  # 10 to 90 % of a step take 2.56 deviations
    if edge == "hairy":
        fringe = drawn((high, wide), hairs(points, margin, rng))
    elif edge == "leafy":
        fringe = drawn((high, wide), leaves(points, margin, rng))
    else:
        fringe = np.zeros_like(body)
    # Nothing of the object's own old ground comes along: beyond its inside, colours continue outward.
    inside = ndimage.binary_erosion(solid > 0.99, iterations=max(2, round(0.012 * min(wide, high))))
    if inside.any():
        nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
        own = own[tuple(nearest)]
    return body, fringe, own.clip(0, 255)


def subject_of(name: str, shape: tuple[int, ...]) -> Mask:
    """(H, W) what a photograph is of, at its size; nothing for those of a folder."""
    outlines = [smooth(corners) * (shape[1], shape[0]) for corners in SUBJECTS.get(name, ())]
    return drawn((shape[0], shape[1]), [(outline, 1.0) for outline in outlines]) > 0.5


def put_down(
    body: Blend, fringe: Blend, own: Picture, shape: tuple[int, ...], avoid: Mask | None, rng: np.random.Generator
) -> tuple[Blend, Picture, tuple[int, int]]:
    """Lay an object somewhere into a frame, and find another place for it, clear of the first if there is room.

    Args:
        body, fringe, own: from `cut_out`.
        shape: of the frame.
        avoid: (H, W) what the object should not hide, or None.

    Returns:
        Its alpha (H, W), its colours (H, W, 3), and the move to the other place, right and down.
    """
    matte = 1 - (1 - body) * (1 - fringe)
    matte[matte < FAINTEST] = 0
    part = bounds_of(matte > 0)
    assert part is not None, "an object has an inside"
    matte, own = matte[part], own[part]
    high, wide = matte.shape
    room = (max(shape[1] - wide, 0), max(shape[0] - high, 0))
    x, y = (int(rng.integers(most + 1)) for most in room)
    if avoid is not None:
        x, y = least_hiding(matte, avoid, room, rng.spawn(1)[0])
    alpha, foreground = np.zeros(shape[:2], np.float32), np.zeros((*shape[:2], 3), np.float32)
    there = (slice(y, y + high), slice(x, x + wide))
    fits = (slice(0, shape[0] - y), slice(0, shape[1] - x))
    alpha[there], foreground[there] = matte[fits], own[fits]
    places = [(int(rng.integers(room[0] + 1)) - x, int(rng.integers(room[1] + 1)) - y) for _ in range(20)]
    apart = [max(abs(right) / wide, abs(down) / high) for right, down in places]
    clear = next((place for place, distance in zip(places, apart, strict=True) if distance >= 1), None)
    return alpha, foreground, clear if clear is not None else places[int(np.argmax(apart))]


def least_hiding(matte: Blend, avoid: Mask, room: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """The first of some random corners (x, y) at which an object hides next to nothing of a mask, else the best."""
    high, wide = matte.shape
    least, best = math.inf, (0, 0)
    for _ in range(80):
        x, y = (int(rng.integers(most + 1)) for most in room)
        under = avoid[y : y + high, x : x + wide]
        hidden = float(matte[: under.shape[0], : under.shape[1]][under].sum() / matte.sum())
        if hidden < least:
            least, best = hidden, (x, y)
        if least <= HIDDEN:
            break
    return best


def draw_shadow(alpha: Blend, rng: np.random.Generator) -> Blend:
    """(H, W) a soft shadow where an object touches the ground: its own shape, pressed flat and moved aside."""
    part = bounds_of(alpha > 0.5)
    if part is None:
        return np.zeros_like(alpha)
    rows, columns = part
    high, wide = rows.stop - rows.start, columns.stop - columns.start
    flat, lean = rng.uniform(0.15, 0.4), rng.uniform(-0.15, 0.15) * wide
    base = rows.stop - 1 + rng.uniform(0.02, 0.08) * high
    # Each pixel of the shadow looks up the pixel of the object above it.
    y, x = np.indices(alpha.shape, np.float32)
    up = (base - y) / flat
    cast = ndimage.map_coordinates(alpha, [base - up, x - lean * (1 + up / high)], order=1, mode="constant")
    soft = ndimage.gaussian_filter(cast, rng.uniform(0.02, 0.05) * math.sqrt(high * wide) + 1)
    shadow = (rng.uniform(0.25, 0.55) * soft).astype(np.float32)
    shadow[shadow < FAINTEST] = 0
    return shadow


# Borders


def area_of(outline: Points) -> float:
    """Of a closed outline (N, 2), in square pixels."""
    x, y = outline.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def drawn(shape: tuple[int, int], polygons: list[tuple[Points, float]]) -> Blend:
    """(H, W) in [0, 1] of polygons, each with its own opacity, without steps along their borders."""
    high, wide = shape
    canvas = Image.new("L", (FINER * wide, FINER * high))
    draw = ImageDraw.Draw(canvas)
    for points, opacity in polygons:
        # Pillow counts positions from the middle of the first pixel.
        draw.polygon([(float(x), float(y)) for x, y in points * FINER - 0.5], fill=round(255 * opacity))
    return np.asarray(canvas.reduce(FINER), np.float32) / np.float32(255)


def border_places(points: Points, every: float, rng: np.random.Generator) -> tuple[Points, Points]:
    """Random places along a closed outline, about so many pixels apart, and the outward directions there, (N, 2)."""
    step = np.roll(points, -1, 0) - points
    length = np.maximum(np.hypot(*step.T), 1e-6)
    ends = np.cumsum(length)
    at = np.sort(rng.uniform(0, ends[-1], max(8, round(ends[-1] / every))))
    piece = np.minimum(np.searchsorted(ends, at), len(points) - 1)
    along = 1 - (ends[piece] - at) / length[piece]
    outward = np.stack([step[piece, 1], -step[piece, 0]], 1) / length[piece, None]
    x, y = points.T
    clockwise = x @ np.roll(y, -1) - y @ np.roll(x, -1) > 0
    return points[piece] + along[:, None] * step[piece], outward if clockwise else -outward


def hairs(points: Points, longest: float, rng: np.random.Generator) -> list[tuple[Points, float]]:
    """Thin strands that stand out from an outline, bent and thinner toward their tips, in locks that lean alike."""
    strands, lean = [], rng.uniform(-0.6, 0.6)
    for root, outward in zip(*border_places(points, rng.uniform(2, 5), rng), strict=True):
        lean = 0.9 * lean + rng.normal(0, 0.25)
        angle = math.atan2(outward[1], outward[0]) + lean
        length, bend, width = longest * rng.beta(2, 3), rng.normal(0, 0.5), rng.uniform(0.6, 1.6)
        along = np.linspace(0, 1, 8)
        turning = angle + bend * along
        path = np.concatenate(
            [[root - 3 * outward], root + np.cumsum(np.stack([np.cos(turning), np.sin(turning)], 1), 0) * length / 8]
        )
        side = np.stack([-np.sin(np.append(angle, turning)), np.cos(np.append(angle, turning))], 1)
        half = (width / 2 * (1 - 0.8 * np.append(0, along)))[:, None] * side
        strands.append((np.concatenate([path + half, (path - half)[::-1]]), rng.uniform(0.6, 1)))
    return strands


def leaves(points: Points, longest: float, rng: np.random.Generator) -> list[tuple[Points, float]]:
    """Small pointed leaves along an outline, opaque, at all angles outward."""
    blades = []
    for root, outward in zip(*border_places(points, rng.uniform(4, 9), rng), strict=True):
        angle = math.atan2(outward[1], outward[0]) + rng.normal(0, 0.7)
        length, slim = longest * rng.uniform(0.3, 0.9), rng.uniform(0.15, 0.35)
        along = np.linspace(0, 1, 9)
        half = slim * length * np.sin(math.pi * along) ** 0.8
        forward, side = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
        middle = root - 2 * outward + length * along[:, None] * forward
        blades.append((np.concatenate([middle + half[:, None] * side, (middle - half[:, None] * side)[::-1]]), 1.0))
    return blades
