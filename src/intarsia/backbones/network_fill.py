"""Fills by a network of the user's own: LaMa or MI-GAN.

The network sees a crop around the hole. Where that would be larger than what the network was made for, its fill of a
reduced image guides a fill by copying: what comes back are pieces of the image, never an enlargement.

Sources: Suvorov et al. 2022, "Resolution-robust large mask inpainting with Fourier convolutions"; Sargsyan et al.
2023, "MI-GAN: a simple baseline for image inpainting on mobile devices".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from intarsia.backbones.fill_programs import NetworkInput, Program, Values, load_program
from intarsia.backbones.fills import PatchFill, check_source
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.files import file_digest
from intarsia.imaging.masks import Mask
from intarsia.imaging.patch_infill import context_of, fill_by_copying, separate
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.slices import Part

LARGEST = 1024
"""Longest side of what LaMa is shown, in pixels: it was trained at 256, and works well to about four times that."""

SIDE = 512
"""Side of the pictures that MI-GAN was trained on, in pixels."""

STRIDE = 8
"""LaMa's sides must be multiples of this, in pixels."""

LARGE = 0.5
"""Share of the crop's side from which a hole leaves a network too little to see around it."""


class Painter(Protocol):
    """A network's conventions."""

    name: str
    least: int
    """Side of the crop at least, in pixels, where the image is so large."""
    most: int
    """Longest side of a picture that it can be shown, in pixels."""

    def paint(self, picture: Bytes, hole: Mask) -> Picture:
        """(H, W, 3) levels, of which those in the hole are meant; no side is longer than `most`.

        Raises:
            ModelError: the network fails, or gives something else than a picture.
        """
        ...


class Lama:
    """LaMa: image (1, 3, H, W) in [0, 1] and mask (1, 1, H, W), 1 = repaint -> (1, 3, H, W).

    IOPaint's big-lama.pt (iopaint/model/lama.py) gives [0, 1] at any multiples of 8. The ONNX export of Carve
    (lama_fp32.onnx) is fixed at 512 x 512 and gives 0 to 255; other exports give [0, 1]. Which of the two, is told
    from the pixels that were known.
    """

    name = "lama"
    least = 256

    def __init__(self, program: Program) -> None:
        self.program = program
        if len(program.inputs) != 2 or any(given.kind not in ("", "float32") for given in program.inputs):
            raise other_inputs(self.name, "an image and a mask of float32", program)
        self.order = image_and_mask(self.name, program)
        sides = program.inputs[self.order[0]].sides
        self.sides = sides
        self.most = LARGEST if sides is None else min(sides)

    def paint(self, picture: Bytes, hole: Mask) -> Picture:
        """See `Painter`."""
        height, width = hole.shape
        tall, wide = self.sides or (-(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE)
        image = channels_first(padded(picture, tall, wide)).astype(np.float32) / 255
        mask = padded(hole, tall, wide)[None, None].astype(np.float32)
        output = run_checked(self.program, image.shape, *in_order(self.order, image, mask))
        in_levels = output.max() > 2 or difference(output / 255, image, mask) <= difference(output, image, mask)
        return channels_last(output if in_levels else output * 255)[:height, :width]


class MiGan:
    """MI-GAN at 512 x 512, as its traced generator or as the pipeline around it.

    The generator (IOPaint's migan_traced.pt, iopaint/model/mi_gan.py) reads (1, 4, 512, 512): 0.5 - mask with 1 =
    repaint, and the image in [-1, 1], 0 where it is repainted; it gives (1, 3, 512, 512) in [-1, 1]. The pipeline
    (migan_pipeline_v2.onnx, scripts/create_onnx_pipeline.py of MI-GAN) reads uint8: the image (1, 3, H, W) and a mask
    (1, 1, H, W) in which 255 is known and 0 is repainted; it gives the image, uint8.
    """

    name = "migan"

    def __init__(self, program: Program) -> None:
        self.program = program
        kinds = {given.kind for given in program.inputs}
        self.order: tuple[int, int] | None = None
        if len(program.inputs) == 2 and kinds == {"uint8"}:
            self.order = image_and_mask(self.name, program)
        elif len(program.inputs) != 1 or not kinds <= {"", "float32"} or program.inputs[0].channels not in (None, 4):
            wanted = "one input of 4 channels of float32, or an image and a mask of uint8"
            raise other_inputs(self.name, wanted, program)
        self.sides = program.inputs[0].sides or (SIDE, SIDE)
        self.most = self.least = min(self.sides)

    def paint(self, picture: Bytes, hole: Mask) -> Picture:
        """See `Painter`."""
        height, width = hole.shape
        image, mask = channels_first(padded(picture, *self.sides)), padded(hole, *self.sides)[None, None]
        if self.order is not None:
            known = np.where(mask, 0, 255).astype(np.uint8)
            output = run_checked(self.program, image.shape, *in_order(self.order, image, known))
            return channels_last(output)[:height, :width]
        seen = np.where(mask, 0, image.astype(np.float32) / 127.5 - 1)
        given = np.concatenate([0.5 - mask.astype(np.float32), seen], 1).astype(np.float32)
        output = run_checked(self.program, image.shape, given)
        return channels_last(output * 127.5 + 127.5)[:height, :width]


PAINTERS: dict[str, Callable[[Program], Painter]] = {"lama": Lama, "migan": MiGan}


class NetworkFill:
    """Holes painted by a network, each with what is around it.

    Other objects are painted over before the network sees them, so that it does not continue them into the hole.
    """

    cache_key: tuple[object, ...] = ()

    def __init__(self, painter: Painter, version: str) -> None:
        self.painter = painter
        self.name = painter.name
        self.version = version
        self.patches = PatchFill()

    def fill(self, image: Bytes, hole: Mask, others: Mask, *, seed: int = 0) -> Bytes:
        """See `BackgroundFill`; the seed is of the copies where the network only guides."""
        source = ~(hole | others)
        check_source(hole, source)
        filled = image.copy()
        for part, inside in separate(hole):
            here = np.zeros(hole.shape, np.bool_)
            here[part] = inside
            crop = self._crop_of(part, inside, source)
            picture, gap, usable = image[crop], here[crop], source[crop]
            if max(gap.shape) <= self.painter.most:
                painted = self._paint(picture, gap, usable, seed)
            else:
                guide = functools.partial(self._guide, seed=seed)
                painted = fill_by_copying(picture.astype(np.float32), gap, usable, usable, seed=seed, guide=guide)
            filled[crop][gap] = levels_to_bytes(painted)[gap]
        return filled

    def _crop_of(self, part: Part, inside: Mask, source: Mask) -> Part:
        """What the network is shown: as much around a part of the hole as a fill by copying looks at, but no more
        than the network can be shown, where that leaves enough around the hole."""
        context, most = context_of(part, inside, source), self.painter.most
        fits = max(inside.shape) <= LARGE * most

        def around(most: int | None) -> Part:
            sides = []
            for side, wide, length in zip(part, context, source.shape, strict=True):
                long = max(wide.stop - wide.start, min(self.painter.least, length))
                long = long if most is None else min(long, most)
                start = min(max((side.start + side.stop - long) // 2, 0), length - long)
                sides.append(slice(start, start + long))
            return sides[0], sides[1]

        near = around(most) if fits else around(None)
        return near if source[near].sum() >= inside.sum() else around(None)

    def _guide(self, picture: Picture, hole: Mask, source: Mask, *, seed: int) -> Picture:
        return self._paint(levels_to_bytes(picture), hole, source, seed)

    def _paint(self, picture: Bytes, hole: Mask, source: Mask, seed: int) -> Picture:
        """(H, W, 3) levels; what is neither hole nor source is painted over first."""
        others = ~(hole | source)
        if others.any() and source.any():
            picture = self.patches.fill(picture, others, hole, seed=seed)
        height, width = hole.shape
        if max(height, width) <= self.painter.most:
            return self.painter.paint(picture, hole)
        # A guide alone may be softer than the image that it guides in.
        scale = self.painter.most / max(height, width)
        small = (max(round(width * scale), 1), max(round(height * scale), 1))
        gap = cv2.resize(hole.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0
        seen: Bytes = cv2.resize(picture, small, interpolation=cv2.INTER_AREA).astype(np.uint8)
        painted = cv2.resize(self.painter.paint(seen, gap), (width, height), interpolation=cv2.INTER_CUBIC)
        return painted.astype(np.float32)


def load_network_fill(name: str, file: str) -> NetworkFill:
    """A fill by the network in a file; the last one that was loaded is kept, since jobs often share it.

    Raises:
        ModelError: the file is no such network.
        MissingExtraError: it is ONNX, and onnxruntime is not installed.
    """
    path = Path(file)
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return _load(name, path, ())  # which says what is wrong
    return _load(name, path, (facts.st_size, facts.st_mtime_ns))


@functools.lru_cache(maxsize=1)
def _load(name: str, file: Path, facts: tuple[int, ...]) -> NetworkFill:
    painter = PAINTERS[name](load_program(file))
    return NetworkFill(painter, f"{file.name}#{file_digest(file)[:12]}")


def image_and_mask(name: str, program: Program) -> tuple[int, int]:
    """Which of two inputs is the image and which the mask: by their channels, else by their names, else in order."""

    def is_mask(given: NetworkInput) -> bool:
        return given.channels == 1 or (given.channels is None and "mask" in given.name.lower())

    first, second = program.inputs
    if {first.channels, second.channels} - {None, 1, 3} or (first.channels or 0) == (second.channels or -1):
        raise other_inputs(name, "an image of 3 channels and a mask of 1", program)
    return (1, 0) if is_mask(first) and not is_mask(second) else (0, 1)


def in_order(order: tuple[int, int], image: Values, mask: Values) -> tuple[Values, Values]:
    """Image and mask as the network takes them: `order` is which input is which."""
    return (image, mask) if order == (0, 1) else (mask, image)


def other_inputs(name: str, wanted: str, program: Program) -> ModelError:
    found = ", ".join(str(given) for given in program.inputs) or "nothing"
    other = "migan" if name == "lama" else "lama"
    return ModelError(
        f"The network {program.file} reads {found}, but {name} reads {wanted}",
        Remedy("say what it is with ", Setting("fill", other)),
        Remedy("give another file"),
    )


def run_checked(program: Program, shape: tuple[int, ...], *given: Values) -> Picture:
    """What a network makes of its inputs, in its own range, float32.

    Raises:
        ModelError: the output has another shape, or holds numbers that are not finite.
    """
    output = program.run(*given)
    if output.shape != shape:
        raise ModelError(
            f"The network {program.file} gives {output.shape} for a picture of {shape}: give another, or another export."
        )
    values: Picture = output.astype(np.float32)
    if not np.isfinite(values).all():
        raise ModelError(
            f"The network {program.file} gives numbers that are not finite: give another, or an export in float32."
        )
    return values


def difference(output: Values, image: Values, mask: Values) -> float:
    """Sum of absolute differences where nothing was to be repainted; (1, C, H, W) each."""
    return float((np.abs(output - image) * (1 - mask)).sum())


def padded(values: Values, height: int, width: int) -> Values:
    """(H, W, ...) made larger at its bottom and right by mirroring."""
    room = [(0, height - values.shape[0]), (0, width - values.shape[1])]
    return np.pad(values, room + [(0, 0)] * (values.ndim - 2), mode="symmetric")


def channels_first(picture: Values) -> Values:
    """(H, W, C) -> (1, C, H, W)."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def channels_last(output: Values) -> Picture:
    """(1, C, H, W) -> (H, W, C)."""
    return np.ascontiguousarray(output[0].transpose(1, 2, 0))
