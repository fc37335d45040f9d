"""A JPEG whose blocks are the original's own wherever the edit changed nothing in them.

A JPEG holds squares of 8 x 8 pixels (of brightness; of colour often 16 x 16) as rounded coefficients of a cosine transform.
Decoding and encoding a picture again changes most of them a little. Here the edited picture is encoded with the original's
tables, and the coefficients of every block that shows the same pixels as before are taken from the original: they decode to
the same pixels, except beside a block that changed, where colours are interpolated across the border.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.imaging.containers import jpeg
from intarsia.imaging.containers.pieces import SplicedFile
from intarsia.imaging.masks import Mask
from intarsia.imaging.native_prints import without_libjpegs_words

log = logging.getLogger(__name__)


def blocks_are_kept() -> bool:
    """Whether the library that reads coefficients is here: it is not built for every machine."""
    return importlib.util.find_spec("jpeglib") is not None


def with_original_blocks(encoded: bytes, original: Path, same: Mask) -> bytes | None:
    """An encoded JPEG with the original's own blocks where nothing changed; None where they do not fit it.

    They do not fit a file of other tables or another resolution of colours.

    Args:
        encoded: the edited picture with the original's tables, its pixels stored as the original's are.
        original: the photo's file.
        same: (H, W) stored pixels that are the original's.
    """
    if not blocks_are_kept():
        return None
    import jpeglib

    with tempfile.TemporaryDirectory() as folder:
        file, before = Path(folder) / "picture.jpg", Path(folder) / "before.jpg"
        file.write_bytes(encoded)
        try:
            # Without its metadata: the library gives up at fifty segments, and a depth map alone may take more.
            with original.open("rb") as whole:
                before.write_bytes(SplicedFile(whole, jpeg.take_apart(whole).bare or ()).read())
            with without_libjpegs_words():
                new, old = jpeglib.read_dct(str(file)), jpeglib.read_dct(str(before))
                new.load()
                old.load()
                if not put_blocks(new, old, same):
                    return None
                new.write_dct(str(file))
        except Exception as problem:  # a decoder of its own, which raises nearly anything
            log.debug("the blocks of %s cannot be kept: %s", original, problem)
            return None
        return file.read_bytes()


def put_blocks(new: Any, old: Any, same: Mask) -> bool:
    """Put blocks of one file that did not change into another, in place; False where they do not fit."""
    most = np.max(new.samp_factor, axis=0)
    grey = old.num_components == 1 and (most == 1).all()
    alike = new.num_components == old.num_components and new.jpeg_color_space == old.jpeg_color_space
    if not grey and not (alike and np.array_equal(new.samp_factor, old.samp_factor)):
        return False
    for number, name in enumerate(("Y", "Cb", "Cr")[: new.num_components]):
        here, there = getattr(new, name), getattr(old, name)
        if there is None:  # colour was painted into a grey photo, which has none elsewhere
            here[whole_blocks(same, 8, 8, here.shape[:2])] = 0
            continue
        if here.shape != there.shape or (new.get_component_qt(number) != old.get_component_qt(number)).any():
            return False
        high, wide = (8 * int(side) for side in most // new.samp_factor[number])
        kept = whole_blocks(same, high, wide, here.shape[:2])
        here[kept] = there[kept]
    return True


def whole_blocks(same: Mask, high: int, wide: int, shape: tuple[int, int]) -> Mask:
    """(rows, columns) blocks of which every pixel is in a mask; what a block has beyond the picture does not count.

    Args:
        high, wide: pixels that a block covers.
    """
    rows, columns = shape
    padded = np.ones((rows * high, columns * wide), np.bool_)
    inside = same[: rows * high, : columns * wide]
    padded[: inside.shape[0], : inside.shape[1]] = inside
    return np.asarray(padded.reshape(rows, high, columns, wide).all((1, 3)))
